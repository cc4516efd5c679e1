"""Anthropic's Messages format inside Amazon Bedrock's invoke: Claude with all that its own API has.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html. The body
is Anthropic's own, without the model, which the path names; a stream's messages hold Anthropic's events in base64.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from msgflux_like._json import as_list, as_mapping
from msgflux_like._wire.event_stream import Message
from msgflux_like.dialects._shared.bedrock import AUTH, EVENT_STREAM, claude, event_stream, path, refusal
from msgflux_like.dialects._shared.stream_decoder import StreamDecoder
from msgflux_like.dialects.anthropic_messages import request as anthropic_messages
from msgflux_like.dialects.anthropic_messages.reply import Reader, decode
from msgflux_like.errors import UnsupportedError
from msgflux_like.events import Event
from msgflux_like.request import ChatRequest, Encoded, Quirks

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]

HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = anthropic_messages.STATE

_VERSION: Final = "bedrock-2023-05-31"
_BETA: Final = "anthropic-beta"
_NOT_TAKEN: Final = ("url", "file")


class _Chunk(Struct):
    """The payload of one message: an event of Anthropic's, in base64."""

    bytes: str = ""


_chunk_decoder = msgspec.json.Decoder(_Chunk)


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """See `Dialect`."""
    encoded = anthropic_messages.encode(replace(request, model=claude(request.model) or request.model), quirks)
    body: dict[str, Any] = {"anthropic_version": _VERSION, **encoded.body}
    del body["model"]
    body.pop("stream", None)
    _check_sources(body["messages"])
    headers = dict(encoded.headers)
    if beta := headers.pop(_BETA, None):
        body["anthropic_beta"] = beta.split(",")
    if request.stream:
        headers |= EVENT_STREAM
    action = "invoke-with-response-stream" if request.stream else "invoke"
    return Encoded(path(request.model, action), body, headers, encoded.changes, encoded.prefill)


def _check_sources(blocks: list[Any]) -> None:
    """UnsupportedError for links and for files at Anthropic's, in these blocks or inside them."""
    for block in blocks:
        if (kind := as_mapping(as_mapping(block).get("source")).get("type")) in _NOT_TAKEN:
            what = "a link" if kind == "url" else "a file_id"
            raise UnsupportedError(
                f"messages hold {what} for {block['type']}, which Amazon Bedrock does not follow: "
                f"give the bytes, a pathlib.Path or a data: URL"
            )
        _check_sources(as_list(as_mapping(block).get("content")))


def decoder() -> StreamDecoder[Message]:
    """See `Dialect`."""
    reader = Reader()

    def chunk(kind: str, payload: bytes, events: list[Event]) -> bool:
        return kind == "chunk" and reader.read(_event(payload), events)

    return event_stream(chunk, decode)


def _event(payload: bytes) -> bytes:
    try:
        return a2b_base64(_chunk_decoder.decode(payload).bytes)
    except ValueError as error:
        raise msgspec.DecodeError(f"a chunk holds no event in base64: {error}") from None
