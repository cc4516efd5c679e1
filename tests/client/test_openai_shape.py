"""The client's shape: OpenAI's signatures, options, attributes and ways to close."""

from __future__ import annotations

import asyncio
import inspect

import pytest

import msgflux_like as mf
from msgflux_like import client as client_room
from msgflux_like import errors, events, testing
from tests.client.conftest import USER
from tests.provider import chat, whole

URL = "http://127.0.0.1:9/v1"
CLIENTS = [
    mf.Client("k", base_url=URL),
    mf.AsyncClient("k", base_url=URL),
    mf.BudClient("k"),
    mf.AsyncBudClient("k"),
]
CHAT = {
    "stream": (bool, False),
    "temperature": (float | None, None),
    "top_p": (float | None, None),
    "max_tokens": (int | None, None),
    "presence_penalty": (float | None, None),
    "frequency_penalty": (float | None, None),
    "user": (str | None, None),
}


@pytest.fixture(params=CLIENTS, ids=lambda client: type(client).__name__)
def client(request):
    return request.param


def test_chat_completions_has_the_signature_of_the_page(client):
    found = inspect.signature(client.chat.completions.create).parameters
    names = "model messages stream temperature top_p max_tokens stop presence_penalty frequency_penalty user tools"
    assert list(found)[:-1] == [*names.split(), "tool_choice"]
    assert {name: (found[name].annotation, found[name].default) for name in CHAT} == CHAT
    assert [str(found[name]) for name in ("model", "temperature")] == ["model: str", "temperature: float | None = None"]
    assert all(found[name].default is None for name in ("stop", "tools", "tool_choice"))
    assert all(each.kind in (each.KEYWORD_ONLY, each.VAR_KEYWORD) for each in found.values())


def test_texts_and_embeddings_have_their_parameters_as_keywords(client):
    text = inspect.signature(client.completions.create).parameters
    assert {"prompt", "echo", "suffix", "best_of", "logprobs", "temperature"} <= text.keys()
    embedding = inspect.signature(client.embeddings.create).parameters
    assert {"input", "dimensions", "encoding_format", "user"} <= embedding.keys()


def test_the_options_of_openais_client_are_sent(provider, colour):
    server = provider(whole(chat()))
    options = {
        "organization": "org-1",
        "project": "proj-1",
        "default_headers": {"x-a": "1", "x-b": "1"},
        "extra_headers": {"x-b": "2"},
        "default_query": {"api-version": "2024 10", "tag": ["a", "b"]},
    }
    made = colour.Client("k", base_url=server.base_url, **options)
    colour.call(made, "chat.completions.create", model="m", messages=USER)
    (request,) = server.requests
    names = ("openai-organization", "openai-project", "x-a", "x-b")
    assert [request.headers[name] for name in names] == ["org-1", "proj-1", "1", "2"]
    assert request.path == "/v1/chat/completions?api-version=2024+10&tag=a&tag=b"


def test_the_default_query_is_of_every_request(provider, colour):
    server = provider(whole({"data": [{"id": "m"}]}))
    colour.call(colour.Client("k", base_url=server.base_url, default_query={"b": 2}), "models.list")
    assert server.requests[0].path == "/v1/models?b=2"


@pytest.mark.parametrize("name", ["default_headers", "extra_headers", "default_query"])
def test_an_option_that_is_no_mapping_is_an_error_that_names_it(colour, name):
    with pytest.raises(errors.InvalidRequestError, match=f"{name} must be a mapping"):
        colour.Client("k", base_url=URL, **{name: "x"})


def test_an_unknown_option_is_an_error_with_a_similar_name(colour):
    with pytest.raises(errors.UnknownParameterError, match="timeout"):
        colour.Client("k", base_url=URL, time_out=3)
    with pytest.raises(errors.UnknownParameterError, match="there is no parameter"):
        colour.Client("k", base_url=URL, webhook_secret="x")


def test_a_client_has_the_attributes_of_openais_and_shows_no_key(colour):
    made = colour.Client("sk-secret", base_url=URL + "/", timeout=5, max_retries=1)
    assert (made.base_url, made.api_key, made.timeout.total_s, made.max_retries) == (URL, "***", 5, 1)
    assert (colour.Client().base_url, colour.Client().api_key, colour.Client().max_retries) == (None, None, 2)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("with_options", "to the call"),
        ("responses", "openai_responses"),
        ("beta", "generation_schema"),
        ("images", "openai package"),
        ("nothing", "chat.completions"),
    ],
)
def test_what_the_client_does_not_have_is_answered_with_a_remedy(client, name, remedy):
    with pytest.raises(AttributeError, match=remedy):
        getattr(client, name)
    assert not hasattr(client, name)


def test_parse_is_answered_with_the_way_to_a_typed_answer(client):
    with pytest.raises(AttributeError, match="generation_schema"):
        client.chat.completions.parse  # noqa: B018
    with pytest.raises(AttributeError, match="it has create"):
        client.chat.completions.list  # noqa: B018


def test_an_async_client_and_its_streams_are_closed_as_openais_are(provider):
    server = provider(whole(chat()))

    async def main():
        client = mf.AsyncClient("k", base_url=server.base_url)
        await client.chat.completions.create(model="m", messages=USER)
        await client.close()
        await client.close()
        await client.aclose()
        await client.chat.completions.create(model="m", messages=USER)
        await client.close()

    asyncio.run(main())
    assert len(server.requests) == server.connections == 2


def test_one_public_name_is_one_thing():
    things = {}
    for place in (mf, errors, events, client_room, testing):
        names = getattr(place, "__all__", None) or [name for name in vars(place) if not name.startswith("_")]
        for name in names:
            thing = getattr(place, name)
            if isinstance(thing, type) and thing.__module__.startswith("msgflux_like"):
                things.setdefault(name, set()).add(f"{thing.__module__}.{thing.__qualname__}")
    assert {name: found for name, found in things.items() if len(found) > 1} == {}
