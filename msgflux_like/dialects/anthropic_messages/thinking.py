"""How a request in Anthropic's Messages format says how much to reason, and what does not go with that.

Source: https://platform.claude.com/docs/en/build-with-claude/thinking. Older models are given a number of tokens
("manual" thinking), newer ones a word for the effort ("adaptive"); some in between take both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgflux_like.dialects._shared import reasoning
from msgflux_like.errors import InvalidRequestError, UnsupportedError
from msgflux_like.request import Change, ChatRequest, ToolChoice

_ADAPTIVE_WORD: Final = "max"  # an effort of just the models that know adaptive thinking: Claude 4.6 and later
_LEAST_TOP_P: Final = 0.95
_OFF: Final = 'turn reasoning off with reasoning_effort="none"'
_REMEDY: Final = f"leave it out, or {_OFF}"

THOUGHTS: Final = frozenset({"thinking", "redacted_thinking"})
"""The blocks that only the model that wrote them can read."""

Block = dict[str, Any]


def told(request: ChatRequest, turns: Sequence[Block], limit: int, changes: list[Change]) -> Block:
    """The fields `thinking` and `output_config` that the parameters ask for, of an output of `limit` tokens at most."""
    effort: str | None = request.parameters.get("reasoning_effort")
    budget: int | None = request.parameters.get("reasoning_budget")
    if effort == "none" or budget == 0:
        return {"thinking": {"type": "disabled"}}
    fields: Block = {}
    if effort is not None:
        fields["output_config"] = {"effort": effort}
    reasoning_controls = request.reasoning_controls
    if budget is None and reasoning_controls is not None and effort is not None and effort in reasoning.SHARES:
        if _ADAPTIVE_WORD in reasoning_controls.efforts:
            # What it thinks would come empty from Claude 4.7 and later if it were not asked for.
            return {**fields, "thinking": {"type": "adaptive", "display": "summarized"}}
        if reasoning_controls.budget is not None or (reasoning_controls.switched and not reasoning_controls.efforts):
            budget = reasoning.budget_of(effort, limit, reasoning_controls)
            changes.append(Change("emulated", "reasoning_effort", f"{budget} tokens: the model reasons by number only"))
            fields = fields if effort in reasoning_controls.efforts else {}
    if budget is None:
        return fields
    if _is_lost(turns):
        changes.append(Change("dropped", "reasoning", "the reasoning before the last tool calls is not of this model"))
        return fields
    return {**fields, "thinking": {"type": "enabled", "budget_tokens": budget}}


def _is_lost(turns: Sequence[Block]) -> bool:
    """Whether the results of tools come last, and the turn that called the first of them does not begin with a thought.

    The API refuses to go on thinking there ("Expected `thinking`, but found `tool_use`") and says to turn it off.
    """
    first: Block | None = None
    for turn in reversed(turns):
        if turn["role"] == "assistant":
            first = turn
        elif not any(block["type"] == "tool_result" for block in turn["content"]):
            break
    return turns[-1]["role"] == "user" and first is not None and first["content"][0]["type"] not in THOUGHTS


def is_on(fields: Mapping[str, Any]) -> bool:
    """Whether the fields ask for reasoning."""
    return fields.get("thinking", {"type": "disabled"})["type"] != "disabled"


def budget_in(fields: Mapping[str, Any]) -> int:
    """The tokens that the fields set aside for reasoning, 0 for none."""
    return fields.get("thinking", {}).get("budget_tokens", 0)


def check(body: Mapping[str, Any], choice: ToolChoice | None, prefill: str) -> None:
    """UnsupportedError or InvalidRequestError for what the API refuses beside thinking."""
    if not is_on(body):
        return
    if (temperature := body.get("temperature", 1)) != 1:
        raise UnsupportedError(f"temperature is {temperature}, and 1 is all that goes with reasoning: {_REMEDY}")
    if "top_k" in body:
        raise UnsupportedError(f"top_k does not go with reasoning: {_REMEDY}")
    if (top_p := body.get("top_p", 1)) < _LEAST_TOP_P:
        raise UnsupportedError(f"top_p is {top_p}, and {_LEAST_TOP_P} is the least that goes with reasoning: {_REMEDY}")
    if prefill:
        raise UnsupportedError(f"prefilling does not go with reasoning: {_REMEDY}")
    if body["thinking"]["type"] == "enabled":
        _check_manual(body, choice)


def _check_manual(body: Mapping[str, Any], choice: ToolChoice | None) -> None:
    kind = choice if isinstance(choice, str) or choice is None else choice.get("type")
    if kind not in (None, "auto", "none"):
        raise UnsupportedError(
            f'a tool_choice that forces a call does not go with reasoning: give "auto" or "none", ask for an answer of '
            f'a type with output_mode="prompted", or {_OFF}'
        )
    budget, most = budget_in(body), body.get("max_tokens")
    if isinstance(most, int) and budget >= most:
        raise InvalidRequestError(
            f"reasoning takes {budget} tokens of the {most} that the answer may have (max_tokens counts both): "
            f"give a larger max_tokens or a smaller reasoning_budget"
        )
