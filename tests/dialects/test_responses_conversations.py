"""Answers of the Responses format in a conversation: each item goes back in its order, and no failure is silent."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

import msgflux_like as mf
from msgflux_like import errors
from msgflux_like.dialects import openai_responses as dialect
from msgflux_like.events import Citation, Event, Failed, Finished, TextDelta, ToolCallDelta, Warned
from msgflux_like.request import ChatRequest, Quirks
from msgflux_like.testing import FakeProvider, FakeReply
from tests.answers import read

PATH = "openai-responses/gpt-5.2"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"}

# One of each kind that the API documents, as it documents it:
# https://platform.openai.com/docs/api-reference/responses/object#responses-object-output
HOSTED: dict[str, dict[str, Any]] = {
    "web_search_call": SEARCH,
    "file_search_call": {"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["x"]},
    "code_interpreter_call": {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "container_id": "k"},
    "image_generation_call": {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "QUJD"},
    "computer_call": {"type": "computer_call", "id": "cu_1", "call_id": "c", "action": {"type": "screenshot"}},
    "local_shell_call": {"type": "local_shell_call", "id": "ls_1", "call_id": "c", "action": {"type": "exec"}},
    "shell_call": {"type": "shell_call", "id": "sh_1", "call_id": "c", "action": {"commands": ["ls"]}},
    "shell_call_output": {"type": "shell_call_output", "id": "so_1", "call_id": "c", "output": []},
    "apply_patch_call": {
        "type": "apply_patch_call",
        "id": "ap_1",
        "call_id": "c",
        "operation": {"type": "delete_file"},
    },
    "mcp_call": {"type": "mcp_call", "id": "mc_1", "name": "n", "server_label": "s", "arguments": "{}", "output": "o"},
    "mcp_list_tools": {"type": "mcp_list_tools", "id": "ml_1", "server_label": "s", "tools": []},
    "mcp_approval_request": {"type": "mcp_approval_request", "id": "ma_1", "name": "n", "arguments": "{}"},
    "tool_search_call": {"type": "tool_search_call", "id": "ts_1", "arguments": {}},
    "compaction": {"type": "compaction", "id": "cp_1", "encrypted_content": "E"},
    "of_tomorrow": {"type": "crystal_ball_call", "vision": "x"},
}


def thought(number: int) -> dict[str, Any]:
    return {"type": "reasoning", "id": f"rs_{number}", "summary": [], "encrypted_content": f"E{number}"}


def said(text: str, id_: str = "msg_1", **more: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": id_, "role": "assistant", "status": "completed", "content": content, **more}


def whole(*items: Any, **top: Any) -> dict[str, Any]:
    return {"id": "resp_1", "model": "m", "status": "completed", "output": list(items), **top}


def as_stream(reply: dict[str, Any], *, added: bool = True, done: bool = True) -> list[dict[str, Any]]:
    """The events that report the items one after the other, their texts in two pieces."""
    events: list[dict[str, Any]] = []
    for index, item in enumerate(reply["output"]):
        if added:
            start = {**item, "content": []} if item.get("type") == "message" else item
            events.append({"type": "response.output_item.added", "output_index": index, "item": start})
        for part in item["content"] if item.get("type") == "message" else ():
            for piece in (part["text"][:3], part["text"][3:]):
                events.append({"type": "response.output_text.delta", "output_index": index, "delta": piece})
        if done:
            events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    return [*events, {"type": "response.completed", "response": reply}]


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def model(*replies: Any, **options: Any) -> mf.ChatCompletion:
    given = [
        FakeReply.streamed(sse(*reply)) if isinstance(reply, list) else FakeReply.whole(reply) for reply in replies
    ]
    options = {"api_key": "k", "max_retries": 0, "http_client": FakeProvider(given), **options}
    return mf.Model.chat_completion(PATH, **options)


def sent_back(*items: dict[str, Any], streamed: bool) -> list[dict[str, Any]]:
    """The items of the answer in the request of the next turn."""
    reply = whole(*items)
    asked = model(as_stream(reply) if streamed else reply)
    response = asked("q", stream=True).result() if streamed else asked("q")
    messages: list[Any] = ["q", json.loads(json.dumps(response.message)), "more"]
    if calls := response.message.get("tool_calls"):
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "r"} for call in calls]
        messages[2:] = results
    planned = asked.plan(messages)
    assert planned.changes == ()
    return [item for item in planned.body["input"] if item.get("role") != "user"]


streamed_too = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@streamed_too
@pytest.mark.parametrize("kind", HOSTED)
def test_an_item_of_a_hosted_tool_goes_back_between_the_reasoning_around_it(kind: str, streamed: bool):
    items = [thought(1), HOSTED[kind], thought(2), said("Hi")]
    sent = sent_back(*items, streamed=streamed)
    assert sent == [*items[:3], {"type": "message", "role": "assistant", "content": "Hi"}]


@streamed_too
def test_messages_stay_apart_and_keep_their_phases_and_their_order(streamed: bool):
    items = [
        thought(1),
        said("I'll check.", "a", phase="commentary"),
        SEARCH,
        thought(2),
        said("Done.", "b", phase="final_answer"),
    ]
    assert sent_back(*items, streamed=streamed) == [
        items[0],
        {"type": "message", "role": "assistant", "content": "I'll check.", "phase": "commentary"},
        SEARCH,
        items[3],
        {"type": "message", "role": "assistant", "content": "Done.", "phase": "final_answer"},
    ]


@streamed_too
def test_two_messages_without_a_phase_are_two_messages(streamed: bool):
    sent = sent_back(said("One.", "a"), said("Two.", "b"), said("Three.", "c"), streamed=streamed)
    assert [item["content"] for item in sent] == ["One.", "Two.", "Three."]


@streamed_too
def test_a_text_behind_a_call_stays_behind_it(streamed: bool):
    items = [thought(1), CALL, thought(2), said("Wait.")]
    sent = sent_back(*items, streamed=streamed)
    assert [item.get("id") or item["type"] for item in sent[:4]] == ["rs_1", "function_call", "rs_2", "message"]


@streamed_too
def test_the_texts_of_two_messages_are_separated(streamed: bool):
    reply = whole(said("I'll check.", "a"), said("Done.", "b"))
    asked = model(as_stream(reply) if streamed else reply)
    response = asked("q", stream=True).result() if streamed else asked("q")
    assert response.text == "I'll check.\n\nDone."


@streamed_too
def test_a_custom_call_and_its_result_are_custom(streamed: bool):
    call = {"type": "custom_tool_call", "id": "ct_1", "call_id": "call_1", "name": "run", "input": "print(1)"}
    sent = sent_back(thought(1), call, streamed=streamed)
    assert sent[:2] == [thought(1), {name: call[name] for name in call if name != "id"}]
    assert sent[2] == {"type": "custom_tool_call_output", "call_id": "call_1", "output": "r"}


@streamed_too
def test_what_a_call_has_beside_its_arguments_goes_back(streamed: bool):
    call = {**CALL, "namespace": "crm", "caller": {"type": "direct"}}
    sent = sent_back(call, streamed=streamed)
    assert (sent[0]["namespace"], sent[0]["caller"]) == ("crm", {"type": "direct"})


@streamed_too
def test_reasoning_in_plain_text_goes_back_to_those_who_wrote_it(streamed: bool):
    content = [{"type": "reasoning_text", "text": "Hm."}]
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "content": content, "status": "completed"}
    assert sent_back(item, said("Hi"), streamed=streamed)[0] == {n: item[n] for n in item if n != "status"}


@streamed_too
def test_two_calls_with_one_id_are_two_calls(streamed: bool):
    reply = whole(CALL, {**CALL, "id": "fc_2", "name": "g"})
    asked = model(as_stream(reply) if streamed else reply)
    response = asked("q", stream=True).result() if streamed else asked("q")
    calls = response.tool_calls.get_calls()
    assert [call.name for call in calls] == ["f", "g"]
    assert len({call.id for call in calls}) == 2


def test_a_conversation_with_hosted_tools_goes_three_turns():
    """As the guides write it: https://platform.openai.com/docs/guides/reasoning#keeping-reasoning-items-in-context"""
    turns = [
        [thought(1), SEARCH, thought(2), said("I found it.", phase="commentary"), CALL],
        [thought(3), HOSTED["code_interpreter_call"], thought(4), said("22 C.", "msg_2", phase="final_answer")],
        [thought(5), said("Bye.", "msg_3", phase="final_answer")],
    ]
    provider = FakeProvider([FakeReply.whole(whole(*turn)) for turn in turns])
    asked = mf.Model.chat_completion(PATH, api_key="k", max_retries=0, http_client=provider)
    messages: list[Any] = [{"role": "user", "content": "How warm is it?"}]
    calls = asked(messages, tool_schemas=[TOOL]).consume()
    calls.insert_results("call_1", "22 C")
    messages += calls.get_messages()
    messages.append(asked(messages, tool_schemas=[TOOL]).message)
    messages.append({"role": "user", "content": "Thanks."})
    assert asked(json.loads(json.dumps(messages)), tool_schemas=[TOOL]).text == "Bye."
    order = [
        item.get("id") or item.get("phase") or item.get("type") or item["role"]
        for item in provider.requests[2].body["input"]
    ]
    assert order == [
        *("user", "rs_1", "ws_1", "rs_2", "commentary", "function_call", "function_call_output"),
        *("rs_3", "ci_1", "rs_4", "final_answer", "user"),
    ]


def test_another_family_is_told_what_it_does_not_get():
    message = model(whole(thought(1), SEARCH, said("Hi")))("q").message
    other = mf.Model.chat_completion("xai/grok-4.3", api_key="k", dialect="openai_responses")
    planned = other.plan(["q", message, "more"])
    assert [item.get("role") for item in planned.body["input"]] == ["user", "assistant", "user"]
    assert [change.kind for change in planned.changes] == ["dropped"]


def test_a_refusal_in_a_message_goes_back():
    answer = {"role": "assistant", "content": None, "refusal": "I will not."}
    sent = model().plan(["q", answer, "more"]).body["input"][1]
    assert sent["content"] == [{"type": "refusal", "refusal": "I will not."}]


# ---- what else a reply says


@streamed_too
def test_the_span_of_a_citation_is_one_of_the_whole_text(streamed: bool):
    note = {"type": "url_citation", "url": "https://e.com", "title": "E", "start_index": 0, "end_index": 5}
    second = said("Paris is it.", "b")
    second["content"][0]["annotations"] = [note]
    reply = whole(said("I'll check.", "a"), second)
    asked = model(as_stream(reply) if streamed else reply)
    response = asked("q", stream=True).result() if streamed else asked("q")
    (found,) = response.citations
    assert response.text[found.start : found.end] == "Paris"
    assert (found.url, found.title, found.raw) == ("https://e.com", "E", note)


def test_a_citation_in_the_second_part_of_a_message_counts_the_first():
    note: dict[str, Any] = {"type": "url_citation", "url": "https://e.com", "start_index": 0, "end_index": 5}
    parts: list[dict[str, Any]] = [
        {"type": "output_text", "text": "It is "},
        {"type": "output_text", "text": "Paris.", "annotations": [note]},
    ]
    item = {"type": "message", "content": parts}
    (whole_note,) = [event for event in events_of(whole(item)) if isinstance(event, Citation)]
    assert (whole_note.start, whole_note.end) == (6, 11)
    stream = [
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "content": []}},
        {"type": "response.content_part.added", "output_index": 0, "content_index": 0},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "It is "},
        {"type": "response.content_part.added", "output_index": 0, "content_index": 1},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 1, "delta": "Paris."},
        {"type": "response.output_text.annotation.added", "output_index": 0, "content_index": 1, "annotation": note},
        {"type": "response.completed", "response": whole(item)},
    ]
    (streamed_note,) = [event for event in read(dialect.decoder(), [sse(*stream)]) if isinstance(event, Citation)]
    assert streamed_note == whole_note


@pytest.mark.parametrize("kind", ["file_citation", "container_file_citation", "file_path"])
def test_a_citation_of_a_file_has_its_name(kind: str):
    item = said("Hi")
    item["content"][0]["annotations"] = [{"type": kind, "file_id": "file_1", "filename": "a.pdf", "index": 1}]
    (found,) = model(whole(item))("q").citations
    assert (found.title, found.raw["file_id"], found.start) == ("a.pdf", "file_1", None)


# ---- failures inside of a reply


def events_of(reply: Any) -> list[Event]:
    return dialect.decode(json.dumps(reply).encode())


@pytest.mark.parametrize(
    ("code", "kind", "retried"),
    [
        ("server_error", errors.ServerError, True),
        ("rate_limit_exceeded", errors.RateLimitError, True),
        ("vector_store_timeout", errors.ServerError, True),
        ("invalid_prompt", errors.BadRequestError, False),
        ("image_too_large", errors.BadRequestError, False),
    ],
)
def test_a_failed_response_is_the_error_that_its_code_names(code: str, kind: type[errors.APIError], retried: bool):
    reply = whole(said("Par"), status="failed", error={"code": code, "message": "It broke."})
    with pytest.raises(kind, match="It broke") as caught:
        model(reply)("q")
    assert caught.value.should_retry is retried
    assert "resp_1" in (caught.value.body or "")


@pytest.mark.parametrize("status", ["queued", "in_progress", "failed", "cancelled"])
def test_a_response_without_an_answer_is_an_error_that_says_so(status: str):
    with pytest.raises(errors.APIError, match=status) as caught:
        model(whole(status=status))("q")
    assert not caught.value.should_retry


def test_a_completed_response_without_output_is_no_empty_answer():
    for reply in ({"id": "r", "status": "completed"}, {"id": "r", "status": "completed", "output": None}):
        with pytest.raises(errors.BadReplyError):
            model(reply)("q")


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("of_tomorrow", "unknown")],
)
def test_an_incomplete_response_says_why(reason: str, expected: str):
    reply = whole(said("Par"), status="incomplete", incomplete_details={"reason": reason})
    assert model(reply)("q").metadata.finish_reason == expected


@pytest.mark.parametrize("mark", [b"data: [DONE]\n\n", b""])
def test_a_stream_without_its_final_response_is_not_whole(mark: bytes):
    decoder = dialect.decoder()
    pieces = [sse({"type": "response.output_text.delta", "output_index": 0, "delta": "Par"}), mark]
    assert list(read(decoder, pieces)) == [TextDelta("Par")]
    assert not decoder.complete


def test_an_error_event_ends_a_stream_with_what_came():
    stream = [
        {"type": "response.output_text.delta", "output_index": 0, "delta": "Par"},
        {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down.", "param": None},
    ]
    with pytest.raises(errors.APIError, match="Slow down") as caught:
        model(stream)("q", stream=True).result()
    assert (caught.value.code, caught.value.partial.text) == ("rate_limit_exceeded", "Par")


def test_a_gateway_goes_on_from_a_failed_response():
    failed = model(whole(status="failed", error={"code": "server_error", "message": "It broke."}))
    assert mf.ModelGateway([failed, model(whole(said("good")))])("q").text == "good"


# ---- side fields that are odd

SIDE_FIELDS = ("id", "model", "usage", "incomplete_details", "phase", "annotations", "logprobs", "summary")


@pytest.mark.parametrize("value", [7, "x", ["x"], [None], {"a": 1}, True, 1.5])
@pytest.mark.parametrize(
    "field", ["id", "model", "usage", "incomplete_details", "phase", "annotations", "logprobs", "summary"]
)
def test_an_answer_is_not_lost_for_a_side_field(field: str, value: Any):
    message = said("Hi")
    reply = whole({"type": "reasoning", "summary": []}, message)
    place = {"phase": message, "summary": reply["output"][0]}.get(field, reply)
    if field in ("annotations", "logprobs"):
        place = message["content"][0]
    place[field] = value
    for found in (events_of(reply), list(read(dialect.decoder(), [sse(*as_stream(reply))]))):
        assert "".join(event.text for event in found if isinstance(event, TextDelta)) == "Hi"
        assert isinstance(found[-1], Finished)


@pytest.mark.parametrize("item", [None, 7, "x", ["x"], {}, {"type": None}, {"type": ["message"]}, {"type": 7}])
def test_an_item_that_cannot_be_read_is_told(item: Any):
    found = events_of(whole(said("Hi"), item))
    assert [event.field for event in found if isinstance(event, Warned)] == ["output[1]"]


@pytest.mark.parametrize("text", [7, ["x"], {"a": 1}])
def test_a_text_that_cannot_be_read_is_an_error(text: Any):
    item = said("Hi")
    item["content"][0]["text"] = text
    with pytest.raises(msgspec.ValidationError):
        events_of(whole(item))


def test_items_of_a_server_that_counts_wrongly_are_not_joined():
    """Both items are number 0, and the first was closed before the second began."""
    calls = [CALL, {**CALL, "id": "fc_2", "call_id": "call_2", "name": "g"}]
    events = [
        {"type": f"response.output_item.{when}", "output_index": 0, "item": call}
        for call in calls
        for when in ("added", "done")
    ]
    found = list(read(dialect.decoder(), [sse(*events, {"type": "response.completed", "response": whole(*calls)})]))
    named = [event for event in found if isinstance(event, ToolCallDelta) and event.name]
    assert [(event.id, event.name) for event in named] == [("call_1", "f"), ("call_2", "g")]


def test_a_failure_comes_after_the_text_that_came_with_it():
    found = events_of(whole(said("Par"), status="failed", error={"message": "It broke."}))
    assert TextDelta("Par") in found[:-1]
    assert isinstance(found[-1], Failed)


# ---- requests


def test_tools_in_the_form_of_chat_completions_are_flat():
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a/"}}
    custom = {"type": "custom", "custom": {"name": "run", "description": "d", "format": grammar}}
    deferred = {**TOOL, "defer_loading": True}
    tools = encoded(tools=(custom, deferred, {"type": "web_search"}))["tools"]
    assert tools[0] == {
        "type": "custom",
        "name": "run",
        "description": "d",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: /a/"},
    }
    assert tools[1]["defer_loading"] is True
    assert tools[2] == {"type": "web_search"}


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("f", {"type": "function", "name": "f"}),
        ("run", {"type": "custom", "name": "run"}),
        ("web_search", {"type": "web_search"}),
    ],
)
def test_any_tool_can_be_chosen_by_its_name(choice: str, sent: Any):
    tools = (TOOL, {"type": "custom", "name": "run"}, {"type": "web_search"})
    assert encoded(tools=tools, tool_choice=choice)["tool_choice"] == sent


def encoded(**fields: Any) -> dict[str, Any]:

    return dialect.encode(ChatRequest("m", ({"role": "user", "content": "q"},), **fields), Quirks()).body
