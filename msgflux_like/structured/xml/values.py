"""Conversion of the elements of a repaired document to values, by their `dtype`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any, NoReturn

import msgspec

from msgflux_like.structured.xml.errors import TypedParserError
from msgflux_like.structured.xml.repair import KEYED

ITEM = "item"
BLANKS = " \t\r\n"  # white space of XML; other white space is text
MAX_DIGITS = 4300  # of an integer: more take quadratic time, and Python refuses them

Element = Any  # of lxml, which brings no types

_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("str", "string", "text"), "str"),
    **dict.fromkeys(("int", "integer"), "int"),
    **dict.fromkeys(("float", "number", "double", "decimal"), "float"),
    **dict.fromkeys(("bool", "boolean"), "bool"),
    **dict.fromkeys(("dict", "object", "map", "mapping"), "dict"),
    **dict.fromkeys(("list", "array", "tuple", "set"), "list"),
    **dict.fromkeys(("null", "none", "nonetype"), "null"),
}
_BOOLS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "1", "yes", "y", "on"), True),
    **dict.fromkeys(("false", "0", "no", "n", "off"), False),
}
_INT = re.compile(r"[+-]?[0-9]++(?:\.0*+)?")
_FLOAT = re.compile(r"[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_NO_NUMBER = re.compile(r"[+-]?(?:inf(?:inity)?|nan)", re.IGNORECASE)
_OPTIONAL = re.compile(r"optional\[(.*)\]|(.*?)\s*\|\s*(?:none|null)", re.DOTALL)
_GENERIC = re.compile(r"(\w+)\s*[\[<](.*)[\]>]", re.DOTALL)


def lxml_etree() -> Any:
    """Return `lxml.etree`, imported on first use. lxml has no type stubs, so everything behind this is Any."""
    return import_module("lxml.etree")


def strict(make: Callable[..., Any], **options: Any) -> Any:
    """Create a parser that resolves no entities, opens no connections and recovers from no errors."""
    return make(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=False, **options)


@lru_cache(maxsize=256)
def kind_of(dtype: str | None) -> tuple[str, str]:
    """Return the kind of a `dtype`, "" if unknown, and the `dtype` of its items if it is a list.

    >>> kind_of("list[int]"), kind_of("Optional[str]"), kind_of("date")
    (('list', 'int'), ('str', ''), ('', ''))
    """
    if not dtype:
        return "", ""
    name = dtype.strip(BLANKS).lower()
    if name in _KINDS:
        return _KINDS[name], ""
    if optional := _OPTIONAL.fullmatch(name):
        return kind_of(optional[1] or optional[2])
    if generic := _GENERIC.fullmatch(name):
        return _KINDS.get(generic[1], ""), generic[2]
    return "", ""


def children(element: Element) -> list[Element]:
    """Return the child elements."""
    return [each for each in element if isinstance(each.tag, str)]


def key_of(element: Element) -> str:
    """Return the key of an element: its tag, or its attribute `key`."""
    key = element.get("key")
    return json.loads(key) if key is not None and element.tag == KEYED else element.tag


def path_of(element: Element) -> str:
    """Return the path of an element, such as `event.participants[2]`."""
    steps: list[str] = []
    while (parent := element.getparent()) is not None:
        key = key_of(element)
        alike = [each for each in children(parent) if key_of(each) == key]
        many = len(alike) > 1 or parent.get("dtype") == "list"
        steps.append(f"{key}[{alike.index(element)}]" if many else key)
        element = parent
    return ".".join(reversed(steps))


def loose_text(element: Element) -> str:
    """Return the text directly inside an element, without the text of its child elements."""
    if len(element) == 0:
        return element.text or ""
    parts = [element.text or ""]
    for each in element:
        if not isinstance(each.tag, str):
            parts.append(chr(int(each.text, 16)))
        parts.append(each.tail or "")
    return "".join(parts)


def whole_text(element: Element) -> str:
    """Return the whole content of an element as text, with child elements as they were written."""
    if len(element) == 0:
        return element.text or ""
    parts = [element.text or ""]
    for each in element:
        parts += _written(each) if isinstance(each.tag, str) else [chr(int(each.text, 16))]
        parts.append(each.tail or "")
    return "".join(parts)


def _written(element: Element) -> list[str]:
    source = element.get("source")
    start = json.loads(source) if source else f"<{element.tag}>"
    if start.endswith("/>"):
        return [start]
    return [start, whole_text(element), f"</{start[1:-1].split()[0]}>"]


class Adder:
    """Builder of a dict in which the values of a repeated key become a list."""

    def __init__(self) -> None:
        self.value: dict[str, Any] = {}
        self._repeated: set[str] = set()

    def add(self, key: str, value: Any) -> None:
        """Add a value for the key."""
        if key not in self.value:
            self.value[key] = value
        elif key in self._repeated:
            self.value[key].append(value)
        else:
            self._repeated.add(key)
            self.value[key] = [self.value[key], value]


class Reader:
    """Reader of elements by their `dtype`; appends to `notes` what it left out."""

    def __init__(self, raw_text: str, notes: list[str]) -> None:
        self.raw_text = raw_text
        self.notes = notes

    def read(self, element: Element, default: str = "") -> Any:
        """Return the value of an element by its `dtype`, or by `default`, the item type of the list around it."""
        dtype = element.get("dtype") or default
        kind, inner = kind_of(dtype)
        self.note_attributes(element)
        if not kind:
            if dtype:
                self.notes.append(f"dtype {dtype!r} of <{key_of(element)}> is not known; it is ignored")
            kind = guess(element)
        return self.read_kind(element, kind, inner)

    def read_kind(self, element: Element, kind: str, inner: str = "") -> Any:
        """Return the value of an element whose kind is known."""
        if kind == "dict":
            return self.dict_of(element)
        if kind == "list":
            return self.list_of(element, inner)
        return self.scalar(element, kind)

    def scalar(self, element: Element, kind: str) -> Any:
        """Return a string, a number, a bool or None."""
        text = whole_text(element)
        if kind == "str" and element.get("space") == "preserve":
            return text
        text = text.strip(BLANKS)
        if kind == "str":
            return text
        if text.lower() in ("", "null", "none"):
            return None
        if kind == "null":
            self.fail(element, f"is declared null and holds {text[:40]!r}")
        return self._parsed(element, kind, text)

    def _parsed(self, element: Element, kind: str, text: str) -> Any:
        value = {"int": _int, "float": _float, "bool": _bool}[kind](text)
        if value is None:
            self.fail(element, f"is declared {kind} and holds {text[:40]!r}")
        return value

    def dict_of(self, element: Element) -> dict[str, Any]:
        """Return a dict of the child elements."""
        if (value := self.inline(element, dict)) is not None:
            return value
        self.refuse_text(element, "dict")
        return self.by_key(children(element))

    def by_key(self, elements: list[Element]) -> dict[str, Any]:
        """Return a dict of the elements; the values of a repeated key become a list."""
        found = Adder()
        for each in elements:
            found.add(key_of(each), self.read(each))
        return found.value

    def list_of(self, element: Element, inner: str = "") -> list[Any]:
        """Return a list of the child elements; their tags do not matter."""
        if (value := self.inline(element, list)) is not None:
            return value
        self.refuse_text(element, "list")
        return [self.read(each, inner) for each in children(element)]

    def inline(self, element: Element, kind: type) -> Any:
        """Return the value of JSON that a model wrote in place of elements; None if the content is something else."""
        if children(element):
            return None
        text = loose_text(element).strip(BLANKS)
        if text[:1] not in ("[", "{"):
            return None
        try:
            value = msgspec.json.decode(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(value, kind):
            return None
        self.notes.append(f"<{key_of(element)}> held JSON")
        return value

    def refuse_text(self, element: Element, kind: str) -> None:
        """Raise if a dict or list contains text next to its elements, which would be lost."""
        text = loose_text(element).strip(BLANKS)
        if text:
            self.fail(element, f"is a {kind} and holds text outside its elements: {text[:40]!r}")

    def note_attributes(self, element: Element) -> None:
        """Note the attributes that are not part of the format."""
        if more := element.get("more"):
            self.notes.append(f"not read of {_source(element)}: {more}")

    def fail(self, element: Element, problem: str) -> NoReturn:
        """Raise a TypedParserError with the path of the element."""
        raise TypedParserError(f"<{key_of(element)}> {problem}", raw_text=self.raw_text, path=path_of(element))


def _source(element: Element) -> str:
    return json.loads(element.get("source"))


def guess(element: Element) -> str:
    """Guess the kind of an element without a `dtype`."""
    inside = children(element)
    if not inside or loose_text(element).strip(BLANKS):
        return "str"
    return "list" if all(each.tag == ITEM for each in inside) else "dict"


def _int(text: str) -> int | None:
    if len(text) > MAX_DIGITS or not _INT.fullmatch(text):
        return None
    return int(text.partition(".")[0])


def _float(text: str) -> float | None:
    if _NO_NUMBER.fullmatch(text):
        return float(text)
    if not _FLOAT.fullmatch(text) or math.isinf(float(text)):
        return None
    return float(text)


def _bool(text: str) -> bool | None:
    return _BOOLS.get(text.lower())
