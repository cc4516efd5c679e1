"""Notes: a `Change` for each field that a dialect does not send as it was given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgflux_like._json import as_mapping
from msgflux_like.request import Change

FUNCTION_FIELDS: Final = frozenset({"name", "description", "parameters", "strict"})
"""Fields of a function in a tool, as OpenAI's chat format has them."""


def note_unknown(
    fields: Mapping[str, Any], known: frozenset[str], place: str, changes: list[Change], what: str = "a message"
) -> None:
    """Record as dropped each field of a message, a part or a tool that is set and not `known`."""
    changes.extend(
        Change("dropped", f"{place}.{name}", f"{what} has no such field here")
        for name in fields
        if name not in known and fields[name] is not None
    )


def note_marks(part: Mapping[str, Any], place: str, changes: list[Change], *known: str) -> None:
    """Record as dropped the fields beside the content of a part, such as `cache_control`, that are not `known`."""
    if len(part) > 2:
        note_unknown(part, frozenset({"type", part["type"], *known}), place, changes, "a part")


def note_detail(part: Mapping[str, Any], place: str, changes: list[Change]) -> None:
    """Record as dropped the `detail` of an image; "auto" is the default everywhere and is not recorded."""
    if as_mapping(part["image_url"]).get("detail") not in (None, "auto"):
        changes.append(Change("dropped", f"{place}.image_url.detail", "images have no such field here"))


def note_inner(part: Mapping[str, Any], known: frozenset[str], place: str, changes: list[Change]) -> None:
    """Record as dropped the fields in the content of a part that are not `known`."""
    kind = part["type"]
    inner = as_mapping(part[kind])
    if not inner.keys() <= known:
        note_unknown(inner, known, f"{place}.{kind}", changes, "a part")


def note_tool(tool: Mapping[str, Any], changes: list[Change], known: frozenset[str] | None = None) -> None:
    """Record as dropped the fields beside the function of a tool, such as `cache_control`, and those in it.

    Args:
        tool: A tool in OpenAI's form.
        changes: Receives the changes.
        known: The fields of a function that are sent; None where all are.
    """
    function = as_mapping(tool.get("function"))
    place = f"tools.{function.get('name')}"
    note_unknown(tool, frozenset({"type", "function"}), place, changes, "a tool")
    if known is not None:
        note_unknown(function, known, f"{place}.function", changes, "a function")


def system_role(role: str, place: str, changes: list[Change]) -> str:
    """Return the role in a dialect without developer messages: they become system messages, which is recorded."""
    if role != "developer":
        return role
    changes.append(Change("renamed", f"{place}.role", "developer texts are system texts here"))
    return "system"
