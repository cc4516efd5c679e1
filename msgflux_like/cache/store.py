"""What keeps entries: a protocol of a few methods over keys and bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Store(Protocol):
    """Keeps bytes under keys of 32 bytes, from any mix of threads and forks. It may drop any of them at any time.

    What goes wrong is raised, best as a StoreError; the cache tells it in one warning and goes on without the store.

    Attributes:
        blocks: Whether it waits for a disk or a network, so that event loops must ask it from a thread.
        maxsize: Most entries, None where only their bytes are bounded.
        place: Where the entries are, without a password: a path, a URL, or "" for this process.
        ttl_s: After how many seconds an entry is none any more.
    """

    blocks: bool
    maxsize: int | None
    place: str
    ttl_s: float | None

    def salt(self) -> bytes:
        """32 random bytes that belong to this store, always the same."""
        ...

    def get(self, key: bytes) -> bytes | None:
        """What was put there last, as the most recently used one from now on."""
        ...

    def put(self, key: bytes, data: bytes) -> None:
        """Keep it, and let go of those that were used longest ago where there are too many."""
        ...

    def drop(self, key: bytes) -> None:
        """Forget one."""
        ...

    def clear(self) -> None:
        """Forget all."""
        ...

    def count(self) -> int:
        """How many there are."""
        ...

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Keys and what is kept under them."""
        ...

    def close(self) -> None:
        """Let go of files and connections. Twice is once, and a later call opens new ones."""
        ...
