"""What a call would send, shown without sending it; and requests that go out as asked, or not at all."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

import msgflux_like as mf
from msgflux_like.errors import APIError, ChangeError, InvalidRequestError
from tests.provider import chat, whole

KEY = "sk-secret-of-mine"
ANTHROPIC = {"path": "anthropic/claude-sonnet-4-5", "api_key": KEY}
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "add", "arguments": "{}"},
}


def model(path: str = "openai/gpt-4o", **options: Any) -> mf.ChatCompletion:
    return mf.Model.chat_completion(path, api_key=KEY, **options)


class TestPlan:
    def test_it_shows_what_the_call_sends(self, provider, model_of, colour):
        server = provider(whole(chat()))
        asked = model_of(server, temperature=0)
        plan = asked.plan("Hello", max_tokens=5)
        assert not server.requests
        colour.ask(asked, "Hello", max_tokens=5)
        [sent] = server.requests
        assert plan.body == sent.body
        assert plan.url.endswith(sent.path)
        assert set(plan.headers) <= set(sent.headers)

    def test_no_key_and_no_header_of_the_users_is_in_it(self):
        plan = model(extra_headers={"X-Team": "a secret of theirs"}).plan("Hello")
        assert plan.headers["authorization"] == "Bearer ***"
        assert plan.headers["x-team"] == "***"
        assert plan.headers["content-type"] == "application/json"
        assert KEY not in f"{plan}{plan.headers}{plan.body}"

    def test_its_repr_shows_no_prompt(self):
        assert repr(model().plan("a prompt")) == "CallPlan(POST https://api.openai.com/v1/chat/completions, 0 changes)"

    def test_it_says_what_the_call_may_cost(self):
        cost = model().plan("Hello " * 1000, max_tokens=100).cost
        assert cost is not None
        assert 0 < cost.low < cost.high
        assert cost.max_output_tokens == 100

    def test_a_price_that_nobody_knows_is_none(self):
        assert model("openai/gpt-unheard-of").plan("Hello").cost is None

    def test_it_lists_what_is_not_sent_as_asked(self):
        [change] = mf.Model.chat_completion("anthropic/claude-sonnet-4-5", api_key=KEY).plan("Hello").changes
        assert (change.kind, change.field) == ("defaulted", "max_tokens")

    def test_it_raises_what_the_call_would_raise(self):
        with pytest.raises(InvalidRequestError, match="temperature must be a number from 0 to 2"):
            model().plan("Hello", temperature=3)

    def test_an_embedded_model_is_not_started_for_it(self):
        plan = mf.Model.chat_completion("local/smollm2").plan("Hello")
        assert plan.url == "/chat/completions"


class Weights(msgspec.Struct):
    of: dict[str, float]


class TestRefusingChanges:
    def test_a_request_that_would_be_changed_is_not_sent(self, provider, model_of, colour):
        server = provider(whole(chat()))
        asked = model_of(server, "anthropic/claude-sonnet-4-5", changes="refuse")
        with pytest.raises(ChangeError, match="max_tokens defaulted: the API requires a limit") as raised:
            colour.ask(asked, "Hello")
        assert [change.field for change in raised.value.changes] == ["max_tokens"]
        assert not server.requests

    def test_a_request_that_goes_out_as_it_is_is_sent(self, provider, model_of, colour):
        asked = model_of(provider(whole(chat())), changes="refuse")
        assert colour.ask(asked, "Hello").text == "Hello"

    def test_a_call_can_decide_otherwise_than_its_model(self):
        asked = model("anthropic/claude-sonnet-4-5", changes="refuse")
        assert asked.plan("Hello", changes="record").changes
        with pytest.raises(ChangeError):
            model("anthropic/claude-sonnet-4-5").plan("Hello", changes="refuse")

    def test_a_type_that_has_to_be_lowered_is_a_change(self):
        plan = model().plan("Hello", generation_schema=Weights)
        assert [(change.kind, change.field) for change in plan.changes] == [("lowered", "generation_schema")]
        with pytest.raises(ChangeError, match="generation_schema lowered"):
            model(changes="refuse").plan("Hello", generation_schema=Weights)

    def test_a_failed_request_is_not_sent_again(self, provider, model_of, colour):
        server = provider(whole({"error": {"message": "busy"}}, 503), whole(chat()))
        with pytest.raises(APIError, match="busy"):
            colour.ask(model_of(server, changes="refuse", max_retries=2), "Hello")
        assert len(server.requests) == 1

    @pytest.mark.parametrize("streamed", [False, True])
    def test_else_a_request_that_was_sent_again_is_recorded(self, provider, model_of, colour, streamed):
        server = provider(whole({"error": {"message": "busy"}}, 503, retry_after="0"), whole(chat()))
        response = colour.ask(model_of(server, max_retries=1), "Hello", stream=streamed)
        assert [(change.kind, change.field) for change in response.changes] == [("retried", "request")]

    def test_it_is_part_of_the_state(self):
        state = json.loads(json.dumps(model(changes="refuse").serialize()))
        assert state["state"]["changes"] == "refuse"
        with pytest.raises(ChangeError):
            mf.Model.from_serialized(**state, api_key=KEY).plan("Hello", generation_schema=Weights)

    def test_another_word_is_refused(self):
        with pytest.raises(InvalidRequestError, match='changes must be "record" or "refuse", not \'never\''):
            model(changes="never")
