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
- Tokens are counted twice: those that the model processed, and those that are billed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from msgflux_like._json import as_list, as_mapping
from msgflux_like.dialects._shared.parts import json_text
from msgflux_like.dialects._shared.stream_decoder import SseDecoder
from msgflux_like.dialects.cohere_v2.errors import failure_in_reply, refusal
from msgflux_like.events import (
    Citation,
    Event,
    Finished,
    FinishReason,
    ProviderState,
    ReasoningDelta,
    Started,
    TextDelta,
    TokenUsage,
    ToolCallDelta,
)

FINISH_REASONS: Final[Mapping[str, FinishReason]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "TIMEOUT": "error",
    "ERROR_TOXIC": "content_filter",
}


class _Tokens(Struct, gc=False):
    input_tokens: float | None = None
    output_tokens: float | None = None
    reasoning_tokens: float | None = None  # included in output_tokens


class _Usage(Struct, gc=False):
    tokens: _Tokens | None = None  # includes the provider's preamble
    billed_units: _Tokens | None = None
    cached_tokens: float | None = None


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: Any = None


class _Call(Struct, gc=False):
    id: str | None = None
    function: _Function | None = None


class _Part(Struct, gc=False):
    """A part of the content, or a piece of one."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None


class _Message(Struct, gc=False):
    """A message: with lists in a whole reply, and with one item in one field in an event of a stream."""

    content: list[_Part] | _Part | None = None
    tool_plan: str | None = None
    tool_calls: list[_Call] | _Call | None = None
    citations: Any = None


class _End(Struct, gc=False):
    """Fields that end a reply: of the whole reply, or of `message-end` in a stream."""

    finish_reason: str | None = None
    usage: _Usage | None = None
    error: str | None = None
    error_type: str | None = None
    message: _Message | None = None


class _Reply(_End, gc=False):
    id: str | None = None


class _Event(Struct, gc=False):
    """Fields of all types of stream events."""

    type: str = ""
    index: int = 0
    id: str | None = None
    delta: _End | None = None
    message: Any = None  # of an error, which has no type


_reply_decoder = msgspec.json.Decoder(_Reply)
_event_decoder = msgspec.json.Decoder(_Event)


def decode(body: bytes) -> list[Event]:
    """Return the events of a whole reply; raise msgspec.DecodeError if the body is not a reply."""
    reply = _reply_decoder.decode(body)
    if reply.message is None:
        raise msgspec.ValidationError("it has no `message`")
    return [Started(reply.id or ""), *_Reader().read_whole(reply, reply.message)]


def decoder() -> SseDecoder:
    """Return a decoder for one streamed reply."""
    return SseDecoder(_Reader().read, decode)


class _Reader:
    """Reader of one reply; the head of this file explains the rules."""

    __slots__ = ("_plan", "_thinking")

    def __init__(self) -> None:
        self._plan: list[str] = []  # pieces not yet reported as state
        self._thinking: list[str] = []  # pieces not yet reported as state

    def read(self, data: bytes, events: list[Event]) -> bool:
        """Append the events of one server-sent event's data; return True for the last one."""
        if not data.strip() or data == b"[DONE]":
            return False
        event = _event_decoder.decode(data)
        delta = event.delta
        if event.type == "message-start":
            events.append(Started(event.id or ""))
        elif delta is not None and delta.message is not None:
            events.extend(self._on_message(delta.message, event.index))
        elif event.type == "message-end" and delta is not None:
            events.extend(self._on_message_end(delta))
        elif not event.type and event.message:
            events.append(refusal(data))
        return event.type == "message-end"

    def read_whole(self, reply: _Reply, message: _Message) -> Iterator[Event]:
        """Yield the events of a whole reply."""
        calls = message.tool_calls
        yield from self._on_message(_Message(message.content, message.tool_plan, citations=message.citations), 0)
        for index, call in enumerate(calls if isinstance(calls, list) else ()):
            yield from self._on_message(_Message(tool_calls=call), index)
        yield from self._on_message_end(reply)

    def _on_message(self, message: _Message, index: int) -> Iterator[Event]:
        content = message.content
        for part in content if isinstance(content, list) else (content,):
            if part is not None:
                yield from self._on_content(part)
        if message.tool_plan:
            self._plan.append(message.tool_plan)
            yield ReasoningDelta(message.tool_plan)
        if isinstance(message.tool_calls, _Call):
            yield from self._state_before_next()
            yield _tool_call_from(message.tool_calls, index)
        for citation in as_list(message.citations) or [message.citations]:
            if citation:
                yield _citation_from(citation)

    def _on_content(self, part: _Part) -> Iterator[Event]:
        if part.thinking:
            self._thinking.append(part.thinking)
            yield ReasoningDelta(part.thinking)
        if part.text:
            yield from self._state_before_next()
            yield TextDelta(part.text)

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
        if end.error:
            yield failure_in_reply(end.error, end.error_type or "")
        elif end.finish_reason:
            yield Finished(FINISH_REASONS.get(end.finish_reason, "unknown"), end.finish_reason)


def _tool_call_from(call: _Call, index: int) -> ToolCallDelta:
    function = call.function or _Function()
    arguments = function.arguments
    text = arguments if isinstance(arguments, str) else "" if arguments is None else json_text(arguments)
    return ToolCallDelta(index, call.id or "", function.name or "", text)


def _citation_from(raw: Any) -> Citation:
    """Return a citation with the first of its sources: a document or the output of a tool."""
    source = as_mapping(next(iter(as_list(as_mapping(raw).get("sources"))), None))
    document = as_mapping(source.get("document") or source.get("tool_output"))
    return Citation(str(document.get("url") or ""), str(document.get("title") or ""), raw=raw)


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
