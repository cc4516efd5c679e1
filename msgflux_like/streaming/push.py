"""The argument `stream_to`: open a stream and have it delivered to a callback or a handler.

A failure before the stream is open is raised to the caller and delivered as the only event; later failures are only
delivered, and are raised by `ModelStreamResponse.result`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any

from msgflux_like._concurrency.loops import is_async
from msgflux_like.errors import APIError, GatewayError, InvalidRequestError, StreamClosedError
from msgflux_like.response.stream import ModelStreamResponse
from msgflux_like.streaming.chunks import ChunkMaker, Pushed, StreamData, StreamError, StreamFinish, TextChunkMaker
from msgflux_like.streaming.handler import AsyncStreamHandler, StreamHandler
from msgflux_like.streaming.worker import AsyncPusher, Pusher, Target, await_result, callback_target

Maker = ChunkMaker | TextChunkMaker
Opened = tuple[ModelStreamResponse, Maker]
"""A stream, and the converter of its events to chunks."""


def push(stream_to: Any, opened: Callable[[], Opened]) -> ModelStreamResponse:
    """Open the stream and start a thread that delivers it.

    Args:
        stream_to: Callback or `StreamHandler`.
        opened: Function that opens the stream.

    Raises:
        InvalidRequestError: If `stream_to` cannot receive the events of this kind of call.
        APIError: If the stream cannot be opened; it is also delivered as the only event.
        GatewayError: If no model of a gateway answers; it is also delivered as the only event.
    """
    target = _target(stream_to, in_loop=False)
    try:
        stream, maker = opened()
    except (APIError, GatewayError) as error:
        try:
            target.accept(StreamError(error))
            target.finish()
        except Exception as failure:  # noqa: BLE001  the first failure is the one to raise
            error.add_note(f"and stream_to raised {failure!r}")
        raise
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
    except (APIError, GatewayError) as error:
        try:
            await await_result(target.accept(StreamError(error)))
            await await_result(target.finish())
        except Exception as failure:  # noqa: BLE001  the first failure is the one to raise
            error.add_note(f"and stream_to raised {failure!r}")
        raise
    except BaseException:
        target.abandon()
        raise
    stream._attach_pusher(  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  the reader of the stream
        AsyncPusher(_apushed_events(stream, maker), target, stream.close, stream.aclose)
    )
    return stream


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
    except APIError as error:
        yield StreamError(error)
    except StreamClosedError:
        return  # closed on purpose: there is no one to deliver an end to
    else:
        yield StreamFinish()


async def _apushed_events(stream: ModelStreamResponse, maker: Maker) -> AsyncGenerator[Pushed]:
    try:
        async for event in stream.events():
            if (chunk := maker.chunk(event)) is not None:
                yield StreamData(chunk)
    except APIError as error:
        yield StreamError(error)
    except StreamClosedError:
        return
    else:
        yield StreamFinish()
