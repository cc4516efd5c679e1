from __future__ import annotations

import runpy
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pytest

pytest.importorskip("genai_prices")

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cost-agreement.md"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(ROOT / "benchmarks" / "price_agreement.py"))


@pytest.fixture(scope="module")
def compared(script):
    return [script["compare"](pair) for pair in script["pairs"]()]


def test_most_of_the_models_both_know_are_compared(compared):
    assert len(compared) > 800
    assert len({item.pair.ours.provider_id for item in compared}) > 20


def test_the_same_prices_give_the_same_total_to_the_last_digit(compared):
    per_token = [item for item in compared if item.difference != "request fee"]
    wrong = [f"{item.pair.ours.provider_id}/{item.pair.ours.id}" for item in per_token if not item.same_arithmetic]
    assert wrong == []


def test_every_difference_has_a_reason_and_few_have_no_better_one_than_other(script, compared):
    different = [item.difference for item in compared if item.difference is not None]
    assert set(different) <= set(script["REASONS"])
    assert different.count("other") < len(compared) / 50
    assert len(different) < len(compared) / 3


def test_the_labs_own_prices_agree_but_for_what_is_known(compared):
    for lab, at_most in {"openai": 1, "anthropic": 3, "xai": 0, "groq": 1, "google": 7}.items():
        different = [item for item in compared if item.pair.ours.provider_id == lab and item.difference]
        assert len(different) <= at_most, different


def test_the_page_says_what_the_script_finds(script, compared):
    text = PAGE.read_text()
    newest = script["snapshot_info"]().newest_entry
    if f"genai-prices {version('genai-prices')}" not in text or f"up to {newest:%Y-%m-%d}," not in text:
        pytest.skip("the page is of other prices: python benchmarks/price_agreement.py --write docs/cost-agreement.md")
    assert isinstance(newest, date)
    assert script["page"](compared) == text
