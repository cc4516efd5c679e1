"""Mistral's chat completions: OpenAI's format with fields, parts and rules of its own.

Source: https://docs.mistral.ai/api/#tag/chat. Unknown fields are refused, ids have nine characters, and an answer may
be a list of parts, thinking among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import count, groupby
from typing import Any, Final, cast

import msgspec

from msgflux_like._json import as_list, as_mapping
from msgflux_like.dialects._shared.failures import failure_in
from msgflux_like.dialects._shared.notes import note_marks, note_tool, note_unknown, system_role
from msgflux_like.dialects._shared.parameters import (
    EMPTY_SCHEMA,
    effort_word,
    offered_tools,
    prefill_text,
    refuse_parameters,
)
from msgflux_like.dialects._shared.parts import data_url, unsupported_part
from msgflux_like.dialects._shared.provider_state import own_state
from msgflux_like.dialects._shared.stream_decoder import SseDecoder
from msgflux_like.dialects.openai_chat.request import Reader, Reply
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.events import Citation, Event, Failed, Finished, ProviderState, TextDelta, ToolCallDelta
from msgflux_like.request import Change, ChatRequest, Encoded, Message, Quirks

AUTH: Final = ("authorization", "Bearer ")
HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = ("mistral", ())


# ---------------------------------------------------------------------------------------------------------- request

_NO_WORDS: Final = frozenset({"user"})
_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "system": frozenset({"role", "content"}),
    "user": frozenset({"role", "content"}),
    "assistant": frozenset({"role", "content", "tool_calls", "prefix", "provider_state"}),
    "tool": frozenset({"role", "content", "tool_call_id", "name"}),
}
_CHOICE: Final = {"auto": "auto", "required": "any", "none": "none"}
_ID: Final = re.compile(r"[a-zA-Z0-9]{9}")
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

Fields = dict[str, Any]


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """See `Dialect`."""
    refuse_parameters(request, _NO_WORDS, quirks, "Mistral's format")
    changes: list[Change] = []
    messages = _messages(request, changes)
    if prefill := prefill_text(request, quirks):
        messages.append({"role": "assistant", "content": prefill, "prefix": True})
    _check_last(messages)
    body: Fields = {"model": request.model, "messages": messages, **_parameters(request, changes)}
    tools, choice = offered_tools(request, quirks, changes)
    if tools:
        body["tools"] = [_tool(tool, changes) for tool in tools]
    if isinstance(choice, str):
        body["tool_choice"] = _CHOICE.get(choice) or {"type": "function", "function": {"name": choice}}
    elif choice is not None:
        body["tool_choice"] = choice
    if (answer_schema := request.answer_schema) is not None:
        schema: Fields = {"name": answer_schema.name, "schema": answer_schema.schema, "strict": True}
        if answer_schema.description:
            schema["description"] = answer_schema.description
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.stream:
        body["stream"] = True
    # The answer begins with the prefix, streamed or not: https://docs.mistral.ai/guides/prefix
    return Encoded("/chat/completions", body, changes=tuple(changes))


def _messages(request: ChatRequest, changes: list[Change]) -> list[Fields]:
    ids = _ids(request.messages)
    found: list[Fields] = []
    for index, message in enumerate(request.messages):
        place = request.place(index)
        encoded = _message(message, request, place, ids, changes)
        if encoded["role"] == "assistant" and not encoded["content"] and not encoded.get("tool_calls"):
            changes.append(Change("dropped", place, "it is empty, which the API refuses"))
        else:
            found.append(encoded)
    return found


def _message(
    message: Message, request: ChatRequest, place: str, ids: Mapping[str, str], changes: list[Change]
) -> Fields:
    role = system_role(message["role"], place, changes)
    note_unknown(message, _FIELDS[role], place, changes)
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        content = [_part(part, role, f"{place}.content[{index}]", changes) for index, part in enumerate(content)]
    encoded: Fields = {"role": role, "content": content or ""}
    if role == "tool":
        encoded["tool_call_id"] = _renamed(message["tool_call_id"], ids, f"{place}.tool_call_id", changes)
        if message.get("name"):
            encoded["name"] = message["name"]
    if role == "assistant":
        if state := own_state(message, request, place, changes):
            encoded["content"] = _with_state(encoded["content"], state)
        if calls := message.get("tool_calls"):
            encoded["tool_calls"] = [
                _call(call, ids, f"{place}.tool_calls[{index}]", changes) for index, call in enumerate(calls)
            ]
        if message.get("prefix"):
            encoded["prefix"] = True
    return encoded


def _with_state(content: Any, state: Mapping[int, list[tuple[str, Any]]]) -> list[Any]:
    """The thinking of an earlier answer, before its text or after it."""
    parts: list[Any] = ([{"type": "text", "text": content}] if content else []) if isinstance(content, str) else content
    before = [raw for _, raw in state.get(0, ())]
    return [*before, *parts, *(raw for after in sorted(state) if after for _, raw in state[after])]


def _part(part: Mapping[str, Any], role: str, place: str, changes: list[Change]) -> Fields:
    kind = part["type"]
    if kind == "thinking" and role in ("assistant", "system"):
        return dict(part)
    if kind != "document_url":
        note_marks(part, place, changes)
    if kind == "text":
        return {"type": "text", "text": part["text"]}
    if role in ("user", "tool"):
        match kind:
            case "image_url":
                return {"type": "image_url", "image_url": part["image_url"]}
            case "input_audio":
                return {"type": "input_audio", "input_audio": part["input_audio"]["data"]}
            case "file":
                return _file(as_mapping(part["file"]), place, changes)
            case "document_url":
                return dict(part)
            case _:
                pass
    raise unsupported_part(part, place, f"Mistral's format in a message of role {role!r}")


def _file(file: Mapping[str, Any], place: str, changes: list[Change]) -> Fields:
    """A document by its URL or its data; an image that came as a file is an image here."""
    if file.get("file_id"):
        return {"type": "file", "file_id": file["file_id"]}
    url = str(file.get("file_url") or file.get("file_data") or "")
    if not url:
        raise UnsupportedError(f"{place}.file has neither file_id nor file_url nor file_data: give one of them")
    if (data_url(url) or ("",))[0].startswith("image/"):
        if file.get("filename"):
            changes.append(Change("dropped", f"{place}.file.filename", "images have no names here"))
        return {"type": "image_url", "image_url": {"url": url}}
    document: Fields = {"type": "document_url", "document_url": url}
    return {**document, "document_name": file["filename"]} if file.get("filename") else document


def _call(call: Mapping[str, Any], ids: Mapping[str, str], place: str, changes: list[Change]) -> Fields:
    function = call["function"]
    return {
        "id": _renamed(call["id"], ids, f"{place}.id", changes),
        "type": "function",
        "function": {"name": function["name"], "arguments": function["arguments"] or "{}"},
    }


def _ids(messages: tuple[Message, ...]) -> dict[str, str]:
    """For every id of a call that Mistral refuses, one that it takes: the same each time, and no other call's."""
    given = [
        id_
        for message in messages
        for id_ in (*(call["id"] for call in message.get("tool_calls") or ()), message.get("tool_call_id"))
        if id_ is not None
    ]
    taken = {id_ for id_ in given if _ID.fullmatch(id_)}
    renamed: dict[str, str] = {}
    for id_ in given:
        if id_ not in taken and id_ not in renamed:
            short = next(short for attempt in count() if (short := _short(id_, attempt)) not in taken)
            renamed[id_] = short
            taken.add(short)
    return renamed


def _short(id_: str, attempt: int) -> str:
    """Nine letters and digits that follow from the id alone."""
    from hashlib import blake2b  # noqa: PLC0415  only for the ids of other providers

    number = int.from_bytes(blake2b(f"{attempt}:{id_}".encode(), digest_size=8).digest())
    return "".join(_DIGITS[number // 62**place % 62] for place in range(9))


def _renamed(id_: str, ids: Mapping[str, str], place: str, changes: list[Change]) -> str:
    if id_ not in ids:
        return id_
    changes.append(Change("renamed", place, "ids are nine letters and digits"))
    return ids[id_]


def _check_last(messages: list[Fields]) -> None:
    """InvalidMessagesError for a conversation that Mistral would not answer."""
    last = messages[-1] if messages else {"role": "no one"}
    if last["role"] not in ("user", "tool") and not last.get("prefix"):
        raise InvalidMessagesError(
            f"the last message is from {last['role']}: Mistral answers a user or a tool. "
            f"An answer to go on from is given as prefilling=, or has prefix: true"
        )


def _parameters(request: ChatRequest, changes: list[Change]) -> Fields:
    given = dict(request.parameters)
    if "seed" in given:
        given["random_seed"] = given.pop("seed")
    effort = effort_word(given, "Mistral's format")
    if effort is not None and not request.model.startswith("magistral"):
        given["reasoning_effort"] = effort
    elif effort is not None:
        given["prompt_mode"] = None if effort == "none" else "reasoning"
        changes.append(Change("emulated", "reasoning_effort", "by prompt_mode: this model reasons, or it does not"))
    return given


def _tool(tool: Mapping[str, Any], changes: list[Change]) -> Mapping[str, Any]:
    if tool.get("type") != "function" or "function" not in tool:
        return tool
    note_tool(tool, changes)
    return {"type": "function", "function": {"parameters": EMPTY_SCHEMA, **tool["function"]}}


# ------------------------------------------------------------------------------------------------------------ reply

_PIECES: Final = (TextDelta, ToolCallDelta, Finished)
_any = msgspec.json.Decoder()


def decode(body: bytes) -> list[Event]:
    """See `Dialect`."""
    try:
        return _Reader(streamed=False).whole(body)
    except msgspec.ValidationError:
        if (failed := _failure(body)) is not None:
            return [failed]
        raise


def decoder() -> SseDecoder:
    """See `Dialect`."""
    return SseDecoder(_Reader(streamed=True).read, decode)


def refusal(body: bytes) -> Failed:
    """See `Dialect`. A list of what the API's schema refuses becomes a sentence, without the values it repeats."""
    failed = failure_in(body)
    try:
        said = as_mapping(_any.decode(body))
    except msgspec.DecodeError:
        return failed
    found = as_list(said.get("detail") or as_mapping(said.get("message")).get("detail"))
    if not found:
        return failed
    problems = [f"{'.'.join(map(str, as_list(each.get('loc'))))}: {each.get('msg')}" for each in map(as_mapping, found)]
    return Failed("; ".join(problems), failed.type, failed.code, failed.status)


def _failure(data: bytes) -> Failed | None:
    """The error that is all a reply or an event holds: `{"object": "error", "message": ...}` or `{"detail": ...}`."""
    said = as_mapping(_any.decode(data))
    return refusal(data) if said.get("object") == "error" or "detail" in said else None


class _Reader(Reader):
    """Reads as OpenAI's, and keeps the thinking that is to be sent back: in a stream it comes in many parts."""

    __slots__ = ("_thinking",)

    def __init__(self, *, streamed: bool) -> None:
        super().__init__(streamed=streamed)
        self._thinking: Fields | None = None  # the part that is still growing

    def read(self, data: bytes, events: list[Event]) -> bool:
        before = len(events)
        ended = super().read(data, events)
        silent = not ended and data and len(events) == before and b'"choices"' not in data
        if silent and (failed := _failure(data)) is not None:
            events.append(failed)
        return ended

    def take(self, reply: Reply, events: list[Event]) -> None:
        fresh: list[Event] = []
        super().take(reply, fresh)
        for event in fresh:
            if type(event) is ProviderState and event.kind == "thinking":
                events.extend(self._thought(event.raw))
                continue
            if type(event) in _PIECES:
                events.extend(self._thought_out())
            events.append(event)

    def parts(self, content: Any) -> Iterator[Event]:
        if not isinstance(content, list):
            yield from super().parts(content)
            return
        for item in as_list(cast("Any", content)):
            part = as_mapping(item)
            kind = part.get("type")
            if kind in ("reference", "tool_reference"):
                yield Citation(str(part.get("url") or ""), str(part.get("title") or ""), raw=item)
                continue
            yield from super().parts([item])
            if kind == "thinking":
                yield ProviderState("thinking", part)

    def _thought(self, part: Mapping[str, Any]) -> Iterator[Event]:
        """Add a part to the one that is growing. One that is signed is whole."""
        if self._thinking is not None and self._thinking.get("signature") and part.get("thinking"):
            yield from self._thought_out()
        grown = self._thinking or {**part, "thinking": []}
        self._thinking = {**grown, **part, "thinking": grown["thinking"]}
        grown["thinking"] += as_list(part.get("thinking"))

    def _thought_out(self) -> Iterator[Event]:
        """The thinking so far, before what follows it."""
        if (part := self._thinking) is None:
            return
        self._thinking = None
        pieces: list[Any] = []
        for kind, run in groupby(part["thinking"], key=lambda piece: as_mapping(piece).get("type")):
            if kind == "text":
                pieces.append({"type": "text", "text": "".join(piece["text"] for piece in run)})
            else:
                pieces.extend(run)
        yield ProviderState("thinking", {**part, "thinking": pieces})
