"""What hangs on a client: `chat.completions`, `completions`, `embeddings`, `models`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Unpack, overload

from msgflux_like.client.call_maker import CallMaker
from msgflux_like.client.calls import aopened, arun, opened, run
from msgflux_like.client.openai_params import ChatParams, EmbeddingParams, TextParams
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


class ChatCompletions:
    """`client.chat.completions`."""

    def __init__(self, calls: CallMaker) -> None:
        self._calls = calls

    @overload
    def create(
        self, *, model: str, messages: Sequence[Any], stream: Literal[False] = False, **words: Unpack[ChatParams]
    ) -> ChatCompletionReply: ...
    @overload
    def create(
        self, *, model: str, messages: Sequence[Any], stream: Literal[True], **words: Unpack[ChatParams]
    ) -> Stream[ChatCompletionChunk]: ...
    @overload
    def create(
        self, *, model: str, messages: Sequence[Any], stream: bool, **words: Unpack[ChatParams]
    ) -> ChatCompletionReply | Stream[ChatCompletionChunk]: ...
    def create(
        self, *, model: str, messages: Sequence[Any], stream: bool = False, **words: Unpack[ChatParams]
    ) -> ChatCompletionReply | Stream[ChatCompletionChunk]:
        """Ask a model.

        Args:
            model: The model's id at the client's provider; `provider/model` for a client without one.
            messages: The conversation: a list of messages, those of earlier answers among them.
            stream: Give the answer chunk by chunk.
            **words: See `ChatParams`.

        Raises:
            InvalidRequestError: A ValueError: the call is wrong, nothing was sent.
            UnknownParameterError: A TypeError, with near names.
            APIError: The provider, or the way to it, failed.
        """
        call = self._calls.chat(model, messages, stream=bool(stream), words=words)
        return opened(call) if stream else run(call)


class AsyncChatCompletions:
    """The async twin of `ChatCompletions`."""

    def __init__(self, calls: CallMaker) -> None:
        self._calls = calls

    @overload
    async def create(
        self, *, model: str, messages: Sequence[Any], stream: Literal[False] = False, **words: Unpack[ChatParams]
    ) -> ChatCompletionReply: ...
    @overload
    async def create(
        self, *, model: str, messages: Sequence[Any], stream: Literal[True], **words: Unpack[ChatParams]
    ) -> AsyncStream[ChatCompletionChunk]: ...
    @overload
    async def create(
        self, *, model: str, messages: Sequence[Any], stream: bool, **words: Unpack[ChatParams]
    ) -> ChatCompletionReply | AsyncStream[ChatCompletionChunk]: ...
    async def create(
        self, *, model: str, messages: Sequence[Any], stream: bool = False, **words: Unpack[ChatParams]
    ) -> ChatCompletionReply | AsyncStream[ChatCompletionChunk]:
        """See `ChatCompletions.create`."""
        await self._calls.ready(model)
        call = self._calls.chat(model, messages, stream=bool(stream), words=words)
        return await aopened(call) if stream else await arun(call)


class Chat:
    """`client.chat`."""

    def __init__(self, calls: CallMaker) -> None:
        self.completions = ChatCompletions(calls)


class AsyncChat:
    """The async twin of `Chat`."""

    def __init__(self, calls: CallMaker) -> None:
        self.completions = AsyncChatCompletions(calls)


class Completions:
    """`client.completions`: texts that a model goes on with."""

    def __init__(self, calls: CallMaker) -> None:
        self._calls = calls

    @overload
    def create(
        self, *, model: str, prompt: Any, stream: Literal[False] = False, **words: Unpack[TextParams]
    ) -> Completion: ...
    @overload
    def create(
        self, *, model: str, prompt: Any, stream: Literal[True], **words: Unpack[TextParams]
    ) -> Stream[CompletionChunk]: ...
    @overload
    def create(
        self, *, model: str, prompt: Any, stream: bool, **words: Unpack[TextParams]
    ) -> Completion | Stream[CompletionChunk]: ...
    def create(
        self, *, model: str, prompt: Any, stream: bool = False, **words: Unpack[TextParams]
    ) -> Completion | Stream[CompletionChunk]:
        """Go on with a prompt: a text, several, or tokens. Raises as `ChatCompletions.create` does."""
        call = self._calls.text(model, prompt, stream=bool(stream), words=words)
        return opened(call) if stream else run(call)


class AsyncCompletions:
    """The async twin of `Completions`."""

    def __init__(self, calls: CallMaker) -> None:
        self._calls = calls

    @overload
    async def create(
        self, *, model: str, prompt: Any, stream: Literal[False] = False, **words: Unpack[TextParams]
    ) -> Completion: ...
    @overload
    async def create(
        self, *, model: str, prompt: Any, stream: Literal[True], **words: Unpack[TextParams]
    ) -> AsyncStream[CompletionChunk]: ...
    @overload
    async def create(
        self, *, model: str, prompt: Any, stream: bool, **words: Unpack[TextParams]
    ) -> Completion | AsyncStream[CompletionChunk]: ...
    async def create(
        self, *, model: str, prompt: Any, stream: bool = False, **words: Unpack[TextParams]
    ) -> Completion | AsyncStream[CompletionChunk]:
        """See `Completions.create`."""
        await self._calls.ready(model)
        call = self._calls.text(model, prompt, stream=bool(stream), words=words)
        return await aopened(call) if stream else await arun(call)


class Embeddings:
    """`client.embeddings`."""

    def __init__(self, calls: CallMaker) -> None:
        self._calls = calls

    def create(self, *, model: str, input: Any, **words: Unpack[EmbeddingParams]) -> EmbeddingReply:  # noqa: A002  OpenAI's name
        """The vectors of a text, or of several. Raises as `ChatCompletions.create` does."""
        return run(self._calls.embedding(model, input, words))


class AsyncEmbeddings:
    """The async twin of `Embeddings`."""

    def __init__(self, calls: CallMaker) -> None:
        self._calls = calls

    async def create(self, *, model: str, input: Any, **words: Unpack[EmbeddingParams]) -> EmbeddingReply:  # noqa: A002  OpenAI's name
        """See `Embeddings.create`."""
        await self._calls.ready(model)
        return await arun(self._calls.embedding(model, input, words))


class Models:
    """`client.models`."""

    def __init__(self, calls: CallMaker) -> None:
        self._calls = calls

    def list(self) -> ModelList:
        """The models that the provider serves; iterating gives one after the other."""
        return run(self._calls.models())

    def retrieve(self, model: str) -> ModelInfo:
        """One of them. NotFoundError when there is none of that id."""
        return run(self._calls.model(model))


class AsyncModels:
    """The async twin of `Models`."""

    def __init__(self, calls: CallMaker) -> None:
        self._calls = calls

    async def list(self) -> ModelList:
        """See `Models.list`."""
        return await arun(self._calls.models())

    async def retrieve(self, model: str) -> ModelInfo:
        """See `Models.retrieve`."""
        return await arun(self._calls.model(model))
