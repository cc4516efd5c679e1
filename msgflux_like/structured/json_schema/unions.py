"""Discrimination of the members of a union in a lowered schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgflux_like._json import as_list, as_mapping
from msgflux_like.structured.json_schema.checking import JsonSchema, kinds_of, resolve

NULL: Final[JsonSchema] = {"type": "null"}
SCALARS: Final = frozenset({"string", "integer", "number", "boolean", "null"})
NOT_OF_A_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")

_NO_KINDS: Final[frozenset[str]] = frozenset()
_NO_TAG: Final[Any] = object()


def kind_of(fields: JsonSchema) -> str:
    """Return the JSON type of the schema, "" if it has no single type."""
    if "type" in fields:
        return str(fields["type"])
    if "properties" in fields or "additionalProperties" in fields:
        return "object"
    return "array" if "items" in fields or "prefixItems" in fields else ""


def members_of(fields: JsonSchema) -> list[Any] | None:
    """Return the members of a union; None if the schema is not a union. A list of types is a union as well."""
    for word in ("anyOf", "oneOf"):
        if word in fields:
            return list(fields[word])
    if isinstance(fields.get("type"), list):
        kinds = as_list(fields["type"])
        rest = {name: item for name, item in fields.items() if name not in ("type", "description", "default")}
        return [{**rest, "type": kind} if kind != "null" else NULL for kind in kinds]
    return None


def flat(member: Any) -> Iterator[Any]:
    """Yield the members of a nested union that has no other keywords, or the member itself."""
    fields = as_mapping(member)
    if not fields.keys() - {"anyOf", "oneOf", "discriminator", "title"} and (inner := members_of(fields)):
        for each in inner:
            yield from flat(each)
    else:
        yield member


def case_of(member: Any, index: int) -> str:
    """Return the name of a union member, for schemas that need one."""
    fields = as_mapping(member)
    name = str(fields.get("title") or str(fields.get("$ref") or "").rpartition("/")[2] or kind_of(fields))
    return NOT_OF_A_NAME.sub("_", name) or f"case_{index}"


def written_kinds(  # noqa: PLR0911  one for each kind of schema
    schema: Any, root: JsonSchema, seen: tuple[str, ...] = ()
) -> frozenset[str]:
    """Return the JSON types of the values that are written for the schema."""
    fields = as_mapping(schema)
    if "$ref" in fields:
        pointer = str(fields["$ref"])
        return _NO_KINDS if pointer in seen else written_kinds(_target(fields, root), root, (*seen, pointer))
    if (members := members_of(fields)) is not None:
        members = [inner for member in members for inner in flat(member)]
        if discriminate(members, root, seen)[1]:
            return frozenset({"object"})
        return _NO_KINDS.union(*(written_kinds(member, root, seen) for member in members))
    if "const" in fields or "enum" in fields:
        values = [fields["const"]] if "const" in fields else fields["enum"]
        return _NO_KINDS.union(*(kinds_of(value) for value in values))
    if "allOf" in fields:
        return _NO_KINDS.union(*(written_kinds(part, root, seen) for part in fields["allOf"]))
    kind = kind_of(fields)
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


def discriminate(members: Sequence[Any], root: JsonSchema, seen: tuple[str, ...] = ()) -> tuple[str | None, bool]:
    """Return the tag property that distinguishes the objects of a union, or whether to name the members."""
    kinds = [written_kinds(member, root, seen) for member in members]
    alike = [
        member
        for index, member in enumerate(members)
        if any(kinds[index] & other for at, other in enumerate(kinds) if at != index)
    ]
    if all(written_kinds(member, root, seen) <= SCALARS for member in alike):
        return None, False
    tag = _tag(alike, root)
    return tag, tag is None


def _tag(members: Sequence[Any], root: JsonSchema) -> str | None:
    """Return a required property whose values differ in all members."""
    first = as_mapping(_target(as_mapping(members[0]), root))
    for name in as_mapping(first.get("properties")):
        values = [value for member in members for value in tags_in(member, name, root) or (_NO_TAG,)]
        if _NO_TAG not in values and len(set(values)) == len(values):
            return name
    return None


def tags_in(member: Any, tag: str | None, root: JsonSchema) -> tuple[Any, ...]:
    """Return the values of the tag in a member."""
    fields = as_mapping(_target(as_mapping(member), root))
    if tag is None or tag not in as_list(fields.get("required")):
        return ()
    schema = as_mapping(as_mapping(fields.get("properties")).get(tag))
    values = [schema["const"]] if "const" in schema else as_list(schema.get("enum"))
    return tuple(value for value in values if isinstance(value, (str, int)))
