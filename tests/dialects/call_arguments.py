"""Conversations that differ in what stands beside their messages: tools, parameters, types of the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Final, Literal, TypedDict

import msgspec

from tests.dialects.builders import AGAIN, HELLO, TOOLS, Conversation, answer, call, result, tool

# ---------------------------------------------------------------------------------------------------- tools and choices

PARAMETERS: Final = {
    "none": {"type": "object", "properties": {}},
    "references": {
        "type": "object",
        "properties": {"at": {"$ref": "#/$defs/Place"}},
        "$defs": {"Place": {"type": "object", "properties": {"lat": {"type": "number"}}}},
    },
    "alternatives": {
        "type": "object",
        "properties": {"x": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "y": {"type": ["integer", "null"]}},
    },
    "enums": {"type": "object", "properties": {"unit": {"type": "string", "enum": ["C", "F"]}, "v": {"const": 1}}},
    "limits": {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9, "default": 3}},
        "additionalProperties": False,
    },
    "lists": {"type": "object", "properties": {"of": {"type": "array", "items": {"type": "array", "items": {}}}}},
    "a map": {"type": "object", "additionalProperties": {"type": "string"}},
    "unicode": {"type": "object", "properties": {"größe": {"type": "number", "description": "in µm 🙂"}}},
}


def tools() -> Iterator[Conversation]:
    for name, parameters in PARAMETERS.items():
        yield Conversation(f"tool with {name}", frozenset(), [HELLO], {"tool_schemas": [tool("f", parameters)]})
    bare = [{"type": "function", "function": {"name": "now"}}]
    yield Conversation("tool without anything", frozenset(), [HELLO], {"tool_schemas": bare})
    yield Conversation("tool with a long name", frozenset(), [HELLO], {"tool_schemas": [tool("a-b_" + "c" * 60)]})
    yield Conversation("many tools", frozenset(), [HELLO], {"tool_schemas": [tool(f"tool_{n}") for n in range(40)]})
    closed = {**tool()["function"]["parameters"], "additionalProperties": False}
    strict = tool("f", closed, strict=True)
    yield Conversation("a strict tool", frozenset(), [HELLO], {"tool_schemas": [strict]})
    yield Conversation("a strict tool and another", frozenset(), [HELLO], {"tool_schemas": [strict, tool("g")]})
    yield Conversation("a tool that is not strict", frozenset(), [HELLO], {"tool_schemas": [tool(strict=False)]})

    def weather(city: str, days: int = 3) -> str:
        """The weather of a city."""
        return f"{city}: {days}"

    yield Conversation("a plain function", frozenset(), [HELLO], {"tool_schemas": [weather]})
    history = [HELLO, answer(None, call("call_1")), result("call_1"), AGAIN]
    for choice in ("auto", "required", "none", "search"):
        for parallel in (None, True, False):
            traps = {"forced choice"} if choice in ("required", "search") else set()
            traps |= set() if parallel is None else {"parallel_tool_calls"}
            traps |= {"one call of any tool"} if parallel is False and choice in ("auto", "required") else set()
            arguments = {**TOOLS, "tool_choice": choice, "parallel_tool_calls": parallel}
            name = f"choice {choice}, parallel {parallel}"
            yield Conversation(name, frozenset(traps), [HELLO], arguments)
            yield Conversation(f"{name}, after calls", frozenset(traps), history, arguments)


# ----------------------------------------------------------------------------------------------------------- parameters

VALUES: Final[Mapping[str, Sequence[Any]]] = {
    "temperature": (0, 0.0, 0.7, 1, 1.5),
    "max_tokens": (1, 1000),
    "top_p": (0.0, 0.5, 1.0),
    "top_k": (0, 40),
    "stop": ("END", ["END"], ["a", "b", "\n"], []),
    "presence_penalty": (0, 0.5, -1.0),
    "frequency_penalty": (0, 0.5, -1.0),
    "seed": (0, 42),
    "user": ("u-1", ""),
    "reasoning_effort": ("none", "low", "medium", "high"),
    "reasoning_budget": (0, 2048),
}


def parameters() -> Iterator[Conversation]:
    for name, values in VALUES.items():
        for value in values:
            traps = {name, f"{name}={value!r}"}
            yield Conversation(f"{name}={value!r}", frozenset(traps), [HELLO], {name: value})
    yield Conversation("logprobs", frozenset({"logprobs"}), [HELLO], {"logprobs": True})
    three = {"logprobs": True, "top_logprobs": 3}
    yield Conversation("three logprobs", frozenset({"logprobs", "top_logprobs"}), [HELLO], three)
    none = {"temperature": None, "stop": None, "seed": None}
    yield Conversation("parameters that are not given", frozenset(), [HELLO], none)
    loop = [HELLO, answer("So", call("call_1")), result("call_1")]
    for effort in ("none", "high"):
        traps = {"reasoning_effort", f"reasoning_effort={effort!r}"}
        arguments = {**TOOLS, "reasoning_effort": effort}
        yield Conversation(f"effort {effort} in a loop", frozenset(traps), loop, arguments)
        yield Conversation(f"effort {effort} in a loop of one's own", frozenset(traps), loop, arguments, "own")


# -------------------------------------------------------------------------------------------------------------- schemas


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(msgspec.Struct):
    """A place."""

    x: int
    y: float = 0.0


class Tree(msgspec.Struct):
    name: str
    children: list[Tree] = []


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    tricks: list[str]


class Owner(msgspec.Struct):
    pet: Cat | Dog
    colour: Colour | None = None
    note: Annotated[str, msgspec.Meta(max_length=20)] = ""


class Weather(TypedDict):
    city: str
    unit: Literal["C", "F"]


@dataclass
class Report:
    """A report."""

    title: str
    places: dict[str, Point] = field(default_factory=dict)
    sizes: tuple[int, str] = (1, "a")


SCHEMAS: Final[Mapping[str, Any]] = {
    "a Struct": Point,
    "a tree": Tree,
    "a tagged union": Owner,
    "a TypedDict": Weather,
    "a dataclass": Report,
    "a list": list[Point],
    "a number": int,
    "an enum": Colour,
    "words": Literal["yes", "no"],
    "a JSON schema": {
        "title": "Answer",
        "type": "object",
        "properties": {"a": {"type": "string", "format": "uri"}},
    },
}


def schemas() -> Iterator[Conversation]:
    for name, type_ in SCHEMAS.items():
        recursive = {"recursive schema"} if type_ is Tree else set()
        open_map = {"map in schema"} if type_ is Report else set()
        asked = {"generation_schema": type_}
        yield Conversation(f"answer of {name}", frozenset({"schema", *recursive, *open_map}), [HELLO], asked)
        yield Conversation(
            f"answer of {name} by a tool",
            frozenset({"schema by tool", "forced choice"}),
            [HELLO],
            {**asked, "output_mode": "tool"},
        )
        yield Conversation(
            f"answer of {name} by the prompt", frozenset(), [HELLO], {**asked, "output_mode": "prompted"}
        )
    beside = {**TOOLS, "generation_schema": Point}
    yield Conversation("answer of a type beside tools", frozenset({"schema", "schema beside tools"}), [HELLO], beside)
    loop = [HELLO, answer(None, call("call_1")), result("call_1")]
    yield Conversation("answer of a type in a loop", frozenset({"schema", "schema beside tools"}), loop, beside)
