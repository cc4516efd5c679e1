"""Plain text tables: aligned columns, and cards of labelled facts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

_WIDTH = 110


class Column(NamedTuple):
    """A column's title, and whether its cells end at one edge, as numbers do."""

    title: str
    right: bool = False


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A line for the titles and one for each row; a column without any content is left out."""
    cells = [[_one_line(cell) for cell in row] for row in rows]
    shown = [place for place in range(len(columns)) if any(row[place] for row in cells)]
    widths = {place: max(len(row[place]) for row in [[each.title for each in columns], *cells]) for place in shown}
    for row in ([each.title for each in columns], *cells):
        yield "  ".join(
            row[place].rjust(widths[place]) if columns[place].right else row[place].ljust(widths[place])
            for place in shown
        ).rstrip()


def card(facts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A line for each label and its fact, wrapped; those without a fact are left out, a second one has no label."""
    told = [(label, _one_line(fact)) for label, fact in facts if fact]
    width = max((len(label) for label, _ in told), default=0) + 2
    for label, fact in told:
        yield from textwrap.wrap(
            fact,
            _WIDTH,
            initial_indent=label.ljust(width),
            subsequent_indent=" " * width,
            break_long_words=False,
            break_on_hyphens=False,
        )


def short_size(tokens: int | None) -> str:
    """A number of tokens in few letters: 128k, 1.05M; "" for one that is not known."""
    if tokens is None:
        return ""
    if tokens < 1000:
        return str(tokens)
    digits = f"{tokens / 1_000_000:.2f}" if tokens >= 999_950 else f"{tokens / 1000:.1f}"
    return digits.rstrip("0").rstrip(".") + ("M" if tokens >= 999_950 else "k")


def dollars(amount: float | Decimal) -> str:
    """US dollars, at least to the cent: a Decimal with all its digits, a float to the millionth."""
    whole, _, cents = f"{amount:{'f' if isinstance(amount, Decimal) else '.6f'}}".partition(".")
    return f"{whole}.{cents.rstrip('0').ljust(2, '0')}"


def dollar_range(low: Decimal | None, high: Decimal | None) -> str:
    """From the least to the most, without an end where that is not known; "" where nothing is."""
    if low is None:
        return ""
    if high is None:
        return f"{dollars(low)}.."
    return dollars(low) if low == high else f"{dollars(low)}..{dollars(high)}"


def _one_line(text: str) -> str:
    return " ".join(text.split()) if text else ""
