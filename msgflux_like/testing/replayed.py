"""A reply that comes from memory, for both colours: what a transport gives when nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from msgflux_like._http.deadline import Deadline
from msgflux_like._http.steps import Head, WireError
from msgflux_like.errors import Phase


class Breaks(Struct, frozen=True):
    """A connection that fails.

    Attributes:
        message: What the error says.
        phase: What was waited for when nothing came in time ("connect", "first_event", "between_events", "total");
            None for a connection that could not be made, or broke.
    """

    message: str = "the connection failed: it was cut"
    phase: Phase | None = None

    def error(self) -> WireError:
        """What a driver throws into the exchange for it."""
        return WireError(self.message, self.phase)


class ReplayedReply:
    """A `Reply`: the pieces, and then `end` if there is one, else the end of the body."""

    def __init__(self, head: Head, pieces: Iterable[bytes], end: Exception | None = None) -> None:
        self.head = head
        self._pieces = iter(pieces)
        self._end = end

    def read(self, deadline: Deadline) -> bytes | None:  # noqa: ARG002  there is nothing to wait for
        """See `Reply`."""
        piece = next(self._pieces, None)
        if piece is None and self._end is not None:
            raise self._end
        return piece

    def drain(self) -> None:
        """Nothing is on its way."""

    def close(self) -> None:
        """There is no connection."""

    def abort(self) -> None:
        """Nobody waits."""


class AsyncReplayedReply:
    """The async twin of `ReplayedReply`."""

    def __init__(self, played: ReplayedReply) -> None:
        self.head = played.head
        self._played = played

    async def read(self, deadline: Deadline) -> bytes | None:
        """See `AsyncReply`."""
        return self._played.read(deadline)

    async def drain(self) -> None:
        """Nothing is on its way."""

    async def aclose(self) -> None:
        """There is no connection."""

    def abort(self) -> None:
        """Nobody waits."""
