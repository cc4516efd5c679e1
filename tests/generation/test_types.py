"""Every kind of type people write, from the text of an answer to the value and to its dict."""

from __future__ import annotations

import copy
import datetime as dt
import json
import pickle
from typing import Annotated, Any, Literal

import pydantic
import pytest
from msgspec import Meta, Struct

from msgflux_like.errors import OutputParsingError
from msgflux_like.structured.json_schema.decoding import read
from msgflux_like.structured.json_schema.limits import ANY, NATIVE
from msgflux_like.structured.json_schema.record import Record
from msgflux_like.structured.json_schema.schema import target_of
from tests.generation.test_lowering import (
    Attributes,
    Basket,
    Box,
    Cat,
    Colour,
    Dog,
    Maybe,
    Person,
    Point,
    Row,
    Settings,
    Tree,
)


class Model(pydantic.BaseModel):
    """A pydantic model."""

    name: str
    tags: dict[str, int] = {}
    born: dt.date | None = None
    size: Annotated[int, pydantic.Field(alias="theSize")] = 1


VALUES: list[tuple[Any, Any, Any]] = [
    (Person, Person("Ada", 36, [Cat(9), Dog()], {"street": "x"}),
     {"name": "Ada", "age": 36, "pets": [{"type": "Cat", "lives": 9}, {"type": "Dog", "good_boy": True}],
      "address": {"street": "x"}}),
    (Basket, Basket("apple", [1]), {"fruit": "apple", "counts": [1]}),
    (Settings, {"host": "h"}, {"host": "h"}),
    (Point, Point(1), [1, "a"]),
    (Attributes, Attributes(3), {"size": 3, "note": ""}),
    (Row, Row(1), {"number": 1, "name": "x"}),
    (Box[int], Box(1), {"content": 1}),
    (Box[list[Cat]], Box([Cat(1)]), {"content": [{"type": "Cat", "lives": 1}]}),
    (Cat | Dog, Cat(2), {"type": "Cat", "lives": 2}),
    (Maybe, Maybe(), {"null": None, "five": 5, "null_or_five": 5}),
    (Colour, Colour.RED, "red"),
    (Literal["a", 1], 1, 1),
    (int, 3, 3),
    (int | None, None, None),
    (str, "x", "x"),
    (list[int], [1], [1]),
    (set[int], {1}, [1]),
    (dict[int, str], {1: "a"}, {"1": "a"}),
    (dict[str, list[Cat]], {"a": [Cat(1)]}, {"a": [{"type": "Cat", "lives": 1}]}),
    (tuple[int, str], (1, "a"), [1, "a"]),
    (dt.date, dt.date(2020, 1, 2), "2020-01-02"),
    (Any, {"a": [1, None]}, {"a": [1, None]}),
    (Model, Model(name="x", tags={"a": 1}, theSize=4), {"name": "x", "tags": {"a": 1}, "born": None, "size": 4}),
    (list[Model], [Model(name="x")], [{"name": "x", "tags": {}, "born": None, "size": 1}]),
    ({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"a": 1}, {"a": 1}),
]  # fmt: skip
SUBSETS = {"openai": NATIVE["openai_chat"], "anthropic": NATIVE["anthropic_messages"], "any": ANY}


def written(kind, value, lowered):
    """The text of the answer that a model would give."""
    if isinstance(value, pydantic.BaseModel):
        plain = value.model_dump(mode="json", by_alias=True)
    elif isinstance(value, list) and value and isinstance(value[0], pydantic.BaseModel):
        plain = [each.model_dump(mode="json", by_alias=True) for each in value]
    else:
        import msgspec

        plain = json.loads(msgspec.json.encode(value))
    return json.dumps(lowered.lower(plain))


@pytest.mark.parametrize("name", SUBSETS)
@pytest.mark.parametrize(("kind", "value", "plain"), VALUES, ids=lambda each: str(each)[:40])
def test_every_kind_of_type(kind, value, plain, name):
    target = target_of(kind)
    lowered = target.lowered(SUBSETS[name])
    text = written(kind, value, lowered)
    parsed, changes = read(text, target, lowered, "stop")
    assert parsed == value
    assert type(parsed) is type(value) or isinstance(parsed, type(value))
    assert changes == ()
    assert target.plain(parsed) == plain
    assert json.loads(json.dumps(target.plain(parsed))) == plain


def test_a_renamed_field_has_its_name_on_the_wire_and_the_one_of_python_in_the_result():
    target = target_of(Dog)
    assert "goodBoy" in target.lowered(ANY).schema["properties"]
    assert target.plain(Dog(good_boy=False)) == {"type": "Dog", "good_boy": False}


def test_pydantic_is_not_imported_for_other_types():
    import subprocess
    import sys

    code = (
        "import sys, msgspec\nfrom msgflux_like.structured.json_schema.schema import target_of\n"
        "target_of(msgspec.defstruct('A', [('a', int)]))\nassert 'pydantic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_pydantic_model_says_where_it_is_wrong():
    target = target_of(Model)
    with pytest.raises(OutputParsingError) as caught:
        read('{"name": "x", "tags": {"a": "b"}}', target, target.lowered(ANY), "stop")
    assert caught.value.path == "$.tags.a"


def test_strict_validation_takes_no_text_for_a_number_and_lax_validation_does():
    target = target_of(Cat)
    lowered = target.lowered(ANY)
    text = '{"type": "Cat", "lives": "9"}'
    with pytest.raises(OutputParsingError) as caught:
        read(text, target, lowered, "stop")
    assert caught.value.path == "$.lives"
    assert read(text, target, lowered, "stop", strict=False)[0] == Cat(9)


def test_limits_are_checked():
    class Small(Struct):
        number: Annotated[int, Meta(le=5)]

    target = target_of(Small)
    with pytest.raises(OutputParsingError, match="<= 5"):
        read('{"number": 6}', target, target.lowered(NATIVE["anthropic_messages"]), "stop")


def test_the_names_of_a_dicts_methods_are_fields_like_others():
    names = ["items", "keys", "values", "get", "update", "pop", "copy", "clear", "setdefault"]
    for stored in (["a"], None, 3, "x", {"b": 1}):
        record = Record(dict.fromkeys(names, stored))
        for name in names:
            assert getattr(record, name) == record[name] == stored
        assert json.loads(json.dumps(record)) == json.loads(json.dumps(record, indent=1)) == dict(record)
        assert json.loads(json.dumps({"deep": [record]}, sort_keys=True)) == {"deep": [dict(record)]}
        assert pickle.loads(pickle.dumps(record)) == copy.deepcopy(record) == record == dict(record)
        assert repr(record) == repr(dict(record))
        assert {**record} == dict(record)
    assert list(Record(a=1).items()) == [("a", 1)]
    with pytest.raises(AttributeError, match="the keys are a"):
        _ = Record(a=1).b


def test_a_tree_is_read_to_its_leaves():
    target = target_of(Tree)
    lowered = target.lowered(NATIVE["openai_chat"])
    value = Tree(1, [Tree(2, [Tree(3)])])
    assert read(written(Tree, value, lowered), target, lowered, "stop")[0] == value
