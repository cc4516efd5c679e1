from __future__ import annotations

import pickle
import subprocess
import sys
import timeit
from datetime import date

import pytest

from msgflux_like.catalog.profiles import (
    PROVIDER_ALIASES,
    all_profiles,
    get_model_profile,
    get_provider_profile,
    get_same_models,
    provider_ids,
    snapshot_info,
)


def test_gpt_4o_has_the_limits_and_prices_that_its_provider_states():
    profile = get_model_profile("gpt-4o", provider_id="openai")
    assert (profile.limits.context, profile.limits.output) == (128_000, 16_384)
    assert (profile.cost.input_per_million, profile.cost.output_per_million) == (2.5, 10)
    assert profile.cost.cache_read_per_million == 1.25
    assert profile.capabilities.tool_call is True
    assert profile.capabilities.structured_output is True
    assert profile.capabilities.reasoning is False
    assert profile.capabilities.attachment is True
    assert profile.capabilities.temperature is True
    assert profile.modalities.input == ["text", "image", "pdf"]
    assert profile.modalities.output == ["text"]
    assert str(profile.modalities.output) == "['text']"
    assert (profile.id, profile.provider_id, profile.name) == ("gpt-4o", "openai", "GPT-4o")
    assert (profile.knowledge, profile.release_date, profile.family) == ("2023-09", "2024-05-13", "gpt")
    assert profile.open_weights is False
    assert profile.retired_on is None


def test_the_first_call_of_a_fresh_process_knows_the_model():
    code = """
import sys
from msgflux_like.models.profiles import get_model_profile
assert get_model_profile("gpt-4o", provider_id="openai").cost.calculate(input_tokens=1000, output_tokens=500) == 0.0075
assert not {"socket", "ssl", "urllib.request", "http.client", "asyncio"} & set(sys.modules), "network code was loaded"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_later_call_takes_microseconds():
    get_model_profile("gpt-4o", provider_id="openai")
    best = min(timeit.repeat(lambda: get_model_profile("gpt-4o", provider_id="openai"), number=1000, repeat=5))
    assert best / 1000 < 100e-6


@pytest.mark.parametrize("provider_id", ["openai", "nobody", None, "bud", "together"])
@pytest.mark.parametrize(
    "model_id", ["no-such-model", "", "/", "../../etc/passwd", "a\0b", "x" * 10_000, "openai/", "gpt-4o/../gpt-4o"]
)
def test_an_unknown_model_is_none(model_id, provider_id):
    assert get_model_profile(model_id, provider_id=provider_id) is None


@pytest.mark.parametrize("provider_id", ["nobody", "", "../openai", "_index", "retired/openai", "a\0b", "x" * 10_000])
def test_an_unknown_provider_is_none_and_never_a_path(provider_id):
    assert get_provider_profile(provider_id) is None
    assert get_model_profile("gpt-4o", provider_id=provider_id) is None


def test_a_provider_has_name_address_keys_documentation_and_models():
    found = get_provider_profile("groq")
    assert (found.id, found.name, found.npm) == ("groq", "Groq", "@ai-sdk/groq")
    assert found.env == ("GROQ_API_KEY",)
    assert found.doc.startswith("https://console.groq.com/")
    assert "llama-3.3-70b-versatile" in found.models
    assert get_provider_profile("deepseek").api == "https://api.deepseek.com"
    assert get_provider_profile("openai").api is None


@pytest.mark.parametrize(("name", "known_as"), [item for item in PROVIDER_ALIASES.items() if item[1]])
def test_a_name_in_use_elsewhere_finds_the_provider(name, known_as):
    assert get_provider_profile(name).id == known_as
    assert get_provider_profile(name.replace("-", "_")).id == known_as
    assert known_as in provider_ids()


@pytest.mark.parametrize("name", [name for name, known_as in PROVIDER_ALIASES.items() if known_as is None])
def test_a_provider_that_serves_what_was_loaded_has_no_profile(name):
    assert get_provider_profile(name) is None
    assert get_model_profile("gpt-4o", provider_id=name) is None


def test_without_a_provider_the_labs_own_listing_comes_first():
    for model_id, lab in {
        "gpt-4o": "openai",
        "claude-opus-4-8": "anthropic",
        "gemini-2.5-pro": "google",
        "deepseek-v4-pro": "deepseek",
        "kimi-k3": "moonshotai",
        "glm-5.3": "zhipuai",
    }.items():
        assert get_model_profile(model_id).provider_id == lab


def test_without_a_provider_a_path_is_understood():
    assert get_model_profile("groq/llama-3.3-70b-versatile").provider_id == "groq"
    assert get_model_profile("openrouter/openai/gpt-4o").id == "openai/gpt-4o"
    assert get_model_profile("together/openai/gpt-oss-120b").provider_id == "togetherai"


def test_without_a_provider_a_listing_with_a_price_comes_before_one_without():
    listed = [profile for profile in all_profiles() if profile.id == "gpt-oss-120b"]
    found = get_model_profile("gpt-oss-120b")
    assert any(profile.cost is None or profile.cost.output_per_million == 0 for profile in listed)
    assert found.cost.output_per_million > 0


def test_every_listing_is_found_under_its_own_provider():
    for profile in all_profiles():
        assert get_model_profile(profile.id, provider_id=profile.provider_id) is profile


def test_a_model_that_left_the_catalogue_is_found_with_the_day_and_its_last_prices():
    profile = get_model_profile("claude-3-5-sonnet-20241022", provider_id="anthropic")
    assert profile.retired_on == date(2026, 6, 18)
    assert profile.gone_by == date(2026, 7, 24)
    assert (profile.cost.input_per_million, profile.cost.output_per_million) == (3, 15)
    assert get_model_profile("openai/o1-mini").retired_on is not None
    assert "o1-mini" not in get_provider_profile("openai").models


def test_the_same_model_is_known_at_other_providers():
    profile = get_model_profile("gpt-4o", provider_id="openai")
    same = get_same_models(profile)
    assert same[0] == profile
    assert {"azure", "openrouter"} <= {other.provider_id for other in same}
    assert all((other.canonical_model_id or "openai/gpt-4o") == "openai/gpt-4o" for other in same)
    assert get_same_models("openai/gpt-4o") == get_same_models(same[-1]) == same
    assert get_same_models("nobody/nothing") == ()


def test_what_is_unknown_is_none_and_never_zero_or_false():
    for profile in all_profiles(retired=True):
        raw = profile.raw
        limits = profile.limits
        assert 0 not in (limits.context, limits.input, limits.output)
        assert profile.capabilities.structured_output is raw.get("structured_output")
        assert profile.capabilities.temperature is raw.get("temperature")
        assert (profile.cost is None) == ("cost" not in raw)
        if profile.cost is not None:
            assert profile.cost.cache_read_per_million == raw["cost"].get("cache_read")


def test_a_price_of_zero_stays_zero():
    free = [profile for profile in all_profiles() if profile.raw.get("cost", {}).get("input") == 0]
    assert free
    assert all(profile.cost.input_per_million == 0 for profile in free)


def test_a_budget_does_not_pick_a_model_whose_price_is_unknown():
    def select_model_by_budget(max_cost_per_million_output):
        models = [
            ("gpt-4o", "openai"),
            ("claude-3-5-sonnet-20241022", "anthropic"),
            ("gemini-2.0-flash-exp", "google"),
        ]
        for model_id, provider in models:
            profile = get_model_profile(model_id, provider_id=provider)
            if (
                profile
                and profile.capabilities.tool_call
                and profile.cost.output_per_million <= max_cost_per_million_output
            ):
                return f"{provider}/{model_id}"
        return None

    assert select_model_by_budget(5.0) is None
    assert select_model_by_budget(10.0) == "openai/gpt-4o"


def test_tiers_overrides_options_and_modes_are_typed():
    tiered = get_model_profile("gemini-2.5-pro", provider_id="google")
    assert [tier.tier.size for tier in tiered.cost.tiers] == [200_000]
    assert tiered.cost.tiers[0].input_per_million > tiered.cost.input_per_million
    modal = get_model_profile("claude-opus-5", provider_id="anthropic")
    assert modal.modes["fast"].cost.input_per_million == 10
    assert modal.modes["fast"].provider_override.body == {"speed": "fast"}
    assert modal.reasoning_options[0].type == "effort"
    assert "high" in modal.reasoning_options[0].values
    assert modal.capabilities.temperature is False
    overridden = [profile for profile in all_profiles() if profile.provider_override]
    assert {"npm", "api", "shape"} == {
        name for profile in overridden for name in ("npm", "api", "shape") if getattr(profile.provider_override, name)
    }
    interleaved = {str(profile.interleaved) for profile in all_profiles()}
    assert {"None", "True", "Interleaved(field='reasoning_content')"} <= interleaved
    budget = [
        option
        for profile in all_profiles()
        for option in profile.reasoning_options or ()
        if option.type == "budget_tokens" and option.max_tokens
    ]
    assert budget


def test_nobody_can_change_a_profile_for_the_others():
    profile = get_model_profile("gpt-4o", provider_id="openai")
    profile.modalities.input.append("smell")
    profile.raw["cost"]["input"] = 0
    with pytest.raises(AttributeError):
        profile.cost.input_per_million = 0
    again = get_model_profile("gpt-4o", provider_id="openai")
    assert again.modalities.input == ["text", "image", "pdf"]
    assert again.raw["cost"]["input"] == 2.5


def test_a_profile_can_be_a_key_be_printed_and_be_pickled():
    profile = get_model_profile("claude-opus-5", provider_id="anthropic")
    assert {profile: 1}[profile] == 1
    assert repr(profile).startswith("ModelProfile(id='claude-opus-5', provider_id='anthropic', name='Claude Opus 5'")
    assert pickle.loads(pickle.dumps(profile)) == profile


def test_the_age_and_place_of_the_profiles_can_be_asked():
    info = snapshot_info()
    assert (info.refreshed, info.problem) == (False, None)
    assert info.newest_entry >= date(2026, 9, 30)
    assert info.folder.endswith("profiles")
