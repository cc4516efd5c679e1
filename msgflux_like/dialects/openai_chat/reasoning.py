"""How the hosts of OpenAI's chat format are told how much to reason: nearly each has a field of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from msgflux_like.dialects._shared.reasoning import FORMS_WITH_BUDGET
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import Change, ChatRequest, ReasoningControls

Fields = dict[str, Any]


class _Wish(Struct, frozen=True):
    """What is asked for: a word, a number, both, or no reasoning at all."""

    model: str
    reasoning_controls: ReasoningControls
    off: bool
    effort: str | None
    budget: int | None

    @property
    def word(self) -> Fields:
        """The field that OpenAI has for a word, where the model knows words."""
        return {"reasoning_effort": self.effort} if self.effort is not None and not self.is_switch else {}

    @property
    def is_switch(self) -> bool:
        """Whether the model reasons or does not, and that is all it can be told."""
        return (
            self.reasoning_controls.switched
            and not self.reasoning_controls.efforts
            and self.reasoning_controls.budget is None
        )


def _effort(wish: _Wish) -> Fields:
    """OpenAI, Azure, Cerebras, Perplexity, Ollama and most others."""
    return {"reasoning_effort": wish.effort}


def _groq(wish: _Wish) -> Fields:
    """Reasoning in a field of its own has to be asked for, but of no gpt-oss: https://console.groq.com/docs/reasoning."""
    separate = {} if wish.off or "gpt-oss" in wish.model else {"reasoning_format": "parsed"}
    return {"reasoning_effort": wish.effort, **separate}


def _object(wish: _Wish) -> Fields:
    """OpenRouter, https://openrouter.ai/docs/use-cases/reasoning-tokens, and Vercel's gateway: a word or a number."""
    if wish.off and "none" not in wish.reasoning_controls.efforts:
        return {"reasoning": {"enabled": False}}
    if wish.budget is not None:
        return {"reasoning": {"max_tokens": wish.budget}}
    return {"reasoning": {"enabled": True} if wish.is_switch else {"effort": wish.effort}}


def _thinking(wish: _Wish) -> Fields:
    """DeepSeek, Z.ai and Moonshot: a switch like Anthropic's, and a word for the models that know some."""
    if wish.off:
        return {"thinking": {"type": "disabled"}} if wish.reasoning_controls.switched else wish.word
    return {**({"thinking": {"type": "enabled"}} if wish.reasoning_controls.switched else {}), **wish.word}


def _enable_thinking(wish: _Wish) -> Fields:
    """Alibaba's models, https://www.alibabacloud.com/help/en/model-studio/deep-thinking, and SiliconFlow's."""
    switch: Fields = {"enable_thinking": not wish.off} if wish.off or wish.reasoning_controls.switched else {}
    budget: Fields = {} if wish.budget is None else {"thinking_budget": wish.budget}
    return {**switch, **budget, **({} if wish.off else wish.word)}


def _template(wish: _Wish) -> Fields:
    """vLLM, https://docs.vllm.ai/en/latest/features/reasoning_outputs.html: the switch is the template's."""
    return {"chat_template_kwargs": {"enable_thinking": not wish.off}, **({} if wish.off else wish.word)}


_FORMS: Final[Mapping[str, Callable[[_Wish], Fields]]] = {
    "effort": _effort,
    "groq": _groq,
    "object": _object,
    "thinking": _thinking,
    "enable_thinking": _enable_thinking,
    "template": _template,
}
_NO_SWITCH: Final = ("effort", "groq")
_UNKNOWN: Final = ReasoningControls(switched=True, efforts=("none",), budget=(None, None))


def told(request: ChatRequest, effort: str | None, budget: int | None, form: str, changes: list[Change]) -> Fields:
    """The fields that say what the parameters ask for; UnsupportedError for a number where only words are known."""
    off = effort == "none" or budget == 0
    wish = _Wish(
        request.model, request.reasoning_controls or _UNKNOWN, off, "none" if off else effort, None if off else budget
    )
    if wish.is_switch and not off and form not in _NO_SWITCH and (wish.budget is None or form != "object"):
        name = "reasoning_budget" if effort is None else "reasoning_effort"
        changes.append(Change("emulated", name, "reasoning is switched on: this model cannot be told how much"))
    elif wish.budget is not None and form not in FORMS_WITH_BUDGET:
        raise UnsupportedError(
            "reasoning_budget: this provider takes no number of tokens. Give a reasoning_effort, "
            "or the provider's own field in extra_body="
        )
    elif wish.budget is not None and wish.effort is not None and form == "object":
        changes.append(Change("dropped", "reasoning_effort", "a word and a number do not go together here"))
    return _FORMS[form](wish)
