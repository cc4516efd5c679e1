"""The same calls to providers of other dialects: OpenAI's objects come back, and all can be sent back."""

from __future__ import annotations

import json

import pytest

import msgflux_like as mf
from msgflux_like import errors
from tests.client.conftest import USER
from tests.provider import DONE, USAGE, chat, delta, sse, stream, whole

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
ARGUMENTS = {"city": "Paris"}


class OpenAI:
    """How the provider says: a text; a word and then a call; both as a stream."""

    path = "openai/gpt-4o"

    def text(self):
        return chat("Hello")

    def call(self):
        function = {"name": "get_weather", "arguments": json.dumps(ARGUMENTS)}
        return chat("So:", "tool_calls", tool_calls=[{"id": "c1", "type": "function", "function": function}])

    def text_stream(self):
        return [delta("Hel", role="assistant"), delta("lo"), delta(finish="stop"), USAGE, DONE]

    def call_stream(self):
        begun = {"index": 0, "id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
        pieces = [{"index": 0, "function": {"arguments": text}} for text in ('{"city":', ' "Paris"}')]
        calls = [delta(tool_calls=[piece]) for piece in (begun, *pieces)]
        return [delta("So:", role="assistant"), *calls, delta(finish="tool_calls"), USAGE, DONE]


class Anthropic:
    path = "anthropic/claude-sonnet-4-5"

    def _message(self, reason, *content):
        usage = {"input_tokens": 19, "output_tokens": 9}
        return {"id": "msg_1", "model": "claude", "content": content, "stop_reason": reason, "usage": usage}

    def text(self):
        return self._message("end_turn", {"type": "text", "text": "Hello"})

    def call(self):
        call = {"type": "tool_use", "id": "c1", "name": "get_weather", "input": ARGUMENTS}
        return self._message("tool_use", {"type": "text", "text": "So:"}, call)

    def _stream(self, reason, *blocks):
        yield sse({"type": "message_start", "message": {**self._message(None), "usage": {"input_tokens": 3}}})
        for index, (block, deltas) in enumerate(blocks):
            yield sse({"type": "content_block_start", "index": index, "content_block": block})
            for piece in deltas:
                yield sse({"type": "content_block_delta", "index": index, "delta": piece})
            yield sse({"type": "content_block_stop", "index": index})
        yield sse({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 2}})
        yield sse({"type": "message_stop"})

    def _text(self, *texts):
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in texts]

    def text_stream(self):
        return list(self._stream("end_turn", self._text("Hel", "lo")))

    def call_stream(self):
        pieces = [{"type": "input_json_delta", "partial_json": text} for text in ('{"city":', ' "Paris"}')]
        call = {"type": "tool_use", "id": "c1", "name": "get_weather", "input": {}}
        return list(self._stream("tool_use", self._text("So:"), (call, pieces)))


class Google:
    path = "google/gemini-2.5-flash"

    def _reply(self, *parts, finish="STOP", usage=(19, 9, 28)):
        counts = dict(zip(("promptTokenCount", "candidatesTokenCount", "totalTokenCount"), usage, strict=True))
        candidate = {"index": 0, "content": {"role": "model", "parts": list(parts)}}
        return {
            "candidates": [{**candidate, **({"finishReason": finish} if finish else {})}],
            "usageMetadata": counts,
            "modelVersion": "gemini",
            "responseId": "r1",
        }

    def text(self):
        return self._reply({"text": "Hello"})

    def call(self):
        return self._reply({"text": "So:"}, {"functionCall": {"id": "c1", "name": "get_weather", "args": ARGUMENTS}})

    def text_stream(self):
        first = self._reply({"text": "Hel"}, finish=None, usage=(3, 1, 4))
        return [sse(first), sse(self._reply({"text": "lo"}, usage=(3, 2, 5)))]

    def call_stream(self):
        call = {"functionCall": {"id": "c1", "name": "get_weather", "args": ARGUMENTS}}
        first = self._reply({"text": "So:"}, finish=None, usage=(3, 1, 4))
        return [sse(first), sse(self._reply(call, usage=(3, 2, 5)))]


@pytest.fixture(params=[OpenAI(), Anthropic(), Google()], ids=lambda kind: type(kind).__name__)
def kind(request):
    return request.param


@pytest.fixture
def client_of(colour, kind, provider):
    """A client of a provider that gives these replies, the provider, and the model's id."""

    def make(*replies):
        server = provider(*replies)
        name, model = kind.path.split("/")
        made = colour.Client("sk-secret", provider=name, base_url=server.base_url, max_retries=0)
        return made, server, model

    return make


def test_a_text_comes_in_openais_form(client_of, colour, kind):
    client, _, model = client_of(whole(kind.text()))
    answer = colour.call(client, "chat.completions.create", model=model, messages=USER, temperature=0.5)
    assert isinstance(answer, mf.client.ChatCompletionReply)
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", "Hello", "stop")
    assert choice.message.tool_calls is None
    usage = {name: answer.usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    assert usage == {"prompt_tokens": 19, "completion_tokens": 9, "total_tokens": 28}
    assert answer.id
    assert answer.model


def test_the_tool_flow_is_the_same_everywhere(client_of, colour, kind):
    client, server, model = client_of(whole(kind.call()), whole(kind.text()))

    def ask(messages):
        return colour.call(client, "chat.completions.create", model=model, messages=messages, tools=TOOLS)

    answer = ask(USER)
    message = answer.choices[0].message
    assert (message.content, answer.choices[0].finish_reason) == ("So:", "tool_calls")
    results = []
    for call in message.tool_calls:
        assert (call["type"], call["function"]["name"]) == ("function", "get_weather")
        assert json.loads(call["function"]["arguments"]) == ARGUMENTS
        results.append({"role": "tool", "tool_call_id": call["id"], "content": '{"sky": "blue"}'})
    last = ask([*USER, message.model_dump(), *results])
    assert last.choices[0].message.content == "Hello"
    sent = json.dumps(server.requests[1].body)
    assert "get_weather" in sent
    assert "blue" in sent


def test_a_stream_is_made_of_the_same_chunks(client_of, colour, kind):
    client, _, model = client_of(stream(*kind.text_stream()))
    chunks, read = colour.chunks(client, model=model, messages=USER)
    assert [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content] == ["Hel", "lo"]
    assert [chunk.choices[0].delta.role for chunk in chunks][:2] == ["assistant", None]
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert all(isinstance(chunk, mf.ChatCompletionChunk) for chunk in chunks)
    usage = {name: read.usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    assert usage == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def test_a_call_is_put_together_of_a_stream_in_the_same_way(client_of, colour, kind):
    client, _, model = client_of(stream(*kind.call_stream()))
    chunks, _ = colour.chunks(client, model=model, messages=USER, tools=TOOLS)
    calls: dict[int, dict[str, str]] = {}
    for chunk in chunks:
        for piece in chunk.choices[0].delta.tool_calls or ():
            call = calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
            call["id"] += piece.id or ""
            call["name"] += piece.function.name or ""
            call["arguments"] += piece.function.arguments or ""
    assert list(calls) == [0]
    assert (calls[0]["id"], calls[0]["name"]) == ("c1", "get_weather")
    assert json.loads(calls[0]["arguments"]) == ARGUMENTS
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_a_chunk_with_the_usage_comes_when_it_is_asked_for(client_of, colour, kind):
    client, _, model = client_of(stream(*kind.text_stream()))
    chunks, _ = colour.chunks(client, model=model, messages=USER, stream_options={"include_usage": True})
    assert [chunk.choices for chunk in chunks].count([]) == 1
    assert chunks[-1].usage.total_tokens == 5


def test_a_named_tool_can_be_forced_everywhere(client_of, colour, kind):
    client, server, model = client_of(whole(kind.call()))
    choice = {"type": "function", "function": {"name": "get_weather"}}
    colour.call(client, "chat.completions.create", model=model, messages=USER, tools=TOOLS, tool_choice=choice)
    said = {
        "openai/gpt-4o": {"tool_choice": choice},
        "anthropic/claude-sonnet-4-5": {"tool_choice": {"type": "tool", "name": "get_weather"}},
        "google/gemini-2.5-flash": {
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}}
        },
    }[kind.path]
    assert {name: server.requests[0].body[name] for name in said} == said


@pytest.mark.parametrize("kind", [Anthropic(), Google()], ids=lambda kind: type(kind).__name__)
def test_what_a_dialect_has_no_words_for_is_refused_by_name(client_of, colour, kind):
    client, server, model = client_of(whole(kind.text()))
    for words, said in (
        ({"logit_bias": {"1": 2}, "n": 2}, "logit_bias, n: .* has no such parameter"),
        ({"response_format": {"type": "json_object"}}, "response_format of type 'json_object'"),
        ({"stream_options": {"include_obfuscation": False}}, r"stream_options\.include_obfuscation"),
        ({"tools": TOOLS, "tool_choice": {"type": "allowed_tools"}}, "tool_choice: .* has no such parameter"),
    ):
        with pytest.raises(errors.UnsupportedError, match=said):
            colour.call(client, "chat.completions.create", model=model, messages=USER, **words)
    with pytest.raises(errors.UnsupportedError, match="has no /embeddings"):
        colour.call(client, "embeddings.create", model=model, input="x")
    assert not server.requests


@pytest.mark.parametrize("kind", [Anthropic(), Google()], ids=lambda kind: type(kind).__name__)
def test_what_means_the_same_is_sent_in_the_dialects_words(client_of, colour, kind):
    client, server, model = client_of(whole(kind.text()))
    words = {"n": 1, "max_completion_tokens": 77, "response_format": {"type": "text"}}
    colour.call(client, "chat.completions.create", model=model, messages=USER, **words)
    assert "77" in json.dumps(server.requests[0].body)
    with pytest.raises(ValueError, match="mean the same"):
        colour.call(client, "chat.completions.create", model=model, messages=USER, max_tokens=5, **words)


SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
    "required": ["city"],
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}


@pytest.mark.parametrize("kind", [Anthropic()], ids=lambda kind: type(kind).__name__)
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_an_answer_by_schema_is_json_text_though_a_tool_was_forced_for_it(provider, colour, kind, streamed):
    """Claude Haiku 3 knows tools, but no schemas for its answers."""
    pieces = [{"type": "input_json_delta", "partial_json": text} for text in ('{"city":', ' "Paris"}')]
    call = {"type": "tool_use", "id": "c1", "name": "place", "input": {}}
    reply = (
        stream(*kind._stream("tool_use", (call, pieces)))
        if streamed
        else whole(kind._message("tool_use", {**call, "input": ARGUMENTS}))
    )
    server = provider(reply)
    client = colour.Client("sk-secret", provider="anthropic", base_url=server.base_url)
    words = {"model": "claude-3-haiku-20240307", "messages": USER, "response_format": FORMAT}
    if streamed:
        chunks, _ = colour.chunks(client, **words)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert not any(chunk.choices[0].delta.tool_calls for chunk in chunks)
        reason = chunks[-1].choices[0].finish_reason
    else:
        (choice,) = colour.call(client, "chat.completions.create", **words).choices
        text, reason = choice.message.content, choice.finish_reason
        assert choice.message.tool_calls is None
    assert json.loads(text) == ARGUMENTS
    assert reason == "stop"
    assert server.requests[0].body["tool_choice"]["name"] == "place"


def test_a_schema_without_one_is_refused(provider):
    client = mf.Client("sk-secret", provider="anthropic", base_url=provider(whole({})).base_url)
    with pytest.raises(ValueError, match=r"response_format\.json_schema\.schema is missing"):
        client.chat.completions.create(model="claude-3-haiku", messages=USER, response_format={"type": "json_schema"})


def test_signed_reasoning_goes_back_with_the_message(provider, colour):
    thought = {"type": "thinking", "thinking": "Hm", "signature": "SIG"}
    kind = Anthropic()
    call = {"type": "tool_use", "id": "c1", "name": "get_weather", "input": ARGUMENTS}
    server = provider(whole(kind._message("tool_use", thought, call)), whole(kind.text()))
    client = colour.Client("sk-secret", provider="anthropic", base_url=server.base_url)

    def ask(messages):
        words = {"model": "claude-sonnet-4-5", "messages": messages, "tools": TOOLS}
        return colour.call(client, "chat.completions.create", **words).choices[0].message

    message = ask(USER)
    assert message.reasoning_content == "Hm"
    ask([*USER, json.loads(message.model_dump_json()), {"role": "tool", "tool_call_id": "c1", "content": "x"}])
    assert server.requests[1].body["messages"][1]["content"][0] == thought


def test_the_last_chunk_carries_the_signed_reasoning(provider):
    kind = Anthropic()
    pieces = [{"type": "thinking_delta", "thinking": "Hm"}, {"type": "signature_delta", "signature": "SIG"}]
    blocks = kind._stream("end_turn", ({"type": "thinking", "thinking": ""}, pieces), kind._text("Hi"))
    client = mf.Client("sk-secret", provider="anthropic", base_url=provider(stream(*blocks)).base_url)
    chunks = list(client.chat.completions.create(model="claude-sonnet-4-5", messages=USER, stream=True))
    assert chunks[0].choices[0].delta.reasoning_content == "Hm"
    (state,) = chunks[-1].choices[0].delta.provider_state
    assert state["raw"]["signature"] == "SIG"


@pytest.mark.parametrize("kind", [Anthropic(), OpenAI()], ids=lambda kind: type(kind).__name__)
def test_what_could_not_be_sent_as_asked_is_told(client_of, colour, kind):
    state = {"family": "gemini:google", "kind": "signature", "after": 0, "raw": "S"}
    messages = [*USER, {"role": "assistant", "content": "x", "provider_state": [state]}, *USER]
    client, server, model = client_of(whole(kind.text()), stream(*kind.text_stream()))
    answer = colour.call(client, "chat.completions.create", model=model, messages=messages)
    _, read = colour.chunks(client, model=model, messages=messages)
    for changes in (answer.changes, read.changes):
        assert any(change.kind == "dropped" and "provider_state" in change.field for change in changes)
    assert "changes" not in answer
    assert "provider_state" not in json.dumps(server.requests[0].body)


@pytest.mark.parametrize("kind", [Anthropic()], ids=["Anthropic"])
def test_a_failure_in_the_stream_is_raised(client_of, colour, kind):
    broken = sse({"type": "error", "error": {"type": "overloaded_error", "message": "too many"}})
    client, _, model = client_of(stream(*kind.text_stream()[:3], broken))
    with pytest.raises(errors.StreamFailedError, match="too many"):
        colour.chunks(client, model=model, messages=USER)


def test_without_a_provider_each_call_names_it(provider, colour, monkeypatch):
    for name, kind in (("OPENAI", OpenAI()), ("ANTHROPIC", Anthropic())):
        monkeypatch.setenv(f"{name}_BASE_URL", provider(whole(kind.text())).base_url)
        monkeypatch.setenv(f"{name}_API_KEY", f"sk-{name}")
        answer = colour.call(colour.Client(), "chat.completions.create", model=kind.path, messages=USER)
        assert answer.choices[0].message.content == "Hello"
    with pytest.raises(errors.UnknownModelError, match="did you mean openai/gpt-4o"):
        colour.call(colour.Client(), "chat.completions.create", model="gpt-4o", messages=USER)
    with pytest.raises(errors.UnknownModelError):
        colour.call(colour.Client(), "chat.completions.create", model=None, messages=USER)


def test_sources_and_pictures_of_an_answer_are_told_as_others_tell_them(provider, colour):
    picture = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    reply = Google()._reply({"text": "Look:"}, picture)
    source = {"web": {"uri": "https://example.com/a", "title": "A"}}
    reply["candidates"][0]["groundingMetadata"] = {"groundingChunks": [source]}
    client = colour.Client("sk-secret", provider="google", base_url=provider(whole(reply)).base_url)
    answer = colour.call(client, "chat.completions.create", model="gemini-2.5-flash-image", messages=USER)
    message = answer.choices[0].message
    assert message.images[0].image_url.url == "data:image/png;base64,aGk="
    assert message.annotations[0]["url_citation"] == {"url": "https://example.com/a", "title": "A"}


NULLABLE = json.dumps({"city": "Paris", "country": None})


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_a_stricter_schema_is_undone_where_the_answer_is_whole(provider, colour, streamed):
    """The Responses format wants all fields; what the caller's schema leaves open comes as null there."""
    done = {"id": "r", "model": "m", "status": "completed", "usage": {"input_tokens": 1, "output_tokens": 2}}
    content = [{"type": "output_text", "text": NULLABLE}]
    item = {"type": "message", "id": "i", "role": "assistant", "status": "completed", "content": content}
    events = [
        {"type": "response.created", "response": {"id": "r", "model": "m"}},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": NULLABLE},
        {"type": "response.completed", "response": {**done, "output": [item]}},
    ]
    server = provider(stream(*map(sse, events)) if streamed else whole({**done, "output": [item]}))
    client = colour.Client("sk-secret", provider="openai-responses", base_url=server.base_url)
    words = {"model": "gpt-4o", "messages": USER, "response_format": FORMAT}
    if streamed:
        chunks, read = colour.chunks(client, **words)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == NULLABLE
        assert any(change.field == "response_format" for change in read.changes)
    else:
        answer = colour.call(client, "chat.completions.create", **words)
        assert json.loads(answer.choices[0].message.content) == {"city": "Paris"}
    assert server.requests[0].body["text"]["format"]["schema"]["required"] == ["city", "country"]


def test_the_embedded_model_answers(local_server, colour):
    client = colour.Client(provider="local")
    words = {"model": "smollm2", "max_tokens": 5, "temperature": 0}
    answer = colour.call(client, "chat.completions.create", messages=USER, **words)
    assert answer.choices[0].message.content
    assert answer.usage.completion_tokens <= 5
    chunks, read = colour.chunks(client, messages=USER, **words)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == answer.choices[0].message.content
    assert read.usage.completion_tokens == answer.usage.completion_tokens
    with pytest.raises(errors.UnsupportedError):
        colour.call(client, "models.list")
