"""A user's program with types: every public entry point, checked by mypy and pyright without any exception.

It is checked, not run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from msgspec import Struct

import msgflux_like as mf
from msgflux_like import client as openai_shape
from msgflux_like import errors, events
from msgflux_like.testing import Breaks, Cassette, FakeModel, FakeProvider, FakeReply, tool_call


class City(Struct):
    name: str


def get_weather(location: str) -> str:
    """Return the weather of a place."""
    return f"sunny in {location}"


# -- models


def text(model: mf.ChatCompletion) -> str:
    return model("q").text


def parsed(model: mf.ChatCompletion) -> City:
    return model("q", generation_schema=City).parsed


def streamed(model: mf.ChatCompletion) -> Iterator[str]:
    yield from model("q", stream=True).consume()


async def streamed_async(model: mf.ChatCompletion) -> AsyncIterator[str]:
    response = await model.acall("q", stream=True)
    async for piece in response.consume():
        yield piece


def total(model: mf.ChatCompletion) -> int | None:
    return model("q").metadata.usage.total_tokens


def results(model: mf.ChatCompletion, gateway: mf.ModelGateway) -> None:
    assert_type(model("q", generation_schema=City), mf.ModelResponse[City])
    assert_type(model("q", generation_schema=City, stream=True), mf.ModelStreamResponse[City])
    assert_type(model("q", generation_schema=City, stream=True).result().parsed, City)
    assert_type(model("q", generation_schema=list[City], temperature=0).parsed, list[City])
    assert_type(model("q", generation_schema=dict[str, int]).parsed, dict[str, int])
    assert_type(model("q", generation_schema=int).parsed, int)
    assert_type(gateway("q", generation_schema=City).parsed, City)
    assert_type(gateway("q", generation_schema=City, stream=True).result().parsed, City)
    assert_type(model("q", generation_schema=City, output_retries=2).attempts, int)
    assert_type(model("q", stream=True).result().text, str)


async def async_results(model: mf.ChatCompletion, gateway: mf.ModelGateway) -> None:
    assert_type((await model.acall("q", generation_schema=City)).parsed, City)
    assert_type((await (await model.acall("q", generation_schema=City, stream=True)).aresult()).parsed, City)
    assert_type((await gateway.acall("q", generation_schema=City)).parsed, City)


def untyped(response: mf.ModelResponse, stream: mf.ModelStreamResponse) -> None:
    assert_type(response.metadata.finish_reason is None, bool)
    assert_type(stream.result().cached, bool)


def partial(model: mf.ChatCompletion) -> None:
    for value in model("q", generation_schema=City, stream=True).partial():
        print(value)


def made() -> None:
    assert_type(mf.Model.chat_completion("openai/gpt-4o", temperature=0.5), mf.ChatCompletion)


def handled(model: mf.ChatCompletion) -> float | None:
    try:
        model("q")
    except errors.RateLimitError as error:
        return error.retry_after_s
    except errors.APIError as error:
        print(error.status, error.code, error.message)
    return None


# -- the client


def whole(client: mf.Client, messages: list[dict[str, str]]) -> str | None:
    reply = client.chat.completions.create(
        model="gpt-4o",
        messages=messages,
        temperature=0,
        stop=["END"],
        tools=[get_weather, {"type": "function", "function": {"name": "f", "parameters": {}}}],
        tool_choice={"type": "function", "function": {"name": "f"}},
        n=2,
        timeout=mf.Timeouts(total_s=5),
    )
    assert_type(reply, openai_shape.ChatCompletionReply)
    return reply.choices[0].message.content


def chunks(client: mf.Client, messages: list[dict[str, str]]) -> Iterator[str]:
    stream = client.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
    assert_type(stream, mf.Stream[mf.ChatCompletionChunk])
    for chunk in stream:
        yield chunk.choices[0].delta.content or ""


async def async_chunks(client: mf.AsyncClient, messages: list[dict[str, str]]) -> AsyncIterator[str]:
    stream = await client.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
    assert_type(stream, mf.AsyncStream[mf.ChatCompletionChunk])
    async with stream:
        async for chunk in stream:
            yield chunk.choices[0].delta.content or ""
    await client.close()


def others(client: mf.BudClient) -> None:
    assert_type(client.completions.create(model="m", prompt="Once", max_tokens=5), mf.Completion)
    assert_type(client.embeddings.create(model="m", input=["a"]), openai_shape.EmbeddingReply)
    assert_type([model.id for model in client.models.list()], list[str])
    assert_type(client.base_url, str | None)


# -- tests of one's own


def fakes() -> None:
    model = FakeModel([tool_call("get_weather", location="Paris"), "Sunny."], max_retries=1)
    print(model.requests[0].messages[0]["content"])
    provider = FakeProvider([FakeReply.whole({"choices": []}), Breaks("the connection failed", "connect")])
    with provider, Cassette("it.jsonl", "new") as cassette:
        assert_type(cassette.attach(model), FakeModel)
    print(events.TextDelta("a").text)
