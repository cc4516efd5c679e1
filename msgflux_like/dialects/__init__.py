"""The wire dialects, one folder each.

A dialect is pure: values and bytes in, bytes and events out. Its package has the members of `Dialect`; its name is
the folder's name.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import cast

from msgflux_like.dialects._shared.protocols import Decoder, Dialect

__all__ = ["Decoder", "Dialect", "load", "names", "state_family"]


@cache
def load(name: str) -> Dialect:
    """The dialect of that name; ValueError lists the names there are."""
    if name not in names():
        raise ValueError(f"there is no dialect {name!r}; there are {', '.join(names())}")
    return cast("Dialect", import_module(f"msgflux_like.dialects.{name}"))


@cache
def names() -> tuple[str, ...]:
    """All dialects: the folder is the list."""
    return tuple(sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_")))


def state_family(dialect: Dialect, provider: str, model: str) -> str:
    """Who can read the opaque state of an answer: those whose family is the same.

    Claude's signatures hold wherever Claude is served; what OpenAI encrypts is read at the same provider only.
    """
    form, makers = dialect.STATE
    return f"{form}:{next((maker for maker in makers if maker in model.lower()), provider)}"
