"""Handlers with a state: the events of a stream wait in a mailbox, and one thread or task handles them in order."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Self

from msgflux_like.errors import StreamClosedError
from msgflux_like.streaming.chunks import ChatCompletionChunk, Pushed, StreamData, StreamError, StreamFinish

_MAILBOX = 64  # events that may wait; then the reading of the stream does


class StreamHandler:
    """Handles one stream, given as `stream_to`, in a thread of its own. Subclass it, and `start` it with a state.

    Each of the three methods gets the state and gives the new one; None leaves it as it is. When one raises, the
    stream is closed, and `join` raises it.

    Attributes:
        failure: What a method raised.

    Example:
        >>> class Collect(StreamHandler):
        ...     def handle_data(self, data, state):
        ...         return state + (data.choices[0].delta.content or "")
        >>> handler = Collect.start("")
        >>> handler.get_state()
        ''
    """

    _state: Any
    _mail: deque[Pushed]
    _changed: threading.Condition
    _thread: threading.Thread
    _accepted = 0
    _handled = 0
    _ended = False
    _claimed = False
    failure: BaseException | None = None
    on_failure: Callable[[], None] | None = None

    def handle_data(self, data: ChatCompletionChunk, state: Any) -> Any:
        """Take the next piece."""

    def handle_error(self, error: Exception, state: Any) -> Any:
        """The stream failed; nothing comes after this."""

    def handle_finish(self, state: Any) -> Any:
        """The stream came whole; nothing comes after this."""

    @classmethod
    def start(cls, state: Any = None) -> Self:
        """A handler that waits for its stream."""
        handler = cls()
        handler._state = state
        handler._mail = deque()
        handler._changed = threading.Condition()
        # A daemon, for a handler that never gets a stream; while one is delivered, that thread waits for this one.
        handler._thread = threading.Thread(target=handler._serve, name=cls.__name__, daemon=True)
        handler._thread.start()
        return handler

    def get_state(self) -> Any:
        """The state after all that was delivered until now was handled."""
        with self._changed:
            accepted = self._accepted
            if threading.current_thread() is not self._thread:
                self._changed.wait_for(lambda: self._handled >= accepted or self._ended)
            return self._state

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the stream; False when that took more seconds. Raises what a method raised."""
        self._thread.join(timeout_s)
        if self.failure is not None:
            raise self.failure
        return not self._thread.is_alive()

    def is_alive(self) -> bool:
        """Whether it still waits for events."""
        return not self._ended

    # ---- the side of the stream

    def claim(self) -> None:
        """Take this handler for one stream."""
        if self._claimed or self._ended:
            raise StreamClosedError(f"this {type(self).__name__} has had its stream: start another")
        self._claimed = True

    def accept(self, event: Pushed) -> None:
        """Put an event into the mailbox; waits while it is full."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._mail) < _MAILBOX or self._ended)
            if self._ended:
                raise self.failure or StreamClosedError("the handler has ended")
            self._mail.append(event)
            self._accepted += 1
            self._changed.notify_all()

    def finish(self) -> None:
        """Wait until all is handled."""
        self.join()

    def abandon(self) -> None:
        """Handle nothing more; returns when what is being handled has ended, unless that is what calls."""
        with self._changed:
            self._ended = True
            self._mail.clear()
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _serve(self) -> None:
        try:
            while (event := self._next()) is not None:
                state = _handle(self, event, self._state)
                with self._changed:
                    self._state = self._state if state is None else state
                    self._handled += 1
                    self._changed.notify_all()
                if not isinstance(event, StreamData):
                    return
        except BaseException as failure:  # noqa: BLE001  it belongs to whoever joins
            self.failure = failure
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            if self.failure is not None and self.on_failure is not None:
                self.on_failure()

    def _next(self) -> Pushed | None:
        with self._changed:
            self._changed.wait_for(lambda: self._mail or self._ended)
            if self._ended:
                return None
            self._changed.notify_all()  # there is room
            return self._mail.popleft()


class AsyncStreamHandler:
    """The async twin of `StreamHandler`, for `acall`: async methods, handled in a task of the running event loop."""

    _state: Any
    _mail: asyncio.Queue[Pushed]
    _task: asyncio.Task[None]
    _claimed = False
    _abandoned = False
    failure: BaseException | None = None
    on_failure: Callable[[], None] | None = None

    async def handle_data(self, data: ChatCompletionChunk, state: Any) -> Any:
        """Take the next piece."""

    async def handle_error(self, error: Exception, state: Any) -> Any:
        """The stream failed; nothing comes after this."""

    async def handle_finish(self, state: Any) -> Any:
        """The stream came whole; nothing comes after this."""

    @classmethod
    def start(cls, state: Any = None) -> Self:
        """A handler that waits for its stream, in the running event loop."""
        handler = cls()
        handler._state = state
        handler._mail = asyncio.Queue(_MAILBOX)
        handler._task = asyncio.get_running_loop().create_task(handler._serve(), name=cls.__name__)
        return handler

    async def get_state(self) -> Any:
        """The state after all that was delivered until now was handled."""
        if asyncio.current_task() is not self._task:
            await self._until_ended(self._mail.join())
        return self._state

    async def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the stream; False when that took more seconds. Raises what a method raised."""
        await asyncio.wait({self._task}, timeout=timeout_s)
        if self.failure is not None:
            raise self.failure
        return self._task.done()

    def is_alive(self) -> bool:
        """Whether it still waits for events."""
        return not self._task.done()

    # ---- the side of the stream

    def claim(self) -> None:
        """Take this handler for one stream."""
        if self._claimed or self._task.done():
            raise StreamClosedError(f"this {type(self).__name__} has had its stream: start another")
        self._claimed = True

    async def accept(self, event: Pushed) -> None:
        """Put an event into the mailbox; waits while it is full."""
        if self._mail.full():
            await self._until_ended(self._mail.put(event))
        else:
            self._mail.put_nowait(event)
        if self._task.done():
            raise self.failure or StreamClosedError("the handler has ended")

    async def finish(self) -> None:
        """Wait until all is handled."""
        await self.join()

    def abandon(self) -> None:
        """Handle nothing more."""
        self._abandoned = True
        if _current_task() is not self._task:
            self._task.cancel()

    async def _until_ended(self, waiting: Any) -> None:
        """Wait for it, or for the end of the handler."""
        task = asyncio.ensure_future(waiting)
        try:
            await asyncio.wait({task, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()

    async def _serve(self) -> None:
        try:
            while True:
                event = await self._mail.get()
                state = await _handle(self, event, self._state)
                self._state = self._state if state is None else state
                self._mail.task_done()
                if self._abandoned or not isinstance(event, StreamData):
                    return
        except asyncio.CancelledError:
            raise
        except BaseException as failure:  # noqa: BLE001  it belongs to whoever joins
            self.failure = failure
            if self.on_failure is not None:
                self.on_failure()


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # not in an event loop
        return None


def _handle(handler: Any, event: Pushed, state: Any) -> Any:
    match event:
        case StreamData(data):
            return handler.handle_data(data, state)
        case StreamError(error):
            return handler.handle_error(error, state)
        case StreamFinish():
            return handler.handle_finish(state)
