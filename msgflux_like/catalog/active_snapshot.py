"""The choice of the snapshot in use: the one that the user fetched, or the one that ships with the package."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from msgflux_like._paths import cache_folder, data_folder
from msgflux_like.catalog.snapshot_reader import Snapshot, SnapshotError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CURRENT = "current.json"
"""Name of the file, in the folder of fetched snapshots, that names the one in use (a `RefreshedSnapshot`)."""

_T = TypeVar("_T")


class RefreshedSnapshot(Struct, frozen=True):
    """The content of `current.json`: the fetched snapshot in use.

    Attributes:
        folder: Name of its folder, which is in the same folder as `current.json`.
        fetched_on: Day of the fetch, in UTC.
        url: URL it was fetched from.
        etag: ETag of the reply, sent with the next request so that an unchanged catalogue is not sent again.
    """

    folder: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]
    fetched_on: date
    url: str
    etag: str | None = None


class ActiveSnapshot:
    """The snapshot in use: the fetched one if it can be read and is not older, else the shipped one.

    A damaged fetched snapshot is reported in `problem` and not used again until `reset`; a damaged shipped one raises.

    Attributes:
        problem: Why the fetched snapshot is not used; None if it is, or if there is none.
    """

    def __init__(self) -> None:
        self.problem: str | None = None
        self._snapshot: Snapshot | None = None

    def reset(self) -> None:
        """Choose the snapshot again at the next look-up."""
        self.problem = self._snapshot = None

    def ask(self, function: Callable[[Snapshot], _T]) -> _T:
        """Call a function with the snapshot in use; if that proves damaged, call it with the shipped one instead."""
        snapshot = self._snapshot or self._choose()
        try:
            return function(snapshot)
        except SnapshotError as error:
            own = shipped()
            if snapshot.folder == own.folder:
                raise
            self.problem, self._snapshot = str(error), own
            return function(own)

    def _choose(self) -> Snapshot:
        own = shipped()
        try:
            refreshed = find_refreshed()
        except SnapshotError as error:
            self.problem, refreshed = str(error), None
        # After an upgrade of the package its own snapshot may be the newer one.
        if refreshed is None or refreshed.fetched_on < own.index.newest_entry:
            chosen = own
        else:
            chosen = Snapshot(refreshed_folder() / refreshed.folder)
        self._snapshot = chosen
        return chosen


active_snapshot = ActiveSnapshot()
"""The snapshot that this process uses."""


def shipped() -> Snapshot:
    """Return the snapshot that ships with the package."""
    return Snapshot(data_folder("profiles"))


def refreshed_folder() -> Path:
    """Return the folder of fetched snapshots, without creating it."""
    return cache_folder() / "profiles"


def find_refreshed(folder: Path | None = None) -> RefreshedSnapshot | None:
    """Return which fetched snapshot is in use; None if none was fetched.

    Args:
        folder: Folder of fetched snapshots; default: the user's.

    Raises:
        SnapshotError: `current.json` cannot be read.
    """
    try:
        content = ((folder or refreshed_folder()) / CURRENT).read_bytes()
        return msgspec.json.decode(content, type=RefreshedSnapshot)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, RecursionError, RuntimeError) as error:  # RuntimeError: no home folder
        raise SnapshotError(f"{CURRENT} of the fetched profiles cannot be read: {error}") from error
