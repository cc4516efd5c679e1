"""Fetches the catalogue anew into the user's cache folder.

    <cache folder>/profiles/current.json            which of the folders is in use (`RefreshedSnapshot`)
    <cache folder>/profiles/<start of its sha256>/  a snapshot

A snapshot is complete before `current.json` names it, and stays while processes that started before may read it, until
the next refresh but one. Whatever fails, the one in use stays as it was.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from msgflux_like.catalog.active_snapshot import (
    CURRENT,
    RefreshedSnapshot,
    active_snapshot,
    find_refreshed,
    refreshed_folder,
    shipped,
)
from msgflux_like.catalog.snapshot import SOURCE_URL, read_api, write_atomically, write_snapshot
from msgflux_like.catalog.snapshot_diff import SnapshotDiff, diff_profiles
from msgflux_like.catalog.snapshot_reader import Snapshot, SnapshotError
from msgflux_like.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Fetch = Callable[[str, Mapping[str, str]], tuple[int, Mapping[str, str], bytes]]

_OK, _NOT_MODIFIED = 200, 304

SNAPSHOT_FOLDERS = "[0-9a-f]" * 16


class RefreshReport(Struct, frozen=True, kw_only=True):
    """What a refresh did.

    Attributes:
        url: Where the catalogue came from.
        changed: Whether another snapshot than before is in use now.
        newest_entry: The latest change in the one in use.
        providers: How many there are.
        models: How many are listed.
        retired: How many are known that are listed no more.
        diff: What changed.
    """

    url: str
    changed: bool
    newest_entry: date
    providers: int
    models: int
    retired: int
    diff: SnapshotDiff


def refresh_profiles(
    *, fetch: Fetch, url: str | None = None, folder: Path | None = None, today: date | None = None
) -> RefreshReport:
    """Fetch the catalogue, check it, and use it from now on; this process at once, others when they start.

    Args:
        fetch: Given a URL and headers, it answers with status, headers (names in lower case) and body. What it
            raises is passed on.
        url: Of an `api.json`; else `MSGFLUX_LIKE_PROFILES_URL`, else https://models.dev/api.json.
        folder: Where snapshots are kept; else the user's cache folder.
        today: The day to note; else that of the clock, in UTC.

    Raises:
        InvalidRequestError: The URL is neither https nor of this machine.
        SnapshotError: The answer is no catalogue, or less than half of the one in use; that stays in use.
        OSError: The folder cannot be written to.
    """
    url = url or os.environ.get("MSGFLUX_LIKE_PROFILES_URL") or SOURCE_URL
    if not _is_safe(url):
        raise InvalidRequestError(f"profiles are fetched by https or from this machine, not from {url}")
    folder, today = folder or refreshed_folder(), today or datetime.now(UTC).date()
    current, before = _in_use(folder)
    headers = {"accept": "application/json"}
    if current and current.etag and current.url == url:
        headers["if-none-match"] = current.etag
    status, reply_headers, body = fetch(url, headers)
    if status == _NOT_MODIFIED and current:
        _use(folder, msgspec.structs.replace(current, fetched_on=today))
        return _report(url, before, SnapshotDiff())
    if status != _OK:
        raise SnapshotError(f"{url} answered with status {status}; the profiles stay as they are")
    try:
        kept_in = _keep(body, folder, url, before)
    except SnapshotError as error:
        raise SnapshotError(f"what {url} sent is not used: {error}") from error
    _use(folder, RefreshedSnapshot(folder=kept_in.name, fetched_on=today, url=url, etag=reply_headers.get("etag")))
    _remove_others(folder, keep={kept_in, before.folder})
    return _report(url, Snapshot(kept_in), diff_profiles(before, body))


def _is_safe(url: str) -> bool:
    from urllib.parse import urlsplit  # noqa: PLC0415  parses text, opens nothing

    from msgflux_like._wire.urls import is_private_connection  # noqa: PLC0415  imports urllib.parse

    return is_private_connection(urlsplit(url))


def _in_use(folder: Path) -> tuple[RefreshedSnapshot | None, Snapshot]:
    """The fetched snapshot if it is whole, else the shipped one; a broken one must not answer "not modified"."""
    try:
        if current := find_refreshed(folder):
            snapshot = Snapshot(folder / current.folder)
            read_api(snapshot)
            snapshot.retired_table()
            return current, snapshot
    except SnapshotError:
        pass
    return None, shipped()


def _keep(api: bytes, folder: Path, url: str, before: Snapshot) -> Path:
    """The folder of the snapshot of `api`; made under another name, so that it is there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = Path(tempfile.mkdtemp(dir=folder, prefix=".unfinished-"))
    try:
        summary = write_snapshot(
            api,
            unfinished,
            source=url,
            older=[read_api(before)],
            retired=shipped().retired_table() | before.retired_table(),
            mode=0o600,
        )
        listed = sum(1 for _ in before.models())
        if summary.models * 2 < listed:
            raise SnapshotError(f"it lists {summary.models} models, less than half of the {listed} known before")
        final = folder / Snapshot(unfinished).index.sha256[:16]
        if final != before.folder:
            shutil.rmtree(final, ignore_errors=True)
            unfinished.replace(final)
        return final
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _use(folder: Path, snapshot: RefreshedSnapshot) -> None:
    write_atomically(folder / CURRENT, msgspec.json.encode(snapshot))
    active_snapshot.reset()


def _remove_others(folder: Path, keep: set[Path]) -> None:
    for path in folder.glob(SNAPSHOT_FOLDERS):  # not the unfinished ones: they may be another process's
        if path not in keep:
            shutil.rmtree(path, ignore_errors=True)


def _report(url: str, now: Snapshot, diff: SnapshotDiff) -> RefreshReport:
    return RefreshReport(
        url=url,
        changed=bool(diff),
        newest_entry=now.index.newest_entry,
        providers=len(now.index.providers),
        models=sum(1 for _ in now.models()),
        retired=sum(1 for _ in now.retired_models()),
        diff=diff,
    )
