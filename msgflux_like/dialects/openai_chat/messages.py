"""Messages and tools that are not sent as given: earlier answers with provider state, and what the API refuses.

Source: https://platform.openai.com/docs/api-reference/chat/create. The fields of messages and parts follow the
types of the package openai 3.54.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.call_ids import check_answered
from msgflux_like.dialects._shared.notes import FUNCTION_FIELDS, note_unknown
from msgflux_like.dialects._shared.parts import unsupported_part
from msgflux_like.dialects._shared.provider_state import own_state, reasoning_text
from msgflux_like.dialects.openai_chat.reply import CALL_EXTRA, CALL_TYPE
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import Change, ChatRequest, Message, Quirks

Fields = Mapping[str, Any]

_MESSAGE_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "system": frozenset({"role", "content", "name", "provider_state"}),
    "developer": frozenset({"role", "content", "name", "provider_state"}),
    "user": frozenset({"role", "content", "name", "provider_state"}),
    "assistant": frozenset(
        {"role", "content", "name", "refusal", "audio", "tool_calls", "function_call", "provider_state"}
    ),
    "tool": frozenset({"role", "content", "tool_call_id", "provider_state"}),
}
_CALL_FIELDS: Final = frozenset({"id", "type", "function"})
_USER_PARTS: Final = frozenset({"text", "image_url", "input_audio", "file"})
_PARTS_BY_ROLE: Final[Mapping[str, frozenset[str]]] = {
    "system": frozenset({"text"}),
    "developer": frozenset({"text"}),
    "user": _USER_PARTS,
    "assistant": frozenset({"text", "refusal"}),
    "tool": _USER_PARTS,  # parts that are not text are moved
}
_INNER_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "image_url": frozenset({"url", "detail"}),
    "input_audio": frozenset({"data", "format"}),
    "file": frozenset({"file_data", "file_id", "filename"}),
    "function": frozenset({"name", "arguments"}),
    "audio": frozenset({"id"}),
}
_LISTS: Final = ("reasoning_details", "images", "annotations")
"""Fields of an answer that provider state of this kind is an item of."""

_REMEDIES: Final[Mapping[str, str]] = {
    "video_url": "give some of its frames as images, or ask a model of a provider that takes videos",
    **dict.fromkeys(("image_url", "input_audio", "file"), "give it in a message of the user"),
}

# Models that refuse a tool call without the reasoning before it, wherever they are served:
# https://api-docs.deepseek.com/guides/thinking_mode, https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model
_REASONING_REQUIRED: Final = re.compile(r"deepseek-(v3\.2|v4|reasoner)|kimi-k2")


def requires_reasoning(request: ChatRequest) -> bool:
    """Return whether the model refuses an earlier answer of calls that has no `reasoning_content`."""
    if request.reasoning_field != "reasoning_content" or request.parameters.get("reasoning_effort") == "none":
        return False
    return _REASONING_REQUIRED.search(request.known_as.lower()) is not None


def adapted_messages(request: ChatRequest, quirks: Quirks, changes: list[Change]) -> list[Message]:
    """Return the messages with the provider state in each answer; only OpenAI's fields and parts for a strict host."""
    found: list[Message] = []
    beside: list[Fields] = []  # parts of the last tool results that are not text
    required = requires_reasoning(request)
    if quirks.strict_messages:
        check_answered(request)
    for index, given in enumerate(request.messages):
        message, place = given, request.place(index)
        if beside and message["role"] != "tool":
            found.append({"role": "user", "content": beside})
            beside = []
        if quirks.strict_messages and (len(message) > 2 or type(message.get("content")) is not str):
            message = _strict_message(message, request, place, changes)
            if message["role"] == "tool" and type(message["content"]) is not str:
                message = _text_only_result(message, place, found, beside, changes)
        if "provider_state" in message:
            message = _with_provider_state(message, request, place, changes)
        if required and message.get("tool_calls") and "reasoning_content" not in message:
            message = {**message, "reasoning_content": ""}
            changes.append(Change("emulated", f"{place}.reasoning_content", "is empty: this model requires the field"))
        found.append(message)
    if beside:
        found.append({"role": "user", "content": beside})
    return found


def strict_tools(tools: Iterable[Fields], changes: list[Change]) -> list[Fields]:
    """Return the tools without the fields that OpenAI lacks, such as `cache_control`."""
    found: list[Fields] = []
    for tool in tools:
        kind = str(tool.get("type"))
        if kind not in tool:
            found.append(tool)
            continue
        inner = as_mapping(tool[kind])
        place = f"tools.{inner.get('name')}"
        sent = _known_fields(tool, frozenset({"type", kind}), place, changes, "a tool")
        if kind == "function":
            own = _known_fields(inner, FUNCTION_FIELDS, f"{place}.function", changes, "a function")
            sent = sent if own is inner else {**sent, "function": own}
        found.append(sent)
    return found


def _known_fields(fields: Fields, known: frozenset[str], place: str, changes: list[Change], what: str) -> Fields:
    """Return the known fields that are set, and record the others as dropped.

    The given object is returned if it has no others. A null is accepted as `content` only.
    """
    for name, value in fields.items():
        if name not in known or (value is None and name != "content"):
            break
    else:
        return fields
    note_unknown(fields, known, place, changes, what)
    return {name: value for name, value in fields.items() if name in known and (value is not None or name == "content")}


def _strict_message(message: Message, request: ChatRequest, place: str, changes: list[Change]) -> Message:
    """Return the message with the fields and parts that OpenAI accepts for its role."""
    role, content = message["role"], message.get("content")
    known = _MESSAGE_FIELDS[role]
    if request.reasoning_field and role == "assistant":
        known |= {request.reasoning_field}
    sent = _known_fields(message, known, place, changes, "a message")
    new: dict[str, Any] = {}
    if calls := sent.get("tool_calls"):
        if not all(map(_is_plain_call, calls)):
            new["tool_calls"] = [_call(call, f"{place}.tool_calls[{at}]", changes) for at, call in enumerate(calls)]
    elif "tool_calls" in sent:  # an empty list is refused
        sent = {name: value for name, value in sent.items() if name != "tool_calls"}
    if content is not None and not isinstance(content, str):
        new["content"] = [_part(part, role, f"{place}.content[{at}]", changes) for at, part in enumerate(content)]
    if sent.get("audio") is not None:
        sent = _with_audio(sent, place, changes)
    return {**sent, **new} if new else sent


def _with_audio(sent: Message, place: str, changes: list[Change]) -> Message:
    """Return an earlier answer with the id of its sound only, or without a sound that has no id."""
    if as_mapping(sent["audio"]).get("id"):
        return _with_known_inner(sent, "audio", place, changes)
    changes.append(Change("dropped", f"{place}.audio", "OpenAI takes a sound of an answer by its id only"))
    return {name: value for name, value in sent.items() if name != "audio"}


def _is_plain_call(call: Fields) -> bool:
    """Return whether the call has just an id, a type, a name and arguments, as nearly all calls have."""
    return len(call) == 3 and call.get("type") == "function" and len(call["function"]) == 2


def _call(call: Fields, place: str, changes: list[Change]) -> Fields:
    sent = _with_known_inner(_known_fields(call, _CALL_FIELDS, place, changes, "a call"), "function", place, changes)
    return sent if "type" in sent else {"type": "function", **sent}


def _with_known_inner(fields: Fields, kind: str, place: str, changes: list[Change]) -> Fields:
    """Return the fields, with only those that OpenAI accepts in the inner object `kind`."""
    inner = as_mapping(fields[kind])
    own = _known_fields(inner, _INNER_FIELDS[kind], f"{place}.{kind}", changes, f"{kind!r}")
    return fields if own is inner else {**fields, kind: own}


def _part(part: Fields, role: str, place: str, changes: list[Change]) -> Fields:
    kind = part["type"]
    if kind not in _PARTS_BY_ROLE[role]:
        remedy = _REMEDIES.get(kind, "leave it out, or ask a model of another provider")
        raise unsupported_part(part, place, f"OpenAI's API in a message of role {role!r}", remedy)
    if kind == "file":
        _check_file(as_mapping(part["file"]), place)
    known = frozenset({"type", kind, "prompt_cache_breakpoint"})
    sent = _known_fields(part, known, place, changes, "a part")
    return _with_known_inner(sent, kind, place, changes) if kind in _INNER_FIELDS else sent


def _check_file(file: Fields, place: str) -> None:
    if file.get("file_id") or file.get("file_data"):
        return
    if file.get("file_url"):
        raise UnsupportedError(
            f"{place}.file.file_url is a link, which OpenAI's API does not follow: "
            f"give the bytes to ChatBlock.file, or a file_id"
        )
    raise UnsupportedError(f"{place}.file has neither file_id nor file_data: give one of them")


def _text_only_result(
    message: Message, place: str, before: list[Message], beside: list[Fields], changes: list[Change]
) -> Message:
    """Return a tool result with its texts only; append other parts to `beside`, behind a text naming the call."""
    rest: list[Fields] = []
    for at, part in enumerate(message["content"]):
        if part["type"] != "text":
            rest.append(part)
            where = f"{place}.content[{at}]"
            changes.append(Change("moved", where, "into a message of the user: a result is text alone here"))
    if not rest:
        return message
    id_ = message["tool_call_id"]
    name = next((name for earlier in reversed(before) if (name := _called_tool(earlier, id_))), "a tool")
    beside += [{"type": "text", "text": f"From the result of {name} (call {id_}):"}, *rest]
    return {**message, "content": [part for part in message["content"] if part["type"] == "text"] or ""}


def _called_tool(message: Message, id_: str) -> str:
    """Return the name of the tool that the call with this id calls, "" if the message has no such call."""
    for call in message.get("tool_calls") or ():
        if call["id"] == id_:
            return str(as_mapping(call.get(call.get("type") or "function")).get("name") or "")
    return ""


def _with_provider_state(message: Message, request: ChatRequest, place: str, changes: list[Change]) -> dict[str, Any]:
    """Return an earlier answer with its provider state, each in the field that it came in."""
    sent = {name: value for name, value in message.items() if name != "provider_state"}
    fields: dict[str, list[Any]] = {}
    calls: list[dict[str, Any]] = list(message.get("tool_calls") or ())
    for after, entries in sorted(own_state(message, request, place, changes).items()):
        for kind, raw in entries:
            if kind in (CALL_EXTRA, CALL_TYPE) and calls:
                index = min(after - bool(message.get("content")), len(calls) - 1)
                calls[index] = _call_with_state(calls[index], kind, raw)
            elif kind in _LISTS:
                fields.setdefault(kind, []).append(raw)
            elif kind == "extra_content":
                sent[kind] = raw
            elif kind == "audio" and as_mapping(raw).get("id"):
                sent[kind] = {"id": raw["id"]}
    if calls:
        sent["tool_calls"] = calls
    sent |= fields
    if "reasoning_details" not in fields and request.reasoning_field and (text := reasoning_text(message)) is not None:
        sent.setdefault(request.reasoning_field, text)
    return sent


def _call_with_state(call: dict[str, Any], kind: str, raw: Any) -> dict[str, Any]:
    """Return an earlier call with its signature, or as a call of its type."""
    if kind == CALL_EXTRA:
        return {**call, "extra_content": raw}
    if raw != "custom":
        return {**call, "type": raw}
    function = as_mapping(call["function"])
    return {"id": call["id"], "type": raw, "custom": {"name": function["name"], "input": function["arguments"]}}
