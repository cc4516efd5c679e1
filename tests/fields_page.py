"""Write docs/fields.md: how many of the documented fields of replies and calls are kept, for each dialect.

python -m tests.fields_page
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from tests.dialects.marks import SPEAKERS, is_reachable, outcome

PAGE: Final = Path(__file__).parents[1] / "docs" / "fields.md"
_HEAD: Final = """# Fields of replies and calls

<!-- Generated from tests/dialects/fields by `python -m tests.fields_page`. -->

For each dialect, a table in `tests/dialects/fields` lists the documented fields of its replies and the fields of a
call, with the addresses of the documentation. The tests put a mark in one field at a time and look for it.

"""
_REPLIES: Final = """## Replies

A field of a reply is on a typed attribute of the response (`text`, `tool_calls`, `citations`, `metadata`, `message`,
`events()` and others) or, by the provider's own name, in `response.provider_fields`. `response.raw` has the whole
reply.

"""
_CALLS: Final = """## Calls

A field of a message, part, tool, call or result is sent, or named in `plan.changes` and `response.changes`, or refused
with an error before anything is sent. With `changes="refuse"`, a change is refused as well.

"""
_REPLY_COLUMNS: Final = ("dialect", "model", "whole", "streamed", "only in `raw`")
_CALL_COLUMNS: Final = ("dialect", "model", "fields", "sent", "noted", "refused", "lost")


def page() -> str:
    """Return the page."""
    replies = _table(_REPLY_COLUMNS, map(_reply, SPEAKERS))
    calls = _table(_CALL_COLUMNS, map(_call, SPEAKERS))
    return f"{_HEAD}{_REPLIES}{replies}\n{_CALLS}{calls}"


def _reply(name: str) -> tuple[Any, ...]:
    path, dialect, fields = SPEAKERS[name]
    whole = [(row, False) for row in fields.REPLY]
    streamed = [(row, True) for row, (_, events) in fields.REPLY.items() if events is not None]
    only_raw = {row for row, stream in whole + streamed if not is_reachable(name, row, stream=stream, raw=False)}
    counts = [
        f"{sum(is_reachable(name, row, stream=stream) for row, stream in rows)} of {len(rows)}"
        for rows in (whole, streamed)
    ]
    return f"`{dialect}`", f"`{path}`", *counts, len(only_raw)


def _call(name: str) -> tuple[Any, ...]:
    path, dialect, fields = SPEAKERS[name]
    counts = Counter(outcome(name, row) for row in fields.REQUEST)
    of = [counts[each] for each in ("sent", "noted", "refused", None)]
    return f"`{dialect}`", f"`{path}`", len(fields.REQUEST), *of


def _table(columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
