"""A store in an SQLite file, shared by threads and processes. However a process ends, entries are whole or absent."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import warnings
import weakref
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from msgflux_like._concurrency.processes import PerProcess, fork_safe_lock, keep_inherited
from msgflux_like.errors import CacheWarning, InvalidRequestError, StoreError

T = TypeVar("T")

MAX_ENTRIES: Final = 100_000
MAX_BYTES: Final = 1024 * 1024 * 1024
_BUSY_S: Final = 5.0
_APPLICATION: Final = 0x6D666C78  # in the file's header, so that a database of another program is never written to
_SUFFIXES: Final = (".sqlite", ".sqlite3", ".db")
_HEAD: Final = b"SQLite format 3\x00"
_CORRUPT: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

# The names hold the version of the layout, so that tables of other versions are not seen.
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS salt_1 (id INTEGER PRIMARY KEY CHECK (id = 0), salt BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS entries_1 (
    key BLOB PRIMARY KEY, used INTEGER NOT NULL, expires_at REAL, bytes INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS used_1 ON entries_1 (used);
CREATE INDEX IF NOT EXISTS expires_1 ON entries_1 (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS total_1 (id INTEGER PRIMARY KEY CHECK (id = 0), entries INTEGER, bytes INTEGER);
INSERT OR IGNORE INTO total_1 VALUES (0, 0, 0);
CREATE TRIGGER IF NOT EXISTS added_1 AFTER INSERT ON entries_1 BEGIN
    UPDATE total_1 SET entries = entries + 1, bytes = bytes + new.bytes;
END;
CREATE TRIGGER IF NOT EXISTS changed_1 AFTER UPDATE OF bytes ON entries_1 BEGIN
    UPDATE total_1 SET bytes = bytes + new.bytes - old.bytes;
END;
CREATE TRIGGER IF NOT EXISTS removed_1 AFTER DELETE ON entries_1 BEGIN
    UPDATE total_1 SET entries = entries - 1, bytes = bytes - old.bytes;
END;
"""
_GET: Final = "SELECT CAST(data AS BLOB) FROM entries_1 WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)"
_PUT: Final = """
INSERT INTO entries_1 VALUES (:key, (SELECT coalesce(max(used), 0) + 1 FROM entries_1), :expires_at, :bytes, :data)
ON CONFLICT (key) DO UPDATE SET used = excluded.used, expires_at = excluded.expires_at, bytes = excluded.bytes,
    data = excluded.data
"""
_TOUCH: Final = "UPDATE entries_1 SET used = (SELECT max(used) + 1 FROM entries_1) WHERE key = ?"
_EXPIRED: Final = "DELETE FROM entries_1 WHERE expires_at <= ?"
_OVER: Final = "SELECT entries > ? OR bytes > ? FROM total_1"
_EVICT: Final = "DELETE FROM entries_1 WHERE key = (SELECT key FROM entries_1 ORDER BY used LIMIT 1)"
_MAX_TOUCHED: Final = 256  # hits are noted in memory first, so that a hit does not write


class SqliteStore:
    """A `Store` in an SQLite file, limited by the number of entries and by their bytes. The file does not shrink.

    Args:
        path: The file. It is created when it is first needed, readable by its owner only.
        maxsize: Maximum number of entries; None for 100,000.
        ttl_s: Seconds until an entry expires; None for never.
        clock: Returns the Unix time in seconds.
        max_bytes: Maximum size of all entries together.
    """

    blocks = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        maxsize: int | None,
        ttl_s: float | None,
        clock: Callable[[], float],
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.location = os.fspath(path)
        self._limit = MAX_ENTRIES if maxsize is None else maxsize
        self.maxsize: int | None = self._limit
        self.ttl_s = ttl_s
        self._path = Path(path).expanduser().absolute()
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = fork_safe_lock()
        self._state = PerProcess(_State)

    def salt(self) -> bytes:
        """Return the 32 random bytes of the store."""
        return self._run(lambda file: file.salt)

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key and mark it as the most recently used; None if the key has no value."""
        return self._run(lambda file: self._get(file.db, key))

    def put(self, key: bytes, data: bytes) -> None:
        """Store a value, and remove the least recently used ones if there are too many.

        A value larger than `max_bytes` is not stored.
        """
        if self._limit and len(data) <= self._max_bytes:
            self._run(lambda file: self._put(file.db, key, data))

    def drop(self, key: bytes) -> None:
        """Remove the value of a key, if it has one."""
        self._run(lambda file: file.db.execute("DELETE FROM entries_1 WHERE key = ?", (key,)))

    def clear(self) -> None:
        """Remove all values."""
        self._run(lambda file: _clear(file.db))

    def count(self) -> int:
        """Return the number of values."""
        live = "SELECT count(*) FROM entries_1 WHERE expires_at IS NULL OR expires_at > ?"
        return self._run(lambda file: file.db.execute(live, (self._clock(),)).fetchone()[0])

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the keys and values that exist at the time of the call, the most recently used one last."""
        live = "SELECT key FROM entries_1 WHERE expires_at IS NULL OR expires_at > ? ORDER BY used"
        keys: list[bytes] = self._run(lambda file: [row[0] for row in file.db.execute(live, (self._clock(),))])
        for key in keys:
            found = self._run(lambda file, key=key: file.db.execute(_GET, (key, self._clock())).fetchone())
            if found is not None:
                yield key, found[0]

    def close(self) -> None:
        """Close files and connections. Idempotent; the store reconnects on demand."""
        state = self._state()
        with self._lock:
            if state.file is not None:
                with contextlib.suppress(sqlite3.Error):  # the order of use is not worth an error
                    self._write_touched(state.file.db)
                state.file.db.close()
            state.file = None

    def _get(self, db: sqlite3.Connection, key: bytes) -> bytes | None:
        found = db.execute(_GET, (key, self._clock())).fetchone()
        if found is None:
            return None
        touched = self._state().touched
        touched.pop(key, None)
        touched[key] = None
        if len(touched) >= _MAX_TOUCHED:
            with contextlib.suppress(sqlite3.OperationalError), _transaction(db):  # another process is writing
                self._write_touched(db)
        return found[0]

    def _put(self, db: sqlite3.Connection, key: bytes, data: bytes) -> None:
        now = self._clock()
        expires_at = None if self.ttl_s is None else now + self.ttl_s
        with _transaction(db):
            self._write_touched(db)
            db.execute(_EXPIRED, (now,))
            db.execute(_PUT, {"key": key, "expires_at": expires_at, "bytes": len(data), "data": data})
            while db.execute(_OVER, (self._limit, self._max_bytes)).fetchone()[0]:
                db.execute(_EVICT)

    def _write_touched(self, db: sqlite3.Connection) -> None:
        touched = self._state().touched
        if touched:
            db.executemany(_TOUCH, [(key,) for key in touched])
            touched.clear()

    def _run(self, work: Callable[[_File], T]) -> T:
        """Call `work` with the open file; if the file is damaged, move it aside and call it once more."""
        state = self._state()
        with self._lock:
            for left in (1, 0):
                try:
                    return work(self._open(state))
                except sqlite3.Error as error:
                    if not left or not _is_corrupt(error):
                        raise StoreError(f"{self._path}: {_reason(error)}") from None
                    self._move_aside(state)
                except OSError as error:
                    raise StoreError(f"{self._path}: {error.strerror}") from None
        raise AssertionError("unreachable")

    def _open(self, state: _State) -> _File:
        """Return the open file, after a look whether it is still the one at the path."""
        state.seen = _identity(self._path)
        if state.file is not None:
            if state.file.identity == state.seen:
                return state.file
            state.file.db.close()  # another process removed the file, or moved it aside
            state.file = None
        if state.seen is None:
            _create(self._path)
            state.seen = _identity(self._path)
        state.file = file = _File(self._path, state.seen)
        weakref.finalize(self, _close, file)
        return file

    def _move_aside(self, state: _State) -> None:
        """Rename a damaged file, unless another process has put a new one in its place already."""
        if state.file is not None:
            state.file.db.close()
            state.file = None
        if state.seen != _identity(self._path):
            return
        if not _may_be_moved(self._path):
            raise InvalidRequestError(f"cache: {self._path} is not an SQLite file and was left alone: use another path")
        aside = f"{self._path}.corrupt-{secrets.token_hex(4)}"
        for ending in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self._path}{ending}").rename(f"{aside}{ending}")
        warnings.warn(
            f"the cache file {self._path} is damaged: it was renamed to {aside}, and a new one was created",
            CacheWarning,
            stacklevel=2,
        )


class _State:
    """State of a store in one process. SQLite connections must not be used or closed in a forked child.

    Attributes:
        file: The open file.
        seen: The identity of the file that was at the path when it was last opened.
        touched: Keys that were used since the last write.
    """

    def __init__(self) -> None:
        self.file: _File | None = None
        self.seen: tuple[int, int] | None = None
        self.touched: dict[bytes, None] = {}


def _close(file: _File) -> None:
    """Close the file of a store that was dropped, if this process opened it."""
    if file.process == os.getpid():
        file.db.close()
    else:
        keep_inherited(file)


class _File:
    """An open file.

    Attributes:
        process: Id of the process that opened it.
        identity: Device and number of the file.
        db: The connection.
        salt: The salt that is stored in it.
    """

    def __init__(self, path: Path, identity: tuple[int, int] | None) -> None:
        self.process = os.getpid()
        self.identity = identity
        self.db = _connect(path)
        try:
            _check_owner(self.db, path)
            self.db.execute("PRAGMA synchronous = NORMAL")
            if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'entries_1'").fetchone():
                _create_tables(self.db)
            self.salt: bytes = self.db.execute("SELECT salt FROM salt_1").fetchone()[0]
        except BaseException:
            self.db.close()
            raise


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


def _create(path: Path) -> None:
    """Create the file so that it appears when it is complete; another process may be first."""
    path = path.resolve()  # there may be a link whose target does not exist yet
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        db = _connect(draft)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            _create_tables(db)
        finally:
            db.close()
        _publish(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _publish(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)  # fails if the path exists, which a rename does not
    except FileExistsError:
        return
    except OSError:  # a file system without links
        draft.replace(path)


def _check_owner(db: sqlite3.Connection, path: Path) -> None:
    owner = db.execute("PRAGMA application_id").fetchone()[0]
    if owner != _APPLICATION and (owner or db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()):
        raise InvalidRequestError(f"cache: {path} is a database of another program: name another file")


def _create_tables(db: sqlite3.Connection) -> None:
    with _transaction(db):
        for statement in _statements(_TABLES):
            db.execute(statement)
        db.execute("INSERT OR IGNORE INTO salt_1 VALUES (0, ?)", (secrets.token_bytes(32),))
        db.execute(f"PRAGMA application_id = {_APPLICATION}")


def _statements(script: str) -> Iterator[str]:
    """Split a script, because `executescript` would commit the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _clear(db: sqlite3.Connection) -> None:
    with _transaction(db):
        db.execute("DELETE FROM entries_1")
    with contextlib.suppress(sqlite3.OperationalError):  # another process is reading; the space is reused later
        db.execute("VACUUM")


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Generator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _is_corrupt(error: sqlite3.Error) -> bool:
    code: Any = getattr(error, "sqlite_errorcode", None)
    return isinstance(code, int) and code & 0xFF in _CORRUPT


def _reason(error: sqlite3.Error) -> str:
    """Return SQLite's own message; messages of Python's module may quote stored data."""
    return str(error) if getattr(error, "sqlite_errorcode", None) else type(error).__name__


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _may_be_moved(path: Path) -> bool:
    """Return whether the file is a database or is named like one: a wrong path must not rename a user's document."""
    if path.suffix in _SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(len(_HEAD)) == _HEAD
