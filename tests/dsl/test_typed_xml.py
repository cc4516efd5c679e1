"""The typed parser `typed_xml`: what models write, and the values in it."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
from jinja2 import Template

from msgflux_like.errors import InvalidRequestError
from msgflux_like.structured.xml import (
    BaseTypedParser,
    TypedParserError,
    UnknownParserError,
    register_typed_parser,
    typed_parser_registry,
)

XML = typed_parser_registry["typed_xml"]
EVENT = """<event dtype="dict">
  <name>science fair</name>
  <date>Friday</date>
  <participants dtype="list"><item>Alice</item><item>Bob</item></participants>
</event>"""
PARSED = {"name": "science fair", "date": "Friday", "participants": ["Alice", "Bob"]}

# What a model wrote, and the value in it.
READ = {
    "a single dict is unwrapped": (EVENT, PARSED),
    "a dict that does not say so": ("<event><name>x</name></event>", {"name": "x"}),
    "several roots are a dict": ("<name>Bob</name><age dtype='int'>3</age>", {"name": "Bob", "age": 3}),
    "a single text keeps its name": ("<name>Bob</name>", {"name": "Bob"}),
    "a single list keeps its name": ("<n dtype='list'><item>a</item></n>", {"n": ["a"]}),
    "repeated roots are a list": ("<a>1</a><b>2</b><a>3</a>", {"a": ["1", "3"], "b": "2"}),
    "repeated tags in a dict are a list": ("<e dtype='dict'><a>1</a><a>2</a><a>3</a></e>", {"a": ["1", "2", "3"]}),
    "a code fence": (f"```xml\n{EVENT}\n```", PARSED),
    "a declaration": (f'<?xml version="1.0" encoding="UTF-8"?>\n{EVENT}', PARSED),
    "text around": (f"Sure, if a < b & c:\n{EVENT}\nDoes this help?", PARSED),
    "a tag in the text before": (f"A List<str> it is: {EVENT}", PARSED),
    "an ampersand": ("<a>Tom & Jerry</a>", {"a": "Tom & Jerry"}),
    "an ampersand with a semicolon": ("<a>AT&T; &copy; &amp;lt; &#65;&#x42;</a>", {"a": "AT&T; &copy; &lt; AB"}),
    "a less than": ("<a>a < b, b <= c, 1<2, x<-y, >< <<</a>", {"a": "a < b, b <= c, 1<2, x<-y, >< <<"}),
    "a section of characters": ("<a><![CDATA[<b>&amp;]]>]]></a>", {"a": "<b>&amp;]]>"}),
    "a comment": ("<a>x<!-- <b>-- no --></a>", {"a": "x"}),
    "markup in a text": ('<a>see <b class="k">this</b><i/><br>now</a>', {"a": 'see <b class="k">this</b><i/><br>now'}),
    "markup in a declared text": ("<a dtype='str'><b>this</b></a>", {"a": "<b>this</b>"}),
    "a tag that never closes is text": ("<a>a List<int> of 3</a>", {"a": "a List<int> of 3"}),
    "an attribute without quotes": ("<a dtype=int>3</a>", {"a": 3}),
    "other capitals in the closing tag": ("<Name>x</name>", {"Name": "x"}),
    "a prefix": ("<x:a>1</x:a>", {"x:a": "1"}),
    "numbers": (
        "<l dtype='list[int]'><a> 7 </a><a>-3.0</a><a dtype='float'>\n1e3 </a><a dtype='float'>2</a></l>",
        {"l": [7, -3, 1000.0, 2.0]},
    ),
    "truth values": (
        "<l dtype='list[bool]'><a>True</a><a>1</a><a> yes</a><a>False</a><a>0</a><a>NO</a></l>",
        {"l": [True, True, True, False, False, False]},
    ),
    "empty elements": (
        (
            "<e dtype='dict'><s/><t></t><i dtype='int'/><f dtype='float'> </f><b dtype='bool'/><l dtype='list'/>"
            "<d dtype='dict'/><n dtype='null'/></e>"
        ),
        {"s": "", "t": "", "i": None, "f": None, "b": None, "l": [], "d": {}, "n": None},
    ),
    "a number that is null": ("<a dtype='int'>null</a>", {"a": None}),
    "names of types in other languages": (
        "<e><i dtype='integer'>1</i><n dtype='number'>1</n><o dtype='Optional[int]'>1</o><u dtype='int | None'/></e>",
        {"i": 1, "n": 1.0, "o": 1, "u": None},
    ),
    "JSON in place of elements": ("<e dtype='dict'><l dtype='list'>[1, \"a\"]</l></e>", {"l": [1, "a"]}),
    "names of other scripts": ("<città>Rómà</città><名前>x</名前>", {"città": "Rómà", "名前": "x"}),
    "kept blanks": ("<a xml:space='preserve'> x </a><b> x </b>", {"a": " x ", "b": "x"}),
    "cut off in a text": ("<e dtype='dict'><n>Bob</n><d>Fri", {"n": "Bob", "d": "Fri"}),
    "cut off in a closing tag": ("<e dtype='dict'><n>Bob</", {"n": "Bob"}),
    "cut off in an opening tag": ("<e dtype='dict'><n>Bob</n><d dtype='i", {"n": "Bob"}),
    "cut off in a section of characters": ("<n><![CDATA[a & b", {"n": "a & b"}),
    "cut off in a comment, which is none then": ("<n>a <!-- b", {"n": "a <!-- b"}),
    "a closing tag too many": ("<e dtype='dict'><n>x</n></m></e></e>", {"n": "x"}),
}


@pytest.mark.parametrize(("text", "value"), READ.values(), ids=READ)
def test_a_text_is_read(text, value):
    assert XML.decode(text) == value


@pytest.mark.parametrize(("text", "value"), READ.values(), ids=READ)
def test_it_does_not_matter_where_it_is_cut(text, value):
    for size in (1, 3, 7):
        partial = XML.partial()
        for at in range(0, len(text), size):
            partial.feed(text[at : at + size])
        assert partial.close() == value


# What cannot be read without losing something: the path, and words of the message.
REFUSED = {
    "no element": ("I do not know.", "", "no XML element"),
    "nothing": ("", "", "no XML element"),
    "a word for a number": (
        "<e dtype='dict'><n dtype='int'>three</n></e>",
        "e.n",
        "<n> is declared int and holds 'three'",
    ),
    "a fraction for a whole number": ("<n dtype='int'>3.5</n>", "n", "holds '3.5'"),
    "a number that is too large": ("<n dtype='float'>1e999</n>", "n", "holds '1e999'"),
    "too many digits": (f"<n dtype='int'>{'9' * 5000}</n>", "n", "is declared int"),
    "no truth value": ("<b dtype='bool'>maybe</b>", "b", "is declared bool"),
    "a null with text": ("<b dtype='null'>x</b>", "b", "is declared null"),
    "text in a dict": ("<e dtype='dict'>oh <n>1</n></e>", "e", "text outside its elements: 'oh'"),
    "text in a list": (
        "<e dtype='dict'><l dtype='list'>Ann, Bob</l></e>",
        "e.l",
        "text outside its elements: 'Ann, Bob'",
    ),
    "a bad item": ("<l dtype='list[int]'><item>1</item><item>x</item></l>", "l.item[1]", "<item> is declared int"),
}


@pytest.mark.parametrize(("text", "path", "words"), REFUSED.values(), ids=REFUSED)
def test_what_would_be_lost_or_made_up_is_an_error_with_the_place_and_the_text(text, path, words):
    with pytest.raises(TypedParserError) as raised:
        XML.decode(text)
    assert raised.value.path == path
    assert words in str(raised.value)
    assert raised.value.raw_text == text


def test_a_clean_answer_has_nothing_to_report():
    assert XML.decode_with_report(f"```xml\n{EVENT}\n```") == (PARSED, False, ())


def test_escaping_is_no_recovery_and_the_text_around_is_in_the_notes():
    value, recovered, notes = XML.decode_with_report("Here: <a>Tom & Jerry</a> Bye")
    assert (value, recovered, notes) == ({"a": "Tom & Jerry"}, False, ("text around the XML: Here:  Bye",))


def test_what_was_repaired_is_reported():
    value, recovered, notes = XML.decode_with_report("<e dtype='dict'><t>x<int></t></w><n>Bob</")
    assert value == {"t": "x<int>", "n": "Bob"}
    assert recovered
    assert notes == (
        "<int> is never closed: taken as text",
        "</w> closes nothing",
        "the text ends inside a tag: </",
        "the text ends before </n></e>",
    )


def test_attributes_and_types_that_nobody_knows_are_reported():
    _, recovered, notes = XML.decode_with_report('<a lang="en" dtype="date">x</a>')
    assert not recovered
    assert notes == (
        'not read of <a lang="en" dtype="date">: lang',
        "dtype 'date' of <a> is not known; it is ignored",
    )


@pytest.mark.parametrize(
    "value",
    [
        PARSED,
        {},
        [],
        None,
        "",
        " ",
        7,
        1.5,
        True,
        "text",
        [1, "1", None, [], {}, [[]], ""],
        {"a b": 1, "": 2, "1": 3, "x:y": 4, "entry": 5, "item": {"item": "x"}, "br": "<br>", "ключ": "é"},
        {"control": "\x00\x0b\x1f\ufffe", "\x00": "\r\n\r\t", "half": "\ud800", "markup": "<a>&amp;]]></a><!--"},
        {"one": ["x"], "none": [], "deep": [[[{"a": [{}]}]]]},
        {"blank": "  x\n", "quote\"'\n\t": "\"'", "big": 10**400, "small": -1e-300, "kept": "a\u00a0"},
    ],
    ids=repr,
)
def test_what_is_written_is_read_again(value):
    assert XML.decode(XML.encode(value)) == value


@pytest.mark.parametrize("value", [{"a": {1, 2}}, {"a": [b"x"]}, {"a": object()}, {"a": 10**5000}])
def test_what_json_cannot_hold_is_not_written(value):
    with pytest.raises(InvalidRequestError, match=r"^a.* cannot be written as XML"):
        XML.encode(value)


def test_a_key_that_is_no_text_and_a_value_in_a_circle_are_not_written():
    circle = {}
    circle["a"] = circle
    with pytest.raises(InvalidRequestError, match="nested more than 200 deep"):
        XML.encode(circle)
    with pytest.raises(InvalidRequestError, match="is not a string: 1"):
        XML.encode({"a": {1: 2}})


def test_a_stream_shows_what_is_closed_and_never_another_value():
    partial, seen = XML.partial(), []
    text = (
        "Sure! <e dtype='dict'><n>Bo & b</n><age dtype='int'>42</age>"
        "<l dtype='list'><item>a</item><item>b</item></l></e>"
    )
    for character in text:
        value = partial.feed(character)
        if value is not None and (not seen or seen[-1] != repr(value)):
            seen.append(repr(value))
    assert seen == [
        "{}",
        "{'n': 'Bo & b'}",
        "{'n': 'Bo & b', 'age': 42}",
        "{'n': 'Bo & b', 'age': 42, 'l': []}",
        "{'n': 'Bo & b', 'age': 42, 'l': ['a']}",
        "{'n': 'Bo & b', 'age': 42, 'l': ['a', 'b']}",
    ]
    assert partial.close() == partial.value


def test_a_stream_refuses_a_wrong_value_when_it_comes():
    partial = XML.partial()
    with pytest.raises(TypedParserError) as raised:
        partial.feed("<e dtype='dict'><n dtype='int'>x</n>")
    assert raised.value.path == "e.n"
    with pytest.raises(TypedParserError):
        partial.feed("</e>")


SCHEMA = {
    "title": "Event",
    "type": "object",
    "description": "What happens.",
    "properties": {
        "name": {"type": "string", "description": "Its title"},
        "seats": {"type": "integer"},
        "price": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "kind": {"enum": ["fair", "concert"]},
        "people": {"type": "array", "items": {"$ref": "#/$defs/Person"}},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "seats", "kind"],
    "$defs": {
        "Person": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "age": {"type": "integer"},
                "friend": {"$ref": "#/$defs/Person"},
            },
        }
    },
}


def test_a_schema_says_the_types_whatever_the_attributes_say():
    text = """<Event><Name>42</Name><seats dtype="str">3</seats><price/><kind>fair</kind>
    <people><item><name>7</name><age>7</age></item></people><tags>a</tags><tags>b</tags></Event>"""
    assert XML.decode_as(text, SCHEMA) == {
        "name": "42",
        "seats": 3,
        "price": None,
        "kind": "fair",
        "people": [{"name": "7", "age": 7}],
        "tags": ["a", "b"],
    }


def test_a_list_of_one_needs_no_list_when_a_schema_asks_for_one():
    text = "<Event><tags>a</tags><people><name>Ann</name></people></Event>"
    assert XML.decode_as(text, SCHEMA) == {"tags": ["a"], "people": [{"name": "Ann"}]}


def test_a_schema_finds_the_answer_between_other_elements_and_the_fields_without_a_root():
    assert XML.decode_as("<think>hm</think><Event><seats>3</seats></Event>", SCHEMA) == {"seats": 3}
    assert XML.decode_as("<name>x</name><seats>3</seats>", SCHEMA) == {"name": "x", "seats": 3}


def test_a_schema_for_a_list_or_a_number_needs_no_dict():
    numbers = {"type": "array", "items": {"type": "integer"}}
    assert XML.decode_as("<n><item>1</item><item>2</item></n>", numbers) == [1, 2]
    assert XML.decode_as("<n>1</n><n>2</n>", numbers) == [1, 2]
    assert XML.decode_as("The answer is <n>5</n>.", {"type": "integer"}) == 5


def test_an_alternative_is_chosen_by_its_tag():
    def kind(name, field):
        return {"type": "object", "properties": {"type": {"const": name}, "value": field}}

    schema = {"anyOf": [kind("n", {"type": "integer"}), kind("s", {"type": "string"})]}
    assert XML.decode_as("<a><type>s</type><value>3</value></a>", schema) == {"type": "s", "value": "3"}
    assert XML.decode_as("<a><type>n</type><value>3</value></a>", schema) == {"type": "n", "value": 3}


def test_the_form_of_a_schema_is_an_answer_to_it():
    form = XML.instructions_for(SCHEMA)
    assert '<seats dtype="int">whole number</seats>' in form
    assert "<kind>fair or concert</kind>" in form
    assert "- name: Its title." in form
    assert '- price: If it is not known write dtype="null" and nothing between the tags.' in form
    filled = form.replace("whole number", "3").replace(">number<", ">2.5<").replace("fair or concert", "fair")
    assert XML.decode_as(filled[filled.index("<Event") : filled.index("About")], SCHEMA)["price"] == 2.5


def test_the_template_takes_instructions_and_its_example_can_be_read():
    prompt = Template(XML.template).render({"instructions": "name: str"}).strip()
    assert prompt.endswith("name: str")
    example = prompt[prompt.index("<booking") : prompt.index("</booking>") + 10]
    assert XML.decode(example) == {"hotel": "Aurora", "stars": 4, "guests": ["Ana", "Ben"]}


def test_an_unknown_parser_is_an_error_that_lists_the_known():
    with pytest.raises(UnknownParserError) as raised:
        typed_parser_registry["yaml"]
    assert isinstance(raised.value, ValueError)
    assert str(raised.value).startswith("there is no typed parser 'yaml'; there are: ")
    assert "typed_xml" in str(raised.value)
    assert "yaml" not in typed_parser_registry
    assert typed_parser_registry.get("yaml") is None
    assert "typed_xml" in list(typed_parser_registry)


def test_a_parser_without_a_name_or_template_is_refused():
    class Nameless(BaseTypedParser):
        template = "x"

    class Bare(BaseTypedParser):
        typed_parser_type = "bare"

    with pytest.raises(TypeError, match="Nameless needs 'typed_parser_type'"):
        register_typed_parser(Nameless)
    with pytest.raises(TypeError, match="Bare needs 'template'"):
        register_typed_parser(Bare)


def test_a_name_that_is_taken_is_refused():
    class Other(BaseTypedParser):
        typed_parser_type = "typed_xml"
        template = "x"

        def decode(self, text):
            return text

        def encode(self, value):
            return value

    with pytest.raises(ValueError, match="there is a typed parser 'typed_xml' already"):
        register_typed_parser(Other)


def test_a_parser_of_ones_own_can_be_registered():
    code = """
from msgflux_like.dsl.typed_parsers import BaseTypedParser, register_typed_parser, typed_parser_registry
@register_typed_parser
class Lines(BaseTypedParser):
    typed_parser_type, template = "lines", "One line each: {{ instructions }}"
    def decode(self, text): return text.splitlines()
    def encode(self, value): return "\\n".join(value)
parser = typed_parser_registry["lines"]
print(parser.decode_as("a\\nb", {}), parser.instructions_for({"type": "array"}), len(typed_parser_registry))
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout
    assert out == "['a', 'b'] A value of this JSON schema:\n{\"type\":\"array\"} 2\n"


def test_looking_at_the_registry_brings_no_lxml_and_no_jinja():
    code = """
import sys
from msgflux_like.dsl.typed_parsers import typed_parser_registry
typed_parser_registry["typed_xml"].template
print([name for name in ("lxml", "jinja2") if name in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout
    assert out == "[]\n"


def test_the_schema_of_a_struct_gives_the_form_and_the_types():
    class Event(msgspec.Struct):
        """What happens."""

        name: str
        seats: int | None
        dates: list[str]

    schema = msgspec.json.schema(Event)
    form = XML.instructions_for(schema)
    assert form.startswith('What happens.\n\nFill in this form:\n\n<Event dtype="dict">')
    text = "<Event><name>42</name><seats/><dates>Friday</dates></Event>"
    assert msgspec.convert(XML.decode_as(text, schema), Event) == Event("42", None, ["Friday"])
