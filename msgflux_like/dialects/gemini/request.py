"""Requests in Google's Gemini format, as Google AI and Vertex AI serve it.

Source: https://ai.google.dev/api/generate-content. A conversation is alternating turns of the user and the model, each
a list of parts, beside the system instruction. The arguments of a call are an object, and so is its result.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast
from urllib.parse import quote

import msgspec

from msgflux_like._json import as_list, as_mapping
from msgflux_like.dialects._shared.notes import note_marks, note_tool, note_unknown
from msgflux_like.dialects._shared.parameters import offered_tools, prefill_text, refuse_parameters
from msgflux_like.dialects._shared.parts import json_object, unsupported_part
from msgflux_like.dialects._shared.provider_state import InsideText, own_state, split_text
from msgflux_like.dialects._shared.turns import OF_A_MESSAGE, in_turns
from msgflux_like.dialects.gemini import reply
from msgflux_like.dialects.gemini.media import media_part
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.request import Change, ChatRequest, Encoded, Message, Quirks, ToolChoice

AUTH: Final = ("x-goog-api-key", "")
HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = ("gemini", ("gemini",))

UNSIGNED: Final = "skip_thought_signature_validator"
"""Signature of a tool call that Gemini did not make.

Source: https://ai.google.dev/gemini-api/docs/thought-signatures.
"""

_FORMAT: Final = "the Gemini format"
_UNSUPPORTED: Final = frozenset({"user"})
_PARAMETER_FIELDS: Final = {
    "temperature": "temperature",
    "max_tokens": "maxOutputTokens",
    "top_p": "topP",
    "top_k": "topK",
    "stop": "stopSequences",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "seed": "seed",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}
_FIELDS_OF_AN_ANSWER: Final = OF_A_MESSAGE | {"images", "refusal"}
_FIELDS_OF_A_CALL: Final = frozenset({"id", "type", "index", "function"})
_FIELDS_OF_A_FUNCTION: Final = frozenset({"name", "arguments"})
# Source: https://ai.google.dev/api/caching#FunctionDeclaration.
_FIELDS_OF_A_DECLARATION: Final = ("name", "description", "behavior", "response", "responseJsonSchema")
_GEMINI_3_OR_LATER: Final = re.compile(r"gemini-([3-9]|\d\d)")
_BEFORE_GEMINI_3: Final = re.compile(r"gemini-[12]\b")
_decoder = msgspec.json.Decoder()

Part = dict[str, Any]


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """Return the request in the Gemini format.

    `extra_body` is merged into the body: `{"safetySettings": [...]}` adds a field, and
    `{"generationConfig": {"mediaResolution": ...}}` keeps the fields that the call sets there.

    Raises:
        UnsupportedError: The format has no field for a parameter or for a part of a message.
        InvalidMessagesError: There is no user or assistant message, a tool result has no call before it, or the
            arguments of a call are not a JSON object.
    """
    refuse_parameters(request, _UNSUPPORTED, quirks, _FORMAT)
    changes: list[Change] = []
    system, turns = _conversation(request, changes)
    if prefill := prefill_text(request, quirks):
        _add_prefill(turns, prefill)
    if not turns:
        turns = [_empty_question(request, bool(system), changes)]
    body: dict[str, Any] = {"contents": turns}
    if system:
        body["systemInstruction"] = {"parts": system}
    if config := _generation_config(request, changes):
        body["generationConfig"] = config
    tools, choice = offered_tools(request, quirks, changes)
    if tools:
        body["tools"] = _tools(tools, changes)
    if choice is not None:
        body["toolConfig"] = {"functionCallingConfig": _tool_choice(choice)}
    method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return Encoded(f"/{model_path(request.model)}:{method}", body, changes=tuple(changes), prefill=prefill)


def _empty_question(request: ChatRequest, has_system: bool, changes: list[Change]) -> Part:
    """Return an empty user turn, which is accepted beside a system prompt, for messages that hold nothing else."""
    index = len(request.messages) - 1
    if all(message["role"] in ("system", "developer") for message in request.messages):
        raise InvalidMessagesError(
            f"messages hold system prompts only, which {_FORMAT} sends separately: add a user message"
        )
    if not has_system or request.messages[index]["role"] != "user":
        raise InvalidMessagesError("every message is empty: give a text, or a system prompt beside an empty question")
    changes[:] = [change for change in changes if (change.kind, change.field) != ("dropped", request.place(index))]
    return {"role": "user", "parts": [{"text": ""}]}


def model_path(id_: str) -> str:
    """Return the path of a model, percent-encoded; tuned models have a collection of their own."""
    quoted = quote(id_, safe="/@")
    return quoted if quoted.startswith(("models/", "tunedModels/")) else f"models/{quoted}"


# --------------------------------------------------------------------------------------------------------- messages


def _conversation(request: ChatRequest, changes: list[Change]) -> tuple[list[Part], list[Part]]:
    """Return the parts of the system instruction, and the turns."""
    encoder = _MessageEncoder(request, changes)
    system, turns = in_turns(
        request,
        encoder.parts_of,
        lambda turn, parts, place: _append_to_turn(turn, parts, place, changes),
        changes,
        _FIELDS_OF_AN_ANSWER,
    )
    roles = {"assistant": "model", "user": "user"}
    return system, [{"role": roles[turn["role"]], "parts": turn["content"]} for turn in turns]


class _MessageEncoder:
    """Encoder of the messages of one request, in their order: a message can depend on those before it."""

    def __init__(self, request: ChatRequest, changes: list[Change]) -> None:
        self._request = request
        self._changes = changes
        self._tool_names: dict[str, str] = {}  # by call id
        self._user_messages_left = sum(message["role"] == "user" for message in request.messages)
        self._is_gemini_3 = _GEMINI_3_OR_LATER.search(request.known_as) is not None

    def parts_of(self, message: Message, place: str) -> list[Part]:
        """Return a message as parts, without empty texts."""
        match message["role"]:
            case "system" | "developer":
                return _system_parts(message, place, self._changes)
            case "assistant":
                self._tool_names |= {call["id"]: call["function"]["name"] for call in message.get("tool_calls") or ()}
                parts = _assistant_parts(message, self._request, place, self._changes)
                if self._is_gemini_3 and not self._user_messages_left:
                    _sign_first_call(parts, place, self._changes)
                return parts
            case "tool":
                return _result_parts(message, self._tool_names, place, self._changes, media_inside=self._is_gemini_3)
            case _:
                self._user_messages_left -= 1
                return _content_parts(message.get("content"), place, self._changes)


def _append_to_turn(turn: list[Part], parts: list[Part], place: str, changes: list[Change]) -> None:
    """Add the parts of a message to a turn. Tool results come first in the turn that follows the calls."""
    results = sum("functionResponse" in part for part in turn)
    if "functionResponse" in parts[0] and results < len(turn):
        changes.append(Change("merged", place, "tool results come first in the turn that follows the calls"))
        turn.insert(results, parts[0])
        parts = parts[1:]
    turn += parts


def _add_prefill(turns: list[Part], prefill: str) -> None:
    """Add the prefill as the end of a last turn of the model."""
    if not turns or turns[-1]["role"] != "model":
        turns.append({"role": "model", "parts": []})
    turns[-1]["parts"].append({"text": prefill})


def _system_parts(message: Message, place: str, changes: list[Change]) -> list[Part]:
    for index, part in enumerate(as_list(message.get("content"))):
        if part["type"] != "text":
            raise unsupported_part(part, f"{place}.content[{index}]", f"{_FORMAT} in a system message")
    return _content_parts(message.get("content"), place, changes)


def _assistant_parts(message: Message, request: ChatRequest, place: str, changes: list[Change]) -> list[Part]:
    """Return an earlier answer with the state that it came with: each signature on its part."""
    parts: list[Part] = []
    fields: Part = {}  # of the text or the call that follows
    signatures: list[str] = []  # of the parts that follow
    call_signatures: list[str] = []  # of the calls that follow
    for kind, raw in _answer_in_order(message, request, place, changes):
        match kind, raw:
            case "content", list():
                content = cast("list[Part]", raw)
                is_signed_call = bool(call_signatures) and "functionCall" in content[0]
                content = [_merged(content[0], fields), *content[1:]] if fields else content
                parts += _with_signature(content, call_signatures if is_signed_call else signatures)
                fields = {}
            case reply.PART, dict():
                parts += _with_signature([cast("Part", raw)], signatures)
            case reply.FIELDS, dict():
                fields = {**fields, **cast("Part", raw)}
            case reply.SIGNATURE, str():
                signatures.append(raw)
            case reply.CALL_SIGNATURE, str():
                call_signatures.append(raw)
            case _:
                changes.append(Change("dropped", f"{place}.provider_state", "an entry that no answer here has"))
    unused = (*signatures, *call_signatures)  # their parts were removed since
    return [*parts, *({"text": "", "thoughtSignature": signature} for signature in unused)]


def _answer_in_order(
    message: Message, request: ChatRequest, place: str, changes: list[Change]
) -> Iterator[tuple[str, Any]]:
    """Yield the kind and the value of each piece of an earlier answer and of its state; a piece is "content"."""
    content, inside = message.get("content"), list[InsideText]()
    state = own_state(message, request, place, changes, inside if isinstance(content, str) else None)
    pieces = [_text_in_order(content, inside)] if isinstance(content, str) else []
    if not isinstance(content, str):
        pieces = [[("content", parts)]] if (parts := _content_parts(content, place, changes)) else []
    elif not pieces[0]:
        pieces = []
    for index, call in enumerate(message.get("tool_calls") or ()):
        pieces.append([("content", [_call(call, f"{place}.tool_calls[{index}]", changes)])])
    for index, piece in enumerate(pieces):
        yield from state.pop(index, ())
        yield from piece
    for after in sorted(state):
        yield from state[after]
    yield from _further_parts(message, request, place, changes)


def _text_in_order(text: str, inside: list[InsideText]) -> list[tuple[str, Any]]:
    """Return a text in segments, with the state that came between them."""
    return [
        ("content", [{"text": each}]) if isinstance(each, str) else (each.kind, each.raw)
        for each in split_text(text, inside)
    ]


def _further_parts(
    message: Message, request: ChatRequest, place: str, changes: list[Change]
) -> Iterator[tuple[str, Any]]:
    """Yield the refusal and the images of an earlier answer; images of an own answer are in its state."""
    if refusal := message.get("refusal"):
        changes.append(Change("emulated", f"{place}.refusal", "a refusal is sent as text"))
        yield "content", [{"text": refusal}]
    state = message.get("provider_state") or ()
    if not any(entry["family"] == request.family and entry["kind"] == reply.PART for entry in state):
        for index, image in enumerate(message.get("images") or ()):
            yield "content", [_part(image, f"{place}.images[{index}]", changes)]


def _merged(part: Part, fields: Part) -> Part:
    """Return a part with further fields, also inside its objects; what the part has is not replaced."""
    merged = {**fields, **part}
    for name in fields.keys() & part.keys():
        if isinstance(fields[name], dict) and isinstance(part[name], dict):
            merged[name] = {**fields[name], **part[name]}
    return merged


def _with_signature(parts: list[Part], signatures: list[str]) -> list[Part]:
    """Return the parts with the first of the signatures, which is removed from the list, on the first of them."""
    return [{**parts[0], "thoughtSignature": signatures.pop(0)}, *parts[1:]] if signatures else parts


def _sign_first_call(parts: list[Part], place: str, changes: list[Change]) -> None:
    """Sign the first call of a step after the last user message, which Gemini 3 and later reject unsigned."""
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None and "thoughtSignature" not in first:
        first["thoughtSignature"] = UNSIGNED
        changes.append(
            Change("emulated", f"{place}.tool_calls[0]", "a placeholder signature is sent: another model made it")
        )


def _call(call: Mapping[str, Any], place: str, changes: list[Change]) -> Part:
    function = call["function"]
    note_unknown(call, _FIELDS_OF_A_CALL, place, changes, "a call")
    note_unknown(function, _FIELDS_OF_A_FUNCTION, f"{place}.function", changes, "a call")
    arguments = json_object(function["arguments"], f"{place}.function")
    return {"functionCall": {"id": call["id"], "name": function["name"], "args": arguments}}


def _result_parts(
    message: Message, tool_names: Mapping[str, str], place: str, changes: list[Change], *, media_inside: bool
) -> list[Part]:
    """Return a tool result: a JSON object, or text as its `result`; media are inside it or, for older models, after."""
    id_ = message["tool_call_id"]
    name = tool_names.get(id_)
    if not name:
        raise InvalidMessagesError(
            f"{place}.tool_call_id is {id_!r}, and no earlier message has a tool call with that id. "
            f"Add the assistant message with the call: {_FORMAT} needs the tool's name"
        )
    parts = _content_parts(message.get("content"), place, changes)
    media = [part for part in parts if "text" not in part]
    text = "".join(part["text"] for part in parts if "text" in part)
    result: Part = {"id": id_, "name": name, "response": _response_object(text)}
    if not media:
        return [{"functionResponse": result}]
    if media_inside:
        return [{"functionResponse": {**result, "parts": media}}]
    changes.append(
        Change("moved", f"{place}.content", "media stand beside the result: this model takes only text in it")
    )
    return [{"functionResponse": result}, *media]


def _response_object(text: str) -> dict[str, Any]:
    try:
        value = _decoder.decode(text)
    except msgspec.DecodeError:
        value = None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"result": text}


# ------------------------------------------------------------------------------------------------------------ parts


def _content_parts(content: Any, place: str, changes: list[Change]) -> list[Part]:
    """Return content as parts, without empty texts."""
    if content is None or isinstance(content, str):
        return [{"text": content}] if content else []
    parts = enumerate(content)
    return [_part(part, f"{place}.content[{index}]", changes) for index, part in parts if part.get("text") != ""]


def _part(part: Mapping[str, Any], place: str, changes: list[Change]) -> Part:
    match part["type"]:
        case "text":
            note_marks(part, place, changes)
            return {"text": part["text"]}
        case "image_url" | "video_url" | "input_audio" | "file":
            return media_part(part, place, changes)
        case _:
            raise unsupported_part(part, place, _FORMAT)


# ----------------------------------------------------------------------------------------------- parameters and tools


def _generation_config(request: ChatRequest, changes: list[Change]) -> dict[str, Any]:
    """Return `generationConfig`: the parameters, reasoning, and the schema of the answer."""
    given = dict(request.parameters)
    if given.pop("parallel_tool_calls", None) is False:
        changes.append(
            Change("dropped", "parallel_tool_calls", "this format has no field that limits an answer to one call")
        )
    if isinstance(given.get("stop"), str):
        given["stop"] = [given["stop"]]
    thinking = _thinking_config(given.pop("reasoning_effort", None), given.pop("reasoning_budget", None), changes)
    config = {_PARAMETER_FIELDS.get(name, name): value for name, value in given.items()}
    if thinking:
        config["thinkingConfig"] = thinking
    if (answer_schema := request.answer_schema) is not None:
        if request.tools and _BEFORE_GEMINI_3.search(request.known_as):
            raise UnsupportedError(
                f"generation_schema: {request.model} does not combine an answer schema with tools. "
                f'Use output_mode="tool" or "prompted"'
            )
        described = {"description": answer_schema.description} if answer_schema.description else {}
        config |= {"responseMimeType": "application/json", "responseJsonSchema": {**described, **answer_schema.schema}}
    return config


def _thinking_config(effort: str | None, budget: int | None, changes: list[Change]) -> dict[str, Any]:
    """Return `thinkingConfig`. Thoughts are requested unless reasoning is off, when the API rejects that."""
    if effort == "none" or budget == 0:
        return {"thinkingBudget": 0}
    if effort is not None and budget is not None:
        changes.append(Change("dropped", "reasoning_effort", "reasoning_budget is sent: the API does not take both"))
    if budget is not None:
        return {"thinkingBudget": budget, "includeThoughts": True}
    return {} if effort is None else {"thinkingLevel": effort, "includeThoughts": True}


def _tools(tools: tuple[Mapping[str, Any], ...], changes: list[Change]) -> list[Mapping[str, Any]]:
    """Return all functions as one tool, followed by Google's own tools, unchanged."""
    for tool in tools:
        if "function" in tool:
            note_tool(tool, changes)
    declared = [_declaration(as_mapping(tool["function"]), changes) for tool in tools if "function" in tool]
    own = [tool for tool in tools if "function" not in tool]
    return [{"functionDeclarations": declared}, *own] if declared else own


def _declaration(function: Mapping[str, Any], changes: list[Change]) -> dict[str, Any]:
    declaration = {name: function[name] for name in _FIELDS_OF_A_DECLARATION if function.get(name) is not None}
    if function.get("parameters"):
        declaration["parametersJsonSchema"] = function["parameters"]
    known = {*_FIELDS_OF_A_DECLARATION, "parameters", *([] if function.get("strict") else ["strict"])}
    note_unknown(function, frozenset(known), f"tools.{function.get('name')}", changes, "a function")
    return declaration


_TOOL_CHOICES: Final = {"auto": "AUTO", "required": "ANY", "none": "NONE"}


def _tool_choice(choice: ToolChoice) -> Mapping[str, Any]:
    if not isinstance(choice, str):
        return choice
    if choice in _TOOL_CHOICES:
        return {"mode": _TOOL_CHOICES[choice]}
    return {"mode": "ANY", "allowedFunctionNames": [choice]}
