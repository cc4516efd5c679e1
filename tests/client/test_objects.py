"""The objects themselves: whatever JSON comes, it is all there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_like.response import openai_objects

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
NAMES = (
    st.sampled_from(["id", "choices", "message", "delta", "usage", "tool_calls", "function", "items", "x"]) | st.text()
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20)
KINDS = [
    kind
    for kind in vars(openai_objects).values()
    if isinstance(kind, type) and issubclass(kind, openai_objects.ApiObject)
]


@given(fields=st.dictionaries(NAMES, JSON), kind=st.sampled_from(KINDS))
def test_whatever_comes_is_kept(fields: dict[str, Any], kind: type[openai_objects.ApiObject]):
    made = kind(fields)
    assert made == fields
    assert made.model_dump() == fields
    assert _is_plain(made.model_dump())
    for name, value in fields.items():
        assert made[name] == value
        if name.isidentifier() and not hasattr(kind, name):
            assert getattr(made, name, value) == value


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return type(value) is dict and all(map(_is_plain, value.values()))
    return all(map(_is_plain, value)) if isinstance(value, list) else True


def test_a_field_that_is_called_like_a_method_is_read_by_key():
    made = openai_objects.ApiObject({"items": [1], "get": 2})
    assert (made["items"], made["get"]) == ([1], 2)


def test_a_field_can_be_set_as_an_attribute():
    message = openai_objects.ChatMessage({"role": "assistant", "content": "x"})
    message.content = "y"
    assert message.model_dump() == {"role": "assistant", "content": "y"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_known_field_that_did_not_come_is_none(kind):
    made = kind({})
    assert all(getattr(made, name) is None for name in kind._known)
    assert set(made.model_dump(exclude_unset=False)) == kind._known
