"""Replies of Amazon Bedrock's Converse API, whole or streamed.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html and
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html.

How a stream is built:

    contentBlockStart     opens block `contentBlockIndex`: a tool call, a tool result or an image. Text and reasoning
                          have no start
    contentBlockDelta     a piece of that block
    contentBlockStop      that block is complete
    messageStop           stop reason
    metadata              token counts

- Text, reasoning and tool call arguments are reported piece by piece. Opaque state (signatures, redacted reasoning),
  server tools and images are reported when their block is complete.
- Some models omit contentBlockStop. The open blocks are therefore also complete when another block begins or the
  message stops.
- `messageStop` and `metadata` come in either order, so the second of them is the last event.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from msgflux_like._json import as_list, as_mapping
from msgflux_like._wire.event_stream import Message
from msgflux_like.dialects._shared import claude
from msgflux_like.dialects._shared.bedrock import event_stream
from msgflux_like.dialects._shared.parts import json_text
from msgflux_like.dialects._shared.stream_decoder import StreamDecoder
from msgflux_like.events import (
    Citation,
    Event,
    Finished,
    FinishReason,
    Media,
    ProviderState,
    ReasoningDelta,
    ServerTool,
    TextDelta,
    TokenUsage,
    ToolCallDelta,
)

FINISH_REASONS: Final[Mapping[str, FinishReason]] = {
    **claude.FINISH_REASONS,
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
_EVENT_TYPES: Final = {"contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
_SERVER_TOOL: Final = "server_tool_use"


class _Usage(Struct, rename="camel", gc=False):
    input_tokens: int | None = None  # excludes the tokens read from and written to the cache
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None


class _Message(Struct, gc=False):
    content: list[Any] | None = None  # blocks of a dozen kinds


class _Output(Struct, gc=False):
    message: _Message | None = None


class _Reply(Struct, rename="camel", gc=False):
    output: _Output | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None


class _Delta(Struct, rename="camel", gc=False):
    text: str | None = None
    reasoning_content: Any = None
    tool_use: Any = None
    tool_result: Any = None
    citation: Any = None
    image: Any = None


class _Event(Struct, rename="camel", gc=False):
    """Payload fields of all types of stream events."""

    content_block_index: int = 0
    start: Any = None
    delta: _Delta | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None


class _Block(Struct, gc=False):
    """An open block: its kind, the fields of its start, and the pieces received since."""

    kind: str
    raw: dict[str, Any]
    pieces: list[str] = []


_reply_decoder = msgspec.json.Decoder(_Reply)
_event_decoder = msgspec.json.Decoder(_Event)


def decode(body: bytes) -> list[Event]:
    """Return the events of a whole reply; raise msgspec.DecodeError if the body is not a reply."""
    reply = _reply_decoder.decode(body)
    if reply.output is None or reply.output.message is None:
        raise msgspec.ValidationError("it has no `output.message`")
    return _Reader().read_whole(reply.output.message, reply)


def decoder() -> StreamDecoder[Message]:
    """Return a decoder for one streamed reply."""
    return event_stream(_Reader().read, decode)


class _Reader:
    """Reader of one reply; the head of this file explains the rules."""

    __slots__ = ("_call_count", "_call_indices", "_missing", "_open_blocks")

    def __init__(self) -> None:
        self._call_count = 0
        self._call_indices: dict[int, int] = {}  # position among the tool calls, by block index
        self._open_blocks: dict[int, _Block] = {}  # by index; only kinds that are reported when complete
        self._missing = {"messageStop", "metadata"}  # the events that are still to come

    def read(self, kind: str, payload: bytes, events: list[Event]) -> bool:
        """Append what one event of a stream reports; return True for the last event."""
        if kind not in _EVENT_TYPES:
            return False
        event = _event_decoder.decode(payload)
        index = event.content_block_index
        if kind == "contentBlockDelta" and event.delta is not None:
            if self._open_blocks and index not in self._open_blocks:
                self._stop_open_blocks(events)
            self._on_block_delta(index, event.delta, events)
        elif kind == "contentBlockStart":
            self._stop_open_blocks(events)
            events.extend(self._on_block_start(index, as_mapping(event.start)))
        elif kind == "contentBlockStop":
            events.extend(self._on_block_stop(index))
        elif kind == "messageStop":
            self._stop_open_blocks(events)
            if event.stop_reason:
                events.append(_finished_from(event.stop_reason))
        elif kind == "metadata" and event.usage is not None:
            events.append(_usage_from(event.usage))
        self._missing.discard(kind)
        return not self._missing

    def read_whole(self, message: _Message, reply: _Reply) -> list[Event]:
        """Return the events of a whole reply."""
        events: list[Event] = []
        for index, raw in enumerate(message.content or ()):
            self._on_whole_block(index, as_mapping(raw), events)
        if reply.usage is not None:
            events.append(_usage_from(reply.usage))
        if reply.stop_reason:
            events.append(_finished_from(reply.stop_reason))
        return events

    def _on_whole_block(self, index: int, raw: Mapping[str, Any], events: list[Event]) -> None:
        """Append the events of a block of a whole reply. Unknown kinds are left out."""
        if text := raw.get("text"):
            events.append(TextDelta(str(text)))
        elif reasoning := as_mapping(raw.get("reasoningContent")):
            self._on_reasoning(index, as_mapping(reasoning.get("reasoningText")) or reasoning, events)
        elif citations := as_mapping(raw.get("citationsContent")):
            events.extend(_cited_text(citations))
        elif image := as_mapping(raw.get("image")):
            events.append(_image_from(image, str(as_mapping(image.get("source")).get("bytes") or "")))
        elif audio := as_mapping(raw.get("audio")):
            data = str(as_mapping(audio.get("source")).get("bytes") or "")
            events.append(Media("audio", data, media_type=f"audio/{audio.get('format') or '*'}"))
        else:
            events.extend(self._on_block_start(index, raw))
        events.extend(self._on_block_stop(index))

    def _on_block_start(self, index: int, raw: Mapping[str, Any]) -> Iterator[Event]:
        """Report a tool call, or open a block that is reported when complete: a server tool, its result, an image."""
        use = as_mapping(raw.get("toolUse"))
        if use and use.get("type") != _SERVER_TOOL:
            self._call_indices[index] = call_index = self._call_count
            self._call_count += 1
            arguments = json_text(use["input"]) if "input" in use else ""
            yield ToolCallDelta(call_index, str(use.get("toolUseId") or ""), str(use.get("name") or ""), arguments)
            return
        for kind in ("toolUse", "toolResult", "image"):
            if kind in raw:
                self._open_blocks[index] = _Block(kind, dict(as_mapping(raw[kind])))

    def _on_block_delta(self, index: int, delta: _Delta, events: list[Event]) -> None:
        if delta.text is not None:
            if delta.text:
                events.append(TextDelta(delta.text))
        elif delta.reasoning_content is not None:
            self._on_reasoning(index, as_mapping(delta.reasoning_content), events)
        elif delta.tool_use is not None:
            self._on_tool_input(index, str(as_mapping(delta.tool_use).get("input") or ""), events)
        elif delta.citation is not None:
            events.append(_citation_from(delta.citation))
        elif (block := self._open_blocks.get(index)) is None:
            pass  # the block never started
        elif delta.tool_result is not None:
            block.raw["content"] = [*as_list(block.raw.get("content")), *as_list(delta.tool_result)]
        elif delta.image is not None:
            block.pieces.append(str(as_mapping(as_mapping(delta.image).get("source")).get("bytes") or ""))

    def _on_reasoning(self, index: int, raw: Mapping[str, Any], events: list[Event]) -> None:
        """Append a piece of reasoning text, and keep the opaque state that has to be sent back."""
        block = self._open_blocks.setdefault(index, _Block("reasoningContent", {}))
        if text := raw.get("text"):
            block.pieces.append(str(text))
            events.append(ReasoningDelta(str(text)))
        for name in ("signature", "redactedContent"):
            if raw.get(name):
                block.raw[name] = str(block.raw.get(name) or "") + str(raw[name])

    def _on_tool_input(self, index: int, piece: str, events: list[Event]) -> None:
        """Append a piece of the input of a tool call, or keep it for a server tool."""
        if (call_index := self._call_indices.get(index)) is not None:
            if piece:
                events.append(ToolCallDelta(call_index, arguments=piece))
        elif (block := self._open_blocks.get(index)) is not None:
            block.pieces.append(piece)

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
        elif block.kind == "image":
            yield _image_from(block.raw, _joined_base64(block.pieces))
        else:
            if block.pieces:
                block.raw["input"] = claude.server_tool_input(block.pieces)
            yield ServerTool(block.kind, block.raw)


def _finished_from(reason: str) -> Finished:
    return Finished(FINISH_REASONS.get(reason, "unknown"), reason)


def _usage_from(usage: _Usage) -> TokenUsage:
    return claude.usage_from(
        uncached_input=usage.input_tokens,
        output=usage.output_tokens,
        cache_read=usage.cache_read_input_tokens,
        cache_write=usage.cache_write_input_tokens,
        total=usage.total_tokens,
    )


def _cited_text(content: Mapping[str, Any]) -> Iterator[Event]:
    """Yield a text and the sources that the model cites for it."""
    for piece in as_list(content.get("content")):
        if text := as_mapping(piece).get("text"):
            yield TextDelta(str(text))
    for citation in as_list(content.get("citations")):
        yield _citation_from(citation)


def _citation_from(raw: Any) -> Citation:
    source = as_mapping(raw)
    web = as_mapping(as_mapping(source.get("location")).get("web"))
    return Citation(str(web.get("url") or source.get("source") or ""), str(source.get("title") or ""), raw=raw)


def _image_from(raw: Mapping[str, Any], data: str) -> Media:
    return Media("image", data, media_type=f"image/{raw.get('format') or '*'}")


def _joined_base64(pieces: list[str]) -> str:
    """Return the base64 text of all pieces together; each piece is padded on its own."""
    try:
        return b2a_base64(b"".join(map(a2b_base64, pieces)), newline=False).decode()
    except ValueError as error:
        raise msgspec.DecodeError(f"a piece of an image is not valid base64: {error}") from None
