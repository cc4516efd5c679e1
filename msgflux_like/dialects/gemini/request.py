"""Google's Gemini format, as Google AI and Vertex AI speak it.

Source: https://ai.google.dev/api/generate-content. A conversation is turns of parts, by the user and by the model; a
call has its arguments as an object, and its result is an object, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import quote

import msgspec

from msgflux_like._json import as_list, as_mapping
from msgflux_like.dialects._shared.notes import note_detail, note_marks, note_tool, note_unknown
from msgflux_like.dialects._shared.parameters import offered_tools, prefill_text, refuse_parameters
from msgflux_like.dialects._shared.parts import data_url, json_object, unsupported_part
from msgflux_like.dialects._shared.provider_state import own_state
from msgflux_like.dialects._shared.turns import OF_A_MESSAGE
from msgflux_like.dialects.gemini.reply import CALL_SIGNATURE, PART, decode, decoder, refusal
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.request import Change, ChatRequest, Encoded, Message, Quirks, ToolChoice

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]

AUTH: Final = ("x-goog-api-key", "")
HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = ("gemini", ("gemini",))

UNSIGNED: Final = "skip_thought_signature_validator"
"""What stands for the signature of a call that Gemini did not make: https://ai.google.dev/gemini-api/docs/thought-signatures."""

_FORMAT: Final = "the Gemini format"
_NO_WORDS: Final = frozenset({"user"})
_FIELDS: Final = {
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
_SINCE_3: Final = re.compile(r"gemini-([3-9]|\d\d)")
_BEFORE_3: Final = re.compile(r"gemini-[12]\b")
_FILES: Final = "https://generativelanguage.googleapis.com/v1beta/files/"
# https://ai.google.dev/gemini-api/docs: the media types that the models take, by the ending of a URL.
_ENDINGS: Final = {
    "jpg": "image/jpeg",
    "txt": "text/plain",
    "md": "text/markdown",
    "mov": "video/quicktime",
    "avi": "video/x-msvideo",
    "flv": "video/x-flv",
    "3gp": "video/3gpp",
    **{ending: f"image/{ending}" for ending in ("jpeg", "png", "webp", "heic", "heif", "gif", "bmp")},
    **{ending: f"audio/{ending}" for ending in ("wav", "mp3", "aiff", "aac", "ogg", "flac", "m4a")},
    **{ending: f"video/{ending}" for ending in ("mp4", "mpeg", "mpg", "webm", "wmv")},
    **{ending: f"text/{ending}" for ending in ("html", "css", "csv", "xml", "rtf")},
    **{ending: f"application/{ending}" for ending in ("pdf", "json")},
}
_any = msgspec.json.Decoder()

Part = dict[str, Any]


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """See `Dialect`.

    Fields in the provider's own words go where they lie: `extra_body={"safetySettings": [...]}`, and with
    `{"generationConfig": {"mediaResolution": ...}}` beside those that the call sets there.
    """
    refuse_parameters(request, _NO_WORDS, quirks, _FORMAT)
    changes: list[Change] = []
    system, turns = _conversation(request, changes)
    if prefill := prefill_text(request, quirks):
        _append(turns, "model", [{"text": prefill}], "prefilling", changes)
    if not turns:
        raise InvalidMessagesError(f"there is no message to answer: {_FORMAT} takes system texts apart")
    body: dict[str, Any] = {"contents": turns}
    if system:
        body["systemInstruction"] = {"parts": system}
    if config := _config(request, changes):
        body["generationConfig"] = config
    tools, choice = offered_tools(request, quirks, changes)
    if tools:
        body["tools"] = _tools(tools, changes)
    if choice is not None:
        body["toolConfig"] = {"functionCallingConfig": _tool_choice(choice)}
    method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return Encoded(f"/{model_path(request.model)}:{method}", body, changes=tuple(changes), prefill=prefill)


def model_path(id_: str) -> str:
    """The model in the path. Tuned models lie beside the others; what a path cannot hold is quoted."""
    quoted = quote(id_, safe="/@")
    return quoted if quoted.startswith(("models/", "tunedModels/")) else f"models/{quoted}"


# --------------------------------------------------------------------------------------------------------- messages


def _conversation(request: ChatRequest, changes: list[Change]) -> tuple[list[Part], list[Part]]:
    """The system texts, and all else in turns: neighbours of one role are one turn."""
    system: list[Part] = []
    turns: list[Part] = []
    names: dict[str, str] = {}  # of the tools that were called, by the calls' ids
    asked = max((index for index, message in enumerate(request.messages) if message["role"] == "user"), default=-1)
    for index, message in enumerate(request.messages):
        place, role = request.place(index), message["role"]
        note_unknown(message, OF_A_MESSAGE, place, changes)
        if role in ("system", "developer"):
            texts = _system(message, place, changes)
            if turns and texts:
                changes.append(Change("moved", place, "system texts stand before the conversation here"))
            system += texts
            continue
        if role == "assistant":
            parts = _answer(message, request, place, changes)
            if index > asked and _SINCE_3.search(request.model):
                _sign(parts, place, changes)
            names |= {call["id"]: call["function"]["name"] for call in message.get("tool_calls") or ()}
        elif role == "tool":
            parts = _result(message, names, request.model, place, changes)
        else:
            parts = _parts(message.get("content"), place, changes)
        if parts:
            _append(turns, "model" if role == "assistant" else "user", parts, place, changes)
        else:
            changes.append(Change("dropped", place, "it is empty, which says nothing here"))
    return system, turns


def _append(turns: list[Part], role: str, parts: list[Part], place: str, changes: list[Change]) -> None:
    """Add parts to the conversation. The results of tools come first in the turn that follows the calls."""
    if not turns or turns[-1]["role"] != role:
        turns.append({"role": role, "parts": parts})
        return
    turn = turns[-1]["parts"]
    results = sum("functionResponse" in part for part in turn)
    if "functionResponse" in parts[0] and results < len(turn):
        changes.append(Change("merged", place, "the results of tools come first in the turn that follows the calls"))
        turn.insert(results, parts[0])
        parts = parts[1:]
    turn += parts


def _system(message: Message, place: str, changes: list[Change]) -> list[Part]:
    for index, part in enumerate(as_list(message.get("content"))):
        if part["type"] != "text":
            raise unsupported_part(part, f"{place}.content[{index}]", f"{_FORMAT} in a system message")
    return _parts(message.get("content"), place, changes)


def _answer(message: Message, request: ChatRequest, place: str, changes: list[Change]) -> list[Part]:
    """What the model said, and what it wants back, each signature on the part that it came with."""
    state = own_state(message, request, place, changes)
    said = _parts(message.get("content"), place, changes)
    calls = [_call(call, f"{place}.tool_calls[{at}]") for at, call in enumerate(message.get("tool_calls") or ())]
    pieces = [*([said] if said else []), *([call] for call in calls)]
    parts: list[Part] = []
    waiting: list[str] = []  # signatures that lie on what follows
    of_calls: list[str] = []
    for after in range(max([len(pieces), *state]) + 1):
        for kind, raw in state.get(after, ()):
            if kind == PART:
                parts += _signed([raw], waiting)
            else:
                (of_calls if kind == CALL_SIGNATURE else waiting).append(raw)
        if after < len(pieces):
            piece = pieces[after]
            parts += _signed(piece, of_calls if of_calls and "functionCall" in piece[0] else waiting)
    return [*parts, *({"text": "", "thoughtSignature": signature} for signature in (*waiting, *of_calls))]


def _signed(parts: list[Part], signatures: list[str]) -> list[Part]:
    """With the first of the signatures, if there is one, which is then used up."""
    return [{**parts[0], "thoughtSignature": signatures.pop(0)}, *parts[1:]] if signatures else parts


def _sign(parts: list[Part], place: str, changes: list[Change]) -> None:
    """Since Gemini 3, the first call of each step since the user's last words has a signature, or all is refused."""
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None and "thoughtSignature" not in first:
        first["thoughtSignature"] = UNSIGNED
        changes.append(
            Change("emulated", f"{place}.tool_calls[0]", "another model made it: the signature says that it has none")
        )


def _call(call: Mapping[str, Any], place: str) -> Part:
    function = call["function"]
    arguments = json_object(function["arguments"], f"{place}.function")
    return {"functionCall": {"id": call["id"], "name": function["name"], "args": arguments}}


def _result(message: Message, names: Mapping[str, str], model: str, place: str, changes: list[Change]) -> list[Part]:
    """What a tool gave: an object as it is, anything else as the `result` of one; media in it, or beside it."""
    id_ = message["tool_call_id"]
    name = names.get(id_)
    if not name:
        raise InvalidMessagesError(
            f"{place}.tool_call_id is {id_!r}, which no message before it calls: "
            f"give the one that does, for {_FORMAT} needs the tool's name"
        )
    parts = _parts(message.get("content"), place, changes)
    media = [part for part in parts if "text" not in part]
    text = "".join(part["text"] for part in parts if "text" in part)
    result: Part = {"id": id_, "name": name, "response": _object(text)}
    if not media:
        return [{"functionResponse": result}]
    if _SINCE_3.search(model):
        return [{"functionResponse": {**result, "parts": media}}]
    changes.append(
        Change("moved", f"{place}.content", "what is no text stands beside the result: this model has no place in it")
    )
    return [{"functionResponse": result}, *media]


def _object(text: str) -> dict[str, Any]:
    try:
        value = _any.decode(text)
    except msgspec.DecodeError:
        value = None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"result": text}


# ------------------------------------------------------------------------------------------------------------ parts


def _parts(content: Any, place: str, changes: list[Change]) -> list[Part]:
    """Content as parts. Empty texts say nothing, and are left out."""
    if content is None or isinstance(content, str):
        return [{"text": content}] if content else []
    parts = enumerate(content)
    return [_part(part, f"{place}.content[{at}]", changes) for at, part in parts if part.get("text") != ""]


def _part(part: Mapping[str, Any], place: str, changes: list[Change]) -> Part:
    kind = part["type"]
    note_marks(part, place, changes)
    if kind == "text":
        return {"text": part["text"]}
    if kind == "image_url":
        note_detail(part, place, changes)
    if kind in ("image_url", "video_url"):
        return _media(part[kind]["url"])
    if kind == "input_audio":
        sound = as_mapping(part[kind])
        return {"inlineData": {"mimeType": f"audio/{sound.get('format') or 'wav'}", "data": sound.get("data") or ""}}
    if kind == "file":
        return _file(as_mapping(part[kind]), place, changes)
    raise unsupported_part(part, place, _FORMAT)


def _media(url: str) -> Part:
    """In the message, or where it lies. Not every URL shows its type: YouTube's and those of held files need none."""
    if (data := data_url(url)) is not None:
        return {"inlineData": {"mimeType": data[0], "data": data[1]}}
    media_type = _ENDINGS.get(re.split(r"[?#]", url, maxsplit=1)[0].rpartition(".")[2].lower())
    return {"fileData": {"fileUri": url, "mimeType": media_type} if media_type else {"fileUri": url}}


def _file(file: Mapping[str, Any], place: str, changes: list[Change]) -> Part:
    if file.get("filename"):
        changes.append(Change("dropped", f"{place}.file.filename", "files have no names here"))
    if file.get("file_id"):
        return {"fileData": {"fileUri": _FILES + quote(str(file["file_id"]).removeprefix("files/"))}}
    if url := file.get("file_url"):
        return _media(str(url))
    if (data := data_url(str(file.get("file_data") or ""))) is None:
        raise UnsupportedError(f"{place}.file holds no data URL: {_FORMAT} takes one, a file_url or a file_id")
    return {"inlineData": {"mimeType": data[0], "data": data[1]}}


# ----------------------------------------------------------------------------------------------- parameters and tools


def _config(request: ChatRequest, changes: list[Change]) -> dict[str, Any]:
    """The generationConfig: parameters, thinking, and the schema of the answer."""
    given = dict(request.parameters)
    if given.pop("parallel_tool_calls", None) is False:
        changes.append(
            Change("dropped", "parallel_tool_calls", "one answer may hold several calls: nothing forbids it")
        )
    if isinstance(given.get("stop"), str):
        given["stop"] = [given["stop"]]
    thinking = _thinking(given.pop("reasoning_effort", None), given.pop("reasoning_budget", None), changes)
    config = {_FIELDS.get(name, name): value for name, value in given.items()}
    if thinking:
        config["thinkingConfig"] = thinking
    if (answer_schema := request.answer_schema) is not None:
        if request.tools and _BEFORE_3.search(request.model):
            raise UnsupportedError(
                f'generation_schema: {request.model} takes no tools beside it. Use output_mode="tool" or "prompted"'
            )
        described = {"description": answer_schema.description} if answer_schema.description else {}
        config |= {"responseMimeType": "application/json", "responseJsonSchema": {**described, **answer_schema.schema}}
    return config


def _thinking(effort: str | None, budget: int | None, changes: list[Change]) -> dict[str, Any]:
    """How much to think, and that the thoughts are shown, which cannot be asked for where there are none."""
    if effort == "none" or budget == 0:
        return {"thinkingBudget": 0}
    if effort is not None and budget is not None:
        changes.append(Change("dropped", "reasoning_effort", "a word and a number do not go together here"))
    if budget is not None:
        return {"thinkingBudget": budget, "includeThoughts": True}
    return {} if effort is None else {"thinkingLevel": effort, "includeThoughts": True}


def _tools(tools: tuple[Mapping[str, Any], ...], changes: list[Change]) -> list[Mapping[str, Any]]:
    """All functions in one tool, and tools of Google's own as they are."""
    functions = [as_mapping(tool["function"]) for tool in tools if "function" in tool]
    for tool in tools:
        if "function" in tool:
            note_tool(tool, changes)
    changes.extend(
        Change("dropped", f"tools.{function['name']}.strict", "no function is stricter than another here")
        for function in functions
        if function.get("strict")
    )
    declared = [_declaration(function) for function in functions]
    own = [tool for tool in tools if "function" not in tool]
    return [{"functionDeclarations": declared}, *own] if declared else own


def _declaration(function: Mapping[str, Any]) -> dict[str, Any]:
    declaration = {name: function[name] for name in ("name", "description") if function.get(name) is not None}
    if function.get("parameters"):
        declaration["parametersJsonSchema"] = function["parameters"]
    return declaration


_CHOICE: Final = {"auto": "AUTO", "required": "ANY", "none": "NONE"}


def _tool_choice(choice: ToolChoice) -> Mapping[str, Any]:
    if not isinstance(choice, str):
        return choice
    if choice in _CHOICE:
        return {"mode": _CHOICE[choice]}
    return {"mode": "ANY", "allowedFunctionNames": [choice]}
