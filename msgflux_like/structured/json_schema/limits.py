"""JSON schema limits of the strict mode of each dialect: a table with sources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Subset(Struct, frozen=True):
    """Subset of JSON schema that a strict mode supports.

    Attributes:
        strict: Whether there are limits; False accepts any schema whose root is an object.
        keywords: Supported constraints. The others are moved to the description, where the model can read them.
        formats: Supported values of `format`.
        recursion: Whether a schema can refer to itself.
        least_items: Greatest supported value of `minItems`; None for no limit.
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
"""No limits: for a forced tool that is not strict, and for a schema in the prompt."""

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
"""Limits of the dialects with native structured output."""

ALONE: Final[Mapping[str, re.Pattern[str]]] = {
    "cohere_v2": re.compile(""),
    "gemini": re.compile(r"gemini-[12]\b"),
}
"""Dialects that cannot combine native structured output with tools, with a pattern of the affected model ids."""

UNFORCED: Final[Mapping[str, re.Pattern[str]]] = {
    **dict.fromkeys(("anthropic_messages", "bedrock_anthropic", "vertex_anthropic"), re.compile("")),
    "bedrock_converse": re.compile("claude"),
}
"""Dialects that cannot force a tool call while the model reasons, with a pattern of the affected model ids."""
