"""Decoders of streamed replies: a parser of the framing (server-sent events, AWS event stream), and a reader of events.

The parser cuts the bytes into events; the reader, a function of the dialect, appends what one of them says. The decoder
stops (`ended`) at the reader's last event or at a failure, and is `complete` once the reader's last event or a finish
reason was seen. A token usage is no evidence, because some hosts report it with every chunk: where a format ends by a
usage report or by a mark alone, the reader says so with `Finished("unknown")`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from msgflux_like._wire.sse import EventTooLargeError, Parser
from msgflux_like.events import Event, Failed, Finished

T = TypeVar("T")

_MAX_WHOLE_BYTES = 64 * 1024 * 1024  # as of a whole reply to a request for one


class StreamParser(Protocol[T]):
    """Parser of a stream's framing: bytes, cut anywhere, in; frames of type T out."""

    def feed(self, data: bytes) -> list[T]:
        """Return the frames that these bytes complete."""
        ...

    def close(self) -> list[T]:
        """End the body and return the frame that was held back, if it is whole."""
        ...


class StreamDecoder(Generic[T]):
    """The `Decoder` of a stream whose frames a dialect's function reads.

    Args:
        parser: Makes the parser of the framing.
        read: Appends the events of one frame to the list; returns True for the last frame of the stream.
        decode: Decodes a whole reply. Some servers send one although a stream was requested: a body that begins with
            a brace.
        at_end: Appends the events that the end of the body gives to a stream that is not complete; none by default.
    """

    __slots__ = ("_at_end", "_decode", "_make", "_parser", "_read", "_whole", "_whole_bytes", "complete", "ended")

    def __init__(
        self,
        parser: Callable[[], StreamParser[T]],
        read: Callable[[T, list[Event]], bool],
        decode: Callable[[bytes], list[Event]],
        at_end: Callable[[list[Event]], None] | None = None,
    ) -> None:
        self._at_end = at_end
        self._make = parser
        self._read = read
        self._decode = decode
        self._parser: StreamParser[T] | None = None  # created once the first byte shows that the body is a stream
        self._whole: list[bytes] = []
        self._whole_bytes = 0
        self.complete = False
        self.ended = False

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete; see `Decoder.feed`."""
        if self.ended:
            return []
        parser = self._parser
        if parser is None:
            if self._whole or data.lstrip()[:1] == b"{":
                self._whole.append(data)
                self._whole_bytes += len(data)
                if self._whole_bytes > _MAX_WHOLE_BYTES:
                    raise EventTooLargeError(f"it is longer than {_MAX_WHOLE_BYTES} bytes")
                return []
            if not data.strip():
                return []
            parser = self._parser = self._make()
        return self._events(parser.feed(data))

    def close(self) -> list[Event]:
        """End the body and return the events that were held back; see `Decoder.close`."""
        if self.ended:
            return []
        if self._parser is not None:
            events = self._events(self._parser.close())
            if self._at_end is not None and not (self.complete or self.ended):
                self._at_end(events)
                self.complete = any(type(event) is Finished for event in events)
            return events
        if self._whole:
            self.complete = True
            return self._decode(b"".join(self._whole))
        return []

    def _events(self, found: list[T]) -> list[Event]:
        events: list[Event] = []
        for each in found:
            if self._read(each, events):
                self.ended = self.complete = True
                break
            if events and type(events[-1]) is Failed:
                self.ended = True
                break
        if not self.complete:
            for event in events:
                if type(event) is Finished:
                    self.complete = True
        return events


class SseDecoder(StreamDecoder[bytes]):
    """The `Decoder` of a stream of server-sent events; `read` receives the data of each event."""

    __slots__ = ()

    def __init__(
        self,
        read: Callable[[bytes, list[Event]], bool],
        decode: Callable[[bytes], list[Event]],
        at_end: Callable[[list[Event]], None] | None = None,
    ) -> None:
        super().__init__(Parser, read, decode, at_end)
