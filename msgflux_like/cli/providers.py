"""`msgflux-like providers`: all providers, and how each is reached or why it is not supported."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from msgflux_like.catalog.profiles import get_provider_profile
from msgflux_like.cli import provider_status
from msgflux_like.cli.output import echo, echo_error, echo_json
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
    """Print a table, or JSON; fail if no provider matches."""
    found = list(_matching(options.text.casefold(), ready=options.ready))
    if not found:
        echo_error("msgflux-like providers: no provider has that name" + (" and is ready" if options.ready else ""))
        return 1
    if options.json:
        echo_json(map(_facts, found))
    else:
        echo(*table(_COLUMNS, map(_row, found)))
    return 0


def _matching(text: str, *, ready: bool) -> Iterator[provider_status.Found]:
    for name in resolve.provider_names():
        known = get_provider_profile(name)
        if text in name or (known and text in known.name.casefold()):
            found = provider_status.find(name)
            if not ready or (found.row is not None and has_key(found.row)):
                yield found


def _row(found: provider_status.Found) -> tuple[str, ...]:
    if found.row is None:
        return found.name, _models(found.name), "", "", found.problem
    url = provider_status.address(found.row)[0]
    return found.name, _models(found.name), found.row.dialect, provider_status.key_words(found.row), url


def _models(name: str) -> str:
    known = get_provider_profile(name)
    return str(len(known.models)) if known else ""


def _facts(found: provider_status.Found) -> dict[str, Any]:
    known, row = get_provider_profile(found.name), found.row
    return {
        "provider": found.name,
        "name": known.name if known else None,
        "models": len(known.models) if known else None,
        "dialect": row.dialect if row else None,
        "base_url": provider_status.address(row)[0] if row and not row.embedded else None,
        "api_key_env": row.api_key_env if row else None,
        "key_required": row.key_required if row else None,
        "ready": row is not None and has_key(row),
        "problem": found.problem or None,
        "docs": row.docs if row else known.doc if known else None,
    }
