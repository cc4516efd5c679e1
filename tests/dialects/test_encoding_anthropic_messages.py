"""What a call becomes in Anthropic's Messages format."""

from __future__ import annotations

import json
from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given

from msgflux_like.calls.http_request import to_http
from msgflux_like.dialects import anthropic_messages as dialect
from msgflux_like.errors import InvalidMessagesError, InvalidRequestError, UnsupportedError
from msgflux_like.messages.normalize import normalize
from msgflux_like.request import ChatRequest, Encoded, Endpoint, Quirks
from tests.conversations import conversations, unhurried

HELLO = {"role": "user", "content": "Hello"}
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
CLAUDE = Quirks(prefill=("",), prefill_refused=("claude-sonnet-5",))


def encoded(*messages: dict[str, Any], quirks: Quirks = CLAUDE, model: str = "claude-3", **fields: Any) -> Encoded:
    parameters = {"max_tokens": 9} | fields.pop("parameters", {})
    return dialect.encode(ChatRequest(model, normalize(messages or (HELLO,)), parameters, **fields), quirks)


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return encoded(*messages, **fields).body


def turns(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    return body(*messages)["messages"]


def kinds(*messages: dict[str, Any], **fields: Any) -> list[tuple[str, str]]:
    return [(change.kind, change.field) for change in encoded(*messages, **fields).changes]


def block(part: dict[str, Any]) -> dict[str, Any]:
    (turn,) = turns({"role": "user", "content": [part]})
    return turn["content"][0]


def file(**fields: str) -> dict[str, Any]:
    return {"type": "file", "file": fields}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def asks(*ids: str, content: Any = None, arguments: Any = '{"city":"Paris"}') -> dict[str, Any]:
    calls = [
        {"id": id_, "type": "function", "function": {"name": "get_weather", "arguments": arguments}} for id_ in ids
    ]
    return {"role": "assistant", "content": content, "tool_calls": calls}


def result(id_: str, content: Any = "22 C") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


def test_the_smallest_call_says_nothing_that_was_not_asked_for():
    call = encoded()
    assert call.path == "/messages"
    assert call.body == {
        "model": "claude-3",
        "messages": [{"role": "user", "content": [text("Hello")]}],
        "max_tokens": 9,
    }
    assert call.changes == ()
    assert call.headers == {}


def test_the_key_and_the_version_have_headers_of_their_own():
    assert dialect.AUTH == ("x-api-key", "")
    assert dialect.HEADERS == {"anthropic-version": "2023-06-01"}


def test_a_limit_is_sent_because_the_api_demands_one():
    call = dialect.encode(ChatRequest("claude-3", (HELLO,)), Quirks())
    assert call.body["max_tokens"] == 4096
    assert [(change.kind, change.field) for change in call.changes] == [("defaulted", "max_tokens")]


def test_a_limit_in_extra_body_is_enough():
    request = ChatRequest("claude-3", (HELLO,), extra_body={"max_tokens": 7})
    sent = json.loads(to_http(dialect.encode(request, Quirks()), request, Endpoint("p", "https://example.org")).body)
    assert sent["max_tokens"] == 7


def test_extra_body_never_replaces_what_the_call_sets():
    request = ChatRequest("claude-3", (HELLO,), {"max_tokens": 5}, extra_body={"max_tokens": 6})
    with pytest.raises(InvalidRequestError, match="max_tokens"):
        to_http(dialect.encode(request, Quirks()), request, Endpoint("p", "https://example.org"))


def test_parameters_have_their_names_here_and_zeros_are_sent():
    given = {"temperature": 0, "top_p": 0.0, "top_k": 1, "stop": "END", "user": "u", "reasoning_effort": "low"}
    sent = body(parameters=given)
    assert {name: sent[name] for name in sent if name not in ("model", "messages")} == {
        "max_tokens": 9,
        "temperature": 0,
        "top_p": 0.0,
        "top_k": 1,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u"},
        "output_config": {"effort": "low"},
    }
    assert body(parameters={"stop": ("a", "b")})["stop_sequences"] == ["a", "b"]


@pytest.mark.parametrize("name", ["seed", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs"])
def test_a_parameter_without_a_word_is_refused(name: str):
    with pytest.raises(UnsupportedError, match=name):
        body(parameters={name: 0})


@pytest.mark.parametrize("temperature", [-0.1, 1.01, 2])
def test_a_temperature_beyond_the_range_is_refused(temperature: float):
    with pytest.raises(UnsupportedError, match="temperature must be between 0 and 1"):
        body(parameters={"temperature": temperature})


def test_system_texts_go_to_their_own_place():
    one = body({"role": "system", "content": "s"}, HELLO)
    assert one["system"] == "s"
    assert [turn["role"] for turn in one["messages"]] == ["user"]
    two = body({"role": "system", "content": "s"}, {"role": "developer", "content": [text("d")]}, HELLO)
    assert two["system"] == [text("s"), text("d")]
    assert kinds({"role": "system", "content": "s"}, HELLO) == []


def test_a_system_text_in_the_middle_moves_up_and_that_is_told():
    sent = body(HELLO, {"role": "system", "content": "s"}, {"role": "assistant", "content": "Hi"})
    assert sent["system"] == "s"
    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant"]
    assert kinds(HELLO, {"role": "system", "content": "s"}) == [("moved", "messages[1]")]


def test_an_empty_system_text_is_none():
    assert "system" not in body({"role": "system", "content": ""}, HELLO)


def test_system_texts_alone_are_no_conversation():
    with pytest.raises(InvalidMessagesError, match="add a user message"):
        body({"role": "system", "content": "s"})


def test_a_system_text_cannot_hold_an_image():
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    with pytest.raises(UnsupportedError, match=r"messages\[0\]\.content\[1\].*image_url"):
        body({"role": "system", "content": [text("s"), image]}, HELLO)


def test_neighbours_of_one_role_are_one_turn():
    assert turns(HELLO, {"role": "user", "content": "World"}) == [
        {"role": "user", "content": [text("Hello"), text("World")]}
    ]
    assert kinds(HELLO, HELLO) == []


def test_the_results_of_several_calls_are_one_turn_with_the_next_question():
    sent = turns(HELLO, asks("a", "b", content="Looking."), result("a"), result("b", "18 C"), HELLO)
    assert [turn["role"] for turn in sent] == ["user", "assistant", "user"]
    assert [part["type"] for part in sent[1]["content"]] == ["text", "tool_use", "tool_use"]
    assert sent[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": "22 C"},
        {"type": "tool_result", "tool_use_id": "b", "content": "18 C"},
        text("Hello"),
    ]
    assert kinds(HELLO, asks("a"), result("a"), HELLO) == []


def test_results_come_first_in_their_turn_even_where_a_question_came_between():
    conversation = (asks("a", "b"), result("a"), HELLO, result("b"))
    assert [part["type"] for part in turns(*conversation)[1]["content"]] == ["tool_result", "tool_result", "text"]
    assert [part.get("tool_use_id") for part in turns(*conversation)[1]["content"]] == ["a", "b", None]
    assert kinds(*conversation) == [("merged", "messages[3]")]


def test_a_call_is_a_block_with_an_object():
    (turn,) = turns(asks("a"))
    assert turn["content"] == [{"type": "tool_use", "id": "a", "name": "get_weather", "input": {"city": "Paris"}}]


@pytest.mark.parametrize("empty", ["", " ", None, {}])
def test_no_arguments_are_an_empty_object(empty: Any):
    assert turns(asks("a", arguments=empty))[0]["content"][0]["input"] == {}


@pytest.mark.parametrize("arguments", ["{", "[1]", "null", "7"])
def test_arguments_that_are_no_object_are_refused_by_their_place(arguments: str):
    with pytest.raises(InvalidMessagesError, match=r"messages\[1\]\.tool_calls\[0\]\.function\.arguments"):
        turns(HELLO, asks("a", arguments=arguments))


def test_an_id_that_the_api_refuses_is_written_otherwise_in_both_places():
    sent = turns(asks("functions.get_weather:0"), result("functions.get_weather:0"))
    assert sent[0]["content"][0]["id"] == "functions_get_weather_0"
    assert sent[1]["content"][0]["tool_use_id"] == "functions_get_weather_0"
    assert [kind for kind, _ in kinds(asks("a:0"), result("a:0"))] == ["renamed", "renamed"]


def test_a_result_may_hold_blocks_or_nothing():
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    sent = turns(
        asks("a", "b", "c"), result("a", [text("x"), text(""), image]), result("b", ""), result("c", [text("")])
    )
    assert sent[1]["content"][0]["content"] == [
        text("x"),
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
    ]
    assert sent[1]["content"][1:] == [{"type": "tool_result", "tool_use_id": id_} for id_ in ("b", "c")]


def test_images_come_by_url_or_in_the_message():
    assert block({"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}) == {
        "type": "image",
        "source": {"type": "url", "url": "https://example.org/a.png"},
    }
    assert block({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}) == {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
    }


def test_a_data_url_without_base64_is_put_into_it():
    assert block({"type": "image_url", "image_url": {"url": "data:image/svg+xml;charset=utf-8,%3Csvg/%3E"}})[
        "source"
    ] == {
        "type": "base64",
        "media_type": "image/svg+xml",
        "data": "PHN2Zy8+",
    }


@pytest.mark.parametrize(
    ("part", "source"),
    [
        (
            file(file_data="data:application/pdf;base64,JVBERi0="),
            {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
        ),
        (
            file(file_data="data:text/markdown;base64,IyBIw6k="),
            {"type": "text", "media_type": "text/plain", "data": "# Hé"},
        ),
        (file(file_url="https://example.org/a.pdf"), {"type": "url", "url": "https://example.org/a.pdf"}),
        (file(file_id="file_1"), {"type": "file", "file_id": "file_1"}),
    ],
)
def test_a_file_is_a_document(part: dict[str, Any], source: dict[str, str]):
    assert block(part) == {"type": "document", "source": source}


def test_a_document_has_a_title_where_the_file_has_a_name():
    assert block(file(file_data="data:application/pdf;base64,JVBERi0=", filename="a.pdf"))["title"] == "a.pdf"


def test_an_image_that_came_as_a_file_is_an_image():
    assert block(file(file_data="data:image/png;base64,iVBORw0KGgo=", filename="a.png"))["type"] == "image"


def test_a_file_that_lies_there_needs_the_beta():
    assert encoded({"role": "user", "content": [file(file_id="file_1")]}).headers == {
        "anthropic-beta": "files-api-2025-04-14"
    }
    held = result("a", [file(file_id="file_1")])
    assert "anthropic-beta" in encoded(asks("a"), held).headers


@pytest.mark.parametrize("data", ["data:application/zip;base64,UEs=", "UEs="])
def test_a_file_of_another_type_is_refused(data: str):
    with pytest.raises(UnsupportedError, match=r"messages\[0\]\.content\[0\]\.file"):
        block(file(file_data=data))


@pytest.mark.parametrize("kind", ["input_audio", "video_url", "hologram"])
def test_a_part_without_a_word_is_refused_by_place_and_type(kind: str):
    with pytest.raises(UnsupportedError, match=rf"messages\[1\]\.content\[1\].*{kind}"):
        body(HELLO, {"role": "user", "content": [text("x"), {"type": kind, kind: {"url": "https://a.example"}}]})


def test_a_mark_for_the_cache_is_kept():
    marked = {**text("long"), "cache_control": {"type": "ephemeral"}}
    assert block(marked) == marked
    assert body({"role": "system", "content": [marked]}, HELLO)["system"] == [marked]
    tool = {**WEATHER, "cache_control": {"type": "ephemeral"}}
    assert body(tools=(tool,))["tools"][0]["cache_control"] == {"type": "ephemeral"}


def test_empty_texts_are_left_out():
    assert turns({"role": "user", "content": [text(""), text("x")]}) == [{"role": "user", "content": [text("x")]}]


def test_an_empty_message_is_left_out_and_that_is_told():
    empty = {"role": "assistant", "content": None}
    assert turns(HELLO, empty, HELLO) == [{"role": "user", "content": [text("Hello"), text("Hello")]}]
    assert kinds(HELLO, empty, HELLO) == [("dropped", "messages[1]")]


def test_unknown_keys_of_a_message_stay_here():
    assert turns({**HELLO, "name": "Bob", "x": 1}) == [{"role": "user", "content": [text("Hello")]}]


def test_tools_have_an_input_schema():
    assert body(tools=(WEATHER,))["tools"] == [
        {"name": "get_weather", "description": "d", "input_schema": {"type": "object", "properties": {}}}
    ]
    bare = {"type": "function", "function": {"name": "now", "strict": True}}
    assert body(tools=(bare,))["tools"] == [
        {"name": "now", "strict": True, "input_schema": {"type": "object", "properties": {}}}
    ]


def test_a_tool_of_the_providers_own_goes_out_as_it_is():
    tool = {"type": "web_search_20250305", "name": "web_search"}
    assert body(tools=(tool,))["tools"] == [tool]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ("none", {"type": "none"}),
        ("get_weather", {"type": "tool", "name": "get_weather"}),
        ({"type": "any", "x": 1}, {"type": "any", "x": 1}),
    ],
)
def test_a_tool_is_chosen_by_an_object(choice: Any, sent: dict[str, Any]):
    assert body(tools=(WEATHER,), tool_choice=choice)["tool_choice"] == sent


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", {"type": "any", "disable_parallel_tool_use": True}),
        ("get_weather", {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True}),
        ("none", {"type": "none"}),
    ],
)
def test_one_call_at_a_time_is_part_of_the_choice(choice: Any, sent: dict[str, Any]):
    sent_body = body(tools=(WEATHER,), tool_choice=choice, parameters={"parallel_tool_calls": False})
    assert sent_body["tool_choice"] == sent
    assert "parallel_tool_calls" not in sent_body


def test_several_calls_at_a_time_need_no_word():
    assert "tool_choice" not in body(tools=(WEATHER,), parameters={"parallel_tool_calls": True})
    assert "tool_choice" not in body(parameters={"parallel_tool_calls": False})


def test_where_the_model_cannot_choose_a_call_is_required_until_its_result_is_there():
    quirks = Quirks(auto_tool_choice=False)
    assert body(tools=(WEATHER,), quirks=quirks)["tool_choice"] == {"type": "any"}
    assert body(asks("a"), result("a"), tools=(WEATHER,), quirks=quirks)["tool_choice"] == {"type": "none"}


def test_a_prefill_is_a_last_answer_without_white_space_at_its_end():
    call = encoded(prefill='{"name": \n')
    assert call.body["messages"][-1] == {"role": "assistant", "content": [text('{"name":')]}
    assert call.prefill == '{"name":'
    assert [(change.kind, change.field) for change in call.changes] == [("trimmed", "prefill")]
    assert encoded(prefill="Once").changes == ()


def test_a_prefill_goes_on_from_a_last_answer():
    sent = encoded(HELLO, {"role": "assistant", "content": "One "}, prefill="two ")
    assert sent.body["messages"][-1]["content"] == [text("One "), text("two")]


def test_a_prefill_of_white_space_is_none():
    call = encoded(prefill=" \n")
    assert len(call.body["messages"]) == 1
    assert call.prefill == ""
    assert [change.kind for change in call.changes] == ["trimmed"]


def test_a_last_answer_in_the_messages_is_trimmed_too():
    last = {"role": "assistant", "content": "Once \n"}
    assert turns(HELLO, last)[-1]["content"] == [text("Once")]
    assert kinds(HELLO, last) == [("trimmed", "messages")]
    assert last["content"] == "Once \n"
    assert turns(HELLO, {"role": "assistant", "content": " "}) == [{"role": "user", "content": [text("Hello")]}]


def test_a_model_that_refuses_a_prefill_is_named_before_anything_is_sent():
    with pytest.raises(UnsupportedError, match="claude-sonnet-5-1 does not continue"):
        body(prefill="Once", model="claude-sonnet-5-1")


def test_a_stream_is_asked_for_in_one_word():
    assert body(stream=True)["stream"] is True
    assert "stream" not in body()


@unhurried
@given(conversations)
def test_any_conversation_keeps_its_ids_and_their_order_and_is_never_changed(conversation: list[dict[str, Any]]):
    before = deepcopy(conversation)
    try:
        sent = turns(*conversation)
    except (UnsupportedError, InvalidMessagesError):
        return
    finally:
        assert conversation == before
    json.dumps(sent)
    roles = [turn["role"] for turn in sent]
    assert all(role != following for role, following in pairwise(roles))
    made, answered = _ids(sent, "tool_use", "id"), _ids(sent, "tool_result", "tool_use_id")
    given = [call["id"] for message in conversation for call in message.get("tool_calls", ())]
    assert answered == made, "each call has its result, and they come in order"
    assert len(set(made)) == len(made) == len(given)
    assert all(id_.startswith(own) for id_, own in zip(made, given, strict=True))
    assert made == given or len(set(given)) < len(given)
    for turn in sent:
        places = [part["type"] == "tool_result" for part in turn["content"]]
        assert places == sorted(places, reverse=True)
        assert all(part.get("text") != "" for part in turn["content"])


def _ids(sent: list[dict[str, Any]], kind: str, field: str) -> list[str]:
    return [part[field] for turn in sent for part in turn["content"] if part["type"] == kind]


def test_marks_that_the_format_has_no_field_for_are_recorded():
    parts = [
        {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:image/png;base64,iVBORw0KGgo=", "filename": "a.png"}},
    ]
    assert kinds({"role": "user", "content": parts, "name": "ann"}, parameters={"max_tokens": 9}) == [
        ("dropped", "messages[0].name"),
        ("dropped", "messages[0].content[1].image_url.detail"),
        ("dropped", "messages[0].content[2].file.filename"),
    ]
