"""The time limits of a call (`Timeouts`), and the deadlines that follow from them (`Deadline`)."""

from __future__ import annotations

import time

from msgspec import Struct

from msgflux_like._http.steps import WireError
from msgflux_like.errors import Phase

_CLOCK_STEP_S = 0.005  # a timer may fire early by this much


class Timeouts(Struct, frozen=True):
    """Time limits of one call, in seconds; None is no limit.

    Args:
        connect_s: To make a connection, including TLS.
        first_event_s: From sending a request to the first piece of its answer.
        between_events_s: Between two pieces of a streamed answer. Time that the caller takes does not count.
        total_s: For the whole call: all attempts, the waits between them, and reading the answer.

    Example:
        >>> Timeouts(total_s=30.0)
        Timeouts(connect_s=10.0, first_event_s=600.0, between_events_s=600.0, total_s=30.0)
    """

    connect_s: float | None = 10.0
    first_event_s: float | None = 600.0
    between_events_s: float | None = 600.0
    total_s: float | None = None


class Deadline:
    """The deadlines of one call, which begins when this is made.

    Attributes:
        read_by: When the next read must be finished, on the monotonic clock; None for no limit.
    """

    __slots__ = ("_limits", "_phase", "_total", "read_by")

    def __init__(self, limits: Timeouts) -> None:
        self._limits = limits
        self._total = None if limits.total_s is None else time.monotonic() + limits.total_s
        self._phase: Phase = "first_event"
        self.read_by = self._total

    def begin_attempt(self) -> dict[str, float | None]:
        """Start the time to the first event, and return the limits for connecting and sending in httpcore's form."""
        self._phase = "first_event"
        self._set_read_by(self._limits.first_event_s)
        left, connect = self.left_s(), self._limits.connect_s
        if connect is None or (left is not None and left < connect):
            connect = left
        return {"connect": connect, "read": left, "write": left, "pool": left}

    def resume(self) -> None:
        """Start the time between two events, because the caller asks for more."""
        self._phase = "between_events"
        self._set_read_by(self._limits.between_events_s)

    def _set_read_by(self, seconds: float | None) -> None:
        if seconds is None:
            self.read_by = self._total
            return
        read_by = time.monotonic() + seconds
        self.read_by = read_by if self._total is None or read_by < self._total else self._total

    def left_s(self) -> float | None:
        """Return the seconds until the next read must be finished; None for no limit."""
        return None if self.read_by is None else max(self.read_by - time.monotonic(), 0.0)

    def must_fit(self, seconds: float) -> None:
        """Raise a WireError if the call's total time does not allow a wait of so many seconds."""
        if self._total is not None and time.monotonic() + seconds >= self._total:
            raise self._out_of_time()

    def expired(self, connecting: bool = False) -> WireError:
        """Return the error for the limit that was exceeded.

        Args:
            connecting: Whether no connection was made yet.
        """
        limits = self._limits
        if self._total is not None and time.monotonic() >= self._total - _CLOCK_STEP_S:
            return self._out_of_time()
        if connecting:
            return WireError(f"no connection within {limits.connect_s} s", "connect")
        if self._phase == "first_event":
            return WireError(f"no part of the answer arrived within {limits.first_event_s} s", "first_event")
        return WireError(f"the stream paused for more than {limits.between_events_s} s", "between_events")

    def _out_of_time(self) -> WireError:
        return WireError(f"the call took longer than {self._limits.total_s} s in all", "total")
