"""`msgflux-like run --dry-run`: the request that would be sent, and its estimated cost."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from msgflux_like.calls.estimate import Estimate
from msgflux_like.calls.plan import CallPlan
from msgflux_like.cli.output import echo, printable_json
from msgflux_like.cli.tables import card, dollar_range


def echo_plan(plan: CallPlan) -> None:
    """Print a card of facts, followed by the body as JSON."""
    body = printable_json(msgspec.json.format(msgspec.json.encode(plan.body), indent=2).decode())
    echo(*card(_facts(plan)), "", body)


def _facts(plan: CallPlan) -> Iterator[tuple[str, str]]:
    yield "POST", plan.url
    for number, (name, value) in enumerate(plan.headers.items()):
        yield "" if number else "headers", f"{name}: {value}"
    for number, change in enumerate(plan.changes):
        yield "" if number else "changes", f"{change.field} {change.kind}: {change.detail}"
    for number, warning in enumerate(plan.warnings):
        yield "" if number else "warnings", warning
    yield "tokens", _tokens(plan.cost) if plan.cost else ""
    yield "price", f"{dollar_range(plan.cost.low, plan.cost.high)} US dollars" if plan.cost else "not known"
    yield "cache key", plan.cache_key or ""


def _tokens(cost: Estimate) -> str:
    how = "counted" if cost.exact else "estimated"
    return f"{cost.input_tokens:,} in ({how}), up to {cost.max_output_tokens:,} out"
