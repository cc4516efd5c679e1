"""The argument `stream_to`: open a stream and have it delivered to a callback or a handler.

Every failure of the provider or the connection is delivered as exactly one `StreamError`, whenever it comes: a wrong
key and a refused connection as well as a stream that breaks off. `wait` and `result` of the response raise it, the call
does not. What is wrong with the arguments is raised by the call, and nothing is delivered.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any

from msgflux_like._concurrency.loops import is_async
from msgflux_like._http.connections import Transport
from msgflux_like._http.deadline import Timeouts
from msgflux_like._http.drivers import AsyncDriver, Driver
from msgflux_like._http.steps import Step
from msgflux_like.errors import InvalidRequestError, MsgfluxError, StreamClosedError
from msgflux_like.response.accumulator import ResponseAccumulator
from msgflux_like.response.metadata import CallMetadata
from msgflux_like.response.stream import ModelStreamResponse
from msgflux_like.streaming.chunks import ChunkMaker, Pushed, StreamData, StreamError, StreamFinish, TextChunkMaker
from msgflux_like.streaming.handler import AsyncStreamHandler, StreamHandler
from msgflux_like.streaming.worker import AsyncPusher, Pusher, Target, callback_target

Maker = ChunkMaker | TextChunkMaker
Opened = tuple[ModelStreamResponse, Maker]
"""A stream, and the converter of its events to chunks."""


def push(stream_to: Any, opened: Callable[[], Opened]) -> ModelStreamResponse:
    """Open the stream and start a thread that delivers it.

    Args:
        stream_to: Callback or `StreamHandler`.
        opened: Function that opens the stream. It returns a failed one where the provider fails.

    Raises:
        InvalidRequestError: If `stream_to` cannot receive the events of this kind of call.
    """
    target = _target(stream_to, in_loop=False)
    try:
        stream, maker = opened()
    except BaseException:
        target.abandon()
        raise
    stream._attach_pusher(  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  the reader of the stream
        Pusher(_pushed_events(stream, maker), target, stream.close)
    )
    return stream


async def apush(stream_to: Any, opened: Callable[[], Awaitable[Opened]]) -> ModelStreamResponse:
    """Async counterpart of `push`: start a task that delivers the stream."""
    target = _target(stream_to, in_loop=True)
    try:
        stream, maker = await opened()
    except BaseException:
        target.abandon()
        raise
    stream._attach_pusher(  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  the reader of the stream
        AsyncPusher(_apushed_events(stream, maker), target, stream.close, stream.aclose)
    )
    return stream


def failed_stream(error: MsgfluxError, *, in_loop: bool) -> ModelStreamResponse:
    """Return a stream that failed before any model answered, as that of a gateway may."""
    driver = (AsyncDriver if in_loop else Driver)(_no_steps(), Transport(), Timeouts())
    stream = ModelStreamResponse(driver, [], ResponseAccumulator(), CallMetadata("", ""))
    stream._fail(error)  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  made here
    return stream


def _no_steps() -> Generator[Step, Any, None]:
    yield from ()


def _target(stream_to: Any, *, in_loop: bool) -> Target:
    """Return the functions that deliver to `stream_to`; raise InvalidRequestError if it does not fit the call."""
    if isinstance(stream_to, AsyncStreamHandler if in_loop else StreamHandler):
        return stream_to._claim()  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  reserved here only
    if isinstance(stream_to, (StreamHandler, AsyncStreamHandler)):
        alternative = (
            "an AsyncStreamHandler, or call the model without acall" if in_loop else "a StreamHandler, or acall"
        )
        raise InvalidRequestError(f"stream_to: a {type(stream_to).__name__} cannot take this call: use {alternative}")
    if not callable(stream_to):
        raise InvalidRequestError(f"stream_to must be a callable or a handler, not {type(stream_to).__name__}")
    if is_async(stream_to) and not in_loop:
        raise InvalidRequestError("stream_to is an async function: use acall")
    return callback_target(stream_to)


def maker_of(model_type: str, model: str) -> Maker:
    """Return the converter of events to chunks for a kind of model."""
    return TextChunkMaker(model) if model_type == "text_completion" else ChunkMaker(model)


def _pushed_events(stream: ModelStreamResponse, maker: Maker) -> Generator[Pushed]:
    try:
        for event in stream.events():
            if (chunk := maker.chunk(event)) is not None:
                yield StreamData(chunk)
    except StreamClosedError:
        return  # closed on purpose: there is no one to deliver an end to
    except Exception as error:  # noqa: BLE001  of the reading: the generator is not the one that delivers
        yield StreamError(error)
    else:
        yield StreamFinish()


async def _apushed_events(stream: ModelStreamResponse, maker: Maker) -> AsyncGenerator[Pushed]:
    try:
        async for event in stream.events():
            if (chunk := maker.chunk(event)) is not None:
                yield StreamData(chunk)
    except StreamClosedError:
        return
    except Exception as error:  # noqa: BLE001  as above
        yield StreamError(error)
    else:
        yield StreamFinish()
