"""Questions about the running event loop, and about what must be awaited."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def current_task() -> asyncio.Task[Any] | None:
    """Return the task that runs in this thread, or None, also outside of an event loop."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether calling the function, or the object, gives a coroutine."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004  the method of its class is inspected
