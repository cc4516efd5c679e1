"""Requests in Anthropic's Messages format.

Source: https://docs.anthropic.com/en/api/messages. A conversation is alternating turns of the user and the assistant,
each a list of content blocks. System prompts are a field beside the turns, tool results are blocks of the user's turn
that follows the calls, and a prefill is a last assistant turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgflux_like._json import as_list, as_mapping
from msgflux_like.dialects._shared import claude
from msgflux_like.dialects._shared.notes import note_unknown
from msgflux_like.dialects._shared.parameters import (
    EMPTY_SCHEMA,
    offered_tools,
    prefill_text,
    refuse_parameters,
    stop_list,
)
from msgflux_like.dialects.anthropic_messages.messages import conversation
from msgflux_like.dialects.anthropic_messages.thinking import (
    THINKING_BLOCKS,
    check_thinking,
    is_thinking_enabled,
    thinking_budget,
    thinking_fields,
)
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.request import Change, ChatRequest, Encoded, Quirks, ToolChoice

AUTH: Final = ("x-api-key", "")
HEADERS: Final[Mapping[str, str]] = {"anthropic-version": "2023-06-01"}
STATE: Final = ("anthropic", ("claude",))

MAX_TOKENS: Final = 4096
"""Output limit, in tokens, if neither the call nor the catalogue has one: the API requires the field."""

_UNSUPPORTED: Final = frozenset({"seed", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs"})
_FILES_BETA: Final = {"anthropic-beta": "files-api-2025-04-14"}
# Source: https://docs.anthropic.com/en/api/messages, fields of `tools`.
_TOOL_FIELDS: Final = frozenset(
    {"strict", "cache_control", "defer_loading", "allowed_callers", "input_examples", "eager_input_streaming"}
)

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
    system, turns, container = conversation(request, changes)
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
        body["tools"] = [_tool(tool, changes) for tool in tools]
        body |= _tool_choice(choice, one_call=request.parameters.get("parallel_tool_calls") is False)
    if (answer_schema := request.answer_schema) is not None:
        schema = {"type": "json_schema", "schema": answer_schema.schema}
        body["output_config"] = {**body.get("output_config", {}), "format": schema}
    if container and "container" not in request.extra_body:
        body["container"] = container
    if request.stream:
        body["stream"] = True
    headers = dict(_FILES_BETA) if _has_stored_file(turns) else {}
    return Encoded("/messages", body, headers, tuple(changes), prefill)


def _has_stored_file(blocks: Sequence[Any]) -> bool:
    """Return whether a block or a nested one refers to a file stored at Anthropic, which needs a beta header."""
    return any(
        as_mapping(block.get("source")).get("type") == "file" or _has_stored_file(as_list(block.get("content")))
        for block in map(as_mapping, blocks)
    )


def _add_prefill(turns: list[Block], prefill: str, changes: list[Change]) -> str:
    """Add the prefill as the end of a last assistant turn, where the API rejects trailing whitespace; return it."""
    text = claude.trim_prefill(prefill, changes)
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


def _tool(tool: Mapping[str, Any], changes: list[Change]) -> Mapping[str, Any]:
    """Return a function with the fields that Anthropic has, beside or inside it; other tools are sent as they are."""
    if tool.get("type") != "function" or "function" not in tool:
        return tool
    function: Mapping[str, Any] = tool["function"]
    place = f"tools.{function['name']}"
    if len(tool) > 2:
        note_unknown(tool, _TOOL_FIELDS | {"type", "function"}, place, changes, "a tool")
    note_unknown(function, _TOOL_FIELDS | {"name", "description", "parameters"}, place, changes, "a function")
    kept = {name: function[name] for name in ("name", "description") if function.get(name) is not None}
    for fields in (function, tool):
        kept |= {name: fields[name] for name in _TOOL_FIELDS.intersection(fields) if fields[name] is not None}
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
