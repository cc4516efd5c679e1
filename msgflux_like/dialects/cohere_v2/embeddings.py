"""Cohere's embeddings format, `/v2/embed`.

Source: https://docs.cohere.com/v2/reference/embed. The API requires the purpose of the vectors, and truncates texts
that are too long unless `truncate` is NONE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from msgflux_like.dialects._shared.embedding_fields import embedding_parameters
from msgflux_like.dialects._shared.embeddings import Embedded, embedding_usage
from msgflux_like.dialects.cohere_v2.errors import refusal
from msgflux_like.events import Failed
from msgflux_like.request import Change, ChatRequest, Encoded, Quirks

__all__ = ["MOST_TEXTS", "MOST_TOKENS", "decode", "encode", "refusal"]

MOST_TEXTS: Final = 96
MOST_TOKENS: Final = None

_FIELDS: Final[Mapping[str, str]] = {"dimensions": "output_dimension", "input_type": "input_type"}
_PURPOSES: Final[Mapping[str, str]] = {
    "query": "search_query",
    "document": "search_document",
    "classification": "classification",
    "clustering": "clustering",
}
_DEFAULTED: Final = Change("defaulted", "input_type", 'the API requires a purpose; "document" was sent')


def encode(request: ChatRequest, texts: Sequence[str], quirks: Quirks) -> Encoded:
    """Return the request for the vectors of the texts; raise UnsupportedError for a parameter without a field."""
    body: dict[str, Any] = {"model": request.model, "texts": list(texts), "embedding_types": ["float"]}
    body |= embedding_parameters(request, quirks, _FIELDS, _PURPOSES, "Cohere's format of embeddings")
    changes: tuple[Change, ...] = ()
    if "input_type" not in body and "input_type" not in request.extra_body:
        body["input_type"] = _PURPOSES["document"]
        changes = (_DEFAULTED,)
    if "truncate" not in request.extra_body:
        body["truncate"] = "NONE"
    return Encoded("/embed", body, changes=changes)


class _Vectors(Struct):
    floats: list[list[float]] | None = field(default=None, name="float")


class _Units(Struct):
    input_tokens: float | None = None


class _Meta(Struct):
    billed_units: _Units | None = None


class _Reply(Struct):
    embeddings: _Vectors | None = None
    meta: _Meta | None = None
    id: str | None = None


_decode = msgspec.json.Decoder(_Reply).decode


def decode(body: bytes) -> Embedded | Failed:
    """Return the vectors of a reply; raise msgspec.DecodeError if the body is not a reply."""
    reply = _decode(body)
    if reply.embeddings is None or reply.embeddings.floats is None:
        raise msgspec.ValidationError("it has no `embeddings.float`")
    units = (reply.meta or _Meta()).billed_units or _Units()
    return Embedded(reply.embeddings.floats, embedding_usage(units.input_tokens), reply.id or "")
