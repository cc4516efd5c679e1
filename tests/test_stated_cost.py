"""The price that a proxy states in the headers of a reply: LiteLLM's `x-litellm-response-cost`.

Source: https://docs.litellm.ai/docs/proxy/response_headers.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec import Struct

import msgflux_like as mf
from msgflux_like.testing import FakeProvider, FakeReply
from tests.provider import DONE, USAGE, chat, delta

PRICE = "0.0009884999999999998"


class Number(Struct):
    value: int


def model(*replies: FakeReply, **options: Any) -> mf.ChatCompletion:
    provider = FakeProvider(list(replies))
    return mf.Model.chat_completion(
        "openai/gpt-4o", api_key="k", base_url="https://proxy.example/v1", http_client=provider, **options
    )


def proxied(price: str, body: Any = None, **headers: str) -> FakeReply:
    return FakeReply.whole(chat() if body is None else body, headers={"x-litellm-response-cost": price, **headers})


def streamed(price: str) -> FakeReply:
    pieces = (delta("Hel"), delta("lo"), delta(finish="stop"), USAGE, DONE)
    return FakeReply(200, {"content-type": "text/event-stream", "x-litellm-response-cost": price}, pieces)


def test_the_price_of_the_proxy_is_the_cost():
    response = model(proxied(PRICE))("q")
    assert response.cost == Decimal(PRICE)
    assert response.cost_details.source == "provider"
    assert response.cost_details.breakdown is not None


@pytest.mark.parametrize("text", ["0.0", "1.5e-05", "3"])
def test_every_spelling_of_a_price_is_read(text: str):
    response = model(proxied(text))("q")
    assert (response.cost, response.cost_details.source) == (Decimal(text), "provider")


@pytest.mark.parametrize("text", ["", "None", "nan", "-1", "inf", "1e999999", "1e-999999", "free", "\u0661", "9" * 400])
def test_what_is_no_price_is_not_read(text: str):
    header = text.encode("utf-8").decode("latin-1")
    response = model(proxied(header))("q")
    assert response.cost_details.source == "catalogue"


def test_the_price_in_the_body_counts_first():
    body = chat()
    body["usage"]["cost"] = 0.5
    assert model(proxied(PRICE, body))("q").cost == Decimal("0.5")


def test_a_reply_without_usage_has_the_price_of_the_proxy():
    body = {name: value for name, value in chat().items() if name != "usage"}
    response = model(proxied(PRICE, body))("q")
    assert (response.cost, response.usage) == (Decimal(PRICE), None)


def test_a_stream_has_the_price_of_its_headers():
    stream = model(streamed(PRICE))("q", stream=True)
    assert stream.result().cost == stream.cost == Decimal(PRICE)


def test_a_zero_before_a_stream_says_nothing():
    response = model(streamed("0.0"))("q", stream=True).result()
    assert response.cost_details.source == "catalogue"


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_an_answer_from_a_cache_saved_the_price(kind: str, tmp_path: Any):
    cache = mf.ResponseCache() if kind == "memory" else mf.ResponseCache(store=tmp_path / "c.db")
    asked = model(proxied(PRICE), cache=cache)
    asked("q")
    again = asked("q")
    assert (again.cached, again.cost, again.saved) == (True, Decimal(0), Decimal(PRICE))


def test_the_prices_of_all_attempts_at_a_typed_answer_are_added():
    asked = model(proxied("0.25", chat("no number")), proxied("0.5", chat('{"value": 1}')))
    response = asked("q", generation_schema=Number, output_retries=1)
    assert (response.attempts, response.cost) == (2, Decimal("0.75"))


def test_a_price_that_one_attempt_lacks_is_no_sum():
    asked = model(FakeReply.whole(chat("no number")), proxied("0.5", chat('{"value": 1}')))
    response = asked("q", generation_schema=Number, output_retries=1)
    assert response.cost_details.source == "catalogue"


def test_an_embedding_has_the_price_of_the_proxy():
    body = {"data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    embedder = mf.Model.text_embedder(
        "openai/text-embedding-3-small", api_key="k", http_client=FakeProvider(proxied(PRICE, body)), batch_size=1
    )
    assert embedder("a").cost == Decimal(PRICE)
    assert embedder(["a", "b"]).cost == 2 * Decimal(PRICE)


def test_the_call_id_of_the_proxy_is_the_request_id():
    assert model(proxied(PRICE, **{"x-litellm-call-id": "call-7"}))("q").metadata.request_id == "call-7"
