"""Rate limits of an account, read from the headers of a reply in every provider's spelling.

Sources, read 2026-11-28:
https://platform.openai.com/docs/guides/rate-limits (also Groq, xAI, DeepInfra, Azure), https://docs.claude.com/en/api/rate-limits,
https://docs.mistral.ai/deployment/laplateforme/tier, https://openrouter.ai/docs/api-reference/limits,
https://docs.together.ai/docs/rate-limits, https://docs.fireworks.ai/guides/quotas_usage/rate-limits,
https://inference-docs.cerebras.ai/support/rate-limits, https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

Unit = Literal["requests", "tokens", "input_tokens", "output_tokens"]


class RateLimit(Struct, frozen=True):
    """One limit of an account.

    Attributes:
        unit: Which quantity is limited.
        window: Length of the window where the header names it: "second", "minute", "hour", "day", "month"; else "".
        limit: How much the window allows, None where it is not reported.
        remaining: How much is left in this window, None where it is not reported.
        reset_s: Seconds from the reply until the window is full again, None where it is not reported.
    """

    unit: Unit
    window: str = ""
    limit: float | None = None
    remaining: float | None = None
    reset_s: float | None = None


class RateLimits(Struct, frozen=True):
    """The limits that a reply reported. Where a unit has several windows, the attribute has the tightest.

    Attributes:
        every: All limits, each window apart.

    Example:
        >>> limits = rate_limits_from({"x-ratelimit-remaining-requests": "9", "x-ratelimit-reset-requests": "6m0s"})
        >>> limits.requests.remaining, limits.requests.reset_s
        (9.0, 360.0)
    """

    every: tuple[RateLimit, ...]

    @property
    def requests(self) -> RateLimit | None:
        """The limit of requests."""
        return self._tightest("requests")

    @property
    def tokens(self) -> RateLimit | None:
        """The limit of tokens, input and output together."""
        return self._tightest("tokens")

    @property
    def input_tokens(self) -> RateLimit | None:
        """The limit of input tokens, if the provider limits them separately."""
        return self._tightest("input_tokens")

    @property
    def output_tokens(self) -> RateLimit | None:
        """The limit of output tokens, if the provider limits them separately."""
        return self._tightest("output_tokens")

    def _tightest(self, unit: Unit) -> RateLimit | None:
        known = [each for each in self.every if each.unit == unit]
        return min(known, key=lambda each: float("inf") if each.remaining is None else each.remaining, default=None)


_NAME: Final = re.compile(r"rate-?limit|tokenlimit|call-limit")
_WORD: Final[Mapping[str, Unit]] = {
    "requests": "requests",
    "request": "requests",
    "req": "requests",
    "call": "requests",
    "tokens": "tokens",
    "token": "tokens",
    "tokenlimit": "tokens",
    "ratelimitbysize": "tokens",
}
_SIDE: Final[Mapping[str, Unit]] = {
    "input": "input_tokens",
    "prompt": "input_tokens",
    "output": "output_tokens",
    "generated": "output_tokens",
    "completion": "output_tokens",
}
_WINDOWS: Final[Mapping[str, str]] = {
    "second": "second",
    "minute": "minute",
    "hour": "hour",
    "day": "day",
    "month": "month",
    "monthly": "month",
    "daily": "day",
}
_FACTS: Final = ("remaining", "reset", "limit")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|us|s|m|h|d)")
_SECONDS: Final[Mapping[str, float]] = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}
_EPOCH_S: Final = 1e9  # a larger number is a point in time, not a span
_EPOCH_MS: Final = 1e12


def rate_limits_from(headers: Mapping[str, str], received_at: float = 0.0) -> RateLimits | None:
    """Return the rate limits that headers report, None where they report none.

    Args:
        headers: Headers by their names in lower case.
        received_at: When the reply came, in seconds since 1970; points in time are counted from there.
    """
    found: dict[tuple[Unit, str], dict[str, float]] = {}
    for name, value in headers.items():
        if not _NAME.search(name):
            continue
        words = name.split("-")
        fact = next((fact for fact in _FACTS if fact in words[1:]), None)
        if fact is None or (number := _number(value, fact, received_at)) is None:
            continue
        units: list[Unit] = [_SIDE[word] for word in words if word in _SIDE] or [
            _WORD[word] for word in words if word in _WORD
        ]
        unit: Unit = units[0] if units else "requests"
        window = next((_WINDOWS[word] for word in words if word in _WINDOWS), "")
        found.setdefault((unit, window), {})[fact] = number
    if not found:
        return None
    return RateLimits(
        tuple(
            RateLimit(unit, window, facts.get("limit"), facts.get("remaining"), facts.get("reset"))
            for (unit, window), facts in found.items()
        )
    )


def _number(text: str, fact: str, received_at: float) -> float | None:
    """Return the number of a header, None for none; a reset becomes seconds from the reply on."""
    text = text.strip().split(",")[0].split(";")[0]
    try:
        number = float(text)
    except ValueError:
        return _span_s(text, received_at) if fact == "reset" else None
    if not 0 <= number < float("inf"):
        return None
    if fact != "reset" or number < _EPOCH_S:
        return number
    return max(number / (1000 if number >= _EPOCH_MS else 1) - received_at, 0.0)


def _span_s(text: str, received_at: float) -> float | None:
    """Return the seconds of `6m0s`, or until a date of RFC 3339."""
    if parts := _DURATION.findall(text):
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    try:
        return max(datetime.fromisoformat(text).timestamp() - received_at, 0.0)
    except (ValueError, OverflowError):
        return None
