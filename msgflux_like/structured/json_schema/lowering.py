"""Lowering of a JSON schema to the subset of a strict mode, without loss of any value of the type.

A construct that strict modes do not support is replaced:

    dict[str, T]                  a list of {"key", "value"} objects
    tuple, NamedTuple             an object with "item_0", "item_1", ...
    a field that may be left out  null; or {"value": ...} or null if null is a value already
    Any                           a string that contains JSON
    a union whose members have    an object with "case" and "value"
      no distinct type or tag
    a root other than an object   an object with "value"

`Lowered.restore` converts what the model wrote to a value of the type; `Lowered.lower` is its inverse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import msgspec

from msgflux_like._json import as_list, as_mapping
from msgflux_like.errors import UnsupportedSchemaError
from msgflux_like.structured.json_schema.checking import JsonSchema, accepts, kinds_of, resolve
from msgflux_like.structured.json_schema.codecs import (
    ABSENT,
    Codec,
    DictCodec,
    IdentityCodec,
    JsonTextCodec,
    ListCodec,
    NamedUnionCodec,
    ObjectCodec,
    Property,
    ReferenceCodec,
    RestoreError,
    TupleCodec,
    UnionCodec,
    UnionMember,
)
from msgflux_like.structured.json_schema.limits import Subset
from msgflux_like.structured.json_schema.unions import (
    NOT_OF_A_NAME,
    NULL,
    SCALARS,
    case_of,
    discriminate,
    flat,
    kind_of,
    members_of,
    tags_in,
    written_kinds,
)

_OBJECT: Final = frozenset({"object"})
_json = msgspec.json.Encoder()


class Lowered:
    """A lowered schema and the conversion of its values.

    Attributes:
        schema: Lowered schema, with an object at its root.
        wrapped: Whether that object was added around the value, `{"value": ...}`.
        alters: Whether values differ from those of the type, apart from that wrapping.
    """

    def __init__(self, schema: dict[str, Any], codec: Codec | None, *, wrapped: bool) -> None:
        self.schema = schema
        self.wrapped = wrapped
        self.alters = codec is not None and codec.alters
        self._codec = codec

    def lower(self, value: Any) -> Any:
        """Return a plain value of the type as the model is asked to write it."""
        value = self._codec.lower(value) if self._codec is not None else value
        return {"value": value} if self.wrapped else value

    def restore(self, value: Any, *, partial: bool = False) -> Any:
        """Return what the model wrote as a plain value of the type.

        Args:
            value: Value that the model wrote.
            partial: Whether the value may be incomplete. Parts that cannot be restored yet are left out; None is
                returned if nothing can be restored.

        Raises:
            RestoreError: If the value does not fit the lowered schema.
        """
        path = "$"
        if self.wrapped:
            if not isinstance(value, Mapping) or "value" not in value:
                if partial:
                    return None
                raise RestoreError("Object missing required field `value`", path)
            value, path = cast("Mapping[str, Any]", value)["value"], "$.value"
        if self._codec is None or not self.alters:
            return value
        restored = self._codec.restore(value, path, partial)
        return None if restored is ABSENT else restored


def lower(schema: JsonSchema, subset: Subset) -> Lowered:
    """Lower a schema to a subset; raise UnsupportedSchemaError, with the place, if it cannot be expressed."""
    root = resolve(schema, schema)
    wrapped = not _is_object(root)
    if not subset.strict:
        return Lowered(_with_object_at_the_root(schema, root, wrapped), None, wrapped=wrapped)
    wrapped = wrapped or written_kinds(root, schema) != _OBJECT  # a dict becomes a list
    compiler = _Compiler(schema, subset)
    codec = compiler.codec(root, "$")
    compiler.finish()
    out = {**codec.schema}
    if wrapped:
        out = _object({"value": out})
    if compiler.definitions:
        out["$defs"] = {name: each.schema for name, each in compiler.definitions.items() if each is not None}
    return Lowered(out, codec, wrapped=wrapped)


def _is_object(root: Any) -> bool:
    fields = as_mapping(root)
    return fields.get("type") == "object" and not any(word in fields for word in ("anyOf", "oneOf", "allOf", "enum"))


def _with_object_at_the_root(schema: JsonSchema, root: Any, wrapped: bool) -> dict[str, Any]:
    shared = {name: schema[name] for name in ("$defs", "definitions") if name in schema}
    if wrapped:
        inner = {name: item for name, item in schema.items() if name not in shared}
        return {**_object({"value": inner}), **shared}
    return {**as_mapping(root), **shared}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


# --------------------------------------------------------------------------------------------------------- compiler

# A constraint that is not in a subset is appended to the description.
_CONSTRAINTS: Final = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "contentEncoding",
)
_UNSUPPORTED: Final = (
    "not",
    "if",
    "then",
    "else",
    "patternProperties",
    "dependentSchemas",
    "dependentRequired",
    "unevaluatedProperties",
    "unevaluatedItems",
    "contains",
    "$dynamicRef",
)
_ANNOTATIONS: Final = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment", "$schema", "$id"}
    | {"discriminator", "$defs", "definitions"}
)


class _Compiler:
    """Compiler of one schema into codecs."""

    def __init__(self, root: JsonSchema, subset: Subset) -> None:
        self.root = root
        self.subset = subset
        self.definitions: dict[str, Codec | None] = {}  # None while a codec is being compiled
        self._names: dict[str, str] = {}  # pointer -> name
        self._codecs: list[Codec] = []

    def finish(self) -> None:
        """Set `alters` of every codec: true if it, or a codec inside it, changes values itself."""
        for each in self._codecs:
            each.alters = False
        changed = True
        while changed:
            changed = False
            for each in self._codecs:
                parts = (each.target,) if isinstance(each, ReferenceCodec) else each.parts
                if not each.alters and (each.alters_itself or any(part.alters for part in parts)):
                    each.alters = changed = True

    def codec(self, schema: Any, path: str) -> Codec:
        """Compile the schema of one place."""
        codec = self._compile(schema, path)
        self._codecs.append(codec)
        return codec

    def _compile(self, schema: Any, path: str) -> Codec:
        if schema is False:
            raise UnsupportedSchemaError("the schema `false` allows no value", path=path)
        fields: JsonSchema = as_mapping(schema)
        if keyword := next((each for each in _UNSUPPORTED if each in fields), None):
            raise UnsupportedSchemaError(f"strict schemas do not support {keyword!r}", path=path)
        if "$ref" in fields:
            return self._reference(fields, path)
        if "allOf" in fields:
            return self._compile(self._merged(fields, path), path)
        if (members := members_of(fields)) is not None:
            return self._choice(fields, members, path)
        if "enum" in fields or "const" in fields:
            return self._enumeration(fields, path)
        return self._value(fields, path)

    def _value(self, fields: JsonSchema, path: str) -> Codec:
        """Compile a schema of one JSON type or of any type."""
        kind = kind_of(fields)
        if kind == "object":
            return self._object(fields, path)
        if kind == "array":
            return self._array(fields, path)
        if kind in SCALARS:
            return IdentityCodec(self._noted(fields, {"type": kind}))
        if fields.keys() - _ANNOTATIONS:
            raise UnsupportedSchemaError(f"strict schemas do not support type {kind!r}", path=path)
        return JsonTextCodec(self._noted(fields, {"type": "string"}, "any JSON value, written as JSON text"))

    # ---- names

    def _reference(self, fields: JsonSchema, path: str) -> Codec:
        pointer = str(fields["$ref"])
        try:
            target = resolve({"$ref": pointer}, self.root)
        except KeyError:
            raise UnsupportedSchemaError(f"the schema has no definition {pointer!r}", path=path) from None
        if pointer not in self._names:
            self._names[pointer] = name = self._free_name(pointer)
            self.definitions[name] = None
            self.definitions[name] = self.codec(target, path)
        elif self.definitions[self._names[pointer]] is None and not self.subset.recursion:
            raise UnsupportedSchemaError("this dialect does not support recursive schemas", path=path)
        name = self._names[pointer]
        reference: dict[str, Any] = {"$ref": f"#/$defs/{name}"}
        if fields.get("description"):  # no keyword may stand beside a reference
            reference = {"anyOf": [reference], "description": fields["description"]}
        return ReferenceCodec(reference, name, self.definitions)

    def _free_name(self, pointer: str) -> str:
        wanted = NOT_OF_A_NAME.sub("_", pointer.rpartition("/")[2])[:60].strip("_") or "Root"
        return _free(wanted, self.definitions)

    def _merged(self, fields: JsonSchema, path: str) -> JsonSchema:
        """Merge the parts of `allOf` into one schema."""
        merged: dict[str, Any] = {name: item for name, item in fields.items() if name != "allOf"}
        parts = [as_mapping(resolve(each, self.root)) for each in fields["allOf"]]
        if len(parts) == 1 and "$ref" in as_mapping(fields["allOf"][0]) and not merged.keys() - _ANNOTATIONS:
            return {**merged, "$ref": fields["allOf"][0]["$ref"]}
        for part in parts:
            clash = {name for name in merged.keys() & part.keys() if merged[name] != part[name]} - _ANNOTATIONS
            if clash - {"properties", "required"}:
                raise UnsupportedSchemaError(f"the parts of allOf differ in {', '.join(sorted(clash))}", path=path)
            properties = {**as_mapping(merged.get("properties")), **as_mapping(part.get("properties"))}
            required = [*as_list(merged.get("required")), *as_list(part.get("required"))]
            merged = {**part, **merged}
            if properties:
                merged |= {"properties": properties, "required": list(dict.fromkeys(required))}
        return merged

    # ---- values

    def _enumeration(self, fields: JsonSchema, path: str) -> Codec:
        values = [fields["const"]] if "const" in fields else list(fields["enum"])
        by_kind: dict[str, list[Any]] = {}
        for value in values:
            kind = min(kinds_of(value))  # "integer" before "number"
            if kind not in SCALARS:
                raise UnsupportedSchemaError(f"an enumeration cannot contain a JSON {kind}", path=path)
            by_kind.setdefault(kind, []).append(value)
        members = [{"type": kind} if kind == "null" else {"type": kind, "enum": each} for kind, each in by_kind.items()]
        return IdentityCodec(self._noted(fields, members[0] if len(members) == 1 else {"anyOf": members}))

    def _choice(self, fields: JsonSchema, members: list[Any], path: str) -> Codec:
        members = [inner for member in members for inner in flat(member)]
        if any(not as_mapping(member).keys() - _ANNOTATIONS for member in members):  # one of them is Any
            return JsonTextCodec(self._noted(fields, {"type": "string"}, "any JSON value, written as JSON text"))
        tag, cases = discriminate(members, self.root)
        branches: list[UnionMember] = []
        for index, member in enumerate(members):
            codec = self.codec(member, path)
            case = _free(case_of(member, index), [branch.case for branch in branches])
            branches.append(
                UnionMember(case, written_kinds(member, self.root), tags_in(member, tag, self.root), member, codec)
            )
        if cases:
            schemas = [
                _object({"case": {"type": "string", "enum": [branch.case]}, "value": branch.codec.schema})
                for branch in branches
            ]
            return NamedUnionCodec(self._noted(fields, {"anyOf": schemas}), branches, self.root)
        schema = self._noted(fields, {"anyOf": [branch.codec.schema for branch in branches]})
        return UnionCodec(schema, branches, tag, self.root)

    def _array(self, fields: JsonSchema, path: str) -> Codec:
        first = as_list(fields.get("prefixItems"))
        if not first:
            item = self.codec(fields.get("items", {}), f"{path}[]")
            return ListCodec(self._noted(fields, {"type": "array", "items": item.schema}), item)
        least = fields.get("minItems", 0)
        positions = [
            self._field(f"item_{index}", f"item_{index}", each, index < least, f"{path}[{index}]")
            for index, each in enumerate(first)
        ]
        rest = None
        if fields.get("items", False) is not False:
            items = {"type": "array", "items": fields["items"]}
            rest = Property("rest", "rest", "never", self.codec(items, f"{path}[]"))
        schema = _object({field.wire: self._optional(field) for field in [*positions, *([rest] if rest else [])]})
        kept = {name: item for name, item in fields.items() if name not in ("minItems", "maxItems")}
        return TupleCodec(self._noted(kept, schema), positions, rest)

    def _object(self, fields: JsonSchema, path: str) -> Codec:
        properties = as_mapping(fields.get("properties"))
        others = fields.get("additionalProperties", "properties" not in fields)
        if "properties" not in fields and others is not False:
            return self._entries(fields, others, path)
        required = frozenset(as_list(fields.get("required")))
        taken: list[str] = []
        made: list[Property] = []
        for name, each in properties.items():
            wire = _free(NOT_OF_A_NAME.sub("_", name)[:64] or "field", taken)
            taken.append(wire)
            made.append(self._field(name, wire, each, name in required, f"{path}.{name}"))
        rest = None
        if others is not False:
            codec = self.codec({"type": "object", "additionalProperties": others}, f"{path}.*")
            rest = Property("", _free("further_fields", taken), "never", codec)
        schema = _object({field.wire: self._optional(field) for field in [*made, *([rest] if rest else [])]})
        return ObjectCodec(self._noted(fields, schema), made, rest)

    def _entries(self, fields: JsonSchema, others: Any, path: str) -> Codec:
        value = self.codec(others if isinstance(others, Mapping) else {}, f"{path}[]")
        names = as_mapping(fields.get("propertyNames"))
        key = self.codec(
            names if kind_of(names) == "string" or "enum" in names else {"type": "string"}, f"{path} (key)"
        )
        entry = _object({"key": key.schema, "value": value.schema})
        return DictCodec(self._noted(fields, {"type": "array", "items": entry}), value)

    # ---- properties

    def _field(self, name: str, wire: str, schema: Any, required: bool, path: str) -> Property:
        codec = self.codec(schema, path)
        if required:
            return Property(name, wire, "never", codec)
        if not accepts(schema, None, self.root):
            return Property(name, wire, "null", codec)
        null_default = as_mapping(schema).get("default", ABSENT) is None
        return Property(name, wire, "null default" if null_default else "wrapped", codec)

    def _optional(self, field: Property) -> dict[str, Any]:
        """Return the schema of a property, including its absence."""
        schema = field.codec.schema
        if field.absent in ("never", "null default"):
            return schema
        if field.absent == "wrapped":
            schema = _object({"value": schema})
        members = schema["anyOf"] if set(schema) <= {"anyOf", "description"} and "anyOf" in schema else [schema]
        described = {"description": schema["description"]} if members is not schema and "description" in schema else {}
        if members == [schema]:
            members = [{name: item for name, item in schema.items() if name != "description"}]
        return {"anyOf": [*members, dict(NULL)], **described}

    def _noted(self, fields: JsonSchema, schema: dict[str, Any], remark: str = "") -> dict[str, Any]:
        """Add the constraints: those of the subset as keywords, the others to the description."""
        notes = [remark] if remark else []
        for name in _CONSTRAINTS:
            if name not in fields:
                continue
            fits = name != "minItems" or self.subset.least_items is None or fields[name] <= self.subset.least_items
            if name in self.subset.keywords and fits and _suits(name, schema):
                schema[name] = fields[name]
            else:
                notes.append(f"{name}: {fields[name]}")
        if "format" in fields:
            if fields["format"] in self.subset.formats:
                schema["format"] = fields["format"]
            else:
                notes.append(f"format: {fields['format']}")
        if fields.get("default") is not None:
            notes.append(f"default: {_json.encode(fields['default']).decode()}")
        if "examples" in fields:
            notes.append(f"examples: {_json.encode(fields['examples']).decode()}")
        described = str(fields.get("description") or "")
        if notes:
            described = f"{described} ({'; '.join(notes)})" if described else "; ".join(notes)
        if described:
            schema["description"] = described
        return schema


def _suits(constraint: str, schema: JsonSchema) -> bool:
    """Return whether a constraint applies to the lowered schema; an array may have become an object."""
    return schema.get("type") == "array" if constraint.endswith("Items") else schema.get("type") in SCALARS


def _free(wanted: str, taken: Iterable[str]) -> str:
    """Return the name, with a number appended if it is taken."""
    used, name, number = set(taken), wanted, 2
    while name in used:
        name = f"{wanted[:58]}_{number}"
        number += 1
    return name
