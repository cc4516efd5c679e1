"""Parsers for answers that are not JSON, by name.

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
    """A way to write values as text; a subclass with the two names set can be registered.

    Attributes:
        typed_parser_type: The name it is asked for by.
        template: Jinja2 source of a system prompt; it takes `instructions`.
    """

    typed_parser_type: ClassVar[str]
    template: ClassVar[str]

    @abstractmethod
    def decode(self, text: str) -> Any:
        """The value that a model's answer holds; `TypedParserError` when there is none."""

    @abstractmethod
    def encode(self, value: Any) -> str:
        """The text that `decode` reads as `value`."""

    def decode_as(self, text: str, json_schema: Mapping[str, Any]) -> Any:  # noqa: ARG002  for those who can use it
        """Like `decode`, with the types taken from a JSON schema where the parser can."""
        return self.decode(text)

    def instructions_for(self, json_schema: Mapping[str, Any]) -> str:
        """What to put into `template` so that the answer fits a JSON schema."""
        return "A value of this JSON schema:\n" + msgspec.json.encode(json_schema).decode()


ParserClass = TypeVar("ParserClass", bound=type)

_HOMES = {"typed_xml": "msgflux_like.structured.xml.typed_xml"}  # imported when first asked for


class _Registry(Mapping[str, BaseTypedParser]):
    """The parsers by name; `register_typed_parser` adds to it."""

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
        """Take a parser in; a name is only given again to the class that has it, as when a notebook is run twice."""
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
        TypeError: It has no `typed_parser_type` or `template`, or cannot decode and encode.
        InvalidRequestError: Another class has that name.
    """
    for name in ("typed_parser_type", "template"):
        if not isinstance(getattr(kind, name, None), str) or not getattr(kind, name):
            raise TypeError(f"{kind.__name__} needs {name!r}, a text that is not empty")
    for name in ("decode", "encode"):
        if not callable(getattr(kind, name, None)):
            raise TypeError(f"{kind.__name__} needs a method {name!r}")
    _registry.add(kind())
    return kind
