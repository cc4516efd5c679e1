from __future__ import annotations

import decimal
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_like.catalog.cost import Buckets, CostTier, ModelCost, PriceList, TierBound
from msgflux_like.catalog.profiles import get_model_profile

KINDS = ("input", "cache_read", "cache_write", "input_audio", "output", "reasoning", "output_audio")
PLAIN = ModelCost(input_per_million=2.5, output_per_million=10.0)
FULL = ModelCost(
    input_per_million=1,
    output_per_million=2,
    cache_read_per_million=0.1,
    cache_write_per_million=1.25,
    reasoning_per_million=3,
    input_audio_per_million=7,
    output_audio_per_million=9,
)

prices = st.floats(min_value=0, max_value=1e4, allow_nan=False).map(lambda price: round(price, 6))
counts = st.integers(min_value=0, max_value=10**9)
price_lists = {f"{name}_per_million": prices for name in ("input", "output")} | {
    f"{name}_per_million": st.none() | prices
    for name in ("cache_read", "cache_write", "reasoning", "input_audio", "output_audio")
}
tiers = st.builds(CostTier, tier=st.builds(TierBound, type=st.just("context"), size=counts), **price_lists)
costs = st.builds(
    ModelCost,
    tiers=st.lists(tiers, max_size=3).map(tuple),
    context_over_200k=st.none() | st.builds(PriceList, **price_lists),
    **price_lists,
)


@st.composite
def usages(draw):
    """Disjoint counts, and the counts of the call they mean."""
    parts = {kind: draw(counts) for kind in KINDS}
    return parts, {
        "input_tokens": sum(parts[kind] for kind in ("input", "cache_read", "cache_write", "input_audio")),
        "output_tokens": sum(parts[kind] for kind in ("output", "reasoning", "output_audio")),
        "cached_tokens": parts["cache_read"],
        "cache_write_tokens": parts["cache_write"],
        "reasoning_tokens": parts["reasoning"],
        "input_audio_tokens": parts["input_audio"],
        "output_audio_tokens": parts["output_audio"],
    }


@given(costs, usages())
def test_every_token_is_counted_once_and_the_parts_add_up_to_the_total(cost, usage):
    parts, call = usage
    spent = cost.breakdown(**call)
    assert {kind: getattr(spent.tokens, kind) for kind in KINDS} == parts
    with decimal.localcontext(prec=200):
        for kind in KINDS:
            assert getattr(spent, kind) * 1_000_000 == parts[kind] * getattr(spent.per_million, kind)
        assert sum(getattr(spent, kind) for kind in KINDS) == spent.total
    assert cost.calculate(**call) == float(spent.total)


@given(costs, usages())
def test_the_total_does_not_depend_on_the_callers_decimal_context(cost, usage):
    expected = cost.breakdown(**usage[1]).total
    with decimal.localcontext(prec=3):
        assert cost.breakdown(**usage[1]).total == expected


@given(costs, usages(), st.sampled_from(["cached_tokens", "cache_write_tokens", "reasoning_tokens"]))
def test_a_token_that_moves_to_another_kind_costs_the_difference_of_the_two_prices(cost, usage, part):
    kind, whole = {
        "cached_tokens": ("cache_read", "input"),
        "cache_write_tokens": ("cache_write", "input"),
        "reasoning_tokens": ("reasoning", "output"),
    }[part]
    parts, call = usage
    if parts[whole] == 0:
        return
    before, after = cost.breakdown(**call), cost.breakdown(**call | {part: call[part] + 1})
    with decimal.localcontext(prec=200):
        apart = getattr(before.per_million, kind) - getattr(before.per_million, whole)
        assert (after.total - before.total) * 1_000_000 == apart


def test_a_thousand_in_and_five_hundred_out_of_gpt_4o_cost_three_quarters_of_a_cent():
    cost = get_model_profile("gpt-4o", provider_id="openai").cost
    assert cost.calculate(input_tokens=1000, output_tokens=500) == 0.0075
    assert f"{cost.calculate(input_tokens=1000, output_tokens=500):.4f}" == "0.0075"


def test_cached_tokens_are_billed_at_the_cache_price_instead_of_the_input_price():
    cost = get_model_profile("gpt-4o", provider_id="openai").cost
    assert cost.calculate(1000, 0, 1000) == 0.00125
    assert cost.calculate(1000, 0, cached_tokens=400) == 0.002


def test_every_kind_has_its_own_price():
    spent = FULL.breakdown(
        1_000_000,
        1_000_000,
        cached_tokens=200_000,
        cache_write_tokens=100_000,
        reasoning_tokens=300_000,
        input_audio_tokens=50_000,
        output_audio_tokens=50_000,
    )
    assert spent.input == Decimal("0.65")
    assert spent.cache_read == Decimal("0.02")
    assert spent.cache_write == Decimal("0.125")
    assert spent.input_audio == Decimal("0.35")
    assert spent.output == Decimal("1.3")
    assert spent.reasoning == Decimal("0.9")
    assert spent.output_audio == Decimal("0.45")
    assert spent.total == Decimal("3.795")


def test_a_price_the_catalogue_lacks_is_that_of_the_whole():
    used = PLAIN.breakdown(0, 0).per_million
    assert used == Buckets(
        input=Decimal("2.5"),
        cache_read=Decimal("2.5"),
        cache_write=Decimal("2.5"),
        input_audio=Decimal("2.5"),
        output=Decimal(10),
        reasoning=Decimal(10),
        output_audio=Decimal(10),
    )


def test_a_price_of_zero_is_not_a_missing_one():
    cost = ModelCost(input_per_million=1, output_per_million=1, cache_read_per_million=0)
    assert cost.calculate(1000, 0, cached_tokens=1000) == 0


def test_nothing_costs_nothing():
    spent = PLAIN.breakdown(0, 0)
    assert str(spent.total) == "0"


def test_above_its_bound_a_tier_holds_for_the_whole_request():
    cost = get_model_profile("gemini-2.5-pro", provider_id="google").cost
    at, above = cost.breakdown(200_000, 0), cost.breakdown(200_001, 0)
    assert (at.above_context_tokens, above.above_context_tokens) == (None, 200_000)
    assert at.total == Decimal("0.25")
    assert above.total == Decimal("0.5000025")


def test_of_several_tiers_the_highest_that_is_reached_holds_in_whatever_order_they_stand():
    def tier(size, price):
        return CostTier(input_per_million=price, output_per_million=0, tier=TierBound(type="context", size=size))

    cost = ModelCost(input_per_million=1, output_per_million=0, tiers=(tier(200, 3), tier(100, 2)))
    assert [cost.breakdown(count, 0).per_million.input for count in (100, 101, 200, 201)] == [1, 2, 2, 3]


def test_the_older_form_of_a_tier_is_used_when_it_is_the_only_one():
    over = PriceList(input_per_million=4, output_per_million=8)
    old = ModelCost(input_per_million=2, output_per_million=4, context_over_200k=over)
    assert old.breakdown(200_001, 0).per_million.input == 4
    new = msgspec.structs.replace(
        old,
        tiers=(CostTier(input_per_million=3, output_per_million=6, tier=TierBound(type="context", size=300_000)),),
    )
    assert new.breakdown(200_001, 0).per_million.input == 2
    assert new.breakdown(300_001, 0).per_million.input == 3


def test_a_tier_of_a_kind_that_is_not_known_is_left_out():
    odd = CostTier(input_per_million=9, output_per_million=9, tier=TierBound(type="moon phase", size=1))
    cost = ModelCost(input_per_million=1, output_per_million=1, tiers=(odd,))
    assert cost.breakdown(1000, 0).per_million.input == 1


def test_a_mode_has_prices_of_its_own():
    profile = get_model_profile("claude-opus-5", provider_id="anthropic")
    assert profile.modes["fast"].cost.calculate(1000, 1000) == 2 * profile.cost.calculate(1000, 1000)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"input_tokens": -1, "output_tokens": 0}, "input_tokens must be a whole number of tokens, 0 or more; got -1"),
        ({"input_tokens": 0, "output_tokens": -5}, "output_tokens must be a whole number of tokens, 0 or more; got -5"),
        ({"input_tokens": 1.5, "output_tokens": 0}, "input_tokens must be a whole number of tokens"),
        ({"input_tokens": True, "output_tokens": 0}, "input_tokens must be a whole number of tokens"),
        ({"input_tokens": 1, "output_tokens": 0, "cached_tokens": -1}, "cached_tokens must be a whole number"),
        (
            {"input_tokens": 1, "output_tokens": 0, "cached_tokens": 2},
            "cached_tokens=2 is more than input_tokens=1, which includes it",
        ),
        (
            {"input_tokens": 5, "output_tokens": 0, "cached_tokens": 3, "cache_write_tokens": 3},
            r"cached_tokens=3 \+ cache_write_tokens=3 is more than input_tokens=5",
        ),
        ({"input_tokens": 0, "output_tokens": 1, "reasoning_tokens": 2}, "reasoning_tokens=2 is more than output_tok"),
        ({"input_tokens": 0, "output_tokens": 1, "output_audio_tokens": 2}, "output_audio_tokens=2 is more than outp"),
    ],
)
def test_a_count_that_cannot_be_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        PLAIN.calculate(**call)


def test_prices_decode_from_the_catalogues_form_and_encode_to_it():
    wire = b'{"input":2.5,"output":10.0,"cache_read":1.25}'
    cost = msgspec.json.decode(wire, type=ModelCost)
    assert cost.cache_read_per_million == 1.25
    assert msgspec.json.encode(cost) == wire


@pytest.mark.parametrize("wire", [b'{"input":-1,"output":1}', b'{"input":1,"output":1e999}', b'{"input":1}'])
def test_prices_that_cannot_be_do_not_decode(wire):
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(wire, type=ModelCost)
