"""What an answer came with beside its text goes back unchanged and at its place, after a save and a load."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

import msgflux_like as mf
from msgflux_like.dialects import openai_chat
from msgflux_like.errors import InvalidMessagesError
from msgflux_like.request import ChatRequest, Quirks
from msgflux_like.response.accumulator import ResponseAccumulator
from tests.provider import DONE, USAGE, Reply, chat, delta, sse, stream, whole

THOUGHT = {"type": "thinking", "thinking": "Two cities, one at a time.", "signature": "sig-1"}
HIDDEN = {"type": "redacted_thinking", "data": "ZW5jcnlwdGVk"}
FIRST, SECOND = ({"type": "tool_use", "id": f"toolu_{n}", "name": "weather", "input": {"city": n}} for n in "ab")
SPOKEN = {"type": "text", "text": "Let me look."}
BLOCKS = [THOUGHT, SPOKEN, HIDDEN, FIRST, {**THOUGHT, "signature": "sig-2"}, SECOND]


def claude(blocks: list[dict[str, Any]], stop: str, *, streamed: bool) -> Reply:
    message = {"id": "msg_1", "model": "claude", "type": "message", "role": "assistant", "usage": {"output_tokens": 9}}
    if not streamed:
        return whole({**message, "content": blocks, "stop_reason": stop})
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {**message, "content": []}}]
    for index, block in enumerate(blocks):
        pieces: list[dict[str, Any]] = []
        start = block
        if block["type"] == "thinking":
            start = {**block, "thinking": "", "signature": ""}
            text = block["thinking"]
            pieces = [{"type": "thinking_delta", "thinking": part} for part in (text[:4], text[4:])]
            pieces.append({"type": "signature_delta", "signature": block["signature"]})
        elif block["type"] == "text":
            start = {**block, "text": ""}
            pieces = [{"type": "text_delta", "text": block["text"]}]
        elif block["type"] == "tool_use":
            start = {**block, "input": {}}
            pieces = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": piece} for piece in pieces]
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 9}})
    return stream(*(sse(event) for event in [*events, {"type": "message_stop"}]))


ITEMS: list[dict[str, Any]] = [
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA1", "status": "completed"},
    {"type": "function_call", "id": "fc_1", "call_id": "call_a", "name": "weather", "arguments": '{"city":"a"}'},
    {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAA2", "status": None},
    {"type": "function_call", "id": "fc_2", "call_id": "call_b", "name": "weather", "arguments": '{"city":"b"}'},
]


def responses(items: list[dict[str, Any]], _: str, *, streamed: bool) -> Reply:
    response = {"id": "resp_1", "model": "gpt-5", "status": "completed", "output": items, "usage": {"output_tokens": 9}}
    if not streamed:
        return whole(response)
    done = [
        {"type": f"response.output_item.{when}", "output_index": index, "item": item}
        for index, item in enumerate(items)
        for when in ("added", "done")
    ]
    return stream(*(sse(event) for event in [*done, {"type": "response.completed", "response": response}]))


def chatted(message: dict[str, Any], finish: str, *, streamed: bool) -> Reply:
    if not streamed:
        return whole(chat(finish=finish, **{"text": message.get("content"), **message, "role": "assistant"}))
    calls = [{"index": index, **call} for index, call in enumerate(message.get("tool_calls", ()))]
    pieces = [{"reasoning_content": message["reasoning_content"]}] if "reasoning_content" in message else []
    pieces += [
        {"reasoning_details": [detail]} for detail in message.get("reasoning_details", ()) for detail in split(detail)
    ]
    pieces += [{"content": message["content"]}] if message.get("content") else []
    pieces += [{"tool_calls": [call]} for call in calls]
    pieces += [{"extra_content": message["extra_content"]}] if "extra_content" in message else []
    return stream(*(delta(**piece) for piece in pieces), delta(finish=finish), USAGE, DONE)


def split(detail: dict[str, Any]) -> list[dict[str, Any]]:
    """As a stream has it: the text in pieces, and the signature in a last one without text."""
    if "text" not in detail:
        return [detail]
    common = {name: detail[name] for name in ("type", "format", "index")}
    text = detail["text"]
    pieces = [{**common, "text": part, "signature": None} for part in (text[:3], text[3:])]
    return [*pieces, {**common, "signature": detail["signature"]}]


def call(id_: str, city: str, **more: Any) -> dict[str, Any]:
    function = {"name": "weather", "arguments": json.dumps({"city": city})}
    return {"id": id_, "type": "function", "function": function, **more}


CALLS = [call("call_a", "a"), call("call_b", "b")]
DETAILS = [
    {"type": "reasoning.text", "text": "Two cities.", "signature": "sig", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "enc-a", "id": "call_a", "format": "google-gemini-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "enc-b", "id": "call_b", "format": "google-gemini-v1", "index": 0},
]
SIGNED = [call(f"call_{n}", n, extra_content={"google": {"thought_signature": f"sig-{n}"}}) for n in "ab"]

SENT_BACK = {
    "reasoning": {"type", "id", "summary", "encrypted_content"},
    "function_call": {"type", "call_id", "name", "arguments"},
}

# The model; what the first answer and the last one are made of; the answer as it must be in the second request.
DIALECTS: dict[str, tuple[str, Any, Any, Any, Any]] = {
    "anthropic": ("anthropic/claude-sonnet-4-5", claude, BLOCKS, [{"type": "text", "text": "Warm."}], BLOCKS),
    "responses": (
        "openai-responses/gpt-5",
        responses,
        ITEMS,
        [{"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Warm."}]}],
        [{name: value for name, value in item.items() if name in SENT_BACK[item["type"]]} for item in ITEMS],
    ),
    "reasoning_content": (
        "deepseek/deepseek-v4-pro",
        chatted,
        {"content": "Let me look.", "reasoning_content": "Two cities.", "tool_calls": CALLS},
        {"content": "Warm."},
        {"role": "assistant", "content": "Let me look.", "tool_calls": CALLS, "reasoning_content": "Two cities."},
    ),
    "reasoning_details": (
        "openrouter/google/gemini-3.1-pro-preview",
        chatted,
        {"content": None, "reasoning_details": DETAILS, "tool_calls": CALLS},
        {"content": "Warm."},
        {"role": "assistant", "content": None, "tool_calls": CALLS, "reasoning_details": DETAILS},
    ),
    "extra_content": (
        "openai/gemini-3-pro",
        chatted,
        {"content": "Let me look.", "tool_calls": SIGNED, "extra_content": {"google": {"thought_signature": "sig-t"}}},
        {"content": "Warm."},
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": SIGNED,
            "extra_content": {"google": {"thought_signature": "sig-t"}},
        },
    ),
}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(params=DIALECTS)
def dialect(request):
    return DIALECTS[request.param]


def answered(colour: Any, model: mf.ChatCompletion, messages: Any, *, streamed: bool, **more: Any) -> mf.ModelResponse:
    if not streamed:
        return colour.ask(model, messages, tool_schemas=[TOOL], **more)
    _, response = colour.pieces(model, messages, tool_schemas=[TOOL], **more)
    return response.result() if colour.name == "sync" else asyncio.run(response.aresult())


def sent_back(body: dict[str, Any]) -> Any:
    """The answer in a second request: blocks, items, or a message."""
    if "input" in body:
        return [item for item in body["input"] if item.get("type") in ("reasoning", "function_call")]
    (answer,) = (message for message in body["messages"] if message["role"] == "assistant")
    return answer["content"] if isinstance(answer["content"], list) else answer


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_it_goes_back_as_it_came_after_a_save_and_a_load(colour, provider, model_of, dialect, streamed):
    path, reply, first, last, expected = dialect
    server = provider(reply(first, "tool_use", streamed=streamed), reply(last, "end_turn", streamed=streamed))
    model = model_of(server, path)
    response = answered(colour, model, "How warm is it in a and b?", streamed=streamed)
    calls = response.tool_calls
    calls.insert_results({each.id: "22 C" for each in calls.get_calls()})
    conversation = [{"role": "user", "content": "How warm is it in a and b?"}, *calls.get_messages()]
    saved = json.dumps(conversation)
    final = answered(colour, model, json.loads(saved), streamed=streamed)
    assert final.text == "Warm."
    assert sent_back(server.requests[1].body) == expected
    assert "provider_state" not in server.requests[1].raw.decode()
    assert [change for change in final.changes if change.field != "max_tokens"] == []
    assert json.dumps(conversation) == saved, "what the caller gave is not changed"


def run(colour: Any, model: mf.ChatCompletion, tool: Any) -> mf.ToolRun:
    question = "How warm is it in a and b?"
    if colour.name == "sync":
        return mf.run_tools(model, question, [tool])
    return asyncio.run(mf.arun_tools(model, question, [tool]))


def weather(city: str) -> str:
    """How warm it is."""
    return f"22 C in {city}"


def test_the_tool_loop_sends_it_back(colour, provider, model_of, dialect):
    path, reply, first, last, expected = dialect
    server = provider(reply(first, "tool_use", streamed=False), reply(last, "end_turn", streamed=False))
    found = run(colour, model_of(server, path), weather)
    assert (found.text, found.rounds) == ("Warm.", 2)
    assert sent_back(server.requests[1].body) == expected


def test_the_last_answer_of_a_tool_loop_keeps_its_state_as_well(colour, provider, model_of):
    server = provider(claude([THOUGHT, {"type": "text", "text": "Hi"}], "end_turn", streamed=False))
    found = run(colour, model_of(server, "anthropic/claude-sonnet-4-5"), weather)
    state = {"family": "anthropic:claude", "kind": "thinking", "after": 0, "raw": THOUGHT}
    assert found.messages[-1] == {"role": "assistant", "content": "Hi", "provider_state": [state]}


def test_the_events_of_an_answer_give_the_same_state_again(provider, model_of, dialect):
    path, reply, first, _, _ = dialect
    response = model_of(provider(reply(first, "tool_use", streamed=False)), path)("hi")
    again = ResponseAccumulator()
    again.add(response.events())
    kept = again.provider_state("f", "reasoning_content")
    given = response.message["provider_state"]
    assert [entry["after"] for entry in given] == [entry["after"] for entry in kept][-len(given) :]
    assert [entry["raw"] for entry in given] == [entry["raw"] for entry in kept][-len(given) :]


ANSWER = {
    "role": "assistant",
    "content": None,
    "tool_calls": CALLS[:1],
    "provider_state": [{"family": "anthropic:claude", "kind": "thinking", "after": 0, "raw": THOUGHT}],
}
LOOP = [{"role": "user", "content": "hi"}, ANSWER, {"role": "tool", "tool_call_id": "call_a", "content": "22 C"}]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", [name for name in DIALECTS if name != "anthropic"])
def test_state_of_another_family_is_dropped_and_recorded(colour, provider, model_of, name, streamed):
    path, reply, _, last, _ = DIALECTS[name]
    server = provider(reply(last, "stop", streamed=streamed))
    response = answered(colour, model_of(server, path), LOOP, streamed=streamed)
    assert "sig-1" not in server.requests[0].raw.decode()
    assert "provider_state" not in server.requests[0].raw.decode()
    required = [("emulated", "messages[1].reasoning_content")] if name == "reasoning_content" else []
    expected = [("dropped", "messages[1].provider_state"), *required]
    assert [(change.kind, change.field) for change in response.changes] == expected
    assert "anthropic:claude" in response.changes[0].detail


def test_what_claude_signed_is_read_wherever_claude_is_served(provider, model_of):
    server = provider(claude([SPOKEN], "end_turn", streamed=False))
    response = model_of(server, "opencode/claude-haiku-4-5")(LOOP)
    assert server.requests[0].body["messages"][1]["content"][0] == THOUGHT
    assert [change.kind for change in response.changes] == ["defaulted"]


def test_messages_without_state_are_sent_as_they_are_and_not_copied():
    messages = ({"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello"})
    sent = openai_chat.encode(ChatRequest("m", messages), Quirks()).body["messages"]
    assert all(each is message for each, message in zip(sent, messages, strict=True))


# ---- Anthropic's rules for tool loops


def body_for(model: str, messages: Any, **call: Any) -> tuple[Mapping[str, Any], list[str]]:
    """What is sent, and what of it was dropped."""
    plan = mf.Model.chat_completion(model, api_key="sk-x").plan(messages, **call)
    return plan.body, [change.field for change in plan.changes if change.kind == "dropped"]


def test_reasoning_is_turned_off_where_the_loop_has_lost_it():
    """The API answers such a request with "Expected `thinking`, but found `tool_use`"."""
    foreign = [
        LOOP[0],
        {**ANSWER, "provider_state": [{**ANSWER["provider_state"][0], "family": "gemini:gemini"}]},
        LOOP[2],
    ]
    done = [*foreign, {"role": "assistant", "content": "22 C"}, {"role": "user", "content": "So?"}]
    for messages, lost in ((LOOP, False), (foreign, True), (done, False)):
        sent, dropped = body_for("anthropic/claude-haiku-4-5", messages, reasoning_budget=2000)
        assert ("thinking" in sent) is not lost
        assert ("reasoning" in dropped) is lost


def test_adaptive_thinking_goes_on_without_it():
    plain = [LOOP[0], {name: value for name, value in ANSWER.items() if name != "provider_state"}, LOOP[2]]
    sent, dropped = body_for("anthropic/claude-opus-5", plain, reasoning_effort="high")
    assert sent["thinking"]["type"] == "adaptive"
    assert dropped == []


def test_a_second_call_of_the_loop_needs_no_thought_of_its_own():
    again = {"role": "assistant", "content": None, "tool_calls": [call("call_b", "b")]}
    messages = [*LOOP, again, {"role": "tool", "tool_call_id": "call_b", "content": "23 C"}]
    sent, dropped = body_for("anthropic/claude-haiku-4-5", messages, reasoning_budget=2000)
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    assert dropped == []


def test_state_that_nothing_follows_is_dropped_and_recorded():
    cut = [{**ANSWER, "tool_calls": [], "content": ""}, {"role": "user", "content": "Go on"}]
    sent, dropped = body_for("anthropic/claude-haiku-4-5", cut, reasoning_budget=2000)
    assert [message["role"] for message in sent["messages"]] == ["user"]
    assert "messages[0].provider_state" in dropped


def test_reasoning_without_its_follower_is_not_sent_to_openai():
    state = {"family": "openai_responses:openai", "kind": "reasoning", "after": 0, "raw": ITEMS[0]}
    messages = [{"role": "assistant", "content": "", "provider_state": [state]}, {"role": "user", "content": "Go on"}]
    sent, dropped = body_for("openai-responses/gpt-5", messages)
    assert [item.get("type") for item in sent["input"]] == ["message", None]
    assert dropped == ["messages[0].provider_state"]


def test_the_thoughts_of_a_last_answer_that_is_continued_without_any_are_left_out():
    messages = [LOOP[0], {**ANSWER, "tool_calls": [], "content": "Once"}]
    sent, dropped = body_for("anthropic/claude-haiku-4-5", messages)
    assert sent["messages"][-1]["content"] == [{"type": "text", "text": "Once"}]
    assert dropped == ["messages"]


# ---- what is asked for, and what is refused


@pytest.mark.parametrize(
    ("model", "call", "asked"),
    [
        ("openai-responses/gpt-5", {}, True),
        ("openai-responses/gpt-5", {"reasoning_effort": "low"}, True),
        ("openai-responses/gpt-5.1", {"reasoning_effort": "none"}, False),
        ("openai-responses/gpt-5", {"extra_body": {"store": True}}, False),
        ("openai-responses/gpt-4o", {}, False),
        ("openai/gpt-5-pro", {}, True),
    ],
)
def test_openai_is_asked_for_encrypted_reasoning_of_models_that_reason(model, call, asked):
    sent, _ = body_for(model, "hi", **call)
    assert (sent.get("include") == ["reasoning.encrypted_content"]) is asked
    assert "summary" not in sent.get("reasoning", {})


def test_other_servers_of_the_format_are_not_asked_for_it():
    model = mf.Model.chat_completion("openai-responses/gpt-5", api_key="sk-x", base_url="http://localhost:1/v1")
    assert "include" not in model.plan("hi").body
    model = mf.Model.chat_completion("vllm/gpt-5", dialect="openai_responses")
    assert "include" not in model.plan("hi", reasoning_effort="low").body


@pytest.mark.parametrize("state", ["sig", [1], [{}], [{"family": "f", "kind": "k", "after": "0", "raw": 1}]])
def test_state_that_no_answer_ever_had_is_refused_by_its_place(state):
    with pytest.raises(InvalidMessagesError, match=r"messages\[0\].provider_state"):
        body_for("openai/gpt-4o", [{"role": "assistant", "content": "Hi", "provider_state": state}])


def test_two_calls_of_one_answer_have_two_ids():
    twice = {"role": "assistant", "content": None, "tool_calls": [CALLS[0], CALLS[0]]}
    with pytest.raises(InvalidMessagesError, match=r"messages\[1\].tool_calls\[1\].id is that of another call"):
        body_for("openai/gpt-4o", ["hi", twice])


def test_ids_that_begin_anew_in_every_answer_are_told_apart_for_claude():
    turn = [
        {"role": "assistant", "content": None, "tool_calls": [call("call_0", "a")]},
        {"role": "tool", "tool_call_id": "call_0", "content": "22 C"},
    ]
    plan = mf.Model.chat_completion("anthropic/claude-haiku-4-5", api_key="sk-x").plan(["hi", *turn, *turn])
    ids = [
        block.get("id") or block.get("tool_use_id") for sent in plan.body["messages"][1:] for block in sent["content"]
    ]
    assert ids == ["call_0", "call_0", "call_0_2", "call_0_2"]
    assert [change.field for change in plan.changes if change.kind == "renamed"] == [
        "messages[3].tool_calls[0].id",
        "messages[4].tool_call_id",
    ]


def test_the_detail_of_an_image_is_recorded_where_there_is_no_word_for_it():
    image = mf.ChatBlock.image("https://example.com/cat.jpg", detail="low")
    _, dropped = body_for("anthropic/claude-haiku-4-5", mf.ChatBlock.user("What is this?", media=image))
    assert dropped == ["messages[0].content[1].image_url.detail"]
