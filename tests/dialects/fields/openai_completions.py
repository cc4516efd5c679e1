"""Documented fields of OpenAI's text completions format, each with a mark, for the marker tests.

Sources: https://platform.openai.com/docs/api-reference/completions/object,
https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html.
"""

from __future__ import annotations

from typing import Any, Final

from tests.dialects.fields.openai_chat import MARK, Both, Json


def _both(choice: Json | None = None, **top: Any) -> Both:
    head = {"id": "c1", "object": "text_completion", "created": 1, "model": "m"}
    whole = {"index": 0, "text": "Hello.", "finish_reason": "stop", **(choice or {})}
    finish = whole.pop("finish_reason")
    last = {"index": 0, "text": "", "finish_reason": finish}
    return (
        {**head, "choices": [{**whole, "finish_reason": finish}], **top},
        [{**head, "choices": [whole], **top}, {**head, "choices": [last], **top}],
    )


_USAGE: Final = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}

REPLY: Final[dict[str, Both]] = {
    "id": _both(id=MARK),
    "model": _both(model=MARK),
    "system_fingerprint": _both(system_fingerprint=MARK),
    "usage.of_its_own": _both(usage={**_USAGE, "prompt_tokens_details": {"of_its_own": MARK}}),
    "choice.text": _both({"text": MARK}),
    "choice.finish_reason": _both({"finish_reason": MARK}),
    "choice.stop_reason": _both({"stop_reason": MARK}),
    "choice.logprobs.tokens": _both({"logprobs": {"tokens": [MARK], "token_logprobs": [-0.5], "text_offset": [0]}}),
    "choice.logprobs.top_logprobs": _both(
        {"logprobs": {"tokens": ["A"], "token_logprobs": [-0.5], "top_logprobs": [{MARK: -0.5}]}}
    ),
    "choice.prompt_logprobs": _both({"prompt_logprobs": [{"1": {"decoded_token": MARK}}]}),
}

REQUEST: Final[dict[str, Json]] = {
    "message.content": {"messages": [{"role": "user", "content": MARK}]},
    "message.name": {"messages": [{"role": "user", "content": "q", "name": MARK}]},
}
