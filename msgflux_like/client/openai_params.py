"""OpenAI's parameters, checked, and in the words of `ChatCompletionReply`.

Source: https://platform.openai.com/docs/api-reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypedDict, cast

from msgflux_like._json import as_mapping
from msgflux_like.calls.arguments import check_parameters
from msgflux_like.calls.options import SamplingParameters
from msgflux_like.errors import InvalidMessagesError, InvalidRequestError, UnknownParameterError, UnsupportedError
from msgflux_like.request import ToolChoice
from msgflux_like.tools.schemas import check_tools

MAX_MESSAGES: Final = 1000
MAX_MESSAGE_CHARS: Final = 1_000_000


class CallParams(TypedDict, total=False):
    """What every call takes beside what goes into its body.

    Keys:
        timeout: Seconds for the whole call, or `Timeouts`; else the client's.
        max_retries: Further requests after one that failed in a way that may pass; else the client's.
        extra_headers: Headers for this request.
        extra_body: Fields in the provider's own words.
    """

    timeout: Any
    max_retries: int | None
    extra_headers: Mapping[str, str] | None
    extra_body: Mapping[str, Any] | None


class _ChatFields(TypedDict, total=False):
    """Fields of OpenAI's body that `ChatCompletionReply` has no word for."""

    audio: Mapping[str, Any] | None
    function_call: str | Mapping[str, Any] | None
    functions: Sequence[Mapping[str, Any]] | None
    logit_bias: Mapping[str, int] | None
    max_completion_tokens: int | None
    metadata: Mapping[str, str] | None
    modalities: Sequence[str] | None
    n: int | None
    prediction: Mapping[str, Any] | None
    prompt_cache_key: str | None
    prompt_cache_retention: str | None
    response_format: Mapping[str, Any] | None
    safety_identifier: str | None
    service_tier: str | None
    store: bool | None
    stream_options: Mapping[str, Any] | None
    verbosity: str | None
    web_search_options: Mapping[str, Any] | None


class ChatParams(CallParams, SamplingParameters, _ChatFields, total=False):
    """Parameters of a chat completion. None is "not given"; zeros are sent. See `SamplingParameters` and `CallParams`.

    Keys:
        tools: Tools the model may call: OpenAI's schemas, or plain functions.
        tool_choice: "auto", "required", "none", or `{"type": "function", "function": {"name": ...}}`.
        response_format: `{"type": "json_schema", ...}` holds the answer to a schema.
        stream_options: With `{"include_usage": True}` the last chunk has the usage and no choice.
    """

    tools: Sequence[Mapping[str, Any] | Callable[..., Any]] | None
    tool_choice: ToolChoice | None


class TextParams(CallParams, total=False):
    """Parameters of a text completion. None is "not given"; zeros are sent."""

    best_of: int | None
    echo: bool | None
    frequency_penalty: float | None
    logit_bias: Mapping[str, int] | None
    logprobs: int | None
    max_tokens: int | None
    n: int | None
    presence_penalty: float | None
    seed: int | None
    stop: str | Sequence[str] | None
    stream_options: Mapping[str, Any] | None
    suffix: str | None
    temperature: float | None
    top_p: float | None
    user: str | None


class EmbeddingParams(CallParams, total=False):
    """Parameters of embeddings. None is "not given"."""

    dimensions: int | None
    encoding_format: str | None
    user: str | None


_OWN: Final = frozenset(_ChatFields.__annotations__)
_HOW: Final = frozenset(CallParams.__annotations__)


def validate_kwargs(words: Mapping[str, Any], known: type[Any]) -> dict[str, Any]:
    """What was given. UnknownParameterError, a TypeError, for what there is not."""
    names = tuple(known.__annotations__)
    for name in words:
        if name not in names:
            check_parameters({name: words[name]}, names)
            raise UnknownParameterError(f"{name} is no parameter of this call; there are {', '.join(sorted(names))}")
    return {name: value for name, value in words.items() if value is not None}


def split_extra_body(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What goes into the body, and what says how to send it."""
    how = {name: value for name, value in given.items() if name in _HOW}
    return {name: value for name, value in given.items() if name not in how}, how


def checked_messages(messages: Any, max_messages: int | None, max_chars: int | None) -> list[Mapping[str, Any]]:
    """The messages, as mappings: objects of an earlier answer are read. InvalidMessagesError."""
    if not isinstance(messages, (list, tuple)):
        raise InvalidMessagesError(
            f"messages must be a list of messages here, not {type(messages).__name__}: "
            f'write [{{"role": "user", "content": ...}}]'
        )
    given = cast("Sequence[Any]", messages)
    if max_messages is not None and len(given) > max_messages:
        raise InvalidMessagesError(f"messages has {len(given)} messages, and {max_messages} may be sent at once")
    return [_message(each, f"messages[{index}]", max_chars) for index, each in enumerate(given)]


def _message(message: Any, place: str, max_chars: int | None) -> Mapping[str, Any]:
    if not isinstance(message, Mapping):
        dump: Any = getattr(message, "model_dump", None)  # an object of OpenAI's own package
        if dump is None:
            raise InvalidMessagesError(f"{place} must be a message with role and content, not {type(message).__name__}")
        message = dump(exclude_unset=True)
    fields = cast("Mapping[str, Any]", message)
    if max_chars is not None and (chars := _chars(fields.get("content"))) > max_chars:
        raise InvalidMessagesError(f"{place}.content has {chars} characters, and {max_chars} may be sent")
    return fields


def _chars(content: Any) -> int:
    """Characters of a content; of one in parts, those of its text parts together."""
    if isinstance(content, str):
        return len(content)
    parts = cast("Sequence[Any]", content) if isinstance(content, (list, tuple)) else ()
    return sum(len(text) for part in parts if isinstance(text := as_mapping(part).get("text", part), str))


def to_options(given: Mapping[str, Any], dialect: str | None) -> dict[str, Any]:
    """The keywords of a `ChatCompletionReply` call that mean the same.

    `dialect` is None where the provider speaks OpenAI's chat format: then what we have no word for goes out as it is.
    """
    call = {name: value for name, value in given.items() if name not in _OWN}
    own = {name: value for name, value in given.items() if name in _OWN}
    tools, choice = call.pop("tools", None), call.pop("tool_choice", None)
    if dialect is None and any(
        not callable(tool) and as_mapping(tool).get("type") != "function" for tool in tools or ()
    ):
        own |= {"tools": tools} if choice is None else {"tools": tools, "tool_choice": choice}
    elif tools or choice is not None:
        choice = _choice(choice, dialect)
        call |= {"tool_schemas": check_tools(tools, choice, "tools"), "tool_choice": choice}
    if dialect is not None:
        return {**call, **_translated(own, call, dialect)}
    extra = as_mapping(call.get("extra_body"))
    if twice := sorted(own.keys() & extra.keys()):
        raise InvalidRequestError(f"extra_body sets {', '.join(twice)}, which the call sets as well")
    return {**call, "extra_body": {**own, **extra}} if own else call


def _choice(choice: Any, dialect: str | None) -> Any:
    """A named function by its name, which every dialect knows how to say."""
    if not isinstance(choice, Mapping):
        return choice
    fields = cast("Mapping[str, Any]", choice)
    if fields.get("type") == "function" and (name := as_mapping(fields.get("function")).get("name")):
        return name
    if dialect is not None:
        raise _unsupported("tool_choice", dialect)
    return fields


def _translated(own: dict[str, Any], call: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    """What can be said of OpenAI's fields in another dialect."""
    translated: dict[str, Any] = {}
    options = dict(own.pop("stream_options", None) or {})
    options.pop("include_usage", None)  # is looked at where chunks are made
    if own.get("n") == 1:
        del own["n"]
    if (most := own.pop("max_completion_tokens", None)) is not None:
        if "max_tokens" in call:
            raise InvalidRequestError("max_tokens and max_completion_tokens are one thing: give one of them")
        translated["max_tokens"] = most
    if (wanted := own.pop("response_format", None)) is not None:
        translated |= _schema(as_mapping(wanted), dialect)
    if rest := sorted([*own, *(f"stream_options.{name}" for name in options)]):
        raise _unsupported(", ".join(rest), dialect)
    return translated


def _schema(wanted: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    kind = wanted.get("type")
    if kind == "text":
        return {}
    if kind != "json_schema":
        raise UnsupportedError(
            f"response_format of type {kind!r}: {dialect} has no such thing. "
            'Give a schema: {"type": "json_schema", ...}'
        )
    given = as_mapping(wanted.get("json_schema"))
    if not as_mapping(given.get("schema")):
        raise InvalidRequestError("response_format.json_schema.schema is missing")
    named = {"title": given.get("name") or "answer"}
    if given.get("description"):
        named["description"] = given["description"]
    return {"generation_schema": {**given["schema"], **named}}


def _unsupported(names: str, dialect: str) -> UnsupportedError:
    return UnsupportedError(
        f"{names}: {dialect} has no such parameter. Leave it out, or give the provider's own field in extra_body="
    )


def with_usage(given: Mapping[str, Any]) -> bool:
    """Whether the caller asked for a chunk with the usage."""
    return bool(as_mapping(given.get("stream_options")).get("include_usage"))
