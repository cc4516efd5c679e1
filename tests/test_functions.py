"""Plain functions as tools: what the model is told of them, and what they are called with."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import enum
import functools
import gc
import weakref
from typing import Annotated, Any, Literal, Optional, TypedDict

import msgspec
import pytest

import msgflux_like as mf
from msgflux_like._concurrency.loops import is_async
from msgflux_like.errors import InvalidRequestError
from msgflux_like.tools import docstrings, function_schema
from tests.provider import chat, whole


class Unit(enum.Enum):
    C = "celsius"
    F = "fahrenheit"


class CacheSlot(msgspec.Struct):
    city: str
    country: str = "FR"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Options(TypedDict, total=False):
    limit: int


def schema_of(function: Any) -> dict[str, Any]:
    return mf.function_schema(function)["function"]["parameters"]


def parameter(hint: Any, **more: Any) -> dict[str, Any]:
    def tool(value: Any) -> None: ...

    tool.__annotations__["value"] = hint
    return schema_of(tool)["properties"]["value"]


def called(function: Any, arguments: dict[str, Any]) -> Any:
    return function_schema.bind(function, arguments)()


def test_a_function_is_a_schema_of_its_name_docstring_and_parameters():
    def get_weather(location: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> str:
        """Get current weather for a location.

        Args:
            location: City and country, e.g. Paris, France
            unit: Temperature unit
        """

    assert mf.function_schema(get_weather) == {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get current weather for a location.",
            "parameters": {
                "type": "object",
                "properties": {
                    "location": {"type": "string", "description": "City and country, e.g. Paris, France"},
                    "unit": {
                        "enum": ["celsius", "fahrenheit"],
                        "description": "Temperature unit",
                        "default": "celsius",
                    },
                },
                "required": ["location"],
                "additionalProperties": False,
            },
        },
    }


GOOGLE = """Add.

It is exact: always.

Args:
    a (int): The first
        number: an integer.
    b: The second.

Returns:
    a: not this
"""
NUMPY = """Add.

It is exact: always.

Parameters
----------
a : int, optional
    The first
    number: an integer.
b
    The second.

Returns
-------
a : int
    not this
"""
REST = """Add.

It is exact: always.

:param int a: The first
    number: an integer.
:param b: The second.
:returns: not this
"""


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, REST], ids=["google", "numpy", "rest"])
def test_docstrings_are_read_in_three_ways(text):
    assert docstrings.read_docstring(text) == (
        "Add.\n\nIt is exact: always.",
        {"a": "The first number: an integer.", "b": "The second."},
    )


def test_a_docstring_without_parameters_is_the_description():
    text = "Say hello.\n\nTo everybody: you, too."
    assert docstrings.read_docstring(text) == (text, {})
    assert docstrings.read_docstring("") == ("", {})


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (int, {"type": "integer"}),
        (Optional[str], {"anyOf": [{"type": "string"}, {"type": "null"}]}),  # noqa: UP045  both ways are written
        (list[float], {"type": "array", "items": {"type": "number"}}),
        (dict[str, bool], {"type": "object", "additionalProperties": {"type": "boolean"}}),
        (Literal[1, 2], {"enum": [1, 2]}),
        (Annotated[int, "How many"], {"type": "integer", "description": "How many"}),
        (Annotated[int, msgspec.Meta(ge=1, description="N")], {"type": "integer", "minimum": 1, "description": "N"}),
        (dt.date, {"type": "string", "format": "date"}),
        (Any, {}),
    ],
)
def test_annotations_are_json_schemas(hint, schema):
    assert parameter(hint) == schema


@pytest.mark.parametrize("kind", [Unit, CacheSlot, Point, Options])
def test_types_of_ones_own_are_defined_beside(kind):
    def tool(value: Any) -> None: ...

    tool.__annotations__["value"] = kind
    schema = schema_of(tool)
    assert schema["properties"]["value"] == {"$ref": f"#/$defs/{kind.__name__}"}
    assert kind.__name__ in schema["$defs"]


def test_what_the_annotation_says_beats_the_docstring():
    def tool(a: Annotated[int, "from the annotation"], b: int) -> None:
        """Do.

        Args:
            a: from the docstring
            b: from the docstring
        """

    properties = schema_of(tool)["properties"]
    assert [properties[name]["description"] for name in "ab"] == ["from the annotation", "from the docstring"]


def test_a_function_without_parameters_is_an_empty_object():
    def now() -> str:
        return "now"

    assert schema_of(now) == {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    assert called(now, {}) == "now"


def test_arguments_become_what_the_annotations_say():
    def tool(*, a: int, place: CacheSlot, point: Point, unit: Unit, options: Options, tags: set[str], day: dt.date):
        return a, place, point, unit, options, tags, day

    arguments = {
        "a": 1,
        "place": {"city": "Paris"},
        "point": {"x": 1},
        "unit": "celsius",
        "options": {"limit": 3},
        "tags": ["x", "x"],
        "day": "2024-02-29",
    }
    assert called(tool, arguments) == (
        1, CacheSlot("Paris"), Point(1), Unit.C, {"limit": 3}, {"x"}, dt.date(2024, 2, 29),
    )  # fmt: skip


def test_a_number_in_a_text_is_a_number_where_only_that_fits():
    def tool(count: int, name: int | str, flag: bool = False) -> Any:
        return count, name, flag

    assert called(tool, {"count": 3, "name": "7"}) == (3, "7", False)
    assert called(tool, {"count": "3", "name": 7, "flag": "true"}) == (3, 7, True)


def test_keys_of_an_object_become_numbers():
    def tool(names: dict[int, str]) -> Any:
        return names

    assert called(tool, {"names": {"1": "one"}}) == {1: "one"}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [({}, "missing required field `a`"), ({"a": "x"}, r"\$.a"), ({"a": 1, "z": 2}, "unknown field `z`")],
)
def test_arguments_that_do_not_fit_are_named(arguments, why):
    def tool(a: int) -> None: ...

    with pytest.raises(msgspec.ValidationError, match=why):
        function_schema.bind(tool, arguments)


def test_defaults_are_the_functions_own():
    marker = object()
    mutable = [1, 2]

    def tool(a: list[int] = mutable, b: Any = marker, c: Unit = Unit.F, d: int | None = None) -> Any:
        return a, b, c, d

    assert called(tool, {})[0] is mutable
    assert called(tool, {})[1:] == (marker, Unit.F, None)
    assert schema_of(tool)["properties"]["c"]["default"] == "fahrenheit"


def test_parameters_may_be_positional_or_keyword_only():
    def tool(a: int, b: int = 2, /, c: int = 3, *, d: int = 4) -> Any:
        return a, b, c, d

    assert called(tool, {"a": 1, "d": 0}) == (1, 2, 3, 0)


def test_methods_partials_with_a_name_wrapped_and_async_functions_are_tools():
    class Shop:
        def __init__(self, stock: int) -> None:
            self.stock = stock

        def left(self, minus: int) -> int:
            return self.stock - minus

        @classmethod
        def name(cls, loud: bool) -> str:
            return cls.__name__.upper() if loud else cls.__name__

        @staticmethod
        def double(n: int) -> int:
            return 2 * n

    class Adder:
        __name__ = "adder"

        def __call__(self, n: int) -> int:
            return n + 1

    @functools.wraps(Shop.double)
    def wrapped(*args: Any, **named: Any) -> Any:
        return Shop.double(*args, **named)

    async def soon(n: int) -> int:
        return n

    one, two = Shop(10), Shop(20)
    assert [called(shop.left, {"minus": 1}) for shop in (one, two)] == [9, 19]
    assert schema_of(one.left)["required"] == ["minus"]
    assert called(Shop.name, {"loud": True}) == "SHOP"
    assert called(Shop.double, {"n": 2}) == called(wrapped, {"n": 2}) == 4
    assert mf.function_schema(wrapped)["function"]["name"] == "double"
    assert called(Adder(), {"n": 1}) == 2
    assert asyncio.run(called(soon, {"n": 5})) == 5
    assert [is_async(each) for each in (soon, one.left)] == [True, False]


def test_types_of_the_surrounding_function_are_found():
    class Local(msgspec.Struct):
        n: int

    def tool(value: Local) -> Any:
        return value if isinstance(value, Local) else None

    assert called(tool, {"value": {"n": 1}}) == Local(1)


def bare(a, b: int): ...
def starred(a: int, *rest: int): ...
def double_starred(a: int, **rest: int): ...
def odd(a: int, number: complex): ...
def unknown(a: Nowhere): ...  # noqa: F821


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (bare, "bare: the parameter 'a' needs an annotation"),
        (starred, r"starred: \*rest has no schema"),
        (double_starred, r"double_starred: \*\*rest has no schema"),
        (odd, "odd: the parameter 'number' is of a type that JSON cannot represent: complex"),
        (unknown, "unknown: its annotations cannot be read: .*Nowhere"),
        (functools.partial(bare, 1), "a callable that has a __name__"),
        (CacheSlot, "use a function"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_cannot_be_a_tool_is_refused_by_name(function, why):
    with pytest.raises(InvalidRequestError, match=why):
        mf.function_schema(function)


def test_a_schema_is_made_once_and_keeps_no_function_alive():
    def tool(a: int = 1) -> None: ...

    assert mf.function_schema(tool) is mf.function_schema(tool)
    gone = weakref.ref(tool)
    del tool
    gc.collect()
    assert gone() is None


def test_functions_and_schemas_are_offered_together(colour, provider, model_of):
    def add(a: int, b: int) -> int:
        """Add."""

    other = {"type": "function", "function": {"name": "other"}}
    server = provider(whole(chat()))
    colour.ask(model_of(server), "hi", tool_schemas=[add, other], tool_choice="add")
    assert server.requests[0].body["tools"] == [mf.function_schema(add), other]
    assert server.requests[0].body["tool_choice"] == {"type": "function", "function": {"name": "add"}}


def test_a_function_that_cannot_be_a_tool_is_refused_before_sending(colour, provider, model_of):
    server = provider(whole(chat()))
    with pytest.raises(InvalidRequestError, match="<lambda>"):
        colour.ask(model_of(server), "hi", tool_schemas=[lambda x: x])
    with pytest.raises(InvalidRequestError, match="two tools called 'bare'"):
        colour.ask(model_of(server), "hi", tool_schemas=[named("bare"), named("bare")])
    assert not server.requests


def named(name: str) -> Any:
    def tool() -> None: ...

    tool.__name__ = name
    return tool
