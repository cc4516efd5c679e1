"""Messages of a binary AWS event stream (application/vnd.amazon.eventstream) from bytes cut anywhere.

A message is a prelude (its length and that of its headers, and a CRC32 of both), the headers, the payload, and a
CRC32 of all that. Source: https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct as Layout
from struct import error as StructError  # noqa: N812  a class, whatever its name
from typing import Final
from zlib import crc32

import msgspec
from msgspec import Struct

MAX_HEADER_BYTES: Final = 128 * 1024
MAX_PAYLOAD_BYTES: Final = 24 * 1024 * 1024

_PRELUDE: Final = Layout(">III")  # length of the message, length of the headers, CRC32 of these two
_CRC: Final = Layout(">I")
_LENGTH: Final = Layout(">H")
_TEXT: Final = 7
_SIZES: Final[Mapping[int, int]] = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # bytes of a value, by its type
_LENGTHENED: Final = (6, _TEXT)  # types whose value has its length in front


class Message(Struct, frozen=True):
    """A message. Only headers with a string value are kept; no dialect reads the others."""

    headers: Mapping[str, str]
    payload: bytes


class Parser:
    """Incremental parser: `feed` returns the complete messages, and raises msgspec.DecodeError for other bytes."""

    __slots__ = ("_held", "_needed")

    def __init__(self) -> None:
        self._held = bytearray()
        self._needed = _PRELUDE.size  # number of bytes before the next step of parsing

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that the next bytes complete."""
        held = self._held
        held += data
        found: list[Message] = []
        while len(held) >= self._needed:
            if self._needed == _PRELUDE.size:
                self._needed = _message_bytes(held)
                continue
            found.append(_message(bytes(held[: self._needed])))
            del held[: self._needed]
            self._needed = _PRELUDE.size
        return found

    def close(self) -> list[Message]:
        """Return nothing: an unfinished message is dropped."""
        self._held.clear()
        self._needed = _PRELUDE.size
        return []


def _message_bytes(held: bytearray) -> int:
    """Return the length of the message that begins here, checked before the parser waits for so many bytes."""
    size, header_bytes, crc = _PRELUDE.unpack_from(held)
    if crc32(held[:8]) != crc:
        raise msgspec.DecodeError("the prelude of an event-stream message does not match its checksum")
    payload_bytes = size - header_bytes - _PRELUDE.size - _CRC.size
    if payload_bytes < 0:
        raise msgspec.DecodeError("the headers of an event-stream message are longer than the message")
    if header_bytes > MAX_HEADER_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
        raise msgspec.DecodeError(f"an event-stream message of {size} bytes is longer than the format allows")
    return size


def _message(data: bytes) -> Message:
    (crc,) = _CRC.unpack_from(data, len(data) - _CRC.size)
    if crc32(memoryview(data)[: -_CRC.size]) != crc:
        raise msgspec.DecodeError("an event-stream message does not match its checksum")
    end = _PRELUDE.size + _PRELUDE.unpack_from(data)[1]
    return Message(_headers(data[_PRELUDE.size : end]), data[end : -_CRC.size])


@lru_cache(64)
def _headers(block: bytes) -> Mapping[str, str]:
    """Return the headers of a message; cached, because a stream repeats a few blocks of headers."""
    headers: dict[str, str] = {}
    offset = 0
    try:
        while offset < len(block):
            name = _take(block, offset + 1, block[offset])
            offset += 1 + len(name)
            kind = block[offset]
            offset += 1
            size = _SIZES.get(kind)
            if kind in _LENGTHENED:
                (size,) = _LENGTH.unpack_from(block, offset)
                offset += _LENGTH.size
            if size is None:
                raise ValueError(f"there is no type {kind}")  # noqa: TRY301  an error of the bytes, like the others
            value = _take(block, offset, size)
            offset += size
            if kind == _TEXT:
                headers[name.decode()] = value.decode()
    except (IndexError, ValueError, StructError) as error:
        raise msgspec.DecodeError(f"the headers of an event-stream message cannot be read: {error}") from None
    return headers


def _take(block: bytes, offset: int, size: int) -> bytes:
    """Return `size` bytes from `offset` on. Raises IndexError if there are fewer."""
    if len(block) < offset + size:
        raise IndexError("they end too early")
    return block[offset : offset + size]
