"""Failures: the reason that a provider gives in the body of an error reply, in any of the common shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from msgflux_like.dialects._shared.parts import json_text
from msgflux_like.events import Failed

_NO_REASON: Final = "the provider gave no reason"

_any = msgspec.json.Decoder()

_TOO_LONG: Final = re.compile(
    r"prompt is too long|exceed context limit"  # Anthropic
    r"|input is too long|input tokens exceeded"  # Amazon
    r"|input token count .*(exceeds|only supports)"  # Google
    r"|max(imum)? context length|input length exceeds the context"  # DeepSeek, Mistral, vLLM, OpenRouter, Ollama
    r"|maximum prompt length is|length of all messages is too long"  # xAI, Perplexity
    r"|exceeded model token limit|context window exceeds limit"  # Moonshot, MiniMax
    r"|greater than the context length|range of input length should be",  # LM Studio, Alibaba
    re.IGNORECASE,
)


def failure_in(body: bytes) -> Failed:
    """Return the failure that the body of an error reply describes.

    `{"error": {"message", "type", "code"}}` is the common shape; `error` may be a string, the fields may be at the top
    level, and FastAPI hosts use `detail`. A body that is not JSON is the message itself. Most providers report a
    conversation that is too long only in the message: it gets OpenAI's code, `context_length_exceeded`.
    """
    try:
        reply = _any.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Failed(" ".join(body.decode(errors="replace").split())[:500] or _NO_REASON)
    if isinstance(reply, list) and reply:
        reply = cast("list[Any]", reply)[0]
    return failure_from(cast("Any", reply))


def failure_from(reply: Any) -> Failed:
    """Return the failure that an error reply describes, given its decoded JSON; see `failure_in`."""
    if not isinstance(reply, Mapping):
        return Failed(str(reply)[:500] or _NO_REASON)
    outer = cast("Mapping[str, Any]", reply)
    error = outer.get("error", outer)
    fields: Mapping[str, Any] = (
        cast("Mapping[str, Any]", error) if isinstance(error, Mapping) else {**outer, "message": error}
    )
    message = fields.get("message") or fields.get("detail") or outer.get("message") or _NO_REASON
    message = message if isinstance(message, str) else json_text(message)
    code = "context_length_exceeded" if _TOO_LONG.search(message) else fields.get("code")
    kind = fields.get("type") or fields.get("status")
    status = fields.get("code") if isinstance(fields.get("code"), int) else outer.get("status_code")
    return Failed(
        message,
        type=str(kind or ""),
        code="" if code is None else str(code),
        status=status if isinstance(status, int) and 400 <= status < 600 else None,
    )
