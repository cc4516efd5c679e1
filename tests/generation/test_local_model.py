"""The real embedded model: its grammar makes the JSON certain, whatever it means by it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

import msgflux_like as mf


class Pet(Struct, tag=True):
    name: Annotated[str, Meta(max_length=12)]


class Toy(Struct, tag=True):
    size: Literal["small", "big"]


class Report(Struct):
    colour: Literal["red", "green", "blue"]
    good: bool
    count: int | None
    thing: Pet | Toy


class Small(Struct):
    colour: Literal["red", "green", "blue"]
    good: bool


ASKED = "Describe a toy."
LIMIT = 200


@pytest.fixture
def local(local_server):
    models = []

    def make(dialect):
        models.append(mf.Model.chat_completion("local/smollm2", dialect=dialect, temperature=0, max_tokens=LIMIT))
        return models[-1]

    yield make
    for model in models:
        model.close()


def test_the_chat_dialect_holds_it_to_the_schema(local, colour):
    response = colour.ask(local("openai_chat"), ASKED, generation_schema=Report)
    assert isinstance(response.parsed, Report)
    assert response.output_mode == "native"
    assert response.consume().colour == response.parsed.colour


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "anthropic_messages"])
def test_a_forced_tool_does_so_in_every_dialect(dialect, local, colour):
    response = colour.ask(local(dialect), ASKED, generation_schema=Small, output_mode="tool")
    assert isinstance(response.parsed, Small)
    assert response.metadata.finish_reason in ("stop", "length")


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "anthropic_messages"])
def test_and_streamed(dialect, local):
    output_mode = "native" if dialect == "openai_chat" else "tool"
    model = local(dialect)
    response = model(ASKED, generation_schema=Small, output_mode=output_mode, stream=True)
    partials = list(response.partial())
    result = response.result()
    assert isinstance(result.parsed, Small)
    assert partials[-1] == result.consume()

    async def read():
        opened = await model.acall(ASKED, generation_schema=Small, output_mode=output_mode, stream=True)
        return [part async for part in opened.partial()], (await opened.aresult()).parsed

    seen, parsed = asyncio.run(read())
    assert isinstance(parsed, Small)
    assert seen[-1] == {"colour": parsed.colour, "good": parsed.good}
