"""Run several functions at once, or one that blocks, from a thread or from an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from msgflux_like._concurrency.processes import PerProcess

T = TypeVar("T")

_MAX_BATCH_THREADS = 32
_MAX_READER_THREADS = 1000  # made one by one, as sync streams are read in event loops at the same time


def run_in_threads(functions: Sequence[Callable[[], T]]) -> list[T]:
    """Call the functions at once, each in a thread and in a copy of this context; a single one in this thread.

    Returns:
        The results in the order of the functions.

    Raises:
        BaseException: Whatever the first of them that failed raised, once all have ended.
    """
    if len(functions) < 2:
        return [function() for function in functions]
    threads = min(len(functions), _MAX_BATCH_THREADS)
    with ThreadPoolExecutor(threads, thread_name_prefix="msgflux-like-tool") as pool:
        started = [pool.submit(copy_context().run, function) for function in functions]
    return [each.result() for each in started]


async def gather_all(awaitables: Sequence[Awaitable[T]]) -> list[T]:
    """Await all at once and return the results in their order."""
    return await asyncio.gather(*awaitables)


async def to_thread(function: Callable[[], T]) -> T:
    """Call a function that may block in a thread, in a copy of this context.

    A thread cannot be interrupted: when the task is cancelled, the function runs to its end and its result is dropped.
    """
    context = copy_context()
    return await in_thread(lambda: context.run(function), lambda: None)


async def in_thread(function: Callable[[], T], interrupt: Callable[[], None]) -> T:
    """Call a function that blocks in a thread, without blocking the event loop.

    Args:
        function: Called in a thread of the process's pool.
        interrupt: Called when the waiting task is cancelled; must make `function` return.
    """
    waiting = asyncio.get_running_loop().run_in_executor(_reader_threads(), function)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        interrupt()
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
        raise


_reader_threads = PerProcess(lambda: ThreadPoolExecutor(_MAX_READER_THREADS, thread_name_prefix="msgflux-like-reader"))
