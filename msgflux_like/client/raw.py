"""Dialect that passes replies on as they came: its only event is the JSON of a reply, or of one chunk."""

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
"""Upper bound of the chunks of a stream; each has at most `sse.MAX_EVENT_BYTES`."""

RequiredField = Literal["choices", "data", "id", ""]
"""Field without which a reply is invalid, "" for none."""

_any = msgspec.json.Decoder()


class RawReply(Struct, frozen=True):
    """Event with a reply, or one chunk of it, as it came."""

    json: dict[str, Any]


class RawDialect:
    """Dialect that passes replies on; it encodes requests and reads errors as the dialect that it wraps."""

    def __init__(self, inner: Dialect, required_field: RequiredField) -> None:
        self.AUTH = inner.AUTH
        self.HEADERS = inner.HEADERS
        self.STATE = inner.STATE
        self.refusal = inner.refusal
        self._encode = inner.encode
        self._required_field: RequiredField = required_field

    def encode(self, request: ChatRequest, quirks: Quirks) -> Encoded:
        """Encode the request; `stream_options` in `extra_body` replace the default ones."""
        encoded = self._encode(request, quirks)
        if "stream_options" in request.extra_body:
            encoded.body.pop("stream_options", None)
        return encoded

    def decode(self, body: bytes) -> list[Event]:
        """Return the event of a whole reply."""
        reply = _object(body)
        if reply.get("error"):
            return [failure_from(reply)]
        value = reply.get(self._required_field)
        if self._required_field and (value is None or (self._required_field == "choices" and not value)):
            raise msgspec.ValidationError(f"the reply has no `{self._required_field}`, or an empty one")
        return _as_events(reply)

    def decoder(self) -> SseDecoder:
        """Return the decoder of a stream."""
        return SseDecoder(_Chunks().read, self.decode)


class _Chunks:
    """Reader of the chunks of one stream."""

    __slots__ = ("_complete", "_count")

    def __init__(self) -> None:
        self._count = 0
        self._complete = False  # whether an event reported it

    def read(self, data: bytes, events: list[Event]) -> bool:
        """Add the events of one server-sent event; True for the end mark."""
        if data == b"[DONE]":
            return True
        if not data:
            return False
        self._count += 1
        if self._count > MAX_CHUNKS:
            raise EventTooLargeError(f"the stream has more than {MAX_CHUNKS} chunks")
        reply = _object(data)
        if reply.get("error"):
            events.append(failure_from(reply))
            return False
        events.extend(_as_events(reply))
        if not self._complete and (event := _completion_event(reply)) is not None:
            self._complete = True
            events.append(event)
        return False


def _object(data: bytes) -> dict[str, Any]:
    try:
        reply: Any = _any.decode(data)
    except UnicodeDecodeError:
        raise msgspec.DecodeError("the reply is not UTF-8") from None
    if not isinstance(reply, dict):
        raise msgspec.ValidationError("the reply is not a JSON object")
    return cast("dict[str, Any]", reply)


def _as_events(reply: dict[str, Any]) -> list[Event]:
    return cast("list[Event]", [RawReply(reply)])  # an exchange passes on the events of its dialect, whatever they are


def _completion_event(chunk: dict[str, Any]) -> Event | None:
    """Return a Finished event if this chunk shows that the answer is complete."""
    for choice in as_list(chunk.get("choices")):
        if type(choice) is dict and (reason := choice.get("finish_reason")):  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  JSON
            return Finished("unknown", str(reason))  # pyright: ignore[reportUnknownArgumentType]
    return TokenUsage() if usage_in(chunk) else None


def usage_in(reply: dict[str, Any]) -> dict[str, Any] | None:
    """Return the usage of a reply, at whichever place the provider puts it."""
    return reply.get("usage") or ("x_groq" in reply and as_mapping(reply["x_groq"]).get("usage")) or None
