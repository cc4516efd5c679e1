"""OpenAI's format of embeddings, which most servers offer beside its chat format.

Source: https://platform.openai.com/docs/api-reference/embeddings. Vectors come as numbers, or as base64 text of 32-bit
floats, which is less than half as long; either is read, whichever was asked for.
"""

from __future__ import annotations

import sys
from array import array
from binascii import a2b_base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from msgflux_like.dialects._shared.embedding_fields import embedding_parameters
from msgflux_like.dialects._shared.embeddings import Embedded, embedding_usage
from msgflux_like.dialects._shared.failures import failure_from, failure_in
from msgflux_like.events import Failed
from msgflux_like.request import ChatRequest, Encoded, Quirks

MOST_TEXTS: Final = 2048
MOST_TOKENS: Final = 300_000

_FIELDS: Final[Mapping[str, str]] = {"dimensions": "dimensions", "user": "user"}

refusal = failure_in


def encode(request: ChatRequest, texts: Sequence[str], quirks: Quirks) -> Encoded:
    """See `Format`."""
    body = {
        "model": request.model,
        "input": list(texts),
        **embedding_parameters(request, quirks, _FIELDS, {}, "OpenAI's format of embeddings"),
    }
    if quirks.embeddings_base64 and "encoding_format" not in request.extra_body:
        body["encoding_format"] = "base64"
    return Encoded("/embeddings", body)


class _Item(Struct):
    embedding: list[float] | str
    index: int | None = None


class _Usage(Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None
    cost: float | None = None


class _Reply(Struct):
    data: list[_Item] | None = None
    usage: _Usage | None = None
    id: str | None = None
    model: str | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Reply).decode


def decode(body: bytes) -> Embedded | Failed:
    """See `Format`. The items may come in any order."""
    reply = _decode(body)
    if reply.error:
        return failure_from({"error": reply.error})
    if reply.data is None:
        raise msgspec.ValidationError("it has no `data`")
    usage = reply.usage or _Usage()
    return Embedded(
        [_vector(item.embedding) for item in sorted(reply.data, key=_place)],
        embedding_usage(usage.prompt_tokens, usage.total_tokens, usage.cost),
        reply.id or "",
        reply.model or "",
    )


def _place(item: _Item) -> int:
    return item.index or 0


def _vector(said: list[float] | str) -> list[float]:
    return floats_of(said) if isinstance(said, str) else said


def floats_of(text: str) -> list[float]:
    """The numbers in base64 text of 32-bit floats, little endian. Raises msgspec.ValidationError for other text."""
    numbers = array("f")
    try:
        numbers.frombytes(a2b_base64(text, strict_mode=True))
    except ValueError:
        raise msgspec.ValidationError("a vector is no base64 text of 32-bit floats") from None
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()
