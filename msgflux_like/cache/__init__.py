"""Answers stored for requests that are made again: `ResponseCache` and its stores.

engine.py    what calls use: look-ups, counts, a store that fails
slot.py      how one call uses the cache
key.py       which requests are equal
entry.py     one entry, sealed
answers.py   a chat answer as bytes
store.py     the protocol of a store; memory.py, sqlite.py and redis.py implement it
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

from msgflux_like._attrdict import dotdict
from msgflux_like._paths import cache_folder
from msgflux_like._validate import check_callable, check_count, check_seconds, check_string
from msgflux_like.cache.engine import CacheEngine
from msgflux_like.cache.entry import Entry, unseal
from msgflux_like.cache.store import Store
from msgflux_like.errors import InvalidRequestError

__all__ = ["Entry", "ResponseCache", "Store", "cache_of", "check_size", "check_stored", "engine_of", "open_store"]

FILE: Final = "responses.sqlite"
_DEFAULT_SIZE: Final = 128


class ResponseCache:
    """A cache of answers by request. One cache may serve any number of models, threads, event loops and forks.

    A request that equals an earlier one, down to the account and to how its answer is read, is answered from the
    cache; of equal requests that are made at the same time, one is sent. Errors of the store never fail a call: they
    are reported as a `CacheWarning`, and the store is not used for ten seconds.

    Args:
        maxsize: Maximum number of answers, at least 0; the least recently used one is removed first. None is 128 in
            memory, and the store's own limit in a file or on a server. 0 stores nothing.
        ttl_s: Seconds until an answer expires; None for never.
        store: Where the answers are stored. None: in the memory of this process. A path: in an SQLite file (of a
            folder, in the file `responses.sqlite`). True: in the file of the library's cache folder. `redis://...`: on
            a server. Or a `Store` of your own.
        account: A name that distinguishes accounts in place of their API keys, for keys that change or come from a
            function.
        clock: Returns the Unix time in seconds.

    Raises:
        InvalidRequestError: An argument is out of its range, or `store` is of another type.
        NotInstalledError: The extra `redis` is missing.

    Example:
        >>> cache = ResponseCache(maxsize=2)
        >>> cache.cache_info()
        {'hits': 0, 'misses': 0, 'maxsize': 2, 'currsize': 0}
    """

    def __init__(
        self,
        maxsize: int | None = None,
        ttl_s: float | None = None,
        store: Store | str | os.PathLike[str] | bool | None = None,
        *,
        account: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if account is not None:
            check_string("account", account)
        check_callable("clock", clock)
        self._store = open_store(store, maxsize, ttl_s, clock)
        self._is_own = self._store is store
        self._is_default = store is True
        self._settings = {"maxsize": maxsize, "ttl_s": ttl_s, "account": account}
        self._engine = CacheEngine(self._store, ttl_s, account, clock)

    @property
    def location(self) -> str:
        """Location of the answers: a path, a URL without its password, or "" for the memory of this process."""
        return getattr(self._store, "location", "")  # a store of a user's own may have none

    def cache_info(self) -> dotdict:
        """Return `{'hits': ..., 'misses': ..., 'maxsize': ..., 'currsize': ...}`.

        Hits and misses are those of this object; a request that waited for an equal one is a hit. `currsize` is the
        number of entries in the store, whoever stored them, and None if the store fails.
        """
        engine, store = self._engine, self._store
        size = engine.attempt(store.count, None)
        return dotdict(hits=engine.hits, misses=engine.misses, maxsize=store.maxsize, currsize=size)

    def cache_clear(self) -> None:
        """Remove all answers from the store, and count hits and misses from zero.

        Raises:
            StoreError: The store failed.
        """
        self._engine.reset_counts()
        self._store.clear()

    def check(self) -> None:
        """Check that the store can be used.

        Raises:
            StoreError: If the store fails; the message gives the reason.
        """
        self._store.salt()

    def close(self) -> None:
        """Close files and connections. Idempotent. The cache can be used again; it reconnects on demand."""
        self._store.close()

    def entries(self) -> Iterator[tuple[bytes, Entry]]:
        """Yield all entries with their keys; entries that are damaged are left out.

        Raises:
            StoreError: The store failed.
        """
        for key, data in self._store.entries():
            if (entry := unseal(key, data)) is not None:
                yield key, entry

    def settings(self) -> dict[str, Any]:
        """Return the arguments that make an equal cache, as plain JSON, without a password and without answers.

        Raises:
            InvalidRequestError: The store is a `Store` of your own.
        """
        if self._is_own:
            raise InvalidRequestError(
                "a cache in a Store of your own cannot be described: create it again where it is needed"
            )
        settings = {name: value for name, value in self._settings.items() if value is not None}
        store = True if self._is_default else self.location
        return {**settings, "store": store} if store else settings

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        where = f" in {self.location}" if self.location else ""
        return f"ResponseCache({self._engine.hits} hits, {self._engine.misses} misses{where})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_settings, (self.settings(),)

    def __copy__(self) -> ResponseCache:
        return self

    def __deepcopy__(self, _memo: Any) -> ResponseCache:
        return self


def engine_of(cache: ResponseCache) -> CacheEngine:
    """Return the part of a cache that calls use. It is not public, so that users see only what is theirs."""
    return cache._engine  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  the class is in this module


def _from_settings(settings: Mapping[str, Any]) -> ResponseCache:
    return ResponseCache(**settings)


def cache_of(cache: Any, size: int | None, enabled: bool | None) -> ResponseCache | None:
    """Return the cache of a model, or None for none.

    Args:
        cache: The model's `cache=`: a `ResponseCache`, its settings, or anything its `store` may be.
        size: The model's `cache_size=`.
        enabled: The model's `enable_cache=`.

    Raises:
        InvalidRequestError: An argument is wrong, or two of them contradict each other.
    """
    check_size("cache_size", size)
    if cache is None or cache is False:
        return ResponseCache(_DEFAULT_SIZE if size is None else size) if enabled else None
    if enabled is False:
        return None
    if isinstance(cache, ResponseCache):
        if size is not None:
            raise InvalidRequestError("cache_size is for a cache of the model's own: give `cache` its maxsize instead")
        return cache
    if isinstance(cache, Mapping):
        settings: dict[str, Any] = {"maxsize": size, **_checked_settings(cast("Mapping[str, Any]", cache))}
        return ResponseCache(**settings)
    return ResponseCache(size, store=cache)


def _checked_settings(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    if unknown := sorted(set(settings) - {"maxsize", "ttl_s", "account", "store"}):
        raise InvalidRequestError(f"cache has unknown fields: {', '.join(unknown)}")
    return settings


def check_stored(settings: Any) -> None:
    """Refuse the cache settings of a loaded state that name a server, or a file outside of the cache folder.

    Raises:
        InvalidRequestError: The settings would connect or write to a location that the state chose.
    """
    store: Any = cast("Mapping[str, Any]", settings).get("store") if isinstance(settings, Mapping) else settings
    if not isinstance(store, str):
        return
    if "://" in store:
        from msgflux_like.cache.redis import without_password  # noqa: PLC0415  only for states that name a server

        store = without_password(store)
    elif Path(store).expanduser().resolve().is_relative_to(cache_folder().resolve()):
        return
    raise InvalidRequestError(
        f"the state stores its cached answers at {store}: pass cache= with that location to confirm it, "
        f"or cache=False to disable caching"
    )


def check_size(name: str, size: Any) -> int | None:
    """Return a number of answers, at least 0; None if it was not given."""
    return None if size is None else check_count(name, size)


def open_store(store: Any, maxsize: int | None, ttl_s: float | None, clock: Callable[[], float]) -> Store:
    """Return the store that `ResponseCache(store=...)` names, without opening a file or a connection yet.

    Raises:
        InvalidRequestError: An argument is wrong.
        NotInstalledError: The extra `redis` is missing.
    """
    check_size("maxsize", maxsize)
    if ttl_s is not None:
        ttl_s = check_seconds("ttl_s", ttl_s)
    if store is None or store is False:
        from msgflux_like.cache.memory import MemoryStore  # noqa: PLC0415  imports cachetools

        return MemoryStore(_DEFAULT_SIZE if maxsize is None else maxsize, ttl_s, clock)
    if store is True:
        store = cache_folder() / FILE
    if isinstance(store, str) and "://" in store:
        return _redis(store, maxsize, ttl_s)
    if store == "":
        raise InvalidRequestError("the path of a cache is empty: name a file or a folder")
    if isinstance(store, (str, os.PathLike)):
        from msgflux_like.cache.sqlite import SqliteStore  # noqa: PLC0415  imports sqlite3

        path = os.fspath(cast("os.PathLike[str]", store))
        folder = Path(path).expanduser()
        return SqliteStore(str(folder / FILE) if folder.is_dir() else path, maxsize, ttl_s, clock)
    if not hasattr(store, "salt"):
        raise InvalidRequestError(
            f"a cache must be a ResponseCache, a path, a redis:// URL or a Store, not {type(store).__name__}"
        )
    if maxsize is not None or ttl_s is not None:
        raise InvalidRequestError("maxsize and ttl_s cannot be given with a Store: they are the store's own")
    return store


def _redis(url: str, maxsize: int | None, ttl_s: float | None) -> Store:
    from msgflux_like.cache.redis import SCHEMES, RedisStore  # noqa: PLC0415  imports redis

    if url.partition("://")[0] not in SCHEMES:
        raise InvalidRequestError(f"a cache must be at a path, or at a URL of {', '.join(SCHEMES)}")
    if maxsize is not None:
        raise InvalidRequestError("a Redis server limits its size itself (maxmemory): leave maxsize out")
    return RedisStore(url, ttl_s)
