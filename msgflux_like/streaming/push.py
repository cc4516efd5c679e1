"""`stream_to`: a stream that is read for a callback or a handler, and told to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any

from msgflux_like.errors import APIError, GatewayError, InvalidRequestError, StreamClosedError
from msgflux_like.response.stream import ModelStreamResponse
from msgflux_like.streaming.chunks import ChunkMaker, Pushed, StreamData, StreamError, StreamFinish, TextChunkMaker
from msgflux_like.streaming.handler import AsyncStreamHandler, StreamHandler
from msgflux_like.streaming.worker import AsyncPusher, Callback, Pusher, Target, done
from msgflux_like.tools.function_schema import is_async

Maker = ChunkMaker | TextChunkMaker
Opened = tuple[ModelStreamResponse, Maker]
"""A stream, and what makes its chunks."""


def push(stream_to: Any, opened: Callable[[], Opened]) -> ModelStreamResponse:
    """Open the stream, and begin to read it in a thread of its own.

    When it cannot be opened that is told as the only event, and raised.
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
        Pusher(_told(stream, maker), target, stream.close)
    )
    return stream


async def apush(stream_to: Any, opened: Callable[[], Awaitable[Opened]]) -> ModelStreamResponse:
    """The async twin of `push`: in a task of its own."""
    target = _target(stream_to, in_loop=True)
    try:
        stream, maker = await opened()
    except (APIError, GatewayError) as error:
        try:
            await done(target.accept(StreamError(error)))
            await done(target.finish())
        except Exception as failure:  # noqa: BLE001  the first failure is the one to raise
            error.add_note(f"and stream_to raised {failure!r}")
        raise
    except BaseException:
        target.abandon()
        raise
    stream._attach_pusher(  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  the reader of the stream
        AsyncPusher(_atold(stream, maker), target, stream.close, stream.aclose)
    )
    return stream


def _target(stream_to: Any, *, in_loop: bool) -> Target:
    """Who is told. InvalidRequestError for what cannot take the events of this kind of call."""
    if isinstance(stream_to, AsyncStreamHandler if in_loop else StreamHandler):
        stream_to.claim()
        return stream_to
    if isinstance(stream_to, (StreamHandler, AsyncStreamHandler)):
        twin = "an AsyncStreamHandler, or call the model without acall" if in_loop else "a StreamHandler, or acall"
        raise InvalidRequestError(f"stream_to: a {type(stream_to).__name__} cannot take this call: use {twin}")
    if not callable(stream_to):
        raise InvalidRequestError(f"stream_to must be a callable or a handler, not {type(stream_to).__name__}")
    if is_async(stream_to) and not in_loop:
        raise InvalidRequestError("stream_to is an async function: use acall")
    return Callback(stream_to)


def maker_of(model_type: str, model: str) -> Maker:
    """What makes the chunks of an answer of that kind of model."""
    return TextChunkMaker(model) if model_type == "text_completion" else ChunkMaker(model)


def _told(stream: ModelStreamResponse, maker: Maker) -> Generator[Pushed]:
    try:
        for event in stream.events():
            if (chunk := maker.chunk(event)) is not None:
                yield StreamData(chunk)
    except APIError as error:
        yield StreamError(error)
    except StreamClosedError:
        return  # by whoever does not want to hear more
    else:
        yield StreamFinish()


async def _atold(stream: ModelStreamResponse, maker: Maker) -> AsyncGenerator[Pushed]:
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
