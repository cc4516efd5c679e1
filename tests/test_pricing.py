"""What an answer cost, exactly, or why that is not known."""

from __future__ import annotations

from decimal import Decimal

import pytest

import msgflux_like as mf
from msgflux_like.catalog.profiles import get_model_profile
from msgflux_like.errors import UnknownModelError
from tests.provider import DONE, chat, delta, sse, stream, whole


def usage(**counts):
    body = chat()
    body["usage"] = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500, **counts}
    return body


def test_an_answer_knows_its_price(colour, provider, model_of):
    response = colour.ask(model_of(provider(whole(usage()))), "hi")
    assert response.cost == Decimal("0.0075")
    details = response.cost_details
    assert (details.source, details.reason) == ("catalogue", None)
    assert (details.breakdown.input, details.breakdown.output) == (Decimal("0.0025"), Decimal("0.005"))


def test_a_stream_knows_its_price_at_its_end(colour, provider, model_of):
    report = sse({"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}})
    _, response = colour.pieces(model_of(provider(stream(delta("a"), delta(finish="stop"), report, DONE))), "hi")
    assert response.cost == Decimal("0.0075")


def test_cached_tokens_are_billed_once_and_at_their_own_price(provider, model_of):
    body = usage(prompt_tokens_details={"cached_tokens": 1000})
    assert model_of(provider(whole(body)))("hi").cost == Decimal("0.00125") + Decimal("0.005")


def test_anthropics_cache_is_billed_in_disjoint_parts(provider, model_of):
    counts = {"input_tokens": 100, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 200}
    body = {
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "usage": {**counts, "output_tokens": 50},
    }
    response = model_of(provider(whole(body)), "anthropic/claude-haiku-4-5")("hi")
    tokens, prices = response.cost_details.breakdown.tokens, response.cost_details.breakdown.per_million
    assert (tokens.input, tokens.cache_read, tokens.cache_write, tokens.output) == (100, 1000, 200, 50)
    kinds = ("input", "cache_read", "cache_write", "output")
    assert response.cost == sum(getattr(prices, kind) * getattr(tokens, kind) for kind in kinds) / 1_000_000


def test_a_gateways_own_price_is_preferred_and_marked(provider, model_of):
    response = model_of(provider(whole(usage(cost=0.0123))), "openrouter/openai/gpt-4o")("hi")
    assert response.cost == Decimal("0.0123")
    assert response.cost_details.source == "provider"
    assert response.cost_details.breakdown.total == Decimal("0.0075")


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("openai/ft:mine", usage(), "openai/ft:mine is not in the catalogue"),
        ("openai/gpt-4o", {**usage(), "usage": None}, "openai/gpt-4o reported no usage"),
        ("openai/gpt-4o", usage(completion_tokens=None), "openai/gpt-4o reported only a part of its usage"),
        (
            "openai/gpt-4o",
            usage(prompt_tokens_details={"cached_tokens": 5000}),
            "openai/gpt-4o reported a usage that does not add up: ",
        ),
    ],
)
def test_a_price_that_is_not_known_is_none_with_the_reason(provider, model_of, path, body, reason):
    response = model_of(provider(whole(body)), path)("hi")
    assert response.cost is None
    assert response.cost_details.reason.startswith(reason)


def test_a_price_can_be_estimated_before_sending():
    estimate = mf.estimate_cost("openai/gpt-4o", "Hello!", max_tokens=100)
    assert estimate.exact
    assert (estimate.input_tokens, estimate.max_output_tokens) == (9, 100)
    assert estimate.low == 9 * Decimal("2.5") / 1_000_000
    assert estimate.high - estimate.low == 100 * Decimal(10) / 1_000_000


def test_without_a_limit_the_longest_answer_counts():
    assert mf.estimate_cost("openai/gpt-4o", "Hello!").max_output_tokens == 16384


def test_tokens_of_others_are_estimated_and_say_so():
    text = "The quick brown fox jumps over the lazy dog. " * 50
    tokens, exact = mf.count_tokens(text, get_model_profile("claude-haiku-4-5"))
    assert not exact
    assert 400 < tokens < 800


def test_media_and_tools_make_a_count_an_estimate():
    model = get_model_profile("gpt-4o", "openai")
    image = mf.ChatBlock.user("?", media=mf.ChatBlock.image("https://example.com/a.png"))
    assert not mf.count_tokens(image, model)[1]
    assert not mf.count_tokens("?", model, tool_schemas=[{"type": "function", "function": {"name": "f"}}])[1]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("openai/gpt-4p", "no model 'gpt-4p' is known at openai: did you mean gpt-4"),
        ("ollama/whatever", "no model ollama/whatever is known"),
    ],
)
def test_an_estimate_of_an_unknown_model_is_an_error(path, message):
    with pytest.raises(UnknownModelError, match=f"^{message}"):
        mf.estimate_cost(path, "hi")
