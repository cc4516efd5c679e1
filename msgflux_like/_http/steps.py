"""Steps that an exchange yields and a driver performs: the vocabulary between the two.

    step        what the driver does                                       what it sends back
    ----------  ---------------------------------------------------------  -----------------------------
    Send        sends the request and waits for the head of the reply      Head
    READ        reads more of the body                                     bytes, or None at its end
    DRAIN       reads the rest of a body that has arrived already          None
    Wait        releases the connection and waits                          None
    Do          calls a function                                           the function's result
    Join        joins a single flight (see `_concurrency.single_flight`)   Outcome
    a list      hands the events to the caller                             None

A driver throws a `WireError` into the generator when a step fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from msgflux_like.events import Event
from msgflux_like.request import HttpRequest

if TYPE_CHECKING:
    from msgflux_like._concurrency.single_flight import SingleFlight
    from msgflux_like.errors import Phase


class Send(Struct, frozen=True):
    """Send this request; the outcome is a `Head`."""

    http: HttpRequest


class Head(Struct, frozen=True):
    """Status and headers of a reply.

    Attributes:
        status: HTTP status code.
        headers: Values by name; names are in lower case.
        received_at: Unix time in seconds.
    """

    status: int
    headers: Mapping[bytes, bytes] = {}
    received_at: float = 0.0

    def get(self, name: bytes) -> str:
        """Return the header's value, or "" if the reply does not have it."""
        return self.headers.get(name, b"").decode("latin-1").strip()


class Read(Struct, frozen=True):
    """Read more of the body; the outcome is bytes, or None at the end of the body."""


class Drain(Struct, frozen=True):
    """The answer is complete: read the rest of the body if it is there already, so that the connection is reusable."""


class Wait(Struct, frozen=True):
    """Wait before the next attempt. A `WireError` is raised at once if the deadline leaves no time for the wait."""

    seconds: float


class Do(Struct, frozen=True):
    """Call this function; the outcome is its result.

    Attributes:
        function: Takes no arguments.
        blocks: Whether it may wait for a disk or a network, so that event loops must call it in a thread.
    """

    function: Callable[[], Any]
    blocks: bool


class Join(Struct, frozen=True):
    """Join the single flight for `key`; the outcome is an `Outcome` of `_concurrency.single_flight`."""

    flights: SingleFlight
    key: bytes


READ: Final = Read()
DRAIN: Final = Drain()

Step = Send | Read | Drain | Wait | Do | Join | list[Event]


class WireError(Exception):
    """A driver's report that a step failed.

    Attributes:
        phase: The time limit that was exceeded, or None if the connection failed.
    """

    def __init__(self, message: str, phase: Phase | None = None) -> None:
        super().__init__(message)
        self.phase: Phase | None = phase
