"""gzip and deflate in pieces of any size, with a limit on the result."""

from __future__ import annotations

import gzip
import zlib

import pytest

from msgflux_like._wire.compression import CompressionError, DecompressedTooLargeError, Decompressor, gunzip

TEXT = b"The sun is a star. " * 50


def raw(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


BODIES = {
    "gzip": ("gzip", gzip.compress(TEXT)),
    "several gzip members": ("x-gzip", gzip.compress(TEXT[:100]) + gzip.compress(b"") + gzip.compress(TEXT[100:])),
    "gzip, padded with zeros": ("gzip", gzip.compress(TEXT) + bytes(10)),
    "zlib": ("deflate", zlib.compress(TEXT)),
    "raw deflate": ("deflate", raw(TEXT)),
}


@pytest.mark.parametrize(("encoding", "body"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("step", [1, 2, 7, 10_000])
def test_a_body_is_decompressed_wherever_it_is_cut(encoding, body, step):
    decompressor = Decompressor(encoding, max_bytes=len(TEXT))
    pieces = [decompressor.feed(body[at : at + step]) for at in range(0, len(body), step)]
    decompressor.close()
    assert b"".join(pieces) == TEXT


@pytest.mark.parametrize(("encoding", "body"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("step", [1, 10_000])
def test_one_byte_more_than_the_limit_is_refused(encoding, body, step):
    decompressor = Decompressor(encoding, max_bytes=len(TEXT) - 1)
    with pytest.raises(DecompressedTooLargeError, match=f"more than {len(TEXT) - 1} bytes"):
        for at in range(0, len(body), step):
            decompressor.feed(body[at : at + step])


@pytest.mark.parametrize(("encoding", "body"), BODIES.values(), ids=BODIES)
def test_a_body_that_ends_too_early_is_cut_short(encoding, body):
    body = body.rstrip(b"\0") if encoding == "gzip" else body
    for length in (1, len(body) // 2, len(body) - 1):
        decompressor = Decompressor(encoding, max_bytes=len(TEXT))
        decompressor.feed(body[:length])
        with pytest.raises(CompressionError, match="it is cut short"):
            decompressor.close()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_without_any_bytes_is_complete(encoding):
    decompressor = Decompressor(encoding, max_bytes=10)
    assert decompressor.feed(b"") == b""
    decompressor.close()


@pytest.mark.parametrize(("encoding", "body"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("step", [1, 10_000])
def test_what_follows_the_end_is_refused(encoding, body, step):
    decompressor = Decompressor(encoding, max_bytes=len(TEXT))
    body += b"more"
    with pytest.raises(CompressionError, match="something follows its end"):
        for at in range(0, len(body), step):
            decompressor.feed(body[at : at + step])


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_damaged_data_is_refused(encoding):
    damaged = bytearray(BODIES["gzip" if encoding == "gzip" else "zlib"][1])
    damaged[-3] ^= 1  # in the checksum
    with pytest.raises(CompressionError, match="Error -3"):
        Decompressor(encoding, max_bytes=len(TEXT)).feed(bytes(damaged))


def test_gunzip_reads_a_whole_file_and_nothing_else():
    assert gunzip(gzip.compress(TEXT), len(TEXT)) == TEXT
    with pytest.raises(CompressionError, match="it is empty"):
        gunzip(b"", 10)
    with pytest.raises(CompressionError, match="it is cut short"):
        gunzip(gzip.compress(TEXT)[:-1], len(TEXT))
    with pytest.raises(DecompressedTooLargeError):
        gunzip(gzip.compress(TEXT), len(TEXT) - 1)
