"""A JSON schema in the words of a strict mode, and the way back: nothing a type can hold is lost on it.

What strict modes have no words for becomes something they have words for:

    dict[str, T]                  a list of {"key", "value"} objects
    tuple, NamedTuple             an object with "item_0", "item_1", ...
    a field that may be left out  null; {"value": ...} or null where null means something already
    Any                           a text that holds JSON
    a union that JSON types and   an object with "case" and "value"
      tags cannot tell apart
    a root that is no object      an object with "value"

`Lowered.restore` undoes it for what the model wrote; `Lowered.lower` is its inverse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import msgspec

from msgflux_like._json import as_list, as_mapping
from msgflux_like.errors import UnsupportedSchemaError
from msgflux_like.structured.json_schema.checking import JsonSchema, accepts, kinds_of, resolve
from msgflux_like.structured.json_schema.limits import Subset
from msgflux_like.structured.json_schema.types import (
    ABSENT,
    Branch,
    Cases,
    Choice,
    Entries,
    Field,
    Fields,
    Form,
    Items,
    JsonText,
    Positions,
    Reference,
    RestoreError,
    Same,
)
from msgflux_like.structured.json_schema.unions import (
    NOT_OF_A_NAME,
    NULL,
    SCALARS,
    case_of,
    flat,
    kind_of,
    members_of,
    tags_in,
    told_apart,
    written_kinds,
)

_OBJECT: Final = frozenset({"object"})
_json = msgspec.json.Encoder()


class Lowered:
    """A schema in a strict mode's words.

    Attributes:
        schema: It, with an object at its root.
        wrapped: Whether that object is one around the value, `{"value": ...}`.
        alters: Whether what is written, beside that wrapping, may not be read as the type itself.
    """

    def __init__(self, schema: dict[str, Any], form: Form | None, *, wrapped: bool) -> None:
        self.schema = schema
        self.wrapped = wrapped
        self.alters = form is not None and form.alters
        self._form = form

    def lower(self, value: Any) -> Any:
        """A plain value of the type, as the model is asked to write it."""
        value = self._form.lower(value) if self._form is not None else value
        return {"value": value} if self.wrapped else value

    def restore(self, value: Any, *, partial: bool = False) -> Any:
        """What the model wrote, as a plain value of the type. Raises RestoreError.

        With `partial` the value may be the beginning of one: what cannot be read yet is left out, and None is given
        when that is all of it.
        """
        path = "$"
        if self.wrapped:
            if not isinstance(value, Mapping) or "value" not in value:
                if partial:
                    return None
                raise RestoreError("Object missing required field `value`", path)
            value, path = cast("Mapping[str, Any]", value)["value"], "$.value"
        if self._form is None or not self.alters:
            return value
        restored = self._form.restore(value, path, partial)
        return None if restored is ABSENT else restored


def lower(schema: JsonSchema, subset: Subset) -> Lowered:
    """The schema in the words of the subset; UnsupportedSchemaError with the place of what it cannot say."""
    root = resolve(schema, schema)
    wrapped = not _is_object(root)
    if not subset.strict:
        return Lowered(_with_object_at_the_root(schema, root, wrapped), None, wrapped=wrapped)
    wrapped = wrapped or written_kinds(root, schema) != _OBJECT  # a dict becomes a list
    compiler = _Compiler(schema, subset)
    form = compiler.form(root, "$")
    compiler.finish()
    out = {**form.schema}
    if wrapped:
        out = _closed({"value": out})
    if compiler.definitions:
        out["$defs"] = {name: each.schema for name, each in compiler.definitions.items() if each is not None}
    return Lowered(out, form, wrapped=wrapped)


def _is_object(root: Any) -> bool:
    fields = as_mapping(root)
    return fields.get("type") == "object" and not any(word in fields for word in ("anyOf", "oneOf", "allOf", "enum"))


def _with_object_at_the_root(schema: JsonSchema, root: Any, wrapped: bool) -> dict[str, Any]:
    shared = {name: schema[name] for name in ("$defs", "definitions") if name in schema}
    if wrapped:
        inner = {name: item for name, item in schema.items() if name not in shared}
        return {**_closed({"value": inner}), **shared}
    return {**as_mapping(root), **shared}


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


# --------------------------------------------------------------------------------------------------------- compiler

# Named so that a reader of the schema knows them; what is not in a subset is said in the description.
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
_WORDLESS: Final = (
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
    """Makes the forms of one schema."""

    def __init__(self, root: JsonSchema, subset: Subset) -> None:
        self.root = root
        self.subset = subset
        self.definitions: dict[str, Form | None] = {}  # None while one is being made
        self._names: dict[str, str] = {}  # pointer -> name
        self._forms: list[Form] = []

    def finish(self) -> None:
        """Find out which forms alter values: those that reach one which does so by itself."""
        for each in self._forms:
            each.alters = False
        changed = True
        while changed:
            changed = False
            for each in self._forms:
                parts = (each.target,) if isinstance(each, Reference) else each.parts
                if not each.alters and (each.own or any(part.alters for part in parts)):
                    each.alters = changed = True

    def form(self, schema: Any, path: str) -> Form:
        """The form of the schema at that place."""
        made = self._made(schema, path)
        self._forms.append(made)
        return made

    def _made(self, schema: Any, path: str) -> Form:
        if schema is False:
            raise UnsupportedSchemaError("nothing is allowed there", path=path)
        fields: JsonSchema = as_mapping(schema)
        if wordless := next((word for word in _WORDLESS if word in fields), None):
            raise UnsupportedSchemaError(f"a strict schema has no word for {wordless!r}", path=path)
        if "$ref" in fields:
            return self._reference(fields, path)
        if "allOf" in fields:
            return self._made(self._merged(fields, path), path)
        if (members := members_of(fields)) is not None:
            return self._choice(fields, members, path)
        if "enum" in fields or "const" in fields:
            return self._enumeration(fields, path)
        return self._value(fields, path)

    def _value(self, fields: JsonSchema, path: str) -> Form:
        """Of one JSON type, or of any."""
        kind = kind_of(fields)
        if kind == "object":
            return self._object(fields, path)
        if kind == "array":
            return self._array(fields, path)
        if kind in SCALARS:
            return Same(self._noted(fields, {"type": kind}))
        if fields.keys() - _ANNOTATIONS:
            raise UnsupportedSchemaError(f"a schema of type {kind!r} cannot be said strictly", path=path)
        return JsonText(self._noted(fields, {"type": "string"}, "any JSON value, written as JSON text"))

    # ---- names

    def _reference(self, fields: JsonSchema, path: str) -> Form:
        pointer = str(fields["$ref"])
        try:
            target = resolve({"$ref": pointer}, self.root)
        except KeyError:
            raise UnsupportedSchemaError(f"{pointer!r} leads nowhere in the schema", path=path) from None
        if pointer not in self._names:
            self._names[pointer] = name = self._free_name(pointer)
            self.definitions[name] = None
            self.definitions[name] = self.form(target, path)
        elif self.definitions[self._names[pointer]] is None and not self.subset.recursion:
            raise UnsupportedSchemaError("this dialect takes no schema that refers to itself", path=path)
        name = self._names[pointer]
        reference: dict[str, Any] = {"$ref": f"#/$defs/{name}"}
        if fields.get("description"):  # a reference has nothing beside it
            reference = {"anyOf": [reference], "description": fields["description"]}
        return Reference(reference, name, self.definitions)

    def _free_name(self, pointer: str) -> str:
        wanted = NOT_OF_A_NAME.sub("_", pointer.rpartition("/")[2])[:60].strip("_") or "Root"
        return _free(wanted, self.definitions)

    def _merged(self, fields: JsonSchema, path: str) -> JsonSchema:
        """`allOf` as one schema: of several, all must be objects."""
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

    def _enumeration(self, fields: JsonSchema, path: str) -> Form:
        values = [fields["const"]] if "const" in fields else list(fields["enum"])
        by_kind: dict[str, list[Any]] = {}
        for value in values:
            kind = min(kinds_of(value))  # "integer" before "number"
            if kind not in SCALARS:
                raise UnsupportedSchemaError(f"an enumeration cannot hold a JSON {kind}", path=path)
            by_kind.setdefault(kind, []).append(value)
        members = [{"type": kind} if kind == "null" else {"type": kind, "enum": each} for kind, each in by_kind.items()]
        return Same(self._noted(fields, members[0] if len(members) == 1 else {"anyOf": members}))

    def _choice(self, fields: JsonSchema, members: list[Any], path: str) -> Form:
        members = [inner for member in members for inner in flat(member)]
        if any(not as_mapping(member).keys() - _ANNOTATIONS for member in members):  # Any is among them
            return JsonText(self._noted(fields, {"type": "string"}, "any JSON value, written as JSON text"))
        tag, cases = told_apart(members, self.root)
        branches: list[Branch] = []
        for index, member in enumerate(members):
            form = self.form(member, path)
            case = _free(case_of(member, index), [branch.case for branch in branches])
            branches.append(
                Branch(case, written_kinds(member, self.root), tags_in(member, tag, self.root), member, form)
            )
        if cases:
            schemas = [
                _closed({"case": {"type": "string", "enum": [branch.case]}, "value": branch.form.schema})
                for branch in branches
            ]
            return Cases(self._noted(fields, {"anyOf": schemas}), branches, self.root)
        schema = self._noted(fields, {"anyOf": [branch.form.schema for branch in branches]})
        return Choice(schema, branches, tag, self.root)

    def _array(self, fields: JsonSchema, path: str) -> Form:
        first = as_list(fields.get("prefixItems"))
        if not first:
            item = self.form(fields.get("items", {}), f"{path}[]")
            return Items(self._noted(fields, {"type": "array", "items": item.schema}), item)
        least = fields.get("minItems", 0)
        positions = [
            self._field(f"item_{index}", f"item_{index}", each, index < least, f"{path}[{index}]")
            for index, each in enumerate(first)
        ]
        rest = None
        if fields.get("items", False) is not False:
            items = {"type": "array", "items": fields["items"]}
            rest = Field("rest", "rest", "never", self.form(items, f"{path}[]"))
        schema = _closed({field.wire: self._optional(field) for field in [*positions, *([rest] if rest else [])]})
        told = {name: item for name, item in fields.items() if name not in ("minItems", "maxItems")}
        return Positions(self._noted(told, schema), positions, rest)

    def _object(self, fields: JsonSchema, path: str) -> Form:
        properties = as_mapping(fields.get("properties"))
        others = fields.get("additionalProperties", "properties" not in fields)
        if "properties" not in fields and others is not False:
            return self._entries(fields, others, path)
        required = frozenset(as_list(fields.get("required")))
        taken: list[str] = []
        made: list[Field] = []
        for name, each in properties.items():
            wire = _free(NOT_OF_A_NAME.sub("_", name)[:64] or "field", taken)
            taken.append(wire)
            made.append(self._field(name, wire, each, name in required, f"{path}.{name}"))
        rest = None
        if others is not False:
            form = self.form({"type": "object", "additionalProperties": others}, f"{path}.*")
            rest = Field("", _free("further_fields", taken), "never", form)
        schema = _closed({field.wire: self._optional(field) for field in [*made, *([rest] if rest else [])]})
        return Fields(self._noted(fields, schema), made, rest)

    def _entries(self, fields: JsonSchema, others: Any, path: str) -> Form:
        value = self.form(others if isinstance(others, Mapping) else {}, f"{path}[]")
        names = as_mapping(fields.get("propertyNames"))
        key = self.form(names if kind_of(names) == "string" or "enum" in names else {"type": "string"}, f"{path} (key)")
        entry = _closed({"key": key.schema, "value": value.schema})
        return Entries(self._noted(fields, {"type": "array", "items": entry}), value)

    # ---- properties

    def _field(self, name: str, wire: str, schema: Any, required: bool, path: str) -> Field:
        form = self.form(schema, path)
        if required:
            return Field(name, wire, "never", form)
        if not accepts(schema, None, self.root):
            return Field(name, wire, "null", form)
        told = as_mapping(schema)
        return Field(name, wire, "null default" if "default" in told and told["default"] is None else "wrapped", form)

    def _optional(self, field: Field) -> dict[str, Any]:
        """The words for a property that may be absent."""
        schema = field.form.schema
        if field.absent in ("never", "null default"):
            return schema
        if field.absent == "wrapped":
            schema = _closed({"value": schema})
        members = schema["anyOf"] if set(schema) <= {"anyOf", "description"} and "anyOf" in schema else [schema]
        described = {"description": schema["description"]} if members is not schema and "description" in schema else {}
        if members == [schema]:
            members = [{name: item for name, item in schema.items() if name != "description"}]
        return {"anyOf": [*members, dict(NULL)], **described}

    def _noted(self, fields: JsonSchema, schema: dict[str, Any], remark: str = "") -> dict[str, Any]:
        """With the constraints that the subset understands, and the others in the description."""
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
    """A constraint of arrays says nothing of the object that a tuple became."""
    return schema.get("type") == "array" if constraint.endswith("Items") else schema.get("type") in SCALARS


def _free(wanted: str, taken: Iterable[str]) -> str:
    """The name, with a number behind it where it is taken."""
    used, name, number = set(taken), wanted, 2
    while name in used:
        name = f"{wanted[:58]}_{number}"
        number += 1
    return name
