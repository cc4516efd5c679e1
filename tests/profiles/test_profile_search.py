from __future__ import annotations

from datetime import date

import pytest

from msgflux_like.catalog.profiles import all_profiles, search_profiles


def test_asking_for_nothing_gives_everything_in_order_of_names():
    found = search_profiles()
    assert sorted(found, key=lambda profile: (profile.provider_id, profile.id)) == list(found)
    assert len(found) == len(all_profiles())


def test_all_that_is_asked_holds_of_all_that_is_found():
    found = search_profiles(
        tools=True,
        reasoning=True,
        structured_output=True,
        input_modalities=["text", "image"],
        output_modalities="text",
        open_weights=True,
        max_input_per_million=1,
        max_output_per_million=5,
        min_context_tokens=100_000,
        min_output_tokens=8_000,
        released_after=date(2025, 6, 1),
        status="stable",
        sort="price",
    )
    assert found
    for profile in found:
        able = profile.capabilities
        assert able.tool_call is able.reasoning is able.structured_output is profile.open_weights is True
        assert {"text", "image"} <= set(profile.modalities.input)
        assert "text" in profile.modalities.output
        assert profile.cost.input_per_million <= 1
        assert profile.cost.output_per_million <= 5
        assert profile.limits.context >= 100_000
        assert profile.limits.output >= 8_000
        assert profile.release_date > "2025-06-01"
        assert profile.status is None


def test_unknown_is_neither_yes_nor_no():
    yes, no = search_profiles(structured_output=True), search_profiles(structured_output=False)
    assert len(yes) + len(no) < len(all_profiles())
    assert all(profile.capabilities.structured_output is False for profile in no)


def test_a_model_without_a_price_is_never_within_a_budget_and_sorts_last():
    assert all(profile.cost for profile in search_profiles(max_output_per_million=1e9))
    assert all(profile.cost for profile in search_profiles(max_input_per_million=float("inf")))
    by_price = search_profiles(sort="price")
    known = [profile.cost is not None for profile in by_price]
    assert known == sorted(known, reverse=True)
    assert False in known


def test_a_model_of_unknown_size_is_never_big_enough():
    assert all(profile.limits.context for profile in search_profiles(min_context_tokens=0))


def test_words_are_looked_for_in_path_name_and_family_in_any_case():
    found = search_profiles("HAIKU anthropic", provider="anthropic")
    assert found
    assert all("haiku" in profile.id for profile in found)
    assert search_profiles("no such words anywhere") == ()


def test_one_provider_or_several_can_be_asked_by_any_of_their_names():
    assert {profile.provider_id for profile in search_profiles(provider="together")} == {"togetherai"}
    assert {profile.provider_id for profile in search_profiles(provider=["groq", "gemini"])} == {"groq", "google"}
    assert search_profiles(provider=["together", "togetherai"]) == search_profiles(provider="together")
    assert search_profiles(provider=["ollama", "vllm"]) == ()


def test_the_longest_context_and_the_newest_come_first():
    contexts = [profile.limits.context or 0 for profile in search_profiles(sort="context")]
    assert contexts == sorted(contexts, reverse=True)
    dates = [profile.release_date for profile in search_profiles(provider="openai", sort="date")]
    assert dates == sorted(dates, reverse=True)


def test_a_date_can_be_text_and_a_month_must_be_later_as_a_whole():
    assert search_profiles(released_after="2026-06-30") == search_profiles(released_after=date(2026, 6, 30))
    months = {profile.release_date for profile in all_profiles() if len(profile.release_date) == 7}
    month = max(months)
    assert month in {profile.release_date for profile in search_profiles(released_after="2020-01-01")}
    assert month not in {profile.release_date for profile in search_profiles(released_after=f"{month}-01")}


def test_status_can_be_asked_for():
    assert {profile.status for profile in search_profiles(status="deprecated")} == {"deprecated"}
    assert {profile.status for profile in search_profiles(status="stable")} == {None}


def test_models_that_left_the_catalogue_are_found_only_when_asked_for():
    assert not any(profile.retired_on for profile in search_profiles("o1-mini"))
    assert any(profile.retired_on for profile in search_profiles("o1-mini", provider="openai", retired=True))
    assert any(profile.retired_on for profile in search_profiles("o1-mini", retired=True))


def test_an_unknown_order_is_refused_by_name():
    with pytest.raises(ValueError, match='sort must be "name", "price", "context" or "date"'):
        search_profiles(sort="size")
