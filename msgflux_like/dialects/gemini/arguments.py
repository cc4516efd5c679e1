"""The arguments of a call that come piece by piece, each with the path where it belongs, as Vertex AI streams them."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, Final, cast

import msgspec
from msgspec import Struct


class Piece(Struct, gc=False, rename="camel"):
    """A piece of the arguments: its path, and one kind of value."""

    json_path: str = ""
    string_value: str | None = None
    number_value: Any = None
    bool_value: bool | None = None
    null_value: Any = None  # "NULL_VALUE"


# A step of a path such as `$.stops[0]['the name']`.
_STEP: Final = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\]""")


def put(arguments: dict[str, Any], piece: Piece) -> None:
    """Put one piece where its path says. A text goes on where it ended; items of a list come in their order."""
    found = list(_STEP.finditer(piece.json_path, 1))
    if not found or "$" + "".join(step[0] for step in found) != piece.json_path:
        raise _misplaced()
    steps: list[str | int] = [int(step[2]) if step[2] else step[1] or step[3] or step[4] or "" for step in found]
    holder: Any = arguments
    for step, following in pairwise(steps):
        holder = _at(holder, step, [] if isinstance(following, int) else {})
    if piece.string_value is not None:
        before = _at(holder, steps[-1], "")
        if not isinstance(before, str):
            raise _misplaced()
        holder[steps[-1]] = before + piece.string_value
        return
    value = piece.number_value if piece.number_value is not None else piece.bool_value
    if value is not None or piece.null_value is not None:
        _at(holder, steps[-1], value)


def _at(holder: Any, step: str | int, default: Any) -> Any:
    """What is there, or the default, which then is."""
    if isinstance(holder, dict) and isinstance(step, str):
        return cast("dict[str, Any]", holder).setdefault(step, default)
    if isinstance(holder, list) and isinstance(step, int):
        items = cast("list[Any]", holder)
        if step == len(items):
            items.append(default)
        if step < len(items):
            return items[step]
    raise _misplaced()


def _misplaced() -> msgspec.ValidationError:
    return msgspec.ValidationError("a piece of a call's arguments has no place in it")
