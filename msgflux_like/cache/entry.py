"""One entry of a store: a value with its label and a checksum, so that a damaged one is never used."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
from msgspec import Struct

_MAGIC: Final = b"mfl1"  # changes with the layout; entries of other layouts are not read
_CHECKSUM_BYTES: Final = 16
_HEAD_BYTES: Final = len(_MAGIC) + _CHECKSUM_BYTES


class Entry(Struct, frozen=True, array_like=True, gc=False):
    """An entry of a cache.

    Attributes:
        kind: Type and version of the value, such as "chat/3f2a91c0".
        made_at: When it was stored, as Unix time in seconds.
        provider: Name of the provider that answered.
        model: Model id, as sent.
        value: The answer, encoded.
    """

    kind: str
    made_at: float
    provider: str
    model: str
    value: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


def seal(key: bytes, entry: Entry) -> bytes:
    """Return the entry as bytes with a checksum that depends on its key."""
    content = _encode(entry)
    return _MAGIC + _checksum(key, content) + content


def unseal(key: bytes, data: bytes, *, trusted: bool = False) -> Entry | None:
    """Return the entry, or None if the data is damaged, of another layout, or of another key.

    Args:
        key: The key under which the data was stored.
        data: What `seal` returned.
        trusted: Skip the checksum, because the data never left memory.
    """
    content = data[_HEAD_BYTES:]
    if not trusted and data[:_HEAD_BYTES] != _MAGIC + _checksum(key, content):
        return None
    try:
        return _decode(content)
    except msgspec.DecodeError:
        return None


def _checksum(key: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_CHECKSUM_BYTES, key=key).digest()
