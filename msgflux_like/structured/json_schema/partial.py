"""Incremental parser of JSON that is still being written. It never raises.

Objects and lists grow; strings, numbers, booleans and null appear when they are complete. Parsing takes linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

MAX_DEPTH: Final = 200

_QUOTE: Final = re.compile(r'["\\]')
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_SCALAR: Final = re.compile(r"[-+.0-9A-Za-z]*")
_START: Final = re.compile(r"[{\[]")
_any = msgspec.json.Decoder()


class PartialJson:
    """Incremental JSON parser; its objects are created by `object_type`, dict or a subclass.

    >>> parser = PartialJson()
    >>> parser.feed('{"name": "Ada", "age": 3')
    True
    >>> parser.value
    {'name': 'Ada'}
    >>> parser.feed('6}')
    True
    >>> parser.value, parser.complete
    ({'name': 'Ada', 'age': 36}, True)

    Attributes:
        value: The value so far; None before the first bracket. It grows in place; a `snapshot` does not.
        complete: Whether the outermost bracket is closed. Text after it is ignored.
        broken: Whether a syntax error was found; the text after it is ignored and `value` does not change any more.
        scanned: Number of characters parsed.
    """

    def __init__(self, object_type: Callable[..., Any] = dict) -> None:
        self._object_type = object_type
        self.value: Any = None
        self.complete = False
        self.broken = False
        self.scanned = 0
        self._open: list[Any] = []  # the containers that are not closed, the innermost last
        self._keys: list[str | None] = []  # of each, the key whose value is expected
        self._wants = "start"  # start, value, first value, key, first key, colon, comma
        self._text: list[str] | None = None  # pieces of an open string
        self._escaped = False  # the next character belongs to a backslash
        self._scalar: list[str] = []  # pieces of an open number or word

    def feed(self, text: str) -> bool:
        """Parse the next piece; return whether `value` changed."""
        changed = False
        at = 0
        while at < len(text) and not (self.complete or self.broken):
            before = at
            if self._text is not None:
                at, closed = self._in_string(text, at)
            elif self._scalar:
                at, closed = self._in_scalar(text, at)
            else:
                at, closed = self._between(text, at)
            changed = changed or closed
            self.scanned += at - before
        return changed

    def snapshot(self) -> Any:
        """Return a copy that does not grow. Closed containers are shared, open ones are copied."""
        if not self._open:
            return self.value
        copies: list[Any] = [self._copy(each) for each in self._open]
        for outer, inner, key in zip(copies, copies[1:], self._keys, strict=False):
            outer[-1 if key is None else key] = inner
        return copies[0]

    def _copy(self, container: Any) -> Any:
        return self._object_type(container) if isinstance(container, dict) else list(container)

    # ---- tokens

    def _in_string(self, text: str, at: int) -> tuple[int, bool]:
        pieces = cast("list[str]", self._text)
        if self._escaped:
            self._escaped = False
            pieces.append(text[at])
            return at + 1, False
        mark = _QUOTE.search(text, at)
        if mark is None:
            pieces.append(text[at:])
            return len(text), False
        pieces.append(text[at : mark.end()])
        if mark.group() == "\\":
            self._escaped = True
            return mark.end(), False
        self._text = None
        return mark.end(), self._string('"' + "".join(pieces))

    def _string(self, raw: str) -> bool:
        try:
            value: str = _any.decode(raw)
        except msgspec.DecodeError:
            self.broken = True
            return False
        if self._wants in ("key", "first key"):
            if value in self._open[-1]:
                self.broken = True  # a value that was final would change
                return False
            self._keys[-1] = value
            self._wants = "colon"
            return False
        return self._put(value)

    def _in_scalar(self, text: str, at: int) -> tuple[int, bool]:
        end = cast("re.Match[str]", _SCALAR.match(text, at)).end()
        self._scalar.append(text[at:end])
        if end == len(text):
            return end, False
        raw = "".join(self._scalar)
        self._scalar = []
        try:
            return end, self._put(_any.decode(raw))
        except msgspec.DecodeError:
            self.broken = True
            return end, False

    def _between(self, text: str, at: int) -> tuple[int, bool]:
        """Parse a bracket, a comma, a colon or the first character of a value."""
        if self._wants == "start":
            start = _START.search(text, at)  # what stands before it is a fence, or talk
            if start is None:
                return len(text), False
            at = start.start()
        else:
            at = cast("re.Match[str]", _SPACE.match(text, at)).end()
            if at == len(text):
                return at, False
        return at + 1, self._sign(text[at])

    def _sign(self, sign: str) -> bool:
        wants = self._wants
        if sign == '"' and wants in ("value", "first value", "key", "first key"):
            self._text = []
        elif sign in "{[" and wants in ("start", "value", "first value"):
            return self._open_container(self._object_type() if sign == "{" else [])
        elif sign == ":" and wants == "colon":
            self._wants = "value"
        elif sign == "," and wants == "comma":
            self._wants = "key" if isinstance(self._open[-1], dict) else "value"
        elif (
            self._open
            and sign == ("]" if isinstance(self._open[-1], list) else "}")
            and wants in ("comma", "first key", "first value")
        ):
            return self._close_container()
        elif wants in ("value", "first value") and (sign == "-" or sign.isalnum()):
            self._scalar = [sign]
        else:
            self.broken = True
        return False

    # ---- containers

    def _put(self, value: Any) -> bool:
        container, key = self._open[-1], self._keys[-1]
        if key is None:
            container.append(value)
        else:
            container[key] = value
        self._wants = "comma"
        return True

    def _open_container(self, container: Any) -> bool:
        if len(self._open) >= MAX_DEPTH:
            self.broken = True
            return False
        if self._open:
            self._put(container)
        else:
            self.value = container
        self._open.append(container)
        self._keys.append(None)
        self._wants = "first key" if isinstance(container, dict) else "first value"
        return True

    def _close_container(self) -> bool:
        self._open.pop()
        self._keys.pop()
        self._wants = "comma"
        self.complete = not self._open
        return False
