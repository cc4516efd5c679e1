"""State in files: what `serialize` gives, or any JSON, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from msgflux_like._attrdict import dotdict
from msgflux_like.catalog.snapshot import write_atomically
from msgflux_like.errors import InvalidRequestError
from msgflux_like.messages.chatml import ChatML
from msgflux_like.request import to_json


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write a model's or a gateway's state, messages, or other JSON to a file, in UTF-8 and indented.

    Args:
        obj: Something with `serialize()`; a `ChatML` history, which comes back as the list of its messages; or what
            JSON can hold: dicts, lists, texts, numbers.
        path: The file. It is replaced as a whole: a crash leaves the old one.

    Raises:
        InvalidRequestError: JSON cannot hold it; the message names the place.

    >>> save({"role": "user", "content": "Hello"}, "message.json")  # doctest: +SKIP
    """
    if isinstance(obj, ChatML):
        obj = obj.get_messages()
    state = obj.serialize() if callable(getattr(obj, "serialize", None)) else obj
    body = msgspec.json.format(to_json(state, "obj"), indent=2) + b"\n"
    write_atomically(Path(path), body)


def load(path: str | os.PathLike[str]) -> Any:
    """What `save` wrote: a dict that is read by attribute too, or a list.

    `Model.from_serialized(**load(path))` makes a model of it. Raises InvalidRequestError for what is no JSON.

    >>> load("message.json").content  # doctest: +SKIP
    'Hello'
    """
    try:
        value = msgspec.json.decode(Path(path).read_bytes())
    except msgspec.DecodeError as error:
        raise InvalidRequestError(f"{os.fspath(path)} holds no JSON: {error}") from None
    return dotdict(value) if isinstance(value, Mapping) else value
