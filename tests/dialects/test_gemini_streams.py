"""The forms that only Gemini's streams have: an array of objects, and arguments that come by path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_like._wire.json_array import JsonArray
from msgflux_like._wire.sse import MAX_EVENT_BYTES, EventTooLargeError
from msgflux_like.dialects import gemini as dialect
from msgflux_like.dialects.gemini.arguments import ArgumentPiece, insert_piece
from tests.answers import fold
from tests.conversations import json_values, unhurried

names = st.text(st.characters(exclude_characters="'", exclude_categories=["Cs"]), min_size=1, max_size=5)
scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(min_size=1, max_size=6)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(names, inner, min_size=1, max_size=3),
    max_leaves=8,
)


@unhurried
@given(st.lists(st.dictionaries(st.text(max_size=5), json_values), max_size=4), st.data())
def test_an_array_gives_its_objects_wherever_it_is_cut(objects: list[dict[str, Any]], data: st.DataObject):
    indent = data.draw(st.sampled_from([None, 2]))
    wire = json.dumps(objects, ensure_ascii=data.draw(st.booleans()), indent=indent).encode()
    size = data.draw(st.integers(1, len(wire)))
    array = JsonArray()
    found = [each for place in range(0, len(wire), size) for each in array.feed(wire[place : place + size])]
    assert [json.loads(each) for each in found] == objects
    assert array.close() == []


def test_an_array_whose_object_never_ends_is_given_up():
    array = JsonArray()
    array.feed(b'[{"text": "')
    with pytest.raises(EventTooLargeError):
        array.feed(b"x" * MAX_EVENT_BYTES)


def leaves(value: Any, path: str = "$") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            plain = name.isidentifier()
            yield from leaves(item, f"{path}.{name}" if plain else f"{path}['{name}']")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def piece(path: str, value: Any) -> ArgumentPiece:
    if isinstance(value, bool):
        return ArgumentPiece(path, bool_value=value)
    if isinstance(value, str):
        return ArgumentPiece(path, string_value=value)
    return ArgumentPiece(path, null_value="NULL_VALUE") if value is None else ArgumentPiece(path, number_value=value)


@unhurried
@given(st.dictionaries(names, trees, max_size=3), st.integers(1, 3))
def test_arguments_are_what_their_pieces_say(arguments: dict[str, Any], size: int):
    found: dict[str, Any] = {}
    for path, value in leaves(arguments):
        parts = [value[at : at + size] for at in range(0, len(value), size)] if isinstance(value, str) else [value]
        for part in parts:
            insert_piece(found, piece(path, part))
    assert found == arguments


@pytest.mark.parametrize(
    "path",
    ["", "$", "$.", "$.a.b", "$.a[1000000000]", "$.a[x]", "$[0]", "$.list.b", "$.list[3]", "x$.b", "$.b rest[", "$..b"],
)
def test_a_piece_without_a_place_is_no_reply(path: str):
    arguments = {"a": "text", "list": [1]}
    with pytest.raises(msgspec.DecodeError):
        insert_piece(arguments, ArgumentPiece(path, string_value="x"))
    assert arguments == {"a": "text", "list": [1]}


def test_a_text_cannot_go_on_from_a_number():
    with pytest.raises(msgspec.DecodeError):
        insert_piece({"a": 1}, ArgumentPiece("$.a", string_value="x"))


def test_ids_that_are_made_up_differ_from_one_reply_to_the_next():
    part = {"functionCall": {"name": "now", "args": {}}}
    ids = []
    for reply in ({"responseId": "r-1"}, {"responseId": "r-2"}, {"usageMetadata": {"promptTokenCount": 8}}, {}):
        body = json.dumps({"candidates": [{"content": {"parts": [part, part]}}], **reply}).encode()
        ids += [call["id"] for call in fold(dialect.decode(body))["tool_calls"]]
    assert len(set(ids)) == 8
    assert all(id_.replace("-", "").replace("_", "").isalnum() for id_ in ids)
