"""Answers kept for requests that come again: `ResponseCache`, and the stores it can keep them in.

key.py      what makes two requests the same
entry.py    one entry, sealed
answers.py  a chat answer as bytes
store.py    what a store can do; memory.py, sqlite.py, redis.py
calls.py    how a call meets the cache
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from msgflux_like._attrdict import dotdict
from msgflux_like._concurrency.single_flight import SingleFlight, guard
from msgflux_like._paths import cache_folder
from msgflux_like._validate import check_callable, check_count, check_seconds, check_string
from msgflux_like.cache.entry import Entry, seal, unseal
from msgflux_like.cache.key import key_of
from msgflux_like.cache.store import Store
from msgflux_like.errors import CacheWarning, InvalidRequestError, StoreError
from msgflux_like.request import HttpRequest

__all__ = ["Entry", "ResponseCache", "Store", "cache_of", "check_size", "check_stored", "opened_store"]

T = TypeVar("T")

FILE: Final = "responses.sqlite"
_SIZE: Final = 128
_PAUSE_S: Final = 10.0


class ResponseCache:
    """Answers by request. One may serve any number of models, threads, event loops and forks.

    A request that equals an earlier one, down to the account and to how its answer is read, is answered from here;
    of equal requests made at once, one is sent. What goes wrong with a store costs no answer: it is told in one
    `CacheWarning`, and the store is left alone for ten seconds.

    Args:
        maxsize: Most answers, the least recently used goes first; None for 128 in memory, and for what a file or a
            server takes. 0 keeps none.
        ttl_s: After how many seconds an answer is asked for anew; None for never.
        store: Where they are kept: None is the memory of this process, a path an SQLite file (in a folder: the file
            `responses.sqlite`), True the file in the library's own folder, `redis://...` a server, or a `Store`.
        account: What tells accounts apart in place of their keys: where keys change, or a function gives them.
        clock: Gives seconds since 1970.

    Raises:
        InvalidRequestError: A size or a time that is none, or a store that is none.
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
        self._store = opened_store(store, maxsize, ttl_s, clock)
        self._is_own = self._store is store
        self._is_default = store is True
        self._in_memory = type(self._store).__name__ == "MemoryStore"
        self._clock = clock
        self._account = account
        self._ttl_s = ttl_s
        self._asked_for = {"maxsize": maxsize, "ttl_s": ttl_s, "account": account}
        self._guard = guard()
        self._hits = 0
        self._misses = 0
        self._paused_until = 0.0
        self._told = False
        self._untold: CacheWarning | InvalidRequestError | None = None
        self.flights = SingleFlight()

    @property
    def place(self) -> str:
        """Where the answers are: a path, a URL without its password, or "" for the memory of this process."""
        return self._store.place

    @property
    def blocks(self) -> bool:
        """Whether the store waits for a disk or a network."""
        return self._store.blocks

    @property
    def keeps(self) -> bool:
        """Whether there is room for anything."""
        return self._store.maxsize != 0

    def cache_info(self) -> dotdict:
        """`{'hits': ..., 'misses': ..., 'maxsize': ..., 'currsize': ...}`.

        Hits and misses are those of this object; `currsize` counts what is in the store, whoever put it there, and is
        None where the store cannot say. A request that waited for an equal one is a hit.
        """
        size = self._try(self._store.count, None)
        return dotdict(hits=self._hits, misses=self._misses, maxsize=self._store.maxsize, currsize=size)

    def cache_clear(self) -> None:
        """Forget all answers, in the store as well, and count from zero."""
        with self._guard:
            self._hits = self._misses = 0
        self._store.clear()

    def check(self) -> None:
        """Ask the store for something; StoreError where that fails."""
        self._store.salt()

    def close(self) -> None:
        """Let go of files and connections; a later call opens new ones."""
        self._store.close()

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        place = f" in {self._store.place}" if self._store.place else ""
        return f"ResponseCache({self._hits} hits, {self._misses} misses{place})"

    # ---- for those who ask

    def key(self, http: HttpRequest, facts: Mapping[str, Any]) -> bytes | None:
        """The key of a request; None while the store cannot be asked."""
        if self._in_memory:
            return key_of(http, facts, self._store.salt(), self._account)
        self._tell_now()
        salt = self._try(self._store.salt, None)
        return None if salt is None else key_of(http, facts, salt, self._account)

    def get(self, key: bytes, kind: str) -> bytes | None:
        """The value of that kind, and one more hit."""
        data = self._store.get(key) if self._in_memory else self._try(lambda: self._store.get(key), None)
        entry = None if data is None else unseal(key, data, trusted=self._in_memory)
        if entry is None or entry.kind != kind:  # damaged, or of another version: as if it were not there
            return None
        if self._ttl_s is not None and self._clock() >= entry.made_at + self._ttl_s:  # another kept it for longer
            return None
        self.count_hit()
        return entry.value

    def put(self, key: bytes, kind: str, value: bytes, provider: str, model: str) -> None:
        """Keep a value. Whatever goes wrong, the caller has its answer: a warning that is an error waits."""
        data = seal(key, Entry(kind, self._clock(), provider, model, value))
        try:
            self._try(lambda: self._store.put(key, data), None)
        except (CacheWarning, InvalidRequestError) as told:  # where warnings are errors; where the file is another now
            self._untold = told

    def forget(self, key: bytes) -> None:
        """Let go of one value, which was no hit after all."""
        with self._guard:
            self._hits -= 1
        self._try(lambda: self._store.drop(key), None)

    def count_hit(self) -> None:
        """An answer was given without a request."""
        with self._guard:
            self._hits += 1

    def count_miss(self) -> None:
        """A request is sent."""
        with self._guard:
            self._misses += 1

    def entries(self) -> Iterator[tuple[bytes, Entry]]:
        """All whole ones, with their keys."""
        for key, data in self._store.entries():
            if (entry := unseal(key, data)) is not None:
                yield key, entry

    def settings(self) -> dict[str, Any]:
        """What makes one like it, as plain JSON, without a password and without answers."""
        if self._is_own:
            raise InvalidRequestError(
                "a cache in a Store of your own cannot be described: make it anew where it is needed"
            )
        settings = {name: value for name, value in self._asked_for.items() if value is not None}
        place = True if self._is_default else self._store.place
        return {**settings, "store": place} if place else settings

    def __reduce__(self) -> tuple[Any, ...]:
        return _like, (self.settings(),)

    def __copy__(self) -> ResponseCache:
        return self

    def __deepcopy__(self, _memo: Any) -> ResponseCache:
        return self

    # ---- a store that fails

    def _try(self, ask: Callable[[], T], otherwise: T) -> T:
        if self._paused_until and self._clock() < self._paused_until:
            return otherwise
        try:
            found = ask()
        except (InvalidRequestError, CacheWarning):
            raise
        except Exception as error:  # noqa: BLE001  a store, also a user's own, must not cost an answer
            self._paused_until = self._clock() + _PAUSE_S
            self._warn(error)
            return otherwise
        self._paused_until, self._told = 0.0, False
        return found

    def _warn(self, error: Exception) -> None:
        if self._told:
            return
        self._told = True
        why = str(error) if isinstance(error, StoreError) else type(error).__name__
        warnings.warn(f"the cache is not used for now: {why}", CacheWarning, stacklevel=2)

    def _tell_now(self) -> None:
        if self._untold is not None:
            told, self._untold = self._untold, None
            raise told


def _like(settings: Mapping[str, Any]) -> ResponseCache:
    return ResponseCache(**settings)


def cache_of(given: Any, size: int | None, enabled: bool | None) -> ResponseCache | None:
    """The cache of a model that was given `cache=`, `cache_size=` and `enable_cache=`; None for none."""
    check_size("cache_size", size)
    if given is None or given is False:
        return ResponseCache(_SIZE if size is None else size) if enabled else None
    if enabled is False:
        return None
    if isinstance(given, ResponseCache):
        if size is not None:
            raise InvalidRequestError("cache_size is for a cache of the model's own: give `cache` its maxsize instead")
        return given
    if isinstance(given, Mapping):
        settings: dict[str, Any] = {"maxsize": size, **_checked_settings(cast("Mapping[str, Any]", given))}
        return ResponseCache(**settings)
    return ResponseCache(size, store=given)


def _checked_settings(given: Mapping[str, Any]) -> Mapping[str, Any]:
    if unknown := sorted(set(given) - {"maxsize", "ttl_s", "account", "store"}):
        raise InvalidRequestError(f"cache has unknown fields: {', '.join(unknown)}")
    return given


def check_stored(settings: Any) -> None:
    """Refuse the cache of a state that would write or connect to a place of the state's own choosing."""
    place: Any = cast("Mapping[str, Any]", settings).get("store") if isinstance(settings, Mapping) else settings
    if not isinstance(place, str):
        return
    if "://" in place:
        from msgflux_like.cache.redis import without_password  # noqa: PLC0415  for those who have one

        place = without_password(place)
    elif Path(place).expanduser().resolve().is_relative_to(cache_folder().resolve()):
        return
    raise InvalidRequestError(
        f"the state keeps answers at {place}: pass cache= to say where they may be kept, be it there; False is nowhere"
    )


def check_size(name: str, size: Any) -> int | None:
    """How many answers, 0 or more; None for not given."""
    return None if size is None else check_count(name, size)


def opened_store(given: Any, maxsize: int | None, ttl_s: float | None, clock: Callable[[], float]) -> Store:
    """The store that was named; nothing is opened or asked yet."""
    check_size("maxsize", maxsize)
    if ttl_s is not None:
        ttl_s = check_seconds("ttl_s", ttl_s)
    if given is None or given is False:
        from msgflux_like.cache.memory import MemoryStore  # noqa: PLC0415  each store brings what it needs

        return MemoryStore(_SIZE if maxsize is None else maxsize, ttl_s, clock)
    if given is True:
        given = cache_folder() / FILE
    if isinstance(given, str) and "://" in given:
        return _redis(given, maxsize, ttl_s)
    if given == "":
        raise InvalidRequestError("a cache is at a path: an empty text is none")
    if isinstance(given, (str, os.PathLike)):
        from msgflux_like.cache.sqlite import SqliteStore  # noqa: PLC0415

        path = os.fspath(cast("os.PathLike[str]", given))
        folder = Path(path).expanduser()
        return SqliteStore(str(folder / FILE) if folder.is_dir() else path, maxsize, ttl_s, clock)
    if not hasattr(given, "salt"):
        raise InvalidRequestError(
            f"a cache is a ResponseCache, a path, a redis:// URL or a Store, not {type(given).__name__}"
        )
    if maxsize is not None or ttl_s is not None:
        raise InvalidRequestError("maxsize and ttl_s are the store's own where a Store is given")
    return given


def _redis(url: str, maxsize: int | None, ttl_s: float | None) -> Store:
    from msgflux_like.cache.redis import SCHEMES, RedisStore  # noqa: PLC0415

    if url.partition("://")[0] not in SCHEMES:
        raise InvalidRequestError(f"a cache is at a path, or at a URL of {', '.join(SCHEMES)}")
    if maxsize is not None:
        raise InvalidRequestError("a Redis server bounds what it keeps by itself (maxmemory): leave the size out")
    return RedisStore(url, ttl_s)
