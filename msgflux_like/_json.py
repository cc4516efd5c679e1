"""Encode JSON, and narrow JSON from outside: a value of another type than expected is taken as empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from msgflux_like.errors import InvalidRequestError


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return `value` if it is an object, else an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def as_list(value: Any) -> list[Any]:
    """Return `value` if it is an array, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


_encoder = msgspec.json.Encoder()


def to_json(body: Any, place: str = "") -> bytes:
    """Return `body` as JSON. InvalidRequestError names the place, below `place`, of what JSON cannot hold."""
    try:
        return _encoder.encode(body)
    except (TypeError, ValueError, OverflowError, RecursionError):
        place, why = _unsendable(body, place) or (place or "the request", "is nested too deeply")
    raise InvalidRequestError(f"{place} {why}, which JSON cannot hold")


def _unsendable(value: Any, place: str) -> tuple[str, str] | None:
    """Return the first place in `value` that cannot be encoded, and its problem; never the value itself."""
    items: Any = ()
    if isinstance(value, Mapping):
        items = ((f"{place}.{key}" if place else str(key), item) for key, item in value.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  JSON from outside
    elif isinstance(value, (list, tuple)):
        items = ((f"{place}[{index}]", item) for index, item in enumerate(value))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    else:
        try:
            _encoder.encode(value)
        except UnicodeEncodeError:
            return place, "holds half a surrogate pair"
        except (TypeError, ValueError, OverflowError):
            return place, f"is of type {type(value).__name__}"
        return None
    return next((found for inner, item in items if (found := _unsendable(item, inner))), None)
