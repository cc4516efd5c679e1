"""A streamed answer: pulled piece by piece, from a thread or from an event loop, and whole at its end.

Whoever reads moves the stream forward; what was read stays, so that several readers (text, reasoning) and a second
reading see all of it. Leaving a loop early closes the connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from msgflux_like._attrdict import dotdict
from msgflux_like._concurrency.threads import in_thread
from msgflux_like._context import ClosesOnExit
from msgflux_like._http.drivers import AsyncDriver, Driver
from msgflux_like.errors import APIError, MsgfluxError, StreamClosedError
from msgflux_like.events import Event, TokenLogprob
from msgflux_like.response.response import (
    CallMetadata,
    ModelResponse,
    ResponseAccumulator,
    ResponseType,
    RouteAttempt,
    changes_of,
    cost_details_of,
    cost_with_route,
    metadata_of,
    saved_of,
)
from msgflux_like.response.tool_calls import ToolCall

if TYPE_CHECKING:
    from msgflux_like.catalog.pricing import CostDetails


class StreamPusher(Protocol):
    """What reads a stream and hands it to a callback or a handler; see `msgflux_like.streaming.worker`."""

    def is_mine(self) -> bool:
        """Whether the caller runs in the thread or task that reads the stream."""
        ...

    def stop(self) -> None:
        """Stop reading."""
        ...

    def settle(self) -> None:
        """Wait until nothing is being delivered."""
        ...

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until the end was delivered; False after `timeout_s` seconds."""
        ...

    async def await_done(self, timeout_s: float | None = None) -> bool:
        """Async counterpart of `wait`."""
        ...


class ModelStreamResponse(ClosesOnExit):
    """An answer that is still coming.

    Attributes:
        done: Whether it came to its end.
        error: What ended it instead, None while nothing did.
        changes: What was not sent exactly as asked.
        cached: Whether it came from a cache.
        warnings: What the catalogue says against the request or the model.
    """

    def __init__(
        self,
        drive: Driver | AsyncDriver,
        first: list[Event],
        answer: ResponseAccumulator,
        call_metadata: CallMetadata,
    ) -> None:
        self._drive = drive
        self._answer = answer
        self._about = call_metadata
        self._open = True  # more may come
        self.cached = call_metadata.cached
        self.warnings = call_metadata.warnings
        self.done = False
        self.error: MsgfluxError | None = None
        self._result: ModelResponse | None = None
        self._log: list[Event] | None = None  # once somebody reads events
        self._pusher: StreamPusher | None = None  # what reads it, where it is pushed to somebody
        answer.add(first)
        self.changes = changes_of(answer, call_metadata)

    # ---- reading

    def consume(self) -> StreamConsumer:
        """The pieces of the text, for `for` or `async for`; and the tool calls, once it is read to its end."""
        return StreamConsumer(self, self._answer.text)

    def consume_reasoning(self) -> StreamConsumer:
        """The pieces of the reasoning, as `consume` gives those of the text."""
        return StreamConsumer(self, self._answer.reasoning)

    def events(self) -> StreamEvents:
        """The events as they come, for `for` or `async for`: pieces of text, reasoning and tool calls, usage, the end.

        See `msgflux_like.events` for the types. What was read before the first `events()` is told in one go.
        """
        if self._log is None:
            self._log = list(self._answer.events())
        return StreamEvents(self, self._log)

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._answer.text)

    @property
    def reasoning(self) -> str | None:
        """The reasoning so far."""
        return "".join(self._answer.reasoning) or None

    @property
    def logprobs(self) -> list[TokenLogprob]:
        """As `ModelResponse.logprobs`, so far."""
        return self._answer.logprobs

    @property
    def response_type(self) -> ResponseType:
        """Text, or tool calls once one has begun."""
        return "tool_call" if self._answer.calls else "text_generation"

    @property
    def metadata(self) -> dotdict:
        """As `ModelResponse.metadata`, as far as it is known; usage comes with the end of the stream."""
        return metadata_of(self._answer, self._about)

    @property
    def cost(self) -> Decimal | None:
        """As `ModelResponse.cost`; None before the usage has come."""
        return cost_with_route(self.cost_details, self._about)

    @property
    def route(self) -> tuple[RouteAttempt, ...]:
        """As `ModelResponse.route`."""
        return self._about.route

    def routed(self, route: tuple[RouteAttempt, ...]) -> None:
        """See `ModelResponse.routed`."""
        self._about = self._about._replace(route=route)

    @property
    def saved(self) -> Decimal | None:
        """As `ModelResponse.saved`."""
        return saved_of(self._answer, self._about)

    @property
    def cost_details(self) -> CostDetails:
        """As `ModelResponse.cost_details`."""
        return cost_details_of(self._answer, self._about)

    def result(self) -> ModelResponse:
        """Read to the end: the whole answer."""
        while self.read_on():
            pass
        return self._final()

    async def aresult(self) -> ModelResponse:
        """The async twin of `result`."""
        while await self.aread_on():
            pass
        return self._final()

    def _final(self) -> ModelResponse:
        if self._result is None:
            self._result = self._whole()
        return self._result

    def _whole(self) -> ModelResponse:
        return ModelResponse(self._answer, self._about)

    # ---- pushed to somebody: `stream_to`

    def pushed_by(self, pusher: StreamPusher) -> None:
        """From now on, this reads the stream."""
        self._pusher = pusher

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until `stream_to` has been told the end, or the stream was cancelled; False after `timeout` seconds.

        Raises what the callback or handler raised. What ended the stream is in `error`; `result()` raises it.
        """
        return self._pushed().wait(timeout)

    async def await_done(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109  as in `wait`
        """The async twin of `wait`, for both kinds of call."""
        return await self._pushed().await_done(timeout)

    def _pushed(self) -> StreamPusher:
        if self._pusher is None:
            raise StreamClosedError("nobody else reads this stream: read it with `result`, or call with `stream_to`")
        return self._pusher

    # ---- moving forward

    def read_on(self) -> bool:
        """Wait for the next events; False at the end. Raises what ended the stream before its end."""
        if not self._open:
            return self._is_over()
        if self._pusher is not None and not self._pusher.is_mine():
            return self._pusher.wait()  # then all is there
        if not isinstance(self._drive, Driver):
            raise StreamClosedError(
                "this stream was opened with acall: read it with `async for`, or with `await response.aresult()`"
            )
        try:
            batch = next(self._drive, None)
        except APIError as error:
            raise self._failed(error) from None
        if batch is None:
            return self._ended()
        self._take(batch)
        return True

    async def aread_on(self) -> bool:
        """The async twin of `read_on`, for both kinds of call; it never blocks the event loop."""
        if not self._open:
            return self._is_over()
        if self._pusher is not None and not self._pusher.is_mine():
            return await self._pusher.await_done()
        if isinstance(self._drive, Driver):
            return await in_thread(self.read_on, self.close)
        if not self._drive.belongs_here():
            raise StreamClosedError(
                "this stream belongs to another event loop: read it where acall was awaited, or open it without acall"
            )
        try:
            batch = await anext(self._drive, None)
        except APIError as error:
            raise self._failed(error) from None
        if batch is None:
            return self._ended()
        self._take(batch)
        return True

    def _take(self, batch: list[Event]) -> None:
        self._answer.add(batch)
        if self._log is not None:
            self._log.extend(batch)

    def _ended(self) -> bool:
        if self._open:  # a drive that was closed ends as well
            self.done = True
            self._open = False
        return self._is_over()

    def _is_over(self) -> bool:
        """False at the end of a whole answer; else raises why there is none."""
        if self.error is not None:
            raise self.error
        if not self.done:
            raise StreamClosedError("the stream was closed before its end; `text` has what came until then")
        return False

    def _failed(self, error: APIError) -> MsgfluxError:
        if not self._open:  # closed by another thread; the failure is only how this one learned of it
            return StreamClosedError("the stream was closed while it was being read")
        self._open = False
        error.partial = self._whole()
        self.error = error
        return error

    # ---- ending

    def close(self) -> None:
        """Stop, and let go of the connection; from any thread, and twice is once. What came stays readable.

        With `stream_to`: nothing is told once this has returned; it waits for a callback that is running.
        """
        self._open = False
        pusher = self._pusher
        if pusher is not None:
            pusher.stop()
        self._drive.close()
        if pusher is not None:
            pusher.settle()

    cancel = close

    async def aclose(self) -> None:
        """The async twin of `close`."""
        self._open = False
        if self._pusher is not None:
            self._pusher.stop()
        if isinstance(self._drive, AsyncDriver) and self._drive.belongs_here():
            await self._drive.aclose()
        else:
            self._drive.close()

    def __repr__(self) -> str:
        state = "done" if self.done else "failed" if self.error else "open" if self._open else "closed"
        return (
            f"{type(self).__name__}({self._about.provider}/{self._about.model}, {state}, {len(self.text)} characters)"
        )


T = TypeVar("T")


class _Pieces(Generic[T]):
    """What comes out of a stream, in order, handed out as it comes.

    `for` and `async for` both work on the stream of a direct call; that of an `acall` is for `async for`. Iterating
    again gives all pieces again.
    """

    def __init__(self, stream: ModelStreamResponse, pieces: list[T]) -> None:
        self._stream = stream
        self._pieces = pieces

    def __iter__(self) -> Iterator[T]:
        stream, pieces, at, more = self._stream, self._pieces, 0, True
        try:
            while more or at < len(pieces):  # another reader may have come to the end before
                while at < len(pieces):
                    at += 1
                    yield pieces[at - 1]
                more = stream.read_on()
        except GeneratorExit:  # the loop was left
            stream.close()
            raise

    async def __aiter__(self) -> AsyncIterator[T]:
        stream, pieces, at, more = self._stream, self._pieces, 0, True
        finished = False
        try:
            while more or at < len(pieces):
                while at < len(pieces):
                    at += 1
                    yield pieces[at - 1]
                more = await stream.aread_on()
            finished = True
        finally:
            if not finished and stream.error is None:  # the loop was left, or the task cancelled
                await stream.aclose()


class StreamEvents(_Pieces[Event]):
    """The events of a stream, as they come."""


class StreamConsumer(_Pieces[str]):
    """The pieces of the text, as they come; and the tool calls."""

    def get_calls(self) -> list[ToolCall]:
        """The tool calls; reads the stream to its end first. After `acall`: `(await response.aresult()).tool_calls`."""
        return self._stream.result().tool_calls.get_calls()

    def insert_results(self, call_id: str | Mapping[str, Any], *result: Any) -> None:
        """See `ToolCallAggregator.insert_results`."""
        self._stream.result().tool_calls.insert_results(call_id, *result)

    def get_messages(self) -> list[dict[str, Any]]:
        """See `ToolCallAggregator.get_messages`."""
        return self._stream.result().tool_calls.get_messages()
