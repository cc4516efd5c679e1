"""Whole calls in the formats of Mistral, Cohere and Ollama, from a model on loopback that speaks them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from msgspec import Struct

import msgflux_like as mf
from msgflux_like.errors import (
    AuthenticationError,
    ContextLengthError,
    NotFoundError,
    StreamFailedError,
    TruncatedStreamError,
    UnsupportedError,
)
from tests.provider import Reply, stream, whole

MISTRAL, COHERE, OLLAMA = "mistral/mistral-small-latest", "cohere/command-a-03-2025", "ollama-native/qwen3"
PATHS = {MISTRAL: "/chat/completions", COHERE: "/chat", OLLAMA: "/api/chat"}
QUESTION = {"role": "user", "content": "What is the weather in Paris?"}
ARGUMENTS = {"city": "Paris"}
ID = "vAKGXGFZD"


class City(Struct):
    """A city."""

    name: str
    twins: list[str] = []


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"22 C in {city}"


# ---- what each of them answers: pieces of a text, or thinking and a call


def lines(*events: Any) -> Reply:
    return stream(*(json.dumps(event).encode() + b"\n" for event in events))


def sse(*events: Any) -> Reply:
    return stream(*(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events), b"data: [DONE]\n\n")


def mistral(pieces: list[str], call: bool, streamed: bool) -> Reply:
    head = {"id": "m1", "model": "mistral-small-2506"}
    thought = [{"type": "thinking", "thinking": [{"type": "text", "text": "I must look."}]}]
    calls = [{"id": ID, "function": {"name": "get_weather", "arguments": json.dumps(ARGUMENTS)}, "index": 0}]
    finish = "tool_calls" if call else "stop"
    usage = {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19}
    if not streamed:
        message = {"content": thought, "tool_calls": calls} if call else {"content": "".join(pieces)}
        return whole({**head, "choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage})
    deltas = [{"content": thought}, {"tool_calls": calls}] if call else [{"content": piece} for piece in pieces]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    end = {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": finish}], "usage": usage}
    return sse(*({**head, "choices": [choice]} for choice in choices), {**head, **end})


def cohere(pieces: list[str], call: bool, streamed: bool) -> Reply:
    calls = [{"id": ID, "type": "function", "function": {"name": "get_weather", "arguments": json.dumps(ARGUMENTS)}}]
    usage = {
        "billed_units": {"input_tokens": 10, "output_tokens": 5},
        "tokens": {"input_tokens": 500, "output_tokens": 7},
        "cached_tokens": 448,
    }
    end = {"finish_reason": "TOOL_CALL" if call else "COMPLETE", "usage": usage}
    if not streamed:
        text = {"content": [{"type": "text", "text": "".join(pieces)}]}
        return whole(
            {"id": "c1", "message": {"tool_plan": "I must look.", "tool_calls": calls} if call else text, **end}
        )
    said = [("content-delta", {"content": {"text": piece}}) for piece in pieces]
    if call:
        said = [("tool-plan-delta", {"tool_plan": "I must look."}), ("tool-call-start", {"tool_calls": calls[0]})]
    return sse(
        {"type": "message-start", "id": "c1"},
        *({"type": kind, "index": 0, "delta": {"message": message}} for kind, message in said),
        {"type": "message-end", "delta": end},
    )


def ollama(pieces: list[str], call: bool, streamed: bool) -> Reply:
    head = {"model": "qwen3", "created_at": "2026-11-21T12:00:00Z"}
    calls = [{"function": {"name": "get_weather", "arguments": ARGUMENTS}}]
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 17, "eval_count": 9}
    if not streamed:
        message = {"thinking": "I must look.", "tool_calls": calls} if call else {"content": "".join(pieces)}
        return whole({**head, "message": message, **end})
    said = [{"thinking": "I must look."}, {"tool_calls": calls}] if call else [{"content": piece} for piece in pieces]
    return lines(*({**head, "message": message, "done": False} for message in said), {**head, "message": {}, **end})


REPLIES = {MISTRAL: mistral, COHERE: cohere, OLLAMA: ollama}
COUNTS = {MISTRAL: (12, 7), COHERE: (500, 7), OLLAMA: (17, 9)}

everywhere = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.partition("/")[0])
both = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@pytest.fixture
def ask(colour, provider, model_of):
    """Calls a model of that path, which answers so, and gives the response and the server."""

    def made(path: str, *replies: Reply, streamed: bool = False, messages: Any = "hi", **call: Any) -> Any:
        server = provider(*replies)
        model = model_of(server, path)
        if streamed:
            return colour.pieces(model, messages, **call)[1].result(), server
        return colour.ask(model, messages, **call), server

    return made


@everywhere
@both
def test_a_text(ask, path: str, streamed: bool):
    response, server = ask(path, REPLIES[path](["Ça ", "va."], False, streamed), streamed=streamed, temperature=0)
    assert response.text == "Ça va."
    usage = response.metadata.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == COUNTS[path]
    assert response.metadata.finish_reason == "stop"
    assert response.changes == ()
    (request,) = server.requests
    assert request.path == f"/v1{PATHS[path]}"
    assert request.headers["authorization"] == "Bearer sk-secret"
    assert request.body.get("stream", False) is streamed


@everywhere
@both
def test_a_tool_is_called_and_its_result_leads_to_an_answer(provider, model_of, path: str, streamed: bool):
    replies = REPLIES[path]
    server = provider(replies([], True, streamed), replies(["22 C."], False, streamed))
    model = model_of(server, path)
    response = model([QUESTION], tool_schemas=[get_weather], stream=streamed)
    calls = response.consume()
    (call,) = calls.get_calls()
    assert call["function"] == {"name": "get_weather", "arguments": ARGUMENTS}
    assert response.reasoning == "I must look."
    calls.insert_results(call["id"], get_weather(**call["function"]["arguments"]))
    conversation = [QUESTION, *calls.get_messages()]
    assert json.loads(json.dumps(conversation)) == conversation
    assert "".join(model(conversation, tool_schemas=[get_weather], stream=streamed).consume()) == "22 C."
    _, answer, result = server.requests[1].body["messages"]
    assert {"role": "tool", "tool_call_id": call["id"], "content": "22 C in Paris"}.items() <= result.items()
    assert answer["tool_calls"][0]["id"] == call["id"]
    thought = {
        MISTRAL: {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "I must look."}]}]},
        COHERE: {"tool_plan": "I must look."},
        OLLAMA: {"thinking": "I must look.", "content": ""},
    }
    assert thought[path].items() <= answer.items()


@everywhere
@both
def test_an_answer_of_a_type_is_held_to_it_by_the_provider(ask, path: str, streamed: bool):
    text = json.dumps({"name": "Paris", "twins": ["Rome"]})
    reply = REPLIES[path]([text[:9], text[9:]], False, streamed)
    response, server = ask(path, reply, streamed=streamed, generation_schema=City, output_mode="native")
    assert response.parsed == City("Paris", ["Rome"])
    sent = server.requests[0].body
    schema = {
        MISTRAL: lambda: sent["response_format"]["json_schema"]["schema"],
        COHERE: lambda: sent["response_format"]["json_schema"],
        OLLAMA: lambda: sent["format"],
    }[path]()
    assert set(schema["properties"]) == {"name", "twins"}


@everywhere
def test_the_providers_own_way_is_the_first_choice(provider, model_of, path: str):
    server = provider(REPLIES[path](['{"name": "Paris", "twins": []}'], False, False))
    assert model_of(server, path)("hi", generation_schema=City).output_mode == "native"


@pytest.mark.parametrize("path", [MISTRAL, COHERE])
def test_a_forced_tool_can_be_the_way(provider, model_of, path: str):
    server = provider(REPLIES[path]([], True, False))
    response = model_of(server, path)("hi", generation_schema=WeatherOf, output_mode="tool")
    assert response.parsed == WeatherOf("Paris")
    assert [tool["function"]["name"] for tool in server.requests[0].body["tools"]] == ["get_weather"]


class WeatherOf(Struct):
    """Whose schema has the tool's name."""

    city: str


WeatherOf.__name__ = "get_weather"


@everywhere
def test_a_stream_that_breaks_off_is_no_answer(provider, model_of, path: str):
    reply = REPLIES[path](["Once ", "upon ", "a time"], False, True)
    pieces = list(reply.pieces)
    text = model_of(provider(stream(*pieces[: 3 if path == COHERE else 2])), path)("hi", stream=True)
    with pytest.raises(TruncatedStreamError):
        list(text.consume())
    assert text.text == "Once upon "


def test_a_conversation_begun_elsewhere_goes_on(provider, model_of):
    messages = [
        QUESTION,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [mf.ChatBlock.tool_call("call_1", "get_weather", ARGUMENTS)],
        },
        mf.ChatBlock.tool("call_1", "22 C"),
    ]
    server = provider(mistral(["22 C."], False, False))
    response = model_of(server, MISTRAL)(messages, tool_schemas=[get_weather])
    sent = server.requests[0].body["messages"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] != "call_1"
    assert {change.kind for change in response.changes} == {"renamed"}


def test_mistral_repeats_what_the_answer_must_begin_with(colour, provider, model_of):
    server = provider(mistral(["Well, ", "yes."], False, False))
    assert colour.ask(model_of(server, MISTRAL), "hi", prefilling="Well, ").text == "Well, yes."
    streamed = provider(mistral(["Well, ", "yes."], False, True))
    assert colour.pieces(model_of(streamed, MISTRAL), "hi", prefilling="Well, ")[0] == ["Well, ", "yes."]
    assert streamed.requests[0].body["messages"][-1] == {"role": "assistant", "content": "Well, ", "prefix": True}


@both
def test_cohere_is_paid_for_what_it_bills(ask, streamed: bool):
    response, _ = ask(COHERE, cohere(["Hi."], False, streamed), streamed=streamed)
    assert (response.usage.billed_input, response.usage.billed_output) == (10, 5)
    tokens, prices = response.cost_details.breakdown.tokens, response.cost_details.breakdown.per_million
    assert (tokens.input, tokens.cache_read, tokens.output) == (10, 0, 5)
    assert response.cost == (10 * prices.input + 5 * prices.output) / Decimal(1_000_000)


def test_cohere_says_that_a_conversation_is_too_long(provider, model_of):
    said = {"error_type": "TOO_MANY_TOKENS", "id": "x", "message": "too many tokens"}
    with pytest.raises(ContextLengthError, match="too many tokens"):
        model_of(provider(whole(said, 400)), COHERE)("hi")


def test_cohere_may_fail_at_the_end_of_a_stream(provider, model_of):
    reply = sse(
        {"type": "message-start", "id": "c1"},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Well"}}}},
        {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "it broke", "error_type": "BROKEN"}},
    )
    text = model_of(provider(reply), COHERE)("hi", stream=True)
    with pytest.raises(StreamFailedError, match="it broke") as caught:
        list(text.consume())
    assert caught.value.code == "BROKEN"


def test_refusals_are_errors_with_the_providers_words(provider, model_of):
    with pytest.raises(AuthenticationError, match="Invalid API Key"):
        model_of(provider(whole({"detail": "Invalid API Key"}, 401)), MISTRAL)("hi")
    with pytest.raises(NotFoundError, match="'qwen9' not found"):
        model_of(provider(whole({"error": "model 'qwen9' not found"}, 404)), OLLAMA)("hi")


def test_ollama_says_in_the_stream_what_went_wrong(provider, model_of):
    text = model_of(provider(lines({"message": {"content": "Well"}}, {"error": "out of memory"})), OLLAMA)(
        "hi", stream=True
    )
    with pytest.raises(StreamFailedError, match="out of memory"):
        list(text.consume())


def test_ollama_needs_no_key_and_its_host_is_no_url(monkeypatch):
    monkeypatch.delenv("OLLAMA_API_KEY", raising=False)
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:11434")
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://localhost:9/v1")
    with mf.Model.chat_completion(OLLAMA) as model:
        plan = model._endpoint
    assert (plan.base_url, plan.key) == ("http://localhost:11434", None)


def test_ollama_cannot_be_made_to_call(provider, model_of):
    server = provider(ollama([], True, False))
    with pytest.raises(UnsupportedError, match="tool_choice"):
        model_of(server, OLLAMA)("hi", tool_schemas=[get_weather], tool_choice="required")
    assert server.requests == []
