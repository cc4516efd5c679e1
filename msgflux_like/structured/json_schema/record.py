"""A dict whose stored keys are attributes, even those that are called like a dict's own methods."""

from __future__ import annotations

import sys
from typing import Any

from msgflux_like._attrdict import dotdict


class Record(dotdict):
    """A `dotdict` in which the data wins: a field called `items` is read as `.items`.

    >>> order = Record(id=7, items=["tea"])
    >>> order.items, order["items"]
    (['tea'], ['tea'])

    A dict's methods are then reached by the class, `dict.items(order)`, or in a plain copy, `dict(order)`.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        dict.__init__(self, *args, **named)  # pyright: ignore[reportUnknownMemberType]  what lies deeper is a Record already

    def __getattribute__(self, name: str) -> Any:
        # `in` and `[]` look at the type, not here.
        if name in self and not (name == "items" and _is_json(sys._getframe(1).f_globals)):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  see below
            return self[name]
        return super().__getattribute__(name)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


def _is_json(caller: dict[str, Any]) -> bool:
    """Whether the standard library's `json` asks: it calls `.items()` of a dict's subclass, and needs the method."""
    return caller.get("__name__") == "json.encoder"
