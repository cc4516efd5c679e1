"""Check a request against what is known about its model, before it is sent.

Only what is confirmed stops a request: a rule of `catalog.model_rules`, or the catalogue's statement if the listings of
the model at other providers say the same. What the catalogue alone denies is a warning: its lists lag behind.
Where it states nothing, and for unknown models, every request passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, cast

from msgflux_like._json import as_list, as_mapping
from msgflux_like.catalog.model_rules import NO_RULES, ModelRules, rules_of
from msgflux_like.catalog.profiles import ModelProfile, get_same_models, search_profiles
from msgflux_like.errors import CapabilityError
from msgflux_like.request import ChatRequest, Quirks

# A lower bound of tokens: text of any language has more than one token in this many bytes of JSON.
_BYTES_PER_TOKEN_AT_MOST = 8

_KINDS = ("text", "image", "audio", "video", "pdf")
_MODALITY: Mapping[str, str] = {"image_url": "image", "input_audio": "audio", "video_url": "video"}
_REMEDIES: Mapping[str, str] = {
    "embedding": "make it with Model.text_embedder",
    "realtime": "call the provider's realtime API",
}


class Problems(NamedTuple):
    """Reasons against a request, one sentence each.

    Attributes:
        confirmed: Facts; the provider would refuse the request.
        hints: Statements of the catalogue alone, which may be wrong.
    """

    confirmed: list[str]
    hints: list[str]


class CapabilityCheck:
    """The facts of one model that requests are checked against.

    Args:
        model: Profile of the model.
        rules: Rules that apply to it.

    Attributes:
        warnings: Facts that a caller should know, such as a deprecation.
    """

    __slots__ = (
        "_agreed",
        "_calls_tools",
        "_has_other_kind",
        "_input_tokens",
        "_model",
        "_output_tokens",
        "_rules",
        "_takes",
        "_takes_temperature",
        "warnings",
    )

    def __init__(self, model: ModelProfile, rules: ModelRules = NO_RULES) -> None:
        self._model = model
        self._rules = rules
        self._agreed: dict[str, bool] = {}
        takes = frozenset(model.modalities.input)
        self._takes = (takes | rules.accepts.intersection(_KINDS)) - rules.denies if takes else takes
        self._calls_tools = model.capabilities.tool_call is not False or "tools" in rules.accepts
        self._takes_temperature = model.capabilities.temperature is not False
        self._output_tokens = model.limits.output
        self._input_tokens = model.limits.input or model.limits.context
        written = model.modalities.output
        self._has_other_kind = bool(rules.kind or (written and "text" not in written))
        self.warnings = _warnings(model)

    def problems(self, request: ChatRequest, body_bytes: int) -> Problems:
        """Return what the model cannot do of a request; `body_bytes` is the length of the encoded body."""
        found = Problems([], [])
        parameters = request.parameters
        if self._has_other_kind:
            self._check_kind(found)
        for message in request.messages:
            if type(message.get("content")) is not str and self._takes:
                self._check_modalities(modalities_of(request), found)
                break
        if request.tools and not self._calls_tools:
            is_confirmed = self._is_confirmed("tools", lambda other: other.capabilities.tool_call is False)
            _add(found, "it does not support tool calling", is_confirmed=is_confirmed)
        if "temperature" in parameters and not self._takes_temperature:
            self._check_temperature(parameters["temperature"], found)
        if request.reasoning_controls is not None and (
            "reasoning_effort" in parameters or "reasoning_budget" in parameters
        ):
            from msgflux_like.dialects._shared import reasoning  # noqa: PLC0415  only for calls that control reasoning

            found.confirmed.extend(reasoning.problems(parameters, request.reasoning_controls))
        max_tokens = parameters.get("max_tokens")
        if max_tokens is not None and self._output_tokens is not None and max_tokens > self._output_tokens:
            problem = f"max_tokens is {max_tokens}, and the limit is {self._output_tokens}"
            _add(found, problem, is_confirmed=self._has_output_limit(max_tokens))
        most = self._input_tokens
        if most is not None and body_bytes // _BYTES_PER_TOKEN_AT_MOST > most:
            least = (body_bytes - _opaque_bytes(request)) // _BYTES_PER_TOKEN_AT_MOST
            if least > most:
                found.confirmed.append(f"the request has at least {least} tokens, and the limit is {most}")
        return found

    def _check_kind(self, found: Problems) -> None:
        """Add the kind of a model that writes no text."""
        if kind := self._rules.kind:
            remedy = _REMEDIES.get(kind, f"call the provider's {kind} API")
            found.confirmed.append(f"it is a model for {kind}, which chat endpoints do not serve: {remedy}")
            return
        written = " and ".join(self._model.modalities.output)
        found.hints.append(f"it writes {written} and no text")

    def _check_modalities(self, kinds: set[str], found: Problems) -> None:
        known = ", ".join(kind for kind in _KINDS if kind in self._takes)
        for kind in sorted(kinds - self._takes):
            # Chat hosts turn documents into text or images themselves, which the catalogue lists for few of them.
            is_confirmed = kind in self._rules.denies or (
                kind != "pdf" and self._is_confirmed(kind, lambda other, kind=kind: _denies(other, kind))
            )
            _add(found, f"it does not support {kind} input (it accepts {known})", is_confirmed=is_confirmed)

    def _check_temperature(self, temperature: float, found: Problems) -> None:
        if "temperature" in self._rules.refuses:
            found.confirmed.append("it does not support temperature")
        elif (only := self._rules.only.get("temperature")) is not None:
            if temperature != only:
                found.confirmed.append(f"temperature is {temperature}, and only {only:g} is supported")
        elif temperature == 1:
            found.hints.append("it does not support temperature")
        else:
            is_confirmed = self._is_confirmed("temperature", lambda other: other.capabilities.temperature is False)
            _add(found, "it does not support temperature", is_confirmed=is_confirmed)

    def _has_output_limit(self, max_tokens: int) -> bool:
        def is_over(other: ModelProfile) -> bool:
            return other.limits.output is not None and other.limits.output < max_tokens

        return self._is_confirmed(f"max_tokens {max_tokens}", is_over)

    def _is_confirmed(self, fact: str, says_so: Callable[[ModelProfile], bool]) -> bool:
        """Return whether the listings at other providers, of which there is at least one, all say the same."""
        if fact not in self._agreed:
            others = [each for each in get_same_models(self._model) if each.provider_id != self._model.provider_id]
            self._agreed[fact] = bool(others) and all(map(says_so, others))
        return self._agreed[fact]


def _add(found: Problems, problem: str, *, is_confirmed: bool) -> None:
    (found.confirmed if is_confirmed else found.hints).append(problem)


def _denies(model: ModelProfile, kind: str) -> bool:
    return bool(model.modalities.input) and kind not in model.modalities.input


def _opaque_bytes(request: ChatRequest) -> int:
    """Return how many bytes of the messages are not text: of images, sounds, documents and provider state."""
    found = 0
    for message in request.messages:
        found += sum(map(len, _strings(message.get("provider_state"))))
        media = [part for part in as_list(message.get("content")) if part.get("type") != "text"]
        found += sum(map(len, _strings(media)))
        found += sum(map(len, _strings(message.get("images"))))
    return found


def _strings(value: Any) -> Iterator[str]:
    """Yield the strings in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in cast("Mapping[str, Any]", value).values():
            yield from _strings(each)
    elif isinstance(value, (list, tuple)):
        for each in cast("list[Any]", value):
            yield from _strings(each)


def _warnings(model: ModelProfile) -> tuple[str, ...]:
    name = f"{model.provider_id}/{model.id}"
    if model.retired_on is not None:
        return (f"{name} left the catalogue after {model.retired_on}",)
    return (f"{name} is deprecated",) if model.status == "deprecated" else ()


def refusal(found: list[str], request: ChatRequest, model: ModelProfile) -> CapabilityError:
    """Return one error for all problems, with up to three models of the same provider that could take the request."""
    alternatives = _alternatives(request, model)
    instead = f" These would do: {', '.join(alternatives)}." if alternatives else ""
    return CapabilityError(
        f"{model.provider_id}/{model.id} cannot take this request: {'; '.join(found)}.{instead} "
        f'(check="warn" sends it all the same)',
        problems=tuple(found),
        alternatives=alternatives,
    )


def modalities_of(request: ChatRequest) -> set[str]:
    """Return the modalities of the messages: "text", and "image", "audio", "video" or "pdf" where there are such."""
    found = {"text"}
    for message in request.messages:
        for part in as_list(message.get("content")):
            kind = part.get("type")
            if kind in _MODALITY:
                found.add(_MODALITY[kind])
            elif kind == "file" and str(as_mapping(part.get("file")).get("file_data")).startswith(
                "data:application/pdf"
            ):
                found.add("pdf")
    return found


def _alternatives(request: ChatRequest, model: ModelProfile) -> tuple[str, ...]:
    """Return models of the same provider that could take the request, those with the most similar price first."""
    accepting = search_profiles(
        provider=model.provider_id,
        tools=True if request.tools else None,
        input_modalities=sorted(modalities_of(request)),
        output_modalities="text",
        min_output_tokens=request.parameters.get("max_tokens"),
        sort="date",
    )
    able = [
        other for other in accepting if other.id != model.id and other.status != "deprecated" and _is_chat_model(other)
    ]
    if "temperature" in request.parameters:
        able = [other for other in able if other.capabilities.temperature]
    if request.reasoning_controls is not None and {"reasoning_effort", "reasoning_budget"} & request.parameters.keys():
        from msgflux_like.dialects._shared import reasoning  # noqa: PLC0415  only for calls that control reasoning

        able = [
            other
            for other in able
            if not reasoning.problems(request.parameters, reasoning.reasoning_controls_for(other, "", Quirks()))
        ]
    able.sort(key=lambda other: _price_distance(other, model))
    return tuple(f"{other.provider_id}/{other.id}" for other in able[:3])


def _is_chat_model(model: ModelProfile) -> bool:
    """Return whether a chat endpoint serves the model, and answers within a call."""
    return not rules_of(model.provider_id, model.id).kind and "deep-research" not in model.id


def _price_distance(one: ModelProfile, other: ModelProfile) -> float:
    return abs(_price(one) - _price(other))


def _price(model: ModelProfile) -> Any:
    return model.cost.input_per_million + model.cost.output_per_million if model.cost else 1e9
