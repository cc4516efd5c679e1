from __future__ import annotations

import asyncio
from typing import Any

import pytest

import msgflux_like as mf
from msgflux_like import errors
from msgflux_like.local import llama
from tests.provider import Provider


@pytest.fixture(scope="session")
def local_server() -> str:
    """Base URL, ending in `/v1`, of the real embedded model; the same server that `local/smollm2` uses."""
    try:
        return llama.serve()
    except errors.NotInstalledError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def provider():
    """Starts providers on loopback that give the replies of the test."""
    started: list[Provider] = []

    def start(*replies: Any) -> Provider:
        started.append(Provider(*replies))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def model_of():
    """A chat model whose requests go to a provider of the test."""
    models: list[mf.ChatCompletion] = []

    def make(server: Provider | str, path: str = "openai/gpt-4o", **options: Any) -> mf.ChatCompletion:
        base_url = server if isinstance(server, str) else server.base_url
        options = {"api_key": "sk-secret", "base_url": base_url, "max_retries": 0, **options}
        models.append(mf.Model.chat_completion(path, **options))
        return models[-1]

    yield make
    for model in models:
        model.close()


class Sync:
    """Calls a model and reads its streams from a thread."""

    name = "sync"

    def ask(self, model: mf.ChatCompletion, *args: Any, **named: Any) -> Any:
        return model(*args, **named)

    def pieces(self, model: mf.ChatCompletion, *args: Any, **named: Any) -> tuple[list[str], Any]:
        response = model(*args, stream=True, **named)
        return list(response.consume()), response


class Async:
    """The same in an event loop, a new one for each call."""

    name = "async"

    def ask(self, model: mf.ChatCompletion, *args: Any, **named: Any) -> Any:
        return asyncio.run(model.acall(*args, **named))

    def pieces(self, model: mf.ChatCompletion, *args: Any, **named: Any) -> tuple[list[str], Any]:
        async def read() -> tuple[list[str], Any]:
            response = await model.acall(*args, stream=True, **named)
            return [piece async for piece in response.consume()], response

        return asyncio.run(read())


@pytest.fixture(params=[Sync(), Async()], ids=lambda colour: colour.name)
def colour(request: pytest.FixtureRequest) -> Any:
    """Both ways to call, for the tests of what they have in common."""
    return request.param
