"""Messages of a request in Anthropic's Messages format: system blocks, and turns of content blocks.

Source: https://docs.anthropic.com/en/api/messages. An answer of this dialect goes back block by block in the order in
which it came: `reply.py` says what is kept of it, and as which kind of provider state.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared import claude
from msgflux_like.dialects._shared.call_ids import CallIds
from msgflux_like.dialects._shared.notes import note_detail, note_marks, note_unknown
from msgflux_like.dialects._shared.parts import base64_text, data_url, json_object, unsupported_part
from msgflux_like.dialects._shared.provider_state import InsideText, own_state, split_text, with_state
from msgflux_like.dialects._shared.turns import OF_A_MESSAGE, in_turns
from msgflux_like.dialects.anthropic_messages.history import complete_tool_use
from msgflux_like.dialects.anthropic_messages.reply import CALL_FIELDS, CONTAINER, TEXT_FIELDS
from msgflux_like.dialects.anthropic_messages.thinking import THINKING_BLOCKS
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import Change, ChatRequest, Message

_NO_STATE: Final = frozenset({"text", "tool_use", "tool_result"})
"""Types of blocks that are never state of an answer: its text and its calls, and what answers a call."""
_BLANK: Final = "the API rejects blank texts"
_SIGNED_FAMILY: Final = ":claude"
"""End of the state families whose reasoning is signed; other makers that serve this format may not sign theirs."""

# Source: https://docs.anthropic.com/en/api/messages, fields of the blocks of a request and of `tools`.
_MESSAGE_FIELDS: Final = OF_A_MESSAGE | {"cache_control", "is_error"}
_DOCUMENT_FIELDS: Final = ("citations", "context", "title")
_FILE_FIELDS: Final = frozenset({"file_id", "file_url", "file_data", "filename", *_DOCUMENT_FIELDS})
_IMAGE_FILE_FIELDS: Final = frozenset({"file_data", "file_id", "file_url"})
_IMAGE_PART_FIELDS: Final = frozenset({"type", "file", "cache_control"})
_CALL_FIELDS: Final = frozenset({"id", "type", "function", "cache_control", "caller"})
_INVALID_ID_CHARACTER: Final = re.compile(r"[^a-zA-Z0-9_-]")
_ID_RULE: Final = "ids are unique and consist of letters, digits, _ and -"

Block = dict[str, Any]
Part = Mapping[str, Any]
_State = dict[int, list[tuple[str, Any]]]


def conversation(request: ChatRequest, changes: list[Change]) -> tuple[list[Block], list[Block], str]:
    """Return the system blocks, the turns, and the id of the last container of an earlier answer ("" for none).

    Args:
        request: The request whose messages are encoded.
        changes: Receives what could not be sent as given.
    """
    encoder = _Encoder(request, changes)
    system, turns = in_turns(request, encoder.blocks_of, encoder.append, changes, _MESSAGE_FIELDS)
    if encoder.has_tool_use:
        complete_tool_use(turns, changes)
    return system, turns, encoder.containers[-1] if encoder.containers else ""


class _Encoder:
    """Encoder of the messages of one request.

    Attributes:
        containers: Ids of the containers in which the provider ran code for earlier answers, in order.
        has_tool_use: Whether a message so far has calls, or state of which some may be a use of a tool.
    """

    __slots__ = ("_changes", "_ids", "_request", "containers", "has_tool_use")

    def __init__(self, request: ChatRequest, changes: list[Change]) -> None:
        self._request = request
        self._changes = changes
        self._ids = CallIds(_INVALID_ID_CHARACTER, None, _ID_RULE, changes)
        self.containers: list[str] = []
        self.has_tool_use = False

    def append(self, turn: list[Block], blocks: list[Block], place: str) -> None:
        """Add the blocks of a message to a turn. The API requires tool results to come first in it."""
        results = sum(block["type"] == "tool_result" for block in turn)
        if blocks[0]["type"] == "tool_result" and results < len(turn):
            self._changes.append(Change("merged", place, "tool results come first in the turn that follows the calls"))
            turn[results:results] = blocks
        else:
            turn += blocks

    def blocks_of(self, message: Message, place: str) -> list[Block]:
        """Return a message as content blocks, without blank texts, which the API rejects."""
        role, content, changes = message["role"], message.get("content"), self._changes
        if len(message) == 2 and isinstance(content, str) and not content.isspace():  # nearly all messages
            return [{"type": "text", "text": content}] if content else []
        if role == "tool":
            return [_tool_result(message, place, self._ids, changes)]
        if message.get("is_error") is not None:
            changes.append(Change("dropped", f"{place}.is_error", "only tool results have such a field here"))
        parts = [{"type": "text", "text": content or ""}] if content is None or isinstance(content, str) else content
        if role != "user":
            _refuse_media(parts, role, place)
        if message.get("provider_state"):
            self.has_tool_use = True
            blocks = self._answer_with_state(message, parts, place)
        else:
            blocks = _blocks(parts, place, changes)
            for index, call in enumerate(message.get("tool_calls") or ()):
                self.has_tool_use = True
                blocks.append(_tool_use(call, f"{place}.tool_calls[{index}]", self._ids, changes))
        if control := message.get("cache_control"):
            _mark_last(blocks, control, place, changes)
        return blocks

    def _answer_with_state(self, message: Message, parts: Sequence[Part], place: str) -> list[Block]:
        """Return an answer block by block in the order in which it came."""
        changes, inside = self._changes, list[InsideText]()
        state = own_state(message, self._request, place, changes, inside)
        call_fields = [as_mapping(raw) for raw in _taken(state, inside, CALL_FIELDS)]
        containers = (as_mapping(raw).get("id") for raw in _taken(state, inside, CONTAINER))
        self.containers += [container for container in containers if isinstance(container, str)]
        text_end = [InsideText(sys.maxsize, TEXT_FIELDS, raw) for raw in _taken(state, [], TEXT_FIELDS)]
        self._drop_rejected(state, inside, place)
        pieces: list[list[Block]] = []
        if any(part["text"] for part in parts):
            pieces.append(_text_with_state(parts, [*inside, *text_end], place, changes))
        for index, call in enumerate(message.get("tool_calls") or ()):
            use = _tool_use(call, f"{place}.tool_calls[{index}]", self._ids, changes)
            for further in call_fields:
                if further.get("id") == call["id"]:
                    use = {**further, **use}
            pieces.append([use])
        kinds = frozenset(kind for entries in state.values() for kind, _ in entries)
        return with_state(pieces, state, place, changes, may_end=kinds - THINKING_BLOCKS)

    def _drop_rejected(self, state: _State, inside: list[InsideText], place: str) -> None:
        """Remove what is no block, and for Claude the thinking that was cut before its signature."""
        is_signed = self._request.family.endswith(_SIGNED_FAMILY)

        def is_sent(kind: str, raw: Any) -> bool:
            if kind == TEXT_FIELDS:
                return True
            block = as_mapping(raw)
            type_ = block.get("type")
            if not isinstance(type_, str) or type_ in _NO_STATE:
                return False
            return type_ != "thinking" or not is_signed or bool(block.get("signature"))

        before = len(inside) + sum(map(len, state.values()))
        inside[:] = [each for each in inside if is_sent(each.kind, each.raw)]
        for after, entries in state.items():
            state[after] = [entry for entry in entries if is_sent(*entry)]
        if len(inside) + sum(map(len, state.values())) < before:
            detail = "state that is no block, or reasoning without a signature, which the API rejects"
            self._changes.append(Change("dropped", f"{place}.provider_state", detail))


def _refuse_media(parts: Sequence[Part], role: str, place: str) -> None:
    for index, part in enumerate(parts):
        if part["type"] != "text":
            raise unsupported_part(
                part, f"{place}.content[{index}]", f"Anthropic's format in a message of role {role!r}"
            )


def _blocks(parts: Sequence[Part], place: str, changes: list[Change]) -> list[Block]:
    blocks = (_block(part, f"{place}.content[{index}]", changes) for index, part in enumerate(parts))
    return [block for block in blocks if block is not None]


def _taken(state: _State, inside: list[InsideText], kind: str) -> list[Any]:
    """Remove the state of a kind that is no block, and return its values in order."""
    taken = [each.raw for each in inside if each.kind == kind]
    inside[:] = [each for each in inside if each.kind != kind]
    for after, entries in state.items():
        taken += [raw for each, raw in entries if each == kind]
        state[after] = [entry for entry in entries if entry[0] != kind]
    return taken


def _text_with_state(parts: Sequence[Part], inside: list[InsideText], place: str, changes: list[Change]) -> list[Block]:
    """Return the text of an answer as the blocks in which it came, with the blocks that came between them."""
    if len(parts) > 1 or len(parts[0]) > 2:  # given in parts by the caller, whose marks stay with them
        if any(each.kind == TEXT_FIELDS for each in inside):
            changes.append(Change("dropped", f"{place}.provider_state", "citations of a text that was given in parts"))
        return [*_blocks(parts, place, changes), *(each.raw for each in inside if each.kind != TEXT_FIELDS)]
    blocks: list[Block] = []
    for each in split_text(parts[0]["text"], inside):
        if isinstance(each, str):
            blocks.append({"type": "text", "text": each})
        elif each.kind == TEXT_FIELDS:
            if not claude.cite_end(blocks, as_mapping(each.raw), _cited_block):
                changes.append(Change("dropped", f"{place}.provider_state", "citations of a text that was changed"))
        else:
            blocks.append(each.raw)
    sent = [block for block in blocks if block.get("type") != "text" or block["text"].strip()]
    if len(sent) < len(blocks):
        changes.append(Change("dropped", f"{place}.content", _BLANK))
    return sent


def _cited_block(text: str, citations: list[Any]) -> Block:
    return {"type": "text", "text": text, "citations": citations}


def _block(part: Mapping[str, Any], place: str, changes: list[Change]) -> Block | None:
    """Return the block of a part; None for a blank text, which is left out."""
    match part["type"]:
        case "text":
            if not part["text"].strip():
                if part["text"] or part.get("cache_control"):
                    changes.append(Change("dropped", place, _BLANK))
                return None
            block: Block = {"type": "text", "text": part["text"]}
            if len(part) > 2:
                note_marks(part, place, changes, "cache_control", "citations")
                if part.get("citations"):
                    block["citations"] = part["citations"]
        case "image_url":
            note_marks(part, place, changes, "cache_control")
            block = {"type": "image", "source": _source(part["image_url"]["url"])}
            note_detail(part, place, changes)
            note_unknown(part["image_url"], frozenset({"url", "detail"}), f"{place}.image_url", changes, "an image")
        case "file":
            note_marks(part, place, changes, "cache_control", *_DOCUMENT_FIELDS)
            block = _document(part, place, changes)
        case _:
            raise unsupported_part(part, place, "Anthropic's format")
    if part.get("cache_control"):
        block["cache_control"] = part["cache_control"]
    return block


def _mark_last(blocks: list[Block], control: Any, place: str, changes: list[Change]) -> None:
    """Mark the end of a message for the prompt cache, as other formats mark the message."""
    if blocks and blocks[-1].get("type") not in THINKING_BLOCKS:
        blocks[-1] = {"cache_control": control} | blocks[-1]
    else:
        changes.append(Change("dropped", f"{place}.cache_control", "no block of the message can be marked"))


def _source(url: str) -> Block:
    if (data := data_url(url)) is None:
        return {"type": "url", "url": url}
    return {"type": "base64", "media_type": data[0], "data": data[1]}


def _document(part: Mapping[str, Any], place: str, changes: list[Change]) -> Block:
    """Return a PDF or text file as a document block, and an image file as an image block."""
    file = as_mapping(part.get("file"))
    note_unknown(file, _FILE_FIELDS, f"{place}.file", changes, "a file")
    fields = {name: value for name in _DOCUMENT_FIELDS if (value := file.get(name, part.get(name))) is not None}
    if file.get("filename"):
        fields.setdefault("title", file["filename"])
    if file.get("file_id"):
        return {"type": "document", "source": {"type": "file", "file_id": file["file_id"]}, **fields}
    if file.get("file_url"):
        return {"type": "document", "source": {"type": "url", "url": file["file_url"]}, **fields}
    media_type, data = data_url(str(file.get("file_data") or "")) or ("", "")
    if media_type.startswith("image/"):
        note_unknown(file, _IMAGE_FILE_FIELDS, f"{place}.file", changes, "an image block")
        note_unknown(part, _IMAGE_PART_FIELDS, place, changes, "an image block")
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
    return {"type": "document", "source": source, **fields}


def _tool_use(call: Mapping[str, Any], place: str, ids: CallIds, changes: list[Change]) -> Block:
    use: Block = {
        "type": "tool_use",
        "id": ids.of_call(call["id"], f"{place}.id"),
        "name": call["function"]["name"],
        "input": json_object(call["function"]["arguments"], f"{place}.function"),
    }
    if len(call) > 3 or len(call["function"]) > 2:
        note_unknown(call, _CALL_FIELDS, place, changes, "a call")
        note_unknown(call["function"], frozenset({"name", "arguments"}), f"{place}.function", changes, "a call")
        use |= {name: call[name] for name in ("cache_control", "caller") if call.get(name)}
    return use


def _tool_result(message: Message, place: str, ids: CallIds, changes: list[Change]) -> Block:
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        content = _blocks(content, place, changes)
    result: Block = {
        "type": "tool_result",
        "tool_use_id": ids.of_result(message["tool_call_id"], f"{place}.tool_call_id"),
    }
    if content:
        result["content"] = content
    if len(message) > 3:
        result |= {name: message[name] for name in ("is_error", "cache_control") if message.get(name) is not None}
    return result
