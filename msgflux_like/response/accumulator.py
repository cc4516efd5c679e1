"""The events of one answer, folded into its text, tool calls, usage and provider state.

A whole reply and a streamed one are folded by the same code: both give the same events, so both end in the same state.
The fold is appended to and never rewritten, so that a stream can hand out `text` and `reasoning` while they grow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from msgflux_like.events import (
    Citation,
    Event,
    Finished,
    Logprobs,
    Media,
    ProviderFields,
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
    Warned,
)
from msgflux_like.request import REASONING_TEXT
from msgflux_like.response.tool_calls import ToolCall

if TYPE_CHECKING:
    from decimal import Decimal

    from msgflux_like._wire.raw_reply import RawReply


class ResponseAccumulator:
    """The state of one answer after the events so far. Pieces are kept in lists and joined on demand.

    Args:
        prefill: Beginning of the answer that the caller wrote; it becomes the first piece of `text`.

    Attributes:
        text: Pieces of the answer's text.
        reasoning: Pieces of the model's reasoning.
        refusal: Pieces of the model's refusal.
        calls: Tool calls by the key of their deltas, in order: the pieces of id, name and arguments.
        usage: The last usage report, None before it.
        finished: Why the answer ended, None before its end.
        citations: Sources, in order.
        logprobs: Token probabilities, in order.
        media: Images and sounds, in order.
        server_tools: Activity of the provider's own tools, in order.
        state: Opaque provider state, in order.
        state_after: For each item of `state`, how many parts (the text, each call) stand before it.
        state_offset: For each item of `state`, how many characters of the text stand before it.
        warnings: Parts of the reply that could not be read, in order.
        raw: The reply as it came; None for an answer from a cache.
        id: The provider's id of the reply, "" before it is known.
        model: The model that the reply names, "" before it is known.
        request_id: The provider's id of the request, "" when it gave none.
        attempts: Requests sent for this answer, 1 without a retry.
        stated_cost: Price of the request in US dollars by the reply's headers, None if they state none.

    Example:
        >>> from msgflux_like.events import Finished, TextDelta
        >>> answer = ResponseAccumulator()
        >>> answer.add([TextDelta("Hel"), TextDelta("lo"), Finished("stop")])
        >>> answer.text, answer.finished.reason
        (['Hel', 'lo'], 'stop')
    """

    __slots__ = (
        "_measured_length",
        "_measured_pieces",
        "attempts",
        "calls",
        "citations",
        "finished",
        "id",
        "logprobs",
        "media",
        "model",
        "provider_fields_read",
        "raw",
        "reasoning",
        "refusal",
        "request_id",
        "server_tools",
        "state",
        "state_after",
        "state_offset",
        "stated_cost",
        "text",
        "usage",
        "warnings",
    )

    def __init__(self, prefill: str = "") -> None:
        self.text: list[str] = [prefill] if prefill else []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.calls: dict[int, tuple[list[str], list[str], list[str]]] = {}
        self.usage: TokenUsage | None = None
        self.finished: Finished | None = None
        self.citations: list[Citation] = []
        self.logprobs: list[TokenLogprob] = []
        self.media: list[Media] = []
        self.server_tools: list[ServerTool] = []
        self.state: list[ProviderState] = []
        self.state_after: list[int] = []
        self.state_offset: list[int] = []
        self._measured_pieces = 0  # pieces of the text that `_measured_length` counts
        self._measured_length = 0
        self.warnings: list[Warned] = []
        self.raw: RawReply | None = None
        self.provider_fields_read: dict[str, Any] | None = None
        self.id = ""
        self.model = ""
        self.request_id = ""
        self.attempts = 1
        self.stated_cost: Decimal | None = None

    def add(self, events: Iterable[Event]) -> None:
        """Fold the next events into the state."""
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
                for known, piece in zip(pieces, (id_, name, arguments), strict=True):
                    if piece:
                        known.append(piece)
            case TokenUsage():
                self.usage = event
            case Finished():
                self.finished = event
            case Logprobs(tokens):
                self.logprobs += tokens
            case Started(id_, model):
                self.id, self.model = self.id or id_, self.model or model
            case Replied(request_id, attempts, raw, cost):
                self.request_id, self.attempts, self.raw, self.stated_cost = request_id, attempts, raw, cost
            case Citation():
                self.citations.append(event)
            case Media():
                self.media.append(event)
            case ServerTool():
                self.server_tools.append(event)
            case ProviderState():
                self.state.append(event)
                self.state_after.append(bool(self.text) + len(self.calls))
                self.state_offset.append(self._text_length())
            case Warned():
                self.warnings.append(event)
            case ProviderFields(fields):
                self.provider_fields_read = fields
            case _:
                raise AssertionError(f"an answer cannot contain a {type(event).__name__}")

    def _text_length(self) -> int:
        """Return the number of characters of the text; each piece is measured once."""
        pieces = self.text
        for index in range(self._measured_pieces, len(pieces)):
            self._measured_length += len(pieces[index])
        self._measured_pieces = len(pieces)
        return self._measured_length

    def events(self) -> Iterator[Event]:
        """Yield events that rebuild this state: every piece of text, each call as one event, state at its place."""
        if self.request_id or self.attempts > 1 or self.stated_cost is not None:
            yield Replied(self.request_id, self.attempts, cost=self.stated_cost)
        if self.id or self.model:
            yield Started(self.id, self.model)
        state: dict[int, list[ProviderState]] = {}
        length = self._text_length()
        for after, offset, each in zip(self.state_after, self.state_offset, self.state, strict=True):
            if not 0 < offset < length:
                state.setdefault(after, []).append(each)
        yield from map(ReasoningDelta, self.reasoning)
        yield from state.pop(0, ())
        yield from self._text_with_state()
        yield from map(RefusalDelta, self.refusal)
        for place, (key, (ids, names, arguments)) in enumerate(self.calls.items(), bool(self.text)):
            yield from state.pop(place, ())
            yield ToolCallDelta(key, ids[0] if ids else "", names[0] if names else "", "".join(arguments))
        if self.logprobs:
            yield Logprobs(tuple(self.logprobs))
        for several in (*state.values(), self.citations, self.media, self.server_tools, self.warnings):
            yield from several
        if self.usage:
            yield self.usage
        if self.finished:
            yield self.finished

    def _text_with_state(self) -> Iterator[Event]:
        """Yield the pieces of text, and between them the state that came there."""
        inside = iter([pair for pair in zip(self.state_offset, self.state, strict=True) if pair[0]])
        offset, state = next(inside, (-1, None))
        length, written = self._text_length(), 0
        for piece in self.text:
            while state is not None and offset == written < length:
                if written:
                    yield state
                offset, state = next(inside, (-1, None))
            yield TextDelta(piece)
            written += len(piece)

    def tool_calls(self) -> list[ToolCall]:
        """Return the calls in the order of their first pieces. A repeated id or name counts once.

        Each call has another id: hosts give one id to several calls, or none.
        """
        found: list[ToolCall] = []
        used: set[str] = set()
        for key, (ids, names, arguments) in self.calls.items():
            name, text = names[0] if names else "", "".join(arguments)
            id_ = given = ids[0] if ids else self._derived_id(key, name, text)
            while id_ in used:
                id_ = f"{given}_{len(used) + 1}" if id_ == given else f"{id_}_"
            used.add(id_)
            found.append(ToolCall(id_, name, text))
        return found

    def _derived_id(self, key: int, name: str, arguments: str) -> str:
        """Return an id for a call without one, which differs from those of other answers."""
        from msgflux_like.dialects._shared.call_ids import derived_call_id  # noqa: PLC0415  nearly all calls have ids

        return derived_call_id(f"{self.id}/{self.request_id}/{key}/{name}/{arguments}")

    def provider_state(self, family: str, reasoning_field: str) -> list[dict[str, Any]]:
        """Return, as JSON, the state that the provider expects back with this answer in the next request.

        Args:
            family: The models that can read the state.
            reasoning_field: Message field in which the model expects its reasoning back, "" if it does not.
        """
        length = self._text_length()
        kept = [
            {
                "family": family,
                "kind": state.kind,
                "after": after,
                "raw": state.raw,
                **({"offset": offset} if 0 < offset < length else {}),
            }
            for state, after, offset in zip(self.state, self.state_after, self.state_offset, strict=True)
        ]
        if reasoning_field and self.reasoning:
            text = {"family": REASONING_TEXT, "kind": "reasoning", "after": 0, "raw": "".join(self.reasoning)}
            return [text, *kept]
        return kept

    def provider_fields(self) -> dict[str, Any]:
        """Return what the reply says beside the answer, by the provider's own names."""
        if self.provider_fields_read is None:
            self.provider_fields_read = self.raw.provider_fields() if self.raw is not None else {}
        return self.provider_fields_read
