"""Refresh of the catalogue: fetch a newer one, check it, and store it as a snapshot in the user's cache folder.

Theory of operation

    <cache folder>/profiles/current.json            which snapshot is in use (`RefreshedSnapshot`)
    <cache folder>/profiles/.unfinished-*/          a snapshot that is being written
    <cache folder>/profiles/<start of its sha256>/  a complete snapshot

1. The request carries the ETag of the snapshot in use if that is undamaged. After "304 Not Modified" only its date is
   updated.
2. The reply is checked from end to end, and refused if it has less than half of the models known before.
3. The snapshot is written to an unfinished folder, which is then renamed, so that it exists whole or not at all.
4. `current.json` is replaced atomically. From then on, new processes use the new snapshot.
5. All snapshots but the new one and its predecessor are removed: processes that started before may still read that.

If any step fails, the snapshot in use is unchanged.
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

_SNAPSHOT_FOLDER_GLOB = "[0-9a-f]" * 16


class RefreshReport(Struct, frozen=True, kw_only=True):
    """The result of a refresh.

    Attributes:
        url: URL of the catalogue.
        changed: Whether the profiles differ from those in use before.
        newest_entry: Day of the latest change in the profiles in use.
        providers: Number of providers.
        models: Number of listed models.
        retired: Number of retired models.
        diff: Differences from the profiles in use before.
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
    """Fetch the newest catalogue, check it, and store it; see `msgflux_like.models.profiles.refresh_profiles`.

    Args:
        fetch: Function that takes a URL and headers and returns status, headers (names in lower case) and body. Its
            exceptions are passed on.
        url: URL of an `api.json`; default: `MSGFLUX_LIKE_PROFILES_URL`, else https://models.dev/api.json.
        folder: Folder of the snapshots; default: in the user's cache folder.
        today: Day to record; default: the current day in UTC.

    Raises:
        InvalidRequestError: The URL is neither https nor on this machine.
        SnapshotError: The reply is not a catalogue, or has less than half of the models of the one in use.
        OSError: The folder cannot be written.
    """
    url = url or os.environ.get("MSGFLUX_LIKE_PROFILES_URL") or SOURCE_URL
    if not _is_safe(url):
        raise InvalidRequestError(f"the URL of the profiles must be https, or http on this machine; got {url}")
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
        raise SnapshotError(f"{url} answered with status {status}; the profiles in use are unchanged")
    try:
        stored = _store(body, folder, url, before)
    except SnapshotError as error:
        raise SnapshotError(f"the reply of {url} is not used: {error}") from error
    _use(folder, RefreshedSnapshot(folder=stored.name, fetched_on=today, url=url, etag=reply_headers.get("etag")))
    _remove_others(folder, keep={stored, before.folder})
    return _report(url, Snapshot(stored), diff_profiles(before, body))


def _is_safe(url: str) -> bool:
    from urllib.parse import urlsplit  # noqa: PLC0415  parses text, opens nothing

    from msgflux_like._wire.urls import is_private_connection  # noqa: PLC0415  imports urllib.parse

    return is_private_connection(urlsplit(url))


def _in_use(folder: Path) -> tuple[RefreshedSnapshot | None, Snapshot]:
    """Return the fetched snapshot if it is undamaged, else the shipped one.

    Reading it whole ensures that "304 Not Modified" does not confirm a damaged snapshot.
    """
    try:
        if current := find_refreshed(folder):
            snapshot = Snapshot(folder / current.folder)
            read_api(snapshot)
            snapshot.retired_table()
            return current, snapshot
    except SnapshotError:
        pass
    return None, shipped()


def _store(api: bytes, folder: Path, url: str, before: Snapshot) -> Path:
    """Write the snapshot of `api` and return its folder."""
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
            raise SnapshotError(f"it lists {summary.models} models, less than half of the {listed} in use")
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
    for path in folder.glob(_SNAPSHOT_FOLDER_GLOB):  # not the unfinished ones: another process may be writing them
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
