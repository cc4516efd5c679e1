"""Server-sent events from bytes cut anywhere, per https://html.spec.whatwg.org/multipage/server-sent-events.html.

The common event, one `data:` line after an optional `event:` line, is cut out of the buffer without splitting it into
lines; everything else (comments, several `data:` lines, other fields, CR and CRLF line ends) takes the slow path.
Only the data is returned: no dialect needs the event's name, because the JSON inside names its own type.
"""

from __future__ import annotations

MAX_EVENT_BYTES = 32 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class EventTooLargeError(ValueError):
    """One event is larger than the limit."""


class Parser:
    r"""Incremental parser: `feed` returns the data of the complete events, `close` that of one without a blank line.

    >>> parser = Parser()
    >>> parser.feed(b"data: one\n\nda"), parser.feed(b"ta: two\n\n")
    ([b'one'], [b'two'])
    """

    __slots__ = ("_after_cr", "_held", "_held_bytes", "_max_event_bytes", "_started")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._held: list[bytes] = []  # pieces of the unfinished event, joined once
        self._held_bytes = 0
        self._started = False
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the data of the events that the next bytes complete."""
        if not self._held and not self._after_cr and _is_one_event(data):
            self._started = True
            return [data[6:-2]]
        if not self._started:
            data = self._begin(data)
        if self._after_cr or b"\r" in data:
            data = self._plain_newlines(data)
        if not data:
            return []
        if self._held and not (data := self._after_held(data)):
            return []
        blocks = data.split(b"\n\n")
        if rest := blocks.pop():
            self._hold(rest)
        found: list[bytes] = []
        for block in blocks:
            if block.startswith(b"data: ") and b"\n" not in block:
                found.append(block[6:])
            elif (event := _read(block)) is not None:
                found.append(event)
        return found

    def close(self) -> list[bytes]:
        """Return the data of an unfinished event. The specification drops it; some providers omit the blank line."""
        rest = b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        event = _read(rest)
        return [] if event is None else [event]

    def _after_held(self, data: bytes) -> bytes:
        """Return the unfinished event with these bytes if they end it; otherwise hold them too and return nothing."""
        if b"\n\n" not in data and not (data[0] == 0x0A and self._held[-1][-1] == 0x0A):
            self._hold(data)
            return b""
        data = b"".join((*self._held, data))
        self._held.clear()
        self._held_bytes = 0
        return data

    def _begin(self, data: bytes) -> bytes:
        """Return the bytes without the byte order mark, which may itself be cut."""
        data = b"".join((*self._held, data))
        self._held.clear()
        self._held_bytes = 0
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._hold(data)
            return b""
        self._started = True
        return data.removeprefix(_BOM)

    def _plain_newlines(self, data: bytes) -> bytes:
        """Replace CRLF and CR by LF. A CR ends a line at once, so an LF at the start of the next piece is dropped."""
        if self._after_cr and data[:1] == b"\n":
            data = data[1:]
            self._after_cr = False
        if data:
            self._after_cr = data[-1] == 0x0D
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _hold(self, data: bytes) -> None:
        if not data:
            return
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > self._max_event_bytes:
            raise EventTooLargeError(f"one event of the stream is longer than {self._max_event_bytes} bytes")


def _is_one_event(data: bytes) -> bool:
    """Return whether the bytes are exactly one event of one `data:` line, as most providers send them."""
    return data.startswith(b"data: ") and data.endswith(b"\n\n") and data.find(b"\n", 6, -2) < 0 and b"\r" not in data


def _read(block: bytes) -> bytes | None:
    """Return the data of one event, or None if it has no data."""
    lines: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" "))
        elif field == b"error":
            # llama.cpp and gpustack report a failure in a field of this name, which the specification ignores:
            # a stream cut short would pass for a whole one.
            return b'{"error":' + value + b"}"
    return b"\n".join(lines) if lines else None
