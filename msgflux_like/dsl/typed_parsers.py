"""Public path of the parsers for answers that are not JSON, defined in `msgflux_like.structured.xml`.

>>> sorted(typed_parser_registry)
['typed_xml']
>>> typed_parser_registry["typed_xml"].decode("<name>Ada</name><age dtype='int'>36</age>")
{'name': 'Ada', 'age': 36}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgflux_like.structured.xml import (
    BaseTypedParser,
    TypedParserError,
    UnknownParserError,
    register_typed_parser,
    typed_parser_registry,
)

if TYPE_CHECKING:
    from msgflux_like.structured.xml.typed_xml import TypedXML

__all__ = [
    "BaseTypedParser",
    "TypedParserError",
    "TypedXML",
    "UnknownParserError",
    "register_typed_parser",
    "typed_parser_registry",
]


def __getattr__(name: str) -> Any:
    if name != "TypedXML":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from msgflux_like.structured.xml.typed_xml import TypedXML  # noqa: PLC0415  imports lxml on first use

    return TypedXML
