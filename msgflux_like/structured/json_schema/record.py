"""Dict whose keys are attributes, including keys with the names of dict methods."""

from __future__ import annotations

import sys
from typing import Any

from msgflux_like._attrdict import dotdict


class Record(dotdict):
    """A `dotdict` whose keys take precedence over methods: the key `items` is the attribute `.items`.

    >>> order = Record(id=7, items=["tea"])
    >>> order.items, order["items"]
    (['tea'], ['tea'])

    Use the class to call such a method, `dict.items(order)`, or a plain copy, `dict(order)`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        dict.__init__(self, *args, **kwargs)  # pyright: ignore[reportUnknownMemberType]  nested dicts are Records already

    def __getattribute__(self, name: str) -> Any:
        # `in` and `[]` look at the type, not here.
        if name in self and not (name == "items" and _is_json(sys._getframe(1).f_globals)):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  see below
            return self[name]
        return super().__getattribute__(name)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


def _is_json(caller: dict[str, Any]) -> bool:
    """Return whether the caller is the `json` module, which calls `.items()` of subclasses of dict."""
    return caller.get("__name__") == "json.encoder"
