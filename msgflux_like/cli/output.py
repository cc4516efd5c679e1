"""What the commands print: text without control characters, and JSON without them too."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO


class UsageError(Exception):
    """The arguments of a command do not go together; the text says which."""


def echo(*lines: str) -> None:
    """Lines for whoever asked."""
    _put("".join(f"{plain(line)}\n" for line in lines), sys.stdout)


def write(text: str) -> None:
    """A piece of text for whoever asked, seen at once."""
    _put(plain(text), sys.stdout)
    sys.stdout.flush()


def echo_error(sentence: str) -> None:
    """One line about what went wrong."""
    _put(plain(" ".join(sentence.split())) + "\n", sys.stderr)


def say_json(objects: Iterable[Any]) -> None:
    """Each object on a line of its own; decimals are numbers, with all their digits."""
    import msgspec  # noqa: PLC0415  `--help` needs none of it

    encoder = msgspec.json.Encoder(decimal_format="number")
    echo(*(printable_json(encoder.encode(item).decode()) for item in objects))


def printable_json(text: str) -> str:
    r"""The same JSON, with `\u` in place of what must not reach a terminal; it can only be inside of its texts."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else _escaped(each) for each in text)


# Control characters but tab and line feed, and those that turn the direction of what follows. Not all that is
# unprintable to Python: spaces of other widths, and the joiners inside of letters and emoji, are part of a text.
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Without control characters: what others write must not steer the terminal."""
    return text if text.isprintable() else _STEERING.sub("", text)


def _put(text: str, stream: TextIO) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))
