"""Several models behind one call: who is asked, in which order, and what the response says of it."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import threading
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

import msgflux_like as mf
from msgflux_like.errors import (
    APIError,
    AuthenticationError,
    ChangeError,
    GatewayError,
    InvalidRequestError,
    MissingKeyError,
    OutputParsingError,
    RateLimitError,
    StreamFailedError,
    UnknownParameterError,
)
from tests.provider import PATIENCE_S, chat, chat_stream, delta, sse, stream, whole

BUSY = whole({"error": {"message": "busy"}}, 503)
SLOW_DOWN = whole({"error": {"message": "slow down"}}, 429, retry_after="7")
WRONG_KEY = whole({"error": {"message": "wrong key"}}, 401)


class Deadline:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Deadline:
    return Deadline()


@pytest.fixture
def at(model_of):
    """A model that is asked once."""
    return lambda server, path="openai/gpt-4o", **options: model_of(server, path, max_retries=0, **options)


@pytest.fixture
def gateway(at, clock):
    return lambda *servers, **options: mf.ModelGateway([at(server) for server in servers], clock=clock, **options)


def route(response: Any) -> list[str]:
    return [tried.outcome for tried in response.route]


class TestFallingBack:
    def test_the_first_model_answers(self, provider, gateway, colour):
        first, second = provider(whole(chat("1"))), provider(whole(chat("2")))
        response = colour.ask(gateway(first, second), "Hello")
        assert response.text == "1"
        assert route(response) == ["answered"]
        assert not second.requests

    def test_the_next_one_answers_where_one_fails(self, provider, gateway, colour):
        response = colour.ask(gateway(provider(BUSY), provider(whole(chat("2")))), "Hello")
        assert response.text == "2"
        assert route(response) == ["failed", "answered"]
        assert response.route[0].why.startswith("ServerError: busy")

    def test_a_stream_falls_back_until_its_first_piece(self, provider, gateway, colour):
        servers = provider(BUSY), provider(stream(sse({"error": {"message": "no"}}))), provider(chat_stream("3", "!"))
        got, response = colour.pieces(gateway(*servers), "Hello")
        assert got == ["3", "!"]
        assert route(response) == ["failed", "failed", "answered"]

    def test_a_stream_does_not_fall_back_after_it(self, provider, gateway, colour):
        broken = stream(delta("Hel"), sse({"error": {"message": "no"}}))
        second = provider(chat_stream("2"))
        with pytest.raises(StreamFailedError):
            colour.pieces(gateway(provider(broken), second), "Hello")
        assert not second.requests

    def test_when_nobody_answers_all_reasons_are_told(self, provider, gateway, colour):
        with pytest.raises(GatewayError, match=r"no model answered\. .*busy.*; .*slow down") as raised:
            colour.ask(gateway(provider(BUSY), provider(SLOW_DOWN)), "Hello")
        assert [tried.outcome for tried in raised.value.route] == ["failed", "failed"]
        assert isinstance(raised.value.__cause__, RateLimitError)

    def test_messages_that_can_be_read_once_are_enough(self, provider, gateway, colour):
        servers = provider(BUSY), provider(whole(chat("no json")), whole(chat('{"a": 1}')))
        messages = (text for text in ["Hello"])
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
        response = colour.ask(gateway(*servers), messages, generation_schema=schema, output_retries=1)
        assert response.consume() == {"a": 1}
        assert servers[1].requests[1].body["messages"][0] == {"role": "user", "content": "Hello"}

    @pytest.mark.parametrize(
        ("call", "error"),
        [
            ({"temprature": 1}, UnknownParameterError),
            ({"temperature": 7}, InvalidRequestError),
            ({"messages": []}, InvalidRequestError),
        ],
    )
    def test_a_mistake_of_the_caller_is_raised_at_once(self, provider, gateway, colour, call, error):
        servers = provider(whole(chat())), provider(whole(chat()))
        with pytest.raises(error):
            colour.ask(gateway(*servers), **{"messages": "Hello", **call})
        assert not any(server.requests for server in servers)

    def test_what_lets_the_next_one_try_can_be_widened(self, provider, gateway, colour):
        servers = provider(whole(chat("no json"))), provider(whole(chat('{"a": 1}')))
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
        both = gateway(*servers, on=(APIError, OutputParsingError))
        response = colour.ask(both, "Hello", generation_schema=schema)
        assert response.consume() == {"a": 1}
        assert response.route[0].cost > 0

    def test_the_cost_of_failed_attempts_counts(self, provider, gateway, colour):
        servers = provider(whole(chat("no json"))), provider(whole(chat('{"a": 1}')))
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
        response = colour.ask(gateway(*servers, on=(OutputParsingError,)), "Hello", generation_schema=schema)
        assert response.cost == 2 * response.cost_details.usd > 0

    def test_a_model_that_cannot_take_the_request_is_passed_over(self, provider, at, colour):
        picture = mf.ChatBlock.user("What?", media=mf.ChatBlock.image("https://example.com/cat.jpg"))
        blind, seeing = provider(whole(chat("1"))), provider(whole(chat("2")))
        gateway = mf.ModelGateway([at(blind, "openai/gpt-3.5-turbo"), at(seeing)])
        response = colour.ask(gateway, picture)
        assert response.text == "2"
        assert [(tried.model, tried.outcome) for tried in response.route] == [
            ("openai/gpt-3.5-turbo", "cannot"),
            ("openai/gpt-4o", "answered"),
        ]
        assert not blind.requests

    def test_one_that_cannot_send_it_exactly_is_passed_over_too(self, provider, at, colour):
        state = {"family": "anthropic:anthropic", "kind": "thinking", "after": 0, "raw": {"type": "thinking"}}
        messages = ["Hi", {"role": "assistant", "content": "Hello", "provider_state": [state]}, "Who?"]
        first, second = provider(whole(chat("1"))), provider(whole(chat("2")))
        gateway = mf.ModelGateway([at(first, changes="refuse"), at(second)])
        response = colour.ask(gateway, messages)
        assert (response.text, route(response)) == ("2", ["cannot", "answered"])
        assert not first.requests
        with pytest.raises(GatewayError) as raised:
            colour.ask(gateway, messages, changes="refuse")
        assert isinstance(raised.value.__cause__, ChangeError)

    @pytest.mark.parametrize("own", [{"api_key": "sk-of-one"}, {"base_url": "https://one.example/v1"}])
    def test_what_is_of_one_provider_is_not_given_to_all(self, provider, gateway, colour, own):
        servers = provider(BUSY), provider(whole(chat()))
        with pytest.raises(InvalidRequestError, match=f"{next(iter(own))}: a gateway asks several models") as raised:
            colour.ask(gateway(*servers), "Hello", **own)
        assert "sk-of-one" not in str(raised.value)
        assert not any(server.requests for server in servers)

    def test_asking_again_for_a_type_counts_in_the_cost(self, provider, gateway, colour):
        servers = provider(whole(chat("no json"))), provider(whole(chat("nor this")), whole(chat('{"a": 1}')))
        both = gateway(*servers, on=(APIError, OutputParsingError))
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
        response = colour.ask(both, "Hello", generation_schema=schema, output_retries=1)
        assert response.consume() == {"a": 1}
        assert [len(server.requests) for server in servers] == [2, 2]
        assert response.route[0].cost == response.cost_details.usd > 0
        assert response.cost == 2 * response.route[0].cost

    def test_an_answer_from_a_models_cache_costs_nothing(self, provider, at, colour):
        server = provider(whole(chat("1")), BUSY)
        gateway = mf.ModelGateway([at(server, enable_cache=True), at(provider(whole(chat("2"))))])
        assert colour.ask(gateway, "Hello").cost > 0
        response = colour.ask(gateway, "Hello")
        assert (response.text, response.cost, response.cached) == ("1", 0, True)
        assert colour.ask(gateway, "Another").text == "2"  # the first one failed, and rests
        response = colour.ask(gateway, "Hello")
        assert route(response) == ["resting", "answered"]


class TestStreamTo:
    """Whoever is told hears of the answer that comes, and of the end once."""

    @pytest.fixture
    def told(self, colour):
        """What a `stream_to` is told."""

        def ask(gateway: Any, **call: Any) -> list[Any]:
            told: list[Any] = []

            async def in_a_loop() -> None:
                response = await gateway.acall("Hello", stream=True, stream_to=told.append, **call)
                await response.await_done(PATIENCE_S)

            try:
                if colour.name == "async":
                    asyncio.run(in_a_loop())
                else:
                    gateway("Hello", stream=True, stream_to=told.append, **call).wait(PATIENCE_S)
            except GatewayError as error:
                assert told == [mf.StreamError(error)]
            return told

        return ask

    def test_a_callback_hears_nothing_of_models_that_failed(self, provider, gateway, told):
        *data, end = told(gateway(provider(BUSY), provider(chat_stream("2", "!"))))
        assert "".join(each.data.choices[0].delta.content or "" for each in data) == "2!"
        assert end == mf.StreamFinish()

    def test_when_nobody_answers_it_hears_that_once(self, provider, gateway, told):
        [error] = told(gateway(provider(BUSY), provider(SLOW_DOWN)))
        assert isinstance(error.error, GatewayError)

    def test_a_handler_is_used_for_the_answer_alone(self, provider, gateway):
        class Handler(mf.StreamHandler):
            def handle_data(self, data, state):
                return state + (data.choices[0].delta.content or "")

            def handle_error(self, error, state):
                return f"failed: {error}"

        handler = Handler.start("")
        gateway(provider(BUSY), provider(chat_stream("2", "!")))("Hello", stream=True, stream_to=handler)
        assert handler.join(PATIENCE_S)
        assert handler.get_state() == "2!"

    def test_it_needs_a_stream(self, provider, gateway, colour):
        with pytest.raises(InvalidRequestError, match="stream_to needs stream=True"):
            colour.ask(gateway(provider(BUSY)), "Hello", stream_to=print)

    def test_text_completions_have_chunks_of_their_own(self, provider, told):
        fragment = sse({"choices": [{"index": 0, "text": " a time"}]})
        models = [
            mf.Model.text_completion(
                "openai/gpt-3.5-turbo-instruct", api_key="sk-x", base_url=provider(reply).base_url, max_retries=0
            )
            for reply in (BUSY, stream(fragment, sse(b"[DONE]")))
        ]
        data, *_ = told(mf.ModelGateway(models))
        assert isinstance(data.data, mf.client.CompletionChunk)
        assert data.data.choices[0].text == " a time"


class TestResting:
    def test_a_model_that_failed_is_asked_last_for_a_while(self, provider, gateway, clock):
        first, second = provider(BUSY, whole(chat("1"))), provider(whole(chat("2")))
        both = gateway(first, second, cool_down_s=60)
        assert both("Hello").text == "2"
        response = both("Hello")
        assert response.text == "2"
        assert route(response) == ["resting", "answered"]
        clock.now += 61
        assert both("Hello").text == "1"

    def test_the_provider_says_for_how_long(self, provider, gateway, clock):
        both = gateway(provider(SLOW_DOWN, whole(chat("1"))), provider(whole(chat("2"))))
        assert both("Hello").text == "2"
        clock.now += 6
        assert both("Hello").text == "2"
        clock.now += 2
        assert both("Hello").text == "1"

    def test_models_that_all_rest_are_asked_all_the_same(self, provider, gateway):
        both = gateway(provider(BUSY, whole(chat("1"))), provider(BUSY))
        with pytest.raises(GatewayError):
            both("Hello")
        assert both("Hello").text == "1"

    def test_a_request_that_is_refused_says_nothing_of_the_model(self, provider, gateway):
        too_long = whole({"error": {"message": "too long", "code": "context_length_exceeded"}}, 400)
        both = gateway(provider(too_long, whole(chat("1"))), provider(whole(chat("2"))))
        assert both("Hello").text == "2"
        assert both("Hello").text == "1"


class TestOrder:
    def test_by_price(self, provider, at):
        dear, cheap = provider(whole(chat("dear"))), provider(whole(chat("cheap")))
        models = [at(dear, "openai/gpt-4o"), at(cheap, "openai/gpt-4o-mini")]
        assert mf.ModelGateway(models, order="price")("Hello").text == "cheap"

    def test_a_price_that_nobody_knows_comes_last(self, provider, at):
        unknown, known = provider(whole(chat("unknown"))), provider(whole(chat("known")))
        models = [at(unknown, "openai/gpt-unheard-of"), at(known)]
        assert mf.ModelGateway(models, order="price")("Hello").text == "known"

    def test_by_context(self, provider, at):
        short, long = provider(whole(chat("short"))), provider(whole(chat("long")))
        models = [at(short, "openai/gpt-4o"), at(long, "openai/gpt-4.1")]
        assert mf.ModelGateway(models, order="context")("Hello").text == "long"

    def test_by_weight(self, provider, gateway):
        both = gateway(provider(whole(chat("1"))), provider(whole(chat("2"))), order="weight", weights=[9, 1])
        counts = Counter(both("Hello").text for _ in range(200))
        assert 140 < counts["1"] < 200  # each bound is missed less than once in a million times

    def test_a_preferred_model_comes_first(self, provider, at, colour):
        models = [at(provider(whole(chat("1")))), at(provider(whole(chat("2"))), "openai/gpt-4o-mini")]
        both = mf.ModelGateway(models)
        assert colour.ask(both, "Hello", model_preference="gpt-4o-mini").text == "2"
        assert colour.ask(both, "Hello", model_preference="openai/gpt-4o-mini").text == "2"

    def test_a_preferred_model_that_fails_is_followed_by_the_others(self, provider, at, colour):
        models = [at(provider(whole(chat("1")))), at(provider(BUSY), "openai/gpt-4o-mini")]
        assert colour.ask(mf.ModelGateway(models), "Hello", model_preference="gpt-4o-mini").text == "1"

    def test_an_unknown_preference_is_refused(self, provider, gateway, colour):
        with pytest.raises(InvalidRequestError, match="model_preference 'gpt-5' is none of openai/gpt-4o"):
            colour.ask(gateway(provider(whole(chat()))), "Hello", model_preference="gpt-5")


class TestKeys:
    @pytest.fixture
    def keyed(self, monkeypatch, clock):
        def make(server: Any) -> mf.ModelGateway:
            monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
            return mf.ModelGateway(["openai/gpt-4o"], keys={"openai": ["sk-1", "sk-2"]}, clock=clock)

        return make

    def test_they_are_used_in_turn(self, provider, keyed):
        server = provider(whole(chat()))
        gateway = keyed(server)
        for _ in range(4):
            gateway("Hello")
        sent = [request.headers["authorization"] for request in server.requests]
        assert sent == ["Bearer sk-1", "Bearer sk-2", "Bearer sk-1", "Bearer sk-2"]

    def test_the_next_one_is_used_where_one_fails(self, provider, keyed, colour):
        server = provider(WRONG_KEY, whole(chat("2")))
        response = colour.ask(keyed(server), "Hello")
        assert response.text == "2"
        assert [request.headers["authorization"] for request in server.requests] == ["Bearer sk-1", "Bearer sk-2"]
        assert "sk-1" not in str(response.route)

    def test_they_are_not_part_of_any_state(self, provider, keyed):
        with pytest.raises(TypeError, match="was given keys cannot be serialized"):
            keyed(provider(whole(chat()))).serialize()
        with pytest.raises(TypeError, match="was given keys cannot be copied or pickled"):
            pickle.dumps(keyed(provider(whole(chat()))))

    def test_those_of_nobody_are_refused(self):
        with pytest.raises(InvalidRequestError, match="keys names groq, of which there is no model"):
            mf.ModelGateway([mf.Model.chat_completion("openai/gpt-4o", api_key="sk-x")], keys={"groq": ["gsk-1"]})


class TestState:
    def test_it_comes_back(self, provider, monkeypatch, tmp_path):
        server = provider(BUSY, whole(chat("2")))
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        models = [mf.Model.chat_completion(f"openai/{name}", max_retries=0) for name in ("gpt-4o", "gpt-4o-mini")]
        mf.save(mf.ModelGateway(models, cool_down_s=5), tmp_path / "gateway.json")
        assert "sk-secret" not in json.dumps(mf.load(tmp_path / "gateway.json"))
        restored = mf.ModelGateway.from_serialized(mf.load(tmp_path / "gateway.json"))
        assert restored.paths == ["openai/gpt-4o", "openai/gpt-4o-mini"]
        assert restored("Hello").text == "2"
        assert restored.serialize() == mf.load(tmp_path / "gateway.json")

    def test_other_state_is_refused(self):
        with pytest.raises(InvalidRequestError, match="msgflux_type is 'model': this is not a serialized gateway"):
            mf.ModelGateway.from_serialized({"msgflux_type": "model"})

    def test_all_of_it_comes_back(self, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
        paths = ["openai/gpt-4o", "openai/gpt-4o-mini"]
        gateway = mf.ModelGateway(paths, order="weight", weights=[3, 0.5], on=(APIError, OutputParsingError))
        state = json.loads(json.dumps(gateway.serialize()))
        assert (state["weights"], state["on"]) == ([3, 0.5], ["APIError", "OutputParsingError"])
        assert mf.ModelGateway.from_serialized(state).serialize() == state
        with pytest.raises(InvalidRequestError, match="on: there is no error 'SystemExit'"):
            mf.ModelGateway.from_serialized({**state, "on": ["SystemExit"]})

    @pytest.mark.parametrize("twin", [lambda one: pickle.loads(pickle.dumps(one)), copy.copy, copy.deepcopy])
    def test_copies_rest_and_end_by_themselves(self, provider, monkeypatch, twin):
        monkeypatch.setenv("OPENAI_BASE_URL", provider(BUSY, whole(chat("1"))).base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
        models = [mf.Model.chat_completion(f"openai/{name}", max_retries=0) for name in ("gpt-4o", "gpt-4o-mini")]
        gateway = mf.ModelGateway(models, order="weight", weights=[1, 1e-9], on=(APIError, OutputParsingError))
        assert route(gateway("Hello")) == ["failed", "answered"]
        copied = twin(gateway)
        assert copied.serialize() == gateway.serialize()
        assert route(copied("Hello")) == ["answered"]
        assert route(gateway("Hello")) == ["resting", "answered"]

    def test_errors_of_your_own_are_no_state(self, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
        with pytest.raises(TypeError, match=r"on has KeyError, which is not of msgflux_like\.errors"):
            mf.ModelGateway(["openai/gpt-4o"], on=(KeyError,)).serialize()

    def test_a_place_of_ones_own_comes_back_with_the_key_that_may_go_there(self, provider, at):
        server = provider(whole(chat("1")))
        state = mf.ModelGateway([at(server)]).serialize()
        with pytest.raises(MissingKeyError, match="the stored base_url is not openai's own"):
            mf.ModelGateway.from_serialized(state)
        assert mf.ModelGateway.from_serialized(state, api_keys={"openai": "sk-other"})("Hello").text == "1"
        assert server.requests[0].headers["authorization"] == "Bearer sk-other"

    async def test_it_closes_its_models(self, provider, gateway):
        server = provider(whole(chat()))
        with gateway(server) as first:
            first("Hello")
        async with gateway(server) as second:
            await second.acall("Hello")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"models": []}, "models is empty"),
        ({"models": [5]}, "models must be chat models or their paths, not int"),
        ({"models": ["openai/gpt-4o"], "order": "luck"}, 'order must be "given", "price", "context" or "weight"'),
        ({"models": ["openai/gpt-4o"], "weights": [1]}, 'weights need order="weight"'),
        ({"models": ["openai/gpt-4o"], "weights": [0], "order": "weight"}, r"weights\[0\] must be a number above 0"),
        ({"models": ["openai/gpt-4o"], "weights": ["a"], "order": "weight"}, r"weights\[0\] must be a number above 0"),
        ({"models": ["openai/gpt-4o"], "weights": 1, "order": "weight"}, "weights must be 1 numbers above 0"),
        (
            {"models": ["openai/gpt-4o"], "keys": {"openai": "sk-secret"}},
            "'openai'. must be a list of at least one key",
        ),
        (
            {"models": ["openai/gpt-4o"], "keys": {"openai": []}},
            "'openai'. must be a list of at least one key",
        ),
        ({"models": ["openai/gpt-4o"], "cool_down_s": -1}, "cool_down_s must be a number of seconds"),
        ({"models": ["openai/gpt-4o"], "on": "APIError"}, "on must be error classes"),
    ],
)
def test_what_makes_no_gateway_is_refused(monkeypatch, arguments, message):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    with pytest.raises(InvalidRequestError, match=message):
        mf.ModelGateway(**arguments)


def test_tools_run_through_it(provider, gateway):
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2, "b": 3}'}}
    server = provider(whole(chat(None, "tool_calls", tool_calls=[call])), whole(chat("5")))
    run = mf.run_tools(gateway(provider(BUSY), server), "2 + 3?", [add])
    assert run.text == "5"
    assert isinstance(run.cost, Decimal)


def test_an_authentication_error_is_no_mistake_of_the_caller(provider, gateway, colour):
    with pytest.raises(GatewayError) as raised:
        colour.ask(gateway(provider(WRONG_KEY)), "Hello")
    assert isinstance(raised.value.__cause__, AuthenticationError)


def test_an_embedder_is_refused(monkeypatch):
    """Vectors of one model mean nothing to another."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    with pytest.raises(InvalidRequestError, match="models must be chat models or their paths, not TextEmbedder"):
        mf.ModelGateway([mf.Model.text_embedder("openai/text-embedding-3-small")])


def test_threads_and_tasks_share_it(provider, gateway):
    guard, asked = threading.Lock(), [0]

    def every_other_time(_: Any) -> Any:
        with guard:
            asked[0] += 1
            return BUSY if asked[0] % 2 else whole(chat("1"))

    both = gateway(provider(every_other_time), provider(whole(chat("2"))), cool_down_s=0)
    texts: list[str] = []

    async def together() -> None:
        texts.extend(response.text for response in await asyncio.gather(*(both.acall("Hello") for _ in range(10))))

    def run() -> None:
        texts.extend(both("Hello").text for _ in range(10))
        asyncio.run(together())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert Counter(texts) == {"1": 40, "2": 40}


class TestFailuresInsideReplies:
    """A whole reply of status 200 that reports a failure: raised with what it has, and the next model is asked."""

    FAILED = whole(
        {
            "id": "gen-1",
            "model": "gpt-4o",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "The answer"}, "finish_reason": None}],
            "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000},
            "error": {"code": 400, "message": "upstream died"},
        }
    )

    def test_the_error_has_the_answer_so_far_and_its_cost(self, provider, model_of, colour):
        with pytest.raises(APIError, match="upstream died") as caught:
            colour.ask(model_of(provider(self.FAILED)), "q")
        partial = caught.value.partial
        assert (partial.text, partial.metadata.usage.prompt_tokens) == ("The answer", 1_000_000)
        assert partial.cost == Decimal("2.5")
        assert "upstream died" in caught.value.body

    def test_a_gateway_goes_on_and_knows_what_the_failure_cost(self, provider, model_of, colour):
        both = mf.ModelGateway([model_of(provider(self.FAILED)), model_of(provider(whole(chat("good"))))])
        response = colour.ask(both, "q")
        assert response.text == "good"
        assert response.route[0].cost == Decimal("2.5")
        assert response.cost == response.cost_details.usd + Decimal("2.5")

    def test_a_failure_without_an_answer_has_no_partial_one(self, provider, model_of, colour):
        with pytest.raises(APIError) as caught:
            colour.ask(model_of(provider(whole({"error": {"message": "no"}}))), "q")
        assert caught.value.partial is None
