"""The two drivers: they answer an exchange, one from a thread and one from an event loop, and decide nothing."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from types import AsyncGeneratorType
from typing import Any, cast

from msgflux_like._concurrency.single_flight import await_outcome, wait
from msgflux_like._concurrency.threads import in_thread
from msgflux_like._http.connections import AsyncReply, Reply, Transport
from msgflux_like._http.deadline import Deadline, Timeouts
from msgflux_like._http.steps import READ, Do, Drain, Join, Send, Step, Wait, WireError
from msgflux_like.events import Event

Steps = Generator[Step, Any, None]


class Driver:
    """Answers one exchange from this thread; iterating gives the lists of events.

    `close` may come from any thread: it ends a read that another thread is waiting in. A drive that is dropped is
    closed.
    """

    __slots__ = ("_batches", "_busy", "_line")

    def __init__(self, steps: Steps, transport: Transport, timeouts: Timeouts) -> None:
        self._line = _OpenReply()
        self._batches = _answer(steps, transport, Deadline(timeouts), self._line)
        self._busy = threading.Lock()

    def __iter__(self) -> Driver:
        return self

    def __next__(self) -> list[Event]:
        with self._busy:
            return next(self._batches)

    def close(self) -> None:
        """End the exchange and let go of the connection; done twice is done once."""
        if self._busy.acquire(blocking=False):
            try:
                self._batches.close()
            finally:
                self._busy.release()
        else:
            self._line.cut()


class _OpenReply:
    """The reply that is being read, where another thread can reach it. No reference leads back to the drive."""

    reply: Reply | None = None
    waiting: threading.Event | None = None

    def cut(self) -> None:
        if self.waiting is not None:
            self.waiting.set()
        if self.reply is not None:
            self.reply.abort()

    def release(self) -> None:
        if self.reply is not None:
            self.reply.close()
            self.reply = None


def _answer(steps: Steps, transport: Transport, deadline: Deadline, line: _OpenReply) -> Generator[list[Event]]:
    send: Callable[[Any], Step] = steps.send
    advance: Callable[[Any], Step] = send
    outcome: Any = None
    try:
        while True:
            try:
                step = advance(outcome)
            except StopIteration:
                return
            advance, outcome = send, None
            if isinstance(step, list):
                yield step
                deadline.resume()
                continue
            try:
                if step is READ and line.reply is not None:
                    outcome = line.reply.read(deadline)
                else:
                    outcome = _do(step, transport, deadline, line)
            except WireError as failure:
                advance, outcome = steps.throw, failure
    finally:
        steps.close()
        line.release()


def _do(step: Step, transport: Transport, deadline: Deadline, line: _OpenReply) -> Any:
    if isinstance(step, Send):
        if line.reply is not None:
            line.release()
        line.reply = transport.open(step.http, deadline)
        return line.reply.head
    if isinstance(step, Wait):
        line.release()
        deadline.must_fit(step.seconds)
        line.waiting = threading.Event()
        if line.waiting.wait(step.seconds):
            raise WireError("the call was cancelled")
    elif isinstance(step, Drain) and line.reply is not None:
        line.reply.drain()
    elif isinstance(step, Do):
        return step.function()
    elif isinstance(step, Join):
        return wait(step.flights, step.key, deadline)
    return None


class AsyncDriver:
    """Answers one exchange from the running event loop; `async for` gives the lists of events.

    A drive that is dropped is closed by its event loop, as every async generator is.
    """

    def __init__(self, steps: Steps, transport: Transport, timeouts: Timeouts) -> None:
        self._line = _AsyncOpenReply()
        batches = _aanswer(steps, transport, Deadline(timeouts), self._line)
        self._batches = cast("AsyncGeneratorType[list[Event], None]", batches)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._loop = asyncio.get_running_loop()

    def __aiter__(self) -> AsyncDriver:
        return self

    async def __anext__(self) -> list[Event]:
        while self._batches.ag_running:  # another task reads the same stream
            turn = self._loop.create_future()
            self._waiting.append(turn)
            await turn
        try:
            return await anext(self._batches)
        finally:
            while self._waiting:
                turn = self._waiting.popleft()
                if not turn.done():  # else its task was cancelled
                    turn.set_result(None)
                    break

    def belongs_here(self) -> bool:
        """Whether the running event loop is the one that the connection belongs to."""
        return asyncio.get_running_loop() is self._loop

    async def aclose(self) -> None:
        """End the exchange and let go of the connection; done twice is done once."""
        try:
            await self._batches.aclose()
        except RuntimeError:  # another task is waiting for it, and shall not
            self._line.cut()

    def close(self) -> None:
        """End the exchange from anywhere: whoever waits for it gets an error, and lets go of the connection."""
        self._line.cut()


class _AsyncOpenReply:
    reply: AsyncReply | None = None

    def cut(self) -> None:
        if self.reply is not None:
            self.reply.abort()

    async def release(self) -> None:
        if (reply := self.reply) is not None:
            self.reply = None
            await reply.aclose()


async def _aanswer(
    steps: Steps, transport: Transport, deadline: Deadline, line: _AsyncOpenReply
) -> AsyncGenerator[list[Event]]:
    send: Callable[[Any], Step] = steps.send
    advance: Callable[[Any], Step] = send
    outcome: Any = None
    try:
        while True:
            try:
                step = advance(outcome)
            except StopIteration:
                return
            advance, outcome = send, None
            if isinstance(step, list):
                yield step
                deadline.resume()
                continue
            try:
                if step is READ and line.reply is not None:
                    outcome = await line.reply.read(deadline)
                else:
                    outcome = await _ado(step, transport, deadline, line)
            except WireError as failure:
                advance, outcome = steps.throw, failure
    finally:
        steps.close()
        await line.release()


async def _ado(step: Step, transport: Transport, deadline: Deadline, line: _AsyncOpenReply) -> Any:
    if isinstance(step, Send):
        await line.release()
        line.reply = await transport.aopen(step.http, deadline)
        return line.reply.head
    if isinstance(step, Wait):
        await line.release()
        deadline.must_fit(step.seconds)
        await asyncio.sleep(step.seconds)
    elif isinstance(step, Drain) and line.reply is not None:
        await line.reply.drain()
    elif isinstance(step, Do):
        return await in_thread(step.function, lambda: None) if step.blocks else step.function()
    elif isinstance(step, Join):
        return await await_outcome(step.flights, step.key, deadline)
    return None
