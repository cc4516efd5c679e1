"""The wire dialects: how a request and a reply are written in each API format, one folder a dialect.

A dialect is pure: values and bytes in, bytes and events out. Its package has the members of `Dialect`, and its name is
the name of the folder. The files have the same names in every folder:

    request.py     encode, and the constants of every request: AUTH, HEADERS, STATE
    reply.py       decode and decoder, with an explanation of how a stream is built
    errors.py      refusal, where the format has more than the common shapes of `_shared.failures`
    embeddings.py  the format of embeddings, where there is one
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
    """Return the dialect with this name.

    Raises:
        ValueError: If there is no such dialect; the message lists the names.
    """
    if name not in names():
        raise ValueError(f"there is no dialect {name!r}; there are {', '.join(names())}")
    return cast("Dialect", import_module(f"msgflux_like.dialects.{name}"))


@cache
def names() -> tuple[str, ...]:
    """Return the sorted names of all dialects, which are the folders here without an underscore."""
    return tuple(sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_")))


def state_family(dialect: Dialect, provider: str, model: str) -> str:
    """Return the family of a model's opaque state: models of one family can read each other's state.

    Claude's signatures are valid wherever Claude is served; OpenAI's encrypted reasoning only at the same provider.
    """
    form, makers = dialect.STATE
    return f"{form}:{next((maker for maker in makers if maker in model.lower()), provider)}"
