"""What a call becomes in Mistral's chat format."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_like.calls.http_request import to_http
from msgflux_like.dialects import mistral as dialect
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.messages.normalize import normalize
from msgflux_like.request import AnswerSchema, ChatRequest, Encoded, Endpoint, Quirks
from tests.conversations import conversations, unhurried
from tests.dialects.builders import asks, result

PLAIN = Quirks()
HELLO = {"role": "user", "content": "Hello"}
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
NOW = {"type": "function", "function": {"name": "now"}}
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}], "signature": "c2ln"}


def encoded(*messages: dict[str, Any], quirks: Quirks = PLAIN, model: str = "mistral-small", **fields: Any) -> Encoded:
    request = ChatRequest(model, normalize(messages or (HELLO,)), fields.pop("parameters", {}), **fields)
    return dialect.encode(request, quirks)


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return encoded(*messages, **fields).body


def sent(*messages: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    return body(*messages, **fields)["messages"]


def kinds(*messages: dict[str, Any], **fields: Any) -> list[tuple[str, str]]:
    return [(change.kind, change.field) for change in encoded(*messages, **fields).changes]


def part(given_part: dict[str, Any]) -> dict[str, Any]:
    (message,) = sent({"role": "user", "content": [given_part]})
    return message["content"][0]


def state(*entries: tuple[int, Any], family: str = "mistral:mistral") -> list[dict[str, Any]]:
    return [{"family": family, "kind": "thinking", "after": after, "raw": raw} for after, raw in entries]


def test_the_smallest_call_says_nothing_that_was_not_asked_for():
    call = encoded()
    assert (call.path, call.headers, call.changes, call.prefill) == ("/chat/completions", {}, (), "")
    assert call.body == {"model": "mistral-small", "messages": [HELLO]}


def test_a_stream_is_asked_for_without_options_for_it():
    assert body(stream=True) == {"model": "mistral-small", "messages": [HELLO], "stream": True}


def test_parameters_have_their_names_here_and_zeros_are_sent():
    given_here = {"temperature": 0, "top_p": 0.0, "top_k": 1, "stop": "END", "seed": 0, "presence_penalty": 0}
    assert body(parameters=given_here | {"max_tokens": 5, "parallel_tool_calls": False}) == {
        "model": "mistral-small",
        "messages": [HELLO],
        "temperature": 0,
        "top_p": 0.0,
        "top_k": 1,
        "stop": "END",
        "random_seed": 0,
        "presence_penalty": 0,
        "max_tokens": 5,
        "parallel_tool_calls": False,
    }


def test_a_parameter_without_a_word_is_refused():
    with pytest.raises(UnsupportedError, match=r"user: Mistral.*extra_body"):
        body(parameters={"user": "u"})
    with pytest.raises(UnsupportedError, match="reasoning_budget: Mistral"):
        body(parameters={"reasoning_budget": 1})


def test_what_is_mistrals_own_goes_through_extra_body():
    request = ChatRequest("mistral-small", (HELLO,), extra_body={"safe_prompt": True})
    http = to_http(dialect.encode(request, Quirks()), request, Endpoint("mistral", "https://example.org"))
    assert json.loads(http.body)["safe_prompt"] is True


def test_how_much_to_reason_is_a_word_or_for_magistral_a_mode():
    assert body(parameters={"reasoning_effort": "high"})["reasoning_effort"] == "high"
    assert body(parameters={"reasoning_effort": "none"})["reasoning_effort"] == "none"
    assert body(parameters={"reasoning_budget": 0})["reasoning_effort"] == "none"
    magistral = {"model": "magistral-medium-latest"}
    assert body(parameters={"reasoning_effort": "low"}, **magistral)["prompt_mode"] == "reasoning"
    assert body(parameters={"reasoning_effort": "none"}, **magistral)["prompt_mode"] is None
    assert "reasoning_effort" not in body(parameters={"reasoning_effort": "low"}, **magistral)
    assert kinds(parameters={"reasoning_effort": "low"}, **magistral) == [("emulated", "reasoning_effort")]


def test_developers_are_the_system_and_that_is_told():
    developer = {"role": "developer", "content": "d"}
    assert sent(developer, HELLO) == [{"role": "system", "content": "d"}, HELLO]
    assert kinds(developer, HELLO) == [("renamed", "messages[0].role")]
    assert kinds({"role": "system", "content": "s"}, HELLO) == []


def test_fields_that_would_be_refused_are_left_out_and_that_is_told():
    named = {"role": "user", "content": "Hi", "name": "ada", "x-own": 1, "refusal": None}
    assert sent(named) == [{"role": "user", "content": "Hi"}]
    assert kinds(named) == [("dropped", "messages[0].name"), ("dropped", "messages[0].x-own")]


def test_the_tool_of_a_result_may_be_named():
    assert sent(asks("a23456789"), result("a23456789", name="get_weather"))[1]["name"] == "get_weather"


def test_an_id_that_fits_stays():
    messages = (HELLO, asks("vAKGXGFZD"), result("vAKGXGFZD"))
    assert sent(*messages)[1]["tool_calls"][0]["id"] == sent(*messages)[2]["tool_call_id"] == "vAKGXGFZD"
    assert kinds(*messages) == []


def test_an_id_of_another_provider_is_shortened_alike_on_both_sides():
    messages = (HELLO, asks("call_abc", "toolu_01X"), result("toolu_01X"), result("call_abc"))
    first, second = (call["id"] for call in sent(*messages)[1]["tool_calls"])
    assert [message["tool_call_id"] for message in sent(*messages)[2:]] == [second, first]
    assert all(re.fullmatch("[a-zA-Z0-9]{9}", id_) for id_ in (first, second))
    assert first != second
    assert kinds(*messages) == [
        ("renamed", "messages[1].tool_calls[0].id"),
        ("renamed", "messages[1].tool_calls[1].id"),
        ("renamed", "messages[2].tool_call_id"),
        ("renamed", "messages[3].tool_call_id"),
    ]
    assert sent(*messages[:3])[1]["tool_calls"][0]["id"] == first  # the same in every call


def test_a_short_id_is_never_that_of_another_call():
    short = sent(asks("call_1"), result("call_1"))[0]["tool_calls"][0]["id"]
    messages = sent(asks("call_1", short), result("call_1"), result(short))
    ids = [call["id"] for call in messages[0]["tool_calls"]]
    assert ids[1] == short
    assert ids[0] != short
    assert [message["tool_call_id"] for message in messages[1:]] == ids


@unhurried
@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=30, unique=True))
def test_any_ids_stay_apart_and_together(ids: list[str]):
    messages = sent(asks(*ids), *map(result, ids))
    made = [call["id"] for call in messages[0]["tool_calls"]]
    assert made == [message["tool_call_id"] for message in messages[1:]]
    assert len(set(made)) == len(ids)
    assert all(re.fullmatch("[a-zA-Z0-9]{9}", id_) for id_ in made)


def test_arguments_are_text_and_none_are_an_empty_object():
    assert sent(asks("a"), result("a"))[0]["tool_calls"][0]["function"]["arguments"] == '{"city":"Paris"}'
    assert sent(asks("a", arguments=""), result("a"))[0]["tool_calls"][0]["function"]["arguments"] == "{}"
    assert sent(asks("a"), result("a"))[0]["content"] == ""


@pytest.mark.parametrize(
    ("given_part", "expected"),
    [
        ({"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "t"}),
        (
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            {"type": "input_audio", "input_audio": "UklGRg=="},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
            {
                "type": "document_url",
                "document_url": "data:application/pdf;base64,JVBERi0=",
                "document_name": "a.pdf",
            },
        ),
        (
            {"type": "file", "file": {"file_url": "https://example.org/a.pdf"}},
            {"type": "document_url", "document_url": "https://example.org/a.pdf"},
        ),
        (
            {"type": "file", "file": {"file_data": "data:image/png;base64,iVBORw0KGgo="}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        ),
        ({"type": "file", "file": {"file_id": "f1"}}, {"type": "file", "file_id": "f1"}),
        (
            {"type": "document_url", "document_url": "https://example.org/a.pdf"},
            {"type": "document_url", "document_url": "https://example.org/a.pdf"},
        ),
    ],
)
def test_parts_have_their_form_here(given_part: dict[str, Any], expected: dict[str, Any]):
    assert part(given_part) == expected


def test_a_part_that_cannot_be_sent_is_refused_by_its_place():
    with pytest.raises(UnsupportedError, match=r"messages\[0\]\.content\[0\] is of type 'video_url'"):
        part({"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}})
    with pytest.raises(UnsupportedError, match=r"content\[0\].*role 'system'"):
        sent({"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://e.org"}}]}, HELLO)
    with pytest.raises(UnsupportedError, match="file_id nor file_url nor file_data"):
        part({"type": "file", "file": {"filename": "a.pdf"}})


def test_an_answer_that_says_nothing_is_left_out_and_that_is_told():
    empty = {"role": "assistant", "content": None}
    assert sent(HELLO, empty, HELLO) == [HELLO, HELLO]
    assert kinds(HELLO, empty, HELLO) == [("dropped", "messages[1]")]


@pytest.mark.parametrize("role", ["assistant", "system"])
def test_the_last_message_must_be_one_that_is_answered(role: str):
    with pytest.raises(InvalidMessagesError, match=f"last message is from {role}.*prefilling"):
        body(HELLO, {"role": role, "content": "Well"})


def test_a_conversation_that_is_empty_without_its_empty_answers_is_refused():
    with pytest.raises(InvalidMessagesError, match="from no one"):
        body({"role": "assistant", "content": ""})


def test_a_prefill_is_a_prefix_that_the_answer_repeats():
    call = encoded(prefill="Well, ", quirks=Quirks(prefill=("",)))
    assert call.body["messages"][-1] == {"role": "assistant", "content": "Well, ", "prefix": True}
    assert call.prefill == ""
    own = {"role": "assistant", "content": "Well", "prefix": True}
    assert sent(HELLO, own) == [HELLO, own]


def test_a_prefill_is_refused_where_it_is_not_continued():
    with pytest.raises(UnsupportedError, match="prefilling"):
        encoded(prefill="Well")


def test_tools_and_the_choice_among_them():
    assert body(tools=(WEATHER, NOW))["tools"] == [
        WEATHER,
        {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}},
    ]
    assert "tool_choice" not in body(tools=(WEATHER,))
    assert body(tools=(WEATHER,), tool_choice="required")["tool_choice"] == "any"
    assert body(tools=(WEATHER,), tool_choice="none")["tool_choice"] == "none"
    named = {"type": "function", "function": {"name": "get_weather"}}
    assert body(tools=(WEATHER,), tool_choice="get_weather")["tool_choice"] == named
    assert body(tools=(WEATHER,), tool_choice=named)["tool_choice"] == named


def test_the_schema_of_an_answer():
    wanted = AnswerSchema("Event", {"type": "object"}, "Something.")
    assert body(answer_schema=wanted)["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "Event", "schema": {"type": "object"}, "strict": True, "description": "Something."},
    }


def test_thinking_goes_back_where_it_stood():
    text = {"type": "text", "text": "Look."}
    answer = {"role": "assistant", "content": "Look.", "provider_state": state((0, THOUGHT), (1, {**THOUGHT, "n": 2}))}
    messages = sent(HELLO, answer, HELLO, family="mistral:mistral")
    assert messages[1] == {"role": "assistant", "content": [THOUGHT, text, {**THOUGHT, "n": 2}]}
    before_a_call = sent(
        asks("a23456789", provider_state=state((0, THOUGHT))), result("a23456789"), family="mistral:mistral"
    )
    assert before_a_call[0]["content"] == [THOUGHT]
    assert before_a_call[0]["tool_calls"][0]["id"] == "a23456789"


def test_the_state_of_others_is_left_out_and_that_is_told():
    answer = {"role": "assistant", "content": "Hi", "provider_state": state((0, THOUGHT), family="anthropic:claude")}
    assert sent(HELLO, answer, HELLO, family="mistral:mistral")[1] == {"role": "assistant", "content": "Hi"}
    assert kinds(HELLO, answer, HELLO, family="mistral:mistral") == [("dropped", "messages[1].provider_state")]


@unhurried
@given(conversations)
def test_any_conversation_is_sent_or_refused_by_name(messages: list[dict[str, Any]]):
    kept = deepcopy(messages)
    try:
        found = sent(*messages, HELLO)
    except UnsupportedError as error:
        assert re.search(r"messages\[\d+\]", str(error))
        return
    assert messages == kept
    assert json.loads(json.dumps(found)) == found
    made = [call["id"] for message in found for call in message.get("tool_calls", ())]
    assert set(made) >= {message["tool_call_id"] for message in found if message["role"] == "tool"}
    for message in found:
        assert message["role"] in ("system", "user", "assistant", "tool")
        assert message["role"] != "assistant" or message["content"] or message.get("tool_calls")


def test_marks_that_the_format_has_no_field_for_are_recorded():
    parts = [
        {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:image/png;base64,iVBORw0KGgo=", "filename": "a.png"}},
    ]
    assert kinds(
        {"role": "user", "content": parts, "name": "ann"}, tools=({**WEATHER, "cache_control": {"type": "ephemeral"}},)
    ) == [
        ("dropped", "messages[0].name"),
        ("dropped", "messages[0].content[0].cache_control"),
        ("dropped", "messages[0].content[2].file.filename"),
        ("dropped", "tools.get_weather.cache_control"),
    ]
