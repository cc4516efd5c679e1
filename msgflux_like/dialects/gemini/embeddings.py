"""Gemini's embeddings format, `batchEmbedContents`, as Google AI serves it.

Source: https://ai.google.dev/api/embeddings. The body holds one request for each text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from msgflux_like.dialects._shared.embedding_fields import embedding_parameters
from msgflux_like.dialects._shared.embeddings import Embedded, embedding_usage
from msgflux_like.dialects._shared.failures import failure_from
from msgflux_like.dialects.gemini.errors import refusal
from msgflux_like.dialects.gemini.request import model_path
from msgflux_like.events import Failed
from msgflux_like.request import ChatRequest, Encoded, Quirks

__all__ = ["MOST_TEXTS", "MOST_TOKENS", "decode", "encode", "refusal"]

MOST_TEXTS: Final = 100
MOST_TOKENS: Final = None

_FIELDS: Final[Mapping[str, str]] = {"dimensions": "outputDimensionality", "input_type": "taskType"}
_PURPOSES: Final[Mapping[str, str]] = {
    "query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
    "similarity": "SEMANTIC_SIMILARITY",
}


def encode(request: ChatRequest, texts: Sequence[str], quirks: Quirks) -> Encoded:
    """Return the request for the vectors of the texts; raise UnsupportedError for a parameter without a field."""
    model = model_path(request.model)
    fields = embedding_parameters(request, quirks, _FIELDS, _PURPOSES, "Gemini's format of embeddings")
    requests = [{"model": model, "content": {"parts": [{"text": text}]}, **fields} for text in texts]
    return Encoded(f"/{model}:batchEmbedContents", {"requests": requests})


class _Embedding(Struct):
    values: list[float]


class _Usage(Struct, rename="camel"):
    prompt_token_count: int | None = None
    total_token_count: int | None = None


class _Reply(Struct, rename="camel"):
    embeddings: list[_Embedding] | None = None
    usage_metadata: _Usage | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Reply).decode


def decode(body: bytes) -> Embedded | Failed:
    """Return the vectors of a reply, or its failure; raise msgspec.DecodeError if the body is neither."""
    reply = _decode(body)
    if reply.error:
        return failure_from({"error": reply.error})
    if reply.embeddings is None:
        raise msgspec.ValidationError("it has no `embeddings`")
    usage = reply.usage_metadata or _Usage()
    return Embedded(
        [embedding.values for embedding in reply.embeddings],
        embedding_usage(usage.prompt_token_count, usage.total_token_count),
    )
