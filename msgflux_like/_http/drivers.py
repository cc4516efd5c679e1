"""The two drivers perform the steps of an exchange: one from a thread, one from an event loop. They decide nothing.

Theory of operation
-------------------
A driver owns the generator (`steps`), the transport and the deadline of one call, and at most one *open reply*. It
loops: take a step, perform it, send its outcome into the generator. Lists of events are yielded to the caller.

Rules:

1.  A step that fails raises `WireError`, which is thrown into the generator; the policy is there. Any other exception
    ends the call as it is.
2.  Before a new request and before a wait the open reply is *released*: its connection goes back to the pool, or is
    closed if the body was not read to its end. The end of the loop releases it as well, however it ends.
3.  The deadline between two events begins when the caller asks for more (`resume`); the time that the caller takes
    to handle events does not count.
4.  `close` and `aclose` may be called from anywhere while a read is in progress. They cannot end the generator then,
    because it is running, so they *abort* the open reply: the read fails, and the generator ends where it runs.
5.  Nothing refers from the open reply to the driver, so a driver that is dropped is closed by the garbage collector.
6.  Only an exchange that ended by itself is `finished`. An exception that ends the loop (a time limit of the caller, an
    interrupt, a cancelled task) leaves it unfinished for good: nobody can take a part of the answer for all of it.

`Driver` and `AsyncDriver` are the same program with and without `await`. The hot path, READ, stands in the loop itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from types import AsyncGeneratorType
from typing import Any, cast

from msgflux_like._concurrency.single_flight import await_outcome, wait_outcome
from msgflux_like._concurrency.threads import in_thread
from msgflux_like._http.connections import AsyncReply, Reply, Transport
from msgflux_like._http.deadline import Deadline, Timeouts
from msgflux_like._http.steps import READ, Do, Drain, Join, Send, Step, Wait, WireError
from msgflux_like.events import Event

Steps = Generator[Step, Any, None]


class Driver:
    """Performs one exchange from this thread; iterating yields its lists of events.

    `close` may be called from any thread: it ends a read in which another thread waits. A driver that is dropped is
    closed.

    Args:
        steps: The exchange.
        transport: Sends the requests.
        timeouts: Time limits of the call, which begins now.
    """

    __slots__ = ("_batches", "_busy", "_open")

    def __init__(self, steps: Steps, transport: Transport, timeouts: Timeouts) -> None:
        self._open = _OpenReply()
        self._batches = _drive(steps, transport, Deadline(timeouts), self._open)
        self._busy = threading.Lock()

    def __iter__(self) -> Driver:
        return self

    def __next__(self) -> list[Event]:
        with self._busy:
            return next(self._batches)

    @property
    def finished(self) -> bool:
        """Return whether the exchange ended by itself, and was not closed or interrupted."""
        return self._open.finished

    def close(self) -> None:
        """End the exchange and release the connection. Idempotent."""
        if self._busy.acquire(blocking=False):
            try:
                self._batches.close()
            finally:
                self._busy.release()
        else:
            self._open.abort()


class _OpenReply:
    """The reply that is being read, where another thread can reach it. It holds no reference to the driver."""

    reply: Reply | None = None
    waiting: threading.Event | None = None
    finished = False

    def abort(self) -> None:
        """End the wait or the read in progress, from any thread."""
        if self.waiting is not None:
            self.waiting.set()
        if self.reply is not None:
            self.reply.abort()

    def release(self) -> None:
        """Give the connection back."""
        if self.reply is not None:
            self.reply.close()
            self.reply = None


def _drive(steps: Steps, transport: Transport, deadline: Deadline, opened: _OpenReply) -> Generator[list[Event]]:
    send: Callable[[Any], Step] = steps.send
    advance: Callable[[Any], Step] = send
    outcome: Any = None
    try:
        while True:
            try:
                step = advance(outcome)
            except StopIteration:
                opened.finished = True
                return
            advance, outcome = send, None
            if isinstance(step, list):
                yield step
                deadline.resume()
                continue
            try:
                if step is READ and opened.reply is not None:
                    outcome = opened.reply.read(deadline)
                else:
                    outcome = _perform(step, transport, deadline, opened)
            except WireError as failure:
                advance, outcome = steps.throw, failure
    finally:
        steps.close()
        opened.release()


def _perform(step: Step, transport: Transport, deadline: Deadline, opened: _OpenReply) -> Any:
    if isinstance(step, Send):
        if opened.reply is not None:
            opened.release()
        opened.reply = transport.open(step.http, deadline)
        return opened.reply.head
    if isinstance(step, Wait):
        opened.release()
        deadline.must_fit(step.seconds)
        opened.waiting = threading.Event()
        if opened.waiting.wait(step.seconds):
            raise WireError("the call was cancelled")
    elif isinstance(step, Drain) and opened.reply is not None:
        opened.reply.drain()
    elif isinstance(step, Do):
        return step.function()
    elif isinstance(step, Join):
        return wait_outcome(step.flights, step.key, deadline)
    return None


class AsyncDriver:
    """Async counterpart of `Driver`, for the running event loop; `async for` yields the lists of events.

    A driver that is dropped is closed by its event loop, as every async generator is.
    """

    def __init__(self, steps: Steps, transport: Transport, timeouts: Timeouts) -> None:
        self._open = _AsyncOpenReply()
        batches = _adrive(steps, transport, Deadline(timeouts), self._open)
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
                if not turn.done():  # otherwise its task was cancelled
                    turn.set_result(None)
                    break

    @property
    def finished(self) -> bool:
        """Return whether the exchange ended by itself, and was not closed or interrupted."""
        return self._open.finished

    def belongs_here(self) -> bool:
        """Return whether the connection belongs to the running event loop."""
        return asyncio.get_running_loop() is self._loop

    async def aclose(self) -> None:
        """End the exchange and release the connection. Idempotent."""
        try:
            await self._batches.aclose()
        except RuntimeError:  # another task waits for the next events
            self._open.abort()

    def close(self) -> None:
        """End the exchange from any thread or task: whoever reads it gets an error and releases the connection."""
        self._open.abort()


class _AsyncOpenReply:
    """Async counterpart of `_OpenReply`."""

    reply: AsyncReply | None = None
    finished = False

    def abort(self) -> None:
        """End the read in progress."""
        if self.reply is not None:
            self.reply.abort()

    async def release(self) -> None:
        """Give the connection back."""
        if (reply := self.reply) is not None:
            self.reply = None
            await reply.aclose()


async def _adrive(
    steps: Steps, transport: Transport, deadline: Deadline, opened: _AsyncOpenReply
) -> AsyncGenerator[list[Event]]:
    send: Callable[[Any], Step] = steps.send
    advance: Callable[[Any], Step] = send
    outcome: Any = None
    try:
        while True:
            try:
                step = advance(outcome)
            except StopIteration:
                opened.finished = True
                return
            advance, outcome = send, None
            if isinstance(step, list):
                yield step
                deadline.resume()
                continue
            try:
                if step is READ and opened.reply is not None:
                    outcome = await opened.reply.read(deadline)
                else:
                    outcome = await _aperform(step, transport, deadline, opened)
            except WireError as failure:
                advance, outcome = steps.throw, failure
    finally:
        steps.close()
        await opened.release()


async def _aperform(step: Step, transport: Transport, deadline: Deadline, opened: _AsyncOpenReply) -> Any:
    if isinstance(step, Send):
        await opened.release()
        opened.reply = await transport.aopen(step.http, deadline)
        return opened.reply.head
    if isinstance(step, Wait):
        await opened.release()
        deadline.must_fit(step.seconds)
        await asyncio.sleep(step.seconds)
    elif isinstance(step, Drain) and opened.reply is not None:
        await opened.reply.drain()
    elif isinstance(step, Do):
        return await in_thread(step.function, lambda: None) if step.blocks else step.function()
    elif isinstance(step, Join):
        return await await_outcome(step.flights, step.key, deadline)
    return None
