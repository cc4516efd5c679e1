"""The cost of a response, calculated from its reported usage and the prices of the model."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from msgflux_like.catalog.cost import CostBreakdown
from msgflux_like.catalog.model_profile import ModelProfile
from msgflux_like.events import TokenUsage


class CostDetails(Struct, frozen=True):
    """The cost of one response, and the source of that number.

    Attributes:
        usd: Cost in US dollars; None if unknown.
        source: "provider" for a cost that the reply states, "catalogue" for token counts times listed prices, "cache"
            for a cached response, which is free; None if the cost is unknown.
        breakdown: Cost by the catalogue's prices for each kind of token, even if the reply states a cost; None if it
            cannot be calculated.
        reason: Why the cost is unknown; None if it is known.
    """

    usd: Decimal | None
    source: Literal["provider", "catalogue", "cache"] | None = None
    breakdown: CostBreakdown | None = None
    reason: str | None = None


FREE = CostDetails(Decimal(0), "cache")


def cost_of(
    usage: TokenUsage | None, model: ModelProfile | None, name: str, stated: Decimal | None = None
) -> CostDetails:
    """Return the cost of a response.

    Args:
        usage: Reported usage; a cost in it counts first.
        model: The model's profile, None if the catalogue has none.
        name: The model's name, for the reason if the cost is unknown.
        stated: Cost that the headers of the reply state, in US dollars; counts before the catalogue's prices.
    """
    if usage is None:
        return CostDetails(stated, "provider") if stated is not None else _unknown(f"{name} reported no usage")
    breakdown, reason = _priced(usage, model, name)
    if usage.cost is not None:
        return CostDetails(Decimal(str(usage.cost)), "provider", breakdown)
    if stated is not None:
        return CostDetails(stated, "provider", breakdown)
    if breakdown is None:
        return _unknown(reason)
    return CostDetails(breakdown.total, "catalogue", breakdown)


def _unknown(reason: str | None) -> CostDetails:
    return CostDetails(None, reason=reason)


def _priced(usage: TokenUsage, model: ModelProfile | None, name: str) -> tuple[CostBreakdown | None, str | None]:
    if model is None:
        return None, f"{name} is not in the catalogue"
    if model.cost is None:
        return None, f"the catalogue has no price for {name}"
    if usage.input is None or usage.output is None:
        return None, f"{name} reported only a part of its usage"
    if usage.billed_input is not None and usage.billed_output is not None:
        return model.cost.breakdown(usage.billed_input, usage.billed_output), None
    try:
        return model.cost.breakdown(
            usage.input,
            usage.output,
            cached_tokens=usage.cached_input or 0,
            cache_write_tokens=usage.cache_write or 0,
            reasoning_tokens=usage.reasoning or 0,
        ), None
    except ValueError as error:  # the parts exceed the whole
        return None, f"{name} reported a usage that does not add up: {error}"
