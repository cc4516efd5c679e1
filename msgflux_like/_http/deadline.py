"""The time limits of a call: four numbers that the user gives, and the deadlines that follow from them."""

from __future__ import annotations

import time

from msgspec import Struct

from msgflux_like._http.steps import WireError
from msgflux_like.errors import Phase

_CLOCK_STEP_S = 0.005  # a timer may fire this much early


class Timeouts(Struct, frozen=True):
    """Time limits of one call, in seconds; None is no limit.

    Attributes:
        connect_s: To make a connection, TLS included.
        first_event_s: From sending to the first piece of the answer.
        between_events_s: Between two pieces of a streamed answer, while it is being read.
        total_s: The whole call: all attempts, the waits between them, and the reading.
    """

    connect_s: float | None = 10.0
    first_event_s: float | None = 600.0
    between_events_s: float | None = 600.0
    total_s: float | None = None


class Deadline:
    """The deadlines of one call.

    Attributes:
        read_by: When, on the monotonic clock, the next read must be done; None for never.
    """

    __slots__ = ("_limits", "_phase", "_total", "read_by")

    def __init__(self, limits: Timeouts) -> None:
        self._limits = limits
        self._total = None if limits.total_s is None else time.monotonic() + limits.total_s
        self._phase: Phase = "first_event"
        self.read_by = self._total

    def begin_attempt(self) -> dict[str, float | None]:
        """Start the time to the first event; the limits of connecting and sending, as httpcore takes them."""
        self._phase = "first_event"
        self._within(self._limits.first_event_s)
        left, connect = self.left_s(), self._limits.connect_s
        if connect is None or (left is not None and left < connect):
            connect = left
        return {"connect": connect, "read": left, "write": left, "pool": left}

    def resume(self) -> None:
        """The reader asks for more: the time between two events begins. What the reader took does not count."""
        self._phase = "between_events"
        self._within(self._limits.between_events_s)

    def _within(self, seconds: float | None) -> None:
        if seconds is None:
            self.read_by = self._total
            return
        idle = time.monotonic() + seconds
        self.read_by = idle if self._total is None or idle < self._total else self._total

    def left_s(self) -> float | None:
        """Seconds until the deadline."""
        return None if self.read_by is None else max(self.read_by - time.monotonic(), 0.0)

    def must_fit(self, seconds: float) -> None:
        """WireError when there is no time for a wait this long."""
        if self._total is not None and time.monotonic() + seconds >= self._total:
            raise self._out_of_time()

    def expired(self, connecting: bool = False) -> WireError:
        """The error for having waited too long, for whatever was waited for."""
        limits = self._limits
        if self._total is not None and time.monotonic() >= self._total - _CLOCK_STEP_S:
            return self._out_of_time()
        if connecting:
            return WireError(f"no connection within {limits.connect_s} s", "connect")
        if self._phase == "first_event":
            return WireError(f"nothing of the answer came within {limits.first_event_s} s", "first_event")
        return WireError(f"the stream paused for more than {limits.between_events_s} s", "between_events")

    def _out_of_time(self) -> WireError:
        return WireError(f"the call took longer than {self._limits.total_s} s in all", "total")
