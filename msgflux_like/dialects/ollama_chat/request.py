"""Ollama's own chat format, one JSON object a line.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md. Sampling is in `options`, arguments are objects, images
are bare base64, and a reply is streamed unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from msgflux_like._json import as_mapping
from msgflux_like._wire.sse import MAX_EVENT_BYTES, EventTooLargeError
from msgflux_like.dialects._shared.failures import failure_from, failure_in
from msgflux_like.dialects._shared.notes import note_detail, note_marks, note_unknown, system_role
from msgflux_like.dialects._shared.parameters import effort_word, prefill_text, refuse_parameters
from msgflux_like.dialects._shared.parts import data_url, json_object, json_text, unsupported_part
from msgflux_like.dialects._shared.provider_state import own_state
from msgflux_like.errors import UnsupportedError
from msgflux_like.events import (
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
from msgflux_like.request import Change, ChatRequest, Encoded, Message, Quirks

AUTH: Final = ("authorization", "Bearer ")
HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = ("ollama", ())

FINISH: Final[Mapping[str, FinishReason]] = {"stop": "stop", "length": "length"}

refusal = failure_in


# ---------------------------------------------------------------------------------------------------------- request

_NO_WORDS: Final = frozenset({"user", "parallel_tool_calls"})
_FIELDS: Final = frozenset({"role", "content", "tool_calls", "tool_call_id", "provider_state"})
_OUTSIDE_OPTIONS: Final = ("logprobs", "top_logprobs")
_THINK: Final[Mapping[str, bool]] = {"none": False, "true": True}  # else a word: low, medium, high

Fields = dict[str, Any]


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """See `Dialect`."""
    refuse_parameters(request, _NO_WORDS, quirks, "Ollama's format")
    changes: list[Change] = []
    messages = _messages(request, changes)
    if prefill := prefill_text(request, quirks):
        messages.append({"role": "assistant", "content": prefill})
    body: Fields = {
        "model": request.model,
        "messages": messages,
        "stream": request.stream,  # left out, it is true
        **_parameters(request),
        **_tools(request, changes),
    }
    if request.answer_schema is not None:
        body["format"] = request.answer_schema.schema
    headers = {"accept": "application/x-ndjson"} if request.stream else {}
    return Encoded("/api/chat", body, headers, tuple(changes), prefill)


def _messages(request: ChatRequest, changes: list[Change]) -> list[Fields]:
    tools = {
        call["id"]: call["function"]["name"] for message in request.messages for call in message.get("tool_calls") or ()
    }
    found: list[Fields] = []
    for index, message in enumerate(request.messages):
        place = request.place(index)
        role = system_role(message["role"], place, changes)
        note_unknown(message, _FIELDS | {"name"} if role == "tool" else _FIELDS, place, changes)
        encoded: Fields = {"role": role, **_content(message, role, place, changes)}
        if role == "assistant":
            encoded |= _answer(message, request, place, changes)
        elif role == "tool":
            id_ = message["tool_call_id"]
            encoded["tool_call_id"] = id_
            if name := message.get("name") or tools.get(id_):
                encoded["tool_name"] = name
        found.append(encoded)
    return found


def _content(message: Message, role: str, place: str, changes: list[Change]) -> Fields:
    """One text, and the images beside it."""
    content = message.get("content")
    if content is None or isinstance(content, str):
        return {"content": content or ""}
    texts: list[str] = []
    images: list[str] = []
    for index, part in enumerate(content):
        where = f"{place}.content[{index}]"
        note_marks(part, where, changes)
        if part["type"] == "text":
            texts.append(part["text"])
        elif role in ("user", "tool"):
            images.append(_image(part, where, changes))
        else:
            raise unsupported_part(part, where, f"Ollama's format in a message of role {role!r}")
    return {"content": "".join(texts), **({"images": images} if images else {})}


def _image(part: Mapping[str, Any], place: str, changes: list[Change]) -> str:
    """Its base64 text. Ollama fetches nothing."""
    inner = as_mapping(part.get(part["type"]))
    url = str(inner.get("url") or inner.get("file_data") or "")
    data = data_url(url)
    if part["type"] == "image_url" and data is None:
        raise UnsupportedError(
            f"{place} is a link: Ollama takes images as data alone. Read it, and give the bytes to ChatBlock.image"
        )
    if data is None or not (part["type"] == "image_url" or data[0].startswith("image/")):
        raise unsupported_part(part, place, "Ollama's format")
    if part["type"] == "image_url":
        note_detail(part, place, changes)
    elif inner.get("filename"):
        changes.append(Change("dropped", f"{place}.file.filename", "images have no names here"))
    return data[1]


def _answer(message: Message, request: ChatRequest, place: str, changes: list[Change]) -> Fields:
    """What an earlier answer held beside its text."""
    fields: Fields = {}
    state = own_state(message, request, place, changes)
    if thinking := "".join(raw["thinking"] for after in state.values() for _, raw in after):
        fields["thinking"] = thinking
    if calls := message.get("tool_calls"):
        fields["tool_calls"] = [_call(call, f"{place}.tool_calls[{index}]") for index, call in enumerate(calls)]
    return fields


def _call(call: Mapping[str, Any], place: str) -> Fields:
    name, arguments = call["function"]["name"], json_object(call["function"]["arguments"], f"{place}.function")
    return {"id": call["id"], "function": {"name": name, "arguments": arguments}}


def _parameters(request: ChatRequest) -> Fields:
    options = dict(request.parameters)
    fields: Fields = {name: options.pop(name) for name in _OUTSIDE_OPTIONS if name in options}
    if (effort := effort_word(options, "Ollama's format")) is not None:
        fields["think"] = _THINK.get(effort, effort)
    if "max_tokens" in options:
        options["num_predict"] = options.pop("max_tokens")
    if isinstance(options.get("stop"), str):
        options["stop"] = [options["stop"]]
    return {**fields, "options": options} if options else fields


def _tools(request: ChatRequest, changes: list[Change]) -> Fields:
    """The tools. There is no choice among them: the model decides."""
    choice = request.tool_choice
    if not request.tools or choice == "none":
        if request.tools:
            changes.append(Change("emulated", "tool_choice", "no tool is offered: there is no such field here"))
        return {}
    if choice not in (None, "auto"):
        raise UnsupportedError(
            'tool_choice: Ollama cannot be made to call a tool. Leave it out, or give "auto" or "none"'
        )
    return {"tools": list(request.tools)}


# ------------------------------------------------------------------------------------------------------------ reply


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: Any = None


class _ToolCall(Struct, gc=False):
    id: str | None = None  # absent in older versions
    function: _Function | None = None


class _Message(Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Reply(Struct, gc=False):
    """A whole reply, or a line of one."""

    model: str | None = None
    created_at: str | None = None
    message: _Message | None = None
    response: str | None = None  # the text, where /api/generate answers
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None  # absent when the prompt was in the cache
    eval_count: int | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Reply)


def decode(body: bytes) -> list[Event]:
    """See `Dialect`."""
    reply = _decoder.decode(body)
    if reply.message is None and reply.response is None and not reply.error:
        raise msgspec.ValidationError("it has no `message`")
    return list(_Reader().take(reply))


def decoder() -> LineDecoder:
    """See `Dialect`."""
    return LineDecoder()


class LineDecoder:
    """A stream of lines, each of them JSON."""

    __slots__ = ("_held", "_held_bytes", "_reader", "complete", "ended")

    def __init__(self) -> None:
        self._reader = _Reader()
        self._held: list[bytes] = []  # pieces of the unfinished line, joined once
        self._held_bytes = 0
        self.complete = False
        self.ended = False

    def feed(self, data: bytes) -> list[Event]:
        """See `Decoder`."""
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
            if line.strip() and self._read(line, events):
                break
        return events

    def close(self) -> list[Event]:
        """See `Decoder`. A line that breaks off after others is the end of a stream that broke off."""
        line = b"".join(self._held)
        if self.ended or not line.strip():
            return []
        events: list[Event] = []
        try:
            self._read(line, events)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            if not self._reader.begun:
                raise
        return events

    def _read(self, line: bytes, events: list[Event]) -> bool:
        reply = _decoder.decode(line)
        events.extend(self._reader.take(reply))
        self.complete = self.complete or reply.done
        self.ended = reply.done or bool(reply.error)
        return self.ended


class _Reader:
    """Reads the lines of one reply: a whole reply is a single one."""

    __slots__ = ("_calls", "_thinking", "begun")

    def __init__(self) -> None:
        self._calls = 0
        self._thinking: list[str] = []
        self.begun = False

    def take(self, reply: _Reply) -> Iterator[Event]:
        """One line."""
        if not self.begun:
            self.begun = True
            yield Started(model=reply.model or "")
        message = reply.message or _Message(reply.response)
        if message.thinking:
            self._thinking.append(message.thinking)
            yield ReasoningDelta(message.thinking)
        if self._thinking and (message.content or message.tool_calls or reply.done):
            yield ProviderState("thinking", {"thinking": "".join(self._thinking)})
            self._thinking = []
        if message.content:
            yield TextDelta(message.content)
        for call in message.tool_calls or ():
            yield self._called(call, reply.created_at or "")
        if reply.prompt_eval_count is not None or reply.eval_count is not None:
            yield TokenUsage(input=reply.prompt_eval_count, output=reply.eval_count)
        if reply.error:
            yield failure_from({"error": reply.error})
        elif reply.done:
            reason = reply.done_reason or ""
            yield Finished(FINISH.get(reason, "unknown"), reason)

    def _called(self, call: _ToolCall, created_at: str) -> ToolCallDelta:
        """A call, which comes whole. One without an id gets one that follows from it, its place and its time."""
        function = call.function or _Function()
        name, arguments = function.name or "", function.arguments
        text = arguments if isinstance(arguments, str) else json_text(arguments or {})
        key = self._calls
        self._calls += 1
        return ToolCallDelta(key, call.id or _made_up(f"{created_at}/{key}/{name}/{text}"), name, text)


def _made_up(call: str) -> str:
    from hashlib import blake2b  # noqa: PLC0415  for calls without an id

    return f"call_{blake2b(call.encode(), digest_size=12).hexdigest()}"
