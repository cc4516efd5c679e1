"""What a call becomes in the Responses format."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given

from msgflux_like.calls.http_request import to_http
from msgflux_like.dialects import openai_responses as dialect
from msgflux_like.errors import InvalidRequestError, UnsupportedError
from msgflux_like.messages.normalize import normalize
from msgflux_like.request import ChatRequest, Encoded, Endpoint, Quirks
from tests.conversations import conversations, unhurried

HELLO = ({"role": "user", "content": "Hello"},)
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}


USUAL = Quirks()


def encoded(*messages: dict[str, Any], quirks: Quirks = USUAL, **fields: Any) -> Encoded:
    return dialect.encode(ChatRequest("m-1", normalize(messages or HELLO), **fields), quirks)


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return encoded(*messages, **fields).body


def items(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    return body(*messages)["input"]


def content(part: dict[str, Any], role: str = "user") -> dict[str, Any]:
    (item,) = items({"role": role, "content": [part]})
    return item["content"][0]


def test_the_smallest_call_says_nothing_that_was_not_asked_for():
    call = encoded()
    assert call.path == "/responses"
    assert call.body == {"model": "m-1", "input": [{"role": "user", "content": "Hello"}], "store": False}
    assert call.changes == ()
    assert call.headers == {}


def test_nothing_is_stored_unless_the_caller_wants_it():
    request = ChatRequest("m-1", HELLO, extra_body={"store": True})
    sent = json.loads(to_http(dialect.encode(request, Quirks()), request, Endpoint("p", "https://example.org")).body)
    assert sent["store"] is True


def test_extra_body_never_replaces_what_the_call_sets():
    request = ChatRequest("m-1", HELLO, {"max_tokens": 5}, extra_body={"max_output_tokens": 6})
    with pytest.raises(InvalidRequestError, match="max_output_tokens"):
        to_http(dialect.encode(request, Quirks()), request, Endpoint("p", "https://example.org"))


def test_parameters_have_their_names_here_and_zeros_are_sent():
    given = {"max_tokens": 5, "temperature": 0, "top_p": 0.0, "user": "u", "parallel_tool_calls": False}
    assert body(parameters=given) == {
        "model": "m-1",
        "input": [{"role": "user", "content": "Hello"}],
        "store": False,
        "max_output_tokens": 5,
        "temperature": 0,
        "top_p": 0.0,
        "user": "u",
        "parallel_tool_calls": False,
    }


def test_reasoning_effort_is_a_field_of_reasoning():
    assert body(parameters={"reasoning_effort": "low"})["reasoning"] == {"effort": "low"}


def test_log_probabilities_are_asked_for_by_including_them():
    sent = body(parameters={"logprobs": True, "top_logprobs": 0})
    assert sent["include"] == ["message.output_text.logprobs"]
    assert sent["top_logprobs"] == 0
    assert "logprobs" not in sent
    assert "include" not in body(parameters={"logprobs": False})


@pytest.mark.parametrize("name", ["stop", "seed", "presence_penalty", "frequency_penalty", "top_k"])
def test_a_parameter_without_a_word_is_refused(name: str):
    with pytest.raises(UnsupportedError, match=name):
        body(parameters={name: 0})


def test_a_parameter_that_the_provider_refuses_is_refused_here():
    with pytest.raises(UnsupportedError, match="temperature"):
        body(parameters={"temperature": 1}, quirks=Quirks(refuses=("temperature",)))


def test_system_texts_stay_where_they_are_and_keep_their_role():
    conversation = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "developer", "content": [{"type": "text", "text": "d"}]},
    ]
    assert items(*conversation) == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "developer", "content": [{"type": "input_text", "text": "d"}]},
    ]


def test_earlier_answers_are_output_and_never_input():
    part = {"type": "text", "text": "Hi"}
    assert content(part, "user") == {"type": "input_text", "text": "Hi"}
    assert content({"type": "refusal", "refusal": "No"}, "assistant") == {"type": "refusal", "refusal": "No"}
    assert items({"role": "assistant", "content": "Hi"}) == [{"type": "message", "role": "assistant", "content": "Hi"}]
    both = {"role": "assistant", "content": [part, {"type": "refusal", "refusal": "No"}]}
    assert items(both)[0]["content"][0] == {"type": "output_text", "text": "Hi"}


def test_the_texts_of_an_earlier_answer_are_one_for_its_parts_have_no_id_here():
    parts = [{"type": "text", "text": "Hi, "}, {"type": "text", "text": "you."}]
    said = {"type": "message", "role": "assistant", "content": "Hi, you."}
    assert items({"role": "assistant", "content": parts}) == [said]


def test_marks_that_the_format_has_no_field_for_are_recorded():
    marked = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
    tool = {**WEATHER, "cache_control": {"type": "ephemeral"}}
    found = encoded({"role": "user", "content": [marked], "name": "ann"}, tools=(tool,)).changes
    assert [(change.kind, change.field) for change in found] == [
        ("dropped", "messages[0].name"),
        ("dropped", "messages[0].content[0].cache_control"),
        ("dropped", "tools.get_weather.cache_control"),
    ]


def test_an_image_is_a_url_and_no_object():
    url = "data:image/png;base64,iVBORw0KGgo="
    assert content({"type": "image_url", "image_url": {"url": url}}) == {
        "type": "input_image",
        "image_url": url,
        "detail": "auto",
    }
    assert content({"type": "image_url", "image_url": {"url": url, "detail": "low"}})["detail"] == "low"


@pytest.mark.parametrize(
    "file",
    [
        {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"},
        {"file_id": "file_1"},
        {"file_url": "https://example.org/a.pdf"},
    ],
)
def test_a_file_is_flat(file: dict[str, str]):
    assert content({"type": "file", "file": file}) == {"type": "input_file", **file}


@pytest.mark.parametrize("kind", ["input_audio", "video_url", "hologram"])
def test_a_part_without_a_word_is_refused_by_place_and_type(kind: str):
    conversation = [
        HELLO[0],
        {
            "role": "user",
            "content": [{"type": "text", "text": "x"}, {"type": kind, kind: {"url": "https://a.example"}}],
        },
    ]
    with pytest.raises(UnsupportedError, match=rf"messages\[1\]\.content\[1\].*{kind}"):
        items(*conversation)


def test_an_answer_cannot_hold_an_image():
    with pytest.raises(UnsupportedError, match=r"messages\[0\]\.content\[0\].*image_url"):
        content({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}, "assistant")


def test_calls_and_results_are_items_of_their_own():
    answer = {"role": "assistant", "content": "Let me look.", "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "22 C"}
    assert items(answer, result) == [
        {"type": "message", "role": "assistant", "content": "Let me look."},
        {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Paris"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "22 C"},
    ]


def test_a_message_of_calls_alone_has_no_text_item():
    (item,) = items({"role": "assistant", "content": None, "tool_calls": [CALL]})
    assert item["type"] == "function_call"


@pytest.mark.parametrize("empty", ["", None, {}])
def test_no_arguments_are_an_empty_object(empty: Any):
    call = {"id": "call_1", "function": {"name": "now", "arguments": empty}}
    assert items({"role": "assistant", "content": None, "tool_calls": [call]})[0]["arguments"] == "{}"


def test_arguments_that_are_an_object_become_text():
    call = {"id": "call_1", "function": {"name": "now", "arguments": {"city": "Zürich"}}}
    assert items({"role": "assistant", "tool_calls": [call]})[0]["arguments"] == '{"city":"Zürich"}'


def test_a_result_may_hold_images():
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    (item,) = items({"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "x"}, image]})
    assert [part["type"] for part in item["output"]] == ["input_text", "input_image"]


def test_tools_are_flat_and_as_strict_as_in_chat_completions():
    assert body(tools=(WEATHER,))["tools"] == [{"type": "function", "strict": False, **WEATHER["function"]}]
    strict = {"type": "function", "function": {"name": "now", "strict": True}}
    assert body(tools=(strict,))["tools"] == [
        {"type": "function", "name": "now", "strict": True, "parameters": {"type": "object", "properties": {}}}
    ]


def test_a_tool_of_the_providers_own_goes_out_as_it_is():
    assert body(tools=({"type": "web_search"},))["tools"] == [{"type": "web_search"}]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("required", "required"),
        ("none", "none"),
        ("get_weather", {"type": "function", "name": "get_weather"}),
        ({"type": "allowed_tools", "mode": "auto"}, {"type": "allowed_tools", "mode": "auto"}),
    ],
)
def test_a_tool_is_chosen_flatly(choice: Any, sent: Any):
    assert body(tools=(WEATHER,), tool_choice=choice)["tool_choice"] == sent


def test_no_choice_is_the_providers_choice():
    assert "tool_choice" not in body(tools=(WEATHER,))


def test_a_named_tool_is_the_only_one_where_names_are_not_understood():
    other = {"type": "function", "function": {"name": "other"}}
    call = encoded(tools=(other, WEATHER), tool_choice="get_weather", quirks=Quirks(named_tool_choice=False))
    assert [tool["name"] for tool in call.body["tools"]] == ["get_weather"]
    assert call.body["tool_choice"] == "required"
    assert [change.kind for change in call.changes] == ["emulated"]


def test_where_the_model_cannot_choose_a_call_is_required_until_its_result_is_there():
    quirks = Quirks(auto_tool_choice=False)
    assert body(tools=(WEATHER,), quirks=quirks)["tool_choice"] == "required"
    result = {"role": "tool", "tool_call_id": "call_1", "content": "22 C"}
    assert body(HELLO[0], result, tools=(WEATHER,), quirks=quirks)["tool_choice"] == "none"


def test_a_stream_is_asked_for_in_one_word():
    assert body(stream=True)["stream"] is True
    assert "stream" not in body()


def test_a_prefill_is_refused_where_the_model_does_not_go_on_from_it():
    with pytest.raises(UnsupportedError, match="m-1 does not continue"):
        body(prefill="Once")
    call = encoded(prefill="Once ", quirks=Quirks(prefill=("",)))
    assert call.body["input"][-1] == {"type": "message", "role": "assistant", "content": "Once "}
    assert call.prefill == "Once "


@unhurried
@given(conversations)
def test_any_conversation_keeps_its_ids_and_their_order_and_is_never_changed(conversation: list[dict[str, Any]]):
    before = deepcopy(conversation)
    try:
        sent = items(*conversation)
    except UnsupportedError:
        return
    finally:
        assert conversation == before
    json.dumps(sent)
    assert _ids(sent) == [
        id_
        for message in conversation
        for id_ in [call["id"] for call in message.get("tool_calls", ())] + [message.get("tool_call_id")]
        if id_
    ]
    spoken = [
        message["role"]
        for message in conversation
        if message["role"] != "tool" and (message.get("content") or not message.get("tool_calls"))
    ]
    assert [item["role"] for item in sent if "content" in item] == spoken


def _ids(sent: list[dict[str, Any]]) -> list[str]:
    return [item["call_id"] for item in sent if "call_id" in item]
