"""`msgflux-like profiles`: the catalogue in use, the differences between catalogues, and the refresh."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from msgflux_like.catalog.active_snapshot import active_snapshot
from msgflux_like.catalog.snapshot import read_api
from msgflux_like.catalog.snapshot_diff import EntryChange, SnapshotDiff, diff_profiles
from msgflux_like.catalog.snapshot_reader import Snapshot
from msgflux_like.cli.doctor import profile_facts
from msgflux_like.cli.output import echo
from msgflux_like.cli.provider_status import shown_url
from msgflux_like.cli.tables import card
from msgflux_like.models.profiles import all_profiles, provider_ids, refresh_profiles, snapshot_info


def refresh(options: argparse.Namespace) -> int:
    """Refresh the catalogue and print a summary of the changes; `profiles diff` prints all of them."""
    report = refresh_profiles(url=options.url)
    what = f"{report.models:,} models of {report.providers} providers up to {report.newest_entry}"
    echo(f"{shown_url(report.url)}: {what}, and {report.retired:,} that left")
    changed = report.diff
    if not changed:
        echo("nothing changed")
        return 0
    counts = (("new", changed.added), ("gone", changed.removed), ("changed", changed.changed))
    echo("models: " + ", ".join(f"{len(models):,} {word}" for word, models in counts))
    echo(*_provider_lines(changed))
    return 0


def diff(options: argparse.Namespace) -> int:
    """Print a line for each new (+), removed (-) and changed (~) entry."""
    new = _api(Path(options.new)) if options.new else active_snapshot.ask(read_api)
    changed = diff_profiles(_api(Path(options.old)), new)
    if not changed:
        echo("nothing changed")
    echo(*_provider_lines(changed), *_model_lines(changed))
    return 0


def info(_options: argparse.Namespace) -> int:
    """Print the origin, the age and the size of the catalogue in use."""
    listed = len(all_profiles())
    facts = (
        *profile_facts(datetime.now(UTC).date()),
        ("sha256", f"{snapshot_info().sha256} (of the api.json)"),
        ("models", f"{listed:,} of {len(provider_ids())} providers"),
        ("retired", f"{len(all_profiles(retired=True)) - listed:,} that left the catalogue"),
    )
    echo(*card(facts))
    return 0


def _api(path: Path) -> bytes:
    return read_api(Snapshot(path)) if path.is_dir() else path.read_bytes()


def _provider_lines(changed: SnapshotDiff) -> Iterator[str]:
    """Yield the changes of providers. They are always shown, because a new `api` changes the host that keys go to."""
    yield from (f"+ provider {name}" for name in changed.providers_added)
    yield from (f"- provider {name}" for name in changed.providers_removed)
    for entry in changed.providers_changed:
        yield from _changes("provider ", entry)


def _model_lines(changed: SnapshotDiff) -> Iterator[str]:
    yield from (f"+ {path}" for path in changed.added)
    yield from (f"- {path}" for path in changed.removed)
    for entry in changed.changed:
        yield from _changes("", entry)


def _changes(kind: str, entry: EntryChange) -> Iterator[str]:
    for change in entry.fields:
        yield f"~ {kind}{entry.path}  {change.field}: {_json_text(change.old)} -> {_json_text(change.new)}"


def _json_text(value: Any) -> str:
    return "not given" if value is None else msgspec.json.encode(value).decode()
