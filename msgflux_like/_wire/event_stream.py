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
    """One message. Of its headers only those with a text for a value are kept: nobody reads the others."""

    headers: Mapping[str, str]
    payload: bytes


class Parser:
    """`feed` gives the messages that are complete. Bytes that are no such stream raise msgspec.DecodeError."""

    __slots__ = ("_held", "_needed")

    def __init__(self) -> None:
        self._held = bytearray()
        self._needed = _PRELUDE.size  # bytes that must be there before there is something to do

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes; an empty list when no message is complete yet."""
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
        """The body ended: what is left is half a message, and says nothing."""
        self._held.clear()
        self._needed = _PRELUDE.size
        return []


def _message_bytes(held: bytearray) -> int:
    """The length of the message that begins here, checked before anything waits for so many bytes."""
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
    """The headers of one message: in a stream they are the same few again and again."""
    headers: dict[str, str] = {}
    place = 0
    try:
        while place < len(block):
            name = _taken(block, place + 1, block[place])
            place += 1 + len(name)
            kind = block[place]
            place += 1
            size = _SIZES.get(kind)
            if kind in _LENGTHENED:
                (size,) = _LENGTH.unpack_from(block, place)
                place += _LENGTH.size
            if size is None:
                raise ValueError(f"there is no type {kind}")  # noqa: TRY301  an error of the bytes, like the others
            value = _taken(block, place, size)
            place += size
            if kind == _TEXT:
                headers[name.decode()] = value.decode()
    except (IndexError, ValueError, StructError) as error:
        raise msgspec.DecodeError(f"the headers of an event-stream message cannot be read: {error}") from None
    return headers


def _taken(block: bytes, place: int, size: int) -> bytes:
    """`size` bytes from `place` on; IndexError where there are fewer."""
    if len(block) < place + size:
        raise IndexError("they end too early")
    return block[place : place + size]
