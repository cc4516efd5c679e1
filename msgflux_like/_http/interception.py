"""The protocol of a reply, and interceptors: recordings and scripted providers in front of the network, for tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from msgflux_like._http.deadline import Deadline
from msgflux_like._http.steps import Head
from msgflux_like.request import HttpRequest


class Reply(Protocol):
    """A reply whose status and headers have arrived."""

    head: Head

    def read(self, deadline: Deadline) -> bytes | None:
        """Return the next bytes of the body, or None at its end. Raises WireError."""
        ...

    def drain(self) -> None:
        """Read the rest of the body if it arrives at once."""
        ...

    def close(self) -> None:
        """Release the connection. It is reused if the body was read to its end, and closed otherwise."""
        ...

    def abort(self) -> None:
        """End a read in which another thread waits."""
        ...


class AsyncReply(Protocol):
    """Async counterpart of `Reply`."""

    head: Head

    async def read(self, deadline: Deadline) -> bytes | None: ...
    async def drain(self) -> None: ...
    async def aclose(self) -> None: ...
    def abort(self) -> None: ...


class Interceptor(Protocol):
    """Answers requests itself, or sends them on with `send`, the transport's own way to the network.

    A `WireError` that it raises is a failure of the connection and may be retried. Any other exception is raised to
    the caller as it is.
    """

    def open(self, http: HttpRequest, deadline: Deadline, send: Callable[[HttpRequest, Deadline], Reply], /) -> Reply:
        """Return the reply. Raises WireError if there is none."""
        ...

    async def aopen(
        self, http: HttpRequest, deadline: Deadline, send: Callable[[HttpRequest, Deadline], Awaitable[AsyncReply]], /
    ) -> AsyncReply:
        """Async counterpart of `open`."""
        ...


interceptors: list[Interceptor] = []
"""The interceptors of the process, for requests of all threads and event loops. The last one is used."""
