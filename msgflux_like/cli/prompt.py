"""What is asked: the words of the command line, and what is piped in."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from msgflux_like.cli.output import UsageError


def words_and_pipe(words: Sequence[str]) -> str:
    """The words of the command line, and what is piped in."""
    return "\n\n".join(filter(None, (" ".join(words).strip(), _piped())))


def _piped() -> str:
    if sys.stdin is None or sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison]  None under pythonw
        return ""
    try:
        piped = sys.stdin.read().strip()
        piped.encode()  # Python may have let half a character through
    except UnicodeError:
        raise UsageError("what is piped in is not text") from None
    return piped
