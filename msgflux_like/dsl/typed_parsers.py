"""Public path of the parsers for answers that are not JSON, defined in `msgflux_like.structured.xml`.

>>> sorted(typed_parser_registry)
['typed_xml']
>>> typed_parser_registry["typed_xml"].decode("<name>Ada</name><age dtype='int'>36</age>")
{'name': 'Ada', 'age': 36}
"""

from __future__ import annotations

from msgflux_like.structured.xml import (
    BaseTypedParser,
    TypedParserError,
    UnknownParserError,
    register_typed_parser,
    typed_parser_registry,
)

__all__ = [
    "BaseTypedParser",
    "TypedParserError",
    "UnknownParserError",
    "register_typed_parser",
    "typed_parser_registry",
]
