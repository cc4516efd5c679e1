"""Replies from memory, sync and async, in the place of those of a transport."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from msgflux_like._http.deadline import Deadline
from msgflux_like._http.steps import Head, WireError
from msgflux_like.errors import Phase


class Breaks(Struct, frozen=True):
    """Connection failure, as a reply of a `FakeProvider` or at the end of a `FakeReply`.

    Args:
        message: Message of the error.
        phase: Time limit that was exceeded: "connect", "first_event", "between_events" or "total"; None for a
            connection that could not be made, or broke.

    Example:
        >>> import msgflux_like as mf
        >>> from msgflux_like.testing import Breaks, FakeProvider
        >>> provider = FakeProvider(Breaks("nothing was received", "first_event"))
        >>> model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-x", http_client=provider, max_retries=0)
        >>> try:
        ...     model("Hello")
        ... except mf.errors.APITimeoutError as error:
        ...     print(error.phase)
        first_event
    """

    message: str = "the connection failed: it was cut"
    phase: Phase | None = None

    def error(self) -> WireError:
        """Return the error that a driver throws into the exchange."""
        return WireError(self.message, self.phase)


class ReplayedReply:
    """Reply that returns `pieces`, then raises `end`, or ends the body if there is none."""

    def __init__(self, head: Head, pieces: Iterable[bytes], end: Exception | None = None) -> None:
        self.head = head
        self._pieces = iter(pieces)
        self._end = end

    def read(self, deadline: Deadline) -> bytes | None:  # noqa: ARG002  there is nothing to wait for
        """Return the next piece of the body, None at its end."""
        piece = next(self._pieces, None)
        if piece is None and self._end is not None:
            raise self._end
        return piece

    def drain(self) -> None:
        """Do nothing: there is nothing to drain."""

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def abort(self) -> None:
        """Do nothing: no read is waiting."""


class AsyncReplayedReply:
    """Async counterpart of `ReplayedReply`."""

    def __init__(self, reply: ReplayedReply) -> None:
        self.head = reply.head
        self._reply = reply

    async def read(self, deadline: Deadline) -> bytes | None:
        """Return the next piece of the body, None at its end."""
        return self._reply.read(deadline)

    async def drain(self) -> None:
        """Do nothing: there is nothing to drain."""

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""

    def abort(self) -> None:
        """Do nothing: no read is waiting."""
