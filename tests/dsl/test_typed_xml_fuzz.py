"""Random values and random broken XML: what is written is read again, and no text disappears."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msgflux_like.structured.xml import TypedParserError, typed_parser_registry

XML = typed_parser_registry["typed_xml"]
bounded = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

texts = st.text(max_size=12) | st.text("<>&;'\"=/!-[]? \t\r\n\x00\ud800ab", max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | texts
    | st.sampled_from(["br", "item", "entry", "true", "null", "1", "]]>", "<!--", "&amp;", "<br>"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts | st.sampled_from("abc"), inner, max_size=4),
    max_leaves=20,
)

# Words that are no markup, among pieces that are, or nearly.
WORD = re.compile(r"w[0-9]+w")
pieces = st.sampled_from([
    "<a>", "</a>", "<b>", "</b>", "<c/>", "<e dtype='dict'>", "</e>", "<l dtype='list'>", "</l>", "<item>", "</item>",
    "<n dtype='int'>", "</n>", "<f dtype='float'>", "</f>", "<t dtype='bool'>", "</t>", "<z dtype='null'>", "</z>",
    "<", ">", "&", ";", "&amp;", "&lt;", "&x;", "&#65;", "&#0;", "&#x110000;", "<!--", "-->", "<![CDATA[", "]]>",
    "<?xml version='1.0'?>", "<?", "?>", "<!", "</", "/>", "<a b='", "'", '"', "=", "<a dtype=", "dtype", "<br>",
    "<x:y>", "</x:y>", "<entry key='k'>", "</entry>", "<answer>", "</answer>", "```xml\n", "```", "\n", " ", "\x00",
    "\ud800", "[1, 2]", "{}", "7", "true", "<s dtype='str' xml:space='preserve'>", "</s>", "<u unwrap='true'>", "</u>",
])  # fmt: skip
words = st.integers(0, 99).map(lambda number: f" w{number}w ")
broken = st.lists(pieces | pieces | words, max_size=25).map("".join)

COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
TAG = re.compile(r"<[^<>]*>")


def decoded(text):
    """All that came of the text: the value and the report, or the error."""
    try:
        return repr(XML.decode_with_report(text))
    except TypedParserError as error:
        assert error.raw_text == text
        return error.raw_text


@bounded
@given(values)
def test_what_is_written_is_read_again(value):
    text = XML.encode(value)
    assert XML.decode_with_report(text) == (value, False, ())
    partial = XML.partial()
    for at in range(0, len(text), 5):
        partial.feed(text[at : at + 5])
    assert partial.value == value
    assert partial.close() == value


@bounded
@given(broken)
def test_no_word_disappears_and_no_error_is_a_strangers(text):
    result = decoded(text)
    # In a comment a word is no text; in the attribute of a tag it is named there, or the tag is text.
    visible = TAG.sub(" ", COMMENT.sub(" ", text))
    missing = [word for word in WORD.findall(visible) if word not in result]
    assert missing == []


@bounded
@given(st.text("<>/ab&;'\"=!-[]?x \n", max_size=40) | st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    decoded(text)


@bounded
@given(broken, st.integers(1, 9))
def test_a_stream_ends_with_what_the_whole_text_says(text, size):
    partial, refused = XML.partial(), None
    try:
        for at in range(0, len(text), size):
            partial.feed(text[at : at + size])
    except TypedParserError as error:
        refused = error
    if refused is None:
        try:
            ended = partial.close()
        except TypedParserError as error:
            ended = str(error)
        try:
            whole = XML.decode(text)
        except TypedParserError as error:
            whole = str(error)
        assert repr(ended) == repr(whole)


@bounded
@given(values, st.data())
def test_a_text_that_was_cut_gives_a_part_of_the_value_or_an_error(value, data):
    text = XML.encode({"a": value, "b": "end"})
    cut = data.draw(st.integers(0, len(text)))
    decoded(text[:cut])


@bounded
@given(broken)
def test_a_schema_loses_no_word_either(text):
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "string"},
            "e": {"type": "object", "properties": {"n": {"type": "integer"}}},
            "l": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]}},
        },
    }
    try:
        result = repr(XML.decode_as_with_report(text, schema))
    except TypedParserError as error:
        result = error.raw_text
    visible = TAG.sub(" ", COMMENT.sub(" ", text))
    assert [word for word in WORD.findall(visible) if word not in result] == []
