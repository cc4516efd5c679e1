"""What OpenAI's API answers, as objects: read by attribute and by key, with nothing of the reply left out.

Source of the fields: https://platform.openai.com/docs/api-reference. An object is the reply's own JSON: fields that
nobody knows are kept, a known one that is not there reads as None, and `model_dump` gives back what came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, cast

import msgspec

from msgflux_like._attrdict import dotdict
from msgflux_like.request import Change

_encoder = msgspec.json.Encoder()


class ApiObject(dotdict):
    """An object of a reply: a dict whose keys are attributes too, in what it holds as well.

    Attributes:
        changes: What was not sent exactly as asked; no part of the JSON.

    >>> usage = Usage({"prompt_tokens": 19, "cost": 0.1})
    >>> usage.prompt_tokens, usage["cost"], usage.total_tokens
    (19, 0.1, None)
    """

    _kinds: ClassVar[Mapping[str, type[ApiObject]]] = {}  # of the objects in it, by their field
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
            raise AttributeError(f"there is no {name!r}; there are {', '.join(map(str, self))}") from None

    def model_dump(self, *, exclude_none: bool = False, exclude_unset: bool = True) -> dict[str, Any]:
        """Plain dicts and lists of your own: what came, and no more. It can be sent back where a message can.

        Args:
            exclude_none: Leave out what is null.
            exclude_unset: False adds the known fields that did not come, as None.
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
        """The same as JSON text."""
        body = _encoder.encode(self.model_dump(exclude_none=exclude_none, exclude_unset=exclude_unset))
        return (body if indent is None else msgspec.json.format(body, indent=indent)).decode()

    to_dict = model_dump
    to_json = model_dump_json

    def with_changes(self, changes: tuple[Change, ...]) -> None:
        """Say what was not sent exactly as asked."""
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
    """The function of a call; `arguments` is JSON text, in a chunk a piece of it."""

    name: str | None
    arguments: str


class ChatToolCall(ApiObject, function=ChatFunction):
    """A call; in a chunk a piece of call number `index`, counted from 0, with `id` and name on its first one."""

    index: int | None
    id: str | None
    type: str | None
    function: ChatFunction


class PromptTokens(ApiObject):
    """Parts of the prompt's tokens."""

    audio_tokens: int | None
    cache_write_tokens: int | None
    cached_tokens: int | None
    image_tokens: int | None
    text_tokens: int | None


class CompletionTokens(ApiObject):
    """Parts of the answer's tokens."""

    accepted_prediction_tokens: int | None
    audio_tokens: int | None
    reasoning_tokens: int | None
    rejected_prediction_tokens: int | None
    text_tokens: int | None


class Usage(ApiObject, prompt_tokens_details=PromptTokens, completion_tokens_details=CompletionTokens):
    """Tokens, as the provider counts them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokens | None
    completion_tokens_details: CompletionTokens | None


class ChatMessage(ApiObject, tool_calls=ChatToolCall, function_call=ChatFunction):
    """What the model says. `content` is None where it calls tools without a word."""

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
    """A token, how likely it was (a natural logarithm), and the likeliest in its place."""

    token: str
    bytes: list[int] | None
    logprob: float
    top_logprobs: list[ApiObject] | None


class ChatLogprobs(ApiObject, content=ChatTokenLogprob, refusal=ChatTokenLogprob):
    """The tokens of an answer."""

    content: list[ChatTokenLogprob] | None
    refusal: list[ChatTokenLogprob] | None


class ChatCompletionChoice(ApiObject, message=ChatMessage, logprobs=ChatLogprobs):
    """One of the answers. `finish_reason`: stop, length, tool_calls, content_filter, or the provider's own word."""

    index: int
    message: ChatMessage
    finish_reason: str | None
    logprobs: ChatLogprobs | None


class ChatCompletionReply(ApiObject, choices=ChatCompletionChoice, usage=Usage):
    """A whole answer. `created` is in seconds since 1970."""

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
    """What a chunk adds; `role` is on the first chunk of an answer only."""

    role: str | None
    content: str | None
    tool_calls: list[ChatToolCall] | None
    refusal: str | None
    reasoning_content: str | None
    audio: ApiObject | None
    function_call: ChatFunction | None


class ChatCompletionChunkChoice(ApiObject, delta=ChatCompletionDelta, logprobs=ChatLogprobs):
    """A piece of one of the answers; `finish_reason` is on its last one."""

    index: int
    delta: ChatCompletionDelta
    finish_reason: str | None
    logprobs: ChatLogprobs | None


class ChatCompletionChunk(ApiObject, choices=ChatCompletionChunkChoice, usage=Usage):
    """A piece of an answer, from any provider.

    Attributes:
        id: The provider's id of the answer, "" when it gave none.
        object: "chat.completion.chunk".
        created: In seconds since 1970.
        model: The model that answers.
        choices: Always one at least, but for a chunk with nothing but the usage, which must be asked for.
        usage: The tokens of the whole answer, on the last chunk.
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
    """The tokens of a text, as lists of the same length."""

    text_offset: list[int] | None
    token_logprobs: list[float | None] | None
    tokens: list[str] | None
    top_logprobs: list[dict[str, float] | None] | None


class CompletionChoice(ApiObject, logprobs=TextLogprobs):
    """One of the texts, in a chunk a piece of it."""

    index: int
    text: str
    finish_reason: str | None
    logprobs: TextLogprobs | None


class Completion(ApiObject, choices=CompletionChoice, usage=Usage):
    """A completed text."""

    id: str
    object: str
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage | None
    system_fingerprint: str | None


class CompletionChunk(Completion):
    """A piece of a text; of the same form as the whole."""


# ------------------------------------------------------------------------------------------------ vectors and models


class Embedding(ApiObject):
    """One vector; numbers, or base64 text where `encoding_format` asked for that."""

    index: int
    embedding: list[float]
    object: str


class EmbeddingReply(ApiObject, data=Embedding, usage=Usage):
    """The vectors, in the order of what was given."""

    data: list[Embedding]
    model: str
    object: str
    usage: Usage | None


class ModelInfo(ApiObject):
    """A model that the provider serves. `created` is in seconds since 1970."""

    id: str
    object: str
    created: int
    owned_by: str
    shutdown_date: str | None


class ModelList(ApiObject, data=ModelInfo):
    """The models that the provider serves."""

    data: list[ModelInfo]
    object: str

    def __iter__(self) -> Iterator[ModelInfo]:  # pyright: ignore[reportIncompatibleMethodOverride]  as OpenAI's client
        """One model after the other."""
        return iter(self.data)
