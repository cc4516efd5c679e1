"""Replies of Cohere's chat format, version 2: spans of citations, log probabilities, failures, odd side fields."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

import msgflux_like as mf
from msgflux_like import errors
from msgflux_like.dialects import cohere_v2 as dialect
from msgflux_like.events import Citation, Event, Finished, Logprobs, TextDelta, TokenLogprob, ToolCallDelta, Warned
from msgflux_like.testing import FakeProvider, FakeReply
from tests.answers import read

PATH = "cohere/command-a-03-2025"
USAGE = {"billed_units": {"input_tokens": 1, "output_tokens": 2}, "tokens": {"input_tokens": 30, "output_tokens": 4}}
TEXTS = [
    {"type": "text", "text": "It is "},
    {"type": "thinking", "thinking": "Hm."},
    {"type": "text", "text": "Paris."},
]


def reply(*parts: dict[str, Any], finish: str = "COMPLETE", message: Any = None, **top: Any) -> dict[str, Any]:
    content = list(parts or ({"type": "text", "text": "Hi"},))
    said = {"role": "assistant", "content": content, **(message or {})}
    return {"id": "c1", "finish_reason": finish, "message": said, "usage": USAGE, **top}


def as_stream(whole: dict[str, Any]) -> list[dict[str, Any]]:
    message = whole["message"]
    deltas = [(index, {"content": part}) for index, part in enumerate(message["content"])]
    deltas += [(index, {"citations": citation}) for index, citation in enumerate(message.get("citations", ()))]
    deltas += [(index, {"tool_calls": call}) for index, call in enumerate(message.get("tool_calls", ()))]
    return [
        {"type": "message-start", "id": whole["id"]},
        *({"type": "delta", "index": index, "delta": {"message": delta}} for index, delta in deltas),
        {"type": "message-end", "delta": {name: whole[name] for name in ("finish_reason", "usage") if name in whole}},
    ]


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def events_of(whole: dict[str, Any], *, streamed: bool) -> list[Event]:
    if streamed:
        return list(read(dialect.decoder(), [sse(*as_stream(whole))]))
    return dialect.decode(json.dumps(whole).encode())


def model(*replies: dict[str, Any]) -> mf.ChatCompletion:
    provider = FakeProvider([FakeReply.whole(each) for each in replies])
    return mf.Model.chat_completion(PATH, api_key="k", max_retries=0, http_client=provider)


streamed_too = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@streamed_too
@pytest.mark.parametrize(
    ("fields", "span"),
    [
        ({"type": "TEXT_CONTENT", "content_index": 2}, (6, 11)),
        ({"content_index": 0}, (0, 5)),
        ({}, (0, 5)),
        ({"type": "PLAN"}, (None, None)),
        ({"type": "THINKING_CONTENT", "content_index": 1}, (None, None)),
    ],
)
def test_a_span_is_one_of_the_whole_text(fields: dict[str, Any], span: tuple[Any, Any], streamed: bool):
    source = {"type": "document", "id": "d", "document": {"url": "https://e.com", "title": "E"}}
    citation = {"start": 0, "end": 5, "text": "Paris", "sources": [source], **fields}
    events = events_of(reply(*TEXTS, message={"citations": [citation]}), streamed=streamed)
    assert [event for event in events if isinstance(event, Citation)] == [
        Citation("https://e.com", "E", citation, "Paris", *span)
    ]


def test_log_probabilities_whole_and_streamed():
    weighed = {"text": "Hi", "token_ids": [7, 8], "logprobs": [-0.5, -1.0]}
    expected = Logprobs((TokenLogprob("Hi", -0.5), TokenLogprob("", -1.0)))
    assert expected in events_of(reply(logprobs=[weighed]), streamed=False)
    delta = {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Hi"}}}}
    stream = [{**delta, "logprobs": weighed}, *as_stream(reply())[-1:]]
    assert expected in list(read(dialect.decoder(), [sse(*stream)]))


@pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT"])
def test_an_answer_that_failed_is_an_error_that_can_be_retried(reason: str):
    with pytest.raises(errors.ServerError, match=reason) as caught:
        model(reply(finish=reason))("q")
    assert caught.value.should_retry is True
    assert TextDelta("Hi") in events_of(reply(finish=reason), streamed=False)


@streamed_too
def test_an_end_without_a_reason_is_told(streamed: bool):
    whole = reply()
    del whole["finish_reason"]
    events = events_of(whole, streamed=streamed)
    assert events[-1] == Finished("unknown")
    assert [event.field for event in events if isinstance(event, Warned)] == ["finish_reason"]


def test_only_the_last_event_shows_that_a_stream_is_whole():
    *stream, _ = as_stream(reply())
    decoder = dialect.decoder()
    assert TextDelta("Hi") in list(read(decoder, [sse(*stream), b"data: [DONE]\n\n"]))
    assert not decoder.complete


@streamed_too
def test_two_calls_with_one_id_are_two_calls(streamed: bool):
    calls = [{"id": "c", "type": "function", "function": {"name": name, "arguments": "{}"}} for name in ("f", "g")]
    events = events_of(reply(message={"content": [], "tool_calls": calls}, finish="TOOL_CALL"), streamed=streamed)
    named = [event for event in events if isinstance(event, ToolCallDelta)]
    assert [event.name for event in named] == ["f", "g"]
    assert len({event.id for event in named}) == 2


@streamed_too
@pytest.mark.parametrize("value", [7, "x", ["x"], [None], {"a": 1}, True])
@pytest.mark.parametrize("field", ["id", "usage", "finish_reason", "logprobs", "citations"])
def test_an_answer_is_not_lost_for_a_side_field(field: str, value: Any, streamed: bool):
    whole = reply(message={"citations": [value]}) if field == "citations" else {**reply(), field: value}
    events = events_of(whole, streamed=streamed)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hi"
    assert isinstance(events[-1], Finished)


def test_a_text_that_cannot_be_read_is_an_error():
    with pytest.raises(msgspec.ValidationError):
        events_of(reply({"type": "text", "text": ["x"]}), streamed=False)


def test_thinking_goes_back_where_it_came():
    whole = reply({"type": "thinking", "thinking": "First."}, *TEXTS)
    asked = model(whole)
    planned = asked.plan(["q", json.loads(json.dumps(asked("q").message)), "more"])
    assert planned.body["messages"][1]["content"] == whole["message"]["content"]
    assert planned.changes == ()


def test_a_refusal_goes_back_as_text_and_that_is_told():
    planned = model().plan(["q", {"role": "assistant", "content": None, "refusal": "No."}, "more"])
    assert planned.body["messages"][1] == {"role": "assistant", "content": "No."}
    assert [(change.kind, change.field) for change in planned.changes] == [("moved", "messages[1].refusal")]
