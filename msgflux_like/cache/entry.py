"""One entry of a store: a value with its label, sealed so that only a whole one is ever opened."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
from msgspec import Struct

_MAGIC: Final = b"mfl1"  # another layout has another one, and is not opened
_SUM_BYTES: Final = 16
_HEAD_BYTES: Final = len(_MAGIC) + _SUM_BYTES


class Entry(Struct, frozen=True, array_like=True, gc=False):
    """What is kept under a key.

    Attributes:
        kind: What the value is, with the version of its form, such as "chat/3f2a91c0".
        made_at: In seconds since 1970.
        provider: Who answered.
        model: Model id, as sent.
        value: The answer.
    """

    kind: str
    made_at: float
    provider: str
    model: str
    value: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


def seal(key: bytes, entry: Entry) -> bytes:
    """The bytes to store."""
    content = _encode(entry)
    return _MAGIC + _sum(key, content) + content


def unseal(key: bytes, data: bytes, *, trusted: bool = False) -> Entry | None:
    """The entry; None for what is torn, of another layout, or of another key. What is `trusted` never left memory."""
    content = data[_HEAD_BYTES:]
    if not trusted and data[:_HEAD_BYTES] != _MAGIC + _sum(key, content):
        return None
    try:
        return _decode(content)
    except msgspec.DecodeError:
        return None


def _sum(key: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_SUM_BYTES, key=key).digest()
