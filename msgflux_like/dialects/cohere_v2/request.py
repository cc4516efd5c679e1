"""Requests in Cohere's chat format, version 2.

Source: https://docs.cohere.com/v2/reference/chat. Thinking is content of its own type, and what the model says before
its calls is their `tool_plan`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.notes import note_marks, note_tool, note_unknown, system_role
from msgflux_like.dialects._shared.parameters import (
    EMPTY_SCHEMA,
    offered_tools,
    prefill_text,
    refuse_parameters,
    stop_list,
)
from msgflux_like.dialects._shared.parts import unsupported_part
from msgflux_like.dialects._shared.provider_state import InsideText, own_state, reasoning_text, split_text
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import Change, ChatRequest, Encoded, Message, Quirks

AUTH: Final = ("authorization", "Bearer ")
HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = ("cohere", ("command",))

_UNSUPPORTED: Final = frozenset({"user", "top_logprobs", "parallel_tool_calls"})
_PARAMETER_FIELDS: Final = {"top_p": "p", "top_k": "k"}
_RANGES: Final = {
    "top_p": (0.01, 0.99),
    "top_k": (0, 500),
    "presence_penalty": (0, 1),
    "frequency_penalty": (0, 1),
}
_MESSAGE_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "system": frozenset({"role", "content"}),
    "user": frozenset({"role", "content"}),
    "assistant": frozenset({"role", "content", "tool_calls", "provider_state", "refusal"}),
    "tool": frozenset({"role", "content", "tool_call_id"}),
}
# Fields of an object inside a part. A document has fields of the caller's own.
_INNER_FIELDS: Final[Mapping[str, frozenset[str]]] = {"image_url": frozenset({"url", "detail"})}
_CALL_FIELDS: Final = frozenset({"id", "type", "function"})
_CALLED_FIELDS: Final = frozenset({"name", "arguments"})
_FUNCTION_FIELDS: Final = frozenset({"name", "description", "parameters"})
_PART_TYPES: Final[Mapping[str, tuple[str, ...]]] = {"user": ("text", "image_url"), "tool": ("text", "document")}
_FILE_REMEDY: Final = "pass its text, or the provider's own `documents` in extra_body"

Fields = dict[str, Any]


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """Return the request in Cohere's format.

    Raises:
        UnsupportedError: The format has no field for a parameter or for a part of a message, or a value is out of its
            range.
    """
    refuse_parameters(request, _UNSUPPORTED, quirks, "Cohere's format")
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
                'generation_schema: Cohere does not combine an answer schema with tools. Use output_mode="tool"'
            )
        body["response_format"] = {"type": "json_object", "json_schema": answer_schema.schema}
    return Encoded("/chat", body, changes=tuple(changes), prefill=prefill)


def _messages(request: ChatRequest, changes: list[Change]) -> list[Fields]:
    found: list[Fields] = []
    for index, message in enumerate(request.messages):
        place = request.place(index)
        role = system_role(message["role"], place, changes)
        note_unknown(message, _MESSAGE_FIELDS[role], place, changes)
        if role == "assistant":
            encoded = _assistant_message(message, request, place, changes)
            if len(encoded) == 1:
                changes.append(Change("dropped", place, "the API rejects empty messages"))
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


def _part(part: Mapping[str, Any], role: str, place: str, changes: list[Change]) -> Fields:
    kind = part["type"]
    if kind not in _PART_TYPES.get(role, ("text",)):
        remedy = {"remedy": _FILE_REMEDY} if kind == "file" else {}
        raise unsupported_part(part, place, f"Cohere's format in a message of role {role!r}", **remedy)
    note_marks(part, place, changes)
    content = part[kind]
    if known := _INNER_FIELDS.get(kind):
        note_unknown(content, known, f"{place}.{kind}", changes, "an image")
        content = {name: value for name, value in content.items() if name in known}
    return {"type": kind, kind: content}


def _assistant_message(message: Message, request: ChatRequest, place: str, changes: list[Change]) -> Fields:
    """Return an earlier answer. Beside calls, its text is their plan, and its content can only be thinking."""
    inside: list[InsideText] = []
    state = [entry for entries in own_state(message, request, place, changes, inside).values() for entry in entries]
    thinking = [raw for kind, raw in state if kind == "thinking"]
    plan = "".join(str(as_mapping(raw).get("tool_plan") or "") for kind, raw in state if kind == "tool_plan")
    if not thinking and request.reasoning_field and (reasoning := reasoning_text(message)):
        thinking = [{"type": "thinking", "thinking": reasoning}]
    content = _content(message, "assistant", place, changes)
    if refusal := message.get("refusal"):
        changes.append(Change("moved", f"{place}.refusal", "a refusal is text in this format"))
        content = [*_as_parts(content), {"type": "text", "text": refusal}] if content else str(refusal)
    encoded: Fields = {"role": "assistant"}
    if calls := message.get("tool_calls"):
        thinking += [each.raw for each in inside if each.kind == "thinking"]
        if text := _text_of(content):
            changes.append(Change("moved", f"{place}.content", "text beside calls is their tool_plan in this format"))
            plan = f"{plan}\n{text}" if plan else text
        encoded["tool_calls"] = [
            _call(call, f"{place}.tool_calls[{index}]", changes) for index, call in enumerate(calls)
        ]
        if plan:
            encoded["tool_plan"] = plan
        content = ""
    elif plan:
        changes.append(Change("dropped", f"{place}.provider_state", "a plan without its calls has no field here"))
    if isinstance(content, str) and inside and content:
        content = _with_thinking(content, inside)
    if thinking:
        encoded["content"] = [*thinking, *_as_parts(content)]
    elif content:
        encoded["content"] = content
    return encoded


def _with_thinking(text: str, inside: Sequence[InsideText]) -> list[Fields]:
    """Return the text in parts, with the thinking that came in the middle of it at its place."""
    return [
        {"type": "text", "text": piece} if isinstance(piece, str) else piece.raw
        for piece in split_text(text, [each for each in inside if each.kind == "thinking"])
    ]


def _text_of(content: str | list[Fields]) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _as_parts(content: str | list[Fields]) -> Sequence[Fields]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content


def _call(call: Mapping[str, Any], place: str, changes: list[Change]) -> Fields:
    if "function" not in call:
        raise UnsupportedError(f"{place} is of type {call.get('type')!r}: Cohere's format has only calls of functions")
    note_unknown(call, _CALL_FIELDS, place, changes, "a call")
    note_unknown(call["function"], _CALLED_FIELDS, f"{place}.function", changes, "a function call")
    function = {"name": call["function"]["name"], "arguments": call["function"]["arguments"] or "{}"}
    return {"id": call["id"], "type": "function", "function": function}


def _parameters(request: ChatRequest, changes: list[Change]) -> Fields:
    given = dict(request.parameters)
    for name, (low, high) in _RANGES.items():
        if name in given and not low <= given[name] <= high:
            raise UnsupportedError(f"{name} must be between {low} and {high} for Cohere's format; got {given[name]}")
    effort, budget = given.pop("reasoning_effort", None), given.pop("reasoning_budget", None)
    if (stop := given.pop("stop", None)) is not None:
        given["stop_sequences"] = stop_list(stop)
    parameters = {_PARAMETER_FIELDS.get(name, name): value for name, value in given.items()}
    if budget:
        parameters["thinking"] = {"type": "enabled", "token_budget": budget}
    elif budget == 0 or effort == "none":
        parameters["thinking"] = {"type": "disabled"}
    elif effort is not None:
        parameters["thinking"] = {"type": "enabled"}
        changes.append(Change("emulated", "reasoning_effort", "thinking was enabled: this format has no efforts"))
    return parameters


def _tools(request: ChatRequest, quirks: Quirks, changes: list[Change]) -> Fields:
    """Return the tools and the tool choice. A named choice becomes "required" with only that tool: it has no field."""
    if isinstance(request.tool_choice, Mapping):
        raise UnsupportedError('tool_choice: Cohere has no object form. Use "required", "none" or the name of a tool')
    quirks = msgspec.structs.replace(quirks, named_tool_choice=False)
    tools, choice = offered_tools(request, quirks, changes)
    if not tools:
        return {}
    fields: Fields = {"tools": [_tool(tool, changes) for tool in tools]}
    strict = [bool(as_mapping(tool.get("function")).get("strict")) for tool in tools]
    if all(strict):
        fields["strict_tools"] = True
    elif any(strict):
        changes.append(Change("dropped", "tools.strict", "this format makes either all tools strict or none"))
    if choice in ("required", "none"):
        fields["tool_choice"] = str(choice).upper()
    return fields


def _tool(tool: Mapping[str, Any], changes: list[Change]) -> Mapping[str, Any]:
    if tool.get("type") != "function" or "function" not in tool:
        return tool
    note_tool(tool, changes)
    given: Mapping[str, Any] = tool["function"]
    note_unknown(given, _FUNCTION_FIELDS | {"strict"}, f"tools.{given.get('name')}.function", changes, "a function")
    function = {name: given[name] for name in given if name in _FUNCTION_FIELDS}
    return {"type": "function", "function": {"parameters": EMPTY_SCHEMA, **function}}
