"""Parameters of OpenAI's calls: their types, their checks, and their translation to options of `mf.ChatCompletion`.

Source: https://platform.openai.com/docs/api-reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypedDict, cast

from msgflux_like._http.deadline import Timeouts
from msgflux_like._json import as_mapping
from msgflux_like.calls.arguments import check_parameters
from msgflux_like.errors import InvalidMessagesError, InvalidRequestError, UnknownParameterError, UnsupportedError
from msgflux_like.tools.schemas import check_tools

MAX_MESSAGES: Final = 1000
MAX_MESSAGE_CHARS: Final = 1_000_000


class CallParams(TypedDict, total=False):
    """Parameters of every call that say how to send it, and are no part of its body.

    Keys:
        timeout: Seconds for the whole call, or `Timeouts`; the client's if not given.
        max_retries: Number of retries after a request that failed in a way that may pass; the client's if not given.
        extra_headers: Headers of this request, beside the client's.
        extra_body: Fields of the provider's own, added to the body.
    """

    timeout: float | Timeouts | None
    max_retries: int | None
    extra_headers: Mapping[str, str] | None
    extra_body: Mapping[str, Any] | None


class _OpenAIFields(TypedDict, total=False):
    """Fields of OpenAI's body that a call of `mf.ChatCompletion` has no keyword for."""

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


class ChatOptions(CallParams, _OpenAIFields, total=False):
    """Parameters of a chat completion beside the keywords of `ChatCompletions.create`. None means "not given".

    Keys:
        top_k: Sample from the k likeliest tokens, where the provider offers it, at least 0.
        seed: Seed for repeatable sampling, where the provider offers it.
        n: Number of choices, at least 1.
        logprobs: Whether to return the log probabilities of the answer's tokens.
        top_logprobs: Number of alternatives for each token, 0 to 20; needs `logprobs=True`.
        parallel_tool_calls: Whether one answer may hold several tool calls.
        reasoning_effort: How much to reason: "none", "low", "medium", "high", or another word that the model knows.
        reasoning_budget: Upper bound of the reasoning, in tokens; 0 turns it off.
        response_format: `{"type": "json_schema", ...}` holds the answer to a schema.
        stream_options: With `{"include_usage": True}` the last chunk has the usage, and no choice.
    """

    top_k: int | None
    seed: int | None
    logprobs: bool | None
    top_logprobs: int | None
    parallel_tool_calls: bool | None
    reasoning_effort: str | None
    reasoning_budget: int | None


class ChatParams(ChatOptions, total=False):
    """All parameters of a chat completion but `model`, `messages` and `stream`; see `ChatCompletions.create`."""

    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    stop: str | Sequence[str] | None
    presence_penalty: float | None
    frequency_penalty: float | None
    user: str | None
    tools: Sequence[Mapping[str, Any] | Callable[..., Any]] | None
    tool_choice: str | Mapping[str, Any] | None


class TextParams(CallParams, total=False):
    """All parameters of a text completion but `model`, `prompt` and `stream`; see `Completions.create`."""

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
    """All parameters of embeddings but `model` and `input`; see `Embeddings.create`."""

    dimensions: int | None
    encoding_format: Literal["float", "base64"] | None
    user: str | None


_OPENAI_FIELDS: Final = frozenset(_OpenAIFields.__annotations__)
_CALL_PARAMS: Final = frozenset(CallParams.__annotations__)


def validate_kwargs(params: Mapping[str, Any], known: type[Any]) -> dict[str, Any]:
    """Check the names of the parameters, and return the ones that are not None.

    Args:
        params: Parameters by name.
        known: TypedDict of the known parameters.

    Raises:
        UnknownParameterError: If a name is unknown; the message suggests similar names.
    """
    names = known.__annotations__
    for name in params:
        if name not in names:
            check_parameters({name: params[name]}, tuple(names))
            raise UnknownParameterError(f"there is no parameter {name!r} here; there are {', '.join(sorted(names))}")
    return {name: value for name, value in params.items() if value is not None}


def split_call_params(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split parameters into the fields of the body and those of `CallParams`."""
    call_params = {name: value for name, value in given.items() if name in _CALL_PARAMS}
    return {name: value for name, value in given.items() if name not in call_params}, call_params


def check_messages(messages: Any, max_messages: int | None, max_chars: int | None) -> list[Mapping[str, Any]]:
    """Return the messages as mappings; objects of the openai package are converted.

    Raises:
        InvalidMessagesError: For a value that is not a list of messages, or is over a limit.
    """
    if not isinstance(messages, (list, tuple)):
        raise InvalidMessagesError(
            f"messages must be a list of messages here, not {type(messages).__name__}: "
            f'write [{{"role": "user", "content": ...}}]'
        )
    given = cast("Sequence[Any]", messages)
    if max_messages is not None and len(given) > max_messages:
        raise InvalidMessagesError(
            f"messages has {len(given)} messages, and {max_messages} may be sent at once: "
            "leave out the oldest, or raise max_messages"
        )
    return [_message(each, f"messages[{index}]", max_chars) for index, each in enumerate(given)]


def _message(message: Any, place: str, max_chars: int | None) -> Mapping[str, Any]:
    if not isinstance(message, Mapping):
        dump: Any = getattr(message, "model_dump", None)  # an object of OpenAI's own package
        if dump is None:
            raise InvalidMessagesError(f"{place} must be a message with role and content, not {type(message).__name__}")
        message = dump(exclude_unset=True)
    fields = cast("Mapping[str, Any]", message)
    if max_chars is not None and (chars := _chars(fields.get("content"))) > max_chars:
        raise InvalidMessagesError(
            f"{place}.content has {chars} characters, and {max_chars} may be sent: "
            "shorten it, or raise max_message_chars"
        )
    return fields


def _chars(content: Any) -> int:
    """Return the number of characters of a content; of one in parts, the sum over its text parts."""
    if isinstance(content, str):
        return len(content)
    parts = cast("Sequence[Any]", content) if isinstance(content, (list, tuple)) else ()
    return sum(len(text) for part in parts if isinstance(text := as_mapping(part).get("text", part), str))


def to_options(given: Mapping[str, Any], dialect: str | None) -> dict[str, Any]:
    """Translate OpenAI's parameters to keywords of a call of `mf.ChatCompletion`.

    Args:
        given: OpenAI's parameters.
        dialect: Dialect of the provider; None for OpenAI's chat format, to which fields without a keyword are sent
            unchanged.

    Raises:
        UnsupportedError: For a field that the dialect cannot express.
        InvalidRequestError: For a field that is given twice, or has the wrong form.
    """
    call = {name: value for name, value in given.items() if name not in _OPENAI_FIELDS}
    own = {name: value for name, value in given.items() if name in _OPENAI_FIELDS}
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
        raise InvalidRequestError(
            f"extra_body sets {', '.join(twice)}, which the call sets as well: give each field in one place only"
        )
    return {**call, "extra_body": {**own, **extra}} if own else call


def _choice(choice: Any, dialect: str | None) -> Any:
    """Return the name of a named function, which every dialect can express; other choices unchanged."""
    if not isinstance(choice, Mapping):
        return choice
    fields = cast("Mapping[str, Any]", choice)
    if fields.get("type") == "function" and (name := as_mapping(fields.get("function")).get("name")):
        return name
    if dialect is not None:
        raise _unsupported("tool_choice", dialect)
    return fields


def _translated(own: dict[str, Any], call: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    """Translate OpenAI's fields for another dialect."""
    translated: dict[str, Any] = {}
    options = dict(own.pop("stream_options", None) or {})
    options.pop("include_usage", None)  # read where chunks are made
    if own.get("n") == 1:
        del own["n"]
    if (max_tokens := own.pop("max_completion_tokens", None)) is not None:
        if "max_tokens" in call:
            raise InvalidRequestError("max_tokens and max_completion_tokens mean the same: give one of them")
        translated["max_tokens"] = max_tokens
    if (response_format := own.pop("response_format", None)) is not None:
        translated |= _schema(as_mapping(response_format), dialect)
    if rest := sorted([*own, *(f"stream_options.{name}" for name in options)]):
        raise _unsupported(", ".join(rest), dialect)
    return translated


def _schema(response_format: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    kind = response_format.get("type")
    if kind == "text":
        return {}
    if kind != "json_schema":
        raise UnsupportedError(
            f"response_format of type {kind!r}: {dialect} does not support it. "
            'Give a schema: {"type": "json_schema", ...}'
        )
    given = as_mapping(response_format.get("json_schema"))
    if not as_mapping(given.get("schema")):
        raise InvalidRequestError("response_format.json_schema.schema is missing: give the JSON schema of the answer")
    metadata = {"title": given.get("name") or "answer"}
    if given.get("description"):
        metadata["description"] = given["description"]
    return {"generation_schema": {**given["schema"], **metadata}}


def _unsupported(names: str, dialect: str) -> UnsupportedError:
    return UnsupportedError(
        f"{names}: {dialect} has no such parameter. Leave it out, or pass the provider's own field in extra_body="
    )


def with_usage(given: Mapping[str, Any]) -> bool:
    """Return whether the caller asked for a chunk with the usage."""
    return bool(as_mapping(given.get("stream_options")).get("include_usage"))
