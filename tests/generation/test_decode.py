"""Answers that are nearly JSON, and those that are not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from msgflux_like.errors import OutputParsingError
from msgflux_like.structured.json_schema.decoding import read, without_trailing_commas
from msgflux_like.structured.json_schema.limits import ANY, NATIVE
from msgflux_like.structured.json_schema.schema import target_of


class Event(Struct):
    name: str
    participants: list[str]


TARGET = target_of(Event)
LOWERED = TARGET.lowered(ANY)
JSON = '{"name": "a, ]fair", "participants": ["Alice", "Bob"]}'
EVENT = Event("a, ]fair", ["Alice", "Bob"])


def event_in(text, finish="stop"):
    return read(text, TARGET, LOWERED, finish)


def test_json_is_read_and_nothing_is_said():
    assert event_in(JSON) == (EVENT, ())
    assert event_in(f"\n {JSON} \n") == (EVENT, ())


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{JSON}\n```",
        f"```\n{JSON}\n```",
        f"Sure! Here it is:\n```json\n{JSON}\n```\nAnything else?",
        f"Here it is: {JSON}",
        f"{JSON}\nI hope this helps {{really}}.",
        f"I read [the text] and {{thought}}: {JSON}",
        JSON.replace('"Bob"]', '"Bob",]'),
        JSON.replace('"Bob"]}', '"Bob", ] , }'),
        f"```json\n{JSON[:-1]},}}\n```",
        f'First {{"name": 1}}, then {JSON}',
    ],
)
def test_fences_talk_and_trailing_commas_are_passed_over_and_told(text):
    value, changes = event_in(text)
    assert value == EVENT
    assert [change.kind for change in changes] == ["recovered"]


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("", "", "empty"),
        ("sorry", "", "malformed"),
        ('{"name": 1, "participants": []}', "$.name", "Expected `str`"),
        ('{"name": "x", "participants": ["a", 2]}', "$.participants[1]", "Expected `str`"),
        ('{"name": "x"}', "", "missing required field `participants`"),
        ("[" * 100_000, "", "Expected `object`"),
        ('{"name": ' + "[" * 100_000, "$.name", "Expected `str`"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_the_raw_text(text, path, words):
    with pytest.raises(OutputParsingError, match=words) as caught:
        event_in(text)
    assert caught.value.path == path
    assert caught.value.raw_text == text
    assert caught.value.finish_reason == "stop"


@pytest.mark.parametrize("dialect", ["openai_chat", None])
def test_deep_nesting_is_an_error_like_others(dialect):
    target = target_of(Any)
    lowered = target.lowered(NATIVE[dialect] if dialect else ANY)
    for text in ('{"value": ' + "[" * 100_000, '{"value": ' + "[" * 100_000 + "]" * 100_000 + "}"):
        with pytest.raises(OutputParsingError):
            read(text, target, lowered, "stop")


def test_an_answer_that_was_cut_says_so_and_no_part_of_it_is_taken_for_the_whole():
    class Lenient(Struct):
        name: str = ""

    target = target_of(Lenient)
    with pytest.raises(OutputParsingError, match="cut by max_tokens") as caught:
        read('{"inner": {"name": "x"}, "na', target, target.lowered(ANY), "length")
    assert caught.value.finish_reason == "length"
    with pytest.raises(OutputParsingError):
        read('{"inner": {"name": "x"}, "na', target, target.lowered(ANY), "stop")


def test_a_very_long_answer_that_is_none_comes_to_an_end():
    """With work that grows as the square of the length, this would take days."""
    for text in (
        "x" * 10_000_000,
        "{" * 5_000_000,
        '{"a' * 2_000_000,
        '{"name": "' + "y" * 10_000_000,
        "[]" * 3_000_000,
    ):
        with pytest.raises(OutputParsingError):
            event_in(text)
    with pytest.raises(OutputParsingError, match="longer than"):
        event_in("z" * 20_000_000)


@settings(max_examples=300, deadline=None)
@given(
    st.text(alphabet='{}[]",:\\ntrue 0123"-.eE`json\n', max_size=80),
    st.integers(0, len(JSON)),
    st.integers(0, len(JSON)),
)
def test_whatever_the_text_no_other_error_comes(noise, one, other):
    for text in (noise, JSON[:one] + noise + JSON[one:], JSON[:one] + JSON[other:]):
        for lowered in (LOWERED, TARGET.lowered(NATIVE["openai_chat"])):
            try:
                value, changes = read(text, TARGET, lowered, "stop")
            except OutputParsingError as error:
                assert error.raw_text == text
            else:
                assert isinstance(value, Event)
                assert changes or json.loads(text)


@given(
    st.recursive(
        st.none() | st.text(alphabet='a,]}"\\ '), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_commas_are_only_taken_where_they_trail(value):
    text = json.dumps(value)
    assert without_trailing_commas(text) == text
