"""Requests that a model refuses as they are: changed with a record, or refused before they are sent."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from msgflux_like.calls.base_model import ModelFacts
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import Change, ChatRequest

_THINKING: Final = frozenset({"reasoning_effort", "reasoning_budget"})


def adapt_request(request: ChatRequest, facts: ModelFacts) -> tuple[ChatRequest, tuple[Change, ...]]:
    """Return the request as the model takes it, and what was changed.

    Raises:
        UnsupportedError: The model takes no such call.
    """
    rules = facts.rules
    if rules.stream_only and not request.stream:
        raise UnsupportedError(f"{request.model} answers streamed calls only: call it with stream=True")
    changes: list[Change] = []
    for kept, left_out in rules.together:
        given = request.parameters
        if kept in given and left_out in given:
            if given[kept] == 1 != given[left_out]:  # the default value says nothing
                kept, left_out = left_out, kept  # noqa: PLW2901  the pair, the other way round
            request = _without(request, left_out)
            changes.append(Change("dropped", left_out, f"the model refuses it together with {kept}"))
    if rules.whole_call and not request.stream:
        request = _with_fields_of_whole_calls(request, facts, changes)
    return request, tuple(changes)


def _without(request: ChatRequest, name: str) -> ChatRequest:
    return replace(request, parameters={each: value for each, value in request.parameters.items() if each != name})


def _with_fields_of_whole_calls(request: ChatRequest, facts: ModelFacts, changes: list[Change]) -> ChatRequest:
    """Return the request with the fields that a call must have which is not streamed."""
    for name, value in facts.rules.whole_call.items():
        if name in request.extra_body:
            continue
        if request.parameters.get("reasoning_effort", "none") != "none" or request.parameters.get("reasoning_budget"):
            raise UnsupportedError(
                f"{request.model} reasons in streamed calls only: use stream=True, or give no reasoning parameters"
            )
        for parameter in _THINKING & request.parameters.keys():
            request = _without(request, parameter)
        changes.append(Change("defaulted", name, f"{value} is sent: the model refuses whole calls without it"))
        request = replace(request, extra_body={**request.extra_body, name: value})
    return request
