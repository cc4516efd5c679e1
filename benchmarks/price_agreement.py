"""Our cost of random usage against that of `genai-prices`, for every model both know.

    python benchmarks/price_agreement.py --write docs/cost-agreement.md

Two questions, because prices and arithmetic can be wrong apart. Given *their* prices, does our arithmetic give their
total? And each with its own prices, which models cost the same, and why do the others not?
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from genai_prices import Usage, calc_price
from genai_prices.data import providers as their_providers

from msgflux_like.catalog.cost import Buckets, CostTier, ModelCost, PriceList
from msgflux_like.catalog.profiles import ModelProfile, provider_ids, search_profiles, snapshot_info

if TYPE_CHECKING:
    from collections.abc import Iterator

OUR_NAME = {
    "aws": "amazon-bedrock",
    "cloudflare": "cloudflare-workers-ai",
    "fireworks": "fireworks-ai",
    "novita": "novita-ai",
    "together": "togetherai",
    "x-ai": "xai",
}
"""Their provider ids where ours differ."""

NOON = datetime(2026, 9, 30, 12, tzinfo=UTC)  # some of their prices hold for a time of day
USAGES_EACH = 10
SHORT, LONG = 1_000, 1_000_000

# Our price -> theirs.
PRICES = {
    "input_per_million": "input_mtok",
    "output_per_million": "output_mtok",
    "cache_read_per_million": "cache_read_mtok",
    "cache_write_per_million": "cache_write_mtok",
    "reasoning_per_million": "output_reasoning_mtok",
    "input_audio_per_million": "input_audio_mtok",
    "output_audio_per_million": "output_audio_mtok",
}

# Our count -> theirs.
COUNTS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
    "input_audio_tokens": "input_audio_tokens",
    "output_audio_tokens": "output_audio_tokens",
}

REASONS = {
    "request fee": "They add a fee for each request, which a price list per token cannot hold.",
    "digits": "The same price with fewer digits on one side; less than 2 % apart.",
    "region": "The price depends on the region, and only one side tells the regions of this id apart.",
    "image or video out": "The catalogue's output price is that of the images or videos it makes, theirs its text's.",
    "free": "One side lists the model as free, or as part of a subscription.",
    "long context": "One side lists a dearer tier for a long context, the other does not, or not any more.",
    "cache": "The prices of cache reads or writes differ, or one side has none and the input price (or 0) stands in.",
    "audio or reasoning": "Only the prices of audio or reasoning tokens differ, or one side has none.",
    "gateway": "A gateway's price is that of the upstream it names first, and changes from day to day.",
    "currency": "They convert the price in yuan, the catalogue lists the international price in dollars.",
    "dated": "They price by date or time of day (a change since then, off-peak hours); the catalogue has one price.",
    "other": "The two lists differ, and nothing in either says why; they were read on different days.",
}


class Pair(NamedTuple):
    """One model as both know it."""

    ours: ModelProfile
    provider: Any
    model: Any
    prices: Any


class Compared(NamedTuple):
    """What came of it.

    Attributes:
        pair: The model.
        difference: A key of `REASONS`, or None where all usages cost the same with each side's own prices.
        same_arithmetic: Whether all usages cost the same with their prices on both sides.
    """

    pair: Pair
    difference: str | None
    same_arithmetic: bool


def pairs() -> Iterator[Pair]:
    """Every model of our catalogue that has a price here and at the same provider there."""
    known = set(provider_ids())
    for provider in their_providers:
        name = OUR_NAME.get(provider.id, provider.id)
        for profile in search_profiles(provider=name) if name in known else ():
            model = provider.find_model(profile.id)
            if profile.cost is not None and model is not None:
                yield Pair(profile, provider, model, model.get_prices(NOON))


def usages(profile: ModelProfile) -> Iterator[dict[str, int]]:
    """Counts that such a model can report, the same ones every time."""
    chance = random.Random(f"{profile.provider_id}/{profile.id}")
    for number in range(USAGES_EACH):
        # Short ones, and always some that are longer than any tier's bound.
        whole_in, whole_out = (
            chance.randrange(10 ** (2 + number % 5)) + LONG * (number % 5 == 0),
            chance.randrange(10_000),
        )
        cached = chance.randint(0, whole_in)
        written = chance.randint(0, whole_in - cached)
        reasoning = chance.randint(0, whole_out) if profile.capabilities.reasoning else 0
        yield {
            "input_tokens": whole_in,
            "output_tokens": whole_out,
            "cached_tokens": cached,
            "cache_write_tokens": written,
            "reasoning_tokens": reasoning,
            "input_audio_tokens": _share(chance, profile.modalities.input, whole_in - cached - written),
            "output_audio_tokens": _share(chance, profile.modalities.output, whole_out - reasoning),
        }


def their_total(pair: Pair, usage: dict[str, int]) -> Decimal:
    # No audio is from the cache and no reasoning is audio: said, because otherwise they refuse to guess.
    counts = {COUNTS[name]: count for name, count in usage.items() if count} | {"cache_audio_read_tokens": 0}
    return calc_price(
        Usage(**counts), pair.ours.id, provider_id=pair.provider.id, genai_request_timestamp=NOON
    ).total_price


def as_our_cost(prices: Any) -> ModelCost:
    """Their prices in our form."""
    starts = sorted({tier.start for name in PRICES.values() for tier in getattr(getattr(prices, name), "tiers", ())})
    tiers = (
        msgspec.convert({**_list_at(prices, start + 1), "tier": {"type": "context", "size": start}}, CostTier)
        for start in starts
    )
    return msgspec.structs.replace(msgspec.convert(_list_at(prices, 0), ModelCost), tiers=tuple(tiers))


def compare(pair: Pair) -> Compared:
    assert pair.ours.cost is not None
    theirs = as_our_cost(pair.prices)
    totals = [(usage, their_total(pair, usage)) for usage in usages(pair.ours)]
    same = all(total == pair.ours.cost.breakdown(**usage).total for usage, total in totals)
    return Compared(
        pair,
        difference=None if same else difference(pair),
        same_arithmetic=all(total == theirs.breakdown(**usage).total for usage, total in totals),
    )


def difference(pair: Pair) -> str:
    """Which of `REASONS` it is, by the prices that differ."""
    assert pair.ours.cost is not None
    if pair.prices.requests_kcount:
        return "request fee"
    theirs = as_our_cost(pair.prices)
    short, long = (_differing(pair.ours.cost, theirs, context) for context in (SHORT, LONG))
    apart = {**short, **long}
    kinds = {kind for _, kind in apart}
    named = [
        (all(abs(our - their) * 50 < max(our, their) for our, their in apart.values()), "digits"),
        (pair.ours.provider_id == "amazon-bedrock" and pair.model.id != pair.ours.id, "region"),
        (bool({"image", "video"} & set(pair.ours.modalities.output)) and "output" in kinds, "image or video out"),
        (_is_free(pair.ours.cost) != _is_free(theirs), "free"),
        (not short, "long context"),
        (kinds <= {"cache_read", "cache_write"}, "cache"),
        (kinds <= {"reasoning", "input_audio", "output_audio"}, "audio or reasoning"),
        (pair.ours.provider_id == "openrouter", "gateway"),
        (pair.ours.provider_id == "zhipuai", "currency"),
        (isinstance(pair.model.prices, list), "dated"),
    ]
    return next((reason for holds, reason in named if holds), "other")


def page(compared: list[Compared]) -> str:
    """The page of the documentation."""
    by_reason = Counter(item.difference for item in compared)
    per_token = [item for item in compared if item.difference != "request fee"]
    same_arithmetic = sum(item.same_arithmetic for item in per_token)
    lines = f"""\
# Does the cost agree with an independent source?

Written by `python benchmarks/price_agreement.py --write docs/cost-agreement.md`, not by hand.

Compared: the shipped snapshot, up to {snapshot_info().newest_entry}, with genai-prices {version("genai-prices")}: \
{len(compared)} models that both know, {USAGES_EACH} random usages each.

**Arithmetic.** Given genai-prices' prices, our total is theirs to the last digit for {same_arithmetic} of the \
{len(per_token)} models whose price is per token.

**Prices.** With each side's own prices, {by_reason[None]} models ({by_reason[None] / len(compared):.0%}) cost \
the same on all usages. The others differ in what the sources list:

| difference | models | why | for instance |
|---|---:|---|---|""".splitlines()
    for reason, why in REASONS.items():
        found = [item.pair.ours for item in compared if item.difference == reason]
        if found:
            lines.append(f"| {reason} | {len(found)} | {why} | `{found[0].provider_id}/{found[0].id}` |")
    lines += ["", "By provider:", "", "| provider | both know | cost the same | differences |", "|---|---:|---:|---|"]
    for provider_id in sorted({item.pair.ours.provider_id for item in compared}):
        mine = Counter(item.difference for item in compared if item.pair.ours.provider_id == provider_id)
        others = ", ".join(f"{reason} {mine[reason]}" for reason in REASONS if mine[reason])
        lines.append(f"| {provider_id} | {mine.total()} | {mine[None]} | {others} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page there")
    options = parser.parse_args()
    text = page([compare(pair) for pair in pairs()])
    if options.write:
        options.write.write_text(text)
    else:
        sys.stdout.write(text)


def _share(chance: random.Random, modalities: list[str], at_most: int) -> int:
    return chance.randint(0, at_most) if "audio" in modalities else 0


def _list_at(prices: Any, input_tokens: int) -> dict[str, float]:
    found = {ours: _price_at(getattr(prices, theirs), input_tokens) for ours, theirs in PRICES.items()}
    # What they have no price for costs nothing there.
    found = {name: price for name, price in found.items() if price is not None}
    return {
        PriceList.__struct_encode_fields__[PriceList.__struct_fields__.index(name)]: float(price)
        for name, price in {"input_per_million": 0, "output_per_million": 0, **found}.items()
    }


def _price_at(price: Any, input_tokens: int) -> Any:
    for tier in reversed(getattr(price, "tiers", ())):
        if input_tokens > tier.start:
            return tier.price
    return getattr(price, "base", price)


def _differing(ours: ModelCost, theirs: ModelCost, context: int) -> dict[tuple[int, str], tuple[Decimal, Decimal]]:
    our, their = (cost.breakdown(context, 0).per_million for cost in (ours, theirs))
    found = {(context, kind): (getattr(our, kind), getattr(their, kind)) for kind in Buckets.__struct_fields__}
    return {place: prices for place, prices in found.items() if prices[0] != prices[1]}


def _is_free(cost: ModelCost) -> bool:
    return cost.input_per_million == cost.output_per_million == 0


if __name__ == "__main__":
    main()
