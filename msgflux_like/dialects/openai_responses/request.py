"""Requests in OpenAI's Responses format, for OpenAI, Azure, xAI, DeepSeek, OpenRouter, LM Studio and llama.cpp.

Source: https://platform.openai.com/docs/api-reference/responses. Nothing is stored at the provider: every request
has `store: false` and the whole conversation, unless `extra_body` sets `store`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.notes import note_marks, note_tool, note_unknown
from msgflux_like.dialects._shared.parameters import (
    EMPTY_SCHEMA,
    effort_word,
    offered_tools,
    prefill_text,
    refuse_parameters,
)
from msgflux_like.dialects._shared.parts import unsupported_part
from msgflux_like.dialects._shared.provider_state import own_state, with_state
from msgflux_like.request import Change, ChatRequest, Encoded, Message, Quirks

AUTH: Final = ("authorization", "Bearer ")
HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = ("openai_responses", ())

_UNSUPPORTED: Final = frozenset({"stop", "seed", "top_k", "presence_penalty", "frequency_penalty"})
_RENAMED: Final = {"max_tokens": "max_output_tokens"}
_MESSAGE_FIELDS: Final = frozenset({"role", "content", "tool_calls", "tool_call_id", "provider_state"})


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """Return the request; see `Dialect.encode`. A message becomes an input item, each of its calls becomes another."""
    refuse_parameters(request, _UNSUPPORTED, quirks, "the Responses format")
    changes: list[Change] = []
    items: list[dict[str, Any]] = []
    for index, message in enumerate(request.messages):
        place = request.place(index)
        note_unknown(message, _MESSAGE_FIELDS, place, changes)
        items += _with_reasoning(message, request, place, changes)
    if prefill := prefill_text(request, quirks):
        items.append(_answer(prefill))
    body: dict[str, Any] = {"model": request.model, "input": items, **_parameters(request, quirks)}
    if "store" not in request.extra_body:
        body["store"] = False
    tools, choice = offered_tools(request, quirks, changes)
    if tools:
        body["tools"] = [_tool(tool, changes) for tool in tools]
    if choice is not None:
        named = isinstance(choice, str) and choice not in ("auto", "required", "none")
        body["tool_choice"] = {"type": "function", "name": choice} if named else choice
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


def _with_reasoning(
    message: Message, request: ChatRequest, place: str, changes: list[Change]
) -> Iterable[dict[str, Any]]:
    """Return the items of a message, each behind its reasoning: the API refuses one without the other."""
    if not message.get("provider_state"):
        return _items(message, place, changes)
    state = own_state(message, request, place, changes)
    has_content = bool(message.get("content")) or bool(message.get("tool_calls"))
    pieces = [[item] for item in _items(message, place, changes)] if has_content else []
    items = with_state(pieces, state, place, changes)
    sent = [_as_input(item) if item.get("type") == "reasoning" else item for item in items]
    return sent or _items(message, place, changes)


def _as_input(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an output item as input: without its status, which is refused."""
    return {name: value for name, value in item.items() if name != "status"}


def _items(message: Message, place: str, changes: list[Change]) -> Iterator[dict[str, Any]]:
    role, content = message["role"], message.get("content")
    if role == "tool":
        output = _content(content, place, _input_part, changes)
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": output}
        return
    calls: Sequence[Mapping[str, Any]] = message.get("tool_calls") or ()
    if role != "assistant":
        yield {"role": role, "content": _content(content, place, _input_part, changes)}
    elif content or not calls:
        yield _answer(_joined_text(_content(content, place, _output_part, changes)))
    for call in calls:
        yield {
            "type": "function_call",
            "call_id": call["id"],
            "name": call["function"]["name"],
            "arguments": call["function"]["arguments"] or "{}",
        }


def _answer(content: Any) -> dict[str, Any]:
    """Return the item of an earlier answer. Its type is optional in the format, but llama.cpp requires it here."""
    return {"type": "message", "role": "assistant", "content": content}


def _joined_text(content: Any) -> Any:
    """Join an answer's text parts to one string: the API accepts parts only with ids that it has assigned."""
    if isinstance(content, str) or any(part["type"] != "output_text" for part in content):
        return content
    return "".join(part["text"] for part in content)


def _content(
    content: Any, place: str, part: Callable[[Mapping[str, Any], str], dict[str, Any]], changes: list[Change]
) -> Any:
    if content is None or isinstance(content, str):
        return content or ""
    for index, each in enumerate(content):
        note_marks(each, f"{place}.content[{index}]", changes)
    return [part(each, f"{place}.content[{index}]") for index, each in enumerate(content)]


def _input_part(part: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return a part of a user's or a tool's message. The format has no audio and no video."""
    match part["type"]:
        case "text":
            return {"type": "input_text", "text": part["text"]}
        case "image_url":
            image: Mapping[str, Any] = part["image_url"]
            return {"type": "input_image", "image_url": image["url"], "detail": image.get("detail") or "auto"}
        case "file":
            file = as_mapping(part.get("file"))
            names = ("file_data", "file_id", "file_url", "filename")
            return {"type": "input_file", **{name: file[name] for name in names if file.get(name)}}
        case _:
            raise unsupported_part(part, place, "the Responses format")


def _output_part(part: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return a part of an answer, which must be an output part, as a user's must be an input part."""
    match part["type"]:
        case "text":
            return {"type": "output_text", "text": part["text"]}
        case "refusal":
            return {"type": "refusal", "refusal": str(part.get("refusal") or "")}
        case _:
            raise unsupported_part(part, place, "an assistant message of the Responses format")


def _tool(tool: Mapping[str, Any], changes: list[Change]) -> Mapping[str, Any]:
    """Return the tool in flat form, always with `strict`: the default is true here, and false in chat completions."""
    if tool.get("type") != "function" or "function" not in tool:
        return tool
    note_tool(tool, changes)
    return {"type": "function", "parameters": EMPTY_SCHEMA, "strict": False, **tool["function"]}
