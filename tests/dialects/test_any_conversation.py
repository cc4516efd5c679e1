"""What holds of every conversation in every dialect, whatever is in it."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgflux_like.calls.plan import CallPlan
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from tests.conversations import conversations, unhurried
from tests.dialects import read_back
from tests.dialects.builders import TOOLS
from tests.dialects.targets import TARGETS, model

PLACE: Final = re.compile(r"messages?\b|tool_choice|parallel_tool_calls")
BEGINNINGS: Final = ("", "functions.get_weather:0/", "é日 ", "x" * 70)

few = settings(unhurried, max_examples=40)  # for each of a dozen models

odd_conversations = st.builds(
    lambda messages, beginning: [_with_ids(message, beginning) for message in messages],
    conversations,
    st.sampled_from(BEGINNINGS),
)


def _with_ids(message: dict[str, Any], beginning: str) -> dict[str, Any]:
    """The message with something before each of its ids."""
    if id_ := message.get("tool_call_id"):
        return {**message, "tool_call_id": beginning + id_}
    calls = [{**call, "id": beginning + call["id"]} for call in message.get("tool_calls", ())]
    return {**message, "tool_calls": calls} if calls else message


def plan_of(name: str, messages: list[dict[str, Any]]) -> CallPlan | None:
    """What goes out; None for what is refused by its place."""
    before = deepcopy(messages)
    try:
        plan = model(name).plan(messages, **TOOLS)
    except (UnsupportedError, InvalidMessagesError) as error:
        assert PLACE.search(str(error))
        return None
    finally:
        assert messages == before
    return plan


@pytest.mark.parametrize("name", TARGETS)
@few
@given(messages=odd_conversations)
def test_it_is_refused_by_name_or_sent_as_it_would_be_again(name: str, messages: list[dict[str, Any]]):
    plan, again = plan_of(name, messages), plan_of(name, deepcopy(messages))
    assert (plan is None) == (again is None)
    if plan is not None and again is not None:
        assert json.dumps(plan.body) == json.dumps(again.body)
        assert plan.changes == again.changes


@pytest.mark.parametrize("name", TARGETS)
@few
@given(messages=odd_conversations)
def test_every_result_belongs_to_the_call_that_it_belonged_to(name: str, messages: list[dict[str, Any]]):
    if (plan := plan_of(name, messages)) is None:
        return
    sent = [each.piece for each in read_back.of_body(TARGETS[name].dialect, plan.body)]
    given_ones = [each.piece for each in read_back.of_messages(messages)]
    for kind in ("call", "result"):
        assert [piece[1] for piece in sent if piece[0] == kind] == [
            piece[1] for piece in given_ones if piece[0] == kind
        ]


@pytest.mark.parametrize("name", [name for name in TARGETS if TARGETS[name].dialect in read_back.IN_TURNS])
@few
@given(messages=odd_conversations)
def test_turns_alternate_and_none_is_empty_or_has_results_behind_other_things(
    name: str, messages: list[dict[str, Any]]
):
    if (plan := plan_of(name, messages)) is None:
        return
    assert read_back.wrong_turns(plan.body) == []


@pytest.mark.parametrize("name", ["mistral", "cohere"])
@few
@given(messages=odd_conversations)
def test_no_answer_is_empty_where_that_is_refused(name: str, messages: list[dict[str, Any]]):
    if (plan := plan_of(name, messages)) is None:
        return
    answers = [message for message in plan.body["messages"] if message["role"] == "assistant"]
    assert all(message.get("content") or message.get("tool_calls") for message in answers)
