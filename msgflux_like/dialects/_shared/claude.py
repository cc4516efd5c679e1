"""Rules that Anthropic's Messages format and Amazon Bedrock's Converse have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from msgflux_like.events import FinishReason, TokenUsage
from msgflux_like.request import Change

FINISH_REASONS: Final[Mapping[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
}
"""The stop reasons that both formats have."""

TEXT_FIELDS: Final = "text_fields"
"""Kind of provider state behind a cited text: its `length` in characters, and its `citations`, which go back too."""

_decoder = msgspec.json.Decoder()


def usage_from(
    *,
    uncached_input: int | None,
    output: int | None,
    cache_read: int | None,
    cache_write: int | None,
    reasoning: int | None = None,
    total: int | None = None,
) -> TokenUsage:
    """Return the usage report of a format that counts cached tokens beside its input tokens; `input` includes them."""
    return TokenUsage(
        input=None if uncached_input is None else uncached_input + (cache_read or 0) + (cache_write or 0),
        output=output,
        cached_input=cache_read,
        cache_write=cache_write,
        reasoning=reasoning,
        total=total,
    )


def server_tool_input(pieces: list[str]) -> Any:
    """Return the streamed input of a server tool: the JSON value, or the text if the stream broke off inside it."""
    text = "".join(pieces)
    try:
        return _decoder.decode(text)
    except msgspec.DecodeError:
        return text


def trim_prefill(prefill: str, changes: list[Change]) -> str:
    """Remove whitespace from the end of the prefill, which both APIs reject there, and record the change."""
    text = prefill.rstrip()
    if text != prefill:
        changes.append(Change("trimmed", "prefill", "the API rejects whitespace at its end"))
    return text
