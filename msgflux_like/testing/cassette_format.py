"""The file of a recording: exchanges as JSON lines.

{"line":"cassette","version":1}
{"line":"request","method":"POST","url":"https://...","headers":{...},"json":{...}}
{"line":"reply","status":200,"headers":{...}}
{"line":"piece","text":"data: ..."}              each read of the network; "base64" if it is not UTF-8
{"line":"end","how":"whole"}                     or "left" by its reader, or "failed" with a message
...
{"line":"eof"}
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from msgflux_like.errors import CassetteError, Phase

VERSION: Final = 1


class _Line(Struct, tag_field="line", omit_defaults=True, forbid_unknown_fields=True):
    pass


class Opening(_Line, tag="cassette"):
    """First line."""

    version: int


class Request(_Line, tag="request"):
    """Request: its body is JSON, text, or base64."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    json: Any = UNSET
    text: str | UnsetType = UNSET
    base64: str | UnsetType = UNSET


class Reply(_Line, tag="reply"):
    """Head of a reply. `received_at` is in seconds since 1970, for the headers whose date is relative to it."""

    status: int
    headers: Mapping[str, str] = {}
    received_at: float | None = None


class Piece(_Line, tag="piece"):
    """Piece of the body, as one read returned it."""

    text: str | UnsetType = UNSET
    base64: str | UnsetType = UNSET


class End(_Line, tag="end"):
    """How the reply ended: whole, left by its reader, or failed; `message` and `phase` describe the failure."""

    how: Literal["whole", "left", "failed"]
    message: str = ""
    phase: Phase | None = None


class Eof(_Line, tag="eof"):
    """Last line; a file without it was cut off."""


WHOLE: Final = End("whole")
LEFT: Final = End("left")

_Any = Opening | Request | Reply | Piece | End | Eof


@dataclass
class Exchange:
    """One request and its reply; `reply` is None if there was none, `end` while it is received."""

    request: Request
    reply: Reply | None = None
    pieces: list[bytes] = field(default_factory=list[bytes])
    end: End | None = None


_encoder: Final = msgspec.json.Encoder(order="deterministic")
_line: Final = msgspec.json.Decoder(_Any)


def dump(exchanges: Iterable[Exchange]) -> bytes:
    """Return the content of the file."""
    lines: list[_Any] = [Opening(VERSION)]
    for exchange in exchanges:
        lines.append(exchange.request)
        if exchange.reply is not None:
            lines.append(exchange.reply)
        lines += map(_piece, exchange.pieces)
        lines.append(exchange.end or LEFT)
    lines.append(Eof())
    return b"".join(_encoder.encode(line) + b"\n" for line in lines)


def with_body(request: Request, body: bytes) -> Request:
    """Return the request with a body that is not JSON."""
    return msgspec.structs.replace(request, **_encoded(body))


def _piece(data: bytes) -> Piece:
    return Piece(**_encoded(data))


def _encoded(data: bytes) -> dict[str, str]:
    """Return the field for bytes: text if they are UTF-8, else base64."""
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def load(content: bytes, name: str) -> list[Exchange]:
    """Return the exchanges of a file. Raises CassetteError, which names the file, the line and what is wrong there."""
    *lines, rest = content.split(b"\n")
    if rest or not lines:
        raise CassetteError(f"{name} was cut off in line {len(lines) + 1}: record it anew")
    exchanges: list[Exchange] = []
    closed = False
    for number, line in enumerate(lines, 1):
        try:
            if closed:
                raise ValueError("something follows the end")  # noqa: TRY301  the line is added below
            closed = _take(_read(line, number), exchanges)
        except ValueError as error:
            raise CassetteError(f"{name}, line {number}, is not a line of a cassette: {error}") from None
    if not closed:
        raise CassetteError(f"{name} was cut off after line {len(lines)}: record it anew")
    return exchanges


def _read(line: bytes, number: int) -> _Any:
    read = _line.decode(line)
    if isinstance(read, Opening) and read.version != VERSION:
        raise ValueError(f"its version is {read.version}, and version {VERSION} can be read")
    if isinstance(read, Opening) is not (number == 1):
        raise ValueError('the first line, and no other, is {"line":"cassette",...}')
    return read


def _take(line: _Any, exchanges: list[Exchange]) -> bool:
    """Add a line to the exchanges; return True for the last line. Raises ValueError for one in the wrong place."""
    current = exchanges[-1] if exchanges and exchanges[-1].end is None else None
    match line:
        case Opening():
            pass
        case Request() if current is None:
            exchanges.append(Exchange(line))
        case Reply() if current is not None and current.reply is None:
            current.reply = line
        case Piece() if current is not None and current.reply is not None:
            current.pieces.append(_bytes(line))
        case End() if current is not None and (current.reply is not None or line.how == "failed"):
            current.end = line
        case Eof() if current is None:
            return True
        case _:
            raise ValueError("it is in the wrong place")
    return False


def _bytes(piece: Piece) -> bytes:
    if isinstance(piece.text, str) and piece.base64 is UNSET:
        return piece.text.encode()
    if isinstance(piece.base64, str) and piece.text is UNSET:
        return base64.b64decode(piece.base64, validate=True)
    raise ValueError("a piece has either `text` or `base64`")
