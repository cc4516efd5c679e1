"""Answer types that make a model reason before it concludes.

A model writes fields in their order, so the reasoning comes before the conclusion. The docstrings of the types are part
of the schemas that are sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import msgspec
from msgspec import Struct

from msgflux_like._json import as_mapping
from msgflux_like.errors import InvalidRequestError
from msgflux_like.tools.schemas import check_tools


class ChainOfThoughts(Struct):
    """Think step by step before you answer.

    Attributes:
        reasoning: The steps, one after the other.
        final_answer: What they lead to.
    """

    reasoning: str
    final_answer: str


ChainOfThought = ChainOfThoughts


class Path(Struct):
    """One way of thinking, and where it leads."""

    reasoning: str
    answer: str


class SelfConsistency(Struct):
    """Think in several independent ways, and give the answer that most of them lead to.

    Attributes:
        paths: The ways.
        final_answer: The model's own conclusion; `vote` counts.
    """

    paths: list[Path]
    final_answer: str

    def vote(self) -> str:
        """Return the most frequent answer, ignoring case and white space; in a draw, `final_answer` if among them.

        >>> paths = [Path("", "117"), Path("", "125"), Path("", " 117 ")]
        >>> SelfConsistency(paths, "125").vote()
        '117'
        """
        votes = Counter(_plain(path.answer) for path in self.paths)
        most = max(votes.values(), default=0)
        winners = [answer for answer, count in votes.items() if count == most]
        if not winners or _plain(self.final_answer) in winners:
            return self.final_answer
        return next(path.answer for path in self.paths if _plain(path.answer) == winners[0])


def _plain(answer: str) -> str:
    return " ".join(answer.split()).casefold()


class Action(Struct):
    """A call of a tool.

    Attributes:
        name: Name of the tool.
        arguments: What it is called with.
    """

    name: str
    arguments: dict[str, Any]


class ReAct(Struct):
    """Think, then either act by calling tools, or give the final answer.

    Attributes:
        thought: What is to be done next, and why.
        actions: Calls of tools, when something must be found out first; else none.
        final_answer: The answer, once nothing is left to find out; else None.
    """

    thought: str
    actions: list[Action]
    final_answer: str | None

    __generation_schema__: ClassVar[Mapping[str, Any] | None] = None

    @classmethod
    def with_tools(cls, tool_schemas: Sequence[Mapping[str, Any]]) -> type[Self]:
        """This type, with actions that name one of the tools and have arguments of its schema.

        The tools are OpenAI-style schemas, as for `tool_schemas=`; here they are not offered to the model as tools,
        the schema of the answer describes them.
        """
        if not tool_schemas:
            raise InvalidRequestError("with_tools needs at least one tool")
        schema = msgspec.json.schema(cls)
        definitions: dict[str, Any] = schema.pop("$defs")
        react: dict[str, Any] = {**definitions[cls.__name__]}
        functions = [tool["function"] for tool in check_tools(tool_schemas, None) if "function" in tool]
        actions = [_action(as_mapping(function)) for function in functions]
        react["properties"] = {
            **react["properties"],
            "actions": {"type": "array", "items": actions[0] if len(actions) == 1 else {"anyOf": actions}},
        }
        made: Any = type(cls.__name__, (cls,), {"__generation_schema__": react, "__doc__": cls.__doc__})
        return made


def _action(function: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a call of this tool."""
    action: dict[str, Any] = {
        "type": "object",
        "properties": {
            "name": {"enum": [function["name"]]},
            "arguments": function.get("parameters") or {"type": "object", "properties": {}},
        },
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }
    if function.get("description"):
        action["description"] = function["description"]
    return action
