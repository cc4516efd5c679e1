"""Text completions: a prompt goes out, and the text that goes on from it comes back, whole, pulled and pushed."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from msgspec import Struct

import msgflux_like as mf
from msgflux_like.errors import InvalidMessagesError, ServerError, StreamFailedError, UnsupportedError
from tests.provider import DONE, Reply, sse, stream, whole

KEY = "sk-secret-of-mine"
MODEL = "openai/gpt-3.5-turbo-instruct"


def text(said: str, finish: str = "stop") -> dict[str, Any]:
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "model": "gpt-3.5-turbo-instruct",
        "choices": [{"index": 0, "text": said, "finish_reason": finish, "logprobs": None}],
        "usage": {"prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10},
    }


def piece(said: str, finish: str | None = None) -> bytes:
    return sse({"id": "cmpl-1", "model": "m", "choices": [{"index": 0, "text": said, "finish_reason": finish}]})


def pieces(*said: str) -> Reply:
    usage = sse({"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10}})
    return stream(*(piece(each) for each in said), piece("", "stop"), usage, DONE)


@pytest.fixture
def model_at():
    return lambda server, **options: mf.Model.text_completion(MODEL, api_key=KEY, base_url=server.base_url, **options)


def test_a_prompt_goes_out_and_a_text_comes_back(provider, model_at, colour):
    server = provider(whole(text(", there was a robot.")))
    response = colour.ask(model_at(server, max_tokens=20, temperature=0), "Once upon a time")
    assert response.consume() == ", there was a robot."
    assert response.metadata.usage == {"completion_tokens": 6, "prompt_tokens": 4, "total_tokens": 10}
    [request] = server.requests
    assert request.path == "/v1/completions"
    assert request.body == {
        "model": "gpt-3.5-turbo-instruct",
        "prompt": "Once upon a time",
        "max_tokens": 20,
        "temperature": 0,
    }


def test_it_streams(provider, model_at, colour):
    server = provider(pieces(", there", " was"))
    got, response = colour.pieces(model_at(server), "Once upon a time")
    assert got == [", there", " was"]
    assert response.metadata.usage.total_tokens == 10
    assert server.requests[0].body["stream_options"] == {"include_usage": True}


def test_its_chunks_hold_their_text_in_the_choice(provider, model_at):
    told: list[Any] = []
    response = model_at(provider(pieces(", there", " was")))("Once", stream=True, stream_to=told.append)
    assert response.wait(10)
    *data, last = told
    assert [each.data.choices[0].text for each in data] == [", there", " was", ""]
    assert data[-1].data.choices[0].finish_reason == "stop"
    assert isinstance(last, mf.StreamFinish)
    assert data[0].data.object == "text_completion"


def test_a_handler_takes_them_in_a_thread_of_its_own(provider, model_at):
    class Collector(mf.StreamHandler):
        def handle_data(self, data, state):
            return {"text": state["text"] + data.choices[0].text, "thread": threading.get_ident()}

    handler = Collector.start({"text": "", "thread": 0})
    model_at(provider(pieces(", there", " was")))("Once", stream=True, stream_to=handler)
    handler.join(10)
    assert handler.get_state()["text"] == ", there was"
    assert handler.get_state()["thread"] != threading.get_ident()


def test_a_failure_in_the_stream_is_told(provider, model_at):
    failure = sse({"error": {"message": "overloaded", "type": "server_error"}})
    told: list[Any] = []
    response = model_at(provider(stream(piece(", there"), failure)), max_retries=0)(
        "Once", stream=True, stream_to=told.append
    )
    with pytest.raises(StreamFailedError):
        response.wait(10)
    assert isinstance(told[-1], mf.StreamError)
    assert isinstance(told[-1].error, StreamFailedError)
    assert response.text == ", there"


def test_a_failed_request_raises(provider, model_at, colour):
    with pytest.raises(ServerError, match="busy"):
        colour.ask(model_at(provider(whole({"error": {"message": "busy"}}, 503)), max_retries=0), "Once")


def test_a_call_may_have_its_own_key_place_and_organization(provider, model_at, colour):
    first, second = provider(whole(text("1"))), provider(whole(text("2")))
    model = model_at(first)
    call = {"api_key": "sk-other", "base_url": second.base_url, "extra_headers": {"OpenAI-Organization": "org-1"}}
    assert colour.ask(model, "Once", **call).text == "2"
    assert colour.ask(model, "Once").text == "1"
    [request] = second.requests
    assert request.headers["authorization"] == "Bearer sk-other"
    assert request.headers["openai-organization"] == "org-1"
    assert first.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_another_place_alone_gets_the_models_key(provider, model_at, colour):
    first, second = provider(whole(text("1"))), provider(whole(text("2")))
    assert colour.ask(model_at(first), "Once", base_url=second.base_url).text == "2"
    assert second.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_system_texts_stand_before_the_prompt(provider, model_at):
    server = provider(whole(text("!")))
    response = model_at(server)("Once", system_prompt="Be brief.")
    assert server.requests[0].body["prompt"] == "Be brief.\n\nOnce"
    assert [(change.kind, change.field) for change in response.changes] == [("merged", "messages")]


class Robot(Struct):
    name: str


def test_a_type_is_asked_for_in_the_prompt(provider, model_at):
    server = provider(whole(text('{"name": "Ada"}')))
    response = model_at(server)("A robot:", generation_schema=Robot)
    assert response.parsed == Robot("Ada")
    assert '"name"' in server.requests[0].body["prompt"]


CONVERSATION = [
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": "Bye"},
]


@pytest.mark.parametrize("messages", [CONVERSATION, ["one", "two"], [{"role": "assistant", "content": "Hello"}]])
def test_a_conversation_is_refused(provider, model_at, messages):
    server = provider(whole(text("!")))
    with pytest.raises(InvalidMessagesError, match="makes it a conversation: a text completion takes one prompt"):
        model_at(server)(messages)
    assert not server.requests


def test_a_picture_is_refused(provider, model_at):
    picture = mf.ChatBlock.user("What?", media=mf.ChatBlock.image("https://example.com/cat.jpg"))
    with pytest.raises(InvalidMessagesError, match=r"messages\[0\]\.content must be a text, not list"):
        model_at(provider(whole(text("!"))))(picture, check="off")


def test_tools_are_refused(provider, model_at):
    tool = {"type": "function", "function": {"name": "add"}}
    with pytest.raises(UnsupportedError, match=r"tool_schemas, prefilling .* need a chat model"):
        model_at(provider(whole(text("!"))))("Hello", tool_schemas=[tool], check="off")


def test_a_parameter_without_a_word_for_it_is_refused(provider, model_at):
    with pytest.raises(UnsupportedError, match="reasoning_effort: the completions format has no such parameter"):
        model_at(provider(whole(text("!"))))("Hello", reasoning_effort="low", check="off")


def test_a_provider_without_text_completions_says_so():
    with pytest.raises(UnsupportedError, match="anthropic speaks anthropic_messages, which has no text completions"):
        mf.Model.text_completion("anthropic/claude-sonnet-4-5", api_key=KEY)


def test_it_can_be_saved_and_restored(provider, model_at, monkeypatch):
    server = provider(whole(text("!")))
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    state = json.loads(json.dumps(mf.Model.text_completion(MODEL, api_key=KEY, temperature=0).serialize()))
    assert state["model_type"] == "text_completion"
    restored = mf.Model.from_serialized(**state, api_key=KEY)
    assert restored("Hello").text == "!"
    assert server.requests[0].body["temperature"] == 0
    assert restored.instance_type() == {"model_type": "text_completion"}


def test_it_is_one_of_the_kinds_of_model():
    assert "text_completion" in mf.Model.model_types()
    assert "openai" in mf.Model.providers()["text_completion"]


def test_the_embedded_model_goes_on_from_a_prompt(local_server):
    model = mf.Model.text_completion("local/smollm2", max_tokens=8, temperature=0)
    response = model("The capital of France is")
    assert "Paris" in response.text
    assert response.usage.output <= 8
    assert "".join(model("The capital of France is", stream=True).consume()) == response.text
