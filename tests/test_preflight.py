"""What the catalogue says against a request is said before anything is sent."""

from __future__ import annotations

import pytest

import msgflux_like as mf
from msgflux_like.catalog.profiles import get_same_models, search_profiles
from msgflux_like.errors import CapabilityError, InvalidRequestError
from tests.provider import chat, chat_stream, whole

IMAGE = mf.ChatBlock.image("https://example.com/cat.jpg")
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}

CASES = {
    "an image for a model of text": (
        "openai/gpt-3.5-turbo",
        {"messages": mf.ChatBlock.user("What is this?", media=IMAGE)},
        ["it does not support image input (it accepts text)"],
    ),
    "a temperature for a reasoning model": (
        "openai/o3-mini",
        {"messages": "hi", "temperature": 0},
        ["it does not support temperature"],
    ),
    "reasoning of a model that does not": (
        "openai/gpt-4o",
        {"messages": "hi", "reasoning_effort": "low"},
        ["reasoning_effort is 'low', and it does not support this control"],
    ),
    "more reasoning than there is a word for": (
        "openai/o3-mini",
        {"messages": "hi", "reasoning_effort": "huge"},
        ["reasoning_effort is 'huge', and it supports low, medium, high"],
    ),
    "a longer answer than it writes": (
        "openai/gpt-4o",
        {"messages": "hi", "max_tokens": 16385},
        ["max_tokens is 16385, and the limit is 16384"],
    ),
    "a longer conversation than it takes": (
        "openai/gpt-3.5-turbo",
        {"messages": "word " * 200_000},
        ["the request has at least 125008 tokens, and the limit is 16385"],
    ),
    "several at once": (
        "openai/o3-mini",
        {"messages": mf.ChatBlock.user("?", media=IMAGE), "temperature": 1.0, "max_tokens": 1_000_000},
        [
            "it does not support image input (it accepts text)",
            "it does not support temperature",
            "max_tokens is 1000000, and the limit is 100000",
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_the_model_cannot_take_is_not_sent(colour, provider, model_of, case):
    path, call, found = CASES[case]
    server = provider(whole(chat()))
    with pytest.raises(CapabilityError) as caught:
        colour.ask(model_of(server, path), **call)
    assert list(caught.value.problems) == found
    assert all(problem in str(caught.value) for problem in found)
    assert len(caught.value.alternatives) <= 3
    assert all(name in str(caught.value) for name in caught.value.alternatives)
    assert isinstance(caught.value, ValueError)
    assert server.requests == []


@pytest.mark.parametrize("case", ["an image for a model of text", "a temperature for a reasoning model"])
def test_the_alternatives_would_do(provider, model_of, case):
    path, call, _ = CASES[case]
    server = provider(whole(chat()))
    with pytest.raises(CapabilityError) as caught:
        model_of(server, path)(**call)
    assert len(caught.value.alternatives) == 3
    for other in caught.value.alternatives:
        assert model_of(server, other)(**call).warnings == ()


def listings_without_tools() -> list[tuple[str, bool]]:
    """Models of OpenRouter that the catalogue has without tools, and whether all other listings of each say so."""
    found = []
    for model in search_profiles(provider="openrouter", tools=False):
        others = [other for other in get_same_models(model) if other.provider_id != "openrouter"]
        agree = bool(others) and all(other.capabilities.tool_call is False for other in others)
        found.append((f"openrouter/{model.id}", agree))
    return found


def test_a_model_that_calls_no_tools_by_several_listings_is_not_offered_any(provider, model_of):
    server = provider(whole(chat()))
    path = next(path for path, agree in listings_without_tools() if agree)
    with pytest.raises(CapabilityError, match="it does not support tool calling"):
        model_of(server, path)("hi", tool_schemas=[TOOL])
    assert server.requests == []


def test_what_one_listing_alone_denies_is_sent_with_a_warning(colour, provider, model_of):
    server = provider(whole(chat()))
    path = next(path for path, agree in listings_without_tools() if not agree)
    response = colour.ask(model_of(server, path), "hi", tool_schemas=[TOOL])
    assert "it does not support tool calling" in response.warnings
    assert server.requests[0].body["tools"] == [TOOL]
    assert colour.ask(model_of(server, path), "hi", tool_schemas=[TOOL], check="off").warnings == ()


def test_a_warning_lets_it_pass_and_is_on_the_response(colour, provider, model_of):
    path, call, found = CASES["several at once"]
    server = provider(whole(chat()), chat_stream("a"))
    model = model_of(server, path, check="warn")
    expected = ["openai/o3-mini is deprecated", *found]
    assert list(colour.ask(model, **call).warnings) == expected
    _, response = colour.pieces(model, **call)
    assert list(response.warnings) == expected
    assert server.requests[0].body["temperature"] == 1.0


def test_the_check_of_a_call_beats_that_of_the_model(provider, model_of):
    path, call, _ = CASES["an image for a model of text"]
    server = provider(whole(chat()))
    assert model_of(server, path)(**call, check="off").warnings == ()
    with pytest.raises(CapabilityError):
        model_of(server, path, check="off")(**call, check="error")


def test_a_check_that_is_none_of_the_three_is_refused(provider, model_of):
    with pytest.raises(InvalidRequestError, match='check must be "error", "warn" or "off", not \'maybe\''):
        model_of(provider(whole(chat())), check="maybe")


CLAUDE = {"content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}


def test_a_model_that_left_the_catalogue_is_a_warning(provider, model_of):
    response = model_of(provider(whole(CLAUDE)), "anthropic/claude-3-5-sonnet-20241022")("hi")
    assert [warning.partition(" after ")[0] for warning in response.warnings] == [
        "anthropic/claude-3-5-sonnet-20241022 left the catalogue"
    ]


def test_the_longest_answer_of_the_catalogue_is_sent_where_the_api_demands_a_limit(provider, model_of):
    server = provider(whole(CLAUDE))
    response = model_of(server, "anthropic/claude-haiku-4-5")("hi")
    assert server.requests[0].body["max_tokens"] == 64000
    assert [(change.kind, change.field) for change in response.changes] == [("defaulted", "max_tokens")]
