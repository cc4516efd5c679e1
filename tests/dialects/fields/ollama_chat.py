"""Documented fields of Ollama's chat format, each with a mark, for the marker tests.

Source: https://docs.ollama.com/api/chat, https://github.com/ollama/ollama/blob/main/docs/api.md.
"""

from __future__ import annotations

from typing import Any, Final

from tests.dialects.fields import openai_chat
from tests.dialects.fields.openai_chat import MARK, NUMBER, Both, Json


def _both(message: Json | None = None, **top: Any) -> Both:
    head = {"model": "m", "created_at": "2026-11-21T12:00:00Z"}
    answer = {"role": "assistant", "content": "Hello.", **(message or {})}
    end = {"done": True, "done_reason": "stop", **top}
    first = {**head, "message": answer, "done": False}
    return {**head, "message": answer, **end}, [first, {**head, "message": {"role": "assistant", "content": ""}, **end}]


_TOKEN: Final = {"token": "Hello.", "logprob": -0.5, "bytes": [72]}

REPLY: Final[dict[str, Both]] = {
    "model": (_both(model=MARK)[0], [{**each, "model": MARK} for each in _both()[1] or ()]),
    "message.content": _both({"content": MARK}),
    "message.thinking": _both({"thinking": MARK}),
    "message.images": _both({"images": [MARK]}),
    "message.tool_calls.id": _both({"tool_calls": [{"id": MARK, "function": {"name": "f", "arguments": {}}}]}),
    "message.tool_calls.name": _both({"tool_calls": [{"function": {"name": MARK, "arguments": {}}}]}),
    "message.tool_calls.arguments": _both({"tool_calls": [{"function": {"name": "f", "arguments": {"a": MARK}}}]}),
    "done_reason": _both(done_reason=MARK),
    "total_duration": _both(total_duration=NUMBER),
    "load_duration": _both(load_duration=NUMBER),
    "prompt_eval_count": _both(prompt_eval_count=NUMBER),
    "prompt_eval_duration": _both(prompt_eval_duration=NUMBER),
    "eval_count": _both(eval_count=NUMBER),
    "eval_duration": _both(eval_duration=NUMBER),
    "remote_model": _both(remote_model=MARK),
    "remote_host": _both(remote_host=MARK),
    "logprobs.token": _both(logprobs=[{**_TOKEN, "token": MARK}]),
    "logprobs.top_logprobs": _both(logprobs=[{**_TOKEN, "top_logprobs": [{**_TOKEN, "token": MARK}]}]),
}

_REFUSED: Final = ("part.file.mime_type", "part.file.filename")  # files that are no images

REQUEST: Final[dict[str, Json]] = {
    name: request for name, request in openai_chat.REQUEST.items() if name not in _REFUSED
}
