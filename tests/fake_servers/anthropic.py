"""What Claude says, at Anthropic, at Google and at Amazon."""

from __future__ import annotations

import json
from typing import Any

from tests.eventstreams import event, exception
from tests.fake_servers.recorded_replies import SIGNATURE, WAIT, Refusal, Said, Speaker, sse


def _blocks(said: Said) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.thought:
        blocks.append({"type": "thinking", "thinking": "".join(said.thought), "signature": SIGNATURE})
    if said.text:
        blocks.append({"type": "text", "text": "".join(said.text)})
    return blocks + [
        {"type": "tool_use", "id": id_, "name": name, "input": arguments} for id_, name, arguments in said.calls
    ]


ANTHROPIC_STOP = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}
ANTHROPIC_INPUT = {"input_tokens": 4, "cache_read_input_tokens": 16, "cache_creation_input_tokens": 0}
ANTHROPIC_USAGE = {**ANTHROPIC_INPUT, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}


def _anthropic_whole(said: Said) -> dict[str, Any]:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m-1"}
    stop = ANTHROPIC_STOP[said.reason]
    return {**head, "content": _blocks(said), "stop_reason": stop, "stop_sequence": None, "usage": ANTHROPIC_USAGE}


def _anthropic_events(said: Said) -> list[dict[str, Any]]:
    start = {**_anthropic_whole(Said()), "content": [], "stop_reason": None, "usage": ANTHROPIC_INPUT}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    empty = {"thinking": {"thinking": "", "signature": ""}, "text": {"text": ""}, "tool_use": {"input": {}}}
    for index, block in enumerate(_blocks(said)):
        kind = block["type"]
        if kind == "thinking":
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in said.thought]
            deltas.append({"type": "signature_delta", "signature": SIGNATURE})
        elif kind == "text":
            deltas = [{"type": "text_delta", "text": piece} for piece in said.text]
        else:
            written = json.dumps(block["input"])
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in (written[:5], written[5:])]
        events.append({"type": "content_block_start", "index": index, "content_block": {**block, **empty[kind]}})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": ANTHROPIC_STOP[said.reason], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": stop, "usage": ANTHROPIC_USAGE})
    return [*events, {"type": "message_stop"}]


def _of_anthropic(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


TOO_LONG = "prompt is too long: 200001 tokens > 200000 maximum"
ANTHROPIC = Speaker(
    path="anthropic/claude-sonnet-4-5",
    whole=_anthropic_whole,
    streamed=lambda said: sse(_anthropic_events(said)),
    ends=2,
    kept=lambda said: _blocks(said)[0],
    refusals={
        "key": Refusal(401, _of_anthropic("authentication_error", "invalid x-api-key")),
        "model": Refusal(404, _of_anthropic("not_found_error", "model: m")),
        "rate": Refusal(429, _of_anthropic("rate_limit_error", "This would exceed your limit."), WAIT),
        "long": Refusal(400, _of_anthropic("invalid_request_error", TOO_LONG)),
    },
    failed=sse([_of_anthropic("overloaded_error", "Overloaded")])[0],
)


def of_google(code: int, status: str, message: str, *details: Any) -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


VERTEX_ANTHROPIC = Speaker(
    path="google-vertex/claude-sonnet-4-5@20250929",
    whole=_anthropic_whole,
    streamed=ANTHROPIC.streamed,
    ends=2,
    kept=ANTHROPIC.kept,
    refusals={
        "key": Refusal(401, of_google(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")),
        "model": Refusal(404, of_google(404, "NOT_FOUND", "Publisher Model was not found.")),
        "rate": Refusal(429, of_google(429, "RESOURCE_EXHAUSTED", "Quota exceeded."), WAIT),
        "long": ANTHROPIC.refusals["long"],
    },
    failed=ANTHROPIC.failed,
)


# ---- Amazon Bedrock


def _of_amazon(status: int, kind: str, message: str, **headers: str) -> Refusal:
    return Refusal(status, {"message": message}, {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/", **headers})


AMAZON_REFUSALS = {
    "key": _of_amazon(403, "UnrecognizedClientException", "The security token is invalid."),
    "model": _of_amazon(404, "ResourceNotFoundException", "Model not found."),
    "rate": Refusal(429, {"message": "Too many requests"}, {"x-amzn-errortype": "ThrottlingException", **WAIT}),
    "long": _of_amazon(400, "ValidationException", "Input is too long for requested model."),
}
BEDROCK_ANTHROPIC = Speaker(
    path="amazon-bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
    options={"dialect": "bedrock_anthropic"},
    whole=_anthropic_whole,
    streamed=lambda said: [event("chunk", json.dumps(each).encode()) for each in _anthropic_events(said)],
    ends=2,
    kept=ANTHROPIC.kept,
    refusals=AMAZON_REFUSALS,
    failed=exception("modelStreamErrorException", "The model failed."),
)
CONVERSE_STOP = {**ANTHROPIC_STOP, "content_filter": "guardrail_intervened"}
CONVERSE_USAGE = {"inputTokens": 4, "outputTokens": 9, "cacheReadInputTokens": 16, "totalTokens": 29}


def _converse_blocks(said: Said) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.thought:
        thought = {"text": "".join(said.thought), "signature": SIGNATURE}
        blocks.append({"reasoningContent": {"reasoningText": thought}})
    if said.text:
        blocks.append({"text": "".join(said.text)})
    return blocks + [
        {"toolUse": {"toolUseId": id_, "name": name, "input": arguments}} for id_, name, arguments in said.calls
    ]


def _converse_whole(said: Said) -> dict[str, Any]:
    message = {"role": "assistant", "content": _converse_blocks(said)}
    return {"output": {"message": message}, "stopReason": CONVERSE_STOP[said.reason], "usage": CONVERSE_USAGE}


def _converse_streamed(said: Said) -> list[bytes]:
    events: list[tuple[str, dict[str, Any]]] = [("messageStart", {"role": "assistant"})]
    for index, block in enumerate(_converse_blocks(said)):
        at = {"contentBlockIndex": index}
        if "reasoningContent" in block:
            pieces: list[dict[str, Any]] = [{"text": piece} for piece in said.thought]
            deltas = [{"reasoningContent": piece} for piece in [*pieces, {"signature": SIGNATURE}]]
        elif "text" in block:
            deltas = [{"text": piece} for piece in said.text]
        else:
            use = block["toolUse"]
            start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
            events.append(("contentBlockStart", {**at, "start": start}))
            deltas = [{"toolUse": {"input": json.dumps(use["input"])}}]
        events += [("contentBlockDelta", {**at, "delta": delta}) for delta in deltas]
        events.append(("contentBlockStop", at))
    events += [("messageStop", {"stopReason": CONVERSE_STOP[said.reason]}), ("metadata", {"usage": CONVERSE_USAGE})]
    return [event(kind, json.dumps(payload).encode()) for kind, payload in events]


CONVERSE = Speaker(
    path="amazon-bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
    whole=_converse_whole,
    streamed=_converse_streamed,
    ends=2,
    kept=lambda said: _converse_blocks(said)[0],
    refusals=AMAZON_REFUSALS,
    failed=exception("modelStreamErrorException", "The model failed."),
)
