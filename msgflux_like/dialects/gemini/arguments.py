"""Tool call arguments that are streamed as pieces, each with its JSON path, as Vertex AI sends them.

A piece has one value. A string is appended to the string at its path; any other value is set once. Missing objects and
lists on the path are created, and list items come in order.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, Final, cast

import msgspec
from msgspec import Struct


class ArgumentPiece(Struct, gc=False, rename="camel"):
    """One piece of the arguments: a path and one kind of value."""

    json_path: str = ""
    string_value: str | None = None
    number_value: int | float | None = None
    bool_value: bool | None = None
    null_value: Any = None  # "NULL_VALUE"


# One step of a path such as `$.stops[0]['the name']`.
_STEP: Final = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\]""")

_DEEPEST: Final = 200  # steps of a path; deeper values cannot be written as JSON


def insert_piece(arguments: dict[str, Any], piece: ArgumentPiece) -> None:
    """Insert one piece into the arguments; raise msgspec.ValidationError if its path does not fit them."""
    found = list(_STEP.finditer(piece.json_path, 1))
    if not 0 < len(found) <= _DEEPEST or "$" + "".join(step[0] for step in found) != piece.json_path:
        raise _path_error()
    steps: list[str | int] = [int(step[2]) if step[2] else step[1] or step[3] or step[4] or "" for step in found]
    container: Any = arguments
    for step, following in pairwise(steps):
        container = _get_or_create(container, step, [] if isinstance(following, int) else {})
    if piece.string_value is not None:
        before = _get_or_create(container, steps[-1], "")
        if not isinstance(before, str):
            raise _path_error()
        container[steps[-1]] = before + piece.string_value
        return
    value = piece.number_value if piece.number_value is not None else piece.bool_value
    if value is not None or piece.null_value is not None:
        _get_or_create(container, steps[-1], value)


def _get_or_create(container: Any, step: str | int, default: Any) -> Any:
    """Return the value at a step, after setting the default if there is none."""
    if isinstance(container, dict) and isinstance(step, str):
        return cast("dict[str, Any]", container).setdefault(step, default)
    if isinstance(container, list) and isinstance(step, int):
        items = cast("list[Any]", container)
        if step == len(items):
            items.append(default)
        if step < len(items):
            return items[step]
    raise _path_error()


def _path_error() -> msgspec.ValidationError:
    return msgspec.ValidationError("the path of a piece does not fit the arguments of the tool call")
