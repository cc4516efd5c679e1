"""Replies of Amazon Bedrock's InvokeModel API with a Claude model.

A whole reply is Anthropic's own. A stream is AWS's binary event stream: each message of type `chunk` holds one event
of Anthropic's stream, in base64 inside JSON, and `anthropic_messages.reply` reads it.
"""

from __future__ import annotations

from binascii import a2b_base64

import msgspec
from msgspec import Struct

from msgflux_like._wire.event_stream import Message
from msgflux_like.dialects._shared.bedrock import event_stream
from msgflux_like.dialects._shared.stream_decoder import StreamDecoder
from msgflux_like.dialects.anthropic_messages.reply import Reader, decode
from msgflux_like.events import Event

__all__ = ["decode", "decoder"]


class _Chunk(Struct):
    """Payload of one `chunk` message: an event of Anthropic's stream, in base64."""

    bytes: str = ""


_chunk_decoder = msgspec.json.Decoder(_Chunk)


def decoder() -> StreamDecoder[Message]:
    """Return a decoder for one streamed reply."""
    reader = Reader()

    def read_message(kind: str, payload: bytes, events: list[Event]) -> bool:
        return kind == "chunk" and reader.read(_event_in(payload), events)

    return event_stream(read_message, decode)


def _event_in(payload: bytes) -> bytes:
    try:
        return a2b_base64(_chunk_decoder.decode(payload).bytes)
    except ValueError as error:
        raise msgspec.DecodeError(f"a chunk of the stream is not valid base64: {error}") from None
