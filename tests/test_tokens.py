"""A key that is a function: asked for a token before every request, in both colours."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

import msgflux_like as mf
from msgflux_like.errors import InvalidRequestError
from tests.provider import chat, chat_stream, whole


def counting() -> Callable[[], str]:
    """A function that gives another token each time."""
    given: list[str] = []

    def token() -> str:
        given.append(f"token-{len(given) + 1}")
        return given[-1]

    return token


def model(server: Any, api_key: Any, **options: Any) -> mf.ChatCompletion:
    return mf.Model.chat_completion("openai/gpt-4o", api_key=api_key, base_url=server.base_url, **options)


def sent(server: Any) -> list[str]:
    return [request.headers["authorization"] for request in server.requests]


def test_it_is_asked_before_every_request(provider, colour):
    server = provider(whole(chat()))
    asked = model(server, counting())
    for _ in range(2):
        colour.ask(asked, "Hello")
    assert sent(server) == ["Bearer token-1", "Bearer token-2"]


def test_a_request_that_is_sent_again_gets_a_token_of_its_own(provider, colour):
    server = provider(whole({"error": {"message": "busy"}}, 503, retry_after="0"), whole(chat()))
    colour.ask(model(server, counting(), max_retries=1), "Hello")
    assert sent(server) == ["Bearer token-1", "Bearer token-2"]


def test_it_serves_streams(provider, colour):
    server = provider(chat_stream("Hel", "lo"))
    assert colour.ask(model(server, counting()), "Hello", stream=True) is not None
    assert sent(server) == ["Bearer token-1"]


async def test_an_async_function_serves_acall(provider):
    async def token() -> str:
        return "token-of-a-loop"

    server = provider(whole(chat()))
    await model(server, token).acall("Hello")
    assert sent(server) == ["Bearer token-of-a-loop"]


async def test_a_function_that_blocks_does_not_block_the_event_loop(provider):
    threads: list[int] = []

    def token() -> str:
        threads.append(threading.get_ident())
        return "token"

    await model(provider(whole(chat())), token).acall("Hello")
    assert threads != [threading.get_ident()]


def test_an_async_function_is_refused_where_nobody_can_wait_for_it(provider):
    async def token() -> str:
        return "token"

    server = provider(whole(chat()))
    with pytest.raises(InvalidRequestError, match="api_key for openai is an async function: use acall"):
        model(server, token)("Hello")
    assert not server.requests


@pytest.mark.parametrize("value", [None, "", "two\nlines", 5])
def test_what_is_no_token_is_refused_and_not_shown(provider, colour, value):
    with pytest.raises(InvalidRequestError, match=r"the key for openai (is empty|must be a string)") as raised:
        colour.ask(model(provider(whole(chat())), lambda: value), "Hello")
    assert "lines" not in str(raised.value)


def test_what_the_function_raises_is_raised(provider, colour):
    def token() -> str:
        raise PermissionError("log in first")

    with pytest.raises(PermissionError, match="log in first"):
        colour.ask(model(provider(whole(chat())), token), "Hello")


def test_a_model_with_such_a_function_cannot_be_pickled(provider):
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(model(provider(whole(chat())), counting()))


def test_it_shows_itself_to_nobody():
    asked = mf.Model.chat_completion("openai/gpt-4o", api_key=counting())
    assert "token-1" not in f"{asked!r}{vars(asked)!r}"
    assert asked.plan("Hello").headers["authorization"] == "Bearer ***"


def test_a_call_elsewhere_takes_the_models_own_function_along(provider, colour):
    here, there = provider(whole(chat())), provider(whole(chat()))
    colour.ask(model(here, counting()), "Hello", base_url=there.base_url)
    assert not here.requests
    assert sent(there) == ["Bearer token-1"]


def test_a_model_without_a_key_may_be_asked_elsewhere_by_plain_http():
    asked = mf.Model.chat_completion("ollama/llama3.2")
    assert asked.plan("Hello", base_url="http://10.0.0.5:11434/v1").url == "http://10.0.0.5:11434/v1/chat/completions"


def test_a_model_with_one_may_not():
    asked = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-x")
    with pytest.raises(InvalidRequestError, match="plain http, which would expose the key"):
        asked.plan("Hello", base_url="http://10.0.0.5/v1")


def test_a_signed_request_elsewhere_is_signed(monkeypatch):
    for name in ("AWS_BEARER_TOKEN_BEDROCK", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    path = "amazon-bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0"
    asked = mf.Model.chat_completion(path, api_key=("AKIDEXAMPLE", "a-secret"))
    assert asked.plan("Hello", base_url="http://127.0.0.1:9").headers["authorization"] == "***"
