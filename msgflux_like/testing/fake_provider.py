"""A provider without a network: it answers with the bytes a test gives, in any dialect, and keeps what it is sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, cast

import msgspec
from msgspec import Struct

from msgflux_like._http.deadline import Deadline
from msgflux_like._http.exchange import Head
from msgflux_like._http.interception import AsyncReply, Reply, interceptors
from msgflux_like._json import to_json
from msgflux_like.errors import InvalidRequestError, OutOfAnswersError
from msgflux_like.request import HttpRequest
from msgflux_like.testing.replayed import AsyncReplayedReply, Breaks, ReplayedReply

_STREAM: Final[Mapping[str, str]] = {"content-type": "text/event-stream"}
_JSON: Final[Mapping[str, str]] = {"content-type": "application/json"}


class FakeRequest(Struct, frozen=True):
    """What a provider was sent.

    Attributes:
        url: Where it went.
        headers: Without the one that holds the key.
        body: Its JSON, read; bytes where it is none.
        stream: Whether a stream was asked for.
    """

    url: str
    headers: Mapping[str, str]
    body: Any
    stream: bool = False

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation, in the dialects that call it so."""
        return self.body["messages"]


class FakeReply(Struct, frozen=True):
    r"""One reply, byte for byte.

    Attributes:
        status: HTTP status.
        headers: Their names in lower case.
        pieces: The body, as the network brings it: each is what one read gives.
        breaks: How the connection fails after the last piece; None for a body that comes to its end.

    >>> FakeReply.streamed(b"data: {}", b"\n\n", breaks=Breaks()).pieces
    (b'data: {}', b'\n\n')
    """

    status: int = 200
    headers: Mapping[str, str] = {}
    pieces: Sequence[bytes] = ()
    breaks: Breaks | None = None

    @classmethod
    def whole(cls, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Self:
        """A reply that comes in one piece: bytes as they are, anything else as JSON."""
        return cls(status, {**_JSON, **(headers or {})}, (body if isinstance(body, bytes) else to_json(body),))

    @classmethod
    def streamed(cls, *pieces: bytes, breaks: Breaks | None = None) -> Self:
        """A stream of server-sent events, cut as it is given here."""
        return cls(200, _STREAM, pieces, breaks)


class Script:
    """What is to be said next: one thing again and again, or each of a list once."""

    def __init__(self, given: Any) -> None:
        in_order = isinstance(given, (list, tuple))
        self._always = given
        self._left = deque(cast("Sequence[Any]", given)) if in_order else None
        self._length = len(cast("Sequence[Any]", given)) if in_order else 1

    def next(self, told: Any) -> Any:
        """The next one; a function is called with what it is told. Raises OutOfAnswersError."""
        found = self._always
        if self._left is not None:
            try:
                found = self._left.popleft()
            except IndexError:
                raise OutOfAnswersError(
                    f"the test gave {self._length} answers, and this is one request more: give another, "
                    f"or one that is not in a list to have it repeated"
                ) from None
        return found(told) if callable(found) and not isinstance(found, type) else found


class FakeProvider:
    """Answers requests with scripted bytes; no network, no thread.

    Give it to a model as `http_client=`, or use it as `with FakeProvider(...):` for every model of the process.

    Args:
        replies: A `FakeReply`, a `Breaks` (no reply at all), an exception to be raised, or a function from a
            `FakeRequest` to one of them: for every request; or a list of these, for one request each.

    Attributes:
        requests: What it was sent, in order.

    Example:
        >>> import msgflux_like as mf
        >>> from msgflux_like.testing import FakeProvider, FakeReply
        >>> wire = {"content": [{"type": "text", "text": "Paris"}], "stop_reason": "end_turn"}
        >>> provider = FakeProvider(FakeReply.whole(wire))
        >>> model = mf.Model.chat_completion("anthropic/claude-haiku-4-5", api_key="sk-x", http_client=provider)
        >>> model("What is the capital of France?").consume(), provider.requests[0].body["model"]
        ('Paris', 'claude-haiku-4-5')
    """

    def __init__(self, replies: Any) -> None:
        self._script = Script(replies)
        self.requests: list[FakeRequest] = []

    def __enter__(self) -> Self:
        interceptors.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        interceptors.remove(self)

    def open(self, http: HttpRequest, _clock: Deadline, _send: Callable[[HttpRequest, Deadline], Reply]) -> Reply:
        """See `Interceptor`."""
        return self._answered(http)

    async def aopen(
        self, http: HttpRequest, _clock: Deadline, _send: Callable[[HttpRequest, Deadline], Awaitable[AsyncReply]]
    ) -> AsyncReply:
        """See `Interceptor`."""
        return AsyncReplayedReply(self._answered(http))

    def _answered(self, http: HttpRequest) -> ReplayedReply:
        request = _request(http)
        self.requests.append(request)
        reply: Any = self._script.next(request)
        if isinstance(reply, Breaks):
            reply = reply.error()
        if isinstance(reply, Exception):
            raise reply
        if not isinstance(reply, FakeReply):
            raise InvalidRequestError(
                f"a provider answers with a FakeReply, a Breaks or an exception, not with {type(reply).__name__}"
            )
        headers = {name.encode("latin-1"): value.encode("latin-1") for name, value in reply.headers.items()}
        return ReplayedReply(Head(reply.status, headers), reply.pieces, reply.breaks.error() if reply.breaks else None)


def _request(http: HttpRequest) -> FakeRequest:
    try:
        body = msgspec.json.decode(http.body)
    except ValueError:
        body = http.body
    headers = {name: value for name, value in http.headers.items() if name.lower() != http.auth[0]}
    return FakeRequest(http.url, headers, body, http.stream)
