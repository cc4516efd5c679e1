"""What each dialect's strict mode takes of JSON schema: a table, with its sources."""

from __future__ import annotations

import re
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

# https://docs.mistral.ai/capabilities/structured-output/custom_structured_output names no constraint that is kept to.
_MISTRAL: Final = Subset(recursion=False)

# https://docs.cohere.com/docs/structured-outputs: no ranges, no lengths, and `pattern` without anchors.
_COHERE: Final = Subset(formats=frozenset({"date-time", "date", "time", "uuid"}), recursion=False)

# https://ai.google.dev/gemini-api/docs/structured-output#json_schema_support: what is not listed there is ignored, and
# a schema may refer to itself only where a property may be left out.
_GEMINI: Final = Subset(
    keywords=frozenset({"minimum", "maximum", "minItems", "maxItems"}),
    formats=frozenset({"date-time", "date", "time"}),
    recursion=False,
)

# A grammar is made of it: https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md. It takes any schema,
# `pattern` only with both anchors, and closed objects are what small models fill in best.
_OLLAMA: Final = Subset(
    keywords=frozenset({"minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum"}),
    formats=frozenset({"date-time", "date", "time", "uuid"}),
)

ANY: Final = Subset(strict=False)
"""For a forced tool that is not strict, and for a schema in the prompt."""

NATIVE: Final[Mapping[str, Subset]] = {
    "openai_chat": _OPENAI,
    "openai_responses": _OPENAI,
    "anthropic_messages": _ANTHROPIC,
    "bedrock_anthropic": _ANTHROPIC,
    "vertex_anthropic": _ANTHROPIC,
    # https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html: the same limits
    "bedrock_converse": _ANTHROPIC,
    "gemini": _GEMINI,
    "mistral": _MISTRAL,
    "cohere_v2": _COHERE,
    "ollama_chat": _OLLAMA,
}
"""The dialects that can hold an answer to a schema."""

ALONE: Final[Mapping[str, re.Pattern[str]]] = {
    "cohere_v2": re.compile(""),
    "gemini": re.compile(r"gemini-[12]\b"),
}
"""Those that cannot do so where tools are offered, too; and for which models, by a part of their ids."""

UNFORCED: Final[Mapping[str, re.Pattern[str]]] = {
    **dict.fromkeys(("anthropic_messages", "bedrock_anthropic", "vertex_anthropic"), re.compile("")),
    "bedrock_converse": re.compile("claude"),
}
"""The dialects whose models cannot be made to call a tool while they reason; and which models, likewise."""
