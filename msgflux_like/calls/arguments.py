"""The table of all arguments of models, calls, embedders and gateways, and the checks that follow from it.

docs/parameter-reference.md is generated from the same table.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Any, Final, Literal, cast

from msgspec import Struct

from msgflux_like._http.deadline import Timeouts
from msgflux_like._validate import (
    check_boolean,
    check_callable,
    check_choice,
    check_count,
    check_integer,
    check_mapping,
    check_number,
    check_seconds,
    check_string,
    one_of,
    refusal,
    require,
    similar_names,
)
from msgflux_like.errors import ChangeError, InvalidRequestError, UnknownParameterError
from msgflux_like.request import Change

Taker = Literal["model", "call", "embedder", "embedding call", "gateway", "gateway call"]

_CHAT: Final = ("model", "call")
_EMBEDDING: Final = ("embedder", "embedding call")
_MODELS: Final = ("model", "embedder")
_ALL: Final = (*_CHAT, *_EMBEDDING)
_CALLS: Final = ("call", "embedding call")


class Argument(Struct, frozen=True):
    """One keyword argument.

    Attributes:
        name: The keyword.
        type: The type, as it is documented.
        takers: What takes it: models, calls of models, embedders, gateways.
        meaning: One sentence.
        check: Returns the value to use. Raises InvalidRequestError for a value of the wrong type or out of range.
        low: Least value, None for no limit.
        high: Greatest value, None for no limit.
        unit: Unit of a number.
        words: The words that a string may be; empty for any.
        default: What holds where the argument is not given.
        is_sampling: Whether it goes to the provider as a parameter of the request.
    """

    name: str
    type: str
    takers: tuple[Taker, ...]
    meaning: str
    check: Callable[[Argument, Any], Any]
    low: float | None = None
    high: float | None = None
    unit: str = ""
    words: tuple[str, ...] = ()
    default: str = ""
    is_sampling: bool = False

    @property
    def range(self) -> str:
        """Return the range in words; "" if there is none."""
        if self.words:
            return one_of(self.words)
        if self.low is None:
            return ""
        return f"at least {self.low:g}" if self.high is None else f"from {self.low:g} to {self.high:g}"

    @property
    def expected(self) -> str:
        """Return the type and range of a number in words, for an error message."""
        noun = "a whole number" if self.type == "int" else "a number"
        if self.unit == "seconds":
            noun += " of seconds"
        limits = self.range.replace("at least", "of at least")
        return f"{noun} {limits}".rstrip()


# ---- checks of one value


def _integer(argument: Argument, value: Any) -> int:
    low, high = argument.low, argument.high
    if type(value) is int and (low is None or low <= value) and (high is None or value <= high):
        return value
    return check_integer(
        argument.name,
        value,
        argument.expected,
        low=-inf if low is None else low,
        high=inf if high is None else high,
    )


def _number(argument: Argument, value: Any) -> float:
    low, high = argument.low, argument.high
    if (
        type(value) in (float, int)
        and (low is None or low <= value)
        and (high is None or value <= high)
        and -inf < value < inf
    ):
        return value  # nearly always; the text of an error is not made
    return check_number(
        argument.name,
        value,
        argument.expected,
        low=-inf if low is None else low,
        high=inf if high is None else high,
    )


def _string(argument: Argument, value: Any) -> str:
    return check_string(argument.name, value)


def _boolean(argument: Argument, value: Any) -> bool:
    return check_boolean(argument.name, value)


def _word(argument: Argument, value: Any) -> str:
    return check_choice(argument.name, value, argument.words)


def _mapping(argument: Argument, value: Any) -> Mapping[str, Any]:
    return check_mapping(argument.name, value)


def _headers(argument: Argument, value: Any) -> Mapping[str, str]:
    return check_headers(value, argument.name)


def _strings(argument: Argument, value: Any) -> str | list[str]:
    """Return the string, or a new list of the strings: the caller's own may change later."""
    if isinstance(value, str):
        return value
    if not isinstance(value, (list, tuple)):
        raise refusal(argument.name, "a string or a list of strings", value)
    for index, each in enumerate(cast("Sequence[Any]", value)):
        check_string(f"{argument.name}[{index}]", each)
    return list(cast("Sequence[str]", value))


def _timeout(argument: Argument, value: Any) -> Timeouts:
    return check_timeout(value, argument.name)


def _url(argument: Argument, value: Any) -> str:
    return check_string(argument.name, value)


def _key(argument: Argument, value: Any) -> Any:
    """Return the key. The error shows no part of it."""
    parts: Sequence[Any] = cast("Any", value) if isinstance(value, (tuple, list)) else (None,)
    is_key = isinstance(value, str) or callable(cast("Any", value)) or all(isinstance(part, str) for part in parts)
    expected = "a string, a function that returns one, or a tuple of strings"
    return require(argument.name, value, expected, is_right=is_key, is_secret=True)


def _profile(argument: Argument, value: Any) -> Any:
    from msgflux_like.catalog.model_profile import ModelProfile  # noqa: PLC0415  few models are made with a profile

    expected = "a ModelProfile, as get_model_profile returns it"
    return require(argument.name, value, expected, is_right=isinstance(value, ModelProfile))


def _client(argument: Argument, value: Any) -> Any:
    is_client = hasattr(value, "aopen") or hasattr(value, "build_request")
    return require(argument.name, value, "an httpx2 or httpx Client or AsyncClient", is_right=is_client)


def _tools(argument: Argument, value: Any) -> Any:
    is_list = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
    return require(argument.name, value, "a list of functions or of tool schemas", is_right=is_list)


def _tool_choice(argument: Argument, value: Any) -> Any:
    expected = '"auto", "required", "none", the name of a tool, or a dict'
    return require(argument.name, value, expected, is_right=isinstance(value, (str, Mapping)))


def _listener(argument: Argument, value: Any) -> Any:
    is_listener = callable(value) or hasattr(value, "handle_data")
    return require(argument.name, value, "a callable or a handler", is_right=is_listener)


def _function(argument: Argument, value: Any) -> Any:
    return check_callable(argument.name, value)


def _unchecked(_argument: Argument, value: Any) -> Any:
    """Return the value: what it may be is checked where it is read."""
    return value


# ---- the table


def _sampling(name: str, kind: str, meaning: str, check: Callable[[Argument, Any], Any], **more: Any) -> Argument:
    return Argument(name, kind, more.pop("takers", _CHAT), meaning, check, default="not sent", is_sampling=True, **more)


ARGUMENTS: Final = (
    # sampling; requests have their parameters in this order
    _sampling("temperature", "float", "Randomness of the output.", _number, low=0, high=2),
    _sampling(
        "max_tokens", "int", "Maximum number of tokens to generate, reasoning included.", _integer, low=1, unit="tokens"
    ),
    _sampling(
        "top_p", "float", "Nucleus sampling: share of the probability mass to sample from.", _number, low=0, high=1
    ),
    _sampling("top_k", "int", "Number of most likely tokens to sample from.", _integer, low=0, unit="tokens"),
    _sampling("stop", "str or list[str]", "Strings that end the output.", _strings),
    _sampling("presence_penalty", "float", "Penalty of tokens that have occurred.", _number, low=-2, high=2),
    _sampling(
        "frequency_penalty", "float", "Penalty of tokens by how often they have occurred.", _number, low=-2, high=2
    ),
    _sampling("seed", "int", "Seed for repeatable sampling.", _integer),
    _sampling("user", "str", "Your own identifier of the end user.", _string, takers=_ALL),
    _sampling("logprobs", "bool", "Whether to return the log probabilities of the output tokens.", _boolean),
    _sampling(
        "top_logprobs",
        "int",
        "Number of alternatives for each token; needs `logprobs=True`.",
        _integer,
        low=0,
        high=20,
        unit="tokens",
    ),
    _sampling("parallel_tool_calls", "bool", "Whether one answer may hold several tool calls.", _boolean),
    _sampling(
        "reasoning_effort",
        "str",
        'How much to reason: "none", "low", "medium", "high" and other words that the model knows.',
        _string,
    ),
    _sampling(
        "reasoning_budget",
        "int",
        "Maximum number of reasoning tokens, which `max_tokens` includes; 0 turns reasoning off.",
        _integer,
        low=0,
        unit="tokens",
    ),
    _sampling("dimensions", "int", "Length of each vector.", _integer, low=1, unit="numbers", takers=_EMBEDDING),
    _sampling(
        "input_type",
        "str",
        "What the vectors are for.",
        _word,
        words=("query", "document", "classification", "clustering", "similarity"),
        takers=_EMBEDDING,
    ),
    # where requests go, and how
    Argument(
        "api_key",
        "str, function or tuple[str, ...]",
        _ALL,
        "The key; or a function, sync or async, that returns a token and is called before every request; or for "
        "amazon-bedrock a tuple of access key id, secret access key and optional session token.",
        _key,
        default="the provider's environment variable",
    ),
    Argument(
        "base_url",
        "str",
        _ALL,
        "Another address that speaks the provider's dialect.",
        _url,
        default="`<PROVIDER>_BASE_URL`, else the provider's own",
    ),
    Argument(
        "timeout",
        "float or Timeouts",
        _ALL,
        "Time limit of a whole call, or several limits.",
        _timeout,
        unit="seconds",
        default="`MSGFLUX_LIKE_TIMEOUT`, else 10 s to connect and 600 s for each piece of the answer",
    ),
    Argument(
        "max_retries",
        "int",
        _ALL,
        "Number of further requests after one that failed for a reason that may pass.",
        _integer,
        low=0,
        unit="requests",
        default="2",
    ),
    Argument(
        "extra_body", "dict", _ALL, "Fields of the provider's own API, added to the body.", _mapping, default="none"
    ),
    Argument("extra_headers", "dict[str, str]", _ALL, "Headers, added to every request.", _headers, default="none"),
    Argument(
        "check",
        "str",
        _ALL,
        'What to do when the catalogue says that the model cannot take a request: "error" raises CapabilityError, '
        '"warn" sends it and adds to `response.warnings`, "off" does not check.',
        _word,
        words=("error", "warn", "off"),
        default='"error"',
    ),
    Argument(
        "changes",
        "str",
        _ALL,
        'What to do about a request that cannot be sent exactly as asked: "record" sends what can be sent and lists '
        'the rest in `response.changes`, "refuse" raises ChangeError.',
        _word,
        words=("record", "refuse"),
        default='"record"',
    ),
    Argument(
        "dialect",
        "str",
        _MODELS,
        'Another wire dialect, such as "openai_responses".',
        _string,
        default="the provider's",
    ),
    Argument(
        "base_model",
        "str",
        _MODELS,
        "The model behind an opaque name (a deployment, an alias of a proxy, an application inference profile): an id "
        "of the same provider, or a path.",
        _string,
        default="the model that the name contains",
    ),
    Argument(
        "model_profile",
        "ModelProfile",
        _MODELS,
        "As `base_model`, for a model whose profile you have.",
        _profile,
        default="that of the catalogue",
    ),
    Argument(
        "http_client",
        "Client or AsyncClient",
        _MODELS,
        "An httpx2 or httpx client to send with; it is never closed by the model.",
        _client,
        default="a client of the model's own",
    ),
    Argument(
        "enable_cache",
        "bool",
        _MODELS,
        "Whether equal requests are sent once.",
        _boolean,
        default="False, or True with `cache`",
    ),
    Argument(
        "cache_size",
        "int",
        _MODELS,
        "Capacity of the model's own cache.",
        _integer,
        low=0,
        unit="answers",
        default="128",
    ),
    Argument(
        "cache",
        "ResponseCache, str, Path or bool",
        _MODELS,
        "A cache, which models may share; or what `ResponseCache` takes as `store`.",
        _unchecked,
        default="none",
    ),
    # one call
    Argument("stream", "bool", ("call",), "Whether to return the answer piece by piece.", _boolean, default="False"),
    Argument("system_prompt", "str", ("call",), "Instructions, placed before the messages.", _string, default="none"),
    Argument(
        "prefilling",
        "str",
        ("call",),
        "Beginning of the answer, for the models that continue it.",
        _string,
        default="none",
    ),
    Argument(
        "stream_to",
        "callable or StreamHandler",
        ("call",),
        "With `stream=True`: receives `StreamData`, then `StreamFinish` or `StreamError`.",
        _listener,
        default="none",
    ),
    Argument(
        "tool_schemas",
        "list",
        ("call",),
        "Tools the model may call: functions, or schemas in OpenAI's form.",
        _tools,
        default="none",
    ),
    Argument(
        "tool_choice",
        "str or dict",
        ("call",),
        '"auto", "required", "none", the name of a tool, or a dict in the dialect\'s own form.',
        _tool_choice,
        default="the provider's",
    ),
    Argument(
        "generation_schema",
        "type or dict",
        ("call",),
        "Type of the answer: a msgspec Struct, a dataclass, a pydantic model, a JSON schema and more.",
        _unchecked,
        default="none: text",
    ),
    Argument(
        "typed_parser",
        "str",
        ("call",),
        'Name of a parser of answers that are not JSON, such as "typed_xml".',
        _string,
        default="none",
    ),
    Argument(
        "output_mode",
        "str",
        _CHAT,
        "How an answer is held to `generation_schema`: by the provider, by a forced tool, or by the prompt.",
        _word,
        words=("native", "tool", "prompted"),
        default="the first that the model supports",
    ),
    Argument(
        "validation",
        "str",
        ("call",),
        'How `generation_schema` is checked; "lax" reads "5" as a number where one is expected.',
        _word,
        words=("strict", "lax"),
        default='"strict"',
    ),
    Argument(
        "output_retries",
        "int",
        ("call",),
        "Number of times to ask again, naming the problem, after an answer that does not fit the type.",
        _integer,
        low=0,
        unit="calls",
        default="0",
    ),
    Argument(
        "use_cache",
        "bool",
        _CALLS,
        "False bypasses the model's cache, for reading and for writing.",
        _boolean,
        default="True with a cache",
    ),
    # embeddings
    Argument(
        "max_concurrency",
        "int",
        _EMBEDDING,
        "Maximum number of concurrent requests of one call; synchronous calls are capped at 32.",
        _integer,
        low=1,
        unit="requests",
        default="4",
    ),
    Argument(
        "batch_size",
        "int",
        _EMBEDDING,
        "Maximum number of texts in one request.",
        _integer,
        low=1,
        unit="texts",
        default="the provider's limit",
    ),
    # gateways
    Argument(
        "models",
        "list of models or paths",
        ("gateway",),
        "Chat models or their paths, the preferred one first.",
        _unchecked,
        default="required",
    ),
    Argument(
        "order",
        "str",
        ("gateway",),
        "Which model is asked first.",
        _word,
        words=("given", "price", "context", "weight"),
        default='"given"',
    ),
    Argument(
        "weights",
        "list[float]",
        ("gateway",),
        'A number above 0 for each model, for `order="weight"`.',
        _unchecked,
        default="none",
    ),
    Argument(
        "keys",
        "dict[str, list[str]]",
        ("gateway",),
        "Several keys for a provider, by its name.",
        _mapping,
        default="none",
    ),
    Argument(
        "on",
        "exception types",
        ("gateway",),
        "Errors of a model after which the next one is asked.",
        _unchecked,
        default="APIError",
    ),
    Argument(
        "cool_down_s",
        "float",
        ("gateway",),
        "How long a model that failed is asked last, unless its provider says how long.",
        _number,
        low=0,
        unit="seconds",
        default="60",
    ),
    Argument(
        "clock",
        "function",
        ("gateway",),
        "Monotonic clock, for tests.",
        _function,
        unit="seconds",
        default="`time.monotonic`",
    ),
    Argument(
        "model_preference", "str", ("gateway call",), "Path or id of the model to ask first.", _string, default="none"
    ),
)


def _of(taker: Taker) -> Mapping[str, Argument]:
    return {argument.name: argument for argument in ARGUMENTS if taker in argument.takers}


MODEL: Final = _of("model")
CALL: Final = _of("call")
EMBEDDER: Final = _of("embedder")
EMBEDDING_CALL: Final = _of("embedding call")
GATEWAY: Final = _of("gateway")
GATEWAY_CALL: Final = {
    **_of("gateway call"),
    **{name: argument for name, argument in CALL.items() if name not in ("api_key", "base_url")},
}
_SAMPLING: Final = tuple(argument.name for argument in ARGUMENTS if argument.is_sampling)

_ELSEWHERE: Final[Mapping[str, str]] = {
    "response_format": "generation_schema",
    "response_model": "generation_schema",
    "response_schema": "generation_schema",
    "output_type": "generation_schema",
    "output_schema": "generation_schema",
    "json_schema": "generation_schema",
    "schema": "generation_schema",
    "tools": "tool_schemas",
    "functions": "tool_schemas",
    "function_call": "tool_choice",
    "stop_sequences": "stop",
    "instructions": "system_prompt",
    "system": "system_prompt",
    "system_instruction": "system_prompt",
    "prefill": "prefilling",
    "thinking": "reasoning_effort or reasoning_budget",
    "thinking_budget": "reasoning_budget",
    "reasoning": "reasoning_effort or reasoning_budget",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "max_new_tokens": "max_tokens",
    "n": "extra_body={'n': ...}",
    "fallbacks": "ModelGateway([...])",
    "api_base": "base_url",
    "num_retries": "max_retries",
    "retries": "max_retries or output_retries",
    "delivery": "output_mode",
    "request_timeout": "timeout",
    "timeout_s": "timeout",
    "headers": "extra_headers",
    "default_headers": "extra_headers",
    "client": "http_client",
    "callback": "stream_to",
    "caching": "enable_cache",
}
"""Keywords of other libraries, and of earlier versions of this one -> what has that meaning here."""
_OWN_FIELDS: Final = "(the provider's own fields go through extra_body=)"


# ---- checks of all arguments


def check_arguments(given: Mapping[str, Any], known: Mapping[str, Argument]) -> dict[str, Any]:
    """Check keyword arguments against the table.

    Args:
        given: The arguments, by name. None means "not given"; zeros and empty strings are values.
        known: The rows of what takes them, such as `CALL`.

    Returns:
        The arguments that are not None, as they are to be used.

    Raises:
        InvalidRequestError: A value has the wrong type, or is out of range.
        UnknownParameterError: There is no argument of that name; the message says which one is meant.
    """
    checked: dict[str, Any] = {}
    for name, value in given.items():
        argument = known.get(name)
        if argument is None:
            raise _unknown_parameter(name, known)
        if value is not None:
            checked[name] = argument.check(argument, value)
    return checked


def sampling_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters for the provider, in the order of the table: equal requests are equal byte for byte."""
    return {name: options[name] for name in _SAMPLING if name in options}


def check_argument(name: str, value: Any) -> Any:
    """Return one argument of a call, which may be None."""
    return None if value is None else CALL[name].check(CALL[name], value)


def check_parameters(given: Mapping[str, Any], also: Iterable[str] = ()) -> dict[str, Any]:
    """Check parameters of a chat model alone; `also` are further names for the error about an unknown one."""
    known = {name: CALL[name] for name in _SAMPLING if name in CALL}
    for name in given:
        if name not in known:
            raise UnknownParameterError(f"there is no parameter {name!r}{_near(name, (*known, *also))} {_OWN_FIELDS}")
    return check_arguments(given, known)


def _unknown_parameter(name: str, known: Mapping[str, Argument]) -> UnknownParameterError:
    """Return the error about a keyword that does not exist, with the one that was probably meant."""
    if name in CALL:
        hint = f": give {name} to the call"
    elif name in MODEL:
        hint = f": give {name} to the model when it is made"
    elif meant := _ELSEWHERE.get(name):
        is_of_call = meant in CALL and meant not in known
        hint = f": use {meant}, an argument of the call" if is_of_call else f": use {meant}"
    else:
        hint = _near(name, known)
    return UnknownParameterError(f"there is no parameter {name!r}{hint} {_OWN_FIELDS}")


def _near(name: str, known: Iterable[str]) -> str:
    close = similar_names(name, known, limit=2)
    return f": did you mean {' or '.join(close)}?" if close else ""


def check_headers(headers: Any, name: str = "extra_headers") -> Mapping[str, str]:
    """Return headers that can be sent: ASCII strings without line ends. The error shows no value."""
    if headers is None:
        return {}
    for header, value in check_mapping(name, headers, "a dict of strings").items():
        place = f"{name}[{header!r}]"
        if not isinstance(value, str):
            raise refusal(place, "an ASCII string", value, is_secret=True)
        if not (header.isascii() and value.isascii()):
            raise InvalidRequestError(f"{place} must be ASCII: encode other characters, as in percent-encoding")
        if not (header + value).isprintable():
            raise InvalidRequestError(f"{place} holds a line end or another control character: remove it")
    return headers


def check_timeout(timeout: Any, name: str = "timeout") -> Timeouts:
    """Return `Timeouts`, in which a number is the limit of a whole call, in seconds."""
    if not isinstance(timeout, Timeouts):
        return Timeouts(total_s=check_seconds(name, timeout))
    for field in Timeouts.__struct_fields__:
        if (seconds := getattr(timeout, field)) is not None:
            check_seconds(f"{name}.{field}", seconds)
    return timeout


def check_retries(max_retries: Any) -> int:
    """Return the number of further requests after the first, 0 or more."""
    return check_count("max_retries", max_retries)


def timeout_from_environment() -> float | None:
    """Return `MSGFLUX_LIKE_TIMEOUT`, in seconds; None where it is not set."""
    text = os.environ.get("MSGFLUX_LIKE_TIMEOUT")
    if not text:
        return None
    try:
        return check_seconds("MSGFLUX_LIKE_TIMEOUT", float(text))
    except ValueError:
        raise InvalidRequestError("MSGFLUX_LIKE_TIMEOUT must be a number of seconds above 0") from None


# ---- checks of several arguments together


def check_output_retries(call: Mapping[str, Any], *, stream: bool) -> int:
    """Return `output_retries`, if the answer has a type and is not streamed."""
    if stream:
        raise InvalidRequestError(
            "output_retries cannot be used with stream=True: pieces that were returned cannot be asked for again"
        )
    if call.get("generation_schema") is None and call.get("typed_parser") is None:
        raise InvalidRequestError("output_retries needs a generation_schema or a typed_parser: text always fits")
    return check_argument("output_retries", call["output_retries"])


def check_logprobs(parameters: Mapping[str, Any]) -> None:
    """Raise InvalidRequestError for `top_logprobs` without `logprobs`."""
    if "top_logprobs" in parameters and not parameters.get("logprobs"):
        raise InvalidRequestError("top_logprobs needs logprobs=True")


def check_use_cache(use_cache: bool | None, *, has_cache: bool) -> bool:
    """Return whether the call uses the model's cache."""
    if use_cache and not has_cache:
        raise InvalidRequestError("use_cache=True needs a model with a cache: make it with enable_cache=True or cache=")
    return has_cache and use_cache is not False


def change_error(changes: tuple[Change, ...]) -> ChangeError:
    """Return the error of a call with `changes="refuse"` that cannot be sent exactly as asked."""
    listed = "; ".join(f"{change.field} {change.kind}: {change.detail}" for change in changes)
    return ChangeError(
        f'the request cannot be sent as asked: {listed} (changes="record" sends it all the same)', changes=changes
    )
