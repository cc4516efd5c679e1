"""Decoders of streamed replies: a parser of the stream's form, and the function that reads one of its events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from msgflux_like._wire.sse import Parser
from msgflux_like.events import Event, Failed, Finished, TokenUsage

T = TypeVar("T")


class StreamParser(Protocol[T]):
    """Bytes of a stream, cut anywhere, to its events; of what sort they are is the stream's form."""

    def feed(self, data: bytes) -> list[T]:
        """The events that these bytes complete."""
        ...

    def close(self) -> list[T]:
        """The body ended: the event that was left over, if it is one."""
        ...


class StreamDecoder(Generic[T]):
    """A stream of the form that `parser` makes a parser for, read by a function that a dialect gives.

    `read(event, events)` appends what one event says, and returns True when it is the last one. Some servers
    answer a request for a stream with a whole reply: a body that begins with a brace goes to `decode`.
    """

    __slots__ = ("_decode", "_make", "_parser", "_read", "_whole", "complete", "ended")

    def __init__(
        self,
        parser: Callable[[], StreamParser[T]],
        read: Callable[[T, list[Event]], bool],
        decode: Callable[[bytes], list[Event]],
    ) -> None:
        self._make = parser
        self._read = read
        self._decode = decode
        self._parser: StreamParser[T] | None = None  # made when the first byte shows that it is a stream
        self._whole: list[bytes] = []
        self.complete = False
        self.ended = False

    def feed(self, data: bytes) -> list[Event]:
        """See `Decoder`."""
        if self.ended:
            return []
        parser = self._parser
        if parser is None:
            if self._whole or data.lstrip()[:1] == b"{":
                self._whole.append(data)
                return []
            if not data.strip():
                return []
            parser = self._parser = self._make()
        return self._events(parser.feed(data))

    def close(self) -> list[Event]:
        """See `Decoder`."""
        if self.ended:
            return []
        if self._parser is not None:
            return self._events(self._parser.close())
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
                if type(event) in _EVIDENCE:
                    self.complete = True
        return events


class SseDecoder(StreamDecoder[bytes]):
    """A stream of server-sent events: `read` is given the data of each."""

    __slots__ = ()

    def __init__(self, read: Callable[[bytes, list[Event]], bool], decode: Callable[[bytes], list[Event]]) -> None:
        super().__init__(Parser, read, decode)


_EVIDENCE = {Finished, TokenUsage}  # with the end mark, what shows that an answer is whole
