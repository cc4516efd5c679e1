"""Decompress gzip and deflate from pieces of any size, with a limit on the size of the result.

A gzip body may consist of several members (RFC 1952, section 2.2). "deflate" is zlib's format (RFC 9110, section
8.4.1.2); some servers send the raw deflate format (RFC 1951) under that name, and both are accepted.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

ENCODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})
"""Values of the header `content-encoding` that a `Decompressor` accepts."""

_GZIP: Final = zlib.MAX_WBITS | 16
_GZIP_MAGIC: Final = b"\x1f\x8b"


class CompressionError(ValueError):
    """The data cannot be decompressed."""


class DecompressedTooLargeError(CompressionError):
    """The data decompresses to more bytes than the limit."""


class Decompressor:
    """Decompresses one body, piece by piece.

    Args:
        encoding: One of `ENCODINGS`.
        max_bytes: Limit on the decompressed size.

    Example:
        >>> decompressor = Decompressor("deflate", max_bytes=100)
        >>> decompressor.feed(zlib.compress(b"text"))
        b'text'
        >>> decompressor.close()
    """

    __slots__ = ("_encoding", "_held", "_left", "_max_bytes", "_zlib")

    def __init__(self, encoding: str, max_bytes: int) -> None:
        self._encoding = encoding
        self._max_bytes = max_bytes
        self._left = max_bytes
        self._held = b""  # start of a deflate body, until its format is known
        self._zlib: Any = None  # zlib.decompressobj, which has no public type

    def feed(self, data: bytes) -> bytes:
        """Return what the next bytes decompress to.

        Raises:
            DecompressedTooLargeError: The body is larger than `max_bytes`.
            CompressionError: The data is damaged, in another format, or continues after its end.
        """
        found = b""
        while data:
            stream = self._zlib or self._begin(data)
            if stream is None:
                return found
            data, self._held = self._held or data, b""
            try:
                found += stream.decompress(data, self._left + 1 - len(found))
            except zlib.error as error:
                raise CompressionError(str(error)) from None
            if len(found) > self._left:
                raise DecompressedTooLargeError(f"it decompresses to more than {self._max_bytes} bytes")
            data = stream.unused_data.lstrip(b"\0")  # some writers pad a body with zeros
            if data:
                self._begin_next_member(data)
        self._left -= len(found)
        return found

    def close(self) -> None:
        """Check that the body is complete. A body without any bytes is.

        Raises:
            CompressionError: The data ended too early.
        """
        if self._held or (self._zlib is not None and not self._zlib.eof):
            raise CompressionError("it is cut short")

    def _begin(self, data: bytes) -> Any:
        """Choose the format; return None while too few bytes are there to tell."""
        if self._encoding != "deflate":
            self._zlib = zlib.decompressobj(_GZIP)
            return self._zlib
        self._held += data
        if len(self._held) < 2:
            return None
        is_zlib = self._held[0] & 0x0F == 8 and int.from_bytes(self._held[:2], "big") % 31 == 0
        self._zlib = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        return self._zlib

    def _begin_next_member(self, data: bytes) -> None:
        if self._encoding == "deflate" or not data.startswith(_GZIP_MAGIC[: len(data)]):
            raise CompressionError("something follows its end")
        self._zlib = zlib.decompressobj(_GZIP)


def gunzip(data: bytes, max_bytes: int) -> bytes:
    """Return the content of a gzip file.

    Args:
        data: The whole file.
        max_bytes: Limit on the size of the content.

    Raises:
        DecompressedTooLargeError: The content is larger than `max_bytes`.
        CompressionError: The file is empty, damaged or cut short.
    """
    decompressor = Decompressor("gzip", max_bytes)
    content = decompressor.feed(data)
    decompressor.close()
    if not data:
        raise CompressionError("it is empty")
    return content
