"""The part of a cache that calls use: keys, look-ups and counts. An error of the store never reaches a call."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from msgflux_like._concurrency.processes import fork_safe_lock
from msgflux_like._concurrency.single_flight import SingleFlight
from msgflux_like.cache.entry import Entry, seal, unseal
from msgflux_like.cache.key import request_key
from msgflux_like.cache.store import Store
from msgflux_like.errors import CacheWarning, InvalidRequestError, StoreError
from msgflux_like.request import HttpRequest

T = TypeVar("T")

_PAUSE_S: Final = 10.0


class CacheEngine:
    """Looks up and stores values in a `Store`.

    A store that raises is reported in one CacheWarning and not used for ten seconds; until then every look-up is a
    miss.

    Args:
        store: Where the entries are.
        ttl_s: Maximum age of a value, in seconds; None for no limit.
        account: Replaces the key in telling accounts apart.
        clock: Returns the Unix time in seconds.

    Attributes:
        store: Where the entries are.
        flights: The requests that are being sent, so that equal ones are sent once.
        hits: Number of answers given without a request.
        misses: Number of requests sent.
    """

    def __init__(self, store: Store, ttl_s: float | None, account: str | None, clock: Callable[[], float]) -> None:
        self.store = store
        self.flights = SingleFlight()
        self.hits = 0
        self.misses = 0
        self._in_memory = type(store).__module__ == "msgflux_like.cache.memory"  # which is imported only if needed
        self._ttl_s = ttl_s
        self._account = account
        self._clock = clock
        self._lock = fork_safe_lock()
        self._paused_until = 0.0
        self._is_reported = False
        self._pending: CacheWarning | InvalidRequestError | None = None

    @property
    def blocks(self) -> bool:
        """True if the store waits for a disk or a network."""
        return self.store.blocks

    @property
    def has_room(self) -> bool:
        """False if the store keeps nothing."""
        return self.store.maxsize != 0

    def key(self, http: HttpRequest, facts: Mapping[str, Any]) -> bytes | None:
        """Return the key of a request; None while the store fails.

        Args:
            http: The request as it would be sent.
            facts: Everything else that distinguishes answers; see `request_key`.

        Raises:
            CacheWarning: Storing the last answer failed, where warnings are errors.
        """
        if self._in_memory:
            return request_key(http, facts, self.store.salt(), self._account)
        self._raise_pending()
        salt = self.attempt(self.store.salt, None)
        return None if salt is None else request_key(http, facts, salt, self._account)

    def get(self, key: bytes, kind: str) -> bytes | None:
        """Return the value of that kind and count a hit; None if there is none."""
        data = self.store.get(key) if self._in_memory else self.attempt(lambda: self.store.get(key), None)
        entry = None if data is None else unseal(key, data, trusted=self._in_memory)
        if entry is None or entry.kind != kind:  # damaged, or written by another version
            return None
        if self._ttl_s is not None and self._clock() >= entry.made_at + self._ttl_s:  # a longer ttl_s stored it
            return None
        self.count_hit()
        return entry.value

    def put(self, key: bytes, kind: str, value: bytes, provider: str, model: str) -> None:
        """Store a value. Never raises, because the caller has an answer: an error is raised by the next `key`."""
        data = seal(key, Entry(kind, self._clock(), provider, model, value))
        try:
            self.attempt(lambda: self.store.put(key, data), None)
        except (CacheWarning, InvalidRequestError) as problem:  # warnings are errors, or the file is another one now
            self._pending = problem

    def discard(self, key: bytes) -> None:
        """Remove a value that cannot be used, and count its hit back."""
        with self._lock:
            self.hits -= 1
        self.attempt(lambda: self.store.drop(key), None)

    def count_hit(self) -> None:
        """Count an answer that was given without a request."""
        with self._lock:
            self.hits += 1

    def count_miss(self) -> None:
        """Count a request that is sent."""
        with self._lock:
            self.misses += 1

    def reset_counts(self) -> None:
        """Count from zero."""
        with self._lock:
            self.hits = self.misses = 0

    def attempt(self, ask: Callable[[], T], otherwise: T) -> T:
        """Ask the store, and return `otherwise` if it fails or has failed in the last ten seconds."""
        if self._paused_until and self._clock() < self._paused_until:
            return otherwise
        try:
            found = ask()
        except (InvalidRequestError, CacheWarning):
            raise
        except Exception as error:  # noqa: BLE001  no error of a store, also of a user's own, may cost an answer
            self._paused_until = self._clock() + _PAUSE_S
            self._warn(error)
            return otherwise
        self._paused_until, self._is_reported = 0.0, False
        return found

    def _warn(self, error: Exception) -> None:
        if self._is_reported:
            return
        self._is_reported = True
        reason = str(error) if isinstance(error, StoreError) else type(error).__name__
        warnings.warn(f"the cache is not used for now: {reason}", CacheWarning, stacklevel=2)

    def _raise_pending(self) -> None:
        if self._pending is not None:
            problem, self._pending = self._pending, None
            raise problem
