"""Streams of OpenAI's chunks, which are read once and close themselves at their end."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from typing import Any, Generic, TypeVar

from msgflux_like._context import AsyncClosesOnExit, ClosesOnExit
from msgflux_like._http.drivers import AsyncDriver, Driver
from msgflux_like.client.reply_readers import ReplyReader
from msgflux_like.errors import APIError
from msgflux_like.events import Event
from msgflux_like.request import Change
from msgflux_like.response.openai_objects import ApiObject, Usage

C = TypeVar("C", bound=ApiObject)


class _Chunks(Generic[C]):
    """Base class of both streams: the chunks that were received and not yet read."""

    def __init__(self, first: Iterable[Event], reader: ReplyReader[Any, C]) -> None:
        self._reader = reader
        self._ready: deque[C] = deque(reader.take(first))
        self._open = True
        self.changes: tuple[Change, ...] = reader.changes

    @property
    def usage(self) -> Usage | None:
        """Tokens of the answer, None until the provider reported them; `stream_options` are not needed."""
        return self._reader.usage

    def _take(self, batch: list[Event] | None) -> bool:
        """Add the chunks of a batch of events, None for the end; return whether it was the end."""
        if not self._open:  # closed by another thread while this one waited
            return True
        self._ready.extend(self._reader.end() if batch is None else self._reader.take(batch))
        return batch is None

    def _discard(self) -> None:
        self._open = False
        self._ready.clear()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'open' if self._open else 'closed'})"


class Stream(_Chunks[C], ClosesOnExit):
    r"""Iterator over the chunks of an answer, as they are received.

    A stream can be iterated over once. It closes at its end, and when the loop is left early; iterating over a closed
    stream yields nothing. A failure of the provider or the connection is raised in the loop, as an `APIError`.

    Attributes:
        changes: Record of what was not sent exactly as asked.
        usage: Tokens of the answer, None until the provider reported them.

    Example:
        >>> import msgflux_like as mf
        >>> from msgflux_like.testing import FakeProvider, FakeReply
        >>> chunk = b'data: {"choices": [{"index": 0, "delta": {"content": "Paris"}, "finish_reason": "stop"}]}'
        >>> provider = FakeProvider(FakeReply.streamed(chunk + b"\n\n", b"data: [DONE]\n\n"))
        >>> client = mf.Client("sk-x", provider="openai", http_client=provider)
        >>> messages = [{"role": "user", "content": "What is the capital of France?"}]
        >>> with client.chat.completions.create(model="gpt-4o", messages=messages, stream=True) as stream:
        ...     [chunk.choices[0].delta.content for chunk in stream]
        ['Paris']
    """

    def __init__(self, driver: Driver, first: Iterable[Event], reader: ReplyReader[Any, C]) -> None:
        super().__init__(first, reader)
        self._driver = driver
        self._ended = False

    def __next__(self) -> C:
        if self._ready or self._receive():
            with suppress(IndexError):  # closed by another thread just now
                return self._ready.popleft()
        raise StopIteration

    def __iter__(self) -> Iterator[C]:
        ready = self._ready
        try:
            while ready or self._receive():
                try:
                    chunk = ready.popleft()
                except IndexError:  # closed by another thread just now
                    return
                yield chunk
        finally:
            self.close()

    def _receive(self) -> bool:
        """Wait for the next chunks; at the end, close the stream and return False."""
        while not self._ready and self._open and not self._ended:
            try:
                self._ended = self._take(next(self._driver, None))
            except BaseException as error:
                was_open = self._open
                self.close()
                if isinstance(error, APIError) and not was_open:  # closed by another thread while this one waited
                    return False
                raise
        if not self._ready:
            self.close()
        return bool(self._ready)

    def close(self) -> None:
        """Close the stream and release its connection, from any thread. Idempotent."""
        self._discard()
        self._driver.close()

    async def aclose(self) -> None:
        """Close the stream; the async counterpart of `close`, for `async with`."""
        self.close()


class AsyncStream(_Chunks[C], AsyncClosesOnExit):
    r"""Async counterpart of `Stream`, for `async for chunk in stream`.

    Attributes:
        changes: Record of what was not sent exactly as asked.
        usage: Tokens of the answer, None until the provider reported them.

    Example:
        >>> import asyncio
        >>> import msgflux_like as mf
        >>> from msgflux_like.testing import FakeProvider, FakeReply
        >>> chunk = b'data: {"choices": [{"index": 0, "delta": {"content": "Paris"}, "finish_reason": "stop"}]}'
        >>> provider = FakeProvider(FakeReply.streamed(chunk + b"\n\n", b"data: [DONE]\n\n"))
        >>> async def ask():
        ...     client = mf.AsyncClient("sk-x", provider="openai", http_client=provider)
        ...     messages = [{"role": "user", "content": "What is the capital of France?"}]
        ...     create = client.chat.completions.create
        ...     async with await create(model="gpt-4o", messages=messages, stream=True) as stream:
        ...         return [chunk.choices[0].delta.content async for chunk in stream]
        >>> asyncio.run(ask())
        ['Paris']
    """

    def __init__(self, driver: AsyncDriver, first: Iterable[Event], reader: ReplyReader[Any, C]) -> None:
        super().__init__(first, reader)
        self._driver = driver
        self._ended = False

    async def __anext__(self) -> C:
        if self._ready or await self._receive():
            with suppress(IndexError):  # closed by another thread just now
                return self._ready.popleft()
        raise StopAsyncIteration

    async def __aiter__(self) -> AsyncIterator[C]:
        ready = self._ready
        try:
            while ready or await self._receive():
                try:
                    chunk = ready.popleft()
                except IndexError:  # closed by another thread just now
                    return
                yield chunk
        finally:
            await self.aclose()

    async def _receive(self) -> bool:
        """Wait for the next chunks; at the end, close the stream and return False."""
        while not self._ready and self._open and not self._ended:
            try:
                self._ended = self._take(await anext(self._driver, None))
            except BaseException as error:
                was_open = self._open
                await self.aclose()
                if isinstance(error, APIError) and not was_open:
                    return False
                raise
        if not self._ready:
            await self.aclose()
        return bool(self._ready)

    def abort(self) -> None:
        """Release the connection without waiting for it, where nothing can be awaited. Idempotent."""
        self._discard()
        self._driver.close()

    async def close(self) -> None:
        """Close the stream and release its connection. Idempotent."""
        self._discard()
        await self._driver.aclose()
