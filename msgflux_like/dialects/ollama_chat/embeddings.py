"""Ollama's own format of embeddings, `/api/embed`.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md. It cuts texts that are too long
unless it is told not to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from msgflux_like.dialects._shared.embedding_fields import embedding_parameters
from msgflux_like.dialects._shared.embeddings import Embedded, embedding_usage
from msgflux_like.dialects._shared.failures import failure_from, failure_in
from msgflux_like.events import Failed
from msgflux_like.request import ChatRequest, Encoded, Quirks

MOST_TEXTS: Final = 512  # ours: it takes any number
MOST_TOKENS: Final = None

_FIELDS: Final[Mapping[str, str]] = {"dimensions": "dimensions"}

refusal = failure_in


def encode(request: ChatRequest, texts: Sequence[str], quirks: Quirks) -> Encoded:
    """See `Format`."""
    body: dict[str, Any] = {"model": request.model, "input": list(texts)}
    body |= embedding_parameters(request, quirks, _FIELDS, {}, "Ollama's format of embeddings")
    if "truncate" not in request.extra_body:
        body["truncate"] = False
    return Encoded("/api/embed", body)


class _Reply(Struct):
    embeddings: list[list[float]] | None = None
    prompt_eval_count: int | None = None
    model: str | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Reply).decode


def decode(body: bytes) -> Embedded | Failed:
    """See `Format`."""
    reply = _decode(body)
    if reply.error:
        return failure_from({"error": reply.error})
    if reply.embeddings is None:
        raise msgspec.ValidationError("it has no `embeddings`")
    return Embedded(reply.embeddings, embedding_usage(reply.prompt_eval_count), model=reply.model or "")
