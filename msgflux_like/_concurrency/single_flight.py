"""Single flight: of equal calls that are made at the same time only one runs; the others wait for its outcome.

Theory of operation
-------------------
Calls are equal when they have the same key (32 bytes of a hash). For each key at most one call is *in flight*, and it
has one *leader*. The callers may be threads and tasks of any event loops, in any mix:

    join      the first caller of a key becomes its leader (`Role.LEADER`) and runs the call.
              Callers that come later get a `Waiter`, and wait for its future.
    publish   the leader has an outcome: every waiter gets it, and the key is free again.
    promote   the leader gives up (it was cancelled, or its own time limit is over): the waiter that came first
              becomes the leader. Without waiters the key is free again.
    cancel    a waiter gives up. If it was promoted at the same moment, it promotes the next.

Rules:

1.  A leader calls exactly one of `publish` and `promote`, whatever happens to it.
2.  A waiter's future is set once: with the outcome, or with `Role.LEADER` (run the call now, rule 1 is yours), or with
    `Role.SOLO` (the outcome cannot be shared: run the call for yourself and publish nothing).
3.  Nobody waits for an event loop that it blocks: a synchronous call inside a running loop runs solo (`may_wait`).
4.  Waiters and leaders of an event loop that was closed are passed over; the next caller becomes the leader.
5.  The table is guarded by a lock that no fork interrupts, and is empty in a forked child: the calls in flight belong
    to the parent. No outcome is delivered while the lock is held.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future, InvalidStateError
from enum import Enum
from typing import Any, Protocol

from msgspec import Struct

from msgflux_like._concurrency.loops import running_loop
from msgflux_like._concurrency.processes import PerProcess, fork_safe_lock


class TimeLimit(Protocol):
    """The deadline of a caller."""

    def begin_attempt(self) -> object:
        """Start the time to the first event."""
        ...

    def left_s(self) -> float | None:
        """Return the seconds until the deadline; None without a limit."""
        ...

    def expired(self) -> Exception:
        """Return the error for a wait that took too long."""
        ...


class Role(Enum):
    """How a caller runs its call itself."""

    LEADER = "for all callers: publish the outcome, or promote a waiter"
    SOLO = "for this caller alone"


Outcome = bytes | Exception | Role
"""The leader's result or error, or the role in which the caller runs the call itself."""


class Waiter(Struct, frozen=True, eq=False):
    """A caller that waits for the outcome of a call in flight.

    Attributes:
        future: Receives the `Outcome`.
        loop: The event loop of the caller; None for a thread.
    """

    future: Future[Any]
    loop: asyncio.AbstractEventLoop | None

    def deliver(self, outcome: Outcome) -> bool:
        """Set the outcome; return False if the caller no longer waits."""
        if self.loop is not None and self.loop.is_closed():
            return False
        try:
            self.future.set_result(outcome)
        except InvalidStateError:  # it was cancelled
            return False
        return True


class _Call:
    """A call in flight.

    Attributes:
        loop: The event loop of the leader; None for a thread.
        waiters: In the order in which they came.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self.loop = loop
        self.waiters: deque[Waiter] = deque()

    def is_abandoned(self) -> bool:
        """Return whether the leader's event loop was closed, so that no outcome will ever be published."""
        return self.loop is not None and self.loop.is_closed()


class SingleFlight:
    """The calls in flight of one process, by key."""

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._calls: PerProcess[dict[bytes, _Call]] = PerProcess(dict)

    def join(self, key: bytes, loop: asyncio.AbstractEventLoop | None, *, may_wait: bool) -> Waiter | Role:
        """Become the leader of a call, or a waiter if it is in flight already.

        Args:
            key: What equal calls have in common.
            loop: The event loop of the caller; None for a thread.
            may_wait: Whether the caller can wait; one that cannot runs solo.
        """
        calls = self._calls()
        with self._lock:
            call = calls.get(key)
            if call is None:
                calls[key] = _Call(loop)
                return Role.LEADER
            if call.is_abandoned():
                call.loop = loop
                return Role.LEADER
            if not may_wait:
                return Role.SOLO
            waiter = Waiter(Future(), loop)
            call.waiters.append(waiter)
            if calls.get(key) is not call:  # the garbage collector, in this thread, ended it in between
                return Role.SOLO
            return waiter

    def publish(self, key: bytes, outcome: Outcome) -> None:
        """Deliver the leader's outcome to all waiters."""
        calls = self._calls()
        with self._lock:
            call = calls.pop(key, None)
        for waiter in call.waiters if call else ():
            waiter.deliver(outcome)

    def promote(self, key: bytes) -> None:
        """Make the first waiter the leader, because the leader gives up."""
        calls = self._calls()
        while True:
            with self._lock:
                call = calls.get(key)
                if call is None or not call.waiters:
                    calls.pop(key, None)
                    return
                waiter = call.waiters.popleft()
                call.loop = waiter.loop
            if waiter.deliver(Role.LEADER):
                return

    def cancel(self, key: bytes, waiter: Waiter) -> None:
        """Stop waiting. If the waiter was promoted at the same moment, promote the next."""
        if not waiter.future.cancel() and waiter.future.done() and waiter.future.result() is Role.LEADER:
            self.promote(key)


def wait_outcome(flights: SingleFlight, key: bytes, limit: TimeLimit) -> Outcome:
    """Join the call of this key and wait for its outcome; the caller's own role if it is to run the call.

    A synchronous call inside a running event loop never waits: it would block the loop that the leader may need.

    Raises:
        Exception: `limit.expired()`, when the time to the first event is over.
    """
    waiter = flights.join(key, None, may_wait=running_loop() is None)
    if isinstance(waiter, Role):
        return waiter
    limit.begin_attempt()
    try:
        return waiter.future.result(limit.left_s())
    except TimeoutError:
        flights.cancel(key, waiter)
        raise limit.expired() from None
    except BaseException:
        flights.cancel(key, waiter)
        raise


async def await_outcome(flights: SingleFlight, key: bytes, limit: TimeLimit) -> Outcome:
    """Async counterpart of `wait_outcome`."""
    waiter = flights.join(key, asyncio.get_running_loop(), may_wait=True)
    if isinstance(waiter, Role):
        return waiter
    limit.begin_attempt()
    try:
        async with asyncio.timeout(limit.left_s()):
            return await asyncio.wrap_future(waiter.future)
    except TimeoutError:
        flights.cancel(key, waiter)
        raise limit.expired() from None
    except BaseException:  # the task was cancelled
        flights.cancel(key, waiter)
        raise
