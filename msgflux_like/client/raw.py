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
from msgflux_like.events import Event, Failed, Finished
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
        if (failed := _failure_in(reply)) is not None:
            return [failed]
        value = reply.get(self._required_field)
        if self._required_field and (value is None or (self._required_field == "choices" and not value)):
            raise msgspec.ValidationError(f"the reply has no `{self._required_field}`, or an empty one")
        return _as_events(reply)

    def decoder(self) -> SseDecoder:
        """Return the decoder of a stream."""
        chunks = _Chunks()
        return SseDecoder(chunks.read, self.decode, chunks.on_end)


class _Chunks:
    """Reader of the chunks of one stream."""

    __slots__ = ("_answering", "_count", "_finished", "_usage_is_last")

    def __init__(self) -> None:
        self._count = 0
        self._answering = False  # whether there was a choice
        self._finished = False
        self._usage_is_last = False  # whether the last chunk was a usage report behind a choice

    def read(self, data: bytes, events: list[Event]) -> bool:
        """Add the events of one server-sent event; True for the end mark of an answer."""
        if data[:1] != b"{":
            mark = data.strip()
            if not mark or mark == b"[DONE]":
                return bool(mark) and (self._answering or self._finished)
        self._count += 1
        if self._count > MAX_CHUNKS:
            raise EventTooLargeError(f"the stream has more than {MAX_CHUNKS} chunks")
        reply = _object(data)
        if (failed := _failure_in(reply)) is not None:
            events.append(failed)
            return False
        events.extend(_as_events(reply))
        if not self._finished:
            self._find_end(reply, events)
        return False

    def on_end(self, events: list[Event]) -> None:
        """Add the end of a stream whose last chunk is a usage report, without a finish reason or an end mark."""
        if self._usage_is_last:
            events.append(Finished("unknown"))

    def _find_end(self, chunk: dict[str, Any], events: list[Event]) -> None:
        choices = as_list(chunk.get("choices"))
        for choice in choices:
            if reason := as_mapping(choice).get("finish_reason"):
                self._finished = True
                events.append(Finished("unknown", str(reason)))
                return
        self._answering = self._answering or bool(choices)
        self._usage_is_last = not choices and self._answering and usage_in(chunk) is not None


def _failure_in(reply: dict[str, Any]) -> Failed | None:
    """Return the failure that a reply or one of its choices holds."""
    if reply.get("error"):
        return failure_from(reply)
    for choice in as_list(reply.get("choices")):
        if type(choice) is dict and choice.get("error"):  # pyright: ignore[reportUnknownMemberType]  JSON
            return failure_from({"error": as_mapping(choice)["error"]})
    return None


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


def usage_in(reply: dict[str, Any]) -> dict[str, Any] | None:
    """Return the usage of a reply, at whichever place the provider puts it."""
    usage: Any = reply.get("usage") or ("x_groq" in reply and as_mapping(reply["x_groq"]).get("usage"))
    return cast("dict[str, Any]", usage) if usage and isinstance(usage, dict) else None
