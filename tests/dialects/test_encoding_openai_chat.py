"""What a call becomes in the chat completions format."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given

from msgflux_like.dialects import openai_chat as dialect
from msgflux_like.errors import InvalidRequestError, UnsupportedError
from msgflux_like.messages import normalize
from msgflux_like.request import ChatRequest, Encoded, Endpoint, Quirks, to_http
from tests.conversations import conversations, unhurried

HELLO = {"role": "user", "content": "Hello"}
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}
USUAL = Quirks()


def encoded(*messages: dict[str, Any], quirks: Quirks = USUAL, **fields: Any) -> Encoded:
    return dialect.encode(ChatRequest("m-1", normalize(messages or (HELLO,)), **fields), quirks)


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return encoded(*messages, **fields).body


def sent(request: ChatRequest, quirks: Quirks = USUAL) -> dict[str, Any]:
    return json.loads(to_http(dialect.encode(request, quirks), request, Endpoint("p", "https://example.org")).body)


def test_the_smallest_call_says_nothing_that_was_not_asked_for():
    call = encoded()
    assert call.path == "/chat/completions"
    assert call.body == {"model": "m-1", "messages": [HELLO]}
    assert call.changes == ()
    assert call.headers == {}


def test_parameters_keep_their_names_and_zeros_are_sent():
    given = {
        "temperature": 0,
        "max_tokens": 5,
        "top_p": 0.0,
        "stop": ["a", "b"],
        "presence_penalty": 0,
        "frequency_penalty": 0.0,
        "seed": 0,
        "user": "u",
        "logprobs": True,
        "top_logprobs": 0,
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
    }
    assert body(parameters=given) == {"model": "m-1", "messages": [HELLO], **given}


def test_the_limit_has_the_name_that_the_provider_knows():
    quirks = Quirks(max_tokens_field="max_completion_tokens")
    told = body(parameters={"max_tokens": 5}, quirks=quirks)
    assert told == {"model": "m-1", "messages": [HELLO], "max_completion_tokens": 5}
    assert "max_completion_tokens" not in body(quirks=quirks)


def test_a_parameter_that_the_provider_refuses_is_refused_here():
    with pytest.raises(UnsupportedError, match="seed"):
        body(parameters={"seed": 1, "temperature": 1}, quirks=Quirks(refuses=("seed",)))


def test_extra_body_adds_and_never_replaces():
    assert sent(ChatRequest("m-1", (HELLO,), extra_body={"service_tier": "flex"}))["service_tier"] == "flex"
    with pytest.raises(InvalidRequestError, match="temperature"):
        sent(ChatRequest("m-1", (HELLO,), {"temperature": 1}, extra_body={"temperature": 2}))


def test_a_stream_asks_for_its_usage_where_that_is_understood():
    assert body(stream=True)["stream_options"] == {"include_usage": True}
    assert body(stream=True, quirks=Quirks(stream_usage=False)) == {"model": "m-1", "messages": [HELLO], "stream": True}
    assert "stream" not in body()


def test_messages_go_out_as_they_are_with_keys_that_nobody_knows():
    conversation = (
        {"role": "developer", "content": "d", "name": "boss"},
        {"role": "user", "content": [{"type": "hologram", "x": 1}], "x-own": [1]},
        {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "thought"},
        {"role": "tool", "tool_call_id": "call_1", "content": "22 C", "name": "get_weather"},
    )
    assert body(*conversation)["messages"] == list(conversation)


def test_an_image_goes_out_byte_for_byte():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}
    assert sent(ChatRequest("m-1", ({"role": "user", "content": [image]},)))["messages"][0]["content"] == [image]


@pytest.mark.parametrize(("given", "text"), [({"city": "Zürich"}, '{"city":"Zürich"}'), ({}, "{}"), (None, "{}")])
def test_arguments_that_are_an_object_become_text(given: Any, text: str):
    call = {"id": "call_1", "type": "function", "x": 1, "function": {"name": "now", "arguments": given, "y": 2}}
    (message,) = body({"role": "assistant", "content": None, "tool_calls": [call]})["messages"]
    assert message["tool_calls"] == [{**call, "function": {"name": "now", "arguments": text, "y": 2}}]
    assert call["function"]["arguments"] == given


def test_tools_go_out_as_they_are():
    assert list(body(tools=(WEATHER,))["tools"]) == [WEATHER]


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("auto", "auto"),
        ("required", "required"),
        ("none", "none"),
        ("get_weather", {"type": "function", "function": {"name": "get_weather"}}),
        ({"type": "allowed_tools"}, {"type": "allowed_tools"}),
    ],
)
def test_a_tool_is_chosen_by_a_word_or_its_name(choice: Any, told: Any):
    assert body(tools=(WEATHER,), tool_choice=choice)["tool_choice"] == told


def test_no_choice_is_the_providers_choice():
    assert "tool_choice" not in body(tools=(WEATHER,))


def test_a_named_tool_is_the_only_one_where_names_are_not_understood():
    other = {"type": "function", "function": {"name": "other"}}
    call = encoded(tools=(other, WEATHER), tool_choice="get_weather", quirks=Quirks(named_tool_choice=False))
    assert call.body["tools"] == [WEATHER]
    assert call.body["tool_choice"] == "required"
    assert [change.kind for change in call.changes] == ["emulated"]


def test_where_the_model_cannot_choose_a_call_is_required_until_its_result_is_there():
    quirks = Quirks(auto_tool_choice=False)
    call = encoded(tools=(WEATHER,), quirks=quirks)
    assert call.body["tool_choice"] == "required"
    assert [change.kind for change in call.changes] == ["emulated"]
    result = {"role": "tool", "tool_call_id": "call_1", "content": "22 C"}
    assert body(HELLO, result, tools=(WEATHER,), quirks=quirks)["tool_choice"] == "none"


def test_a_prefill_is_refused_where_the_model_does_not_go_on_from_it():
    with pytest.raises(UnsupportedError, match="m-1 does not continue"):
        body(prefill="Once")
    with pytest.raises(UnsupportedError, match="m-1 does not continue"):
        body(prefill="Once", quirks=Quirks(prefill=("",), prefill_refused=("m-",)))
    call = encoded(prefill="Once ", quirks=Quirks(prefill=("m-",)))
    assert call.body["messages"] == [HELLO, {"role": "assistant", "content": "Once "}]
    assert call.prefill == "Once "


@unhurried
@given(conversations)
def test_any_conversation_goes_out_whole_and_is_never_changed(conversation: list[dict[str, Any]]):
    before = deepcopy(conversation)
    told = sent(ChatRequest("m-1", normalize(conversation)))["messages"]
    assert conversation == before
    assert [_with_objects(message) for message in told] == [_with_objects(message) for message in before]


def _with_objects(message: dict[str, Any]) -> dict[str, Any]:
    """The message with the arguments of its calls as objects, whichever way they were written."""
    if "tool_calls" not in message:
        return message
    calls = deepcopy(message["tool_calls"])
    for call in calls:
        given = call["function"]["arguments"]
        call["function"]["arguments"] = json.loads(given) if isinstance(given, str) and given else given or {}
    return {**message, "tool_calls": calls}
