"""`Client` and `AsyncClient`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NoReturn, TypedDict, Unpack

from msgflux_like._context import ClosesOnExit
from msgflux_like._http.deadline import Timeouts
from msgflux_like._wire.secrets import TokenFunction
from msgflux_like.client.account import Account, account
from msgflux_like.client.call_maker import CallMaker
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


class ClientOptions(TypedDict, total=False):
    """How a client calls, whomever it calls. See `Client`."""

    timeout: float | Timeouts | None
    max_retries: int | None
    extra_headers: Mapping[str, str] | None
    extra_body: Mapping[str, Any] | None
    max_messages: int | None
    max_message_chars: int | None
    spans: bool | Literal["content"]


class BaseClient(ClosesOnExit):
    """What both clients are."""

    def __init__(self, whom: Account, **options: Unpack[ClientOptions]) -> None:
        self._account = whom
        self._calls = CallMaker(whom, **options)

    def close(self) -> None:
        """Close the idle connections. Twice is once, and a later call opens new ones."""
        for transport in tuple(self._account.transports.values()):
            transport.close()

    async def aclose(self) -> None:
        """The async twin of `close`."""
        for transport in tuple(self._account.transports.values()):
            await transport.aclose()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client is not copied or pickled, because of its key: make another one where it is needed")

    def __repr__(self) -> str:
        provider = self._account.provider
        return f"{type(self).__name__}({'' if provider is None else f'provider={provider!r}'})"


class Client(BaseClient):
    """OpenAI's client over any provider: the same calls, and answers in OpenAI's form whatever the provider speaks.

    Safe to use from several threads.

    Args:
        api_key: The key, or a function that gives a token before every request; else the provider's variable in the
            environment. A function may have a method `renew`, which is called when a token was refused (HTTP 401)
            and tells whether to try once more with another.
        provider: Whose models are called. Without one, and without a base URL, each call names it: `provider/model`.
        base_url: Another place that speaks as the provider does; without a provider, any server in OpenAI's format,
            which gets no key from the environment but `OPENAI_COMPATIBLE_API_KEY`.
        auth: Name and beginning of the header with the key, where it is not the provider's, such as `("api-key", "")`.
        http_client: An `httpx2` or `httpx` Client to send with; it is not closed here.
        options: `timeout`: seconds for a whole call, or `Timeouts`, see `ChatCompletionReply`. `max_retries`: further
            requests after one that failed in a way that may pass, 2 if not given. `extra_headers`: for every request.
            `extra_body`: fields in the provider's own words, for every request. `max_messages`: a call with more is
            refused before it is sent. `max_message_chars`: so is one with a message of more characters; those of its
            text parts count together. `spans`: whether to write an OpenTelemetry span for each call; "content" tells
            it what was said as well.

    Raises:
        MissingKeyError: A ValueError, with the names of the variables.
        UnknownProviderError: With near names.

    Example:
        >>> import msgflux_like as mf
        >>> mf.Client(provider="anthropic", api_key="sk-...")
        Client(provider='anthropic')
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
        super().__init__(account(api_key, provider, base_url, auth, http_client), **options)
        self.chat = Chat(self._calls)
        self.completions = Completions(self._calls)
        self.embeddings = Embeddings(self._calls)
        self.models = Models(self._calls)


class AsyncClient(BaseClient):
    """The async twin of `Client`: the same arguments, `await client.chat.completions.create(...)`."""

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
        super().__init__(account(api_key, provider, base_url, auth, http_client), **options)
        self.chat = AsyncChat(self._calls)
        self.completions = AsyncCompletions(self._calls)
        self.embeddings = AsyncEmbeddings(self._calls)
        self.models = AsyncModels(self._calls)
