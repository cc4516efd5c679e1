"""What a conversation says, and what a body in each of the dialects says, as pieces that can be compared.

A piece is `("system" | "user" | "assistant", text)`, `("call", name, arguments)`, `("result", of, text)` or
`("media", data or URL)`. Calls have no ids here: `of` is the number of the last call before it that had the result's
id, which is what an id is for.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby, pairwise
from typing import Any, Final, NamedTuple

Body = Mapping[str, Any]
Piece = tuple[Any, ...]


class Placed(NamedTuple):
    """A piece, and the index of the message that holds it; -1 for one of a body."""

    piece: Piece
    index: int = -1


class _Ids:
    """Numbers the calls as they come."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def call(self, id_: str, name: str, arguments: Any) -> Placed:
        self.given.append(id_)
        return Placed(("call", name, _arguments(arguments)))

    def result(self, id_: str, text: str) -> Placed:
        of = max((number for number, given in enumerate(self.given) if given == id_), default=-1)
        return Placed(("result", of, _value(text)))


def _arguments(given: Any) -> Any:
    """The object; the text itself where it holds none, which some dialects pass on."""
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given.strip() or "{}")
    except ValueError:
        return given


def _value(text: str) -> Any:
    """An object that a tool gave is the same however it is written, and a text is the same as an object around it."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, dict):
        return value["result"] if list(value) == ["result"] and isinstance(value["result"], str) else value
    return text


def _media(url: str) -> Piece:
    """The data in base64, or the link."""
    if not url.startswith("data:"):
        return ("media", url)
    head, _, data = url.partition(",")
    if not head.endswith(";base64"):
        from urllib.parse import unquote_to_bytes

        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return ("media", data)


# ---------------------------------------------------------------------------------------------------------- messages


def of_messages(messages: list[Any]) -> list[Placed]:
    """What our own messages say; the order within a message is that of its parts, calls last."""
    ids = _Ids()
    found: list[Placed] = []
    for index, message in enumerate(messages):
        found += [Placed(placed.piece, index) for placed in _of_message(message, ids)]
    return found


def _of_message(message: Mapping[str, Any], ids: _Ids) -> Iterator[Placed]:
    role, content = message["role"], message.get("content") or ""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    who = "system" if role == "developer" else role
    if role == "tool":
        yield ids.result(message["tool_call_id"], "".join(part["text"] for part in parts if part["type"] == "text"))
        parts = [part for part in parts if part["type"] != "text"]
    for part in parts:
        yield Placed((who, part["text"]) if part["type"] == "text" else _of_part(part))
    for call in message.get("tool_calls") or ():
        yield ids.call(call["id"], call["function"]["name"], call["function"]["arguments"] or {})


def _of_part(part: Mapping[str, Any]) -> Piece:
    inner = part[part["type"]]
    match part["type"]:
        case "image_url" | "video_url":
            return _media(inner["url"])
        case "input_audio":
            return ("media", inner["data"])
        case "file":
            return _media(inner.get("file_id") or inner.get("file_url") or inner["file_data"])
        case _:
            return ("media", json.dumps(part))


# ------------------------------------------------------------------------------------------------------------ bodies


def _openai_chat(body: Body, ids: _Ids) -> Iterator[Placed]:
    for message in body["messages"]:
        content = message.get("content")
        if isinstance(content, list):
            content = [part for part in content if not _INTRODUCES.match(part.get("text", ""))]
        yield from _of_message({**message, "content": content}, ids)


_INTRODUCES: Final = re.compile(r"From the result of \S+ \(call .*\):$", re.DOTALL)
"""What the dialect itself says before media that a result may not hold."""


def _openai_responses(body: Body, ids: _Ids) -> Iterator[Placed]:
    for item in body["input"]:
        if item.get("type") == "function_call":
            yield ids.call(item["call_id"], item["name"], item["arguments"])
        elif item.get("type") == "function_call_output":
            parts = _parts(item["output"])
            yield ids.result(item["call_id"], "".join(part.get("text", "") for part in parts))
            yield from (Placed(_responses_part(part)) for part in parts if "text" not in part)
        elif item.get("type") != "reasoning":
            who = "system" if item["role"] == "developer" else item["role"]
            for part in _parts(item["content"]):
                yield Placed((who, part["text"]) if "text" in part else _responses_part(part))


def _responses_part(part: Body) -> Piece:
    return _media(part.get("image_url") or part.get("file_id") or part.get("file_url") or part["file_data"])


def _parts(content: Any) -> list[Any]:
    return [{"text": content}] if isinstance(content, str) else content


def _anthropic(body: Body, ids: _Ids) -> Iterator[Placed]:
    yield from (Placed(("system", block["text"])) for block in _parts(body.get("system", [])))
    for turn in body["messages"]:
        for block in turn["content"]:
            match block["type"]:
                case "tool_use":
                    yield ids.call(block["id"], block["name"], block["input"])
                case "tool_result":
                    inner = _parts(block.get("content", []))
                    yield ids.result(block["tool_use_id"], "".join(each.get("text", "") for each in inner))
                    yield from (Placed(_anthropic_media(each)) for each in inner if "text" not in each)
                case "text":
                    yield Placed((turn["role"], block["text"]))
                case "thinking" | "redacted_thinking":
                    pass
                case _:
                    yield Placed(_anthropic_media(block))


def _anthropic_media(block: Body) -> Piece:
    source = block["source"]
    if source["type"] == "text":
        return ("media", base64.b64encode(source["data"].encode()).decode())
    return ("media", source.get("data") or source.get("url") or source["file_id"])


def _gemini(body: Body, ids: _Ids) -> Iterator[Placed]:
    yield from (Placed(("system", part["text"])) for part in body.get("systemInstruction", {"parts": []})["parts"])
    for turn in body["contents"]:
        for part in turn["parts"]:
            if use := part.get("functionCall"):
                yield ids.call(use["id"], use["name"], use["args"])
            elif result := part.get("functionResponse"):
                yield ids.result(result["id"], json.dumps(result["response"]))
                yield from (Placed(_gemini_media(inner)) for inner in result.get("parts", ()))
            elif "text" in part and not part.get("thought"):
                yield Placed(("assistant" if turn["role"] == "model" else "user", part["text"]))
            elif "text" not in part:
                yield Placed(_gemini_media(part))


def _gemini_media(part: Body) -> Piece:
    if data := part.get("inlineData"):
        return ("media", data["data"])
    return (
        "media",
        part["fileData"]["fileUri"].removeprefix("https://generativelanguage.googleapis.com/v1beta/files/"),
    )


def _bedrock_converse(body: Body, ids: _Ids) -> Iterator[Placed]:
    yield from (Placed(("system", block["text"])) for block in body.get("system", ()) if "text" in block)
    for turn in body["messages"]:
        for block in turn["content"]:
            ((kind, inner),) = block.items()
            match kind:
                case "text":
                    yield Placed((turn["role"], inner))
                case "toolUse":
                    yield ids.call(inner["toolUseId"], inner["name"], inner["input"])
                case "toolResult":
                    yield ids.result(inner["toolUseId"], "".join(each.get("text", "") for each in inner["content"]))
                    yield from (Placed(_converse_media(each)) for each in inner["content"] if "text" not in each)
                case "cachePoint" | "reasoningContent":
                    pass
                case _:
                    yield Placed(_converse_media(block))


def _converse_media(block: Body) -> Piece:
    (inner,) = block.values()
    return ("media", inner["source"]["bytes"])


def _mistral(body: Body, ids: _Ids) -> Iterator[Placed]:
    after_tool = False
    for message in body["messages"]:
        emulated = after_tool and message == {"role": "assistant", "content": "OK."}  # between a tool and a user
        after_tool = message["role"] == "tool"
        if emulated:
            continue
        content = message["content"]
        if isinstance(content, list):
            content = [_mistral_part(part) for part in content if part["type"] != "thinking"]
        yield from _of_message({**message, "content": content}, ids)


def _mistral_part(part: Body) -> Body:
    match part["type"]:
        case "input_audio":
            return {"type": "input_audio", "input_audio": {"data": part["input_audio"]}}
        case "document_url":
            return {"type": "file", "file": {"file_url": part["document_url"]}}
        case "file":
            return {"type": "file", "file": {"file_id": part["file_id"]}}
        case _:
            return part


def _cohere_v2(body: Body, ids: _Ids) -> Iterator[Placed]:
    """What is said before calls is their plan."""
    for message in body["messages"]:
        content = message.get("content") or ""
        if isinstance(content, list):
            content = [part for part in content if part["type"] != "thinking"]
        if plan := message.get("tool_plan"):
            assert not content
            content = plan
        yield from _of_message({**message, "content": content}, ids)


def _ollama_chat(body: Body, ids: _Ids) -> Iterator[Placed]:
    for message in body["messages"]:
        yield from _of_message(message, ids)
        yield from (Placed(("media", data)) for data in message.get("images", ()))


_BODIES: Final[Mapping[str, Callable[[Body, _Ids], Iterator[Placed]]]] = {
    "openai_chat": _openai_chat,
    "openai_responses": _openai_responses,
    "anthropic_messages": _anthropic,
    "vertex_anthropic": _anthropic,
    "bedrock_anthropic": _anthropic,
    "gemini": _gemini,
    "bedrock_converse": _bedrock_converse,
    "mistral": _mistral,
    "cohere_v2": _cohere_v2,
    "ollama_chat": _ollama_chat,
}


def of_body(dialect: str, body: Body) -> list[Placed]:
    """What a body says, in its order; system texts that have a place of their own come first."""
    return list(_BODIES[dialect](body, _Ids()))


def ids_of(dialect: str, body: Body) -> list[str]:
    """The ids of the calls in a body."""
    ids = _Ids()
    list(_BODIES[dialect](body, ids))
    return ids.given


IN_TURNS: Final = frozenset(
    {"anthropic_messages", "vertex_anthropic", "bedrock_anthropic", "gemini", "bedrock_converse"}
)
"""Dialects in which user and model take turns, and system texts are no part of that."""


def wrong_turns(body: Body) -> list[str]:
    """What is wrong with the turns of a body in such a dialect."""
    turns = body.get("messages") or body["contents"]
    if "systemInstruction" in body and turns == [{"role": "user", "parts": [{"text": ""}]}]:
        return []  # Google answers an empty question beside a system prompt
    found = [f"{turn['role']} twice" for turn, other in pairwise(turns) if turn["role"] == other["role"]]
    for turn in turns:
        blocks = [block for block in turn.get("content") or turn.get("parts") or () if "cachePoint" not in block]
        results = [bool(block.keys() & _RESULTS) or block.get("type") == "tool_result" for block in blocks]
        if not blocks or any(block.get("text") == "" and "thoughtSignature" not in block for block in blocks):
            found.append("an empty turn, or an empty text in one")
        if results != sorted(results, reverse=True):
            found.append("results behind other things")
    return found


_RESULTS: Final = frozenset({"toolResult", "functionResponse"})

# --------------------------------------------------------------------------------------------------------- comparing

TEXT_FIRST: Final = frozenset({"ollama_chat"})
"""Dialects in which a message is one text, and its images."""


def in_the_order_of(dialect: str, placed: list[Placed]) -> list[Placed]:
    """The pieces of our messages in the order in which the dialect has them."""
    found = list(placed)
    if dialect in TEXT_FIRST:
        found.sort(key=lambda each: (each.index, each.piece[0] == "media"))
    if dialect in IN_TURNS:
        found.sort(key=lambda each: each.piece[0] != "system")
    return found


def pieces(placed: list[Placed]) -> list[Piece]:
    """The pieces without empty texts, and with texts of one role that follow each other as one."""
    found: list[Piece] = []
    for role, run in groupby((each.piece for each in placed), key=lambda piece: piece[0]):
        said = [piece for piece in run if role not in _ROLES or piece[1]]
        if role in _ROLES and found and found[-1][0] == role:
            said.insert(0, found.pop())
        found += [(role, "".join(piece[1] for piece in said))] if said and role in _ROLES else said
    return found


_ROLES: Final = ("system", "user", "assistant")
