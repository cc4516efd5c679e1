"""What is given beside the messages: what of it is sent, under which name, and what is refused before sending."""

from __future__ import annotations

import math
import threading

import pytest

import msgflux_like as mf
from msgflux_like.errors import APITimeoutError, InvalidRequestError, UnknownParameterError, UnsupportedError
from msgflux_like.testing import FakeProvider, FakeReply
from tests.provider import chat, chat_stream, stream, whole

EVERY_PARAMETER = {
    "temperature": 0.7,
    "max_tokens": 1000,
    "top_p": 0.9,
    "top_k": 40,
    "stop": ["\n", "END"],
    "presence_penalty": 0.1,
    "frequency_penalty": -0.1,
    "seed": 42,
    "user": "ada",
    "logprobs": True,
    "top_logprobs": 3,
    "reasoning_effort": "low",
}
ZEROS = {
    "temperature": 0,
    "top_p": 0.0,
    "top_k": 0,
    "stop": [],
    "presence_penalty": 0,
    "frequency_penalty": 0.0,
    "seed": 0,
    "user": "",
    "logprobs": True,
    "top_logprobs": 0,
}
TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
def openai_itself(monkeypatch):
    """A model of OpenAI's own address, and what it would have sent there."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    provider = FakeProvider(FakeReply.whole(chat()))
    return mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret", http_client=provider), provider.requests


# ---- what is sent


def test_what_was_not_given_is_not_sent(colour, provider, model_of):
    server = provider(whole(chat()))
    nothing = dict.fromkeys(EVERY_PARAMETER)
    colour.ask(model_of(server, **nothing), "hi", **nothing, tool_schemas=None, tool_choice=None, prefilling=None)
    assert server.requests[0].body == {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("given", [EVERY_PARAMETER, ZEROS], ids=["every parameter", "zeros"])
def test_what_the_model_was_given_is_in_every_request(colour, provider, model_of, given):
    server = provider(whole(chat()), chat_stream("Hello"))
    model = model_of(server, "vllm/m", **given)
    colour.ask(model, "hi")
    colour.pieces(model, "hi")
    for request in server.requests:
        assert {name: request.body[name] for name in given} == given


@pytest.mark.parametrize("given", [EVERY_PARAMETER, ZEROS], ids=["every parameter", "zeros"])
def test_what_the_call_was_given_is_in_its_request_alone(colour, provider, model_of, given):
    server = provider(whole(chat()))
    model = model_of(server, "vllm/m")
    colour.ask(model, "hi", **given)
    colour.ask(model, "hi")
    first, second = (request.body for request in server.requests)
    assert {name: first[name] for name in given} == given
    assert sorted(second) == ["messages", "model"]


def test_the_call_beats_the_model_for_once(colour, provider, model_of):
    server = provider(whole(chat()))
    model = model_of(server, temperature=0.7, seed=1)
    colour.ask(model, "hi", temperature=0, seed=None)
    colour.ask(model, "hi")
    first, second = (request.body for request in server.requests)
    assert (first["temperature"], first["seed"]) == (0, 1)
    assert (second["temperature"], second["seed"]) == (0.7, 1)


@pytest.mark.parametrize(
    ("given", "sent"),
    [("END", "END"), (["END"], ["END"]), (("a", "b"), ["a", "b"]), ("", ""), ([], [])],
    ids=["text", "list", "tuple", "empty text", "empty list"],
)
def test_stop_is_a_text_or_several(provider, model_of, given, sent):
    server = provider(whole(chat()))
    model_of(server)("hi", stop=given)
    assert server.requests[0].body["stop"] == sent


def test_a_list_that_the_caller_changes_later_changes_no_request(provider, model_of):
    server = provider(whole(chat()))
    stop, extra = ["END"], {"metadata": {"a": "b"}}
    model = model_of(server, stop=stop, extra_body=extra)
    stop.append("more")
    extra["metadata"]["a"] = "changed"
    model("hi")
    assert server.requests[0].body["stop"] == ["END"]
    assert server.requests[0].body["metadata"] == {"a": "b"}


def test_openai_itself_gets_its_own_name_for_the_limit(openai_itself):
    model, sent = openai_itself
    model("hi", max_tokens=5)
    (request,) = sent
    assert request.url == "https://api.openai.com/v1/chat/completions"
    assert request.body["max_completion_tokens"] == 5
    assert "max_tokens" not in request.body


def test_other_servers_get_the_name_for_the_limit_that_all_of_them_know(provider, model_of):
    server = provider(whole(chat()))
    model_of(server, "openai/gpt-4o")("hi", max_tokens=5)
    assert server.requests[0].body["max_tokens"] == 5
    assert "max_completion_tokens" not in server.requests[0].body


@pytest.mark.parametrize("value", [True, False])
def test_parallel_tool_calls_are_spoken_of_with_tools_only(provider, model_of, value):
    server = provider(whole(chat()))
    model = model_of(server, parallel_tool_calls=value)
    model("hi")
    model("hi", tool_schemas=[])
    model("hi", tool_schemas=[TOOL])
    without, empty, with_tools = (request.body for request in server.requests)
    assert "parallel_tool_calls" not in without
    assert "parallel_tool_calls" not in empty
    assert with_tools["parallel_tool_calls"] is value


# ---- fields and headers in the provider's own words


def test_extra_fields_of_model_and_call_are_added(colour, provider, model_of):
    server = provider(whole(chat()))
    model = model_of(server, extra_body={"store": True, "tier": "slow"})
    colour.ask(model, "hi", extra_body={"tier": "fast", "nothing": None})
    colour.ask(model, "hi")
    first, second = (request.body for request in server.requests)
    assert (first["store"], first["tier"], first["nothing"]) == (True, "fast", None)
    assert (second["store"], second["tier"]) == (True, "slow")
    assert "nothing" not in second


@pytest.mark.parametrize(
    ("extra", "clash"),
    [
        ({"temperature": 1}, "temperature"),
        ({"max_tokens": 9}, "max_tokens"),
        ({"model": "other", "messages": []}, "messages, model"),
        ({"stream": False}, "stream"),
    ],
)
def test_an_extra_field_never_replaces_what_the_call_sets(provider, model_of, extra, clash):
    server = provider(chat_stream("Hello"))
    refusal = f"extra_body sets {clash}, which the call sets as well: give each field in one place only"
    for at_model, at_call in ((extra, {}), ({}, extra)):
        model = model_of(server, temperature=0, max_tokens=5, extra_body=at_model)
        with pytest.raises(InvalidRequestError) as raised:
            model("hi", stream=True, extra_body=at_call)
        assert str(raised.value) == refusal
    assert server.requests == []


def test_extra_headers_of_model_and_call_are_sent(colour, provider, model_of):
    server = provider(whole(chat()))
    model = model_of(server, extra_headers={"X-Own": "model", "X-Kept": "1"})
    colour.ask(model, "hi", extra_headers={"x-own": "call"})
    colour.ask(model, "hi")
    first, second = (request.headers for request in server.requests)
    assert (first["x-own"], first["x-kept"]) == ("call", "1")
    assert (second["x-own"], second["x-kept"]) == ("model", "1")


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        (
            {"X-Own": "a\r\nX-Other: b"},
            "extra_headers['X-Own'] holds a line end or another control character: remove it",
        ),
        ({"X-Own\n": "a"}, "extra_headers['X-Own\\n'] holds a line end or another control character: remove it"),
        ({"X-Own": 5}, "extra_headers['X-Own'] must be an ASCII string, not int"),
        ({"X-Own": "é"}, "extra_headers['X-Own'] must be ASCII: encode other characters, as in percent-encoding"),
    ],
)
def test_a_header_that_cannot_go_out_is_refused(provider, model_of, headers, refusal):
    server = provider(whole(chat()))
    with pytest.raises(InvalidRequestError) as raised:
        model_of(server, extra_headers=headers)
    assert str(raised.value) == refusal
    with pytest.raises(InvalidRequestError) as raised:
        model_of(server)("hi", extra_headers=headers)
    assert str(raised.value) == refusal
    assert server.requests == []


# ---- unknown keywords

OWN_FIELDS = "(the provider's own fields go through extra_body=)"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("temprature", "temperature"),
        ("maxtokens", "max_tokens"),
        ("extra_header", "extra_headers or extra_body"),
        ("max_retry", "max_retries"),
    ],
)
def test_a_mistyped_keyword_is_a_type_error_with_the_near_name(colour, provider, model_of, name, meant):
    server = provider(whole(chat()))
    refusal = f"there is no parameter {name!r}: did you mean {meant}? {OWN_FIELDS}"
    with pytest.raises(UnknownParameterError) as raised:
        model_of(server, **{name: 1})
    assert str(raised.value) == refusal
    with pytest.raises(TypeError) as raised:
        colour.ask(model_of(server), "hi", **{name: 1})
    assert str(raised.value) == refusal
    assert server.requests == []


def test_a_keyword_that_is_like_no_other_is_a_type_error_all_the_same(provider, model_of):
    with pytest.raises(TypeError) as raised:
        model_of(provider(whole(chat())))("hi", xyzzy=None)
    assert str(raised.value) == f"there is no parameter 'xyzzy' {OWN_FIELDS}"


def test_what_belongs_to_a_call_is_no_keyword_of_the_model(provider, model_of):
    with pytest.raises(UnknownParameterError, match="there is no parameter 'system_prompt'"):
        model_of(provider(whole(chat())), system_prompt="Be brief.")


def test_what_belongs_to_the_model_is_no_keyword_of_a_call(provider, model_of):
    with pytest.raises(UnknownParameterError, match="there is no parameter 'http_client'"):
        model_of(provider(whole(chat())))("hi", http_client=None)


# ---- what is refused


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("temperature", -0.1, "temperature must be a number from 0 to 2, not -0.1"),
        ("temperature", 2.1, "temperature must be a number from 0 to 2, not 2.1"),
        ("temperature", math.nan, "temperature must be a number from 0 to 2, not nan"),
        ("temperature", math.inf, "temperature must be a number from 0 to 2, not inf"),
        ("temperature", "0", "temperature must be a number from 0 to 2, not str"),
        ("temperature", True, "temperature must be a number from 0 to 2, not True (bool)"),
        ("max_tokens", 0, "max_tokens must be a whole number of at least 1, not 0"),
        ("max_tokens", 1.5, "max_tokens must be a whole number of at least 1, not 1.5 (float)"),
        ("max_tokens", True, "max_tokens must be a whole number of at least 1, not True (bool)"),
        ("top_p", 1.01, "top_p must be a number from 0 to 1, not 1.01"),
        ("top_p", math.nan, "top_p must be a number from 0 to 1, not nan"),
        ("top_k", -1, "top_k must be a whole number of at least 0, not -1"),
        ("stop", 5, "stop must be a string or a list of strings, not 5 (int)"),
        ("stop", ["a", 5], "stop[1] must be a string, not 5 (int)"),
        ("presence_penalty", -2.1, "presence_penalty must be a number from -2 to 2, not -2.1"),
        ("frequency_penalty", 3, "frequency_penalty must be a number from -2 to 2, not 3"),
        ("seed", 1.0, "seed must be a whole number, not 1.0 (float)"),
        ("seed", False, "seed must be a whole number, not False (bool)"),
        ("user", 5, "user must be a string, not 5 (int)"),
        ("logprobs", 1, "logprobs must be True or False, not 1 (int)"),
        ("top_logprobs", 21, "top_logprobs must be a whole number from 0 to 20, not 21"),
        ("parallel_tool_calls", "no", "parallel_tool_calls must be True or False, not str"),
        ("reasoning_effort", 1, "reasoning_effort must be a string, not 1 (int)"),
    ],
)
def test_a_value_out_of_range_is_refused_before_sending(provider, model_of, name, value, refusal):
    server = provider(whole(chat()))
    with pytest.raises(InvalidRequestError) as raised:
        model_of(server, **{name: value})
    assert str(raised.value) == refusal
    with pytest.raises(ValueError, match=r"must be") as raised:
        model_of(server)("hi", **{name: value})
    assert str(raised.value) == refusal
    assert server.requests == []


@pytest.mark.parametrize("value", [0, 2, 0.0, 2.0, 1])
def test_the_ends_of_a_range_belong_to_it(provider, model_of, value):
    server = provider(whole(chat()))
    model_of(server)("hi", temperature=value)
    assert server.requests[0].body["temperature"] == value


def test_log_probabilities_of_alternatives_need_those_of_the_answer(provider, model_of):
    server = provider(whole(chat()))
    for logprobs in (None, False):
        with pytest.raises(InvalidRequestError) as raised:
            model_of(server, logprobs=logprobs, top_logprobs=3)
        assert str(raised.value) == "top_logprobs needs logprobs=True"
    model = model_of(server, logprobs=True)
    with pytest.raises(InvalidRequestError):
        model("hi", logprobs=False, top_logprobs=3)
    model("hi", top_logprobs=3)
    assert server.requests[0].body["top_logprobs"] == 3
    assert len(server.requests) == 1


def test_a_parameter_that_the_provider_answers_with_an_error_is_refused_by_its_name(provider, model_of):
    server = provider(whole(chat()))
    with pytest.raises(UnsupportedError) as raised:
        model_of(server, "groq/llama-3.3-70b-versatile")("hi", logprobs=True, top_logprobs=1)
    assert str(raised.value) == (
        "logprobs, top_logprobs: this provider has no such parameter. Leave it out, "
        "or give the provider's own field in extra_body="
    )
    assert server.requests == []


# ---- retries and time


@pytest.mark.parametrize(("value", "given"), [(-1, "-1"), (1.0, "1.0 (float)"), ("2", "str"), (True, "True (bool)")])
def test_max_retries_is_a_whole_number(provider, model_of, value, given):
    refusal = f"max_retries must be a whole number of at least 0, not {given}"
    server = provider(whole(chat()))
    with pytest.raises(InvalidRequestError) as raised:
        model_of(server, max_retries=value)
    assert str(raised.value) == refusal
    with pytest.raises(InvalidRequestError) as raised:
        model_of(server)("hi", max_retries=value)
    assert str(raised.value) == refusal


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (-1, "-1"), (math.nan, "nan"), (math.inf, "inf"), ("5", "str"), (True, "True (bool)")],
)
def test_a_timeout_is_a_number_of_seconds(provider, model_of, value, shown):
    server = provider(whole(chat()))
    for given, name in ((value, "timeout"), (mf.Timeouts(connect_s=value), "timeout.connect_s")):
        refusal = f"{name} must be a number of seconds above 0, not {shown}"
        with pytest.raises(InvalidRequestError) as raised:
            model_of(server, timeout=given)
        assert str(raised.value) == refusal
        with pytest.raises(InvalidRequestError) as raised:
            model_of(server)("hi", timeout=given)
        assert str(raised.value) == refusal
    assert server.requests == []


def test_the_environment_may_set_the_time_of_a_call(colour, provider, model_of, monkeypatch):
    monkeypatch.setenv("MSGFLUX_LIKE_TIMEOUT", "0.05")
    never = threading.Event()
    model = model_of(provider(stream(never)))
    with pytest.raises(APITimeoutError) as raised:
        colour.ask(model, "hi")
    assert raised.value.phase == "total"
    assert str(raised.value) == "the call took longer than 0.05 s in all (openai/gpt-4o, HTTP 200)"


@pytest.mark.parametrize("value", ["soon", "0", "-5", "nan"])
def test_a_time_in_the_environment_that_is_none_is_refused(provider, model_of, monkeypatch, value):
    monkeypatch.setenv("MSGFLUX_LIKE_TIMEOUT", value)
    with pytest.raises(InvalidRequestError) as raised:
        model_of(provider(whole(chat())))
    assert str(raised.value) == "MSGFLUX_LIKE_TIMEOUT must be a number of seconds above 0"
