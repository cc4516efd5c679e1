"""What tells the members of a union apart once they are written in the words of a strict mode."""

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
    """The one JSON type of the schema, "" when it has none."""
    if "type" in fields:
        return str(fields["type"])
    if "properties" in fields or "additionalProperties" in fields:
        return "object"
    return "array" if "items" in fields or "prefixItems" in fields else ""


def members_of(fields: JsonSchema) -> list[Any] | None:
    """The members of a union, None for another schema. A list of types is a union as well."""
    for word in ("anyOf", "oneOf"):
        if word in fields:
            return list(fields[word])
    if isinstance(fields.get("type"), list):
        kinds = as_list(fields["type"])
        rest = {name: item for name, item in fields.items() if name not in ("type", "description", "default")}
        return [{**rest, "type": kind} if kind != "null" else NULL for kind in kinds]
    return None


def flat(member: Any) -> Iterator[Any]:
    """The members of a union inside a union, if nothing else is said of it."""
    fields = as_mapping(member)
    if not fields.keys() - {"anyOf", "oneOf", "discriminator", "title"} and (inner := members_of(fields)):
        for each in inner:
            yield from flat(each)
    else:
        yield member


def case_of(member: Any, index: int) -> str:
    """What a member is called where a name is needed."""
    fields = as_mapping(member)
    name = str(fields.get("title") or str(fields.get("$ref") or "").rpartition("/")[2] or kind_of(fields))
    return NOT_OF_A_NAME.sub("_", name) or f"case_{index}"


def written_kinds(  # noqa: PLR0911  one for each kind of schema
    schema: Any, root: JsonSchema, seen: tuple[str, ...] = ()
) -> frozenset[str]:
    """The JSON types of what is written for the schema."""
    fields = as_mapping(schema)
    if "$ref" in fields:
        pointer = str(fields["$ref"])
        return _NO_KINDS if pointer in seen else written_kinds(_target(fields, root), root, (*seen, pointer))
    if (members := members_of(fields)) is not None:
        members = [inner for member in members for inner in flat(member)]
        if told_apart(members, root, seen)[1]:
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


def told_apart(members: Sequence[Any], root: JsonSchema, seen: tuple[str, ...] = ()) -> tuple[str | None, bool]:
    """How members are told apart: the tag of those that are objects, and whether they must be named as cases."""
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
    """A required property that has other values in each of the members."""
    first = as_mapping(_target(as_mapping(members[0]), root))
    for name in as_mapping(first.get("properties")):
        values = [value for member in members for value in tags_in(member, name, root) or (_NO_TAG,)]
        if _NO_TAG not in values and len(set(values)) == len(values):
            return name
    return None


def tags_in(member: Any, tag: str | None, root: JsonSchema) -> tuple[Any, ...]:
    """The values that the tag has in this member."""
    fields = as_mapping(_target(as_mapping(member), root))
    if tag is None or tag not in as_list(fields.get("required")):
        return ()
    said = as_mapping(as_mapping(fields.get("properties")).get(tag))
    values = [said["const"]] if "const" in said else as_list(said.get("enum"))
    return tuple(value for value in values if isinstance(value, (str, int)))
