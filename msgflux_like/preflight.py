"""What a model's profile says against a request, before it is sent.

Only what the catalogue states counts: what it does not say never stands in the way, and an unknown model passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgflux_like.errors import CapabilityError
from msgflux_like.models.profiles import ModelProfile, search_profiles
from msgflux_like.request import ChatRequest
from msgflux_like.shapes import as_list, as_mapping

Check = Literal["error", "warn", "off"]

# Text of any language takes more than one token for this many bytes of JSON, so that what is over is over.
_BYTES_PER_TOKEN_AT_MOST = 8

_MODALITY: Mapping[str, str] = {"image_url": "image", "input_audio": "audio", "video_url": "video"}


def problems(request: ChatRequest, body_bytes: int, model: ModelProfile) -> list[str]:
    """One sentence for each thing that the model cannot do; `body_bytes` is the length of the request on the wire."""
    return [*_modalities(request, model), *_capabilities(request, model), *_limits(request, body_bytes, model)]


def warnings(model: ModelProfile) -> list[str]:
    """What a caller should know of the model itself."""
    name = f"{model.provider_id}/{model.id}"
    if model.retired_on is not None:
        return [f"{name} left the catalogue after {model.retired_on}"]
    if model.status == "deprecated":
        return [f"{name} is deprecated"]
    return []


def refusal(found: list[str], request: ChatRequest, model: ModelProfile) -> CapabilityError:
    """One error for all problems, with up to three models of the same provider that would do."""
    alternatives = _alternatives(request, model)
    instead = f" These would do: {', '.join(alternatives)}." if alternatives else ""
    return CapabilityError(
        f"{model.provider_id}/{model.id} cannot take this request: {'; '.join(found)}.{instead} "
        f'(check="warn" sends it all the same)',
        problems=tuple(found),
        alternatives=alternatives,
    )


def modalities_of(request: ChatRequest) -> set[str]:
    """The kinds of content in the messages: "text", and "image", "audio", "video" or "pdf" where there are such."""
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


def _modalities(request: ChatRequest, model: ModelProfile) -> Iterator[str]:
    takes = model.modalities.input
    for kind in sorted(modalities_of(request)) if takes else ():
        if kind not in takes:
            yield f"it takes no {kind} (it takes {', '.join(takes)})"


def _capabilities(request: ChatRequest, model: ModelProfile) -> Iterator[str]:
    capabilities = model.capabilities
    if request.tools and capabilities.tool_call is False:
        yield "it calls no tools"
    if "temperature" in request.parameters and capabilities.temperature is False:
        yield "it takes no temperature"


def _limits(request: ChatRequest, body_bytes: int, model: ModelProfile) -> Iterator[str]:
    limits = model.limits
    wanted = request.parameters.get("max_tokens")
    if wanted is not None and limits.output is not None and wanted > limits.output:
        yield f"max_tokens is {wanted}, and it writes at most {limits.output}"
    least = body_bytes // _BYTES_PER_TOKEN_AT_MOST
    longest = limits.input or limits.context
    if longest is not None and least > longest and modalities_of(request) == {"text"}:
        yield f"the request has at least {least} tokens, and it takes {longest}"


def _alternatives(request: ChatRequest, model: ModelProfile) -> tuple[str, ...]:
    """Models of the same provider that could take the request, those that cost most like this one first."""
    wanted = search_profiles(
        provider=model.provider_id,
        tools=True if request.tools else None,
        input_modalities=sorted(modalities_of(request)),
        output_modalities="text",
        min_output_tokens=request.parameters.get("max_tokens"),
        sort="date",
    )
    able = [other for other in wanted if other.id != model.id and other.status != "deprecated"]
    if "temperature" in request.parameters:
        able = [other for other in able if other.capabilities.temperature]
    able.sort(key=lambda other: _price_distance(other, model))
    return tuple(f"{other.provider_id}/{other.id}" for other in able[:3])


def _price_distance(one: ModelProfile, other: ModelProfile) -> float:
    return abs(_price(one) - _price(other))


def _price(model: ModelProfile) -> Any:
    return model.cost.input_per_million + model.cost.output_per_million if model.cost else 1e9
