"""Entries in an SQLite file, shared by threads and processes: whole or not there, whatever ends a process."""

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

from msgflux_like._concurrency.single_flight import guard
from msgflux_like.errors import CacheWarning, InvalidRequestError, StoreError

T = TypeVar("T")

MAX_ENTRIES: Final = 100_000
MAX_BYTES: Final = 1024 * 1024 * 1024
_BUSY_S: Final = 5.0
_APPLICATION: Final = 0x6D666C78  # in the file's head, so that nobody else's database is ever written to
_SUFFIXES: Final = (".sqlite", ".sqlite3", ".db")
_HEAD: Final = b"SQLite format 3\x00"
_CORRUPT: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

# The names hold the layout's version: another version's tables are not seen.
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
_MOST_TOUCHED: Final = 256  # remembered in memory; a hit is no write


class SqliteStore:
    """See `Store`. Bounded by entries and by their bytes; the file itself keeps the size it once had.

    Args:
        path: The file, made when it is first needed, for its owner alone.
        maxsize: Most entries.
        max_bytes: Most bytes of all entries together.
        ttl_s: After how many seconds an entry is none any more.
        clock: Seconds since 1970.
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
        self.place = os.fspath(path)
        self._most = MAX_ENTRIES if maxsize is None else maxsize
        self.maxsize: int | None = self._most
        self.ttl_s = ttl_s
        self._path = Path(path).expanduser().absolute()
        self._max_bytes = max_bytes
        self._clock = clock
        self._guard = guard()
        self._file: _File | None = None
        self._seen: tuple[int, int] | None = None  # which file lay there when it was last looked at
        self._touched: dict[bytes, None] = {}

    def salt(self) -> bytes:
        """See `Store`."""
        return self._ask(lambda file: file.salt)

    def get(self, key: bytes) -> bytes | None:
        """See `Store`."""
        return self._ask(lambda file: self._get(file.db, key))

    def put(self, key: bytes, data: bytes) -> None:
        """See `Store`. One that is larger than all may be together is not kept."""
        if self._most and len(data) <= self._max_bytes:
            self._ask(lambda file: self._put(file.db, key, data))

    def drop(self, key: bytes) -> None:
        """See `Store`."""
        self._ask(lambda file: file.db.execute("DELETE FROM entries_1 WHERE key = ?", (key,)))

    def clear(self) -> None:
        """See `Store`."""
        self._ask(lambda file: _clear(file.db))

    def count(self) -> int:
        """See `Store`."""
        live = "SELECT count(*) FROM entries_1 WHERE expires_at IS NULL OR expires_at > ?"
        return self._ask(lambda file: file.db.execute(live, (self._clock(),)).fetchone()[0])

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """See `Store`: those of this moment, the last used one last, read one by one."""
        live = "SELECT key FROM entries_1 WHERE expires_at IS NULL OR expires_at > ? ORDER BY used"
        keys: list[bytes] = self._ask(lambda file: [row[0] for row in file.db.execute(live, (self._clock(),))])
        for key in keys:
            found = self._ask(lambda file, key=key: file.db.execute(_GET, (key, self._clock())).fetchone())
            if found is not None:
                yield key, found[0]

    def close(self) -> None:
        """See `Store`."""
        with self._guard:
            if self._file is not None and self._file.process == os.getpid():
                with contextlib.suppress(sqlite3.Error):  # what was used last is not worth more
                    self._write_touched(self._file.db)
                self._file.db.close()
            self._file = None

    # ---- the work

    def _get(self, db: sqlite3.Connection, key: bytes) -> bytes | None:
        found = db.execute(_GET, (key, self._clock())).fetchone()
        if found is None:
            return None
        self._touched.pop(key, None)
        self._touched[key] = None
        if len(self._touched) >= _MOST_TOUCHED:
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
            while db.execute(_OVER, (self._most, self._max_bytes)).fetchone()[0]:
                db.execute(_EVICT)

    def _write_touched(self, db: sqlite3.Connection) -> None:
        if self._touched:
            db.executemany(_TOUCH, [(key,) for key in self._touched])
            self._touched.clear()

    def _ask(self, work: Callable[[_File], T]) -> T:
        """What `work` gives; once more with a new file where this one is damaged."""
        with self._guard:
            for left in (1, 0):
                try:
                    return work(self._opened())
                except sqlite3.Error as error:
                    if not left or not _is_corrupt(error):
                        raise StoreError(f"{self._path}: {_why(error)}") from None
                    self._move_aside()
                except OSError as error:
                    raise StoreError(f"{self._path}: {error.strerror}") from None
        raise AssertionError("unreachable")

    def _opened(self) -> _File:
        file, process = self._file, os.getpid()
        self._seen = _identity(self._path)
        if file is not None and file.process != process:
            _parents.append(file)
            self._touched.clear()
        elif file is not None and file.identity == self._seen:
            return file
        elif file is not None:  # somebody removed it, or moved it aside
            file.db.close()
        self._file = None
        if self._seen is None:
            _make(self._path)
            self._seen = _identity(self._path)
        self._file = file = _File(self._path, self._seen)
        weakref.finalize(self, _let_go, file)
        return file

    def _move_aside(self) -> None:
        """Keep a damaged file under another name, unless another process has put a new one in its place already."""
        if self._file is not None:
            self._file.db.close()
            self._file = None
        if self._seen != _identity(self._path):
            return
        if not _may_be_moved(self._path):
            raise InvalidRequestError(f"cache: {self._path} is no SQLite file, and is left as it is: name another one")
        aside = f"{self._path}.corrupt-{secrets.token_hex(4)}"
        for ending in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self._path}{ending}").rename(f"{aside}{ending}")
        warnings.warn(
            f"the cache file {self._path} is damaged: it lies at {aside} now, and a new one is begun",
            CacheWarning,
            stacklevel=2,
        )


def _let_go(file: _File) -> None:
    """The store was dropped, or the process ends."""
    if file.process == os.getpid():
        file.db.close()


_parents: list[_File] = []
"""Connections of the process that this one was forked from: to close them here would end that one's locks."""


class _File:
    """An open file of this process."""

    def __init__(self, path: Path, identity: tuple[int, int] | None) -> None:
        self.process = os.getpid()
        self.identity = identity
        self.db = _connected(path)
        try:
            _check_owner(self.db, path)
            self.db.execute("PRAGMA synchronous = NORMAL")
            if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'entries_1'").fetchone():
                _lay_out(self.db)
            self.salt: bytes = self.db.execute("SELECT salt FROM salt_1").fetchone()[0]
        except BaseException:
            self.db.close()
            raise


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


def _make(path: Path) -> None:
    """A new file, which is there when it is complete; another process may be first."""
    path = path.resolve()  # a link may be there, to nothing yet
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        db = _connected(draft)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            _lay_out(db)
        finally:
            db.close()
        _put_in_place(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _put_in_place(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)  # fails where one is there, as a rename would not
    except FileExistsError:
        return
    except OSError:  # a file system without links
        draft.replace(path)


def _check_owner(db: sqlite3.Connection, path: Path) -> None:
    owner = db.execute("PRAGMA application_id").fetchone()[0]
    if owner != _APPLICATION and (owner or db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()):
        raise InvalidRequestError(f"cache: {path} is a database of another program: name another file")


def _lay_out(db: sqlite3.Connection) -> None:
    """Make the tables."""
    with _transaction(db):
        for statement in _statements(_TABLES):
            db.execute(statement)
        db.execute("INSERT OR IGNORE INTO salt_1 VALUES (0, ?)", (secrets.token_bytes(32),))
        db.execute(f"PRAGMA application_id = {_APPLICATION}")


def _statements(script: str) -> Iterator[str]:
    """`executescript` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _clear(db: sqlite3.Connection) -> None:
    with _transaction(db):
        db.execute("DELETE FROM entries_1")
    with contextlib.suppress(sqlite3.OperationalError):  # another process is reading: the space is used again
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


def _why(error: sqlite3.Error) -> str:
    """SQLite's own words; those of Python's module may quote what is kept."""
    return str(error) if getattr(error, "sqlite_errorcode", None) else type(error).__name__


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _may_be_moved(path: Path) -> bool:
    """Whether it is a database, or called like one: a wrong path must not move somebody's notes."""
    if path.suffix in _SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(len(_HEAD)) == _HEAD
