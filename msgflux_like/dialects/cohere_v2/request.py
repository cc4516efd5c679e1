"""Cohere's chat format, version 2.

Source: https://docs.cohere.com/v2/reference/chat. Thinking, a plan before the calls, and citations have places of
their own, and tokens are counted twice: those the model saw, and those that are billed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from msgflux_like._json import as_list, as_mapping
from msgflux_like.dialects._shared.failures import failure_from, failure_in
from msgflux_like.dialects._shared.notes import note_marks, note_tool, note_unknown, system_role
from msgflux_like.dialects._shared.parameters import (
    EMPTY_SCHEMA,
    offered_tools,
    prefill_text,
    refuse_parameters,
    stop_list,
)
from msgflux_like.dialects._shared.parts import json_text, unsupported_part
from msgflux_like.dialects._shared.provider_state import own_state
from msgflux_like.dialects._shared.stream_decoder import SseDecoder
from msgflux_like.errors import UnsupportedError
from msgflux_like.events import (
    Citation,
    Event,
    Failed,
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
STATE: Final = ("cohere", ("command",))

FINISH: Final[Mapping[str, FinishReason]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "TIMEOUT": "error",
    "ERROR_TOXIC": "content_filter",
}


# ---------------------------------------------------------------------------------------------------------- request

_NO_WORDS: Final = frozenset({"user", "top_logprobs", "parallel_tool_calls"})
_NAMES: Final = {"top_p": "p", "top_k": "k"}
_RANGES: Final = {
    "top_p": (0.01, 0.99),
    "top_k": (0, 500),
    "presence_penalty": (0, 1),
    "frequency_penalty": (0, 1),
}
_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "system": frozenset({"role", "content"}),
    "user": frozenset({"role", "content"}),
    "assistant": frozenset({"role", "content", "tool_calls", "provider_state"}),
    "tool": frozenset({"role", "content", "tool_call_id", "name"}),  # the call's id says which tool it was
}

Fields = dict[str, Any]


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """See `Dialect`."""
    refuse_parameters(request, _NO_WORDS, quirks, "Cohere's format")
    changes: list[Change] = []
    messages = _messages(request, changes)
    if prefill := prefill_text(request, quirks):
        messages.append({"role": "assistant", "content": prefill})
    body: Fields = {
        "model": request.model,
        "messages": messages,
        "stream": request.stream,
        **_parameters(request, changes),
        **_tools(request, quirks, changes),
    }
    if (answer_schema := request.answer_schema) is not None:
        if request.tools:
            raise UnsupportedError(
                'generation_schema: Cohere does not hold an answer to a schema beside tools. Give output_mode="tool"'
            )
        body["response_format"] = {"type": "json_object", "json_schema": answer_schema.schema}
    return Encoded("/chat", body, changes=tuple(changes), prefill=prefill)


def _messages(request: ChatRequest, changes: list[Change]) -> list[Fields]:
    found: list[Fields] = []
    for index, message in enumerate(request.messages):
        place = request.place(index)
        role = system_role(message["role"], place, changes)
        note_unknown(message, _FIELDS[role], place, changes)
        if role == "assistant":
            encoded = _answer(message, request, place, changes)
            if len(encoded) == 1:
                changes.append(Change("dropped", place, "it is empty, which the API refuses"))
                continue
        else:
            encoded = {"role": role, "content": _content(message, role, place, changes)}
            if role == "tool":
                encoded["tool_call_id"] = message["tool_call_id"]
        found.append(encoded)
    return found


def _content(message: Message, role: str, place: str, changes: list[Change]) -> str | list[Fields]:
    content = message.get("content")
    if content is None or isinstance(content, str):
        return content or ""
    return [_part(part, role, f"{place}.content[{index}]", changes) for index, part in enumerate(content)]


_KINDS: Final[Mapping[str, tuple[str, ...]]] = {"user": ("text", "image_url"), "tool": ("text", "document")}


_FILES: Final = "give its text, or the provider's own `documents` in extra_body"


def _part(part: Mapping[str, Any], role: str, place: str, changes: list[Change]) -> Fields:
    kind = part["type"]
    if kind not in _KINDS.get(role, ("text",)):
        remedy = {"remedy": _FILES} if kind == "file" else {}
        raise unsupported_part(part, place, f"Cohere's format in a message of role {role!r}", **remedy)
    note_marks(part, place, changes)
    return {"type": kind, kind: part[kind]}


def _answer(message: Message, request: ChatRequest, place: str, changes: list[Change]) -> Fields:
    """An earlier answer. What was said before calls is their plan here; content beside calls is thinking alone."""
    state = [each for after in own_state(message, request, place, changes).values() for each in after]
    content = _content(message, "assistant", place, changes)
    thinking = [raw for kind, raw in state if kind == "thinking"]
    plan = "".join(raw["tool_plan"] for kind, raw in state if kind == "tool_plan")
    encoded: Fields = {"role": "assistant"}
    if calls := message.get("tool_calls"):
        if text := content if isinstance(content, str) else "".join(part["text"] for part in content):
            changes.append(Change("moved", f"{place}.content", "what is said before calls is their tool_plan here"))
            plan = f"{plan}\n{text}" if plan else text
        encoded["tool_calls"] = [_call(call) for call in calls]
        if plan:
            encoded["tool_plan"] = plan
        content = ""
    if thinking:
        texts: list[Any] = (
            ([{"type": "text", "text": content}] if content else []) if isinstance(content, str) else content
        )
        encoded["content"] = [*thinking, *texts]
    elif content:
        encoded["content"] = content
    return encoded


def _call(call: Mapping[str, Any]) -> Fields:
    function = {"name": call["function"]["name"], "arguments": call["function"]["arguments"] or "{}"}
    return {"id": call["id"], "type": "function", "function": function}


def _parameters(request: ChatRequest, changes: list[Change]) -> Fields:
    given = dict(request.parameters)
    for name, (least, most) in _RANGES.items():
        if name in given and not least <= given[name] <= most:
            raise UnsupportedError(f"{name} is {given[name]}: Cohere's format takes {least} to {most}")
    effort, budget = given.pop("reasoning_effort", None), given.pop("reasoning_budget", None)
    if (stop := given.pop("stop", None)) is not None:
        given["stop_sequences"] = stop_list(stop)
    parameters = {_NAMES.get(name, name): value for name, value in given.items()}
    if budget:
        parameters["thinking"] = {"type": "enabled", "token_budget": budget}
    elif budget == 0 or effort == "none":
        parameters["thinking"] = {"type": "disabled"}
    elif effort is not None:
        parameters["thinking"] = {"type": "enabled"}
        changes.append(Change("emulated", "reasoning_effort", "by thinking, which is enabled or disabled here"))
    return parameters


def _tools(request: ChatRequest, quirks: Quirks, changes: list[Change]) -> Fields:
    """The tools and the choice among them, which names none: where one is wanted, no other is offered."""
    if isinstance(request.tool_choice, Mapping):
        raise UnsupportedError('tool_choice: Cohere has no object form. Give "required", "none" or the name of a tool')
    quirks = msgspec.structs.replace(quirks, named_tool_choice=False)
    tools, choice = offered_tools(request, quirks, changes)
    if not tools:
        return {}
    fields: Fields = {"tools": [_tool(tool, changes) for tool in tools]}
    strict = [bool(as_mapping(tool.get("function")).get("strict")) for tool in tools]
    if all(strict):
        fields["strict_tools"] = True
    elif any(strict):
        changes.append(Change("dropped", "tools.strict", "all tools are strict here, or none is"))
    if choice in ("required", "none"):
        fields["tool_choice"] = str(choice).upper()
    return fields


def _tool(tool: Mapping[str, Any], changes: list[Change]) -> Mapping[str, Any]:
    if tool.get("type") != "function" or "function" not in tool:
        return tool
    note_tool(tool, changes)
    function = {name: value for name, value in tool["function"].items() if name != "strict"}
    return {"type": "function", "function": {"parameters": EMPTY_SCHEMA, **function}}


# ------------------------------------------------------------------------------------------------------------ reply


class _Tokens(Struct, gc=False):
    input_tokens: float | None = None
    output_tokens: float | None = None
    reasoning_tokens: float | None = None  # inside output_tokens


class _Usage(Struct, gc=False):
    tokens: _Tokens | None = None  # with the provider's own preamble
    billed_units: _Tokens | None = None
    cached_tokens: float | None = None


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: Any = None


class _Call(Struct, gc=False):
    id: str | None = None
    function: _Function | None = None


class _Piece(Struct, gc=False):
    """A part of the content, whole or a piece of it."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None


class _Message(Struct, gc=False):
    """A message. A whole one holds lists; in a stream, each event holds one member of one of them."""

    content: list[_Piece] | _Piece | None = None
    tool_plan: str | None = None
    tool_calls: list[_Call] | _Call | None = None
    citations: Any = None


class _End(Struct, gc=False):
    """What ends a reply: the reply itself holds it, a stream's `message-end`, too."""

    finish_reason: str | None = None
    usage: _Usage | None = None
    error: str | None = None
    error_type: str | None = None
    message: _Message | None = None


class _Reply(_End, gc=False):
    id: str | None = None


class _Event(Struct, gc=False):
    """One event of a stream, of any kind."""

    type: str = ""
    index: int = 0
    id: str | None = None
    delta: _End | None = None
    message: Any = None  # of an error, which is no event of the format


_reply_decoder = msgspec.json.Decoder(_Reply)
_event_decoder = msgspec.json.Decoder(_Event)

# The type of an error is its code here, and a conversation that is too long has the code that others give it.
_CODES: Final = {"TOO_MANY_TOKENS": "context_length_exceeded"}


def decode(body: bytes) -> list[Event]:
    """See `Dialect`."""
    reply = _reply_decoder.decode(body)
    if reply.message is None:
        raise msgspec.ValidationError("it has no `message`")
    return [Started(reply.id or ""), *_Reader().whole(reply, reply.message)]


def decoder() -> SseDecoder:
    """See `Dialect`."""
    return SseDecoder(_Reader().read, decode)


def refusal(body: bytes) -> Failed:
    """See `Dialect`."""
    failed = failure_in(body)
    try:
        kind = str(as_mapping(msgspec.json.decode(body)).get("error_type") or "")
    except msgspec.DecodeError:
        return failed
    return _typed(failed, kind) if kind else failed


def _typed(failed: Failed, kind: str) -> Failed:
    return Failed(failed.message, failed.type, _CODES.get(kind, kind), failed.status)


class _Reader:
    """Reads one reply. A whole one is read as the stream that would have brought it."""

    __slots__ = ("_plan", "_thinking")

    def __init__(self) -> None:
        self._plan: list[str] = []
        self._thinking: list[str] = []

    def read(self, data: bytes, events: list[Event]) -> bool:
        """One event's data; True for the last one."""
        if not data.strip() or data == b"[DONE]":
            return False
        event = _event_decoder.decode(data)
        delta = event.delta
        if event.type == "message-start":
            events.append(Started(event.id or ""))
        elif delta is not None and delta.message is not None:
            events.extend(self._said(delta.message, event.index))
        elif event.type == "message-end" and delta is not None:
            events.extend(self._ended(delta))
        elif not event.type and event.message:
            events.append(refusal(data))
        return event.type == "message-end"

    def whole(self, reply: _Reply, message: _Message) -> Iterator[Event]:
        """All of a reply."""
        calls = message.tool_calls
        yield from self._said(_Message(message.content, message.tool_plan, citations=message.citations), 0)
        for index, call in enumerate(calls if isinstance(calls, list) else ()):
            yield from self._said(_Message(tool_calls=call), index)
        yield from self._ended(reply)

    def _said(self, message: _Message, index: int) -> Iterator[Event]:
        content = message.content
        for piece in content if isinstance(content, list) else (content,):
            if piece is not None:
                yield from self._piece(piece)
        if message.tool_plan:
            self._plan.append(message.tool_plan)
            yield ReasoningDelta(message.tool_plan)
        if isinstance(message.tool_calls, _Call):
            yield from self._thought_out()
            yield _called(message.tool_calls, index)
        for note in as_list(message.citations) or [message.citations]:
            if note:
                yield _citation(note)

    def _piece(self, piece: _Piece) -> Iterator[Event]:
        if piece.thinking:
            self._thinking.append(piece.thinking)
            yield ReasoningDelta(piece.thinking)
        if piece.text:
            yield from self._thought_out()
            yield TextDelta(piece.text)

    def _thought_out(self) -> Iterator[Event]:
        """What stood before a text or a call and goes back with it: the thinking, and the plan of the calls."""
        if self._thinking:
            yield ProviderState("thinking", {"type": "thinking", "thinking": "".join(self._thinking)})
            self._thinking = []
        if self._plan:
            yield ProviderState("tool_plan", {"tool_plan": "".join(self._plan)})
            self._plan = []

    def _ended(self, end: _End) -> Iterator[Event]:
        yield from self._thought_out()
        if end.usage is not None and end.usage.tokens is not None:
            yield _tokens(end.usage, end.usage.tokens)
        if end.error:
            yield _typed(failure_from(end.error), end.error_type or "")
        elif end.finish_reason:
            yield Finished(FINISH.get(end.finish_reason, "unknown"), end.finish_reason)


def _called(call: _Call, index: int) -> ToolCallDelta:
    function = call.function or _Function()
    arguments = function.arguments
    text = arguments if isinstance(arguments, str) else "" if arguments is None else json_text(arguments)
    return ToolCallDelta(index, call.id or "", function.name or "", text)


def _citation(note: Any) -> Citation:
    """A citation, by the first of its sources: a document, or what a tool gave."""
    source = as_mapping(next(iter(as_list(as_mapping(note).get("sources"))), None))
    document = as_mapping(source.get("document") or source.get("tool_output"))
    return Citation(str(document.get("url") or ""), str(document.get("title") or ""), raw=note)


def _tokens(usage: _Usage, tokens: _Tokens) -> TokenUsage:
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
