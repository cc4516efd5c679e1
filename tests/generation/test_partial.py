"""JSON that is still coming: nothing that is shown ever changes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgflux_like.structured.json_schema.limits import NATIVE
from msgflux_like.structured.json_schema.partial import PartialJson
from msgflux_like.structured.json_schema.schema import target_of
from tests.generation.test_lowering import Person

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
ROOTS = st.lists(VALUES, max_size=4) | st.dictionaries(st.text(max_size=4), VALUES, max_size=4)


def is_part(part, whole):
    """Whether all that is in `part` is in `whole`, at its place, and final unless it is a container."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return list(part) == list(whole)[: len(part)] and all(is_part(part[name], whole[name]) for name in part)
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) <= len(whole) and all(map(is_part, part, whole))
    return type(part) is type(whole) and part == whole


@settings(max_examples=150, deadline=None)
@given(ROOTS, st.booleans(), st.sampled_from([None, 1]))
def test_at_every_cut_what_is_shown_is_part_of_the_whole(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    parser = PartialJson()
    shown = []
    for character in text:
        if parser.feed(character):
            assert is_part(parser.value, value)
            shown.append((parser.snapshot(), json.dumps(parser.value)))
    assert parser.complete
    assert parser.value == value
    assert parser.scanned == len(text)
    assert all(json.dumps(snapshot) == then for snapshot, then in shown)  # a snapshot does not grow


@settings(max_examples=100, deadline=None)
@given(ROOTS, st.data())
def test_the_pieces_do_not_matter(value, data):
    text = json.dumps(value)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    parser = PartialJson()
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        parser.feed(text[start:end])
    assert parser.value == value
    assert parser.scanned == len(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='{}[]",:\\ truefalsn0123"-.eE`', max_size=60))
def test_what_is_no_json_breaks_off_without_an_error(noise):
    parser = PartialJson()
    for character in '{"a": [1, {"b": "c"}, ' + noise:
        parser.feed(character)
    assert parser.value["a"][:2] == [1, {"b": "c"}]


@pytest.mark.parametrize("text", ['{"n": 12', '{"n": "ab', '{"n": tru', '{"n": -', '{"n', '{"n": "a\\u00'])
def test_what_is_not_closed_is_not_there(text):
    parser = PartialJson()
    parser.feed(text)
    assert parser.value == {}


def test_a_key_that_comes_twice_does_not_change_what_was_shown():
    parser = PartialJson()
    parser.feed('{"a": 1, "a": 2}')
    assert parser.value == {"a": 1}
    assert parser.broken


def test_talk_and_a_fence_before_the_json_are_not_read():
    parser = PartialJson()
    parser.feed("Here:\n```json\n")
    parser.feed('{"a": 1}\n```')
    assert (parser.value, parser.complete) == ({"a": 1}, True)


def test_deep_nesting_is_bounded():
    parser = PartialJson()
    parser.feed("[" * 100_000)
    assert parser.broken


def test_what_was_lowered_is_shown_as_the_type_has_it():
    lowered = target_of(Person).lowered(NATIVE["openai_chat"])
    plain = {"name": "Ada", "age": 36, "pets": [{"type": "Cat", "lives": 9}], "address": {"a": "b", "c": "d"}}
    text = json.dumps(lowered.lower(plain))
    parser = PartialJson()
    for character in text:
        parser.feed(character)
        assert is_part(lowered.restore(parser.snapshot(), partial=True) or {}, plain)
    assert lowered.restore(parser.value, partial=True) == plain
