"""An answer as its user sees it: its text, what is known beside it, and what it never shows."""

from __future__ import annotations

import copy
import doctest
import importlib
import json
import pickle

import pytest

import msgflux_like as mf
from tests.provider import DONE, USAGE, Reply, chat, delta, sse, stream, whole

TEXT = "The sun is a star."
CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
NOTHING = {"completion_tokens": None, "prompt_tokens": None, "total_tokens": None}


def reply_of(message: dict, finish: str | None = "stop", usage: dict | None = None, *, streamed: bool = False) -> Reply:
    """The same answer, whole or in one piece."""
    ids = {"id": "chatcmpl-1", "model": "gpt-4o-2024-08-06"}
    if streamed:
        counts = [sse({**ids, "choices": [], "usage": usage})] if usage else []
        choice = {"index": 0, "delta": message, "finish_reason": finish}
        return Reply(
            200,
            {"content-type": "text/event-stream", "x-request-id": "req_1"},
            [sse({**ids, "choices": [choice]}), *counts, DONE],
        )
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    body = {**ids, "choices": [choice], **({"usage": usage} if usage else {})}
    return whole(body, x_request_id="req_1")


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def answer(request, colour, provider, model_of):
    """The response to a call that is answered so."""

    def ask(message: dict, finish: str | None = "stop", usage: dict | None = None) -> mf.ModelResponse:
        model = model_of(provider(reply_of(message, finish, usage, streamed=request.param)))
        if not request.param:
            return colour.ask(model, "a secret question")
        return colour.pieces(model, "a secret question")[1].result()

    return ask


# ---- the text


def test_the_text_is_the_answer_every_time(answer):
    response = answer({"content": TEXT})
    assert [response.consume(), response.consume(), response.data, response.text] == [TEXT] * 4
    assert response.response_type == "text_generation"


@pytest.mark.parametrize("message", [{"content": ""}, {"content": None}, {}])
def test_an_empty_answer_is_an_empty_text(answer, message):
    response = answer(message)
    assert response.consume() == ""
    assert (response.reasoning, response.refusal) == (None, None)
    assert response.metadata.finish_reason == "stop"


def test_a_refusal_is_to_be_seen_and_is_not_the_answer(answer):
    response = answer({"content": None, "refusal": "I can't help with that."})
    assert response.consume() == ""
    assert response.refusal == response.metadata.refusal == "I can't help with that."
    assert "refusal" not in answer({"content": TEXT}).metadata


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_beside_the_answer(answer, field):
    response = answer({"content": TEXT, field: "A star, surely."})
    assert (response.consume(), response.reasoning) == (TEXT, "A star, surely.")


def test_characters_beyond_ascii_arrive_as_they_are(answer):
    text = "naïve Ω 太陽 👩‍🚀 \u202f\u3000\0"
    assert answer({"content": text}).consume() == text


def test_the_beginning_that_was_asked_for_is_there_once(colour, provider, model_of):
    """llama.cpp repeats it in a whole reply, and not in a stream; others never do."""
    for path, whole_reply in (
        ("local/m", "So the sun is a star."),
        ("openrouter/anthropic/claude-3-haiku", " is a star."),
    ):
        server = provider(whole(chat(whole_reply)), stream(delta(" is"), delta(" a star."), delta(finish="stop"), DONE))
        model = model_of(server, path)
        assert colour.ask(model, "hi", prefilling="So the sun").consume() == "So the sun is a star."
        pieces, _ = colour.pieces(model, "hi", prefilling="So the sun")
        assert pieces == ["So the sun", " is", " a star."]


# ---- what is known beside it


def test_metadata_is_a_plain_dict(answer):
    response = answer({"content": TEXT}, usage={"completion_tokens": 9, "prompt_tokens": 19, "total_tokens": 28})
    expected = {
        "usage": {"completion_tokens": 9, "prompt_tokens": 19, "total_tokens": 28},
        "finish_reason": "stop",
        "finish_reason_raw": "stop",
        "provider": "openai",
        "model": "gpt-4o-2024-08-06",
        "id": "chatcmpl-1",
        "request_id": "req_1",
        "attempts": 1,
        "cached": False,
    }
    assert response.metadata == expected
    assert str(response.metadata) == repr(expected)
    assert json.loads(json.dumps(response.metadata)) == expected


def test_metadata_is_read_by_attribute_too(answer):
    response = answer({"content": TEXT}, usage={"completion_tokens": 9, "prompt_tokens": 19, "total_tokens": 28})
    usage = response.metadata.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (19, 9, 28)
    assert usage["prompt_tokens"] == 19
    with pytest.raises(AttributeError) as raised:
        _ = usage.prompt_token
    assert str(raised.value) == (
        "there is no key 'prompt_token'; the keys are completion_tokens, prompt_tokens, total_tokens"
    )


def test_counts_that_nobody_reported_are_none(answer):
    response = answer({"content": TEXT})
    assert response.metadata.usage == NOTHING
    assert response.usage is None


@pytest.mark.parametrize(
    ("reported", "counted"),
    [
        ({"prompt_tokens": 3}, {**NOTHING, "prompt_tokens": 3}),
        ({"prompt_tokens": 3, "completion_tokens": 2}, {"completion_tokens": 2, "prompt_tokens": 3, "total_tokens": 5}),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, dict.fromkeys(NOTHING, 0)),
        (
            {
                "prompt_tokens": 30,
                "completion_tokens": 20,
                "total_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 10, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
            {
                "completion_tokens": 20,
                "prompt_tokens": 30,
                "total_tokens": 50,
                "cached_tokens": 10,
                "reasoning_tokens": 0,
            },
        ),
    ],
    ids=["one", "two", "zeros", "details"],
)
def test_what_is_reported_is_counted(answer, reported, counted):
    assert answer({"content": TEXT}, usage=reported).metadata.usage == counted


def test_the_counts_have_the_same_names_in_every_dialect(colour, provider, model_of):
    counted = {
        "completion_tokens": 20,
        "prompt_tokens": 30,
        "total_tokens": 50,
        "cached_tokens": 10,
        "reasoning_tokens": 5,
    }
    chat_counts = {
        "prompt_tokens": 30,
        "completion_tokens": 20,
        "total_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    responses = {
        "id": "resp_1",
        "status": "completed",
        "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": TEXT}]}],
        "usage": {
            "input_tokens": 30,
            "output_tokens": 20,
            "total_tokens": 50,
            "input_tokens_details": {"cached_tokens": 10},
            "output_tokens_details": {"reasoning_tokens": 5},
        },
    }
    anthropic = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": TEXT}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 20, "cache_read_input_tokens": 10, "output_tokens": 20},
    }
    without_reasoning = {name: count for name, count in counted.items() if name != "reasoning_tokens"}
    for path, body, expected in (
        ("openai/gpt-4o", {**chat(TEXT), "usage": chat_counts}, counted),
        ("openai-responses/gpt-4o", responses, counted),
        ("anthropic/claude-3-5-haiku-latest", anthropic, without_reasoning),
    ):
        response = colour.ask(model_of(provider(whole(body)), path), "hi")
        assert response.consume() == TEXT
        assert response.metadata.usage == expected
        assert (response.metadata.finish_reason, response.metadata.provider) == ("stop", path.partition("/")[0])


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("because", "unknown"),
        ("STOP", "unknown"),
    ],
)
def test_a_finish_reason_is_one_of_a_few_words_with_the_providers_own_beside_it(answer, raw, reason):
    metadata = answer({"content": TEXT}, raw).metadata
    assert (metadata.finish_reason, metadata.finish_reason_raw) == (reason, raw)


def test_no_finish_reason_is_not_invented(answer):
    metadata = answer({"content": TEXT}, None, {"prompt_tokens": 1}).metadata
    assert metadata.finish_reason in (None, "unknown")  # a stream that only its mark ends says so
    assert metadata.finish_reason_raw is None


@pytest.mark.parametrize(("raw", "reason"), [("stop", "tool_calls"), ("length", "length"), ("because", "unknown")])
def test_an_answer_with_calls_does_not_end_with_stop(answer, raw, reason):
    response = answer({"content": None, "tool_calls": [CALL]}, raw)
    assert response.response_type == "tool_call"
    assert (response.metadata.finish_reason, response.metadata.finish_reason_raw) == (reason, raw)


def test_the_model_is_the_one_asked_for_where_the_reply_names_none(provider, model_of):
    body = {name: value for name, value in chat().items() if name not in ("id", "model")}
    metadata = model_of(provider(whole(body)))("hi").metadata
    assert (metadata.model, metadata.id, metadata.request_id) == ("gpt-4o", None, None)


def test_a_stream_knows_its_counts_at_its_end(provider, model_of):
    server = provider(stream(delta("The "), delta("sun."), delta(finish="length"), USAGE, DONE))
    with model_of(server)("hi", stream=True) as response:
        assert response.metadata.usage == NOTHING
        assert response.metadata.finish_reason is None
        assert response.result().consume() == "The sun."
        assert response.metadata.usage == {"completion_tokens": 2, "prompt_tokens": 3, "total_tokens": 5}
        assert response.metadata.finish_reason == "length"
        assert response.metadata == response.result().metadata


# ---- what it shows


def test_its_repr_says_how_much_and_not_what(answer):
    response = answer({"content": TEXT, "reasoning": "A star, surely.", "refusal": "No."}, "length")
    assert repr(response) == "ModelResponse(openai/gpt-4o, text_generation, 18 characters, finish_reason='length')"


def test_the_repr_of_a_stream_says_how_far_it_is(provider, model_of):
    server = provider(stream(delta("The "), delta("sun."), delta(finish="stop"), DONE))
    model = model_of(server)
    with model("hi", stream=True) as response:
        assert repr(response).startswith("ModelStreamResponse(openai/gpt-4o, open, ")
        response.result()
        assert repr(response) == "ModelStreamResponse(openai/gpt-4o, done, 8 characters)"
    with model("hi", stream=True) as response:
        response.close()
        assert repr(response).startswith("ModelStreamResponse(openai/gpt-4o, closed, ")


def test_a_response_can_be_copied_and_pickled(answer):
    response = answer({"content": TEXT, "tool_calls": [CALL]}, "tool_calls", {"prompt_tokens": 1})
    before = dict(response.metadata)
    for twin in (copy.deepcopy(response), pickle.loads(pickle.dumps(response))):
        assert (twin.text, twin.response_type) == (TEXT, "tool_call")
        assert twin.metadata == before
        assert twin.metadata.usage.prompt_tokens == 1
        assert twin.consume().get_calls()[0].arguments == {}


# ---- dotdict


def test_a_dotdict_is_a_dict_in_all_it_does():
    data = mf.dotdict({"a": {"b": 1}}, c=2)
    assert data == {"a": {"b": 1}, "c": 2}
    assert (data.a.b, data.c, data["a"]["b"]) == (1, 2, 1)
    data.d = 3
    assert data["d"] == 3
    assert str(data) == "{'a': {'b': 1}, 'c': 2, 'd': 3}"
    assert pickle.loads(pickle.dumps(data)).a.b == copy.deepcopy(data).a.b == 1
    assert not hasattr(data, "e")


@pytest.mark.parametrize(
    "module",
    [
        "events",
        "messages.chat_block",
        "messages.chatml",
        "response.accumulator",
        "response.openai_objects",
        "response.response",
        "response.stream",
        "response.tool_calls",
        "streaming.handler",
        "structured.typed_response",
        "tools.docstrings",
        "tools.function_schema",
        "tools.loop",
    ],
)
def test_the_examples_of_docstrings_run(module):
    assert doctest.testmod(importlib.import_module(f"msgflux_like.{module}")).failed == 0
