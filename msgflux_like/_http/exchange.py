"""One request and its reply as a generator: sending, reading, retrying, without any IO (sans-IO).

Theory of operation
-------------------
`exchange` yields the steps of `_http.steps` and is sent their outcomes, as psycopg's generators are. It never blocks,
reads no clock and opens nothing, so the two drivers (one for threads, one for event loops) share all of its policy,
and a test is a list of steps and outcomes.

An attempt goes through these states:

    Send -> refused    status 300 or more: read a bounded part of the body, make an error of it
         -> reading    status 2xx: READ until the body or the dialect's decoder ends

A reading is *held* until the first event that is a piece of the answer, and *delivered* from then on:

    held        events that only introduce an answer (`_PREFACE`) are kept back. Any failure is returned from the
                attempt, and the call may be retried.
    delivered   every batch is yielded at once. Any failure is raised, since the caller has a part of the answer.

Rules:

1.  A request is retried only while nothing of its answer was yielded. Only `exchange` retries, as `Retries` decides.
2.  A reply is complete when its decoder says so (`Decoder.complete`); a body that ends before that is a
    TruncatedStreamError. A whole reply is complete once it is decoded.
3.  Every failure leaves as an APIError: wire failures, bytes that the decoder cannot read, refusals and reports of
    the provider. Errors never hold the request.
4.  A list of events that was yielded is the caller's: it is not changed afterwards.
5.  Whoever wraps an exchange (the cache, a server on this machine) passes its steps through and may add its own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import msgspec

from msgflux_like._http.reply_errors import (
    refusal_error,
    reported_error,
    request_id,
    shown_body,
    stated_cost,
    where_asked,
    wire_failure,
)
from msgflux_like._http.retry import Retries
from msgflux_like._http.steps import DRAIN, READ, Head, Send, Step, Wait, WireError
from msgflux_like._wire.compression import ENCODINGS, CompressionError, Decompressor
from msgflux_like._wire.raw_reply import RawReply
from msgflux_like._wire.sse import EventTooLargeError
from msgflux_like.dialects._shared.failures import failure_in
from msgflux_like.dialects._shared.protocols import Decoder, Dialect
from msgflux_like.errors import APIError, BadReplyError, TruncatedStreamError
from msgflux_like.events import Event, Failed, Replied, Started, TokenUsage, Warned
from msgflux_like.request import HttpRequest

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_REFUSAL_BYTES = 64 * 1024


def exchange(
    http: HttpRequest, dialect: Dialect, provider: str, model: str, retries: Retries
) -> Generator[Step, Any, None]:
    """Send a request, retry it as `retries` allows, and yield the events of its answer.

    Args:
        http: The request.
        dialect: Reads the reply.
        provider: Name of the provider, for errors.
        model: Model id, for errors.
        retries: The retry policy.

    Raises:
        APIError: The last attempt failed, or the answer broke off after a part of it was yielded.
    """
    attempt = 0
    names = {"provider": provider, "model": model}
    while (error := (yield from _attempt(http, dialect, names, attempt))) is not None:
        seconds = retries.wait_s(attempt, error)
        if seconds is None:
            raise error
        try:
            yield Wait(seconds)
        except WireError:  # no time is left; the failure that is waited out says more
            raise error from None
        attempt += 1


def _attempt(
    http: HttpRequest, dialect: Dialect, names: dict[str, str], attempt: int
) -> Generator[Step, Any, APIError | None]:
    """Send once. Return the error while nothing was yielded, so that it can be retried; raise it afterwards."""
    facts: dict[str, Any] = {**names}
    reading: _Reading | None = None
    try:
        head = yield Send(http)
        facts |= {"status": head.status, "request_id": request_id(head)}
        if head.status >= 300:
            return (yield from _read_refusal(head, dialect, http, facts))
        if (problem := _why_no_answer(head, http)) is not None:
            return BadReplyError(problem, **facts)
        decoder = dialect.decoder() if http.stream else _WholeReply(dialect)
        raw = RawReply(head.status, head.headers, head.received_at)
        replied = Replied(facts["request_id"] or "", attempt + 1, raw, stated_cost(head, streamed=http.stream))
        reading = _Reading(decoder, replied, raw, streamed=http.stream)
        error = yield from _read(reading, _decompression(head), facts)
    except WireError as failure:
        error = wire_failure(failure, facts)
    except (msgspec.DecodeError, EventTooLargeError, CompressionError) as failure:
        error = BadReplyError(f"the reply cannot be read: {failure}", **facts)
    except Exception as failure:  # noqa: BLE001  a decoder met what it does not expect: the reply is at fault
        error = BadReplyError(f"the reply cannot be read: {type(failure).__name__}: {failure}", **facts)
        error.__cause__ = failure
    if error is not None and reading is not None and reading.delivered:
        raise error
    return error


_HEADING = {Replied, Started, Warned}  # events that say nothing of an answer
_PREFACE = {*_HEADING, TokenUsage}  # events that introduce an answer and are not a piece of it


class _Reading:
    """An answer that is being read: held until its first piece, delivered from then on."""

    __slots__ = ("decoder", "delivered", "held", "raw", "streamed")

    def __init__(self, decoder: Decoder, replied: Replied, raw: RawReply, *, streamed: bool) -> None:
        self.decoder = decoder
        self.held: list[Event] = [replied]
        self.delivered = False
        self.raw = raw
        self.streamed = streamed

    def take(self, batch: list[Event]) -> tuple[list[Event], Failed | None]:
        """Return the events that can be yielded now, and the failure if the batch ends with one."""
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
    reading: _Reading, decompress: Callable[[bytes], bytes], facts: dict[str, Any]
) -> Generator[Step, Any, APIError | None]:
    decoder, keep = reading.decoder, reading.raw.pieces.append
    data: bytes | None = b""
    while data is not None and not decoder.ended:
        data = yield READ
        if data is None:
            batch = decoder.close()
        else:
            data = decompress(data)
            keep(data)
            batch = decoder.feed(data)
        if not batch:
            continue
        if reading.delivered and type(batch[-1]) is not Failed:  # nearly all of a stream
            yield batch
            continue
        batch, failed = reading.take(batch)
        if failed is not None:
            return (yield from _read_failure(batch, failed, reading, facts))
        if batch:
            yield batch
    if not decoder.complete:
        return TruncatedStreamError(
            "the stream ended without a finish reason or an end mark: the answer is not complete",
            should_retry=not reading.delivered,
            **facts,
        )
    if not reading.delivered:
        yield reading.held
    if decoder.ended:
        yield DRAIN
    return None


def _read_failure(
    batch: list[Event], failed: Failed, reading: _Reading, facts: dict[str, Any]
) -> Generator[Step, Any, APIError]:
    """Yield what came before the failure, and return the error. Nothing of a whole reply is yielded: retry it."""
    facts = {**facts, "body": shown_body(reading.raw.body)}
    if reading.streamed and batch:
        yield batch
    if not reading.streamed:
        reading.delivered = False
    error = reported_error(failed, delivered=reading.delivered, facts=facts)
    if not reading.delivered and any(type(event) not in _HEADING for event in reading.held):
        error.partial_events = tuple(reading.held)
    return error


class _WholeReply:
    """A `Decoder` for replies that are not streamed."""

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


def _decompression(head: Head) -> Callable[[bytes], bytes]:
    """Return the function that decompresses the body. Requests ask for none; some servers compress anyway."""
    encoding = head.get(b"content-encoding").lower()
    if encoding in ("", "identity"):
        return bytes
    if encoding not in ENCODINGS:
        raise CompressionError(f"it is compressed with {encoding!r}, which was not asked for")
    return Decompressor(encoding, MAX_BODY_BYTES).feed


def _read_refusal(
    head: Head, dialect: Dialect, http: HttpRequest, facts: dict[str, Any]
) -> Generator[Step, Any, APIError]:
    """Read a bounded part of the body of a reply that is not 2xx, and return the error."""
    body = b""
    try:
        decompress = _decompression(head)
        while len(body) < MAX_REFUSAL_BYTES and (data := (yield READ)) is not None:
            body += decompress(data)
    except (WireError, CompressionError):
        pass  # the status says what failed; of a body that breaks off the beginning is shown
    try:
        refusal = dialect.refusal(body[:MAX_REFUSAL_BYTES])
    except Exception:  # noqa: BLE001  the status counts, whatever the body is
        refusal = failure_in(body[:MAX_REFUSAL_BYTES])
    error = refusal_error(refusal, head, body, facts)
    if head.status == 404:
        error.hint = where_asked(http.url)
    return error


def _why_no_answer(head: Head, http: HttpRequest) -> str | None:
    """Return why this reply of status 2xx cannot be an answer, or None."""
    if head.status == 204:
        return "the provider answered without a body (HTTP 204)"
    if head.get(b"content-type").startswith("text/html"):
        return f"the provider answered with a web page: is base_url right? {where_asked(http.url)}"
    return None
