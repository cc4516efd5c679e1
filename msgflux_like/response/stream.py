"""A streamed answer: read piece by piece from a thread or an event loop, and available as a whole at its end.

Theory of operation
    Pulled. The stream has no thread or task. Every iterator (`consume`, `consume_reasoning`, `events`) holds a position
    in a list of pieces that only grows. An iterator at the end of its list calls `_read_next` (or `_aread_next`), which
    reads one batch of events from the driver and appends it to the `ResponseAccumulator`; all lists grow by that one
    read. Therefore several iterators, and a second iteration, each see every piece.

    Pushed (`stream_to`). `_attach_pusher` names one thread or task that reads. Every other reader waits until that one
    has finished, and then finds all pieces in the lists.

    States. `_open`: more events may come. From there the stream becomes, once and for good, one of
        done    the driver ended after a complete answer (`done`),
        failed  the driver raised an `APIError` (`error`; `error.partial` is the answer so far),
        closed  `close` was called, a loop over an iterator was left early, or a reading was interrupted: by a time
                limit around it, a cancelled task, Ctrl-C, or any other exception.
    Reading after the end raises in the last two states, and never touches the network.

    Ownership. A stream of a plain call is driven by a `Driver` and can be read from any thread; from an event loop it
    is read in a worker thread. A stream of `acall` is driven by an `AsyncDriver`, and only its event loop can read it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar, cast

from msgflux_like._concurrency.threads import in_thread
from msgflux_like._context import ClosesOnExit
from msgflux_like._http.drivers import AsyncDriver, Driver
from msgflux_like.errors import APIError, InvalidRequestError, MsgfluxError, StreamClosedError
from msgflux_like.events import Event, TokenLogprob
from msgflux_like.response.accumulator import ResponseAccumulator
from msgflux_like.response.metadata import (
    CallMetadata,
    ResponseMetadata,
    RouteAttempt,
    build_cost_details,
    build_metadata,
    cost_saved,
    cost_with_route,
    list_changes,
)
from msgflux_like.response.response import ModelResponse, ResponseType, T
from msgflux_like.response.tool_calls import ToolCall

if TYPE_CHECKING:
    from msgflux_like._wire.rate_limits import RateLimits
    from msgflux_like.catalog.pricing import CostDetails


class StreamPusher(Protocol):
    """Reader of a stream that delivers it to a callback or a handler; see `msgflux_like.streaming.worker`."""

    def is_mine(self) -> bool:
        """Return whether the caller runs in the thread or task that reads the stream."""
        ...

    def stop(self) -> None:
        """Stop reading."""
        ...

    def settle(self) -> None:
        """Wait until no event is being delivered."""
        ...

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until the end was delivered; return False after `timeout_s` seconds."""
        ...

    async def await_done(self, timeout_s: float | None = None) -> bool:
        """Async counterpart of `wait`."""
        ...


class ModelStreamResponse(ClosesOnExit, Generic[T]):
    """A streamed answer of a model, returned by a call with `stream=True`. Not created by user code.

    A context manager, sync and async: leaving its block closes the stream.

    Attributes:
        done: Whether the answer was read to its end.
        error: The exception that ended the stream early, else None.
        changes: Parts of the request that were not sent exactly as given.
        cached: Whether the answer came from a cache or was shared with an equal concurrent call.
        warnings: Warnings of the catalogue about the request or the model.

    Example:
        >>> from msgflux_like.testing import FakeModel
        >>> response = FakeModel([["Par", "is."]])("What is the capital of France?", stream=True)
        >>> list(response.consume())
        ['Par', 'is.']
        >>> response.result().metadata.finish_reason
        'stop'
    """

    def __init__(
        self,
        driver: Driver | AsyncDriver,
        first: list[Event],
        answer: ResponseAccumulator,
        call_metadata: CallMetadata,
    ) -> None:
        self._driver = driver
        self._answer = answer
        self._call_metadata = call_metadata
        self._open = True  # more may come
        self.cached = call_metadata.cached
        self.warnings = call_metadata.warnings
        self.done = False
        self.error: MsgfluxError | None = None
        self._result: ModelResponse | None = None
        self._log: list[Event] | None = None  # None until `events` is called
        self._pusher: StreamPusher | None = None
        answer.add(first)
        self.changes = list_changes(answer, call_metadata)

    # ---- reading

    def consume(self) -> StreamConsumer:
        """Return an iterator, for `for` or `async for`, over the pieces of the text.

        Returns:
            An iterator that also gives the tool calls of the answer (`get_calls`). Leaving the loop early closes the
            stream. Every call returns a new iterator that begins with the first piece.

        Raises:
            APIError: While iterating, if the provider or the connection fails; `partial` is the answer so far.
            StreamClosedError: While iterating, if the stream was closed early or belongs to another event loop.

        Example:
            >>> from msgflux_like.testing import FakeModel
            >>> for piece in FakeModel([["Par", "is."]])("Capital of France?", stream=True).consume():
            ...     print(piece)
            Par
            is.
        """
        return StreamConsumer(self, self._answer.text)

    def partial(self) -> Any:
        """Return an iterator over the partial values of a typed answer; see `StructuredStream.partial`.

        Raises:
            InvalidRequestError: The call had no `generation_schema`.
        """
        raise InvalidRequestError("partial() needs a typed answer: give the call a generation_schema or a typed_parser")

    def consume_reasoning(self) -> StreamConsumer:
        """Return an iterator over the pieces of the reasoning; apart from that, `consume` documents it."""
        return StreamConsumer(self, self._answer.reasoning)

    def events(self) -> StreamEvents:
        """Return an iterator, for `for` or `async for`, over all events: text, reasoning, tool calls, usage, the end.

        `msgflux_like.events` has their types. Events that were read before the first call of this method are
        reconstructed, each tool call as one event.

        Example:
            >>> from msgflux_like.testing import FakeModel
            >>> events = FakeModel("Hi")("Hello", stream=True).events()
            >>> [event.reason for event in events if hasattr(event, "reason")]
            ['stop']
        """
        if self._log is None:
            self._log = list(self._answer.events())
        return StreamEvents(self, self._log)

    @property
    def text(self) -> str:
        """Text so far, including a prefill."""
        return "".join(self._answer.text)

    @property
    def reasoning(self) -> str | None:
        """Reasoning so far, None if the model reported none yet."""
        return "".join(self._answer.reasoning) or None

    @property
    def logprobs(self) -> list[TokenLogprob]:
        """Token probabilities so far; empty if not requested or not reported."""
        return self._answer.logprobs

    @property
    def response_type(self) -> ResponseType:
        """Kind of the answer: "tool_call" once a tool call has begun, else "text_generation"."""
        return "tool_call" if self._answer.calls else "text_generation"

    @property
    def metadata(self) -> ResponseMetadata:
        """Usage, finish reason and ids so far, as in `ModelResponse.metadata`; usage arrives with the end."""
        return build_metadata(self._answer, self._call_metadata)

    @property
    def cost(self) -> Decimal | None:
        """Exact cost in US dollars; None before the usage has arrived, or if the cost is not known."""
        return cost_with_route(self.cost_details, self._call_metadata)

    @property
    def raw(self) -> Any:
        """JSON values of the stream's events as the provider sent them, until now; None for an answer from a cache."""
        if not self.done:
            return self._answer.raw.value() if self._answer.raw is not None else None
        return self._whole_reply.raw

    @cached_property
    def _whole_reply(self) -> ModelResponse:
        """The reply at the end of the stream, without the check of a typed answer; it holds what is decoded once."""
        return ModelResponse(self._answer, self._call_metadata)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the reply; as `ModelResponse.headers`."""
        if not self.done:
            return self._answer.raw.headers if self._answer.raw is not None else {}
        return self._whole_reply.headers

    @property
    def rate_limits(self) -> RateLimits | None:
        """Rate limits that the headers report; as `ModelResponse.rate_limits`."""
        return self._answer.raw.rate_limits if self._answer.raw is not None else None

    @property
    def provider_fields(self) -> dict[str, Any]:
        """Fields of the reply beside the answer that have arrived so far, under the provider's own names."""
        if not self.done and self._answer.raw is not None:
            return self._answer.raw.provider_fields()
        return self._answer.provider_fields()

    @property
    def route(self) -> tuple[RouteAttempt, ...]:
        """The models that a gateway considered for this answer, in order; empty without a gateway."""
        return self._call_metadata.route

    def _set_route(self, route: tuple[RouteAttempt, ...]) -> None:
        """Record how a gateway reached this answer."""
        self._call_metadata = self._call_metadata._replace(route=route)

    @property
    def saved(self) -> Decimal | None:
        """US dollars that a cached answer would have cost; 0 for an answer that was paid for, None if unknown."""
        return cost_saved(self._answer, self._call_metadata)

    @property
    def cost_details(self) -> CostDetails:
        """Cost by kind of token, and whether it was stated by the provider or computed from the catalogue's prices."""
        return build_cost_details(self._answer, self._call_metadata)

    def result(self) -> ModelResponse[T]:
        """Read the stream to its end and return the whole answer.

        Returns:
            The answer; every call returns the same object.

        Raises:
            APIError: If the provider or the connection fails; `partial` is the answer so far.
            StreamClosedError: If the stream was closed before its end, or was opened with `acall`.

        Example:
            >>> from msgflux_like.testing import FakeModel
            >>> FakeModel("Paris.")("Capital of France?", stream=True).result().text
            'Paris.'
        """
        while self._read_next():
            pass
        return self._final()

    async def aresult(self) -> ModelResponse[T]:
        """Async counterpart of `result`; works for streams of plain calls, too."""
        while await self._aread_next():
            pass
        return self._final()

    def _final(self) -> ModelResponse[T]:
        if self._result is None:
            self._result = self._whole()
        return self._result

    def _whole(self) -> ModelResponse[T]:
        return ModelResponse(self._answer, self._call_metadata)

    # ---- delivered to a callback or handler: `stream_to`

    def _attach_pusher(self, pusher: StreamPusher) -> None:
        """Make `pusher` the only reader of the stream."""
        self._pusher = pusher

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the end of the stream was delivered to `stream_to`, or the stream was cancelled.

        Args:
            timeout_s: Longest time to wait, in seconds; no limit if None.

        Returns:
            False if the time ran out.

        Raises:
            StreamClosedError: If the call had no `stream_to`, was made with `acall`, or the callback itself waits.
            APIError: The failure that ended the stream. It was delivered as `StreamError`, and is in `error`.
            GatewayError: No model of a gateway answered; delivered and kept in the same way.
            Exception: Any exception that the callback or handler raised.

        Example:
            >>> from msgflux_like.testing import FakeModel
            >>> received = []
            >>> FakeModel("Hi")("Hello", stream=True, stream_to=received.append).wait(timeout_s=10)
            True
            >>> type(received[-1]).__name__
            'StreamFinish'
        """
        return self._delivered(ended=self._required_pusher().wait(timeout_s))

    async def await_done(self, timeout_s: float | None = None) -> bool:
        """Async counterpart of `wait`, for streams of plain calls and of `acall`."""
        return self._delivered(ended=await self._required_pusher().await_done(timeout_s))

    def _delivered(self, *, ended: bool) -> bool:
        if ended and self.error is not None:
            raise self.error
        return ended

    def _required_pusher(self) -> StreamPusher:
        if self._pusher is None:
            raise StreamClosedError("the call had no stream_to: read the stream with `result` instead")
        return self._pusher

    # ---- reading the next batch

    def _read_next(self) -> bool:
        """Read the next batch of events; return False at the end. Raise the exception that ended the stream early."""
        if not self._open:
            return self._is_over()
        if self._pusher is not None and not self._pusher.is_mine():
            return self._pusher.wait()  # afterwards every piece is in the lists
        if not isinstance(self._driver, Driver):
            raise StreamClosedError(
                "this stream was opened with acall: read it with `async for`, or with `await response.aresult()`"
            )
        try:
            batch = next(self._driver, None)
            if batch is not None:
                self._take(batch)
                return True
        except APIError as error:
            raise self._failed(error) from None
        except BaseException:  # pieces may be lost: no later reader may go on without them
            self.close()
            raise
        return self._ended()

    async def _aread_next(self) -> bool:
        """Async counterpart of `_read_next`, for both drivers; never blocks the event loop."""
        if not self._open:
            return self._is_over()
        if self._pusher is not None and not self._pusher.is_mine():
            return await self._pusher.await_done()
        if isinstance(self._driver, Driver):
            return await in_thread(self._read_next, self.close)
        if not self._driver.belongs_here():
            raise StreamClosedError(
                "this stream belongs to another event loop: read it where acall was awaited, or open it without acall"
            )
        try:
            batch = await anext(self._driver, None)
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
        if self._open:  # a closed driver ends, too
            self.done = self._driver.finished
            self._open = False
        return self._is_over()

    def _is_over(self) -> bool:
        """Return False after a complete answer; raise the reason if it is incomplete."""
        if self.error is not None:
            raise self.error
        if not self.done:
            raise StreamClosedError(
                "the stream was closed before its end, or its reading was interrupted; `text` is the part that was read"
            )
        return False

    def _fail(self, error: MsgfluxError) -> None:
        """End the stream by a failure that came before its first piece."""
        self._open = False
        self.error = error

    def _failed(self, error: APIError) -> MsgfluxError:
        if not self._open:  # closed by another thread, which made the read fail
            return StreamClosedError("the stream was closed while it was being read")
        self._open = False
        error.partial = self._whole()
        self.error = error
        return error

    # ---- ending

    def close(self) -> None:
        """Stop reading and release the connection. Idempotent, and callable from any thread.

        The part that was read stays readable. With `stream_to`, a running callback is waited for, and nothing is
        delivered after this method has returned.

        Example:
            >>> from msgflux_like.testing import FakeModel
            >>> response = FakeModel("Hi")("Hello", stream=True)
            >>> response.close()
            >>> response.done
            False
        """
        self._open = False
        pusher = self._pusher
        if pusher is not None:
            pusher.stop()
        self._driver.close()
        if pusher is not None:
            pusher.settle()

    cancel = close

    async def aclose(self) -> None:
        """Async counterpart of `close`."""
        self._open = False
        if self._pusher is not None:
            self._pusher.stop()
        if isinstance(self._driver, AsyncDriver) and self._driver.belongs_here():
            await self._driver.aclose()
        else:
            self._driver.close()

    def __repr__(self) -> str:
        state = "done" if self.done else "failed" if self.error else "open" if self._open else "closed"
        name = f"{self._call_metadata.provider}/{self._call_metadata.model}"
        return f"{type(self).__name__}({name}, {state}, {len(self.text)} characters)"


Piece = TypeVar("Piece")


class _NotSyncError(StreamClosedError, TypeError):
    """A stream of `acall` was asked for a plain iterator. A TypeError, as of every object that only has `aiter`."""


class _Pieces(Generic[Piece]):
    """An iterable, and an iterator, over a list of pieces that reads the stream when it needs more.

    The stream of a plain call supports `for` and `async for`, that of `acall` only `async for`. Each iteration begins
    with the first piece; `next` and `anext` of this object itself go on where the last one ended.
    """

    def __init__(self, stream: ModelStreamResponse, pieces: list[Piece]) -> None:
        self._stream = stream
        self._pieces = pieces
        self._iteration: _Iteration[Piece] | None = None
        self._aiteration: _AsyncIteration[Piece] | None = None

    def __iter__(self) -> Iterator[Piece]:
        if not isinstance(self._stream._driver, Driver):  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  same module
            raise _NotSyncError("this stream was opened with acall: read it with `async for`")
        return _Iteration(self._stream, self._pieces)

    def __next__(self) -> Piece:
        if self._iteration is None:
            self._iteration = _Iteration(self._stream, self._pieces)
        return next(self._iteration)

    def __aiter__(self) -> AsyncIterator[Piece]:
        return _AsyncIteration(self._stream, self._pieces)

    async def __anext__(self) -> Piece:
        if self._aiteration is None:
            self._aiteration = _AsyncIteration(self._stream, self._pieces)
        return await anext(self._aiteration)


class _Iteration(Iterator[Piece]):
    """One pass over the pieces. Dropped before the end, as by a loop that is left, it closes the stream."""

    __slots__ = ("_at", "_pieces", "_stream")

    def __init__(self, stream: ModelStreamResponse, pieces: list[Piece]) -> None:
        self._stream = stream
        self._pieces = pieces
        self._at = 0

    def __next__(self) -> Piece:
        at, pieces = self._at, self._pieces
        while at >= len(pieces):
            more = self._stream._read_next()  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  same module
            if not more and at >= len(pieces):  # otherwise another reader reached the end
                raise StopIteration
        self._at = at + 1
        return pieces[at]

    def __del__(self) -> None:
        stream = self._stream
        if self._at and stream._open:  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  same module
            stream.close()


class _AsyncIteration(AsyncIterator[Piece]):
    """Async counterpart of `_Iteration`. After an interrupted read it raises; a bare generator would just end."""

    __slots__ = ("_stream", "_walk")

    def __init__(self, stream: ModelStreamResponse, pieces: list[Piece]) -> None:
        self._stream = stream
        self._walk = cast("AsyncGeneratorType[Piece, None]", _walk(stream, pieces))

    def __anext__(self) -> Awaitable[Piece]:
        if self._walk.ag_frame is None and not self._stream.done:
            return self._raise_reason()
        return anext(self._walk)

    async def aclose(self) -> None:
        """Leave the iteration, which closes the stream if it is not at its end."""
        await self._walk.aclose()

    async def _raise_reason(self) -> NoReturn:
        await self._stream._aread_next()  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  same module
        raise StopAsyncIteration


async def _walk(stream: ModelStreamResponse, pieces: list[Piece]) -> AsyncGenerator[Piece]:
    at, more, finished = 0, True, False
    try:
        while more or at < len(pieces):  # another reader may have reached the end
            while at < len(pieces):
                at += 1
                yield pieces[at - 1]
            more = await stream._aread_next()  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  same module
        finished = True
    finally:
        if not finished and stream.error is None:  # the loop was left, or the task cancelled
            await stream.aclose()


class StreamEvents(_Pieces[Event]):
    """The events of a stream, as they arrive."""


class StreamConsumer(_Pieces[str]):
    """The pieces of a stream's text, as they arrive, and its tool calls."""

    def get_calls(self) -> list[ToolCall]:
        """Read the stream to its end and return its tool calls; after `acall`, `aresult` gives them."""
        return self._stream.result().tool_calls.get_calls()

    def insert_results(self, call_id: str | Mapping[str, Any], *result: Any) -> None:
        """Read the stream to its end and call `ToolCallAggregator.insert_results`."""
        self._stream.result().tool_calls.insert_results(call_id, *result)

    def get_messages(self) -> list[dict[str, Any]]:
        """Read the stream to its end and call `ToolCallAggregator.get_messages`."""
        return self._stream.result().tool_calls.get_messages()
