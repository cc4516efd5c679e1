"""`Client` and `AsyncClient`: OpenAI's client over any provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NoReturn, TypedDict, Unpack

from msgflux_like._context import AsyncClosesOnExit, ClosesOnExit
from msgflux_like._http.deadline import Timeouts
from msgflux_like._wire.secrets import TokenFunction
from msgflux_like.client.account import Account, make_account
from msgflux_like.client.call_maker import CallMaker
from msgflux_like.client.openai_params import validate_kwargs
from msgflux_like.client.resources import (
    AsyncChat,
    AsyncCompletions,
    AsyncEmbeddings,
    AsyncModels,
    Chat,
    Completions,
    Embeddings,
    Models,
)
from msgflux_like.errors import InvalidRequestError

_MASKED_KEY: Final = "***"

# Attributes of OpenAI's client that this one does not have, and what to use instead.
_REMEDIES: Final[Mapping[str, str]] = {
    "with_options": "pass timeout=, max_retries=, extra_headers= or extra_body= to the call",
    "copy": "make another client",
    "with_raw_response": "a reply has the fields of the body; an error has the status and the headers",
    "with_streaming_response": "pass stream=True to the call",
    "responses": 'use mf.Model.chat_completion("openai/...", dialect="openai_responses")',
    "beta": "use client.chat.completions.create, or mf.Model.chat_completion with generation_schema= for typed answers",
}
_NO_REMEDY: Final = "use the openai package for it"
_OTHER_RESOURCES: Final = (
    "audio",
    "batches",
    "containers",
    "conversations",
    "evals",
    "files",
    "fine_tuning",
    "images",
    "moderations",
    "realtime",
    "uploads",
    "vector_stores",
    "videos",
    "webhooks",
)


class ClientOptions(TypedDict, total=False):
    """Options of a client that do not depend on the provider; see `Client`."""

    timeout: float | Timeouts | None
    max_retries: int | None
    organization: str | None
    project: str | None
    default_headers: Mapping[str, str] | None
    default_query: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None
    extra_body: Mapping[str, Any] | None
    max_messages: int | None
    max_message_chars: int | None
    spans: bool | Literal["content"]


class BaseClient:
    """Base class of `Client` and `AsyncClient`."""

    def __init__(
        self,
        api_key: str | TokenFunction | None,
        provider: str | None,
        base_url: str | None,
        *,
        auth: tuple[str, str] | None,
        http_client: Any,
        options: ClientOptions,
    ) -> None:
        given = validate_kwargs(options, ClientOptions)
        query = given.pop("default_query", None)
        headers = _merged_headers(given)
        self._account: Account = make_account(
            api_key, provider, base_url, auth=auth, http_client=http_client, default_query=query
        )
        self._calls = CallMaker(self._account, extra_headers=headers, **given)

    @property
    def api_key(self) -> str | None:
        """The masked key: "***" if the client was given a key, else None."""
        return None if self._account.api_key is None else _MASKED_KEY

    @property
    def base_url(self) -> str | None:
        """Base URL of the provider, None for a client without a provider."""
        return None if self._account.provider is None else self._account.endpoint()[1].base_url

    @property
    def timeout(self) -> Timeouts:
        """Time limits of a call that is given none."""
        return self._calls.timeouts

    @property
    def max_retries(self) -> int:
        """Number of retries of a call that is given none."""
        return self._calls.max_retries

    def __getattr__(self, name: str) -> NoReturn:
        remedy = _REMEDIES.get(name) or (_NO_REMEDY if name in _OTHER_RESOURCES else None)
        there = "it has chat.completions, completions, embeddings and models"
        raise AttributeError(f"{type(self).__name__} has no {name!r}: {remedy or there}")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client is not copied or pickled, because of its key: make another one where it is needed")

    def __repr__(self) -> str:
        provider = self._account.provider
        return f"{type(self).__name__}({'' if provider is None else f'provider={provider!r}'})"


def _merged_headers(given: dict[str, Any]) -> dict[str, Any]:
    """Take the options that are headers out of `given`, and return the headers."""
    ids = {
        "openai-organization": given.pop("organization", None),
        "openai-project": given.pop("project", None),
    }
    headers: dict[str, Any] = {name: value for name, value in ids.items() if value is not None}
    for option in ("default_headers", "extra_headers"):
        value = given.pop(option, {})
        if not isinstance(value, Mapping):
            raise InvalidRequestError(f"{option} must be a mapping of names to strings, not {type(value).__name__}")
        headers |= value
    return headers


class Client(BaseClient, ClosesOnExit):
    """OpenAI's client over any provider: the same calls, and replies in OpenAI's form whatever the provider speaks.

    Safe to use from several threads.

    Args:
        api_key: Key of the provider, or a function that returns a token before every request; the provider's
            environment variable if not given. A function may have a method `renew`, which is called when a token was
            refused (HTTP 401) and returns whether to try once more with another.
        provider: Name of the provider whose models are called. Without one, and without a base URL, each call names
            it: "provider/model".
        base_url: Base URL that replaces the provider's own. Without a provider: of any server in OpenAI's format,
            which gets no key from the environment but `OPENAI_COMPATIBLE_API_KEY`.
        auth: Name of the header with the key and the prefix of its value, such as `("api-key", "")`; the provider's
            own if not given.
        http_client: An `httpx2.Client` or `httpx.Client` to send with; it is not closed here.
        **options: Keywords of `ClientOptions`:

            - `timeout`: seconds for a whole call, or `Timeouts`; `MSGFLUX_LIKE_TIMEOUT`, else no limit for the whole,
              if not given.
            - `max_retries`: number of retries after a request that failed in a way that may pass, 2 if not given.
            - `default_headers` or `extra_headers`: headers of every request.
            - `organization`, `project`: sent as the headers `OpenAI-Organization` and `OpenAI-Project`.
            - `default_query`: query parameters of every request.
            - `extra_body`: fields of the provider's own, added to every body.
            - `max_messages`: a call with more messages is refused before it is sent; no limit if not given.
            - `max_message_chars`: so is one with a message of more characters, its text parts counted together.
            - `spans`: whether to write an OpenTelemetry span for each call; "content" records prompts and answers too.

    Attributes:
        chat: Chat completions, at `chat.completions`.
        completions: Text completions.
        embeddings: Embeddings.
        models: Models that the provider serves.

    Raises:
        MissingKeyError: A ValueError; the message names the environment variables.
        UnknownProviderError: The message suggests similar names.
        UnknownParameterError: A TypeError; the message suggests similar names.
        InvalidRequestError: A ValueError, for an argument of the wrong type.

    Example:
        >>> import msgflux_like as mf
        >>> client = mf.Client(provider="anthropic", api_key="sk-...")
        >>> client, client.base_url, client.api_key
        (Client(provider='anthropic'), 'https://api.anthropic.com/v1', '***')
    """

    def __init__(
        self,
        api_key: str | TokenFunction | None = None,
        *,
        provider: str | None = None,
        base_url: str | None = None,
        auth: tuple[str, str] | None = None,
        http_client: Any = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        super().__init__(api_key, provider, base_url, auth=auth, http_client=http_client, options=options)
        self.chat = Chat(self._calls)
        self.completions = Completions(self._calls)
        self.embeddings = Embeddings(self._calls)
        self.models = Models(self._calls)

    def close(self) -> None:
        """Close the idle connections. Idempotent. The client can be used again; it reconnects on demand."""
        for transport in tuple(self._account.transports.values()):
            transport.close()

    async def aclose(self) -> None:
        """Close the idle connections; the async counterpart of `close`."""
        for transport in tuple(self._account.transports.values()):
            await transport.aclose()


class AsyncClient(BaseClient, AsyncClosesOnExit):
    """Async counterpart of `Client`, with the same arguments.

    Example:
        >>> import asyncio
        >>> import msgflux_like as mf
        >>> from msgflux_like.testing import FakeProvider, FakeReply
        >>> reply = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris"}}]}
        >>> async def main() -> str | None:
        ...     provider = FakeProvider(FakeReply.whole(reply))
        ...     async with mf.AsyncClient("sk-x", provider="openai", http_client=provider) as client:
        ...         messages = [{"role": "user", "content": "What is the capital of France?"}]
        ...         answer = await client.chat.completions.create(model="gpt-4o", messages=messages)
        ...         return answer.choices[0].message.content
        >>> asyncio.run(main())
        'Paris'
    """

    def __init__(
        self,
        api_key: str | TokenFunction | None = None,
        *,
        provider: str | None = None,
        base_url: str | None = None,
        auth: tuple[str, str] | None = None,
        http_client: Any = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        super().__init__(api_key, provider, base_url, auth=auth, http_client=http_client, options=options)
        self.chat = AsyncChat(self._calls)
        self.completions = AsyncCompletions(self._calls)
        self.embeddings = AsyncEmbeddings(self._calls)
        self.models = AsyncModels(self._calls)

    async def close(self) -> None:
        """Close the idle connections. Idempotent. The client can be used again; it reconnects on demand."""
        for transport in tuple(self._account.transports.values()):
            await transport.aclose()
