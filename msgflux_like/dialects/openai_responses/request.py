"""Requests in OpenAI's Responses format, for OpenAI, Azure, xAI, DeepSeek, OpenRouter, LM Studio and llama.cpp.

Source: https://platform.openai.com/docs/api-reference/responses. Nothing is stored at the provider: every request
has `store: false` and the whole conversation, unless `extra_body` sets `store`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.notes import note_marks, note_unknown
from msgflux_like.dialects._shared.parameters import (
    EMPTY_SCHEMA,
    effort_word,
    offered_tools,
    prefill_text,
    refuse_parameters,
)
from msgflux_like.dialects._shared.parts import unsupported_part
from msgflux_like.dialects.openai_responses.answers import Item, answer, answer_items
from msgflux_like.request import Change, ChatRequest, Encoded, Message, Quirks

AUTH: Final = ("authorization", "Bearer ")
HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = ("openai_responses", ())

_UNSUPPORTED: Final = frozenset({"stop", "seed", "top_k", "presence_penalty", "frequency_penalty"})
_RENAMED: Final = {"max_tokens": "max_output_tokens"}
_INPUT_FIELDS: Final = frozenset({"role", "content"})
_MESSAGE_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "assistant": _INPUT_FIELDS | {"tool_calls", "provider_state", "refusal", "images", "phase"},
    "tool": _INPUT_FIELDS | {"tool_call_id"},
}
_PART_MARK: Final = "prompt_cache_breakpoint"  # the one field that every input part can have beside its content
_FILE_FIELDS: Final = ("file_data", "file_id", "file_url", "filename", "detail")
# https://platform.openai.com/docs/api-reference/responses/create#responses-create-tools
_FUNCTION_FIELDS: Final = (
    "name",
    "description",
    "parameters",
    "strict",
    "defer_loading",
    "allowed_callers",
    "output_schema",
    "async",
)
_CUSTOM_FIELDS: Final = ("name", "description", "format", "defer_loading", "allowed_callers", "async")

PartEncoder = Callable[[Mapping[str, Any], str, list[Change]], Item]


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """Return the request; see `Dialect.encode`. A message becomes an input item, each of its calls becomes another."""
    refuse_parameters(request, _UNSUPPORTED, quirks, "the Responses format")
    changes: list[Change] = []
    items: list[Item] = []
    custom_ids: set[str] = set()
    for index, message in enumerate(request.messages):
        place = request.place(index)
        role = message["role"]
        note_unknown(message, _MESSAGE_FIELDS.get(role, _INPUT_FIELDS), place, changes)
        if role == "assistant":
            content = _joined_text(_content(message.get("content"), place, _output_part, changes))
            found = answer_items(message, content, request, place, changes)
            custom_ids.update(item["call_id"] for item in found if item.get("type") == "custom_tool_call")
            items += found
        else:
            items.append(_input_item(message, place, changes, custom_ids))
    if prefill := prefill_text(request, quirks):
        items.append(answer(prefill))
    body: dict[str, Any] = {"model": request.model, "input": items, **_parameters(request, quirks)}
    if "store" not in request.extra_body:
        body["store"] = False
    tools, choice = offered_tools(request, quirks, changes)
    if tools:
        body["tools"] = [_tool(tool, changes) for tool in tools]
    if choice is not None:
        named = isinstance(choice, str) and choice not in ("auto", "required", "none")
        body["tool_choice"] = _named_choice(str(choice), body["tools"]) if named else choice
    if (answer_schema := request.answer_schema) is not None:
        schema = {"type": "json_schema", "name": answer_schema.name, "schema": answer_schema.schema, "strict": True}
        if answer_schema.description:
            schema["description"] = answer_schema.description
        body["text"] = {"format": schema}
    if request.stream:
        body["stream"] = True
    return Encoded("/responses", body, changes=tuple(changes), prefill=prefill)


def _parameters(request: ChatRequest, quirks: Quirks) -> dict[str, Any]:
    """Return the parameters under their names here.

    No reasoning summary is requested: OpenAI demands a verified organization for it.
    """
    fields = {_RENAMED.get(name, name): value for name, value in request.parameters.items()}
    effort = effort_word(fields, "the Responses format")
    if effort is not None:
        fields["reasoning"] = {"effort": effort}
    include = ["message.output_text.logprobs"] if fields.pop("logprobs", None) else []
    if _wants_encrypted_reasoning(request, quirks, effort):
        include.append("reasoning.encrypted_content")
    if include:
        fields["include"] = include
    return fields


def _wants_encrypted_reasoning(request: ChatRequest, quirks: Quirks, effort: str | None) -> bool:
    """Return whether to request encrypted reasoning, which has to be sent back because nothing is stored."""
    if not quirks.encrypted_reasoning or "include" in request.extra_body or request.extra_body.get("store"):
        return False
    return effort != "none" and (
        effort is not None or (request.reasoning_controls is not None and request.reasoning_controls.reasons is True)
    )


def _input_item(message: Message, place: str, changes: list[Change], custom_ids: set[str]) -> Item:
    """Return the item of a message that is not an answer."""
    content = _content(message.get("content"), place, _input_part, changes)
    if message["role"] != "tool":
        return {"role": message["role"], "content": content}
    id_ = message["tool_call_id"]
    kind = "custom_tool_call_output" if id_ in custom_ids else "function_call_output"
    return {"type": kind, "call_id": id_, "output": content}


def _joined_text(content: Any) -> Any:
    """Join an answer's text parts to one string: the API accepts parts only with ids that it has assigned."""
    if isinstance(content, str) or any(part["type"] != "output_text" for part in content):
        return content
    return "".join(part["text"] for part in content)


def _content(content: Any, place: str, part: PartEncoder, changes: list[Change]) -> Any:
    if content is None or isinstance(content, str):
        return content or ""
    return [part(each, f"{place}.content[{index}]", changes) for index, each in enumerate(content)]


def _input_part(part: Mapping[str, Any], place: str, changes: list[Change]) -> Item:
    """Return a part of a user's or a tool's message. The format has no audio and no video."""
    note_marks(part, place, changes, _PART_MARK)
    match part["type"]:
        case "text":
            found = {"type": "input_text", "text": part["text"]}
        case "image_url":
            image: Mapping[str, Any] = part["image_url"]
            note_unknown(image, frozenset({"url", "detail"}), f"{place}.image_url", changes, "an image")
            found = {"type": "input_image", "image_url": image["url"], "detail": image.get("detail") or "auto"}
        case "file":
            file = as_mapping(part.get("file"))
            note_unknown(file, frozenset(_FILE_FIELDS), f"{place}.file", changes, "a file")
            found = {"type": "input_file", **{name: file[name] for name in _FILE_FIELDS if file.get(name)}}
        case _:
            raise unsupported_part(part, place, "the Responses format")
    return found if part.get(_PART_MARK) is None else {**found, _PART_MARK: part[_PART_MARK]}


def _output_part(part: Mapping[str, Any], place: str, changes: list[Change]) -> Item:
    """Return a part of an answer, which must be an output part, as a user's must be an input part."""
    note_marks(part, place, changes)
    match part["type"]:
        case "text":
            return {"type": "output_text", "text": part["text"]}
        case "refusal":
            return {"type": "refusal", "refusal": str(part.get("refusal") or "")}
        case _:
            raise unsupported_part(part, place, "an assistant message of the Responses format")


def _tool(tool: Mapping[str, Any], changes: list[Change]) -> Mapping[str, Any]:
    """Return the tool in flat form; a tool of the provider's own goes out as it is.

    A function always has `strict`: the default is true here, and false in chat completions.
    """
    kind = tool.get("type")
    if kind == "custom" and "custom" in tool:
        flat = _flat_tool(tool, "custom", _CUSTOM_FIELDS, changes)
        form = as_mapping(flat.get("format"))
        if grammar := as_mapping(form.get("grammar")):  # nested in chat completions
            flat["format"] = {**form, **grammar}
            del flat["format"]["grammar"]
        return flat
    if kind != "function" or "function" not in tool:
        return tool
    flat = _flat_tool(tool, "function", _FUNCTION_FIELDS, changes)
    return {"parameters": EMPTY_SCHEMA, "strict": False, **flat}


def _flat_tool(tool: Mapping[str, Any], kind: str, known: tuple[str, ...], changes: list[Change]) -> Item:
    inner = as_mapping(tool.get(kind))
    place = f"tools.{inner.get('name')}"
    note_unknown(tool, frozenset({"type", kind, *known}), place, changes, "a tool")
    note_unknown(inner, frozenset(known), f"{place}.{kind}", changes, f"a {kind} tool")
    fields = {**tool, **inner}
    return {"type": kind, **{name: fields[name] for name in known if fields.get(name) is not None}}


def _named_choice(name: str, tools: list[Mapping[str, Any]]) -> Item:
    """Return the choice of a function or a custom tool by its name, or of a provider's own tool by its type."""
    kinds = [tool.get("type") for tool in tools if tool.get("name") == name]
    if not kinds and any(tool.get("type") == name for tool in tools):
        return {"type": name}
    return {"type": "custom" if kinds == ["custom"] else "function", "name": name}
