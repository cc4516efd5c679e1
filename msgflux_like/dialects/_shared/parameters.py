"""Parameters, offered tools and prefill of a request: the checks and translations that several dialects need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgflux_like._json import as_mapping
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import Change, ChatRequest, Quirks, ToolChoice

EMPTY_SCHEMA: Final[Mapping[str, Any]] = {"type": "object", "properties": {}}
"""The parameters of a function without any, for dialects that require the field."""


def refuse_parameters(request: ChatRequest, names: frozenset[str], quirks: Quirks, dialect: str) -> None:
    """Refuse parameters that the dialect cannot express (`names`) or that the provider rejects (`quirks.refuses`).

    Raises:
        UnsupportedError: If one of them is given.
    """
    if refused := sorted(request.parameters.keys() & names.union(quirks.refuses)):
        raise UnsupportedError(
            f"{', '.join(refused)}: {dialect} has no such parameter. Leave it out, "
            f"or give the provider's own field in extra_body="
        )


def effort_word(fields: dict[str, Any], dialect: str) -> str | None:
    """Remove the reasoning parameters from `fields` and return the effort, for a dialect that has no token budget.

    A budget of 0 tokens is the effort "none".

    Raises:
        UnsupportedError: If a budget above 0 is given.
    """
    effort, budget = fields.pop("reasoning_effort", None), fields.pop("reasoning_budget", None)
    if budget:
        raise UnsupportedError(f"reasoning_budget: {dialect} takes no number of tokens. Give a reasoning_effort")
    return "none" if budget == 0 else effort


def stop_list(stop: str | Sequence[str]) -> list[str]:
    """Return the stop sequences as a list; a single string is one sequence."""
    return [stop] if isinstance(stop, str) else list(stop)


def offered_tools(
    request: ChatRequest, quirks: Quirks, changes: list[Change]
) -> tuple[tuple[Mapping[str, Any], ...], ToolChoice | None]:
    """Return the tools and the tool choice, emulated and recorded if the server lacks the given choice."""
    tools, choice = request.tools, request.tool_choice if request.tools else None
    if tools and choice in (None, "auto") and not quirks.auto_tool_choice:
        choice = "none" if request.messages[-1].get("role") == "tool" else "required"
        changes.append(Change("emulated", "tool_choice", f"{choice} is sent: this server cannot let the model choose"))
    elif isinstance(choice, str) and choice not in ("auto", "required", "none") and not quirks.named_tool_choice:
        changes.append(Change("emulated", "tool_choice", f"only {choice} is offered, and a call is required"))
        tools = tuple(tool for tool in tools if as_mapping(tool.get("function")).get("name") == choice)
        choice = "required"
    return tools, choice


def prefill_text(request: ChatRequest, quirks: Quirks) -> str:
    """Return the prefill, "" if there is none.

    Raises:
        UnsupportedError: If the model does not continue a last assistant message.
    """
    if not request.prefill:
        return ""
    known = request.known_as.startswith(quirks.prefill) and not request.known_as.startswith(quirks.prefill_refused)
    if not known:
        raise UnsupportedError(
            f"prefilling: {request.model} does not continue a last assistant message. "
            f"Ask for the beginning in the system prompt instead"
        )
    return request.prefill
