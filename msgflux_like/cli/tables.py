"""Plain text tables: aligned columns, and cards of labelled facts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

_WIDTH = 110


class Column(NamedTuple):
    """The title of a column, and whether its cells are right-aligned, as numbers are."""

    title: str
    right: bool = False


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a line with the titles and a line for each row; omit empty columns."""
    cells = [[_one_line(cell) for cell in row] for row in rows]
    shown = [index for index in range(len(columns)) if any(row[index] for row in cells)]
    widths = {index: max(len(row[index]) for row in [[each.title for each in columns], *cells]) for index in shown}
    for row in ([each.title for each in columns], *cells):
        yield "  ".join(
            row[index].rjust(widths[index]) if columns[index].right else row[index].ljust(widths[index])
            for index in shown
        ).rstrip()


def card(facts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield each label with its fact, wrapped; omit labels without a fact. An empty label continues the one above."""
    present = [(label, _one_line(fact)) for label, fact in facts if fact]
    width = max((len(label) for label, _ in present), default=0) + 2
    for label, fact in present:
        yield from textwrap.wrap(
            fact,
            _WIDTH,
            initial_indent=label.ljust(width),
            subsequent_indent=" " * width,
            break_long_words=False,
            break_on_hyphens=False,
        )


def short_size(tokens: int | None) -> str:
    """Return a number of tokens in short form, such as 128k or 1.05M; "" if it is unknown."""
    if tokens is None:
        return ""
    if tokens < 1000:
        return str(tokens)
    digits = f"{tokens / 1_000_000:.2f}" if tokens >= 999_950 else f"{tokens / 1000:.1f}"
    return digits.rstrip("0").rstrip(".") + ("M" if tokens >= 999_950 else "k")


def dollars(amount: float | Decimal) -> str:
    """Format US dollars with at least two decimals: a Decimal with all its digits, a float to the millionth."""
    whole, _, cents = f"{amount:{'f' if isinstance(amount, Decimal) else '.6f'}}".partition(".")
    return f"{whole}.{cents.rstrip('0').ljust(2, '0')}"


def dollar_range(low: Decimal | None, high: Decimal | None) -> str:
    """Format a range of prices; without its end if `high` is unknown, "" if `low` is."""
    if low is None:
        return ""
    if high is None:
        return f"{dollars(low)}.."
    return dollars(low) if low == high else f"{dollars(low)}..{dollars(high)}"


def _one_line(text: str) -> str:
    return " ".join(text.split()) if text else ""
