"""What a dialect says happened: the same few events for whole and streamed replies, in the order they came."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "error", "unknown"]


class Replied(Struct, frozen=True, eq=False):
    """The first event of every answer: the provider accepted the request.

    Attributes:
        request_id: The provider's id of the request, from the reply's headers; "" when it gave none.
        attempts: How many requests it took, 1 without a retry.
        raw: The reply as it came, while it is read and after; None for an answer from a cache.
    """

    request_id: str = ""
    attempts: int = 1
    raw: Any = None

    def __eq__(self, other: object) -> bool:
        """Compare what is reported, not the reply that reports it."""
        return isinstance(other, Replied) and (self.request_id, self.attempts) == (other.request_id, other.attempts)

    def __hash__(self) -> int:
        """Hash what is compared."""
        return hash((self.request_id, self.attempts))


class Started(Struct, frozen=True, gc=False):
    """The provider named its reply. May come more than once; the first non-empty value counts."""

    id: str = ""
    model: str = ""


class TextDelta(Struct, frozen=True, gc=False):
    """A piece of the answer."""

    text: str


class ReasoningDelta(Struct, frozen=True, gc=False):
    """A piece of the model's reasoning, never part of the answer."""

    text: str


class RefusalDelta(Struct, frozen=True, gc=False):
    """A piece of the model's refusal, where the dialect tells refusals from answers."""

    text: str


class ToolCallDelta(Struct, frozen=True, gc=False):
    """A piece of one tool call.

    `key` is the same for all pieces of one call and different for different calls; calls are ordered by their
    first piece. `id` and `name` are empty where this piece does not carry them; `arguments` is JSON text to append.
    """

    key: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class TokenUsage(Struct, frozen=True, gc=False):
    """Tokens of one request, inclusive, as reported by the provider. None where it said nothing.

    Attributes:
        input: All prompt tokens, with those read from and written to the provider's cache.
        output: All generated tokens, with reasoning.
        cached_input: Part of `input` that was read from the cache.
        cache_write: Part of `input` that was written to the cache.
        reasoning: Part of `output` that was reasoning.
        total: As reported; may differ from `input + output` where a provider counts otherwise.
        cost: US dollars, where the provider (a gateway) reports its own price.
        billed_input: Prompt tokens that are paid for, where the provider says that these are others (Cohere).
        billed_output: Generated tokens that are paid for, likewise.
    """

    input: int | None = None
    output: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    total: int | None = None
    cost: float | None = None
    billed_input: int | None = None
    billed_output: int | None = None

    def __add__(self, other: TokenUsage) -> TokenUsage:
        """That of both requests. What one of them did not say is missing in the sum, so that no sum is too low."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__struct_fields__)
        return TokenUsage(*(None if one is None or two is None else one + two for one, two in pairs))


class TokenLogprob(Struct, frozen=True, gc=False):
    """How likely one token of the answer was.

    Attributes:
        token: Its text.
        logprob: Natural logarithm of its probability, 0 at most.
        utf8: Its bytes, which may be part of a character; None where the provider does not give them.
        top: The likeliest tokens at its place, as many as `top_logprobs` asked for.
    """

    token: str
    logprob: float
    utf8: bytes | None = None
    top: tuple[TokenLogprob, ...] = ()


class Logprobs(Struct, frozen=True, gc=False):
    """The probabilities of the answer's next tokens."""

    tokens: tuple[TokenLogprob, ...]


class Citation(Struct, frozen=True):
    """A source that the provider names for the answer.

    Attributes:
        url: URL of the source; "" where it is a document of the request.
        title: Title of the source, or name of the document.
        raw: The provider's own object.
        text: The passage of the source that is quoted; "" where the provider quotes none.
        start: Where the supported part of the answer's text begins, in characters; None where that is not reported.
        end: Where it ends (exclusive), in characters.
    """

    url: str = ""
    title: str = ""
    raw: Any = None
    text: str = ""
    start: int | None = None
    end: int | None = None


class Media(Struct, frozen=True):
    """An image or a sound the model made: `data` is base64 text, or `url` says where it is."""

    kind: Literal["image", "audio"]
    data: str = ""
    url: str = ""
    media_type: str = ""


class ServerTool(Struct, frozen=True):
    """A tool the provider ran itself (web search, code): nothing to answer; `raw` is its item or block."""

    kind: str
    raw: Any = None


class ProviderState(Struct, frozen=True):
    """Opaque provider state that belongs to the reply (a signature, encrypted reasoning)."""

    kind: str
    raw: Any = None


class Failed(Struct, frozen=True, gc=False):
    """The provider reported an error inside its reply; `retry_after_s` where that says how long to wait, in seconds."""

    message: str
    type: str = ""
    code: str = ""
    status: int | None = None
    retry_after_s: float | None = None


class Finished(Struct, frozen=True, gc=False):
    """The reason why the answer ended.

    Attributes:
        reason: One of a few words, the same for all providers.
        raw: The provider's own word; "" where it gave none.
        message: The provider's explanation; "" where it gave none.
    """

    reason: FinishReason
    raw: str = ""
    message: str = ""


class Warned(Struct, frozen=True):
    """A part of the reply that could not be read, or that is not part of the answer; the answer is whole without it.

    Attributes:
        field: Path of the field in the reply, such as "choices[1]".
        detail: What happened to it, in one sentence.
    """

    field: str
    detail: str


class ProviderFields(Struct, frozen=True):
    """What the reply says beside the answer, by the provider's own names; for answers from a cache."""

    fields: dict[str, Any]


Event = (
    Replied
    | Started
    | TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ToolCallDelta
    | Logprobs
    | TokenUsage
    | Citation
    | Media
    | ServerTool
    | ProviderState
    | Failed
    | Finished
    | Warned
    | ProviderFields
)
