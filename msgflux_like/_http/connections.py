"""The connection pool: which connection a request takes, and one reply on it.

Idle connections are on a stack of our own, because httpcore's pool examines every connection on every request. A
stack belongs to one process and, for async, to one event loop: a forked child starts with an empty one, and an event
loop closes its own when it ends.
"""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from msgflux_like._http import http_client
from msgflux_like._http.deadline import Deadline
from msgflux_like._http.http_client import FAILURES, KEEPALIVE_S, Limits, Target
from msgflux_like._http.interception import AsyncReply, Interceptor, Reply, interceptors
from msgflux_like._wire.secrets import Secret, TokenSource
from msgflux_like.errors import InvalidRequestError
from msgflux_like.request import HttpRequest

_DRAIN_S = 0.1


class Transport:
    """The connections of one model. Nothing is opened before the first request.

    Args:
        client: A user's own client (httpx2 or httpx), which is never closed here, or an `Interceptor`.

    Attributes:
        interceptor: Answers requests in place of the network; takes precedence over those of the process.
    """

    def __init__(self, client: Any = None) -> None:
        self.interceptor: Interceptor | None = client if hasattr(client, "aopen") else None
        self._client = client if self.interceptor is None else None
        self._client_is_async = client is not None and hasattr(client, "aclose")
        self._stack = _Stack()
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopStack] = weakref.WeakKeyDictionary()
        weakref.finalize(self, self._stack.close)

    def open(self, http: HttpRequest, deadline: Deadline) -> Reply:
        """Send a request and wait for the head of its reply."""
        if (interceptors or self.interceptor) and (interceptor := self._find_interceptor()) is not None:
            return interceptor.open(http, deadline, self.send)
        return self.send(http, deadline)

    async def aopen(self, http: HttpRequest, deadline: Deadline) -> AsyncReply:
        """Async counterpart of `open`."""
        if (interceptors or self.interceptor) and (interceptor := self._find_interceptor()) is not None:
            return await interceptor.aopen(http, deadline, self.asend)
        return await self.asend(http, deadline)

    def _find_interceptor(self) -> Interceptor | None:
        return self.interceptor or next(reversed(interceptors), None)

    def send(self, http: HttpRequest, deadline: Deadline) -> Reply:
        """Send a request past all interceptors."""
        if type(http.key) is TokenSource:
            http = replace(http, key=http.key.token())
        limits = deadline.begin_attempt()
        if self._client is None:
            return self._stack.open(http, limits, deadline)
        if self._client_is_async:
            raise InvalidRequestError("http_client is an AsyncClient: use acall, or give a Client")
        return _ClientReply(self._client, http, limits, deadline)

    async def asend(self, http: HttpRequest, deadline: Deadline) -> AsyncReply:
        """Async counterpart of `send`."""
        if type(http.key) is TokenSource:
            http = replace(http, key=await atoken(http.key))
        if http.signer is not None and http.signer.blocks:
            await asyncio.to_thread(http.signer.prepare)
        limits = deadline.begin_attempt()
        if self._client is not None:
            if not self._client_is_async:
                raise InvalidRequestError("http_client is a Client: call the model directly, or give an AsyncClient")
            return await _AsyncClientReply.open(self._client, http, limits, deadline)
        loop = asyncio.get_running_loop()
        stack = self._loops.get(loop)
        if stack is None or stack.process != os.getpid():
            stack = self._loops[loop] = await _LoopStack.of_this_loop()
        return await stack.open(http, limits, deadline)

    def close(self) -> None:
        """Close the idle connections; event loops close their own. The transport can be used again."""
        self._stack.close()
        self._loops.clear()

    async def aclose(self) -> None:
        """Close the idle connections, including those of this event loop."""
        if (stack := self._loops.pop(asyncio.get_running_loop(), None)) is not None:
            await stack.aclose()
        self.close()


async def atoken(source: TokenSource) -> Secret:
    """Return the source's token without blocking the event loop."""
    return await source.atoken() if source.is_async else await asyncio.to_thread(source.token)


class _Stack:
    """The idle connections of one process, the most recently used one on top."""

    def __init__(self) -> None:
        self._idle: deque[tuple[float, Any]] = deque()
        self._process = os.getpid()

    def open(self, http: HttpRequest, limits: Limits, deadline: Deadline) -> _Reply:
        if self._process != os.getpid():  # forked: these connections are the parent's
            self.close()
            self._process = os.getpid()
        target = http_client.target(http.url)
        connection = self._take(target) or http_client.connection(target, asynchronous=False)
        try:
            response = connection.handle_request(http_client.request(http, target, limits))
        except FAILURES as error:
            failure = http_client.wire_error(error, deadline)
        else:
            return _Reply(response, connection, self)
        connection.close()
        raise failure  # outside of the except block, because the client's frames hold the key

    def give_back(self, connection: Any) -> None:
        now = time.monotonic()
        if connection.is_idle():
            self._idle.append((now, connection))
        while self._idle and self._idle[0][0] < now - KEEPALIVE_S:
            with suppress(IndexError):  # another thread was faster
                self._idle.popleft()[1].close()

    def _take(self, target: Target) -> Any:
        others: list[tuple[float, Any]] = []  # connections to other hosts
        found: Any = None
        while self._idle and found is None:
            with suppress(IndexError):
                since, connection = self._idle.pop()
                if connection.has_expired():
                    connection.close()
                elif connection.can_handle_request(target.origin):
                    found = connection
                else:
                    others.append((since, connection))
        if others:
            self._idle.extend(reversed(others))
        return found

    def close(self) -> None:
        while self._idle:
            with suppress(IndexError):
                self._idle.pop()[1].close()


class _LoopStack:
    """The idle connections of one event loop."""

    def __init__(self) -> None:
        self._idle = _Idle()
        self._guard: AsyncGenerator[None] | None = None
        self.process = os.getpid()

    @classmethod
    async def of_this_loop(cls) -> _LoopStack:
        """Return a stack that is closed when its event loop shuts down, or when it is dropped.

        Before an event loop ends, it closes the async generators that are still suspended (`shutdown_asyncgens`,
        which `asyncio.run` calls). The guard is such a generator, and closes the connections when it ends. It must
        outlive a stack that is dropped: a loop that is about to end does not wait for a dropped generator.
        """
        stack = cls()
        stack._guard = guard = _closing(stack._idle)
        await anext(guard)
        weakref.finalize(stack, _close_dropped, asyncio.get_running_loop(), stack._idle, guard).atexit = False
        return stack

    async def open(self, http: HttpRequest, limits: Limits, deadline: Deadline) -> _AsyncReply:
        target = http_client.target(http.url)
        connection = await self._take(target) or http_client.connection(target, asynchronous=True)
        try:
            async with asyncio.timeout(limits["read"]):
                response = await connection.handle_async_request(
                    http_client.request(http, target, {"connect": limits["connect"]})
                )
        except TimeoutError:
            failure = deadline.expired()
        except FAILURES as error:
            failure = http_client.wire_error(error, deadline)
        except BaseException:
            await connection.aclose()
            raise
        else:
            return _AsyncReply(response, connection, self)
        await connection.aclose()
        raise failure  # outside of the except block, because the client's frames hold the key

    async def give_back(self, connection: Any) -> None:
        now = time.monotonic()
        if self._idle.closed:
            await connection.aclose()
        elif connection.is_idle():
            self._idle.append((now, connection))
        while self._idle and self._idle[0][0] < now - KEEPALIVE_S:
            await self._idle.popleft()[1].aclose()

    async def _take(self, target: Target) -> Any:
        others: list[tuple[float, Any]] = []
        found: Any = None
        while self._idle and found is None:
            since, connection = self._idle.pop()
            if connection.has_expired():
                await connection.aclose()
            elif connection.can_handle_request(target.origin):
                found = connection
            else:
                others.append((since, connection))
        if others:
            self._idle.extend(reversed(others))
        return found

    async def aclose(self) -> None:
        if self._guard is not None:
            await self._guard.aclose()


class _Idle(deque[tuple[float, Any]]):
    """Times and connections. `closed`: nothing may be added. `ended`: the guard is gone."""

    closed = False
    ended = False
    closing: asyncio.Task[None] | None = None

    async def aclose(self) -> None:
        self.closed = True
        while self:
            await self.pop()[1].aclose()


async def _closing(idle: _Idle) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await idle.aclose()
        closing = idle.closing
        if closing is not None and not closing.done() and closing is not asyncio.current_task():
            await asyncio.wait([closing])
        idle.ended = True


def _close_dropped(loop: asyncio.AbstractEventLoop, idle: _Idle, guard: AsyncGenerator[None]) -> None:
    """Close the connections of a stack that was dropped, in any thread.

    A loop that ends cancels the task; then it gets another one.
    """

    def close(_done: Any = None) -> None:
        if not idle.ended:
            idle.closing = loop.create_task(_close_now(idle, guard))
            idle.closing.add_done_callback(close)

    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(close)


async def _close_now(idle: _Idle, guard: AsyncGenerator[None]) -> None:
    await idle.aclose()
    with suppress(StopAsyncIteration, RuntimeError):  # the guard ends, or the loop is ending it
        await anext(guard)


class _Reply:
    """A reply on a pooled connection."""

    __slots__ = ("_connection", "_pieces", "_stack", "_stream", "_wire", "head")

    def __init__(self, response: Any, connection: Any, stack: _Stack) -> None:
        self.head = http_client.head(response.status, response.headers)
        self._stream: Any = response.stream
        self._pieces = iter(self._stream)
        self._wire: Any = response.extensions["network_stream"]
        self._connection = connection
        self._stack = stack

    def read(self, deadline: Deadline) -> bytes | None:
        self._wire.deadline = deadline.read_by
        try:
            return next(self._pieces, None)
        except FAILURES as error:
            failure = http_client.wire_error(error, deadline)
        raise failure

    def drain(self) -> None:
        self._wire.deadline = time.monotonic() + _DRAIN_S
        with suppress(*FAILURES):
            for _ in self._pieces:
                pass

    def close(self) -> None:
        self._pieces.close()
        self._stream.close()
        self._wire.deadline = None
        self._stack.give_back(self._connection)

    def abort(self) -> None:
        http_client.shut_down(self._wire)


class _AsyncReply:
    """Async counterpart of `_Reply`."""

    __slots__ = ("_connection", "_pieces", "_stack", "_stream", "_wire", "head")

    def __init__(self, response: Any, connection: Any, stack: _LoopStack) -> None:
        self.head = http_client.head(response.status, response.headers)
        self._stream: Any = response.stream
        self._pieces = aiter(self._stream)
        self._wire = response.extensions["network_stream"]
        self._connection = connection
        self._stack = stack

    async def read(self, deadline: Deadline) -> bytes | None:
        self._wire.deadline = deadline.read_by
        try:
            return await anext(self._pieces, None)
        except FAILURES as error:
            failure = http_client.wire_error(error, deadline)
        raise failure

    async def drain(self) -> None:
        self._wire.deadline = time.monotonic() + _DRAIN_S
        with suppress(*FAILURES):
            async for _ in self._pieces:
                pass

    async def aclose(self) -> None:
        if not _closes_generators(asyncio.get_running_loop()):
            await self._pieces.aclose()
        await self._stream.aclose()
        self._wire.deadline = None
        await self._stack.give_back(self._connection)

    def abort(self) -> None:
        http_client.shut_down(self._wire)


def _closes_generators(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether the loop ends, and closes every async generator itself: a second `aclose` would be an error."""
    return getattr(loop, "_asyncgens_shutdown_called", False)  # of BaseEventLoop and of uvloop; no public name


class _ClientReply:
    """A reply through a user's Client."""

    def __init__(self, client: Any, http: HttpRequest, limits: Limits, deadline: Deadline) -> None:
        try:
            self._response = client.send(
                http_client.client_request(client, http, limits), stream=True, follow_redirects=False
            )
        except Exception as error:  # noqa: BLE001  sorted by name: httpx and httpx2 have the same ones
            failure = http_client.client_error(error, deadline)
        else:
            self.head = http_client.client_head(self._response)
            read = self._response.is_stream_consumed  # by an event hook, or by a mock
            self._pieces = iter([self._response.content]) if read else self._response.iter_raw()
            return
        raise failure

    def read(self, deadline: Deadline) -> bytes | None:
        deadline.must_fit(0)
        try:
            return next(self._pieces, None)
        except Exception as error:  # noqa: BLE001
            failure = http_client.client_error(error, deadline)
        raise failure

    def drain(self) -> None:
        """Do nothing: a read through a user's client has no deadline of ours, and could take long."""

    def close(self) -> None:
        self._response.close()

    def abort(self) -> None:
        if (wire := self._response.extensions.get("network_stream")) is not None:
            http_client.shut_down(wire)


async def _one(piece: bytes) -> AsyncGenerator[bytes]:
    yield piece


class _AsyncClientReply:
    """A reply through a user's AsyncClient."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self.head = http_client.client_head(response)
        read = response.is_stream_consumed  # by an event hook, or by a mock
        self._pieces = _one(response.content) if read else response.aiter_raw()

    @classmethod
    async def open(cls, client: Any, http: HttpRequest, limits: Limits, deadline: Deadline) -> _AsyncClientReply:
        request = http_client.client_request(client, http, limits)
        try:
            async with asyncio.timeout(limits["read"]):
                return cls(await client.send(request, stream=True, follow_redirects=False))
        except TimeoutError:
            failure = deadline.expired()
        except Exception as error:  # noqa: BLE001
            failure = http_client.client_error(error, deadline)
        raise failure

    async def read(self, deadline: Deadline) -> bytes | None:
        try:
            async with asyncio.timeout(deadline.left_s()):
                return await anext(self._pieces, None)
        except TimeoutError:
            failure = deadline.expired()
        except Exception as error:  # noqa: BLE001
            failure = http_client.client_error(error, deadline)
        raise failure

    async def drain(self) -> None:
        """Do nothing, for the reason given in `_ClientReply`."""

    async def aclose(self) -> None:
        await self._response.aclose()

    def abort(self) -> None:
        if (wire := self._response.extensions.get("network_stream")) is not None:
            http_client.shut_down(wire)
