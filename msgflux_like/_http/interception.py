"""What a transport gives, and who may stand between it and the network: a recording, a provider that a test scripts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from msgflux_like._http.deadline import Deadline
from msgflux_like._http.steps import Head
from msgflux_like.request import HttpRequest


class Reply(Protocol):
    """A reply whose head has come."""

    head: Head

    def read(self, deadline: Deadline) -> bytes | None:
        """The next bytes of the body, None at its end; WireError."""
        ...

    def drain(self) -> None:
        """Read the end of the body if it comes at once."""
        ...

    def close(self) -> None:
        """Let go of the connection; it is kept for the next request if the body was read to its end."""
        ...

    def abort(self) -> None:
        """End a read that another thread is waiting in."""
        ...


class AsyncReply(Protocol):
    """The async twin of `Reply`."""

    head: Head

    async def read(self, deadline: Deadline) -> bytes | None: ...
    async def drain(self) -> None: ...
    async def aclose(self) -> None: ...
    def abort(self) -> None: ...


class Interceptor(Protocol):
    """Answers a request itself, or has it sent: `send` is the transport's own way to the network.

    What it raises but a `WireError` goes to the caller as it is, and nothing is tried again.
    """

    def open(self, http: HttpRequest, deadline: Deadline, send: Callable[[HttpRequest, Deadline], Reply], /) -> Reply:
        """The reply, once its head is there; WireError when there is none."""
        ...

    async def aopen(
        self, http: HttpRequest, deadline: Deadline, send: Callable[[HttpRequest, Deadline], Awaitable[AsyncReply]], /
    ) -> AsyncReply:
        """The async twin of `open`."""
        ...


interceptors: list[Interceptor] = []
"""Those of the whole process, whatever thread or event loop a request comes from. The last one counts."""
