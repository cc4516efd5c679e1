"""The only file that imports the HTTP client.

`httpcore2`, the engine inside httpx2, is used directly: its connections, TLS, proxies and time limits, without the
request and response objects, cookies and redirects above it (docs/decisions/0001-transport.md has the measurements).
A user's own httpx or httpx2 client is called as it is, and needs no import.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any

import httpcore2
from msgspec import Struct

from msgflux_like._http.deadline import Deadline
from msgflux_like._http.steps import Head, WireError
from msgflux_like._wire.secrets import Secret
from msgflux_like.errors import InvalidRequestError, NotInstalledError
from msgflux_like.request import HttpRequest

KEEPALIVE_S = 30.0

Limits = dict[str, float | None]
"""Seconds for connect, read, write and pool, as httpcore takes them."""


class Target(Struct, frozen=True):
    """A URL, taken apart once."""

    url: httpcore2.URL
    host: bytes
    origin: httpcore2.Origin


@lru_cache(1024)
def target(url: str) -> Target:
    """`url`, taken apart once."""
    parsed = httpcore2.URL(url)
    host = b"[%b]" % parsed.host if b":" in parsed.host else parsed.host
    return Target(parsed, host if parsed.port is None else b"%b:%d" % (host, parsed.port), parsed.origin)


def request(http: HttpRequest, target: Target, limits: Limits) -> httpcore2.Request:
    """What httpcore sends. The key is in it: whoever catches an exception must not keep its frames."""
    headers = [(b"host", target.host)]
    headers += [(name.encode(), value.encode()) for name, value in _headers(http).items()]
    if http.method != "GET":
        headers.append((b"content-length", b"%d" % len(http.body)))
    method, timed = http.method.encode(), {"timeout": limits}
    return httpcore2.Request(method, target.url, headers=headers, content=http.body, extensions=timed)


def plain_request(
    target: Target, headers: Mapping[str, str], limits: Limits, deadline: float | None, body: bytes | None = None
) -> httpcore2.Request:
    """A GET without a key, or a POST of `body`.

    `deadline`, on the monotonic clock, holds from the reply's first byte to its last.
    """

    def connected(_event: str, outcome: dict[str, Any]) -> None:
        # A limit for each read alone would start anew with every byte that comes of the head.
        if isinstance(stream := outcome.get("return_value"), _TimedStream):
            stream.deadline = deadline

    fields = [(b"host", target.host), *((name.encode(), value.encode()) for name, value in headers.items())]
    if body is not None:
        fields.append((b"content-length", b"%d" % len(body)))
    return httpcore2.Request(
        b"GET" if body is None else b"POST",
        target.url,
        headers=fields,
        content=body,
        extensions={"timeout": limits, "trace": connected},
    )


def _headers(http: HttpRequest) -> dict[str, str]:
    """All headers, with the key. Providers compress streams badly, so none is asked to."""
    headers = {"accept-encoding": "identity", **http.headers}
    if isinstance(http.key, Secret):  # what gives a token was asked before
        name, prefix = http.auth
        headers[name] = prefix + http.key.reveal()
    if http.signer is not None:
        headers |= http.signer.sign(http, time.time())
    return headers


def client_request(client: Any, http: HttpRequest, limits: Limits) -> Any:
    """The same for a user's own client."""
    timeout = (limits["connect"], limits["read"], limits["write"], limits["pool"])
    body = http.body or None
    return client.build_request(http.method, http.url, headers=_headers(http), content=body, timeout=timeout)


def head(status: int, headers: list[tuple[bytes, bytes]]) -> Head:
    """Status and headers, with the names in lower case."""
    return Head(status, {name.lower(): value for name, value in headers}, time.time())


FAILURES = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
    OSError,
)


def client_head(response: Any) -> Head:
    """The same of a response of a user's own client."""
    found = head(response.status_code, response.headers.raw)
    if not response.is_stream_consumed:
        return found
    return Head(found.status, {**found.headers, b"content-encoding": b""}, found.received_at)  # inflated already


def wire_error(error: BaseException, deadline: Deadline) -> WireError:
    """What a driver throws into the exchange for an exception of httpcore."""
    if isinstance(error, httpcore2.TimeoutException):
        return deadline.expired(connecting=isinstance(error, httpcore2.ConnectTimeout))
    return WireError(f"the connection failed: {type(error).__name__}: {error}".removesuffix(": "))


def client_error(error: Exception, deadline: Deadline) -> WireError:
    """As `wire_error`, for the exceptions of httpx and httpx2, which share names but no class."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if "TimeoutException" in names:
        return deadline.expired(connecting="ConnectTimeout" in names)
    if "TransportError" in names or isinstance(error, OSError):
        return WireError(f"the connection failed: {type(error).__name__}: {error}".removesuffix(": "))
    raise error


def connection(target: Target, *, asynchronous: bool) -> Any:
    """A new connection, not yet made: the first request on it makes it."""
    url = target.url
    scheme, host = url.scheme.decode(), url.host.decode()
    return _factory(scheme == "https", _proxy(scheme, host), asynchronous).create_connection(target.origin)


@lru_cache(64)
def _factory(tls: bool, proxy: str | None, asynchronous: bool) -> Any:
    """One of httpcore's pools, for its `create_connection` alone; it keeps no connection itself."""
    options: dict[str, Any] = {"ssl_context": _ssl_context() if tls else None, "keepalive_expiry": KEEPALIVE_S}
    options["network_backend"] = _AsyncTimedBackend() if asynchronous else _TimedBackend()
    if proxy is None:
        return (httpcore2.AsyncConnectionPool if asynchronous else httpcore2.ConnectionPool)(**options)
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415

    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    options["proxy_url"] = httpcore2.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target="/")
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
    from urllib.request import proxy_bypass  # noqa: PLC0415  brings http.client along

    return None if proxy_bypass(host) else named


@cache
def _ssl_context() -> ssl.SSLContext:
    """One for the process: making one takes 40 ms."""
    return httpcore2.default_ssl_context()


def shut_down(wire: Any) -> None:
    """End whatever waits on this connection, from any thread."""
    if (connected := wire.get_extra_info("socket")) is not None:
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)


class _TimedBackend(httpcore2.SyncBackend):
    """Connects as httpcore does; the streams keep a deadline, which httpcore cannot change while a body is read."""

    def connect_tcp(self, *args: Any, **named: Any) -> httpcore2.NetworkStream:
        return _TimedStream(super().connect_tcp(*args, **named))


class _TimedStream(httpcore2.NetworkStream):
    __slots__ = ("_inner", "deadline")

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


class _AsyncTimedBackend(httpcore2.AsyncNetworkBackend):
    """The async twin of `_TimedBackend`. A time limit around every piece of a body would cost half of reading it."""

    def __init__(self) -> None:
        self._inner: Any = httpcore2.AnyIOBackend()  # without types where anyio is not installed

    async def connect_tcp(self, *args: Any, **named: Any) -> httpcore2.AsyncNetworkStream:
        return _AsyncTimedStream(await self._inner.connect_tcp(*args, **named))


class _AsyncTimedStream(httpcore2.AsyncNetworkStream):
    __slots__ = ("_inner", "deadline")

    def __init__(self, inner: httpcore2.AsyncNetworkStream) -> None:
        self._inner = inner
        self.deadline: float | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  httpcore's interface
        if self.deadline is not None:
            timeout = self.deadline - time.monotonic()
            if timeout <= 0:
                raise httpcore2.ReadTimeout
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore2.AsyncNetworkStream:
        return _AsyncTimedStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
