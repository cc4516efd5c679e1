"""`BudClient` and `AsyncBudClient`: a `Client` of Bud's gateway, with Bud's ways to say who is asking.

A key, else email and password for a token that is renewed, else the token of a Dapr sidecar; what is given counts
before what the environment holds. Source: https://github.com/BudEcosystem/BudAIFoundry-SDK.
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
from msgflux_like._http.exchange import Retries, exchange
from msgflux_like._json import as_mapping, to_json
from msgflux_like._wire.secrets import Secret, TokenFunction
from msgflux_like.client.account import Account
from msgflux_like.client.calls import Call, run
from msgflux_like.client.clients import AsyncClient, Client, ClientOptions
from msgflux_like.client.openai_params import MAX_MESSAGE_CHARS, MAX_MESSAGES
from msgflux_like.client.raw import Raw
from msgflux_like.client.reading import RawReading
from msgflux_like.dialects import load
from msgflux_like.errors import AuthenticationError, BadReplyError, InvalidRequestError, MissingKeyError
from msgflux_like.request import HttpRequest
from msgflux_like.response.openai_objects import ApiObject

_EARLY_S: Final = 60.0  # before its end a token is renewed
_LIFETIME_S: Final = 3600.0  # of a token that does not tell
_TIMEOUTS: Final = Timeouts(total_s=30.0)
_WAYS: Final = (
    "bud needs to know who is asking: pass api_key= or set BUD_API_KEY; or email= and password=, "
    "BUD_EMAIL and BUD_PASSWORD; or dapr_token=, BUD_DAPR_TOKEN"
)


def _no() -> bool:
    return False


class Tokens:
    """Gives the token of an email and a password: logs in, and renews it a minute before its end.

    Safe to call from several threads; they wait for one login. `now` gives seconds since 1970.
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
        self._renewal: Secret | None = None
        self._ends_s = 0.0

    def __call__(self) -> str:
        """The token of this moment. Raises the APIError that stands in its way."""
        with self._lock:
            if (token := self.at_hand()) is None:
                token = self._take(self._renewed() or self._ask("/auth/login", self._credentials()))
            return token

    def at_hand(self) -> str | None:
        """The token, if there is one that lasts."""
        token = self._token
        return token.reveal() if token is not None and self._now() < self._ends_s - _EARLY_S else None

    def renew(self) -> bool:
        """The token was refused: the next one will be a new one."""
        self._ends_s = 0.0
        return True

    def _credentials(self) -> dict[str, str]:
        return {"email": self._email, "password": self._password.reveal()}

    def _renewed(self) -> ApiObject | None:
        """What the gateway gives for the token that renews; None where there is none, or it is too old."""
        if self._renewal is None:
            return None
        try:
            return self._ask("/auth/refresh-token", {"refresh_token": self._renewal.reveal()})
        except AuthenticationError:
            self._renewal = None
            return None

    def _ask(self, path: str, body: Mapping[str, str]) -> ApiObject:
        headers = {"accept": "application/json", "content-type": "application/json", "user-agent": "msgflux-like"}
        return run(
            Call(
                http=HttpRequest(self._host + path, headers, to_json(body)),
                exchange=partial(
                    exchange, dialect=Raw(load("openai_chat"), ""), provider="bud", model="", retries=Retries()
                ),
                timeouts=_TIMEOUTS,
                transport=self._transport,
                reads=RawReading(ApiObject, ApiObject),
                renewed=_no,
            )
        )

    def _take(self, said: ApiObject) -> str:
        given = as_mapping(said.get("token")) or said
        token, renewal, lifetime_s = given.get("access_token"), given.get("refresh_token"), given.get("expires_in")
        if not isinstance(token, str) or not token:
            raise BadReplyError("the login gave no access_token", provider="bud", status=200)
        self._token = Secret(token)
        if isinstance(renewal, str) and renewal:
            self._renewal = Secret(renewal)
        self._ends_s = self._now() + (lifetime_s if isinstance(lifetime_s, (int, float)) else _LIFETIME_S)
        return token

    def __repr__(self) -> str:
        return "Tokens(***)"


class AsyncTokens:
    """The async twin of `Tokens`: what has to wait does so in a thread."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self.renew = tokens.renew

    async def __call__(self) -> str:
        """See `Tokens`."""
        return self._tokens.at_hand() or await to_thread(self._tokens)

    def __repr__(self) -> str:
        return "AsyncTokens(***)"


class TokenProvider(NamedTuple):
    """Who is asking: a key or what gives tokens, the header for it if not the usual one, and further headers."""

    key: str | TokenFunction
    auth: tuple[str, str] | None = None
    headers: Mapping[str, str] = {}


class StaticToken(NamedTuple):
    """What a client was given to say who is asking."""

    api_key: str | TokenFunction | None = None
    email: str | None = None
    password: str | None = None
    dapr_token: str | None = None
    user_id: str | None = None
    base_url: str | None = None
    now: Callable[[], float] = time.time
    http_client: Any = None

    def asker(self) -> TokenProvider:
        """The first way there is: of what was given, and then of the environment."""
        env = os.environ
        if (self.email is None) != (self.password is None):
            raise InvalidRequestError("email= and password= go together: give both")
        return (
            self._by(self.api_key, self.email, self.password, self.dapr_token)
            or self._by(
                env.get("BUD_API_KEY"), env.get("BUD_EMAIL"), env.get("BUD_PASSWORD"), env.get("BUD_DAPR_TOKEN")
            )
            or self._nobody()
        )

    def _by(
        self, api_key: str | TokenFunction | None, email: str | None, password: str | None, dapr_token: str | None
    ) -> TokenProvider | None:
        if api_key:
            return TokenProvider(api_key)
        if email and password:
            return TokenProvider(Tokens(email, password, self._host(), now=self.now, http_client=self.http_client))
        if dapr_token:
            user = self.user_id or os.environ.get("BUD_USER_ID")
            return TokenProvider(dapr_token, ("dapr-api-token", ""), {"x-user-id": user} if user else {})
        return None

    def _nobody(self) -> TokenProvider:
        raise MissingKeyError(_WAYS)

    def _host(self) -> str:
        """Where logins go: beside the API. It is checked as a place that gets a key."""
        _, endpoint = Account("bud", self.base_url, api_key=lambda: "").endpoint()
        return endpoint.base_url.removesuffix("/v1")


def _options(given: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """The client's options, with Bud's limits where none are given."""
    named = {"max_messages": MAX_MESSAGES, "max_message_chars": MAX_MESSAGE_CHARS, **given}
    return {**named, "extra_headers": {**headers, **(given.get("extra_headers") or {})}}


class BudClient(Client):
    """A client of Bud's gateway.

    Args:
        api_key: The key; else `BUD_API_KEY`.
        base_url: The gateway, with or without `/v1`; else `BUD_BASE_URL`, else `BUD_API_URL`, else Bud's own.
        email: With `password`: log in, and renew the token when it ends. Else `BUD_EMAIL` and `BUD_PASSWORD`.
        password: See `email`.
        dapr_token: The token of a Dapr sidecar; else `BUD_DAPR_TOKEN`.
        user_id: In whose name a Dapr sidecar asks; else `BUD_USER_ID`.
        now: Gives the seconds since 1970, by which tokens end.
        http_client: As for `Client`.
        options: As for `Client`. At most 1,000 messages of 1,000,000 characters each are sent if nothing else is said.

    Raises:
        MissingKeyError: A ValueError that lists the ways to say who is asking.

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
        given = StaticToken(api_key, email, password, dapr_token, user_id, base_url, now, http_client)
        key, auth, headers = given.asker()
        super().__init__(
            key, provider="bud", base_url=base_url, auth=auth, http_client=http_client, **_options(options, headers)
        )


class AsyncBudClient(AsyncClient):
    """The async twin of `BudClient`: the same arguments, `await client.chat.completions.create(...)`."""

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
        given = StaticToken(api_key, email, password, dapr_token, user_id, base_url, now, http_client)
        key, auth, headers = given.asker()
        if isinstance(key, Tokens):
            key = AsyncTokens(key)
        super().__init__(
            key, provider="bud", base_url=base_url, auth=auth, http_client=http_client, **_options(options, headers)
        )
