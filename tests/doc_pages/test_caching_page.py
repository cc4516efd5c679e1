"""The examples of response caching on the chat completion page, as they are written there but for the import."""

# ruff: noqa: T201  the page prints

from __future__ import annotations

import pytest

from tests.provider import chat, whole


@pytest.fixture
def openai(provider, monkeypatch):
    """A provider that the environment calls OpenAI, which numbers its answers."""

    def reply(_request):
        return whole(chat(f"Answer {len(server.requests)}"))

    server = provider(reply)
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    return server


def test_basic_parameters(openai):
    import msgflux_like as mf

    model = mf.Model.chat_completion(
        "openai/gpt-4o",
        temperature=0.7,  # Randomness (0-2)
        max_tokens=1000,  # Maximum output tokens
        top_p=0.9,  # Nucleus sampling
        enable_cache=True,  # Enable response caching
        cache_size=128,  # Cache size
    )

    assert model._response_cache.cache_info() == {"hits": 0, "misses": 0, "maxsize": 128, "currsize": 0}


def test_use_response_caching_for_repeated_queries(openai):
    import msgflux_like as mf

    # Good - Enable cache for applications with repeated queries
    model = mf.Model.chat_completion(
        "openai/gpt-4o",
        enable_cache=True,
        cache_size=256,  # Adjust based on usage patterns
    )

    assert model("Hello").consume() == model("Hello").consume() == "Answer 1"
    assert model._response_cache.cache_info().maxsize == 256
    model.close()


def test_enabling_cache(openai, capsys):
    import msgflux_like as mf

    # Enable cache on initialization
    model = mf.Model.chat_completion(
        "openai/gpt-4o",
        enable_cache=True,  # Enable caching
        cache_size=128,  # Cache up to 128 responses
    )

    # First call - hits API
    response1 = model(messages=[{"role": "user", "content": "Hello"}])
    print(response1.consume())

    # Second identical call - returns cached response (no API call)
    response2 = model(messages=[{"role": "user", "content": "Hello"}])
    print(response2.consume())

    # Different call - hits API again
    response3 = model(messages=[{"role": "user", "content": "Hi"}])
    print(response3.consume())

    assert capsys.readouterr().out == "Answer 1\nAnswer 1\nAnswer 2\n"
    assert len(openai.requests) == 2
    model.close()


def test_cache_statistics(openai, capsys):
    import msgflux_like as mf

    model = mf.Model.chat_completion("openai/gpt-4o", enable_cache=True, cache_size=128)

    # Make some calls
    model(messages=[{"role": "user", "content": "Test 1"}])
    model(messages=[{"role": "user", "content": "Test 1"}])  # Cache hit
    model(messages=[{"role": "user", "content": "Test 2"}])

    # Check cache stats
    if model._response_cache:
        stats = model._response_cache.cache_info()
        print(stats)
        # {
        #     'hits': 1,
        #     'misses': 2,
        #     'maxsize': 128,
        #     'currsize': 2
        # }

        # Clear cache
        model._response_cache.cache_clear()

    assert capsys.readouterr().out == "{'hits': 1, 'misses': 2, 'maxsize': 128, 'currsize': 2}\n"
    assert model._response_cache.cache_info() == {"hits": 0, "misses": 0, "maxsize": 128, "currsize": 0}
    model.close()


def test_changing_any_of_these_creates_a_new_entry(openai):
    import msgflux_like as mf

    model = mf.Model.chat_completion("openai/gpt-4o", enable_cache=True)
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    calls = [
        {"messages": "Hello"},
        {"messages": "Hi"},
        {"messages": "Hello", "system_prompt": "Be brief."},
        {"messages": "Hello", "temperature": 0},
        {"messages": "Hello", "generation_schema": {"type": "object", "properties": {}}, "output_mode": "prompted"},
        {"messages": "Hello", "tool_schemas": [tool]},
    ]
    keys = {model.plan(**call).cache_key for call in calls}
    assert len(keys) == len(calls)


def test_monitor_cache_performance(openai, capsys):
    import msgflux_like as mf

    model = mf.Model.chat_completion("openai/gpt-4o", enable_cache=True)
    for text in ("a", "b", "b", "b"):
        model(text)

    # Periodically check cache stats
    if model._response_cache:
        stats = model._response_cache.cache_info()
        hit_rate = stats["hits"] / (stats["hits"] + stats["misses"])
        print(f"Cache hit rate: {hit_rate:.2%}")

        # Clear if hit rate is too low
        if hit_rate < 0.1:
            model._response_cache.cache_clear()

    assert capsys.readouterr().out == "Cache hit rate: 50.00%\n"
    assert model._response_cache.cache_info().currsize == 2
    model.close()


def test_a_model_without_a_cache_has_none(openai):
    import msgflux_like as mf

    model = mf.Model.chat_completion("openai/gpt-4o")
    assert model._response_cache is None
