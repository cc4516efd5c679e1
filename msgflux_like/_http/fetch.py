"""One GET or POST outside of an exchange: refreshes of the catalogue, services on this machine, token endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urljoin, urlsplit

from msgflux_like._http import http_client
from msgflux_like._http.deadline import Deadline, Timeouts
from msgflux_like._http.steps import Head, WireError
from msgflux_like._wire.compression import CompressionError, DecompressedTooLargeError, Decompressor
from msgflux_like._wire.urls import split_http_url
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


def fetch(
    url: str,
    headers: Mapping[str, str],
    *,
    body: bytes | None = None,
    timeout_s: float = 30.0,
    max_bytes: int = MAX_BYTES,
) -> tuple[int, dict[str, str], bytes]:
    """Send one GET or POST and return status, headers (names in lower case) and decompressed body.

    The proxies of the environment are used. Redirects are not followed: the answer is trusted because of the host
    that was asked.

    Args:
        url: http or https, without a user name or password.
        headers: Headers of the request.
        body: Body of a POST; without it the request is a GET.
        timeout_s: Limit in seconds for the whole request.
        max_bytes: Limit in bytes for the decompressed body.

    Raises:
        InvalidRequestError: The URL cannot be fetched.
        RedirectError: The host redirects to another address; the message names it.
        APIConnectionError: No connection could be made, or it broke.
        APITimeoutError: It took longer than `timeout_s`.
        BadReplyError: The body is longer than `max_bytes`, or cannot be decompressed.
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
    parts = split_http_url(url) if url.isascii() and url.isprintable() and " " not in url else None
    if parts is None:
        raise InvalidRequestError("only an http or https URL can be fetched, like 'https://host/file.json'")
    if "@" in parts.netloc:
        raise InvalidRequestError("a URL to fetch must not hold a user name or a password")
    return parts.hostname or ""


def _redirect(url: str, head: Head, host: str) -> RedirectError:
    try:
        target = urlsplit(urljoin(url, head.get(b"location")))
        shown = f"{target.scheme}://{target.hostname or ''}{target.path}"[:200]  # its query may hold a token
    except ValueError:
        shown = "an invalid URL"
    return RedirectError(
        f"{host} redirects to {shown}, and redirects are not followed: use the final address",
        provider=host,
        status=head.status,
    )


def _body(pieces: Iterable[bytes], head: Head, max_bytes: int, host: str) -> bytes:
    """Read the body, decompressed and within the limit."""
    encoding = head.get(b"content-encoding").lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise BadReplyError(f"the reply is compressed with {encoding[:20]!r}, which was not asked for", provider=host)
    too_long = BadReplyError(f"the reply is longer than {max_bytes} bytes", provider=host)
    length = head.get(b"content-length")
    if length.isdecimal() and int(length[:20]) > max_bytes:
        raise too_long
    decompressor = Decompressor(encoding, max_bytes) if encoding.endswith("gzip") else None
    body = bytearray()
    try:
        for piece in pieces:
            body += piece if decompressor is None else decompressor.feed(piece)
            if len(body) > max_bytes:
                raise too_long
        if decompressor is not None:
            decompressor.close()
    except DecompressedTooLargeError:
        raise too_long from None
    except CompressionError as error:
        raise BadReplyError(f"the reply cannot be decompressed: {error}", provider=host) from None
    return bytes(body)


def _api_error(failure: WireError, host: str) -> APIError:
    if failure.phase is not None:
        return APITimeoutError(str(failure), phase=failure.phase, provider=host)
    return APIConnectionError(str(failure), provider=host)
