"""Requests of Amazon Bedrock's Converse API.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. A conversation is alternating
turns of content blocks beside the system prompts. Parameters without a field in Converse go into
`additionalModelRequestFields`, under the names that the model's maker gives them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.bedrock import EVENT_STREAM, claude, path
from msgflux_like.dialects._shared.call_ids import CallIds
from msgflux_like.dialects._shared.claude import trim_prefill
from msgflux_like.dialects._shared.notes import note_marks
from msgflux_like.dialects._shared.parameters import (
    EMPTY_SCHEMA,
    offered_tools,
    prefill_text,
    refuse_parameters,
    stop_list,
)
from msgflux_like.dialects._shared.parts import json_object, json_text, unsupported_part
from msgflux_like.dialects._shared.provider_state import own_state, with_state
from msgflux_like.dialects._shared.turns import in_turns
from msgflux_like.dialects.anthropic_messages.request import MAX_TOKENS
from msgflux_like.dialects.anthropic_messages.thinking import check_thinking, thinking_fields
from msgflux_like.dialects.bedrock_converse.media import media_block, number_duplicate_names
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.request import Change, ChatRequest, Encoded, Message, Quirks, ToolChoice

HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = ("bedrock_converse", ("claude",))

_UNSUPPORTED: Final = frozenset({"seed", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "user"})
_INVALID_ID_CHARACTER: Final = re.compile(r"[^a-zA-Z0-9_.:-]")
_MAX_ID_LENGTH: Final = 64
_ID_RULE: Final = f"ids are unique and consist of at most {_MAX_ID_LENGTH} letters, digits and _ . : -"
_TOOL_CHOICES: Final[Mapping[str, str]] = {"auto": "auto", "required": "any"}

Block = dict[str, Any]


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """Return the request as Converse takes it.

    Raises:
        UnsupportedError: Converse has no field for a parameter or for a part of a message.
        InvalidMessagesError: There is no user or assistant message, or the arguments of a call are not a JSON object.
        InvalidRequestError: Reasoning takes all of `max_tokens`.
    """
    refuse_parameters(request, _UNSUPPORTED, quirks, "Amazon Bedrock's Converse")
    changes: list[Change] = []
    tools, extra_fields = _tools(request, quirks, changes)
    system, turns = _conversation(request, changes, calls_as_text=tools is None)
    prefill = _add_prefill(
        turns, prefill_text(replace(request, base_model=claude(request.known_as) or request.known_as), quirks), changes
    )
    if not turns:
        raise InvalidMessagesError(
            "messages hold system prompts only, which Converse sends separately: add a user message"
        )
    number_duplicate_names(turns, changes)
    body: dict[str, Any] = {"messages": turns}
    if system:
        body["system"] = system
    if inference := _inference_config(request):
        body["inferenceConfig"] = inference
    if tools:
        body["toolConfig"] = tools
    if claude(request.known_as):
        extra_fields |= _claude_fields(request, turns, prefill, changes)
    else:
        extra_fields |= _maker_fields(request)
    if extra_fields:
        body["additionalModelRequestFields"] = extra_fields
    if (answer_schema := request.answer_schema) is not None:
        schema = {"name": answer_schema.name, "schema": json_text(answer_schema.schema)}
        if answer_schema.description:
            schema["description"] = answer_schema.description
        body["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}
    action = "converse-stream" if request.stream else "converse"
    headers = dict(EVENT_STREAM) if request.stream else {}
    return Encoded(path(request.model, action), body, headers, tuple(changes), prefill)


# --------------------------------------------------------------------------------------------------------- messages


def _conversation(
    request: ChatRequest, changes: list[Change], *, calls_as_text: bool
) -> tuple[list[Block], list[Block]]:
    """Return the system blocks and the turns."""
    ids = CallIds(_INVALID_ID_CHARACTER, _MAX_ID_LENGTH, _ID_RULE, changes)

    def encode_message(message: Message, place: str) -> list[Block]:
        blocks = _blocks_of(message, request, place, ids, changes)
        return [_as_text(block) for block in blocks] if calls_as_text else blocks

    return in_turns(
        request, encode_message, lambda turn, blocks, place: _append_to_turn(turn, blocks, place, changes), changes
    )


def _append_to_turn(turn: list[Block], blocks: list[Block], place: str, changes: list[Change]) -> None:
    """Add the blocks of a message to a turn. Tool results come first in it, each with its cache point."""
    if "toolResult" not in blocks[0]:
        turn += blocks
        return
    results = next((n for n, block in enumerate(turn) if not block.keys() & {"toolResult", "cachePoint"}), len(turn))
    if results < len(turn):
        changes.append(Change("merged", place, "tool results come first in the turn that follows the calls"))
    turn[results:results] = blocks


def _blocks_of(message: Message, request: ChatRequest, place: str, ids: CallIds, changes: list[Change]) -> list[Block]:
    """Return a message as content blocks."""
    role, content = message["role"], message.get("content")
    if role == "tool":
        return _tool_result(message, place, ids, changes)
    parts = [{"type": "text", "text": content or ""}] if content is None or isinstance(content, str) else content
    blocks: list[Block] = []
    for index, part in enumerate(parts):
        part_place = f"{place}.content[{index}]"
        if part["type"] != "text" and role != "user":
            raise unsupported_part(part, part_place, f"Amazon Bedrock's Converse in a message of role {role!r}")
        blocks += _part(part, part_place, changes)
    if role != "assistant":
        return blocks
    calls = enumerate(message.get("tool_calls") or ())
    pieces = [[_tool_use(call, f"{place}.tool_calls[{index}]", ids)] for index, call in calls]
    if any(part["text"] for part in parts):
        pieces.insert(0, blocks)
    state = own_state(message, request, place, changes)
    reasoning = {
        after: [(kind, {"reasoningContent": {kind: raw}}) for kind, raw in found] for after, found in state.items()
    }
    return with_state(pieces, reasoning, place, changes)


def _part(part: Mapping[str, Any], place: str, changes: list[Change]) -> list[Block]:
    """Return the block of a part, followed by its cache point. Blank texts, which the API rejects, are left out."""
    note_marks(part, place, changes, "cache_control")
    if part["type"] != "text":
        return [media_block(part, place, changes), *_cache_point(part)]
    if part["text"].strip():
        return [{"text": part["text"]}, *_cache_point(part)]
    if part["text"] or part.get("cache_control"):
        changes.append(Change("dropped", place, "the API rejects blank texts"))
    return []


def _cache_point(part: Mapping[str, Any]) -> list[Block]:
    """Return the block that marks the end of what is cached; other formats mark the part itself."""
    if not (control := part.get("cache_control")):
        return []
    ttl = as_mapping(control).get("ttl")
    return [{"cachePoint": {"type": "default", **({"ttl": ttl} if ttl else {})}}]


def _tool_use(call: Mapping[str, Any], place: str, ids: CallIds) -> Block:
    return {
        "toolUse": {
            "toolUseId": ids.of_call(call["id"], f"{place}.id"),
            "name": call["function"]["name"],
            "input": json_object(call["function"]["arguments"], f"{place}.function"),
        }
    }


def _tool_result(message: Message, place: str, ids: CallIds, changes: list[Change]) -> list[Block]:
    """Return a tool result, followed by the last cache point in it."""
    content = message.get("content") or ()
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    blocks = [block for index, part in enumerate(parts) for block in _part(part, f"{place}.content[{index}]", changes)]
    inner = [block for block in blocks if "cachePoint" not in block]
    id_ = ids.of_result(message["tool_call_id"], f"{place}.tool_call_id")
    points = [block for block in blocks if "cachePoint" in block]
    return [{"toolResult": {"toolUseId": id_, "content": inner}}, *points[-1:]]


def _as_text(block: Block) -> Block:
    """Return a call or a tool result as text: without tools the API rejects both."""
    if use := block.get("toolUse"):
        return {"text": f"[called {use['name']} with {json_text(use['input'])}]"}
    if (result := block.get("toolResult")) is None:
        return block
    if any("text" not in each for each in result["content"]):
        raise UnsupportedError(
            "a tool result holds more than text, which Converse takes only together with tools: pass tool_schemas"
        )
    return {"text": f"[the result: {' '.join(each['text'] for each in result['content'])}]"}


def _add_prefill(turns: list[Block], prefill: str, changes: list[Change]) -> str:
    """Add the prefill as the end of a last assistant turn, where the API rejects trailing whitespace; return it."""
    text = trim_prefill(prefill, changes)
    if text and (not turns or turns[-1]["role"] != "assistant"):
        turns.append({"role": "assistant", "content": []})
    if text:
        turns[-1]["content"].append({"text": text})
    elif turns and turns[-1]["role"] == "assistant" and (last := turns[-1]["content"][-1]).get("text"):
        if last["text"] != last["text"].rstrip():
            changes.append(Change("trimmed", "messages", "the API rejects whitespace at the end of an answer"))
        last["text"] = last["text"].rstrip()
    return text


# ----------------------------------------------------------------------------------------------- tools and parameters


def _tools(request: ChatRequest, quirks: Quirks, changes: list[Change]) -> tuple[Block | None, Block]:
    """Return `toolConfig` and the fields of the tool choice for which Converse has none but the model's maker has.

    `toolConfig` is {} without tools, and None if the calls of the conversation have to be sent as text.
    """
    tools, choice = offered_tools(request, quirks, changes)
    if not tools or choice == "none":
        return _tools_not_to_call(request, tools, changes)
    config: Block = {"tools": _specifications(tools)}
    if request.parameters.get("parallel_tool_calls") is not False:
        return config if choice is None else {**config, "toolChoice": _tool_choice(choice)}, {}
    if not claude(request.known_as) and isinstance(choice, str) and choice not in _TOOL_CHOICES:
        changes.append(Change("dropped", "parallel_tool_calls", "no field limits how often the tool is called"))
        return {**config, "toolChoice": _tool_choice(choice)}, {}
    if not claude(request.known_as):
        raise UnsupportedError("parallel_tool_calls=False: Converse has no such field for this model. Leave it out")
    return config, {"tool_choice": {**_claude_tool_choice(choice), "disable_parallel_tool_use": True}}


def _tools_not_to_call(
    request: ChatRequest, tools: tuple[Mapping[str, Any], ...], changes: list[Change]
) -> tuple[Block | None, Block]:
    """Return the same for a reply that must not call tools, a choice that Converse does not have.

    A conversation with calls requires tools. Claude gets them with its own choice "none". Other models could call
    them, so the earlier calls of the conversation are sent as text.
    """
    called = _called_tools(request)
    if not called:
        if tools:
            changes.append(Change("emulated", "tool_choice", 'the tools are not sent: Converse has no choice "none"'))
        return {}, {}
    if not claude(request.known_as):
        changes.append(
            Change(
                "emulated",
                "messages",
                "calls are sent as text: Converse takes them only together with tools",
            )
        )
        return None, {}
    if not tools:
        changes.append(
            Change(
                "emulated",
                "tool_schemas",
                "tools called earlier: Converse takes calls only with tools",
            )
        )
        tools = tuple({"type": "function", "function": {"name": name}} for name in called)
    return {"tools": _specifications(tools)}, {"tool_choice": {"type": "none"}}


def _called_tools(request: ChatRequest) -> tuple[str, ...]:
    """Return the names of the tools called in the conversation, without duplicates."""
    calls = (call for message in request.messages for call in message.get("tool_calls") or ())
    return tuple(dict.fromkeys(call["function"]["name"] for call in calls))


def _specifications(tools: tuple[Mapping[str, Any], ...]) -> list[Mapping[str, Any]]:
    """Return the tools, each followed by its cache point. Tools that are not functions are sent unchanged."""
    found: list[Mapping[str, Any]] = []
    for tool in tools:
        if tool.get("type") != "function" or "function" not in tool:
            found.append(tool)
            continue
        function: Mapping[str, Any] = tool["function"]
        spec: Block = {"name": function["name"]}
        spec |= {name: function[name] for name in ("description", "strict") if function.get(name)}
        spec["inputSchema"] = {"json": function.get("parameters") or EMPTY_SCHEMA}
        found += [{"toolSpec": spec}, *_cache_point(tool)]
    return found


def _tool_choice(choice: ToolChoice) -> Mapping[str, Any]:
    if not isinstance(choice, str):
        return choice
    return {_TOOL_CHOICES[choice]: {}} if choice in _TOOL_CHOICES else {"tool": {"name": choice}}


def _claude_tool_choice(choice: ToolChoice | None) -> Mapping[str, Any]:
    """Return the tool choice as Anthropic's own format has it."""
    if choice is not None and not isinstance(choice, str):
        return choice
    name = choice or "auto"
    return {"type": _TOOL_CHOICES[name]} if name in _TOOL_CHOICES else {"type": "tool", "name": name}


def _inference_config(request: ChatRequest) -> Block:
    given = request.parameters
    temperature = given.get("temperature")
    if temperature is not None and not 0 <= temperature <= 1:
        raise UnsupportedError(f"temperature must be between 0 and 1 for Amazon Bedrock's Converse; got {temperature}")
    fields = {"max_tokens": "maxTokens", "temperature": "temperature", "top_p": "topP"}
    config: Block = {field: given[name] for name, field in fields.items() if name in given}
    if (stop := given.get("stop")) is not None:
        config["stopSequences"] = stop_list(stop)
    return config


def _claude_fields(request: ChatRequest, turns: list[Block], prefill: str, changes: list[Change]) -> Block:
    """Return the parameters without a field in Converse, as fields of Anthropic's own format."""
    given = request.parameters
    limit = given.get("max_tokens") or request.output_limit or MAX_TOKENS
    thinking = thinking_fields(request, [_block_types_as_anthropic(turn) for turn in turns], limit, changes)
    check_thinking({**given, **thinking}, request.tool_choice, prefill)
    fields: Block = {"top_k": given["top_k"]} if "top_k" in given else {}
    if "output_config" in thinking and claude(request.known_as).startswith("claude-opus-4-5"):
        fields["anthropic_beta"] = ["effort-2025-11-24"]  # the first model with efforts
    return fields | thinking


def _block_types_as_anthropic(turn: Block) -> Block:
    """Return a turn of which only the types of its blocks are left, as Anthropic's format names them."""
    kinds = {"toolResult": "tool_result", "reasoningContent": "thinking"}
    return {**turn, "content": [{"type": kinds.get(next(iter(block)), "other")} for block in turn["content"]]}


def _maker_fields(request: ChatRequest) -> Block:
    """Return the parameters without a field in Converse, as fields of a maker other than Anthropic."""
    fields: Block = {}
    given, model = request.parameters, request.known_as
    if (top_k := given.get("top_k")) is not None:
        fields = {"inferenceConfig": {"topK": top_k}} if "amazon.nova" in model else {"top_k": top_k}
    effort, budget = given.get("reasoning_effort"), given.get("reasoning_budget")
    if budget:
        raise UnsupportedError(
            f"reasoning_budget: {model} takes no number of tokens on Amazon Bedrock. Use reasoning_effort"
        )
    effort = "none" if effort is None and budget == 0 else effort
    return fields if effort is None else fields | _effort_fields(model, effort)


def _effort_fields(model: str, effort: str) -> Block:
    """Return the fields of a reasoning effort.

    Source: https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html.
    """
    if "amazon.nova" in model:
        off = effort == "none"
        return {"reasoningConfig": {"type": "disabled"} if off else {"type": "enabled", "maxReasoningEffort": effort}}
    if "openai." in model and "gpt-oss" not in model:  # GPT-5.6 and later answer `reasoning_effort` with HTTP 400
        return {"reasoning": {"effort": effort}}
    return {"reasoning_effort": effort}
