"""Replies in Ollama's own chat format, whole or streamed.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md.

A stream is a sequence of lines, each a JSON object in the shape of a whole reply:

    {"message": {"thinking"}}          a piece of the reasoning
    {"message": {"content"}}           a piece of the text
    {"message": {"tool_calls"}}        whole calls, with an id in newer versions only
    {"done": true, "done_reason", ...} the finish reason and the token counts; nothing follows

A whole reply is read as a stream of one line.

- Thinking has to be sent back as one text. It is collected, and reported as provider state before the text or the call
  that follows it, or before the end.
- The reply is complete with the line that is `done`. A last line that is cut off after others belongs to a broken
  stream, and is not an error of the format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Struct

from msgflux_like._wire.sse import MAX_EVENT_BYTES, EventTooLargeError
from msgflux_like.dialects._shared import lenient
from msgflux_like.dialects._shared.call_ids import derived_call_id
from msgflux_like.dialects._shared.failures import failure_from
from msgflux_like.dialects._shared.logprobs import TokenEntry, logprobs_from
from msgflux_like.dialects._shared.parts import json_text
from msgflux_like.events import (
    Event,
    Finished,
    FinishReason,
    Media,
    ProviderState,
    ReasoningDelta,
    Started,
    TextDelta,
    TokenUsage,
    ToolCallDelta,
    Warned,
)

FINISH_REASONS: Final[Mapping[str, FinishReason]] = {"stop": "stop", "length": "length"}


class _Function(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"name"})

    name: str | None = None
    arguments: Any = None  # an object


class _ToolCall(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"function"})

    id: str | None = None  # absent in older versions
    function: _Function | None = None


class _Message(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"content", "tool_calls", "images"})

    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_ToolCall] | None = None
    images: list[str] | None = None  # base64 text


class _Reply(Struct, gc=False):
    """A whole reply, or one line of a stream."""

    STRICT: ClassVar[frozenset[str]] = frozenset({"message", "response", "done"})

    model: str | None = None
    created_at: str | None = None
    message: _Message | None = None
    response: str | None = None  # the text, where /api/generate answers
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None  # absent when the prompt was in the cache
    eval_count: int | None = None
    logprobs: list[TokenEntry] | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Reply)


def decode(body: bytes) -> list[Event]:
    """Return the events of a whole reply; see `Dialect.decode`."""
    reader = _Reader()
    reply = reader.decoded(body)
    if reply.message is None and reply.response is None and not reply.error:
        raise msgspec.ValidationError("it has no `message`")
    return list(reader.read_line(reply))


def decoder() -> LineDecoder:
    """Return a decoder for one streamed reply; see `Dialect.decoder`."""
    return LineDecoder()


class LineDecoder:
    """The `Decoder` of a stream of lines, each of them a JSON object."""

    __slots__ = ("_held", "_held_bytes", "_reader", "complete", "ended")

    def __init__(self) -> None:
        self._reader = _Reader()
        self._held: list[bytes] = []  # pieces of the unfinished line, joined once
        self._held_bytes = 0
        self.complete = False
        self.ended = False

    def feed(self, data: bytes) -> list[Event]:
        """Return the events of the lines that these bytes complete; see `Decoder.feed`."""
        if self.ended:
            return []
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = b"".join((*self._held, lines[0]))
            self._held, self._held_bytes = [], 0
        if rest:
            self._held.append(rest)
            self._held_bytes += len(rest)
            if self._held_bytes > MAX_EVENT_BYTES:
                raise EventTooLargeError(f"a line is longer than {MAX_EVENT_BYTES} bytes")
        events: list[Event] = []
        for line in lines:
            if line.strip() and self._on_line(line, events):
                break
        return events

    def close(self) -> list[Event]:
        """Return the events of the last line; one that is cut off after others is ignored: the stream broke."""
        line = b"".join(self._held)
        if self.ended or not line.strip():
            return []
        events: list[Event] = []
        try:
            self._on_line(line, events)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            if not self._reader.started:
                raise
        return events

    def _on_line(self, line: bytes, events: list[Event]) -> bool:
        reply = self._reader.decoded(line)
        events.extend(self._reader.read_line(reply))
        self.complete = self.complete or reply.done
        self.ended = reply.done or bool(reply.error)
        return self.ended


class _Reader:
    """Reader of the lines of one reply; a whole reply is a single line."""

    __slots__ = ("_calls", "_thinking", "_warned", "started")

    def __init__(self) -> None:
        self._calls = 0
        self._thinking: list[str] = []
        self._warned: list[Warned] = []  # about the line that is being read
        self.started = False

    def decoded(self, line: bytes) -> _Reply:
        """Return a line; what stands beside texts and calls is left out where it has another shape."""
        try:
            return _decoder.decode(line)
        except msgspec.ValidationError:
            return lenient.decode(_decoder, line, self._warn)

    def _warn(self, field: str, detail: str) -> None:
        self._warned.append(Warned(field, detail))

    def read_line(self, reply: _Reply) -> Iterator[Event]:
        """Report what one line holds."""
        if not self.started:
            self.started = True
            yield Started(model=reply.model or "")
        yield from self._on_message(reply.message or _Message(reply.response), reply)
        if reply.logprobs and (found := logprobs_from(reply.logprobs)).tokens:
            yield found
        if reply.prompt_eval_count is not None or reply.eval_count is not None:
            yield TokenUsage(input=reply.prompt_eval_count, output=reply.eval_count)
        if self._warned:
            yield from self._warned
            self._warned = []
        if reply.error:
            yield failure_from({"error": reply.error})
        elif reply.done:
            reason = reply.done_reason or ""
            yield Finished(FINISH_REASONS.get(reason, "unknown"), reason)

    def _on_message(self, message: _Message, reply: _Reply) -> Iterator[Event]:
        if message.thinking:
            self._thinking.append(message.thinking)
            yield ReasoningDelta(message.thinking)
        if self._thinking and (message.content or message.tool_calls or reply.done):
            yield ProviderState("thinking", {"thinking": "".join(self._thinking)})
            self._thinking = []
        if message.content:
            yield TextDelta(message.content)
        for call in message.tool_calls or ():
            yield self._tool_call_from(call, reply.created_at or "")
        for image in message.images or ():
            yield Media("image", image)
            yield ProviderState("image", {"image": image})

    def _tool_call_from(self, call: _ToolCall, created_at: str) -> ToolCallDelta:
        """Return the event of a whole call; a missing id is derived from its content, place and time."""
        function = call.function or _Function()
        name, arguments = function.name or "", function.arguments
        text = arguments if isinstance(arguments, str) else json_text(arguments or {})
        key = self._calls
        self._calls += 1
        return ToolCallDelta(key, call.id or derived_call_id(f"{created_at}/{key}/{name}/{text}"), name, text)
