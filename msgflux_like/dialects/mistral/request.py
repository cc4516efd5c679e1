"""Requests in Mistral's chat completions format: OpenAI's with other fields, parts and rules.

Source: https://docs.mistral.ai/api/#tag/chat. Unknown fields are refused, and ids have nine characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.call_ids import check_answered, derived_short_id
from msgflux_like.dialects._shared.notes import (
    FUNCTION_FIELDS,
    note_inner,
    note_marks,
    note_tool,
    note_unknown,
    system_role,
)
from msgflux_like.dialects._shared.parameters import (
    EMPTY_SCHEMA,
    effort_word,
    offered_tools,
    prefill_text,
    refuse_parameters,
)
from msgflux_like.dialects._shared.parts import data_url, unsupported_part
from msgflux_like.dialects._shared.provider_state import InsideText, own_state, split_text
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.request import Change, ChatRequest, Encoded, Message, Quirks

AUTH: Final = ("authorization", "Bearer ")
HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = ("mistral", ())


_UNSUPPORTED: Final = frozenset({"user"})
_MESSAGE_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "system": frozenset({"role", "content"}),
    "user": frozenset({"role", "content"}),
    "assistant": frozenset({"role", "content", "tool_calls", "prefix", "provider_state"}),
    "tool": frozenset({"role", "content", "tool_call_id", "name"}),
}
_CALL_FIELDS: Final = frozenset({"id", "type", "function"})
_CALLED_FIELDS: Final = frozenset({"name", "arguments"})
_IMAGE_FIELDS: Final = frozenset({"url", "detail"})
_AUDIO_FIELDS: Final = frozenset({"data", "format"})  # the format is in the data
_FILE_FIELDS: Final = frozenset({"file_id", "file_url", "file_data", "filename"})
_CHOICE: Final = {"auto": "auto", "required": "any", "none": "none"}
_VALID_ID: Final = re.compile(r"[a-zA-Z0-9]{9}")

Fields = dict[str, Any]


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """Return the request; see `Dialect.encode`."""
    refuse_parameters(request, _UNSUPPORTED, quirks, "Mistral's format")
    changes: list[Change] = []
    messages = _messages(request, changes)
    if prefill := prefill_text(request, quirks):
        messages.append({"role": "assistant", "content": prefill, "prefix": True})
    _check_last(messages)
    body: Fields = {"model": request.model, "messages": messages, **_parameters(request, changes)}
    tools, choice = offered_tools(request, quirks, changes)
    if tools:
        body["tools"] = [_tool(tool, changes) for tool in tools]
    if isinstance(choice, str):
        body["tool_choice"] = _CHOICE.get(choice) or {"type": "function", "function": {"name": choice}}
    elif choice is not None:
        body["tool_choice"] = choice
    if (answer_schema := request.answer_schema) is not None:
        schema: Fields = {"name": answer_schema.name, "schema": answer_schema.schema, "strict": True}
        if answer_schema.description:
            schema["description"] = answer_schema.description
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.stream:
        body["stream"] = True
    # The answer begins with the prefix, streamed or not: https://docs.mistral.ai/guides/prefix
    return Encoded("/chat/completions", body, changes=tuple(changes))


def _messages(request: ChatRequest, changes: list[Change]) -> list[Fields]:
    check_answered(request)
    ids = _valid_ids(request.messages)
    found: list[Fields] = []
    for index, message in enumerate(request.messages):
        place = request.place(index)
        encoded = _message(message, request, place, ids, changes)
        if encoded["role"] == "assistant" and not encoded["content"] and not encoded.get("tool_calls"):
            changes.append(Change("dropped", place, "it is empty, which the API refuses"))
            continue
        if encoded["role"] == "user" and found and found[-1]["role"] == "tool":
            # "Unexpected role 'user' after role 'tool'": https://github.com/zed-industries/zed/issues/37021
            found.append({"role": "assistant", "content": "OK."})
            changes.append(Change("emulated", place, "an answer stands before it: a user cannot follow a tool here"))
        found.append(encoded)
    return found


def _message(
    message: Message, request: ChatRequest, place: str, ids: Mapping[str, str], changes: list[Change]
) -> Fields:
    role = system_role(message["role"], place, changes)
    note_unknown(message, _MESSAGE_FIELDS[role], place, changes)
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        content = [_part(part, role, f"{place}.content[{index}]", changes) for index, part in enumerate(content)]
    encoded: Fields = {"role": role, "content": content or ""}
    if role == "tool":
        encoded["tool_call_id"] = _sent_id(message["tool_call_id"], ids, f"{place}.tool_call_id", changes)
        if message.get("name"):
            encoded["name"] = message["name"]
    if role == "assistant":
        inside: list[InsideText] = []
        state = own_state(message, request, place, changes, inside)
        if state or inside:
            encoded["content"] = _with_state(encoded["content"], state, inside)
        if calls := message.get("tool_calls"):
            encoded["tool_calls"] = [
                _call(call, ids, f"{place}.tool_calls[{index}]", changes) for index, call in enumerate(calls)
            ]
        if message.get("prefix"):
            encoded["prefix"] = True
    return encoded


def _with_state(content: Any, state: Mapping[int, list[tuple[str, Any]]], inside: list[InsideText]) -> list[Any]:
    """Return the content of an earlier answer with its thinking and its references, before, in and after the text."""
    if isinstance(content, str):
        pieces = split_text(content, inside)
        parts = [{"type": "text", "text": piece} if isinstance(piece, str) else piece.raw for piece in pieces]
    else:
        parts = [*content, *(each.raw for each in inside)]
    before = [raw for _, raw in state.get(0, ())]
    return [*before, *parts, *(raw for after in sorted(state) if after for _, raw in state[after])]


def _part(part: Mapping[str, Any], role: str, place: str, changes: list[Change]) -> Fields:
    kind = part["type"]
    if kind == "thinking" and role in ("assistant", "system"):
        return dict(part)
    if kind != "document_url":
        note_marks(part, place, changes)
    if kind == "text":
        return {"type": "text", "text": part["text"]}
    if role in ("user", "tool"):
        match kind:
            case "image_url":
                note_inner(part, _IMAGE_FIELDS, place, changes)
                image = part["image_url"]
                return {
                    "type": "image_url",
                    "image_url": {name: image[name] for name in image if name in _IMAGE_FIELDS},
                }
            case "input_audio":
                note_inner(part, _AUDIO_FIELDS, place, changes)
                return {"type": "input_audio", "input_audio": part["input_audio"].get("data")}
            case "file":
                return _file(as_mapping(part["file"]), place, changes)
            case "document_url":
                return dict(part)
            case _:
                pass
    raise unsupported_part(part, place, f"Mistral's format in a message of role {role!r}")


def _file(file: Mapping[str, Any], place: str, changes: list[Change]) -> Fields:
    """Return a document by its URL or data; an image given as a file becomes an image part."""
    note_unknown(file, _FILE_FIELDS, f"{place}.file", changes, "a file")
    if file.get("file_id"):
        if file.get("filename"):
            changes.append(Change("dropped", f"{place}.file.filename", "a file that is given by its id has a name"))
        return {"type": "file", "file_id": file["file_id"]}
    url = str(file.get("file_url") or file.get("file_data") or "")
    if not url:
        raise UnsupportedError(f"{place}.file has neither file_id nor file_url nor file_data: give one of them")
    if (data_url(url) or ("",))[0].startswith("image/"):
        if file.get("filename"):
            changes.append(Change("dropped", f"{place}.file.filename", "images have no names here"))
        return {"type": "image_url", "image_url": {"url": url}}
    document: Fields = {"type": "document_url", "document_url": url}
    return {**document, "document_name": file["filename"]} if file.get("filename") else document


def _call(call: Mapping[str, Any], ids: Mapping[str, str], place: str, changes: list[Change]) -> Fields:
    function = call["function"]
    note_unknown(call, _CALL_FIELDS, place, changes, "a call")
    note_unknown(function, _CALLED_FIELDS, f"{place}.function", changes, "a call")
    return {
        "id": _sent_id(call["id"], ids, f"{place}.id", changes),
        "type": "function",
        "function": {"name": function["name"], "arguments": function["arguments"] or "{}"},
    }


def _valid_ids(messages: tuple[Message, ...]) -> dict[str, str]:
    """Return a valid id for each call id that Mistral refuses: the same each time, and different from all others."""
    given = [
        id_
        for message in messages
        for id_ in (*(call["id"] for call in message.get("tool_calls") or ()), message.get("tool_call_id"))
        if id_ is not None
    ]
    taken = {id_ for id_ in given if _VALID_ID.fullmatch(id_)}
    renamed: dict[str, str] = {}
    for id_ in given:
        if id_ not in taken and id_ not in renamed:
            short = next(short for attempt in count() if (short := _short_id(id_, attempt)) not in taken)
            renamed[id_] = short
            taken.add(short)
    return renamed


def _short_id(id_: str, attempt: int) -> str:
    """Return nine letters and digits that depend on the id and the attempt alone."""
    return derived_short_id(f"{attempt}:{id_}", 9)


def _sent_id(id_: str, ids: Mapping[str, str], place: str, changes: list[Change]) -> str:
    if id_ not in ids:
        return id_
    changes.append(Change("renamed", place, "ids are nine letters and digits"))
    return ids[id_]


def _check_last(messages: list[Fields]) -> None:
    """Raise InvalidMessagesError for a conversation that Mistral does not answer."""
    last = messages[-1] if messages else {"role": "no one"}
    if last["role"] not in ("user", "tool") and not last.get("prefix"):
        raise InvalidMessagesError(
            f"the last message is from {last['role']}: Mistral answers a user or a tool. "
            f"An answer to go on from is given as prefilling=, or has prefix: true"
        )


def _parameters(request: ChatRequest, changes: list[Change]) -> Fields:
    given = dict(request.parameters)
    if "seed" in given:
        given["random_seed"] = given.pop("seed")
    effort = effort_word(given, "Mistral's format")
    if effort is not None and not request.known_as.startswith("magistral"):
        given["reasoning_effort"] = effort
    elif effort is not None:
        given["prompt_mode"] = None if effort == "none" else "reasoning"
        changes.append(Change("emulated", "reasoning_effort", "by prompt_mode: this model reasons, or it does not"))
    return given


def _tool(tool: Mapping[str, Any], changes: list[Change]) -> Mapping[str, Any]:
    if tool.get("type") != "function" or "function" not in tool:
        return tool
    note_tool(tool, changes, FUNCTION_FIELDS)
    function = {name: value for name, value in tool["function"].items() if name in FUNCTION_FIELDS}
    return {"type": "function", "function": {"parameters": EMPTY_SCHEMA, **function}}
