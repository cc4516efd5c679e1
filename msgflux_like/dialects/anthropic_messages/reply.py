"""What a reply in Anthropic's Messages format says, whole or streamed.

Source: https://docs.anthropic.com/en/api/messages. Whoever embeds the format (Amazon, Google) sends the same blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from msgflux_like._json import as_list, as_mapping
from msgflux_like.dialects._shared.failures import failure_from, failure_in
from msgflux_like.dialects._shared.parts import json_text
from msgflux_like.dialects._shared.stream_decoder import SseDecoder
from msgflux_like.events import (
    Citation,
    Event,
    Finished,
    FinishReason,
    ProviderState,
    ReasoningDelta,
    RefusalDelta,
    ServerTool,
    Started,
    TextDelta,
    TokenUsage,
    ToolCallDelta,
)

FINISH: Final[Mapping[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    # pause_turn is none of them: a tool of the provider's own runs on, and the conversation is to be sent again.
}


class _OutputDetails(Struct, gc=False):
    thinking_tokens: int | None = None


class _Usage(Struct, gc=False):
    input_tokens: int | None = None  # without those read from and written to the cache
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


class _StopDetails(Struct, gc=False):
    explanation: str | None = None


class _Stop(Struct, gc=False):
    """What ends a reply: the reply itself holds it, a stream's `message_delta`, too."""

    stop_reason: str | None = None
    stop_details: _StopDetails | None = None


class Reply(_Stop, gc=False):
    """A whole reply, or the message that a stream starts with."""

    id: str | None = None
    model: str | None = None
    content: list[Any] | None = None  # blocks of more than a dozen kinds
    usage: _Usage | None = None
    error: Any = None


class _Delta(_Stop, gc=False):
    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: Any = None
    content: Any = None  # of a compaction


class _Event(Struct, gc=False):
    """One event of a stream, of any kind."""

    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    content_block: Any = None
    message: Reply | None = None
    usage: _Usage | None = None
    error: Any = None


class _Block(Struct, gc=False):
    """A block that is open: what its start said, and the pieces that came since."""

    raw: dict[str, Any]
    key: int  # of a call: its number among the calls
    pieces: list[str] = []


_reply_decoder = msgspec.json.Decoder(Reply)
_event_decoder = msgspec.json.Decoder(_Event)
_any = msgspec.json.Decoder()


def decode(body: bytes) -> list[Event]:
    """See `Dialect`."""
    reply = _reply_decoder.decode(body)
    if reply.error:
        return [failure_from({"error": reply.error})]
    if reply.content is None:
        raise msgspec.ValidationError("it has no `content`")
    return list(Reader().whole(reply))


def decoder() -> SseDecoder:
    """See `Dialect`."""
    return SseDecoder(Reader().read, decode)


refusal = failure_in


class Reader:
    """Reads one reply. A whole reply is blocks that start full; in a stream they start empty and grow."""

    __slots__ = ("_blocks", "_calls", "_usage")

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}  # the open ones
        self._calls = 0
        self._usage = _Usage()

    def read(self, data: bytes, events: list[Event]) -> bool:
        """One event's data; True for the last one."""
        if not data.strip() or data == b"[DONE]":
            return False
        event = _event_decoder.decode(data)
        if event.type == "content_block_delta" and event.delta is not None:
            self._grown(event.index, event.delta, events)
        else:
            events.extend(self._other(event))
        return event.type == "message_stop"

    def whole(self, reply: Reply) -> Iterator[Event]:
        """All of a reply."""
        yield Started(reply.id or "", reply.model or "")
        for index, raw in enumerate(reply.content or ()):
            yield from self._opened(index, as_mapping(raw))
            yield from self._closed(index)
        yield from self._stopped(reply, reply.usage)

    def _other(self, event: _Event) -> Iterator[Event]:
        match event.type:
            case "message_start" if event.message is not None:
                yield Started(event.message.id or "", event.message.model or "")
                self._count(event.message.usage)  # told at the end: a usage report shows that an answer is whole
            case "content_block_start":
                yield from self._opened(event.index, as_mapping(event.content_block))
            case "content_block_stop":
                yield from self._closed(event.index)
            case "message_delta" if event.delta is not None:
                yield from self._stopped(event.delta, event.usage)
            case _ if event.error:
                yield failure_from({"error": event.error})
            case _:
                pass

    def _opened(self, index: int, raw: Mapping[str, Any]) -> Iterator[Event]:
        yield from self._closed(index)
        block = self._blocks[index] = _Block(dict(raw), self._calls)
        kind = raw.get("type")
        if kind == "text" and raw.get("text"):
            yield TextDelta(str(raw["text"]))
        elif kind == "thinking" and raw.get("thinking"):
            block.pieces.append(str(raw["thinking"]))
            yield ReasoningDelta(str(raw["thinking"]))
        elif kind == "tool_use":
            self._calls += 1
            yield ToolCallDelta(block.key, str(raw.get("id") or ""), str(raw.get("name") or ""))
        for note in as_list(raw.get("citations")):
            yield _citation(note)

    def _grown(self, index: int, delta: _Delta, events: list[Event]) -> None:
        block = self._blocks.get(index)
        if delta.text:
            events.append(TextDelta(delta.text))
        elif delta.thinking:
            events.append(ReasoningDelta(delta.thinking))
            if block is not None:
                block.pieces.append(delta.thinking)
        elif delta.citation is not None:
            events.append(_citation(delta.citation))
        elif block is None:
            pass  # a piece of nothing: its start never came
        elif delta.partial_json:
            block.pieces.append(delta.partial_json)
            if block.raw.get("type") == "tool_use":
                events.append(ToolCallDelta(block.key, arguments=delta.partial_json))
        elif delta.signature:
            block.raw["signature"] = str(block.raw.get("signature") or "") + delta.signature
        elif delta.content is not None:
            block.raw["content"] = delta.content

    def _closed(self, index: int) -> Iterator[Event]:
        """What is known of a block when it is whole. Some servers do not say so before the next one starts."""
        block = self._blocks.pop(index, None)
        if block is None:
            return
        kind = str(block.raw.get("type") or "")
        if kind == "tool_use":
            if not block.pieces:
                yield ToolCallDelta(block.key, arguments=json_text(block.raw.get("input") or {}))
        elif kind == "thinking":
            if block.raw.get("signature"):
                yield ProviderState(kind, {**block.raw, "thinking": "".join(block.pieces)})
        elif kind.endswith(("_tool_use", "_tool_result")):
            if block.pieces:
                block.raw["input"] = _written("".join(block.pieces))
            yield ServerTool(kind, block.raw)
        elif kind != "text":
            yield ProviderState(kind, block.raw)  # redacted_thinking, compaction, and what is not known yet

    def _stopped(self, stop: _Stop, usage: _Usage | None) -> Iterator[Event]:
        for index in list(self._blocks):
            yield from self._closed(index)
        if stop.stop_reason == "refusal" and stop.stop_details is not None and stop.stop_details.explanation:
            yield RefusalDelta(stop.stop_details.explanation)
        self._count(usage)
        if self._usage.output_tokens is not None:
            yield _tokens(self._usage)
        if stop.stop_reason:
            yield Finished(FINISH.get(stop.stop_reason, "unknown"), stop.stop_reason)

    def _count(self, usage: _Usage | None) -> None:
        """Counts are cumulative: a later one replaces an earlier one, and one that is left out does not."""
        for field in _Usage.__struct_fields__ if usage is not None else ():
            if (count := getattr(usage, field)) is not None:
                setattr(self._usage, field, count)


def _written(text: str) -> Any:
    """The input of a server's tool; its text where it is no JSON, as in a stream that broke off."""
    try:
        return _any.decode(text)
    except msgspec.DecodeError:
        return text


def _citation(note: Any) -> Citation:
    source = as_mapping(note)
    title = source.get("title") or source.get("document_title") or ""
    return Citation(str(source.get("url") or source.get("source") or ""), str(title), raw=note)


def _tokens(usage: _Usage) -> TokenUsage:
    read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    return TokenUsage(
        input=None if usage.input_tokens is None else usage.input_tokens + (read or 0) + (written or 0),
        output=usage.output_tokens,
        cached_input=read,
        cache_write=written,
        reasoning=usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else None,
    )
