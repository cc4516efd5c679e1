"""Check a request against the model's profile, before it is sent.

Only facts of the catalogue count: where it states nothing, and for unknown models, every request passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgflux_like._json import as_list, as_mapping
from msgflux_like.catalog.profiles import ModelProfile, search_profiles
from msgflux_like.errors import CapabilityError
from msgflux_like.request import ChatRequest, Quirks

# A lower bound of tokens: text of any language has more than one token in this many bytes of JSON.
_BYTES_PER_TOKEN_AT_MOST = 8

_KINDS = ("text", "image", "audio", "video", "pdf")
_MODALITY: Mapping[str, str] = {"image_url": "image", "input_audio": "audio", "video_url": "video"}


class CapabilityCheck:
    """The facts of one model's profile that requests are checked against.

    Attributes:
        warnings: Facts that a caller should know, such as a deprecation.
    """

    __slots__ = (
        "_calls_tools",
        "_input_tokens",
        "_output_tokens",
        "_takes",
        "_takes_temperature",
        "warnings",
    )

    def __init__(self, model: ModelProfile) -> None:
        self._takes = frozenset(model.modalities.input)
        self._calls_tools = model.capabilities.tool_call is not False
        self._takes_temperature = model.capabilities.temperature is not False
        self._output_tokens = model.limits.output
        self._input_tokens = model.limits.input or model.limits.context
        self.warnings = _warnings(model)

    def problems(self, request: ChatRequest, body_bytes: int) -> list[str]:
        """Return a sentence for each thing that the model cannot do; `body_bytes` is the length of the encoded body."""
        found: list[str] = []
        parameters = request.parameters
        for message in request.messages:
            if type(message.get("content")) is not str and self._takes:
                found += self._unsupported_modalities(modalities_of(request))
                break
        if request.tools and not self._calls_tools:
            found.append("it calls no tools")
        if "temperature" in parameters and not self._takes_temperature:
            found.append("it takes no temperature")
        if request.reasoning_controls is not None and (
            "reasoning_effort" in parameters or "reasoning_budget" in parameters
        ):
            from msgflux_like.dialects._shared import reasoning  # noqa: PLC0415  only for calls that control reasoning

            found += reasoning.problems(parameters, request.reasoning_controls)
        max_tokens = parameters.get("max_tokens")
        if max_tokens is not None and self._output_tokens is not None and max_tokens > self._output_tokens:
            found.append(f"max_tokens is {max_tokens}, and it writes at most {self._output_tokens}")
        least, most = body_bytes // _BYTES_PER_TOKEN_AT_MOST, self._input_tokens
        if most is not None and least > most and modalities_of(request) == {"text"}:
            found.append(f"the request has at least {least} tokens, and it takes {most}")
        return found

    def _unsupported_modalities(self, kinds: set[str]) -> list[str]:
        known = ", ".join(kind for kind in _KINDS if kind in self._takes)
        return [f"it takes no {kind} (it takes {known})" for kind in sorted(kinds - self._takes)]


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
    able = [other for other in accepting if other.id != model.id and other.status != "deprecated"]
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


def _price_distance(one: ModelProfile, other: ModelProfile) -> float:
    return abs(_price(one) - _price(other))


def _price(model: ModelProfile) -> Any:
    return model.cost.input_per_million + model.cost.output_per_million if model.cost else 1e9
