"""Real traffic, recorded once and replayed offline: the bytes as they came, in the pieces they came."""

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
from msgflux_like._http.exchange import Head, WireError
from msgflux_like._http.interception import AsyncReply, Interceptor, Reply, interceptors
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
    """A recording of what went to providers and what came back.

    Inside `with Cassette(path):` it stands between every model of the process and the network, whatever thread or
    event loop calls, and whenever the model was made; the innermost one counts. `attach`, and `http_client=cassette`,
    do the same for one model, for good.

    Requests are equal when method, URL and body are: what a header says does not count, nor does the port of a
    loopback address. Equal requests are answered in the order of their recording, and the last answer is given again
    and again. Errors, broken connections and timeouts are recorded and replayed like answers; waits before a retry
    are waited.

    The file holds no key, no cookie and no name of an account. It does hold the request bodies, prompts included.

    Args:
        path: The file, JSON lines.
        mode: "auto" replays where the file exists, else it records; "replay" never sends anything; "record" begins
            the file anew; "new" replays what is known, and records what is not behind it.
        redact: Is given a request's JSON body, and gives the one to keep. What it gives is also what is compared, so
            that it can take out what is never the same twice.

    Raises:
        CassetteError: The file is none, was cut off, or is not there; and, from a call, when a request is unknown.

    Example:
        >>> import msgflux_like as mf
        >>> with mf.testing.Cassette("paris.jsonl"):  # doctest: +SKIP
        ...     mf.Model.chat_completion("openai/gpt-4o")("What is the capital of France?").consume()
        'Paris.'
    """

    def __init__(self, path: str | os.PathLike[str], mode: Mode = "auto", *, redact: Redact | None = None) -> None:
        if mode not in ("auto", "replay", "record", "new"):
            raise InvalidRequestError(f"there is no mode {mode!r}; there are auto, replay, record, new")
        self.path = Path(path)
        there = self.path.exists()
        if mode == "replay" and not there:
            raise CassetteError(f'there is no recording {self.path.name}: record it first, with mode="auto"')
        self._mode: Mode = mode if mode != "auto" else "replay" if there else "record"
        self._redact = redact
        self._known = (
            cassette_format.load(self.path.read_bytes(), self.path.name) if there and self._mode != "record" else []
        )
        self._left: dict[bytes, deque[int]] = {}  # which of the known ones are to be replayed, by their key
        for index, exchange in enumerate(self._known):
            self._left.setdefault(matching.key_of(exchange.request), deque()).append(index)
        self._played: set[int] = set()
        self._new: list[_Recording] = []
        self._blocks: list[int] = []  # how much of it was there when each block began
        # Held while the file is written, too. A stream that is dropped ends wherever the garbage collector runs.
        self._lock = threading.RLock()

    @property
    def unused(self) -> tuple[int, ...]:
        """Numbers, from 1, of the recorded requests that nobody has asked for yet."""
        return tuple(number for number in range(1, len(self._known) + 1) if number - 1 not in self._played)

    # ---- who is recorded

    def __enter__(self) -> Self:
        with self._lock:
            self._blocks.append(len(self._new))
        interceptors.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Write what was recorded. After an APIError nothing new is kept: an expired key would be replayed for ever."""
        interceptors.remove(self)
        with self._lock:
            before = self._blocks.pop()
            if _is_of_a_provider(error):
                del self._new[before:]
            elif self._new:
                self._write()

    def attach(self, model: M) -> M:
        """Let that model's requests pass through here, inside and outside of `with`; its copies' do not."""
        transport = model._transport  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  as nobody else does
        if not isinstance(transport.interceptor, (Cassette, NoneType)):
            raise InvalidRequestError("a fake model sends nothing: there is nothing to record")
        transport.interceptor = self
        return model

    def client(self, http_client: Any) -> Interceptor:
        """For `http_client=`: this recording, with a client of one's own to send what is to be sent."""
        return _PassThrough(self, Transport(http_client))

    # ---- between a transport and the network

    def open(self, http: HttpRequest, deadline: Deadline, send: Callable[[HttpRequest, Deadline], Reply]) -> Reply:
        """See `Interceptor`."""
        request = self._request(http)
        if (played := self._replayed(request)) is not None:
            return played
        if type(http.key) is TokenSource:
            http = replace(http, key=http.key.token())
        recording = self._begun(request, http)
        try:
            return _RecordingReply(send(http, deadline), recording)
        except WireError as failure:
            recording.failed(failure)
            raise
        finally:
            recording.sent()

    async def aopen(
        self, http: HttpRequest, deadline: Deadline, send: Callable[[HttpRequest, Deadline], Awaitable[AsyncReply]]
    ) -> AsyncReply:
        """See `Interceptor`."""
        request = self._request(http)
        if (played := self._replayed(request)) is not None:
            return AsyncReplayedReply(played)
        if type(http.key) is TokenSource:
            http = replace(http, key=await atoken(http.key))
        recording = self._begun(request, http)
        try:
            return _AsyncRecordingReply(await send(http, deadline), recording)
        except WireError as failure:
            recording.failed(failure)
            raise
        finally:
            recording.sent()

    # ---- the tape

    def _request(self, http: HttpRequest) -> cassette_format.Request:
        """What is kept of the request, and compared."""
        mask = Mask(http)
        kept = cassette_format.Request(http.method, masking.masked_url(http.url, mask), masking.request_headers(http))
        body = mask.body(http.body)
        try:
            content = msgspec.json.decode(body)
        except ValueError:
            return cassette_format.with_body(kept, body)
        if self._redact is not None:
            content = msgspec.json.decode(to_json(self._redact(content), "what redact gives"))
        return replace(kept, json=content)

    def _replayed(self, request: cassette_format.Request) -> ReplayedReply | None:
        """The recorded reply; None when the request is to be sent. Raises what was raised when it was recorded."""
        if self._mode == "record":
            return None
        with self._lock:
            left = self._left.get(matching.key_of(request))
            if left is None and self._mode == "new":
                return None
            if left is None:
                raise self._unknown(request)
            index = left.popleft() if len(left) > 1 else left[0]
            self._played.add(index)
        return self._played_back(index)

    def _played_back(self, index: int) -> ReplayedReply:
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

    def _unknown(self, request: cassette_format.Request) -> CassetteError:
        number, differences = matching.nearest(request, [exchange.request for exchange in self._known])
        if number is None:
            said = "it holds none at all"
        else:
            said = f"the nearest is number {number}, and differs in {matching.told(differences)}"
        return CassetteError(
            f"{self.path.name} does not hold this request: {said}. To record it, use "
            f'mode="new", which keeps the others, or mode="record"',
            nearest=number,
            differences=differences,
        )

    def _begun(self, request: cassette_format.Request, http: HttpRequest) -> _Recording:
        recording = _Recording(request, Mask(http), self._ended)
        with self._lock:
            self._new.append(recording)
        return recording

    def _ended(self, recording: _Recording, kept: bool) -> None:
        """The exchange is over. Outside of a block it is written now, inside at the block's end."""
        with self._lock:
            if recording not in self._new:
                return  # its block ended with an APIError
            if not kept:
                self._new.remove(recording)
            elif not self._blocks:
                self._write()

    def _write(self) -> None:
        begun = [recording.exchange() for recording in self._new if recording.begun]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, cassette_format.dump([*self._known, *begun]), mode=0o644)


def _is_of_a_provider(error: BaseException | None) -> bool:
    """Whether an APIError is at the bottom of it, in a group, or below what somebody made of it."""
    if error is None or isinstance(error, APIError):
        return error is not None
    several = cast("Any", error).exceptions if isinstance(error, BaseExceptionGroup) else ()
    return any(map(_is_of_a_provider, (*several, error.__cause__ or error.__context__)))


class _PassThrough:
    """A recording that sends with a transport of its own."""

    def __init__(self, cassette: Cassette, transport: Transport) -> None:
        self._cassette = cassette
        self._transport = transport

    def open(self, http: HttpRequest, deadline: Deadline, _send: Any) -> Reply:
        return self._cassette.open(http, deadline, self._transport.send)

    async def aopen(self, http: HttpRequest, deadline: Deadline, _send: Any) -> AsyncReply:
        return await self._cassette.aopen(http, deadline, self._transport.asend)


class _Recording:
    """Writes down one exchange while it happens."""

    def __init__(self, request: cassette_format.Request, mask: Mask, ended: Callable[[_Recording, bool], None]) -> None:
        self._request = request
        self._reply: cassette_format.Reply | None = None
        self._pieces: list[bytes] = []
        self._end: cassette_format.End | None = None
        self._aborted = False
        self._mask = mask
        self._ended = ended

    @property
    def begun(self) -> bool:
        """Whether there is anything to keep."""
        return self._reply is not None or self._end is not None

    def exchange(self) -> cassette_format.Exchange:
        """What happened until now."""
        return cassette_format.Exchange(self._request, self._reply, self._mask.pieces(self._pieces), self._end)

    def came(self, head: Head) -> None:
        headers = masking.reply_headers(head.headers, self._mask)
        received_at = head.received_at if "retry-after" in headers else None
        self._reply = cassette_format.Reply(head.status, headers, received_at)

    def read(self, piece: bytes | None) -> bytes | None:
        if piece is None:
            self.whole()
        else:
            self._pieces.append(piece)
        return piece

    def whole(self) -> None:
        """Its body ended, or the answer in it did."""
        self._end = self._end or cassette_format.WHOLE

    def failed(self, failure: WireError) -> None:
        if not self._aborted:
            self._end = cassette_format.End("failed", self._mask.text(str(failure)), failure.phase)

    def aborted(self) -> None:
        """What a read says after this is no doing of the provider."""
        self._aborted = True

    def closed(self) -> None:
        self._end = self._end or cassette_format.LEFT
        self._ended(self, True)

    def sent(self) -> None:
        """The request is out, unless it failed, which is kept, or was never sent."""
        if self._reply is None:
            self._ended(self, self._end is not None)


class _RecordingReply:
    """A `Reply` that is written down while it is read."""

    def __init__(self, reply: Reply, recording: _Recording) -> None:
        self.head = reply.head
        self._reply = reply
        self._recording = recording
        recording.came(reply.head)

    def read(self, deadline: Deadline) -> bytes | None:
        try:
            return self._recording.read(self._reply.read(deadline))
        except WireError as failure:
            self._recording.failed(failure)
            raise

    def drain(self) -> None:
        self._recording.whole()
        self._reply.drain()

    def close(self) -> None:
        try:
            self._reply.close()
        finally:
            self._recording.closed()

    def abort(self) -> None:
        self._recording.aborted()
        self._reply.abort()


class _AsyncRecordingReply:
    """The async twin of `_RecordingReply`."""

    def __init__(self, reply: AsyncReply, recording: _Recording) -> None:
        self.head = reply.head
        self._reply = reply
        self._recording = recording
        recording.came(reply.head)

    async def read(self, deadline: Deadline) -> bytes | None:
        try:
            return self._recording.read(await self._reply.read(deadline))
        except WireError as failure:
            self._recording.failed(failure)
            raise

    async def drain(self) -> None:
        self._recording.whole()
        await self._reply.drain()

    async def aclose(self) -> None:
        try:
            await self._reply.aclose()
        finally:
            self._recording.closed()

    def abort(self) -> None:
        self._recording.aborted()
        self._reply.abort()
