"""Rate limits of an account, read from the headers of a reply in every provider's spelling.

Sources, read 2026-11-28:
https://platform.openai.com/docs/guides/rate-limits (also Groq, xAI, DeepInfra, Azure), https://docs.claude.com/en/api/rate-limits,
https://docs.mistral.ai/deployment/laplateforme/tier, https://openrouter.ai/docs/api-reference/limits,
https://docs.together.ai/docs/rate-limits, https://docs.fireworks.ai/guides/quotas_usage/rate-limits,
https://inference-docs.cerebras.ai/support/rate-limits, Cohere's replies to trial keys,
https://huggingface.co/docs/hub/rate-limits, https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
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


_NAME: Final = re.compile(r"rate-?limit|tokenlimit|call-(limit|remaining)")
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
    "1s": "second",
    "1m": "minute",
    "1h": "hour",
    "1d": "day",
}
_WINDOW_OF_S: Final[Mapping[float, str]] = {1: "second", 60: "minute", 3600: "hour", 86400: "day"}
_FACTS: Final = ("remaining", "reset", "limit")
_PREFIXES: Final = frozenset({"x", "anthropic", "rate", "ratelimit", "limit"})
_KNOWN: Final = frozenset({*_WORD, *_SIDE, *_WINDOWS, *_FACTS, *_PREFIXES})

# The structured fields of the IETF's drafts: `"default";q=100;w=60`, `"default";r=50;t=30`, `limit=100, remaining=50`.
_STRUCTURED: Final = frozenset({"ratelimit", "ratelimit-policy"})
_PARAMETER: Final = re.compile(r"(\w+)=([\d.]+)", re.ASCII)
_PARAMETERS: Final[Mapping[str, str]] = {
    "q": "limit",
    "r": "remaining",
    "t": "reset",
    "w": "window",
    "limit": "limit",
    "remaining": "remaining",
    "reset": "reset",
}

_NUMBER: Final = re.compile(r"\+?\d+(\.\d*)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_UNIT_S: Final[Mapping[str, float]] = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "Âµs": 1e-6,  # headers are read as Latin-1, some are written as UTF-8
    "ms": 1e-3,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86400,
}
_PART: Final = re.compile(rf"(\d+(?:\.\d+)?)({'|'.join(_UNIT_S)})", re.ASCII)
_SPAN: Final = re.compile(f"(?:{_PART.pattern})+", re.ASCII)
_EPOCH_S: Final = 1e9  # a larger number is a point in time, not a span; no span is longer
_EPOCH_MS: Final = 1e12
_MOST: Final = 1e15  # no account has a larger limit
_LONGEST_TEXT: Final = 200


def rate_limits_from(headers: Mapping[str, str], received_at: float = 0.0) -> RateLimits | None:
    """Return the rate limits that headers report, None where they report none. Values that cannot be are left out.

    Args:
        headers: Headers by their names in lower case.
        received_at: When the reply came, in seconds since 1970; points in time are counted from there, and left out
            if it is 0.
    """
    found: dict[tuple[Unit, str, str], dict[str, float]] = {}
    for name, value in headers.items():
        if not _NAME.search(name) or len(value) > _LONGEST_TEXT:
            continue
        if name in _STRUCTURED:
            _add_structured(value, found)
            continue
        words = name.split("-")
        fact = next((fact for fact in _FACTS if fact in words[1:]), None)
        if fact is None or (key := _limit_of(words)) is None:
            continue
        if (number := _value(value, fact, received_at)) is not None:
            found.setdefault(key, {})[fact] = number
    limits = [
        RateLimit(unit, window, facts.get("limit"), facts.get("remaining"), facts.get("reset"))
        for (unit, window, _), facts in found.items()
    ]
    return RateLimits(tuple(limits)) if limits else None


def _limit_of(words: list[str]) -> tuple[Unit, str, str] | None:
    """Return unit, window and other words of a header's name, such as "project"; None for another kind of limit."""
    units: list[Unit] = [each[word] for each in (_SIDE, _WORD) for word in words if word in each]
    others = "-".join(word for word in words if word not in _KNOWN)
    if not units and others:
        return None
    window = next((_WINDOWS[word] for word in words if word in _WINDOWS), "")
    return (units[0] if units else "requests"), window, others


def _add_structured(text: str, found: dict[tuple[Unit, str, str], dict[str, float]]) -> None:
    """Add the limits of `RateLimit` or `RateLimit-Policy`; both name the same limit by the same string."""
    names = re.findall(r'"([^"]*)"[^",]*(?:,|$)', text)
    members = text.split(",") if names else [text]
    for at, member in enumerate(members):
        other = names[at] if at < len(names) else ""
        given = {_PARAMETERS[name]: _number(value) for name, value in _PARAMETER.findall(member) if name in _PARAMETERS}
        facts = {fact: number for fact, number in given.items() if number is not None and _is_possible(number, fact)}
        known = next((key for key in found if key[2] == f"policy {other}"), None)
        window = _WINDOW_OF_S.get(facts.pop("window", 0), "") or (known[1] if known else "")
        earlier = found.pop(known) if known else {}
        if facts or earlier:
            found["requests", window, f"policy {other}"] = {**earlier, **facts}


def _value(text: str, fact: str, received_at: float) -> float | None:
    """Return the number of a header; a reset becomes seconds from the reply on. None for what cannot be."""
    text = text.split(",", maxsplit=1)[0].split(";", maxsplit=1)[0].strip()
    number = _number(text)
    if fact == "reset":
        if number is None:
            number = _span_s(text) if _SPAN.fullmatch(text) else _until(_point_in_time(text), received_at)
        elif number >= _EPOCH_S:
            number = _until(number / 1000 if number >= _EPOCH_MS else number, received_at)
    return number if number is not None and _is_possible(number, fact) else None


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _is_possible(number: float, fact: str) -> bool:
    return 0 <= number <= (_EPOCH_S if fact == "reset" else _MOST)


def _span_s(text: str) -> float:
    """Return the seconds of `6m0s`."""
    return sum(float(number) * _UNIT_S[unit] for number, unit in _PART.findall(text))


def _until(point: float | None, received_at: float) -> float | None:
    """Return the seconds from the reply to a point in time, 0 if it is over."""
    return max(point - received_at, 0.0) if point is not None and received_at else None


def _point_in_time(text: str) -> float | None:
    """Return the seconds since 1970 of a date of RFC 3339; one without a zone is in UTC."""
    try:
        date = datetime.fromisoformat(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
