"""Requests of Amazon Bedrock's Converse API.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. A conversation is alternating
turns of content blocks beside the system prompts. Parameters without a field in Converse go into
`additionalModelRequestFields`, under the names that the model's maker gives them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from msgflux_like._json import as_mapping
from msgflux_like.catalog.model_names import is_opaque
from msgflux_like.dialects._shared.bedrock import EVENT_STREAM, beta_names, claude, path
from msgflux_like.dialects._shared.call_ids import CallIds
from msgflux_like.dialects._shared.claude import TEXT_FIELDS, cite_end, trim_prefill
from msgflux_like.dialects._shared.notes import note_marks, note_unknown
from msgflux_like.dialects._shared.parameters import (
    EMPTY_SCHEMA,
    offered_tools,
    prefill_text,
    refuse_parameters,
    stop_list,
)
from msgflux_like.dialects._shared.parts import json_object, json_text, unsupported_part
from msgflux_like.dialects._shared.provider_state import InsideText, own_state, split_text, with_state
from msgflux_like.dialects._shared.turns import OF_A_MESSAGE, in_turns
from msgflux_like.dialects.anthropic_messages.history import NO_RESULT
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
_BLANK: Final = "the API rejects blank texts"
_BEGINNING: Final = "[The conversation begins with an answer.]"
_SERVER_TOOL: Final = "server_tool_use"
_REASONING: Final = frozenset({"reasoningText", "redactedContent"})
_MAKER_PARAMETERS: Final = ("top_k", "reasoning_effort", "reasoning_budget")
_MESSAGE_FIELDS: Final = OF_A_MESSAGE | {"cache_control", "is_error"}
_CALL_FIELDS: Final = frozenset({"id", "type", "function", "cache_control"})
_SPEC_FIELDS: Final = ("description", "strict")
_TOOL_FIELDS: Final = frozenset({"type", "function", "cache_control", "strict"})
_FUNCTION_FIELDS: Final = frozenset({"name", "description", "parameters", "strict", "cache_control"})
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
    _complete_tool_use(turns, request.known_as, changes)
    _begin_with_user(turns, changes)
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
        if betas := beta_names(",".join(extra_fields.get("anthropic_beta", ())), request.extra_headers):
            extra_fields["anthropic_beta"] = betas
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
        request,
        encode_message,
        lambda turn, blocks, place: _append_to_turn(turn, blocks, place, changes),
        changes,
        _MESSAGE_FIELDS,
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


def _complete_tool_use(turns: list[Block], model: str, changes: list[Change]) -> None:
    """Add an error as the result of each call without one, which the API rejects.

    Uses of server tools without a result are dropped where they cannot be resumed.
    """
    for index, turn in enumerate(turns):
        uses = [block["toolUse"] for block in turn["content"] if "toolUse" in block]
        following: list[Block] = turns[index + 1]["content"] if index + 1 < len(turns) else []
        if not uses or not following:
            continue
        rest = [block for each in turns[index:] for block in each["content"]]
        results = {block["toolResult"].get("toolUseId") for block in rest if "toolResult" in block}
        missing = [use for use in uses if use.get("toolUseId") not in results]
        calls = [use["toolUseId"] for use in missing if use.get("type") != _SERVER_TOOL]
        following[:0] = [
            {"toolResult": {"toolUseId": call, "content": [{"text": NO_RESULT}], **_error_status(model)}}
            for call in calls
        ]
        changes.extend(
            Change("emulated", "messages", f"an error was sent as the result of the call {call}, which has none")
            for call in calls
        )
        if len(calls) < len(missing) and not all("toolResult" in block for block in following):
            cut = [use for use in missing if use.get("type") == _SERVER_TOOL]
            turn["content"] = [block for block in turn["content"] if block.get("toolUse") not in cut]
            changes.append(Change("dropped", "messages", "a use of a server tool without a result"))


def _error_status(model: str) -> Block:
    """Return the field that marks a result as an error; models of other makers reject it."""
    return {"status": "error"} if claude(model) or "amazon.nova" in model else {}


def _begin_with_user(turns: list[Block], changes: list[Change]) -> None:
    """Put a turn of the user before a conversation that begins with an answer, which the API rejects."""
    if turns and turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [{"text": _BEGINNING}]})
        changes.append(Change("emulated", "messages", f"{_BEGINNING} was put first: the API rejects an answer there"))


def _blocks_of(message: Message, request: ChatRequest, place: str, ids: CallIds, changes: list[Change]) -> list[Block]:
    """Return a message as content blocks."""
    role, content = message["role"], message.get("content")
    if len(message) == 2 and isinstance(content, str) and content.strip():  # nearly all messages
        return [{"text": content}]
    if role == "tool":
        return _tool_result(message, request.known_as, place, ids, changes)
    if message.get("is_error") is not None:
        changes.append(Change("dropped", f"{place}.is_error", "only tool results have such a field here"))
    parts = [{"type": "text", "text": content or ""}] if content is None or isinstance(content, str) else content
    for index, part in enumerate(parts):
        if part["type"] != "text" and role != "user":
            where = f"Amazon Bedrock's Converse in a message of role {role!r}"
            raise unsupported_part(part, f"{place}.content[{index}]", where)
    if role != "assistant":
        return [*_parts(parts, place, changes), *_cache_point(message)]
    return [*_answer(message, parts, request, place, ids, changes), *_cache_point(message)]


def _parts(parts: Sequence[Mapping[str, Any]], place: str, changes: list[Change]) -> list[Block]:
    return [block for index, part in enumerate(parts) for block in _part(part, f"{place}.content[{index}]", changes)]


def _answer(  # noqa: PLR0917  what all parts of a message need
    message: Message,
    parts: Sequence[Mapping[str, Any]],
    request: ChatRequest,
    place: str,
    ids: CallIds,
    changes: list[Change],
) -> list[Block]:
    """Return an answer block by block in the order in which it came."""
    inside: list[InsideText] = []
    state = own_state(message, request, place, changes, inside)
    _drop_malformed(state, inside, place, changes)
    for after, entries in state.items():
        inside += [InsideText(sys.maxsize, kind, raw) for kind, raw in entries if kind == TEXT_FIELDS]
        state[after] = [entry for entry in entries if entry[0] != TEXT_FIELDS]
    pieces: list[list[Block]] = []
    if any(part["text"] for part in parts):
        pieces.append(_text_with_state(parts, inside, place, changes))
    for index, call in enumerate(message.get("tool_calls") or ()):
        pieces.append([_tool_use(call, f"{place}.tool_calls[{index}]", ids, changes), *_cache_point(call)])
    blocks = {after: [(kind, _state_block(kind, raw)) for kind, raw in found] for after, found in state.items()}
    kinds = frozenset(kind for found in state.values() for kind, _ in found)
    return with_state(pieces, blocks, place, changes, may_end=kinds - _REASONING)


def _drop_malformed(
    state: dict[int, list[tuple[str, Any]]], inside: list[InsideText], place: str, changes: list[Change]
) -> None:
    """Remove state that is no block, because the caller changed it."""
    before = len(inside) + sum(map(len, state.values()))
    inside[:] = [each for each in inside if _is_block(each.kind, each.raw)]
    for after, entries in state.items():
        state[after] = [entry for entry in entries if _is_block(*entry)]
    if len(inside) + sum(map(len, state.values())) < before:
        changes.append(Change("dropped", f"{place}.provider_state", "state that is no block of the API"))


def _is_block(kind: str, raw: Any) -> bool:
    if kind == "toolUse":
        return isinstance(as_mapping(raw).get("toolUseId"), str) and as_mapping(raw).get("type") == _SERVER_TOOL
    if kind == "toolResult":
        fields = as_mapping(raw)
        content = fields.get("content")
        return isinstance(fields.get("toolUseId"), str) and isinstance(content, list)
    return kind != "text"


def _state_block(kind: str, raw: Any) -> Block:
    return {"reasoningContent": {kind: raw}} if kind in _REASONING else {kind: raw}


def _text_with_state(
    parts: Sequence[Mapping[str, Any]], inside: list[InsideText], place: str, changes: list[Change]
) -> list[Block]:
    """Return the text of an answer as the blocks in which it came, with the blocks that came between them."""
    if not inside:
        return _parts(parts, place, changes)
    if len(parts) > 1 or len(parts[0]) > 2:  # given in parts by the caller, whose marks stay with them
        if any(each.kind == TEXT_FIELDS for each in inside):
            changes.append(Change("dropped", f"{place}.provider_state", "citations of a text that was given in parts"))
        found = _parts(parts, place, changes)
        return [*found, *(_state_block(each.kind, each.raw) for each in inside if each.kind != TEXT_FIELDS)]
    blocks: list[Block] = []
    for each in split_text(parts[0]["text"], inside):
        if isinstance(each, str):
            blocks.append({"text": each})
        elif each.kind == TEXT_FIELDS:
            if not cite_end(blocks, as_mapping(each.raw), _cited_block):
                changes.append(Change("dropped", f"{place}.provider_state", "citations of a text that was changed"))
        else:
            blocks.append(_state_block(each.kind, each.raw))
    sent = [block for block in blocks if block.get("text") is None or block["text"].strip()]
    if len(sent) < len(blocks):
        changes.append(Change("dropped", f"{place}.content", _BLANK))
    return sent


def _cited_block(text: str, citations: list[Any]) -> Block:
    return {"citationsContent": {"content": [{"text": text}], "citations": citations}}


def _part(part: Mapping[str, Any], place: str, changes: list[Change]) -> list[Block]:
    """Return the block of a part, followed by its cache point. Blank texts, which the API rejects, are left out."""
    if part["type"] != "text":
        return [media_block(part, place, changes), *_cache_point(part)]
    note_marks(part, place, changes, "cache_control")
    if part["text"].strip():
        return [{"text": part["text"]}, *_cache_point(part)]
    if part["text"] or part.get("cache_control"):
        changes.append(Change("dropped", place, _BLANK))
    return []


def _cache_point(part: Mapping[str, Any]) -> list[Block]:
    """Return the block that marks the end of what is cached; other formats mark the part itself."""
    if not (control := part.get("cache_control")):
        return []
    ttl = as_mapping(control).get("ttl")
    return [{"cachePoint": {"type": "default", **({"ttl": ttl} if ttl else {})}}]


def _tool_use(call: Mapping[str, Any], place: str, ids: CallIds, changes: list[Change]) -> Block:
    if len(call) > 3 or len(call["function"]) > 2:
        note_unknown(call, _CALL_FIELDS, place, changes, "a call")
        note_unknown(call["function"], frozenset({"name", "arguments"}), f"{place}.function", changes, "a call")
    return {
        "toolUse": {
            "toolUseId": ids.of_call(call["id"], f"{place}.id"),
            "name": call["function"]["name"],
            "input": json_object(call["function"]["arguments"], f"{place}.function"),
        }
    }


def _tool_result(message: Message, model: str, place: str, ids: CallIds, changes: list[Change]) -> list[Block]:
    """Return a tool result, followed by the last cache point in it."""
    content = message.get("content") or ()
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    blocks = _parts(parts, place, changes)
    inner = [block for block in blocks if "cachePoint" not in block]
    id_ = ids.of_result(message["tool_call_id"], f"{place}.tool_call_id")
    points = [block for block in blocks if "cachePoint" in block] + _cache_point(message)
    result: Block = {"toolUseId": id_, "content": inner}
    if message.get("is_error"):
        result |= _error_status(model)
        if "status" not in result:
            changes.append(Change("dropped", f"{place}.is_error", "this model has no such field of a tool result"))
    return [{"toolResult": result}, *points[-1:]]


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
    config: Block = {"tools": _specifications(tools, changes)}
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
    return {"tools": _specifications(tools, changes)}, {"tool_choice": {"type": "none"}}


def _called_tools(request: ChatRequest) -> tuple[str, ...]:
    """Return the names of the tools called in the conversation, without duplicates."""
    calls = (call for message in request.messages for call in message.get("tool_calls") or ())
    return tuple(dict.fromkeys(call["function"]["name"] for call in calls))


def _specifications(tools: tuple[Mapping[str, Any], ...], changes: list[Change]) -> list[Mapping[str, Any]]:
    """Return the tools, each followed by its cache point. Tools that are not functions are sent unchanged."""
    found: list[Mapping[str, Any]] = []
    for tool in tools:
        if tool.get("type") != "function" or "function" not in tool:
            found.append(tool)
            continue
        function: Mapping[str, Any] = tool["function"]
        place = f"tools.{function['name']}"
        note_unknown(tool, _TOOL_FIELDS, place, changes, "a tool")
        note_unknown(function, _FUNCTION_FIELDS, place, changes, "a function")
        spec: Block = {"name": function["name"]}
        spec |= {name: fields[name] for fields in (function, tool) for name in _SPEC_FIELDS if fields.get(name)}
        spec["inputSchema"] = {"json": function.get("parameters") or EMPTY_SCHEMA}
        if function.get("cache_control"):
            changes.append(Change("moved", f"{place}.function.cache_control", "sent as a cachePoint behind the tool"))
        found += [{"toolSpec": spec}, *(_cache_point(tool) or _cache_point(function))]
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
    if is_opaque(model) and (unsent := [name for name in _MAKER_PARAMETERS if given.get(name) is not None]):
        raise UnsupportedError(
            f"{', '.join(unsent)}: the id of the model does not show whose model it is, and each maker has a field of "
            f"another name: say it with base_model=, such as 'anthropic.claude-sonnet-4-5-20250929-v1:0', or give the "
            f'field of the maker in extra_body={{"additionalModelRequestFields": {{...}}}}'
        )
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
