"""Incremental parser of typed XML: closed elements are in the value, and they are final."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgflux_like.structured.xml.errors import TypedParserError
from msgflux_like.structured.xml.repair import Repair
from msgflux_like.structured.xml.values import (
    Adder,
    Element,
    Reader,
    children,
    key_of,
    kind_of,
    lxml_etree,
    strict,
)

_NOTHING: Any = object()


class _Live:
    """A dict or list that is still growing."""

    def __init__(self, kind: str, inner: str = "") -> None:
        self.inner = inner
        self._adder = Adder()
        self._items: list[Any] = []
        self.value: Any = self._adder.value if kind == "dict" else self._items
        self._is_dict = kind == "dict"

    def add(self, key: str, value: Any) -> None:
        """Add a value that is complete, or that starts to grow."""
        if self._is_dict:
            self._adder.add(key, value)
        else:
            self._items.append(value)


class PartialXML:
    """Incremental parser: `feed` it with the pieces, read `value`, and `close` it to get the final value.

    A dict or list whose `dtype` declares it appears when its element starts, and grows. Every other value appears when
    its element is closed. Only the structure around a value can change afterwards: a repeated tag becomes a list, and a
    second root turns an unwrapped root into a dict of roots. After a repair of text that was parsed before, the value
    does not change until `close`.

    >>> from msgflux_like.structured.xml import typed_parser_registry
    >>> partial = typed_parser_registry["typed_xml"].partial()
    >>> partial.feed('<event dtype="dict"><name>Science fair</name><date>Fri')
    {'name': 'Science fair'}
    """

    def __init__(self, decode: Callable[[str], Any]) -> None:
        self._decode = decode
        self._texts: list[str] = []
        self._repair = Repair()
        self._sent = 0
        self._frozen = False
        self._parser: Any = strict(lxml_etree().XMLPullParser, events=("start", "end"))
        self._live: list[_Live | None] = []  # one for each open element, None where only the closed element counts
        self._roots = 0
        self._only: Any = _NOTHING  # the value of a single root that is unwrapped
        self._failed: TypedParserError | None = None

    @property
    def text(self) -> str:
        """All text fed so far."""
        return "".join(self._texts)

    @property
    def value(self) -> Any:
        """The value so far; None before the first element. It changes until `close`: copy it to keep a state."""
        if self._only is not _NOTHING and self._roots == 1:
            return self._only
        return (self._live[0].value or None) if self._live and self._live[0] else None

    def feed(self, text: str) -> Any:
        """Parse the next piece and return the value so far. After a TypedParserError, every call raises it again."""
        if self._failed is not None:
            raise self._failed
        self._texts.append(text)
        try:
            self._repair.feed(text)
            self._advance()
        except TypedParserError as error:
            error.raw_text = self.text
            self._failed = error
            raise
        return self.value

    def close(self) -> Any:
        """Return the value of the whole text, as `decode` does."""
        return self._decode(self.text)

    def _advance(self) -> None:
        # A tag that turned out to be text is not what the parser has read: `close` reads all anew.
        self._frozen = self._frozen or self._repair.rewritten
        if self._frozen:
            return
        tokens = self._repair.tokens
        if self._sent == len(tokens):
            return
        new, self._sent = tokens[self._sent :], len(tokens)
        try:
            self._parser.feed("".join(new))
            for event, element in self._parser.read_events():
                (self._begin if event == "start" else self._end)(element)
        except lxml_etree().XMLSyntaxError:
            self._frozen = True

    def _begin(self, element: Element) -> None:
        depth = len(self._live)
        if depth == 0:
            self._live.append(_Live("dict"))
            return
        parent = self._live[-1]
        if depth == 1:
            self._roots += 1
        kind, inner = kind_of(element.get("dtype") or (parent.inner if parent else ""))
        live = _Live(kind, inner) if parent is not None and kind in ("dict", "list") else None
        if live is not None and parent is not None:
            parent.add(key_of(element), live.value)
            if depth == 1 and (kind == "dict" or element.get("unwrap") == "true"):
                self._only = live.value
        self._live.append(live)

    def _end(self, element: Element) -> None:
        live = self._live.pop()
        parent = self._live[-1] if self._live else None
        reader = Reader("", [])
        if live is not None and self._live:
            if children(element):
                reader.refuse_text(element, "dict or list")
            elif (element.text or "").strip():
                self._frozen = True  # JSON in place of elements
        elif parent is not None:
            value = reader.read(element, parent.inner)
            parent.add(key_of(element), value)
            if len(self._live) == 1 and (isinstance(value, dict) or element.get("unwrap") == "true"):
                self._only = value
