"""State that survives a fork: locks that are free in the child, and values that each process makes for itself.

A forked child has a copy of its parent's memory and only the thread that forked. Two things go wrong with that: a
lock that another thread held stays locked for ever, and threads or connections that an object relies on are missing
or belong to the parent. `fork_safe_lock` prevents the first, `PerProcess` the second.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


def fork_safe_lock() -> threading.RLock:
    """Return a reentrant lock that no fork interrupts: the child finds it free, and the state it guards consistent.

    A fork waits for every such lock, so hold one only for a bounded time. It is reentrant because the garbage
    collector may run code that needs it in the thread that holds it.
    """
    lock = threading.RLock()
    _locks.add(weakref.ref(lock, _locks.discard))
    return lock


class PerProcess(Generic[T]):
    """A value that each process makes for itself when it is first asked for.

    A forked child makes a new one. The value of its parent is kept alive there, because to finalize it could end what
    the parent still uses.

    Args:
        make: Makes the value; called once in each process.

    Example:
        >>> numbers = PerProcess(list)
        >>> numbers().append(1)
        >>> numbers()
        [1]
    """

    __slots__ = ("_lock", "_made", "_make")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = fork_safe_lock()
        self._made: tuple[int, T] | None = None  # process id and value

    def __call__(self) -> T:
        """Return the value of this process."""
        made = self._made
        if made is None or made[0] != os.getpid():
            made = self._renew()
        return made[1]

    def _renew(self) -> tuple[int, T]:
        with self._lock:
            made = self._made
            if made is None or made[0] != os.getpid():  # no other thread was faster
                if made is not None:
                    keep_inherited(made[1])
                self._made = made = os.getpid(), self._make()
            return made


def keep_inherited(value: object) -> None:
    """Keep an object that belongs to the parent process alive in this one, so that it is never finalized here."""
    _inherited.append(value)


_inherited: list[object] = []

_locks: set[weakref.ref[threading.RLock]] = set()
_forking = threading.RLock()  # two threads may fork at the same time
_held: list[threading.RLock] = []


def _before_fork() -> None:
    """Acquire all locks. It never waits for one while it holds others, so no order of locks can lead to a deadlock."""
    _forking.acquire()
    locks = [lock for reference in tuple(_locks) if (lock := reference()) is not None]
    busy: threading.RLock | None = None
    while True:
        if busy is not None:
            busy.acquire()
            _held.append(busy)
        busy = next((lock for lock in locks if not _acquire_now(lock)), None)
        if busy is None:
            return
        _release_held()


def _acquire_now(lock: threading.RLock) -> bool:
    if not lock.acquire(blocking=False):
        return False
    _held.append(lock)
    return True


def _release_held() -> None:
    while _held:
        _held.pop().release()


def _after_fork() -> None:
    _release_held()
    _forking.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
