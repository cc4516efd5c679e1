"""Mistral's format of embeddings: OpenAI's, with another name for the dimensions.

Source: https://docs.mistral.ai/api/endpoint/embeddings. Fields that it does not know are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgflux_like.dialects._shared.embedding_fields import embedding_parameters
from msgflux_like.dialects.mistral.request import refusal
from msgflux_like.dialects.openai_chat.embeddings import decode
from msgflux_like.request import ChatRequest, Encoded, Quirks

__all__ = ["MOST_TEXTS", "MOST_TOKENS", "decode", "encode", "refusal"]

MOST_TEXTS: Final = 512
MOST_TOKENS: Final = 16_000  # "Too many tokens in batch" above 16,384

_FIELDS: Final[Mapping[str, str]] = {"dimensions": "output_dimension"}


def encode(request: ChatRequest, texts: Sequence[str], quirks: Quirks) -> Encoded:
    """See `Format`."""
    fields = embedding_parameters(request, quirks, _FIELDS, {}, "Mistral's format of embeddings")
    return Encoded("/embeddings", {"model": request.model, "input": list(texts), **fields})
