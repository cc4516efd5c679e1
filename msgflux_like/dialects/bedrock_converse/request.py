"""Amazon Bedrock's Converse, one format for the models of all makers there.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. What Converse has no field
for goes into `additionalModelRequestFields`, in the words of the model's maker.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.bedrock import AUTH, EVENT_STREAM, claude, path, refusal
from msgflux_like.dialects._shared.call_ids import CallIds
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
from msgflux_like.dialects.anthropic_messages import thinking as _anthropic_thinking
from msgflux_like.dialects.anthropic_messages.request import MAX_TOKENS
from msgflux_like.dialects.bedrock_converse.media import media, tell_apart
from msgflux_like.dialects.bedrock_converse.reply import decode, decoder
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.request import Change, ChatRequest, Encoded, Message, Quirks, ToolChoice

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]

HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = ("bedrock_converse", ("claude",))

_NO_WORDS: Final = frozenset({"seed", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "user"})
_NOT_OF_AN_ID: Final = re.compile(r"[^a-zA-Z0-9_.:-]")
_MAX_ID: Final = 64
_IDS: Final = f"an id holds at most {_MAX_ID} letters, digits and _ . : - only, and is there once"
_CHOICE: Final[Mapping[str, str]] = {"auto": "auto", "required": "any"}

Block = dict[str, Any]


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """See `Dialect`."""
    refuse_parameters(request, _NO_WORDS, quirks, "Amazon Bedrock's Converse")
    changes: list[Change] = []
    tools, more = _tools(request, quirks, changes)
    system, turns = _conversation(request, changes, calls_as_text=tools is None)
    prefill = _prefill(
        turns, prefill_text(replace(request, model=claude(request.model) or request.model), quirks), changes
    )
    if not turns:
        raise InvalidMessagesError("there is no message to answer: Converse takes system texts apart")
    tell_apart(turns, changes)
    body: dict[str, Any] = {"messages": turns}
    if system:
        body["system"] = system
    if limits := _inference(request):
        body["inferenceConfig"] = limits
    if tools:
        body["toolConfig"] = tools
    maker = _of_claude(request, turns, prefill, changes) if claude(request.model) else _of_others(request)
    if more := more | maker:
        body["additionalModelRequestFields"] = more
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
    """The system texts, and all else in turns, which the API demands."""
    ids = CallIds(_NOT_OF_AN_ID, _MAX_ID, _IDS, changes)

    def blocks_of(message: Message, place: str) -> list[Block]:
        blocks = _blocks(message, request, place, ids, changes)
        return [_as_text(block) for block in blocks] if calls_as_text else blocks

    return in_turns(request, blocks_of, lambda turn, blocks, place: _append(turn, blocks, place, changes), changes)


def _append(turn: list[Block], blocks: list[Block], place: str, changes: list[Change]) -> None:
    """Add a message to a turn. The results of tools come first in it, each with its cache point."""
    if "toolResult" not in blocks[0]:
        turn += blocks
        return
    results = next((at for at, block in enumerate(turn) if not block.keys() & {"toolResult", "cachePoint"}), len(turn))
    if results < len(turn):
        changes.append(Change("merged", place, "the results of tools come first in the turn that follows the calls"))
    turn[results:results] = blocks


def _blocks(message: Message, request: ChatRequest, place: str, ids: CallIds, changes: list[Change]) -> list[Block]:
    """One message as content blocks."""
    role, content = message["role"], message.get("content")
    if role == "tool":
        return _result(message, place, ids, changes)
    texts = [{"type": "text", "text": content or ""}] if content is None or isinstance(content, str) else content
    said: list[Block] = []
    for index, part in enumerate(texts):
        where = f"{place}.content[{index}]"
        if part["type"] != "text" and role != "user":
            raise unsupported_part(part, where, f"Amazon Bedrock's Converse in a message of role {role!r}")
        said += _part(part, where, changes)
    if role != "assistant":
        return said
    pieces = [[_use(call, f"{place}.tool_calls[{n}]", ids)] for n, call in enumerate(message.get("tool_calls") or ())]
    if any(part["text"] for part in texts):
        pieces.insert(0, said)
    state = own_state(message, request, place, changes)
    thoughts = {
        after: [(kind, {"reasoningContent": {kind: raw}}) for kind, raw in found] for after, found in state.items()
    }
    return with_state(pieces, thoughts, place, changes)


def _part(part: Mapping[str, Any], place: str, changes: list[Change]) -> list[Block]:
    """A part, and a cache point behind it where it asks for one. Blank texts are refused, so they are left out."""
    note_marks(part, place, changes, "cache_control")
    if part["type"] != "text":
        return [media(part, place, changes), *_cache_point(part)]
    if part["text"].strip():
        return [{"text": part["text"]}, *_cache_point(part)]
    if part["text"] or part.get("cache_control"):
        changes.append(Change("dropped", place, "it is blank, which the API refuses"))
    return []


def _cache_point(part: Mapping[str, Any]) -> list[Block]:
    """Converse marks the end of what is to be cached, where others mark the part itself."""
    if not (control := part.get("cache_control")):
        return []
    ttl = as_mapping(control).get("ttl")
    return [{"cachePoint": {"type": "default", **({"ttl": ttl} if ttl else {})}}]


def _use(call: Mapping[str, Any], place: str, ids: CallIds) -> Block:
    return {
        "toolUse": {
            "toolUseId": ids.of_call(call["id"], f"{place}.id"),
            "name": call["function"]["name"],
            "input": json_object(call["function"]["arguments"], f"{place}.function"),
        }
    }


def _result(message: Message, place: str, ids: CallIds, changes: list[Change]) -> list[Block]:
    """What a tool gave; a cache point in it stands behind it."""
    content = message.get("content") or ()
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    blocks = [block for index, part in enumerate(parts) for block in _part(part, f"{place}.content[{index}]", changes)]
    inner = [block for block in blocks if "cachePoint" not in block]
    id_ = ids.of_result(message["tool_call_id"], f"{place}.tool_call_id")
    points = [block for block in blocks if "cachePoint" in block]
    return [{"toolResult": {"toolUseId": id_, "content": inner}}, *points[-1:]]


def _as_text(block: Block) -> Block:
    """A call, or a tool's result, as a text: without tools the API refuses both."""
    if use := block.get("toolUse"):
        return {"text": f"[called {use['name']} with {json_text(use['input'])}]"}
    if (result := block.get("toolResult")) is None:
        return block
    if any("text" not in each for each in result["content"]):
        raise UnsupportedError(
            "a tool's result holds more than text, which Converse takes beside tools only: give tool_schemas"
        )
    return {"text": f"[the result: {' '.join(each['text'] for each in result['content'])}]"}


def _prefill(turns: list[Block], prefill: str, changes: list[Change]) -> str:
    """Put the beginning of the answer last. White space at the end of a last assistant turn is refused."""
    text = prefill.rstrip()
    if text != prefill:
        changes.append(Change("trimmed", "prefill", "white space at its end, which the API refuses"))
    if text and (not turns or turns[-1]["role"] != "assistant"):
        turns.append({"role": "assistant", "content": []})
    if text:
        turns[-1]["content"].append({"text": text})
    elif turns and turns[-1]["role"] == "assistant" and (last := turns[-1]["content"][-1]).get("text"):
        if last["text"] != last["text"].rstrip():
            changes.append(Change("trimmed", "messages", "white space at the end of the last message"))
        last["text"] = last["text"].rstrip()
    return text


# ----------------------------------------------------------------------------------------------- tools and parameters


def _tools(request: ChatRequest, quirks: Quirks, changes: list[Change]) -> tuple[Block | None, Block]:
    """`toolConfig`, {} for none, and what of it only the model's maker has words for.

    None is for a conversation whose calls must be sent as texts.
    """
    tools, choice = offered_tools(request, quirks, changes)
    if not tools or choice == "none":
        return _no_calls(request, tools, changes)
    config: Block = {"tools": _specifications(tools)}
    if request.parameters.get("parallel_tool_calls") is not False:
        return config if choice is None else {**config, "toolChoice": _tool_choice(choice)}, {}
    if not claude(request.model) and isinstance(choice, str) and choice not in _CHOICE:
        changes.append(Change("dropped", "parallel_tool_calls", "one tool must be called, and no field says how often"))
        return {**config, "toolChoice": _tool_choice(choice)}, {}
    if not claude(request.model):
        raise UnsupportedError("parallel_tool_calls=False: Converse has no such field for this model. Leave it out")
    return config, {"tool_choice": {**_claude_choice(choice), "disable_parallel_tool_use": True}}


def _no_calls(
    request: ChatRequest, tools: tuple[Mapping[str, Any], ...], changes: list[Change]
) -> tuple[Block | None, Block]:
    """The same for an answer that may call nothing, a choice that Converse does not know.

    A conversation with calls in it demands tools. Claude gets them, and its own choice of none; to other models that
    would be an offer, so their earlier calls become texts.
    """
    called = _called(request)
    if not called:
        if tools:
            changes.append(
                Change("emulated", "tool_choice", "the tools are not sent: Converse knows no choice of none")
            )
        return {}, {}
    if not claude(request.model):
        changes.append(
            Change("emulated", "messages", "calls and results are texts: Converse takes them with tools only")
        )
        return None, {}
    if not tools:
        changes.append(Change("emulated", "tool_schemas", "those called earlier: Converse takes calls with tools only"))
        tools = tuple({"type": "function", "function": {"name": name}} for name in called)
    return {"tools": _specifications(tools)}, {"tool_choice": {"type": "none"}}


def _called(request: ChatRequest) -> tuple[str, ...]:
    """The names of the tools that the conversation has calls of, each once."""
    calls = (call for message in request.messages for call in message.get("tool_calls") or ())
    return tuple(dict.fromkeys(call["function"]["name"] for call in calls))


def _specifications(tools: tuple[Mapping[str, Any], ...]) -> list[Mapping[str, Any]]:
    """The tools, each with a cache point behind it where it asks for one. What is no function goes as it is."""
    found: list[Mapping[str, Any]] = []
    for tool in tools:
        if tool.get("type") != "function" or "function" not in tool:
            found.append(tool)
            continue
        function: Mapping[str, Any] = tool["function"]
        kept: Block = {"name": function["name"]}
        kept |= {name: function[name] for name in ("description", "strict") if function.get(name)}
        kept["inputSchema"] = {"json": function.get("parameters") or EMPTY_SCHEMA}
        found += [{"toolSpec": kept}, *_cache_point(tool)]
    return found


def _tool_choice(choice: ToolChoice) -> Mapping[str, Any]:
    if not isinstance(choice, str):
        return choice
    return {_CHOICE[choice]: {}} if choice in _CHOICE else {"tool": {"name": choice}}


def _claude_choice(choice: ToolChoice | None) -> Mapping[str, Any]:
    """The same in Claude's own words."""
    if choice is not None and not isinstance(choice, str):
        return choice
    word = choice or "auto"
    return {"type": _CHOICE[word]} if word in _CHOICE else {"type": "tool", "name": word}


def _inference(request: ChatRequest) -> Block:
    given = request.parameters
    temperature = given.get("temperature")
    if temperature is not None and not 0 <= temperature <= 1:
        raise UnsupportedError(f"temperature is {temperature}: Amazon Bedrock's Converse takes 0 to 1")
    fields = {"max_tokens": "maxTokens", "temperature": "temperature", "top_p": "topP"}
    limits: Block = {name: given[own] for own, name in fields.items() if own in given}
    if (stop := given.get("stop")) is not None:
        limits["stopSequences"] = stop_list(stop)
    return limits


def _of_claude(request: ChatRequest, turns: list[Block], prefill: str, changes: list[Change]) -> Block:
    """What Converse has no field for, in Claude's own words."""
    given = request.parameters
    limit = given.get("max_tokens") or request.output_limit or MAX_TOKENS
    thinking = _anthropic_thinking.told(request, [_in_its_words(turn) for turn in turns], limit, changes)
    _anthropic_thinking.check({**given, **thinking}, request.tool_choice, prefill)
    fields: Block = {"top_k": given["top_k"]} if "top_k" in given else {}
    if "output_config" in thinking and claude(request.model).startswith("claude-opus-4-5"):
        fields["anthropic_beta"] = ["effort-2025-11-24"]  # the first model that knew efforts
    return fields | thinking


def _in_its_words(turn: Block) -> Block:
    """A turn as Claude's own format names its blocks."""
    kinds = {"toolResult": "tool_result", "reasoningContent": "thinking"}
    return {**turn, "content": [{"type": kinds.get(next(iter(block)), "other")} for block in turn["content"]]}


def _of_others(request: ChatRequest) -> Block:
    """What Converse has no field for, in the words of the model's maker."""
    fields: Block = {}
    given, model = request.parameters, request.model
    if (top_k := given.get("top_k")) is not None:
        fields = {"inferenceConfig": {"topK": top_k}} if "amazon.nova" in model else {"top_k": top_k}
    effort, budget = given.get("reasoning_effort"), given.get("reasoning_budget")
    if budget:
        raise UnsupportedError(
            f"reasoning_budget: {model} takes no number of tokens on Amazon Bedrock. Give reasoning_effort"
        )
    effort = "none" if effort is None and budget == 0 else effort
    return fields if effort is None else fields | _effort(model, effort)


def _effort(model: str, effort: str) -> Block:
    """How much to reason. Source: https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html."""
    if "amazon.nova" in model:
        off = effort == "none"
        return {"reasoningConfig": {"type": "disabled"} if off else {"type": "enabled", "maxReasoningEffort": effort}}
    if "openai." in model and "gpt-oss" not in model:  # GPT-5.6 and later answer `reasoning_effort` with HTTP 400
        return {"reasoning": {"effort": effort}}
    return {"reasoning_effort": effort}
