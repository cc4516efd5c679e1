"""Whatever a type can hold goes out in a strict mode's words and comes back equal."""

from __future__ import annotations

import datetime as dt
import enum
import json
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, Required, TypedDict, TypeVar

import attrs
import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType

from msgflux_like.errors import UnsupportedSchemaError
from msgflux_like.structured.json_schema.checking import problem
from msgflux_like.structured.json_schema.codecs import RestoreError
from msgflux_like.structured.json_schema.limits import ANY, NATIVE
from msgflux_like.structured.json_schema.schema import target_of

SUBSETS = {**NATIVE, "any": ANY}
T = TypeVar("T")


class Point(NamedTuple):
    x: int
    label: str = "a"


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Cat(Struct, tag=True):
    """A cat."""

    lives: int


class Dog(Struct, tag=True, rename="camel"):
    good_boy: bool = True


class Box(Struct, Generic[T]):
    content: T


class Row(Struct, array_like=True):
    number: int
    name: str = "x"


class Settings(TypedDict, total=False):
    host: Required[str]
    port: int


@dataclass
class Basket:
    fruit: str
    counts: list[int] = field(default_factory=list)


@attrs.define
class Attributes:
    size: int
    note: str = ""


class Maybe(Struct):
    absent_or_null: int | UnsetType | None = UNSET
    null: str | None = None
    five: int = 5
    null_or_five: int | None = 5


class Tree(Struct):
    value: int
    children: list[Tree] = []


class Person(Struct):
    """Somebody.

    At length.
    """

    name: Annotated[str, Meta(description="as in the passport", min_length=1)]
    age: Annotated[int, Meta(ge=0, le=150)]
    pets: list[Cat | Dog] = []
    address: dict[str, str] = {}


def everything_of(kind: Any) -> Any:
    return st.from_type(kind)


LEAVES = [int, str, bool, float, Colour, Literal["a", "b"], Literal[1, "a"] | None, Person, Cat, Basket, Point]
TYPES = st.recursive(
    st.sampled_from([*LEAVES, Row, Settings, Attributes, Maybe, Dog, dt.date, uuid.UUID, Decimal, bytes, Any]),
    lambda inner: st.one_of(
        inner.map(lambda kind: list[kind]),
        inner.map(lambda kind: dict[str, kind]),
        inner.map(lambda kind: kind | None if kind is not Any else Any),
        inner.map(lambda kind: Box[kind]),
        st.tuples(inner, inner).map(lambda kinds: tuple[kinds[0], kinds[1]]),
        inner.map(lambda kind: tuple[kind, ...]),
        inner.map(
            lambda kind: (
                msgspec.defstruct("Made", [("one", kind), ("two", kind | None, None)]) if kind is not Any else kind
            )
        ),
        st.just(Cat | Dog),
        st.just(int | str | list[int] | dict[str, int] | None),
    ),
    max_leaves=5,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def values_of(schema: Any, root: Any) -> Any:  # noqa: C901, PLR0911, PLR0912
    """Plain values that keep to a schema as msgspec makes it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return st.deferred(lambda: values_of(root["$defs"][name], root))
    if "anyOf" in schema:
        return st.one_of([values_of(each, root) for each in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object" if "properties" in schema:
            fields = {name: values_of(each, root) for name, each in schema["properties"].items()}
            required = {name: each for name, each in fields.items() if name in schema.get("required", ())}
            optional = {name: each for name, each in fields.items() if name not in required}
            return st.fixed_dictionaries(required, optional=optional)
        case "object":
            return st.dictionaries(
                st.text(max_size=5), values_of(schema.get("additionalProperties", {}), root), max_size=3
            )
        case "array" if "prefixItems" in schema:
            first = [values_of(each, root) for each in schema["prefixItems"]]
            least = schema.get("minItems", 0)
            return st.integers(least, len(first)).flatmap(lambda size: st.tuples(*first[:size]).map(list))
        case "array":
            return st.lists(values_of(schema.get("items", {}), root), max_size=3)
        case "integer":
            return st.integers(schema.get("minimum", -1000), schema.get("maximum", 1000))
        case "number":
            return st.floats(allow_nan=False, allow_infinity=False, width=32)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "string":
            formats = {
                "uuid": st.uuids().map(str),
                "date": st.dates().map(str),
                "decimal": st.decimals(-9, 9, places=2).map(str),
            }
            if "contentEncoding" in schema:
                return st.sampled_from(["", "YWI="])
            return formats.get(schema.get("format"), st.text(min_size=schema.get("minLength", 0), max_size=8))
        case _:
            return JSON


@pytest.mark.parametrize("name", SUBSETS)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_value_of_any_type_goes_out_and_comes_back(name, data):
    kind = data.draw(TYPES)
    try:
        target = target_of(kind)
    except (UnsupportedSchemaError, TypeError):
        assume(False)  # msgspec itself takes no such union, and no two types of one name
    plain = data.draw(values_of(target.schema, target.schema))
    lowered = target.lowered(SUBSETS[name])
    written = lowered.lower(plain)
    assert problem(written, lowered.schema, lowered.schema) is None
    back = lowered.restore(json.loads(json.dumps(written)))
    assert problem(back, target.schema, target.schema) is None
    try:
        meant = target.convert(plain, strict=True)
    except ValueError:
        return  # such as a pattern that the schema does not say
    again = target.convert(back, strict=True)
    assert again == meant
    if name != "any":
        strict_everywhere(lowered.schema)


def strict_everywhere(schema):
    """What strict modes demand."""
    assert schema.get("type") == "object" or schema.get("anyOf") or schema
    for node in nodes(schema):
        assert not node.keys() & {"prefixItems", "oneOf", "allOf", "default", "title", "const"}, node
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert node["required"] == list(node["properties"])
        if "$ref" in node:
            assert list(node) == ["$ref"]


def nodes(schema):
    yield schema
    for name in ("properties", "$defs"):
        for each in schema.get(name, {}).values():
            yield from nodes(each)
    for each in schema.get("anyOf", ()):
        yield from nodes(each)
    if "items" in schema:
        yield from nodes(schema["items"])


@pytest.mark.parametrize("name", SUBSETS)
def test_what_is_left_out_is_not_what_is_null(name):
    target = target_of(Maybe)
    lowered = target.lowered(SUBSETS[name])
    for value in (Maybe(), Maybe(None, "x", 6, None), Maybe(3, None, 5, 7)):
        plain = json.loads(msgspec.json.encode(value))
        assert target.convert(lowered.restore(lowered.lower(plain)), strict=True) == value
        plain = {name: each for name, each in plain.items() if name != "five"}
        assert target.convert(lowered.restore(lowered.lower(plain)), strict=True).five == 5


def test_the_order_of_the_fields_the_texts_and_the_limits_stay():
    schema = target_of(Person).lowered(NATIVE["openai_chat"]).schema
    assert list(schema["properties"]) == ["name", "age", "pets", "address"]
    assert schema["properties"]["name"]["description"] == "as in the passport (minLength: 1)"
    assert schema["properties"]["age"] == {"type": "integer", "minimum": 0, "maximum": 150}
    assert schema["description"].startswith("Somebody.")
    anthropic = target_of(Person).lowered(NATIVE["anthropic_messages"]).schema
    assert anthropic["properties"]["age"] == {"type": "integer", "description": "minimum: 0; maximum: 150"}


def test_a_type_that_holds_itself_is_a_reference_where_the_dialect_takes_one():
    target = target_of(Tree)
    lowered = target.lowered(NATIVE["openai_chat"])
    assert lowered.schema["$defs"]["Tree"]["properties"]["children"]["anyOf"][0]["items"] == {"$ref": "#/$defs/Tree"}
    plain = {"value": 1, "children": [{"value": 2}, {"value": 3, "children": [{"value": 4}]}]}
    assert lowered.restore(lowered.lower(plain)) == plain
    with pytest.raises(UnsupportedSchemaError) as caught:
        target.lowered(NATIVE["anthropic_messages"])
    assert caught.value.path.startswith("$.children[]")


@pytest.mark.parametrize("kind", [list[int], dict[str, int], int, Literal["a"], int | None, Cat | Dog, tuple[int, str]])
@pytest.mark.parametrize("name", SUBSETS)
def test_the_root_is_an_object_for_every_type(kind, name):
    schema = target_of(kind).lowered(SUBSETS[name]).schema
    assert schema["type"] == "object"
    assert not schema.keys() & {"anyOf", "$ref"}


def test_members_of_a_union_that_look_alike_are_named():
    schema = {
        "type": "object",
        "properties": {
            "either": {
                "anyOf": [
                    {"type": "array", "items": {"type": "integer"}},
                    {"type": "object", "additionalProperties": {"type": "integer"}},
                ]
            }
        },
        "required": ["either"],
    }
    lowered = target_of(schema).lowered(NATIVE["openai_chat"])
    for either in ([1, 2], [], {}, {"a": 1}):
        written = lowered.lower({"either": either})
        assert set(written["either"]) == {"case", "value"}
        assert lowered.restore(written) == {"either": either}


def test_fields_that_are_not_named_come_along():
    schema = {
        "type": "object",
        "properties": {"größe": {"type": "integer"}},
        "additionalProperties": {"type": "string"},
    }
    lowered = target_of(schema).lowered(NATIVE["openai_chat"])
    for value in ({}, {"größe": 1}, {"größe": 1, "b": "x"}, {"further_fields": "y"}):
        assert lowered.restore(lowered.lower(value)) == value
    assert all(name.isascii() for name in lowered.schema["properties"])


class Outer(Struct):
    inner: list[Basket]


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"type": "object", "properties": {"a": {"not": {"type": "string"}}}}, "$.a"),
        ({"type": "object", "properties": {"a": {"type": "array", "items": {"$ref": "#/nowhere"}}}}, "$.a[]"),
        ({"type": "object", "properties": {"a": {"enum": [[1]]}}}, "$.a"),
        ({"type": "object", "properties": {"a": False}}, "$.a"),
        ({"type": "object", "properties": {"a": {"type": "object", "patternProperties": {}}}}, "$.a"),
        ({"type": "object", "properties": {"a": {"minimum": 3}}}, "$.a"),
    ],
)
def test_what_a_strict_schema_cannot_say_is_refused_with_its_place(schema, path):
    with pytest.raises(UnsupportedSchemaError) as caught:
        target_of(schema).lowered(NATIVE["openai_chat"])
    assert caught.value.path == path


@dataclass
class Deep:
    good: int
    bad: list[complex]


class Top(Struct):
    deep: dict[str, Deep]


def test_what_is_no_type_of_an_answer_is_refused_with_its_place():
    with pytest.raises(UnsupportedSchemaError, match="complex") as caught:
        target_of(Top)
    assert caught.value.path == "$.deep[].bad[]"
    for wrong in (complex, "text", 3, ["x"], None):
        with pytest.raises(ValueError, match="generation_schema"):
            target_of(wrong)


def test_what_came_back_in_another_form_is_told_with_its_place():
    lowered = target_of(Person).lowered(NATIVE["openai_chat"])
    with pytest.raises(RestoreError, match=r"address\[1\]"):
        lowered.restore({"address": [{"key": "a", "value": "b"}, {"key": "a"}]})
    with pytest.raises(RestoreError, match="differ"):
        lowered.restore({"address": [{"key": "a", "value": "b"}, {"key": "a", "value": "c"}]})


def test_a_schema_is_made_once_for_each_type():
    assert target_of(Person) is target_of(Person)
    assert target_of(Person).lowered(ANY) is target_of(Person).lowered(ANY)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Person, "Person"),
        (Box[int], "Box_int"),
        (list[Cat], "list_Cat"),
        ({"title": "Größe 1", "type": "object"}, "Gr_e_1"),
    ],
)
def test_the_name_is_in_the_alphabet_of_the_providers(kind, name):
    assert target_of(kind).name == name
