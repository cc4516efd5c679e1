"""Split a JSON array that arrives in pieces into its objects, each as soon as it is complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgflux_like._wire.sse import MAX_EVENT_BYTES, EventTooLargeError

_MARK: Final = re.compile(rb'["{}]')
_IN_TEXT: Final = re.compile(rb'["\\]')


class JsonArray:
    """Incremental parser: `feed` returns the bytes of the objects that are complete.

    >>> array = JsonArray()
    >>> array.feed(b'[{"a": "}"}, {"b"'), array.feed(b": 1}]")
    ([b'{"a": "}"}'], [b'{"b": 1}'])
    """

    __slots__ = ("_at", "_depth", "_held", "_in_text")

    def __init__(self) -> None:
        self._held = bytearray()  # from the start of the object that is not closed
        self._at = 0  # how much of it was scanned
        self._depth = 0  # of braces
        self._in_text = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the objects that the next bytes complete."""
        self._held += data
        found = list(self._complete_objects())
        if len(self._held) > MAX_EVENT_BYTES:
            raise EventTooLargeError(f"one object of the stream is longer than {MAX_EVENT_BYTES} bytes")
        return found

    def close(self) -> list[bytes]:
        """Return nothing: an object that is not closed is incomplete."""
        return []

    def _complete_objects(self) -> Iterator[bytes]:
        begin = 0
        while mark := (_IN_TEXT if self._in_text else _MARK).search(self._held, self._at):
            sign, self._at = mark[0], mark.end()
            if sign == b"\\":
                if self._at == len(self._held):
                    self._at -= 1  # the escaped character arrives with the next bytes
                    break
                self._at += 1
            elif sign == b'"':
                self._in_text = not self._in_text
            elif sign == b"{":
                begin = begin if self._depth else mark.start()
                self._depth += 1
            elif self._depth:
                self._depth -= 1
                if not self._depth:
                    yield bytes(self._held[begin : self._at])
        else:
            self._at = len(self._held)
        if not self._depth:
            begin = self._at  # commas and white space between objects
        del self._held[:begin]
        self._at -= begin
