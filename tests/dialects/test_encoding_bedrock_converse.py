"""What a call becomes in Amazon Bedrock's Converse; botocore's own description of the API checks every body."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from msgflux_like.dialects import bedrock_converse as dialect
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.messages.normalize import normalize
from msgflux_like.request import AnswerSchema, ChatRequest, Encoded, Quirks, ReasoningControls
from tests.conversations import conversations, unhurried

HELLO = {"role": "user", "content": "Hello"}
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "us.amazon.nova-2-lite-v1:0"
QUIRKS = Quirks(prefill=("claude",), prefill_refused=("claude-opus-4-6",))
PNG = "data:image/png;base64,iVBORw0KGgo="


@cache
def described() -> Any:
    description = Loader().load_service_model("bedrock-runtime", "service-2")
    return ServiceModel(description).operation_model("Converse").input_shape


def encoded(*messages: dict[str, Any], model: str = CLAUDE, **fields: Any) -> Encoded:
    request = ChatRequest(model, normalize(messages or (HELLO,)), **fields)
    found = dialect.encode(request, QUIRKS)
    report = ParamValidator().validate({"modelId": model, **found.body}, described())
    assert not report.has_errors(), report.generate_report()
    return found


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return encoded(*messages, **fields).body


def turns(*messages: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    return body(*messages, **fields)["messages"]


def more(**fields: Any) -> dict[str, Any]:
    return body(**fields).get("additionalModelRequestFields", {})


def kinds(*messages: dict[str, Any], **fields: Any) -> list[tuple[str, str]]:
    return [(change.kind, change.field) for change in encoded(*messages, **fields).changes]


def blocks(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    (turn,) = turns({"role": "user", "content": list(parts)})
    return turn["content"]


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def file(**fields: str) -> dict[str, Any]:
    return {"type": "file", "file": fields}


def asks(*ids: str, content: Any = None) -> dict[str, Any]:
    call = {"name": "get_weather", "arguments": '{"city":"Paris"}'}
    calls = [{"id": id_, "type": "function", "function": call} for id_ in ids]
    return {"role": "assistant", "content": content, "tool_calls": calls}


def gives(id_: str, content: Any = "18 °C") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


LOOP = (HELLO, asks("call_1"), gives("call_1"))


# ---- the whole


def test_a_call_becomes_a_path_and_messages():
    found = encoded()
    assert found.path == "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse"
    assert found.body == {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    assert (found.headers, found.changes) == ({}, ())


def test_a_stream_has_its_own_path_and_asks_for_its_own_form():
    found = encoded(stream=True, model="arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-x")
    assert found.path == (
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.claude-x"
        "/converse-stream"
    )
    assert found.headers == {"accept": "application/vnd.amazon.eventstream"}


def test_system_texts_have_a_place_of_their_own():
    messages = ({"role": "system", "content": "One"}, HELLO, {"role": "developer", "content": "Two"})
    assert body(*messages)["system"] == [{"text": "One"}, {"text": "Two"}]
    assert kinds(*messages) == [("moved", "messages[2]")]


def test_system_texts_alone_are_no_conversation():
    with pytest.raises(InvalidMessagesError, match="add a user message"):
        encoded({"role": "system", "content": "One"})


def test_neighbours_of_one_role_are_one_turn():
    assert turns(HELLO, {"role": "user", "content": "You?"}) == [
        {"role": "user", "content": [{"text": "Hello"}, {"text": "You?"}]}
    ]


def test_what_is_blank_is_left_out_and_recorded():
    messages = ({"role": "user", "content": [text(" \n"), text("Hello")]}, {"role": "assistant", "content": ""}, HELLO)
    assert turns(*messages) == [{"role": "user", "content": [{"text": "Hello"}, {"text": "Hello"}]}]
    assert kinds(*messages) == [("dropped", "messages[0].content[0]"), ("dropped", "messages[1]")]


def test_fields_of_a_message_that_converse_does_not_know_are_recorded():
    assert kinds({**HELLO, "name": "Ada"}) == [("dropped", "messages[0].name")]


# ---- parts


@pytest.mark.parametrize(
    ("url", "block"),
    [
        (PNG, {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}),
        ("data:image/jpg;base64,/9g=", {"image": {"format": "jpeg", "source": {"bytes": "/9g="}}}),
        (
            "s3://bucket/cat.WEBP",
            {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/cat.WEBP"}}}},
        ),
    ],
)
def test_images_have_a_format_and_bytes_or_a_place_in_s3(url: str, block: dict[str, Any]):
    assert blocks(image(url)) == [block]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (image("https://example.com/cat.png"), r"messages\[0\].content\[0\].image_url.url is a link.*s3://"),
        (image("data:image/tiff;base64,AA=="), r"image format 'image/tiff'.*gif, jpeg, png, webp"),
        (image("s3://bucket/cat"), "image format"),
        (file(file_id="file-1"), r"messages\[0\].content\[0\].file.file_id: Amazon Bedrock stores no files"),
        (file(file_url="https://example.com/a.pdf"), "is a link"),
        (file(file_data="data:application/zip;base64,AA=="), "document format 'application/zip'"),
        ({"type": "input_audio", "input_audio": {"data": "AA==", "format": "midi"}}, "audio format 'midi'"),
        ({"type": "hologram"}, "is of type 'hologram'"),
    ],
)
def test_what_cannot_be_sent_is_named_with_a_remedy(part: dict[str, Any], message: str):
    with pytest.raises(UnsupportedError, match=message):
        blocks(part)


@pytest.mark.parametrize(
    ("media_type", "format_"),
    [
        ("application/pdf", "pdf"),
        ("text/plain", "txt"),
        ("text/markdown", "md"),
        ("text/csv", "csv"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ],
)
def test_documents_have_a_format_and_a_name(media_type: str, format_: str):
    part = file(file_data=f"data:{media_type};base64,AA==", filename="report")
    assert blocks(part) == [{"document": {"format": format_, "name": "report", "source": {"bytes": "AA=="}}}]


@pytest.mark.parametrize(
    ("filename", "name", "change"),
    [
        ("report", "report", []),
        ("report.pdf", "report", [("renamed", "messages[0].content[0].file.filename")]),
        ("my_résumé (v2).final.pdf", "my-r-sum- (v2)-final", [("renamed", "messages[0].content[0].file.filename")]),
        ("a   b", "a b", [("renamed", "messages[0].content[0].file.filename")]),
        ("x" * 300, "x" * 200, [("renamed", "messages[0].content[0].file.filename")]),
        ("", "document", [("defaulted", "messages[0].content[0].file.filename")]),
    ],
)
def test_names_of_documents_are_of_the_alphabet_that_the_api_takes(filename: str, name: str, change: list[Any]):
    part = file(file_data="data:application/pdf;base64,AA==", filename=filename)
    message = {"role": "user", "content": [part]}
    assert turns(message)[0]["content"][0]["document"]["name"] == name
    assert kinds(message) == change


def test_two_documents_of_one_name_are_told_apart():
    part = file(file_data="data:application/pdf;base64,AA==", filename="a")
    found = turns(
        {"role": "user", "content": [part, part]},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": [part]},
    )
    names = [block["document"]["name"] for turn in found for block in turn["content"] if "document" in block]
    assert names == ["a", "a (2)", "a (3)"]


def test_videos_sounds_and_images_that_come_as_files():
    video = {"video": {"format": "mp4", "source": {"bytes": "AA=="}}}
    assert blocks({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AA=="}}) == [video]
    assert blocks(file(file_data="data:video/mp4;base64,AA==")) == [video]
    assert blocks(file(file_data=PNG)) == [{"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}]
    sound = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
    assert blocks(sound) == [{"audio": {"format": "wav", "source": {"bytes": "AA=="}}}]


def test_a_part_to_be_cached_is_followed_by_a_cache_point():
    point = {"cachePoint": {"type": "default"}}
    mark = {"cache_control": {"type": "ephemeral"}}
    assert blocks(text("Long", **mark), text("Short")) == [{"text": "Long"}, point, {"text": "Short"}]
    system = {"role": "system", "content": [text("Rules", cache_control={"type": "ephemeral", "ttl": "1h"})]}
    assert body(system, HELLO)["system"] == [{"text": "Rules"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert body(tools=({**WEATHER, **mark},))["toolConfig"]["tools"][1:] == [point]
    found = turns(HELLO, asks("call_1"), gives("call_1", [text("Sunny", **mark)]), tools=(WEATHER,))
    assert found[2]["content"][1:] == [point]


# ---- tools


def test_calls_and_results_are_blocks():
    found = turns(*LOOP, tools=(WEATHER,))
    assert found[1:] == [
        {
            "role": "assistant",
            "content": [{"toolUse": {"toolUseId": "call_1", "name": "get_weather", "input": {"city": "Paris"}}}],
        },
        {"role": "user", "content": [{"toolResult": {"toolUseId": "call_1", "content": [{"text": "18 °C"}]}}]},
    ]


def test_results_come_first_in_their_turn():
    messages = (HELLO, asks("a", "b"), gives("a"), {"role": "user", "content": "And?"}, gives("b"))
    found = [next(iter(block)) for block in turns(*messages, tools=(WEATHER,))[2]["content"]]
    assert found == ["toolResult", "toolResult", "text"]
    assert kinds(*messages, tools=(WEATHER,)) == [("merged", "messages[4]")]


def test_results_may_hold_images_and_nothing_at_all():
    found = turns(HELLO, asks("a", "b"), gives("a", [image(PNG)]), gives("b", ""), tools=(WEATHER,))[2]["content"]
    assert [next(iter(block["toolResult"]["content"]), None) for block in found] == [
        {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}},
        None,
    ]


def test_ids_that_others_make_are_taken_or_renamed_alike_in_call_and_result():
    assert kinds(HELLO, asks("functions.get_weather:0"), gives("functions.get_weather:0"), tools=(WEATHER,)) == []
    long = "call/" + "x" * 80
    found = turns(HELLO, asks(long), gives(long), tools=(WEATHER,))
    use, result = found[1]["content"][0]["toolUse"], found[2]["content"][0]["toolResult"]
    assert use["toolUseId"] == result["toolUseId"] == "x" * 64


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", {"auto": {}}),
        ("required", {"any": {}}),
        ("get_weather", {"tool": {"name": "get_weather"}}),
        ({"any": {}}, {"any": {}}),
    ],
)
def test_a_tool_choice_is_a_union(choice: Any, sent: dict[str, Any]):
    tool = {"name": "get_weather", "description": "d", "inputSchema": {"json": {"type": "object", "properties": {}}}}
    config = body(tools=(WEATHER,), tool_choice=choice)["toolConfig"]
    assert config == {"tools": [{"toolSpec": tool}], "toolChoice": sent}


def test_no_choice_is_sent_where_none_was_made():
    assert "toolChoice" not in body(tools=(WEATHER,))["toolConfig"]


def test_tools_that_may_not_be_called_are_not_sent():
    found = encoded(tools=(WEATHER,), tool_choice="none")
    assert "toolConfig" not in found.body
    assert [change.field for change in found.changes] == ["tool_choice"]


def test_claude_gets_the_tools_of_the_conversation_and_its_own_choice_of_none():
    for fields in ({"tools": (WEATHER,), "tool_choice": "none"}, {}):
        found = body(*LOOP, **fields)
        assert [tool["toolSpec"]["name"] for tool in found["toolConfig"]["tools"]] == ["get_weather"]
        assert "toolChoice" not in found["toolConfig"]
        assert found["additionalModelRequestFields"] == {"tool_choice": {"type": "none"}}
    assert kinds(*LOOP) == [("emulated", "tool_schemas")]


def test_others_get_earlier_calls_as_texts_where_they_may_call_nothing():
    found = body(*LOOP, model=NOVA)
    assert "toolConfig" not in found
    assert found["messages"][1:] == [
        {"role": "assistant", "content": [{"text": '[called get_weather with {"city":"Paris"}]'}]},
        {"role": "user", "content": [{"text": "[the result: 18 °C]"}]},
    ]
    assert kinds(*LOOP, model=NOVA) == [("emulated", "messages")]
    with pytest.raises(UnsupportedError, match="more than text"):
        encoded(HELLO, asks("a"), gives("a", [image(PNG)]), model=NOVA)


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, {"type": "auto"}),
        ("required", {"type": "any"}),
        ("get_weather", {"type": "tool", "name": "get_weather"}),
    ],
)
def test_one_call_at_a_time_is_said_in_claudes_own_words(choice: Any, sent: dict[str, Any]):
    found = body(tools=(WEATHER,), tool_choice=choice, parameters={"parallel_tool_calls": False})
    assert "toolChoice" not in found["toolConfig"]
    assert found["additionalModelRequestFields"] == {"tool_choice": {**sent, "disable_parallel_tool_use": True}}


def test_one_call_at_a_time_cannot_be_asked_of_others():
    with pytest.raises(UnsupportedError, match="parallel_tool_calls=False"):
        encoded(tools=(WEATHER,), model=NOVA, parameters={"parallel_tool_calls": False})
    assert "additionalModelRequestFields" not in body(tools=(WEATHER,), parameters={"parallel_tool_calls": True})


# ---- parameters


def test_parameters_are_limits_of_inference():
    given_ones = {"max_tokens": 9, "temperature": 0, "top_p": 0.0, "stop": "END"}
    assert body(parameters=given_ones)["inferenceConfig"] == {
        "maxTokens": 9,
        "temperature": 0,
        "topP": 0.0,
        "stopSequences": ["END"],
    }


@pytest.mark.parametrize(
    "parameters", [{"temperature": 1.5}, {"seed": 1}, {"presence_penalty": 0.0}, {"logprobs": True}, {"user": "ada"}]
)
def test_parameters_that_converse_has_no_words_for_are_refused(parameters: dict[str, Any]):
    with pytest.raises(UnsupportedError, match=next(iter(parameters))):
        encoded(parameters=parameters)


def test_top_k_is_the_makers_own():
    assert more(parameters={"top_k": 5}) == {"top_k": 5}
    assert more(parameters={"top_k": 5}, model=NOVA) == {"inferenceConfig": {"topK": 5}}


BUDGET = ReasoningControls(reasons=True, switched=True, budget=(1024, None))
EFFORT = ReasoningControls(reasons=True, efforts=("low", "high", "max"))


@pytest.mark.parametrize(
    ("parameters", "reasoning_controls", "sent"),
    [
        (
            {"reasoning_budget": 2000, "max_tokens": 9000},
            BUDGET,
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        ),
        ({"reasoning_budget": 0}, BUDGET, {"thinking": {"type": "disabled"}}),
        ({"reasoning_effort": "none"}, BUDGET, {"thinking": {"type": "disabled"}}),
        (
            {"reasoning_effort": "high"},
            EFFORT,
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "high"}},
        ),
    ],
)
def test_claude_reasons_in_its_own_words(
    parameters: dict[str, Any], reasoning_controls: ReasoningControls, sent: dict[str, Any]
):
    assert more(parameters=parameters, reasoning_controls=reasoning_controls) == sent


def test_what_does_not_go_with_claudes_reasoning_is_refused():
    with pytest.raises(UnsupportedError, match="temperature"):
        encoded(
            parameters={"reasoning_budget": 2000, "max_tokens": 9000, "temperature": 0.5}, reasoning_controls=BUDGET
        )


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        (NOVA, "low", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
        (NOVA, "none", {"reasoningConfig": {"type": "disabled"}}),
        ("openai.gpt-oss-120b-1:0", "high", {"reasoning_effort": "high"}),
        ("us.openai.gpt-6-sol", "none", {"reasoning": {"effort": "none"}}),
        ("us.xai.grok-4.6", "low", {"reasoning_effort": "low"}),
    ],
)
def test_others_reason_in_theirs(model: str, effort: str, sent: dict[str, Any]):
    assert more(model=model, parameters={"reasoning_effort": effort}) == sent


def test_a_budget_is_for_claude_alone():
    with pytest.raises(UnsupportedError, match=r"reasoning_budget.*Use reasoning_effort"):
        encoded(model=NOVA, parameters={"reasoning_budget": 2000})
    assert more(model=NOVA, parameters={"reasoning_budget": 0}) == {"reasoningConfig": {"type": "disabled"}}


def test_a_schema_is_a_text_in_the_output_config():
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    sent = body(answer_schema=AnswerSchema("answer", schema, "An answer"))["outputConfig"]["textFormat"]
    inner = sent["structure"]["jsonSchema"]
    assert (sent["type"], inner["name"], inner["description"]) == ("json_schema", "answer", "An answer")
    assert json.loads(inner["schema"]) == schema


# ---- prefill and what came before


def test_a_prefill_comes_last_and_without_white_space_at_its_end():
    found = encoded(prefill="Once ")
    assert found.body["messages"][1] == {"role": "assistant", "content": [{"text": "Once"}]}
    assert (found.prefill, [change.kind for change in found.changes]) == ("Once", ["trimmed"])


@pytest.mark.parametrize("model", ["us.anthropic.claude-opus-4-6-v1", NOVA])
def test_a_prefill_is_refused_where_it_is_not_continued(model: str):
    with pytest.raises(UnsupportedError, match="prefilling"):
        encoded(model=model, prefill="Once")


def test_white_space_at_the_end_of_a_last_answer_is_trimmed():
    messages = (HELLO, {"role": "assistant", "content": "One, \n"})
    assert turns(*messages)[1]["content"] == [{"text": "One,"}]
    assert kinds(*messages) == [("trimmed", "messages")]


def test_reasoning_goes_back_where_it_was():
    state = [
        {"family": "own", "kind": "reasoningText", "after": 0, "raw": {"text": "Hm", "signature": "c2ln"}},
        {"family": "own", "kind": "redactedContent", "after": 1, "raw": "c2Vj"},
    ]
    message = {**asks("call_1", content="I look."), "provider_state": state}
    found = turns(HELLO, message, gives("call_1"), tools=(WEATHER,), family="own")[1]["content"]
    assert [next(iter(block)) for block in found] == ["reasoningContent", "text", "reasoningContent", "toolUse"]
    assert found[0]["reasoningContent"] == {"reasoningText": {"text": "Hm", "signature": "c2ln"}}
    assert found[2]["reasoningContent"] == {"redactedContent": "c2Vj"}
    assert kinds(HELLO, message, gives("call_1"), tools=(WEATHER,), family="another") == [
        ("dropped", "messages[1].provider_state")
    ]


# ---- anything


models = st.sampled_from([CLAUDE, NOVA, "openai.gpt-oss-120b-1:0"])


@unhurried
@given(conversations, models, st.booleans())
def test_any_conversation_becomes_a_body_that_botocore_would_send(
    conversation: list[dict[str, Any]], model: str, has_tools: bool
):
    before = deepcopy(conversation)
    try:
        found = encoded(*conversation, model=model, tools=(WEATHER,) if has_tools else ())
    except (UnsupportedError, InvalidMessagesError):
        return
    finally:
        assert conversation == before
    json.dumps(found.body)
    sent = found.body["messages"]
    assert all(one["role"] != other["role"] for one, other in pairwise(sent))
    assert all(turn["content"] for turn in sent)
    made = [call["id"] for message in conversation for call in message.get("tool_calls", ())]
    uses = [block["toolUse"]["toolUseId"] for turn in sent for block in turn["content"] if "toolUse" in block]
    assert len(uses) == len(set(uses)) == (len(made) if "toolConfig" in found.body else 0)
    assert all(use.startswith(id_) for use, id_ in zip(uses, made, strict=False))


def test_marks_that_the_format_has_no_field_for_are_recorded():
    parts = [
        {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:image/png;base64,iVBORw0KGgo=", "filename": "a.png"}},
    ]
    assert kinds({"role": "user", "content": parts, "name": "ann"}) == [
        ("dropped", "messages[0].name"),
        ("dropped", "messages[0].content[1].image_url.detail"),
        ("dropped", "messages[0].content[2].file.filename"),
    ]


def test_ids_that_become_alike_stay_apart_and_results_with_their_calls():
    long = "x" * 80
    ids = ["a b", "a/b", "a_b", long, f"y{long}"]
    sent = turns(HELLO, asks(*ids), *(gives(id_, id_) for id_ in reversed(ids)), tools=(WEATHER,))
    uses = [block["toolUse"]["toolUseId"] for block in sent[1]["content"]]
    assert uses == ["a_b", "a_b_2", "a_b_3", "x" * 64, "x" * 62 + "_2"]
    results = {
        block["toolResult"]["content"][0]["text"]: block["toolResult"]["toolUseId"] for block in sent[2]["content"]
    }
    assert results == dict(zip(ids, uses, strict=True))


def test_an_id_that_comes_again_in_a_later_answer_is_another_one():
    step = (asks("0"), gives("0"))
    sent = turns(HELLO, *step, *step, tools=(WEATHER,))
    assert [turn["content"][0]["toolUse"]["toolUseId"] for turn in sent[1::2]] == ["0", "0_2"]
    assert [turn["content"][0]["toolResult"]["toolUseId"] for turn in sent[2::2]] == ["0", "0_2"]


def test_others_can_be_asked_for_the_one_call_of_a_tool_that_is_an_answer():
    asked: dict[str, Any] = {"tools": (WEATHER,), "tool_choice": "get_weather", "model": NOVA}
    asked["parameters"] = {"parallel_tool_calls": False}
    assert body(**asked)["toolConfig"]["toolChoice"] == {"tool": {"name": "get_weather"}}
    assert kinds(**asked) == [("dropped", "parallel_tool_calls")]
