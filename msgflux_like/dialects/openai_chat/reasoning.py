"""Reasoning fields of a chat completion: how each host of OpenAI's format accepts an effort or a token budget.

Nearly every host has a different field. `Quirks.reasoning_form` names the form, `_FORMS` holds a function for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from msgflux_like.dialects._shared.reasoning import FORMS_WITH_BUDGET
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import Change, ChatRequest, ReasoningControls

Fields = dict[str, Any]


class _ReasoningRequest(Struct, frozen=True):
    """The requested reasoning: an effort, a budget in tokens, both, or none at all (`off`)."""

    model: str
    reasoning_controls: ReasoningControls
    off: bool
    effort: str | None
    budget: int | None

    @property
    def word(self) -> Fields:
        """Return OpenAI's field for an effort; empty if the model accepts none."""
        return {"reasoning_effort": self.effort} if self.effort is not None and not self.is_switch else {}

    @property
    def is_switch(self) -> bool:
        """Return whether reasoning of this model can only be switched on and off."""
        return (
            self.reasoning_controls.switched
            and not self.reasoning_controls.efforts
            and self.reasoning_controls.budget is None
        )


def _effort(wanted: _ReasoningRequest) -> Fields:
    """Return the field of OpenAI, Azure, Cerebras, Perplexity, Ollama and most others."""
    return {"reasoning_effort": wanted.effort}


def _groq(wanted: _ReasoningRequest) -> Fields:
    """Return Groq's fields; all but gpt-oss need a format. Source: https://console.groq.com/docs/reasoning."""
    separate = {} if wanted.off or "gpt-oss" in wanted.model else {"reasoning_format": "parsed"}
    return {"reasoning_effort": wanted.effort, **separate}


def _object(wanted: _ReasoningRequest) -> Fields:
    """Return the object of OpenRouter and Vercel, which holds an effort or a budget.

    Source: https://openrouter.ai/docs/use-cases/reasoning-tokens.
    """
    if wanted.off and "none" not in wanted.reasoning_controls.efforts:
        return {"reasoning": {"enabled": False}}
    if wanted.budget is not None:
        return {"reasoning": {"max_tokens": wanted.budget}}
    return {"reasoning": {"enabled": True} if wanted.is_switch else {"effort": wanted.effort}}


def _thinking(wanted: _ReasoningRequest) -> Fields:
    """Return the switch of DeepSeek, Z.ai and Moonshot, and an effort for the models that accept one."""
    if wanted.off:
        return {"thinking": {"type": "disabled"}} if wanted.reasoning_controls.switched else wanted.word
    return {**({"thinking": {"type": "enabled"}} if wanted.reasoning_controls.switched else {}), **wanted.word}


def _enable_thinking(wanted: _ReasoningRequest) -> Fields:
    """Return the fields of Alibaba and SiliconFlow.

    Source: https://www.alibabacloud.com/help/en/model-studio/deep-thinking.
    """
    switch: Fields = {"enable_thinking": not wanted.off} if wanted.off or wanted.reasoning_controls.switched else {}
    budget: Fields = {} if wanted.budget is None else {"thinking_budget": wanted.budget}
    return {**switch, **budget, **({} if wanted.off else wanted.word)}


def _template(wanted: _ReasoningRequest) -> Fields:
    """Return vLLM's switch, which belongs to the chat template.

    Source: https://docs.vllm.ai/en/latest/features/reasoning_outputs.html.
    """
    return {"chat_template_kwargs": {"enable_thinking": not wanted.off}, **({} if wanted.off else wanted.word)}


_FORMS: Final[Mapping[str, Callable[[_ReasoningRequest], Fields]]] = {
    "effort": _effort,
    "groq": _groq,
    "object": _object,
    "thinking": _thinking,
    "enable_thinking": _enable_thinking,
    "template": _template,
}
_NO_SWITCH: Final = ("effort", "groq")
_UNKNOWN: Final = ReasoningControls(switched=True, efforts=("none",), budget=(None, None))


def reasoning_fields(
    request: ChatRequest, effort: str | None, budget: int | None, form: str, changes: list[Change]
) -> Fields:
    """Return the fields that request this reasoning from the host.

    Raises:
        UnsupportedError: If a budget is given and the form accepts only an effort.
    """
    off = effort == "none" or budget == 0
    wanted = _ReasoningRequest(
        request.known_as,
        request.reasoning_controls or _UNKNOWN,
        off,
        "none" if off else effort,
        None if off else budget,
    )
    if wanted.is_switch and not off and form not in _NO_SWITCH and (wanted.budget is None or form != "object"):
        name = "reasoning_budget" if effort is None else "reasoning_effort"
        changes.append(Change("emulated", name, "reasoning is switched on: this model cannot be told how much"))
    elif wanted.budget is not None and form not in FORMS_WITH_BUDGET:
        raise UnsupportedError(
            "reasoning_budget: this provider takes no number of tokens. Give a reasoning_effort, "
            "or the provider's own field in extra_body="
        )
    elif wanted.budget is not None and wanted.effort is not None and form == "object":
        changes.append(Change("dropped", "reasoning_effort", "a word and a number do not go together here"))
    return _FORMS[form](wanted)
