"""Requests in Anthropic's Messages format.

Source: https://docs.anthropic.com/en/api/messages. A conversation is alternating turns of the user and the assistant,
each a list of content blocks. System prompts are a field beside the turns, tool results are blocks of the user's turn
that follows the calls, and a prefill is a last assistant turn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgflux_like._json import as_list, as_mapping
from msgflux_like.dialects._shared.call_ids import CallIds
from msgflux_like.dialects._shared.claude import trim_prefill
from msgflux_like.dialects._shared.notes import note_detail, note_marks
from msgflux_like.dialects._shared.parameters import (
    EMPTY_SCHEMA,
    offered_tools,
    prefill_text,
    refuse_parameters,
    stop_list,
)
from msgflux_like.dialects._shared.parts import base64_text, data_url, json_object, unsupported_part
from msgflux_like.dialects._shared.provider_state import own_state, with_state
from msgflux_like.dialects._shared.turns import in_turns
from msgflux_like.dialects.anthropic_messages.thinking import (
    THINKING_BLOCKS,
    check_thinking,
    is_thinking_enabled,
    thinking_budget,
    thinking_fields,
)
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.request import Change, ChatRequest, Encoded, Message, Quirks, ToolChoice

AUTH: Final = ("x-api-key", "")
HEADERS: Final[Mapping[str, str]] = {"anthropic-version": "2023-06-01"}
STATE: Final = ("anthropic", ("claude",))

MAX_TOKENS: Final = 4096
"""Output limit, in tokens, if neither the call nor the catalogue has one: the API requires the field."""

_UNSUPPORTED: Final = frozenset({"seed", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs"})
_FILES_BETA: Final = {"anthropic-beta": "files-api-2025-04-14"}
_INVALID_ID_CHARACTER: Final = re.compile(r"[^a-zA-Z0-9_-]")
_ID_RULE: Final = "ids are unique and consist of letters, digits, _ and -"

Block = dict[str, Any]


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """Return the request as Anthropic's Messages format.

    Raises:
        UnsupportedError: The format has no field for a parameter or for a part of a message.
        InvalidMessagesError: There is no user or assistant message, or the arguments of a call are not a JSON object.
        InvalidRequestError: Reasoning takes all of `max_tokens`.
    """
    refuse_parameters(request, _UNSUPPORTED, quirks, "Anthropic's format")
    changes: list[Change] = []
    system, turns = _conversation(request, changes)
    prefill = _add_prefill(turns, prefill_text(request, quirks), changes)
    if not turns:
        raise InvalidMessagesError(
            "messages hold system prompts only, which Anthropic's format sends separately: add a user message"
        )
    limit = request.parameters.get("max_tokens") or request.output_limit or MAX_TOKENS
    thinking = thinking_fields(request, turns, limit, changes)
    if not is_thinking_enabled(thinking):
        _drop_thinking_of_last_turn(turns[-1], changes)
    body: dict[str, Any] = {"model": request.model, "messages": turns}
    if system:
        body["system"] = system[0]["text"] if len(system) == 1 and len(system[0]) == 2 else system
    body |= _parameters(request, thinking_budget(thinking), changes)
    body |= thinking
    tools, choice = offered_tools(request, quirks, changes)
    check_thinking(body, choice, prefill)
    if tools:
        body["tools"] = [_tool(tool) for tool in tools]
        body |= _tool_choice(choice, one_call=request.parameters.get("parallel_tool_calls") is False)
    if (answer_schema := request.answer_schema) is not None:
        schema = {"type": "json_schema", "schema": answer_schema.schema}
        body["output_config"] = {**body.get("output_config", {}), "format": schema}
    if request.stream:
        body["stream"] = True
    headers = dict(_FILES_BETA) if _has_stored_file(turns) else {}
    return Encoded("/messages", body, headers, tuple(changes), prefill)


def _conversation(request: ChatRequest, changes: list[Change]) -> tuple[list[Block], list[Block]]:
    """Return the system blocks and the turns."""
    ids = CallIds(_INVALID_ID_CHARACTER, None, _ID_RULE, changes)
    return in_turns(
        request,
        lambda message, place: _blocks_of(message, request, place, ids, changes),
        lambda turn, blocks, place: _append_to_turn(turn, blocks, place, changes),
        changes,
    )


def _append_to_turn(turn: list[Block], blocks: list[Block], place: str, changes: list[Change]) -> None:
    """Add the blocks of a message to a turn. The API requires tool results to come first in it."""
    results = sum(block["type"] == "tool_result" for block in turn)
    if blocks[0]["type"] == "tool_result" and results < len(turn):
        changes.append(Change("merged", place, "tool results come first in the turn that follows the calls"))
        turn[results:results] = blocks
    else:
        turn += blocks


def _blocks_of(message: Message, request: ChatRequest, place: str, ids: CallIds, changes: list[Change]) -> list[Block]:
    """Return a message as content blocks, without empty texts, which the API rejects."""
    role, content = message["role"], message.get("content")
    if role == "tool":
        return [_tool_result(message, place, ids, changes)]
    parts = [{"type": "text", "text": content or ""}] if content is None or isinstance(content, str) else content
    blocks: list[Block] = []
    for index, part in enumerate(parts):
        part_place = f"{place}.content[{index}]"
        if part["type"] != "text" and role != "user":
            raise unsupported_part(part, part_place, f"Anthropic's format in a message of role {role!r}")
        if part["type"] != "text" or part["text"]:
            blocks.append(_block(part, part_place, changes))
    calls = message.get("tool_calls") or ()
    uses = [_tool_use(call, f"{place}.tool_calls[{index}]", ids) for index, call in enumerate(calls)]
    if not message.get("provider_state"):
        return blocks + uses
    pieces = [*([blocks] if blocks else []), *([use] for use in uses)]
    return with_state(pieces, own_state(message, request, place, changes), place, changes)


def _block(part: Mapping[str, Any], place: str, changes: list[Change]) -> Block:
    note_marks(part, place, changes, "cache_control")
    match part["type"]:
        case "text":
            block: Block = {"type": "text", "text": part["text"]}
        case "image_url":
            block = {"type": "image", "source": _source(part["image_url"]["url"])}
            note_detail(part, place, changes)
        case "file":
            block = _document(part, place, changes)
        case _:
            raise unsupported_part(part, place, "Anthropic's format")
    if part.get("cache_control"):
        block["cache_control"] = part["cache_control"]
    return block


def _source(url: str) -> Block:
    if (data := data_url(url)) is None:
        return {"type": "url", "url": url}
    return {"type": "base64", "media_type": data[0], "data": data[1]}


def _document(part: Mapping[str, Any], place: str, changes: list[Change]) -> Block:
    """Return a PDF or text file as a document block, and an image file as an image block."""
    file = as_mapping(part.get("file"))
    if file.get("file_id"):
        block: Block = {"type": "document", "source": {"type": "file", "file_id": file["file_id"]}}
    elif file.get("file_url"):
        block = {"type": "document", "source": {"type": "url", "url": file["file_url"]}}
    else:
        media_type, data = data_url(str(file.get("file_data") or "")) or ("", "")
        if media_type.startswith("image/"):
            if file.get("filename"):
                changes.append(Change("dropped", f"{place}.file.filename", "image blocks have no name"))
            return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
        if media_type.startswith("text/"):
            source: Block = {"type": "text", "media_type": "text/plain", "data": base64_text(data)}
        elif media_type == "application/pdf":
            source = {"type": "base64", "media_type": media_type, "data": data}
        else:
            raise UnsupportedError(
                f"{place}.file is {media_type or 'not a data URL'}: Anthropic's format takes PDF, texts and images. "
                f"Convert it, or leave it out"
            )
        block = {"type": "document", "source": source}
    return {**block, "title": file["filename"]} if file.get("filename") else block


def _has_stored_file(blocks: Sequence[Any]) -> bool:
    """Return whether a block or a nested one refers to a file stored at Anthropic, which needs a beta header."""
    return any(
        as_mapping(block.get("source")).get("type") == "file" or _has_stored_file(as_list(block.get("content")))
        for block in blocks
    )


def _tool_use(call: Mapping[str, Any], place: str, ids: CallIds) -> Block:
    return {
        "type": "tool_use",
        "id": ids.of_call(call["id"], f"{place}.id"),
        "name": call["function"]["name"],
        "input": json_object(call["function"]["arguments"], f"{place}.function"),
    }


def _tool_result(message: Message, place: str, ids: CallIds, changes: list[Change]) -> Block:
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        parts = ((index, part) for index, part in enumerate(content) if part.get("text") != "")
        content = [_block(part, f"{place}.content[{index}]", changes) for index, part in parts]
    result: Block = {
        "type": "tool_result",
        "tool_use_id": ids.of_result(message["tool_call_id"], f"{place}.tool_call_id"),
    }
    return {**result, "content": content} if content else result


def _add_prefill(turns: list[Block], prefill: str, changes: list[Change]) -> str:
    """Add the prefill as the end of a last assistant turn, where the API rejects trailing whitespace; return it."""
    text = trim_prefill(prefill, changes)
    last = turns[-1]["content"] if turns and turns[-1]["role"] == "assistant" else None
    if text and last is None:
        turns.append({"role": "assistant", "content": [{"type": "text", "text": text}]})
    elif text and last is not None:
        last.append({"type": "text", "text": text})
    elif last is not None:
        _trim_last_text(last, changes)
        if not last:
            turns.pop()
    return text


def _trim_last_text(blocks: list[Block], changes: list[Change]) -> None:
    last = blocks[-1]
    if last["type"] != "text" or last["text"] == last["text"].rstrip():
        return
    changes.append(Change("trimmed", "messages", "the API rejects whitespace at the end of an answer"))
    last["text"] = last["text"].rstrip()
    if not last["text"]:
        blocks.pop()


def _drop_thinking_of_last_turn(turn: Block, changes: list[Change]) -> None:
    """Remove thinking from a last assistant turn: the API rejects it there while thinking is disabled."""
    if turn["role"] != "assistant":
        return
    kept = [block for block in turn["content"] if block["type"] not in THINKING_BLOCKS]
    if len(kept) < len(turn["content"]):
        turn["content"] = kept
        changes.append(Change("dropped", "messages", "reasoning of the last message, because reasoning is off"))


def _parameters(request: ChatRequest, budget: int, changes: list[Change]) -> Block:
    """Return the fields of the parameters except reasoning, which takes `budget` tokens of the output."""
    skipped = ("parallel_tool_calls", "reasoning_effort", "reasoning_budget")  # sent in other fields
    given = {name: value for name, value in request.parameters.items() if name not in skipped}
    temperature = given.get("temperature")
    if temperature is not None and not 0 <= temperature <= 1:
        raise UnsupportedError(f"temperature must be between 0 and 1 for Anthropic's format; got {temperature}")
    if "max_tokens" not in given and "max_tokens" not in request.extra_body:
        given["max_tokens"] = limit = request.output_limit or MAX_TOKENS + budget
        changes.append(Change("defaulted", "max_tokens", f"the API requires a limit; {limit} was sent"))
    if (stop := given.pop("stop", None)) is not None:
        given["stop_sequences"] = stop_list(stop)
    if (user := given.pop("user", None)) is not None:
        given["metadata"] = {"user_id": user}
    return given


def _tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    if tool.get("type") != "function" or "function" not in tool:
        return tool
    function: Mapping[str, Any] = tool["function"]
    kept = {name: function[name] for name in ("name", "description", "strict") if function.get(name) is not None}
    if tool.get("cache_control"):
        kept["cache_control"] = tool["cache_control"]
    return {**kept, "input_schema": function.get("parameters") or EMPTY_SCHEMA}


_TOOL_CHOICES: Final = {"auto": "auto", "required": "any", "none": "none"}


def _tool_choice(choice: ToolChoice | None, *, one_call: bool) -> Block:
    """Return the `tool_choice` field, which also limits the model to one call per reply."""
    if choice is None:
        return {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}} if one_call else {}
    if not isinstance(choice, str):
        chosen: Mapping[str, Any] = choice
    elif choice in _TOOL_CHOICES:
        chosen = {"type": _TOOL_CHOICES[choice]}
    else:
        chosen = {"type": "tool", "name": choice}
    if one_call and chosen.get("type") != "none":
        chosen = {"disable_parallel_tool_use": True, **chosen}
    return {"tool_choice": chosen}
