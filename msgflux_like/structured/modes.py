"""Choice of the output mode: a schema that the provider enforces, a forced tool call, or the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from re import Pattern
from typing import Any

from msgflux_like.catalog.profiles import ModelProfile
from msgflux_like.errors import InvalidRequestError, UnsupportedSchemaError
from msgflux_like.request import OutputMode, Quirks
from msgflux_like.structured.json_schema.limits import ALONE, ANY, NATIVE, UNFORCED
from msgflux_like.structured.json_schema.schema import Target, target_of
from msgflux_like.structured.output_spec import OutputSpec, Validation


def output_spec(  # the whole choice, in one place
    generation_schema: Any,
    typed_parser: str | None,
    output_mode: OutputMode | None,
    validation: Validation,
    *,
    dialect: str,
    quirks: Quirks,
    profile: ModelProfile | None,
    beside_tools: bool = False,
    reasons: bool = False,
) -> OutputSpec:
    """Return how the typed answer is requested; raise InvalidRequestError if it cannot be.

    `beside_tools` states that the call has tools, `reasons` that reasoning is enabled: some models do not support the
    native mode together with the former, or a forced tool call together with the latter.
    """
    if output_mode not in (None, "native", "tool", "prompted"):
        raise InvalidRequestError(f'output_mode must be "native", "tool" or "prompted", not {output_mode!r}')
    if validation not in ("strict", "lax"):
        raise InvalidRequestError(f'validation must be "strict" or "lax", not {validation!r}')
    target = None if generation_schema is None else target_of(generation_schema)
    strict = validation == "strict"
    if typed_parser is not None:
        from msgflux_like.structured.xml import typed_parser_registry  # noqa: PLC0415  only with a typed parser

        if output_mode not in (None, "prompted"):
            raise InvalidRequestError(f"typed_parser needs output_mode 'prompted', not {output_mode!r}")
        lowered = target.lowered(ANY) if target else None
        return OutputSpec("prompted", target, lowered, typed_parser_registry[typed_parser], strict)
    if target is None:
        raise InvalidRequestError("output_mode and validation need a generation_schema")
    if output_mode is None:
        alone = beside_tools and _are(ALONE, dialect, profile)
        unforced = reasons and _are(UNFORCED, dialect, profile)
        return _best(target, dialect, quirks, profile, strict=strict, native=not alone, tool=not unforced)
    if output_mode == "native" and dialect not in NATIVE:
        raise InvalidRequestError(f"{dialect} does not support output_mode 'native': use 'tool' or 'prompted'")
    return OutputSpec(
        output_mode, target, target.lowered(NATIVE[dialect] if output_mode == "native" else ANY), strict=strict
    )


def _are(models: Mapping[str, Pattern[str]], dialect: str, profile: ModelProfile | None) -> bool:
    """Return whether the model matches the pattern of the dialect."""
    return profile is not None and dialect in models and models[dialect].search(profile.id) is not None


def _best(
    target: Target,
    dialect: str,
    quirks: Quirks,
    profile: ModelProfile | None,
    *,
    strict: bool,
    native: bool,
    tool: bool,
) -> OutputSpec:
    """Return the most reliable mode of the model: native, else tool, else prompted."""
    can = profile.capabilities if profile else None
    if dialect in NATIVE and native and (dialect in quirks.schema_dialects or (can and can.structured_output)):
        try:
            return OutputSpec("native", target, target.lowered(NATIVE[dialect]), strict=strict)
        except UnsupportedSchemaError:
            if not (can and can.tool_call):
                raise
    return OutputSpec(
        "tool" if tool and can and can.tool_call else "prompted", target, target.lowered(ANY), strict=strict
    )
