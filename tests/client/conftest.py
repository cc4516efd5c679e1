from __future__ import annotations

import asyncio
from typing import Any

import pytest

import msgflux_like as mf

USER = [{"role": "user", "content": "Hello"}]


class Sync:
    """Calls from a thread."""

    name = "sync"
    Client = mf.Client
    BudClient = mf.BudClient

    def call(self, client: Any, path: str, *args: Any, **named: Any) -> Any:
        """What `client.<path>(...)` gives."""
        with client:
            return _found(client, path)(*args, **named)

    def chunks(self, client: Any, path: str = "chat.completions.create", **named: Any) -> tuple[list[Any], Any]:
        """All chunks, and the stream."""
        with client:
            stream = _found(client, path)(stream=True, **named)
            return list(stream), stream


class Async:
    """The same in an event loop, a new one for each call."""

    name = "async"
    Client = mf.AsyncClient
    BudClient = mf.AsyncBudClient

    def call(self, client: Any, path: str, *args: Any, **named: Any) -> Any:
        async def run() -> Any:
            async with client:
                return await _found(client, path)(*args, **named)

        return asyncio.run(run())

    def chunks(self, client: Any, path: str = "chat.completions.create", **named: Any) -> tuple[list[Any], Any]:
        async def run() -> tuple[list[Any], Any]:
            async with client:
                stream = await _found(client, path)(stream=True, **named)
                return [chunk async for chunk in stream], stream

        return asyncio.run(run())


def _found(client: Any, path: str) -> Any:
    for name in path.split("."):
        client = getattr(client, name)
    return client


@pytest.fixture(params=[Sync(), Async()], ids=lambda colour: colour.name)
def colour(request: pytest.FixtureRequest) -> Any:
    """Both clients, for the tests of what they have in common."""
    return request.param


@pytest.fixture
def asked(colour):
    """Asks a provider of the test for a chat completion of "m"."""

    def ask(server: Any, messages: Any = USER, *, client: dict[str, Any] | None = None, **words: Any) -> Any:
        made = colour.Client("sk-secret", base_url=server.base_url, **{"max_retries": 0, **(client or {})})
        return colour.call(made, "chat.completions.create", model="m", messages=messages, **words)

    return ask


@pytest.fixture
def streamed(colour):
    """The same, streamed: the chunks, and the stream."""

    def ask(server: Any, messages: Any = USER, *, client: dict[str, Any] | None = None, **words: Any) -> Any:
        made = colour.Client("sk-secret", base_url=server.base_url, **{"max_retries": 0, **(client or {})})
        return colour.chunks(made, model="m", messages=messages, **words)

    return ask
