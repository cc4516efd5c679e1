"""The fold from events to an answer, and the answer as its user sees it. One fold for whole and streamed replies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from msgspec import Struct

from msgflux_like._attrdict import dotdict
from msgflux_like.events import (
    Citation,
    Event,
    Finished,
    Logprobs,
    Media,
    ProviderState,
    ReasoningDelta,
    RefusalDelta,
    Replied,
    ServerTool,
    Started,
    TextDelta,
    TokenLogprob,
    TokenUsage,
    ToolCallDelta,
)
from msgflux_like.request import REASONING_TEXT, Change, OutputMode
from msgflux_like.response.tool_calls import ToolCall, ToolCallAggregator

if TYPE_CHECKING:
    from msgflux_like.catalog.pricing import CostDetails
    from msgflux_like.catalog.profiles import ModelProfile

ResponseType = Literal["text_generation", "structured", "tool_call"]


class ResponseAccumulator:
    """What the events said so far. Pieces are kept in lists and joined when they are asked for."""

    __slots__ = (
        "attempts",
        "calls",
        "citations",
        "finished",
        "id",
        "logprobs",
        "media",
        "model",
        "reasoning",
        "refusal",
        "request_id",
        "server_tools",
        "state",
        "state_after",
        "text",
        "usage",
    )

    def __init__(self, prefill: str = "") -> None:
        self.text: list[str] = [prefill] if prefill else []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.calls: dict[int, tuple[list[str], list[str], list[str]]] = {}  # key -> pieces of id, name, arguments
        self.usage: TokenUsage | None = None
        self.finished: Finished | None = None
        self.citations: list[Citation] = []
        self.logprobs: list[TokenLogprob] = []
        self.media: list[Media] = []
        self.server_tools: list[ServerTool] = []
        self.state: list[ProviderState] = []
        self.state_after: list[int] = []  # how many pieces (the text, each call) stand before each of them
        self.id = ""
        self.model = ""
        self.request_id = ""
        self.attempts = 1

    def add(self, events: Iterable[Event]) -> None:
        """Take the next events."""
        for event in events:
            if type(event) is TextDelta:
                self.text.append(event.text)
            else:
                self._add(event)

    def _add(self, event: Event) -> None:  # noqa: C901, PLR0912  one case for each kind of event
        match event:
            case ReasoningDelta(text):
                self.reasoning.append(text)
            case RefusalDelta(text):
                self.refusal.append(text)
            case ToolCallDelta(key, id_, name, arguments):
                pieces = self.calls.setdefault(key, ([], [], []))
                for kept, piece in zip(pieces, (id_, name, arguments), strict=True):
                    if piece:
                        kept.append(piece)
            case TokenUsage():
                self.usage = event
            case Finished():
                self.finished = event
            case Logprobs(tokens):
                self.logprobs += tokens
            case Started(id_, model):
                self.id, self.model = self.id or id_, self.model or model
            case Replied(request_id, attempts):
                self.request_id, self.attempts = request_id, attempts
            case Citation():
                self.citations.append(event)
            case Media():
                self.media.append(event)
            case ServerTool():
                self.server_tools.append(event)
            case ProviderState():
                self.state.append(event)
                self.state_after.append(bool(self.text) + len(self.calls))
            case _:
                raise AssertionError(f"an answer cannot hold {type(event).__name__}")

    def events(self) -> Iterator[Event]:
        """The events that say what is known until now: each piece of text, each call once, state at its place."""
        if self.request_id or self.attempts > 1:
            yield Replied(self.request_id, self.attempts)
        if self.id or self.model:
            yield Started(self.id, self.model)
        state: dict[int, list[ProviderState]] = {}
        for after, each in zip(self.state_after, self.state, strict=True):
            state.setdefault(after, []).append(each)
        yield from map(ReasoningDelta, self.reasoning)
        yield from state.pop(0, ())
        yield from map(TextDelta, self.text)
        yield from map(RefusalDelta, self.refusal)
        for place, (key, (ids, names, arguments)) in enumerate(self.calls.items(), bool(self.text)):
            yield from state.pop(place, ())
            yield ToolCallDelta(key, ids[0] if ids else "", names[0] if names else "", "".join(arguments))
        if self.logprobs:
            yield Logprobs(tuple(self.logprobs))
        for several in (*state.values(), self.citations, self.media, self.server_tools):
            yield from several
        if self.usage:
            yield self.usage
        if self.finished:
            yield self.finished

    def tool_calls(self) -> list[ToolCall]:
        """The calls in the order of their first pieces. Id and name may come on every piece, and count once."""
        return [
            ToolCall(ids[0] if ids else f"call_{key}", names[0] if names else "", "".join(arguments))
            for key, (ids, names, arguments) in self.calls.items()
        ]

    def provider_state(self, call_metadata: CallMetadata) -> list[dict[str, Any]]:
        """What the provider wants back with this answer in the next request, as JSON; see `_common.own_state`."""
        kept = [
            {"family": call_metadata.family, "kind": state.kind, "after": after, "raw": state.raw}
            for state, after in zip(self.state, self.state_after, strict=True)
        ]
        if call_metadata.reasoning_field and self.reasoning:
            text = {"family": REASONING_TEXT, "kind": "reasoning", "after": 0, "raw": "".join(self.reasoning)}
            return [text, *kept]
        return kept


class RouteAttempt(Struct, frozen=True):
    """One model that a gateway thought of.

    Attributes:
        model: Its path.
        outcome: It "answered"; it "failed"; it "cannot" take the request at all; or it was "resting" after an earlier
            failure, and others were asked first.
        why: One sentence.
        cost: US dollars that the attempt cost, None where it is not known that it cost any.
    """

    model: str
    outcome: Literal["answered", "failed", "cannot", "resting"]
    why: str = ""
    cost: Decimal | None = None


class CallMetadata(NamedTuple):
    """What is known of an answer before it comes.

    Attributes:
        provider: Name of the provider.
        model: Model id, as sent.
        profile: What the catalogue says of the model, None when it does not know it.
        changes: What was not sent exactly as asked.
        warnings: What the catalogue says against the request or the model.
        family: Who can read the opaque state of the answer.
        reasoning_field: Where the model wants its reasoning back, "" for nowhere.
        cached: Whether it came from a cache, or with an equal call: nothing was paid for it.
        route: Whom a gateway asked.
    """

    provider: str
    model: str
    profile: ModelProfile | None = None
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    family: str = ""
    reasoning_field: str = ""
    cached: bool = False
    route: tuple[RouteAttempt, ...] = ()


class ModelResponse:
    """One answer.

    Attributes:
        text: The answer's text, prefill included; "" when there is none.
        reasoning: What the model thought, None when it did not say.
        refusal: The model's refusal, None when it did not refuse.
        usage: Tokens in detail, None when the provider did not report them.
        logprobs: How likely each token of the text was; empty where that was not asked for, or not told.
        citations: Sources of the answer.
        media: Images and sounds in the answer.
        server_tools: What the provider's own tools did.
        state: Opaque provider state of the reply.
        changes: What was not sent exactly as asked.
        warnings: What the catalogue says against the request or the model.
        cached: Whether it came from a cache, or with an equal call that was made at the same time.
        parsed: The value of the type that was asked for; None when none was.
        output_mode: How it was asked for; None when none was.
    """

    parsed: Any = None
    output_mode: OutputMode | None = None

    def __init__(self, answer: ResponseAccumulator, call_metadata: CallMetadata) -> None:
        self._answer = answer
        self._about = call_metadata
        self.changes = changes_of(answer, call_metadata)
        self.cached = call_metadata.cached
        self.warnings = call_metadata.warnings
        self.text = "".join(answer.text)
        self.reasoning = "".join(answer.reasoning) or None
        self.refusal = "".join(answer.refusal) or None
        self.usage = answer.usage
        self.logprobs = answer.logprobs
        self.citations = answer.citations
        self.media = answer.media
        self.server_tools = answer.server_tools
        self.state = answer.state

    @cached_property
    def tool_calls(self) -> ToolCallAggregator:
        """The calls the model asks for; empty when it asks for none."""
        answer = self._answer
        return ToolCallAggregator(answer.tool_calls(), self.text, self.reasoning, answer.provider_state(self._about))

    @property
    def message(self) -> dict[str, Any]:
        """The answer as a message, to be added to the conversation: plain JSON, which can be saved and loaded.

        Beside text and calls it holds `provider_state` where the provider wants something back (signatures,
        encrypted reasoning): models of the same family are sent it, for others it is dropped, and recorded.
        """
        return self.tool_calls.assistant_message()

    @property
    def response_type(self) -> ResponseType:
        """What `consume()` gives: text, or tool calls when there are any."""
        return "tool_call" if self._answer.calls else "text_generation"

    @property
    def data(self) -> Any:
        """The answer: its text, or its tool calls when there are any."""
        return self.tool_calls if self._answer.calls else self.text

    def consume(self) -> Any:
        """The answer: its text, or a `ToolCallAggregator` when the model asks for tools. Every time the same."""
        return self.data

    def events(self) -> tuple[Event, ...]:
        """The answer as the events a stream would have given; see `msgflux_like.events`."""
        return tuple(self._answer.events())

    @cached_property
    def metadata(self) -> dotdict:
        """Usage, finish reason and ids, as a dict that is read by attribute too; see `metadata_of`."""
        return metadata_of(self._answer, self._about)

    @property
    def cost(self) -> Decimal | None:
        """US dollars, exact; None when it is not known, and then `cost_details.reason` says why.

        What a gateway's failed attempts are known to have cost is in it.
        """
        return cost_with_route(self.cost_details, self._about)

    @property
    def route(self) -> tuple[RouteAttempt, ...]:
        """Which models a gateway asked until this answer came; empty without a gateway."""
        return self._about.route

    def routed(self, route: tuple[RouteAttempt, ...]) -> None:
        """Say how a gateway came to this answer."""
        self._about = self._about._replace(route=route)

    @cached_property
    def saved(self) -> Decimal | None:
        """US dollars that a cache saved: what the answer would have cost. 0 without one, None when it is not known."""
        return saved_of(self._answer, self._about)

    @cached_property
    def cost_details(self) -> CostDetails:
        """The cost kind by kind, and whether the provider stated it or it follows from the catalogue's prices."""
        return cost_details_of(self._answer, self._about)

    def __repr__(self) -> str:
        reason = self._answer.finished.reason if self._answer.finished else None
        return (
            f"{type(self).__name__}({self._about.provider}/{self._about.model}, {self.response_type}, "
            f"{len(self.text)} characters, finish_reason={reason!r})"
        )


def changes_of(answer: ResponseAccumulator, call_metadata: CallMetadata) -> tuple[Change, ...]:
    """What was not sent exactly as asked, requests that had to be sent again included."""
    if answer.attempts == 1:
        return call_metadata.changes
    return (
        *call_metadata.changes,
        Change("retried", "request", f"it was sent {answer.attempts} times: the others failed"),
    )


def cost_details_of(answer: ResponseAccumulator, call_metadata: CallMetadata) -> CostDetails:
    """What the answer cost; see `CostDetails`."""
    from msgflux_like.catalog.pricing import FREE, cost_of  # noqa: PLC0415  for those who ask

    if call_metadata.cached:
        return FREE
    return cost_of(answer.usage, call_metadata.profile, f"{call_metadata.provider}/{call_metadata.model}")


def cost_with_route(details: CostDetails, call_metadata: CallMetadata) -> Decimal | None:
    """The cost of the answer, and of the attempts before it."""
    if details.usd is None:
        return None
    return details.usd + sum((tried.cost for tried in call_metadata.route if tried.cost is not None), Decimal(0))


def saved_of(answer: ResponseAccumulator, call_metadata: CallMetadata) -> Decimal | None:
    """What the answer would have cost, if it came from a cache."""
    return cost_details_of(answer, call_metadata._replace(cached=False)).usd if call_metadata.cached else Decimal(0)


def metadata_of(answer: ResponseAccumulator, call_metadata: CallMetadata) -> dotdict:
    """What is known of an answer beside its content.

    `usage` always has `completion_tokens`, `prompt_tokens` and `total_tokens`, inclusive of cached and reasoning
    tokens, and None where the provider reported nothing; `cached_tokens`, `cache_write_tokens` and
    `reasoning_tokens` are there when reported. `finish_reason` is one of a few words, `finish_reason_raw` the
    provider's own; both are None when it gave none. `cached` is True for an answer that came from a cache.
    """
    usage = answer.usage or TokenUsage()
    total = usage.total
    if total is None and usage.input is not None and usage.output is not None:
        total = usage.input + usage.output
    counts: dict[str, Any] = {
        "completion_tokens": usage.output,
        "prompt_tokens": usage.input,
        "total_tokens": total,
    }
    details = {
        "cached_tokens": usage.cached_input,
        "cache_write_tokens": usage.cache_write,
        "reasoning_tokens": usage.reasoning,
    }
    counts |= {name: count for name, count in details.items() if count is not None}
    finished = answer.finished
    reason = finished.reason if finished else None
    if reason == "stop" and answer.calls:
        reason = "tool_calls"  # several hosts say "stop" when a call was forced
    facts: dict[str, Any] = {
        "usage": counts,
        "finish_reason": reason,
        "finish_reason_raw": finished.raw if finished else None,
        "provider": call_metadata.provider,
        "model": answer.model or call_metadata.model,
        "id": answer.id or None,
        "request_id": answer.request_id or None,
        "attempts": answer.attempts,
        "cached": call_metadata.cached,
    }
    if answer.refusal:
        facts["refusal"] = "".join(answer.refusal)
    return dotdict(facts)
