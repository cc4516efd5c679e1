"""What a response says of its reply as it came: `raw`, `headers`, `provider_fields` and `rate_limits`."""

from __future__ import annotations

import asyncio
import copy
import gzip
import json
import pickle
from base64 import b64decode
from typing import Any

import pytest
from msgspec import Struct

import msgflux_like as mf
from msgflux_like.errors import APIError
from msgflux_like.testing import Breaks, FakeProvider, FakeReply
from tests.eventstreams import event as frame
from tests.fake_servers import SPEAKERS, Said, Speaker
from tests.provider import DONE, USAGE, chat, delta, sse

SAID = Said(text=("Par", "is."))
SECRET = "session-secret"
HEADERS = {
    "content-type": "application/json",
    "set-cookie": f"id={SECRET}",
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "59",
    "openai-processing-ms": "12",
}
REPLY = {**chat("Paris."), "service_tier": "default", "system_fingerprint": "fp_1"}
FIELDS = {"service_tier": "default", "system_fingerprint": "fp_1", "usage": REPLY["usage"]}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


class City(Struct):
    name: str


def speaking(speaker: Speaker, *replies: Any) -> mf.ChatCompletion:
    options = {"api_key": "k", "max_retries": 0, **speaker.options}
    if speaker.path.startswith("amazon"):
        options["base_url"] = "https://bedrock-runtime.us-east-1.amazonaws.com"
    if speaker.path.startswith("google-vertex"):
        options["base_url"] = "https://aiplatform.googleapis.com/v1/projects/p/locations/global"
    return mf.Model.chat_completion(speaker.path, http_client=FakeProvider(list(replies)), **options)


def model(*replies: Any, path: str = "openai/gpt-4o", **options: Any) -> mf.ChatCompletion:
    given = {"api_key": "k", "max_retries": 0, **options}
    return mf.Model.chat_completion(path, http_client=FakeProvider(list(replies)), **given)


def reply(body: Any = REPLY, **headers: str) -> FakeReply:
    return FakeReply.whole(body, headers={**HEADERS, **headers})


def streamed(*pieces: bytes, breaks: Breaks | None = None, **headers: str) -> FakeReply:
    return FakeReply(200, {**HEADERS, "content-type": "text/event-stream", **headers}, pieces, breaks)


FIRST = {"id": "c", "model": "m", "service_tier": "default", "choices": [{"index": 0, "delta": {"content": "Paris."}}]}
LAST = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "system_fingerprint": "fp_1"}
STREAM = (sse(FIRST), sse(LAST), USAGE, DONE)
EVENTS = [FIRST, LAST, json.loads(USAGE.removeprefix(b"data: ")), "[DONE]"]


def facts(response: Any) -> tuple[Any, ...]:
    return response.raw, response.headers, response.provider_fields, response.rate_limits


# ---- every dialect


@pytest.mark.parametrize("name", SPEAKERS)
def test_raw_is_the_whole_reply(name: str):
    speaker = SPEAKERS[name]
    body = speaker.whole(SAID)
    assert speaking(speaker, FakeReply.whole(body))("q").raw == body


@pytest.mark.parametrize("name", SPEAKERS)
def test_raw_of_a_stream_is_a_list_of_its_events(name: str):
    speaker = SPEAKERS[name]
    pieces = speaker.streamed(SAID)
    events = [_plain(piece) for piece in pieces]
    for cut in (pieces, [b"".join(pieces)], [bytes([byte]) for byte in b"".join(pieces)]):
        response = speaking(speaker, FakeReply.streamed(*cut))("q", stream=True)
        response.result()
        assert response.raw == response.result().raw == [each for each in events if each is not None]


def _plain(piece: bytes) -> Any:
    """The value that one event of a stream carries."""
    if piece[:1] == b"\0":
        payload = json.loads(piece[piece.index(b'{"') : -4].decode())
        return json.loads(b64decode(payload["bytes"])) if "bytes" in payload else payload
    data = b"".join(line.removeprefix(b"data:") for line in piece.splitlines() if not line.startswith(b"event:"))
    try:
        return json.loads(data)
    except ValueError:
        return data.strip().decode() or None


# ---- encodings of a body


def test_a_reply_may_be_compressed():
    body = reply(gzip.compress(json.dumps(REPLY).encode()), **{"content-encoding": "gzip"})
    response = model(body)("q")
    assert (response.raw, response.provider_fields) == (REPLY, FIELDS)


def test_a_stream_may_be_compressed():
    packed = gzip.compress(b"".join(STREAM))
    pieces = streamed(packed[:50], packed[50:], **{"content-encoding": "gzip"})
    assert model(pieces)("q", stream=True).result().raw == EVENTS


def gemini(text: str, finish: str | None = None) -> dict[str, Any]:
    made = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0, "avgLogprobs": -0.5}
    return {"candidates": [{**made, **({"finishReason": finish} if finish else {})}], "responseId": "r"}


ARRAY = [gemini("Par"), gemini("is.", "STOP")]


def google(*pieces: bytes) -> Any:
    array = FakeReply(200, {"content-type": "application/json"}, pieces)
    return model(array, path="google/gemini-2.5-flash")("q", stream=True)


def test_a_stream_may_be_a_json_array():
    response = google(json.dumps(ARRAY, indent=1).encode()).result()
    assert (response.text, response.raw) == ("Paris.", ARRAY)
    assert response.provider_fields == {"avgLogprobs": -0.5}


def test_a_cut_json_array_has_its_whole_items():
    text = json.dumps(ARRAY)
    response = google(text[: len(json.dumps(ARRAY[0])) + 9].encode())
    with pytest.raises(APIError):
        response.result()
    assert response.raw[0] == ARRAY[0]
    assert response.raw[1:] == ['{"cand']
    assert response.provider_fields == {"avgLogprobs": -0.5}


def test_lines_of_json_may_be_cut():
    lines = SPEAKERS["ollama_chat"].streamed(SAID)
    response = speaking(SPEAKERS["ollama_chat"], FakeReply.streamed(lines[0], b'{"mod'))("q", stream=True)
    with pytest.raises(APIError):
        response.result()
    assert response.raw == [json.loads(lines[0]), '{"mod']


def test_a_damaged_event_stream_is_read_up_to_there():
    frames = SPEAKERS["bedrock_converse"].streamed(SAID)
    broken = bytearray(frames[2])
    broken[-1] ^= 1
    response = speaking(SPEAKERS["bedrock_converse"], FakeReply.streamed(*frames[:2], bytes(broken)))("q", stream=True)
    with pytest.raises(APIError) as caught:
        response.result()
    assert len(response.raw) == 2
    assert caught.value.partial.raw == response.raw


@pytest.mark.parametrize("payload", [b'{"bytes":"%%%"}', b'{"bytes":"//8="}', b'{"bytes":"eyI="}', b'{"bytes":7}'])
def test_an_event_that_is_not_in_base64_stays_as_it_is(payload: bytes):
    frames = SPEAKERS["bedrock_converse"].streamed(SAID)
    pieces = (*frames[:-1], frame("event", payload), frames[-1])
    response = speaking(SPEAKERS["bedrock_converse"], FakeReply.streamed(*pieces))("q", stream=True).result()
    assert response.raw[-2] == json.loads(payload)


# ---- while a stream is read, and when it is cut


def test_a_stream_shows_the_events_until_now():
    response = model(streamed(*STREAM))("q", stream=True)
    assert response.headers["openai-processing-ms"] == "12"
    assert response.rate_limits.requests.remaining == 59
    assert response.raw == EVENTS[:1]
    assert response.provider_fields == {"service_tier": "default"}
    response.result()
    assert response.raw == EVENTS
    assert response.provider_fields == {**FIELDS, "usage": EVENTS[2]["usage"]}


@pytest.mark.parametrize("breaks", [None, Breaks()])
def test_a_cut_stream_has_what_came(breaks: Breaks | None):
    response = model(streamed(sse(FIRST), b'data: {"cho', breaks=breaks))("q", stream=True)
    with pytest.raises(APIError) as caught:
        response.result()
    partial = caught.value.partial
    assert partial.raw[0] == response.raw[0] == FIRST
    assert partial.provider_fields == response.provider_fields == {"service_tier": "default"}
    assert partial.headers == response.headers
    assert partial.rate_limits.requests.limit == 60


def test_a_closed_stream_has_what_came():
    response = model(streamed(*STREAM))("q", stream=True)
    response.close()
    assert response.raw == EVENTS[:1]
    assert response.headers["openai-processing-ms"] == "12"


def test_an_async_call_has_the_same():
    async def ask() -> tuple[Any, Any]:
        stream = await model(streamed(*STREAM)).acall("q", stream=True)
        return await model(reply()).acall("q"), await stream.aresult()

    answer, result = asyncio.run(ask())
    assert facts(answer) == facts(model(reply())("q"))
    assert facts(result) == facts(model(streamed(*STREAM))("q", stream=True).result())


# ---- headers


def test_headers_are_those_of_the_reply_without_cookies():
    for response in (model(reply())("q"), model(streamed(*STREAM))("q", stream=True)):
        assert response.headers["openai-processing-ms"] == "12"
        assert "set-cookie" not in response.headers
        shown = [repr(response), str(response), repr(response.headers), repr(response.raw), repr(response.metadata)]
        assert SECRET not in "".join(shown)
    assert SECRET not in repr(model(reply())("q").events())


def test_rate_limits_come_from_the_headers():
    limit = model(reply())("q").rate_limits.requests
    assert (limit.limit, limit.remaining, limit.reset_s) == (60, 59, None)
    assert model(FakeReply.whole(REPLY))("q").rate_limits is None


# ---- decoded when it is asked for, and once


def test_what_is_decoded_is_kept():
    stream = model(streamed(*STREAM))("q", stream=True)
    result = stream.result()
    for response in (model(reply())("q"), result, stream):
        assert response.raw is response.raw
        assert response.headers is response.headers
        assert response.provider_fields is response.provider_fields


def test_the_answers_of_two_calls_share_nothing():
    asked = model(reply(), reply())
    one, other = asked("q"), asked("q")
    one.raw.clear()
    one.headers.clear()
    assert facts(other)[:2] == (REPLY, {name: text for name, text in HEADERS.items() if name != "set-cookie"})


# ---- gateways, typed answers, tool calls


def test_an_answer_of_a_gateway_is_that_of_the_model_that_answered():
    busy = FakeReply.whole({"error": {"message": "busy"}}, 503, {"x-host": "busy"})
    for stream in (False, True):
        gateway = mf.ModelGateway([model(busy), model(streamed(*STREAM) if stream else reply(), path="openai/gpt-4.1")])
        response = gateway("q", stream=True).result() if stream else gateway("q")
        assert response.raw == (EVENTS if stream else REPLY)
        assert "x-host" not in response.headers
        assert response.provider_fields["service_tier"] == "default"
        assert response.rate_limits.requests.limit == 60


@pytest.mark.parametrize("mode", ["native", "tool", "prompted"])
def test_a_typed_answer_has_them(mode: str):
    text = '{"name": "Paris"}'
    call = {**CALL, "function": {"name": "City", "arguments": text}}
    for stream in (False, True):
        asked = model(_typed(text, call, mode, stream=stream))
        response = asked("q", generation_schema=City, output_mode=mode, stream=stream)
        response = response.result() if stream else response
        assert response.parsed == City("Paris")
        assert response.raw
        assert response.headers["openai-processing-ms"] == "12"
        assert response.provider_fields["service_tier"] == "default"
        assert response.rate_limits.requests.limit == 60


def _typed(text: str, call: dict[str, Any], mode: str, *, stream: bool) -> Any:
    def answer(request: Any) -> FakeReply:
        tools = request.body.get("tools")
        named = {**call, "function": {**call["function"], "name": tools[0]["function"]["name"]}} if tools else call
        message = {"content": None, "tool_calls": [named]} if mode == "tool" else {"content": text}
        if not stream:
            made = chat(text) if mode != "tool" else chat(None, finish="tool_calls", tool_calls=[named])
            return reply({**made, "service_tier": "default"})
        calls = {"tool_calls": [{"index": 0, **named}]} if mode == "tool" else message
        first = {"service_tier": "default", "choices": [{"index": 0, "delta": calls}]}
        return streamed(sse(first), delta(finish="stop"), USAGE, DONE)

    return answer


def test_an_answer_with_tool_calls_has_them():
    body = {**chat(None, finish="tool_calls", tool_calls=[CALL]), "service_tier": "default"}
    response = model(reply(body))("q", tool_schemas=[TOOL])
    assert response.tool_calls.get_calls()[0].name == "f"
    assert (response.raw, response.provider_fields["service_tier"]) == (body, "default")
    assert response.rate_limits.requests.limit == 60


# ---- caches, copies


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_from_a_cache_has_the_fields_and_no_reply(kind: str, stream: bool, tmp_path: Any):
    cache = mf.ResponseCache() if kind == "memory" else mf.ResponseCache(store=tmp_path / "cache.db")
    asked = model(streamed(*STREAM) if stream else reply(), cache=cache)

    def ask() -> Any:
        response = asked("q", stream=stream)
        if stream:
            result = response.result()
            assert facts(result) == facts(response)
        return response

    first, again = ask(), ask()
    assert again.cached
    assert (again.raw, again.headers, again.rate_limits) == (None, {}, None)
    assert again.provider_fields == first.provider_fields
    assert again.provider_fields["service_tier"] == "default"


COPIES = {"pickle": lambda each: pickle.loads(pickle.dumps(each)), "copy": copy.copy, "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("before", [False, True])
def test_a_copy_of_a_response_has_them(name: str, before: bool):
    for response in (model(reply())("q"), model(streamed(*STREAM))("q", stream=True).result()):
        if before:
            facts(response)
        copied = COPIES[name](response)
        assert facts(copied) == facts(response)
        assert copied.message == response.message
        assert (copied.cost, copied.metadata) == (response.cost, response.metadata)
