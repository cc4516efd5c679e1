"""A store in Redis, or a server with its protocol: one cache for many machines. The server limits its size."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

from msgflux_like.errors import InvalidRequestError, NotInstalledError, StoreError

SCHEMES: Final = ("redis", "rediss", "unix")
_PREFIX: Final = b"msgflux-like:1:"  # the number changes with the layout
_TIMEOUT_S: Final = 2.0
_BATCH: Final = 500


class RedisStore:
    """A `Store` in Redis. The server limits its size: `maxmemory`, with `maxmemory-policy allkeys-lru`.

    Args:
        url: `redis://host:6379/0`, `rediss://` for TLS, or `unix://path`.
        ttl_s: Seconds until the server removes an entry; None for never.
    """

    blocks = True
    maxsize: int | None = None

    def __init__(self, url: str, ttl_s: float | None) -> None:
        self.location = without_password(url)
        self.ttl_s = ttl_s
        try:
            redis: Any = import_module("redis")
        except ImportError:
            raise NotInstalledError('a cache in Redis needs its client: pip install "msgflux-like[redis]"') from None
        self._failures: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        try:
            self._redis: Any = redis.Redis.from_url(
                url,
                password=os.environ.get("MSGFLUX_LIKE_REDIS_PASSWORD"),  # a password in the URL takes precedence
                socket_timeout=_TIMEOUT_S,
                socket_connect_timeout=_TIMEOUT_S,
                retry=import_module("redis.retry").Retry(
                    import_module("redis.backoff").NoBackoff(), 1
                ),  # for a connection that the server has closed
            )
        except ValueError as error:
            raise InvalidRequestError(f"cache: {self.location} is not a URL of Redis: {error}") from None
        self._salt = b""

    def salt(self) -> bytes:
        """Return the 32 random bytes of the store."""
        if not self._salt:
            self._share_salt(secrets.token_bytes(32))
        return self._salt

    def _share_salt(self, salt: bytes) -> None:
        """Store the salt unless another client was first, and use the one that is stored."""
        self._ask("set", _SALT, salt, nx=True)
        self._salt = self._ask("get", _SALT) or salt

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key and mark it as the most recently used; None if the key has no value."""
        return self._ask("get", _name(key))

    def put(self, key: bytes, data: bytes) -> None:
        """Store a value; the server removes values if it needs memory."""
        self._ask("set", _name(key), data, px=None if self.ttl_s is None else max(int(self.ttl_s * 1000), 1))
        self._share_salt(self._salt or secrets.token_bytes(32))  # marks it as used, so that the server keeps it

    def drop(self, key: bytes) -> None:
        """Remove the value of a key, if it has one."""
        self._ask("unlink", _name(key))

    def clear(self) -> None:
        """Remove all values. Keys of other programs are not removed."""
        names = list(self._names())
        for at in range(0, len(names), _BATCH):
            self._ask("unlink", *names[at : at + _BATCH])

    def count(self) -> int:
        """Return the number of values. Scans all keys of the server."""
        return sum(1 for _ in self._names())

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values."""
        for name in self._names():
            if (data := self._ask("get", name)) is not None:
                yield bytes.fromhex(name.removeprefix(_ENTRIES).decode()), data

    def close(self) -> None:
        """Close the connections. Idempotent; the store reconnects on demand."""
        self._redis.close()

    def _names(self) -> Iterator[bytes]:
        """Yield the names of all entries; the server may repeat one while it scans."""
        cursor, seen = 0, set[bytes]()
        while True:
            cursor, names = self._ask("scan", cursor, match=_ENTRIES + b"*", count=_BATCH)
            yield from (name for name in names if name not in seen)
            seen.update(names)
            if not cursor:
                return

    def _ask(self, command: str, *arguments: Any, **more: Any) -> Any:
        try:
            return getattr(self._redis, command)(*arguments, **more)
        except self._failures as error:
            raise StoreError(f"{self.location}: {type(error).__name__}") from None


_SALT: Final = _PREFIX + b"salt"
_ENTRIES: Final = _PREFIX + b"entry:"


def _name(key: bytes) -> bytes:
    return _ENTRIES + key.hex().encode()


def without_password(url: str) -> str:
    """Return the URL without its password, so that it may be shown and stored."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    netloc = user.partition(":")[0] + at + host if user.partition(":")[0] else host
    query = "&".join(each for each in parts.query.split("&") if each and not each.startswith("password="))
    return parts._replace(netloc=netloc, query=query).geturl()
