"""`msgflux-like models show`: all that is known about one model."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import msgspec

from msgflux_like.catalog.cost import PriceList
from msgflux_like.catalog.profiles import ModelProfile, ReasoningOption, get_same_models
from msgflux_like.cli import provider_status
from msgflux_like.cli.lookup import find_model
from msgflux_like.cli.output import echo, printable_json
from msgflux_like.cli.tables import card, dollars
from msgflux_like.providers import resolve

_PRICES = {
    "input": "input_per_million",
    "output": "output_per_million",
    "cache read": "cache_read_per_million",
    "cache write": "cache_write_per_million",
    "reasoning": "reasoning_per_million",
    "audio in": "input_audio_per_million",
    "audio out": "output_audio_per_million",
}


def show(options: argparse.Namespace) -> int:
    """Print a card of facts, or the catalogue's entry as JSON."""
    profile = find_model(options.model)
    if options.json:
        echo(printable_json(msgspec.json.format(msgspec.json.encode(profile.raw), indent=2).decode()))
    else:
        echo(*card(_facts(profile)))
    return 0


def _facts(profile: ModelProfile) -> Iterator[tuple[str, str]]:
    yield "model", f"{profile.provider_id}/{profile.id}"
    yield from _description(profile)
    yield from _capabilities(profile)
    yield from _sizes(profile)
    yield from _prices(profile)
    yield from _connection(profile)
    others = [f"{each.provider_id}/{each.id}" for each in get_same_models(profile) if each != profile]
    yield "also at", " ".join(others)


def _description(profile: ModelProfile) -> Iterator[tuple[str, str]]:
    yield "name", profile.name
    yield "", profile.description or ""
    yield "family", profile.family or ""
    yield "released", profile.release_date or ""
    yield "updated", profile.last_updated or ""
    yield "knows until", profile.knowledge or ""
    if profile.open_weights is not None:
        yield "weights", "open" if profile.open_weights else "closed"
    yield "status", profile.status or ""
    if profile.retired_on:
        yield "retired", resolve.explain_unknown_model(profile.provider_id, profile.id)


def _capabilities(profile: ModelProfile) -> Iterator[tuple[str, str]]:
    yield "takes", " ".join(profile.modalities.input)
    yield "gives", " ".join(profile.modalities.output)
    words = {True: "can", False: "cannot", None: "not known"}
    able = msgspec.structs.asdict(profile.capabilities)
    for answer, label in words.items():
        yield label, ", ".join(name.replace("_", " ") for name, known in able.items() if known is answer)
    for number, option in enumerate(profile.reasoning_options or ()):
        yield "" if number else "reasoning", _reasoning(option)
    if profile.interleaved:
        field = "" if profile.interleaved is True else f", in {profile.interleaved.field}"
        yield "", f"between tool calls{field}"


def _reasoning(option: ReasoningOption) -> str:
    if option.type == "toggle":
        return "on or off"
    if option.type == "effort":
        return f"effort: {', '.join(value or 'not given' for value in option.values)}"
    bounds = (
        (f"{word} {bound:,}" for word, bound in (("from", option.min_tokens), ("to", option.max_tokens)) if bound)
        if option.type == "budget_tokens"
        else ()
    )
    return " ".join((option.type.replace("_", " "), *bounds))


def _sizes(profile: ModelProfile) -> Iterator[tuple[str, str]]:
    for name, tokens in msgspec.structs.asdict(profile.limits).items():
        yield name, f"{tokens:,} tokens" if tokens else ""


def _prices(profile: ModelProfile) -> Iterator[tuple[str, str]]:
    cost = profile.cost
    if cost is None:
        yield "price", "not known"
        return
    yield "price", f"{_list(cost)} (US dollars per million tokens)"
    for tier in cost.tiers:
        yield "", f"above {tier.tier.size:,} tokens of {tier.tier.type}: {_list(tier)}"
    if cost.context_over_200k and not cost.tiers:
        yield "", f"above 200,000 tokens of context: {_list(cost.context_over_200k)}"
    for name, mode in profile.modes.items():
        yield f"mode {name}", _list(mode.cost) if mode.cost else "the same price"


def _list(prices: PriceList) -> str:
    stated = ((label, getattr(prices, field)) for label, field in _PRICES.items())
    return ", ".join(f"{label} {dollars(price)}" for label, price in stated if price is not None)


def _connection(profile: ModelProfile) -> Iterator[tuple[str, str]]:
    found = provider_status.find(profile.provider_id, profile.id)
    if (row := found.row) is None:
        yield "out of reach", found.problem
        return
    url, variable = provider_status.address(row)
    yield "dialect", row.dialect
    yield "base URL", f"{url} (from {variable})" if variable else url
    yield "key", provider_status.key_words(row)
    yield "problem", provider_status.problem(row)
    yield "docs", row.docs
