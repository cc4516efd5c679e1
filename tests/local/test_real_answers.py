"""The embedded model answers in three dialects, asked with nothing but urllib."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from msgflux_like.local import llama

QUESTION = {"role": "user", "content": "What is the capital of France?"}
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "Get the weather of a city", "parameters": WEATHER}
TOOL = {"type": "function", "function": FUNCTION}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "22 degrees"}

BODIES: dict[str, dict[str, Any]] = {
    "/chat/completions": {"messages": [QUESTION], "max_tokens": 20},
    "/responses": {"input": "What is the capital of France?", "max_output_tokens": 20},
    "/messages": {"messages": [QUESTION], "max_tokens": 20},
}
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def post(url: str, body: dict[str, Any], **headers: str) -> bytes:
    body = {"model": "smollm2", "temperature": 0, **body}
    headers |= {"content-type": "application/json"}
    with NO_PROXY.open(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=120) as reply:
        return reply.read()


def text_of(path: str, reply: dict[str, Any]) -> str:
    match path:
        case "/chat/completions":
            return reply["choices"][0]["message"]["content"]
        case "/responses":
            return reply["output"][-1]["content"][0]["text"]
        case _:
            return reply["content"][0]["text"]


def streamed_text_of(path: str, events: list[dict[str, Any]]) -> str:
    match path:
        case "/chat/completions":
            return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
        case "/responses":
            return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
        case _:
            return "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")


@pytest.mark.parametrize("path", BODIES)
def test_whole_and_streamed_say_the_same(local_server, path):
    whole = text_of(path, json.loads(post(local_server + path, BODIES[path])))
    wire = post(local_server + path, {**BODIES[path], "stream": True}).decode()
    data = [line.removeprefix("data: ") for line in wire.splitlines() if line.startswith("data: ")]
    events = [json.loads(line) for line in data if line != "[DONE]"]
    assert "Paris" in whole
    assert streamed_text_of(path, events) == whole
    assert len(events) > 3


def first_call(server: str, **body: Any) -> dict[str, Any]:
    body = {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False, "max_tokens": 60, **body}
    choice = json.loads(post(server + "/chat/completions", body))["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    return call["function"]


def test_a_required_tool_is_called_as_its_schema_says(local_server):
    call = first_call(local_server, messages=[{"role": "user", "content": "What is the weather in Paris?"}])
    assert call["name"] == "get_weather"
    assert json.loads(call["arguments"]) == {"city": "Paris"}


def test_tools_that_must_not_be_used_do_not_disturb_the_answer(local_server):
    body = {"messages": [QUESTION], "tools": [TOOL], "tool_choice": "none", "max_tokens": 20}
    message = json.loads(post(local_server + "/chat/completions", body))["choices"][0]["message"]
    assert message["content"].startswith("The capital of France is Paris")


@pytest.mark.parametrize("calling", [{"content": None}, {"content": "Let me see."}, {}])
def test_a_tool_result_may_follow_a_call_with_or_without_text(local_server, calling):
    history = [QUESTION, {"role": "assistant", **calling, "tool_calls": [CALL]}, RESULT]
    assert post(local_server + "/chat/completions", {"messages": history, "max_tokens": 5})
    assert first_call(local_server, messages=history)["name"] == "get_weather"


def prompt_of(server: str, **body: Any) -> str:
    """What the template makes of it."""
    return json.loads(post(server.removesuffix("/v1") + "/apply-template", body))["prompt"]


def test_the_prompt_is_chatml_with_null_and_parts_understood(local_server):
    history = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {**RESULT, "content": [{"type": "text", "text": "22 degrees"}]},
        {"role": "assistant", "content": "It is warm."},
        QUESTION,
    ]
    assert prompt_of(local_server, messages=history, tools=[TOOL]) == (
        "<|im_start|>system\nYou can call these functions:\n" + json.dumps(FUNCTION) + "\n<|im_end|>\n"
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nHello<|im_end|>\n"
        '<|im_start|>assistant\n>>>get_weather\n{"city": "Paris"}<|im_end|>\n'
        "<|im_start|>user\nThe function returned: 22 degrees<|im_end|>\n"
        "<|im_start|>assistant\n>>>all\nIt is warm.<|im_end|>\n"
        "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_a_json_schema_binds_the_answer(local_server):
    schema = {"type": "object", "properties": {"capital": {"type": "string"}}, "required": ["capital"]}
    body = {
        "messages": [QUESTION],
        "max_tokens": 60,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
    }
    message = json.loads(post(local_server + "/chat/completions", body))["choices"][0]["message"]
    assert list(json.loads(message["content"])) == ["capital"]


def test_many_callers_at_once_are_all_answered(local_server):
    path = "/chat/completions"
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: post(local_server + path, BODIES[path]), range(8)))
    assert all("Paris" in text_of(path, json.loads(reply)) for reply in replies)


@pytest.mark.parametrize("path", ["/slots", "/metrics"])
def test_nobody_else_on_the_machine_can_read_the_prompts(local_server, path):
    with pytest.raises(urllib.error.HTTPError) as raised:
        NO_PROXY.open(local_server.removesuffix("/v1") + path)
    raised.value.close()
    assert raised.value.code == 501


@pytest.mark.usefixtures("local_server")
def test_a_server_with_a_key_refuses_those_without():
    with llama.LocalServer(api_key="secret", context_tokens=512, name="tiny") as server:
        url = server.base_url + "/chat/completions"
        with pytest.raises(urllib.error.HTTPError) as raised:
            post(url, BODIES["/chat/completions"])
        raised.value.close()
        assert raised.value.code == 401
        reply = json.loads(post(url, {**BODIES["/chat/completions"], "model": "tiny"}, authorization="Bearer secret"))
        assert reply["model"] == "tiny"
        long = {"messages": [{"role": "user", "content": "word " * 600}]}
        with pytest.raises(urllib.error.HTTPError) as raised:
            post(url, long, authorization="Bearer secret")
        assert json.load(raised.value)["error"]["type"] == "exceed_context_size_error"
        raised.value.close()
