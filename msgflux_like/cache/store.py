"""The protocol of a store: bytes under keys of 32 bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Store(Protocol):
    """Stores bytes under keys of 32 bytes, for any mix of threads and forks. It may drop any entry at any time.

    Errors are raised, best as a StoreError; the cache reports them in one warning and goes on without the store.

    Attributes:
        blocks: Whether the store waits for a disk or a network, so that event loops must call it in a thread.
        maxsize: Maximum number of entries; None if only their size in bytes is limited.
        location: Location of the entries, without a password: a path, a URL, or "" for the memory of this process.
        ttl_s: Seconds until an entry expires; None for never.
    """

    blocks: bool
    maxsize: int | None
    location: str
    ttl_s: float | None

    def salt(self) -> bytes:
        """Return the store's 32 random bytes, which never change."""
        ...

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key and mark it as the most recently used; None if the key has no value."""
        ...

    def put(self, key: bytes, data: bytes) -> None:
        """Store a value, and remove the least recently used ones if there are too many."""
        ...

    def drop(self, key: bytes) -> None:
        """Remove one value, if it is there."""
        ...

    def clear(self) -> None:
        """Remove all values."""
        ...

    def count(self) -> int:
        """Return the number of values."""
        ...

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values."""
        ...

    def close(self) -> None:
        """Close files and connections. Idempotent. The store can be used again; it reconnects on demand."""
        ...
