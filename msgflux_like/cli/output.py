"""Output of the commands: text and JSON, both without control characters."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO


class UsageError(Exception):
    """Error for arguments of a command that cannot be combined, or are missing."""


def echo(*lines: str) -> None:
    """Print lines to standard output."""
    _put("".join(f"{plain(line)}\n" for line in lines), sys.stdout)


def write(text: str) -> None:
    """Print a piece of text to standard output and flush it."""
    _put(plain(text), sys.stdout)
    sys.stdout.flush()


def echo_error(sentence: str) -> None:
    """Print one line to standard error."""
    _put(plain(" ".join(sentence.split())) + "\n", sys.stderr)


def echo_json(objects: Iterable[Any]) -> None:
    """Print each object as a line of JSON; decimals are numbers with all their digits."""
    import msgspec  # noqa: PLC0415  `--help` does not need it

    encoder = msgspec.json.Encoder(decimal_format="number")
    echo(*(printable_json(encoder.encode(item).decode()) for item in objects))


def printable_json(text: str) -> str:
    r"""Return the JSON with non-printable characters, which can occur in its strings only, escaped by `\u`."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else _escaped(each) for each in text)


# Control characters except tab and line feed, and characters that change the direction of text. Other characters that
# `str.isprintable` rejects, such as wide spaces and the joiners in emoji, are legitimate text.
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Remove control characters, so that foreign text cannot control the terminal."""
    return text if text.isprintable() else _CONTROL_CHARACTERS.sub("", text)


def _put(text: str, stream: TextIO) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))
