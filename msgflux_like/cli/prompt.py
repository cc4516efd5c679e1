"""The prompt of a command, from its arguments and from standard input."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from msgflux_like.cli.output import UsageError


def prompt_from_arguments(words: Sequence[str]) -> str:
    """Return the arguments joined by spaces, followed by what is piped in."""
    return "\n\n".join(filter(None, (" ".join(words).strip(), _piped())))


def _piped() -> str:
    if sys.stdin is None or sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison]  None under pythonw
        return ""
    try:
        piped = sys.stdin.read().strip()
        piped.encode()  # surrogates mark bytes that Python could not decode
    except UnicodeError:
        raise UsageError("the piped input is not text") from None
    return piped
