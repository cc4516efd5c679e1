"""Whom a client speaks to: the provider, with which key, and the connections that its models share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from msgflux_like._http.connections import Transport
from msgflux_like._wire.secrets import TokenFunction
from msgflux_like.errors import InvalidRequestError
from msgflux_like.providers import config, resolve
from msgflux_like.request import Endpoint

ANY_SERVER: Final = "openai-compatible"
"""The provider of a client that was given nothing but a base URL."""


def _nothing_new() -> bool:
    return False


class Account(Struct, frozen=True):
    """Whom to speak to.

    Attributes:
        provider: Its name; None where each model names its own: `provider/model`.
        base_url: Another place than the provider's own.
        api_key: The key, or what gives a token before every request; else the environment's.
        auth: Name and beginning of the header with the key, where it is not the provider's.
        renewed: Whether there is another token to try with, once the provider refused one.
        http_client: A user's own client.
    """

    provider: str | None = None
    base_url: str | None = None
    api_key: str | TokenFunction | None = None
    auth: tuple[str, str] | None = None
    renewed: Callable[[], bool] = _nothing_new
    http_client: Any = None
    transports: dict[str, Transport] = {}  # by the place they lead to; of this account alone

    def path(self, model: Any) -> str:
        """`provider/model` of a model as the caller names it."""
        if self.provider is None:
            return model  # which is looked at where it is split
        if not isinstance(model, str) or not model:
            given = "an empty text" if model == "" else type(model).__name__
            raise InvalidRequestError(f"model must be the name of a model, not {given}")
        return f"{self.provider}/{model}"

    def endpoint(self, model: str = "") -> tuple[config.Provider, Endpoint]:
        """Where requests without a model go."""
        if self.provider is None:
            raise InvalidRequestError("no provider is named: make the client with provider= or base_url=")
        row = resolve.find_provider(self.provider, model)
        return row, self.placed(config.endpoint(row, base_url=self.base_url, api_key=self.api_key))

    def placed(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, with the key in its place."""
        return endpoint if self.auth is None else replace(endpoint, auth=self.auth)

    def transport(self, base_url: str) -> Transport:
        """The connections to that place; those to one place are shared by all models there."""
        return self.transports.setdefault(base_url, Transport(self.http_client))

    def __repr__(self) -> str:  # without the key
        return f"Account(provider={self.provider!r}, base_url={self.base_url!r})"


def account(
    api_key: str | TokenFunction | None,
    provider: str | None,
    base_url: str | None,
    auth: tuple[str, str] | None = None,
    http_client: Any = None,
) -> Account:
    """The account of a client with these arguments.

    A key belongs to one provider: where none is named, it would be anyone's guess whose it is (InvalidRequestError).
    With a base URL alone, no key that the environment holds for somebody else is sent there.
    """
    if provider is None and base_url is not None:
        provider = ANY_SERVER
    if provider is None and api_key is not None:
        raise InvalidRequestError(
            "api_key is the key of one provider: name it, as in "
            'Client(provider="openai", api_key=...), or give a base_url'
        )
    renewed = getattr(api_key, "renew", _nothing_new)
    found = Account(provider, base_url, api_key, auth, renewed, http_client)
    if provider is not None:
        found.endpoint()  # what is wrong is found now, not at the first call
    return found
