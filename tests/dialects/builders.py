"""How the conversations of the tests are written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

Message = dict[str, Any]

PDF: Final = "data:application/pdf;base64,JVBERi0xLjQK"
PNG: Final = "data:image/png;base64,iVBORw0KGgo="
LINK: Final = "https://example.org/cat.png"


class Conversation(NamedTuple):
    """A call: its messages, its other arguments, and what of it a dialect may have no words for.

    Attributes:
        name: Unique.
        traps: Names of what is in it that not every dialect can say; see `MAY_REFUSE` in the tests.
        messages: As the caller gives them.
        call: The other arguments of the call.
        state: Whose opaque state is on its answers: "own", "foreign", or "text" for plain reasoning.
    """

    name: str
    traps: frozenset[str]
    messages: list[Message]
    call: Mapping[str, Any] = {}
    state: str = ""


def user(content: Any, **more: Any) -> Message:
    return {"role": "user", "content": content, **more}


def system(content: Any) -> Message:
    return {"role": "system", "content": content}


def answer(content: Any, *calls: Message, **more: Any) -> Message:
    return {"role": "assistant", "content": content, **({"tool_calls": list(calls)} if calls else {}), **more}


def call(id_: str, arguments: Any = '{"city":"Paris"}', name: str = "get_weather") -> Message:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(id_: str, content: Any = "22 C", **more: Any) -> Message:
    return {"role": "tool", "tool_call_id": id_, "content": content, **more}


def text(words: str, **more: Any) -> Message:
    return {"type": "text", "text": words, **more}


def image(url: str = PNG, **more: Any) -> Message:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def file(**fields: str) -> Message:
    return {"type": "file", "file": fields}


def tool(name: str = "get_weather", parameters: Any = None, **more: Any) -> Message:
    known = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    function = {"name": name, "description": f"What {name} does", "parameters": parameters or known, **more}
    return {"type": "function", "function": function}


HELLO: Final = user("Hello")
AGAIN: Final = user("And now?")
TOOLS: Final = {"tool_schemas": [tool(), tool("search"), tool("now", {"type": "object", "properties": {}})]}


def asks(*ids: str, content: Any = None, arguments: Any = '{"city":"Paris"}', **more: Any) -> Message:
    """An answer that calls `get_weather`, once for each id."""
    return answer(content, *(call(id_, arguments) for id_ in ids), **more)
