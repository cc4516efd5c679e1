"""Requests in Ollama's native chat format.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md. Sampling is in `options`, arguments are objects, images
are bare base64, and a reply is streamed unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.notes import note_detail, note_inner, note_marks, note_unknown, system_role
from msgflux_like.dialects._shared.parameters import effort_word, prefill_text, refuse_parameters, stop_list
from msgflux_like.dialects._shared.parts import data_url, json_object, unsupported_part
from msgflux_like.dialects._shared.provider_state import own_state
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import Change, ChatRequest, Encoded, Message, Quirks

AUTH: Final = ("authorization", "Bearer ")
HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = ("ollama", ())


_UNSUPPORTED: Final = frozenset({"user", "parallel_tool_calls"})
_MESSAGE_FIELDS: Final = frozenset({"role", "content", "tool_calls", "tool_call_id", "provider_state"})
_INNER_FIELDS: Final = frozenset({"url", "detail", "file_url", "file_data", "filename"})  # of an image
_CALL_FIELDS: Final = frozenset({"id", "type", "function"})
_CALLED_FIELDS: Final = frozenset({"name", "arguments"})
_OUTSIDE_OPTIONS: Final = ("logprobs", "top_logprobs")
_THINK: Final[Mapping[str, bool]] = {"none": False, "true": True}  # else a word: low, medium, high

Fields = dict[str, Any]


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """Return the request; see `Dialect.encode`."""
    refuse_parameters(request, _UNSUPPORTED, quirks, "Ollama's format")
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
        note_unknown(message, _MESSAGE_FIELDS | {"name"} if role == "tool" else _MESSAGE_FIELDS, place, changes)
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
    """Return the content as one string, and the images in their separate field."""
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
    """Return the base64 text of an image.

    Raises:
        UnsupportedError: If it is a link, which Ollama does not fetch, or not an image.
    """
    inner = as_mapping(part.get(part["type"]))
    url = str(inner.get("url") or inner.get("file_data") or "")
    data = data_url(url)
    if part["type"] == "image_url" and data is None:
        raise UnsupportedError(
            f"{place} is a link: Ollama takes images as data alone. Read it, and give the bytes to ChatBlock.image"
        )
    if data is None or not (part["type"] == "image_url" or data[0].startswith("image/")):
        raise unsupported_part(part, place, "Ollama's format")
    note_inner(part, _INNER_FIELDS, place, changes)
    if part["type"] == "image_url":
        note_detail(part, place, changes)
    elif inner.get("filename"):
        changes.append(Change("dropped", f"{place}.file.filename", "images have no names here"))
    return data[1]


def _answer(message: Message, request: ChatRequest, place: str, changes: list[Change]) -> Fields:
    """Return the fields of an earlier answer beside its text: thinking, images and calls."""
    fields: Fields = {}
    state = own_state(message, request, place, changes).values()
    pieces = [(kind, as_mapping(raw).get(kind)) for after in state for kind, raw in after]
    if thinking := "".join(text for kind, text in pieces if kind == "thinking" and isinstance(text, str)):
        fields["thinking"] = thinking
    if images := [image for kind, image in pieces if kind == "image"]:
        fields["images"] = images
    if calls := message.get("tool_calls"):
        fields["tool_calls"] = [
            _call(call, f"{place}.tool_calls[{index}]", changes) for index, call in enumerate(calls)
        ]
    return fields


def _call(call: Mapping[str, Any], place: str, changes: list[Change]) -> Fields:
    note_unknown(call, _CALL_FIELDS, place, changes, "a call")
    note_unknown(call["function"], _CALLED_FIELDS, f"{place}.function", changes, "a call")
    name, arguments = call["function"]["name"], json_object(call["function"]["arguments"], f"{place}.function")
    return {"id": call["id"], "function": {"name": name, "arguments": arguments}}


def _parameters(request: ChatRequest) -> Fields:
    options = dict(request.parameters)
    fields: Fields = {name: options.pop(name) for name in _OUTSIDE_OPTIONS if name in options}
    if (effort := effort_word(options, "Ollama's format")) is not None:
        fields["think"] = _THINK.get(effort, effort)
    if "max_tokens" in options:
        options["num_predict"] = options.pop("max_tokens")
    if (stop := options.get("stop")) is not None:
        options["stop"] = stop_list(stop)
    return {**fields, "options": options} if options else fields


def _tools(request: ChatRequest, changes: list[Change]) -> Fields:
    """Return the tools. The format has no tool choice: the model decides.

    Raises:
        UnsupportedError: If a call is required.
    """
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
