"""What a call becomes in Cohere's chat format."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given

from msgflux_like.dialects import cohere_v2 as dialect
from msgflux_like.errors import UnsupportedError
from msgflux_like.messages.normalize import normalize
from msgflux_like.request import AnswerSchema, ChatRequest, Encoded, Quirks
from tests.conversations import conversations, unhurried
from tests.dialects.builders import asks, result

PLAIN = Quirks()
HELLO = {"role": "user", "content": "Hello"}
SMALLEST = {"model": "command-a", "messages": [HELLO], "stream": False}
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
NOW = {"type": "function", "function": {"name": "now"}}
EMPTY = {"type": "object", "properties": {}}
THOUGHT = {"type": "thinking", "thinking": "Hm."}


def encoded(*messages: dict[str, Any], quirks: Quirks = PLAIN, **fields: Any) -> Encoded:
    request = ChatRequest("command-a", normalize(messages or (HELLO,)), fields.pop("parameters", {}), **fields)
    return dialect.encode(request, quirks)


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return encoded(*messages, **fields).body


def sent(*messages: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    return body(*messages, **fields)["messages"]


def kinds(*messages: dict[str, Any], **fields: Any) -> list[tuple[str, str]]:
    return [(change.kind, change.field) for change in encoded(*messages, **fields).changes]


def state(*entries: tuple[str, int, Any], family: str = "cohere:command") -> list[dict[str, Any]]:
    return [{"family": family, "kind": kind, "after": after, "raw": raw} for kind, after, raw in entries]


def test_the_smallest_call_says_nothing_that_was_not_asked_for():
    call = encoded()
    assert (call.path, call.headers, call.changes, call.prefill) == ("/chat", {}, (), "")
    assert call.body == SMALLEST
    assert body(stream=True) == SMALLEST | {"stream": True}


def test_parameters_have_their_names_here_and_zeros_are_sent():
    given_here = {"temperature": 0, "top_p": 0.5, "top_k": 0, "stop": "END", "seed": 0, "presence_penalty": 0}
    assert body(parameters=given_here | {"max_tokens": 5, "logprobs": True}) == SMALLEST | {
        "temperature": 0,
        "p": 0.5,
        "k": 0,
        "stop_sequences": ["END"],
        "seed": 0,
        "presence_penalty": 0,
        "max_tokens": 5,
        "logprobs": True,
    }
    assert body(parameters={"stop": ("a", "b")})["stop_sequences"] == ["a", "b"]


@pytest.mark.parametrize("name", ["user", "top_logprobs", "parallel_tool_calls"])
def test_a_parameter_without_a_word_is_refused(name: str):
    with pytest.raises(UnsupportedError, match=f"{name}: Cohere.*extra_body"):
        body(parameters={name: 0})


@pytest.mark.parametrize(
    ("name", "value"),
    [("top_p", 0.0), ("top_p", 1), ("top_k", 501), ("presence_penalty", -0.1), ("frequency_penalty", 1.1)],
)
def test_a_value_beyond_the_range_is_refused(name: str, value: float):
    with pytest.raises(UnsupportedError, match=f"{name} must be between .* for Cohere's format; got {value}"):
        body(parameters={name: value})


@pytest.mark.parametrize(
    ("given_here", "thinking", "changes"),
    [
        ({"reasoning_effort": "none"}, {"type": "disabled"}, []),
        ({"reasoning_effort": "high"}, {"type": "enabled"}, [("emulated", "reasoning_effort")]),
        ({"reasoning_budget": 0}, {"type": "disabled"}, []),
        ({"reasoning_budget": 500}, {"type": "enabled", "token_budget": 500}, []),
    ],
)
def test_how_much_to_think(given_here: dict[str, Any], thinking: dict[str, Any], changes: list[Any]):
    assert body(parameters=given_here) == SMALLEST | {"thinking": thinking}
    assert kinds(parameters=given_here) == changes


def test_developers_are_the_system_and_that_is_told():
    developer = {"role": "developer", "content": "d"}
    assert sent(developer, HELLO) == [{"role": "system", "content": "d"}, HELLO]
    assert kinds(developer, HELLO) == [("renamed", "messages[0].role")]


def test_fields_that_have_no_place_are_left_out_and_that_is_told():
    named = {"role": "user", "content": "Hi", "name": "ada"}
    assert sent(named) == [{"role": "user", "content": "Hi"}]
    assert kinds(named) == [("dropped", "messages[0].name")]


def test_an_image_is_sent_by_its_url():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}
    assert sent({"role": "user", "content": [{"type": "text", "text": "t"}, image]})[0]["content"] == [
        {"type": "text", "text": "t"},
        image,
    ]


def test_a_part_that_cannot_be_sent_is_refused_by_its_place():
    with pytest.raises(UnsupportedError, match=r"messages\[0\]\.content\[0\] is of type 'file'.*documents"):
        sent({"role": "user", "content": [{"type": "file", "file": {"file_id": "f1"}}]})
    with pytest.raises(UnsupportedError, match=r"content\[0\].*role 'tool'"):
        sent(asks("a"), result("a", [{"type": "image_url", "image_url": {"url": "https://example.org"}}]))


def test_the_results_of_tools_are_texts_or_documents():
    document = {"type": "document", "document": {"data": {"temperature": 22}}}
    messages = sent(asks("a", "b"), result("a"), result("b", [document, {"type": "text", "text": "t"}]))
    assert messages[1:] == [
        {"role": "tool", "tool_call_id": "a", "content": "22 C"},
        {"role": "tool", "tool_call_id": "b", "content": [document, {"type": "text", "text": "t"}]},
    ]


def test_calls_have_no_content_beside_them():
    call = {"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}
    assert sent(asks("a"), result("a"))[0] == {"role": "assistant", "tool_calls": [call]}
    assert sent(asks("a", arguments=""), result("a"))[0]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_what_is_said_before_calls_is_their_plan():
    said = asks("a", content="I will look.")
    assert sent(said, result("a"))[0]["tool_plan"] == "I will look."
    assert "content" not in sent(said, result("a"))[0]
    assert kinds(said, result("a")) == [("moved", "messages[0].content")]


def test_plan_and_thinking_go_back_where_they_stood():
    held = state(("thinking", 0, THOUGHT), ("tool_plan", 0, {"tool_plan": "I will look."}))
    messages = sent(asks("a", provider_state=held), result("a"), family="cohere:command")
    assert messages[0]["tool_plan"] == "I will look."
    assert messages[0]["content"] == [THOUGHT]
    answer = {"role": "assistant", "content": "Paris.", "provider_state": state(("thinking", 0, THOUGHT))}
    content = sent(HELLO, answer, HELLO, family="cohere:command")[1]["content"]
    assert content == [THOUGHT, {"type": "text", "text": "Paris."}]


def test_the_state_of_others_is_left_out_and_that_is_told():
    held = state(("thinking", 0, THOUGHT), family="mistral:mistral")
    answer = {"role": "assistant", "content": "Hi", "provider_state": held}
    assert sent(HELLO, answer, HELLO, family="cohere:command")[1] == {"role": "assistant", "content": "Hi"}
    assert kinds(HELLO, answer, HELLO, family="cohere:command") == [("dropped", "messages[1].provider_state")]


def test_an_answer_that_says_nothing_is_left_out_and_that_is_told():
    empty = {"role": "assistant", "content": ""}
    assert sent(HELLO, empty, HELLO) == [HELLO, HELLO]
    assert kinds(HELLO, empty, HELLO) == [("dropped", "messages[1]")]


def test_tools_and_the_choice_among_them():
    assert body(tools=(WEATHER, NOW)) == SMALLEST | {
        "tools": [WEATHER, {"type": "function", "function": {"name": "now", "parameters": EMPTY}}]
    }
    assert "tool_choice" not in body(tools=(WEATHER,), tool_choice="auto")
    assert body(tools=(WEATHER,), tool_choice="required")["tool_choice"] == "REQUIRED"
    assert body(tools=(WEATHER,), tool_choice="none")["tool_choice"] == "NONE"


def test_a_tool_that_is_named_is_the_only_one_offered():
    assert body(tools=(WEATHER, NOW), tool_choice="get_weather") == SMALLEST | {
        "tools": [WEATHER],
        "tool_choice": "REQUIRED",
    }
    assert kinds(tools=(WEATHER, NOW), tool_choice="get_weather") == [("emulated", "tool_choice")]
    with pytest.raises(UnsupportedError, match="tool_choice"):
        body(tools=(WEATHER,), tool_choice={"type": "function"})


def test_all_tools_are_strict_or_none_is():
    strict = {**WEATHER, "function": {**WEATHER["function"], "strict": True}}
    assert body(tools=(strict,)) == SMALLEST | {"tools": [WEATHER], "strict_tools": True}
    assert "strict_tools" not in body(tools=(strict, NOW))
    assert kinds(tools=(strict, NOW)) == [("dropped", "tools.strict")]


def test_the_schema_of_an_answer():
    wanted = AnswerSchema("Event", {"type": "object"}, "Something.")
    assert body(answer_schema=wanted)["response_format"] == {"type": "json_object", "json_schema": {"type": "object"}}
    with pytest.raises(UnsupportedError, match=r'with tools.*output_mode="tool"'):
        body(answer_schema=wanted, tools=(WEATHER,))


def test_a_prefill_is_refused():
    with pytest.raises(UnsupportedError, match="prefilling"):
        encoded(prefill="Well")


@unhurried
@given(conversations)
def test_any_conversation_is_sent_or_refused_by_name(messages: list[dict[str, Any]]):
    kept = deepcopy(messages)
    try:
        found = sent(*messages)
    except UnsupportedError as error:
        assert re.search(r"messages\[\d+\]", str(error))
        return
    assert messages == kept
    assert json.loads(json.dumps(found)) == found
    for message in found:
        assert message["role"] in ("system", "user", "assistant", "tool")
        assert "content" in message or message["tool_calls"]


def test_marks_that_the_format_has_no_field_for_are_recorded():
    parts = [
        {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}},
    ]
    assert kinds(
        {"role": "user", "content": parts, "name": "ann"}, tools=({**WEATHER, "cache_control": {"type": "ephemeral"}},)
    ) == [
        ("dropped", "messages[0].name"),
        ("dropped", "messages[0].content[0].cache_control"),
        ("dropped", "tools.get_weather.cache_control"),
    ]
