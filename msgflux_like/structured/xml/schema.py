"""Typed XML with a JSON schema: the form that a model fills in, and parsing by the types of the schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgflux_like._json import as_list, as_mapping
from msgflux_like.structured.xml.repair import KEYED, NAME, ROOT
from msgflux_like.structured.xml.values import (
    BLANKS,
    ITEM,
    Element,
    Reader,
    children,
    guess,
    key_of,
    kind_of,
    loose_text,
)

Schema = Mapping[str, Any]

_KINDS: Mapping[str, str] = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "object": "dict",
    "array": "list",
    "null": "null",
}
_WORDS: Mapping[str, str] = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "null": "",
    "": "any value",
}
_MAX_FORM_DEPTH = 8


class Schemas:
    """Access to the parts of a JSON schema: references, alternatives, kinds."""

    def __init__(self, root: Schema) -> None:
        self._root = root

    def resolved(self, schema: Any) -> Schema:
        """Return the schema with its references resolved; an empty schema if a reference is unknown or circular."""
        found = as_mapping(schema)
        for _ in range(20):
            if not isinstance(reference := found.get("$ref"), str):
                return found
            found = {**self._at(reference), **{key: value for key, value in found.items() if key != "$ref"}}
        return {}

    def _at(self, reference: str) -> Schema:
        here: Any = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            if step:
                here = as_mapping(here).get(step.replace("~1", "/").replace("~0", "~"))
        return as_mapping(here)

    def options(self, schema: Any) -> list[Schema]:
        """Return the alternatives of a schema, or the schema itself if it has no alternatives."""
        found = self.resolved(schema)
        alternatives = as_list(found.get("anyOf")) or as_list(found.get("oneOf"))
        if alternatives:
            return [self.resolved(each) for each in alternatives]
        if types := as_list(found.get("type")):
            return [{**found, "type": each} for each in types]
        return [found]

    def kind(self, schema: Schema) -> str:
        """Return the kind of a schema without alternatives, such as "int"; "" if it accepts any value."""
        if isinstance(name := schema.get("type"), str):
            return _KINDS.get(name, "")
        if "properties" in schema:
            return "dict"
        values = [schema["const"]] if "const" in schema else as_list(schema.get("enum"))
        return "str" if values and all(isinstance(each, str) for each in values) else ""


class SchemaReader:
    """Reader of elements by the types of a JSON schema."""

    def __init__(self, reader: Reader, schema: Schema) -> None:
        self._reader = reader
        self._schemas = Schemas(schema)
        self._schema = schema

    def roots(self, document: Element) -> Any:
        """Return the value of all outermost elements."""
        found: list[Element] = children(document)
        options = self._schemas.options(self._schema)
        properties = {key for option in options for key in as_mapping(option.get("properties"))}
        if any(self._schemas.kind(option) in ("dict", "") for option in options):
            return self._object_roots(document, found, properties)
        if len(found) == 1:
            return self.read(found[0], self._schema)
        return self.read(document, self._schema)

    def _object_roots(self, document: Element, found: list[Element], properties: set[str]) -> Any:
        if len(found) == 1:
            inside = {key_of(each) for each in children(found[0])}
            if key_of(found[0]) not in properties or inside & properties:
                return self.read(found[0], self._schema)
        if len(found) > 1 and not properties & {key_of(each) for each in found}:
            groups = [each for each in found if children(each)]
            if len(groups) == 1:
                others = [f"<{key_of(each)}> {loose_text(each)}" for each in found if each is not groups[0]]
                self._reader.notes.append("elements around the answer: " + "; ".join(others))
                return self.read(groups[0], self._schema)
        option = self._option(document, self._schemas.options(self._schema))
        return self._fields(document, option)

    def read(self, element: Element, schema: Any) -> Any:
        """Return the value of an element."""
        option = self._option(element, self._schemas.options(schema))
        kind = self._schemas.kind(option)
        if not kind:
            return self._reader.read(element)
        self._reader.note_attributes(element)
        if kind == "dict":
            return self._object(element, option)
        if kind == "list":
            return self._array(element, option)
        return self._reader.scalar(element, kind)

    def _object(self, element: Element, schema: Schema) -> Any:
        if (value := self._reader.inline(element, dict)) is not None:
            return value
        self._reader.refuse_text(element, "dict")
        return self._fields(element, schema)

    def _fields(self, element: Element, schema: Schema) -> dict[str, Any]:
        properties = as_mapping(schema.get("properties"))
        names = {name.lower(): name for name in properties}
        found: dict[str, list[Element]] = {}
        for each in children(element):
            key = key_of(each)
            found.setdefault(key if key in properties else names.get(key.lower(), key), []).append(each)
        other = schema.get("additionalProperties")
        return {name: self._field(some, properties.get(name, other)) for name, some in found.items()}

    def _field(self, elements: list[Element], schema: Any) -> Any:
        """Return the value of all elements with one name."""
        lists = [each for each in self._schemas.options(schema) if self._schemas.kind(each) == "list"]
        if len(elements) == 1:
            return self.read(elements[0], schema)
        if lists and not any(_is_group(each) for each in elements):
            return [self.read(each, _items(lists[0], number)) for number, each in enumerate(elements)]
        return [self.read(each, schema) for each in elements]

    def _array(self, element: Element, schema: Schema) -> Any:
        if (value := self._reader.inline(element, list)) is not None:
            return value
        inside = children(element)
        if self._is_one_item(element, schema):
            return [self.read(element, _items(schema, 0))]
        self._reader.refuse_text(element, "list")
        return [self.read(each, _items(schema, number)) for number, each in enumerate(inside)]

    def _is_one_item(self, element: Element, schema: Schema) -> bool:
        """Return whether the element is the only item of a list, written without the list: `<tags>red</tags>`."""
        inside = children(element)
        if element.get("dtype") and kind_of(element.get("dtype"))[0] == "list":
            return False
        kinds = {self._schemas.kind(each): each for each in self._schemas.options(_items(schema, 0))}
        if not inside:
            return bool(loose_text(element).strip(BLANKS)) and "dict" not in kinds
        properties = as_mapping(kinds.get("dict", {}).get("properties"))
        return bool(properties) and all(key_of(each) in properties for each in inside) and ITEM not in properties

    def _option(self, element: Element, options: list[Schema]) -> Schema:
        """Return the alternative that matches the element best. Compares one level only, to stay linear."""
        if len(options) == 1:
            return options[0]
        return max(options, key=lambda option: self._likeness(element, option))

    def _likeness(self, element: Element, option: Schema) -> int:
        kind, declared = self._schemas.kind(option), kind_of(element.get("dtype"))[0]
        inside = children(element)
        text = loose_text(element).strip(BLANKS)
        score = 40 if declared and declared == kind else 0
        if kind == "null":
            return score + (50 if not inside and text.lower() in ("", "null", "none") and declared != "str" else -50)
        if kind in ("dict", "list"):
            fits = bool(inside) or text[:1] == ("{" if kind == "dict" else "[")
            return score + (20 if fits else -20) + (self._fit(inside, option) if kind == "dict" else 0)
        if inside and guess(element) != "str":
            return score - 20
        return score + self._scalar_fit(text, kind, option)

    def _scalar_fit(self, text: str, kind: str, option: Schema) -> int:
        allowed = [option["const"]] if "const" in option else as_list(option.get("enum"))
        if allowed:
            return 30 if text in map(str, allowed) else -30
        number = text.lstrip("+-").replace(".", "", 1).isdecimal()
        looks = {
            "int": 15 if number and "." not in text else -15,
            "float": 14 if number else -15,
            "bool": 16 if text.lower() in ("true", "false", "yes", "no") else -15,
        }
        return looks.get(kind, 1)

    def _fit(self, inside: list[Element], option: Schema) -> int:
        """Score how well the elements match an object; a `const` or `enum` that differs excludes it."""
        properties = as_mapping(option.get("properties"))
        texts = {key_of(each): loose_text(each).strip(BLANKS) for each in inside}
        score = 0
        for name, schema in properties.items():
            found = as_mapping(schema)
            allowed = [found["const"]] if "const" in found else as_list(found.get("enum"))
            if name in texts and allowed:
                score += 100 if texts[name] in map(str, allowed) else -100
        score += sum(2 if name in properties else -1 for name in texts)
        return score - sum(3 for name in as_list(option.get("required")) if name not in texts)


def _is_group(element: Element) -> bool:
    return kind_of(element.get("dtype"))[0] == "list" or any(each.tag == ITEM for each in children(element))


def _items(schema: Schema, number: int) -> Any:
    first = as_list(schema.get("prefixItems"))
    return first[number] if number < len(first) else schema.get("items")


def instructions_for(schema: Schema) -> str:
    """Return the form to fill in, followed by a remark for each field that needs one."""
    form, top = _Form(schema), Schemas(schema).resolved(schema)
    title, text = top.get("title"), top.get("description")
    name = title if isinstance(title, str) and NAME.fullmatch(title) else ROOT
    form.add(name, schema, 0, "")
    about = f"{text}\n\n" if isinstance(text, str) else ""
    remarks = "\n\nAbout the fields:\n" + "\n".join(form.remarks) if form.remarks else ""
    return f"{about}Fill in this form:\n\n" + "\n".join(form.lines) + remarks


class _Form:
    """Builder of the form and of the remarks below it."""

    def __init__(self, schema: Schema) -> None:
        self.lines: list[str] = []
        self.remarks: list[str] = []
        self._schemas = Schemas(schema)
        self._inside: set[str] = set()

    def add(self, name: str, schema: Any, depth: int, path: str) -> None:
        """Add one element; a recursive form is referred to instead of repeated."""
        references = self._references(schema)
        if references & self._inside:
            self.lines.append(f"{'  ' * depth}<!-- {name}: the form around it again, or nothing -->")
            return
        self._inside |= references
        self._element(name, schema, depth, path)
        self._inside -= references

    def _references(self, schema: Any) -> set[str]:
        found = as_mapping(schema)
        each = [found, *map(as_mapping, as_list(found.get("anyOf"))), *map(as_mapping, as_list(found.get("oneOf")))]
        return {str(one["$ref"]) for one in each if "$ref" in one}

    def _element(self, name: str, schema: Any, depth: int, path: str) -> None:
        options = [each for each in self._schemas.options(schema) if self._schemas.kind(each) != "null"]
        option = options[0] if options else {"type": "null"}
        kind = self._schemas.kind(option)
        tag, key = (name, "") if NAME.fullmatch(name) else (KEYED, f' key="{name}"')
        start = f"<{tag}{key}" + (f' dtype="{kind}">' if kind not in ("", "str") else ">")
        indent = "  " * depth
        if kind not in ("dict", "list") or depth >= _MAX_FORM_DEPTH:
            words = "more of the same" if kind in ("dict", "list") else _words(option, kind)
            self.lines.append(f"{indent}{start}{words}</{tag}>")
            return
        self.lines.append(indent + start)
        if kind == "dict":
            self._fields(option, depth, path)
        else:
            self.add(ITEM, _items(option, 0), depth + 1, path)
            self.lines.append(f"{indent}  <!-- one {ITEM} for each entry -->")
        self.lines.append(f"{indent}</{tag}>")

    def _fields(self, schema: Schema, depth: int, path: str) -> None:
        properties = as_mapping(schema.get("properties"))
        required = as_list(schema.get("required"))
        for name, field in properties.items():
            where = f"{path}.{name}" if path else name
            self._remark(where, field, name in required)
            self.add(name, field, depth + 1, where)
        if isinstance(schema.get("additionalProperties"), Mapping):
            self.add("name", schema["additionalProperties"], depth + 1, path)

    def _remark(self, path: str, field: Any, required: bool) -> None:
        schema, words = self._schemas.resolved(field), list[str]()
        if isinstance(text := schema.get("description"), str):
            words.append(text.strip().rstrip(".") + ".")
        if any(self._schemas.kind(each) == "null" for each in self._schemas.options(field)):
            words.append('If it is not known write dtype="null" and nothing between the tags.')
        elif not required:
            words.append("May be left out.")
        if words:
            self.remarks.append(f"- {path}: {' '.join(words)}")


def _words(option: Schema, kind: str) -> str:
    allowed = [option["const"]] if "const" in option else as_list(option.get("enum"))
    return " or ".join(map(str, allowed)) if allowed else _WORDS.get(kind, "text")
