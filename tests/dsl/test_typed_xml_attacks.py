"""What `typed_xml` does with XML that was written to do harm, and with very much of it."""

from __future__ import annotations

import pytest

from msgflux_like.structured.xml import TypedParserError, typed_parser_registry

XML = typed_parser_registry["typed_xml"]

BOMB = "".join(f'<!ENTITY b{n} "{f"&b{n - 1};" * 10}">' for n in range(1, 10))
DOCTYPES = {
    "an entity bomb": f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b0 "ha">{BOMB}]><a>&b9;</a>',
    "a quadratic bomb": f'<!DOCTYPE a [<!ENTITY b "{"x" * 50_000}">]><a>{"&b;" * 50_000}</a>',
    "a file": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "an address": '<!DOCTYPE a [<!ENTITY x SYSTEM "http://127.0.0.1:9/">]><a>&x;</a>',
    "a parameter entity": '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;]><a>1</a>',
    "a document type elsewhere": '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><a>1</a>',
    "a document type in small letters": '<!doctype a [<!ENTITY x "y">]><a>&x;</a>',
    "one after the answer": '<a>1</a><!DOCTYPE a [<!ENTITY x "y">]>',
}


@pytest.mark.parametrize("text", DOCTYPES.values(), ids=DOCTYPES)
def test_a_document_type_is_refused(text):
    with pytest.raises(TypedParserError, match="document type") as raised:
        XML.decode(text)
    assert raised.value.raw_text == text
    partial = XML.partial()
    with pytest.raises(TypedParserError, match="document type"):
        partial.feed(text)


def test_a_document_type_in_a_text_is_text():
    text = '<!DOCTYPE a [<!ENTITY x "y">]>&x;'
    assert XML.decode(f"<a>{text}</a>") == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<a>&x;</a>", {"a": "&x;"}),
        ('<xi:include href="file:///etc/passwd" parse="text"/>', {"xi:include": ""}),
        (
            '<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="/etc/passwd"/></a>',
            {"xi:include": ""},
        ),
        ('<?xml-stylesheet href="http://127.0.0.1:9/x.xsl"?><a>1</a>', {"a": "1"}),
        ('<a xsi:schemaLocation="http://127.0.0.1:9/ x.xsd">1</a>', {"a": "1"}),
        ("<a><?php echo 1 ?></a>", {"a": "<?php echo 1 ?>"}),
        ("<a><?char 41?></a>", {"a": "<?char 41?>"}),
        ('<a source="&quot;x&quot;" more="y" dtype="int">1</a>', {"a": 1}),
        ('<entry key="a&#0;&lt;">1</entry>', {"a\x00<": "1"}),
        ("<__proto__>1</__proto__><__class__>2</__class__>", {"__proto__": "1", "__class__": "2"}),
        ("<a>1</answer><b>2</b>", None),
    ],
)
def test_nothing_is_fetched_included_or_taken_for_more_than_it_says(text, value):
    if value is not None:
        assert XML.decode(text) == value
    else:
        assert "2" in repr(XML.decode_with_report(text))


@pytest.mark.parametrize("text", ["<a>" * 201, "<a dtype='dict'>" * 200_000, "<a>" * 300 + "x" + "</a>" * 300])
def test_deep_nesting_is_refused(text):
    with pytest.raises(TypedParserError, match="nested more than 200 deep"):
        XML.decode(text)


def test_two_hundred_levels_are_read_and_written():
    value = {"n": "x"}
    for _ in range(198):
        value = {"n": value}
    assert XML.decode(XML.encode(value)) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"<a b='{'c' * 20_000_000}'>x</a>", "longer than 16777216 characters"),
        (f"<a>{'c' * 20_000_000}</a>", "longer than 16777216 characters"),
        (f"<a>{'c' * 11_000_000}</a>", "Text node too long"),
        (f"<a b='{'c' * 5_000_000}'>x</a>", "no XML element"),
    ],
    ids=["a long attribute", "a long text", "a text too long for libxml2", "an attribute that makes it no tag"],
)
def test_too_much_is_refused(text, words):
    with pytest.raises(TypedParserError, match=words) as raised:
        XML.decode(text)
    assert raised.value.raw_text is text


def test_ten_megabytes_are_read():
    text = "<l dtype='list'>" + f"<item>{'x' * 10_000}</item>" * 1000 + "</l>"
    assert len(XML.decode(text)["l"]) == 1000


# Pieces that make some parsers slow when there are many.
HOSTILE = [
    "<", "&", "<!--", "<![CDATA[", "</b>", "<a b='", "<a ", "&#", "<?xml ", "-->", "]]>", "<b>t</b>", "<br>", ">",
    "<a b='c' ", "<b", "\x00", "&amp;", "<!", "</",
]  # fmt: skip


def outcome(text):
    """What is read, or that it is refused."""
    try:
        return XML.decode(text)
    except TypedParserError as error:
        return error


@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
@pytest.mark.parametrize("before", ["", "<a>t"], ids=["outside", "inside"])
def test_many_of_them_are_read_or_refused_in_linear_time(before, piece):
    """By coming to an end: with work that grows as the square of the length, this would take hours."""
    few, many = (outcome(before + piece * (length // len(piece))) for length in (4_000, 200_000))
    assert type(few) is type(many)


@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
def test_a_stream_of_single_characters_is_read_in_linear_time(piece):
    """Likewise."""
    partial = XML.partial()
    text = "<a>t" + piece * (50_000 // len(piece))
    values = [partial.feed(character) for character in text]
    assert len(values) == len(text)
