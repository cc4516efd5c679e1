"""The typed parser `typed_xml`: the attribute `dtype` of an element is the type of its value.

Rules where the format is ambiguous:

- White space around a string is layout, unless the element has `xml:space="preserve"`.
- An empty int, float or bool is None; an empty string is "".
- Without `dtype` an element is a string, a dict if it contains only elements, a list if these are all `item`.
- Text around the XML is noted. Text between the elements of a dict or list is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from msgflux_like.errors import InvalidRequestError
from msgflux_like.structured.xml import BaseTypedParser, register_typed_parser
from msgflux_like.structured.xml import schema as xml_schema
from msgflux_like.structured.xml.errors import TypedParserError
from msgflux_like.structured.xml.partial import PartialXML
from msgflux_like.structured.xml.repair import KEYED, MAX_DEPTH, MAX_TAG, NAME, ROOT, UNWRITABLE, Repair
from msgflux_like.structured.xml.values import (
    BLANKS,
    ITEM,
    MAX_DIGITS,
    Element,
    Reader,
    children,
    guess,
    kind_of,
    loose_text,
    lxml_etree,
    strict,
)

TEMPLATE = """\
Answer in XML, and with nothing but XML: no explanations, no code fence.

Each value is one element. Its tag is the name of the value. Its attribute dtype is the type of the value:
- a text needs no dtype: <city>Rome</city>
- a whole number: <rooms dtype="int">3</rooms>
- a number: <price dtype="float">89.5</price>
- yes or no: <breakfast dtype="bool">true</breakfast>
- a list has one <item> for each entry: <guests dtype="list"><item>Ana</item><item>Ben</item></guests>
- a group of named values: <address dtype="dict"><street>Via Roma 1</street><zip>00184</zip></address>
- nothing known: <phone dtype="null"/>

Put all values into one group. Close every tag that you open. Inside a text write &amp; for & and &lt; for <.

Example. Asked for "hotel: str, stars: int, guests: list[str]", about a text that names the hotel Aurora with four
stars, where Ana and Ben stay, the answer is:

<booking dtype="dict">
  <hotel>Aurora</hotel>
  <stars dtype="int">4</stars>
  <guests dtype="list">
    <item>Ana</item>
    <item>Ben</item>
  </guests>
</booking>

Take the values from what you are given now, not from the example. What is asked of you:

{{ instructions }}
"""


_FENCE = re.compile(r"^[ \t]*```(?:xml)?[ \t]*$", re.MULTILINE | re.IGNORECASE)


class Decoded(NamedTuple):
    """A decoded value and the repairs it needed.

    Attributes:
        value: The value that `decode` returns.
        recovered: Whether more was repaired than unescaped `&` and `<`: missing, cut or superfluous tags.
        notes: Descriptions of what was repaired, left out or assumed, one sentence each; also the text around the XML.
    """

    value: Any
    recovered: bool
    notes: tuple[str, ...]


@register_typed_parser
class TypedXML(BaseTypedParser):
    """Typed parser of an XML format that small models write well.

    >>> TypedXML().decode('<event dtype="dict"><name>Tom & Jerry</name><seats dtype="int"> 12 </seats></event>')
    {'name': 'Tom & Jerry', 'seats': 12}
    """

    typed_parser_type = "typed_xml"
    template = TEMPLATE

    def decode(self, text: str) -> Any:
        """Return the value in the answer of a model.

        A single root that is a dict is returned itself; otherwise the result is a dict of the outermost elements.

        Raises:
            TypedParserError: If the answer has no element, a value does not match its type, text would be lost, or a
                limit is exceeded: 16 million characters, 200 levels, 10 million characters in one string.
        """
        return self.decode_with_report(text).value

    def decode_with_report(self, text: str) -> Decoded:
        """Decode like `decode`, and return the repairs as well."""
        return self._decoded(text, None)

    def decode_as(self, text: str, json_schema: Mapping[str, Any]) -> Any:
        """Decode like `decode`, with the types of a JSON schema, which take precedence over `dtype`.

        The value is not validated against the schema.
        """
        return self.decode_as_with_report(text, json_schema).value

    def decode_as_with_report(self, text: str, json_schema: Mapping[str, Any]) -> Decoded:
        """Decode like `decode_as`, and return the repairs as well."""
        return self._decoded(text, json_schema)

    def encode(self, value: Any) -> str:
        """Return the XML that `decode` converts to `value`, which can be any JSON value.

        The root of a value that is not a dict has `unwrap="true"`. A key that is not an XML name is written as
        `<entry key="...">`. A character that XML cannot represent is written as a reference (`&#0;`), which `decode`
        accepts and other parsers reject.

        >>> print(TypedXML().encode({"name": "Ada", "years": [1815, 1852]}))
        <answer dtype="dict">
          <name>Ada</name>
          <years dtype="list">
            <item dtype="int">1815</item>
            <item dtype="int">1852</item>
          </years>
        </answer>

        Raises:
            InvalidRequestError: If the value contains something that is not JSON; the message names the place.
        """
        lines: list[str] = []
        unwrap = "" if isinstance(value, Mapping) else ' unwrap="true"'
        _encode(lines, (ROOT, unwrap), value, "", 0)
        return "\n".join(lines)

    def instructions_for(self, json_schema: Mapping[str, Any]) -> str:
        """Return the `instructions` of `template`: a form to fill in, and remarks on its fields."""
        return xml_schema.instructions_for(json_schema)

    def partial(self) -> PartialXML:
        """Return an incremental decoder of a streamed answer."""
        return PartialXML(self.decode)

    def _decoded(self, text: str, schema: Mapping[str, Any] | None) -> Decoded:
        repair = Repair()
        try:
            repair.feed(text)
            repair.close()
        except TypedParserError as error:
            error.raw_text = text
            raise
        notes = repair.notes
        document = _parsed(repair, text)
        reader = Reader(text, notes)
        if around := _FENCE.sub("", loose_text(document)).strip(BLANKS):
            notes.append(f"text around the XML: {around}")
        if not children(document):
            raise TypedParserError("there is no XML element in the answer", raw_text=text)
        value = _roots(reader, document) if schema is None else xml_schema.SchemaReader(reader, schema).roots(document)
        return Decoded(value, repair.recovered, tuple(notes))


def _parsed(repair: Repair, text: str) -> Element:
    etree = lxml_etree()
    try:
        return etree.fromstring(repair.xml().encode(), strict(etree.XMLParser))
    except etree.XMLSyntaxError as error:
        raise TypedParserError(f"the XML cannot be read: {error.msg}", raw_text=text) from None


def _roots(reader: Reader, document: Element) -> Any:
    roots: list[Element] = children(document)
    if len(roots) == 1:
        root = roots[0]
        if root.get("unwrap") == "true" or (kind_of(root.get("dtype"))[0] or guess(root)) == "dict":
            return reader.read(root)
    return reader.by_key(roots)


def _encode(lines: list[str], name: tuple[str, str], value: Any, path: str, depth: int) -> None:
    """Append the lines of an element; `name` is its tag and the attributes that hold its key."""
    if depth >= MAX_DEPTH:
        raise InvalidRequestError(f"the value is nested more than {MAX_DEPTH} deep")
    tag, attributes = name
    indent = "  " * min(depth, 20)
    if isinstance(value, Mapping):
        inside = [(_tag_of(key, path), each, f"{path}.{key}") for key, each in cast("Mapping[Any, Any]", value).items()]
        kind = "dict"
    elif isinstance(value, (list, tuple)):
        items = cast("list[Any]", value)
        inside = [((ITEM, ""), each, f"{path}[{number}]") for number, each in enumerate(items)]
        kind = "list"
    else:
        lines.append(f"{indent}<{tag}{attributes}{_scalar(value, path)}</{tag}>")
        return
    lines.append(f'{indent}<{tag}{attributes} dtype="{kind}">')
    for inner, each, where in inside:
        _encode(lines, inner, each, where, depth + 1)
    lines.append(f"{indent}</{tag}>")


def _tag_of(key: Any, path: str) -> tuple[str, str]:
    """Return the tag of a key, and the attribute that holds the key if the tag cannot."""
    if not isinstance(key, str):
        raise InvalidRequestError(f"a key at {path or 'the top'} is not a string: {key!r}")
    if NAME.fullmatch(key) and key.lower() != "br" and len(key) < 1000:
        return key, ""
    written = f' key="{_escaped(key)}"'
    if len(written) > MAX_TAG - 100:
        raise InvalidRequestError(f"a key at {path or 'the top'} has {len(key)} characters; XML takes about {MAX_TAG}")
    return KEYED, written


def _scalar(value: Any, path: str) -> str:
    """Return the rest of the tag and the content of a scalar value."""
    if isinstance(value, str):
        space = ' xml:space="preserve"' if value != value.strip(BLANKS) else ""
        return f"{space}>{_escaped(value)}"
    if value is None:
        return ' dtype="null">'
    if isinstance(value, bool):
        return f' dtype="bool">{str(value).lower()}'
    if isinstance(value, int) and abs(value) < 10 ** (MAX_DIGITS - 10):
        return f' dtype="int">{value}'
    if isinstance(value, float):
        return f' dtype="float">{value!r}'
    raise InvalidRequestError(f"{path.lstrip('.') or 'the value'} cannot be written as XML: {type(value).__name__}")


_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}


def _escaped(text: str) -> str:
    for character, reference in _ESCAPES.items():
        text = text.replace(character, reference)
    return UNWRITABLE.sub(lambda found: f"&#{ord(found.group())};", text)
