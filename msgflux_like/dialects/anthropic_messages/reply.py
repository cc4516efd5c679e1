"""Replies in Anthropic's Messages format, whole or streamed. Vertex AI and Amazon Bedrock send the same blocks.

Source: https://docs.anthropic.com/en/api/messages and https://docs.anthropic.com/en/api/messages-streaming.

How a stream is built:

    message_start         id and model of the reply, and the input tokens
    content_block_start   opens block `index`: text, thinking, tool_use, a server tool, or a kind we do not know
    content_block_delta   a piece of block `index`: text, thinking, signature, input JSON, citation
    content_block_stop    block `index` is complete
    message_delta         stop reason, and the final token counts
    message_stop          nothing follows

A whole reply is read as a stream whose blocks start full and stop at once, so both give the same events.

- Text, thinking and tool call arguments are reported piece by piece. Opaque state (signed or redacted thinking) and
  server tools are reported when their block is complete.
- Some servers omit content_block_stop. A block is therefore also complete when its index starts again, or when the
  message stops.
- Token counts are cumulative: a later one replaces an earlier one. They are reported once, with the stop reason,
  because a usage report is taken as evidence that the reply is complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from msgflux_like._json import as_list, as_mapping
from msgflux_like.dialects._shared import claude
from msgflux_like.dialects._shared.failures import failure_from
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

# `pause_turn` is absent, so it is reported as unknown: a server tool is still running, and the conversation has to be
# sent again to continue.
FINISH_REASONS: Final[Mapping[str, FinishReason]] = {**claude.FINISH_REASONS, "refusal": "content_filter"}


class _OutputDetails(Struct, gc=False):
    thinking_tokens: int | None = None


class _Usage(Struct, gc=False):
    input_tokens: int | None = None  # excludes the tokens read from and written to the cache
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


class _StopDetails(Struct, gc=False):
    explanation: str | None = None


class _Stop(Struct, gc=False):
    """Fields that end a reply: of the whole reply, or of `message_delta` in a stream."""

    stop_reason: str | None = None
    stop_details: _StopDetails | None = None


class Reply(_Stop, gc=False):
    """A whole reply, or the `message` of `message_start`."""

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
    content: Any = None  # of a compaction block


class _Event(Struct, gc=False):
    """Fields of all types of stream events."""

    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    content_block: Any = None
    message: Reply | None = None
    usage: _Usage | None = None
    error: Any = None


class _Block(Struct, gc=False):
    """An open block: the fields of its start, and the pieces received since."""

    raw: dict[str, Any]
    call_index: int  # position among the tool calls; meaningful for tool_use only
    pieces: list[str] = []


_reply_decoder = msgspec.json.Decoder(Reply)
_event_decoder = msgspec.json.Decoder(_Event)


def decode(body: bytes) -> list[Event]:
    """Return the events of a whole reply; raise msgspec.DecodeError if the body is not a reply."""
    reply = _reply_decoder.decode(body)
    if reply.error:
        return [failure_from({"error": reply.error})]
    if reply.content is None:
        raise msgspec.ValidationError("it has no `content`")
    return list(Reader().read_whole(reply))


def decoder() -> SseDecoder:
    """Return a decoder for one streamed reply."""
    return SseDecoder(Reader().read, decode)


class Reader:
    """Reader of one reply; the head of this file explains the rules."""

    __slots__ = ("_call_count", "_open_blocks", "_usage")

    def __init__(self) -> None:
        self._open_blocks: dict[int, _Block] = {}  # by index
        self._call_count = 0
        self._usage = _Usage()

    def read(self, data: bytes, events: list[Event]) -> bool:
        """Append the events of one server-sent event's data; return True for the last one."""
        if not data.strip() or data == b"[DONE]":
            return False
        event = _event_decoder.decode(data)
        if event.type == "content_block_delta" and event.delta is not None:
            self._on_block_delta(event.index, event.delta, events)
        else:
            events.extend(self._on_event(event))
        return event.type == "message_stop"

    def read_whole(self, reply: Reply) -> Iterator[Event]:
        """Yield the events of a whole reply."""
        yield Started(reply.id or "", reply.model or "")
        for index, raw in enumerate(reply.content or ()):
            yield from self._on_block_start(index, as_mapping(raw))
            yield from self._on_block_stop(index)
        yield from self._on_message_delta(reply, reply.usage)

    def _on_event(self, event: _Event) -> Iterator[Event]:
        match event.type:
            case "message_start" if event.message is not None:
                yield Started(event.message.id or "", event.message.model or "")
                self._merge_usage(event.message.usage)  # reported with the stop reason
            case "content_block_start":
                yield from self._on_block_start(event.index, as_mapping(event.content_block))
            case "content_block_stop":
                yield from self._on_block_stop(event.index)
            case "message_delta" if event.delta is not None:
                yield from self._on_message_delta(event.delta, event.usage)
            case _ if event.error:
                yield failure_from({"error": event.error})
            case _:
                pass

    def _on_block_start(self, index: int, raw: Mapping[str, Any]) -> Iterator[Event]:
        yield from self._on_block_stop(index)
        block = self._open_blocks[index] = _Block(dict(raw), self._call_count)
        kind = raw.get("type")
        if kind == "text" and raw.get("text"):
            yield TextDelta(str(raw["text"]))
        elif kind == "thinking" and raw.get("thinking"):
            block.pieces.append(str(raw["thinking"]))
            yield ReasoningDelta(str(raw["thinking"]))
        elif kind == "tool_use":
            self._call_count += 1
            yield ToolCallDelta(block.call_index, str(raw.get("id") or ""), str(raw.get("name") or ""))
        for citation in as_list(raw.get("citations")):
            yield _citation_from(citation)

    def _on_block_delta(self, index: int, delta: _Delta, events: list[Event]) -> None:
        block = self._open_blocks.get(index)
        if delta.text:
            events.append(TextDelta(delta.text))
        elif delta.thinking:
            events.append(ReasoningDelta(delta.thinking))
            if block is not None:
                block.pieces.append(delta.thinking)
        elif delta.citation is not None:
            events.append(_citation_from(delta.citation))
        elif block is None:
            pass  # the block never started
        elif delta.partial_json:
            block.pieces.append(delta.partial_json)
            if block.raw.get("type") == "tool_use":
                events.append(ToolCallDelta(block.call_index, arguments=delta.partial_json))
        elif delta.signature:
            block.raw["signature"] = str(block.raw.get("signature") or "") + delta.signature
        elif delta.content is not None:
            block.raw["content"] = delta.content

    def _on_block_stop(self, index: int) -> Iterator[Event]:
        """Report what is known only when a block is complete. Idempotent."""
        block = self._open_blocks.pop(index, None)
        if block is None:
            return
        kind = str(block.raw.get("type") or "")
        if kind == "tool_use":
            if not block.pieces:
                yield ToolCallDelta(block.call_index, arguments=json_text(block.raw.get("input") or {}))
        elif kind == "thinking":
            if block.raw.get("signature"):
                yield ProviderState(kind, {**block.raw, "thinking": "".join(block.pieces)})
        elif kind.endswith(("_tool_use", "_tool_result")):
            if block.pieces:
                block.raw["input"] = claude.server_tool_input(block.pieces)
            yield ServerTool(kind, block.raw)
        elif kind != "text":
            yield ProviderState(kind, block.raw)  # redacted_thinking, compaction, and kinds not known yet

    def _on_message_delta(self, stop: _Stop, usage: _Usage | None) -> Iterator[Event]:
        for index in list(self._open_blocks):
            yield from self._on_block_stop(index)
        if stop.stop_reason == "refusal" and stop.stop_details is not None and stop.stop_details.explanation:
            yield RefusalDelta(stop.stop_details.explanation)
        self._merge_usage(usage)
        if self._usage.output_tokens is not None:
            yield _usage_from(self._usage)
        if stop.stop_reason:
            yield Finished(FINISH_REASONS.get(stop.stop_reason, "unknown"), stop.stop_reason)

    def _merge_usage(self, usage: _Usage | None) -> None:
        """Replace the counts that the report has, and keep those that it leaves out."""
        for field in _Usage.__struct_fields__ if usage is not None else ():
            if (count := getattr(usage, field)) is not None:
                setattr(self._usage, field, count)


def _citation_from(raw: Any) -> Citation:
    source = as_mapping(raw)
    title = source.get("title") or source.get("document_title") or ""
    return Citation(str(source.get("url") or source.get("source") or ""), str(title), raw=raw)


def _usage_from(usage: _Usage) -> TokenUsage:
    return claude.usage_from(
        uncached_input=usage.input_tokens,
        output=usage.output_tokens,
        cache_read=usage.cache_read_input_tokens,
        cache_write=usage.cache_creation_input_tokens,
        reasoning=usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else None,
    )
