"""What a cache does for its user: equal requests are sent once, in every kind of store."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal

import pytest

import msgflux_like as mf
from msgflux_like.errors import APIError, InvalidRequestError, OutputParsingError
from tests.provider import DONE, Provider, chat, chat_stream, delta, sse, stream, whole

PATIENCE_S = 20.0
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


def calling(arguments: str = '{"location": "Paris"}') -> dict:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    return chat(None, finish="tool_calls", tool_calls=[call])


def echo(request):
    return whole(chat(request.body["messages"][-1]["content"].upper()))


def maker(provider, model_of, cache_in):
    def make(*replies, **options):
        server = provider(*(replies or (echo,)))
        cache = options.pop("cache", None) or cache_in()
        return model_of(server, cache=cache, **options), server

    return make


@pytest.fixture
def cached(provider, model_of, cache_in):
    """A model with a cache, and its provider."""
    return maker(provider, model_of, cache_in)


@pytest.fixture
def bounded(provider, model_of, bounded_in):
    """The same, with a cache that bounds itself."""
    return maker(provider, model_of, bounded_in)


# ---- hits


def test_the_second_equal_call_sends_nothing_and_gives_an_equal_answer(cached, colour):
    model, server = cached()
    first, second = colour.ask(model, "hi"), colour.ask(model, "hi")
    assert (first.consume(), second.consume()) == ("HI", "HI")
    assert second.metadata == {**first.metadata, "cached": True}
    assert first.metadata.cached is False
    assert len(server.requests) == 1


def test_a_hit_costs_nothing_and_says_what_it_saved(cached):
    model, _ = cached()
    first, second = model("hi"), model("hi")
    assert (first.cost, first.saved) == (Decimal("0.0001375"), 0)
    assert (second.cost, second.saved) == (0, Decimal("0.0001375"))
    assert second.cost_details.source == "cache"
    assert second.metadata.usage == first.metadata.usage


def test_what_a_model_without_a_price_saved_is_not_known(cached):
    model, _ = cached(path="openai/gpt-unknown")
    model("hi")
    assert (model("hi").cost, model("hi").saved) == (0, None)


def test_both_colours_share_the_cache(cached):
    model, server = cached()
    model("hi")
    assert asyncio.run(model.acall("hi")).metadata.cached
    asyncio.run(model.acall("ho"))
    assert model("ho").metadata.cached
    assert len(server.requests) == 2


def test_models_of_one_account_share_a_cache(cached, model_of):
    model, server = cached()
    other = model_of(server, cache=model._response_cache)
    model("hi")
    assert other("hi").metadata.cached


def test_the_statistics_are_told(cached):
    model, _ = cached()
    assert model._response_cache.cache_info().hits == 0
    for text in ("1", "1", "2"):
        model(text)
    info = model._response_cache.cache_info()
    assert (info["hits"], info["misses"], info.currsize) == (1, 2, 2)
    model._response_cache.cache_clear()
    info = model._response_cache.cache_info()
    assert (info.hits, info.misses, info.currsize) == (0, 0, 0)
    assert model("1").metadata.cached is False


def test_an_empty_cache_is_true():
    assert mf.ResponseCache()
    assert mf.ResponseCache(0)


def test_tool_calls_hit_without_the_results_of_the_first_user(cached):
    model, server = cached(whole(calling()))
    first = model("hi", tool_schemas=[WEATHER]).consume()
    first.insert_results("call_1", "22 degrees")
    first.get_calls()[0]["function"]["arguments"]["location"] = "changed"
    second = model("hi", tool_schemas=[WEATHER]).consume()
    assert second.get_calls()[0]["function"]["arguments"] == {"location": "Paris"}
    assert second.get_calls()[0].get("result") is None
    assert len(server.requests) == 1


def test_what_is_done_to_an_answer_is_not_done_to_the_cache(cached):
    reply = chat("hi")
    reply["choices"][0]["message"]["annotations"] = [
        {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A"}}
    ]
    model, _ = cached(whole(reply))
    for response in (model("x"), model("x"), model("x")):
        assert response.metadata.usage.prompt_tokens == 19
        assert len(response.citations) == 1
        assert response.citations[0].raw == reply["choices"][0]["message"]["annotations"][0]
        response.metadata.usage.prompt_tokens = 0
        response.citations[0].raw["url_citation"]["url"] = "changed"
        response.citations.clear()
        response.state.append("more")
        response._answer.text.append("more")


def test_a_call_may_go_past_the_cache(cached, colour):
    model, server = cached()
    colour.ask(model, "hi", use_cache=False)
    assert colour.ask(model, "hi", use_cache=True).metadata.cached is False
    assert colour.ask(model, "hi", use_cache=False).metadata.cached is False
    assert len(server.requests) == 3
    assert model._response_cache.cache_info().misses == 1


# ---- what is not kept


@pytest.mark.parametrize(
    "reply",
    [
        whole({"error": {"message": "no"}}, status=400),
        whole({"error": {"message": "no"}}, status=500),
        whole(chat("half", finish="content_filter")),
        whole(chat("odd", finish="something_new")),
        whole(chat("")),
        whole(calling('{"location": ')),
    ],
    ids=["refused", "failed", "filtered", "unknown end", "empty", "broken arguments"],
)
def test_what_may_be_another_next_time_is_asked_for_anew(cached, reply):
    model, server = cached(reply)
    for _ in range(2):
        try:
            response = model("hi", tool_schemas=[WEATHER])
        except APIError:
            continue
        assert response.metadata.cached is False
    assert len(server.requests) == 2
    assert model._response_cache.cache_info().currsize == 0


def test_an_answer_that_was_cut_as_asked_is_kept(cached):
    model, server = cached(whole(chat("half", finish="length")))
    model("hi", max_tokens=1)
    assert model("hi", max_tokens=1).metadata.finish_reason == "length"
    assert len(server.requests) == 1


# ---- streams


def test_a_finished_stream_replays_piece_by_piece(cached, colour):
    model, server = cached(chat_stream("One", " two", " three"))
    first, _ = colour.pieces(model, "hi")
    second, response = colour.pieces(model, "hi")
    assert first == second == ["One", " two", " three"]
    assert response.metadata.cached
    assert response.metadata.usage.total_tokens == 5
    assert (response.cost, response.saved > 0) == (0, True)
    assert len(server.requests) == 1
    info = model._response_cache.cache_info()
    assert (info.hits, info.misses) == (1, 1)


def test_a_replayed_stream_comes_in_pieces_and_may_be_left(cached):
    model, server = cached(chat_stream("One", " two"))
    list(model("hi", stream=True).consume())
    response = model("hi", stream=True)
    assert response.text == "One"
    for _ in response.consume():
        break
    assert not response.done
    assert list(model("hi", stream=True).consume()) == ["One", " two"]
    assert len(server.requests) == 1


def test_a_stream_can_be_pushed_from_the_cache(cached):
    model, server = cached(chat_stream("One", " two"))
    for _ in range(2):
        seen = []
        model("hi", stream=True, stream_to=seen.append).wait(PATIENCE_S)
        texts = [event.data.choices[0].delta.content for event in seen if isinstance(event, mf.StreamData)]
        assert [text for text in texts if text] == ["One", " two"]
    assert len(server.requests) == 1


def test_a_stream_that_was_left_is_not_kept(cached, colour):
    gate = threading.Event()
    model, server = cached(stream(delta("One"), gate), chat_stream("One", " two"))
    response = model("hi", stream=True)
    for _ in response.consume():
        break
    assert server.hung_up.wait(PATIENCE_S)
    assert colour.pieces(model, "hi")[0] == ["One", " two"]
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "reply",
    [stream(delta("One")), stream(delta("One"), sse({"error": {"message": "overloaded"}}))],
    ids=["truncated", "failed"],
)
def test_a_stream_that_broke_off_is_not_kept(cached, reply):
    model, server = cached(reply)
    for _ in range(2):
        with pytest.raises(APIError):
            list(model("hi", stream=True).consume())
    assert len(server.requests) == 2


def test_a_stream_and_a_whole_answer_are_two_entries(cached):
    model, server = cached(lambda request: chat_stream("s") if request.body.get("stream") else whole(chat("w")))
    for _ in range(2):
        assert model("hi").consume() == "w"
        assert list(model("hi", stream=True).consume()) == ["s"]
    assert len(server.requests) == 2


def test_streamed_tool_calls_and_reasoning_replay(cached):
    call = {"index": 0, "id": "c1", "function": {"name": "get_weather", "arguments": ""}}
    rest = {"index": 0, "function": {"arguments": '{"a": 1}'}}
    model, server = cached(
        stream(
            delta(reasoning_content="hm"),
            delta(tool_calls=[call]),
            delta(tool_calls=[rest]),
            delta(finish="tool_calls"),
            DONE,
        )
    )
    events = []
    for _ in range(2):
        response = model("hi", stream=True, tool_schemas=[WEATHER])
        events.append(list(response.events()))
        assert response.consume().get_calls()[0]["function"]["arguments"] == {"a": 1}
        assert response.reasoning == "hm"
    assert events[0] == events[1]
    assert len(server.requests) == 1


# ---- answers of a type


def test_an_answer_of_a_type_hits_and_is_parsed_for_each(cached, colour):
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    model, server = cached(whole(chat('{"name": "Ada"}')))
    first = colour.ask(model, "hi", generation_schema=schema)
    first.consume()["name"] = "changed"
    second = colour.ask(model, "hi", generation_schema=schema)
    assert second.consume() == {"name": "Ada"}
    assert second.metadata.cached
    assert len(server.requests) == 1


def test_an_answer_that_is_not_of_the_type_is_not_kept(cached):
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    model, server = cached(whole(chat('{"nom": "Ada"}')), whole(chat('{"name": "Ada"}')))
    with pytest.raises(OutputParsingError):
        model("hi", generation_schema=schema)
    assert model("hi", generation_schema=schema).consume() == {"name": "Ada"}
    assert model("hi", generation_schema=schema).metadata.cached
    assert len(server.requests) == 2


def test_a_streamed_answer_of_a_type_is_kept_when_it_is_of_it(cached):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    replies = [chat_stream('{"n": ', '"one"}'), chat_stream('{"n": ', "1}")]
    model, server = cached(*replies)
    with pytest.raises(OutputParsingError):
        model("hi", generation_schema=schema, stream=True).result()
    for _ in range(3):
        assert model("hi", generation_schema=schema, stream=True).result().consume() == {"n": 1}
    assert len(server.requests) == 2


def test_asking_again_costs_what_was_asked(cached):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    model, server = cached(
        lambda request: whole(chat('{"n": 1}' if len(request.body["messages"]) > 1 else '{"n": "x"}'))
    )
    first = model("hi", generation_schema=schema, output_retries=1, output_mode="native")
    second = model("hi", generation_schema=schema, output_retries=1, output_mode="native")
    assert first.cost == Decimal("0.000275")
    assert (second.cost, second.saved) == (Decimal("0.0001375"), Decimal("0.0001375"))
    assert second.usage.total == 56
    assert len(server.requests) == 3


# ---- bounds


def test_the_least_recently_used_goes_first(bounded, bounded_in):
    model, server = bounded(cache=bounded_in(maxsize=2))
    for text in ("a", "b", "a", "c"):
        model(text)
    assert model._response_cache.cache_info() == {"hits": 1, "misses": 3, "maxsize": 2, "currsize": 2}
    assert model("a").metadata.cached
    assert model("b").metadata.cached is False
    assert len(server.requests) == 4


def test_an_answer_that_is_too_old_is_asked_for_anew(bounded, bounded_in, clock):
    model, server = bounded(cache=bounded_in(ttl_s=60))
    model("hi")
    clock.now += 59.9
    assert model("hi").metadata.cached
    clock.now += 0.2
    assert model._response_cache.cache_info().currsize == 0
    assert model("hi").metadata.cached is False
    assert len(server.requests) == 2


@pytest.mark.parametrize("cache_in", ["sqlite", "redis"], indirect=True)
def test_an_answer_that_another_kept_for_ever_is_too_old_all_the_same(cached, cache_in, clock):
    first, second = cache_in(), cache_in(ttl_s=60)
    model, server = cached(cache=first)
    other, _ = cached(cache=second, base_url=server.base_url)
    model("hi")
    clock.now += 59.9
    assert other("hi").metadata.cached
    clock.now += 0.2
    assert model("hi").metadata.cached
    assert other("hi").metadata.cached is False
    assert len(server.requests) == 2
    assert (second.cache_info().hits, second.cache_info().misses) == (1, 1)


def test_a_cache_without_room_keeps_nothing(bounded, bounded_in):
    model, server = bounded(cache=bounded_in(maxsize=0))
    for _ in range(2):
        assert model("hi").consume() == "HI"
    assert model._response_cache.cache_info() == {"hits": 0, "misses": 2, "maxsize": 0, "currsize": 0}
    assert len(server.requests) == 2


# ---- what is wrong


@pytest.mark.parametrize("size", [-1, 1.5, "many", True])
def test_a_size_that_is_none_is_refused(size):
    for make in (mf.ResponseCache, lambda size: mf.Model.chat_completion("openai/x", api_key="k", cache_size=size)):
        with pytest.raises(ValueError, match="size must be a whole number of at least 0"):
            make(size)


@pytest.mark.parametrize("ttl_s", [0, -1, "a day", True, float("nan")])
def test_a_time_that_is_none_is_refused(ttl_s):
    with pytest.raises(InvalidRequestError, match="ttl_s must be a number of seconds above 0"):
        mf.ResponseCache(ttl_s=ttl_s)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cache": 5}, "a cache must be a ResponseCache, a path, a redis:// URL or a Store, not int"),
        ({"cache": ""}, "the path of a cache is empty: name a file or a folder"),
        ({"cache": "http://127.0.0.1"}, "a cache must be at a path, or at a URL of redis, rediss, unix"),
        ({"cache": "redis://127.0.0.1", "cache_size": 5}, "a Redis server limits its size itself"),
        ({"cache": mf.ResponseCache(), "cache_size": 5}, "cache_size is for a cache of the model's own"),
        ({"cache": {"size": 5}}, "cache has unknown fields: size"),
    ],
)
def test_a_cache_that_is_none_is_refused(options, said):
    with pytest.raises(InvalidRequestError, match=said):
        mf.Model.chat_completion("openai/gpt-4o", api_key="k", **options)


def test_a_model_without_a_cache_cannot_be_told_to_use_it(provider, model_of):
    server = provider(whole(chat()))
    model = model_of(server)
    assert model._response_cache is None
    model("hi", use_cache=False)
    with pytest.raises(InvalidRequestError, match="use_cache"):
        model("hi", use_cache=True)
    assert len(server.requests) == 1


def test_a_request_that_json_cannot_hold_is_refused_by_its_place(cached):
    model, server = cached()
    with pytest.raises(InvalidRequestError, match=r"metadata\.a is of type object"):
        model("hi", extra_body={"metadata": {"a": object()}})
    assert server.requests == []


def test_what_is_not_asked_for_is_not_imported():
    from tests.test_importing import in_a_new_process

    seen = in_a_new_process(
        """
        import sys, msgflux_like as mf
        mf.Model.chat_completion("openai/gpt-4o", api_key="k")
        print([name for name in sys.modules if name.startswith(("msgflux_like.cache", "sqlite3", "cachetools"))])
        mf.Model.chat_completion("openai/gpt-4o", api_key="k", enable_cache=True)
        print([name for name in sys.modules if name in ("sqlite3", "redis")])
        """
    )
    assert seen == "[]\n[]\n"


def test_a_cache_says_where_it_is_and_no_password(tmp_path):
    assert repr(mf.ResponseCache()) == "ResponseCache(0 hits, 0 misses)"
    cache = mf.ResponseCache(store="redis://me:hush@127.0.0.1:1/0?password=hush")
    assert repr(cache) == "ResponseCache(0 hits, 0 misses in redis://me@127.0.0.1:1/0)"
    assert "hush" not in str(cache.settings())
    server = Provider(echo)
    with server, mf.Model.chat_completion("openai/x", api_key="k", base_url=server.base_url, cache=tmp_path) as model:
        model("hi")
        assert model._response_cache.location == str(tmp_path / "responses.sqlite")
        model._response_cache.close()
