"""Anthropic's Messages format, as Anthropic and those who copy it (MiniMax, Kimi, Z.ai, llama.cpp) speak it.

Source: https://docs.anthropic.com/en/api/messages. A conversation is alternating turns of content blocks; system
texts, tool results and the beginning of an answer have places of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from msgflux_like.dialects import SseDecoder
from msgflux_like.dialects._common import (
    EMPTY_SCHEMA,
    base64_text,
    data_url,
    failure_from,
    failure_in,
    json_object,
    json_text,
    offered_tools,
    prefill_text,
    refuse_parameters,
    unsupported_part,
)
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.events import (
    Citation,
    Event,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    ServerTool,
    Started,
    State,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from msgflux_like.request import Change, ChatRequest, Encoded, Message, Quirks, ToolChoice
from msgflux_like.shapes import as_list, as_mapping

AUTH: Final = ("x-api-key", "")
HEADERS: Final[Mapping[str, str]] = {"anthropic-version": "2023-06-01"}
STATE: Final = ("anthropic", ("claude",))

FINISH: Final[Mapping[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    # pause_turn is none of them: a tool of the provider's own runs on, and the conversation is to be sent again.
}

MAX_TOKENS: Final = 4096
"""Sent where neither the call nor the catalogue says how much the model may write: the API demands a limit."""


# ---------------------------------------------------------------------------------------------------------- request

_NO_WORDS: Final = frozenset({"seed", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs"})
_FILES_BETA: Final = {"anthropic-beta": "files-api-2025-04-14"}
_NOT_OF_AN_ID: Final = re.compile(r"[^a-zA-Z0-9_-]")

Block = dict[str, Any]


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """See `Dialect`."""
    refuse_parameters(request, _NO_WORDS, quirks, "Anthropic's format")
    changes: list[Change] = []
    system, turns = _conversation(request, changes)
    prefill = _prefill(turns, prefill_text(request, quirks), changes)
    if not turns:
        raise InvalidMessagesError("there is no message to answer: Anthropic's format takes system texts apart")
    body: dict[str, Any] = {"model": request.model, "messages": turns}
    if system:
        body["system"] = system[0]["text"] if len(system) == 1 and len(system[0]) == 2 else system
    body |= _parameters(request, changes)
    tools, choice = offered_tools(request, quirks, changes)
    if tools:
        body["tools"] = [_tool(tool) for tool in tools]
        body |= _tool_choice(choice, one_call=request.parameters.get("parallel_tool_calls") is False)
    if (wanted := request.answer_schema) is not None:
        schema = {"type": "json_schema", "schema": wanted.schema}
        body["output_config"] = {**body.get("output_config", {}), "format": schema}
    if request.stream:
        body["stream"] = True
    headers = dict(_FILES_BETA) if _holds_file(turns) else {}
    return Encoded("/messages", body, headers, tuple(changes), prefill)


def _conversation(request: ChatRequest, changes: list[Change]) -> tuple[list[Block], list[Block]]:
    """The system texts, and all else in turns: neighbours of one role are one turn, as the API itself reads them."""
    system: list[Block] = []
    turns: list[Block] = []
    for index, message in enumerate(request.messages):
        place = request.place(index)
        blocks = _blocks(message, place, changes)
        if message["role"] in ("system", "developer"):
            if turns and blocks:
                changes.append(Change("moved", place, "system texts stand before the conversation here"))
            system += blocks
            continue
        if not blocks:
            changes.append(Change("dropped", place, "it is empty, which the API refuses"))
            continue
        role = "assistant" if message["role"] == "assistant" else "user"
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": blocks})
        else:
            _append(turns[-1]["content"], blocks, place, changes)
    return system, turns


def _append(turn: list[Block], blocks: list[Block], place: str, changes: list[Change]) -> None:
    """Add a message to a turn. The results of tools come first in it, or the API misses them."""
    results = sum(block["type"] == "tool_result" for block in turn)
    if blocks[0]["type"] == "tool_result" and results < len(turn):
        changes.append(Change("merged", place, "the results of tools come first in the turn that follows the calls"))
        turn[results:results] = blocks
    else:
        turn += blocks


def _blocks(message: Message, place: str, changes: list[Change]) -> list[Block]:
    """One message as content blocks. Empty texts say nothing and are refused, so they are left out."""
    role, content = message["role"], message.get("content")
    if role == "tool":
        return [_result(message, place, changes)]
    parts = [{"type": "text", "text": content or ""}] if content is None or isinstance(content, str) else content
    blocks: list[Block] = []
    for index, part in enumerate(parts):
        where = f"{place}.content[{index}]"
        if part["type"] != "text" and role != "user":
            raise unsupported_part(part, where, f"Anthropic's format in a message of role {role!r}")
        if part["type"] != "text" or part["text"]:
            blocks.append(_block(part, where))
    for index, call in enumerate(message.get("tool_calls") or ()):
        blocks.append(_use(call, f"{place}.tool_calls[{index}]", changes))
    return blocks


def _block(part: Mapping[str, Any], place: str) -> Block:
    match part["type"]:
        case "text":
            block: Block = {"type": "text", "text": part["text"]}
        case "image_url":
            block = {"type": "image", "source": _source(part["image_url"]["url"])}
        case "file":
            block = _document(part, place)
        case _:
            raise unsupported_part(part, place, "Anthropic's format")
    if part.get("cache_control"):
        block["cache_control"] = part["cache_control"]
    return block


def _source(url: str) -> Block:
    if (data := data_url(url)) is None:
        return {"type": "url", "url": url}
    return {"type": "base64", "media_type": data[0], "data": data[1]}


def _document(part: Mapping[str, Any], place: str) -> Block:
    """A PDF or a text; an image that came as a file is an image here."""
    file = as_mapping(part.get("file"))
    if file.get("file_id"):
        block: Block = {"type": "document", "source": {"type": "file", "file_id": file["file_id"]}}
    elif file.get("file_url"):
        block = {"type": "document", "source": {"type": "url", "url": file["file_url"]}}
    else:
        media_type, data = data_url(str(file.get("file_data") or "")) or ("", "")
        if media_type.startswith("image/"):
            return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
        if media_type.startswith("text/"):
            source: Block = {"type": "text", "media_type": "text/plain", "data": base64_text(data)}
        elif media_type == "application/pdf":
            source = {"type": "base64", "media_type": media_type, "data": data}
        else:
            raise UnsupportedError(
                f"{place}.file holds {media_type or 'no data URL'}: Anthropic's format takes PDF, texts and images"
            )
        block = {"type": "document", "source": source}
    return {**block, "title": file["filename"]} if file.get("filename") else block


def _holds_file(blocks: Sequence[Any]) -> bool:
    """Whether a block, or one inside it, is a file that lies at Anthropic's: a beta that a request must ask for."""
    return any(
        as_mapping(block.get("source")).get("type") == "file" or _holds_file(as_list(block.get("content")))
        for block in blocks
    )


def _use(call: Mapping[str, Any], place: str, changes: list[Change]) -> Block:
    return {
        "type": "tool_use",
        "id": _id(call["id"], f"{place}.id", changes),
        "name": call["function"]["name"],
        "input": json_object(call["function"]["arguments"], f"{place}.function"),
    }


def _result(message: Message, place: str, changes: list[Change]) -> Block:
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        parts = enumerate(content)
        content = [_block(part, f"{place}.content[{index}]") for index, part in parts if part.get("text") != ""]
    result: Block = {
        "type": "tool_result",
        "tool_use_id": _id(message["tool_call_id"], f"{place}.tool_call_id", changes),
    }
    return {**result, "content": content} if content else result


def _id(id_: str, place: str, changes: list[Change]) -> str:
    """An id that the API takes. Other providers make ids such as `functions.search:0`, which it refuses."""
    taken = _NOT_OF_AN_ID.sub("_", id_)
    if taken != id_:
        changes.append(Change("renamed", place, "ids hold letters, digits, _ and - only"))
    return taken


def _prefill(turns: list[Block], prefill: str, changes: list[Change]) -> str:
    """Put the beginning of the answer last. The API refuses white space at the end of a last assistant turn."""
    text = prefill.rstrip()
    if text != prefill:
        changes.append(Change("trimmed", "prefill", "white space at its end, which the API refuses"))
    last = turns[-1]["content"] if turns and turns[-1]["role"] == "assistant" else None
    if text and last is None:
        turns.append({"role": "assistant", "content": [{"type": "text", "text": text}]})
    elif text and last is not None:
        last.append({"type": "text", "text": text})
    elif last is not None:
        _trim(last, changes)
        if not last:
            turns.pop()
    return text


def _trim(blocks: list[Block], changes: list[Change]) -> None:
    last = blocks[-1]
    if last["type"] != "text" or last["text"] == last["text"].rstrip():
        return
    changes.append(Change("trimmed", "messages", "white space at the end of the last message, which the API refuses"))
    last["text"] = last["text"].rstrip()
    if not last["text"]:
        blocks.pop()


def _parameters(request: ChatRequest, changes: list[Change]) -> Block:
    given = dict(request.parameters)
    given.pop("parallel_tool_calls", None)  # part of tool_choice here
    temperature = given.get("temperature")
    if temperature is not None and not 0 <= temperature <= 1:
        raise UnsupportedError(f"temperature is {temperature}: Anthropic's format takes 0 to 1")
    if "max_tokens" not in given and "max_tokens" not in request.extra_body:
        given["max_tokens"] = most = request.output_limit or MAX_TOKENS
        changes.append(Change("defaulted", "max_tokens", f"the API demands a limit; {most} was sent"))
    if (stop := given.pop("stop", None)) is not None:
        given["stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
    if (user := given.pop("user", None)) is not None:
        given["metadata"] = {"user_id": user}
    if (effort := given.pop("reasoning_effort", None)) is not None:
        given["output_config"] = {"effort": effort}
    return given


def _tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    if tool.get("type") != "function" or "function" not in tool:
        return tool
    function: Mapping[str, Any] = tool["function"]
    kept = {name: function[name] for name in ("name", "description", "strict") if function.get(name) is not None}
    if tool.get("cache_control"):
        kept["cache_control"] = tool["cache_control"]
    return {**kept, "input_schema": function.get("parameters") or EMPTY_SCHEMA}


_CHOICE: Final = {"auto": "auto", "required": "any", "none": "none"}


def _tool_choice(choice: ToolChoice | None, *, one_call: bool) -> Block:
    """The field of that name, which also holds the wish for one call at a time."""
    if choice is None:
        return {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}} if one_call else {}
    if not isinstance(choice, str):
        chosen: Mapping[str, Any] = choice
    elif choice in _CHOICE:
        chosen = {"type": _CHOICE[choice]}
    else:
        chosen = {"type": "tool", "name": choice}
    if one_call and chosen.get("type") != "none":
        chosen = {"disable_parallel_tool_use": True, **chosen}
    return {"tool_choice": chosen}


# ------------------------------------------------------------------------------------------------------------ reply


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


class _Reply(_Stop, gc=False):
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
    message: _Reply | None = None
    usage: _Usage | None = None
    error: Any = None


class _Block(Struct, gc=False):
    """A block that is open: what its start said, and the pieces that came since."""

    raw: dict[str, Any]
    key: int  # of a call: its number among the calls
    pieces: list[str] = []


_reply_decoder = msgspec.json.Decoder(_Reply)
_event_decoder = msgspec.json.Decoder(_Event)
_any = msgspec.json.Decoder()


def decode(body: bytes) -> list[Event]:
    """See `Dialect`."""
    reply = _reply_decoder.decode(body)
    if reply.error:
        return [failure_from({"error": reply.error})]
    if reply.content is None:
        raise msgspec.ValidationError("it has no `content`")
    return list(_Reader().whole(reply))


def decoder() -> SseDecoder:
    """See `Dialect`."""
    return SseDecoder(_Reader().read, decode)


_TOO_LONG: Final = re.compile(r"prompt is too long|input length and `max_tokens` exceed context limit")


def refusal(body: bytes) -> Failed:
    """See `Dialect`. That a conversation is too long is said in words only; it gets the code that others give it."""
    failed = failure_in(body)
    if not failed.code and _TOO_LONG.match(failed.message):
        failed = Failed(failed.message, failed.type, "context_length_exceeded", failed.status)
    return failed


class _Reader:
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

    def whole(self, reply: _Reply) -> Iterator[Event]:
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
                yield State(kind, {**block.raw, "thinking": "".join(block.pieces)})
        elif kind.endswith(("_tool_use", "_tool_result")):
            if block.pieces:
                block.raw["input"] = _written("".join(block.pieces))
            yield ServerTool(kind, block.raw)
        elif kind != "text":
            yield State(kind, block.raw)  # redacted_thinking, compaction, and what is not known yet

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


def _tokens(usage: _Usage) -> Usage:
    read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    return Usage(
        input=None if usage.input_tokens is None else usage.input_tokens + (read or 0) + (written or 0),
        output=usage.output_tokens,
        cached_input=read,
        cache_write=written,
        reasoning=usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else None,
    )
