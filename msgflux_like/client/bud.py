"""`BudClient` and `AsyncBudClient`: clients of Bud's gateway, with its kinds of credentials.

They are, in this order: a key; an email and a password, for a token that is renewed; the token of a Dapr sidecar. An
argument is preferred to a variable of the environment. Source: https://github.com/BudEcosystem/BudAIFoundry-SDK.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, Unpack

from msgflux_like._concurrency.threads import to_thread
from msgflux_like._http.connections import Transport
from msgflux_like._http.deadline import Timeouts
from msgflux_like._http.exchange import exchange
from msgflux_like._http.retry import Retries
from msgflux_like._json import as_mapping, to_json
from msgflux_like._wire.secrets import Secret, TokenFunction
from msgflux_like.client.account import Account
from msgflux_like.client.calls import Call, run
from msgflux_like.client.clients import AsyncClient, Client, ClientOptions
from msgflux_like.client.openai_params import MAX_MESSAGE_CHARS, MAX_MESSAGES
from msgflux_like.client.raw import RawDialect
from msgflux_like.client.reply_readers import RawReader
from msgflux_like.dialects import load
from msgflux_like.errors import AuthenticationError, BadReplyError, InvalidRequestError, MissingKeyError
from msgflux_like.request import HttpRequest
from msgflux_like.response.openai_objects import ApiObject

_RENEWAL_MARGIN_S: Final = 60.0  # a token is renewed so long before it expires
_DEFAULT_LIFETIME_S: Final = 3600.0  # of a token without `expires_in`
_TIMEOUTS: Final = Timeouts(total_s=30.0)
_NO_CREDENTIALS: Final = (
    "bud needs credentials: pass api_key= or set BUD_API_KEY; or email= and password=, "
    "BUD_EMAIL and BUD_PASSWORD; or dapr_token=, BUD_DAPR_TOKEN"
)


def _no_new_token() -> bool:
    return False


class LoginTokens:
    """Function that returns the token of an email and a password; it logs in, and renews the token before it expires.

    Safe to call from several threads, which wait for one login.

    Args:
        email: Email of the login.
        password: Password of the login.
        host: Base URL of the gateway, without `/v1`.
        now: Function that returns the seconds since 1970.
        http_client: HTTP client to log in with; an async one is not used.
    """

    def __init__(
        self, email: str, password: str, host: str, *, now: Callable[[], float] = time.time, http_client: Any = None
    ) -> None:
        self._email = email
        self._password = Secret(password)
        self._host = host
        self._now = now
        self._transport = Transport(None if hasattr(http_client, "aclose") else http_client)
        self._lock = threading.Lock()
        self._token: Secret | None = None
        self._refresh_token: Secret | None = None
        self._expires_s = 0.0

    def __call__(self) -> str:
        """Return a valid token, after a login if there is none. Raises APIError if the login fails."""
        with self._lock:
            if (token := self.cached_token()) is None:
                token = self._store(self._refreshed() or self._post("/auth/login", self._credentials()))
            return token

    def cached_token(self) -> str | None:
        """Return the token of the last login, None if it expires within a minute."""
        token = self._token
        return token.reveal() if token is not None and self._now() < self._expires_s - _RENEWAL_MARGIN_S else None

    def renew(self) -> bool:
        """Discard the token, which was refused. Return True: there will be another one to try with."""
        self._expires_s = 0.0
        return True

    def _credentials(self) -> dict[str, str]:
        return {"email": self._email, "password": self._password.reveal()}

    def _refreshed(self) -> ApiObject | None:
        """Return the reply to the refresh token, None if there is no such token or it has expired."""
        if self._refresh_token is None:
            return None
        try:
            return self._post("/auth/refresh-token", {"refresh_token": self._refresh_token.reveal()})
        except AuthenticationError:
            self._refresh_token = None
            return None

    def _post(self, path: str, body: Mapping[str, str]) -> ApiObject:
        headers = {"accept": "application/json", "content-type": "application/json", "user-agent": "msgflux-like"}
        dialect = RawDialect(load("openai_chat"), "")
        return run(
            Call(
                http=HttpRequest(self._host + path, headers, to_json(body)),
                exchange=partial(exchange, dialect=dialect, provider="bud", model="", retries=Retries()),
                timeouts=_TIMEOUTS,
                transport=self._transport,
                reader=RawReader(ApiObject, ApiObject),
                renew_token=_no_new_token,
            )
        )

    def _store(self, reply: ApiObject) -> str:
        fields = as_mapping(reply.get("token")) or reply
        token, refresh_token = fields.get("access_token"), fields.get("refresh_token")
        lifetime_s = fields.get("expires_in")
        if not isinstance(token, str) or not token:
            raise BadReplyError("the reply to the login has no access_token", provider="bud", status=200)
        self._token = Secret(token)
        if isinstance(refresh_token, str) and refresh_token:
            self._refresh_token = Secret(refresh_token)
        self._expires_s = self._now() + (lifetime_s if isinstance(lifetime_s, (int, float)) else _DEFAULT_LIFETIME_S)
        return token

    def __repr__(self) -> str:
        return "LoginTokens(***)"


class AsyncLoginTokens:
    """Async counterpart of `LoginTokens`; a login runs in a thread."""

    def __init__(self, tokens: LoginTokens) -> None:
        self._tokens = tokens
        self.renew = tokens.renew

    async def __call__(self) -> str:
        """Return a valid token; the async counterpart of `LoginTokens.__call__`."""
        return self._tokens.cached_token() or await to_thread(self._tokens)

    def __repr__(self) -> str:
        return "AsyncLoginTokens(***)"


class Authentication(NamedTuple):
    """How requests are authenticated: a key or a function that returns tokens, its header, and other headers."""

    key: str | TokenFunction
    auth: tuple[str, str] | None = None
    headers: Mapping[str, str] = {}


class Credentials(NamedTuple):
    """Credentials that were passed to a client; see `BudClient` for the fields."""

    api_key: str | TokenFunction | None = None
    email: str | None = None
    password: str | None = None
    dapr_token: str | None = None
    user_id: str | None = None
    base_url: str | None = None
    now: Callable[[], float] = time.time
    http_client: Any = None

    def authentication(self) -> Authentication:
        """Return the first kind of credentials that was passed, else the first that the environment holds.

        Raises:
            InvalidRequestError: For an email without a password, or a password without an email.
            MissingKeyError: If there are no credentials.
        """
        env = os.environ
        if (self.email is None) != (self.password is None):
            raise InvalidRequestError("email= and password= go together: give both")
        found = self._first(self.api_key, self.email, self.password, self.dapr_token) or self._first(
            env.get("BUD_API_KEY"), env.get("BUD_EMAIL"), env.get("BUD_PASSWORD"), env.get("BUD_DAPR_TOKEN")
        )
        if found is None:
            raise MissingKeyError(_NO_CREDENTIALS)
        return found

    def _first(
        self, api_key: str | TokenFunction | None, email: str | None, password: str | None, dapr_token: str | None
    ) -> Authentication | None:
        if api_key:
            return Authentication(api_key)
        if email and password:
            tokens = LoginTokens(email, password, self._host(), now=self.now, http_client=self.http_client)
            return Authentication(tokens)
        if dapr_token:
            user = self.user_id or os.environ.get("BUD_USER_ID")
            return Authentication(dapr_token, ("dapr-api-token", ""), {"x-user-id": user} if user else {})
        return None

    def _host(self) -> str:
        """Return the base URL of logins, after the checks of a URL that a key is sent to."""
        _, endpoint = Account("bud", self.base_url, api_key=lambda: "").endpoint()
        return endpoint.base_url.removesuffix("/v1")


def _with_defaults(options: ClientOptions, headers: Mapping[str, str]) -> ClientOptions:
    """Return the client's options with Bud's limits, where none were given, and its headers."""
    limits: ClientOptions = {"max_messages": MAX_MESSAGES, "max_message_chars": MAX_MESSAGE_CHARS}
    merged: ClientOptions = {**limits, **options}
    merged["extra_headers"] = {**headers, **(options.get("extra_headers") or {})}
    return merged


class BudClient(Client):
    """Client of Bud's gateway.

    Args:
        api_key: Key, or a function that returns a token before every request; `BUD_API_KEY` if not given.
        base_url: Base URL of the gateway, with or without `/v1`; `BUD_BASE_URL`, else `BUD_API_URL`, else Bud's own, if
            not given.
        email: Email to log in with, together with `password`; `BUD_EMAIL` if not given.
        password: Password to log in with; `BUD_PASSWORD` if not given.
        dapr_token: Token of a Dapr sidecar; `BUD_DAPR_TOKEN` if not given.
        user_id: User id sent to the Dapr sidecar; `BUD_USER_ID` if not given.
        now: Function that returns the seconds since 1970, by which tokens expire.
        http_client: An `httpx2.Client` or `httpx.Client` to send with; it is not closed here.
        **options: Keywords of `Client`. `max_messages` is 1,000 and `max_message_chars` 1,000,000 if not given.

    Raises:
        MissingKeyError: A ValueError; the message lists the kinds of credentials.
        InvalidRequestError: A ValueError, for an email without a password, or an argument of the wrong type.

    Example:
        >>> BudClient(api_key="your-api-key")
        BudClient(provider='bud')
    """

    def __init__(
        self,
        api_key: str | TokenFunction | None = None,
        *,
        base_url: str | None = None,
        email: str | None = None,
        password: str | None = None,
        dapr_token: str | None = None,
        user_id: str | None = None,
        now: Callable[[], float] = time.time,
        http_client: Any = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        given = Credentials(api_key, email, password, dapr_token, user_id, base_url, now, http_client)
        key, auth, headers = given.authentication()
        super().__init__(
            key,
            provider="bud",
            base_url=base_url,
            auth=auth,
            http_client=http_client,
            **_with_defaults(options, headers),
        )


class AsyncBudClient(AsyncClient):
    """Async counterpart of `BudClient`, with the same arguments.

    Example:
        >>> AsyncBudClient(api_key="your-api-key")
        AsyncBudClient(provider='bud')
    """

    def __init__(
        self,
        api_key: str | TokenFunction | None = None,
        *,
        base_url: str | None = None,
        email: str | None = None,
        password: str | None = None,
        dapr_token: str | None = None,
        user_id: str | None = None,
        now: Callable[[], float] = time.time,
        http_client: Any = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        given = Credentials(api_key, email, password, dapr_token, user_id, base_url, now, http_client)
        key, auth, headers = given.authentication()
        if isinstance(key, LoginTokens):
            key = AsyncLoginTokens(key)
        super().__init__(
            key,
            provider="bud",
            base_url=base_url,
            auth=auth,
            http_client=http_client,
            **_with_defaults(options, headers),
        )
