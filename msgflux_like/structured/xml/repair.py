"""Repair of the XML that models write: the result is well-formed, and each repair is noted.

The text is split into tags and text, in pieces of any size and in linear time. An unambiguous tag stays a tag.
Everything else (`Tom & Jerry`, `a < b`, `List<int>`) is escaped: a strict parser accepts it, and nothing is lost.

- a tag that is not closed before the element around it closes is text;
- a closing tag without an opening tag is text, or left out where only elements are allowed;
- elements that are open at the end are closed there.

Tags are rewritten with these attributes only: `dtype`, `space`, `unwrap`; `key` (JSON) for a name that is not an XML
name; `source` (JSON), the original tag; `more`, the names of the other attributes. A character that XML cannot
represent becomes the processing instruction `<?char 0b?>`. Everything is inside one element, `ROOT`.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from html import unescape

from msgflux_like.structured.xml.errors import TypedParserError

MAX_CHARACTERS = 16 * 1024 * 1024
MAX_DEPTH = 200  # of elements; libxml2 itself stops at 256
MAX_TAG = 4096  # characters; longer text is not a tag
ROOT = "answer"
KEYED = "entry"  # the tag of a value whose name is in its attribute `key`

# https://www.w3.org/TR/xml/#NT-NameStartChar, without the colon
_START = (
    "A-Za-z_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NAME = f"[{_START}][{_START}0-9.\u00b7\u0300-\u036f\u203f-\u2040-]*+"
NAME = re.compile(_NAME)
_QUALIFIED = f"{_NAME}(?::{_NAME})?+"
_ATTRIBUTE = rf"""({_QUALIFIED})\s*+=\s*+("[^"<]*+"|'[^'<]*+'|[^\s"'<>=/]++)"""
# All quantifiers are possessive: a failed match costs what it has read, and it never reads past the next `<`.
_TAG = re.compile(rf"<(/?)({_QUALIFIED})((?:\s++{_ATTRIBUTE})*+)\s*+(/?)>")
_ATTRIBUTES = re.compile(_ATTRIBUTE)
_DECLARATION = re.compile(r"<\?xml[^<>]*+>", re.IGNORECASE)
_DOCTYPE = re.compile(r"<!doctype", re.IGNORECASE)
_MAY_BE_MARKUP = re.compile(rf"<(?:[/!?{_START}]|\Z)")
_CUT_TAG = re.compile(rf"""<(/?)({_QUALIFIED})?+(?:\s[^<>]*+)?+\Z""")
_CUT_ENTITY = re.compile(r"&[#0-9A-Za-z]{0,8}\Z")
_AMPERSAND = re.compile(r"&(?:(?:amp|lt|gt|quot|apos);|#([0-9]{1,7});|#[xX]([0-9A-Fa-f]{1,6});)?")
UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_LONGEST_START = len("<![CDATA[")
_MAX_NOTES = 1000

_READ = ("dtype", "space", "unwrap")
_CONTAINERS = ("dict", "list", "object", "array")


class _Open:
    """An element that is not closed yet."""

    __slots__ = ("container", "declared", "declared_inside", "has_text", "index", "name", "source", "tag")

    def __init__(self, name: str, tag: str, source: str, index: int, dtype: str) -> None:
        self.name = name
        self.tag = tag  # as written anew
        self.source = source
        self.index = index  # of its token
        self.declared = bool(dtype)
        self.container = dtype.strip().lower().startswith(_CONTAINERS)
        self.has_text = False
        self.declared_inside = False


class Repair:
    """Incremental repair: `feed` it with text, `close` it, and `xml()` is well-formed.

    >>> repair = Repair()
    >>> repair.feed("Sure: <a>Tom & Je"), repair.feed("rry < 3</a>"), repair.close()
    (None, None, None)
    >>> repair.xml()
    '<answer>Sure: <a>Tom &amp; Jerry &lt; 3</a></answer>'

    Attributes:
        tokens: The XML so far, in pieces.
        rewritten: Whether an earlier token was changed, because a tag turned out to be text.
        recovered: Whether more was repaired than unescaped text.
        notes: Descriptions of the repairs, one sentence each.
    """

    def __init__(self) -> None:
        self.tokens = [f"<{ROOT}>"]
        self.rewritten = False
        self.recovered = False
        self.notes: list[str] = []
        self._size = 0
        self._open: list[_Open] = []
        self._waiting: list[str] = []  # pending text that may be the start of markup
        self._waiting_size = 0
        self._section = ""  # end mark of the current comment or CDATA section
        self._held: list[str] = []  # the comment so far, in case it never ends
        self._at_end = False

    def xml(self) -> str:
        """Return the XML so far; it is well-formed after `close`."""
        return "".join(self.tokens)

    def feed(self, text: str) -> None:
        """Add the next piece; raise TypedParserError for a document type and for too long or too deep a document."""
        self._size += len(text)
        if self._size > MAX_CHARACTERS:
            raise TypedParserError(f"the answer is longer than {MAX_CHARACTERS} characters")
        if self._waits_on(text):
            return
        self._scan("".join((*self._waiting, text)))

    def close(self) -> None:
        """End the text: decide pending text and close all open elements."""
        self._at_end = True
        self._scan("".join(self._waiting))
        if self._section == "-->":  # it never ended, so it was not a comment
            self._section = ""
            self._text("<!--")
            self._scan("".join(self._held))
        if self._section:
            self._recover("the text ends inside a CDATA section")
        self._close_all()
        self.tokens.append(f"</{ROOT}>")

    def _waits_on(self, text: str) -> bool:
        """Return whether a pending tag stays pending. Saves joining and matching it again for each small piece."""
        if self._section or not self._waiting or not self._waiting[0].startswith("<") or "<" in text or ">" in text:
            return False
        if not _LONGEST_START < self._waiting_size <= MAX_TAG:
            return False
        self._waiting.append(text)
        self._waiting_size += len(text)
        return True

    def _scan(self, text: str) -> None:
        self._waiting = []
        at = 0
        while at < len(text):
            if self._section:
                at = self._in_section(text, at)
                continue
            found = start.start() if (start := _MAY_BE_MARKUP.search(text, at)) else -1
            self._text_until(text, at, found)
            if found < 0:
                return
            at = self._markup(text, found)
            if at < 0:
                self._waiting, self._waiting_size = [text[found:]], len(text) - found
                return

    def _text_until(self, text: str, at: int, end: int) -> None:
        piece = text[at:] if end < 0 else text[at:end]
        if end < 0 and not self._at_end and (cut := _CUT_ENTITY.search(piece, max(0, len(piece) - 12))):
            self._waiting = [cut.group()]
            piece = piece[: cut.start()]
        self._text(piece)

    def _markup(self, text: str, at: int) -> int:
        """Process the markup that starts with this `<`; return the position after it, -1 if more text is needed."""
        tag = _TAG.match(text, at, at + MAX_TAG)
        if tag is not None:
            self._tag(tag)
            return tag.end()
        if text.startswith("<![CDATA[", at):
            self._section = "]]>"
            return at + 9
        if text.startswith("<!--", at) and not self._at_end:
            self._section, self._held = "-->", []
            return at + 4
        if declaration := _DECLARATION.match(text, at, at + MAX_TAG):
            return declaration.end()
        if not self._open and _DOCTYPE.match(text, at):
            raise TypedParserError("a document type (<!DOCTYPE) is refused: it could define or fetch entities")
        if self._undecided(text, at):
            return self._cut_tag(text, at) if self._at_end else -1
        self._text("<")
        return at + 1

    def _undecided(self, text: str, at: int) -> bool:
        left = len(text) - at
        return left <= MAX_TAG and text.find("<", at + 1) < 0

    def _cut_tag(self, text: str, at: int) -> int:
        """Process a possible tag that the end of the text cuts: note and leave out a likely one, else keep the text."""
        cut = _CUT_TAG.match(text, at)
        inner = self._open[-1] if self._open else None
        if cut is None or inner is None:
            likely = False
        elif cut[1]:
            likely = any(each.name.startswith(cut[2] or "") for each in self._open)
        else:
            likely = inner.container or (cut[2] is not None and not inner.has_text)
        if not likely:
            self._text("<")
            return at + 1
        self.recovered = True
        self.notes.append(f"the text ends inside a tag: {text[at:]}")
        return len(text)

    def _in_section(self, text: str, at: int) -> int:
        end = text.find(self._section, at)
        stop = end if end >= 0 else max(at, len(text) - 2)
        if self._section == "]]>":
            self._literal(text[at:stop])
        else:
            self._held.append(text[at:stop])
        if end >= 0:
            self._section = ""
            return end + 3
        if self._at_end:
            if self._section == "]]>":
                self._literal(text[stop:])
            else:
                self._held.append(text[stop:])
        else:
            self._waiting = [text[stop:]]
        return len(text)

    def _text(self, text: str) -> None:
        if not text:
            return
        if self._open and not self._open[-1].has_text and not text.isspace():
            self._open[-1].has_text = True
        self.tokens.append(_clean(text))

    def _literal(self, text: str) -> None:
        self._text(text.replace("&", "&amp;"))

    def _tag(self, tag: re.Match[str]) -> None:
        closes, name, attributes, _, _, empty = tag.groups()
        if closes:
            self._closing(name, tag.group())
        elif name.lower() == "br" and not attributes:  # the only HTML tag that small models write in strings
            self._text(tag.group())
        else:
            self._opening(name, attributes, tag.group(), bool(empty))

    def _opening(self, name: str, attributes: str, source: str, empty: bool) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise TypedParserError(f"the elements are nested more than {MAX_DEPTH} deep, at <{name}>")
        tag, written, dtype = _written(name, attributes, source)
        if dtype:
            for each in self._open:
                each.declared_inside = True
        if empty:
            self.tokens.append(written + "/>")
            return
        self._open.append(_Open(name, tag, source, len(self.tokens), dtype))
        self.tokens.append(written + ">")

    def _closing(self, name: str, source: str) -> None:
        place = self._place_of(name)
        if place < 0:
            self._recover(f"{source} closes nothing")
            if self._open and not self._open[-1].container:
                self._text(source)
            return
        for each in self._open[place + 1 :]:
            self._make_text(each)
        self.tokens.append(f"</{self._open[place].tag}>")
        del self._open[place:]

    def _place_of(self, name: str) -> int:
        """Return the index of the innermost open element with the name, by exact case if possible; -1 if not found."""
        names = [each.name for each in self._open]
        if name not in names:
            names, name = [each.lower() for each in names], name.lower()
        return len(names) - 1 - names[::-1].index(name) if name in names else -1

    def _make_text(self, element: _Open) -> None:
        self.tokens[element.index] = _clean(element.source)
        self.rewritten = True
        self._recover(f"{element.source} is never closed: taken as text")

    def _close_all(self) -> None:
        while self._open and _is_prose(self._open[0]):
            self._make_text(self._open.pop(0))
        while len(self._open) > 1 and self._open[-2].has_text and not self._open[-2].declared:
            self._make_text(self._open.pop())
        if self._open:
            self._recover("the text ends before " + "".join(f"</{each.name}>" for each in reversed(self._open)))
        for each in reversed(self._open):
            self.tokens.append(f"</{each.tag}>")
        self._open = []

    def _recover(self, note: str) -> None:
        self.recovered = True
        if len(self.notes) < _MAX_NOTES:  # a cut tag is noted in any case: nothing else holds its text
            self.notes.append(note)


def _is_prose(element: _Open) -> bool:
    """Return whether an unclosed element is prose before the answer, like `List<int>`: typed elements follow it."""
    return not element.declared and element.has_text and element.declared_inside


def _clean(text: str) -> str:
    """Return the text as character data for a strict parser; its character references are kept."""
    text = text.replace("<", "&lt;").replace(">", "&gt;")
    if "&" in text:
        text = _AMPERSAND.sub(_reference, text)
    return UNWRITABLE.sub(lambda found: _instruction(ord(found.group())), text)


def _reference(found: re.Match[str]) -> str:
    digits, hexadecimal = found.groups()
    if not digits and not hexadecimal:
        return found.group() if len(found.group()) > 1 else "&amp;"
    number = int(digits) if digits else int(hexadecimal, 16)
    if number > 0x10FFFF:
        return "&amp;" + found.group()[1:]
    return _instruction(number) if UNWRITABLE.match(chr(number)) else f"&#{number};"


def _instruction(number: int) -> str:
    return f"<?char {number:x}?>"


def unreferenced(text: str) -> str:
    r"""Replace the five entities and all numeric references, also those of characters that XML cannot represent.

    >>> unreferenced("a&#0;&amp;&copy;")
    'a\x00&&copy;'
    """
    return _AMPERSAND.sub(_referred, text) if "&" in text else text


def _referred(found: re.Match[str]) -> str:
    digits, hexadecimal = found.groups()
    if not digits and not hexadecimal:
        return unescape(found.group())
    number = int(digits) if digits else int(hexadecimal, 16)
    return chr(number) if number <= 0x10FFFF else found.group()


def _attributes(text: str) -> dict[str, str]:
    if not text:
        return {}
    found = _ATTRIBUTES.findall(text)
    return {name.removeprefix("xml:"): unreferenced(_unquoted(value)) for name, value in found}


def _unquoted(value: str) -> str:
    return value[1:-1] if value[0] in "\"'" else value


@lru_cache(maxsize=1024)  # the same few tags make up an answer
def _written(name: str, attributes_text: str, source: str) -> tuple[str, str, str]:
    """Return the name of the rewritten tag, the rewritten tag without its end, and its `dtype`."""
    attributes = _attributes(attributes_text)
    keyed = name == KEYED and "key" in attributes
    key = attributes["key"] if keyed else name
    tag = name if keyed or ":" not in name else KEYED
    known = {each: attributes[each] for each in _READ if each in attributes}
    values = {each: "".join(UNWRITABLE.split(value)) for each, value in known.items()}
    if keyed or tag != name:
        values["key"] = json.dumps(key)
    if more := [each for each in attributes if each not in values]:
        values["more"] = " ".join(more)
    if source != f"<{name}>":
        values["source"] = json.dumps(source)
    written = "".join(f' {each}="{_clean(_escaped(value))}"' for each, value in values.items())
    return tag, f"<{tag}{written}", attributes.get("dtype", "")


def _escaped(value: str) -> str:
    return value.replace("&", "&amp;").replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
