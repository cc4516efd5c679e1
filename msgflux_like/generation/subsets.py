"""What each dialect's strict mode takes of JSON schema: a table, with its sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Subset(Struct, frozen=True):
    """A part of JSON schema.

    Attributes:
        strict: Whether it is a part at all; False takes any schema, and only the root must be an object.
        keywords: Constraints that are understood. The others go into the description, where the model sees them.
        formats: Values of `format` that are understood.
        recursion: Whether a schema may refer to itself.
        least_items: Greatest `minItems` that is understood, None for any.
    """

    strict: bool = True
    keywords: frozenset[str] = frozenset()
    formats: frozenset[str] = frozenset()
    recursion: bool = True
    least_items: int | None = None


_FORMATS: Final = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})

# https://platform.openai.com/docs/guides/structured-outputs#supported-schemas: every property required, no further
# ones, an object at the root, references and recursion.
_OPENAI: Final = Subset(
    keywords=frozenset(
        {
            "pattern",
            "multipleOf",
            "maximum",
            "exclusiveMaximum",
            "minimum",
            "exclusiveMinimum",
            "minItems",
            "maxItems",
        }
    ),
    formats=_FORMATS,
)

# https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations: no recursion, no
# constraints but `minItems` of 0 or 1.
_ANTHROPIC: Final = Subset(keywords=frozenset({"minItems"}), formats=_FORMATS | {"uri"}, recursion=False, least_items=1)

ANY: Final = Subset(strict=False)
"""For a forced tool that is not strict, and for a schema in the prompt."""

NATIVE: Final[Mapping[str, Subset]] = {
    "openai_chat": _OPENAI,
    "openai_responses": _OPENAI,
    "anthropic_messages": _ANTHROPIC,
}
"""The dialects that can hold an answer to a schema."""
