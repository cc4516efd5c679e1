"""OpenAI's Responses format, as OpenAI, Azure, xAI, DeepSeek, OpenRouter, LM Studio and llama.cpp speak it.

Source: https://platform.openai.com/docs/api-reference/responses. Nothing is kept at the provider: every request says
`store: false` and carries the whole conversation, unless `extra_body` decides otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.failures import failure_in
from msgflux_like.dialects._shared.notes import note_marks, note_tool, note_unknown
from msgflux_like.dialects._shared.parameters import EMPTY_SCHEMA, offered_tools, prefill_text, refuse_parameters
from msgflux_like.dialects._shared.parts import unsupported_part
from msgflux_like.dialects._shared.provider_state import own_state, with_state
from msgflux_like.dialects.openai_responses.reply import decode, decoder
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import Change, ChatRequest, Encoded, Message, Quirks

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]

AUTH: Final = ("authorization", "Bearer ")
HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = ("openai_responses", ())

refusal = failure_in


_NO_WORDS: Final = frozenset({"stop", "seed", "top_k", "presence_penalty", "frequency_penalty"})
_RENAMED: Final = {"max_tokens": "max_output_tokens"}
_OF_A_MESSAGE: Final = frozenset({"role", "content", "tool_calls", "tool_call_id", "provider_state"})


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """See `Dialect`. Every message becomes an input item; a message with calls, or a tool's, becomes one for each."""
    refuse_parameters(request, _NO_WORDS, quirks, "the Responses format")
    changes: list[Change] = []
    items: list[dict[str, Any]] = []
    for index, message in enumerate(request.messages):
        place = request.place(index)
        note_unknown(message, _OF_A_MESSAGE, place, changes)
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
    """How much to reason is a field of `reasoning`. A summary of it is not asked for: OpenAI wants an ID card first."""
    fields = {_RENAMED.get(name, name): value for name, value in request.parameters.items()}
    effort, budget = fields.pop("reasoning_effort", None), fields.pop("reasoning_budget", None)
    if budget:
        raise UnsupportedError(
            "reasoning_budget: the Responses format takes no number of tokens. Give a reasoning_effort instead"
        )
    if budget == 0:
        effort = "none"
    if effort is not None:
        fields["reasoning"] = {"effort": effort}
    include = ["message.output_text.logprobs"] if fields.pop("logprobs", None) else []
    if _is_to_come_back(request, quirks, effort):
        include.append("reasoning.encrypted_content")
    if include:
        fields["include"] = include
    return fields


def _is_to_come_back(request: ChatRequest, quirks: Quirks, effort: str | None) -> bool:
    """Whether the reply is to hold its reasoning, encrypted, for the next request: nobody else keeps it."""
    if not quirks.encrypted_reasoning or "include" in request.extra_body or request.extra_body.get("store"):
        return False
    return effort != "none" and (
        effort is not None or (request.reasoning_controls is not None and request.reasoning_controls.reasons is True)
    )


def _with_reasoning(
    message: Message, request: ChatRequest, place: str, changes: list[Change]
) -> Iterable[dict[str, Any]]:
    """The items of a message, each behind the reasoning that led to it: the API refuses the one without the other."""
    if not message.get("provider_state"):
        return _items(message, place, changes)
    state = own_state(message, request, place, changes)
    said = bool(message.get("content")) or bool(message.get("tool_calls"))
    pieces = [[item] for item in _items(message, place, changes)] if said else []
    items = with_state(pieces, state, place, changes)
    sent = [_sent_back(item) if item.get("type") == "reasoning" else item for item in items]
    return sent or _items(message, place, changes)


def _sent_back(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item as input; the status is of the reply."""
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
        yield _answer(_whole(_content(content, place, _output_part, changes)))
    for call in calls:
        yield {
            "type": "function_call",
            "call_id": call["id"],
            "name": call["function"]["name"],
            "arguments": call["function"]["arguments"] or "{}",
        }


def _answer(content: Any) -> dict[str, Any]:
    """What the model said before. Only here llama.cpp insists on the type that the format lets one leave out."""
    return {"type": "message", "role": "assistant", "content": content}


def _whole(content: Any) -> Any:
    """The words of an answer as one text: parts are for those that have an id of the API's own."""
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
    """What a user or a tool says. The format has no word for sound or film."""
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
    """What the model said. Its own words must not go back as input parts, nor a user's as output."""
    match part["type"]:
        case "text":
            return {"type": "output_text", "text": part["text"]}
        case "refusal":
            return {"type": "refusal", "refusal": str(part.get("refusal") or "")}
        case _:
            raise unsupported_part(part, place, "an assistant message of the Responses format")


def _tool(tool: Mapping[str, Any], changes: list[Change]) -> Mapping[str, Any]:
    """Flat. Left out, `strict` would mean true here and false in chat completions: the schema would be another."""
    if tool.get("type") != "function" or "function" not in tool:
        return tool
    note_tool(tool, changes)
    return {"type": "function", "parameters": EMPTY_SCHEMA, "strict": False, **tool["function"]}
