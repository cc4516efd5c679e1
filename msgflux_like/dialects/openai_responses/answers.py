"""Earlier answers as input items: messages, calls and provider state, in the order in which they came.

A message of a conversation has one text and then its calls. An answer in this format is a list of items, in which
several messages, calls, reasoning and the provider's own tools take turns; the API refuses reasoning that is not
followed by the item that it came with. The entries of `provider_state` keep that order:

    after    texts and calls before the entry: 1 for the text, if any of it came before, and 1 for each call
    offset   characters of the text before it, where that is neither none nor all of it

An entry of kind "message" stands behind the text of that message and has its `phase`. An entry of the kind of a call
names its `call_id`, and says that the call is custom, or what else it has beside its arguments. All other entries are
output items, which are sent as they came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.notes import note_unknown
from msgflux_like.dialects._shared.provider_state import own_state, reasoning_text
from msgflux_like.dialects.openai_responses.reply import BETWEEN_MESSAGES, CALLS, MARKS
from msgflux_like.request import Change, ChatRequest, Message

Item = dict[str, Any]

_CALL_FIELDS: Final = frozenset({"id", "type", "function", "custom"})
_FUNCTION_FIELDS: Final = frozenset({"name", "arguments"})
_CUSTOM_FIELDS: Final = frozenset({"name", "input"})


def answer_items(message: Message, content: Any, request: ChatRequest, place: str, changes: list[Change]) -> list[Item]:
    """Return the items of an answer.

    Args:
        message: An assistant message.
        content: Its content in this format: text, or a list of parts.
        request: The request, for the family of state that its model can read.
        place: Path of the message, for changes.
        changes: Receives what is not sent as given.
    """
    entries: list[Mapping[str, Any]] = []
    if message.get("provider_state"):
        own_state(message, request, place, changes)  # notes what this model cannot read
        entries = [entry for entry in message["provider_state"] if entry["family"] == request.family]
    marks = {str(as_mapping(entry["raw"]).get("call_id")): entry["raw"] for entry in entries if entry["kind"] in CALLS}
    given: Sequence[Mapping[str, Any]] = message.get("tool_calls") or ()
    calls = [
        _call(call, marks.get(call["id"], {}), f"{place}.tool_calls[{index}]", changes)
        for index, call in enumerate(given)
    ]
    placed = [entry for entry in entries if entry["kind"] not in CALLS]
    items = _in_order(message, content, calls, placed)
    kinds = [item.get("type") for item in items]
    if "reasoning" not in kinds and request.reasoning_field and (text := reasoning_text(message)):
        items.insert(0, _reasoning(text))
    elif kinds and kinds[-1] == "reasoning":
        changes.append(
            Change("dropped", f"{place}.provider_state", "the API rejects trailing provider state without content")
        )
        while items and items[-1].get("type") == "reasoning":
            items.pop()
    images: Sequence[Any] = message.get("images") or ()
    if images and "image_generation_call" not in kinds:
        changes.append(Change("dropped", f"{place}.images", "an answer has images only as calls of its provider here"))
    return items or [answer(content)]


def answer(content: Any, phase: Any = None) -> Item:
    """Return the item of an earlier text. Its type is optional in the format, but llama.cpp requires it here."""
    item: Item = {"type": "message", "role": "assistant", "content": content}
    return item if phase is None else {**item, "phase": phase}


def _in_order(message: Message, content: Any, calls: list[Item], entries: list[Mapping[str, Any]]) -> list[Item]:
    """Return texts, calls and state in the order in which they came."""
    text = content if isinstance(content, str) else ""
    items: list[Item] = []
    if not text and message.get("content"):  # parts, or a text that is empty
        items.append(answer(content, message.get("phase")))
    sent, called, after_message = 0, 0, False
    for entry, (characters, before) in zip(entries, _positions(entries, len(text)), strict=True):
        segment = text[sent:characters]
        sent, former = max(sent, characters), called
        called = max(called, min(before, len(calls)))
        is_mark = entry["kind"] == "message"
        phase = as_mapping(entry["raw"]).get("phase") if is_mark else message.get("phase")
        written = list(_texts(segment, phase, after_message=after_message))
        items += [*calls[former:called], *written] if is_mark else [*written, *calls[former:called]]
        after_message = is_mark or (after_message and not segment)
        if not is_mark and (raw := as_mapping(entry["raw"])):
            items.append(_as_input(raw))
    items += _texts(text[sent:], message.get("phase"), after_message=after_message)
    if refusal := message.get("refusal"):
        items.append(answer([{"type": "refusal", "refusal": refusal}]))
    return items + calls[called:]


def _texts(segment: str, phase: Any, *, after_message: bool) -> Iterator[Item]:
    if after_message:
        segment = segment.removeprefix(BETWEEN_MESSAGES)
    if segment:
        yield answer(segment, phase)


def _positions(entries: list[Mapping[str, Any]], length: int) -> list[tuple[int, int]]:
    """Return for each entry the characters of the text and the calls that come before it.

    Without an offset, either none or all of the text comes before an entry; none if some of it comes before a later
    entry and after this one.
    """
    found: list[tuple[int, int]] = []
    text_follows = False
    for entry in reversed(entries):
        after, offset = entry["after"], min(entry.get("offset") or 0, length)
        if offset:
            found.append((offset, after - 1))
        elif not after or not length or text_follows:
            found.append((0, after))
        else:
            found.append((length, after - 1))
        text_follows = text_follows or bool(offset) or entry["kind"] == "message"
    return found[::-1]


def _as_input(item: Mapping[str, Any]) -> Item:
    """Return an output item as input: reasoning without its status, which is refused."""
    if item.get("type") != "reasoning":
        return dict(item)
    return {name: value for name, value in item.items() if name != "status"}


def _reasoning(text: str) -> Item:
    """Return the item of reasoning in plain text, for models that want it back from any model."""
    return {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": text}]}


def _call(call: Mapping[str, Any], mark: Mapping[str, Any], place: str, changes: list[Change]) -> Item:
    """Return the item of a call; `mark` is what provider state knows of it."""
    note_unknown(call, _CALL_FIELDS, place, changes, "a call")
    custom = as_mapping(call.get("custom"))
    if custom:
        note_unknown(custom, _CUSTOM_FIELDS, f"{place}.custom", changes, "a custom call")
        item = {"type": "custom_tool_call", "call_id": call["id"], "name": custom["name"], "input": custom["input"]}
    else:
        function: Mapping[str, Any] = call["function"]
        note_unknown(function, _FUNCTION_FIELDS, f"{place}.function", changes, "a function call")
        kind = "custom_tool_call" if mark.get("type") == "custom_tool_call" else "function_call"
        written = function["arguments"] or ("{}" if kind == "function_call" else "")
        item = {"type": kind, "call_id": call["id"], "name": function["name"], CALLS[kind]: written}
    return item | {name: mark[name] for name in MARKS[item["type"]] if name in mark}
