"""Several things at once, from a thread or from an event loop; the results in the order of what was given."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TypeVar

T = TypeVar("T")

_MOST_THREADS = 32  # of one batch
_READER_THREADS = 1000  # made one by one, when as many sync streams are waited for in event loops


def run_in_threads(functions: Sequence[Callable[[], T]]) -> list[T]:
    """Call all of them, each in a thread and in a copy of this context; a single one in this thread.

    Raises what the first of them raised, once all have ended.
    """
    if len(functions) < 2:
        return [function() for function in functions]
    with ThreadPoolExecutor(min(len(functions), _MOST_THREADS), thread_name_prefix="msgflux-like-tool") as pool:
        started = [pool.submit(copy_context().run, function) for function in functions]
    return [each.result() for each in started]


async def gather_all(awaitables: Sequence[Awaitable[T]]) -> list[T]:
    """Await all of them at once."""
    return await asyncio.gather(*awaitables)


async def to_thread(function: Callable[[], T]) -> T:
    """Call a function that may block in a thread, in a copy of this context.

    A thread cannot be interrupted: when the task is cancelled the function runs to its end, unheard.
    """
    context = copy_context()
    return await in_thread(lambda: context.run(function), lambda: None)


async def in_thread(function: Callable[[], T], interrupt: Callable[[], None]) -> T:
    """The result of a function that blocks, without blocking the event loop.

    When the waiting task is cancelled, `interrupt` is called, which must make the function return.
    """
    waiting = asyncio.get_running_loop().run_in_executor(_reader_threads(), function)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        interrupt()
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
        raise


@cache
def _reader_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_READER_THREADS, thread_name_prefix="msgflux-like-reader")
