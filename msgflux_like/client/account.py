"""The account of a client: which provider it calls, with which key, and the connections that its models share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import replace

from msgflux_like._http.connections import Transport
from msgflux_like._wire.secrets import TokenFunction
from msgflux_like.errors import InvalidRequestError
from msgflux_like.providers import config, resolve
from msgflux_like.request import Endpoint

ANY_SERVER: Final = "openai-compatible"
"""The provider of a client that was given nothing but a base URL."""


def _no_new_token() -> bool:
    return False


class Account(Struct, frozen=True):
    """Connection settings of one provider account.

    Attributes:
        provider: Name of the provider; None where each call names it: "provider/model".
        base_url: Base URL that replaces the provider's own.
        api_key: Key, or function that returns a token before every request; the environment's key if None.
        auth: Name of the header with the key and the prefix of its value; the provider's own if None.
        query: Query string for every request, without "?"; "" for none.
        renew_token: Function that is called when a token was refused; whether there is another one to try with.
        http_client: The user's own HTTP client.
    """

    provider: str | None = None
    base_url: str | None = None
    api_key: str | TokenFunction | None = None
    auth: tuple[str, str] | None = None
    query: str = ""
    renew_token: Callable[[], bool] = _no_new_token
    http_client: Any = None
    transports: dict[str, Transport] = {}  # by base URL; of this account alone

    def model_path(self, model: Any) -> str:
        """Return "provider/model" for a model as the caller names it."""
        if self.provider is None:
            return model  # checked where it is split
        if not isinstance(model, str) or not model:
            given = "an empty string" if model == "" else type(model).__name__
            raise InvalidRequestError(f"model must be the name of a model, not {given}")
        return f"{self.provider}/{model}"

    def endpoint(self, model: str = "") -> tuple[config.Provider, Endpoint]:
        """Return the provider's row and the endpoint for requests that name no model."""
        if self.provider is None:
            raise InvalidRequestError("the client has no provider: make it with provider= or base_url=")
        row = resolve.find_provider(self.provider, model)
        return row, self.configured(config.endpoint(row, base_url=self.base_url, api_key=self.api_key))

    def configured(self, endpoint: Endpoint) -> Endpoint:
        """Return the endpoint with the account's own header for the key, and its query."""
        query = "&".join(filter(None, (endpoint.query, self.query)))
        return replace(endpoint, auth=self.auth or endpoint.auth, query=query)

    def transport(self, base_url: str) -> Transport:
        """Return the connections to a base URL, which all models there share."""
        return self.transports.setdefault(base_url, Transport(self.http_client))

    def __repr__(self) -> str:  # without the key
        return f"Account(provider={self.provider!r}, base_url={self.base_url!r})"


def make_account(
    api_key: str | TokenFunction | None,
    provider: str | None,
    base_url: str | None,
    *,
    auth: tuple[str, str] | None = None,
    http_client: Any = None,
    default_query: Mapping[str, Any] | None = None,
) -> Account:
    """Return the account for the arguments of a client.

    With a base URL alone, no key that the environment holds for another provider is sent there.

    Raises:
        InvalidRequestError: For a key without a provider or a base URL: whose key it is would be a guess.
    """
    if provider is None and base_url is not None:
        provider = ANY_SERVER
    if provider is None and api_key is not None:
        raise InvalidRequestError(
            "api_key is the key of one provider: name it, as in "
            'Client(provider="openai", api_key=...), or give a base_url'
        )
    renew_token = getattr(api_key, "renew", _no_new_token)
    query = urlencode(_checked_query(default_query), doseq=True)
    account = Account(provider, base_url, api_key, auth, query, renew_token, http_client)
    if provider is not None:
        account.endpoint()  # a wrong argument is found now, not at the first call
    return account


def _checked_query(query: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if query is not None and not isinstance(query, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  callers are untyped
        raise InvalidRequestError(f"default_query must be a mapping of names to values, not {type(query).__name__}")
    return query or {}
