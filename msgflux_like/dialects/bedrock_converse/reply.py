"""Replies of Amazon Bedrock's Converse API, whole or streamed.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html and
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html.

How a stream is built:

    contentBlockStart     opens block `contentBlockIndex`: a tool call, a tool result or an image. Text and reasoning
                          have no start
    contentBlockDelta     a piece of that block
    contentBlockStop      that block is complete
    messageStop           stop reason
    metadata              token counts, guardrail trace

- Text, reasoning and tool call arguments are reported piece by piece. Opaque state (signatures, redacted reasoning),
  citations, server tools and images are reported when their block is complete.
- A block that is neither text, reasoning, a call nor media is kept as provider state at its place, whatever its kind.
- Some models omit contentBlockStop. The open blocks are therefore also complete when another block begins or the
  message stops.
- `messageStop` and `metadata` come in either order, so the second of them is the last event. Token counts that come
  first are reported with the stop reason, which alone shows that the reply is complete.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Literal, cast

import msgspec
from msgspec import Struct

from msgflux_like._json import as_list
from msgflux_like._wire.event_stream import Message
from msgflux_like.dialects._shared import claude, lenient
from msgflux_like.dialects._shared.bedrock import event_stream
from msgflux_like.dialects._shared.call_ids import UniqueIds
from msgflux_like.dialects._shared.parts import json_text
from msgflux_like.dialects._shared.stream_decoder import StreamDecoder
from msgflux_like.events import (
    Citation,
    Event,
    Failed,
    Finished,
    FinishReason,
    Media,
    ProviderState,
    ReasoningDelta,
    ServerTool,
    TextDelta,
    TokenUsage,
    ToolCallDelta,
    Warned,
)

_GUARDRAIL: Final = "guardrail_intervened"
FINISH_REASONS: Final[Mapping[str, FinishReason]] = {
    **claude.FINISH_REASONS,
    _GUARDRAIL: "content_filter",
    "content_filtered": "content_filter",
}
_FAILURES: Final[Mapping[str, str]] = {
    "malformed_model_output": "the model wrote an output that is not valid",
    "malformed_tool_use": "the model wrote a tool call that is not valid",
}
"""Stop reasons of replies that are failures; another attempt may succeed, as after an error of the model."""

_MODEL_ERROR: Final = 500
_EVENT_TYPES: Final = {"contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
_SERVER_TOOL: Final = "server_tool_use"
_READ_KINDS: Final = frozenset({"text", "reasoningContent", "citationsContent", "image", "audio"})


class _Usage(Struct, rename="camel", gc=False):
    input_tokens: int | None = None  # excludes the tokens read from and written to the cache
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None


class _Guardrail(Struct, rename="camel", gc=False):
    action_reason: str | None = None


class _Trace(Struct, gc=False):
    guardrail: _Guardrail | None = None


class _Message(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"content"})

    content: list[dict[str, Any]] | None = None


class _Output(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"message"})

    message: _Message | None = None


class _Reply(Struct, rename="camel", gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"output"})

    output: _Output | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None
    trace: _Trace | None = None


class _ToolUse(Struct, rename="camel", gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"name"})

    tool_use_id: str | None = None
    name: str | None = None
    type: str | None = None
    input: Any = None  # an object: the arguments, which are reported as JSON text; a piece of that text in a stream


class _ReasoningText(Struct, gc=False):
    text: str | None = None
    signature: str | None = None


class _Reasoning(_ReasoningText, rename="camel", gc=False):
    """Reasoning of a whole reply, in `reasoningText`, or a piece of it in a stream."""

    reasoning_text: _ReasoningText | None = None
    redacted_content: str | None = None


class _Source(Struct, gc=False):
    bytes: str | None = None


class _MediaBlock(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"source"})

    format: str | None = None
    source: _Source | None = None


class _TextPiece(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"text"})

    text: str | None = None


class _CitedText(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"content"})

    content: list[_TextPiece] | None = None
    citations: list[dict[str, Any]] | None = None


class _Web(Struct, gc=False):
    url: str | None = None


class _Location(Struct, gc=False):
    web: _Web | None = None


class _CitationFields(Struct, rename="camel", gc=False):
    title: str | None = None
    source: str | None = None
    source_content: list[_TextPiece] | None = None
    location: _Location | None = None


class _Fields(Struct, rename="camel", gc=False):
    """The fields of a block that are read; one of them is there."""

    STRICT: ClassVar[frozenset[str]] = frozenset({"text", "tool_use", "citations_content", "image", "audio"})

    text: str | None = None
    reasoning_content: _Reasoning | None = None
    citations_content: _CitedText | None = None
    tool_use: _ToolUse | None = None
    image: _MediaBlock | None = None
    audio: _MediaBlock | None = None


class _Delta(Struct, rename="camel", gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"text", "tool_use", "image"})

    text: str | None = None
    reasoning_content: _Reasoning | None = None
    tool_use: _ToolUse | None = None
    tool_result: list[Any] | None = None
    citation: dict[str, Any] | None = None
    image: _MediaBlock | None = None


class _Event(Struct, rename="camel", gc=False):
    """Payload fields of all types of stream events."""

    STRICT: ClassVar[frozenset[str]] = frozenset({"start", "delta"})

    content_block_index: int = 0
    start: dict[str, Any] | None = None
    delta: _Delta | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None
    trace: _Trace | None = None


class _Block(Struct, gc=False):
    """An open block: its kind, the fields of its start, and the pieces received since."""

    kind: str
    raw: dict[str, Any]
    pieces: list[str] = []
    citations: list[dict[str, Any]] = []


_reply_decoder = msgspec.json.Decoder(_Reply)
_event_decoder = msgspec.json.Decoder(_Event)
_decode_event = _event_decoder.decode


def decode(body: bytes) -> list[Event]:
    """Return the events of a whole reply; raise msgspec.DecodeError if the body is not a reply."""
    notes: list[Event] = []
    reply = lenient.decode(_reply_decoder, body, lambda field, detail: notes.append(Warned(field, detail)))
    if reply.output is None or reply.output.message is None:
        raise msgspec.ValidationError("it has no `output.message`")
    return _Reader().read_whole(reply.output.message, reply, notes)


def decoder() -> StreamDecoder[Message]:
    """Return a decoder for one streamed reply."""
    return event_stream(_Reader().read, decode)


class _Reader:
    """Reader of one reply; the head of this file explains the rules."""

    __slots__ = (
        "_call_count",
        "_call_indices",
        "_ids",
        "_missing",
        "_open_blocks",
        "_stop_reason",
        "_text_index",
        "_text_length",
        "_text_offset",
        "_usage",
    )

    def __init__(self) -> None:
        self._call_count = 0
        self._call_indices: dict[int, int] = {}  # position among the tool calls, by block index
        self._ids = UniqueIds()
        self._open_blocks: dict[int, _Block] = {}  # by index; only kinds that are reported when complete
        self._missing = {"messageStop", "metadata"}  # the events that are still to come
        self._stop_reason = ""  # while it waits for the metadata, which may explain it
        self._usage: _Usage | None = None  # while it waits for the stop reason
        self._text_length = 0
        self._text_index = -1  # block of the last text
        self._text_offset = 0  # characters of the answer's text before that block

    def read(self, kind: str, payload: bytes, events: list[Event]) -> bool:
        """Append what one event of a stream reports; return True for the last event."""
        if kind not in _EVENT_TYPES:
            return False
        try:
            event = _decode_event(payload)
        except msgspec.ValidationError:
            event = lenient.decode(_event_decoder, payload, lambda field, detail: events.append(Warned(field, detail)))
        index = event.content_block_index
        if kind == "contentBlockDelta" and event.delta is not None:
            if self._open_blocks and index not in self._open_blocks:
                self._stop_open_blocks(events)
            self._on_block_delta(index, event.delta, events)
            return False
        if kind == "contentBlockStart":
            self._stop_open_blocks(events)
            self._on_block_start(index, event.start or {}, "start", events)
        elif kind == "contentBlockStop":
            events.extend(self._on_block_stop(index))
        elif kind == "messageStop":
            self._stop_open_blocks(events)
            self._on_message_stop(event.stop_reason or "", events)
        elif kind == "metadata":
            self._on_metadata(event, events)
        self._missing.discard(kind)
        return not self._missing

    def read_whole(self, message: _Message, reply: _Reply, notes: list[Event]) -> list[Event]:
        """Return the events of a whole reply."""
        events: list[Event] = []
        for index, raw in enumerate(message.content or ()):
            self._on_whole_block(index, raw, events)
        if reply.usage is not None:
            events.append(_usage_from(reply.usage))
        events += notes
        if reply.stop_reason:
            events += _end_from(reply.stop_reason, reply.trace)
        return events

    def _on_message_stop(self, reason: str, events: list[Event]) -> None:
        if self._usage is not None:
            events.append(_usage_from(self._usage))
        if not reason:
            events += (Warned("stopReason", "the reply ended without a stop reason"), Finished("unknown"))
        elif (reason in _FAILURES or reason == _GUARDRAIL) and "metadata" in self._missing:
            self._stop_reason = reason
        else:
            events += _end_from(reason, None)

    def _on_metadata(self, event: _Event, events: list[Event]) -> None:
        if "messageStop" in self._missing:
            self._usage = event.usage
            return
        if event.usage is not None:
            events.append(_usage_from(event.usage))
        if self._stop_reason:
            events += _end_from(self._stop_reason, event.trace)

    def _on_whole_block(self, index: int, raw: dict[str, Any], events: list[Event]) -> None:
        """Append the events of a block of a whole reply."""
        fields = _fields_of(raw, f"output.message.content[{index}]", events)
        if fields.text:
            self._on_text(index, fields.text, events)
        elif fields.reasoning_content is not None:
            reasoning = fields.reasoning_content
            self._on_reasoning(index, reasoning.reasoning_text or reasoning, reasoning.redacted_content, events)
        elif (cited := fields.citations_content) is not None:
            for piece in cited.content or ():
                self._on_text(index, piece.text or "", events)
            for citation in cited.citations or ():
                self._on_citation(index, citation)
        elif (media := fields.image) is not None and media.source is not None:
            events.append(_media_from("image", media, media.source.bytes or ""))
        elif (media := fields.audio) is not None and media.source is not None:
            events.append(_media_from("audio", media, media.source.bytes or ""))
        else:
            self._on_block_start(index, raw, f"output.message.content[{index}]", events)
        events.extend(self._on_block_stop(index))

    def _on_block_start(self, index: int, raw: dict[str, Any], place: str, events: list[Event]) -> None:
        """Report a tool call, or open a block that is reported when complete."""
        fields = _fields_of(raw, place, events)
        use = fields.tool_use
        if use is not None and use.type != _SERVER_TOOL:
            self._call_indices[index] = call_index = self._call_count
            self._call_count += 1
            arguments = "" if use.input is None else json_text(use.input)
            events.append(ToolCallDelta(call_index, self._ids.of(use.tool_use_id or ""), use.name or "", arguments))
            return
        for kind, value in raw.items():
            if isinstance(value, dict) and (kind not in _READ_KINDS or kind == "image"):
                self._open_blocks[index] = _Block(kind, cast("dict[str, Any]", value))
                return
            if kind not in _READ_KINDS:
                events.append(ProviderState(kind, value))

    def _on_block_delta(self, index: int, delta: _Delta, events: list[Event]) -> None:
        if delta.text is not None:
            self._on_text(index, delta.text, events)
        elif (reasoning := delta.reasoning_content) is not None:
            self._on_reasoning(index, reasoning.reasoning_text or reasoning, reasoning.redacted_content, events)
        elif delta.tool_use is not None:
            self._on_tool_input(index, delta.tool_use.input, events)
        elif delta.citation is not None:
            self._on_citation(index, delta.citation)
        elif (block := self._open_blocks.get(index)) is None:
            pass  # the block never started
        elif delta.tool_result is not None:
            block.raw["content"] = [*as_list(block.raw.get("content")), *delta.tool_result]
        elif delta.image is not None and delta.image.source is not None:
            block.pieces.append(delta.image.source.bytes or "")

    def _on_text(self, index: int, text: str, events: list[Event]) -> None:
        if not text:
            return
        if index != self._text_index:
            self._text_index, self._text_offset = index, self._text_length
        self._text_length += len(text)
        events.append(TextDelta(text))

    def _on_citation(self, index: int, raw: dict[str, Any]) -> None:
        """Keep a source of a text until the text is complete."""
        if index != self._text_index:
            self._text_index, self._text_offset = index, self._text_length
        self._open_blocks.setdefault(index, _Block("citationsContent", {})).citations.append(raw)

    def _on_reasoning(self, index: int, text: _ReasoningText, redacted: str | None, events: list[Event]) -> None:
        """Append a piece of reasoning text, and keep the opaque state that has to be sent back."""
        block = self._open_blocks.setdefault(index, _Block("reasoningContent", {}))
        if text.text:
            block.pieces.append(text.text)
            events.append(ReasoningDelta(text.text))
        for name, piece in (("signature", text.signature), ("redactedContent", redacted)):
            if piece:
                block.raw[name] = block.raw.get(name, "") + piece

    def _on_tool_input(self, index: int, piece: Any, events: list[Event]) -> None:
        """Append a piece of the input of a tool call, or keep it for a server tool."""
        text = piece if isinstance(piece, str) else "" if piece is None else json_text(piece)
        if (call_index := self._call_indices.get(index)) is not None:
            if text:
                events.append(ToolCallDelta(call_index, arguments=text))
        elif (block := self._open_blocks.get(index)) is not None:
            block.pieces.append(text)

    def _stop_open_blocks(self, events: list[Event]) -> None:
        for index in list(self._open_blocks):
            events.extend(self._on_block_stop(index))

    def _on_block_stop(self, index: int) -> Iterator[Event]:
        """Report what is known only when a block is complete. Idempotent."""
        block = self._open_blocks.pop(index, None)
        if block is None:
            return
        if block.kind == "reasoningContent":
            if "signature" in block.raw:
                yield ProviderState(
                    "reasoningText", {"text": "".join(block.pieces), "signature": block.raw["signature"]}
                )
            if "redactedContent" in block.raw:
                yield ProviderState("redactedContent", block.raw["redactedContent"])
        elif block.kind == "citationsContent":
            yield from self._cited(block)
        elif block.kind == "image":
            media = lenient.convert(block.raw, _MediaBlock, "start.image", _ignore)
            yield _media_from("image", media, _joined_base64(block.pieces))
        else:
            if block.pieces:
                block.raw["input"] = claude.server_tool_input(block.pieces)
            if block.kind in ("toolUse", "toolResult"):
                yield ServerTool(block.kind, block.raw)
            yield ProviderState(block.kind, block.raw)

    def _cited(self, block: _Block) -> Iterator[Event]:
        """Report the sources of a text, which its block supports as a whole."""
        for citation in block.citations:
            yield _citation_from(citation, self._text_offset, self._text_length)
        length = self._text_length - self._text_offset
        if length:
            yield ProviderState(claude.TEXT_FIELDS, {"length": length, "citations": block.citations})


def _fields_of(raw: dict[str, Any], place: str, events: list[Event]) -> _Fields:
    try:
        return msgspec.convert(raw, _Fields)
    except msgspec.ValidationError:
        return lenient.convert(raw, _Fields, place, lambda field, detail: events.append(Warned(field, detail)))


def _ignore(_field: str, _detail: str) -> None: ...


def _end_from(reason: str, trace: _Trace | None) -> list[Event]:
    if reason in _FAILURES:
        return [Finished("error", reason), Failed(_FAILURES[reason], type=reason, status=_MODEL_ERROR)]
    guardrail = trace.guardrail if trace is not None else None
    explanation = guardrail.action_reason if guardrail is not None else None
    return [Finished(FINISH_REASONS.get(reason, "unknown"), reason, explanation or "")]


def _usage_from(usage: _Usage) -> TokenUsage:
    return claude.usage_from(
        uncached_input=usage.input_tokens,
        output=usage.output_tokens,
        cache_read=usage.cache_read_input_tokens,
        cache_write=usage.cache_write_input_tokens,
        total=usage.total_tokens,
    )


def _citation_from(raw: dict[str, Any], start: int, end: int) -> Citation:
    """Return a citation; a source whose fields have other types keeps them in `raw`."""
    source = lenient.convert(raw, _CitationFields, "citation", _ignore)
    web = source.location.web if source.location is not None else None
    quoted = "".join(piece.text or "" for piece in source.source_content or ())
    return Citation(
        (web.url if web is not None else None) or source.source or "", source.title or "", raw, quoted, start, end
    )


def _media_from(kind: Literal["image", "audio"], media: _MediaBlock, data: str) -> Media:
    return Media(kind, data, media_type=f"{kind}/{media.format or '*'}")


def _joined_base64(pieces: list[str]) -> str:
    """Return the base64 text of all pieces together; each piece is padded on its own."""
    try:
        return b2a_base64(b"".join(map(a2b_base64, pieces)), newline=False).decode()
    except ValueError as error:
        raise msgspec.DecodeError(f"a piece of an image is not valid base64: {error}") from None
