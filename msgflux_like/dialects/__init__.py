"""The wire dialects, one file each, and what a dialect is.

A dialect is pure: values and bytes in, bytes and events out. Its module has the members of `Dialect`; its name is
the file's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Generic, Protocol, TypeVar, cast

from msgflux_like.events import Event, Failed, Finished, Usage
from msgflux_like.request import ChatRequest, Encoded, Quirks
from msgflux_like.sse import Parser


class Decoder(Protocol):
    """Bytes of a reply, cut anywhere, to events.

    Attributes:
        complete: Whether a finish reason, a terminal event or a usage report was seen: the answer is whole.
        ended: Whether nothing can follow, so that the rest of the body need not be waited for.
    """

    complete: bool
    ended: bool

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete. A `Failed` is the last of its list, and nothing follows it."""
        ...

    def close(self) -> list[Event]:
        """The body ended: the events of what was left over."""
        ...


class Dialect(Protocol):
    """The four functions, and what is said of all requests and answers.

    Attributes:
        AUTH: Name and beginning of the header that carries the key.
        HEADERS: Sent with every request.
        STATE: The form of the opaque state in its answers (signatures, encrypted reasoning), and the parts of model
            names whose makers let every host that serves them read it; see `state_family`.
    """

    AUTH: tuple[str, str]
    HEADERS: Mapping[str, str]
    STATE: tuple[str, tuple[str, ...]]

    def encode(self, request: ChatRequest, quirks: Quirks) -> Encoded:
        """The request in the dialect's words; UnsupportedError for what it has no words for."""
        ...

    def decode(self, body: bytes) -> list[Event]:
        """A whole reply. Raises msgspec.DecodeError when it is none."""
        ...

    def decoder(self) -> Decoder:
        """For one streamed reply."""
        ...

    def refusal(self, body: bytes) -> Failed:
        """What the provider said in the body of a reply with an error status."""
        ...


@cache
def load(name: str) -> Dialect:
    """The dialect of that name; ValueError lists the names there are."""
    if name not in names():
        raise ValueError(f"there is no dialect {name!r}; there are {', '.join(names())}")
    return cast("Dialect", import_module(f"msgflux_like.dialects.{name}"))


@cache
def names() -> tuple[str, ...]:
    """All dialects: the folder is the list."""
    return tuple(sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_")))


def state_family(dialect: Dialect, provider: str, model: str) -> str:
    """Who can read the opaque state of an answer: those whose family is the same.

    Claude's signatures hold wherever Claude is served; what OpenAI encrypts is read at the same provider only.
    """
    form, makers = dialect.STATE
    return f"{form}:{next((maker for maker in makers if maker in model.lower()), provider)}"


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


_EVIDENCE = {Finished, Usage}  # with the end mark, what shows that an answer is whole
