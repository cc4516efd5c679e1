"""Equal calls that are made at once: the first of them flies, the others wait for what it brings."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections import deque
from concurrent.futures import Future, InvalidStateError
from enum import Enum
from typing import Any, Protocol

from msgspec import Struct


def guard() -> threading.RLock:
    """A lock for a few steps in memory, free in every forked child, and what it guards whole there.

    Whoever holds it may take it again: what the garbage collector ends meanwhile may need it.
    """
    lock = threading.RLock()
    _guards.add(weakref.ref(lock, _guards.discard))
    return lock


_guards: set[weakref.ref[threading.RLock]] = set()
_held: list[threading.RLock] = []


def _before_fork() -> None:
    _held[:] = [lock for each in tuple(_guards) if (lock := each()) is not None]
    for lock in _held:
        lock.acquire()


def _after_fork() -> None:
    while _held:
        _held.pop().release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


class TimeLimit(Protocol):
    """How long a caller may wait: the deadline of its call."""

    def begin_attempt(self) -> object:
        """Start the time to the first event."""
        ...

    def left_s(self) -> float | None:
        """Seconds until the deadline; None for no limit."""
        ...

    def expired(self) -> Exception:
        """Return the error for a wait that took too long."""
        ...


class Turn(Enum):
    """What comes in place of an outcome."""

    LEAD = "the one that flew gave up: fly for all"
    ALONE = "what it brought cannot be shared: fly for yourself"


Outcome = bytes | Exception | Turn


class Ticket(Struct, frozen=True, eq=False):
    """A place in the queue of those who wait for a flight."""

    future: Future[Any]
    loop: asyncio.AbstractEventLoop | None


class _Flight:
    """One that is under way.

    Attributes:
        loop: That of the one that flies, None for a thread.
        waiting: Who waits for it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self.loop = loop
        self.waiting: deque[Ticket] = deque()

    def is_lost(self) -> bool:
        """Whether its loop was closed before it came to its end: nobody will ever land it."""
        return self.loop is not None and self.loop.is_closed()


class SingleFlight:
    """Who flies for which key, and who waits for it; from any mix of threads and event loops.

    A forked child starts with none: those of its parent land there.
    """

    def __init__(self) -> None:
        self._guard = guard()
        self._flights: dict[bytes, _Flight] = {}
        self._process = os.getpid()

    def join(self, key: bytes, loop: asyncio.AbstractEventLoop | None, *, may_wait: bool) -> Ticket | Turn:
        """LEAD for the first, which must `land` or `hand_over`; a ticket to wait with for those that come after it."""
        with self._guard:
            if self._process != os.getpid():
                self._process = os.getpid()
                self._flights.clear()
            flight = self._flights.get(key)
            if flight is None:
                self._flights[key] = _Flight(loop)
                return Turn.LEAD
            if flight.is_lost():
                flight.loop = loop
                return Turn.LEAD
            if not may_wait:
                return Turn.ALONE
            ticket = Ticket(Future(), loop)
            flight.waiting.append(ticket)
            if self._flights.get(key) is not flight:  # it ended in between, by the garbage collector in this thread
                return Turn.ALONE
            return ticket

    def land(self, key: bytes, outcome: Outcome) -> None:
        """Tell all who wait."""
        with self._guard:
            flight = self._flights.pop(key, None)
        for ticket in flight.waiting if flight else ():
            _tell(ticket, outcome)

    def hand_over(self, key: bytes) -> None:
        """The one that flew gives up: the first that still waits flies now."""
        while True:
            with self._guard:
                flight = self._flights.get(key)
                if flight is None or not flight.waiting:
                    self._flights.pop(key, None)
                    return
                ticket = flight.waiting.popleft()
                flight.loop = ticket.loop
            if _tell(ticket, Turn.LEAD):
                return

    def leave(self, key: bytes, ticket: Ticket) -> None:
        """Wait no longer. A turn that came at the same moment is handed on."""
        if not ticket.future.cancel() and ticket.future.done() and ticket.future.result() is Turn.LEAD:
            self.hand_over(key)


def _tell(ticket: Ticket, outcome: Outcome) -> bool:
    """Whether there is still somebody to tell."""
    if ticket.loop is not None and ticket.loop.is_closed():
        return False
    try:
        ticket.future.set_result(outcome)
    except InvalidStateError:  # it left
        return False
    return True


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def wait(flights: SingleFlight, key: bytes, limit: TimeLimit) -> Outcome:
    """LEAD, or what the equal call that is under way brings; WireError when the time for a first piece is over.

    A direct call inside of an event loop waits for nobody: it would block the loop that the other may need.
    """
    ticket = flights.join(key, None, may_wait=_running_loop() is None)
    if isinstance(ticket, Turn):
        return ticket
    limit.begin_attempt()
    try:
        return ticket.future.result(limit.left_s())
    except TimeoutError:
        flights.leave(key, ticket)
        raise limit.expired() from None
    except BaseException:
        flights.leave(key, ticket)
        raise


async def await_outcome(flights: SingleFlight, key: bytes, limit: TimeLimit) -> Outcome:
    """The async twin of `wait`."""
    ticket = flights.join(key, asyncio.get_running_loop(), may_wait=True)
    if isinstance(ticket, Turn):
        return ticket
    limit.begin_attempt()
    try:
        async with asyncio.timeout(limit.left_s()):
            return await asyncio.wrap_future(ticket.future)
    except TimeoutError:
        flights.leave(key, ticket)
        raise limit.expired() from None
    except BaseException:  # the task was cancelled
        flights.leave(key, ticket)
        raise
