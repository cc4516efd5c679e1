"""What a call becomes in the chat completions format."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given

import msgflux_like as mf
from msgflux_like.calls.http_request import to_http
from msgflux_like.dialects import openai_chat as dialect
from msgflux_like.errors import InvalidRequestError, UnsupportedError
from msgflux_like.messages.normalize import normalize
from msgflux_like.request import ChatRequest, Encoded, Endpoint, Quirks
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


# -------------------------------------------------------------------------------- where OpenAI's own words alone do

STRICT = Quirks(strict_messages=True)
MARK = {"cache_control": {"type": "ephemeral"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
PDF = {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0xLjQK", "filename": "a.pdf"}}
FILM = {"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def asked(*ids: str) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [{**CALL, "id": id_} for id_ in ids]}


def result(id_: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content, **more}


def noted(call: Encoded) -> list[tuple[str, str]]:
    return [(change.kind, change.field) for change in call.changes]


@pytest.mark.parametrize(
    "message",
    [
        HELLO,
        {"role": "developer", "content": [text("d")], "name": "boss"},
        {"role": "user", "content": [text("t", prompt_cache_breakpoint={"mode": "explicit"}), IMAGE, SOUND, PDF]},
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}], "name": "ann"},
        {"role": "assistant", "content": [text("t"), {"type": "refusal", "refusal": "No"}], "name": "bot"},
        {"role": "assistant", "content": None, "audio": {"id": "audio_1"}, "tool_calls": [CALL]},
        result("call_1", "22 C"),
        result("call_1", [text("22 C")]),
    ],
)
def test_what_openai_has_words_for_goes_out_as_it_is(message: dict[str, Any]):
    call = encoded(message, tools=(WEATHER,), quirks=STRICT)
    assert (call.body["messages"], call.body["tools"], call.changes) == ([message], [WEATHER], ())


def test_messages_of_a_text_are_not_copied():
    conversation = normalize([HELLO, result("call_1", "22 C"), {"role": "user", "content": [text("So?")]}])
    told = dialect.encode(ChatRequest("m-1", conversation), STRICT).body["messages"]
    assert [new is old for new, old in zip(told, conversation, strict=True)] == [True, True, False]


def test_what_other_hosts_take_is_left_out_at_every_depth_and_recorded():
    call = {**CALL, "index": 0, "function": {**CALL["function"], "parsed": {}}}
    linked = {**PDF, "file": {**PDF["file"], "file_url": "https://example.org/a.pdf"}}
    told = encoded(
        {"role": "user", "content": [text("Hi", **MARK), {**IMAGE, **MARK}, linked], **MARK},
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "Hm."},
        result("call_1", "22 C", name="get_weather"),
        tools=({**WEATHER, **MARK}, WEATHER),
        quirks=STRICT,
    )
    user, answer, tool = told.body["messages"]
    assert user == {"role": "user", "content": [text("Hi"), IMAGE, PDF]}
    assert (answer, tool) == (asked("call_1"), result("call_1", "22 C"))
    assert told.body["tools"] == [WEATHER, WEATHER]
    assert noted(told) == [
        ("dropped", "messages[0].cache_control"),
        ("dropped", "messages[0].content[0].cache_control"),
        ("dropped", "messages[0].content[1].cache_control"),
        ("dropped", "messages[0].content[2].file.file_url"),
        ("dropped", "messages[1].reasoning_content"),
        ("dropped", "messages[1].tool_calls[0].index"),
        ("dropped", "messages[1].tool_calls[0].function.parsed"),
        ("dropped", "messages[2].name"),
        ("dropped", "tools.get_weather.cache_control"),
    ]


def test_a_field_of_nothing_is_left_out():
    """As an SDK's own answer has them; OpenAI refuses a null and an empty list of calls."""
    answer = {"role": "assistant", "content": "Hi", "refusal": None, "name": None, "annotations": None}
    told = encoded({**answer, "tool_calls": None}, {**answer, "tool_calls": []}, quirks=STRICT)
    assert told.body["messages"] == [{"role": "assistant", "content": "Hi"}] * 2
    assert told.changes == ()


def test_reasoning_stays_in_the_field_that_the_model_wants_it_in():
    answer = {"role": "assistant", "content": "Hi", "reasoning_content": "Hm."}
    told = encoded(answer, quirks=STRICT, reasoning_field="reasoning_content")
    assert (told.body["messages"], told.changes) == ([answer], ())


def test_state_goes_back_as_it_does_elsewhere():
    entry = {"family": "f", "kind": "extra_content", "after": 0, "raw": {"a": 1}}
    message = {"role": "assistant", "content": "Hi", "provider_state": [entry]}
    for quirks in (USUAL, STRICT):
        told = encoded(message, quirks=quirks, family="f")
        assert told.body["messages"] == [{"role": "assistant", "content": "Hi", "extra_content": {"a": 1}}]
    assert noted(encoded(message, quirks=STRICT, family="g")) == [("dropped", "messages[0].provider_state")]


def test_what_a_result_holds_beside_text_stands_behind_the_last_result():
    told = encoded(
        HELLO,
        asked("call_1", "call_2", "call_3"),
        result("call_2", [text("See "), {**IMAGE, **MARK}, text("it")]),
        result("call_1", "22 C"),
        result("call_3", [PDF, SOUND]),
        {"role": "user", "content": "And now?"},
        asked("call_4"),
        result("call_4", [IMAGE]),
        quirks=STRICT,
    )
    assert told.body["messages"][2:] == [
        result("call_2", [text("See "), text("it")]),
        result("call_1", "22 C"),
        result("call_3", ""),
        {
            "role": "user",
            "content": [
                text("From the result of get_weather (call call_2):"),
                IMAGE,
                text("From the result of get_weather (call call_3):"),
                PDF,
                SOUND,
            ],
        },
        {"role": "user", "content": "And now?"},
        asked("call_4"),
        result("call_4", ""),
        {"role": "user", "content": [text("From the result of get_weather (call call_4):"), IMAGE]},
    ]
    assert noted(told) == [
        ("dropped", "messages[2].content[1].cache_control"),
        ("moved", "messages[2].content[1]"),
        ("moved", "messages[4].content[0]"),
        ("moved", "messages[4].content[1]"),
        ("moved", "messages[7].content[0]"),
    ]


def test_the_place_of_a_message_is_the_callers_whatever_stands_before_it():
    conversation = ({"role": "system", "content": "s"}, result("call_9", [IMAGE]), {**HELLO, "x": 1})
    told = encoded(*conversation, quirks=STRICT, prompted=True)
    assert noted(told) == [("moved", "messages[0].content[0]"), ("dropped", "messages[1].x")]
    introduction = told.body["messages"][2]["content"][0]
    assert introduction == text("From the result of a tool (call call_9):")  # that nobody called


@pytest.mark.parametrize("role", ["system", "developer", "assistant"])
@pytest.mark.parametrize("part", [IMAGE, SOUND, PDF])
def test_media_are_refused_where_only_a_user_may_give_them(role: str, part: dict[str, Any]):
    said = rf"messages\[1\]\.content\[1\] is of type '{part['type']}'.*role '{role}'.*in a message of the user"
    with pytest.raises(UnsupportedError, match=said):
        encoded(HELLO, {"role": role, "content": [text("t"), part]}, quirks=STRICT)


@pytest.mark.parametrize("role", ["user", "tool"])
@pytest.mark.parametrize(
    ("part", "said"),
    [
        (FILM, r" is of type 'video_url'.*frames as images"),
        ({"type": "hologram", "hologram": 1}, r" is of type 'hologram'.*leave it out"),
        ({"type": "refusal", "refusal": "No"}, r" is of type 'refusal'.*leave it out"),
        (
            {"type": "file", "file": {"file_url": "https://example.org/a.pdf"}},
            r"\.file\.file_url is a link.*bytes.*file_id",
        ),
        ({"type": "file", "file": {"filename": "a.pdf"}}, r"\.file has neither.*give one"),
    ],
)
def test_what_openai_has_no_words_for_is_refused_by_its_place(role: str, part: dict[str, Any], said: str):
    with pytest.raises(UnsupportedError, match=rf"messages\[0\]\.content\[0\]{said}"):
        encoded({"role": role, "tool_call_id": "call_1", "content": [part]}, quirks=STRICT)
    assert body({"role": role, "tool_call_id": "call_1", "content": [part]})["messages"][0]["content"] == [part]


@pytest.mark.parametrize(
    ("path", "options", "strict"),
    [
        ("openai/gpt-4.1", {}, True),
        ("openai/gpt-4.1", {"base_url": "http://localhost:1/v1"}, False),
        ("azure/gpt-4.1", {"dialect": "openai_chat"}, True),
        ("openrouter/openai/gpt-4.1", {}, False),
    ],
)
def test_openai_and_azure_alone_are_that_strict(monkeypatch, path: str, options: dict[str, Any], strict: bool):
    monkeypatch.setenv("AZURE_RESOURCE_NAME", "r")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    model = mf.Model.chat_completion(path, api_key="sk-x", check="off", **options)
    plan = model.plan([{**HELLO, "x": 1}])
    assert plan.body["messages"] == [HELLO if strict else {**HELLO, "x": 1}]


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
