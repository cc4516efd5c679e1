"""The places of a lowered schema: the words of each, and both ways between a type's values and what is written."""

# ruff: noqa: D102  `Form` says what the two ways are

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from msgflux_like._json import as_list, as_mapping
from msgflux_like.structured.json_schema.checking import JsonSchema, accepts, kinds_of

ABSENT: Final[Any] = object()
"""In place of a value that is not there."""

_json = msgspec.json.Encoder()
_any = msgspec.json.Decoder()


class RestoreError(ValueError):
    """What came back is not of the form that was asked for."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(f"{message} - at `{path}`")


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
        """As the type has it, or ABSENT when that cannot be said of a beginning."""
        raise NotImplementedError


class Same(Form):
    """A value that looks the same in both."""

    own = False

    def lower(self, value: Any) -> Any:
        return value

    def restore(self, value: Any, path: str, partial: bool) -> Any:  # noqa: ARG002  the others need them
        return value


class JsonText(Form):
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


class Items(Form):
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
        return [each for each in restored if each is not ABSENT]


class Entries(Form):
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
            if (item := self.parts[0].restore(fields["value"], f"{path}[...]", partial)) is not ABSENT:
                restored[key] = item
        return restored


class Field(msgspec.Struct, frozen=True):
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
        """For a value, or ABSENT."""
        if value is not ABSENT:
            lowered = self.form.lower(value)
            return {"value": lowered} if self.absent == "wrapped" else lowered
        return self.form.lower(None) if self.absent == "null default" else None

    def restore(self, value: Any, path: str, partial: bool) -> Any:
        """ABSENT for what is not there."""
        if value is None and self.absent in ("null", "wrapped"):
            return ABSENT
        if self.absent == "wrapped" and isinstance(value, Mapping):
            if "value" not in value:
                return ABSENT
            value = cast("Mapping[str, Any]", value)["value"]
        return self.form.restore(value, path, partial)


class Fields(Form):
    """An object with named properties, all of which are written."""

    def __init__(self, schema: dict[str, Any], fields: Sequence[Field], others: Field | None) -> None:
        super().__init__(schema)
        self.fields = {field.wire: field for field in fields}
        self.others = others
        self.parts = [field.form for field in fields] + ([others.form] if others else [])
        self.own = others is not None or any(
            field.absent in ("null", "wrapped") or field.name != field.wire for field in fields
        )

    def lower(self, value: Any) -> Any:
        lowered = {wire: field.lower(value.get(field.name, ABSENT)) for wire, field in self.fields.items()}
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
            elif (each := field.restore(item, f"{path}.{field.name}", partial)) is not ABSENT:
                restored[field.name] = each
        return restored


class Positions(Form):
    """A tuple, as an object with a property for each position and, where more may follow, one for those."""

    def __init__(self, schema: dict[str, Any], fields: Sequence[Field], rest: Field | None) -> None:
        super().__init__(schema)
        self.fields = fields
        self.rest = rest
        self.parts = [field.form for field in fields] + ([rest.form] if rest else [])

    def lower(self, value: Any) -> Any:
        lowered = {
            field.wire: field.lower(value[index] if index < len(value) else ABSENT)
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
            item = field.restore(given[field.wire], f"{path}[{index}]", partial) if field.wire in given else ABSENT
            if item is ABSENT:
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


class Branch(msgspec.Struct, frozen=True):
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


class Choice(Form):
    """A union. What is written is told by its JSON type, and by a tag among objects."""

    def __init__(self, schema: dict[str, Any], branches: Sequence[Branch], tag: str | None, root: JsonSchema) -> None:
        super().__init__(schema)
        self.branches = branches
        self.tag = tag
        self.root = root
        self.parts = [branch.form for branch in branches]
        self.own = False

    def _meant(self, value: Any) -> Branch:
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
        return ABSENT if partial else cast("Any", value)


class Cases(Choice):
    """A union whose members look alike: each is written with its name."""

    def __init__(self, schema: dict[str, Any], branches: Sequence[Branch], root: JsonSchema) -> None:
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
            return ABSENT
        raise RestoreError("Expected an object with `case` and `value`", path)


class Reference(Form):
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
