"""Rules that Anthropic's Messages format and Amazon Bedrock's Converse have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from msgflux_like._json import as_list, as_mapping
from msgflux_like.errors import UnsupportedError
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

_UNSUPPORTED_SOURCES: Final[Mapping[str, str]] = {"url": "a link", "file": "a file_id"}

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


def cite_end(blocks: list[dict[str, Any]], fields: Mapping[str, Any], cited: Callable[[str, list[Any]], Any]) -> bool:
    """Give the last text of the blocks its citations back; return False where the text was changed since.

    Args:
        blocks: Blocks so far, changed in place; the last one is `{"type": "text", "text": ...}` or `{"text": ...}`.
        fields: State of kind `TEXT_FIELDS`.
        cited: Returns the block for a text and its citations.
    """
    length, citations = fields.get("length"), as_list(fields.get("citations"))
    text = blocks[-1].get("text") if blocks else None
    if not isinstance(text, str) or not isinstance(length, int) or not 0 < length <= len(text):
        return False
    rest = text[:-length]
    if rest:
        blocks[-1] = {**blocks[-1], "text": rest}
    else:
        blocks.pop()
    blocks.append(cited(text[-length:], citations))
    return True


def refuse_sources(blocks: list[Any], host: str) -> None:
    """Raise UnsupportedError for a link or a file stored at Anthropic, in these blocks or nested ones."""
    for block in blocks:
        if (kind := as_mapping(as_mapping(block).get("source")).get("type")) in _UNSUPPORTED_SOURCES:
            raise UnsupportedError(
                f"messages hold {_UNSUPPORTED_SOURCES[kind]} as the source of a block of type {block['type']!r}, which "
                f"{host} does not take: pass the bytes, a pathlib.Path or a data: URL"
            )
        refuse_sources(as_list(as_mapping(block).get("content")), host)


def trim_prefill(prefill: str, changes: list[Change]) -> str:
    """Remove whitespace from the end of the prefill, which both APIs reject there, and record the change."""
    text = prefill.rstrip()
    if text != prefill:
        changes.append(Change("trimmed", "prefill", "the API rejects whitespace at its end"))
    return text
