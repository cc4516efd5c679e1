"""Validation of plain values against a JSON schema, for schemas without a Python type and for choosing a union member.

Source: https://json-schema.org/draft/2020-12/json-schema-validation. `format` is not validated, as in the standard.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from msgflux_like._json import as_list, as_mapping

JsonSchema = Mapping[str, Any]

KINDS: Final[Mapping[type, frozenset[str]]] = {
    type(None): frozenset({"null"}),
    bool: frozenset({"boolean"}),
    int: frozenset({"integer", "number"}),
    float: frozenset({"number"}),
    str: frozenset({"string"}),
    list: frozenset({"array"}),
    tuple: frozenset({"array"}),
}
"""The JSON types of a Python value; any other value is an object."""

_OBJECT: Final = frozenset({"object"})


def kinds_of(value: Any) -> frozenset[str]:
    """Return the JSON types of a value."""
    if isinstance(value, float) and value.is_integer():
        return KINDS[int]
    return KINDS.get(cast("type[Any]", type(value)), _OBJECT)


def resolve(schema: Any, root: JsonSchema) -> Any:
    """Follow the `$ref` of a schema inside its document; raise KeyError if it leads nowhere or is circular."""
    seen: list[str] = []
    while "$ref" in (fields := as_mapping(schema)):
        pointer = str(fields["$ref"])
        if not pointer.startswith("#") or pointer in seen:
            raise KeyError(pointer)
        seen.append(pointer)
        schema = root
        for step in pointer.removeprefix("#").split("/")[1:]:
            schema = as_mapping(schema)[
                step.replace("~1", "/").replace("~0", "~").replace("%5B", "[").replace("%5D", "]")
            ]
    return schema


def problem(value: Any, schema: Any, root: JsonSchema, path: str = "$") -> str | None:
    """Return the first violation as `message - at $.path`; None if the value is valid."""
    return next(_problems(value, schema, root, path), None)


def accepts(schema: Any, value: Any, root: JsonSchema) -> bool:
    """Return whether the value is valid."""
    return problem(value, schema, root) is None


def _problems(value: Any, schema: Any, root: JsonSchema, path: str) -> Iterator[str]:
    if schema is True:
        return
    if schema is False:
        yield f"nothing is allowed here - at `{path}`"
        return
    fields: JsonSchema = as_mapping(schema)
    if "$ref" in fields:
        yield from _problems(value, resolve(fields, root), root, path)
    yield from _of_any_kind(value, fields, root, path)
    if isinstance(value, Mapping):
        yield from _of_object(cast("Mapping[str, Any]", value), fields, root, path)
    elif isinstance(value, (list, tuple)):
        yield from _of_array(cast("list[Any]", value), fields, root, path)
    elif isinstance(value, str):
        yield from _of_text(value, fields, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _of_number(value, fields, path)


def _of_any_kind(value: Any, fields: JsonSchema, root: JsonSchema, path: str) -> Iterator[str]:
    wanted = fields.get("type")
    if wanted is not None:
        kinds = {wanted} if isinstance(wanted, str) else set(wanted)
        if not kinds & kinds_of(value):
            yield f"Expected `{' | '.join(sorted(kinds))}`, got `{_kind(value)}` - at `{path}`"
            return
    if "enum" in fields and not any(_same(value, each) for each in fields["enum"]):
        yield f"Invalid enum value {_excerpt(value)} - at `{path}`"
    if "const" in fields and not _same(value, fields["const"]):
        yield f"Expected {_excerpt(fields['const'])}, got {_excerpt(value)} - at `{path}`"
    for each in as_list(fields.get("allOf")):
        yield from _problems(value, each, root, path)
    if "anyOf" in fields:
        found = [problem(value, each, root, path) for each in fields["anyOf"]]
        if None not in found:
            yield found[0] if len(found) == 1 and found[0] else f"no member of the union fits - at `{path}`"
    if "oneOf" in fields and sum(accepts(each, value, root) for each in fields["oneOf"]) != 1:
        yield f"not exactly one member of the union fits - at `{path}`"
    if "not" in fields and accepts(fields["not"], value, root):
        yield f"Expected a value that `not` does not exclude - at `{path}`"


def _of_object(value: Mapping[str, Any], fields: JsonSchema, root: JsonSchema, path: str) -> Iterator[str]:
    for name in as_list(fields.get("required")):
        if name not in value:
            yield f"Object missing required field `{name}` - at `{path}`"
    properties = as_mapping(fields.get("properties"))
    others = fields.get("additionalProperties", True)
    for name, item in value.items():
        if name in properties:
            yield from _problems(item, properties[name], root, f"{path}.{name}")
        elif others is False:
            yield f"Object contains unknown field `{name}` - at `{path}`"
        else:
            yield from _problems(item, others, root, f"{path}[...]")
        yield from _problems(name, fields.get("propertyNames", True), root, f"key in {path}")
    yield from _size(len(value), fields, "minProperties", "maxProperties", path)


def _of_array(value: list[Any], fields: JsonSchema, root: JsonSchema, path: str) -> Iterator[str]:
    first = as_list(fields.get("prefixItems"))
    rest = fields.get("items", True)
    for index, item in enumerate(value):
        yield from _problems(item, first[index] if index < len(first) else rest, root, f"{path}[{index}]")
    yield from _size(len(value), fields, "minItems", "maxItems", path)
    if fields.get("uniqueItems") and any(_same(one, other) for at, one in enumerate(value) for other in value[:at]):
        yield f"Expected items that differ - at `{path}`"


def _of_text(value: str, fields: JsonSchema, path: str) -> Iterator[str]:
    yield from _size(len(value), fields, "minLength", "maxLength", path)
    if "pattern" in fields and not re.search(fields["pattern"], value):
        yield f"Expected `str` matching regex {fields['pattern']!r} - at `{path}`"


_LIMITS: Final[Mapping[str, tuple[str, Callable[[Any, Any], bool]]]] = {
    "minimum": (">=", lambda value, limit: value >= limit),
    "maximum": ("<=", lambda value, limit: value <= limit),
    "exclusiveMinimum": (">", lambda value, limit: value > limit),
    "exclusiveMaximum": ("<", lambda value, limit: value < limit),
    "multipleOf": ("a multiple of", lambda value, limit: value % limit == 0),
}


def _of_number(value: float, fields: JsonSchema, path: str) -> Iterator[str]:
    for name, (words, holds) in _LIMITS.items():
        if name in fields and not holds(value, fields[name]):
            yield f"Expected a number {words} {fields[name]} - at `{path}`"


def _size(size: int, fields: JsonSchema, least: str, most: str, path: str) -> Iterator[str]:
    if size < fields.get(least, 0):
        yield f"Expected a length >= {fields[least]} - at `{path}`"
    if most in fields and size > fields[most]:
        yield f"Expected a length <= {fields[most]} - at `{path}`"


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are equal as JSON, where `True` is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _kind(value: Any) -> str:
    return min(kinds_of(value))


def _excerpt(value: Any) -> str:
    return repr(value)[:60]
