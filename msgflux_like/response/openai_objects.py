"""Replies in OpenAI's format as objects whose fields are attributes and keys.

An object holds the JSON of the reply: unknown fields are kept, a known field that is absent reads as None, and
`model_dump` returns the JSON unchanged.

Source of the fields: https://platform.openai.com/docs/api-reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, cast

import msgspec

from msgflux_like._attrdict import dotdict
from msgflux_like.request import Change

_encoder = msgspec.json.Encoder()


class ApiObject(dotdict):
    """A JSON object of a reply: a dict whose keys are attributes too, at every depth.

    Args:
        fields: The JSON object.

    Attributes:
        changes: Parts of the request that were not sent exactly as given; not part of the JSON.

    Example:
        >>> usage = Usage({"prompt_tokens": 19, "cost": 0.1})
        >>> usage.prompt_tokens, usage["cost"], usage.total_tokens
        (19, 0.1, None)
    """

    _kinds: ClassVar[Mapping[str, type[ApiObject]]] = {}  # classes of nested objects, by field
    _known: ClassVar[frozenset[str]] = frozenset()
    changes: ClassVar[tuple[Change, ...]] = ()

    def __init_subclass__(cls, **kinds: type[ApiObject]) -> None:
        cls._kinds = {**cls._kinds, **kinds}
        cls._known = cls._known.union(name for name in cls.__annotations__ if not name.startswith("_"))

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.update(fields)
        kinds = self._kinds
        for name, value in fields.items():
            if type(value) is dict:
                self[name] = kinds.get(name, ApiObject)(cast("dict[str, Any]", value))
            elif type(value) is list and value and type(value[0]) is dict:  # pyright: ignore[reportUnknownArgumentType]  JSON
                kind = kinds.get(name, ApiObject)
                items = cast("list[Any]", value)
                self[name] = [kind(cast("dict[str, Any]", each)) if type(each) is dict else each for each in items]

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            if name in self._known:
                return None
            raise AttributeError(f"there is no key {name!r}; the keys are {', '.join(map(str, self))}") from None

    def model_dump(self, *, exclude_none: bool = False, exclude_unset: bool = True) -> dict[str, Any]:
        """Return the object as new plain dicts and lists. The dump of a message can be sent back in `messages`.

        Args:
            exclude_none: Whether to leave out fields that are null; False by default.
            exclude_unset: Whether to leave out known fields that the reply does not contain; if False, they are None.

        Example:
            >>> Usage({"prompt_tokens": 19, "cost": None}).model_dump(exclude_none=True)
            {'prompt_tokens': 19}
        """
        fields = self if exclude_unset else {**dict.fromkeys(sorted(self._known)), **self}
        return {
            name: _plain(value, exclude_none=exclude_none, exclude_unset=exclude_unset)
            for name, value in fields.items()
            if value is not None or not exclude_none
        }

    def model_dump_json(
        self, *, indent: int | None = None, exclude_none: bool = False, exclude_unset: bool = True
    ) -> str:
        """Return `model_dump` as JSON text.

        Args:
            indent: Spaces per level; compact JSON on one line if None.
            exclude_none: Whether to leave out fields that are null; False by default.
            exclude_unset: Whether to leave out known fields that the reply does not contain; True by default.
        """
        body = _encoder.encode(self.model_dump(exclude_none=exclude_none, exclude_unset=exclude_unset))
        return (body if indent is None else msgspec.json.format(body, indent=indent)).decode()

    to_dict = model_dump
    to_json = model_dump_json

    def with_changes(self, changes: tuple[Change, ...]) -> None:
        """Set `changes`, which is not part of the JSON."""
        object.__setattr__(self, "changes", changes)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


def _plain(value: Any, *, exclude_none: bool, exclude_unset: bool) -> Any:
    """Return a value of an object as plain dicts and lists."""
    if isinstance(value, ApiObject):
        return value.model_dump(exclude_none=exclude_none, exclude_unset=exclude_unset)
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [_plain(each, exclude_none=exclude_none, exclude_unset=exclude_unset) for each in items]
    if not isinstance(value, dict):
        return value
    return {
        name: _plain(each, exclude_none=exclude_none, exclude_unset=exclude_unset)
        for name, each in cast("dict[str, Any]", value).items()
        if each is not None or not exclude_none
    }


# -------------------------------------------------------------------------------------------------------------- chat


class ChatFunction(ApiObject):
    """Function of a tool call.

    Attributes:
        name: Name of the tool; None on later chunks of a call.
        arguments: Arguments as JSON; a piece of it in a chunk.
    """

    name: str | None
    arguments: str


class ChatToolCall(ApiObject, function=ChatFunction):
    """Tool call of a message, or a piece of one in a chunk.

    Attributes:
        index: Number of the call in the answer, from 0; in chunks only.
        id: Id of the call, for its result; None on later chunks of the call.
        type: "function"; None on later chunks of the call.
        function: Name and arguments.
    """

    index: int | None
    id: str | None
    type: str | None
    function: ChatFunction


class PromptTokens(ApiObject):
    """Prompt tokens by kind; parts of `prompt_tokens`. A count is None if it is not reported.

    Attributes:
        audio_tokens: Tokens of audio input.
        cache_write_tokens: Tokens written to the provider's cache.
        cached_tokens: Tokens read from the provider's cache.
        image_tokens: Tokens of images.
        text_tokens: Tokens of text.
    """

    audio_tokens: int | None
    cache_write_tokens: int | None
    cached_tokens: int | None
    image_tokens: int | None
    text_tokens: int | None


class CompletionTokens(ApiObject):
    """Completion tokens by kind; parts of `completion_tokens`. A count is None if it is not reported.

    Attributes:
        accepted_prediction_tokens: Tokens of a predicted output that were used.
        audio_tokens: Tokens of audio output.
        reasoning_tokens: Tokens of reasoning.
        rejected_prediction_tokens: Tokens of a predicted output that were not used.
        text_tokens: Tokens of text.
    """

    accepted_prediction_tokens: int | None
    audio_tokens: int | None
    reasoning_tokens: int | None
    rejected_prediction_tokens: int | None
    text_tokens: int | None


class Usage(ApiObject, prompt_tokens_details=PromptTokens, completion_tokens_details=CompletionTokens):
    """Token counts, as reported by the provider.

    Attributes:
        prompt_tokens: Tokens of the input.
        completion_tokens: Tokens of the output, including reasoning.
        total_tokens: Sum of both.
        prompt_tokens_details: Input by kind; None if not reported.
        completion_tokens_details: Output by kind; None if not reported.

    Example:
        >>> usage = Usage({"prompt_tokens": 19, "prompt_tokens_details": {"cached_tokens": 5}})
        >>> usage.prompt_tokens_details.cached_tokens, usage.completion_tokens_details
        (5, None)
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokens | None
    completion_tokens_details: CompletionTokens | None


class ChatMessage(ApiObject, tool_calls=ChatToolCall, function_call=ChatFunction):
    """Message of the model.

    Attributes:
        role: "assistant".
        content: Text; None if the message has only tool calls or a refusal.
        name: Name of the participant; None for none.
        tool_call_id: Id of the call that a tool message answers; None in the answer of a model.
        tool_calls: Tool calls; None if there are none.
        refusal: Text with which the model refuses; None if it does not.
        reasoning_content: Reasoning, from providers that return it; otherwise None.
        annotations: Citations of the text; None if there are none.
        audio: Audio output; None if not requested.
        function_call: Call in the deprecated format of OpenAI; None in other replies.
    """

    role: str
    content: str | None
    name: str | None
    tool_call_id: str | None
    tool_calls: list[ChatToolCall] | None
    refusal: str | None
    reasoning_content: str | None
    annotations: list[ApiObject] | None
    audio: ApiObject | None
    function_call: ChatFunction | None


class ChatTokenLogprob(ApiObject):
    """Log probability of one token.

    Attributes:
        token: The token.
        bytes: UTF-8 bytes of the token; None if not reported.
        logprob: Natural logarithm of the probability.
        top_logprobs: The most likely tokens at the position; None if not requested.
    """

    token: str
    bytes: list[int] | None
    logprob: float
    top_logprobs: list[ApiObject] | None


class ChatLogprobs(ApiObject, content=ChatTokenLogprob, refusal=ChatTokenLogprob):
    """Log probabilities of the tokens of an answer.

    Attributes:
        content: Tokens of the text; None if there are none.
        refusal: Tokens of the refusal; None if there are none.
    """

    content: list[ChatTokenLogprob] | None
    refusal: list[ChatTokenLogprob] | None


class ChatCompletionChoice(ApiObject, message=ChatMessage, logprobs=ChatLogprobs):
    """One answer of a reply.

    Attributes:
        index: Number of the answer, from 0.
        message: The message.
        finish_reason: "stop", "length", "tool_calls", "content_filter" or a value of the provider; None if not
            reported.
        logprobs: Log probabilities; None if not requested.
    """

    index: int
    message: ChatMessage
    finish_reason: str | None
    logprobs: ChatLogprobs | None


class ChatCompletionReply(ApiObject, choices=ChatCompletionChoice, usage=Usage):
    """Complete reply of a chat completion.

    Attributes:
        id: The provider's id of the reply, "" if not reported.
        object: "chat.completion".
        created: Creation time, in seconds since 1970.
        model: Model that answered.
        choices: The answers, one unless more were requested.
        usage: Token counts; None if not reported.
        system_fingerprint: Id of the provider's configuration; None if not reported.
        service_tier: Service tier that answered; None if not reported.
        metadata: Metadata that was sent with the request; None if not returned.
        moderation: Result of a moderation; None if not reported.

    Example:
        >>> reply = ChatCompletionReply({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]})
        >>> reply.choices[0].message.content, reply.usage
        ('Hi', None)
    """

    id: str
    object: str
    created: int
    model: str
    choices: list[ChatCompletionChoice]
    usage: Usage | None
    system_fingerprint: str | None
    service_tier: str | None
    metadata: ApiObject | None
    moderation: ApiObject | None


class ChatCompletionDelta(ApiObject, tool_calls=ChatToolCall, function_call=ChatFunction):
    """Content that a chunk adds to an answer.

    Attributes:
        role: Role, on the first chunk of an answer; otherwise None.
        content: Text to append; None if the chunk has no text.
        tool_calls: Pieces of tool calls; None if the chunk has none.
        refusal: Piece of a refusal; None if the chunk has none.
        reasoning_content: Reasoning to append; None if the chunk has none.
        audio: Piece of the audio output; None if the chunk has none.
        function_call: Piece of a call in the deprecated format of OpenAI; None in other chunks.
    """

    role: str | None
    content: str | None
    tool_calls: list[ChatToolCall] | None
    refusal: str | None
    reasoning_content: str | None
    audio: ApiObject | None
    function_call: ChatFunction | None


class ChatCompletionChunkChoice(ApiObject, delta=ChatCompletionDelta, logprobs=ChatLogprobs):
    """Piece of one answer.

    Attributes:
        index: Number of the answer, from 0.
        delta: Content that the chunk adds.
        finish_reason: Finish reason, on the last piece of the answer; otherwise None.
        logprobs: Log probabilities of the piece; None if not requested.
    """

    index: int
    delta: ChatCompletionDelta
    finish_reason: str | None
    logprobs: ChatLogprobs | None


class ChatCompletionChunk(ApiObject, choices=ChatCompletionChunkChoice, usage=Usage):
    """Piece of a streamed answer, from any provider.

    Attributes:
        id: The provider's id of the answer, "" if not reported.
        object: "chat.completion.chunk".
        created: Creation time, in seconds since 1970.
        model: Model that answers.
        choices: At least one, except on the chunk that has only the usage, which must be requested.
        usage: Token counts of the whole answer, on the last chunk.
        system_fingerprint: Id of the provider's configuration; None if not reported.
        service_tier: Service tier that answered; None if not reported.
        obfuscation: Random characters that hide the length of the chunk; None if not sent.
        moderation: Result of a moderation; None if not reported.
    """

    id: str
    object: str
    created: int
    model: str
    choices: list[ChatCompletionChunkChoice]
    usage: Usage | None
    system_fingerprint: str | None
    service_tier: str | None
    obfuscation: str | None
    moderation: ApiObject | None


# -------------------------------------------------------------------------------------------------------------- text


class TextLogprobs(ApiObject):
    """Log probabilities of the tokens of a text completion, as lists of equal length.

    Attributes:
        text_offset: Position of each token in the text, in characters.
        token_logprobs: Natural logarithm of the probability of each token; None for the first token of a prompt.
        tokens: The tokens.
        top_logprobs: The most likely tokens at each position, with their log probabilities.
    """

    text_offset: list[int] | None
    token_logprobs: list[float | None] | None
    tokens: list[str] | None
    top_logprobs: list[dict[str, float] | None] | None


class CompletionChoice(ApiObject, logprobs=TextLogprobs):
    """One text of a text completion, or a piece of it in a chunk.

    Attributes:
        index: Number of the text, from 0.
        text: The text, or the piece to append.
        finish_reason: "stop", "length", "content_filter" or a value of the provider; None before the last piece.
        logprobs: Log probabilities; None if not requested.
    """

    index: int
    text: str
    finish_reason: str | None
    logprobs: TextLogprobs | None


class Completion(ApiObject, choices=CompletionChoice, usage=Usage):
    """Reply of a text completion.

    Attributes:
        id: The provider's id of the reply, "" if not reported.
        object: "text_completion".
        created: Creation time, in seconds since 1970.
        model: Model that answered.
        choices: The texts, one unless more were requested.
        usage: Token counts; None if not reported.
        system_fingerprint: Id of the provider's configuration; None if not reported.
    """

    id: str
    object: str
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage | None
    system_fingerprint: str | None


class CompletionChunk(Completion):
    """Piece of a streamed text completion, with the fields of a complete reply."""


# ------------------------------------------------------------------------------------------------ vectors and models


class Embedding(ApiObject):
    """Vector of one input.

    Attributes:
        index: Number of the input, from 0.
        embedding: The vector; a base64 string if `encoding_format` is "base64".
        object: "embedding".
    """

    index: int
    embedding: list[float]
    object: str


class EmbeddingReply(ApiObject, data=Embedding, usage=Usage):
    """Vectors, in the order of the inputs.

    Attributes:
        data: The vectors.
        model: Model that computed them.
        object: "list".
        usage: Token counts; None if not reported.
    """

    data: list[Embedding]
    model: str
    object: str
    usage: Usage | None


class ModelInfo(ApiObject):
    """Model in the list of a provider.

    Attributes:
        id: Model id.
        object: "model".
        created: Creation time, in seconds since 1970.
        owned_by: Organization that owns the model.
        shutdown_date: Date of the announced shutdown; None if not reported.
    """

    id: str
    object: str
    created: int
    owned_by: str
    shutdown_date: str | None


class ModelList(ApiObject, data=ModelInfo):
    """List of the models that the provider serves. Iterating over it yields the models.

    Attributes:
        data: The models.
        object: "list".

    Example:
        >>> [model.id for model in ModelList({"data": [{"id": "gpt-4o"}, {"id": "gpt-4.1"}]})]
        ['gpt-4o', 'gpt-4.1']
    """

    data: list[ModelInfo]
    object: str

    def __iter__(self) -> Iterator[ModelInfo]:  # pyright: ignore[reportIncompatibleMethodOverride]  as OpenAI's client
        """Iterate over the models."""
        return iter(self.data)
