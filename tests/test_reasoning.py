"""How much to reason: one word or one number, told to every model in the words that it and its host have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import msgflux_like as mf
from msgflux_like import dialects
from msgflux_like.catalog.profiles import search_profiles
from msgflux_like.dialects._shared import reasoning
from msgflux_like.errors import CapabilityError, ChangeError, InvalidRequestError, UnsupportedError
from msgflux_like.events import TokenLogprob
from msgflux_like.providers import resolve
from msgflux_like.request import ChatRequest, Quirks, ReasoningControls
from tests.conversations import unhurried
from tests.provider import DONE, USAGE, chat, delta, sse, stream, whole

HELLO = {"role": "user", "content": "Hello"}
WORDS = ("none", *reasoning.SHARES)
ADAPTIVE = {"type": "adaptive", "display": "summarized"}


def told(model: str, **call: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The fields of the request that are about reasoning, and what was changed for it."""
    plan = mf.Model.chat_completion(model, api_key="sk-x").plan("hi", **call)
    usual = ("model", "messages", "input", "store", "include", "max_tokens", "max_completion_tokens")
    changes = [(change.kind, change.field) for change in plan.changes if change.field != "max_tokens"]
    return {name: value for name, value in plan.body.items() if name not in usual}, changes


def manual(budget: int) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


OFF = {"thinking": {"type": "disabled"}}
CASES: list[tuple[str, dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = [
    # Anthropic: a number only, a word only, both
    ("anthropic/claude-haiku-4-5", {"reasoning_budget": 2000}, manual(2000), []),
    ("anthropic/claude-haiku-4-5", {"reasoning_budget": 5}, manual(1024), [("clamped", "reasoning_budget")]),
    ("anthropic/claude-haiku-4-5", {"reasoning_effort": "medium"}, manual(32000), [("emulated", "reasoning_effort")]),
    (
        "anthropic/claude-haiku-4-5",
        {"reasoning_effort": "high", "max_tokens": 10_000},
        manual(8000),
        [("emulated", "reasoning_effort")],
    ),
    ("anthropic/claude-haiku-4-5", {"reasoning_effort": "none"}, OFF, []),
    ("anthropic/claude-haiku-4-5", {"reasoning_budget": 0}, OFF, []),
    (
        "anthropic/claude-haiku-4-5",
        {"reasoning_effort": "low", "reasoning_budget": 3000},
        manual(3000),
        [("dropped", "reasoning_effort")],
    ),
    (
        "anthropic/claude-opus-5",
        {"reasoning_effort": "xhigh"},
        {"thinking": ADAPTIVE, "output_config": {"effort": "xhigh"}},
        [],
    ),
    (
        "anthropic/claude-opus-5",
        {"reasoning_budget": 60_000},
        {"thinking": ADAPTIVE, "output_config": {"effort": "medium"}},
        [("emulated", "reasoning_budget")],
    ),
    ("anthropic/claude-opus-5", {"reasoning_budget": 0}, OFF, []),
    (
        "anthropic/claude-opus-4-5",
        {"reasoning_effort": "low"},
        {**manual(12800), "output_config": {"effort": "low"}},
        [("emulated", "reasoning_effort")],
    ),
    (
        "anthropic/claude-opus-4-6",
        {"reasoning_effort": "low", "reasoning_budget": 4000},
        {**manual(4000), "output_config": {"effort": "low"}},
        [],
    ),
    ("anthropic/claude-of-tomorrow", {"reasoning_effort": "low"}, {"output_config": {"effort": "low"}}, []),
    ("anthropic/claude-of-tomorrow", {"reasoning_budget": 2000}, manual(2000), []),
    # OpenAI: words only
    ("openai/gpt-5", {"reasoning_effort": "low"}, {"reasoning_effort": "low"}, []),
    (
        "openai/gpt-5",
        {"reasoning_budget": 60_000},
        {"reasoning_effort": "medium"},
        [("emulated", "reasoning_budget")],
    ),
    ("openai/gpt-5.1", {"reasoning_budget": 0}, {"reasoning_effort": "none"}, []),
    ("openai/gpt-4o", {"reasoning_effort": "none"}, {}, [("dropped", "reasoning_effort")]),
    ("openai-responses/gpt-5", {"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}, []),
    ("openai-responses/gpt-5.1", {"reasoning_budget": 0}, {"reasoning": {"effort": "none"}}, []),
    # Hosts of OpenAI's format with fields of their own
    (
        "openrouter/google/gemini-2.5-pro",
        {"reasoning_budget": 2000},
        {"reasoning": {"max_tokens": 2000}},
        [],
    ),
    (
        "openrouter/google/gemini-3.1-pro-preview",
        {"reasoning_effort": "low"},
        {"reasoning": {"effort": "low"}},
        [],
    ),
    ("openrouter/z-ai/glm-5", {"reasoning_effort": "none"}, {"reasoning": {"enabled": False}}, []),
    (
        "openrouter/z-ai/glm-5",
        {"reasoning_effort": "low"},
        {"reasoning": {"enabled": True}},
        [("emulated", "reasoning_effort")],
    ),
    ("openrouter/a-model/of-tomorrow", {"reasoning_budget": 0}, {"reasoning": {"effort": "none"}}, []),
    (
        "openrouter/a-model/of-tomorrow",
        {"reasoning_budget": 9, "reasoning_effort": "low"},
        {"reasoning": {"max_tokens": 9}},
        [("dropped", "reasoning_effort")],
    ),
    (
        "deepseek/deepseek-v4-pro",
        {"reasoning_effort": "high"},
        {"thinking": {"type": "enabled"}, "reasoning_effort": "high"},
        [],
    ),
    ("deepseek/deepseek-v4-pro", {"reasoning_effort": "none"}, OFF, []),
    ("zai/glm-5", {"reasoning_budget": 2000}, {"thinking": {"type": "enabled"}}, [("emulated", "reasoning_budget")]),
    ("zai/glm-5.3", {"reasoning_effort": "low"}, {"reasoning_effort": "low"}, []),
    ("alibaba/qwen-plus", {"reasoning_budget": 500}, {"enable_thinking": True, "thinking_budget": 500}, []),
    ("alibaba/qwen-plus", {"reasoning_budget": 0}, {"enable_thinking": False}, []),
    ("alibaba/kimi-k3", {"reasoning_effort": "max"}, {"reasoning_effort": "max"}, []),
    (
        "siliconflow/deepseek-ai/DeepSeek-V4-Pro",
        {"reasoning_budget": 1},
        {"thinking_budget": 128},
        [("clamped", "reasoning_budget")],
    ),
    (
        "groq/qwen/qwen3.8-27b",
        {"reasoning_effort": "low"},
        {"reasoning_effort": "low", "reasoning_format": "parsed"},
        [],
    ),
    ("groq/openai/gpt-oss-20b", {"reasoning_effort": "low"}, {"reasoning_effort": "low"}, []),
    ("vllm/Qwen/Qwen3-8B", {"reasoning_effort": "none"}, {"chat_template_kwargs": {"enable_thinking": False}}, []),
    (
        "vllm/openai/gpt-oss-20b",
        {"reasoning_effort": "low"},
        {"chat_template_kwargs": {"enable_thinking": True}, "reasoning_effort": "low"},
        [],
    ),
    ("ollama/qwen3", {"reasoning_budget": 0}, {"reasoning_effort": "none"}, []),
]


@pytest.mark.parametrize(("model", "call", "fields", "changes"), CASES, ids=lambda value: str(value)[:60])
def test_it_is_said_in_the_words_of_the_model_and_its_host(model, call, fields, changes):
    assert told(model, **call) == (fields, changes)


def test_nothing_is_said_that_was_not_asked_for():
    for model in ("anthropic/claude-opus-5", "openai/gpt-5", "openrouter/z-ai/glm-5", "deepseek/deepseek-v4-pro"):
        assert told(model) == ({}, [])


# ---- what a model cannot be told


def test_a_word_that_the_model_does_not_know_is_refused_or_the_nearest_is_sent():
    with pytest.raises(CapabilityError, match="reasoning_effort is 'xhigh', and it supports low, medium, high"):
        told("openai/o3-mini", reasoning_effort="xhigh")
    fields, changes = told("openai/o3-mini", reasoning_effort="xhigh", check="warn")
    assert (fields, changes) == ({"reasoning_effort": "high"}, [("clamped", "reasoning_effort")])
    assert told("openai/o3-mini", reasoning_effort="xhigh", check="off") == ({"reasoning_effort": "xhigh"}, [])
    with pytest.raises(ChangeError, match="reasoning_effort clamped: 'high' is the nearest word"):
        told("openai/o3-mini", reasoning_effort="xhigh", check="warn", changes="refuse")


@pytest.mark.parametrize("call", [{"reasoning_effort": "none"}, {"reasoning_budget": 0}], ids=str)
def test_a_model_that_always_reasons_is_not_told_to_stop(call):
    (name, value) = next(iter(call.items()))
    with pytest.raises(CapabilityError, match=f"{name} is {value!r}, and it supports low, medium"):
        told("anthropic/claude-fable-5", **call)
    fields, changes = told("anthropic/claude-fable-5", **call, check="warn")
    assert fields["output_config"] == {"effort": "low"}
    assert changes == [("clamped", name)]


def test_a_model_that_does_not_reason_is_told_so_for_a_number_too():
    with pytest.raises(CapabilityError, match="reasoning_budget is 2000, and it does not support this control"):
        told("openrouter/openai/gpt-4o", reasoning_budget=2000)


def test_the_models_that_would_do_do_reason():
    with pytest.raises(CapabilityError) as caught:
        told("openai/gpt-4o", reasoning_effort="low")
    assert caught.value.alternatives
    for path in caught.value.alternatives:
        assert told(path, reasoning_effort="low")[1] == []


@pytest.mark.parametrize("model", ["ollama/qwen3", "groq/a-model-of-tomorrow", "vllm/m", "openai-responses/o-tomorrow"])
def test_a_number_where_only_words_are_known_is_refused_by_name(model):
    with pytest.raises(UnsupportedError, match=r"reasoning_budget: .* takes no number of tokens.*reasoning_effort"):
        told(model, reasoning_budget=2000)


def test_a_word_and_a_number_that_contradict_each_other_are_refused():
    for call in (
        {"reasoning_effort": "high", "reasoning_budget": 0},
        {"reasoning_effort": "none", "reasoning_budget": 9},
    ):
        for model in ("anthropic/claude-haiku-4-5", "vllm/m"):
            with pytest.raises(InvalidRequestError, match="one turns reasoning off, the other on"):
                told(model, **call)
    assert told("openai/gpt-5.1", reasoning_effort="none", reasoning_budget=0) == ({"reasoning_effort": "none"}, [])


@pytest.mark.parametrize("value", [-1, 1.5, "2000", True])
def test_a_number_of_tokens_is_a_whole_number_of_at_least_0(value):
    with pytest.raises(InvalidRequestError, match="reasoning_budget must be"):
        mf.Model.chat_completion("openai/gpt-5", api_key="sk-x", reasoning_budget=value)


def test_it_is_kept_with_the_model():
    model = mf.Model.chat_completion("anthropic/claude-haiku-4-5", api_key="sk-x", reasoning_budget=0)
    assert model.serialize()["state"]["parameters"] == {"reasoning_budget": 0}
    assert "reasoning_budget=0" in repr(model)


# ---- what does not go with Anthropic's reasoning


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ({"temperature": 0.2}, "temperature must be 1 together with reasoning; got 0.2"),
        ({"temperature": 0}, "temperature must be 1 together with reasoning; got 0"),
        ({"top_k": 0}, "top_k cannot be combined with reasoning"),
        ({"top_p": 0.5}, "top_p must be at least 0.95 together with reasoning; got 0.5"),
        ({"prefilling": "Once"}, "prefilling cannot be combined with reasoning"),
        ({"tool_schemas": [TOOL], "tool_choice": "required"}, "tool_choice cannot force a call"),
        ({"tool_schemas": [TOOL], "tool_choice": "f"}, "tool_choice cannot force a call"),
        ({"tool_schemas": [TOOL], "tool_choice": {"type": "any"}}, "tool_choice cannot force a call"),
    ],
)
def test_what_the_api_refuses_beside_it_is_refused_with_the_remedy(call, why):
    with pytest.raises(UnsupportedError, match=why) as caught:
        told("anthropic/claude-sonnet-4-5", reasoning_budget=2000, **call)
    assert 'reasoning_effort="none"' in str(caught.value)
    told("anthropic/claude-sonnet-4-5", reasoning_effort="none", **call)


def test_what_the_api_takes_beside_it_is_sent():
    call = {"temperature": 1.0, "top_p": 0.95, "tool_schemas": [TOOL], "tool_choice": "auto"}
    fields, _ = told("anthropic/claude-sonnet-4-5", reasoning_budget=2000, **call)
    assert fields["thinking"]["budget_tokens"] == 2000
    fields, _ = told("anthropic/claude-opus-4-6", reasoning_effort="low", tool_schemas=[TOOL], tool_choice="required")
    assert fields["tool_choice"] == {"type": "any"}


def test_the_answer_needs_room_beside_it():
    for call in ({"reasoning_budget": 2000, "max_tokens": 2000}, {"reasoning_effort": "low", "max_tokens": 900}):
        with pytest.raises(InvalidRequestError, match=f"of {call['max_tokens']} output tokens"):
            told("anthropic/claude-haiku-4-5", **call)
    model = mf.Model.chat_completion("anthropic/claude-of-tomorrow", api_key="sk-x")
    assert model.plan("hi", reasoning_budget=10_000).body["max_tokens"] == 14_096, (
        "no limit is known: the usual one, and the budget"
    )


# ---- every model of the catalogue


def fits(reasoning_controls: ReasoningControls, sent: dict[str, Any]) -> bool:
    """Whether what is sent is what the catalogue lists, as far as it lists anything."""
    effort, budget = sent.get("reasoning_effort"), sent.get("reasoning_budget")
    scaled = any(word in reasoning.SHARES for word in reasoning_controls.efforts)
    good_effort = (
        effort is None or effort in reasoning_controls.efforts or (effort == "none" and reasoning_controls.switched)
    )
    least, most = reasoning_controls.budget or (None, None)
    good_budget = budget is None or (
        reasoning_controls.budget is not None
        and (least is None or budget >= least)
        and (most is None or budget <= most)
    )
    return (good_effort or not (scaled or reasoning_controls.budget)) and (
        good_budget or not (scaled or reasoning_controls.budget)
    )


PROFILES = search_profiles()
FORMS = [
    ("anthropic_messages", Quirks(reasoning_off=("claude-haiku",))),
    ("openai_responses", Quirks()),
    ("openai_chat", Quirks()),
    ("openai_chat", Quirks(reasoning_form="object")),
]


@pytest.mark.parametrize(("dialect", "quirks"), FORMS, ids=["anthropic", "responses", "words", "object"])
def test_whatever_is_asked_of_any_model_is_within_what_the_catalogue_lists(dialect, quirks):
    asked = [{"reasoning_effort": word} for word in WORDS] + [
        {"reasoning_budget": tokens} for tokens in (0, 1, 1024, 20_000, 10**6)
    ]
    for profile in PROFILES:
        reasoning_controls = reasoning.reasoning_controls_for(profile, dialect, quirks)
        for asked_for in asked:
            sent, changes = reasoning.translate(asked_for, reasoning_controls, profile.limits.output, clamps=True)
            if reasoning_controls.reasons is False:
                off = asked_for in ({"reasoning_effort": "none"}, {"reasoning_budget": 0})
                assert (sent == {}) is off
                assert bool(reasoning.problems(sent, reasoning_controls)) is not off
                continue
            assert len(sent) == 1
            assert fits(reasoning_controls, sent), (profile, asked_for, sent)
            off = asked_for in ({"reasoning_effort": "none"}, {"reasoning_budget": 0})
            same = sent == asked_for or (off and sent in ({"reasoning_effort": "none"}, {"reasoning_budget": 0}))
            assert bool(changes) is not same, "each change is recorded, and nothing else"


def knob_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The word and the number in a request, wherever its format has them."""
    thinking, steered, output = (body.get(name, {}) for name in ("thinking", "reasoning", "output_config"))
    effort = body.get("reasoning_effort") or steered.get("effort") or output.get("effort")
    budget = body.get("thinking_budget") or steered.get("max_tokens") or thinking.get("budget_tokens")
    return {"reasoning_effort": effort, "reasoning_budget": budget}


@pytest.mark.parametrize("asked_for", [{"reasoning_effort": "high"}, {"reasoning_budget": 4000}], ids=str)
def test_what_goes_out_to_any_host_is_within_what_the_catalogue_lists(asked_for):
    sent: Counter[str] = Counter()
    for profile in PROFILES:
        try:
            row = resolve.find_provider(profile.provider_id, profile.id)
        except UnsupportedError:
            continue
        if not profile.reasoning_options or row.dialect not in (
            "openai_chat",
            "openai_responses",
            "anthropic_messages",
        ):
            continue
        reasoning_controls = reasoning.reasoning_controls_for(profile, row.dialect, row.quirks)
        parameters, _ = reasoning.translate(asked_for, reasoning_controls, profile.limits.output, clamps=True)
        limit = profile.limits.output
        request = ChatRequest(
            profile.id, (HELLO,), parameters, stream=True, reasoning_controls=reasoning_controls, output_limit=limit
        )
        try:
            body = dialects.load(row.dialect).encode(request, row.quirks).body
        except UnsupportedError as error:
            assert "takes no number of tokens" in str(error)
            assert "reasoning_budget" in parameters
            continue
        assert fits(reasoning_controls, knob_of(body)), (profile, body)
        if row.dialect == "anthropic_messages":
            assert (knob_of(body)["reasoning_budget"] or 0) < body["max_tokens"]
        sent[row.dialect] += 1
    assert min(sent.values()) > 50
    assert len(sent) == 3


@unhurried
@given(
    st.sampled_from([profile for profile in PROFILES if profile.reasoning_options]),
    st.sampled_from(WORDS[1:]) | st.none(),
    st.integers(1, 300_000) | st.none(),
    st.integers(1, 200_000) | st.none(),
)
def test_a_word_and_a_number_together_are_within_it_too(profile, effort, budget, max_tokens):
    asked_for = {"reasoning_effort": effort, "reasoning_budget": budget, "max_tokens": max_tokens, "top_p": 1}
    parameters = {name: value for name, value in asked_for.items() if value is not None}
    reasoning_controls = reasoning.reasoning_controls_for(profile, "anthropic_messages", Quirks())
    sent, _ = reasoning.translate(parameters, reasoning_controls, profile.limits.output, clamps=True)
    assert fits(reasoning_controls, dict(sent))
    others = ("max_tokens", "top_p")
    assert {name: sent.get(name) for name in others} == {name: parameters.get(name) for name in others}
    strict, _ = reasoning.translate(parameters, reasoning_controls, profile.limits.output, clamps=False)
    unknown = effort is not None and bool(reasoning_controls.efforts) and effort not in reasoning_controls.efforts
    assert bool(reasoning.problems(strict, reasoning_controls)) is unknown, "the check says what was not clamped"


def test_of_an_unknown_model_all_goes_through_as_it_was_given():
    asked_for = {"reasoning_effort": "huge", "reasoning_budget": 7, "temperature": 0}
    assert reasoning.translate(asked_for, None, None, clamps=True) == (asked_for, ())


def test_more_tokens_are_never_less_effort():
    reasoning_controls = ReasoningControls(True, efforts=("none", "low", "medium", "high", "max"))
    words = [
        reasoning.translate({"reasoning_budget": tokens}, reasoning_controls, 10_000, clamps=False)[0][
            "reasoning_effort"
        ]
        for tokens in range(1, 12_000, 100)
    ]
    assert words == sorted(words, key=WORDS.index)
    assert set(words) == {"low", "medium", "high", "max"}


# ---- log probabilities


TOKENS = [
    {"token": "H", "logprob": -0.25, "bytes": [72], "top_logprobs": [{"token": "h", "logprob": -2.0, "bytes": [104]}]},
    {"token": "\ufffd", "logprob": 0, "bytes": [226, 130], "top_logprobs": []},
    {"token": "i", "logprob": -1.5, "bytes": None},
]
READ = [
    TokenLogprob("H", -0.25, b"H", (TokenLogprob("h", -2.0, b"h"),)),
    TokenLogprob("\ufffd", 0.0, b"\xe2\x82"),
    TokenLogprob("i", -1.5),
]


def weighed_chat(*, streamed: bool) -> Any:
    if not streamed:
        body = chat("Hi")
        body["choices"][0]["logprobs"] = {"content": TOKENS, "refusal": None}
        return whole(body)
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": token["token"]}, "logprobs": {"content": [token]}}]}
        for token in TOKENS
    ]
    return stream(*map(sse, chunks), delta(finish="stop"), USAGE, DONE)


def weighed_responses(*, streamed: bool) -> Any:
    part = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": TOKENS}
    item = {"type": "message", "id": "msg_1", "content": [part]}
    response = {"id": "r", "model": "gpt-4o", "status": "completed", "output": [item], "usage": {"output_tokens": 3}}
    if not streamed:
        return whole(response)
    events = [
        {"type": "response.output_text.delta", "output_index": 0, "delta": token["token"], "logprobs": [token]}
        for token in TOKENS[:2]  # the rest is in the whole item
    ]
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    return stream(*map(sse, [*events, done, {"type": "response.completed", "response": response}]))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "host", [("openai/gpt-4o", weighed_chat), ("openai-responses/gpt-4o", weighed_responses)], ids=["chat", "responses"]
)
def test_log_probabilities_are_on_the_response(colour, provider, model_of, host, streamed):
    path, reply = host
    model = model_of(provider(reply(streamed=streamed)), path)
    call = {"logprobs": True, "top_logprobs": 1}
    response = colour.pieces(model, "hi", **call)[1] if streamed else colour.ask(model, "hi", **call)
    assert response.logprobs == READ


def test_without_them_there_are_none(colour, provider, model_of):
    response = colour.ask(model_of(provider(whole(chat()))), "hi")
    assert response.logprobs == []
