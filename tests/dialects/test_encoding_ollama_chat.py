"""What a call becomes in Ollama's own chat format."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_like._wire.sse import MAX_EVENT_BYTES, EventTooLargeError
from msgflux_like.dialects import ollama_chat as dialect
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.messages.normalize import normalize
from msgflux_like.request import AnswerSchema, ChatRequest, Encoded, Quirks
from tests.answers import streamed
from tests.conversations import conversations, unhurried
from tests.dialects.builders import asks, result

PLAIN = Quirks()
HELLO = {"role": "user", "content": "Hello"}
SMALLEST = {"model": "qwen3", "messages": [HELLO], "stream": False}
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "description": "d", "parameters": {"type": "object", "properties": {}}},
}


def encoded(*messages: dict[str, Any], quirks: Quirks = PLAIN, **fields: Any) -> Encoded:
    request = ChatRequest("qwen3", normalize(messages or (HELLO,)), fields.pop("parameters", {}), **fields)
    return dialect.encode(request, quirks)


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return encoded(*messages, **fields).body


def sent(*messages: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    return body(*messages, **fields)["messages"]


def kinds(*messages: dict[str, Any], **fields: Any) -> list[tuple[str, str]]:
    return [(change.kind, change.field) for change in encoded(*messages, **fields).changes]


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def state(*entries: tuple[int, Any], family: str = "ollama:ollama-native") -> list[dict[str, Any]]:
    return [{"family": family, "kind": "thinking", "after": after, "raw": raw} for after, raw in entries]


def test_the_smallest_call_says_that_it_is_no_stream():
    call = encoded()
    assert (call.path, call.headers, call.changes, call.prefill) == ("/api/chat", {}, (), "")
    assert call.body == SMALLEST


def test_a_stream_is_lines():
    assert encoded(stream=True).body == SMALLEST | {"stream": True}
    assert encoded(stream=True).headers == {"accept": "application/x-ndjson"}


def test_parameters_are_options_and_zeros_are_sent():
    given_here = {"temperature": 0, "top_p": 0.0, "top_k": 0, "seed": 0, "presence_penalty": 0}
    assert body(parameters=given_here | {"max_tokens": 5, "stop": "END", "frequency_penalty": 1}) == SMALLEST | {
        "options": {**given_here, "num_predict": 5, "stop": ["END"], "frequency_penalty": 1}
    }
    assert body(parameters={"stop": ["a", "b"]})["options"] == {"stop": ["a", "b"]}
    assert body(parameters={"logprobs": True, "top_logprobs": 2}) == SMALLEST | {"logprobs": True, "top_logprobs": 2}


@pytest.mark.parametrize("name", ["user", "parallel_tool_calls"])
def test_a_parameter_without_a_word_is_refused(name: str):
    with pytest.raises(UnsupportedError, match=f"{name}: Ollama.*extra_body"):
        body(parameters={name: 0})


@pytest.mark.parametrize(("effort", "think"), [("none", False), ("true", True), ("low", "low"), ("high", "high")])
def test_how_much_to_think(effort: str, think: bool | str):
    assert body(parameters={"reasoning_effort": effort}) == SMALLEST | {"think": think}
    assert body(parameters={"reasoning_budget": 0}) == SMALLEST | {"think": False}
    with pytest.raises(UnsupportedError, match="reasoning_budget: Ollama"):
        body(parameters={"reasoning_budget": 1})


def test_developers_are_the_system_and_that_is_told():
    developer = {"role": "developer", "content": "d"}
    assert sent(developer, HELLO) == [{"role": "system", "content": "d"}, HELLO]
    assert kinds(developer, HELLO) == [("renamed", "messages[0].role")]


def test_fields_that_have_no_place_are_left_out_and_that_is_told():
    assert kinds({"role": "user", "content": "Hi", "x-own": 1}) == [("dropped", "messages[0].x-own")]


def test_parts_are_one_text_and_bare_images():
    parts = [
        {"type": "text", "text": "What is"},
        image("data:image/png;base64,iVBORw0KGgo="),
        {"type": "file", "file": {"file_data": "data:image/jpeg;base64,/9j/"}},
        {"type": "text", "text": " this?"},
    ]
    assert sent({"role": "user", "content": parts}) == [
        {"role": "user", "content": "What is this?", "images": ["iVBORw0KGgo=", "/9j/"]}
    ]


def test_a_link_to_an_image_is_refused_with_the_way_out():
    with pytest.raises(UnsupportedError, match=r"messages\[0\]\.content\[0\] is a link.*ChatBlock\.image"):
        sent({"role": "user", "content": [image("https://example.org/a.png")]})


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}},
        {"type": "file", "file": {"file_id": "f1"}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    ],
)
def test_a_part_that_cannot_be_sent_is_refused_by_its_place(part: dict[str, Any]):
    with pytest.raises(UnsupportedError, match=rf"messages\[0\]\.content\[0\] is of type '{part['type']}'"):
        sent({"role": "user", "content": [part]})


def test_a_system_text_cannot_hold_an_image():
    with pytest.raises(UnsupportedError, match="role 'system'"):
        sent({"role": "system", "content": [image("data:image/png;base64,iVBORw0KGgo=")]}, HELLO)


def test_arguments_are_objects_and_a_result_names_its_tool():
    assert sent(HELLO, asks("a"), result("a")) == [
        HELLO,
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "a", "function": {"name": "get_weather", "arguments": {"city": "Paris"}}}],
        },
        {"role": "tool", "content": "22 C", "tool_call_id": "a", "tool_name": "get_weather"},
    ]
    assert sent(asks("a", arguments=""), result("a"))[0]["tool_calls"][0]["function"]["arguments"] == {}
    assert sent(result("a", name="now"))[0]["tool_name"] == "now"
    assert "tool_name" not in sent(result("a"))[0]


def test_arguments_that_are_no_object_are_refused_by_their_place():
    with pytest.raises(InvalidMessagesError, match=r"messages\[1\]\.tool_calls\[0\]\.function\.arguments"):
        sent(HELLO, asks("a", arguments="[1]"), result("a"))


def test_thinking_goes_back():
    held = state((0, {"thinking": "Hm."}), (1, {"thinking": " So."}))
    answer = {"role": "assistant", "content": "Hi", "provider_state": held}
    assert sent(HELLO, answer, HELLO, family="ollama:ollama-native")[1] == {
        "role": "assistant",
        "content": "Hi",
        "thinking": "Hm. So.",
    }
    assert kinds(HELLO, answer, HELLO, family="other") == [("dropped", "messages[1].provider_state")]


def test_tools_are_offered_and_the_model_chooses():
    assert body(tools=(WEATHER,), tool_choice="auto") == SMALLEST | {"tools": [WEATHER]}
    assert body(tools=(WEATHER,), tool_choice="none") == SMALLEST
    assert kinds(tools=(WEATHER,), tool_choice="none") == [("emulated", "tool_choice")]


@pytest.mark.parametrize("choice", ["required", "get_weather", {"type": "function"}])
def test_a_call_cannot_be_demanded(choice: Any):
    with pytest.raises(UnsupportedError, match="tool_choice"):
        body(tools=(WEATHER,), tool_choice=choice)


def test_the_schema_of_an_answer():
    assert body(answer_schema=AnswerSchema("Event", {"type": "object"}))["format"] == {"type": "object"}


def test_a_prefill_is_the_last_message_where_it_is_continued():
    call = encoded(prefill="Well", quirks=Quirks(prefill=("",)))
    assert call.body["messages"][-1] == {"role": "assistant", "content": "Well"}
    assert call.prefill == "Well"
    with pytest.raises(UnsupportedError, match="prefilling"):
        encoded(prefill="Well")


def test_ids_that_are_made_up_differ_from_call_to_call_and_from_turn_to_turn():
    def ids(created_at: str) -> list[str]:
        call = {"function": {"name": "now", "arguments": {}}}
        reply = {"created_at": created_at, "message": {"tool_calls": [call, call]}, "done": True}
        events = dialect.decode(json.dumps(reply).encode())
        return [event.id for event in events if hasattr(event, "arguments")]

    first, second = ids("2026-11-21T12:00:00.1Z"), ids("2026-11-21T12:00:00.2Z")
    assert len({*first, *second}) == 4
    assert ids("2026-11-21T12:00:00.1Z") == first


def test_a_line_without_an_end_is_not_kept_for_ever():
    decoder = dialect.decoder()
    decoder.feed(b'{"model":"')
    with pytest.raises(EventTooLargeError):
        for _ in range(MAX_EVENT_BYTES // (1 << 20) + 1):
            decoder.feed(b"x" * (1 << 20))


@unhurried
@given(conversations)
def test_any_conversation_is_sent_or_refused_by_name(messages: list[dict[str, Any]]):
    kept = deepcopy(messages)
    try:
        found = sent(*messages)
    except UnsupportedError as error:
        assert re.search(r"messages\[\d+\]", str(error))
        return
    assert messages == kept
    assert json.loads(json.dumps(found)) == found
    for message in found:
        assert message["role"] in ("system", "user", "assistant", "tool")
        assert isinstance(message["content"], str)
        assert all(isinstance(call["function"]["arguments"], dict) for call in message.get("tool_calls", ()))


@unhurried
@given(st.lists(st.text(max_size=8) | st.none(), max_size=8), st.booleans(), st.data())
def test_lines_mean_the_same_wherever_they_are_cut(texts: list[str | None], crlf: bool, data: st.DataObject):
    said = [{"message": {"content": text}, "done": False} for text in texts]
    wire = b"".join(json.dumps(line).encode() + (b"\r\n" if crlf else b"\n") for line in [*said, {"done": True}])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    pieces = [wire[start:end] for start, end in pairwise([0, *cuts, len(wire)])]
    assert streamed(dialect, pieces).get("text", "") == "".join(filter(None, texts))
    assert streamed(dialect, pieces) == streamed(dialect, [wire])


@unhurried
@given(st.binary(max_size=40), st.integers(0, 40))
def test_any_bytes_are_read_or_refused(wire: bytes, cut: int):
    def outcome(pieces: list[bytes]) -> Any:
        try:
            return streamed(dialect, pieces)
        except msgspec.DecodeError:
            return "refused"

    assert outcome([wire[:cut], wire[cut:]]) == outcome([wire])


def test_marks_that_the_format_has_no_field_for_are_recorded():
    parts = [
        {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:image/png;base64,iVBORw0KGgo=", "filename": "a.png"}},
    ]
    assert kinds({"role": "user", "content": parts, "name": "ann"}) == [
        ("dropped", "messages[0].name"),
        ("dropped", "messages[0].content[0].cache_control"),
        ("dropped", "messages[0].content[1].image_url.detail"),
        ("dropped", "messages[0].content[2].file.filename"),
    ]


def test_only_a_tools_message_has_a_name():
    assert kinds({"role": "assistant", "content": "Hi", "name": "bot"}) == [("dropped", "messages[0].name")]
