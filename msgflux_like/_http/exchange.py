"""One request as a generator that asks for what it wants done: all policy of a call, and no IO.

It yields a `Send`, a `READ`, a `DRAIN` or a `Wait`, and is sent the outcome; between those it yields the events it
learned, a list for each read. Whatever goes wrong on the wire is thrown in as a `WireError`. Both drivers in
`transport.py` answer it, so retrying, waiting, truncation and the reading of refusals exist once. What stands around an
exchange (a cache, a server on this machine) yields a `Do` or a `Join` as well.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from msgflux_like._wire.sse import EventTooLargeError
from msgflux_like.dialects._shared.protocols import Decoder, Dialect
from msgflux_like.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    BadReplyError,
    BadRequestError,
    ContentFilterError,
    ContextLengthError,
    NotFoundError,
    Phase,
    RateLimitError,
    RedirectError,
    ServerError,
    StreamFailedError,
    TruncatedStreamError,
)
from msgflux_like.events import Event, Failed, Replied, Started, TokenUsage
from msgflux_like.request import HttpRequest

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_REFUSAL_BYTES = 64 * 1024
_SHOWN_BODY_CHARS = 4096


class Send(Struct, frozen=True):
    """Send this request; the outcome is a `Head`."""

    http: HttpRequest


class Head(Struct, frozen=True):
    """Status and headers of a reply; the names are lower case. `received_at` is in seconds since 1970."""

    status: int
    headers: Mapping[bytes, bytes] = {}
    received_at: float = 0.0

    def get(self, name: bytes) -> str:
        """The header's value, or an empty text."""
        return self.headers.get(name, b"").decode("latin-1").strip()


class Read(Struct, frozen=True):
    """Read on; the outcome is the next bytes of the body, or None at its end."""


class Drain(Struct, frozen=True):
    """The answer is whole: read the body's end if it is there already, so that the connection can be used again."""


class Wait(Struct, frozen=True):
    """Wait before the next attempt; a `WireError` comes at once when there is no time left for it."""

    seconds: float


class Do(Struct, frozen=True):
    """Call this function; the outcome is what it gives. One that `blocks` must not be called by an event loop."""

    function: Callable[[], Any]
    blocks: bool


class Join(Struct, frozen=True):
    """Wait for the equal call that is under way, or lead; see `transport.flights`, which has the outcomes."""

    flights: Any
    key: bytes


READ: Final = Read()
DRAIN: Final = Drain()

Step = Send | Read | Drain | Wait | Do | Join | list[Event]


class WireError(Exception):
    """What a driver throws in: nothing came in time (`phase` says when), or the connection failed (`phase` is None)."""

    def __init__(self, message: str, phase: Phase | None = None) -> None:
        super().__init__(message)
        self.phase: Phase | None = phase


class Retries(Struct, frozen=True):
    """When to try again.

    Attributes:
        max_retries: Further requests after the first; 0 means one request.
        longest_wait_s: A provider that asks for more than this is not waited for.
    """

    max_retries: int = 2
    longest_wait_s: float = 120.0

    def wait_s(self, attempt: int, error: APIError, jitter: Callable[[], float] = random.random) -> float | None:
        """Seconds to wait before attempt number `attempt + 2`, or None to give up.

        The provider's word comes first (`x-should-retry`, Retry-After); else 0.5 s, doubled each time up to 8 s,
        less up to a quarter so that many clients do not come back together.
        """
        if not error.retryable or attempt >= self.max_retries:
            return None
        if error.retry_after_s is not None:
            return error.retry_after_s if error.retry_after_s <= self.longest_wait_s else None
        return min(0.5 * 2.0**attempt, 8.0) * (1 - 0.25 * jitter())


def exchange(
    http: HttpRequest, dialect: Dialect, provider: str, model: str, retries: Retries
) -> Generator[Step, Any, None]:
    """The whole exchange. A request is tried again only while nothing of its answer has been handed out."""
    attempt = 0
    names = {"provider": provider, "model": model}
    while (error := (yield from _attempt(http, dialect, names, attempt))) is not None:
        seconds = retries.wait_s(attempt, error)
        if seconds is None:
            raise error
        try:
            yield Wait(seconds)
        except WireError:  # no time left; the failure that made us wait says more
            raise error from None
        attempt += 1


def _attempt(
    http: HttpRequest, dialect: Dialect, names: dict[str, str], attempt: int
) -> Generator[Step, Any, APIError | None]:
    """One request. An error is returned while nothing was handed out, so that it can be retried, and raised after."""
    facts: dict[str, Any] = {**names}
    reading: _Reading | None = None
    try:
        head = yield Send(http)
        facts |= {"status": head.status, "request_id": _request_id(head)}
        if head.status >= 300:
            return (yield from _refused(head, dialect, facts))
        if (wrong := _not_an_answer(head)) is not None:
            return BadReplyError(wrong, **facts)
        decoder = dialect.decoder() if http.stream else _WholeReply(dialect)
        reading = _Reading(decoder, Replied(facts["request_id"] or "", attempt + 1))
        error = yield from _read(reading, _inflater(head), facts)
    except WireError as failure:
        error = unreachable(failure, facts)
    except (msgspec.DecodeError, EventTooLargeError, zlib.error) as failure:
        error = BadReplyError(f"the reply cannot be read: {failure}", **facts)
    if error is not None and reading is not None and reading.delivered:
        raise error
    return error


_PREFACE = {Replied, Started, TokenUsage}  # events that are not yet a piece of the answer


class _Reading:
    """An answer that is being read. What comes before its first piece is held back: until then all can be retried."""

    __slots__ = ("decoder", "delivered", "held")

    def __init__(self, decoder: Decoder, replied: Replied) -> None:
        self.decoder = decoder
        self.held: list[Event] = [replied]
        self.delivered = False

    def take(self, batch: list[Event]) -> tuple[list[Event], Failed | None]:
        """What can be handed out now, and the failure at the end of the batch."""
        last = batch[-1]
        failed = last if type(last) is Failed else None
        if failed is not None:
            batch.pop()
        if self.delivered:
            return batch, failed
        self.held += batch
        if all(type(event) in _PREFACE for event in batch):
            return [], failed
        self.delivered = True
        return self.held, failed


def _read(
    reading: _Reading, inflate: Callable[[bytes], bytes], facts: dict[str, Any]
) -> Generator[Step, Any, APIError | None]:
    decoder = reading.decoder
    data: bytes | None = b""
    while data is not None and not decoder.ended:
        data = yield READ
        batch = decoder.close() if data is None else decoder.feed(inflate(data))
        if not batch:
            continue
        if reading.delivered and type(batch[-1]) is not Failed:  # nearly all of a stream
            yield batch
            continue
        batch, failed = reading.take(batch)
        if batch:
            yield batch
        if failed is not None:
            return _reported(failed, reading.delivered, facts)
    if not decoder.complete:
        return TruncatedStreamError(
            "the stream ended without a finish reason, an end mark or a usage report: the answer is not complete",
            should_retry=not reading.delivered,
            **facts,
        )
    if not reading.delivered:
        yield reading.held
    if decoder.ended:
        yield DRAIN
    return None


class _WholeReply:
    """A reply that is not streamed, as a `Decoder`."""

    __slots__ = ("_decode", "_pieces", "_size", "complete", "ended")

    def __init__(self, dialect: Dialect) -> None:
        self._decode = dialect.decode
        self._pieces: list[bytes] = []
        self._size = 0
        self.complete = True
        self.ended = False

    def feed(self, data: bytes) -> list[Event]:
        self._pieces.append(data)
        self._size += len(data)
        if self._size > MAX_BODY_BYTES:
            raise EventTooLargeError(f"it is longer than {MAX_BODY_BYTES} bytes")
        return []

    def close(self) -> list[Event]:
        return self._decode(b"".join(self._pieces))


def _inflater(head: Head) -> Callable[[bytes], bytes]:
    """What undoes the reply's content encoding, within bounds. None is asked for; some servers compress anyway."""
    encoding = head.get(b"content-encoding").lower()
    if encoding in ("", "identity"):
        return bytes
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise zlib.error(f"it is compressed with {encoding!r}, which was not asked for")
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
    left = MAX_BODY_BYTES

    def inflate(data: bytes) -> bytes:
        nonlocal left
        plain = inflater.decompress(data, left + 1)
        left -= len(plain)
        if left < 0:
            raise zlib.error(f"it inflates to more than {MAX_BODY_BYTES} bytes")
        return plain

    return inflate


def _refused(head: Head, dialect: Dialect, facts: dict[str, Any]) -> Generator[Step, Any, APIError]:
    """Read what the provider said, a bounded part of it, and make the error of it."""
    body = b""
    try:
        inflate = _inflater(head)
        while len(body) < MAX_REFUSAL_BYTES and (data := (yield READ)) is not None:
            body += inflate(data)
    except (WireError, zlib.error):
        pass  # the status is the news; a body that breaks off is shown as far as it came
    said = dialect.refusal(body[:MAX_REFUSAL_BYTES])
    if not said.type and (named := head.get(b"x-amzn-errortype")):
        said = structs.replace(said, type=named.partition(":")[0])  # a URL follows
    should_retry = head.get(b"x-should-retry")
    facts |= {
        "retry_after_s": _retry_after_s(head),
        "should_retry": {"true": True, "false": False}.get(should_retry),
        "body": body[:_SHOWN_BODY_CHARS].decode(errors="replace"),
    }
    if head.status < 400:
        return RedirectError("the provider answered with a redirect, which is not followed: check base_url", **facts)
    return _error(said, head.status, facts)


def _reported(failed: Failed, delivered: bool, facts: dict[str, Any]) -> APIError:
    """The error for a failure that the provider reported inside a reply of status 200."""
    if delivered:
        return StreamFailedError(failed.message, code=failed.code or None, type=failed.type or None, **facts)
    return _error(failed, failed.status or _STATUS_OF_TYPE.get(failed.type or failed.code, 200), facts)


def _error(said: Failed, status: int, facts: dict[str, Any]) -> APIError:
    kind = _KIND_OF_CODE.get(said.code) or _KIND_OF_CODE.get(said.type) or _KIND_OF_STATUS.get(status)
    if kind is None:
        kind = ServerError if status >= 500 or status < 400 else BadRequestError
    error = kind(said.message, code=said.code or None, type=said.type or None, **facts)
    if error.retry_after_s is None:
        error.retry_after_s = said.retry_after_s
    if error.should_retry is None:
        final = said.code in _FINAL_CODES or said.type in _FINAL_CODES
        error.should_retry = not final and (status in _PASSING or status >= 500)
        if status < 400 and not (said.code or said.type):
            error.should_retry = None  # it failed, and nothing is known of why
    return error


_KIND_OF_STATUS: Mapping[int, type[APIError]] = {
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    429: RateLimitError,
}
_KIND_OF_CODE: Mapping[str, type[APIError]] = {
    "API_KEY_INVALID": AuthenticationError,  # Google, with status 400
    "model_not_found": NotFoundError,  # OpenAI's /responses, with status 400
    "insufficient_quota": RateLimitError,  # likewise
    "context_length_exceeded": ContextLengthError,
    "exceed_context_size_error": ContextLengthError,  # llama.cpp
    "content_filter": ContentFilterError,
    "content_policy_violation": ContentFilterError,
    "data_inspection_failed": ContentFilterError,  # Alibaba
    "ServiceQuotaExceededException": RateLimitError,  # Amazon, with status 400
    "ModelErrorException": ServerError,  # 424
    "ModelTimeoutException": ServerError,  # 408
}
# Inside a reply of status 200 the type must tell what the status would have been.
_STATUS_OF_TYPE: Mapping[str, int] = {
    "overloaded_error": 529,
    "api_error": 500,
    "server_error": 500,
    "internal_server_error": 500,  # Mistral
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
}
_PASSING = (408, 409, 424, 429)  # 424 is a model that failed, at Amazon
_FINAL_CODES = {"insufficient_quota", "billing_hard_limit_reached"}  # a status 429 that no waiting mends


def unreachable(failure: WireError, facts: Mapping[str, Any]) -> APIError:
    """The error for what the driver threw in."""
    if failure.phase is None:
        return APIConnectionError(str(failure), **facts)
    # After the total time there is none left to try again.
    return APITimeoutError(
        str(failure), phase=failure.phase, should_retry=False if failure.phase == "total" else None, **facts
    )


def _not_an_answer(head: Head) -> str | None:
    """Why this successful reply cannot be an answer, or None."""
    if head.status == 204:
        return "the provider answered without a body (HTTP 204)"
    if head.get(b"content-type").startswith("text/html"):
        return "the provider answered with a web page: is base_url right?"
    return None


def _request_id(head: Head) -> str | None:
    return next((value for name in _REQUEST_ID if (value := head.get(name))), None)


_REQUEST_ID = (b"x-request-id", b"request-id", b"x-amzn-requestid", b"apim-request-id", b"cf-ray")


def _retry_after_s(head: Head) -> float | None:
    """Seconds from `retry-after-ms`, else from `retry-after` (a number or a date); None for nothing sensible."""
    if (milliseconds := _number(head.get(b"retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = head.get(b"retry-after")
    if (seconds := _number(value)) is not None or not value:
        return seconds
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  rare, and it brings half of `email`

    try:
        return max(parsedate_to_datetime(value).timestamp() - head.received_at, 0.0)
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    """Digits with at most one point among them, as a number."""
    try:
        return float(text) if text.replace(".", "", 1).isdigit() else None
    except ValueError:  # digits of another kind, such as a raised two
        return None
