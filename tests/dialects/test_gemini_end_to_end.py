"""Gemini models, from the call to the answer, against a provider on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import msgflux_like as mf
from msgflux_like._http.exchange import exchange
from msgflux_like._http.retry import Retries
from msgflux_like._http.steps import Head, Wait
from msgflux_like.errors import (
    AuthenticationError,
    ContextLengthError,
    RateLimitError,
    ServerError,
    StreamFailedError,
    UnsupportedError,
)
from msgflux_like.request import HttpRequest
from tests.provider import Reply, sse, stream, whole


def said(*parts: dict[str, Any], finish: str | None = "STOP", id_: str = "r-1") -> dict[str, Any]:
    return {
        "candidates": [{"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, "index": 0}],
        "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 7, "totalTokenCount": 15},
        "modelVersion": "gemini-2.5-flash",
        "responseId": id_,
    }


def refused(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


QUOTA = refused(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", {"@type": "t/RetryInfo", "retryDelay": "0.01s"})
BAD_KEY = refused(400, "INVALID_ARGUMENT", "API key not valid.", {"@type": "t/ErrorInfo", "reason": "API_KEY_INVALID"})
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class City(msgspec.Struct):
    name: str
    people: int | None = None


@pytest.fixture
def gemini(provider: Callable[..., Any], model_of: Callable[..., Any]) -> Callable[..., Any]:
    def make(*replies: Reply, path: str = "google/gemini-2.5-flash", **options: Any) -> tuple[mf.ChatCompletion, Any]:
        server = provider(*replies)
        return model_of(server, path, **options), server

    return make


def test_a_whole_answer(gemini: Any, colour: Any):
    model, server = gemini(whole(said({"text": "Paris."})))
    response = colour.ask(model, "Capital of France?", system_prompt="Be short.", temperature=0)
    assert response.consume() == "Paris."
    assert response.metadata.usage.prompt_tokens == 8
    assert response.metadata.finish_reason == "stop"
    (request,) = server.requests
    assert request.path == "/v1/models/gemini-2.5-flash:generateContent"
    assert request.headers["x-goog-api-key"] == "sk-secret"
    assert "authorization" not in request.headers
    assert request.body == {
        "contents": [{"role": "user", "parts": [{"text": "Capital of France?"}]}],
        "systemInstruction": {"parts": [{"text": "Be short."}]},
        "generationConfig": {"temperature": 0},
    }


def test_a_streamed_answer(gemini: Any, colour: Any):
    chunks = [sse(said({"text": "Pa"}, finish=None)), sse(said({"text": "ris."}))]
    model, server = gemini(stream(*(chunk.replace(b"\n", b"\r\n") for chunk in chunks)))
    pieces, response = colour.pieces(model, "Capital of France?")
    assert pieces == ["Pa", "ris."]
    assert response.metadata.usage.completion_tokens == 7
    assert server.requests[0].path == "/v1/models/gemini-2.5-flash:streamGenerateContent?alt=sse"


def test_tools_and_their_results_over_two_turns(gemini: Any, colour: Any):
    asked = {"functionCall": {"name": "get_weather", "args": {"city": "Paris"}}, "thoughtSignature": "c2ln"}
    replies = (said(asked, id_="r-1"), said(asked, id_="r-2"), said({"text": "22 C in both."}, id_="r-3"))
    model, server = gemini(*map(whole, replies))
    messages: list[Any] = [{"role": "user", "content": "Weather?"}]
    ids = []
    for _ in range(2):
        calls = colour.ask(model, messages, tool_schemas=[WEATHER]).consume()
        for call in calls.get_calls():
            ids.append(call.id)
            calls.insert_results(call.id, {"degrees": 22})
        messages += calls.get_messages()
    assert colour.ask(model, messages, tool_schemas=[WEATHER]).consume() == "22 C in both."
    assert len(set(ids)) == 2
    turns = server.requests[-1].body["contents"]
    assert [turn["role"] for turn in turns] == ["user", "model", "user", "model", "user"]
    assert [turns[place]["parts"][0]["thoughtSignature"] for place in (1, 3)] == ["c2ln", "c2ln"]
    assert turns[4]["parts"][0]["functionResponse"] == {
        "id": ids[1],
        "name": "get_weather",
        "response": {"degrees": 22},
    }


def test_an_answer_of_a_type_is_held_to_it_by_google(gemini: Any, colour: Any):
    model, server = gemini(whole(said({"text": '{"name": "Paris", "people": null}'})))
    response = colour.ask(model, "Capital of France?", generation_schema=City)
    assert response.parsed == City("Paris")
    assert response.output_mode == "native"
    sent = server.requests[0].body["generationConfig"]
    assert sent["responseMimeType"] == "application/json"
    assert set(sent["responseJsonSchema"]["properties"]) == {"name", "people"}


def test_an_answer_of_a_type_by_a_tool(gemini: Any, colour: Any):
    model, server = gemini(whole(said({"functionCall": {"name": "City", "args": {"name": "Paris"}}})))
    response = colour.ask(model, "Capital?", generation_schema=City, output_mode="tool")
    assert response.parsed == City("Paris")
    assert response.changes == ()
    assert server.requests[0].body["toolConfig"]["functionCallingConfig"] == {
        "mode": "ANY",
        "allowedFunctionNames": ["City"],
    }


def test_that_calls_come_one_by_one_is_refused_where_nothing_can_be_done_for_it(gemini: Any):
    model, server = gemini(whole(said({"text": "Paris."})))
    with pytest.raises(UnsupportedError, match="parallel_tool_calls"):
        model("Hello", tool_schemas=[WEATHER], parallel_tool_calls=False)
    assert not server.requests


def test_a_key_that_is_not_valid_is_a_matter_of_authentication(gemini: Any, colour: Any):
    model, server = gemini(whole(BAD_KEY, 400), max_retries=2)
    with pytest.raises(AuthenticationError) as caught:
        colour.ask(model, "Hello")
    assert (caught.value.status, caught.value.code) == (400, "API_KEY_INVALID")
    assert len(server.requests) == 1


def test_a_prompt_that_is_too_long_is_told_as_such(gemini: Any):
    message = "The input token count (9) exceeds the maximum number of tokens allowed (8)."
    model, _ = gemini(whole(refused(400, "INVALID_ARGUMENT", message), 400))
    with pytest.raises(ContextLengthError):
        model("Hello")


def test_a_quota_is_waited_out_as_long_as_the_details_say(gemini: Any, colour: Any):
    model, server = gemini(whole(QUOTA, 429), whole(said({"text": "Paris."})), max_retries=1)
    assert colour.ask(model, "Hello").consume() == "Paris."
    assert len(server.requests) == 2


@pytest.mark.parametrize(("headers", "seconds"), [({}, 0.01), ({b"retry-after": b"2"}, 2.0)])
def test_a_header_says_how_long_to_wait_before_the_details_do(headers: dict[bytes, bytes], seconds: float):
    steps = exchange(HttpRequest("https://example.org", {}, b""), _dialect(), "google", "m", Retries(1))
    next(steps)
    steps.send(Head(429, headers))
    steps.send(json.dumps(QUOTA).encode())
    assert steps.send(None) == Wait(seconds)


def test_a_quota_inside_a_reply_of_status_200_is_waited_out_too():
    http = HttpRequest("https://example.org", {}, b"", stream=True)
    steps = exchange(http, _dialect(), "google", "m", Retries(1))
    next(steps)
    steps.send(Head(200))
    assert steps.send(json.dumps([QUOTA]).encode()) == Wait(0.01)


def test_an_error_without_a_delay_has_none(gemini: Any):
    model, _ = gemini(whole(refused(429, "RESOURCE_EXHAUSTED", "Quota exceeded."), 429))
    with pytest.raises(RateLimitError) as caught:
        model("Hello")
    assert caught.value.retry_after_s is None


def test_an_overload_before_the_first_word_is_tried_again_and_not_after_it(gemini: Any, colour: Any):
    overload = sse(refused(503, "UNAVAILABLE", "Overloaded."))
    model, _ = gemini(stream(overload))
    with pytest.raises(ServerError):
        colour.pieces(model, "Hello")
    model, _ = gemini(stream(sse(said({"text": "Pa"}, finish=None)), overload))
    with pytest.raises(StreamFailedError):
        colour.pieces(model, "Hello")


def test_a_blocked_prompt_is_no_empty_answer(gemini: Any, colour: Any):
    model, _ = gemini(whole({"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "No."}}))
    response = colour.ask(model, "Hello")
    assert response.metadata.finish_reason == "content_filter"
    assert response.refusal == "No."


@pytest.mark.parametrize("name", ["GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"])
def test_the_key_is_found_under_each_of_its_names(provider: Any, monkeypatch: pytest.MonkeyPatch, name: str):
    server = provider(whole(said({"text": "Paris."})))
    for other in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "from-the-environment")
    monkeypatch.setenv("GOOGLE_BASE_URL", server.base_url)
    with mf.Model.chat_completion("google/gemini-2.5-flash") as model:
        assert model("Hello").consume() == "Paris."
    assert server.requests[0].headers["x-goog-api-key"] == "from-the-environment"


def _dialect() -> Any:
    from msgflux_like import dialects

    return dialects.load("gemini")
