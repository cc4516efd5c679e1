"""`msgflux-like providers`: every provider, how it is reached, or why it is not."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from msgflux_like.catalog.profiles import get_provider_profile
from msgflux_like.cli import reach
from msgflux_like.cli.output import complain, say, say_json
from msgflux_like.cli.tables import Column, table
from msgflux_like.providers import resolve
from msgflux_like.providers.config import has_key

_COLUMNS = (
    Column("provider"),
    Column("models", right=True),
    Column("dialect"),
    Column("key"),
    Column("base URL, or what stands in the way"),
)


def list_providers(options: argparse.Namespace) -> int:
    """A table, or JSON; nothing found is a failure."""
    found = list(_found(options.text.casefold(), ready=options.ready))
    if not found:
        complain("msgflux-like providers: there is none of that name" + (" that is ready" if options.ready else ""))
        return 1
    if options.json:
        say_json(map(_facts, found))
    else:
        say(*table(_COLUMNS, map(_row, found)))
    return 0


def _found(text: str, *, ready: bool) -> Iterator[reach.Found]:
    for name in resolve.provider_names():
        known = get_provider_profile(name)
        if text in name or (known and text in known.name.casefold()):
            found = reach.find(name)
            if not ready or (found.row is not None and has_key(found.row)):
                yield found


def _row(found: reach.Found) -> tuple[str, ...]:
    if found.row is None:
        return found.name, _models(found.name), "", "", found.problem
    url = reach.address(found.row)[0]
    return found.name, _models(found.name), found.row.dialect, reach.key_words(found.row), url


def _models(name: str) -> str:
    known = get_provider_profile(name)
    return str(len(known.models)) if known else ""


def _facts(found: reach.Found) -> dict[str, Any]:
    known, row = get_provider_profile(found.name), found.row
    return {
        "provider": found.name,
        "name": known.name if known else None,
        "models": len(known.models) if known else None,
        "dialect": row.dialect if row else None,
        "base_url": reach.address(row)[0] if row and not row.embedded else None,
        "api_key_env": row.api_key_env if row else None,
        "key_required": row.key_required if row else None,
        "ready": row is not None and has_key(row),
        "problem": found.problem or None,
        "docs": row.docs if row else known.doc if known else None,
    }
