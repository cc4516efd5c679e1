"""Save state to files and load it: what `serialize` returns, or any JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from msgflux_like._attrdict import dotdict
from msgflux_like._json import to_json
from msgflux_like._validate import check_instance
from msgflux_like.catalog.snapshot import write_atomically
from msgflux_like.errors import InvalidRequestError
from msgflux_like.messages.chatml import ChatML


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write the state of a model or a gateway, messages, or other JSON to a file, in UTF-8 and indented.

    Args:
        obj: An object with `serialize()`; a `ChatML` history, which `load` returns as the list of its messages; or
            what JSON can hold: dicts, lists, strings, numbers.
        path: The file. It is replaced as a whole: after a crash the old one is still there.

    Raises:
        InvalidRequestError: If JSON cannot hold the object; the message names the place.
        OSError: If the file cannot be written.

    Example:
        >>> save({"role": "user", "content": "Hello"}, "message.json")  # doctest: +SKIP
    """
    file = _checked_path(path)
    if isinstance(obj, ChatML):
        obj = obj.get_messages()
    state = obj.serialize() if callable(getattr(obj, "serialize", None)) else obj
    write_atomically(file, msgspec.json.format(to_json(state, "obj"), indent=2) + b"\n")


def load(path: str | os.PathLike[str]) -> Any:
    """Return what `save` wrote: a dict that can also be read by attribute, or a list.

    `Model.from_serialized(**load(path))` makes a model of it.

    Args:
        path: The file.

    Raises:
        InvalidRequestError: If the file holds no JSON.
        OSError: If the file cannot be read.

    Example:
        >>> load("message.json").content  # doctest: +SKIP
        'Hello'
    """
    file = _checked_path(path)
    try:
        value = msgspec.json.decode(file.read_bytes())
    except msgspec.DecodeError as error:
        raise InvalidRequestError(f"{file} holds no JSON: {error}") from None
    return dotdict(value) if isinstance(value, Mapping) else value


def _checked_path(path: Any) -> Path:
    return Path(check_instance("path", path, (str, os.PathLike), "the path of a file"))
