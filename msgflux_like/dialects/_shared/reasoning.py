"""Reasoning controls of a model: which efforts and budgets it accepts, and the translation of one into the other.

`reasoning_effort` is a word, `reasoning_budget` a number of tokens; most models accept only one of them. An effort
stands for a share of the output limit, as at OpenRouter: https://openrouter.ai/docs/use-cases/reasoning-tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgflux_like.catalog.profiles import ModelProfile
from msgflux_like.errors import InvalidRequestError
from msgflux_like.request import Change, Quirks, ReasoningControls

SHARES: Final[Mapping[str, float]] = {
    "minimal": 0.1,
    "low": 0.2,
    "medium": 0.5,
    "high": 0.8,
    "xhigh": 0.95,
    "max": 0.95,
}
"""The efforts from least to most, and the share of the output limit that each stands for."""

_SCALE: Final = tuple(SHARES)
_USUAL_LIMIT: Final = 32_768  # tokens, if neither the call nor the catalogue has a limit
_NAMES: Final = ("reasoning_effort", "reasoning_budget")
_WORDS_ONLY: Final = ("openai_responses", "mistral", "ollama_chat")
FORMS_WITH_BUDGET: Final = ("object", "enable_thinking")
"""The forms of `dialects.openai_chat.reasoning` that have a field for a budget."""

Given = Mapping[str, Any]


def reasoning_controls_for(model: ModelProfile, dialect: str, quirks: Quirks) -> ReasoningControls:
    """Return the controls that the catalogue lists for the model and that the dialect and the host can express."""
    options = {option.type: option for option in model.reasoning_options or ()}
    effort, budget = options.get("effort"), options.get("budget_tokens")
    if dialect in _WORDS_ONLY or (dialect == "openai_chat" and quirks.reasoning_form not in FORMS_WITH_BUDGET):
        budget = None
    return ReasoningControls(
        reasons=model.capabilities.reasoning,
        switched="toggle" in options or any(part in model.id for part in quirks.reasoning_off),
        efforts=tuple(word for word in effort.values if word is not None) if effort else (),
        budget=(budget.min_tokens, budget.max_tokens) if budget else None,
    )


def translate(
    parameters: Given, reasoning_controls: ReasoningControls | None, output_limit: int | None, *, clamps: bool
) -> tuple[Given, tuple[Change, ...]]:
    """Return the parameters with the reasoning control that the model has, and the changes made for it.

    Args:
        parameters: The parameters of the call.
        reasoning_controls: Controls of the model; None if unknown, then the parameters stay as given.
        output_limit: Most tokens that the model can write, None if unknown.
        clamps: Whether an effort that the model does not accept is replaced with the nearest one.

    Raises:
        InvalidRequestError: If the effort and the budget contradict each other.
    """
    given = {name: parameters[name] for name in _NAMES if name in parameters}
    effort, budget = given.get("reasoning_effort"), given.get("reasoning_budget")
    off = effort == "none" or budget == 0
    if off and not (effort in (None, "none") and budget in (None, 0)):
        raise InvalidRequestError(
            f"reasoning_effort is {effort!r} and reasoning_budget {budget}: one turns reasoning off, the other on. "
            f"Give one of them"
        )
    if reasoning_controls is None or not given:
        return parameters, ()
    changes: list[Change] = []
    if off:
        controls = _turned_off(given, reasoning_controls, changes, clamps=clamps)
    elif reasoning_controls.reasons is False:
        controls = given
    else:
        limit = parameters.get("max_tokens") or output_limit or (reasoning_controls.budget or (0, 0))[1] or _USUAL_LIMIT
        controls = {
            **_control_for_budget(given, reasoning_controls, limit, changes),
            **_control_for_effort(given, reasoning_controls, limit, changes, clamps=clamps),
        }
    return {**{name: value for name, value in parameters.items() if name not in _NAMES}, **controls}, tuple(changes)


def _turned_off(
    given: dict[str, Any], reasoning_controls: ReasoningControls, changes: list[Change], *, clamps: bool
) -> dict[str, Any]:
    if reasoning_controls.reasons is False:
        changes += [Change("dropped", name, "this model does not reason") for name in given]
        return {}
    if "none" in reasoning_controls.efforts or reasoning_controls.switched:
        return {"reasoning_effort": "none"}
    if _takes_none(reasoning_controls):
        return {"reasoning_budget": 0}
    least = _least(reasoning_controls) if clamps else {}
    for name, value in least.items():
        changes.append(Change("clamped", next(iter(given)), f"{name} is {value}: it cannot do without reasoning"))
    return least or given


def _control_for_budget(
    given: dict[str, Any], reasoning_controls: ReasoningControls, limit: int, changes: list[Change]
) -> dict[str, Any]:
    """Return the control for the given budget: a budget, an effort, or none."""
    budget = given.get("reasoning_budget")
    if budget is None:
        return {}
    if reasoning_controls.budget is not None:
        if (sent := _within(budget, reasoning_controls.budget)) != budget:
            changes.append(Change("clamped", "reasoning_budget", f"{sent} is the nearest that this model takes"))
        return {"reasoning_budget": sent}
    words = _words(reasoning_controls)
    if not words:
        return {"reasoning_budget": budget}
    if "reasoning_effort" in given:
        changes.append(Change("dropped", "reasoning_budget", "no number can be told, and a word is given"))
        return {}
    word = min(words, key=lambda word: abs(SHARES[word] * limit - budget))
    changes.append(Change("emulated", "reasoning_budget", f"reasoning_effort is {word!r}: no number can be told"))
    return {"reasoning_effort": word}


def _control_for_effort(
    given: dict[str, Any], reasoning_controls: ReasoningControls, limit: int, changes: list[Change], *, clamps: bool
) -> dict[str, Any]:
    """Return the control for the given effort: an effort, a budget, or none."""
    effort = given.get("reasoning_effort")
    if effort is None:
        return {}
    if effort not in SHARES or effort in reasoning_controls.efforts:
        return {"reasoning_effort": effort}
    if reasoning_controls.budget is not None and not reasoning_controls.efforts:
        if "reasoning_budget" in given:
            changes.append(Change("dropped", "reasoning_effort", "no word can be told, and a number is given"))
            return {}
        budget = budget_of(effort, limit, reasoning_controls)
        changes.append(Change("emulated", "reasoning_effort", f"reasoning_budget is {budget}: no word can be told"))
        return {"reasoning_budget": budget}
    words = _words(reasoning_controls) if clamps else []
    if not words:
        return {"reasoning_effort": effort}
    word = min(words, key=lambda word: abs(_SCALE.index(word) - _SCALE.index(effort)))
    changes.append(Change("clamped", "reasoning_effort", f"{word!r} is the nearest word that this model knows"))
    return {"reasoning_effort": word}


def budget_of(effort: str, limit: int, reasoning_controls: ReasoningControls) -> int:
    """Return the budget in tokens that an effort stands for, given an output limit in tokens."""
    return _within(int(SHARES[effort] * limit), reasoning_controls.budget or (None, None))


def problems(parameters: Given, reasoning_controls: ReasoningControls) -> list[str]:
    """Return a sentence for each translated parameter that the model does not support."""
    given = [(name, parameters[name]) for name in _NAMES if name in parameters]
    return [f"{name} is {value!r}, and {why}" for name, value in given if (why := _refused(value, reasoning_controls))]


def _refused(value: str | int, reasoning_controls: ReasoningControls) -> str:
    if reasoning_controls.reasons is False:
        return "it does not support this control"
    known = reasoning_controls.efforts or (_SCALE if reasoning_controls.budget is not None else ())
    if value in ("none", 0):
        can_be_off = not known or reasoning_controls.switched or "none" in known or _takes_none(reasoning_controls)
        return "" if can_be_off else f"it supports {', '.join(known)}"
    if isinstance(value, str) and known and value not in known:
        return f"it supports {', '.join(known)}"
    return ""


def _words(reasoning_controls: ReasoningControls) -> list[str]:
    """Return the efforts of the model that have a share in `SHARES`, from least to most."""
    return [word for word in _SCALE if word in reasoning_controls.efforts]


def _takes_none(reasoning_controls: ReasoningControls) -> bool:
    return reasoning_controls.budget is not None and (reasoning_controls.budget[0] or 0) <= 0


def _least(reasoning_controls: ReasoningControls) -> dict[str, Any]:
    """Return the least reasoning that the model can be set to; empty if it has no control."""
    if words := _words(reasoning_controls):
        return {"reasoning_effort": words[0]}
    return {"reasoning_budget": reasoning_controls.budget[0]} if reasoning_controls.budget is not None else {}


def _within(budget: int, limits: tuple[int | None, int | None]) -> int:
    least, most = limits
    return max(budget if most is None else min(budget, most), least or 0)
