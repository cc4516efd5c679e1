"""A property of a model holds at every host and under every name; what the model refuses is known before sending."""

from __future__ import annotations

import re

import pytest

import msgflux_like as mf
from msgflux_like.catalog.model_names import bare_name, is_opaque
from msgflux_like.catalog.model_rules import all_rules, rules_of
from msgflux_like.catalog.profiles import get_model_profile
from msgflux_like.errors import CapabilityError, ChangeError, InvalidRequestError, UnknownModelError, UnsupportedError

ARN = "arn:aws:bedrock:us-east-1:123456789012:"
CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
BEDROCK = {"base_url": "https://bedrock-runtime.us-east-1.amazonaws.com"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
PDF = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def plan(path, messages="q", options=None, **call):
    return mf.Model.chat_completion(path, **{"api_key": "k", **(options or {})}).plan(messages, **call)


def user(*parts):
    return [{"role": "user", "content": [{"type": "text", "text": "?"}, *parts]}]


# ---- names

NAMES = {
    "gpt-5": "gpt-5",
    "gpt-5-2025-08-07": "gpt-5",
    "openai/gpt-5-mini": "gpt-5-mini",
    "ft:gpt-4o-2024-08-06:my-org::abc123": "gpt-4o",
    "ft:gpt-3.5-turbo-0125:my-org:name:id": "gpt-3.5-turbo",
    "claude-sonnet-4-5@20250929": "claude-sonnet-4-5",
    "claude-sonnet-4-5-20250929": "claude-sonnet-4-5",
    "anthropic/claude-sonnet-4.5": "claude-sonnet-4.5",
    CLAUDE: "claude-sonnet-4-5",
    **{f"{region}.{CLAUDE}": "claude-sonnet-4-5" for region in ("us", "eu", "apac", "global", "jp", "au", "us-gov")},
    f"{ARN}inference-profile/us.{CLAUDE}": "claude-sonnet-4-5",
    f"arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/{CLAUDE}": "claude-sonnet-4-5",
    "us.amazon.nova-pro-v1:0": "nova-pro",
    "meta.llama3-1-70b-instruct-v1:0": "llama3-1-70b-instruct",
    "mistral-large-2411": "mistral-large",
    "mistral-medium-latest": "mistral-medium",
    "gpt-4.1": "gpt-4.1",
    f"{ARN}application-inference-profile/abc123": "",
    f"{ARN}provisioned-model/abc123": "",
    f"{ARN}imported-model/abc123": "",
}


@pytest.mark.parametrize("model_id", NAMES)
def test_a_name_is_that_of_its_base_without_host_region_date_and_version(model_id):
    assert bare_name(model_id) == NAMES[model_id]
    assert is_opaque(model_id) is (not NAMES[model_id])


def test_every_rule_names_its_source_and_matches_names_as_they_are_looked_up():
    for rule in all_rules():
        assert rule.source.startswith("https://")
        assert rule.models
        for pattern in rule.models:
            name = pattern.rstrip("*").rstrip("-.")
            assert bare_name(name) == name, pattern


@pytest.mark.parametrize("provider", ["local", "ollama", "ollama-native", "vllm", "foundry-local"])
def test_a_name_on_a_server_of_ones_own_says_nothing(provider):
    assert rules_of(provider, "gpt-5") == rules_of("openai", "no-such-model")


# ---- limits of a model hold at every host

URLS = (
    None,
    "https://eu.api.openai.com/v1",
    "https://us.api.openai.com/v1",
    "https://gateway.ai.cloudflare.com/v1/acct/gw/openai",
    "https://proxy.example.com/v1",
    "http://localhost:4000/v1",
)


@pytest.mark.parametrize(
    "model", ["gpt-5", "gpt-5-mini-2025-08-07", "o1", "o3-mini", "o4-mini", "ft:o4-mini-2025-04-16:org::1"]
)
@pytest.mark.parametrize("url", URLS)
def test_a_reasoning_model_of_openai_is_given_max_completion_tokens_behind_every_url(model, url):
    for body in (
        plan(f"openai/{model}", options={"base_url": url}, max_tokens=50).body,
        plan(f"openai/{model}", max_tokens=50, **({"base_url": url} if url else {})).body,
    ):
        assert body["max_completion_tokens"] == 50
        assert "max_tokens" not in body


@pytest.mark.parametrize(
    "path", ["openai-compatible/gpt-5", "openrouter/openai/gpt-5", "github-models/openai/gpt-5", "vercel/openai/gpt-5"]
)
def test_a_gateway_is_given_it_as_well(path):
    provider = path.partition("/")[0]
    if provider not in mf.Model.providers()["chat_completion"]:
        pytest.skip("the catalogue has no such provider")
    body = plan(path, options={"base_url": "https://proxy.example.com/v1"}, max_tokens=50).body
    assert "max_completion_tokens" in body


@pytest.mark.parametrize("url", URLS[3:])
def test_another_model_is_given_the_limit_as_the_host_has_it(url):
    assert plan("openai/gpt-4o", options={"base_url": url}, max_tokens=50).body["max_tokens"] == 50


# ---- the base of a model, found in its name or said by the caller


@pytest.mark.parametrize(
    ("path", "base"),
    [
        ("openai/ft:gpt-4o-2024-08-06:my-org::abc", "openai/gpt-4o-2024-08-06"),
        ("openai/gpt-4.1-2025-04-14", "openai/gpt-4.1"),
        (f"amazon-bedrock/{ARN}inference-profile/us.{CLAUDE}", f"amazon-bedrock/us.{CLAUDE}"),
    ],
)
def test_a_model_has_the_facts_of_its_base_and_says_so(path, base, monkeypatch):
    reply = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    if path.startswith("amazon"):
        reply = {"output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}}, "stopReason": "end_turn"}
    from msgflux_like.testing import FakeProvider, FakeReply

    options = BEDROCK if path.startswith("amazon") else {}
    model = mf.Model.chat_completion(path, api_key="k", http_client=FakeProvider([FakeReply.whole(reply)]), **options)
    assert f"{model.profile.provider_id}/{model.profile.id}" == base
    assert model("q").metadata.base_model == base


def test_a_fine_tuned_model_has_no_price_of_its_base():
    model = mf.Model.chat_completion("openai/ft:gpt-4o:my-org::abc", api_key="k")
    assert model.profile.cost is None
    assert model.plan("q").cost is None
    assert mf.Model.chat_completion("openai/gpt-4o", api_key="k").profile.cost is not None


@pytest.mark.parametrize("name", [f"us.{CLAUDE}", f"global.{CLAUDE}", f"eu.{CLAUDE}"])
def test_an_inference_profile_that_names_its_model_reasons_like_it(name):
    call = {"max_tokens": 9000, "reasoning_budget": 2000}
    bare = plan(f"amazon-bedrock/{name}", options=BEDROCK, **call).body
    assert plan(f"amazon-bedrock/{ARN}inference-profile/{name}", options=BEDROCK, **call).body == bare
    assert bare["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 2000


OPAQUE = f"amazon-bedrock/{ARN}application-inference-profile/abc123"


@pytest.mark.parametrize("call", [{"reasoning_effort": "high"}, {"reasoning_budget": 2000}, {"top_k": 5}])
def test_an_opaque_profile_is_never_given_a_guessed_field(call):
    with pytest.raises(InvalidRequestError, match="say it with base_model="):
        plan(OPAQUE, options=BEDROCK, max_tokens=9000, **call)
    assert plan(OPAQUE, options=BEDROCK, max_tokens=9000, temperature=0.5).body["inferenceConfig"]["temperature"] == 0.5


@pytest.mark.parametrize("base", [CLAUDE, f"us.{CLAUDE}", "anthropic/claude-sonnet-4-5", f"amazon-bedrock/{CLAUDE}"])
def test_the_caller_says_which_model_is_behind_a_profile(base):
    call = {"max_tokens": 9000, "reasoning_budget": 2000}
    known = plan(f"amazon-bedrock/us.{CLAUDE}", options=BEDROCK, **call).body
    assert plan(OPAQUE, options={**BEDROCK, "base_model": base}, **call).body == known


def test_a_deployment_and_an_alias_of_a_proxy_have_the_limits_of_their_base():
    azure = {"base_url": "https://r.openai.azure.com/openai/v1", "base_model": "gpt-5"}
    with pytest.raises(CapabilityError, match=r"temperature is 0\.2"):
        plan("azure/my-deployment", options=azure, temperature=0.2)
    proxy = {"base_url": "https://proxy.example.com/v1", "model_profile": get_model_profile("gpt-5", "openai")}
    body = plan("openai-compatible/fast", options=proxy, max_tokens=5).body
    assert (body["model"], body["max_completion_tokens"]) == ("fast", 5)


def test_a_base_model_that_nobody_knows_is_refused():
    with pytest.raises(UnknownModelError, match="base_model: no model 'gpt-none' is known"):
        mf.Model.chat_completion(
            "azure/x", api_key="k", base_url="https://r.openai.azure.com/openai/v1", base_model="gpt-none"
        )


def test_the_base_model_is_part_of_a_models_state():
    options = {"base_url": "https://proxy.example.com/v1"}
    profile = get_model_profile("gpt-5", "openai")
    for given in ({"base_model": "openai/gpt-5"}, {"model_profile": profile}):
        model = mf.Model.chat_completion("openai-compatible/fast", api_key="k", **options, **given)
        state = model.serialize()
        assert state["state"]["base_model"] == "openai/gpt-5"
        assert mf.Model.from_serialized(**state, api_key="k").profile == profile


# ---- pairs and values that a model refuses


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("anthropic/claude-sonnet-4-5", {}),
        ("anthropic/claude-haiku-4-5-20251001", {}),
        ("anthropic/claude-opus-4-6", {}),
        ("anthropic/claude-opus-4-1-20250805", {}),
        ("openrouter/anthropic/claude-sonnet-4.5", {}),
        (f"amazon-bedrock/us.{CLAUDE}", BEDROCK),
        (f"amazon-bedrock/{ARN}inference-profile/us.{CLAUDE}", BEDROCK),
    ],
)
def test_one_of_two_parameters_that_are_refused_together_is_left_out_with_a_record(path, options):
    planned = plan(path, options=options, temperature=0.5, top_p=0.9, max_tokens=9)
    body = planned.body.get("inferenceConfig", planned.body)
    assert body["temperature"] == 0.5
    assert {"top_p", "topP"}.isdisjoint(body)
    assert ("dropped", "top_p") in [(change.kind, change.field) for change in planned.changes]
    with pytest.raises(ChangeError):
        plan(path, options=options, temperature=0.5, top_p=0.9, max_tokens=9, changes="refuse")
    other = plan(path, options=options, temperature=1, top_p=0.9, max_tokens=9)
    assert "temperature" not in other.body.get("inferenceConfig", other.body)
    alone = plan(path, options=options, top_p=0.9, max_tokens=9)
    assert alone.changes == ()


@pytest.mark.parametrize("model", ["qwen3-235b-a22b", "qwen3-32b", "qwen3-8b"])
def test_an_open_qwen3_answers_whole_without_thinking_and_streamed_as_it_is(model):
    planned = plan(f"alibaba/{model}")
    assert planned.body["enable_thinking"] is False
    assert [change.field for change in planned.changes] == ["enable_thinking"]
    streamed = plan(f"alibaba/{model}", stream=True)
    assert "enable_thinking" not in streamed.body
    assert streamed.changes == ()
    assert plan(f"alibaba/{model}", extra_body={"enable_thinking": False}).changes == ()
    with pytest.raises(UnsupportedError, match="without stream=True"):
        plan(f"alibaba/{model}", extra_body={"enable_thinking": True})
    assert plan(f"alibaba/{model}", reasoning_effort="none").body["enable_thinking"] is False
    with pytest.raises(UnsupportedError, match="use stream=True"):
        plan(f"alibaba/{model}", reasoning_effort="high")


def test_the_same_model_elsewhere_is_asked_as_it_is():
    assert "enable_thinking" not in plan("openrouter/qwen/qwen3-235b-a22b").body


def test_a_model_that_only_streams_is_not_asked_for_a_whole_answer():
    with pytest.raises(UnsupportedError, match="call it with stream=True"):
        plan("alibaba/qwq-plus")
    assert plan("alibaba/qwq-plus", stream=True).body["stream"] is True


@pytest.mark.parametrize("path", ["openai/gpt-5", "openai/gpt-5-nano", "openai/o1", "openai/gpt-5-2025-08-07"])
def test_the_only_value_of_a_parameter_is_sent_and_others_are_refused(path):
    planned = plan(path, temperature=1)
    assert planned.body["temperature"] == 1
    assert not any("temperature" in warning for warning in planned.warnings)
    with pytest.raises(CapabilityError, match=re.escape("temperature is 0.2, and only 1 is supported")):
        plan(path, temperature=0.2)


# ---- what is confirmed, and what only the catalogue denies


@pytest.mark.parametrize(
    "path",
    [
        *(f"openai/{model}" for model in ("gpt-5", "gpt-5-mini", "gpt-4.1-nano", "o4-mini")),
        *(f"mistral/mistral-{size}-latest" for size in ("small", "medium", "large")),
    ],
)
def test_a_pdf_goes_to_models_that_read_it_without_a_warning(path):
    planned = plan(path, user(PDF))
    assert "JVBERi0" in str(planned.body)
    assert not any("pdf" in warning for warning in planned.warnings)


def test_a_pdf_goes_out_with_a_warning_where_only_the_catalogue_denies_it():
    planned = plan("openrouter/deepseek/deepseek-r1", user(PDF))
    assert any("it does not support pdf input" in warning for warning in planned.warnings)


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("openai/gpt-3.5-turbo", IMAGE),
        ("openai/o3-mini", IMAGE),
        ("openai/gpt-4o", AUDIO),
        ("openai/gpt-5-mini", AUDIO),
        ("deepseek/deepseek-reasoner", IMAGE),
    ],
)
def test_what_is_confirmed_is_still_refused(path, part):
    with pytest.raises(CapabilityError) as caught:
        plan(path, user(part))
    assert not [each for each in caught.value.alternatives if re.search("realtime|deep-research|tts|transcribe", each)]


def test_tools_go_to_a_model_that_calls_them_whatever_the_catalogue_says():
    planned = plan("openai/gpt-3.5-turbo", tool_schemas=[TOOL])
    assert planned.body["tools"] == [TOOL]
    assert not any("tools" in warning for warning in planned.warnings)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("openai/gpt-image-1", "image"),
        ("openai/gpt-image-1-mini", "image"),
        ("openai/text-embedding-3-small", "embedding"),
        ("openai/gpt-realtime-2.1", "realtime"),
        ("google/gemini-embedding-001", "embedding"),
    ],
)
def test_a_model_that_no_chat_endpoint_serves_is_refused_with_its_kind(path, kind):
    with pytest.raises(CapabilityError, match=f"it is a model for {kind}, which chat endpoints do not serve: "):
        plan(path)
    assert plan(path, check="warn").warnings


@pytest.mark.parametrize("kind", ["application/pdf", "application/zip", "image/png"])
def test_bytes_that_are_no_text_are_not_counted_as_text(kind):
    data = "A" * 3_000_000
    part = {"type": "file", "file": {"filename": "a", "file_data": f"data:{kind};base64,{data}"}}
    assert plan("openai/gpt-4o", user(part)).body
    state = {"family": "gemini:google", "kind": "image", "after": 0, "raw": {"inlineData": {"data": data}}}
    turns = ["draw", {"role": "assistant", "content": "Here.", "provider_state": [state]}, "larger"]
    assert plan("google/gemini-2.5-flash-image", turns).body
    with pytest.raises(CapabilityError, match="the request has at least"):
        plan("openai/gpt-4o", [*user(part), "word " * 2_000_000])
