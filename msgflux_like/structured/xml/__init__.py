"""Typed parsers: formats of answers that are not JSON, registered by name.

>>> sorted(typed_parser_registry)
['typed_xml']
>>> typed_parser_registry["typed_xml"].decode("<name>Ada</name><age dtype='int'>36</age>")
{'name': 'Ada', 'age': 36}
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, ClassVar, TypeVar

import msgspec

from msgflux_like.errors import InvalidRequestError
from msgflux_like.structured.xml.errors import TypedParserError, UnknownParserError

__all__ = [
    "BaseTypedParser",
    "TypedParserError",
    "UnknownParserError",
    "register_typed_parser",
    "typed_parser_registry",
]


class BaseTypedParser(ABC):
    """Base class of parsers that read and write values in a text format other than JSON.

    A subclass sets both attributes, implements `decode` and `encode`, and is registered with `register_typed_parser`.

    Attributes:
        typed_parser_type: Name that selects the parser, as in `typed_parser="typed_xml"`.
        template: Jinja2 template of the system prompt; its variable is `instructions`.
    """

    typed_parser_type: ClassVar[str]
    template: ClassVar[str]

    @abstractmethod
    def decode(self, text: str) -> Any:
        """Return the value in the answer of a model; raise `TypedParserError` if the answer has no value."""

    @abstractmethod
    def encode(self, value: Any) -> str:
        """Return the string that `decode` converts to `value`."""

    def decode_as(self, text: str, json_schema: Mapping[str, Any]) -> Any:  # noqa: ARG002  subclasses can use it
        """Decode like `decode`, and use the types of a JSON schema if the parser supports it."""
        return self.decode(text)

    def instructions_for(self, json_schema: Mapping[str, Any]) -> str:
        """Return the `instructions` of `template` that ask for an answer which matches a JSON schema."""
        return "A value of this JSON schema:\n" + msgspec.json.encode(json_schema).decode()


ParserClass = TypeVar("ParserClass", bound=type)

_HOMES = {"typed_xml": "msgflux_like.structured.xml.typed_xml"}  # imported when first asked for


class _Registry(Mapping[str, BaseTypedParser]):
    """Mapping of names to parsers; `register_typed_parser` adds to it."""

    def __init__(self) -> None:
        self._parsers: dict[str, BaseTypedParser] = {}

    def __getitem__(self, name: str) -> BaseTypedParser:
        if name not in self._parsers:
            if name not in _HOMES:
                raise UnknownParserError(f"there is no typed parser {name!r}; there are: {', '.join(sorted(self))}")
            import_module(_HOMES[name])  # registers itself
        return self._parsers[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**_HOMES, **self._parsers})

    def __len__(self) -> int:
        return len({**_HOMES, **self._parsers})

    def __repr__(self) -> str:
        return f"typed_parser_registry({', '.join(sorted(self))})"

    def add(self, parser: BaseTypedParser) -> None:
        """Add a parser. Only the same class can take its name again, for example when a notebook cell runs twice."""
        name, kind = parser.typed_parser_type, type(parser)
        taken = name in _HOMES and kind.__module__ != _HOMES[name]
        if (known := self._parsers.get(name)) is not None:
            old = type(known)
            taken = (old.__module__, old.__qualname__) != (kind.__module__, kind.__qualname__)
        if taken:
            raise InvalidRequestError(f"there is a typed parser {name!r} already")
        self._parsers[name] = parser


_registry = _Registry()
typed_parser_registry: Mapping[str, BaseTypedParser] = _registry


def register_typed_parser(kind: ParserClass) -> ParserClass:
    """Make a class available as `typed_parser="its typed_parser_type"`; works as a decorator.

    Raises:
        TypeError: If the class has no `typed_parser_type`, `template`, `decode` or `encode`.
        InvalidRequestError: If another class has the name already.
    """
    for name in ("typed_parser_type", "template"):
        if not isinstance(getattr(kind, name, None), str) or not getattr(kind, name):
            raise TypeError(f"{kind.__name__} needs {name!r}, a string that is not empty")
    for name in ("decode", "encode"):
        if not callable(getattr(kind, name, None)):
            raise TypeError(f"{kind.__name__} needs a method {name!r}")
    _registry.add(kind())
    return kind
