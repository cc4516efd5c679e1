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

- Text, thinking and tool call arguments are reported piece by piece. Everything else is reported when its block is
  complete.
- A block that is neither text nor a call is kept as provider state at its place, whatever its type, so that the answer
  goes back block by block. The tools that Anthropic runs are reported as server tools, too. A cited text and a call
  with further fields keep these as state: `TEXT_FIELDS` follows its text, `CALL_FIELDS` precedes its call.
- Some servers omit content_block_stop. A block is therefore also complete when its index starts again, or when the
  message stops.
- Token counts are cumulative: a later one replaces an earlier one. They are reported once, with the stop reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Struct

from msgflux_like.dialects._shared import claude, lenient
from msgflux_like.dialects._shared.call_ids import UniqueIds
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
    Warned,
)

TEXT_FIELDS: Final = claude.TEXT_FIELDS
CALL_FIELDS: Final = "tool_use_fields"
"""Kind of provider state: the fields of a call beside id, name and input, such as `caller`, with the id of the call."""
CONTAINER: Final = "container"
"""Kind of provider state: the container in which the provider ran code, for the next request."""

# `pause_turn` is absent, so it is reported as unknown: a server tool is still running, and the conversation has to be
# sent again to continue.
FINISH_REASONS: Final[dict[str, FinishReason]] = {**claude.FINISH_REASONS, "refusal": "content_filter"}

_CALL_FIELDS: Final = frozenset({"type", "id", "name", "input"})


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
    container: dict[str, Any] | None = None


class Reply(_Stop, gc=False):
    """A whole reply, or the `message` of `message_start`."""

    STRICT: ClassVar[frozenset[str]] = frozenset({"content"})

    id: str | None = None
    model: str | None = None
    content: list[dict[str, Any]] | None = None
    usage: _Usage | None = None
    error: Any = None


class _Delta(_Stop, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"text", "partial_json"})

    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: dict[str, Any] | None = None
    content: Any = None  # of a compaction block: sent back as it came


class _Event(Struct, gc=False):
    """Fields of all types of stream events."""

    STRICT: ClassVar[frozenset[str]] = frozenset({"delta", "content_block", "message"})

    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    content_block: dict[str, Any] | None = None
    message: Reply | None = None
    usage: _Usage | None = None
    error: Any = None


class _Fields(Struct, gc=False):
    """Fields of a block's start that are read; the others only go back."""

    STRICT: ClassVar[frozenset[str]] = frozenset({"text", "name"})

    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: Any = None  # an object: the arguments of a call, which are reported as JSON text
    citations: list[dict[str, Any]] | None = None


class _Source(Struct, gc=False):
    """Fields of a citation, of all its kinds."""

    url: str | None = None
    source: str | None = None
    title: str | None = None
    document_title: str | None = None
    cited_text: str | None = None


class _Block(Struct, gc=False):
    """An open block: the fields of its start, and the pieces received since."""

    fields: _Fields
    raw: dict[str, Any]
    call_index: int  # position among the tool calls; meaningful for tool_use only
    offset: int  # characters of the answer's text before it
    pieces: list[str] = []
    citations: list[dict[str, Any]] = []


_reply_decoder = msgspec.json.Decoder(Reply)
_event_decoder = msgspec.json.Decoder(_Event)
_decode_event = _event_decoder.decode


def decode(body: bytes) -> list[Event]:
    """Return the events of a whole reply; raise msgspec.DecodeError if the body is not a reply."""
    notes: list[Event] = []
    reply = lenient.decode(_reply_decoder, body, lambda field, detail: notes.append(Warned(field, detail)))
    if reply.error and not reply.content:
        return [failure_from({"error": reply.error})]
    if reply.content is None:
        raise msgspec.ValidationError("it has no `content`")
    events = [*Reader().read_whole(reply), *notes]
    return [*events, failure_from({"error": reply.error})] if reply.error else events


def decoder() -> SseDecoder:
    """Return a decoder for one streamed reply."""
    return SseDecoder(Reader().read, decode)


class Reader:
    """Reader of one reply; the head of this file explains the rules."""

    __slots__ = ("_call_count", "_container", "_finished", "_ids", "_open_blocks", "_text_length", "_usage")

    def __init__(self) -> None:
        self._open_blocks: dict[int, _Block] = {}  # by index
        self._call_count = 0
        self._ids = UniqueIds()
        self._text_length = 0
        self._container: dict[str, Any] | None = None
        self._usage = _Usage()
        self._finished = False

    def read(self, data: bytes, events: list[Event]) -> bool:
        """Append the events of one server-sent event's data; return True for the last one."""
        if not data.strip() or data.strip() == b"[DONE]":
            return False
        try:
            event = _decode_event(data)
        except msgspec.ValidationError:
            event = lenient.decode(_event_decoder, data, lambda field, detail: events.append(Warned(field, detail)))
        if event.type == "content_block_delta" and event.delta is not None:
            self._on_block_delta(event.index, event.delta, events)
        else:
            events.extend(self._on_event(event))
        return event.type == "message_stop"

    def read_whole(self, reply: Reply) -> Iterator[Event]:
        """Yield the events of a whole reply."""
        yield Started(reply.id or "", reply.model or "")
        for index, raw in enumerate(reply.content or ()):
            yield from self._on_block_start(index, raw, f"content[{index}]")
            yield from self._on_block_stop(index)
        yield from self._on_message_delta(reply, reply.usage)
        if not self._finished:
            yield from self._reported_usage()

    def _on_event(self, event: _Event) -> Iterator[Event]:
        match event.type:
            case "message_start" if event.message is not None:
                yield Started(event.message.id or "", event.message.model or "")
                self._container = event.message.container
                self._merge_usage(event.message.usage)  # reported with the stop reason
            case "content_block_start" if event.content_block is not None:
                yield from self._on_block_start(event.index, event.content_block, "content_block")
            case "content_block_stop":
                yield from self._on_block_stop(event.index)
            case "message_delta" if event.delta is not None:
                yield from self._on_message_delta(event.delta, event.usage)
            case "message_stop":
                yield from self._on_message_stop()
            case _ if event.error:
                yield failure_from({"error": event.error})
            case _:
                pass

    def _on_block_start(self, index: int, raw: dict[str, Any], place: str) -> Iterator[Event]:
        yield from self._on_block_stop(index)
        try:
            fields = msgspec.convert(raw, _Fields)
        except msgspec.ValidationError:
            notes: list[Event] = []
            fields = lenient.convert(raw, _Fields, place, lambda field, detail: notes.append(Warned(field, detail)))
            yield from notes
        block = _Block(fields, raw, self._call_count, self._text_length)
        self._open_blocks[index] = block
        if fields.type == "text" and fields.text:
            self._text_length += len(fields.text)
            yield TextDelta(fields.text)
        elif fields.type == "thinking" and fields.thinking:
            block.pieces.append(fields.thinking)
            yield ReasoningDelta(fields.thinking)
        elif fields.type == "tool_use":
            self._call_count += 1
            id_ = self._ids.of(fields.id or "")
            if further := {name: value for name, value in raw.items() if name not in _CALL_FIELDS}:
                yield ProviderState(CALL_FIELDS, {"id": id_, **further})
            yield ToolCallDelta(block.call_index, id_, fields.name or "")
        if fields.citations:
            block.citations.extend(fields.citations)

    def _on_block_delta(self, index: int, delta: _Delta, events: list[Event]) -> None:  # noqa: C901  one case a kind
        if delta.text:
            self._text_length += len(delta.text)
            events.append(TextDelta(delta.text))
            return
        block = self._open_blocks.get(index)
        if delta.thinking:
            events.append(ReasoningDelta(delta.thinking))
            if block is not None:
                block.pieces.append(delta.thinking)
        elif block is None:
            if delta.citation is not None:
                events.append(_citation_from(delta.citation, None, None))
        elif delta.citation is not None:
            block.citations.append(delta.citation)
        elif delta.partial_json:
            block.pieces.append(delta.partial_json)
            if block.fields.type == "tool_use":
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
        kind = block.fields.type or ""
        if kind == "text":
            if block.citations:
                yield from self._cited(block)
        elif kind == "tool_use":
            if not block.pieces:
                yield ToolCallDelta(block.call_index, arguments=json_text(block.fields.input or {}))
        elif kind == "thinking":
            thinking = "".join(block.pieces)
            if thinking or block.raw.get("signature"):
                yield ProviderState(kind, {**block.raw, "thinking": thinking})
        else:
            if block.pieces:
                block.raw["input"] = claude.server_tool_input(block.pieces)
            if kind.endswith(("_tool_use", "_tool_result")):
                yield ServerTool(kind, block.raw)
            yield ProviderState(kind, block.raw)  # also redacted_thinking, compaction, and kinds not known yet

    def _cited(self, block: _Block) -> Iterator[Event]:
        """Report the sources of a text block, which its text supports as a whole."""
        for citation in block.citations:
            yield _citation_from(citation, block.offset, self._text_length)
        length = self._text_length - block.offset
        if length:
            yield ProviderState(TEXT_FIELDS, {"length": length, "citations": block.citations})

    def _on_message_delta(self, stop: _Stop, usage: _Usage | None) -> Iterator[Event]:
        for index in list(self._open_blocks):
            yield from self._on_block_stop(index)
        explanation = (stop.stop_details.explanation if stop.stop_details is not None else None) or ""
        if stop.stop_reason == "refusal" and explanation:
            yield RefusalDelta(explanation)
        self._container = stop.container or self._container
        self._merge_usage(usage)
        if stop.stop_reason or self._finished:
            yield from self._reported_usage()
        if stop.stop_reason:
            if self._container is not None and not self._finished:
                yield ProviderState(CONTAINER, self._container)
            self._finished = True
            yield Finished(FINISH_REASONS.get(stop.stop_reason, "unknown"), stop.stop_reason, explanation)

    def _on_message_stop(self) -> Iterator[Event]:
        """Report the end, which is whole without a stop reason as well."""
        if self._finished:
            return
        for index in list(self._open_blocks):
            yield from self._on_block_stop(index)
        yield from self._reported_usage()
        yield Warned("stop_reason", "the reply ended without a stop reason")
        yield Finished("unknown")

    def _reported_usage(self) -> Iterator[Event]:
        if self._usage.output_tokens is not None:
            yield _usage_from(self._usage)

    def _merge_usage(self, usage: _Usage | None) -> None:
        """Replace the counts that the report has, and keep those that it leaves out."""
        for field in _Usage.__struct_fields__ if usage is not None else ():
            if (count := getattr(usage, field)) is not None:
                setattr(self._usage, field, count)


def _citation_from(raw: dict[str, Any], start: int | None, end: int | None) -> Citation:
    """Return a citation; a source whose fields have other types keeps them in `raw`."""
    source = lenient.convert(raw, _Source, "citation", _ignore)
    return Citation(
        source.url or source.source or "",
        source.title or source.document_title or "",
        raw,
        source.cited_text or "",
        start,
        end,
    )


def _ignore(_field: str, _detail: str) -> None: ...


def _usage_from(usage: _Usage) -> TokenUsage:
    return claude.usage_from(
        uncached_input=usage.input_tokens,
        output=usage.output_tokens,
        cache_read=usage.cache_read_input_tokens,
        cache_write=usage.cache_creation_input_tokens,
        reasoning=usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else None,
    )
