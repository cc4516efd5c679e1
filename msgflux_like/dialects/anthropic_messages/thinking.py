"""Reasoning in a request of Anthropic's Messages format: its fields, and the parameters it excludes.

Source: https://platform.claude.com/docs/en/build-with-claude/thinking. Older models take a number of tokens ("manual"
thinking), newer ones an effort ("adaptive" thinking), and some in between take both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgflux_like.dialects._shared import reasoning
from msgflux_like.errors import InvalidRequestError, UnsupportedError
from msgflux_like.request import Change, ChatRequest, ToolChoice

_ADAPTIVE_EFFORT: Final = "max"  # only models with adaptive thinking (Claude 4.6 and later) list this effort
_MIN_TOP_P: Final = 0.95
_TURN_OFF: Final = 'turn reasoning off with reasoning_effort="none"'
_REMEDY: Final = f"leave it out, or {_TURN_OFF}"

THINKING_BLOCKS: Final = frozenset({"thinking", "redacted_thinking"})
"""Types of the blocks that only the model that wrote them can read."""

Block = dict[str, Any]


def thinking_fields(request: ChatRequest, turns: Sequence[Block], limit: int, changes: list[Change]) -> Block:
    """Return the fields `thinking` and `output_config` for the reasoning parameters of a request.

    Args:
        request: The request.
        turns: The encoded conversation.
        limit: Most output tokens, of which an effort is a share.
        changes: Receives what could not be sent as asked.
    """
    effort: str | None = request.parameters.get("reasoning_effort")
    budget: int | None = request.parameters.get("reasoning_budget")
    if effort == "none" or budget == 0:
        return {"thinking": {"type": "disabled"}}
    fields: Block = {}
    if effort is not None:
        fields["output_config"] = {"effort": effort}
    reasoning_controls = request.reasoning_controls
    if budget is None and reasoning_controls is not None and effort is not None and effort in reasoning.SHARES:
        if _ADAPTIVE_EFFORT in reasoning_controls.efforts:
            # Without `display`, Claude 4.7 and later return empty thinking blocks.
            return {**fields, "thinking": {"type": "adaptive", "display": "summarized"}}
        if reasoning_controls.budget is not None or (reasoning_controls.switched and not reasoning_controls.efforts):
            budget = reasoning.budget_of(effort, limit, reasoning_controls)
            changes.append(
                Change("emulated", "reasoning_effort", f"sent as {budget} tokens: the model takes no effort")
            )
            fields = fields if effort in reasoning_controls.efforts else {}
    if budget is None:
        return fields
    if _thinking_is_missing(turns):
        changes.append(Change("dropped", "reasoning", "this model did not write the reasoning before the last calls"))
        return fields
    return {**fields, "thinking": {"type": "enabled", "budget_tokens": budget}}


def _thinking_is_missing(turns: Sequence[Block]) -> bool:
    """Return whether tool results come last and the assistant turn that began the calls does not start with thinking.

    The API rejects thinking there ("Expected `thinking`, but found `tool_use`") and asks to turn it off.
    """
    first: Block | None = None
    for turn in reversed(turns):
        if turn["role"] == "assistant":
            first = turn
        elif not any(block["type"] == "tool_result" for block in turn["content"]):
            break
    return turns[-1]["role"] == "user" and first is not None and first["content"][0]["type"] not in THINKING_BLOCKS


def is_thinking_enabled(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields enable reasoning."""
    return fields.get("thinking", {"type": "disabled"})["type"] != "disabled"


def thinking_budget(fields: Mapping[str, Any]) -> int:
    """Return the tokens that the fields reserve for reasoning; 0 if none."""
    return fields.get("thinking", {}).get("budget_tokens", 0)


def check_thinking(body: Mapping[str, Any], choice: ToolChoice | None, prefill: str) -> None:
    """Check that no field excludes the reasoning that the body enables.

    Raises:
        UnsupportedError: The API rejects a parameter together with reasoning.
        InvalidRequestError: Reasoning takes all of `max_tokens`.
    """
    if not is_thinking_enabled(body):
        return
    if (temperature := body.get("temperature", 1)) != 1:
        raise UnsupportedError(f"temperature must be 1 together with reasoning; got {temperature}: {_REMEDY}")
    if "top_k" in body:
        raise UnsupportedError(f"top_k cannot be combined with reasoning: {_REMEDY}")
    if (top_p := body.get("top_p", 1)) < _MIN_TOP_P:
        raise UnsupportedError(f"top_p must be at least {_MIN_TOP_P} together with reasoning; got {top_p}: {_REMEDY}")
    if prefill:
        raise UnsupportedError(f"prefilling cannot be combined with reasoning: {_REMEDY}")
    if body["thinking"]["type"] == "enabled":
        _check_manual(body, choice)


def _check_manual(body: Mapping[str, Any], choice: ToolChoice | None) -> None:
    kind = choice if isinstance(choice, str) or choice is None else choice.get("type")
    if kind not in (None, "auto", "none"):
        raise UnsupportedError(
            f'tool_choice cannot force a call together with reasoning: use "auto" or "none", get a typed answer with '
            f'output_mode="prompted", or {_TURN_OFF}'
        )
    budget, limit = thinking_budget(body), body.get("max_tokens")
    if isinstance(limit, int) and budget >= limit:
        raise InvalidRequestError(
            f"reasoning takes {budget} of {limit} output tokens (max_tokens counts both) and leaves no room: "
            f"use a larger max_tokens or a smaller reasoning_budget"
        )
