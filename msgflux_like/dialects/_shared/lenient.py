"""Read a reply strictly where it decides the answer, and leniently beside it.

A reply is decoded into a typed struct, whose `STRICT` names the fields that hold the answer: texts, calls, media.
Where the whole does not decode, it is read again field by field: a strict field of a wrong shape is an error, any other
is left out and noted. Replies that decode at once, which is nearly all of them, cost nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec import Struct, ValidationError

T = TypeVar("T")

_value = msgspec.json.Decoder().decode
_MISSING: Final = msgspec.NODEFAULT


def decode(decoder: msgspec.json.Decoder[T], data: bytes, note: Callable[[str, str], None]) -> T:
    """Decode a reply, a chunk or an event.

    Args:
        decoder: Decoder of a struct type; `STRICT`, a class variable of it, names the fields that must fit.
        data: JSON.
        note: Called with the path of a field that was left out, and the reason.

    Raises:
        msgspec.DecodeError: The data is not JSON, or a strict field does not fit.
    """
    try:
        return decoder.decode(data)
    except ValidationError as error:
        return cast("T", _struct(cast("Any", decoder).type, _value(data), "", note, error))


def convert(value: Any, type_: type[T], path: str, note: Callable[[str, str], None]) -> T:
    """Convert plain values to a struct in the same way; raises msgspec.ValidationError for a strict field."""
    try:
        return msgspec.convert(value, type_)
    except ValidationError as error:
        return cast("T", _struct(type_, value, path, note, error))


def _struct(type_: Any, value: Any, path: str, note: Callable[[str, str], None], error: ValidationError) -> Any:
    if not isinstance(value, dict) or not (isinstance(type_, type) and issubclass(type_, Struct)):
        raise error
    given = cast("dict[str, Any]", value)
    strict: frozenset[str] = getattr(type_, "STRICT", frozenset())
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(type_):
        if field.encode_name not in given:
            continue
        place = f"{path}.{field.encode_name}" if path else field.encode_name
        found = _field(field.type, given[field.encode_name], place, note, strict=field.name in strict)
        if found is not _MISSING:
            fields[field.name] = found
    return type_(**fields)


def _field(type_: Any, value: Any, path: str, note: Callable[[str, str], None], *, strict: bool) -> Any:
    """Return the field's value, or `_MISSING` when it is left out."""
    try:
        return msgspec.convert(value, type_)
    except ValidationError as error:
        if value is False or (not value and value != 0):  # an empty value of another kind is no value
            return _MISSING
        inner = _without_none(type_)
        if not strict and inner is str and isinstance(value, (int, float)) and not isinstance(value, bool):
            note(path, "is a number, and was read as a string")
            return str(value)
        try:
            if get_origin(inner) is list and isinstance(value, list):
                return _items(get_args(inner)[0], cast("list[Any]", value), path, note, strict=strict)
            return _struct(inner, value, path, note, error)
        except ValidationError as inner_error:
            if strict:
                raise
            note(path, f"was left out: {inner_error}")
            return _MISSING


def _items(type_: Any, values: list[Any], path: str, note: Callable[[str, str], None], *, strict: bool) -> list[Any]:
    found = (_field(type_, value, f"{path}[{index}]", note, strict=strict) for index, value in enumerate(values))
    return [each for each in found if each is not _MISSING]


def _without_none(type_: Any) -> Any:
    if get_origin(type_) in (Union, UnionType):
        kinds = [kind for kind in get_args(type_) if kind is not NoneType]
        return kinds[0] if len(kinds) == 1 else type_
    return type_
