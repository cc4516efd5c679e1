"""Record real traffic once and replay it offline: the same bytes, in the same pieces."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import NoneType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, cast

import msgspec
from msgspec.structs import replace

from msgflux_like._http.connections import Transport, atoken
from msgflux_like._http.deadline import Deadline
from msgflux_like._http.interception import AsyncReply, Interceptor, Reply, interceptors
from msgflux_like._http.steps import Head, WireError
from msgflux_like._json import to_json
from msgflux_like._wire.secrets import TokenSource
from msgflux_like.catalog.snapshot import write_atomically
from msgflux_like.errors import APIError, CassetteError, InvalidRequestError
from msgflux_like.request import HttpRequest
from msgflux_like.testing import cassette_format, masking, matching
from msgflux_like.testing.masking import Mask
from msgflux_like.testing.replayed import AsyncReplayedReply, Breaks, ReplayedReply

if TYPE_CHECKING:
    from msgflux_like.calls.provider_model import ProviderModel

Mode = Literal["auto", "replay", "record", "new"]
Redact = Callable[[Any], Any]

M = TypeVar("M", bound="ProviderModel")


class Cassette:
    """Recording of requests to providers and of their replies.

    Inside `with Cassette(path):` the requests of every model and client of the process pass through it, from any thread
    or event loop; of several blocks the innermost one records. `attach`, and `http_client=cassette`, do so for one
    model, permanently.

    Requests are equal if their method, URL and body are; headers and the port of a loopback address are not compared.
    Equal requests get the recorded replies in order, and then the last reply again and again. Errors, broken
    connections and timeouts are recorded and replayed as well; the waits before retries are kept.

    The file has no keys, no cookies and no names of accounts. It has the bodies of the requests, prompts included.

    Args:
        path: Path of the file, in JSON lines.
        mode: "auto" replays if the file exists and records if not; "replay" never sends a request; "record" replaces
            the file; "new" replays the requests that the file has, and records the others at its end.
        redact: Function from the JSON body of a request to the body that is recorded and compared, to remove secrets
            and values that differ each time.

    Attributes:
        path: Path of the file.
        unused: Numbers, from 1, of the recorded requests that were not replayed.

    Raises:
        CassetteError: If the file is missing in mode "replay", is not a cassette, or was cut off; from a call, if the
            request is not in the file: the message names the differences from the nearest one.
        InvalidRequestError: For an unknown mode.

    Example:
        >>> import msgflux_like as mf
        >>> with mf.testing.Cassette("paris.jsonl"):  # doctest: +SKIP
        ...     mf.Model.chat_completion("openai/gpt-4o")("What is the capital of France?").consume()
        'Paris.'
    """

    def __init__(self, path: str | os.PathLike[str], mode: Mode = "auto", *, redact: Redact | None = None) -> None:
        if mode not in ("auto", "replay", "record", "new"):
            raise InvalidRequestError(f"there is no mode {mode!r}: use auto, replay, record or new")
        self.path = Path(path)
        there = self.path.exists()
        if mode == "replay" and not there:
            raise CassetteError(f'there is no recording {self.path.name}: record it first, with mode="auto"')
        self._mode: Mode = mode if mode != "auto" else "replay" if there else "record"
        self._redact = redact
        self._known = (
            cassette_format.load(self.path.read_bytes(), self.path.name) if there and self._mode != "record" else []
        )
        self._left: dict[bytes, deque[int]] = {}  # indexes of the recorded exchanges to replay, by key
        for index, exchange in enumerate(self._known):
            self._left.setdefault(matching.key_of(exchange.request), deque()).append(index)
        self._replayed_indexes: set[int] = set()
        self._new: list[_Recording] = []
        self._blocks: list[int] = []  # length of the recording when each block began
        # Held while the file is written, too. Reentrant: a dropped stream ends wherever the garbage collector runs.
        self._lock = threading.RLock()

    @property
    def unused(self) -> tuple[int, ...]:
        """Numbers, from 1, of the recorded requests that were not replayed."""
        return tuple(number for number in range(1, len(self._known) + 1) if number - 1 not in self._replayed_indexes)

    # ---- what is recorded

    def __enter__(self) -> Self:
        with self._lock:
            self._blocks.append(len(self._new))
        interceptors.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Write the recording. After an APIError nothing new is kept, so that no expired key is replayed forever."""
        interceptors.remove(self)
        with self._lock:
            before = self._blocks.pop()
            if _is_api_error(error):
                del self._new[before:]
            elif self._new:
                self._write()

    def attach(self, model: M) -> M:
        """Record or replay the requests of one model, inside and outside of `with`; its copies are not attached.

        Args:
            model: The model.

        Returns:
            The model.

        Raises:
            InvalidRequestError: For a fake model.

        Example:
            >>> import msgflux_like as mf
            >>> cassette = mf.testing.Cassette("paris.jsonl")  # doctest: +SKIP
            >>> model = cassette.attach(mf.Model.chat_completion("openai/gpt-4o"))  # doctest: +SKIP
        """
        if not isinstance(model.interceptor, (Cassette, NoneType)):
            raise InvalidRequestError("a fake model sends nothing: attach the cassette to a model with a network")
        model.interceptor = self
        return model

    def client(self, http_client: Any) -> Interceptor:
        """Return a value for `http_client=` of a model: this recording, which sends with your own HTTP client.

        Args:
            http_client: An `httpx2` or `httpx` client; it is not closed here.

        Example:
            >>> import httpx2
            >>> import msgflux_like as mf
            >>> http_client = mf.testing.Cassette("paris.jsonl").client(httpx2.Client())  # doctest: +SKIP
            >>> model = mf.Model.chat_completion("openai/gpt-4o", http_client=http_client)  # doctest: +SKIP
        """
        return _PassThrough(self, Transport(http_client))

    # ---- between a transport and the network

    def open(self, http: HttpRequest, deadline: Deadline, send: Callable[[HttpRequest, Deadline], Reply]) -> Reply:
        """Return the recorded reply to `http`, or `send` it before the `deadline` and record the reply."""
        request = self._request(http)
        if (reply := self._replayed(request)) is not None:
            return reply
        if type(http.key) is TokenSource:
            http = replace(http, key=http.key.token())
        recording = self._start_recording(request, http)
        try:
            return _RecordingReply(send(http, deadline), recording)
        except WireError as failure:
            recording.record_failure(failure)
            raise
        finally:
            recording.on_sent()

    async def aopen(
        self, http: HttpRequest, deadline: Deadline, send: Callable[[HttpRequest, Deadline], Awaitable[AsyncReply]]
    ) -> AsyncReply:
        """Return the recorded reply to a request, or send and record it; the async counterpart of `open`."""
        request = self._request(http)
        if (reply := self._replayed(request)) is not None:
            return AsyncReplayedReply(reply)
        if type(http.key) is TokenSource:
            http = replace(http, key=await atoken(http.key))
        recording = self._start_recording(request, http)
        try:
            return _AsyncRecordingReply(await send(http, deadline), recording)
        except WireError as failure:
            recording.record_failure(failure)
            raise
        finally:
            recording.on_sent()

    # ---- the recording

    def _request(self, http: HttpRequest) -> cassette_format.Request:
        """Return the request as it is recorded and compared."""
        mask = Mask(http)
        kept = cassette_format.Request(http.method, masking.masked_url(http.url, mask), masking.request_headers(http))
        body = mask.body(http.body)
        try:
            content = msgspec.json.decode(body)
        except ValueError:
            return cassette_format.with_body(kept, body)
        if self._redact is not None:
            content = msgspec.json.decode(to_json(self._redact(content), "the result of redact"))
        return replace(kept, json=content)

    def _replayed(self, request: cassette_format.Request) -> ReplayedReply | None:
        """Return the recorded reply; None if the request is to be sent. Raises the recorded error."""
        if self._mode == "record":
            return None
        with self._lock:
            left = self._left.get(matching.key_of(request))
            if left is None and self._mode == "new":
                return None
            if left is None:
                raise self._unknown_request(request)
            index = left.popleft() if len(left) > 1 else left[0]
            self._replayed_indexes.add(index)
        return self._reply_of_recording(index)

    def _reply_of_recording(self, index: int) -> ReplayedReply:
        exchange = self._known[index]
        end = exchange.end or cassette_format.LEFT
        failure = Breaks(end.message, end.phase).error()
        if exchange.reply is None:
            raise failure
        left = CassetteError(
            f"the reply to request {index + 1} of {self.path.name} was not read to its end when it was recorded, "
            f"and is now: record it anew"
        )
        head = exchange.reply
        headers = {name.encode("latin-1"): value.encode("latin-1") for name, value in head.headers.items()}
        endings = {"whole": None, "left": left, "failed": failure}
        return ReplayedReply(Head(head.status, headers, head.received_at or 0.0), exchange.pieces, endings[end.how])

    def _unknown_request(self, request: cassette_format.Request) -> CassetteError:
        number, differences = matching.nearest(request, [exchange.request for exchange in self._known])
        if number is None:
            difference = "it has no requests"
        else:
            difference = f"the nearest is number {number}, and differs in {matching.describe(differences)}"
        return CassetteError(
            f"{self.path.name} does not have this request: {difference}. To record it, use "
            f'mode="new", which keeps the others, or mode="record"',
            nearest=number,
            differences=differences,
        )

    def _start_recording(self, request: cassette_format.Request, http: HttpRequest) -> _Recording:
        recording = _Recording(request, Mask(http), self._on_end)
        with self._lock:
            self._new.append(recording)
        return recording

    def _on_end(self, recording: _Recording, kept: bool) -> None:
        """Write the recording now if there is no block around it; a block writes it at its end."""
        with self._lock:
            if recording not in self._new:
                return  # its block ended with an APIError
            if not kept:
                self._new.remove(recording)
            elif not self._blocks:
                self._write()

    def _write(self) -> None:
        started = [recording.exchange() for recording in self._new if recording.has_started]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, cassette_format.dump([*self._known, *started]), mode=0o644)


def _is_api_error(error: BaseException | None) -> bool:
    """Return whether an error is an APIError, holds one in a group, or was caused by one."""
    if error is None or isinstance(error, APIError):
        return error is not None
    several = cast("Any", error).exceptions if isinstance(error, BaseExceptionGroup) else ()
    return any(map(_is_api_error, (*several, error.__cause__ or error.__context__)))


class _PassThrough:
    """Interceptor that records with a cassette and sends with another transport."""

    def __init__(self, cassette: Cassette, transport: Transport) -> None:
        self._cassette = cassette
        self._transport = transport

    def open(self, http: HttpRequest, deadline: Deadline, _send: Any) -> Reply:
        return self._cassette.open(http, deadline, self._transport.send)

    async def aopen(self, http: HttpRequest, deadline: Deadline, _send: Any) -> AsyncReply:
        return await self._cassette.aopen(http, deadline, self._transport.asend)


class _Recording:
    """Recorder of one exchange."""

    def __init__(
        self, request: cassette_format.Request, mask: Mask, on_end: Callable[[_Recording, bool], None]
    ) -> None:
        self._request = request
        self._reply: cassette_format.Reply | None = None
        self._pieces: list[bytes] = []
        self._end: cassette_format.End | None = None
        self._aborted = False
        self._mask = mask
        self._on_end = on_end

    @property
    def has_started(self) -> bool:
        """True if there is something to record."""
        return self._reply is not None or self._end is not None

    def exchange(self) -> cassette_format.Exchange:
        """Return the exchange as far as it has been recorded."""
        return cassette_format.Exchange(self._request, self._reply, self._mask.pieces(self._pieces), self._end)

    def record_head(self, head: Head) -> None:
        """Record the status and the headers of the reply."""
        headers = masking.reply_headers(head.headers, self._mask)
        received_at = head.received_at if "retry-after" in headers else None
        self._reply = cassette_format.Reply(head.status, headers, received_at)

    def record_piece(self, piece: bytes | None) -> bytes | None:
        """Record a piece of the body, None for its end, and return it."""
        if piece is None:
            self.record_whole()
        else:
            self._pieces.append(piece)
        return piece

    def record_whole(self) -> None:
        """Record that the body, or the answer in it, is complete."""
        self._end = self._end or cassette_format.WHOLE

    def record_failure(self, failure: WireError) -> None:
        """Record how the connection failed, unless the reader aborted it."""
        if not self._aborted:
            self._end = cassette_format.End("failed", self._mask.text(str(failure)), failure.phase)

    def on_abort(self) -> None:
        """Ignore the failures that follow: the reader caused them, not the provider."""
        self._aborted = True

    def on_close(self) -> None:
        """Record that the reader closed the reply."""
        self._end = self._end or cassette_format.LEFT
        self._on_end(self, True)

    def on_sent(self) -> None:
        """End the recording if there was no reply: a failure is kept, a request that was not sent is not."""
        if self._reply is None:
            self._on_end(self, self._end is not None)


class _RecordingReply:
    """Reply that is recorded while it is read."""

    def __init__(self, reply: Reply, recording: _Recording) -> None:
        self.head = reply.head
        self._reply = reply
        self._recording = recording
        recording.record_head(reply.head)

    def read(self, deadline: Deadline) -> bytes | None:
        try:
            return self._recording.record_piece(self._reply.read(deadline))
        except WireError as failure:
            self._recording.record_failure(failure)
            raise

    def drain(self) -> None:
        self._recording.record_whole()
        self._reply.drain()

    def close(self) -> None:
        try:
            self._reply.close()
        finally:
            self._recording.on_close()

    def abort(self) -> None:
        self._recording.on_abort()
        self._reply.abort()


class _AsyncRecordingReply:
    """Async counterpart of `_RecordingReply`."""

    def __init__(self, reply: AsyncReply, recording: _Recording) -> None:
        self.head = reply.head
        self._reply = reply
        self._recording = recording
        recording.record_head(reply.head)

    async def read(self, deadline: Deadline) -> bytes | None:
        try:
            return self._recording.record_piece(await self._reply.read(deadline))
        except WireError as failure:
            self._recording.record_failure(failure)
            raise

    async def drain(self) -> None:
        self._recording.record_whole()
        await self._reply.drain()

    async def aclose(self) -> None:
        try:
            await self._reply.aclose()
        finally:
            self._recording.on_close()

    def abort(self) -> None:
        self._recording.on_abort()
        self._reply.abort()
