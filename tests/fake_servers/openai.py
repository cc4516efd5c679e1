"""What OpenAI says, in both of its formats, and those who took the one over: OpenRouter and Mistral."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tests.fake_servers.recorded_replies import DONE, SIGNATURE, WAIT, Refusal, Said, Speaker, sse


def chat_calls(said: Said) -> list[dict[str, Any]]:
    return [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for id_, name, arguments in said.calls
    ]


CHAT_USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 9,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 16},
    "completion_tokens_details": {"reasoning_tokens": 4},
}


def _chat_whole(said: Said, **more: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(said.text) or None, **more}
    if said.calls:
        message["tool_calls"] = chat_calls(said)
    choice = {"index": 0, "message": message, "finish_reason": said.reason}
    return {"id": "c-1", "model": "m-1", "choices": [choice], "usage": CHAT_USAGE}


def _chat_streamed(said: Said, thoughts: Iterable[dict[str, Any]]) -> list[bytes]:
    deltas = [*thoughts, *({"content": piece} for piece in said.text)]
    for index, call in enumerate(chat_calls(said)):
        begun = {**call, "index": index, "function": {"name": call["function"]["name"], "arguments": ""}}
        more = {"index": index, "function": {"arguments": call["function"]["arguments"]}}
        deltas += [{"tool_calls": [begun]}, {"tool_calls": [more]}]
    chunks = [{"id": "c-1", "model": "m-1", "choices": [{"index": 0, "delta": each}]} for each in deltas]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": said.reason}]}
    return [*sse(chunks), *sse([end, {"choices": [], "usage": CHAT_USAGE}]), DONE]


def _details(said: Said) -> list[dict[str, Any]]:
    if not said.thought:
        return []
    text = {"type": "reasoning.text", "text": "".join(said.thought), "format": "anthropic-claude-v1", "index": 0}
    return [{**text, "signature": SIGNATURE}]


def _details_in_pieces(said: Said) -> list[dict[str, Any]]:
    """The signature comes in a last piece, without text."""
    (whole,) = _details(said) or [{}]
    pieces = [{**whole, "text": piece, "signature": None} for piece in said.thought]
    return [{"reasoning_details": [piece]} for piece in ([*pieces, {**whole, "text": ""}] if pieces else [])]


def _of_openai(message: str, code: str | None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code, "param": None}}


OPENAI_REFUSALS = {
    "key": Refusal(401, _of_openai("Incorrect API key provided.", "invalid_api_key")),
    "model": Refusal(404, _of_openai("The model does not exist.", "model_not_found")),
    "rate": Refusal(429, _of_openai("Rate limit reached.", "rate_limit_exceeded", "requests"), WAIT),
    "long": Refusal(400, _of_openai("Too many tokens.", "context_length_exceeded")),
    "filter": Refusal(400, _of_openai("The prompt was filtered.", "content_filter")),
}
CHAT_FAILED = sse([_of_openai("The server had an error.", None, "server_error")])[0]

OPENROUTER = Speaker(
    path="openrouter/anthropic/claude-sonnet-4.5",
    whole=lambda said: _chat_whole(said, **({"reasoning_details": found} if (found := _details(said)) else {})),
    streamed=lambda said: _chat_streamed(said, _details_in_pieces(said)),
    ends=3,
    kept=_details,
    refusals=OPENAI_REFUSALS,
    failed=CHAT_FAILED,
)
OPENAI = Speaker(
    path="openai/gpt-5.1",
    whole=lambda said: _chat_whole(said, reasoning_content="".join(said.thought)),
    streamed=lambda said: _chat_streamed(said, ({"reasoning_content": piece} for piece in said.thought)),
    ends=3,
    kept=lambda _: None,  # OpenAI's chat completions want nothing back
    refusals=OPENAI_REFUSALS,
    failed=CHAT_FAILED,
)


def _mistral_thought(pieces: Iterable[str]) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": piece} for piece in pieces]}


def _mistral_whole(said: Said) -> dict[str, Any]:
    content: Any = [_mistral_thought(["".join(said.thought)])] if said.thought else []
    content += [{"type": "text", "text": "".join(said.text)}] if said.text else []
    return _chat_whole(said, content=content)


def _of_mistral(message: str, kind: str) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": kind, "param": None, "code": "1"}


MISTRAL = Speaker(
    path="mistral/mistral-medium-latest",
    whole=_mistral_whole,
    streamed=lambda said: _chat_streamed(said, ({"content": [_mistral_thought([each])]} for each in said.thought)),
    ends=3,
    kept=lambda said: _mistral_thought(["".join(said.thought)]),
    refusals={
        "key": Refusal(401, {"detail": "Invalid API Key"}),
        "model": Refusal(404, _of_mistral("Invalid model: m", "invalid_model")),
        "rate": Refusal(429, _of_mistral("Requests rate limit exceeded", "rate_limited"), WAIT),
        "long": Refusal(
            400,
            _of_mistral(
                "Prompt contains 200001 tokens and 0 draft tokens, too large for model with 131072 maximum context "
                "length",
                "invalid_request_prompt",
            ),
        ),
    },
    failed=sse([_of_mistral("Service unavailable.", "internal_server_error")])[0],
)


# ---- the Responses format


def _items(said: Said) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if said.thought:
        summary = [{"type": "summary_text", "text": "".join(said.thought)}]
        items.append({"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": SIGNATURE})
    if said.text:
        text = {"type": "output_text", "text": "".join(said.text), "annotations": []}
        items.append({"type": "message", "id": "msg_1", "role": "assistant", "content": [text]})
    items += [
        {"type": "function_call", "id": f"fc_{id_}", "call_id": id_, "name": name, "arguments": json.dumps(arguments)}
        for id_, name, arguments in said.calls
    ]
    return items


def _responses_whole(said: Said) -> dict[str, Any]:
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    usage = {
        "input_tokens": 20,
        "output_tokens": 9,
        "total_tokens": 29,
        "input_tokens_details": {"cached_tokens": 16},
        "output_tokens_details": {"reasoning_tokens": 4},
    }
    head = {"id": "resp_1", "model": "m-1", "output": _items(said), "usage": usage}
    if said.finish in reasons:
        return {**head, "status": "incomplete", "incomplete_details": {"reason": reasons[said.finish]}}
    return {**head, "status": "completed"}


def _responses_streamed(said: Said) -> list[bytes]:
    deltas = {
        "reasoning": ("response.reasoning_summary_text.delta", said.thought),
        "message": ("response.output_text.delta", said.text),
    }
    empty = {"reasoning": {"summary": [], "encrypted_content": ""}, "message": {"content": []}}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": {"id": "resp_1", "model": "m-1"}}]
    for index, item in enumerate(_items(said)):
        kind, pieces = deltas.get(item["type"], ("response.function_call_arguments.delta", (item.get("arguments"),)))
        begun = {**item, **empty.get(item["type"], {"arguments": ""})}
        events.append({"type": "response.output_item.added", "output_index": index, "item": begun})
        events += [{"type": kind, "output_index": index, "delta": piece} for piece in pieces]
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    whole = _responses_whole(said)
    return sse([*events, {"type": f"response.{whole['status']}", "response": whole}])


RESPONSES = Speaker(
    path="openai-responses/gpt-5.1",
    whole=_responses_whole,
    streamed=_responses_streamed,
    ends=1,
    kept=lambda said: _items(Said(thought=said.thought))[0],
    refusals=OPENAI_REFUSALS,
    failed=sse(
        [{"type": "response.failed", "response": {"error": {"code": "server_error", "message": "The server failed."}}}]
    )[0],
)
