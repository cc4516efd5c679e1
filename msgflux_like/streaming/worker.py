"""A stream handed to a callback, event by event, from a thread or from a task of its own."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import Future, wait
from typing import Any, Protocol

from msgflux_like._concurrency.loops import running_loop
from msgflux_like.errors import StreamClosedError


class Target(Protocol):
    """Who the events go to.

    Attributes:
        failure: What it raised.
        on_failure: Called when it has failed, from wherever that happened.
    """

    failure: BaseException | None
    on_failure: Callable[[], None] | None

    def accept(self, event: Any, /) -> Any:
        """Take the next event; may block, which holds the reading of the stream."""

    def finish(self) -> Any:
        """Come to an end with what was accepted; raises what failed."""

    def abandon(self) -> None:
        """Drop what was accepted, and let go of whoever waits. What is being handled may end."""


class Callback:
    """A plain callable as a target. What it raises, it raises where it is called."""

    failure: BaseException | None = None
    on_failure: Callable[[], None] | None = None

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.accept = function

    def finish(self) -> None:
        """Nothing is left to do: each event was handled when it was accepted."""

    def abandon(self) -> None:
        """Nothing waits."""


class Pusher:
    """Hands the events of a stream to a target, from a thread of its own.

    The thread keeps the interpreter alive until the stream is over.
    """

    def __init__(self, events: Generator[Any], target: Target, close: Callable[[], None]) -> None:
        self._events = events
        self._target = target
        self._close = close
        self._failure: BaseException | None = None
        self._stopped = False
        self._handing_over = threading.RLock()
        self._over: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="msgflux-like-push", daemon=False)
        target.on_failure = close
        self._thread.start()

    def _run(self) -> None:
        try:
            for event in self._events:
                with self._handing_over:
                    if self._stopped:
                        return
                    self._target.accept(event)
            self._target.finish()
        except BaseException as failure:  # noqa: BLE001  it belongs to whoever waits
            if not (self._stopped and isinstance(failure, StreamClosedError)):
                self._failure = failure
        finally:
            try:
                self._events.close()
                self._close()
            finally:
                self._over.set_result(None)

    def is_mine(self) -> bool:
        """Whether this is the thread that reads the stream."""
        return threading.current_thread() is self._thread

    def stop(self) -> None:
        """No event is handed over from now on; wakes up a target that waits."""
        self._stopped = True
        self._target.abandon()

    def settle(self) -> None:
        """After `stop`: wait for the handing over that is under way, unless it is what calls."""
        with self._handing_over:
            pass

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether all is over and handled within that time. Raises what the target raised."""
        if self.is_mine():
            raise StreamClosedError("a callback cannot wait for the stream that calls it")
        if not wait({self._over}, timeout_s).done:
            return False
        if (failure := self._failure or self._target.failure) is not None:
            raise failure
        return True

    async def await_done(self, timeout_s: float | None = None) -> bool:
        """The async twin of `wait`; it does not block the event loop."""
        over = asyncio.wrap_future(self._over)
        await asyncio.wait({over}, timeout=timeout_s)
        return self.wait(0)


class AsyncPusher:
    """The same from a task of the running event loop; what the target returns is awaited if it can be."""

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
        target.on_failure = close
        _running.add(self._task)
        self._task.add_done_callback(_running.discard)

    async def _run(self) -> None:
        try:
            async for event in self._events:
                if self._stopped:
                    return
                await done(self._target.accept(event))
            await done(self._target.finish())
        except asyncio.CancelledError:
            if not self._stopped:
                raise
        except BaseException as failure:  # noqa: BLE001  it belongs to whoever waits
            if not (self._stopped and isinstance(failure, StreamClosedError)):
                self._failure = failure
        finally:
            await self._events.aclose()
            await self._aclose()

    def is_mine(self) -> bool:
        """Whether this is the task that reads the stream."""
        return asyncio.current_task() is self._task

    def stop(self) -> None:
        """No event is handed over from now on; the one that is being handled is cancelled."""
        self._stopped = True
        self._target.abandon()
        if self._task.done():
            return
        if running_loop() is not self._loop:
            self._loop.call_soon_threadsafe(self._task.cancel)
        elif not self.is_mine():
            self._task.cancel()

    def settle(self) -> None:
        """Nothing is under way but what is being cancelled."""

    def wait(self, timeout_s: float | None = None) -> bool:  # noqa: ARG002  as in `Pusher`
        """An event loop must not be blocked."""
        raise StreamClosedError("this stream was opened with acall: `await response.await_done()`")

    async def await_done(self, timeout_s: float | None = None) -> bool:
        """Whether all is over and handled within that time. Raises what the target raised."""
        if self.is_mine():
            raise StreamClosedError("a callback cannot wait for the stream that calls it")
        done, _ = await asyncio.wait({self._task}, timeout=timeout_s)
        if not done:
            return False
        if (failure := self._failure or self._target.failure) is not None:
            raise failure
        return True


_running: set[asyncio.Task[None]] = set()  # an event loop holds its tasks weakly


async def done(result: Any) -> None:
    """Await what can be awaited."""
    if inspect.isawaitable(result):
        await result
