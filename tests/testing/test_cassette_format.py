"""The file of a recording: whatever was recorded is read back, and whatever is no such file is a clear error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_like._wire.secrets import Secret
from msgflux_like.errors import CassetteError
from msgflux_like.request import HttpRequest
from msgflux_like.testing import cassette_format
from msgflux_like.testing.cassette_format import End, Exchange, Reply, Request
from msgflux_like.testing.masking import Mask, masked_url
from msgflux_like.testing.matching import key_of, nearest
from tests.conversations import json_values, unhurried

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
headers = st.dictionaries(texts, texts, max_size=3)
requests = st.builds(
    Request, st.just("POST"), texts, headers, st.dictionaries(texts, json_values, max_size=4)
) | st.builds(lambda url, body: cassette_format.with_body(Request("POST", url), body), texts, st.binary(max_size=20))
pieces = st.lists(st.binary(max_size=20) | texts.map(str.encode), max_size=4)
replies = st.builds(Reply, st.integers(100, 599), headers, st.none() | st.just(1_700_000_000.5))
failures = st.builds(End, st.just("failed"), texts, st.sampled_from(["connect", "first_event", "total", None]))
exchanges = st.lists(
    st.builds(
        Exchange, requests, replies, pieces, st.sampled_from([cassette_format.WHOLE, cassette_format.LEFT]) | failures
    )
    | st.builds(lambda request, end: Exchange(request, None, [], end), requests, failures),
    max_size=3,
)


@unhurried
@given(exchanges)
def test_what_is_written_is_read_back(recorded):
    content = cassette_format.dump(recorded)
    assert cassette_format.load(content, "it.jsonl") == recorded
    assert cassette_format.dump(cassette_format.load(content, "it.jsonl")) == content


@unhurried
@given(exchanges)
def test_every_line_is_json_that_stands_for_itself(recorded):
    lines = cassette_format.dump(recorded).decode().split("\n")
    assert lines.pop() == ""
    assert [type(json.loads(line)) for line in lines] == [dict] * len(lines)


@unhurried
@given(exchanges, st.data())
def test_a_file_that_is_cut_anywhere_is_an_error(recorded, data):
    content = cassette_format.dump(recorded)
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(CassetteError, match=r"it\.jsonl was cut off"):
        cassette_format.load(content[:cut], "it.jsonl")


@unhurried
@given(
    st.binary(max_size=60)
    | st.lists(
        st.sampled_from(
            [
                b'{"line":"cassette","version":1}',
                b'{"line":"request","method":"POST","url":"u"}',
                b'{"line":"reply","status":200}',
                b'{"line":"piece","text":"x"}',
                b'{"line":"end","how":"whole"}',
                b'{"line":"eof"}',
            ]
        ),
        max_size=8,
    ).map(lambda lines: b"".join(line + b"\n" for line in lines))
)
def test_anything_else_is_read_or_is_a_cassette_error(content):
    try:
        recorded = cassette_format.load(content, "it.jsonl")
    except CassetteError as error:
        assert "it.jsonl" in str(error)
    else:
        assert cassette_format.load(cassette_format.dump(recorded), "it.jsonl") == recorded


OPENING = b'{"line":"cassette","version":1}\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "was cut off in line 1"),
        (b'{"line":"cassette","version":2}\n', "line 1, is not a line of a cassette: its version is 2"),
        (b'{"line":"eof"}\n', "line 1, is not a line of a cassette: the first line"),
        (OPENING + OPENING, "line 2, is not a line of a cassette: the first line"),
        (OPENING + b'{"line":"reply","status":200}\n', "line 2, is not a line of a cassette: it is in the wrong place"),
        (OPENING + b'{"line":"piece"}\n', "line 2, is not a line of a cassette: it is in the wrong place"),
        (OPENING + b"<html>\n", "line 2, is not a line of a cassette: JSON is malformed"),
        (OPENING + b'{"line":"eof"}\n{"line":"eof"}\n', "line 3, is not a line of a cassette: something follows"),
        (OPENING + b'{"line":"eof","more":1}\n', "line 2, is not a line of a cassette: Object contains unknown field"),
        (OPENING, "was cut off after line 1"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(content, said):
    with pytest.raises(CassetteError) as raised:
        cassette_format.load(content, "it.jsonl")
    assert said in str(raised.value)


def test_a_checkout_with_other_line_ends_is_read():
    recorded = [Exchange(Request("POST", "u", json={"a": 1}), Reply(200), [b"\r\n\n"], cassette_format.WHOLE)]
    assert cassette_format.load(cassette_format.dump(recorded).replace(b"\n", b"\r\n"), "it.jsonl") == recorded


# ---- which is which


@unhurried
@given(json_values, json_values)
def test_two_bodies_have_one_key_exactly_when_there_is_no_difference(one, two):
    asked, recorded = Request("POST", "u", json=one), Request("POST", "u", json=two)
    number, differences = nearest(asked, [recorded])
    assert number == 1
    assert (key_of(asked) == key_of(recorded)) is (differences == ())


@pytest.mark.parametrize(
    ("asked", "recorded", "said"),
    [
        ({"a": 1}, {"a": True}, "$.a (1; recorded: true)"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "$.a.b (a number; recorded: a number)"),
        ({"a": [1]}, {"a": [1, "x"]}, "$.a[1] (nothing; recorded: a string of 1 characters)"),
        ({"model": "x"}, {"model": "y"}, "$.model ('x'; recorded: 'y')"),
        ({"a": {}}, {"a": [1]}, "$.a (an object with 0 fields; recorded: a list of 1)"),
        ({"What do I earn?": 1}, {}, "$.* (1; recorded: nothing)"),
    ],
)
def test_a_difference_is_a_path_and_what_is_there(asked, recorded, said):
    assert nearest(Request("POST", "u", json=asked), [Request("POST", "u", json=recorded)]) == (1, (said,))


def test_the_nearest_is_the_one_with_the_fewest_differences():
    recorded = [Request("POST", "u", json={"a": each, "b": 1}) for each in (1, 2)]
    assert nearest(Request("POST", "u", json={"a": 2, "b": 3}), recorded)[0] == 2
    assert nearest(Request("POST", "u", json={}), []) == (None, ())


# ---- what is hidden


def mask(key: str = "", **headers: str) -> Mask:
    return Mask(HttpRequest("u", headers, b"", ("authorization", ""), Secret(key) if key else None))


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://h/v1/models/m:generate?key=abc&alt=sse", "https://h/v1/models/m:generate?key=***&alt=sse"),
        (
            "https://me:pw@h:8443/v1?X-Amz-Signature=1&access_token=2",
            "https://h:8443/v1?X-Amz-Signature=***&access_token=***",
        ),
        ("https://h/accounts/a-long-secret/chat", "https://h/accounts/***/chat"),
        ("https://h/v1?api-version=2024", "https://h/v1?api-version=2024"),
    ],
)
def test_no_key_is_left_in_a_url(url, kept):
    assert masked_url(url, mask("a-long-secret")) == kept


@unhurried
@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8), st.lists(st.binary(max_size=9)), st.data()
)
def test_no_key_is_left_in_a_reply_and_its_cuts_stay_where_they_were(key, around, data):
    body = b"".join(around) + key.encode() + json.dumps(key).encode() + b"".join(around)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    given = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    masked = mask(key).pieces(given)
    assert [len(piece) for piece in masked] == [len(piece) for piece in given]
    assert key.strip("*").encode() not in b"".join(masked) or not key.strip("*")


def test_a_key_that_is_hardly_one_is_left_in_the_text():
    assert mask("none").body(b"none of it") == b"none of it"


def test_a_request_without_json_is_kept_as_it_is():
    assert cassette_format.with_body(Request("POST", "u"), b"a text").text == "a text"
    both: Any = cassette_format.with_body(Request("POST", "u"), b"\xff")
    assert both.base64 == "/w=="
    assert list(nearest(both, [Request("POST", "u", json={})])[1]) == ["the body (is binary; recorded: JSON)"]
