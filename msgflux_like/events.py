"""Events of an answer: the same types for whole and streamed replies of every provider, in the order of arrival.

`response.events()` gives them. The first one is `Replied`; `Finished` and `TokenUsage` come near the end.

Example:
    >>> from msgflux_like.testing import FakeModel
    >>> for event in FakeModel("Paris.")("Capital of France?", stream=True).events():
    ...     match event:
    ...         case TextDelta(text):
    ...             print(text)
    ...         case Finished(reason):
    ...             print(reason)
    Paris.
    stop
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "error", "unknown"]


class Replied(Struct, frozen=True, eq=False):
    """The provider accepted the request; the first event of every answer.

    Attributes:
        request_id: The provider's id of the request, from the reply's headers; "" if it gave none.
        attempts: Requests sent, 1 without a retry.
        raw: The reply as it came, also while it is read; None for an answer from a cache.
        cost: Price of the request in US dollars, if the reply's headers state it (LiteLLM's proxy).
    """

    request_id: str = ""
    attempts: int = 1
    raw: Any = None
    cost: Decimal | None = None

    def __eq__(self, other: object) -> bool:
        """Compare what is reported, not the reply that reports it."""
        return isinstance(other, Replied) and (self.request_id, self.attempts) == (other.request_id, other.attempts)

    def __hash__(self) -> int:
        """Hash what is compared."""
        return hash((self.request_id, self.attempts))


class Started(Struct, frozen=True, gc=False):
    """The provider named its reply. May occur more than once; the first non-empty values count.

    Attributes:
        id: The provider's id of the reply, "" if not in this event.
        model: Model that answers, "" if not in this event.
    """

    id: str = ""
    model: str = ""


class TextDelta(Struct, frozen=True, gc=False):
    """A piece of the answer's text.

    Attributes:
        text: Text to append.
    """

    text: str


class ReasoningDelta(Struct, frozen=True, gc=False):
    """A piece of the model's reasoning, which is not part of the answer's text.

    Attributes:
        text: Text to append.
    """

    text: str


class RefusalDelta(Struct, frozen=True, gc=False):
    """A piece of the model's refusal, if the provider's format distinguishes refusals from answers.

    Attributes:
        text: Text to append.
    """

    text: str


class ToolCallDelta(Struct, frozen=True, gc=False):
    """A piece of one tool call. Calls are ordered by their first pieces.

    Attributes:
        key: Number that all pieces of one call share, and that no other call of the answer has.
        id: Id of the call, "" if not in this piece.
        name: Name of the tool, "" if not in this piece.
        arguments: JSON text to append to the arguments.
    """

    key: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class TokenUsage(Struct, frozen=True, gc=False):
    """Token counts of one request, as reported by the provider; a count is None if it reported none.

    Attributes:
        input: All prompt tokens, including those read from and written to the provider's cache.
        output: All generated tokens, including reasoning.
        cached_input: Part of `input` that was read from the cache.
        cache_write: Part of `input` that was written to the cache.
        reasoning: Part of `output` that was reasoning.
        total: Total as reported; may differ from `input + output`.
        cost: Price in US dollars, if the provider (a gateway) reports it.
        billed_input: Prompt tokens that are charged, if the provider reports them separately (Cohere).
        billed_output: Generated tokens that are charged, if the provider reports them separately.

    Example:
        >>> (TokenUsage(input=10, output=5) + TokenUsage(input=1, output=2)).output
        7
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
        """Return the sum over both requests; a count that one of them lacks is None, so that no sum is too low."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__struct_fields__)
        return TokenUsage(*(None if one is None or two is None else one + two for one, two in pairs))


class TokenLogprob(Struct, frozen=True, gc=False):
    """Probability of one token of the answer.

    Attributes:
        token: Text of the token.
        logprob: Natural logarithm of its probability, at most 0.
        utf8: Bytes of the token, which may be part of a character; None if not reported.
        top: Most likely tokens at this position, up to `top_logprobs` of the call.
    """

    token: str
    logprob: float
    utf8: bytes | None = None
    top: tuple[TokenLogprob, ...] = ()


class Logprobs(Struct, frozen=True, gc=False):
    """Probabilities of the answer's next tokens.

    Attributes:
        tokens: The tokens, in order.
    """

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
    """An image or a sound that the model generated.

    Attributes:
        kind: "image" or "audio".
        data: Content as base64 text, "" if only a URL is given.
        url: URL of the content, "" if the data is given.
        media_type: Such as "image/png"; "" if not reported.
    """

    kind: Literal["image", "audio"]
    data: str = ""
    url: str = ""
    media_type: str = ""


class ServerTool(Struct, frozen=True):
    """Activity of a tool that the provider runs itself (web search, code execution); needs no tool result.

    Attributes:
        kind: The provider's name for the activity.
        raw: The provider's item or block, as JSON values.
    """

    kind: str
    raw: Any = None


class ProviderState(Struct, frozen=True):
    """Opaque provider state of the reply (a signature, encrypted reasoning), to be sent back with the answer.

    Attributes:
        kind: Kind of state.
        raw: The state, as JSON values.
    """

    kind: str
    raw: Any = None


class Failed(Struct, frozen=True, gc=False):
    """An error that the provider reported inside its reply.

    Attributes:
        message: The provider's message.
        type: The provider's error type, "" if none.
        code: The provider's error code, "" if none.
        status: HTTP status that the error names, None if none.
        retry_after_s: Time to wait before a retry, in seconds; None if not reported.
    """

    message: str
    type: str = ""
    code: str = ""
    status: int | None = None
    retry_after_s: float | None = None


class Finished(Struct, frozen=True, gc=False):
    """The answer ended.

    Attributes:
        reason: "stop", "length", "tool_calls", "content_filter", "error" or "unknown"; also for an answer that pauses.
        raw: The provider's own word, "" if none; "pause_turn" of Anthropic asks to send the answer back to go on.
        message: The provider's explanation, "" if none.
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
    """Other fields of the reply, by the names of the provider; for answers from a cache.

    Attributes:
        fields: Fields of the reply that are not part of the answer.
    """

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
