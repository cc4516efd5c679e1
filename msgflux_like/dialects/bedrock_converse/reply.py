"""What a reply of Amazon Bedrock's Converse says, whole or streamed.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html and
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from msgflux_like._json import as_list, as_mapping
from msgflux_like._wire.event_stream import Message
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

FINISH: Final[Mapping[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
_KINDS: Final = {"contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
_SERVER_TOOL: Final = "server_tool_use"


class _Usage(Struct, rename="camel", gc=False):
    input_tokens: int | None = None  # without those read from and written to the cache
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None


class _Answer(Struct, gc=False):
    content: list[Any] | None = None  # blocks of a dozen kinds


class _Output(Struct, gc=False):
    message: _Answer | None = None


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
    """The payload of one event, of any type."""

    content_block_index: int = 0
    start: Any = None
    delta: _Delta | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None


class _Block(Struct, gc=False):
    """A block that is open: its kind, what its start said, and the pieces that came since."""

    kind: str
    raw: dict[str, Any]
    pieces: list[str] = []


_reply_decoder = msgspec.json.Decoder(_Reply)
_event_decoder = msgspec.json.Decoder(_Event)
_any = msgspec.json.Decoder()


def decode(body: bytes) -> list[Event]:
    """See `Dialect`."""
    reply = _reply_decoder.decode(body)
    if reply.output is None or reply.output.message is None:
        raise msgspec.ValidationError("it has no `output.message`")
    return _Reader().whole(reply.output.message, reply)


def decoder() -> StreamDecoder[Message]:
    """See `Dialect`."""
    return event_stream(_Reader().read, decode)


class _Reader:
    """Reads one reply. In a stream a text is announced by nothing; calls, results and images are, by their start."""

    __slots__ = ("_calls", "_keys", "_missing", "_open")

    def __init__(self) -> None:
        self._calls = 0
        self._keys: dict[int, int] = {}  # of the calls, by the index of their block
        self._open: dict[int, _Block] = {}  # what is told when it is whole
        self._missing = {"messageStop", "metadata"}  # without which a stream goes on

    def read(self, kind: str, payload: bytes, events: list[Event]) -> bool:
        """One event; True for the last one: of the finish reason and the usage report, whichever comes later."""
        if kind not in _KINDS:
            return False
        event = _event_decoder.decode(payload)
        index = event.content_block_index
        if kind == "contentBlockDelta" and event.delta is not None:
            if self._open and index not in self._open:
                self._close_all(events)
            self._grown(index, event.delta, events)
        elif kind == "contentBlockStart":
            self._close_all(events)
            events.extend(self._started(index, as_mapping(event.start)))
        elif kind == "contentBlockStop":
            events.extend(self._closed(index))
        elif kind == "messageStop":
            self._close_all(events)
            if event.stop_reason:
                events.append(_finished(event.stop_reason))
        elif kind == "metadata" and event.usage is not None:
            events.append(_tokens(event.usage))
        self._missing.discard(kind)
        return not self._missing

    def whole(self, answer: _Answer, reply: _Reply) -> list[Event]:
        """All of a reply."""
        events: list[Event] = []
        for index, raw in enumerate(answer.content or ()):
            self._block(index, as_mapping(raw), events)
        if reply.usage is not None:
            events.append(_tokens(reply.usage))
        if reply.stop_reason:
            events.append(_finished(reply.stop_reason))
        return events

    def _block(self, index: int, raw: Mapping[str, Any], events: list[Event]) -> None:
        """A block of a whole reply. Kinds that are not known are left out."""
        if text := raw.get("text"):
            events.append(TextDelta(str(text)))
        elif reasoning := as_mapping(raw.get("reasoningContent")):
            self._reasoned(index, as_mapping(reasoning.get("reasoningText")) or reasoning, events)
        elif cited := as_mapping(raw.get("citationsContent")):
            events.extend(_cited(cited))
        elif image := as_mapping(raw.get("image")):
            events.append(_image(image, str(as_mapping(image.get("source")).get("bytes") or "")))
        elif sound := as_mapping(raw.get("audio")):
            data = str(as_mapping(sound.get("source")).get("bytes") or "")
            events.append(Media("audio", data, media_type=f"audio/{sound.get('format') or '*'}"))
        else:
            events.extend(self._started(index, raw))
        events.extend(self._closed(index))

    def _started(self, index: int, raw: Mapping[str, Any]) -> Iterator[Event]:
        """A call, or what is told when it is whole: a server's tool, its result, an image."""
        use = as_mapping(raw.get("toolUse"))
        if use and use.get("type") != _SERVER_TOOL:
            self._keys[index] = key = self._calls
            self._calls += 1
            arguments = json_text(use["input"]) if "input" in use else ""
            yield ToolCallDelta(key, str(use.get("toolUseId") or ""), str(use.get("name") or ""), arguments)
            return
        for kind in ("toolUse", "toolResult", "image"):
            if kind in raw:
                self._open[index] = _Block(kind, dict(as_mapping(raw[kind])))

    def _grown(self, index: int, delta: _Delta, events: list[Event]) -> None:
        if delta.text is not None:
            if delta.text:
                events.append(TextDelta(delta.text))
        elif delta.reasoning_content is not None:
            self._reasoned(index, as_mapping(delta.reasoning_content), events)
        elif delta.tool_use is not None:
            self._written(index, str(as_mapping(delta.tool_use).get("input") or ""), events)
        elif delta.citation is not None:
            events.append(_citation(delta.citation))
        elif (block := self._open.get(index)) is None:
            pass  # a piece of nothing: its start never came
        elif delta.tool_result is not None:
            block.raw["content"] = [*as_list(block.raw.get("content")), *as_list(delta.tool_result)]
        elif delta.image is not None:
            block.pieces.append(str(as_mapping(as_mapping(delta.image).get("source")).get("bytes") or ""))

    def _reasoned(self, index: int, said: Mapping[str, Any], events: list[Event]) -> None:
        """A piece of reasoning, or what is to be sent back with it."""
        block = self._open.setdefault(index, _Block("reasoningContent", {}))
        if text := said.get("text"):
            block.pieces.append(str(text))
            events.append(ReasoningDelta(str(text)))
        for name in ("signature", "redactedContent"):
            if said.get(name):
                block.raw[name] = str(block.raw.get(name) or "") + str(said[name])

    def _written(self, index: int, piece: str, events: list[Event]) -> None:
        """A piece of a call's input, or of the input of a server's tool."""
        if (key := self._keys.get(index)) is not None:
            if piece:
                events.append(ToolCallDelta(key, arguments=piece))
        elif (block := self._open.get(index)) is not None:
            block.pieces.append(piece)

    def _close_all(self, events: list[Event]) -> None:
        for index in list(self._open):
            events.extend(self._closed(index))

    def _closed(self, index: int) -> Iterator[Event]:
        """What is known of a block when it is whole."""
        block = self._open.pop(index, None)
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
            yield _image(block.raw, _joined(block.pieces))
        else:
            if block.pieces:
                block.raw["input"] = _parsed("".join(block.pieces))
            yield ServerTool(block.kind, block.raw)


def _finished(reason: str) -> Finished:
    return Finished(FINISH.get(reason, "unknown"), reason)


def _tokens(usage: _Usage) -> TokenUsage:
    read, written = usage.cache_read_input_tokens, usage.cache_write_input_tokens
    return TokenUsage(
        input=None if usage.input_tokens is None else usage.input_tokens + (read or 0) + (written or 0),
        output=usage.output_tokens,
        cached_input=read,
        cache_write=written,
        total=usage.total_tokens,
    )


def _cited(content: Mapping[str, Any]) -> Iterator[Event]:
    """A text that the model took from sources."""
    for piece in as_list(content.get("content")):
        if text := as_mapping(piece).get("text"):
            yield TextDelta(str(text))
    for note in as_list(content.get("citations")):
        yield _citation(note)


def _citation(note: Any) -> Citation:
    source = as_mapping(note)
    web = as_mapping(as_mapping(source.get("location")).get("web"))
    return Citation(str(web.get("url") or source.get("source") or ""), str(source.get("title") or ""), raw=note)


def _image(raw: Mapping[str, Any], data: str) -> Media:
    return Media("image", data, media_type=f"image/{raw.get('format') or '*'}")


def _joined(pieces: list[str]) -> str:
    """One base64 text of several, each of which may end in the middle of three bytes."""
    try:
        return b2a_base64(b"".join(map(a2b_base64, pieces)), newline=False).decode()
    except ValueError as error:
        raise msgspec.DecodeError(f"a piece of an image is no base64: {error}") from None


def _parsed(text: str) -> Any:
    """The input of a server's tool; its text where it is no JSON, as in a stream that broke off."""
    try:
        return _any.decode(text)
    except msgspec.DecodeError:
        return text
