"""The two protocols through which everything else drives a wire dialect: `Dialect` and `Decoder`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgflux_like.events import Event, Failed
from msgflux_like.request import ChatRequest, Encoded, Quirks


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
