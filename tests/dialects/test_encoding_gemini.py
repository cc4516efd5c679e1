"""What a call becomes in Google's Gemini format."""

from __future__ import annotations

import json
from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_like._json import to_json
from msgflux_like.calls.http_request import to_http
from msgflux_like.dialects import gemini as dialect
from msgflux_like.dialects.gemini import request
from msgflux_like.errors import InvalidMessagesError, InvalidRequestError, UnsupportedError
from msgflux_like.events import Logprobs, TokenLogprob
from msgflux_like.messages.normalize import normalize
from msgflux_like.request import AnswerSchema, ChatRequest, Encoded, Endpoint, Quirks
from msgflux_like.response.accumulator import ResponseAccumulator
from tests.conversations import conversations, unhurried

HELLO = {"role": "user", "content": "Hello"}
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
PNG = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
INLINE_PNG = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
FAMILY = "gemini:gemini"
OLD, NEW = "gemini-2.5-flash", "gemini-3.1-pro-preview"


def encoded(*messages: dict[str, Any], quirks: Quirks | None = None, model: str = OLD, **fields: Any) -> Encoded:
    return dialect.encode(
        ChatRequest(model, normalize(messages or (HELLO,)), family=FAMILY, **fields), quirks or Quirks()
    )


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return encoded(*messages, **fields).body


def turns(*messages: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    return body(*messages, **fields)["contents"]


def config(**fields: Any) -> dict[str, Any]:
    return body(**fields).get("generationConfig", {})


def kinds(*messages: dict[str, Any], **fields: Any) -> list[tuple[str, str]]:
    return [(change.kind, change.field) for change in encoded(*messages, **fields).changes]


def sent_part(part: dict[str, Any]) -> dict[str, Any]:
    (turn,) = turns({"role": "user", "content": [part]})
    return turn["parts"][0]


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def file(**fields: str) -> dict[str, Any]:
    return {"type": "file", "file": fields}


def asks(*ids: str, content: Any = None, arguments: Any = '{"city":"Paris"}', **more: Any) -> dict[str, Any]:
    calls = [
        {"id": id_, "type": "function", "function": {"name": "get_weather", "arguments": arguments}} for id_ in ids
    ]
    return {"role": "assistant", "content": content, "tool_calls": calls, **more}


def result(id_: str, content: Any = "22 C") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


def call_part(id_: str, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"id": id_, "name": "get_weather", "args": {"city": "Paris"}}, **more}


def kept(*entries: tuple[str, int, Any], family: str = FAMILY) -> dict[str, Any]:
    return {
        "provider_state": [{"family": family, "kind": kind, "after": after, "raw": raw} for kind, after, raw in entries]
    }


# ------------------------------------------------------------------------------------------------------------- place


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-flash", "/models/gemini-2.5-flash"),
        ("models/gemini-2.5-flash", "/models/gemini-2.5-flash"),
        ("tunedModels/mine-1", "/tunedModels/mine-1"),
        ("gemini-2.0-flash@001", "/models/gemini-2.0-flash@001"),
        ("a b?c#d:e", "/models/a%20b%3Fc%23d%3Ae"),
    ],
)
def test_the_model_is_part_of_the_path(model: str, path: str):
    call = encoded(model=model)
    assert call.path == f"{path}:generateContent"
    assert call.body == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def test_a_stream_is_another_method():
    call = encoded(stream=True)
    assert call.path == "/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert call.body == encoded().body


# -------------------------------------------------------------------------------------------------------- parameters


def test_parameters_have_their_names_here_and_zeros_are_sent():
    given = {
        "temperature": 0,
        "top_p": 0.0,
        "top_k": 1,
        "max_tokens": 9,
        "stop": "END",
        "seed": 0,
        "presence_penalty": 0.0,
        "frequency_penalty": -1,
        "logprobs": True,
        "top_logprobs": 2,
    }
    assert config(parameters=given) == {
        "temperature": 0,
        "topP": 0.0,
        "topK": 1,
        "maxOutputTokens": 9,
        "stopSequences": ["END"],
        "seed": 0,
        "presencePenalty": 0.0,
        "frequencyPenalty": -1,
        "responseLogprobs": True,
        "logprobs": 2,
    }
    assert config(parameters={"stop": ("a", "b")})["stopSequences"] == ("a", "b")


def test_a_parameter_without_a_word_is_refused():
    with pytest.raises(UnsupportedError, match="user"):
        body(parameters={"user": "u"})
    with pytest.raises(UnsupportedError, match="seed"):
        body(parameters={"seed": 1}, quirks=Quirks(refuses=("seed",)))


def test_that_calls_come_one_by_one_cannot_be_asked_for_and_that_is_told():
    one = {"parallel_tool_calls": False}
    assert "generationConfig" not in body(tools=(WEATHER,), parameters=one)
    assert kinds(tools=(WEATHER,), parameters=one) == [("dropped", "parallel_tool_calls")]
    assert kinds(tools=(WEATHER,), parameters={"parallel_tool_calls": True}) == []


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"reasoning_effort": "low"}, {"thinkingLevel": "low", "includeThoughts": True}),
        ({"reasoning_effort": "none"}, {"thinkingBudget": 0}),
        ({"reasoning_budget": 1024}, {"thinkingBudget": 1024, "includeThoughts": True}),
        ({"reasoning_budget": 0}, {"thinkingBudget": 0}),
    ],
)
def test_thinking_is_asked_for_in_either_way(given: dict[str, Any], sent: dict[str, Any]):
    assert config(parameters=given) == {"thinkingConfig": sent}


def test_thinking_is_asked_for_in_one_way_only():
    both = {"reasoning_effort": "low", "reasoning_budget": 9}
    assert config(parameters=both)["thinkingConfig"] == {"thinkingBudget": 9, "includeThoughts": True}
    assert kinds(parameters=both) == [("dropped", "reasoning_effort")]
    off = {"reasoning_effort": "none", "reasoning_budget": 0}
    assert config(parameters=off)["thinkingConfig"] == {"thinkingBudget": 0}
    assert kinds(parameters=off) == []


def joined(extra: dict[str, Any], **fields: Any) -> dict[str, Any]:
    request = ChatRequest(OLD, (HELLO,), extra_body=extra, **fields)
    return json.loads(to_http(dialect.encode(request, Quirks()), request, Endpoint("p", "https://example.org")).body)


def test_fields_of_ones_own_lie_at_the_top_or_in_the_config():
    settings = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    extra = {"safetySettings": settings, "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"}}
    sent = joined(extra, parameters={"temperature": 0})
    assert sent["safetySettings"] == settings
    assert sent["generationConfig"] == {"temperature": 0, "mediaResolution": "MEDIA_RESOLUTION_LOW"}
    assert extra["generationConfig"] == {"mediaResolution": "MEDIA_RESOLUTION_LOW"}


def test_a_field_of_the_config_is_given_in_one_place_only():
    with pytest.raises(InvalidRequestError, match=r"generationConfig\.temperature"):
        joined({"generationConfig": {"temperature": 1}}, parameters={"temperature": 0})
    with pytest.raises(InvalidRequestError, match="contents"):
        joined({"contents": []})


def test_an_answer_is_held_to_a_schema():
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    assert config(answer_schema=AnswerSchema("City", schema, "A city.")) == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {"description": "A city.", **schema},
    }
    assert config(answer_schema=AnswerSchema("City", schema))["responseJsonSchema"] == schema


def test_a_schema_beside_tools_needs_a_newer_model():
    wanted = AnswerSchema("City", {"type": "object"})
    with pytest.raises(UnsupportedError, match=r'gemini-2\.5-flash.*output_mode="tool"'):
        body(tools=(WEATHER,), answer_schema=wanted)
    assert "responseJsonSchema" in config(model=NEW, tools=(WEATHER,), answer_schema=wanted)


# ------------------------------------------------------------------------------------------------------------- tools


def test_functions_are_declared_with_their_schema_as_it_is():
    bare = {"type": "function", "function": {"name": "now", "strict": True}}
    assert body(tools=(WEATHER, bare))["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "get_weather",
                    "description": "d",
                    "parametersJsonSchema": {"type": "object", "properties": {}},
                },
                {"name": "now"},
            ]
        }
    ]
    assert kinds(tools=(WEATHER, bare)) == [("dropped", "tools.now.strict")]


def test_a_tool_of_googles_own_goes_out_as_it_is():
    assert body(tools=({"googleSearch": {}},))["tools"] == [{"googleSearch": {}}]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", {"mode": "AUTO"}),
        ("required", {"mode": "ANY"}),
        ("none", {"mode": "NONE"}),
        ("get_weather", {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}),
        ({"mode": "VALIDATED"}, {"mode": "VALIDATED"}),
    ],
)
def test_a_tool_is_chosen_by_a_mode(choice: Any, sent: dict[str, Any]):
    assert body(tools=(WEATHER,), tool_choice=choice)["toolConfig"] == {"functionCallingConfig": sent}
    assert "toolConfig" not in body(tools=(WEATHER,))


# ---------------------------------------------------------------------------------------------------------- messages


def test_system_texts_go_to_their_own_place():
    sent = body({"role": "system", "content": "s"}, {"role": "developer", "content": [text("d"), text("")]}, HELLO)
    assert sent["systemInstruction"] == {"parts": [{"text": "s"}, {"text": "d"}]}
    assert [turn["role"] for turn in sent["contents"]] == ["user"]
    assert "systemInstruction" not in body({"role": "system", "content": ""}, HELLO)


def test_a_system_text_in_the_middle_moves_up_and_that_is_told():
    assert kinds(HELLO, {"role": "system", "content": "s"}) == [("moved", "messages[1]")]


def test_system_texts_alone_are_no_conversation():
    with pytest.raises(InvalidMessagesError, match="add a user message"):
        body({"role": "system", "content": "s"})


def test_a_system_text_cannot_hold_an_image():
    with pytest.raises(UnsupportedError, match=r"messages\[0\]\.content\[1\].*image_url"):
        body({"role": "system", "content": [text("s"), PNG]}, HELLO)


def test_neighbours_of_one_role_are_one_turn():
    assert turns(HELLO, HELLO, {"role": "assistant", "content": "Hi"}) == [
        {"role": "user", "parts": [{"text": "Hello"}, {"text": "Hello"}]},
        {"role": "model", "parts": [{"text": "Hi"}]},
    ]


def test_an_empty_message_is_left_out_and_that_is_told():
    empty = {"role": "assistant", "content": None}
    assert len(turns(HELLO, empty)) == 1
    assert kinds(HELLO, empty) == [("dropped", "messages[1]")]


def test_a_prefill_is_a_last_turn_of_the_model_where_it_is_continued():
    call = encoded(prefill="Once", quirks=Quirks(prefill=("",)))
    assert call.body["contents"][-1] == {"role": "model", "parts": [{"text": "Once"}]}
    assert call.prefill == "Once"
    with pytest.raises(UnsupportedError, match="does not continue"):
        encoded(prefill="Once")


def test_results_are_one_turn_and_have_the_names_of_the_calls():
    sent = turns(HELLO, asks("a", "b", content="Looking."), result("a"), result("b", '{"degrees": 18}'), HELLO)
    assert sent[1]["parts"] == [{"text": "Looking."}, call_part("a"), call_part("b")]
    assert sent[2]["parts"] == [
        {"functionResponse": {"id": "a", "name": "get_weather", "response": {"result": "22 C"}}},
        {"functionResponse": {"id": "b", "name": "get_weather", "response": {"degrees": 18}}},
        {"text": "Hello"},
    ]
    assert kinds(HELLO, asks("a"), result("a"), HELLO) == []


@pytest.mark.parametrize("content", ["22", "[1]", "null", "", "{"])
def test_a_result_that_is_no_object_is_the_result_of_one(content: str):
    sent = turns(HELLO, asks("a"), result("a", content))[-1]["parts"][0]["functionResponse"]
    assert sent["response"] == {"result": content}


def test_results_come_first_in_their_turn_even_where_a_question_came_between():
    conversation = (asks("a", "b"), result("a"), HELLO, result("b"))
    assert [next(iter(part)) for part in turns(*conversation)[1]["parts"]] == [
        "functionResponse",
        "functionResponse",
        "text",
    ]
    assert kinds(*conversation) == [("merged", "messages[3]")]


def test_a_result_of_a_call_that_is_not_there_has_no_name():
    with pytest.raises(InvalidMessagesError, match=r"messages\[1\]\.tool_call_id is 'b'"):
        turns(HELLO, result("b"))


def test_a_field_that_a_message_has_not_is_left_out_and_that_is_told():
    assert turns({**HELLO, "name": "Bob"}) == turns(HELLO)
    assert kinds({**HELLO, "name": "Bob"}) == [("dropped", "messages[0].name")]


def test_an_image_of_a_tool_lies_in_the_result_of_a_newer_model_and_beside_that_of_an_older_one():
    conversation = (HELLO, asks("a"), result("a", [text("x"), PNG]))
    plain = {"id": "a", "name": "get_weather", "response": {"result": "x"}}
    assert turns(*conversation, model=NEW)[-1]["parts"] == [{"functionResponse": {**plain, "parts": [INLINE_PNG]}}]
    assert turns(*conversation)[-1]["parts"] == [{"functionResponse": plain}, INLINE_PNG]
    assert kinds(*conversation) == [("moved", "messages[2].content")]


@pytest.mark.parametrize("arguments", ["{", "[1]", "null", "7"])
def test_arguments_that_are_no_object_are_refused_by_their_place(arguments: str):
    with pytest.raises(InvalidMessagesError, match=r"messages\[1\]\.tool_calls\[0\]\.function\.arguments"):
        turns(HELLO, asks("a", arguments=arguments))


# ------------------------------------------------------------------------------------------------------------- media


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        (PNG, INLINE_PNG),
        (
            {"type": "image_url", "image_url": {"url": "https://example.org/a.JPG?w=1"}},
            {"fileData": {"fileUri": "https://example.org/a.JPG?w=1", "mimeType": "image/jpeg"}},
        ),
        (
            {"type": "video_url", "video_url": {"url": "https://www.youtube.com/watch?v=x.mp4"}},
            {"fileData": {"fileUri": "https://www.youtube.com/watch?v=x.mp4"}},
        ),
        (
            {"type": "video_url", "video_url": {"url": "gs://bucket/a.mov"}},
            {"fileData": {"fileUri": "gs://bucket/a.mov", "mimeType": "video/quicktime"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "mp3"}},
            {"inlineData": {"mimeType": "audio/mp3", "data": "UklGRg=="}},
        ),
        (
            file(file_data="data:application/pdf;base64,JVBERi0="),
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}},
        ),
        (
            file(file_url="https://example.org/a.pdf"),
            {"fileData": {"fileUri": "https://example.org/a.pdf", "mimeType": "application/pdf"}},
        ),
        (
            file(file_id="files/abc"),
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
        ),
        (
            file(file_id="abc"),
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
        ),
    ],
)
def test_media_lie_in_the_message_or_elsewhere(part: dict[str, Any], sent: dict[str, Any]):
    assert sent_part(part) == sent


def test_a_file_has_no_name_and_that_is_told():
    named = {"role": "user", "content": [file(file_url="https://example.org/a.pdf", filename="a.pdf")]}
    assert kinds(named) == [("dropped", "messages[0].content[0].file.filename")]


def test_a_file_that_holds_nothing_is_refused():
    with pytest.raises(UnsupportedError, match=r"messages\[0\]\.content\[0\]\.file"):
        sent_part(file(file_data="UEs="))


def test_a_part_without_a_word_is_refused_by_place_and_type():
    with pytest.raises(UnsupportedError, match=r"messages\[1\]\.content\[1\].*hologram"):
        body(HELLO, {"role": "user", "content": [text("x"), {"type": "hologram", "hologram": 1}]})


# -------------------------------------------------------------------------------------------------------- signatures


def test_a_signature_goes_back_on_the_text_or_the_call_that_it_came_with():
    answer = asks("a", "b", content="Looking.", **kept(("thought_signature", 0, "s1"), ("call_signature", 1, "s2")))
    assert turns(HELLO, answer)[1]["parts"] == [
        {"text": "Looking.", "thoughtSignature": "s1"},
        call_part("a", thoughtSignature="s2"),
        call_part("b"),
    ]


def test_a_signature_of_a_call_passes_over_a_text_that_came_later():
    answer = asks("a", content="Looking.", **kept(("call_signature", 0, "s1")))
    assert turns(HELLO, answer)[1]["parts"] == [{"text": "Looking."}, call_part("a", thoughtSignature="s1")]


def test_parts_that_are_neither_text_nor_call_go_back_in_their_place():
    code = {"executableCode": {"code": "1+1"}}
    answer = {
        "role": "assistant",
        "content": "2",
        **kept(("thought_signature", 0, "s1"), ("part", 0, code), ("thought_signature", 1, "s2")),
    }
    assert turns(HELLO, answer)[1]["parts"] == [
        {**code, "thoughtSignature": "s1"},
        {"text": "2"},
        {"text": "", "thoughtSignature": "s2"},
    ]
    assert code == {"executableCode": {"code": "1+1"}}


def test_an_answer_of_an_image_alone_goes_back():
    answer = {"role": "assistant", "content": "", **kept(("part", 0, INLINE_PNG))}
    assert turns(HELLO, answer)[1]["parts"] == [INLINE_PNG]


def test_state_of_another_family_is_left_out_and_that_is_told():
    answer = asks("a", **kept(("thinking", 0, {}), family="anthropic:claude"))
    assert turns(HELLO, answer)[1]["parts"] == [call_part("a")]
    assert kinds(HELLO, answer) == [("dropped", "messages[1].provider_state")]


def test_the_first_call_of_each_step_since_the_question_is_marked_as_made_by_another_model():
    step = (asks("a", "b"), result("a"), result("b"))
    sent = turns(HELLO, *step, HELLO, *step, asks("c"), model=NEW)
    calls = [part for turn in sent if turn["role"] == "model" for part in turn["parts"]]
    marked = [part.get("thoughtSignature") for part in calls]
    assert marked == [None, None, request.UNSIGNED, None, request.UNSIGNED]
    assert kinds(HELLO, *step, HELLO, *step, asks("c"), model=NEW) == [
        ("emulated", "messages[5].tool_calls[0]"),
        ("emulated", "messages[8].tool_calls[0]"),
    ]
    assert kinds(HELLO, *step) == []
    assert kinds(HELLO, asks("a", **kept(("call_signature", 0, "s"))), result("a"), model=NEW) == []


WIRE = {
    "text": [{"text": "Two.", "thoughtSignature": "s1"}, {"text": " Three."}],
    "text_at_the_end": [{"text": "Two."}, {"text": "", "thoughtSignature": "s1"}],
    "calls": [{"text": "Two."}, call_part("a", thoughtSignature="s1"), call_part("b")],
    "each_call": [call_part("a", thoughtSignature="s1"), call_part("b", thoughtSignature="s2")],
    "code": [{"executableCode": {"code": "1"}, "thoughtSignature": "s1"}, {"text": "2", "thoughtSignature": "s2"}],
    "image": [{"text": "Here."}, {**INLINE_PNG, "thoughtSignature": "s1"}],
    "thought": [{"text": "Hm.", "thought": True, "thoughtSignature": "s1"}, {"text": "Two."}],
}


@pytest.mark.parametrize("name", WIRE)
def test_what_the_model_said_is_what_it_gets_back(name: str):
    parts = WIRE[name]
    reply = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "responseId": "r"}
    answer = ResponseAccumulator()
    answer.add(dialect.decode(to_json(reply)))
    message = {
        "role": "assistant",
        "content": "".join(answer.text),
        "provider_state": answer.provider_state(FAMILY, ""),
    }
    if answer.calls:
        calls = [call.id for call in answer.tool_calls()]
        message |= asks(*calls, content=message["content"])
    sent = turns(HELLO, json.loads(json.dumps(message)), model=NEW)[1]["parts"]
    if name == "text":  # the pieces of a text are one
        parts = [{"text": "Two. Three.", "thoughtSignature": "s1"}]
    assert sent == parts


def test_the_tokens_of_an_answer_come_with_their_probabilities():
    one, other = {"token": "Par", "tokenId": 7, "logProbability": -0.1}, {"token": "Ro", "logProbability": -2}
    weighed = {"chosenCandidates": [one, {"token": "is"}], "topCandidates": [{"candidates": [one, other]}]}
    reply = {"candidates": [{"content": {"parts": [{"text": "Paris"}]}, "logprobsResult": weighed}]}
    (found,) = (event for event in dialect.decode(to_json(reply)) if isinstance(event, Logprobs))
    assert found.tokens == (
        TokenLogprob("Par", -0.1, top=(TokenLogprob("Par", -0.1), TokenLogprob("Ro", -2.0))),
        TokenLogprob("is", 0.0),
    )


# ----------------------------------------------------------------------------------------------------------- any input


@unhurried
@given(conversations, st.sampled_from([OLD, NEW]))
def test_any_conversation_keeps_its_ids_and_their_order_and_is_never_changed(
    conversation: list[dict[str, Any]], model: str
):
    before = deepcopy(conversation)
    try:
        sent = turns(*conversation, model=model)
    except (UnsupportedError, InvalidMessagesError):
        return
    finally:
        assert conversation == before
    json.dumps(sent)
    roles = [turn["role"] for turn in sent]
    assert set(roles) <= {"user", "model"}
    assert all(role != following for role, following in pairwise(roles))
    assert _ids(sent, "functionCall") == [
        call["id"] for message in conversation for call in message.get("tool_calls", ())
    ]
    assert _ids(sent, "functionResponse") == [
        message["tool_call_id"] for message in conversation if message["role"] == "tool"
    ]
    assert all(turn["parts"] for turn in sent)


def _ids(sent: list[dict[str, Any]], kind: str) -> list[str]:
    return [part[kind]["id"] for turn in sent for part in turn["parts"] if kind in part]


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
        ("dropped", "messages[0].content[1].image_url.detail"),
        ("dropped", "messages[0].content[2].file.filename"),
        ("dropped", "tools.get_weather.cache_control"),
    ]
