"""The frozen values of a request: `ChatRequest`, `Endpoint`, and the `HttpRequest` that a dialect makes of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from msgspec import Struct

from msgflux_like._wire.secrets import Secret, TokenSource

Message = Mapping[str, Any]
"""One ChatML message, checked by `messages.normalize`: `role`, `content` (text, parts or None), and more."""

OutputMode = Literal["native", "tool", "prompted"]
"""How an answer is made to match a schema: by the provider, by a forced tool, or by the prompt."""

ReasoningForm = Literal["effort", "groq", "object", "thinking", "enable_thinking", "template"]
"""The field of a chat completion in which a host expects the reasoning effort; see `dialects.openai_chat.reasoning`."""

ToolChoice = Literal["auto", "required", "none"] | str | Mapping[str, Any]
"""A mode, the name of a tool, or a dict in the format of the dialect."""

REASONING_TEXT = "text"
"""Family of reasoning that is plain text: any model that expects earlier reasoning accepts it."""


class Change(Struct, frozen=True):
    """A difference between what the caller asked for and what was sent.

    Attributes:
        kind: Kind of the change: `renamed`, `defaulted`, `clamped`, `trimmed`, `merged`, `moved`, `lowered` (expressed
            in the closest form that the API has), `emulated`, `dropped` or `retried`; `recovered` for an answer.
        field: Name of the parameter or field.
        detail: Description, one sentence.
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
    """Differences between a provider and its dialect: the `[quirks]` table of a provider file.

    Attributes:
        max_tokens_field: Name of the output limit in requests.
        stream_usage: Whether the provider supports `stream_options.include_usage`.
        refuses: Parameters that the provider rejects.
        prefill: Prefixes of the ids of models that continue a final assistant message; `""` means all models.
        prefill_refused: Prefixes of the ids of models, among these, that reject it.
        prefill_repeated: Whether a complete reply starts with the prefill; streamed replies never do.
        named_tool_choice: Whether a tool can be forced by name; if False, only this tool and "required" are sent.
        auto_tool_choice: Whether the model can choose to call a tool; if False, "required" is sent, or "none" after a
            tool result.
        schema_dialects: Dialects in which the server supports JSON schemas for any model, whatever the catalogue lists.
        reasoning_form: Field of a chat completion for the reasoning effort.
        reasoning_off: Substrings of the ids of models whose reasoning can be turned off, whatever the catalogue lists.
        thinks_in_streams: Ids of models that reason by default, and then answer streamed calls alone.
        encrypted_reasoning: Whether the provider supports `reasoning.encrypted_content` of the Responses API.
        embeddings_base64: Whether embeddings can be requested as base64, in OpenAI's format of embeddings.
        strict_messages: Whether the provider rejects message fields and parts that OpenAI does not define; they are
            left out, moved or refused.
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
    """Protocol of request signers, for credentials that are more than one key.

    Attributes:
        blocks: Whether getting the credentials may block; `prepare` is then called in a thread before `sign`.
    """

    @property
    def blocks(self) -> bool:  # noqa: D102  see Attributes
        ...

    def prepare(self) -> None:
        """Refresh the credentials if they have expired."""
        ...

    def sign(self, http: HttpRequest, now_s: float) -> Mapping[str, str]:
        """Return the headers to add to a request; `now_s` is Unix time in seconds."""
        ...


class Endpoint(Struct, frozen=True):
    """Address and credentials of a model's provider.

    Attributes:
        provider: Name of the provider.
        base_url: Base URL without a trailing slash; empty while an embedded server has not been started.
        auth: Name and prefix of the header that carries the key, such as `("authorization", "Bearer ")`.
        key: The key, a source that is asked before every request, or None for a provider without keys.
        quirks: Differences between the provider and its dialect.
        headers: Headers of every request.
        signer: Signer of every request, for providers that do not use a key.
        query: Query string that is appended to every path.
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
    """JSON schema that the provider enforces, lowered to the subset of the dialect's strict mode.

    Attributes:
        name: Name of the schema.
        schema: The schema.
        description: Description for the model, "" for none.
    """

    name: str
    schema: Mapping[str, Any]
    description: str = ""


class ReasoningControls(Struct, frozen=True):
    """Ways to control the reasoning of a model, as far as the catalogue lists them and the host supports them.

    Attributes:
        reasons: Whether the model reasons; None if unknown.
        switched: Whether reasoning can be turned on and off by a switch, without an effort.
        efforts: Accepted efforts, with "none" if it is accepted.
        budget: Minimum and maximum number of tokens, each None if unknown; None if the model accepts no number.
    """

    reasons: bool | None = None
    switched: bool = False
    efforts: tuple[str, ...] = ()
    budget: tuple[int | None, int | None] | None = None


class ChatRequest(Struct, frozen=True):
    """One validated call; the only input of a dialect.

    Attributes:
        model: Model id in the provider's spelling.
        messages: The conversation, including system messages.
        parameters: The parameters that were given, such as `temperature`; no value is None.
        tools: Tool schemas in OpenAI's format.
        tool_choice: `auto`, `required`, `none`, the name of a tool, a dict in the format of the dialect, or None.
        prefill: Start of the answer, which the model continues; None for none.
        stream: Whether the reply is streamed.
        extra_body: Further fields of the body, in the provider's format.
        extra_headers: Further headers.
        prompted: Whether the first message is the `system_prompt` of the call.
        output_limit: Maximum number of output tokens of the model; None if unknown.
        answer_schema: Schema that the provider enforces; None for none.
        family: Family of opaque provider state that the model can read, "" for none.
        reasoning_field: Field of a message in which the model expects its earlier reasoning, "" for none.
        reasoning_controls: Ways to control the reasoning of the model; None if unknown.
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
        """Return the name of the message at `index` from the caller's point of view, for errors."""
        if self.prompted and index == 0:
            return "system_prompt"
        return f"messages[{index - self.prompted}]"


class Encoded(Struct):
    """A `ChatRequest` in the format of a dialect.

    Attributes:
        path: Path under the base URL.
        body: Body, which is sent as JSON.
        headers: Headers of the dialect.
        changes: Differences between what was asked for and what is sent.
        prefill: Start of the answer that was sent as the final assistant message.
    """

    path: str
    body: dict[str, Any]
    headers: dict[str, str] = {}
    changes: tuple[Change, ...] = ()
    prefill: str = ""


class HttpRequest(Struct, frozen=True):
    """One HTTP request, ready to send. Its repr shows neither the body nor the values of headers."""

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
