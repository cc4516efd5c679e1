"""One GET or POST: how the data that the library keeps is fetched, and how services on this machine are told things."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from msgflux_like._http import http_client
from msgflux_like._http.deadline import Deadline, Timeouts
from msgflux_like._http.exchange import Head, WireError
from msgflux_like.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    BadReplyError,
    InvalidRequestError,
    RedirectError,
)

MAX_BYTES = 64 * 1024 * 1024

_CONNECT_S = 10.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_UNPACKED = frozenset({"", "identity"})
_GZIP = frozenset({"gzip", "x-gzip"})
_GZIP_CONTAINER = 31  # zlib's name for it, with the checksum checked


def fetch(
    url: str,
    headers: Mapping[str, str],
    *,
    body: bytes | None = None,
    timeout_s: float = 30.0,
    max_bytes: int = MAX_BYTES,
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and body, unpacked, of what is at `url`.

    The proxies of the environment are used. Redirects are not followed: what is fetched is trusted because of the
    host that was asked.

    Args:
        url: http or https, without a user name or password.
        headers: Sent along.
        body: What is posted there; without it the request is a GET.
        timeout_s: For the whole of it.
        max_bytes: Length of the body, unpacked.

    Raises:
        InvalidRequestError: The URL is none that can be fetched.
        RedirectError: The host sends on to another address; the message names it.
        APIConnectionError: No connection could be made, or it broke.
        APITimeoutError: It took longer than `timeout_s`.
        BadReplyError: The body is longer than `max_bytes`, or packed in a way that was not asked for.
    """
    host = _host(url)
    deadline = Deadline(
        Timeouts(min(_CONNECT_S, timeout_s), first_event_s=None, between_events_s=None, total_s=timeout_s)
    )
    target = http_client.target(url)
    connection = http_client.connection(target, asynchronous=False)
    headers = {"accept-encoding": "gzip", "user-agent": "msgflux-like", **headers}
    try:
        limits = deadline.begin_attempt()
        response = connection.handle_request(http_client.plain_request(target, headers, limits, deadline.read_by, body))
        head = http_client.head(response.status, response.headers)
        if head.status in _REDIRECTS:
            raise _redirect(url, head, host)
        reply = _body(response.stream, head, max_bytes, host)
    except http_client.FAILURES as error:
        failure = http_client.wire_error(error, deadline)
    else:
        return head.status, {name.decode("latin-1"): head.get(name) for name in head.headers}, reply
    finally:
        connection.close()
    raise _api_error(failure, host)


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port  # is read only here, so that a wrong one is found
    except ValueError:
        parts = urlsplit("")
    sendable = url.isascii() and url.isprintable() and " " not in url
    if not sendable or parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequestError("only an http or https URL can be fetched, like 'https://host/file.json'")
    if "@" in parts.netloc:
        raise InvalidRequestError("a URL to fetch must not hold a user name or a password")
    return parts.hostname


def _redirect(url: str, head: Head, host: str) -> RedirectError:
    try:
        elsewhere = urlsplit(urljoin(url, head.get(b"location")))
        place = f"{elsewhere.scheme}://{elsewhere.hostname or ''}{elsewhere.path}"[:200]  # its query may hold a token
    except ValueError:
        place = "what is no URL"
    return RedirectError(
        f"{host} sends on to {place}, and redirects are not followed: give the address itself",
        provider=host,
        status=head.status,
    )


def _body(pieces: Iterable[bytes], head: Head, max_bytes: int, host: str) -> bytes:
    packing = head.get(b"content-encoding").lower()
    if packing not in _UNPACKED | _GZIP:
        raise BadReplyError(f"the reply is packed as {packing[:20]!r}, which was not asked for", provider=host)
    too_long = f"the reply is longer than {max_bytes} bytes"
    if head.get(b"content-length").isdecimal() and int(head.get(b"content-length")[:20]) > max_bytes:
        raise BadReplyError(too_long, provider=host)
    body = bytearray()
    try:
        for piece in pieces if packing in _UNPACKED else _unpacked(pieces, max_bytes + 1):
            body += piece
            if len(body) > max_bytes:
                raise BadReplyError(too_long, provider=host)
    except (zlib.error, EOFError) as error:
        raise BadReplyError(f"the reply cannot be unpacked: {error}", provider=host) from None
    return bytes(body)


def _unpacked(pieces: Iterable[bytes], at_most: int) -> Iterable[bytes]:
    """The content of gzip, at most that many bytes of it for each piece; zlib.error or EOFError for what is none."""
    unpacker: Any = zlib.decompressobj(wbits=_GZIP_CONTAINER)
    came = False
    for piece in pieces:
        came = came or bool(piece)
        yield unpacker.decompress(piece, at_most)
        if unpacker.unused_data:
            raise EOFError("something follows its end")
    if came and not unpacker.eof:  # nothing at all is the body of a 304
        raise EOFError("it is cut short")


def _api_error(failure: WireError, host: str) -> APIError:
    if failure.phase is not None:
        return APITimeoutError(str(failure), phase=failure.phase, provider=host)
    return APIConnectionError(str(failure), provider=host)
