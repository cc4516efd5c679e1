"""Anthropic's Messages format, as Anthropic and those who copy it (MiniMax, Kimi, Z.ai, llama.cpp) speak it.

Source: https://docs.anthropic.com/en/api/messages. A conversation is alternating turns of content blocks; system
texts, tool results and the beginning of an answer have places of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgflux_like._json import as_list, as_mapping
from msgflux_like.dialects._shared.call_ids import CallIds
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
from msgflux_like.dialects.anthropic_messages import thinking as _anthropic_thinking
from msgflux_like.dialects.anthropic_messages.reply import decode, decoder, refusal
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.request import Change, ChatRequest, Encoded, Message, Quirks, ToolChoice

__all__ = ["AUTH", "HEADERS", "MAX_TOKENS", "STATE", "decode", "decoder", "encode", "refusal"]

AUTH: Final = ("x-api-key", "")
HEADERS: Final[Mapping[str, str]] = {"anthropic-version": "2023-06-01"}
STATE: Final = ("anthropic", ("claude",))

MAX_TOKENS: Final = 4096
"""Sent where neither the call nor the catalogue says how much the model may write: the API demands a limit."""


_NO_WORDS: Final = frozenset({"seed", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs"})
_FILES_BETA: Final = {"anthropic-beta": "files-api-2025-04-14"}
_NOT_OF_AN_ID: Final = re.compile(r"[^a-zA-Z0-9_-]")
_IDS: Final = "an id holds letters, digits, _ and -, and is there once"

Block = dict[str, Any]


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """See `Dialect`."""
    refuse_parameters(request, _NO_WORDS, quirks, "Anthropic's format")
    changes: list[Change] = []
    system, turns = _conversation(request, changes)
    prefill = _prefill(turns, prefill_text(request, quirks), changes)
    if not turns:
        raise InvalidMessagesError("there is no message to answer: Anthropic's format takes system texts apart")
    limit = request.parameters.get("max_tokens") or request.output_limit or MAX_TOKENS
    thinking = _anthropic_thinking.told(request, turns, limit, changes)
    _end(turns, thinking, changes)
    body: dict[str, Any] = {"model": request.model, "messages": turns}
    if system:
        body["system"] = system[0]["text"] if len(system) == 1 and len(system[0]) == 2 else system
    body |= _parameters(request, _anthropic_thinking.budget_in(thinking), changes)
    body |= thinking
    tools, choice = offered_tools(request, quirks, changes)
    _anthropic_thinking.check(body, choice, prefill)
    if tools:
        body["tools"] = [_tool(tool) for tool in tools]
        body |= _tool_choice(choice, one_call=request.parameters.get("parallel_tool_calls") is False)
    if (answer_schema := request.answer_schema) is not None:
        schema = {"type": "json_schema", "schema": answer_schema.schema}
        body["output_config"] = {**body.get("output_config", {}), "format": schema}
    if request.stream:
        body["stream"] = True
    headers = dict(_FILES_BETA) if _holds_file(turns) else {}
    return Encoded("/messages", body, headers, tuple(changes), prefill)


def _conversation(request: ChatRequest, changes: list[Change]) -> tuple[list[Block], list[Block]]:
    """The system texts, and all else in turns, as the API itself reads them."""
    ids = CallIds(_NOT_OF_AN_ID, None, _IDS, changes)
    return in_turns(
        request,
        lambda message, place: _blocks(message, request, place, ids, changes),
        lambda turn, blocks, place: _append(turn, blocks, place, changes),
        changes,
    )


def _append(turn: list[Block], blocks: list[Block], place: str, changes: list[Change]) -> None:
    """Add a message to a turn. The results of tools come first in it, or the API misses them."""
    results = sum(block["type"] == "tool_result" for block in turn)
    if blocks[0]["type"] == "tool_result" and results < len(turn):
        changes.append(Change("merged", place, "the results of tools come first in the turn that follows the calls"))
        turn[results:results] = blocks
    else:
        turn += blocks


def _blocks(message: Message, request: ChatRequest, place: str, ids: CallIds, changes: list[Change]) -> list[Block]:
    """One message as content blocks. Empty texts say nothing and are refused, so they are left out."""
    role, content = message["role"], message.get("content")
    if role == "tool":
        return [_result(message, place, ids, changes)]
    parts = [{"type": "text", "text": content or ""}] if content is None or isinstance(content, str) else content
    blocks: list[Block] = []
    for index, part in enumerate(parts):
        where = f"{place}.content[{index}]"
        if part["type"] != "text" and role != "user":
            raise unsupported_part(part, where, f"Anthropic's format in a message of role {role!r}")
        if part["type"] != "text" or part["text"]:
            blocks.append(_block(part, where, changes))
    calls = message.get("tool_calls") or ()
    uses = [_use(call, f"{place}.tool_calls[{index}]", ids) for index, call in enumerate(calls)]
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
    """A PDF or a text; an image that came as a file is an image here."""
    file = as_mapping(part.get("file"))
    if file.get("file_id"):
        block: Block = {"type": "document", "source": {"type": "file", "file_id": file["file_id"]}}
    elif file.get("file_url"):
        block = {"type": "document", "source": {"type": "url", "url": file["file_url"]}}
    else:
        media_type, data = data_url(str(file.get("file_data") or "")) or ("", "")
        if media_type.startswith("image/"):
            if file.get("filename"):
                changes.append(Change("dropped", f"{place}.file.filename", "images have no names here"))
            return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
        if media_type.startswith("text/"):
            source: Block = {"type": "text", "media_type": "text/plain", "data": base64_text(data)}
        elif media_type == "application/pdf":
            source = {"type": "base64", "media_type": media_type, "data": data}
        else:
            raise UnsupportedError(
                f"{place}.file holds {media_type or 'no data URL'}: Anthropic's format takes PDF, texts and images"
            )
        block = {"type": "document", "source": source}
    return {**block, "title": file["filename"]} if file.get("filename") else block


def _holds_file(blocks: Sequence[Any]) -> bool:
    """Whether a block, or one inside it, is a file that lies at Anthropic's: a beta that a request must ask for."""
    return any(
        as_mapping(block.get("source")).get("type") == "file" or _holds_file(as_list(block.get("content")))
        for block in blocks
    )


def _use(call: Mapping[str, Any], place: str, ids: CallIds) -> Block:
    return {
        "type": "tool_use",
        "id": ids.of_call(call["id"], f"{place}.id"),
        "name": call["function"]["name"],
        "input": json_object(call["function"]["arguments"], f"{place}.function"),
    }


def _result(message: Message, place: str, ids: CallIds, changes: list[Change]) -> Block:
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        said = ((index, part) for index, part in enumerate(content) if part.get("text") != "")
        content = [_block(part, f"{place}.content[{index}]", changes) for index, part in said]
    result: Block = {
        "type": "tool_result",
        "tool_use_id": ids.of_result(message["tool_call_id"], f"{place}.tool_call_id"),
    }
    return {**result, "content": content} if content else result


def _prefill(turns: list[Block], prefill: str, changes: list[Change]) -> str:
    """Put the beginning of the answer last. The API refuses white space at the end of a last assistant turn."""
    text = prefill.rstrip()
    if text != prefill:
        changes.append(Change("trimmed", "prefill", "white space at its end, which the API refuses"))
    last = turns[-1]["content"] if turns and turns[-1]["role"] == "assistant" else None
    if text and last is None:
        turns.append({"role": "assistant", "content": [{"type": "text", "text": text}]})
    elif text and last is not None:
        last.append({"type": "text", "text": text})
    elif last is not None:
        _trim(last, changes)
        if not last:
            turns.pop()
    return text


def _trim(blocks: list[Block], changes: list[Change]) -> None:
    last = blocks[-1]
    if last["type"] != "text" or last["text"] == last["text"].rstrip():
        return
    changes.append(Change("trimmed", "messages", "white space at the end of the last message, which the API refuses"))
    last["text"] = last["text"].rstrip()
    if not last["text"]:
        blocks.pop()


def _end(turns: list[Block], thinking: Block, changes: list[Change]) -> None:
    """Take the thoughts out of an answer that is to be continued without any: the API refuses them there."""
    last = turns[-1]
    if last["role"] != "assistant" or _anthropic_thinking.is_on(thinking):
        return
    kept = [block for block in last["content"] if block["type"] not in _anthropic_thinking.THOUGHTS]
    if len(kept) < len(last["content"]):
        last["content"] = kept
        changes.append(Change("dropped", "messages", "the reasoning of the last message, which is continued without"))


def _parameters(request: ChatRequest, budget: int, changes: list[Change]) -> Block:
    """All but what steers reasoning; `budget` is what that takes of the output, in tokens."""
    skipped = ("parallel_tool_calls", "reasoning_effort", "reasoning_budget")  # said in other fields
    given = {name: value for name, value in request.parameters.items() if name not in skipped}
    temperature = given.get("temperature")
    if temperature is not None and not 0 <= temperature <= 1:
        raise UnsupportedError(f"temperature is {temperature}: Anthropic's format takes 0 to 1")
    if "max_tokens" not in given and "max_tokens" not in request.extra_body:
        given["max_tokens"] = most = request.output_limit or MAX_TOKENS + budget
        changes.append(Change("defaulted", "max_tokens", f"the API demands a limit; {most} was sent"))
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


_CHOICE: Final = {"auto": "auto", "required": "any", "none": "none"}


def _tool_choice(choice: ToolChoice | None, *, one_call: bool) -> Block:
    """The field of that name, which also holds the wish for one call at a time."""
    if choice is None:
        return {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}} if one_call else {}
    if not isinstance(choice, str):
        chosen: Mapping[str, Any] = choice
    elif choice in _CHOICE:
        chosen = {"type": _CHOICE[choice]}
    else:
        chosen = {"type": "tool", "name": choice}
    if one_call and chosen.get("type") != "none":
        chosen = {"disable_parallel_tool_use": True, **chosen}
    return {"tool_choice": chosen}
