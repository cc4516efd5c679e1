"""The retry policy: which failures are retried, how often, and after how long a wait (backoff, Retry-After)."""

from __future__ import annotations

import random
from collections.abc import Callable

from msgspec import Struct

from msgflux_like._http.steps import Head
from msgflux_like.errors import APIError

_FIRST_WAIT_S = 0.5
_LONGEST_BACKOFF_S = 8.0
_JITTER = 0.25


class Retries(Struct, frozen=True):
    """The retry policy of one call.

    Attributes:
        max_retries: Further requests after the first; 0 means one request.
        longest_wait_s: If the provider asks for a longer wait than this, in seconds, the call fails instead.
    """

    max_retries: int = 2
    longest_wait_s: float = 120.0

    def wait_s(self, attempt: int, error: APIError, jitter: Callable[[], float] = random.random) -> float | None:
        """Return the seconds to wait before the next attempt, or None to give up.

        A wait that the provider asks for (Retry-After) takes precedence. Without one the wait is exponential backoff:
        0.5 s, doubled at each attempt up to 8 s, shortened by a random amount of up to a quarter so that many clients
        do not retry at the same moment.

        Args:
            attempt: Number of the attempt that failed, from 0.
            error: Why it failed.
            jitter: Returns a random number from 0 to 1.
        """
        if not error.retryable or attempt >= self.max_retries:
            return None
        if error.retry_after_s is not None:
            return error.retry_after_s if error.retry_after_s <= self.longest_wait_s else None
        return min(_FIRST_WAIT_S * 2.0**attempt, _LONGEST_BACKOFF_S) * (1 - _JITTER * jitter())


def retry_after_s(head: Head) -> float | None:
    """Return the wait that the provider asks for, in seconds, or None if it sends no readable value.

    `retry-after-ms` takes precedence over `retry-after`, which is a number of seconds or a date.
    """
    if (milliseconds := _number(head.get(b"retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = head.get(b"retry-after")
    if (seconds := _number(value)) is not None or not value:
        return seconds
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  rarely needed, and it imports half of `email`

    try:
        return max(parsedate_to_datetime(value).timestamp() - head.received_at, 0.0)
    except (ValueError, OverflowError):
        return None


def should_retry(head: Head) -> bool | None:
    """Return the provider's own decision (`x-should-retry`), or None if it sends none."""
    return {"true": True, "false": False}.get(head.get(b"x-should-retry"))


def _number(text: str) -> float | None:
    """Return a decimal number without sign and exponent, or None for anything else."""
    try:
        return float(text) if text.replace(".", "", 1).isdigit() else None
    except ValueError:  # digits that are not decimal, such as a superscript two
        return None
