"""What of a conversation goes out in other words than it was given: earlier answers, and what OpenAI itself refuses.

Source: https://platform.openai.com/docs/api-reference/chat/create. What a message and a part may hold is by the types
of the package openai 3.54.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.notes import note_unknown
from msgflux_like.dialects._shared.parts import unsupported_part
from msgflux_like.dialects._shared.provider_state import own_state, reasoning_text
from msgflux_like.dialects.openai_chat.request import CALL_EXTRA
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import Change, ChatRequest, Message, Quirks

Fields = Mapping[str, Any]

_OF_A_MESSAGE: Final[Mapping[str, frozenset[str]]] = {
    "system": frozenset({"role", "content", "name", "provider_state"}),
    "developer": frozenset({"role", "content", "name", "provider_state"}),
    "user": frozenset({"role", "content", "name", "provider_state"}),
    "assistant": frozenset(
        {"role", "content", "name", "refusal", "audio", "tool_calls", "function_call", "provider_state"}
    ),
    "tool": frozenset({"role", "content", "tool_call_id", "provider_state"}),
}
_OF_A_CALL: Final = frozenset({"id", "type", "function"})
_OF_A_USER: Final = frozenset({"text", "image_url", "input_audio", "file"})
_PARTS_OF: Final[Mapping[str, frozenset[str]]] = {
    "system": frozenset({"text"}),
    "developer": frozenset({"text"}),
    "user": _OF_A_USER,
    "assistant": frozenset({"text", "refusal"}),
    "tool": _OF_A_USER,  # what is no text is moved
}
_INSIDE: Final[Mapping[str, frozenset[str]]] = {
    "image_url": frozenset({"url", "detail"}),
    "input_audio": frozenset({"data", "format"}),
    "file": frozenset({"file_data", "file_id", "filename"}),
    "function": frozenset({"name", "arguments"}),
}
_REMEDIES: Final[Mapping[str, str]] = {
    "video_url": "give some of its frames as images, or ask a model of a provider that takes videos",
    **dict.fromkeys(("image_url", "input_audio", "file"), "give it in a message of the user"),
}


def adapted(request: ChatRequest, quirks: Quirks, changes: list[Change]) -> list[Message]:
    """The messages, with its own state in each answer; in OpenAI's own words alone, where the quirk demands that."""
    found: list[Message] = []
    beside: list[Fields] = []  # what the last results held beside their texts
    for index, given in enumerate(request.messages):
        message, place = given, request.place(index)
        if beside and message["role"] != "tool":
            found.append({"role": "user", "content": beside})
            beside = []
        if quirks.strict_messages and (len(message) > 2 or type(message.get("content")) is not str):
            message = _strict(message, request, place, changes)
            if message["role"] == "tool" and type(message["content"]) is not str:
                message = _text_alone(message, place, found, beside, changes)
        if "provider_state" in message:
            message = _returned(message, request, place, changes)
        found.append(message)
    if beside:
        found.append({"role": "user", "content": beside})
    return found


def strict_tools(tools: Iterable[Fields], changes: list[Change]) -> list[Fields]:
    """The tools without what stands beside what they are, such as `cache_control`."""
    found: list[Fields] = []
    for tool in tools:
        kind = str(tool.get("type"))
        name = as_mapping(tool.get(kind)).get("name")
        known = frozenset({"type", kind})
        found.append(_only(tool, known, f"tools.{name}", changes, "a tool") if kind in tool else tool)
    return found


def _only(fields: Fields, known: frozenset[str], place: str, changes: list[Change], what: str) -> Fields:
    """The known fields that say something; the others are recorded. As it was given, where it has no other.

    A null is refused but for the content of an answer.
    """
    for name, value in fields.items():
        if name not in known or (value is None and name != "content"):
            break
    else:
        return fields
    note_unknown(fields, known, place, changes, what)
    return {name: value for name, value in fields.items() if name in known and (value is not None or name == "content")}


def _strict(message: Message, request: ChatRequest, place: str, changes: list[Change]) -> Message:
    """The message with the fields and parts that OpenAI has for its role."""
    role, content = message["role"], message.get("content")
    known = _OF_A_MESSAGE[role]
    if request.reasoning_field and role == "assistant":
        known |= {request.reasoning_field}
    sent = _only(message, known, place, changes, "a message")
    new: dict[str, Any] = {}
    if calls := sent.get("tool_calls"):
        if not all(map(_is_usual, calls)):
            new["tool_calls"] = [_call(call, f"{place}.tool_calls[{at}]", changes) for at, call in enumerate(calls)]
    elif "tool_calls" in sent:  # an empty list is refused
        sent = {name: value for name, value in sent.items() if name != "tool_calls"}
    if content is not None and not isinstance(content, str):
        new["content"] = [_part(part, role, f"{place}.content[{at}]", changes) for at, part in enumerate(content)]
    return {**sent, **new} if new else sent


def _is_usual(call: Fields) -> bool:
    """Whether it is an id, a type, a name and arguments, as nearly all calls are."""
    return len(call) == 3 and call.get("type") == "function" and len(call["function"]) == 2


def _call(call: Fields, place: str, changes: list[Change]) -> Fields:
    sent = _with_own(_only(call, _OF_A_CALL, place, changes, "a call"), "function", place, changes)
    return sent if "type" in sent else {"type": "function", **sent}


def _with_own(fields: Fields, kind: str, place: str, changes: list[Change]) -> Fields:
    """The fields, with what OpenAI has in the object that they are named for."""
    inner = as_mapping(fields[kind])
    own = _only(inner, _INSIDE[kind], f"{place}.{kind}", changes, f"{kind!r}")
    return fields if own is inner else {**fields, kind: own}


def _part(part: Fields, role: str, place: str, changes: list[Change]) -> Fields:
    kind = part["type"]
    if kind not in _PARTS_OF[role]:
        remedy = _REMEDIES.get(kind, "leave it out, or ask a model of another provider")
        raise unsupported_part(part, place, f"OpenAI's API in a message of role {role!r}", remedy)
    if kind == "file":
        _check_file(as_mapping(part["file"]), place)
    known = frozenset({"type", kind, "prompt_cache_breakpoint"})
    sent = _only(part, known, place, changes, "a part")
    return _with_own(sent, kind, place, changes) if kind in _INSIDE else sent


def _check_file(file: Fields, place: str) -> None:
    if file.get("file_id") or file.get("file_data"):
        return
    if file.get("file_url"):
        raise UnsupportedError(
            f"{place}.file.file_url is a link, which OpenAI's API does not follow: "
            f"give the bytes to ChatBlock.file, or a file_id"
        )
    raise UnsupportedError(f"{place}.file has neither file_id nor file_data: give one of them")


def _text_alone(
    message: Message, place: str, before: list[Message], beside: list[Fields], changes: list[Change]
) -> Message:
    """A tool's result with its texts; what else it holds is put `beside`, behind a text that says whose it is."""
    rest: list[Fields] = []
    for at, part in enumerate(message["content"]):
        if part["type"] != "text":
            rest.append(part)
            where = f"{place}.content[{at}]"
            changes.append(Change("moved", where, "into a message of the user: a result is text alone here"))
    if not rest:
        return message
    id_ = message["tool_call_id"]
    name = next((name for earlier in reversed(before) if (name := _name_in(earlier, id_))), "a tool")
    beside += [{"type": "text", "text": f"From the result of {name} (call {id_}):"}, *rest]
    return {**message, "content": [part for part in message["content"] if part["type"] == "text"] or ""}


def _name_in(message: Message, id_: str) -> str:
    """What the call of that id calls, if the message holds it."""
    for call in message.get("tool_calls") or ():
        if call["id"] == id_:
            return str(as_mapping(call.get(call.get("type") or "function")).get("name") or "")
    return ""


def _returned(message: Message, request: ChatRequest, place: str, changes: list[Change]) -> dict[str, Any]:
    """An earlier answer with what its provider wants back, each in the field that it came in."""
    sent = {name: value for name, value in message.items() if name != "provider_state"}
    details: list[Any] = []
    calls: list[dict[str, Any]] = list(message.get("tool_calls") or ())
    for after, entries in sorted(own_state(message, request, place, changes).items()):
        for kind, raw in entries:
            if kind == CALL_EXTRA and calls:
                index = min(after - bool(message.get("content")), len(calls) - 1)
                calls[index] = {**calls[index], "extra_content": raw}
            elif kind == "reasoning_details":
                details.append(raw)
            elif kind == "extra_content":
                sent[kind] = raw
    if calls:
        sent["tool_calls"] = calls
    if details:
        sent["reasoning_details"] = details
    elif request.reasoning_field and (text := reasoning_text(message)):
        sent.setdefault(request.reasoning_field, text)
    return sent
