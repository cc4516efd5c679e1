"""Which snapshot of the catalogue is in use: the one the user fetched, or the one that ships."""

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
"""In the folder of fetched snapshots: the file that names the one in use, a `RefreshedSnapshot`."""

_T = TypeVar("_T")


class RefreshedSnapshot(Struct, frozen=True):
    """Which fetched snapshot is in use.

    Attributes:
        folder: Its folder, beside this file.
        fetched_on: The day it was fetched.
        url: Where it came from.
        etag: What the server called that version, to ask for a newer one only.
    """

    folder: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]
    fetched_on: date
    url: str
    etag: str | None = None


class ActiveSnapshot:
    """The snapshot in use: the fetched one where it can be read and is not older, else the one that ships.

    A broken fetched one is noted in `problem` once and left alone from then on; a broken one of our own raises.
    """

    def __init__(self) -> None:
        self.problem: str | None = None
        self._snapshot: Snapshot | None = None

    def reset(self) -> None:
        """Choose anew at the next question."""
        self.problem = self._snapshot = None

    def ask(self, question: Callable[[Snapshot], _T]) -> _T:
        """The answer of the snapshot in use; one that proves broken while answering is in use no longer."""
        snapshot = self._snapshot or self._choose()
        try:
            return question(snapshot)
        except SnapshotError as error:
            own = shipped()
            if snapshot.folder == own.folder:
                raise
            self.problem, self._snapshot = str(error), own
            return question(own)

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
"""The process's own."""


def shipped() -> Snapshot:
    """The snapshot that came with the package."""
    return Snapshot(data_folder("profiles"))


def refreshed_folder() -> Path:
    """Where fetched snapshots are kept; not created here."""
    return cache_folder() / "profiles"


def find_refreshed(folder: Path | None = None) -> RefreshedSnapshot | None:
    """Which fetched snapshot of `folder` (else of the user's) is in use; None when none was fetched.

    Raises:
        SnapshotError: The file that says so is broken.
    """
    try:
        content = ((folder or refreshed_folder()) / CURRENT).read_bytes()
        return msgspec.json.decode(content, type=RefreshedSnapshot)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, RecursionError, RuntimeError) as error:  # RuntimeError: no home folder
        raise SnapshotError(f"{CURRENT} of the fetched profiles cannot be read: {error}") from error
