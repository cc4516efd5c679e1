"""Suggest the names that a misspelled name is similar to."""

from __future__ import annotations

from collections.abc import Iterable


def similar_names(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return at most `limit` of the `known` names that are similar to `name`, whatever their case."""
    from difflib import get_close_matches  # noqa: PLC0415  needed only for an error

    originals = {each.lower(): each for each in known}
    return [originals[each] for each in get_close_matches(name.lower(), originals, n=limit, cutoff=0.6)]


def did_you_mean(name: str, known: tuple[str, ...] | list[str]) -> str:
    """Return `: did you mean ...?`, or the list of all names where none is similar and the list is short."""
    if close := similar_names(name, known):
        return f": did you mean {' or '.join(close)}?"
    return f"; there are {', '.join(known)}" if len(known) <= 30 else ""
