"""Delivery of a stream to a callback or handler, from one thread or one task.

Theory of operation
    Reader. One `Pusher` thread (plain calls) or one `AsyncPusher` task (`acall`) reads the stream. It takes an event,
    passes it to `Target.accept`, and only then reads on: a slow target slows the reading of the connection, and nothing
    piles up. All other readers of the stream wait for the pusher.

    End. The delivery is over when one of these has happened:
        finished   the last event was accepted and `Target.finish` has returned,
        failed     the target raised; the exception is kept for `wait`, and the stream is closed,
        stopped    `stop` was called (the stream was closed); a `StreamClosedError` that follows is not a failure.
    In every case the event generator and the stream are closed first, and then waiting callers are released.

    Stopping. `stop` can be called from any thread, the target's own call included. It abandons the target, so that an
    `accept` that blocks returns. The lock `_delivering` is held while an event is delivered: `settle` waits for it, so
    that nothing is delivered after `ModelStreamResponse.close` has returned. It is reentrant, since a callback may
    close its stream. An `AsyncPusher` needs no lock; its task is cancelled.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import Future, wait
from typing import Any, NamedTuple

from msgflux_like._concurrency.loops import running_loop
from msgflux_like.errors import StreamClosedError


class Target(NamedTuple):
    """The receiver of a stream, as functions; those of an async target return awaitables.

    Attributes:
        accept: Take the next event. It may block, which delays the reading of the stream. Raises the target's failure.
        finish: Wait until every accepted event is handled. Raises the target's failure.
        abandon: Drop the accepted events and release blocked calls; an event that is being handled may end.
        failure: Return the exception that the target raised outside these calls, None if there is none.
        on_failure: Set the function to call after such a failure.
    """

    accept: Callable[[Any], Any]
    finish: Callable[[], Any]
    abandon: Callable[[], None]
    failure: Callable[[], BaseException | None]
    on_failure: Callable[[Callable[[], None]], None]


def callback_target(function: Callable[[Any], Any]) -> Target:
    """Return the target of a plain callable: it handles every event at once and fails only in `accept`."""
    return Target(function, _nothing, _nothing, _nothing, _ignore)


def _nothing() -> None:
    """Do nothing."""


def _ignore(on_failure: Callable[[], None], /) -> None:
    """Ignore the argument."""


class Pusher:
    """A thread that delivers the events of a stream to a target. It keeps the interpreter alive until the end.

    Args:
        events: Events to deliver; reading them reads the stream.
        target: Receiver of the events.
        close: Function that closes the stream.
    """

    def __init__(self, events: Generator[Any], target: Target, close: Callable[[], None]) -> None:
        self._events = events
        self._target = target
        self._close = close
        self._failure: BaseException | None = None
        self._stopped = False
        self._delivering = threading.RLock()
        self._over: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="msgflux-like-push", daemon=False)
        target.on_failure(close)
        self._thread.start()

    def _run(self) -> None:
        try:
            for event in self._events:
                with self._delivering:
                    if self._stopped:
                        return
                    self._target.accept(event)
            self._target.finish()
        except BaseException as failure:  # noqa: BLE001  `wait` raises it
            if not (self._stopped and isinstance(failure, StreamClosedError)):
                self._failure = failure
        finally:
            try:
                self._events.close()
                self._close()
            finally:
                self._over.set_result(None)

    def is_mine(self) -> bool:
        """Return whether the caller runs in the thread that reads the stream."""
        return threading.current_thread() is self._thread

    def stop(self) -> None:
        """Deliver no further event, and release a target that blocks."""
        self._stopped = True
        self._target.abandon()

    def settle(self) -> None:
        """After `stop`: wait for a delivery in progress, unless the caller is inside it."""
        with self._delivering:
            pass

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until the delivery is over; return False after `timeout_s` seconds. Raise the target's failure."""
        if self.is_mine():
            raise StreamClosedError("a callback cannot wait for the stream that calls it")
        if not wait({self._over}, timeout_s).done:
            return False
        if (failure := self._failure or self._target.failure()) is not None:
            raise failure
        return True

    async def await_done(self, timeout_s: float | None = None) -> bool:
        """Async counterpart of `wait`; does not block the event loop."""
        over = asyncio.wrap_future(self._over)
        await asyncio.wait({over}, timeout=timeout_s)
        return self.wait(0)


class AsyncPusher:
    """Async counterpart of `Pusher`: a task of the running event loop. Awaitables of the target are awaited.

    Args:
        events: Events to deliver; reading them reads the stream.
        target: Receiver of the events.
        close: Function that closes the stream, callable from anywhere.
        aclose: Async function that closes the stream.
    """

    def __init__(
        self,
        events: AsyncGenerator[Any],
        target: Target,
        close: Callable[[], None],
        aclose: Callable[[], Awaitable[None]],
    ) -> None:
        self._events = events
        self._target = target
        self._aclose = aclose
        self._failure: BaseException | None = None
        self._stopped = False
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name="msgflux-like-push")
        target.on_failure(close)
        _running.add(self._task)
        self._task.add_done_callback(_running.discard)

    async def _run(self) -> None:
        try:
            async for event in self._events:
                if self._stopped:
                    return
                await await_result(self._target.accept(event))
            await await_result(self._target.finish())
        except asyncio.CancelledError:
            if not self._stopped:
                raise
        except BaseException as failure:  # noqa: BLE001  `wait` raises it
            if not (self._stopped and isinstance(failure, StreamClosedError)):
                self._failure = failure
        finally:
            await self._events.aclose()
            await self._aclose()

    def is_mine(self) -> bool:
        """Return whether the caller runs in the task that reads the stream."""
        return asyncio.current_task() is self._task

    def stop(self) -> None:
        """Deliver no further event, and cancel the delivery in progress."""
        self._stopped = True
        self._target.abandon()
        if self._task.done():
            return
        if running_loop() is not self._loop:
            self._loop.call_soon_threadsafe(self._task.cancel)
        elif not self.is_mine():
            self._task.cancel()

    def settle(self) -> None:
        """Do nothing: `stop` has cancelled the delivery."""

    def wait(self, timeout_s: float | None = None) -> bool:  # noqa: ARG002  signature of `Pusher.wait`
        """Raise StreamClosedError: blocking would stop the event loop that delivers."""
        raise StreamClosedError("this stream was opened with acall: `await response.await_done()`")

    async def await_done(self, timeout_s: float | None = None) -> bool:
        """Wait until the delivery is over; return False after `timeout_s` seconds. Raise the target's failure."""
        if self.is_mine():
            raise StreamClosedError("a callback cannot wait for the stream that calls it")
        done, _ = await asyncio.wait({self._task}, timeout=timeout_s)
        if not done:
            return False
        if (failure := self._failure or self._target.failure()) is not None:
            raise failure
        return True


_running: set[asyncio.Task[None]] = set()  # strong references; an event loop keeps weak ones


async def await_result(result: Any) -> None:
    """Await the result if it is awaitable."""
    if inspect.isawaitable(result):
        await result
