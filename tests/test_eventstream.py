"""Binary event streams from bytes. The format: https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html."""

from __future__ import annotations

import uuid
from struct import pack
from typing import Any

import msgspec
import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from msgflux_like._wire.event_stream import MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES, Message, Parser
from tests.conversations import unhurried
from tests.eventstreams import framed, header, message

TEXT = {":event-type": "messageStart", ":message-type": "event"}
# One header of every type that there is, and the text after them.
ALL_TYPES = (
    b"\x01a\x00\x01b\x01\x01c\x02\xff"
    + (b"\x01d\x03" + pack(">h", -2))
    + (b"\x01e\x04" + pack(">i", -3))
    + (b"\x01f\x05" + pack(">q", -4))
    + (b"\x01g\x06" + pack(">H", 3) + b"raw")
    + (b"\x01h\x08" + pack(">q", 1_700_000_000_000))
    + (b"\x01i\x09" + uuid.UUID(int=7).bytes)
    + header("j", "text")
)

headers = st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=40), max_size=5)
messages = st.lists(st.tuples(headers, st.binary(max_size=200)), max_size=5)


def read(*pieces: bytes) -> list[Message]:
    parser = Parser()
    return [found for piece in pieces for found in parser.feed(piece)] + parser.close()


def cut(wire: bytes, size: int) -> list[bytes]:
    return [wire[place : place + size] for place in range(0, len(wire), size)]


def test_a_message_is_its_headers_and_its_payload():
    assert read(message(TEXT, b"{}")) == [Message(TEXT, b"{}")]


def test_a_message_may_have_neither():
    assert read(message({})) == [Message({}, b"")]


def test_headers_of_all_types_are_stepped_over_and_texts_are_kept():
    assert read(framed(ALL_TYPES, b"{}")) == [Message({"j": "text"}, b"{}")]


def test_it_does_not_matter_where_it_is_cut():
    wire = message(TEXT, b"one") + framed(ALL_TYPES, b"") + message({}, "zwölf".encode())
    whole = read(wire)
    assert len(whole) == 3
    assert read(*cut(wire, 1)) == whole
    for place in range(len(wire) + 1):
        assert read(wire[:place], wire[place:]) == whole, f"cut at byte {place}"


@unhurried
@given(messages, st.integers(1, 50))
def test_any_messages_are_read_in_any_pieces_as_botocore_reads_them(given_messages: list[Any], size: int):
    wire = b"".join(message(*each) for each in given_messages)
    theirs = EventStreamBuffer()
    theirs.add_data(wire)
    assert read(*cut(wire, size)) == [Message(each.headers, each.payload) for each in theirs]
    assert read(wire) == [Message(*each) for each in given_messages]


@unhurried
@given(st.binary(max_size=300))
def test_any_bytes_are_a_stream_or_a_decode_error(data: bytes):
    try:
        found = read(*cut(data, 7))
    except msgspec.DecodeError:
        return
    assert found == []  # a checksum is not met by chance


@unhurried
@given(st.binary(max_size=80))
def test_any_headers_are_read_or_a_decode_error(block: bytes):
    try:
        (found,) = read(framed(block, b"x"))
    except msgspec.DecodeError:
        return
    assert found.payload == b"x"


@unhurried
@given(st.data())
def test_a_bit_that_flips_is_noticed(data: st.DataObject):
    wire = bytearray(message(TEXT, b'{"role":"assistant"}'))
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(msgspec.DecodeError):
        read(bytes(wire))


def test_half_a_message_says_nothing():
    wire = message(TEXT, b"{}")
    for end in range(len(wire)):
        assert read(wire[:end]) == []


@pytest.mark.parametrize(
    ("size", "header_bytes"),
    [
        (0, 0),
        (15, 0),
        (16, 1),
        (17 + MAX_PAYLOAD_BYTES, 0),
        (2**32 - 1, 5),
        (20 + MAX_HEADER_BYTES, MAX_HEADER_BYTES + 1),
    ],
)
def test_a_length_that_cannot_be_is_not_waited_for(size: int, header_bytes: int):
    import zlib

    lengths = pack(">II", size, header_bytes)
    with pytest.raises(msgspec.DecodeError):
        read(lengths + pack(">I", zlib.crc32(lengths)))


@pytest.mark.parametrize(
    "block", [b"\x01a\x0a", b"\x01a\x07\x00\x05abc", b"\x09abc", b"\x01a\x07\x00\x01\xff", b"\x01"]
)
def test_headers_that_cannot_be_are_a_decode_error(block: bytes):
    with pytest.raises(msgspec.DecodeError, match="headers"):
        read(framed(block, b""))
