"""Codecs of a lowered schema: for each of its places, the schema and both conversions of values.

`lower` converts a value of the type to what the model is asked to write, `restore` converts what it wrote back.
"""

# ruff: noqa: D102  `Codec` documents both methods

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from msgflux_like._json import as_list, as_mapping
from msgflux_like.structured.json_schema.checking import JsonSchema, accepts, kinds_of

ABSENT: Final[Any] = object()
"""Stands for a value that is absent."""

_json = msgspec.json.Encoder()
_any = msgspec.json.Decoder()


class RestoreError(ValueError):
    """The model wrote a value that does not fit the lowered schema."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(f"{message} - at `{path}`")


class Codec:
    """Codec of one place of a schema, base class.

    Attributes:
        schema: Lowered schema of this place.
        parts: Codecs of the places inside it.
        alters_itself: Whether this codec changes values, apart from its parts.
        alters: Whether this codec or one inside it changes values; set when the whole schema is compiled.
    """

    alters_itself = True
    parts: Sequence[Codec] = ()
    alters = True

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema

    def lower(self, value: Any) -> Any:
        """Return the value as the model is asked to write it."""
        raise NotImplementedError

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        """Return the value as the type has it.

        Args:
            value: Value that the model wrote.
            path: JSON path of the value, for errors.
            partial: Whether the value may be incomplete; ABSENT is returned where it cannot be restored yet.

        Raises:
            RestoreError: If the value does not fit the lowered schema.
        """
        raise NotImplementedError


class IdentityCodec(Codec):
    """Codec of values that are not changed."""

    alters_itself = False

    def lower(self, value: Any) -> Any:
        return value

    def restore(self, value: Any, path: str, partial: bool) -> Any:  # noqa: ARG002  parameters of the base class
        return value


class JsonTextCodec(Codec):
    """Codec of any value as a string that contains JSON."""

    def lower(self, value: Any) -> Any:
        return _json.encode(value).decode()

    def restore(self, value: Any, path: str, partial: bool) -> Any:  # noqa: ARG002
        if not isinstance(value, str):
            return value  # the server ignored the schema
        try:
            return _any.decode(value)
        except msgspec.DecodeError as error:
            raise RestoreError(f"a string should contain JSON but does not ({error})", path) from None


class ListCodec(Codec):
    """Codec of a list."""

    alters_itself = False

    def __init__(self, schema: dict[str, Any], item: Codec) -> None:
        super().__init__(schema)
        self.parts = (item,)

    def lower(self, value: Any) -> Any:
        return [self.parts[0].lower(each) for each in value]

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        item = self.parts[0]
        if not isinstance(value, list) or not item.alters:
            return cast("Any", value)
        restored = (item.restore(each, f"{path}[{index}]", partial) for index, each in enumerate(as_list(value)))
        return [each for each in restored if each is not ABSENT]


class DictCodec(Codec):
    """Codec of a dict as a list of objects with `key` and `value`."""

    def __init__(self, schema: dict[str, Any], value: Codec) -> None:
        super().__init__(schema)
        self.parts = (value,)

    def lower(self, value: Any) -> Any:
        return [{"key": key, "value": self.parts[0].lower(each)} for key, each in value.items()]

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        if not isinstance(value, list):
            return value
        restored: dict[str, Any] = {}
        for index, entry in enumerate(as_list(value)):
            fields, place = as_mapping(entry), f"{path}[{index}]"
            if "key" not in fields or "value" not in fields:
                if partial:
                    continue
                raise RestoreError("Expected an object with `key` and `value`", place)
            key = fields["key"]
            if not isinstance(key, str) or key in restored:
                raise RestoreError("Expected `str` keys that differ", f"{place}.key")
            if (item := self.parts[0].restore(fields["value"], f"{path}[...]", partial)) is not ABSENT:
                restored[key] = item
        return restored


class Property(msgspec.Struct, frozen=True):
    """One property of an object.

    Attributes:
        name: Name in the type.
        wire: Name in the lowered schema.
        absent: How an absent property is written: "never" (it is required), "null", "wrapped" (null, and a value is
            written as `{"value": ...}`) or "null default" (null, which is restored as null, the default).
        codec: Codec of the value.
    """

    name: str
    wire: str
    absent: str
    codec: Codec

    def lower(self, value: Any) -> Any:
        """Return what is written for a value or for ABSENT."""
        if value is not ABSENT:
            lowered = self.codec.lower(value)
            return {"value": lowered} if self.absent == "wrapped" else lowered
        return self.codec.lower(None) if self.absent == "null default" else None

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        """Return the value, or ABSENT."""
        if value is None and self.absent in ("null", "wrapped"):
            return ABSENT
        if self.absent == "wrapped" and isinstance(value, Mapping):
            if "value" not in value:
                return ABSENT
            value = cast("Mapping[str, Any]", value)["value"]
        return self.codec.restore(value, path, partial)


class ObjectCodec(Codec):
    """Codec of an object with named properties, all of which are required in the lowered schema."""

    def __init__(self, schema: dict[str, Any], fields: Sequence[Property], others: Property | None) -> None:
        super().__init__(schema)
        self.fields = {field.wire: field for field in fields}
        self.others = others
        self.parts = [field.codec for field in fields] + ([others.codec] if others else [])
        self.alters_itself = others is not None or any(
            field.absent in ("null", "wrapped") or field.name != field.wire for field in fields
        )

    def lower(self, value: Any) -> Any:
        lowered = {wire: field.lower(value.get(field.name, ABSENT)) for wire, field in self.fields.items()}
        if self.others is not None:
            known = {field.name for field in self.fields.values()}
            rest = {name: item for name, item in value.items() if name not in known}
            lowered[self.others.wire] = self.others.codec.lower(rest)
        return lowered

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        if not isinstance(value, Mapping):
            return value
        restored: dict[str, Any] = {}
        for wire, item in cast("Mapping[str, Any]", value).items():
            if self.others is not None and wire == self.others.wire:
                rest = self.others.codec.restore(item, path, partial)
                restored |= {name: each for name, each in as_mapping(rest).items() if name not in restored}
            elif (field := self.fields.get(wire)) is None:
                restored[wire] = item  # the type accepts or rejects it
            elif (each := field.restore(item, f"{path}.{field.name}", partial)) is not ABSENT:
                restored[field.name] = each
        return restored


class TupleCodec(Codec):
    """Codec of a tuple as an object with a property per position, and one for further items if they are allowed."""

    def __init__(self, schema: dict[str, Any], fields: Sequence[Property], rest: Property | None) -> None:
        super().__init__(schema)
        self.fields = fields
        self.rest = rest
        self.parts = [field.codec for field in fields] + ([rest.codec] if rest else [])

    def lower(self, value: Any) -> Any:
        lowered = {
            field.wire: field.lower(value[index] if index < len(value) else ABSENT)
            for index, field in enumerate(self.fields)
        }
        if self.rest is not None:
            lowered[self.rest.wire] = self.rest.codec.lower(value[len(self.fields) :])
        return lowered

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        if not isinstance(value, Mapping):
            return value
        given = cast("Mapping[str, Any]", value)
        restored: list[Any] = []
        for index, field in enumerate(self.fields):
            item = field.restore(given[field.wire], f"{path}[{index}]", partial) if field.wire in given else ABSENT
            if item is ABSENT:
                self._check_the_end(given, index, path, partial)
                return restored
            restored.append(item)
        if self.rest is not None and self.rest.wire in given:
            restored += as_list(self.rest.codec.restore(given[self.rest.wire], path, partial))
        return restored

    def _check_the_end(self, given: Mapping[str, Any], index: int, path: str, partial: bool) -> None:
        """Raise if an item follows a position that is absent."""
        later = [field.wire for field in self.fields[index:]] + ([self.rest.wire] if self.rest else [])
        if not partial and any(given.get(wire) for wire in later):
            raise RestoreError("Expected no item after an absent one", f"{path}[{index}]")


class UnionMember(msgspec.Struct, frozen=True):
    """One member of a union.

    Attributes:
        case: Name of the member in a `NamedUnionCodec`.
        kinds: JSON types of the lowered values.
        tags: Values of the union's tag property that select this member.
        original: Schema before lowering.
        codec: Codec of the member.
    """

    case: str
    kinds: frozenset[str]
    tags: tuple[Any, ...]
    original: Any
    codec: Codec


class UnionCodec(Codec):
    """Codec of a union whose members are distinguished by JSON type, and objects by a tag property."""

    def __init__(
        self, schema: dict[str, Any], members: Sequence[UnionMember], tag: str | None, root: JsonSchema
    ) -> None:
        super().__init__(schema)
        self.members = members
        self.tag = tag
        self.root = root
        self.parts = [member.codec for member in members]
        self.alters_itself = False

    def _member_for(self, value: Any) -> UnionMember:
        """Return the member that accepts a value of the type."""
        for member in self.members:
            if accepts(member.original, value, self.root):
                return member
        raise RestoreError("no member of the union fits", "$")

    def lower(self, value: Any) -> Any:
        return self._member_for(value).codec.lower(value)

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        fitting = [member for member in self.members if member.kinds & kinds_of(value)]
        if len(fitting) > 1 and self.tag is not None and isinstance(value, Mapping):
            tag = cast("Mapping[str, Any]", value).get(self.tag)
            fitting = [member for member in fitting if tag in member.tags]
        if fitting:
            return fitting[0].codec.restore(value, path, partial)
        return ABSENT if partial else cast("Any", value)


class NamedUnionCodec(UnionCodec):
    """Codec of a union whose members cannot be distinguished by value: each is written with its name."""

    def __init__(self, schema: dict[str, Any], members: Sequence[UnionMember], root: JsonSchema) -> None:
        super().__init__(schema, members, None, root)
        self.alters_itself = True

    def lower(self, value: Any) -> Any:
        member = self._member_for(value)
        return {"case": member.case, "value": member.codec.lower(value)}

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        fields = as_mapping(value)
        for member in self.members:
            if member.case == fields.get("case") and "value" in fields:
                return member.codec.restore(fields["value"], path, partial)
        if partial:
            return ABSENT
        raise RestoreError("Expected an object with `case` and `value`", path)


class ReferenceCodec(Codec):
    """Codec of a reference to a definition, which may contain this reference."""

    alters_itself = False

    def __init__(self, schema: dict[str, Any], name: str, definitions: Mapping[str, Codec | None]) -> None:
        super().__init__(schema)
        self._name = name
        self._definitions = definitions

    @property
    def target(self) -> Codec:
        """Codec of the definition."""
        return cast("Codec", self._definitions[self._name])

    def lower(self, value: Any) -> Any:
        return self.target.lower(value)

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        return self.target.restore(value, path, partial)
