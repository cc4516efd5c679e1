"""What flows down: a `ChatRequest`, the `Endpoint` it goes to, and the `HttpRequest` that is made of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from msgspec import Struct

from msgflux_like._wire.secrets import Secret, TokenSource

Message = Mapping[str, Any]
"""One ChatML message, checked by `messages.normalize`: `role`, `content` (text, parts or None), and more."""

OutputMode = Literal["native", "tool", "prompted"]
"""How an answer is held to a schema: by the provider, by a forced tool, or by asking for it."""

ReasoningForm = Literal["effort", "groq", "object", "thinking", "enable_thinking", "template"]
"""The field of OpenAI's chat format that a host reads how much to reason from; see `dialects.openai_chat.reasoning`."""

ToolChoice = Literal["auto", "required", "none"] | str | Mapping[str, Any]
"""A mode, the name of a tool, or a dict in the dialect's own form."""

REASONING_TEXT = "text"
"""The family of reasoning that is plain text, which any model takes that wants earlier reasoning back."""


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
        reasoning_controls: Ways to control reasoning; None where nothing is known about the model.
        base_model: Id of the model that `model` is another name of (a deployment, a fine-tuned model, a profile); ""
            where it is none.
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
    base_model: str = ""

    @property
    def known_as(self) -> str:
        """The id whose rules hold: that of the base model where the model's own is an alias, else its own."""
        return self.base_model or self.model

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
