"""Streams of OpenAI's chunks: read once, closed at their end."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from typing import Any, Generic, TypeVar

from msgflux_like._context import ClosesOnExit
from msgflux_like._http.drivers import AsyncDriver, Driver
from msgflux_like.client.reading import Reading
from msgflux_like.errors import APIError
from msgflux_like.events import Event
from msgflux_like.request import Change
from msgflux_like.response.openai_objects import ApiObject, Usage

C = TypeVar("C", bound=ApiObject)


class _Chunks(ClosesOnExit, Generic[C]):
    """What both streams are.

    Attributes:
        changes: What was not sent exactly as asked.
    """

    def __init__(self, first: Iterable[Event], reading: Reading[Any, C]) -> None:
        self._reading = reading
        self._ready: deque[C] = deque(reading.take(first))
        self._open = True
        self.changes: tuple[Change, ...] = reading.changes

    @property
    def usage(self) -> Usage | None:
        """The tokens of the answer, once the provider told them; asked for or not."""
        return self._reading.usage

    def _take(self, batch: list[Event] | None) -> bool:
        """The next events, None for the end; whether that was it."""
        if not self._open:  # closed by another thread while this one waited
            return True
        self._ready.extend(self._reading.end() if batch is None else self._reading.take(batch))
        return batch is None

    def _stop(self) -> None:
        self._open = False
        self._ready.clear()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'open' if self._open else 'closed'})"


class Stream(_Chunks[C]):
    """The chunks of an answer, as they come: `for chunk in stream`, once.

    It closes itself at its end, and when the loop is left; iterating over a closed one gives nothing. What ends the
    stream before its end is raised in the loop.
    """

    def __init__(self, drive: Driver, first: Iterable[Event], reading: Reading[Any, C]) -> None:
        super().__init__(first, reading)
        self._drive = drive
        self._ended = False

    def __next__(self) -> C:
        if self._ready or self._read_on():
            with suppress(IndexError):  # closed by another thread just now
                return self._ready.popleft()
        raise StopIteration

    def __iter__(self) -> Iterator[C]:
        ready = self._ready
        try:
            while ready or self._read_on():
                try:
                    chunk = ready.popleft()
                except IndexError:  # closed by another thread just now
                    return
                yield chunk
        finally:
            self.close()

    def _read_on(self) -> bool:
        """Wait for the next chunks; False, and closed, at the end."""
        while not self._ready and self._open and not self._ended:
            try:
                self._ended = self._take(next(self._drive, None))
            except BaseException as error:
                was_open = self._open
                self.close()
                if isinstance(error, APIError) and not was_open:  # it is how this reader learned of the closing
                    return False
                raise
        if not self._ready:
            self.close()
        return bool(self._ready)

    def close(self) -> None:
        """Let go of the connection; from any thread, and twice is once."""
        self._stop()
        self._drive.close()

    async def aclose(self) -> None:
        """The same, for `async with`."""
        self.close()


class AsyncStream(_Chunks[C]):
    """The async twin of `Stream`: `async for chunk in stream`."""

    def __init__(self, drive: AsyncDriver, first: Iterable[Event], reading: Reading[Any, C]) -> None:
        super().__init__(first, reading)
        self._drive = drive
        self._ended = False

    async def __anext__(self) -> C:
        if self._ready or await self._read_on():
            with suppress(IndexError):  # closed by another thread just now
                return self._ready.popleft()
        raise StopAsyncIteration

    async def __aiter__(self) -> AsyncIterator[C]:
        ready = self._ready
        try:
            while ready or await self._read_on():
                try:
                    chunk = ready.popleft()
                except IndexError:  # closed by another thread just now
                    return
                yield chunk
        finally:
            await self.aclose()

    async def _read_on(self) -> bool:
        """See `Stream`."""
        while not self._ready and self._open and not self._ended:
            try:
                self._ended = self._take(await anext(self._drive, None))
            except BaseException as error:
                was_open = self._open
                await self.aclose()
                if isinstance(error, APIError) and not was_open:
                    return False
                raise
        if not self._ready:
            await self.aclose()
        return bool(self._ready)

    def close(self) -> None:
        """Let go of the connection without waiting for it; whoever reads gets an error."""
        self._stop()
        self._drive.close()

    async def aclose(self) -> None:
        """Let go of the connection; twice is once."""
        self._stop()
        await self._drive.aclose()
