"""The only file that touches the network: connections, and the two drivers that answer an exchange.

`httpcore2`, the engine inside httpx2, is used directly: its connections, TLS, proxies and time limits, without the
request and response objects, cookies and redirects above it. A user's own httpx or httpx2 client is taken as it is.

Idle connections lie on a stack of our own, because httpcore's pool looks at every connection on every request. A
stack belongs to one process and, for async, to one event loop: a fork starts with an empty one, and a loop that ends
closes its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
import time
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any, TypeVar

import httpcore2
from msgspec import Struct

from msgflux_like.errors import InvalidRequestError, NotInstalledError, Phase
from msgflux_like.events import Event
from msgflux_like.exchange import READ, Drain, Head, Send, Step, Wait, WireError
from msgflux_like.request import HttpRequest

T = TypeVar("T")
Steps = Generator[Step, Any, None]

_KEEPALIVE_S = 30.0
_DRAIN_S = 0.1
_CLOCK_STEP_S = 0.005  # a timer may fire this much early
_READER_THREADS = 1000  # made one by one, when as many sync streams are waited for in event loops


class Timeouts(Struct, frozen=True):
    """Time limits of one call, in seconds; None is no limit.

    Attributes:
        connect_s: To make a connection, TLS included.
        first_event_s: From sending to the first piece of the answer.
        between_events_s: Between two pieces of a streamed answer, while it is being read.
        total_s: The whole call: all attempts, the waits between them, and the reading.
    """

    connect_s: float | None = 10.0
    first_event_s: float | None = 600.0
    between_events_s: float | None = 600.0
    total_s: float | None = None


class _Clock:
    """The deadlines of one call."""

    __slots__ = ("_idle", "_limits", "_phase", "_total")

    def __init__(self, limits: Timeouts) -> None:
        self._limits = limits
        self._total = None if limits.total_s is None else time.monotonic() + limits.total_s
        self._phase: Phase = "first_event"
        self._idle: float | None = None  # None also before the first attempt

    def begin_attempt(self) -> dict[str, float | None]:
        """Start the time to the first event; the limits of connecting and sending, as httpcore takes them."""
        self._phase = "first_event"
        self._idle = _after(self._limits.first_event_s)
        left = self.left_s()
        return {"connect": _least(self._limits.connect_s, left), "read": left, "write": left, "pool": left}

    def resume(self) -> None:
        """The reader asks for more: the time between two events begins, unless nothing was sent yet."""
        if self._idle is not None or self._phase == "between_events":
            self._phase = "between_events"
            self._idle = _after(self._limits.between_events_s)

    def deadline(self) -> float | None:
        """When, on the monotonic clock, the next read must be done."""
        return _least(self._idle, self._total)

    def left_s(self) -> float | None:
        """Seconds until then."""
        deadline = self.deadline()
        return None if deadline is None else max(deadline - time.monotonic(), 0.0)

    def must_fit(self, seconds: float) -> None:
        """WireError when there is no time for a wait this long."""
        if self._total is not None and time.monotonic() + seconds >= self._total:
            raise self._out_of_time()

    def expired(self, connecting: bool = False) -> WireError:
        """The error for having waited too long, for whatever was waited for."""
        limits = self._limits
        if self._total is not None and time.monotonic() >= self._total - _CLOCK_STEP_S:
            return self._out_of_time()
        if connecting:
            return WireError(f"no connection within {limits.connect_s} s", "connect")
        if self._phase == "first_event":
            return WireError(f"nothing of the answer came within {limits.first_event_s} s", "first_event")
        return WireError(f"the stream paused for more than {limits.between_events_s} s", "between_events")

    def _out_of_time(self) -> WireError:
        return WireError(f"the call took longer than {self._limits.total_s} s in all", "total")


def _after(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + seconds


def _least(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)


# ---------------------------------------------------------------------------------------------------------- drivers


class Drive:
    """Answers one exchange from this thread; iterating gives the lists of events.

    `close` may come from any thread: it ends a read that another thread is waiting in.
    """

    def __init__(self, steps: Steps, transport: Transport, timeouts: Timeouts) -> None:
        self._steps = steps
        self._transport = transport
        self._clock = _Clock(timeouts)
        self._reply: _Reply | _ClientReply | None = None
        self._busy = threading.Lock()
        self._wake: threading.Event | None = None
        self.closed = False

    def __iter__(self) -> Drive:
        return self

    def __next__(self) -> list[Event]:
        with self._busy:
            if self.closed:
                raise StopIteration
            try:
                return self._advance()
            except BaseException:
                self._finish()
                raise

    def close(self) -> None:
        """End the exchange and let go of the connection; done twice is done once."""
        if self._busy.acquire(blocking=False):
            try:
                self._finish()
            finally:
                self._busy.release()
            return
        self.closed = True
        if self._wake is not None:
            self._wake.set()
        if self._reply is not None:
            self._reply.abort()

    def _finish(self) -> None:
        self.closed = True
        self._steps.close()
        if self._reply is not None:
            self._reply.close()
            self._reply = None

    def _advance(self) -> list[Event]:
        self._clock.resume()
        advance: Callable[[Any], Step] = self._steps.send
        outcome: Any = None
        while True:
            step = advance(outcome)
            if isinstance(step, list):
                return step
            advance = self._steps.send
            try:
                outcome = self._do(step)
            except WireError as failure:
                advance, outcome = self._steps.throw, failure

    def _do(self, step: Step) -> Any:
        if step is READ and self._reply is not None:
            return self._reply.read(self._clock)
        if isinstance(step, Send):
            self._let_go()
            self._reply = self._transport.open(step.http, self._clock)
            return self._reply.head
        if isinstance(step, Wait):
            self._let_go()
            self._clock.must_fit(step.seconds)
            self._wake = threading.Event()
            if self._wake.wait(step.seconds):
                raise WireError("the call was cancelled")
        elif isinstance(step, Drain) and self._reply is not None:
            self._reply.drain()
        return None

    def _let_go(self) -> None:
        if self._reply is not None:
            self._reply.close()
            self._reply = None


class AsyncDrive:
    """Answers one exchange from the running event loop; `async for` gives the lists of events."""

    def __init__(self, steps: Steps, transport: Transport, timeouts: Timeouts) -> None:
        self._steps = steps
        self._transport = transport
        self._clock = _Clock(timeouts)
        self._reply: _AsyncReply | _AsyncClientReply | None = None
        self._loop = asyncio.get_running_loop()
        self.closed = False

    def __aiter__(self) -> AsyncDrive:
        return self

    async def __anext__(self) -> list[Event]:
        if self.closed:
            raise StopAsyncIteration
        try:
            return await self._advance()
        except StopIteration:
            await self._finish()
            raise StopAsyncIteration from None
        except BaseException:
            await self._finish()
            raise

    def belongs_here(self) -> bool:
        """Whether the running event loop is the one that the connection belongs to."""
        return asyncio.get_running_loop() is self._loop

    async def aclose(self) -> None:
        """End the exchange and let go of the connection; done twice is done once."""
        await self._finish()

    def abort(self) -> None:
        """End the exchange from outside of its event loop: whoever waits for it gets an error."""
        self.closed = True
        if self._reply is not None:
            self._reply.abort()

    async def _finish(self) -> None:
        self.closed = True
        with suppress(ValueError):  # a second task is inside of the generator; it will finish
            self._steps.close()
        await self._let_go()

    async def _advance(self) -> list[Event]:
        self._clock.resume()
        advance: Callable[[Any], Step] = self._steps.send
        outcome: Any = None
        while True:
            step = advance(outcome)
            if isinstance(step, list):
                return step
            advance = self._steps.send
            try:
                outcome = await self._do(step)
            except WireError as failure:
                advance, outcome = self._steps.throw, failure

    async def _do(self, step: Step) -> Any:
        if step is READ and self._reply is not None:
            return await self._reply.read(self._clock)
        if isinstance(step, Send):
            await self._let_go()
            self._reply = await self._transport.aopen(step.http, self._clock)
            return self._reply.head
        if isinstance(step, Wait):
            await self._let_go()
            self._clock.must_fit(step.seconds)
            await asyncio.sleep(step.seconds)
        elif isinstance(step, Drain) and self._reply is not None:
            await self._reply.drain()
        return None

    async def _let_go(self) -> None:
        if (reply := self._reply) is not None:
            self._reply = None
            await reply.aclose()


async def in_thread(function: Callable[[], T], interrupt: Callable[[], None]) -> T:
    """The result of a function that blocks, without blocking the event loop.

    When the waiting task is cancelled, `interrupt` is called, which must make the function return.
    """
    waiting = asyncio.get_running_loop().run_in_executor(_reader_threads(), function)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        interrupt()
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
        raise


@cache
def _reader_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_READER_THREADS, thread_name_prefix="msgflux-like-reader")


# ------------------------------------------------------------------------------------------------------ connections


class Transport:
    """The connections of one model. Nothing is opened before the first request.

    A user's own `client` (httpx2 or httpx) is used as it is and is never closed here.
    """

    def __init__(self, client: Any = None) -> None:
        self._client = client
        self._client_is_async = client is not None and hasattr(client, "aclose")
        self._stack = _Stack()
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopStack] = weakref.WeakKeyDictionary()
        weakref.finalize(self, self._stack.close)

    def open(self, http: HttpRequest, clock: _Clock) -> _Reply | _ClientReply:
        """Send, and wait for the head of the reply."""
        limits = clock.begin_attempt()
        if self._client is None:
            return self._stack.open(http, limits, clock)
        if self._client_is_async:
            raise InvalidRequestError("http_client is an AsyncClient: use acall, or give a Client")
        return _ClientReply(self._client, http, limits, clock)

    async def aopen(self, http: HttpRequest, clock: _Clock) -> _AsyncReply | _AsyncClientReply:
        """The async twin of `open`."""
        limits = clock.begin_attempt()
        if self._client is not None:
            if not self._client_is_async:
                raise InvalidRequestError("http_client is a Client: call the model directly, or give an AsyncClient")
            return await _AsyncClientReply.open(self._client, http, limits, clock)
        loop = asyncio.get_running_loop()
        stack = self._loops.get(loop)
        if stack is None or stack.process != os.getpid():
            stack = self._loops[loop] = await _LoopStack.of_this_loop()
        return await stack.open(http, limits, clock)

    def close(self) -> None:
        """Close the idle connections; those of event loops are closed by their loops. A later call opens new ones."""
        self._stack.close()
        self._loops.clear()

    async def aclose(self) -> None:
        """Close the idle connections, those of this event loop before it returns."""
        if (stack := self._loops.pop(asyncio.get_running_loop(), None)) is not None:
            await stack.aclose()
        self.close()


class _Stack:
    """Idle connections of one process, the last used on top."""

    def __init__(self) -> None:
        self._idle: deque[tuple[float, Any]] = deque()
        self._process = os.getpid()

    def open(self, http: HttpRequest, limits: dict[str, float | None], clock: _Clock) -> _Reply:
        if self._process != os.getpid():  # forked: the other end knows these connections as the parent's
            self.close()
            self._process = os.getpid()
        target = _target(http.url)
        connection = self._take() or _factory(target.text, False).create_connection(target.url.origin)
        try:
            response = connection.handle_request(_request(http, target, limits))
        except _FAILURES as error:
            failure = _wire_error(error, clock)
        else:
            return _Reply(response, connection, self)
        connection.close()
        raise failure  # outside of the except block: the client's frames hold the key

    def give_back(self, connection: Any) -> None:
        now = time.monotonic()
        if connection.is_idle():
            self._idle.append((now, connection))
        while self._idle and self._idle[0][0] < now - _KEEPALIVE_S:
            with suppress(IndexError):  # another thread took it
                self._idle.popleft()[1].close()

    def _take(self) -> Any:
        while self._idle:
            with suppress(IndexError):
                _, connection = self._idle.pop()
                if not connection.has_expired():
                    return connection
                connection.close()
        return None

    def close(self) -> None:
        while self._idle:
            with suppress(IndexError):
                self._idle.pop()[1].close()


class _LoopStack:
    """Idle connections of one event loop."""

    def __init__(self) -> None:
        self._idle = _Idle()
        self._guard: AsyncGenerator[None] | None = None
        self.process = os.getpid()

    @classmethod
    async def of_this_loop(cls) -> _LoopStack:
        """A stack that is closed when its loop shuts down, or when it is dropped.

        An event loop closes the async generators that are still suspended before it ends (`shutdown_asyncgens`,
        which `asyncio.run` calls), and those that are dropped while it runs. This one's end closes the connections.
        """
        stack = cls()
        stack._guard = _closing(stack._idle)
        await anext(stack._guard)
        return stack

    async def open(self, http: HttpRequest, limits: dict[str, float | None], clock: _Clock) -> _AsyncReply:
        target = _target(http.url)
        connection = await self._take() or _factory(target.text, True).create_connection(target.url.origin)
        try:
            async with asyncio.timeout(limits["read"]):
                response = await connection.handle_async_request(
                    _request(http, target, {"connect": limits["connect"]})
                )
        except _FAILURES as error:
            failure = _wire_error(error, clock)
        except TimeoutError:
            failure = clock.expired()
        except BaseException:
            await connection.aclose()
            raise
        else:
            return _AsyncReply(response, connection, self)
        await connection.aclose()
        raise failure  # outside of the except block: the client's frames hold the key

    async def give_back(self, connection: Any) -> None:
        now = time.monotonic()
        if self._idle.closed:
            await connection.aclose()
        elif connection.is_idle():
            self._idle.append((now, connection))
        while self._idle and self._idle[0][0] < now - _KEEPALIVE_S:
            await self._idle.popleft()[1].aclose()

    async def _take(self) -> Any:
        while self._idle:
            _, connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return None

    async def aclose(self) -> None:
        if self._guard is not None:
            await self._guard.aclose()


class _Idle(deque[tuple[float, Any]]):
    """Times and connections; `closed` once the loop has let go of them."""

    closed = False


async def _closing(idle: _Idle) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        idle.closed = True
        while idle:
            await idle.pop()[1].aclose()


class _Reply:
    """One reply on a connection of ours."""

    def __init__(self, response: httpcore2.Response, connection: Any, stack: _Stack) -> None:
        self.head = _head(response.status, response.headers)
        self._stream: Any = response.stream
        self._pieces = iter(self._stream)
        self._wire: _TimedStream = response.extensions["network_stream"]
        self._connection = connection
        self._stack = stack

    def read(self, clock: _Clock) -> bytes | None:
        self._wire.deadline = clock.deadline()
        try:
            return next(self._pieces, None)
        except _FAILURES as error:
            failure = _wire_error(error, clock)
        raise failure

    def drain(self) -> None:
        self._wire.deadline = time.monotonic() + _DRAIN_S
        with suppress(*_FAILURES):
            for _ in self._pieces:
                pass

    def close(self) -> None:
        self._pieces.close()
        self._stream.close()
        self._wire.deadline = None
        self._stack.give_back(self._connection)

    def abort(self) -> None:
        _shut_down(self._wire)


class _AsyncReply:
    """One reply on a connection of an event loop."""

    def __init__(self, response: httpcore2.Response, connection: Any, stack: _LoopStack) -> None:
        self.head = _head(response.status, response.headers)
        self._stream: Any = response.stream
        self._pieces = aiter(self._stream)
        self._wire = response.extensions["network_stream"]
        self._connection = connection
        self._stack = stack

    async def read(self, clock: _Clock) -> bytes | None:
        try:
            async with asyncio.timeout(clock.left_s()):
                return await anext(self._pieces, None)
        except TimeoutError:
            failure = clock.expired()
        except _FAILURES as error:
            failure = _wire_error(error, clock)
        raise failure

    async def drain(self) -> None:
        with suppress(TimeoutError, *_FAILURES):
            async with asyncio.timeout(_DRAIN_S):
                async for _ in self._pieces:
                    pass

    async def aclose(self) -> None:
        await self._pieces.aclose()
        await self._stream.aclose()
        await self._stack.give_back(self._connection)

    def abort(self) -> None:
        _shut_down(self._wire)


class _ClientReply:
    """One reply through a user's Client."""

    def __init__(self, client: Any, http: HttpRequest, limits: dict[str, float | None], clock: _Clock) -> None:
        try:
            self._response = client.send(_client_request(client, http, limits), stream=True, follow_redirects=False)
        except Exception as error:  # noqa: BLE001  sorted by name: httpx and httpx2 have the same ones
            failure = _client_error(error, clock)
        else:
            self.head = _head(self._response.status_code, self._response.headers.raw)
            self._pieces = self._response.iter_raw()
            return
        raise failure

    def read(self, clock: _Clock) -> bytes | None:
        clock.must_fit(0)
        try:
            return next(self._pieces, None)
        except Exception as error:  # noqa: BLE001
            failure = _client_error(error, clock)
        raise failure

    def drain(self) -> None:
        """Nothing: the limits of a user's client are its own, and waiting for an end could take long."""

    def close(self) -> None:
        self._response.close()

    def abort(self) -> None:
        if (wire := self._response.extensions.get("network_stream")) is not None:
            _shut_down(wire)


class _AsyncClientReply:
    """One reply through a user's AsyncClient."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self.head = _head(response.status_code, response.headers.raw)
        self._pieces = response.aiter_raw()

    @classmethod
    async def open(
        cls, client: Any, http: HttpRequest, limits: dict[str, float | None], clock: _Clock
    ) -> _AsyncClientReply:
        request = _client_request(client, http, limits)
        try:
            async with asyncio.timeout(limits["read"]):
                return cls(await client.send(request, stream=True, follow_redirects=False))
        except TimeoutError:
            failure = clock.expired()
        except Exception as error:  # noqa: BLE001
            failure = _client_error(error, clock)
        raise failure

    async def read(self, clock: _Clock) -> bytes | None:
        try:
            async with asyncio.timeout(clock.left_s()):
                return await anext(self._pieces, None)
        except TimeoutError:
            failure = clock.expired()
        except Exception as error:  # noqa: BLE001
            failure = _client_error(error, clock)
        raise failure

    async def drain(self) -> None:
        """As in `_ClientReply`."""

    async def aclose(self) -> None:
        await self._response.aclose()

    def abort(self) -> None:
        if (wire := self._response.extensions.get("network_stream")) is not None:
            _shut_down(wire)


# ------------------------------------------------------------------------------------------------------ the HTTP client


class _Target(Struct, frozen=True):
    """A URL, taken apart once."""

    url: httpcore2.URL
    host: bytes
    text: str


@lru_cache(1024)
def _target(url: str) -> _Target:
    parsed = httpcore2.URL(url)
    host = b"[%b]" % parsed.host if b":" in parsed.host else parsed.host
    return _Target(parsed, host if parsed.port is None else b"%b:%d" % (host, parsed.port), url)


def _request(http: HttpRequest, target: _Target, limits: dict[str, float | None]) -> httpcore2.Request:
    headers = [(b"host", target.host)]
    headers += [(name.encode(), value.encode()) for name, value in _headers(http).items()]
    headers.append((b"content-length", b"%d" % len(http.body)))
    return httpcore2.Request(b"POST", target.url, headers=headers, content=http.body, extensions={"timeout": limits})


def _headers(http: HttpRequest) -> dict[str, str]:
    """All headers, with the key. Providers compress streams badly, so none is asked to."""
    headers = {"accept-encoding": "identity", **http.headers}
    if http.key is not None:
        name, prefix = http.auth
        headers[name] = prefix + http.key.reveal()
    return headers


def _client_request(client: Any, http: HttpRequest, limits: dict[str, float | None]) -> Any:
    timeout = (limits["connect"], limits["read"], limits["write"], limits["pool"])
    return client.build_request("POST", http.url, headers=_headers(http), content=http.body, timeout=timeout)


def _head(status: int, headers: list[tuple[bytes, bytes]]) -> Head:
    return Head(status, {name.lower(): value for name, value in headers}, time.time())


_FAILURES = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
    OSError,
)


def _wire_error(error: BaseException, clock: _Clock) -> WireError:
    if isinstance(error, httpcore2.TimeoutException):
        return clock.expired(connecting=isinstance(error, httpcore2.ConnectTimeout))
    return WireError(f"the connection failed: {type(error).__name__}: {error}".removesuffix(": "))


def _client_error(error: Exception, clock: _Clock) -> WireError:
    """As `_wire_error`, for the exceptions of httpx and httpx2, which share names but no class."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if "TimeoutException" in names:
        return clock.expired(connecting="ConnectTimeout" in names)
    if "TransportError" in names or isinstance(error, OSError):
        return WireError(f"the connection failed: {type(error).__name__}: {error}".removesuffix(": "))
    raise error


def _factory(url: str, asynchronous: bool) -> Any:
    """What makes connections to that URL. Only its `create_connection` is used; it keeps none itself."""
    from urllib.parse import urlsplit  # noqa: PLC0415  for new connections only

    parts = urlsplit(url)
    return _factories(parts.scheme == "https", _proxy(parts.scheme, parts.hostname or ""), asynchronous)


@lru_cache(64)
def _factories(tls: bool, proxy: str | None, asynchronous: bool) -> Any:
    options: dict[str, Any] = {"ssl_context": _ssl_context() if tls else None, "keepalive_expiry": _KEEPALIVE_S}
    if not asynchronous:
        options["network_backend"] = _TimedBackend()
    if proxy is None:
        return (httpcore2.AsyncConnectionPool if asynchronous else httpcore2.ConnectionPool)(**options)
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415

    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    options["proxy_url"] = httpcore2.URL(
        scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target="/"
    )
    if parts.username is not None:
        options["proxy_auth"] = (unquote(parts.username), unquote(parts.password or ""))
    if parts.scheme in ("http", "https"):
        return (httpcore2.AsyncHTTPProxy if asynchronous else httpcore2.HTTPProxy)(**options)
    if parts.scheme not in ("socks5", "socks5h"):
        raise InvalidRequestError(f"the environment names a proxy of kind {parts.scheme!r}: use http, https or socks5")
    from importlib.util import find_spec  # noqa: PLC0415

    if find_spec("socksio") is None:
        raise NotInstalledError('the environment names a SOCKS proxy: pip install "httpx2[socks]"')
    return (httpcore2.AsyncSOCKSProxy if asynchronous else httpcore2.SOCKSProxy)(**options)


def _proxy(scheme: str, host: str) -> str | None:
    """The proxy of the environment for that host, None for none."""
    named = next(
        (
            value
            for name in (f"{scheme}_proxy", "all_proxy")
            if (value := os.environ.get(name) or os.environ.get(name.upper()))
        ),
        None,
    )
    if named is None:
        return None
    from urllib.request import proxy_bypass_environment  # noqa: PLC0415  brings http.client along

    return None if proxy_bypass_environment(host) else named


@cache
def _ssl_context() -> ssl.SSLContext:
    """One for the process: making one takes 40 ms."""
    return httpcore2.default_ssl_context()


def _shut_down(wire: Any) -> None:
    """End whatever waits on this connection, from any thread."""
    if (connected := wire.get_extra_info("socket")) is not None:
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)


class _TimedBackend(httpcore2.SyncBackend):
    """Connects as httpcore does; the streams keep a deadline, which httpcore cannot change while a body is read."""

    def connect_tcp(self, *args: Any, **named: Any) -> httpcore2.NetworkStream:
        return _TimedStream(super().connect_tcp(*args, **named))


class _TimedStream(httpcore2.NetworkStream):
    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner
        self.deadline: float | None = None  # on the monotonic clock, of the next read

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self.deadline is not None:
            timeout = self.deadline - time.monotonic()
            if timeout <= 0:
                raise httpcore2.ReadTimeout
        return self._inner.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
