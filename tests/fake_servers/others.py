"""What Gemini, Cohere and Ollama say."""

from __future__ import annotations

import json
from typing import Any

from tests.fake_servers.anthropic import of_google
from tests.fake_servers.openai import chat_calls
from tests.fake_servers.recorded_replies import SIGNATURE, WAIT, Refusal, Said, Speaker, sse


def _gemini_parts(said: Said) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"text": piece, "thought": True} for piece in said.thought]
    signed = {"thoughtSignature": SIGNATURE} if said.thought else {}
    for piece in said.text:
        parts.append({"text": piece, **({} if said.calls else signed)})
        signed = signed if said.calls else {}
    for _, name, arguments in said.calls:  # without ids, as most of Google's are
        parts.append({"functionCall": {"name": name, "args": arguments}, **signed})
        signed = {}
    return parts


def _gemini_reply(parts: list[dict[str, Any]], finish: str | None) -> dict[str, Any]:
    usage = {
        "promptTokenCount": 20,
        "cachedContentTokenCount": 16,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 4,
        "totalTokenCount": 29,
    }
    candidate = {
        "index": 0,
        "content": {"role": "model", "parts": parts},
        **({"finishReason": finish} if finish else {}),
    }
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m-1", "responseId": "r-1"}


GEMINI_STOP = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
GEMINI = Speaker(
    path="google/gemini-2.5-flash",
    whole=lambda said: _gemini_reply(_gemini_parts(said), GEMINI_STOP[said.reason]),
    streamed=lambda said: sse(
        [
            *(_gemini_reply([part], None) for part in _gemini_parts(said)),
            _gemini_reply([], GEMINI_STOP[said.reason]),
        ]
    ),
    ends=1,
    kept=lambda said: {
        **_gemini_parts(said)[-1],
        "functionCall": {"id": "call_r-1_0"} | _gemini_parts(said)[-1]["functionCall"],
    },
    refusals={
        "key": Refusal(400, of_google(400, "INVALID_ARGUMENT", "API key not valid.", {"reason": "API_KEY_INVALID"})),
        "model": Refusal(404, of_google(404, "NOT_FOUND", "models/m is not found for API version v1beta.")),
        "rate": Refusal(429, of_google(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", {"retryDelay": "7s"})),
        "long": Refusal(
            400,
            of_google(
                400,
                "INVALID_ARGUMENT",
                "The input token count (1200020) exceeds the maximum number of tokens allowed (1048576).",
            ),
        ),
    },
    failed=sse([of_google(503, "UNAVAILABLE", "The model is overloaded.")])[0],
)

COHERE_STOP = {"stop": "COMPLETE", "tool_calls": "TOOL_CALL", "length": "MAX_TOKENS", "content_filter": "ERROR_TOXIC"}
COHERE_USAGE = {
    "billed_units": {"input_tokens": 20, "output_tokens": 9},
    "tokens": {"input_tokens": 20, "output_tokens": 9, "reasoning_tokens": 4},
    "cached_tokens": 16,
}


def _cohere_whole(said: Said) -> dict[str, Any]:
    content = [{"type": "thinking", "thinking": "".join(said.thought)}] if said.thought else []
    content += [{"type": "text", "text": "".join(said.text)}] if said.text else []
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if said.calls:
        message["tool_calls"] = chat_calls(said)
    return {"id": "c-1", "message": message, "finish_reason": COHERE_STOP[said.reason], "usage": COHERE_USAGE}


def _cohere_streamed(said: Said) -> list[bytes]:
    contents = [{"thinking": piece} for piece in said.thought] + [{"text": piece} for piece in said.text]
    events: list[dict[str, Any]] = [{"type": "message-start", "id": "c-1", "delta": {"message": {"role": "assistant"}}}]
    events += [
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": content}}} for content in contents
    ]
    for index, call in enumerate(chat_calls(said)):
        begun = {**call, "function": {"name": call["function"]["name"], "arguments": ""}}
        more = {"function": {"arguments": call["function"]["arguments"]}}
        events += [
            {"type": f"tool-call-{kind}", "index": index, "delta": {"message": {"tool_calls": part}}}
            for kind, part in (("start", begun), ("delta", more))
        ]
    end = {"finish_reason": COHERE_STOP[said.reason], "usage": COHERE_USAGE}
    return sse([*events, {"type": "message-end", "delta": end}])


COHERE = Speaker(
    path="cohere/command-a-plus-05-2026",
    whole=_cohere_whole,
    streamed=_cohere_streamed,
    ends=1,
    kept=lambda said: {"type": "thinking", "thinking": "".join(said.thought)},
    refusals={
        "key": Refusal(401, {"id": "1", "message": "invalid api token"}),
        "model": Refusal(404, {"id": "1", "message": "model 'm' not found"}),
        "rate": Refusal(429, {"id": "1", "message": "Please wait and try again later."}, WAIT),
        "long": Refusal(400, {"id": "1", "message": "too many tokens", "error_type": "TOO_MANY_TOKENS"}),
    },
    failed=sse([{"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "The model failed."}}])[0],
)


def _ollama_lines(said: Said) -> list[dict[str, Any]]:
    messages = [{"content": "", "thinking": piece} for piece in said.thought]
    messages += [{"content": piece} for piece in said.text]
    messages += [{"content": "", "tool_calls": [_ollama_call(call)]} for call in said.calls]
    return [{"model": "m-1", "message": message, "done": False} for message in messages]


def _ollama_call(call: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    return {"id": call[0], "function": {"name": call[1], "arguments": call[2]}}


def _ollama_end(said: Said, **message: Any) -> dict[str, Any]:
    reason = "length" if said.finish == "length" else "stop"
    counts = {"prompt_eval_count": 20, "eval_count": 9}
    return {"model": "m-1", "message": {"content": "", **message}, "done": True, "done_reason": reason, **counts}


def _ollama_whole(said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"content": "".join(said.text), "thinking": "".join(said.thought)}
    return _ollama_end(said, **message, tool_calls=[_ollama_call(call) for call in said.calls])


OLLAMA = Speaker(
    path="ollama-native/qwen3",
    whole=_ollama_whole,
    streamed=lambda said: [json.dumps(line).encode() + b"\n" for line in [*_ollama_lines(said), _ollama_end(said)]],
    ends=1,
    kept=lambda said: {"thinking": "".join(said.thought)},
    refusals={
        "key": Refusal(401, {"error": "unauthorized"}),
        "model": Refusal(404, {"error": "model 'm' not found"}),
        "rate": Refusal(429, {"error": "too many requests"}, WAIT),
    },
    failed=b'{"error":"an error was encountered while running the model"}\n',
)
