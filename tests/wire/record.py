"""Records the cases that the embedded model can produce: `python tests/wire/record.py`.

Each becomes a folder: `request.json`, the body as our own encoder wrote it, and the bytes of the reply. What a reply
reads as is shown where `answer.json` says something else: look at it, and write it there if it is true.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import httpx2

sys.path.insert(0, str(Path(__file__).parents[2]))

from msgflux_like import dialects
from msgflux_like.calls.http_request import to_http
from msgflux_like.local import llama
from msgflux_like.request import ChatRequest, Endpoint, Quirks
from tests.answers import fold, streamed, whole

HERE = Path(__file__).parent
ABOUT = "Recorded from llama.cpp with SmolLM2; see record.py."
FRANCE = ({"role": "user", "content": "What is the capital of France?"},)
PARIS = ({"role": "user", "content": "What is the weather in Paris?"},)
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
TOOL: dict[str, Any] = {"tools": (WEATHER,), "tool_choice": "required"}
SPOKEN = ("openai_chat", "openai_responses", "anthropic_messages")  # by llama.cpp; the cases of others are by hand
SHORT: dict[str, Any] = {"temperature": 0.0, "max_tokens": 40}
ONE_CALL: dict[str, Any] = {**SHORT, "parallel_tool_calls": False}
CASES: dict[str, ChatRequest] = {
    "text": ChatRequest("smollm2", FRANCE, SHORT),
    "stream": ChatRequest("smollm2", FRANCE, SHORT, stream=True),
    "tool_call": ChatRequest("smollm2", PARIS, ONE_CALL, **TOOL),
    "tool_call_streamed": ChatRequest("smollm2", PARIS, ONE_CALL, stream=True, **TOOL),
    "limit": ChatRequest("smollm2", FRANCE, {**SHORT, "max_tokens": 3}),
    "limit_streamed": ChatRequest("smollm2", FRANCE, {**SHORT, "max_tokens": 3}, stream=True),
    "error": ChatRequest("smollm2", ({"role": "user", "content": "word " * 20000},), SHORT),
}


def main() -> None:
    """Record every case of every dialect, and show what it reads as where `answer.json` says something else."""
    base_url = llama.serve()
    for name in SPOKEN:
        for case, request in CASES.items():
            if name == "openai_responses" and case.startswith("limit"):
                continue  # llama.cpp calls an answer that ran into its limit "completed" there
            record(name, case, request, base_url)


def record(name: str, case: str, request: ChatRequest, base_url: str) -> None:
    dialect = dialects.load(name)
    http = to_http(dialect.encode(request, Quirks()), request, Endpoint("local", base_url, headers=dialect.HEADERS))
    reply = httpx2.post(http.url, content=http.body, headers=dict(http.headers), timeout=300)
    folder = HERE / name / case
    folder.mkdir(parents=True, exist_ok=True)
    if case == "error":
        (folder / "refusal.json").write_bytes(reply.content)
        answer = fold([dialect.refusal(reply.content)])
    else:
        reply.raise_for_status()
        (folder / "request.json").write_bytes(http.body)
        (folder / ("reply.sse" if request.stream else "reply.json")).write_bytes(reply.content)
        answer = streamed(dialect, [reply.content]) if request.stream else whole(dialect, reply.content)
    known = folder / "answer.json"
    if not known.exists() or json.loads(known.read_text()) != {"about": ABOUT, **answer}:
        sys.stdout.write(f"{name}/{case} reads as {json.dumps(answer, ensure_ascii=False)}\n")


if __name__ == "__main__":
    main()
