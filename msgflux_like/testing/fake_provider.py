"""A provider without a network: it answers with scripted bytes, in any dialect, and keeps the requests."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, cast

import msgspec
from msgspec import Struct

from msgflux_like._http.deadline import Deadline
from msgflux_like._http.interception import AsyncReply, Reply, interceptors
from msgflux_like._http.steps import Head
from msgflux_like._json import to_json
from msgflux_like.errors import InvalidRequestError, OutOfAnswersError
from msgflux_like.request import HttpRequest
from msgflux_like.testing.replayed import AsyncReplayedReply, Breaks, ReplayedReply

_STREAM: Final[Mapping[str, str]] = {"content-type": "text/event-stream"}
_JSON: Final[Mapping[str, str]] = {"content-type": "application/json"}


class FakeRequest(Struct, frozen=True):
    """Request that was sent to a `FakeProvider` or a `FakeModel`.

    Attributes:
        url: URL of the request.
        headers: Headers by name, without the one that holds the key.
        body: Decoded JSON of the body; bytes if the body is not JSON.
        stream: Whether the request asks for a stream.

    Example:
        >>> from msgflux_like.testing import FakeModel
        >>> model = FakeModel("Paris")
        >>> response = model("What is the capital of France?", temperature=0)
        >>> model.requests[0].body["temperature"], model.requests[0].url
        (0, 'https://api.openai.com/v1/chat/completions')
    """

    url: str
    headers: Mapping[str, str]
    body: Any
    stream: bool = False

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Messages of the body, in the dialects that have a field of this name."""
        return self.body["messages"]


class FakeReply(Struct, frozen=True):
    r"""Reply of a `FakeProvider`, byte for byte.

    Args:
        status: HTTP status.
        headers: Headers by name, in lower case.
        pieces: Body in the pieces that the reads of the network return.
        breaks: How the connection fails after the last piece; None for a complete body.

    Example:
        >>> FakeReply.streamed(b"data: {}", b"\n\n", breaks=Breaks()).pieces
        (b'data: {}', b'\n\n')
    """

    status: int = 200
    headers: Mapping[str, str] = {}
    pieces: Sequence[bytes] = ()
    breaks: Breaks | None = None

    @classmethod
    def whole(cls, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Self:
        """Return a reply in one piece.

        Args:
            body: Bytes, which are sent unchanged, or a value that is sent as JSON.
            status: HTTP status.
            headers: Headers by name, in lower case, beside the content type.

        Example:
            >>> FakeReply.whole({"error": {"message": "no"}}, 400).pieces
            (b'{"error":{"message":"no"}}',)
        """
        return cls(status, {**_JSON, **(headers or {})}, (body if isinstance(body, bytes) else to_json(body),))

    @classmethod
    def streamed(cls, *pieces: bytes, breaks: Breaks | None = None) -> Self:
        r"""Return a stream of server-sent events.

        Args:
            *pieces: Body in the pieces that the reads of the network return.
            breaks: How the connection fails after the last piece; None for a complete body.

        Example:
            >>> FakeReply.streamed(b"data: [DONE]\n\n").headers
            {'content-type': 'text/event-stream'}
        """
        return cls(200, _STREAM, pieces, breaks)


class Script:
    """Iterator over scripted answers: each of a list once, or one answer again and again."""

    def __init__(self, given: Any) -> None:
        in_order = isinstance(given, (list, tuple))
        self._always = given
        self._left = deque(cast("Sequence[Any]", given)) if in_order else None
        self._length = len(cast("Sequence[Any]", given)) if in_order else 1

    def next(self, request: Any) -> Any:
        """Return the next answer; a function is called with the request. Raises OutOfAnswersError."""
        found = self._always
        if self._left is not None:
            try:
                found = self._left.popleft()
            except IndexError:
                raise OutOfAnswersError(
                    f"the test gave {self._length} answers, and this is one request more: give another, "
                    f"or one that is not in a list to have it repeated"
                ) from None
        return found(request) if callable(found) and not isinstance(found, type) else found


class FakeProvider:
    """Provider that answers requests with scripted bytes, without a network or a thread.

    Pass it to a model or a client as `http_client=`, or use `with FakeProvider(...):` for every model of the process.

    Args:
        replies: For every request a `FakeReply`, a `Breaks` (no reply at all), an exception to be raised, or a function
            from a `FakeRequest` to one of them; or a list of these, one for each request.

    Attributes:
        requests: The `FakeRequest`s that were sent, in order.

    Raises:
        OutOfAnswersError: From a call, if the list has no more replies.
        InvalidRequestError: From a call, for a reply of another type.

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

    def open(self, http: HttpRequest, _deadline: Deadline, _send: Callable[[HttpRequest, Deadline], Reply]) -> Reply:
        """Return the scripted reply to the request `http`."""
        return self._reply(http)

    async def aopen(
        self, http: HttpRequest, _deadline: Deadline, _send: Callable[[HttpRequest, Deadline], Awaitable[AsyncReply]]
    ) -> AsyncReply:
        """Return the scripted reply to a request; the async counterpart of `open`."""
        return AsyncReplayedReply(self._reply(http))

    def _reply(self, http: HttpRequest) -> ReplayedReply:
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
        head = Head(reply.status, headers, time.time())
        return ReplayedReply(head, reply.pieces, reply.breaks.error() if reply.breaks else None)


def _request(http: HttpRequest) -> FakeRequest:
    try:
        body = msgspec.json.decode(http.body)
    except ValueError:
        body = http.body
    headers = {name: value for name, value in http.headers.items() if name.lower() != http.auth[0]}
    return FakeRequest(http.url, headers, body, http.stream)
