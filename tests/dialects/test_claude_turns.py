"""Answers of Claude with the provider's own tools: read, kept at their place, and sent back block by block.

The replies are written from the documentation: https://docs.claude.com/en/docs/agents-and-tools/tool-use/web-search-tool,
https://docs.claude.com/en/docs/agents-and-tools/tool-use/programmatic-tool-calling,
https://docs.claude.com/en/docs/build-with-claude/citations and
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

import msgflux_like as mf
from msgflux_like.events import Finished, ProviderState
from msgflux_like.testing import FakeProvider, FakeReply
from tests.eventstreams import event as frame

SONNET = "anthropic/claude-sonnet-4-5"
NOVA = "amazon-bedrock/us.amazon.nova-pro-v1:0"

SEARCHING = {"type": "text", "text": "Searching. "}
USE = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
RESULT = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [{"type": "web_search_result", "url": "https://e.com", "title": "t", "encrypted_content": "ENC"}],
}
SECOND_USE = {**USE, "id": "srvtoolu_2"}
SECOND_RESULT = {**RESULT, "tool_use_id": "srvtoolu_2"}
SOURCE = {
    "type": "web_search_result_location",
    "url": "https://e.com",
    "title": "t",
    "cited_text": "Paris is the capital.",
    "encrypted_index": "IDX",
}
FOUND = {"type": "text", "text": "It is "}
CITED = {"type": "text", "text": "Paris", "citations": [SOURCE]}
END = {"type": "text", "text": "."}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1}}
CALLED_BY_CODE = {**CALL, "caller": {"type": "code_execution_20250825", "tool_id": "srvtoolu_9"}}


def message(*blocks: Any, stop: str = "end_turn", **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 3, "output_tokens": 2}
    found = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": list(blocks)}
    return {**found, "stop_reason": stop, "usage": usage, **more}


def pieces_of(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The start of a block and its deltas, as the documentation has them."""
    kind = block["type"]
    if kind == "text":
        citations = block.get("citations", [])
        start: dict[str, Any] = {**block, "text": "", **({"citations": []} if citations else {})}
        cited = [{"type": "citations_delta", "citation": each} for each in citations]
        return start, [*cited, *({"type": "text_delta", "text": letter} for letter in block["text"])]
    if kind == "thinking":
        start = {**block, "thinking": "", "signature": ""}
        signed = [{"type": "signature_delta", "signature": block["signature"]}] if "signature" in block else []
        return start, [{"type": "thinking_delta", "thinking": block["thinking"]}, *signed]
    if "input" in block:
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
    return block, []


def streamed(reply: dict[str, Any]) -> FakeReply:
    top = {name: value for name, value in reply.items() if name not in ("content", "stop_reason", "container")}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {**top, "content": []}}]
    for index, block in enumerate(reply["content"]):
        start, deltas = pieces_of(block)
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    end = {name: reply[name] for name in ("stop_reason", "stop_details", "container") if name in reply}
    events += [{"type": "message_delta", "delta": end, "usage": {"output_tokens": 2}}, {"type": "message_stop"}]
    return FakeReply.streamed(*(b"data: " + json.dumps(each).encode() + b"\n\n" for each in events))


def model(path: str, *replies: Any, **options: Any) -> tuple[mf.ChatCompletion, FakeProvider]:
    provider = FakeProvider([each if isinstance(each, FakeReply) else FakeReply.whole(each) for each in replies])
    if path.startswith("amazon"):
        options = {"base_url": "https://bedrock-runtime.us-east-1.amazonaws.com", **options}
    options = {"api_key": "k", "max_retries": 0, "max_tokens": 99, **options}
    return mf.Model.chat_completion(path, http_client=provider, **options), provider


def answered(reply: dict[str, Any], *, stream: bool, path: str = SONNET) -> mf.ModelResponse:
    chat, _ = model(path, streamed(reply) if stream else reply)
    if not stream:
        return chat("q")
    return chat("q", stream=True).result()


def sent_back(answer: dict[str, Any], *after: Any, path: str = SONNET, **call: Any) -> tuple[list[Any], list[str]]:
    planned = model(path)[0].plan(["q", json.loads(json.dumps(answer)), *after], **call)
    changes = [change.field for change in planned.changes]
    return next(turn["content"] for turn in planned.body["messages"] if turn["role"] == "assistant"), changes


both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])

ANSWERS: dict[str, list[dict[str, Any]]] = {
    "a paused search": [SEARCHING, USE, RESULT, SECOND_USE],
    "a finished search": [SEARCHING, USE, RESULT, FOUND, CITED, END],
    "a search first": [USE, RESULT, FOUND],
    "two cited texts": [CITED, {**CITED, "text": "London"}],
    "a cited text at the end": [FOUND, CITED],
    "MCP": [
        {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "n", "server_name": "s", "input": {"a": 1}},
        {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": False, "content": []},
        FOUND,
    ],
    "code and its files": [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "bash_code_execution", "input": {"command": "ls"}},
        {"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": {"stdout": "a"}},
        {"type": "container_upload", "file_id": "file_1"},
        FOUND,
    ],
    "compaction": [{"type": "compaction", "content": "Summary."}, FOUND],
    "a kind of the future": [FOUND, {"type": "hologram", "depth": 3}, END],
    "thoughts between": [
        {"type": "thinking", "thinking": "Hm.", "signature": "s1"},
        USE,
        RESULT,
        {"type": "thinking", "thinking": "So.", "signature": "s2"},
        FOUND,
        {"type": "redacted_thinking", "data": "ZW5j"},
        CALL,
    ],
    "a call by code": [
        {"type": "server_tool_use", "id": "srvtoolu_9", "name": "code_execution", "input": {"code": "f()"}},
        CALLED_BY_CODE,
        {**CALLED_BY_CODE, "id": "toolu_2"},
    ],
}


@both
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_goes_back_block_by_block_as_it_came(name: str, stream: bool):
    blocks = ANSWERS[name]
    calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    stop = "tool_use" if calls else "pause_turn" if blocks[-1]["type"] == "server_tool_use" else "end_turn"
    response = answered(message(*blocks, stop=stop), stream=stream)
    results = [{"role": "tool", "tool_call_id": call, "content": "22"} for call in calls]
    after = results or ([] if stop == "pause_turn" else ["more"])
    sent, changes = sent_back(response.message, *after)
    assert sent == blocks
    assert changes == []
    assert not response.warnings


@both
def test_the_container_of_an_answer_is_asked_for_again(stream: bool):
    container = {"id": "container_1", "expires_at": "2026-01-01T00:00:00Z"}
    response = answered(message(FOUND, container=container), stream=stream)
    chat, _ = model(SONNET)
    assert chat.plan(["q", response.message, "more"]).body["container"] == "container_1"
    assert chat.plan(["q", response.message, "more"], extra_body={"container": "c"}).body["container"] == "c"
    bedrock, _ = model("amazon-bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", dialect="bedrock_anthropic")
    planned = bedrock.plan(["q", response.message, "more"])
    assert "container" not in planned.body
    assert [change.kind for change in planned.changes] == ["dropped"]


@both
def test_citations_have_their_words_and_their_place_in_the_text(stream: bool):
    response = answered(message(SEARCHING, USE, RESULT, FOUND, CITED, END), stream=stream)
    (citation,) = response.citations
    assert (citation.url, citation.title, citation.text) == ("https://e.com", "t", "Paris is the capital.")
    assert response.text[citation.start : citation.end] == "Paris"


LOCATIONS: dict[str, dict[str, Any]] = {
    "char_location": {"document_index": 0, "document_title": "D", "start_char_index": 0, "end_char_index": 9},
    "page_location": {"document_index": 0, "document_title": "D", "start_page_number": 1, "end_page_number": 2},
    "content_block_location": {
        "document_index": 0,
        "document_title": "D",
        "start_block_index": 0,
        "end_block_index": 1,
    },
    "search_result_location": {"source": "https://s.com", "title": "D", "search_result_index": 0},
    "web_search_result_location": {"url": "https://s.com", "title": "D", "encrypted_index": "I"},
}


@both
@pytest.mark.parametrize("kind", LOCATIONS)
def test_each_kind_of_citation_has_one_shape(kind: str, stream: bool):
    cited = {**CITED, "citations": [{"type": kind, "cited_text": "quoted", **LOCATIONS[kind]}]}
    response = answered(message(FOUND, cited), stream=stream)
    (citation,) = response.citations
    assert (citation.title, citation.text) == ("D", "quoted")
    assert citation.url == ("" if "document_index" in LOCATIONS[kind] else "https://s.com")
    assert response.text[citation.start : citation.end] == "Paris"
    assert citation.raw == cited["citations"][0]


@both
def test_two_calls_with_one_id_are_two_calls(stream: bool):
    response = answered(message(CALL, {**CALL, "input": {"x": 2}}, stop="tool_use"), stream=stream)
    calls = response.tool_calls
    assert [call.arguments for call in calls.get_calls()] == [{"x": 1}, {"x": 2}]
    for call in calls.get_calls():
        calls.insert_results(call.id, str(call.arguments["x"] * 10))
    turns = model(SONNET)[0].plan(["q", *calls.get_messages()]).body["messages"]
    results = {block["tool_use_id"]: block["content"] for block in turns[2]["content"]}
    assert [results[block["id"]] for block in turns[1]["content"]] == ["10", "20"]


@both
def test_unsigned_thinking_goes_back_to_hosts_that_sign_none_alone(stream: bool):
    thinking = {"type": "thinking", "thinking": "Hm."}
    path = "minimax/MiniMax-M2"
    response = answered(message(thinking, FOUND), stream=stream, path=path)
    sent, changes = sent_back(response.message, "more", path=path)
    assert sent[0]["thinking"] == "Hm."
    assert changes == []
    response = answered(message(thinking, FOUND, stop="max_tokens"), stream=stream)
    sent, changes = sent_back(response.message, "more")
    assert sent == [FOUND]
    assert changes == ["messages[1].provider_state"]


@both
def test_an_answer_of_blanks_is_left_out(stream: bool):
    signed = {"type": "thinking", "thinking": "", "signature": "s"}
    response = answered(message(signed, {"type": "text", "text": " \n"}), stream=stream)
    planned = model(SONNET)[0].plan(["q", response.message, "go on"])
    assert [turn["role"] for turn in planned.body["messages"]] == ["user"]
    assert {change.kind for change in planned.changes} == {"dropped"}


def test_a_search_that_was_cut_is_dropped_once_the_user_speaks_again():
    response = answered(message(SEARCHING, USE, stop="max_tokens"), stream=False)
    sent, changes = sent_back(response.message, "more")
    assert [block["type"] for block in sent] == ["text"]
    assert changes == ["messages"]
    alone = answered(message(USE, stop="max_tokens"), stream=False)
    planned = model(SONNET)[0].plan(["q", alone.message, "more"])
    assert [turn["role"] for turn in planned.body["messages"]] == ["user"]


@pytest.mark.parametrize("path", [SONNET, NOVA])
def test_a_call_without_a_result_gets_an_error_that_is_recorded(path: str):
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    calls = {"role": "assistant", "content": None, "tool_calls": [call, {**call, "id": "c2"}]}
    f = {"type": "function", "function": {"name": "f"}}
    given = ["q", calls, {"role": "tool", "tool_call_id": "c2", "content": "22"}, "never mind"]
    planned = model(path)[0].plan(given, tool_schemas=[f])
    results = json.dumps(planned.body["messages"][2]["content"])
    assert results.count("no result") == 1
    assert [change.kind for change in planned.changes] == ["emulated"]
    with pytest.raises(mf.errors.InvalidRequestError):
        model(path)[0].plan(given, tool_schemas=[f], changes="refuse")


def test_converse_begins_with_the_user():
    planned = model(NOVA)[0].plan([{"role": "assistant", "content": "Hello!"}, "q"])
    assert [turn["role"] for turn in planned.body["messages"]] == ["user", "assistant", "user"]
    assert [change.kind for change in planned.changes] == ["emulated"]


# ------------------------------------------------------------------------------------------------- three turns


def f(x: int) -> int:
    """Multiply by ten."""
    return x * 10


def conversation() -> list[dict[str, Any]]:
    return [
        message(SEARCHING, USE, RESULT, SECOND_USE, stop="pause_turn"),
        message(SECOND_RESULT, FOUND, CITED, CALL, stop="tool_use"),
        message({"type": "text", "text": "Done."}),
    ]


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_the_tool_loop_goes_on_from_a_paused_turn(colour: str):
    chat, provider = model(SONNET, *conversation())
    run = mf.run_tools(chat, "q", [f]) if colour == "sync" else asyncio.run(mf.arun_tools(chat, "q", [f]))
    assert run.text == "Done."
    assert run.rounds == 3
    second, third = (request.body["messages"] for request in provider.requests[1:])
    assert second[1] == {"role": "assistant", "content": [SEARCHING, USE, RESULT, SECOND_USE]}
    whole = [SEARCHING, USE, RESULT, SECOND_USE, SECOND_RESULT, FOUND, CITED, CALL]
    assert third[1] == {"role": "assistant", "content": whole}
    assert third[2]["content"][0]["content"] == "10"


def test_a_loop_that_pauses_for_ever_ends():
    chat, _ = model(SONNET, *[message(USE, stop="pause_turn")] * 2)
    with pytest.raises(mf.errors.MaxRoundsError):
        mf.run_tools(chat, "q", [f], max_rounds=2)


@both
def test_a_conversation_with_hosted_tools_goes_three_turns(stream: bool):
    replies = [streamed(each) if stream else each for each in conversation()]
    chat, provider = model(SONNET, *replies)
    messages: list[Any] = [{"role": "user", "content": "q"}]
    for _ in range(3):
        response = chat(messages, stream=True).result() if stream else chat(messages)
        messages.append(json.loads(json.dumps(response.message)))
        messages += [
            {"role": "tool", "tool_call_id": call.id, "content": "10"} for call in response.tool_calls.get_calls()
        ]
    assert provider.requests[2].body["messages"][1]["content"] == [
        *(SEARCHING, USE, RESULT, SECOND_USE, SECOND_RESULT, FOUND, CITED, CALL)
    ]
    assert messages[-1]["content"] == "Done."


def test_a_paused_turn_says_so():
    response = answered(message(USE, stop="pause_turn"), stream=False)
    assert response.metadata.finish_reason == "unknown"
    assert response.metadata.finish_reason_raw == "pause_turn"


# ------------------------------------------------------------------------------------------------- Converse

CONVERSE: dict[str, list[dict[str, Any]]] = {
    "a server tool": [
        {"text": "I look. "},
        {"toolUse": {"toolUseId": "s1", "name": "nova_grounding", "type": "server_tool_use", "input": {"q": "x"}}},
        {"toolResult": {"toolUseId": "s1", "type": "nova_grounding_result", "content": [{"text": "r"}]}},
        {"text": "Found."},
    ],
    "cited text": [
        {"text": "It is "},
        {
            "citationsContent": {
                "content": [{"text": "Paris"}],
                "citations": [
                    {
                        "title": "D",
                        "sourceContent": [{"text": "quoted"}],
                        "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 5}},
                    }
                ],
            }
        },
        {"text": "."},
    ],
    "signed reasoning": [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}},
        {"text": "Hi."},
        {"reasoningContent": {"redactedContent": "ZW5j"}},
        {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"x": 1}}},
    ],
    "a kind of the future": [{"text": "A"}, {"hologram": {"depth": 3}}, {"text": "B"}],
}


def converse(*blocks: Any, stop: str = "end_turn", **more: Any) -> dict[str, Any]:
    usage = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
    return {"output": {"message": {"content": list(blocks)}}, "stopReason": stop, "usage": usage, **more}


def converse_events(blocks: Sequence[dict[str, Any]]) -> FakeReply:
    frames: list[tuple[str, Any]] = [("messageStart", {"role": "assistant"})]
    for index, block in enumerate(blocks):
        deltas: list[Any] = []
        start: Any = None
        match block:
            case {"text": text}:
                deltas = [{"text": letter} for letter in text]
            case {"citationsContent": cited}:
                deltas = [{"text": piece["text"]} for piece in cited["content"]]
                deltas += [{"citation": each} for each in cited["citations"]]
            case {"reasoningContent": {"reasoningText": inner}}:
                deltas = [{"reasoningContent": {name: value}} for name, value in inner.items()]
            case {"reasoningContent": inner}:
                deltas = [{"reasoningContent": inner}]
            case {"toolUse": use}:
                start = {"toolUse": {name: value for name, value in use.items() if name != "input"}}
                deltas = [{"toolUse": {"input": json.dumps(use["input"])}}]
            case {"toolResult": result}:
                start = {"toolResult": {name: value for name, value in result.items() if name != "content"}}
                deltas = [{"toolResult": result["content"]}]
            case _:
                start = block
        if start is not None:
            frames.append(("contentBlockStart", {"contentBlockIndex": index, "start": start}))
        frames += [("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas]
        frames.append(("contentBlockStop", {"contentBlockIndex": index}))
    frames.append(("messageStop", {"stopReason": "end_turn"}))
    frames.append(("metadata", {"usage": {"inputTokens": 3, "outputTokens": 2}, "trace": {"guardrail": {"a": "b"}}}))
    body = b"".join(frame(kind, json.dumps(payload).encode()) for kind, payload in frames)
    return FakeReply(200, {"content-type": "application/vnd.amazon.eventstream"}, (body,))


@both
@pytest.mark.parametrize("name", CONVERSE)
def test_an_answer_of_converse_goes_back_block_by_block(name: str, stream: bool):
    blocks = CONVERSE[name]
    chat, _ = model(NOVA, converse_events(blocks) if stream else converse(*blocks, trace={"guardrail": {"a": "b"}}))
    response = chat("q", stream=True).result() if stream else chat("q")
    assert response.provider_fields["trace"] == {"guardrail": {"a": "b"}}
    results = [{"role": "tool", "tool_call_id": "t1", "content": "22"}] if "signed" in name else ["more"]
    f_ = {"type": "function", "function": {"name": "f"}}
    sent, changes = sent_back(response.message, *results, path=NOVA, tool_schemas=[f_])
    assert sent == blocks
    assert changes == []
    for citation in response.citations:
        assert (citation.title, citation.text) == ("D", "quoted")
        assert response.text[citation.start : citation.end] == "Paris"


@both
def test_a_malformed_answer_of_converse_is_an_error_with_what_came(stream: bool):
    frames = [
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "par"}}),
        ("messageStop", {"stopReason": "malformed_tool_use"}),
        ("metadata", {"usage": {"inputTokens": 3, "outputTokens": 2}}),
    ]
    body = b"".join(frame(kind, json.dumps(payload).encode()) for kind, payload in frames)
    events = FakeReply(200, {"content-type": "application/vnd.amazon.eventstream"}, (body,))
    chat, _ = model(NOVA, events if stream else converse({"text": "par"}, stop="malformed_tool_use"))
    with pytest.raises(mf.errors.APIError, match="not valid") as caught:
        chat("q", stream=True).result() if stream else chat("q")
    if stream:
        assert caught.value.partial is not None
        assert caught.value.partial.text == "par"


def test_a_guardrail_says_why():
    reply = converse({"text": "No."}, stop="guardrail_intervened", trace={"guardrail": {"actionReason": "Because."}})
    response = model(NOVA, reply)[0]("q")
    assert response.metadata.finish_reason == "content_filter"
    assert response.metadata.finish_message == "Because."


def test_a_conversation_with_a_server_tool_goes_three_turns_with_converse():
    chat, provider = model(NOVA, *[converse(*CONVERSE["a server tool"])] * 3)
    messages: list[Any] = []
    for question in ("a", "b", "c"):
        messages.append({"role": "user", "content": question})
        messages.append(json.loads(json.dumps(chat(messages).message)))
    turns = provider.requests[2].body["messages"]
    assert [turn["content"] for turn in turns[1::2]] == [CONVERSE["a server tool"]] * 2


# ------------------------------------------------------------------------------------------------- side fields

HI = {"type": "text", "text": "hi"}
ODD: dict[str, dict[str, Any]] = {
    "usage is a list": {"usage": []},
    "usage is a word": {"usage": "many"},
    "tokens are fractions": {"usage": {"input_tokens": 1.5, "output_tokens": 2}},
    "id is a number": {"id": 12},
    "model is an object": {"model": {"name": "claude"}},
    "container is a word": {"container": "c"},
    "stop_details is a list": {"stop_details": ["x"]},
    "citations is a word": {"content": [{"type": "text", "text": "hi", "citations": "none"}]},
    "citations are null": {"content": [{"type": "text", "text": "hi", "citations": [None]}]},
    "a citation has a number for a title": {"content": [{"type": "text", "text": "hi", "citations": [{"title": 3}]}]},
    "a signature is a number": {
        "content": [{"type": "thinking", "thinking": "", "signature": 3}, {"type": "text", "text": "hi"}]
    },
    "thinking is a list": {"content": [{"type": "thinking", "thinking": ["x"]}, {"type": "text", "text": "hi"}]},
    "a block is null": {"content": [None, {"type": "text", "text": "hi"}]},
    "a type is a list": {"content": [{"type": ["x"]}, {"type": "text", "text": "hi"}]},
}


@pytest.mark.parametrize("name", ODD)
def test_an_answer_is_not_lost_for_a_side_field(name: str):
    reply = {**message(HI), **ODD[name]}
    assert model(SONNET, reply)[0]("q").text == "hi"


@pytest.mark.parametrize("content", ["text", {"a": 1}, 3, ["text"], [{"type": "text", "text": ["hi"]}]])
def test_an_answer_of_the_wrong_shape_is_a_bad_reply(content: Any):
    with pytest.raises(mf.errors.APIError):
        model(SONNET, {**message(), "content": content})[0]("q")


def test_the_end_mark_of_other_formats_is_no_evidence():
    reply = streamed(message(FOUND))
    cut = FakeReply.streamed(*reply.pieces[:4], b"data: [DONE]\n\n")
    with pytest.raises(mf.errors.TruncatedStreamError):
        model(SONNET, cut)[0]("q", stream=True).result()


def test_a_usage_report_without_a_stop_reason_is_no_evidence():
    reply = streamed(message(FOUND))
    report = {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 2}}
    cut = FakeReply.streamed(*reply.pieces[:4], b"data: " + json.dumps(report).encode() + b"\n\n")
    with pytest.raises(mf.errors.TruncatedStreamError):
        model(SONNET, cut)[0]("q", stream=True).result()


def test_an_error_in_a_stream_keeps_its_body_and_what_came():
    reply = streamed(message(FOUND))
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded", "details": "MARK"}}
    broken = FakeReply.streamed(*reply.pieces[:5], b"event: error\ndata: " + json.dumps(error).encode() + b"\n\n")
    with pytest.raises(mf.errors.APIError, match="Overloaded") as caught:
        model(SONNET, broken)[0]("q", stream=True).result()
    assert "MARK" in str(caught.value.body)
    assert caught.value.partial is not None
    assert FOUND["text"].startswith(caught.value.partial.text)


@both
def test_a_refusal_says_why(stream: bool):
    details = {"type": "refusal", "category": "cyber", "explanation": "Because."}
    response = answered(message(FOUND, stop="refusal", stop_details=details), stream=stream)
    assert response.metadata.finish_message == "Because."
    assert response.metadata.finish_reason == "content_filter"


def test_events_of_a_stream_end_once():
    chat, _ = model(SONNET, streamed(message(*ANSWERS["a finished search"])))
    events = list(chat("q", stream=True).events())
    assert sum(isinstance(each, Finished) for each in events) == 1
    assert sum(isinstance(each, ProviderState) for each in events) == 3


# ------------------------------------------------------------------------------------------------- changed state

CONVERSE_CLAUDE = "amazon-bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
FAMILIES = {SONNET: "anthropic:claude", CONVERSE_CLAUDE: "bedrock_converse:claude"}


@pytest.mark.parametrize("path", FAMILIES)
@pytest.mark.parametrize(
    "kind", ["thinking", "text_fields", "tool_use_fields", "container", "toolUse", "toolResult", "x"]
)
@pytest.mark.parametrize(
    "raw", [None, 3, "x", [None], {"type": "text"}, {"type": "tool_use"}, {"type": ["x"]}, {"length": "x"}], ids=str
)
def test_state_that_was_changed_since_is_no_raw_exception(path: str, kind: str, raw: Any):
    entries = [{"family": FAMILIES[path], "kind": kind, "after": 1, "raw": raw, "offset": offset} for offset in (0, 2)]
    answer = {"role": "assistant", "content": "Hello", "provider_state": entries}
    texts = json.dumps(model(path)[0].plan(["q", answer, "more"]).body["messages"][1])
    assert "He" in texts
