"""Resources of the client: `chat.completions`, `completions`, `embeddings` and `models`.

The signatures are those of OpenAI's client: its common parameters are keywords of their own, the others are in a
`TypedDict`. None means "not given" for every parameter, and nothing is sent for it; zeros are sent.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NoReturn, Unpack, overload

from msgflux_like.client.call_maker import CallMaker
from msgflux_like.client.calls import open_async_stream, open_stream, run, run_async
from msgflux_like.client.openai_params import CallParams, ChatOptions, ChatParams, EmbeddingParams, TextParams
from msgflux_like.client.streams import AsyncStream, Stream
from msgflux_like.response.openai_objects import (
    ChatCompletionChunk,
    ChatCompletionReply,
    Completion,
    CompletionChunk,
    EmbeddingReply,
    ModelInfo,
    ModelList,
)

# The annotations are evaluated: `inspect.signature` and `help` show types, not strings.

Prompt = str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]]
"""A string, several strings, the tokens of one, or the tokens of several."""


def _raise_no_parse(name: str) -> NoReturn:
    """Name the way to a typed answer, where code asks for the `parse` of OpenAI's client."""
    if name == "parse":
        raise AttributeError(
            "the client has no chat.completions.parse: for a typed answer, call a model with "
            'mf.Model.chat_completion("provider/model")(messages, generation_schema=YourType).parsed, '
            'or pass response_format={"type": "json_schema", ...} to create'
        )
    raise AttributeError(f"chat.completions has no attribute {name!r}; it has create")


class ChatCompletions:
    """Resource `client.chat.completions`."""

    def __init__(self, calls: CallMaker) -> None:
        self._calls = calls

    @overload
    def create(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        stream: Literal[False] = False,
        **params: Unpack[ChatParams],
    ) -> ChatCompletionReply: ...
    @overload
    def create(
        self, *, model: str, messages: Sequence[Mapping[str, Any]], stream: Literal[True], **params: Unpack[ChatParams]
    ) -> Stream[ChatCompletionChunk]: ...
    @overload
    def create(
        self, *, model: str, messages: Sequence[Mapping[str, Any]], stream: bool, **params: Unpack[ChatParams]
    ) -> ChatCompletionReply | Stream[ChatCompletionChunk]: ...
    def create(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        stream: bool = False,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        presence_penalty: float | None = None,
        frequency_penalty: float | None = None,
        user: str | None = None,
        tools: Sequence[Mapping[str, Any] | Callable[..., Any]] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        **options: Unpack[ChatOptions],
    ) -> ChatCompletionReply | Stream[ChatCompletionChunk]:
        """Create a chat completion.

        Args:
            model: Model id at the client's provider; "provider/model" for a client without a provider.
            messages: The conversation, a list of messages; messages of earlier replies can be passed as they are.
            stream: Whether to return the answer chunk by chunk.
            temperature: Sampling temperature, 0 to 2 (Anthropic: 0 to 1); the model's default if not given.
            top_p: Nucleus sampling probability, 0 to 1; the model's default if not given.
            max_tokens: Upper bound of the answer, in tokens, reasoning included, at least 1.
            stop: A string, or several, at which generation stops.
            presence_penalty: -2 to 2; positive values discourage repetition of topics.
            frequency_penalty: -2 to 2; positive values discourage repetition of words.
            user: Your id of the end user.
            tools: Tools that the model may call: OpenAI's schemas, or plain functions.
            tool_choice: "auto", "required", "none", or `{"type": "function", "function": {"name": ...}}`.
            **options: Other parameters of OpenAI's, `timeout`, `max_retries`, `extra_headers` and `extra_body`; see
                `ChatOptions`.

        Returns:
            The completion; with `stream=True` an iterator of its chunks.

        Raises:
            InvalidRequestError: A ValueError; the call is wrong, and nothing was sent.
            UnknownParameterError: A TypeError; the message suggests similar names.
            APIError: The provider refused the request or failed, or the connection did.

        Example:
            >>> import msgflux_like as mf
            >>> from msgflux_like.testing import FakeProvider, FakeReply
            >>> reply = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris"}}]}
            >>> client = mf.Client("sk-x", provider="openai", http_client=FakeProvider(FakeReply.whole(reply)))
            >>> answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hi"}])
            >>> answer.choices[0].message.content
            'Paris'
        """
        params = ChatParams(
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            stop=stop,
            presence_penalty=presence_penalty,
            frequency_penalty=frequency_penalty,
            user=user,
            tools=tools,
            tool_choice=tool_choice,
            **options,
        )
        call = self._calls.chat(model, messages, params, stream=bool(stream))
        return open_stream(call) if stream else run(call)

    def __getattr__(self, name: str) -> NoReturn:
        _raise_no_parse(name)


class AsyncChatCompletions:
    """Async counterpart of `ChatCompletions`."""

    def __init__(self, calls: CallMaker) -> None:
        self._calls = calls

    @overload
    async def create(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        stream: Literal[False] = False,
        **params: Unpack[ChatParams],
    ) -> ChatCompletionReply: ...
    @overload
    async def create(
        self, *, model: str, messages: Sequence[Mapping[str, Any]], stream: Literal[True], **params: Unpack[ChatParams]
    ) -> AsyncStream[ChatCompletionChunk]: ...
    @overload
    async def create(
        self, *, model: str, messages: Sequence[Mapping[str, Any]], stream: bool, **params: Unpack[ChatParams]
    ) -> ChatCompletionReply | AsyncStream[ChatCompletionChunk]: ...
    async def create(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        stream: bool = False,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        presence_penalty: float | None = None,
        frequency_penalty: float | None = None,
        user: str | None = None,
        tools: Sequence[Mapping[str, Any] | Callable[..., Any]] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        **options: Unpack[ChatOptions],
    ) -> ChatCompletionReply | AsyncStream[ChatCompletionChunk]:
        """Create a chat completion; the async counterpart of `ChatCompletions.create`."""
        params = ChatParams(
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            stop=stop,
            presence_penalty=presence_penalty,
            frequency_penalty=frequency_penalty,
            user=user,
            tools=tools,
            tool_choice=tool_choice,
            **options,
        )
        await self._calls.start_local(model)
        call = self._calls.chat(model, messages, params, stream=bool(stream))
        return await open_async_stream(call) if stream else await run_async(call)

    def __getattr__(self, name: str) -> NoReturn:
        _raise_no_parse(name)


class Chat:
    """Resource `client.chat`."""

    def __init__(self, calls: CallMaker) -> None:
        self.completions = ChatCompletions(calls)


class AsyncChat:
    """Async counterpart of `Chat`."""

    def __init__(self, calls: CallMaker) -> None:
        self.completions = AsyncChatCompletions(calls)


class Completions:
    """Resource `client.completions`: text completions."""

    def __init__(self, calls: CallMaker) -> None:
        self._calls = calls

    @overload
    def create(
        self, *, model: str, prompt: Prompt, stream: Literal[False] = False, **params: Unpack[TextParams]
    ) -> Completion: ...
    @overload
    def create(
        self, *, model: str, prompt: Prompt, stream: Literal[True], **params: Unpack[TextParams]
    ) -> Stream[CompletionChunk]: ...
    @overload
    def create(
        self, *, model: str, prompt: Prompt, stream: bool, **params: Unpack[TextParams]
    ) -> Completion | Stream[CompletionChunk]: ...
    def create(
        self,
        *,
        model: str,
        prompt: Prompt,
        stream: bool = False,
        best_of: int | None = None,
        echo: bool | None = None,
        frequency_penalty: float | None = None,
        logit_bias: Mapping[str, int] | None = None,
        logprobs: int | None = None,
        max_tokens: int | None = None,
        n: int | None = None,
        presence_penalty: float | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] | None = None,
        stream_options: Mapping[str, Any] | None = None,
        suffix: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        user: str | None = None,
        **options: Unpack[CallParams],
    ) -> Completion | Stream[CompletionChunk]:
        """Continue a prompt.

        Args:
            model: Model id at the client's provider; "provider/model" for a client without a provider.
            prompt: A string, several strings, or their tokens.
            stream: Whether to return the text chunk by chunk.
            best_of: Number of texts from which the best is returned, at least 1.
            echo: Whether to return the prompt before the text.
            frequency_penalty: -2 to 2; positive values discourage repetition of words.
            logit_bias: From the id of a token to -100 (never) to 100 (always).
            logprobs: Number of likeliest tokens to report for each place, 0 to 5.
            max_tokens: Upper bound of the text, in tokens, at least 1.
            n: Number of texts for each prompt, at least 1.
            presence_penalty: -2 to 2; positive values discourage repetition of topics.
            seed: Seed for repeatable sampling, where the provider offers it.
            stop: A string, or several, at which generation stops.
            stream_options: With `{"include_usage": True}` the last chunk has the usage.
            suffix: Text that comes after the completion.
            temperature: Sampling temperature, 0 to 2.
            top_p: Nucleus sampling probability, 0 to 1.
            user: Your id of the end user.
            **options: `timeout`, `max_retries`, `extra_headers` and `extra_body`; see `CallParams`.

        Returns:
            The completion; with `stream=True` an iterator of its chunks.

        Raises:
            InvalidRequestError: A ValueError; the call is wrong, and nothing was sent.
            UnsupportedError: The provider has no text completions in OpenAI's format.
            UnknownParameterError: A TypeError; the message suggests similar names.
            APIError: The provider refused the request or failed, or the connection did.

        Example:
            >>> import msgflux_like as mf
            >>> from msgflux_like.testing import FakeProvider, FakeReply
            >>> reply = FakeReply.whole({"choices": [{"index": 0, "text": " a time"}]})
            >>> client = mf.Client("sk-x", provider="openai", http_client=FakeProvider(reply))
            >>> client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once upon").choices[0].text
            ' a time'
        """
        params = TextParams(
            best_of=best_of,
            echo=echo,
            frequency_penalty=frequency_penalty,
            logit_bias=logit_bias,
            logprobs=logprobs,
            max_tokens=max_tokens,
            n=n,
            presence_penalty=presence_penalty,
            seed=seed,
            stop=stop,
            stream_options=stream_options,
            suffix=suffix,
            temperature=temperature,
            top_p=top_p,
            user=user,
            **options,
        )
        call = self._calls.text(model, prompt, params, stream=bool(stream))
        return open_stream(call) if stream else run(call)


class AsyncCompletions:
    """Async counterpart of `Completions`."""

    def __init__(self, calls: CallMaker) -> None:
        self._calls = calls

    @overload
    async def create(
        self, *, model: str, prompt: Prompt, stream: Literal[False] = False, **params: Unpack[TextParams]
    ) -> Completion: ...
    @overload
    async def create(
        self, *, model: str, prompt: Prompt, stream: Literal[True], **params: Unpack[TextParams]
    ) -> AsyncStream[CompletionChunk]: ...
    @overload
    async def create(
        self, *, model: str, prompt: Prompt, stream: bool, **params: Unpack[TextParams]
    ) -> Completion | AsyncStream[CompletionChunk]: ...
    async def create(
        self,
        *,
        model: str,
        prompt: Prompt,
        stream: bool = False,
        best_of: int | None = None,
        echo: bool | None = None,
        frequency_penalty: float | None = None,
        logit_bias: Mapping[str, int] | None = None,
        logprobs: int | None = None,
        max_tokens: int | None = None,
        n: int | None = None,
        presence_penalty: float | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] | None = None,
        stream_options: Mapping[str, Any] | None = None,
        suffix: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        user: str | None = None,
        **options: Unpack[CallParams],
    ) -> Completion | AsyncStream[CompletionChunk]:
        """Continue a prompt; the async counterpart of `Completions.create`."""
        params = TextParams(
            best_of=best_of,
            echo=echo,
            frequency_penalty=frequency_penalty,
            logit_bias=logit_bias,
            logprobs=logprobs,
            max_tokens=max_tokens,
            n=n,
            presence_penalty=presence_penalty,
            seed=seed,
            stop=stop,
            stream_options=stream_options,
            suffix=suffix,
            temperature=temperature,
            top_p=top_p,
            user=user,
            **options,
        )
        await self._calls.start_local(model)
        call = self._calls.text(model, prompt, params, stream=bool(stream))
        return await open_async_stream(call) if stream else await run_async(call)


class Embeddings:
    """Resource `client.embeddings`."""

    def __init__(self, calls: CallMaker) -> None:
        self._calls = calls

    def create(
        self,
        *,
        model: str,
        input: Prompt,  # noqa: A002  OpenAI's name
        dimensions: int | None = None,
        encoding_format: Literal["float", "base64"] | None = None,
        user: str | None = None,
        **options: Unpack[CallParams],
    ) -> EmbeddingReply:
        """Create the embeddings of a string, or of several.

        Args:
            model: Model id at the client's provider; "provider/model" for a client without a provider.
            input: A string, several strings, or their tokens.
            dimensions: Length of the vectors, at least 1; the model's own if not given.
            encoding_format: "float" for lists of numbers, "base64" for strings; the provider's default if not given.
            user: Your id of the end user.
            **options: `timeout`, `max_retries`, `extra_headers` and `extra_body`; see `CallParams`.

        Returns:
            The vectors in `data`, in the order of the input, and the usage.

        Raises:
            InvalidRequestError: A ValueError; the call is wrong, and nothing was sent.
            UnsupportedError: The provider has no embeddings in OpenAI's format.
            UnknownParameterError: A TypeError; the message suggests similar names.
            APIError: The provider refused the request or failed, or the connection did.

        Example:
            >>> import msgflux_like as mf
            >>> from msgflux_like.testing import FakeProvider, FakeReply
            >>> reply = FakeReply.whole({"data": [{"index": 0, "embedding": [0.5, 0.25]}]})
            >>> client = mf.Client("sk-x", provider="openai", http_client=FakeProvider(reply))
            >>> client.embeddings.create(model="text-embedding-3-small", input="Hello").data[0].embedding
            [0.5, 0.25]
        """
        params = EmbeddingParams(dimensions=dimensions, encoding_format=encoding_format, user=user, **options)
        return run(self._calls.embedding(model, input, params))


class AsyncEmbeddings:
    """Async counterpart of `Embeddings`."""

    def __init__(self, calls: CallMaker) -> None:
        self._calls = calls

    async def create(
        self,
        *,
        model: str,
        input: Prompt,  # noqa: A002  OpenAI's name
        dimensions: int | None = None,
        encoding_format: Literal["float", "base64"] | None = None,
        user: str | None = None,
        **options: Unpack[CallParams],
    ) -> EmbeddingReply:
        """Create embeddings; the async counterpart of `Embeddings.create`."""
        params = EmbeddingParams(dimensions=dimensions, encoding_format=encoding_format, user=user, **options)
        await self._calls.start_local(model)
        return await run_async(self._calls.embedding(model, input, params))


class Models:
    """Resource `client.models`."""

    def __init__(self, calls: CallMaker) -> None:
        self._calls = calls

    def list(self) -> ModelList:
        """Return the models that the provider serves; iterating over it gives one `ModelInfo` after the other.

        Raises:
            UnsupportedError: The provider's list is not in OpenAI's format.
            APIError: The provider refused the request or failed, or the connection did.

        Example:
            >>> import msgflux_like as mf
            >>> from msgflux_like.testing import FakeProvider, FakeReply
            >>> reply = FakeReply.whole({"data": [{"id": "gpt-4o"}]})
            >>> client = mf.Client("sk-x", provider="openai", http_client=FakeProvider(reply))
            >>> [model.id for model in client.models.list()]
            ['gpt-4o']
        """
        return run(self._calls.models())

    def retrieve(self, model: str) -> ModelInfo:
        """Return the record of one model in the provider's list.

        Args:
            model: Model id at the client's provider; "provider/model" for a client without a provider.

        Raises:
            NotFoundError: The provider has no model with this id.
            UnsupportedError: The provider's list is not in OpenAI's format.
            APIError: The provider refused the request or failed, or the connection did.

        Example:
            >>> import msgflux_like as mf
            >>> from msgflux_like.testing import FakeProvider, FakeReply
            >>> reply = FakeReply.whole({"id": "gpt-4o", "owned_by": "system"})
            >>> client = mf.Client("sk-x", provider="openai", http_client=FakeProvider(reply))
            >>> client.models.retrieve("gpt-4o").owned_by
            'system'
        """
        return run(self._calls.model(model))


class AsyncModels:
    """Async counterpart of `Models`."""

    def __init__(self, calls: CallMaker) -> None:
        self._calls = calls

    async def list(self) -> ModelList:
        """Return the models that the provider serves; the async counterpart of `Models.list`."""
        return await run_async(self._calls.models())

    async def retrieve(self, model: str) -> ModelInfo:
        """Return the record of one model; the async counterpart of `Models.retrieve`."""
        return await run_async(self._calls.model(model))
