"""Replies that reach the caller as the JSON they are: a dialect whose only news is what came."""

from __future__ import annotations

from typing import Any, Final, Literal, cast

import msgspec
from msgspec import Struct

from msgflux_like._json import as_list, as_mapping
from msgflux_like._wire.sse import EventTooLargeError
from msgflux_like.dialects._shared.failures import failure_from
from msgflux_like.dialects._shared.protocols import Dialect
from msgflux_like.dialects._shared.stream_decoder import SseDecoder
from msgflux_like.events import Event, Finished, TokenUsage
from msgflux_like.request import ChatRequest, Encoded, Quirks

MAX_CHUNKS: Final = 1_000_000
"""A stream of more chunks is refused; each of them has `sse.MAX_EVENT_BYTES` at most."""

Holds = Literal["choices", "data", "id", ""]
"""The field without which a reply is not what was asked for, "" for none."""

_any = msgspec.json.Decoder()


class Said(Struct, frozen=True):
    """A reply, or one chunk of it, as it came."""

    json: dict[str, Any]


class Raw:
    """A dialect that leaves replies as they are; what is sent, and how refusals are read, is another's."""

    def __init__(self, inner: Dialect, holds: Holds) -> None:
        self.AUTH = inner.AUTH
        self.HEADERS = inner.HEADERS
        self.STATE = inner.STATE
        self.refusal = inner.refusal
        self._encode = inner.encode
        self._holds: Holds = holds

    def encode(self, request: ChatRequest, quirks: Quirks) -> Encoded:
        """See `Dialect`. What the caller says of the stream counts."""
        encoded = self._encode(request, quirks)
        if "stream_options" in request.extra_body:
            encoded.body.pop("stream_options", None)
        return encoded

    def decode(self, body: bytes) -> list[Event]:
        """See `Dialect`."""
        said = _object(body)
        if said.get("error"):
            return [failure_from(said)]
        held = said.get(self._holds)
        if self._holds and (held is None or (self._holds == "choices" and not held)):
            raise msgspec.ValidationError(f"it has no `{self._holds}`, or nothing in it")
        return _events(Said(said))

    def decoder(self) -> SseDecoder:
        """See `Dialect`."""
        return SseDecoder(_Chunks().read, self.decode)


class _Chunks:
    """The chunks of one stream."""

    __slots__ = ("_count", "_whole")

    def __init__(self) -> None:
        self._count = 0
        self._whole = False  # that the answer is whole was told

    def read(self, data: bytes, events: list[Event]) -> bool:
        """One event's data; True for the end mark."""
        if data == b"[DONE]":
            return True
        if not data:
            return False
        self._count += 1
        if self._count > MAX_CHUNKS:
            raise EventTooLargeError(f"it has more than {MAX_CHUNKS} chunks")
        said = _object(data)
        if said.get("error"):
            events.append(failure_from(said))
            return False
        events.extend(_events(Said(said)))
        if not self._whole and (evidence := _evidence(said)) is not None:
            self._whole = True
            events.append(evidence)
        return False


def _object(data: bytes) -> dict[str, Any]:
    said: Any = _any.decode(data)
    if not isinstance(said, dict):
        raise msgspec.ValidationError("it is no JSON object")
    return cast("dict[str, Any]", said)


def _events(*said: Said) -> list[Event]:
    return cast("list[Event]", list(said))  # an exchange hands out whatever its dialect tells


def _evidence(chunk: dict[str, Any]) -> Event | None:
    """What shows that the answer is whole, if this chunk does."""
    for choice in as_list(chunk.get("choices")):
        if type(choice) is dict and (reason := choice.get("finish_reason")):  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  JSON
            return Finished("unknown", str(reason))  # pyright: ignore[reportUnknownArgumentType]
    return TokenUsage() if usage_in(chunk) else None


def usage_in(said: dict[str, Any]) -> dict[str, Any] | None:
    """The usage, wherever a provider puts it."""
    return said.get("usage") or ("x_groq" in said and as_mapping(said["x_groq"]).get("usage")) or None
