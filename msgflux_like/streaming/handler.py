"""Stream handlers with state: events wait in a mailbox, and one thread or task handles them in order.

Theory of operation
    Two threads share a handler: the pusher delivers (`_accept`), the handler's own thread handles (`_serve`). The
    mailbox between them has room for `_MAILBOX` events; when it is full, `_accept` blocks, and with it the reading of
    the stream. Only `_serve` writes the state. `get_state` waits for the events accepted before it was called.

    A handler serves one stream (`_claim`). It ends after the final event (`StreamError`, `StreamFinish`), when one of
    its methods raises (`failure`; the stream is closed), or when it is abandoned (the stream was closed). At its end
    every blocked `_accept`, `get_state` and `join` returns.

    `AsyncStreamHandler` is the same with a task and an `asyncio.Queue`, all in one event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Self

from msgflux_like._concurrency.loops import current_task
from msgflux_like.errors import StreamClosedError
from msgflux_like.streaming.chunks import ChatCompletionChunk, Pushed, StreamData, StreamError, StreamFinish
from msgflux_like.streaming.worker import Target

_MAILBOX = 64  # events that may wait; then the reading of the stream does


class StreamHandler:
    """Receiver of one stream with state, in its own thread. Subclass it, `start` it, and pass it as `stream_to`.

    Each of the three `handle_` methods receives the state and returns the next state; None keeps it. An exception in
    one of them closes the stream, and `join` raises it.

    Attributes:
        failure: Exception that a method raised, else None.

    Example:
        >>> from msgflux_like.testing import FakeModel
        >>> class Collect(StreamHandler):
        ...     def handle_data(self, data, state):
        ...         return state + (data.choices[0].delta.content or "")
        >>> handler = Collect.start("")
        >>> response = FakeModel("Paris.")("Capital of France?", stream=True, stream_to=handler)
        >>> handler.join(timeout_s=10)
        True
        >>> handler.get_state()
        'Paris.'
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
    _on_failure: Callable[[], None] | None = None

    def handle_data(self, data: ChatCompletionChunk, state: Any) -> Any:
        """Handle the next chunk of the stream.

        Args:
            data: Chunk, as OpenAI's chat completions stream it.
            state: State after the event before this one.

        Returns:
            New state; None keeps the present one, which is what this method does unless it is overridden.
        """

    def handle_error(self, error: Exception, state: Any) -> Any:
        """Handle the failure of the stream, its final event.

        Args:
            error: Exception that ended the stream.
            state: State after the last chunk.

        Returns:
            Final state; None keeps the present one, which is what this method does unless it is overridden.
        """

    def handle_finish(self, state: Any) -> Any:
        """Handle the end of a complete stream, its final event.

        Args:
            state: State after the last chunk.

        Returns:
            Final state; None keeps the present one, which is what this method does unless it is overridden.
        """

    @classmethod
    def start(cls, state: Any = None) -> Self:
        """Create a handler and start its thread, which waits for a stream.

        Args:
            state: First state; None by default.

        Returns:
            The handler, for one stream.
        """
        handler = cls()
        handler._state = state
        handler._mail = deque()
        handler._changed = threading.Condition()
        # A daemon, since a handler may never get a stream. The pusher, which is no daemon, waits for this thread.
        handler._thread = threading.Thread(target=handler._serve, name=cls.__name__, daemon=True)
        handler._thread.start()
        return handler

    def get_state(self) -> Any:
        """Return the state after every event that was delivered before this call."""
        with self._changed:
            accepted = self._accepted
            if threading.current_thread() is not self._thread:
                self._changed.wait_for(lambda: self._handled >= accepted or self._ended)
            return self._state

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the handler has ended.

        Args:
            timeout_s: Longest time to wait, in seconds; no limit if None.

        Returns:
            False if the time ran out.

        Raises:
            BaseException: The exception that a `handle_` method raised.
        """
        self._thread.join(timeout_s)
        if self.failure is not None:
            raise self.failure
        return not self._thread.is_alive()

    def is_alive(self) -> bool:
        """Return whether the handler can still receive events."""
        return not self._ended

    # ---- called by the pusher

    def _claim(self) -> Target:
        """Reserve this handler for one stream and return the functions that deliver to it."""
        if self._claimed or self._ended:
            raise StreamClosedError(f"this {type(self).__name__} has already been given a stream: start another one")
        self._claimed = True
        return Target(self._accept, self._finish, self._abandon, lambda: self.failure, self._set_on_failure)

    def _set_on_failure(self, on_failure: Callable[[], None]) -> None:
        self._on_failure = on_failure

    def _accept(self, event: Pushed) -> None:
        """Put an event into the mailbox; wait while it is full."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._mail) < _MAILBOX or self._ended)
            if self._ended:
                raise self.failure or StreamClosedError("the handler has ended")
            self._mail.append(event)
            self._accepted += 1
            self._changed.notify_all()

    def _finish(self) -> None:
        """Wait until every event is handled."""
        self.join()

    def _abandon(self) -> None:
        """Handle no further event; return when the current one is handled, unless its method is the caller."""
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
        except BaseException as failure:  # noqa: BLE001  `join` raises it
            self.failure = failure
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            if self.failure is not None and self._on_failure is not None:
                self._on_failure()

    def _next(self) -> Pushed | None:
        with self._changed:
            self._changed.wait_for(lambda: self._mail or self._ended)
            if self._ended:
                return None
            self._changed.notify_all()  # the mailbox has room
            return self._mail.popleft()


class AsyncStreamHandler:
    """Async counterpart of `StreamHandler`, for `acall`: async methods, run in a task of the running event loop.

    Attributes:
        failure: Exception that a method raised, else None.

    Example:
        >>> import asyncio
        >>> from msgflux_like.testing import FakeModel
        >>> class Collect(AsyncStreamHandler):
        ...     async def handle_data(self, data, state):
        ...         return state + (data.choices[0].delta.content or "")
        >>> async def ask():
        ...     handler = Collect.start("")
        ...     await FakeModel("Paris.").acall("Capital of France?", stream=True, stream_to=handler)
        ...     await handler.join(timeout_s=10)
        ...     return await handler.get_state()
        >>> asyncio.run(ask())
        'Paris.'
    """

    _state: Any
    _mail: asyncio.Queue[Pushed]
    _task: asyncio.Task[None]
    _claimed = False
    _abandoned = False
    failure: BaseException | None = None
    _on_failure: Callable[[], None] | None = None

    async def handle_data(self, data: ChatCompletionChunk, state: Any) -> Any:
        """Async counterpart of `StreamHandler.handle_data`: handle the next chunk and return the new state."""

    async def handle_error(self, error: Exception, state: Any) -> Any:
        """Async counterpart of `StreamHandler.handle_error`: handle the failure and return the final state."""

    async def handle_finish(self, state: Any) -> Any:
        """Async counterpart of `StreamHandler.handle_finish`: handle the end and return the final state."""

    @classmethod
    def start(cls, state: Any = None) -> Self:
        """Create a handler and start its task, which waits for a stream, in the running event loop.

        Args:
            state: First state; None by default.

        Returns:
            The handler, for one stream.

        Raises:
            RuntimeError: If no event loop is running.
        """
        handler = cls()
        handler._state = state
        handler._mail = asyncio.Queue(_MAILBOX)
        handler._task = asyncio.get_running_loop().create_task(handler._serve(), name=cls.__name__)
        return handler

    async def get_state(self) -> Any:
        """Return the state after every event that was delivered before this call."""
        if asyncio.current_task() is not self._task:
            await self._until_ended(self._mail.join())
        return self._state

    async def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the handler has ended.

        Args:
            timeout_s: Longest time to wait, in seconds; no limit if None.

        Returns:
            False if the time ran out.

        Raises:
            BaseException: The exception that a `handle_` method raised.
        """
        await asyncio.wait({self._task}, timeout=timeout_s)
        if self.failure is not None:
            raise self.failure
        return self._task.done()

    def is_alive(self) -> bool:
        """Return whether the handler can still receive events."""
        return not self._task.done()

    # ---- called by the pusher

    def _claim(self) -> Target:
        """Reserve this handler for one stream and return the functions that deliver to it."""
        if self._claimed or self._task.done():
            raise StreamClosedError(f"this {type(self).__name__} has already been given a stream: start another one")
        self._claimed = True
        return Target(self._accept, self._finish, self._abandon, lambda: self.failure, self._set_on_failure)

    def _set_on_failure(self, on_failure: Callable[[], None]) -> None:
        self._on_failure = on_failure

    async def _accept(self, event: Pushed) -> None:
        """Put an event into the mailbox; wait while it is full."""
        if self._mail.full():
            await self._until_ended(self._mail.put(event))
        else:
            self._mail.put_nowait(event)
        if self._task.done():
            raise self.failure or StreamClosedError("the handler has ended")

    async def _finish(self) -> None:
        """Wait until every event is handled."""
        await self.join()

    def _abandon(self) -> None:
        """Handle no further event."""
        self._abandoned = True
        if current_task() is not self._task:
            self._task.cancel()

    async def _until_ended(self, waiting: Any) -> None:
        """Wait for an awaitable, or for the end of the handler."""
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
        except BaseException as failure:  # noqa: BLE001  `join` raises it
            self.failure = failure
            if self._on_failure is not None:
                self._on_failure()


def _handle(handler: Any, event: Pushed, state: Any) -> Any:
    match event:
        case StreamData(data):
            return handler.handle_data(data, state)
        case StreamError(error):
            return handler.handle_error(error, state)
        case StreamFinish():
            return handler.handle_finish(state)
