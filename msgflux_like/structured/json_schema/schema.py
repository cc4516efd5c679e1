"""Types of answers: the JSON schema of a type, and the conversion of an answer to a value. Computed once per type.

msgspec handles Structs, dataclasses, TypedDicts, NamedTuples, attrs classes, enumerations, Literals, unions, scalars
and containers of them. pydantic handles its models. A JSON schema can be used without a Python type.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, cast, get_args, get_type_hints

import msgspec

from msgflux_like._json import as_list, as_mapping
from msgflux_like.errors import InvalidRequestError, UnsupportedSchemaError
from msgflux_like.structured.json_schema.checking import JsonSchema, problem
from msgflux_like.structured.json_schema.limits import Subset
from msgflux_like.structured.json_schema.lowering import Lowered, lower
from msgflux_like.structured.json_schema.record import Record

_NOT_OF_A_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")
_json = msgspec.json.Encoder()
_any = msgspec.json.Decoder()


class Target:
    """Type of an answer.

    Attributes:
        name: Name for providers: 1 to 64 of the characters A-Z a-z 0-9 _ -.
        description: Description in the schema of the type, "" if it has no description.
        schema: JSON schema of the type.
    """

    def __init__(self, name: str, schema: JsonSchema) -> None:
        self.name = _NOT_OF_A_NAME.sub("_", name).strip("_")[:64] or "answer"
        self.schema = schema
        self.description = _description(schema)
        self._lowered: dict[Subset, Lowered] = {}

    def lowered(self, subset: Subset) -> Lowered:
        """Return the schema, lowered to the subset of a dialect."""
        if subset not in self._lowered:
            self._lowered[subset] = lower(self.schema, subset)
        return self._lowered[subset]

    def decode(self, text: str, *, wrapped: bool, strict: bool) -> Any:
        """Decode JSON to a value of the type; raise ValueError, its message ending in the path, or RecursionError."""
        value = _any.decode(text)
        return self.convert(_unwrapped(value) if wrapped else value, strict=strict)

    def convert(self, value: Any, *, strict: bool) -> Any:
        """Convert a plain value to a value of the type; raise ValueError like `decode`."""
        raise NotImplementedError

    def plain(self, value: Any) -> Any:
        """Convert a value of the type to the plain value that `consume` returns: dicts, lists and JSON scalars."""
        return as_records(value)


def _unwrapped(value: Any) -> Any:
    if "value" not in as_mapping(value):
        raise msgspec.ValidationError("Object missing required field `value` - at `$`")
    return value["value"]


def _description(schema: JsonSchema) -> str:
    fields = schema
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        fields = as_mapping(as_mapping(schema.get("$defs")).get(name))
    return str(schema.get("description") or fields.get("description") or "")


def as_records(value: Any) -> Any:
    """Convert all dicts in a value to Records."""
    if isinstance(value, Mapping):
        return Record((name, as_records(item)) for name, item in cast("Mapping[str, Any]", value).items())
    return [as_records(item) for item in as_list(value)] if isinstance(value, list) else value


def target_of(wanted: Any) -> Target:
    """Return the target of a `generation_schema`; raise UnsupportedSchemaError, with the place, if unsupported."""
    if isinstance(wanted, Mapping):
        return _JsonTarget(cast("JsonSchema", wanted))
    try:
        return _target_of_type(wanted)
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
    return _target_of_type.__wrapped__(wanted)


@lru_cache(maxsize=512)
def _target_of_type(wanted: Any) -> Target:
    if wanted is None or isinstance(wanted, (str, bytes, int, float, list, tuple, set)):
        raise InvalidRequestError(
            f"generation_schema must be a type or a JSON schema, not {type(cast('Any', wanted)).__name__}"
        )
    if "pydantic" in sys.modules and _is_of_pydantic(wanted):
        return _PydanticTarget(wanted)
    return _MsgspecTarget(wanted)


# ---------------------------------------------------------------------------------------------------------- msgspec


class _MsgspecTarget(Target):
    def __init__(self, wanted: Any) -> None:
        own: JsonSchema | None = getattr(wanted, "__generation_schema__", None)
        super().__init__(_name(wanted), own if own is not None else _schema_of(wanted))
        self._type = wanted
        self._decoders: dict[tuple[bool, bool], Callable[[str], Any]] = {}
        self._decoder(wrapped=False, strict=True)  # raises early if the type cannot be decoded

    def _decoder(self, *, wrapped: bool, strict: bool) -> Callable[[str], Any]:
        if (wrapped, strict) not in self._decoders:
            kind = msgspec.defstruct("Wrapped", [("value", self._type)]) if wrapped else self._type
            self._decoders[wrapped, strict] = msgspec.json.Decoder(kind, strict=strict).decode
        return self._decoders[wrapped, strict]

    def decode(self, text: str, *, wrapped: bool, strict: bool) -> Any:
        value = self._decoder(wrapped=wrapped, strict=strict)(text)
        return value.value if wrapped else value

    def convert(self, value: Any, *, strict: bool) -> Any:
        return msgspec.convert(
            value, self._type, strict=strict, builtin_types=(), str_keys=True
        )  # as in JSON, where dates are strings

    def plain(self, value: Any) -> Any:
        return _plain(value)


def _schema_of(wanted: Any) -> JsonSchema:
    try:
        return msgspec.json.schema(wanted)
    except KeyError as error:  # msgspec's, for two types of one name in one module
        raise UnsupportedSchemaError(f"there are two types called {error}", path="$") from None
    except (TypeError, NameError, RecursionError) as error:
        path = _unsupported_place(wanted, "$", ())
        raise UnsupportedSchemaError(_why(error), path=path) from None


def _why(error: Exception) -> str:
    """Return the message of msgspec about a type as one line, without the hints at its own functions."""
    lines = str(error).splitlines()
    return " ".join(line for line in lines if not line.startswith(("- ", "Generating"))).strip() or lines[0]


def _unsupported_place(wanted: Any, path: str, seen: tuple[Any, ...]) -> str:
    """Return the path of the deepest part of the type that msgspec rejects by itself."""
    try:
        hints: dict[str, Any] = get_type_hints(wanted) if isinstance(wanted, type) else {}
    except (NameError, TypeError):
        hints = {}
    parts = [(f"{path}.{name}", hint) for name, hint in hints.items()]
    parts += [(f"{path}[]", part) for part in get_args(wanted)]
    for place, part in parts:
        if part in seen or not _is_refused(part):
            continue
        return _unsupported_place(part, place, (*seen, wanted))
    return path


def _is_refused(part: Any) -> bool:
    try:
        msgspec.json.schema(part)
    except (TypeError, NameError, KeyError, RecursionError):
        return True
    return False


def _name(wanted: Any) -> str:
    """Return the name of a type with its arguments, such as `Box_int` for `Box[int]`."""
    arguments = get_args(wanted)
    name = getattr(wanted, "__name__", None) or getattr(getattr(wanted, "__origin__", None), "__name__", "")
    return "_".join([name, *(_name(each) if not isinstance(each, str) else each for each in arguments)]) if name else ""


_SCALARS: Final = (str, int, float, bool, type(None))


def _plain(value: Any) -> Any:
    """Convert to plain values: fields by their Python names, the tag of a tagged Struct first, others as in JSON."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, msgspec.Struct):
        config = value.__struct_config__
        tag = {config.tag_field: config.tag} if config.tag_field is not None else {}
        fields = ((name, getattr(value, name)) for name in value.__struct_fields__)
        return Record(tag | {name: _plain(item) for name, item in fields if item is not msgspec.UNSET})
    if isinstance(value, Mapping):
        return Record((_key(name), _plain(item)) for name, item in cast("Mapping[Any, Any]", value).items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in cast("list[Any]", value)]
    fields = getattr(value, "__dataclass_fields__", None) or [
        field.name for field in getattr(value, "__attrs_attrs__", ())
    ]
    if fields:
        return Record((name, _plain(getattr(value, name))) for name in fields)
    return msgspec.to_builtins(value)


def _key(name: Any) -> str:
    plain = msgspec.to_builtins(name, str_keys=True)
    return plain if isinstance(plain, str) else _json.encode(plain).decode()


# --------------------------------------------------------------------------------------------------------- pydantic


def _is_of_pydantic(wanted: Any) -> bool:
    """Return whether the type is a pydantic type or contains one."""
    return hasattr(wanted, "__pydantic_core_schema__") or any(_is_of_pydantic(each) for each in get_args(wanted))


class _PydanticTarget(Target):
    def __init__(self, wanted: Any) -> None:
        from pydantic import TypeAdapter  # noqa: PLC0415  # pyright: ignore[reportMissingImports]  not ours to install; imported already
        from pydantic.errors import PydanticUserError  # noqa: PLC0415  # pyright: ignore[reportMissingImports]

        self._adapter: Any = TypeAdapter(wanted)
        try:
            schema = self._adapter.json_schema()
        except PydanticUserError as error:
            raise UnsupportedSchemaError(str(error).partition("\n")[0], path="$") from None
        super().__init__(_name(wanted), schema)

    def decode(self, text: str, *, wrapped: bool, strict: bool) -> Any:
        if wrapped:
            return super().decode(text, wrapped=True, strict=strict)
        return self._checked(text, strict=strict)

    def convert(self, value: Any, *, strict: bool) -> Any:
        return self._checked(_json.encode(value).decode(), strict=strict)

    def _checked(self, text: str, *, strict: bool) -> Any:
        """Validate JSON with pydantic; raise the exceptions of msgspec."""
        from pydantic import ValidationError  # noqa: PLC0415  # pyright: ignore[reportMissingImports]

        try:
            return self._adapter.validate_json(text, strict=strict)
        except ValidationError as error:
            first: Any = error.errors(include_url=False, include_input=False)[0]
            kind = msgspec.DecodeError if first["type"] == "json_invalid" else msgspec.ValidationError
            raise kind(f"{first['msg']} - at `{_path(first['loc'])}`") from None

    def plain(self, value: Any) -> Any:
        return as_records(self._adapter.dump_python(value, mode="json"))


def _path(steps: tuple[Any, ...]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


# ------------------------------------------------------------------------------------------------------ JSON schema


class _JsonTarget(Target):
    """Target of a JSON schema without a Python type; its values are plain values."""

    def __init__(self, schema: JsonSchema) -> None:
        if not schema.keys() & {"type", "$ref", "anyOf", "oneOf", "allOf", "enum", "properties"}:
            raise UnsupportedSchemaError("a JSON schema has `type`, `$ref`, `anyOf` or the like at its root", path="$")
        super().__init__(str(schema.get("title") or "answer"), schema)

    def convert(self, value: Any, *, strict: bool) -> Any:  # noqa: ARG002  validation against a schema is always strict
        if (wrong := problem(value, self.schema, self.schema)) is not None:
            raise msgspec.ValidationError(wrong)
        return as_records(value)
