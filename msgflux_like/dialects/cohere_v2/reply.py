"""Replies in Cohere's chat format, version 2, whole or streamed.

Source: https://docs.cohere.com/v2/reference/chat and https://docs.cohere.com/v2/docs/streaming.

How a stream is built:

    message-start                     id of the reply
    content-start, content-delta      a piece of text or of thinking
    tool-plan-delta                   a piece of the plan that the model writes before its calls
    tool-call-start, tool-call-delta  id and name of call `index`, then pieces of its arguments
    citation-start                    a citation
    message-end                       finish reason and token counts; nothing follows

A whole reply has the same fields, with lists where a stream has one item, and is read as if it were streamed.

- Text, thinking, plan and arguments are reported piece by piece; the plan counts as reasoning.
- Thinking and plan have to be sent back before the text or the call that follows them. They are therefore reported as
  opaque state when that begins, or when the reply ends.
- The span of a citation is counted in one content block, and reported in the answer's whole text. Citations of the plan
  or of thinking have no place there.
- Tokens are counted twice: as processed by the model, and as billed.
- `message-end` alone ends a stream; an answer that ends with ERROR or TIMEOUT is a failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Struct, ValidationError

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared import lenient
from msgflux_like.dialects._shared.call_ids import UniqueIds
from msgflux_like.dialects._shared.parts import json_text
from msgflux_like.dialects._shared.stream_decoder import SseDecoder
from msgflux_like.dialects.cohere_v2.errors import failure_in_reply, refusal
from msgflux_like.events import (
    Citation,
    Event,
    Finished,
    FinishReason,
    Logprobs,
    ProviderState,
    ReasoningDelta,
    Started,
    TextDelta,
    TokenLogprob,
    TokenUsage,
    ToolCallDelta,
    Warned,
)

# ERROR and TIMEOUT are failures, see errors.py.
FINISH_REASONS: Final[Mapping[str, FinishReason]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "ERROR_LIMIT": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
}
_OF_TEXT: Final = (None, "", "TEXT_CONTENT")  # kinds of citations whose span is one of the text


class _Tokens(Struct, gc=False):
    input_tokens: float | None = None
    output_tokens: float | None = None
    reasoning_tokens: float | None = None  # included in output_tokens


class _Usage(Struct, gc=False):
    tokens: _Tokens | None = None  # includes the provider's preamble
    billed_units: _Tokens | None = None
    cached_tokens: float | None = None


class _Function(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"name"})

    name: str | None = None
    arguments: Any = None  # JSON text; an object at some hosts


class _Call(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"function"})

    id: str | None = None
    function: _Function | None = None


class _Part(Struct, gc=False):
    """A part of the content, or a piece of one."""

    STRICT: ClassVar[frozenset[str]] = frozenset({"text"})

    type: str | None = None
    text: str | None = None
    thinking: str | None = None


class _Source(Struct, gc=False):
    """A document of the request, or the output of a tool."""

    document: Any = None
    tool_output: Any = None


class _Citation(Struct, gc=False):
    start: int | None = None
    end: int | None = None
    text: str | None = None  # the part of the answer that the sources support
    sources: list[_Source] | None = None
    content_index: int | None = None
    type: str | None = None


class _Logprob(Struct, gc=False):
    """Tokens with their common text and their log probabilities."""

    text: str | None = None
    logprobs: list[float] | None = None


class _Message(Struct, gc=False):
    """A message of a whole reply."""

    STRICT: ClassVar[frozenset[str]] = frozenset({"content", "tool_calls"})

    content: list[_Part] | None = None
    tool_plan: str | None = None
    tool_calls: list[_Call] | None = None
    citations: list[Any] | None = None


class _Delta(Struct, gc=False):
    """A piece of a message: one item in one field. The lists of the first event are empty."""

    STRICT: ClassVar[frozenset[str]] = frozenset({"content", "tool_calls"})

    content: _Part | list[Any] | None = None
    tool_plan: str | None = None
    tool_calls: _Call | list[Any] | None = None
    citations: Any = None


class _End(Struct, gc=False):
    """Fields that end a reply: of the whole reply, or of `message-end` in a stream."""

    finish_reason: str | None = None
    usage: _Usage | None = None
    error: str | None = None
    error_type: str | None = None


class _Reply(_End, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"message"})

    id: str | None = None
    message: _Message | None = None
    logprobs: list[_Logprob] | None = None


class _EventDelta(_End, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"message"})

    message: _Delta | None = None


class _Event(Struct, gc=False):
    """Fields of all types of stream events."""

    STRICT: ClassVar[frozenset[str]] = frozenset({"type", "delta"})

    type: str = ""
    index: int = 0
    id: str | None = None
    delta: _EventDelta | None = None
    logprobs: _Logprob | None = None
    message: Any = None  # of an error, which has no type


_reply_decoder = msgspec.json.Decoder(_Reply)
_event_decoder = msgspec.json.Decoder(_Event)
_decode_event = _event_decoder.decode


def decode(body: bytes) -> list[Event]:
    """Return the events of a whole reply; raise msgspec.DecodeError if the body is not a reply."""
    events: list[Event] = []
    reply = lenient.decode(_reply_decoder, body, partial(_warn, events))
    if reply.message is None:
        raise ValidationError("it has no `message`")
    return [*events, Started(reply.id or ""), *_Reader().read_whole(reply, reply.message)]


def decoder() -> SseDecoder:
    """Return a decoder for one streamed reply."""
    return SseDecoder(_Reader().read, decode)


class _Reader:
    """Reader of one reply; the head of this file explains the rules."""

    __slots__ = ("_block_starts", "_ids", "_length", "_plan", "_thinking")

    def __init__(self) -> None:
        self._plan: list[str] = []  # pieces not yet reported as state
        self._thinking: list[str] = []  # pieces not yet reported as state
        self._ids = UniqueIds()
        self._length = 0  # characters of the text
        self._block_starts: dict[int, int] = {}  # by index of the content block: characters of the text before it

    def read(self, data: bytes, events: list[Event]) -> bool:
        """Append the events of one server-sent event's data; return True for the last one."""
        if not data.strip() or data == b"[DONE]":
            return False
        try:
            event = _decode_event(data)
        except ValidationError:
            event = lenient.decode(_event_decoder, data, partial(_warn, events))
        delta = event.delta
        if event.type == "message-start":
            events.append(Started(event.id or ""))
        elif delta is not None and delta.message is not None:
            events.extend(self._on_delta(delta.message, event.index))
        elif event.type == "message-end":
            events.extend(self._on_message_end(delta or _End()))
        elif not event.type and event.message:
            events.append(refusal(data))
        if event.logprobs is not None:
            events.append(_logprobs_from([event.logprobs]))
        return event.type == "message-end"

    def read_whole(self, reply: _Reply, message: _Message) -> Iterator[Event]:
        """Yield the events of a whole reply."""
        for index, part in enumerate(message.content or ()):
            if part.type not in (None, "text", "thinking"):
                yield Warned(f"message.content[{index}]", f"is of type {part.type!r}, and was left out")
            yield from self._on_content(part, index)
        yield from self._on_plan(message.tool_plan)
        yield from self._on_citations(message.citations or ())
        for index, call in enumerate(message.tool_calls or ()):
            yield from self._state_before_next()
            yield _tool_call_from(call, index, self._ids)
        if reply.logprobs:
            yield _logprobs_from(reply.logprobs)
        yield from self._on_message_end(reply)

    def _on_delta(self, message: _Delta, index: int) -> Iterator[Event]:
        if isinstance(message.content, _Part):
            yield from self._on_content(message.content, index)
        yield from self._on_plan(message.tool_plan)
        if isinstance(message.tool_calls, _Call):
            yield from self._state_before_next()
            yield _tool_call_from(message.tool_calls, index, self._ids)
        if message.citations:
            yield from self._on_citations([message.citations])

    def _on_content(self, part: _Part, index: int) -> Iterator[Event]:
        if part.thinking:
            self._thinking.append(part.thinking)
            yield ReasoningDelta(part.thinking)
        if part.text:
            yield from self._state_before_next()
            self._block_starts.setdefault(index, self._length)
            self._length += len(part.text)
            yield TextDelta(part.text)

    def _on_plan(self, plan: str | None) -> Iterator[Event]:
        if plan:
            self._plan.append(plan)
            yield ReasoningDelta(plan)

    def _on_citations(self, citations: Sequence[Any]) -> Iterator[Event]:
        """Report citations, each with the first of its sources: a document or the output of a tool."""
        for raw in citations:
            if not isinstance(raw, Mapping):
                yield Warned("message.citations", "a citation is not an object, and was left out")
                continue
            warnings: list[Event] = []
            citation = lenient.convert(as_mapping(raw), _Citation, "message.citations", partial(_warn, warnings))
            yield from warnings
            source = citation.sources[0] if citation.sources else _Source()
            document = as_mapping(source.document or source.tool_output)
            url, title = document.get("url"), document.get("title")
            yield Citation(
                url=url if isinstance(url, str) else "",
                title=title if isinstance(title, str) else "",
                raw=as_mapping(raw),
                text=citation.text or "",
                start=self._in_text(citation, citation.start),
                end=self._in_text(citation, citation.end),
            )

    def _in_text(self, citation: _Citation, place: int | None) -> int | None:
        """Return a place of the cited block as a place of the answer's text; None if the block is not text."""
        if place is None or citation.type not in _OF_TEXT:
            return None
        if citation.content_index is None:
            return place
        return self._block_starts.get(citation.content_index, 0) + place

    def _state_before_next(self) -> Iterator[Event]:
        """Report the thinking and the plan that have to be sent back before the next text or call."""
        if self._thinking:
            yield ProviderState("thinking", {"type": "thinking", "thinking": "".join(self._thinking)})
            self._thinking = []
        if self._plan:
            yield ProviderState("tool_plan", {"tool_plan": "".join(self._plan)})
            self._plan = []

    def _on_message_end(self, end: _End) -> Iterator[Event]:
        yield from self._state_before_next()
        if end.usage is not None and end.usage.tokens is not None:
            yield _usage_from(end.usage, end.usage.tokens)
        reason = end.finish_reason or ""
        if failed := failure_in_reply(end.error, end.error_type, reason):
            yield failed
        elif reason:
            yield Finished(FINISH_REASONS.get(reason, "unknown"), reason)
        else:
            yield Warned("finish_reason", "is missing: the provider did not say why the answer ended")
            yield Finished("unknown")


def _warn(events: list[Event], path: str, detail: str) -> None:
    events.append(Warned(path, detail))


def _logprobs_from(items: Sequence[_Logprob]) -> Logprobs:
    """Return the log probabilities; where several tokens share one text, the first of them has all of it."""
    return Logprobs(
        tuple(
            TokenLogprob("" if place else item.text or "", logprob)
            for item in items
            for place, logprob in enumerate(item.logprobs or ())
        )
    )


def _tool_call_from(call: _Call, index: int, ids: UniqueIds) -> ToolCallDelta:
    function = call.function or _Function()
    arguments = function.arguments
    text = arguments if isinstance(arguments, str) else "" if arguments is None else json_text(arguments)
    return ToolCallDelta(index, ids.of(call.id or ""), function.name or "", text)


def _usage_from(usage: _Usage, tokens: _Tokens) -> TokenUsage:
    billed = usage.billed_units or _Tokens()
    return TokenUsage(
        input=_count(tokens.input_tokens),
        output=_count(tokens.output_tokens),
        cached_input=_count(usage.cached_tokens),
        reasoning=_count(tokens.reasoning_tokens),
        billed_input=_count(billed.input_tokens),
        billed_output=_count(billed.output_tokens),
    )


def _count(tokens: float | None) -> int | None:
    return None if tokens is None else int(tokens)
