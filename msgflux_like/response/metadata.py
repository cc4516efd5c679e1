"""Facts about an answer beside its content: who answered, through which route, at what cost, with which usage.

`CallMetadata` is known before the answer comes. The functions combine it with a `ResponseAccumulator`, which may still
be growing: they give what is known at that moment.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from msgspec import Struct

from msgflux_like._attrdict import dotdict
from msgflux_like.events import FinishReason, TokenUsage
from msgflux_like.request import Change

if TYPE_CHECKING:
    from msgflux_like.catalog.pricing import CostDetails
    from msgflux_like.catalog.profiles import ModelProfile
    from msgflux_like.response.accumulator import ResponseAccumulator


class RouteAttempt(Struct, frozen=True):
    """One model considered by a gateway.

    Attributes:
        model: Path of the model, such as "openai/gpt-4o".
        outcome: "answered", "failed", "cannot" (the model does not support the request), or "resting" (the model
            cools down after an earlier failure, so other models were asked first).
        why: The reason, in one sentence; "" for the model that answered.
        cost: Known cost of a failed attempt, in US dollars; None if unknown.
    """

    model: str
    outcome: Literal["answered", "failed", "cannot", "resting"]
    why: str = ""
    cost: Decimal | None = None


class UsageCounts(dotdict):
    """Token counts of an answer; each is None if it was not reported.

    Attributes:
        completion_tokens: Generated tokens, including reasoning.
        prompt_tokens: Prompt tokens, including cached ones.
        total_tokens: Both.
        cached_tokens: Part of `prompt_tokens` that was read from the provider's cache; absent if not reported.
        cache_write_tokens: Part of `prompt_tokens` that was written to it; absent if not reported.
        reasoning_tokens: Part of `completion_tokens` that was reasoning; absent if not reported.
    """

    completion_tokens: int | None
    prompt_tokens: int | None
    total_tokens: int | None
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int


class ResponseMetadata(dotdict):
    """Facts about an answer beside its content; `ModelResponse.metadata` describes the fields."""

    usage: UsageCounts
    finish_reason: FinishReason | None
    finish_reason_raw: str | None
    finish_message: str
    provider: str
    model: str
    id: str | None
    request_id: str | None
    attempts: int
    cached: bool
    refusal: str


class CallMetadata(NamedTuple):
    """Facts about an answer that are known before it arrives.

    Attributes:
        provider: Name of the provider.
        model: Model id, as sent.
        profile: The model's profile, None if the catalogue has none.
        changes: Parts of the request that were not sent exactly as given.
        warnings: Warnings of the catalogue about the request or the model.
        family: The models that can read the opaque state of the answer.
        reasoning_field: Message field in which the model expects its reasoning back, "" if it does not.
        cached: Whether the answer came from a cache or was shared with an equal concurrent call, at no cost.
        route: The models that a gateway considered.
    """

    provider: str
    model: str
    profile: ModelProfile | None = None
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    family: str = ""
    reasoning_field: str = ""
    cached: bool = False
    route: tuple[RouteAttempt, ...] = ()


def list_changes(answer: ResponseAccumulator, call_metadata: CallMetadata) -> tuple[Change, ...]:
    """Return the parts of the request that were not sent exactly as given, including requests that were retried."""
    if answer.attempts == 1:
        return call_metadata.changes
    return (
        *call_metadata.changes,
        Change("retried", "request", f"it was sent {answer.attempts} times: the others failed"),
    )


def list_warnings(answer: ResponseAccumulator, call_metadata: CallMetadata) -> tuple[str, ...]:
    """Return the warnings about the request or the model, and those about parts of the reply."""
    return (*call_metadata.warnings, *(f"{each.field} {each.detail}" for each in answer.warnings))


def build_cost_details(answer: ResponseAccumulator, call_metadata: CallMetadata) -> CostDetails:
    """Return the cost of the answer, by kind of token; zero for a cached answer."""
    from msgflux_like.catalog.pricing import FREE, cost_of  # noqa: PLC0415  loaded on first use

    if call_metadata.cached:
        return FREE
    name = f"{call_metadata.provider}/{call_metadata.model}"
    return cost_of(answer.usage, call_metadata.profile, name, answer.stated_cost)


def cost_with_route(details: CostDetails, call_metadata: CallMetadata) -> Decimal | None:
    """Return the cost of the answer plus the known cost of failed attempts before it; None if the former is unknown."""
    if details.usd is None:
        return None
    return details.usd + sum((each.cost for each in call_metadata.route if each.cost is not None), Decimal(0))


def cost_saved(answer: ResponseAccumulator, call_metadata: CallMetadata) -> Decimal | None:
    """Return what a cached answer would have cost; zero for an answer that was paid for, None if unknown."""
    return build_cost_details(answer, call_metadata._replace(cached=False)).usd if call_metadata.cached else Decimal(0)


def build_metadata(answer: ResponseAccumulator, call_metadata: CallMetadata) -> ResponseMetadata:
    """Return the facts about an answer beside its content; `ModelResponse.metadata` documents the fields."""
    usage = answer.usage or TokenUsage()
    total = usage.total
    if total is None and usage.input is not None and usage.output is not None:
        total = usage.input + usage.output
    counts: dict[str, Any] = {
        "completion_tokens": usage.output,
        "prompt_tokens": usage.input,
        "total_tokens": total,
    }
    details = {
        "cached_tokens": usage.cached_input,
        "cache_write_tokens": usage.cache_write,
        "reasoning_tokens": usage.reasoning,
    }
    counts |= {name: count for name, count in details.items() if count is not None}
    finished = answer.finished
    reason = finished.reason if finished else None
    if reason == "stop" and answer.calls:
        reason = "tool_calls"  # several hosts report "stop" for a forced call
    facts: dict[str, Any] = {
        "usage": UsageCounts(counts),
        "finish_reason": reason,
        "finish_reason_raw": (finished.raw or None) if finished else None,
        "provider": call_metadata.provider,
        "model": answer.model or call_metadata.model,
        "id": answer.id or None,
        "request_id": answer.request_id or None,
        "attempts": answer.attempts,
        "cached": call_metadata.cached,
    }
    profile = call_metadata.profile
    if profile is not None and profile.id != call_metadata.model:
        facts["base_model"] = f"{profile.provider_id}/{profile.id}"
    if finished and finished.message:
        facts["finish_message"] = finished.message
    if answer.refusal:
        facts["refusal"] = "".join(answer.refusal)
    return ResponseMetadata(facts)
