"""Entries in the memory of this process: the least recently used one goes first."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import cachetools

from msgflux_like._concurrency.single_flight import guard

MAX_BYTES = 256 * 1024 * 1024


class MemoryStore:
    """See `Store`. Bounded by entries and by their bytes."""

    blocks = False
    place = ""

    def __init__(
        self, maxsize: int, ttl_s: float | None, clock: Callable[[], float], max_bytes: int = MAX_BYTES
    ) -> None:
        self._most = maxsize
        self.maxsize: int | None = maxsize
        self.ttl_s = ttl_s
        self._max_bytes = max_bytes
        self._salt = secrets.token_bytes(32)
        self._guard = guard()
        self._entries: cachetools.Cache[bytes, bytes] = (
            cachetools.LRUCache(max_bytes, getsizeof=len)
            if ttl_s is None
            else cachetools.TTLCache(max_bytes, ttl_s, timer=clock, getsizeof=len)
        )

    def salt(self) -> bytes:
        """See `Store`."""
        return self._salt

    def get(self, key: bytes) -> bytes | None:
        """See `Store`."""
        with self._guard:
            return self._entries.get(key)

    def put(self, key: bytes, data: bytes) -> None:
        """See `Store`. One that is larger than all may be together is not kept."""
        if len(data) > self._max_bytes or not self._most:
            return
        with self._guard:
            self._entries[key] = data
            while len(self._entries) > self._most:
                self._entries.popitem()

    def drop(self, key: bytes) -> None:
        """See `Store`."""
        with self._guard:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """See `Store`."""
        with self._guard:
            self._entries.clear()

    def count(self) -> int:
        """See `Store`."""
        with self._guard:
            return len(self._entries)

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """See `Store`."""
        with self._guard:
            found = list(self._entries.items())
        return iter(found)

    def close(self) -> None:
        """Nothing is open."""
