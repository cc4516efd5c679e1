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

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from msgflux_like.errors import UnsupportedSchemaError
from msgflux_like.generation.subsets import Subset
from msgflux_like.generation.validate import JsonSchema, accepts, kinds_of, resolve
from msgflux_like.shapes import as_list, as_mapping

_NULL: Final[JsonSchema] = {"type": "null"}
_SCALARS: Final = frozenset({"string", "integer", "number", "boolean", "null"})
_OBJECT: Final = frozenset({"object"})
_NO_KINDS: Final[frozenset[str]] = frozenset()
_ABSENT: Final[Any] = object()
_json = msgspec.json.Encoder()
_any = msgspec.json.Decoder()


class RestoreError(ValueError):
    """What came back is not of the form that was asked for."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(f"{message} - at `{path}`")


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
        return None if restored is _ABSENT else restored


def lower(schema: JsonSchema, subset: Subset) -> Lowered:
    """The schema in the words of the subset; UnsupportedSchemaError with the place of what it cannot say."""
    root = resolve(schema, schema)
    wrapped = not _is_object(root)
    if not subset.strict:
        return Lowered(_with_object_at_the_root(schema, root, wrapped), None, wrapped=wrapped)
    wrapped = wrapped or _kinds(root, schema) != _OBJECT  # a dict becomes a list
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


# ------------------------------------------------------------------------------------------------------------ forms


class Form:
    """One place of a schema: its words, and both ways between the values of the type and those that are written.

    Attributes:
        schema: The words.
        parts: The forms inside it.
        alters: Whether any value looks different; known when all forms are.
    """

    own = True  # whether this kind of form makes values look different by itself
    parts: Sequence[Form] = ()
    alters = True

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema

    def lower(self, value: Any) -> Any:
        """As it is written."""
        raise NotImplementedError

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        """As the type has it, or _ABSENT when that cannot be said of a beginning."""
        raise NotImplementedError


class _Same(Form):
    """A value that looks the same in both."""

    own = False

    def lower(self, value: Any) -> Any:
        return value

    def restore(self, value: Any, path: str, partial: bool) -> Any:  # noqa: ARG002  the others need them
        return value


class _JsonText(Form):
    """Anything, as a text that holds JSON."""

    def lower(self, value: Any) -> Any:
        return _json.encode(value).decode()

    def restore(self, value: Any, path: str, partial: bool) -> Any:  # noqa: ARG002
        if not isinstance(value, str):
            return value  # a server that took no notice of the schema
        try:
            return _any.decode(value)
        except msgspec.DecodeError as error:
            raise RestoreError(f"a text that should hold JSON does not ({error})", path) from None


class _Items(Form):
    """A list."""

    own = False

    def __init__(self, schema: dict[str, Any], item: Form) -> None:
        super().__init__(schema)
        self.parts = (item,)

    def lower(self, value: Any) -> Any:
        return [self.parts[0].lower(each) for each in value]

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        item = self.parts[0]
        if not isinstance(value, list) or not item.alters:
            return cast("Any", value)
        restored = (item.restore(each, f"{path}[{index}]", partial) for index, each in enumerate(as_list(value)))
        return [each for each in restored if each is not _ABSENT]


class _Entries(Form):
    """A dict, as the list of its entries."""

    def __init__(self, schema: dict[str, Any], value: Form) -> None:
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
            if (item := self.parts[0].restore(fields["value"], f"{path}[...]", partial)) is not _ABSENT:
                restored[key] = item
        return restored


class _Field(msgspec.Struct, frozen=True):
    """A property: its name, what it is called on the wire, and how it is said that it is absent.

    Attributes:
        absent: "never"; "null" says it; "wrapped": null says it, and any value is `{"value": ...}`; "null default":
            null says it and stays, since it is the default.
    """

    name: str
    wire: str
    absent: str
    form: Form

    def lower(self, value: Any) -> Any:
        """For a value, or _ABSENT."""
        if value is not _ABSENT:
            lowered = self.form.lower(value)
            return {"value": lowered} if self.absent == "wrapped" else lowered
        return self.form.lower(None) if self.absent == "null default" else None

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        """_ABSENT for what is not there."""
        if value is None and self.absent in ("null", "wrapped"):
            return _ABSENT
        if self.absent == "wrapped" and isinstance(value, Mapping):
            if "value" not in value:
                return _ABSENT
            value = cast("Mapping[str, Any]", value)["value"]
        return self.form.restore(value, path, partial)


class _Fields(Form):
    """An object with named properties, all of which are written."""

    def __init__(self, schema: dict[str, Any], fields: Sequence[_Field], others: _Field | None) -> None:
        super().__init__(schema)
        self.fields = {field.wire: field for field in fields}
        self.others = others
        self.parts = [field.form for field in fields] + ([others.form] if others else [])
        self.own = others is not None or any(
            field.absent in ("null", "wrapped") or field.name != field.wire for field in fields
        )

    def lower(self, value: Any) -> Any:
        lowered = {wire: field.lower(value.get(field.name, _ABSENT)) for wire, field in self.fields.items()}
        if self.others is not None:
            known = {field.name for field in self.fields.values()}
            rest = {name: item for name, item in value.items() if name not in known}
            lowered[self.others.wire] = self.others.form.lower(rest)
        return lowered

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        if not isinstance(value, Mapping):
            return value
        restored: dict[str, Any] = {}
        for wire, item in cast("Mapping[str, Any]", value).items():
            if self.others is not None and wire == self.others.wire:
                rest = self.others.form.restore(item, path, partial)
                restored |= {name: each for name, each in as_mapping(rest).items() if name not in restored}
            elif (field := self.fields.get(wire)) is None:
                restored[wire] = item  # for the type to judge
            elif (each := field.restore(item, f"{path}.{field.name}", partial)) is not _ABSENT:
                restored[field.name] = each
        return restored


class _Positions(Form):
    """A tuple, as an object with a property for each position and, where more may follow, one for those."""

    def __init__(self, schema: dict[str, Any], fields: Sequence[_Field], rest: _Field | None) -> None:
        super().__init__(schema)
        self.fields = fields
        self.rest = rest
        self.parts = [field.form for field in fields] + ([rest.form] if rest else [])

    def lower(self, value: Any) -> Any:
        lowered = {
            field.wire: field.lower(value[index] if index < len(value) else _ABSENT)
            for index, field in enumerate(self.fields)
        }
        if self.rest is not None:
            lowered[self.rest.wire] = self.rest.form.lower(value[len(self.fields) :])
        return lowered

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        if not isinstance(value, Mapping):
            return value
        given = cast("Mapping[str, Any]", value)
        restored: list[Any] = []
        for index, field in enumerate(self.fields):
            item = field.restore(given[field.wire], f"{path}[{index}]", partial) if field.wire in given else _ABSENT
            if item is _ABSENT:
                self._check_the_end(given, index, path, partial)
                return restored
            restored.append(item)
        if self.rest is not None and self.rest.wire in given:
            restored += as_list(self.rest.form.restore(given[self.rest.wire], path, partial))
        return restored

    def _check_the_end(self, given: Mapping[str, Any], index: int, path: str, partial: bool) -> None:
        """Nothing can follow a position that is left out."""
        later = [field.wire for field in self.fields[index:]] + ([self.rest.wire] if self.rest else [])
        if not partial and any(given.get(wire) for wire in later):
            raise RestoreError("Expected no item after one that is left out", f"{path}[{index}]")


class _Branch(msgspec.Struct, frozen=True):
    """A member of a union.

    Attributes:
        case: What it is called where a name is needed to tell it from the others.
        kinds: JSON types of what is written for it.
        tags: Values of the union's tag that mean it.
        original: Its schema before.
    """

    case: str
    kinds: frozenset[str]
    tags: tuple[Any, ...]
    original: Any
    form: Form


class _Choice(Form):
    """A union. What is written is told by its JSON type, and by a tag among objects."""

    def __init__(self, schema: dict[str, Any], branches: Sequence[_Branch], tag: str | None, root: JsonSchema) -> None:
        super().__init__(schema)
        self.branches = branches
        self.tag = tag
        self.root = root
        self.parts = [branch.form for branch in branches]
        self.own = False

    def _meant(self, value: Any) -> _Branch:
        """The member that a value of the type is of."""
        for branch in self.branches:
            if accepts(branch.original, value, self.root):
                return branch
        raise RestoreError("no member of the union fits", "$")

    def lower(self, value: Any) -> Any:
        return self._meant(value).form.lower(value)

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        fitting = [branch for branch in self.branches if branch.kinds & kinds_of(value)]
        if len(fitting) > 1 and self.tag is not None and isinstance(value, Mapping):
            named = cast("Mapping[str, Any]", value).get(self.tag)
            fitting = [branch for branch in fitting if named in branch.tags]
        if fitting:
            return fitting[0].form.restore(value, path, partial)
        return _ABSENT if partial else cast("Any", value)


class _Cases(_Choice):
    """A union whose members look alike: each is written with its name."""

    def __init__(self, schema: dict[str, Any], branches: Sequence[_Branch], root: JsonSchema) -> None:
        super().__init__(schema, branches, None, root)
        self.own = True

    def lower(self, value: Any) -> Any:
        branch = self._meant(value)
        return {"case": branch.case, "value": branch.form.lower(value)}

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        fields = as_mapping(value)
        for branch in self.branches:
            if branch.case == fields.get("case") and "value" in fields:
                return branch.form.restore(fields["value"], path, partial)
        if partial:
            return _ABSENT
        raise RestoreError("Expected an object with `case` and `value`", path)


class _Reference(Form):
    """What is defined elsewhere, perhaps around this very place."""

    own = False

    def __init__(self, schema: dict[str, Any], name: str, definitions: Mapping[str, Form | None]) -> None:
        super().__init__(schema)
        self._name = name
        self._definitions = definitions

    @property
    def target(self) -> Form:
        """It."""
        return cast("Form", self._definitions[self._name])

    def lower(self, value: Any) -> Any:
        return self.target.lower(value)

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        return self.target.restore(value, path, partial)


# --------------------------------------------------------------------------------------------------------- compiler

_ALWAYS: Final = frozenset({"type", "enum", "description"})
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
_NOT_OF_A_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")
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
                parts = (each.target,) if isinstance(each, _Reference) else each.parts
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
        if (members := _members(fields)) is not None:
            return self._choice(fields, members, path)
        if "enum" in fields or "const" in fields:
            return self._enumeration(fields, path)
        return self._value(fields, path)

    def _value(self, fields: JsonSchema, path: str) -> Form:
        """Of one JSON type, or of any."""
        kind = _kind(fields)
        if kind == "object":
            return self._object(fields, path)
        if kind == "array":
            return self._array(fields, path)
        if kind in _SCALARS:
            return _Same(self._noted(fields, {"type": kind}))
        if fields.keys() - _ANNOTATIONS:
            raise UnsupportedSchemaError(f"a schema of type {kind!r} cannot be said strictly", path=path)
        return _JsonText(self._noted(fields, {"type": "string"}, "any JSON value, written as JSON text"))

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
        return _Reference(reference, name, self.definitions)

    def _free_name(self, pointer: str) -> str:
        wanted = _NOT_OF_A_NAME.sub("_", pointer.rpartition("/")[2])[:60].strip("_") or "Root"
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
            if kind not in _SCALARS:
                raise UnsupportedSchemaError(f"an enumeration cannot hold a JSON {kind}", path=path)
            by_kind.setdefault(kind, []).append(value)
        members = [{"type": kind} if kind == "null" else {"type": kind, "enum": each} for kind, each in by_kind.items()]
        return _Same(self._noted(fields, members[0] if len(members) == 1 else {"anyOf": members}))

    def _choice(self, fields: JsonSchema, members: list[Any], path: str) -> Form:
        members = [inner for member in members for inner in _flat(member)]
        if any(not as_mapping(member).keys() - _ANNOTATIONS for member in members):  # Any is among them
            return _JsonText(self._noted(fields, {"type": "string"}, "any JSON value, written as JSON text"))
        tag, cases = _told_apart(members, self.root)
        branches: list[_Branch] = []
        for index, member in enumerate(members):
            form = self.form(member, path)
            case = _free(_case(member, index), [branch.case for branch in branches])
            branches.append(_Branch(case, _kinds(member, self.root), _tags(member, tag, self.root), member, form))
        if cases:
            schemas = [
                _closed({"case": {"type": "string", "enum": [branch.case]}, "value": branch.form.schema})
                for branch in branches
            ]
            return _Cases(self._noted(fields, {"anyOf": schemas}), branches, self.root)
        schema = self._noted(fields, {"anyOf": [branch.form.schema for branch in branches]})
        return _Choice(schema, branches, tag, self.root)

    def _array(self, fields: JsonSchema, path: str) -> Form:
        first = as_list(fields.get("prefixItems"))
        if not first:
            item = self.form(fields.get("items", {}), f"{path}[]")
            return _Items(self._noted(fields, {"type": "array", "items": item.schema}), item)
        least = fields.get("minItems", 0)
        positions = [
            self._field(f"item_{index}", f"item_{index}", each, index < least, f"{path}[{index}]")
            for index, each in enumerate(first)
        ]
        rest = None
        if fields.get("items", False) is not False:
            items = {"type": "array", "items": fields["items"]}
            rest = _Field("rest", "rest", "never", self.form(items, f"{path}[]"))
        schema = _closed({field.wire: self._optional(field) for field in [*positions, *([rest] if rest else [])]})
        told = {name: item for name, item in fields.items() if name not in ("minItems", "maxItems")}
        return _Positions(self._noted(told, schema), positions, rest)

    def _object(self, fields: JsonSchema, path: str) -> Form:
        properties = as_mapping(fields.get("properties"))
        others = fields.get("additionalProperties", "properties" not in fields)
        if "properties" not in fields and others is not False:
            return self._entries(fields, others, path)
        required = frozenset(as_list(fields.get("required")))
        taken: list[str] = []
        made: list[_Field] = []
        for name, each in properties.items():
            wire = _free(_NOT_OF_A_NAME.sub("_", name)[:64] or "field", taken)
            taken.append(wire)
            made.append(self._field(name, wire, each, name in required, f"{path}.{name}"))
        rest = None
        if others is not False:
            form = self.form({"type": "object", "additionalProperties": others}, f"{path}.*")
            rest = _Field("", _free("further_fields", taken), "never", form)
        schema = _closed({field.wire: self._optional(field) for field in [*made, *([rest] if rest else [])]})
        return _Fields(self._noted(fields, schema), made, rest)

    def _entries(self, fields: JsonSchema, others: Any, path: str) -> Form:
        value = self.form(others if isinstance(others, Mapping) else {}, f"{path}[]")
        names = as_mapping(fields.get("propertyNames"))
        key = self.form(names if _kind(names) == "string" or "enum" in names else {"type": "string"}, f"{path} (key)")
        entry = _closed({"key": key.schema, "value": value.schema})
        return _Entries(self._noted(fields, {"type": "array", "items": entry}), value)

    # ---- properties

    def _field(self, name: str, wire: str, schema: Any, required: bool, path: str) -> _Field:
        form = self.form(schema, path)
        if required:
            return _Field(name, wire, "never", form)
        if not accepts(schema, None, self.root):
            return _Field(name, wire, "null", form)
        told = as_mapping(schema)
        return _Field(name, wire, "null default" if "default" in told and told["default"] is None else "wrapped", form)

    def _optional(self, field: _Field) -> dict[str, Any]:
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
        return {"anyOf": [*members, dict(_NULL)], **described}

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
    return schema.get("type") == "array" if constraint.endswith("Items") else schema.get("type") in _SCALARS


def _free(wanted: str, taken: Iterable[str]) -> str:
    """The name, with a number behind it where it is taken."""
    used, name, number = set(taken), wanted, 2
    while name in used:
        name = f"{wanted[:58]}_{number}"
        number += 1
    return name


def _kind(fields: JsonSchema) -> str:
    """The one JSON type of the schema, "" when it has none."""
    if "type" in fields:
        return str(fields["type"])
    if "properties" in fields or "additionalProperties" in fields:
        return "object"
    return "array" if "items" in fields or "prefixItems" in fields else ""


def _members(fields: JsonSchema) -> list[Any] | None:
    """The members of a union, None for another schema. A list of types is a union as well."""
    for word in ("anyOf", "oneOf"):
        if word in fields:
            return list(fields[word])
    if isinstance(fields.get("type"), list):
        kinds = as_list(fields["type"])
        rest = {name: item for name, item in fields.items() if name not in ("type", "description", "default")}
        return [{**rest, "type": kind} if kind != "null" else _NULL for kind in kinds]
    return None


def _flat(member: Any) -> Iterator[Any]:
    """The members of a union inside a union, if nothing else is said of it."""
    fields = as_mapping(member)
    if not fields.keys() - {"anyOf", "oneOf", "discriminator", "title"} and (inner := _members(fields)):
        for each in inner:
            yield from _flat(each)
    else:
        yield member


def _case(member: Any, index: int) -> str:
    fields = as_mapping(member)
    name = str(fields.get("title") or str(fields.get("$ref") or "").rpartition("/")[2] or _kind(fields))
    return _NOT_OF_A_NAME.sub("_", name) or f"case_{index}"


def _kinds(  # noqa: PLR0911  one for each kind of schema
    schema: Any, root: JsonSchema, seen: tuple[str, ...] = ()
) -> frozenset[str]:
    """The JSON types of what is written for the schema."""
    fields = as_mapping(schema)
    if "$ref" in fields:
        pointer = str(fields["$ref"])
        return _NO_KINDS if pointer in seen else _kinds(_target(fields, root), root, (*seen, pointer))
    if (members := _members(fields)) is not None:
        members = [inner for member in members for inner in _flat(member)]
        if _told_apart(members, root, seen)[1]:
            return frozenset({"object"})
        return _NO_KINDS.union(*(_kinds(member, root, seen) for member in members))
    if "const" in fields or "enum" in fields:
        values = [fields["const"]] if "const" in fields else fields["enum"]
        return _NO_KINDS.union(*(kinds_of(value) for value in values))
    if "allOf" in fields:
        return _NO_KINDS.union(*(_kinds(part, root, seen) for part in fields["allOf"]))
    kind = _kind(fields)
    if kind == "object":
        closed = "properties" in fields or fields.get("additionalProperties") is False
        return frozenset({"object" if closed else "array"})
    if kind == "array":
        return frozenset({"object" if fields.get("prefixItems") else "array"})
    return frozenset({kind or "string"})


def _target(fields: JsonSchema, root: JsonSchema) -> Any:
    try:
        return resolve(fields, root)
    except KeyError:
        return {}


def _told_apart(members: Sequence[Any], root: JsonSchema, seen: tuple[str, ...] = ()) -> tuple[str | None, bool]:
    """How members are told apart: the tag of those that are objects, and whether they must be named as cases."""
    kinds = [_kinds(member, root, seen) for member in members]
    alike = [
        member
        for index, member in enumerate(members)
        if any(kinds[index] & other for at, other in enumerate(kinds) if at != index)
    ]
    if all(_kinds(member, root, seen) <= _SCALARS for member in alike):
        return None, False
    tag = _tag(alike, root)
    return tag, tag is None


def _tag(members: Sequence[Any], root: JsonSchema) -> str | None:
    """A required property that has other values in each of the members."""
    first = as_mapping(_target(as_mapping(members[0]), root))
    for name in as_mapping(first.get("properties")):
        values = [value for member in members for value in _tags(member, name, root) or (_ABSENT,)]
        if _ABSENT not in values and len(set(values)) == len(values):
            return name
    return None


def _tags(member: Any, tag: str | None, root: JsonSchema) -> tuple[Any, ...]:
    """The values that the tag has in this member."""
    fields = as_mapping(_target(as_mapping(member), root))
    if tag is None or tag not in as_list(fields.get("required")):
        return ()
    said = as_mapping(as_mapping(fields.get("properties")).get(tag))
    values = [said["const"]] if "const" in said else as_list(said.get("enum"))
    return tuple(value for value in values if isinstance(value, (str, int)))
