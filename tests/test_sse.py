"""Server-sent events from bytes. The rules: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_like._wire.sse import EventTooLargeError, Parser
from tests.conversations import unhurried

# What a stream says, and the data of its events.
STREAMS: dict[str, tuple[bytes, list[bytes]]] = {
    "one event": (b"data: one\n\n", [b"one"]),
    "two events": (b"data: one\n\ndata: two\n\n", [b"one", b"two"]),
    "a name before the data": (b"event: message\ndata: one\n\n", [b"one"]),
    "a name after the data": (b"data: one\nevent: message\n\n", [b"one"]),
    "an id and a time to retry": (b"id: 7\nretry: 100\ndata: one\n\n", [b"one"]),
    "several data lines are one": (b"data: YHOO\ndata: +2\ndata: 10\n\n", [b"YHOO\n+2\n10"]),
    "one blank after the colon is no data": (b"data:a\n\ndata: a\n\ndata:  a\n\n", [b"a", b"a", b" a"]),
    "a field without a colon is empty": (b"data\n\ndata\ndata\n\n", [b"", b"\n"]),
    "empty data": (b"data:\n\ndata: \n\n", [b"", b""]),
    "comments": (b": one\n\n:\n\n: two\ndata: one\n: three\n\n", [b"one"]),
    "a field that nobody knows": (b"weather: fine\n\nweather: fine\ndata: one\n\n", [b"one"]),
    "a field with a blank in its name": (b" data: one\n\ndata : two\n\n", []),
    "a name without data is no event": (b"event: ping\n\ndata: one\n\n", [b"one"]),
    "a colon in the data": (b'data: {"a":"b: c"}\n\n', [b'{"a":"b: c"}']),
    "many blank lines": (b"\n\n\ndata: one\n\n\n\n\ndata: two\n\n\n", [b"one", b"two"]),
    "a mark of the byte order": (b"\xef\xbb\xbfdata: one\n\n", [b"one"]),
    "a mark in the middle is data": (b"data: \xef\xbb\xbfone\n\n", [b"\xef\xbb\xbfone"]),
    "CRLF": (b"event: m\r\ndata: one\r\n\r\ndata: two\r\n\r\n", [b"one", b"two"]),
    "CR": (b"event: m\rdata: one\r\rdata: two\r\r", [b"one", b"two"]),
    "all line ends together": (b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\ndata: d\n\r", [b"a", b"b", b"c", b"d"]),
    "characters of several bytes": ("data: Héllo 你好 🎉\n\n".encode(), ["Héllo 你好 🎉".encode()]),
    "no final blank line": (b"data: one\n\ndata: two", [b"one", b"two"]),
    "no final blank line, but a line end": (b"data: one\n\ndata: two\n", [b"one", b"two"]),
    "nothing": (b"", []),
    "line ends alone": (b"\n\r\n\r", []),
    "a field called error": (b'data: one\n\nerror: {"code":500}\n\n', [b"one", b'{"error": {"code":500}}']),
}
each_stream = pytest.mark.parametrize(("wire", "data"), STREAMS.values(), ids=STREAMS)


def read(*pieces: bytes) -> list[bytes]:
    parser = Parser()
    return [data for piece in pieces for data in parser.feed(piece)] + parser.close()


@each_stream
def test_a_stream_says_its_data(wire: bytes, data: list[bytes]):
    assert read(wire) == data


@each_stream
def test_it_does_not_matter_where_it_is_cut(wire: bytes, data: list[bytes]):
    assert read(*(wire[place : place + 1] for place in range(len(wire)))) == data
    for cut in range(len(wire) + 1):
        assert read(wire[:cut], wire[cut:]) == data, f"cut at byte {cut}"
        assert read(wire[:cut], b"", wire[cut:]) == data, f"cut at byte {cut}, with nothing between"


@each_stream
def test_it_does_not_matter_where_it_is_cut_twice(wire: bytes, data: list[bytes]):
    for first in range(len(wire) + 1):
        for second in range(first, len(wire) + 1, 3):
            assert read(wire[:first], wire[first:second], wire[second:]) == data


lines = st.sampled_from([b"data: a", b"data:", b"data", b": c", b"event: e", b"id: 1", b"x", "data: é🎉".encode(), b""])
line_ends = st.sampled_from([b"\n", b"\r\n", b"\r"])


@unhurried
@given(st.lists(st.tuples(lines, line_ends), max_size=20), st.lists(st.integers(0, 200), max_size=10))
def test_any_cuts_of_any_stream_say_the_same(stream: list[tuple[bytes, bytes]], cuts: list[int]):
    wire = b"".join(line + end for line, end in stream)
    places = sorted({0, *(min(cut, len(wire)) for cut in cuts), len(wire)})
    assert read(*(wire[start:end] for start, end in pairwise(places))) == read(wire) == by_the_rules(wire)


@unhurried
@given(st.lists(st.binary(max_size=30), max_size=6))
def test_any_bytes_at_all_are_read_without_a_fault(pieces: list[bytes]):
    assert read(*pieces) == read(b"".join(pieces))


def by_the_rules(wire: bytes) -> list[bytes]:
    """The specification, line by line; an event whose blank line is missing counts."""
    found: list[bytes] = []
    data: list[bytes] = []
    for line in [*wire.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"), b""]:
        field, _, value = line.partition(b":")
        if not line:
            found += [b"\n".join(data)] if data else []
            data = []
        elif field == b"data":
            data.append(value.removeprefix(b" "))
    return found


def test_an_event_comes_as_soon_as_it_is_whole():
    parser = Parser()
    assert parser.feed(b"data: one\n") == []
    assert parser.feed(b"\n") == [b"one"]
    assert parser.feed(b"data: two\r") == []
    assert parser.feed(b"\n\r") == [b"two"]  # and no waiting for the line feed that may follow
    assert parser.feed(b"\ndata: three\n\nda") == [b"three"]
    assert parser.close() == []


def test_an_event_is_bounded():
    parser = Parser(max_event_bytes=100)
    assert parser.feed(b"data: " + b"x" * 90 + b"\n\n" * 50) == [b"x" * 90]
    assert parser.feed(b"data: " + b"x" * 90) == []
    with pytest.raises(EventTooLargeError, match="100 bytes"):
        parser.feed(b"x" * 20)


def test_many_small_events_are_no_large_one():
    parser = Parser(max_event_bytes=100)
    assert len(parser.feed(b"data: one\n\n" * 1000)) == 1000


@pytest.mark.parametrize("pieces", [1_000, 4_000])
def test_the_work_grows_with_the_bytes_and_not_with_their_square(pieces: int):
    """An event in many pieces: what is looked at and joined is counted, not timed."""
    looked_at = 0

    class Counted(bytes):
        def __contains__(self, item: object) -> bool:
            nonlocal looked_at
            looked_at += len(self)
            return super().__contains__(item)  # pyright: ignore[reportArgumentType]

    parser = Parser()
    for _ in range(pieces):
        assert parser.feed(Counted(b"x" * 10)) == []
    assert looked_at <= 3 * 10 * pieces
    assert len(parser._held) == pieces  # one piece each: nothing was joined on the way
