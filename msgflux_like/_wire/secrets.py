"""Keys and tokens that never appear in a repr, a log or a pickle."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn

from msgflux_like.errors import InvalidRequestError

TokenFunction = Callable[[], str] | Callable[[], Awaitable[str]]
"""Returns a token; called before every request."""

ApiKey = str | TokenFunction | tuple[str, ...]
"""A key, a function that returns one, or for providers with signed requests: key id, secret, optional session token."""


class Secret:
    """A key that never appears in a repr, a log, a pickle or the locals of a traceback."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the key itself; for the HTTP client that sends it and for `cache.key`, which hashes it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is never pickled; the restored object reads it from the environment")


class TokenSource:
    """A function that returns a token, called before every request. The token is never shown."""

    __slots__ = ("__weakref__", "_ask", "provider")

    def __init__(self, ask: TokenFunction, provider: str) -> None:
        self._ask = ask
        self.provider = provider

    def token(self) -> Secret:
        """Return the current token. Raises InvalidRequestError if it is invalid, or if the function is async."""
        return self._checked(self._ask())

    @property
    def is_async(self) -> bool:
        """True if the function is async, so that only `atoken` can call it."""
        from msgflux_like._concurrency.loops import is_async  # noqa: PLC0415  imports asyncio; only for token functions

        return is_async(self._ask)

    async def atoken(self) -> Secret:
        """Async counterpart of `token`."""
        token: Any = self._ask()
        return self._checked(await token)

    def _checked(self, token: Any) -> Secret:
        if isinstance(token, Awaitable):
            if isinstance(token, Coroutine):
                token.close()
            raise InvalidRequestError(
                f"api_key for {self.provider} is an async function: use acall, or pass a sync one"
            )
        return checked_key(token, self.provider)

    def __repr__(self) -> str:
        return "TokenSource(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a function that gives tokens is never pickled; give it again where the model is restored")


def checked_key(key: Any, provider: str) -> Secret:
    """Return the key as a `Secret`. Raises InvalidRequestError, without the key, if no header can hold it."""
    if not isinstance(key, str):
        raise InvalidRequestError(f"the key for {provider} must be a string or a function, not {type(key).__name__}")
    if not key.strip() or not key.isascii() or not key.isprintable():
        raise InvalidRequestError(
            f"the key for {provider} is empty, or has characters that a header must not have (a line end?)"
        )
    return Secret(key.strip())
