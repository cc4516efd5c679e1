"""Vectors kept for texts that come again: text by text, in every kind of store."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import httpx2
import pytest

import msgflux_like as mf
from msgflux_like.errors import BadRequestError, InvalidRequestError
from tests.provider import whole
from tests.test_text_embedder import KEY, OPENAI, as_openai, vector


@pytest.fixture
def embedder_with(provider):
    """An embedder with that cache, and its provider."""
    made: list[mf.TextEmbedder] = []

    def make(cache: Any, *replies: Any, **options: Any) -> tuple[mf.TextEmbedder, Any]:
        server = provider(*(replies or (as_openai,)))
        options = {"api_key": KEY, "base_url": server.base_url, "max_retries": 0, "cache": cache, **options}
        made.append(mf.Model.text_embedder(OPENAI, **options))
        return made[-1], server

    yield make
    for each in made:
        each.close()


def test_a_text_that_is_known_is_not_asked_for_again(embedder_with, cache_in, colour):
    cache = cache_in()
    embedder, server = embedder_with(cache)
    first, second = colour.ask(embedder, "Hello"), colour.ask(embedder, "Hello")
    assert first.consume() == second.consume() == vector("Hello")
    assert len(server.requests) == 1
    assert first.metadata.cached is False
    assert second.metadata.cached is True
    assert second.metadata.usage == {"prompt_tokens": 0, "total_tokens": 0}
    assert (second.cost, second.cost_details.source) == (Decimal(0), "cache")
    assert {**cache.cache_info(), "maxsize": None} == {"hits": 1, "misses": 1, "maxsize": None, "currsize": 1}


def test_only_what_is_not_known_is_asked_for(embedder_with, cache_in, colour):
    embedder, server = embedder_with(cache_in())
    colour.ask(embedder, ["one", "three"])
    response = colour.ask(embedder, ["two", "three", "four", "one"])
    assert response.consume() == list(map(vector, ["two", "three", "four", "one"]))
    assert [request.body["input"] for request in server.requests] == [["one", "three"], ["two", "four"]]
    assert response.metadata.cached_texts == 2
    assert response.metadata.usage.total_tokens == len("two" + "four")
    assert response.metadata.cached is False


def test_numbers_come_back_exactly(embedder_with, cache_in):
    numbers = [0.1, 1 / 3, -0.0, 1e-300, 12345.6789]
    embedder, _ = embedder_with(cache_in(), whole({"data": [{"index": 0, "embedding": numbers}]}))
    assert embedder("a").consume() == embedder("a").consume() == numbers


def test_a_vector_is_the_callers_own_to_change(embedder_with, cache_in):
    embedder, server = embedder_with(cache_in())
    embedder("Hello").consume().clear()
    embedder("Hello").consume().append(1.0)
    assert embedder("Hello").consume() == vector("Hello")
    assert len(server.requests) == 1


@pytest.mark.parametrize("other", [{"dimensions": 2}, {"user": "u2"}, {"extra_body": {"a": 1}}, {"api_key": "sk-2"}])
def test_what_is_asked_for_otherwise_is_another_vector(embedder_with, cache_in, other):
    embedder, server = embedder_with(cache_in())
    embedder("Hello")
    embedder("Hello", **other)
    assert len(server.requests) == 2


def test_another_place_is_another_vector(provider, embedder_with, cache_in):
    embedder, server = embedder_with(cache_in())
    other = provider(as_openai)
    embedder("Hello")
    embedder("Hello", base_url=other.base_url)
    assert (len(server.requests), len(other.requests)) == (1, 1)


def test_what_a_client_of_ones_own_adds_makes_another_vector(embedder_with, cache_in):
    cache, requests = cache_in(), []

    def reply(request):
        requests.append(request.headers["openai-organization"])
        return httpx2.Response(200, json={"data": [{"index": 0, "embedding": [1.0]}]})

    for organization in ("one", "one", "two"):
        headers = {"openai-organization": organization}
        with httpx2.Client(transport=httpx2.MockTransport(reply), headers=headers) as client:
            embedder, _ = embedder_with(cache, http_client=client, base_url="http://127.0.0.1:1/v1")
            assert embedder("a").consume() == [1.0]
    assert requests == ["one", "two"]


def test_how_many_go_out_together_does_not_matter(embedder_with, cache_in):
    embedder, server = embedder_with(cache_in())
    embedder(["one", "two", "three"])
    assert embedder("two").metadata.cached
    assert embedder(["three", "one"], batch_size=1).metadata.cached
    assert len(server.requests) == 1


def test_what_came_before_a_failure_is_kept(embedder_with, cache_in, colour):
    bad = whole({"error": {"message": "no"}}, 400)
    embedder, server = embedder_with(cache_in(), as_openai, bad, as_openai, batch_size=1, max_concurrency=1)
    with pytest.raises(BadRequestError):
        colour.ask(embedder, ["a", "b", "c"])
    assert colour.ask(embedder, ["a", "b", "c"]).consume() == list(map(vector, "abc"))
    assert [request.body["input"] for request in server.requests] == [["a"], ["b"], ["b"], ["c"]]


def test_a_call_may_leave_the_cache_alone(embedder_with, cache_in):
    cache = cache_in()
    embedder, server = embedder_with(cache)
    embedder("Hello", use_cache=False)
    assert cache.cache_info().currsize == 0
    embedder("Hello")
    embedder("Hello", use_cache=False)
    assert len(server.requests) == 3


def test_use_cache_without_a_cache_is_refused():
    with pytest.raises(InvalidRequestError, match="use_cache=True needs a model with a cache"):
        mf.Model.text_embedder(OPENAI, api_key=KEY)("Hello", use_cache=True)


def test_a_cache_of_no_size_keeps_nothing(embedder_with):
    embedder, server = embedder_with(None, enable_cache=True, cache_size=0)
    embedder("Hello")
    embedder("Hello")
    assert len(server.requests) == 2


def test_a_chat_model_may_share_the_cache(provider, embedder_with, cache_in, model_of):
    from tests.provider import chat

    cache = cache_in()
    embedder, _ = embedder_with(cache)
    model = model_of(provider(whole(chat())), cache=cache)
    for _ in range(2):
        assert (embedder("Hello").consume(), model("Hello").consume()) == (vector("Hello"), "Hello")
    assert cache.cache_info().currsize == cache.cache_info().hits == 2


def test_many_tasks_share_it(embedder_with, cache_in):
    embedder, server = embedder_with(cache_in())
    embedder(["one", "two"])

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(embedder.acall(["two", "one"]) for _ in range(8)))

    assert all(response.metadata.cached for response in asyncio.run(all_at_once()))
    assert len(server.requests) == 1


def test_the_embedded_models_vectors_are_known_again(local_server, cache_in):
    embedder = mf.Model.text_embedder("local/smollm2", cache=cache_in())
    first, second = embedder("Hello"), embedder("Hello")
    assert second.metadata.cached
    assert second.consume() == first.consume()
