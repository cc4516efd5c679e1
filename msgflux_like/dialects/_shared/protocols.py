"""The two protocols through which the rest of the package drives a wire dialect: `Dialect` and `Decoder`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgflux_like.events import Event, Failed
from msgflux_like.request import ChatRequest, Encoded, Quirks


class Decoder(Protocol):
    """Decoder of one reply: bytes, cut anywhere, in; events out.

    Attributes:
        complete: Whether a finish reason or the dialect's terminal event was seen: the answer is whole.
        ended: Whether nothing can follow, so that the rest of the body need not be waited for.
    """

    complete: bool
    ended: bool

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete. A `Failed` is the last event of the reply."""
        ...

    def close(self) -> list[Event]:
        """End the body and return the events of the bytes that were held back."""
        ...


class Dialect(Protocol):
    """The four functions of a dialect, and the constants of its requests and answers.

    Attributes:
        AUTH: Name of the header that carries the key, and the prefix of its value.
        HEADERS: Headers of every request.
        STATE: The form of the opaque state in its answers (signatures, encrypted reasoning), and the parts of model
            names whose state can be read by every host that serves them; see `state_family`.
    """

    AUTH: tuple[str, str]
    HEADERS: Mapping[str, str]
    STATE: tuple[str, tuple[str, ...]]

    def encode(self, request: ChatRequest, quirks: Quirks) -> Encoded:
        """Return the request in the dialect's format.

        Raises:
            UnsupportedError: If the dialect cannot express a part of the request.
        """
        ...

    def decode(self, body: bytes) -> list[Event]:
        """Return the events of a whole reply.

        Raises:
            msgspec.DecodeError: If the body is not a reply of this dialect.
        """
        ...

    def decoder(self) -> Decoder:
        """Return a new decoder for one streamed reply."""
        ...

    def refusal(self, body: bytes) -> Failed:
        """Return the failure in the body of a reply with an error status."""
        ...
