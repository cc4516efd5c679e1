"""What flows down: a `ChatRequest`, the `Endpoint` it goes to, and the `HttpRequest` that is made of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypedDict

import msgspec
from msgspec import Struct

from msgflux_like._wire.secrets import ApiKey, Secret, TokenSource
from msgflux_like.errors import InvalidRequestError

Message = Mapping[str, Any]
"""One ChatML message, checked by `messages.normalize`: `role`, `content` (text, parts or None), and more."""

OutputMode = Literal["native", "tool", "prompted"]
"""How an answer is held to a schema: by the provider, by a forced tool, or by asking for it."""

Check = Literal["error", "warn", "off"]
"""What to do when the catalogue says that a model cannot take a request."""

OnChange = Literal["record", "refuse"]
"""What to do about a request that cannot be sent exactly as asked."""

ReasoningForm = Literal["effort", "groq", "object", "thinking", "enable_thinking", "template"]
"""How a host of OpenAI's chat format is told how much to reason; see `dialects._reasoning_forms`."""

ToolChoice = Literal["auto", "required", "none"] | str | Mapping[str, Any]


REASONING_TEXT = "text"
"""The family of reasoning that is plain text, which any model takes that wants earlier reasoning back."""


class Parameters(TypedDict, total=False):
    """Sampling parameters, for a model or for one call. None means "not given"; zeros are sent.

    Keys:
        temperature: Randomness, 0 to 2 (Anthropic: 0 to 1).
        max_tokens: Most tokens to generate, reasoning included, at least 1.
        top_p: Nucleus sampling, 0 to 1.
        top_k: Sample from the k likeliest tokens, where the dialect knows it.
        stop: A text, or several, that ends the answer.
        presence_penalty: -2 to 2.
        frequency_penalty: -2 to 2.
        seed: For repeatable sampling, where the provider offers it.
        user: Your own id of the end user.
        logprobs: Ask for the log probabilities of the answer's tokens.
        top_logprobs: 0 to 20 alternatives a token; needs `logprobs=True`.
        parallel_tool_calls: Whether one answer may hold several tool calls.
        reasoning_effort: How much to reason: "low", "medium", "high" and what other words the model knows; "none" is
            not at all.
        reasoning_budget: The same in tokens, which `max_tokens` counts in; 0 is not at all.
    """

    temperature: float | None
    max_tokens: int | None
    top_p: float | None
    top_k: int | None
    stop: str | Sequence[str] | None
    presence_penalty: float | None
    frequency_penalty: float | None
    seed: int | None
    user: str | None
    logprobs: bool | None
    top_logprobs: int | None
    parallel_tool_calls: bool | None
    reasoning_effort: str | None
    reasoning_budget: int | None


class ConnectionOptions(TypedDict, total=False):
    """What a model of any kind takes; see `models.base.Served`."""

    api_key: ApiKey | None
    base_url: str | None
    dialect: str | None
    timeout: Any
    max_retries: int
    http_client: Any
    extra_body: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None
    enable_cache: bool | None
    cache_size: int | None
    cache: Any


class ModelOptions(ConnectionOptions, Parameters, total=False):
    """What a chat model takes beside what only it knows; see `models.base.Served`, and `Parameters`."""


class CallOptions(Parameters, total=False):
    """What a call takes beside the messages and `stream`; see `ChatCompletion.__call__`."""

    system_prompt: str | None
    prefilling: str | None
    tool_schemas: Sequence[Mapping[str, Any] | Callable[..., Any]] | None
    stream_to: Any
    tool_choice: ToolChoice | None
    api_key: ApiKey | None
    base_url: str | None
    timeout: Any
    max_retries: int | None
    extra_body: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None
    check: Check | None
    changes: OnChange | None
    generation_schema: Any
    typed_parser: str | None
    output_mode: OutputMode | None
    validation: Literal["strict", "lax"]
    output_retries: int
    use_cache: bool | None


class Change(Struct, frozen=True):
    """One thing that was not sent exactly as asked.

    Attributes:
        kind: What was done: `renamed`, `defaulted`, `clamped`, `trimmed`, `merged`, `moved`, `lowered` (said in the
            words there are), `emulated`, `dropped` or `retried`; or, to an answer, `recovered`.
        field: What it was done to.
        detail: One sentence.
    """

    kind: Literal[
        "renamed",
        "defaulted",
        "clamped",
        "trimmed",
        "merged",
        "moved",
        "lowered",
        "emulated",
        "dropped",
        "retried",
        "recovered",
    ]
    field: str
    detail: str


class Quirks(Struct, frozen=True, forbid_unknown_fields=True):
    """How a provider differs from its dialect: the `[quirks]` table of a row.

    Attributes:
        max_tokens_field: The name of the output limit on the wire.
        stream_usage: Whether `stream_options.include_usage` is understood.
        refuses: Parameters that the provider answers with an error.
        prefill: Beginnings of the model ids that continue a last assistant message; `""` means all.
        prefill_refused: Beginnings of the model ids, among those, that answer it with an error.
        prefill_repeated: Whether a whole reply begins with the prefill; the pieces of a stream do so nowhere.
        named_tool_choice: False where a named tool is not understood: one tool and "required" are sent instead.
        schema_dialects: Dialects in which this server holds any model to a schema, whatever the catalogue knows.
        auto_tool_choice: False where the model cannot choose: "required" is sent, or "none" after a tool's result.
        reasoning_form: How a chat completion says how much to reason.
        reasoning_off: Parts of the ids of the models that can do without reasoning, whatever the catalogue lists.
        thinks_in_streams: Ids of the models that reason by default, and answer only streamed calls while they do.
        encrypted_reasoning: Whether the Responses format's `reasoning.encrypted_content` can be asked for.
        embeddings_base64: Whether vectors can be asked for as base64 text, in OpenAI's format of embeddings.
        strict_messages: Whether a chat completion is refused for fields and parts that OpenAI itself has not, as other
            hosts of its format have: they are left out, moved or refused, each by its place.
    """

    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream_usage: bool = True
    refuses: tuple[str, ...] = ()
    prefill: tuple[str, ...] = ()
    prefill_refused: tuple[str, ...] = ()
    prefill_repeated: bool = False
    named_tool_choice: bool = True
    auto_tool_choice: bool = True
    schema_dialects: tuple[str, ...] = ()
    reasoning_form: ReasoningForm = "effort"
    reasoning_off: tuple[str, ...] = ()
    thinks_in_streams: tuple[str, ...] = ()
    encrypted_reasoning: bool = False
    embeddings_base64: bool = False
    strict_messages: bool = False


class Signer(Protocol):
    """Signs a request with credentials of more than one key, at the moment it goes out.

    Attributes:
        blocks: Whether asking for the credentials may take long: `prepare` is then called in a thread before.
    """

    @property
    def blocks(self) -> bool:  # noqa: D102  see Attributes
        ...

    def prepare(self) -> None:
        """Get new credentials where the old ones have run out."""
        ...

    def sign(self, http: HttpRequest, now_s: float) -> Mapping[str, str]:
        """The headers to add; `now_s` is in seconds since 1970."""
        ...


class Endpoint(Struct, frozen=True):
    """Where a model's requests go.

    Attributes:
        provider: Name of the provider.
        base_url: Without a trailing slash; empty while an embedded server has not been started.
        auth: Name and beginning of the header that carries the key, such as `("authorization", "Bearer ")`.
        key: The key, what gives it before every request, or None for a provider that needs none.
        quirks: How the provider differs from its dialect.
        headers: Sent with every request.
        signer: What signs each request, for providers that take no key.
        query: Put behind every path.
    """

    provider: str
    base_url: str
    auth: tuple[str, str] = ("authorization", "Bearer ")
    key: Secret | TokenSource | None = None
    quirks: Quirks = Quirks()
    headers: Mapping[str, str] = {}
    signer: Signer | None = None
    query: str = ""


class AnswerSchema(Struct, frozen=True):
    """What the provider itself is to hold the answer to: a schema in the words of the dialect's strict mode."""

    name: str
    schema: Mapping[str, Any]
    description: str = ""


class ReasoningControls(Struct, frozen=True):
    """How a model can be told to reason, as far as the catalogue says and its host can be told.

    Attributes:
        reasons: Whether it reasons at all; None where that is not known.
        switched: Whether reasoning can be turned off without a word for it.
        efforts: The words for how much, "none" among them where that is one.
        budget: Least and most tokens, None for a limit that is not known; None as a whole where it takes no number.
    """

    reasons: bool | None = None
    switched: bool = False
    efforts: tuple[str, ...] = ()
    budget: tuple[int | None, int | None] | None = None


class ChatRequest(Struct, frozen=True):
    """One call, checked and complete; nothing below it looks at anything else.

    Attributes:
        model: Model id, as the provider spells it.
        messages: The conversation, system messages included.
        parameters: What was given of `Parameters`; never a None.
        tools: Tool schemas in OpenAI's form.
        tool_choice: `auto`, `required`, `none`, a tool's name, a dict in the dialect's own form, or None for not given.
        prefill: The text the answer must begin with.
        stream: Whether the reply is to be streamed.
        extra_body: Fields for the body in the provider's own words.
        extra_headers: Headers for this request.
        prompted: Whether the first message is the call's `system_prompt`.
        output_limit: Most tokens the model can write, where that is known.
        answer_schema: What the provider is to hold the answer to.
        family: Whose opaque state the model can read; see `dialects.state_family`.
        reasoning_field: In which field of a message the model wants its earlier reasoning back, "" for none.
        knobs: How the model can be told to reason; None where nothing is known of it.
    """

    model: str
    messages: tuple[Message, ...]
    parameters: Mapping[str, Any] = {}
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: ToolChoice | None = None
    prefill: str | None = None
    stream: bool = False
    extra_body: Mapping[str, Any] = {}
    extra_headers: Mapping[str, str] = {}
    prompted: bool = False
    output_limit: int | None = None
    answer_schema: AnswerSchema | None = None
    family: str = ""
    reasoning_field: str = ""
    reasoning_controls: ReasoningControls | None = None

    def place(self, index: int) -> str:
        """What the caller calls the message at `index`, for errors."""
        if self.prompted and index == 0:
            return "system_prompt"
        return f"messages[{index - self.prompted}]"


class Encoded(Struct):
    """What a dialect makes of a `ChatRequest`: a path under the base URL, the body, and what it had to change."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str] = {}
    changes: tuple[Change, ...] = ()
    prefill: str = ""  # what the answer's text begins with, as it went out


class HttpRequest(Struct, frozen=True):
    """One request, ready to send. Its repr shows neither the body nor a header's value."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    auth: tuple[str, str] = ("", "")
    key: Secret | TokenSource | None = None
    stream: bool = False
    signer: Signer | None = None
    method: Literal["POST", "GET"] = "POST"

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.url}, {len(self.body)} bytes)"


_encoder = msgspec.json.Encoder()

_ACCEPT = {True: "text/event-stream", False: "application/json"}


def to_http(encoded: Encoded, request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
    """The bytes to send.

    `extra_body` adds fields, inside the objects of the body, too, and never replaces one (InvalidRequestError).
    """
    body = encoded.body
    if request.extra_body:
        if clash := sorted(_clashes(body, request.extra_body)):
            raise InvalidRequestError(
                f"extra_body sets {', '.join(clash)}, which the call sets as well: give each field in one place only"
            )
        body = _joined(body, request.extra_body)
    headers = {
        "accept": _ACCEPT[request.stream],
        "content-type": "application/json",
        **endpoint.headers,
        **encoded.headers,
    }
    if request.extra_headers:
        headers |= {name.lower(): value for name, value in request.extra_headers.items()}
    url = endpoint.base_url + encoded.path
    if endpoint.query:
        url += ("&" if "?" in url else "?") + endpoint.query
    return HttpRequest(
        url=url,
        headers=headers,
        body=to_json(body),
        auth=endpoint.auth,
        key=endpoint.key,
        stream=request.stream,
        signer=endpoint.signer,
    )


def _clashes(body: Mapping[str, Any], extra: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """The fields that both set."""
    for name in body.keys() & extra.keys():
        if isinstance(body[name], Mapping) and isinstance(extra[name], Mapping):
            yield from _clashes(body[name], extra[name], f"{place}{name}.")
        else:
            yield f"{place}{name}"


def _joined(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of both, which differ."""
    added = sorted(extra.items(), key=lambda field: str(field[0]))  # in whatever order they were given
    return {**body, **{name: _joined(body[name], item) if name in body else item for name, item in added}}


def to_json(body: Any, place: str = "") -> bytes:
    """`body` as JSON, or an InvalidRequestError that names the place of what JSON cannot hold, below `place`."""
    try:
        return _encoder.encode(body)
    except (TypeError, ValueError, OverflowError, RecursionError):
        place, why = _unsendable(body, place) or (place or "the request", "is nested too deeply")
    raise InvalidRequestError(f"{place} {why}, which JSON cannot hold")


def _unsendable(value: Any, place: str) -> tuple[str, str] | None:
    """The first place in `value` that cannot be encoded, and what is there; never the value itself."""
    items: Any = ()
    if isinstance(value, Mapping):
        items = ((f"{place}.{key}" if place else str(key), item) for key, item in value.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  JSON from outside
    elif isinstance(value, (list, tuple)):
        items = ((f"{place}[{index}]", item) for index, item in enumerate(value))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    else:
        try:
            _encoder.encode(value)
        except UnicodeEncodeError:
            return place, "holds half a surrogate pair"
        except (TypeError, ValueError, OverflowError):
            return place, f"is of type {type(value).__name__}"
        return None
    return next((found for inner, item in items if (found := _unsendable(item, inner))), None)
