"""Keys and tokens, which show themselves to nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn

from msgflux_like.errors import InvalidRequestError

TokenFunction = Callable[[], str] | Callable[[], Awaitable[str]]
"""Gives a token, and is asked before every request."""

ApiKey = str | TokenFunction | tuple[str, ...]
"""A key, what gives one, or for providers whose requests are signed: key id, secret, and a session token if any."""


class Secret:
    """A key that shows itself to nobody: not in a repr, a log, a pickle or a traceback's locals."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself, for `transport` when the bytes go out, and for `cache.key`, which hashes it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is never pickled; the restored object reads it from the environment")


class TokenSource:
    """A function that gives a token, asked before every request; it shows what it gives to nobody."""

    __slots__ = ("__weakref__", "_ask", "provider")

    def __init__(self, ask: TokenFunction, provider: str) -> None:
        self._ask = ask
        self.provider = provider

    def token(self) -> Secret:
        """The token of this moment. InvalidRequestError for what is none, or comes from an async function."""
        return self._checked(self._ask())

    @property
    def is_async(self) -> bool:
        """Whether the function is an async one, whose token only `atoken` can wait for."""
        from msgflux_like._concurrency.loops import is_async  # noqa: PLC0415  imports asyncio; only for token functions

        return is_async(self._ask)

    async def atoken(self) -> Secret:
        """The async twin of `token`."""
        said: Any = self._ask()
        return self._checked(await said)

    def _checked(self, said: Any) -> Secret:
        if isinstance(said, Awaitable):
            if isinstance(said, Coroutine):
                said.close()
            raise InvalidRequestError(f"api_key for {self.provider} is an async function: use acall, or give another")
        return checked_key(said, self.provider)

    def __repr__(self) -> str:
        return "TokenSource(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a function that gives tokens is never pickled; give it again where the model is restored")


def checked_key(key: Any, provider: str) -> Secret:
    """A key that a header can hold. The error does not show it."""
    if not isinstance(key, str):
        raise InvalidRequestError(f"the key for {provider} must be a text or a function, not {type(key).__name__}")
    if not key.strip() or not key.isascii() or not key.isprintable():
        raise InvalidRequestError(
            f"the key for {provider} is empty or holds characters that no header may hold (a line end?)"
        )
    return Secret(key.strip())
