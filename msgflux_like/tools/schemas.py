"""Tool schemas in OpenAI's format: checks of those that a caller passes, and conversion of functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from msgflux_like._json import as_mapping
from msgflux_like.errors import InvalidRequestError
from msgflux_like.request import ToolChoice

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # OpenAI's rule, the strictest of all providers


def check_tools(
    schemas: Sequence[Mapping[str, Any] | Callable[..., Any]] | None,
    choice: ToolChoice | None,
    place: str = "tool_schemas",
) -> tuple[Mapping[str, Any], ...]:
    """Return the tool schemas, with functions converted, after checks of what every provider rejects.

    A provider's own tool, such as `{"type": "web_search"}` or `{"googleSearch": {}}`, is passed on as it is: it is a
    mapping without a "function" that has a type, or a single field.

    Args:
        schemas: Schemas, functions, or the provider's own tools.
        choice: Tool choice of the call.
        place: Name of the argument, for errors.

    Raises:
        InvalidRequestError: If a schema or the tool choice is invalid.
    """
    tools = _schemas(tuple(schemas or ()))
    if not tools:
        if choice is not None:
            raise InvalidRequestError(f"tool_choice needs {place}: no tool is given")
        return ()
    listed = enumerate(tools)
    names = [_tool_name(tool, f"{place}[{index}]") for index, tool in listed if not is_providers_own(tool)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequestError(f"{place} has two tools called {twice!r}")
    own = [str(tool.get("name") or tool.get("type")) for tool in tools if is_providers_own(tool)]
    if isinstance(choice, str) and choice not in ("auto", "required", "none", *names, *own):
        raise InvalidRequestError(
            f"tool_choice must be one of auto, required, none, {', '.join(names)}; not {choice!r}"
        )
    if choice is not None and not isinstance(choice, (str, Mapping)):  # pyright: ignore[reportUnnecessaryIsInstance]  callers are untyped
        raise InvalidRequestError(f"tool_choice must be a string or a dict, not {type(choice).__name__}")
    return tools


def is_providers_own(tool: Any) -> bool:
    """Return whether a tool is the provider's own: not a function, and named by its type or by its only field."""
    if not isinstance(tool, Mapping) or "function" in tool:
        return False
    fields = cast("Mapping[Any, Any]", tool)
    kind = fields.get("type")
    if isinstance(kind, str):
        return kind not in ("", "function")
    return "type" not in fields and len(fields) == 1 and isinstance(next(iter(fields)), str)


def _schemas(tools: tuple[Any, ...]) -> tuple[Mapping[str, Any], ...]:
    if not any(map(callable, tools)):
        return tools
    from msgflux_like.tools.function_schema import function_schema  # noqa: PLC0415  only when functions are given

    return tuple(function_schema(each) if callable(each) else each for each in tools)


def _tool_name(schema: Any, place: str) -> str:
    fields = as_mapping(as_mapping(schema).get("function"))
    if not fields:
        raise InvalidRequestError(f'{place} must be {{"type": "function", "function": {{"name": ..., ...}}}}')
    name = fields.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidRequestError(f"{place}.function.name must be 1 to 64 characters of A-Z a-z 0-9 _ -, not {name!r}")
    if not isinstance(fields.get("parameters", {}), Mapping):
        raise InvalidRequestError(f"{place}.function.parameters must be a JSON schema of an object")
    return name
