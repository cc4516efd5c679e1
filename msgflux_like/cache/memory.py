"""A store in the memory of this process. The least recently used entry is removed first."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import cachetools

from msgflux_like._concurrency.processes import fork_safe_lock

MAX_BYTES = 256 * 1024 * 1024


class MemoryStore:
    """A `Store` in memory, limited by the number of entries and by their bytes.

    Args:
        maxsize: Maximum number of entries.
        ttl_s: Seconds until an entry expires; None for never.
        clock: Returns the Unix time in seconds.
        max_bytes: Maximum size of all entries together.
    """

    blocks = False
    location = ""

    def __init__(
        self, maxsize: int, ttl_s: float | None, clock: Callable[[], float], max_bytes: int = MAX_BYTES
    ) -> None:
        self._limit = maxsize
        self.maxsize: int | None = maxsize
        self.ttl_s = ttl_s
        self._max_bytes = max_bytes
        self._salt = secrets.token_bytes(32)
        self._lock = fork_safe_lock()
        self._entries: cachetools.Cache[bytes, bytes] = (
            cachetools.LRUCache(max_bytes, getsizeof=len)
            if ttl_s is None
            else cachetools.TTLCache(max_bytes, ttl_s, timer=clock, getsizeof=len)
        )

    def salt(self) -> bytes:
        """Return the 32 random bytes of the store."""
        return self._salt

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key and mark it as the most recently used; None if the key has no value."""
        with self._lock:
            return self._entries.get(key)

    def put(self, key: bytes, data: bytes) -> None:
        """Store a value, and remove the least recently used ones if there are too many.

        A value larger than `max_bytes` is not stored.
        """
        if len(data) > self._max_bytes or not self._limit:
            return
        with self._lock:
            self._entries[key] = data
            while len(self._entries) > self._limit:
                self._entries.popitem()

    def drop(self, key: bytes) -> None:
        """Remove the value of a key, if it has one."""
        with self._lock:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Remove all values."""
        with self._lock:
            self._entries.clear()

    def count(self) -> int:
        """Return the number of values."""
        with self._lock:
            return len(self._entries)

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values."""
        with self._lock:
            found = list(self._entries.items())
        return iter(found)

    def close(self) -> None:
        """Do nothing: nothing is open."""
