"""Embedders: texts go out, in as many requests as it takes, and their vectors come back in the texts' order."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import pickle
import struct
import threading
from decimal import Decimal
from typing import Any

import pytest

import msgflux_like as mf
from msgflux_like.errors import (
    BadReplyError,
    BadRequestError,
    CapabilityError,
    ChangeError,
    InvalidRequestError,
    MissingKeyError,
    NotFoundError,
    ServerError,
    UnknownParameterError,
    UnsupportedError,
)
from msgflux_like.testing import FakeProvider, FakeReply
from tests.provider import PATIENCE_S, Request, whole
from tests.test_importing import in_a_new_process

KEY = "sk-secret-of-mine"
OPENAI = "openai/text-embedding-3-small"


def vector(text: str) -> list[float]:
    """What the providers of these tests make of a text."""
    return [float(len(text)), float(ord(text[0])), 0.5]


def openai_reply(texts: list[str], **more: Any) -> dict[str, Any]:
    tokens = sum(map(len, texts))
    return {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": [{"object": "embedding", "index": at, "embedding": vector(text)} for at, text in enumerate(texts)],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        **more,
    }


def as_openai(request: Request) -> Any:
    return whole(openai_reply(request.body["input"]), x_request_id="req_1")


def as_mistral(request: Request) -> Any:
    return whole(openai_reply(request.body["input"], id="emb-1"))


def as_gemini(request: Request) -> Any:
    texts = [each["content"]["parts"][0]["text"] for each in request.body["requests"]]
    return whole(
        {
            "embeddings": [{"values": vector(text)} for text in texts],
            "usageMetadata": {"promptTokenCount": sum(map(len, texts))},
        }
    )


def as_cohere(request: Request) -> Any:
    texts = request.body["texts"]
    units = {"input_tokens": sum(map(len, texts))}
    return whole({"id": "e", "embeddings": {"float": list(map(vector, texts))}, "meta": {"billed_units": units}})


def as_ollama(request: Request) -> Any:
    texts = request.body["input"]
    return whole({"model": "m", "embeddings": list(map(vector, texts)), "prompt_eval_count": sum(map(len, texts))})


FORMATS = {
    "openai": (OPENAI, as_openai, "/v1/embeddings"),
    "openai_responses": ("openai-responses/text-embedding-3-small", as_openai, "/v1/embeddings"),
    "mistral": ("mistral/mistral-embed", as_mistral, "/v1/embeddings"),
    "gemini": ("google/gemini-embedding-001", as_gemini, "/v1/models/gemini-embedding-001:batchEmbedContents"),
    "cohere": ("cohere/embed-v4.0", as_cohere, "/v1/embed"),
    "ollama": ("ollama-native/nomic-embed-text", as_ollama, "/v1/api/embed"),
}


@pytest.fixture
def embedder_at():
    """Embedders whose requests go to a provider of the test."""
    made: list[mf.TextEmbedder] = []

    def make(server: Any, path: str = OPENAI, **options: Any) -> mf.TextEmbedder:
        options = {"api_key": KEY, "base_url": server.base_url, "max_retries": 0, **options}
        made.append(mf.Model.text_embedder(path, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


# ---- what comes back


@pytest.mark.parametrize("name", FORMATS)
def test_a_text_has_one_vector(provider, embedder_at, colour, name):
    path, answer, place = FORMATS[name]
    server = provider(answer)
    response = colour.ask(embedder_at(server, path), "Hello")
    assert response.consume() == response.data == vector("Hello")
    assert (response.vectors, response.dimensions) == ([vector("Hello")], 3)
    assert response.metadata.usage == {"prompt_tokens": 5, "total_tokens": 5}
    assert [request.path for request in server.requests] == [place]


@pytest.mark.parametrize("name", FORMATS)
def test_several_texts_have_theirs_in_order(provider, embedder_at, colour, name):
    path, answer, _ = FORMATS[name]
    server = provider(answer)
    texts = ["one", "three", "two"]
    response = colour.ask(embedder_at(server, path), texts)
    assert response.consume() == list(map(vector, texts))
    assert len(server.requests) == 1


def test_one_text_in_a_list_has_a_list_of_one_vector(provider, embedder_at):
    assert embedder_at(provider(as_openai))(["Hello"]).consume() == [vector("Hello")]


def test_anything_that_gives_texts_is_a_list_of_them(provider, embedder_at):
    texts = ("one", "two")
    assert embedder_at(provider(as_openai))(text for text in texts).consume() == list(map(vector, texts))


@pytest.mark.parametrize("name", ["openai", "mistral"])
def test_the_key_goes_where_a_chat_models_would(provider, embedder_at, name):
    server = provider(FORMATS[name][1])
    embedder_at(server, FORMATS[name][0])("Hello")
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_googles_key_has_a_header_of_its_own(provider, embedder_at):
    server = provider(as_gemini)
    embedder_at(server, FORMATS["gemini"][0])("Hello")
    assert server.requests[0].headers["x-goog-api-key"] == KEY
    assert "authorization" not in server.requests[0].headers


def test_metadata_says_how_it_came(provider, embedder_at):
    metadata = embedder_at(provider(as_openai))("Hello").metadata
    assert metadata == {
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
        "provider": "openai",
        "model": "text-embedding-3-small",
        "id": None,
        "request_id": "req_1",
        "attempts": 1,
        "cached": False,
        "requests": 1,
    }


def test_the_cost_follows_from_the_catalogues_price(provider, embedder_at):
    response = embedder_at(provider(as_openai))("x" * 1000)
    assert response.cost == Decimal("0.00002")  # 1,000 tokens at 0.02 dollars a million
    assert response.cost_details.source == "catalogue"


def test_the_cost_that_the_provider_states_counts(provider, embedder_at):
    def answer(request):
        return whole(openai_reply(request.body["input"], usage={"prompt_tokens": 2, "total_tokens": 2, "cost": 0.25}))

    response = embedder_at(provider(answer), batch_size=1)(["a", "b"])
    assert (response.cost, response.cost_details.source) == (Decimal("0.5"), "provider")


def test_usage_that_is_not_reported_is_none(provider, embedder_at):
    response = embedder_at(provider(whole(openai_reply(["Hello"], usage=None))))("Hello")
    assert response.metadata.usage == {"prompt_tokens": None, "total_tokens": None}
    assert (response.usage, response.cost) == (None, None)
    assert response.cost_details.reason == "openai/text-embedding-3-small reported no usage"


def test_the_repr_shows_neither_text_nor_numbers(provider, embedder_at):
    response = embedder_at(provider(as_openai))("Hello")
    assert repr(response) == "EmbeddingResponse(openai/text-embedding-3-small, 1 vectors of 3 numbers)"


# ---- what goes out


def test_parameters_of_the_call_beat_the_models(provider, embedder_at):
    server = provider(as_openai)
    embedder = embedder_at(server, dimensions=256, user="u1")
    embedder("a")
    embedder("a", dimensions=512)
    assert [request.body["dimensions"] for request in server.requests] == [256, 512]
    assert [request.body["user"] for request in server.requests] == ["u1", "u1"]


def test_a_purpose_is_said_in_the_providers_words(provider, embedder_at):
    server = provider(as_cohere)
    embedder = embedder_at(server, "cohere/embed-v4.0", input_type="document")
    assert embedder("a").changes == ()
    assert embedder("a", input_type="query").changes == ()
    assert [request.body["input_type"] for request in server.requests] == ["search_document", "search_query"]


def test_a_purpose_that_was_not_given_is_recorded_where_one_must_be_said(provider, embedder_at):
    [change] = embedder_at(provider(as_cohere), "cohere/embed-v4.0")("a").changes
    assert (change.kind, change.field) == ("defaulted", "input_type")


@pytest.mark.parametrize("who", ["model", "call"])
def test_what_is_not_sent_exactly_as_asked_can_be_refused(provider, embedder_at, colour, who):
    server = provider(as_cohere)
    refused = {"changes": "refuse"}
    embedder = embedder_at(server, "cohere/embed-v4.0", **(refused if who == "model" else {}))
    call = refused if who == "call" else {}
    with pytest.raises(ChangeError, match="cannot be sent as asked: input_type defaulted") as raised:
        colour.ask(embedder, "a", **call)
    assert [change.field for change in raised.value.changes] == ["input_type"]
    assert not server.requests
    assert colour.ask(embedder, "a", input_type="query", **call).changes == ()


def test_a_request_that_must_not_change_is_not_sent_again(provider, embedder_at, colour):
    server = provider(whole({"error": {"message": "busy"}}, 503, retry_after_ms="1"), as_openai)
    with pytest.raises(ServerError):
        colour.ask(embedder_at(server, max_retries=1, changes="refuse"), "a")
    assert len(server.requests) == 1


@pytest.mark.parametrize("cached", [False, True])
def test_equal_texts_are_asked_for_once(provider, embedder_at, colour, cached):
    server = provider(as_openai)
    embedder = embedder_at(server, enable_cache=cached)
    response = colour.ask(embedder, ["one", "three", "one", "two", "three"])
    assert server.requests[0].body["input"] == ["one", "three", "two"]
    assert response.consume() == list(map(vector, ["one", "three", "one", "two", "three"]))
    response.vectors[0][0] = 99.0
    assert response.vectors[2] == vector("one")  # each is the caller's own
    again = colour.ask(embedder, ["two", "four", "two"])
    assert again.consume() == list(map(vector, ["two", "four", "two"]))
    assert server.requests[1].body["input"] == (["four"] if cached else ["two", "four"])
    assert again.metadata.get("cached_texts") == (2 if cached else None)


def test_a_failure_among_equal_texts_names_their_first_places(provider, embedder_at, colour):
    def answer(request):
        return whole({"error": {"message": "no"}}, 400) if "c" in request.body["input"] else as_openai(request)

    with pytest.raises(BadRequestError, match=r"; it was about texts\[3\] to texts\[3\]$"):
        colour.ask(embedder_at(provider(answer), batch_size=1, max_concurrency=1), ["a", "a", "b", "c", "c"])


def test_extra_fields_and_headers_go_out(provider, embedder_at):
    server = provider(as_openai)
    embedder_at(server, extra_body={"truncate": "END"})(
        "a", extra_body={"input_type": "passage"}, extra_headers={"X-Own": "1"}
    )
    assert server.requests[0].body == {
        "model": "text-embedding-3-small",
        "input": ["a"],
        "input_type": "passage",
        "truncate": "END",
    }
    assert server.requests[0].headers["x-own"] == "1"


def test_a_call_may_have_its_own_key_and_place(provider, embedder_at, colour):
    first, second = provider(as_openai), provider(as_openai)
    embedder = embedder_at(first)
    colour.ask(embedder, "a", api_key="sk-other", base_url=second.base_url)
    assert not first.requests
    assert second.requests[0].headers["authorization"] == "Bearer sk-other"


def test_openai_itself_is_asked_for_base64_and_gives_the_same_vectors():
    texts = ["one", "three"]

    def in_base64(request):
        assert request.body["encoding_format"] == "base64"
        data = [
            {"index": at, "embedding": base64.b64encode(struct.pack("<3f", *vector(text))).decode()}
            for at, text in enumerate(request.body["input"])
        ]
        return FakeReply.whole(openai_reply(request.body["input"], data=data))

    def in_numbers(request):
        return FakeReply.whole(openai_reply(request.body["input"]))

    for answer in (in_base64, in_numbers):
        server = FakeProvider(answer)
        embedder = mf.Model.text_embedder(OPENAI, api_key=KEY, http_client=server)
        assert embedder(texts).consume() == list(map(vector, texts))
        assert server.requests[0].url == "https://api.openai.com/v1/embeddings"


def test_other_servers_are_not_asked_for_base64(provider, embedder_at):
    server = provider(as_openai)
    embedder_at(server)("a")
    assert "encoding_format" not in server.requests[0].body


# ---- many texts


@pytest.mark.parametrize(
    ("name", "most"), [("openai", 2048), ("gemini", 100), ("cohere", 96), ("ollama", 512), ("mistral", 512)]
)
def test_more_texts_than_a_request_takes_go_out_in_several(provider, embedder_at, colour, name, most):
    path, answer, _ = FORMATS[name]
    server = provider(answer)
    embedder = embedder_at(server, path)
    texts = [str(number) for number in range(most + 1)]
    response = colour.ask(embedder, texts)
    assert response.consume() == list(map(vector, texts))
    assert len(server.requests) == 2
    assert response.metadata.requests == response.metadata.attempts == 2
    assert response.metadata.usage.total_tokens == sum(map(len, texts))
    colour.ask(embedder, texts[:most])
    assert len(server.requests) == 3


def test_long_texts_go_out_in_several_requests_too(provider, embedder_at):
    server = provider(as_openai)
    texts = [letter * 28_000 for letter in "abcdefghijklmnopqrstuvwxyzABCDE"]  # about 7,000 tokens each
    response = embedder_at(server)(texts)
    assert response.consume() == list(map(vector, texts))
    assert sorted(len(request.body["input"]) for request in server.requests) == [3, 28]


def test_the_order_is_kept_whichever_request_is_answered_first(provider, embedder_at, colour):
    last_answered = threading.Event()

    def answer(request):
        if request.body["input"] == ["five"]:
            last_answered.set()
        elif not last_answered.wait(PATIENCE_S):
            raise AssertionError("the last batch was not sent while the others were under way")
        return as_openai(request)

    texts = ["one", "two", "three", "four", "five"]
    response = colour.ask(embedder_at(provider(answer), batch_size=2, max_concurrency=3), texts)
    assert response.consume() == list(map(vector, texts))
    assert response.metadata.usage.prompt_tokens == sum(map(len, texts))


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_requests_are_under_way_than_was_said(provider, embedder_at, colour, most):
    guard, full = threading.Lock(), threading.Barrier(most)
    under_way: list[int] = [0]
    seen: list[int] = []

    def answer(request):
        with guard:
            under_way[0] += 1
            seen.append(under_way[0])
        full.wait(PATIENCE_S)
        with guard:
            under_way[0] -= 1
        return as_openai(request)

    texts = [str(number) for number in range(3 * most)]
    response = colour.ask(embedder_at(provider(answer), batch_size=1), texts, max_concurrency=most)
    assert response.consume() == list(map(vector, texts))
    assert max(seen) == most


def test_one_failure_fails_the_call_and_says_where(provider, embedder_at, colour):
    def answer(request):
        if "c" in request.body["input"]:
            return whole({"error": {"message": "no", "code": "bad"}}, 400)
        return as_openai(request)

    server = provider(answer)
    embedder = embedder_at(server, batch_size=2, max_concurrency=1)
    with pytest.raises(BadRequestError) as raised:
        colour.ask(embedder, ["a", "b", "c", "d", "e", "f"])
    assert str(raised.value).endswith("; it was about texts[2] to texts[3]")
    assert len(server.requests) == 2  # nothing was sent after the failure


def test_the_first_of_several_failures_is_raised(provider, embedder_at, colour):
    both = threading.Barrier(2)

    def answer(request):
        both.wait(PATIENCE_S)
        return whole({"error": {"message": request.body["input"][0]}}, 400)

    with pytest.raises(BadRequestError, match=r"^a .*texts\[0\] to texts\[0\]$"):
        colour.ask(embedder_at(provider(answer), batch_size=1), ["a", "b"])


def test_the_only_request_of_a_call_needs_no_place(provider, embedder_at):
    with pytest.raises(BadRequestError) as raised:
        embedder_at(provider(whole({"error": {"message": "no"}}, 400)))("a")
    assert "texts[" not in str(raised.value)


def test_a_failure_that_may_pass_is_tried_again_and_recorded(provider, embedder_at, colour):
    server = provider(whole({"error": {"message": "busy"}}, 503, retry_after_ms="1"), as_openai)
    response = colour.ask(embedder_at(server, max_retries=1), "a")
    assert response.consume() == vector("a")
    assert [(change.kind, change.field) for change in response.changes] == [("retried", "request")]
    assert (response.metadata.requests, response.metadata.attempts) == (1, 2)


def test_a_cancelled_call_lets_go_of_its_requests(provider, embedder_at):
    reached = threading.Event()

    def answer(request):
        reached.set()
        return whole(openai_reply(["a"])) if server.hung_up.wait(PATIENCE_S) else None

    server = provider(answer)

    async def cancelled() -> None:
        task = asyncio.create_task(embedder_at(server).acall("a"))
        await asyncio.to_thread(reached.wait, PATIENCE_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.hung_up.set()

    asyncio.run(cancelled())


# ---- what is refused


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "texts is empty: give a string, or a list of at least one"),
        ("", "texts is empty: an empty string has no vector"),
        (["a", ""], "texts[1] is empty: an empty string has no vector"),
        (["a", 5], "texts[1] must be a string, not int"),
        ([["a"]], "texts[0] must be a string, not list"),
        (5, "texts must be a string or a list of strings, not int"),
        (None, "texts must be a string or a list of strings, not NoneType"),
        (b"a", "texts must be a string or a list of strings, not bytes"),
        ({"a": 1}, "texts must be a string or a list of strings, not dict"),
        (["a", "\ud800"], "texts[1] holds half a surrogate pair, which JSON cannot hold"),
    ],
)
def test_what_is_no_text_is_refused_before_anything_is_sent(provider, embedder_at, colour, texts, message):
    server = provider(as_openai)
    with pytest.raises(InvalidRequestError) as raised:
        colour.ask(embedder_at(server), texts)
    assert str(raised.value) == message
    assert not server.requests


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dimensions": 0}, "dimensions must be a whole number of at least 1, not 0"),
        ({"dimensions": "256"}, "dimensions must be a whole number of at least 1, not str"),
        ({"dimensions": True}, "dimensions must be a whole number of at least 1, not True (bool)"),
        ({"input_type": "search_query"}, 'input_type must be "query", "document", '),
        ({"user": 5}, "user must be a string, not 5 (int)"),
        ({"max_concurrency": 0}, "max_concurrency must be a whole number of at least 1, not 0"),
        ({"batch_size": 1.5}, "batch_size must be a whole number of at least 1, not 1.5"),
        ({"check": "no"}, 'check must be "error", "warn" or "off"'),
        ({"max_retries": -1}, "max_retries must be a whole number"),
    ],
)
def test_what_is_wrong_about_a_parameter_is_said_in_the_model_and_in_the_call(provider, embedder_at, given, message):
    with pytest.raises(InvalidRequestError) as of_the_model:
        mf.Model.text_embedder(OPENAI, api_key=KEY, **given)
    with pytest.raises(InvalidRequestError) as of_the_call:
        embedder_at(provider(as_openai))("a", **given)
    assert str(of_the_model.value).startswith(message)
    assert str(of_the_call.value) == str(of_the_model.value)


def test_an_unknown_parameter_is_refused_with_near_names(provider, embedder_at):
    with pytest.raises(UnknownParameterError, match="there is no parameter 'dimension': did you mean dimensions"):
        embedder_at(provider(as_openai))("a", dimension=5)
    with pytest.raises(UnknownParameterError, match="there is no parameter 'temperature'"):
        mf.Model.text_embedder(OPENAI, api_key=KEY, temperature=0)


def test_a_parameter_without_a_word_for_it_is_refused(provider, embedder_at):
    server = provider(as_openai)
    with pytest.raises(UnsupportedError, match="input_type: OpenAI's format of embeddings has no such parameter"):
        embedder_at(server)("a", input_type="query")
    assert not server.requests


@pytest.mark.parametrize("path", ["anthropic/claude-sonnet-4-5", "amazon-bedrock/amazon.titan-embed-text-v2:0"])
def test_a_provider_without_embeddings_says_so(monkeypatch, path):
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with pytest.raises(UnsupportedError, match=r"which has no embeddings: take a model of another provider, such as "):
        mf.Model.text_embedder(path, api_key=KEY)


def test_vertex_has_another_format(monkeypatch):
    with pytest.raises(UnsupportedError, match=r"google-vertex has another format .* use google/gemini-embedding-001"):
        mf.Model.text_embedder("google-vertex/gemini-embedding-001", api_key=KEY)


def test_a_text_that_is_too_long_for_the_model_is_refused(provider, embedder_at):
    server = provider(as_openai)
    embedder = embedder_at(server)
    texts = ["a", "b" * 80_000]
    with pytest.raises(
        CapabilityError, match=r"^openai/text-embedding-3-small cannot take texts\[1\]: .* 10000 tokens"
    ):
        embedder(texts)
    assert not server.requests
    assert embedder(texts, check="warn").warnings[-1].startswith("texts[1]: the request has at least 10000 tokens")
    assert embedder(texts, check="off").warnings == ()


def test_a_missing_key_is_named(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
        mf.Model.text_embedder(OPENAI)


# ---- what goes wrong


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("openai", {"error": {"message": "busy", "type": "server_error"}}),
        ("gemini", {"error": {"message": "busy", "code": 503, "status": "UNAVAILABLE"}}),
        ("cohere", {"message": "busy"}),
        ("ollama", {"error": "busy"}),
        ("mistral", {"object": "error", "message": "busy"}),
    ],
)
def test_a_refusal_is_read(provider, embedder_at, colour, name, body):
    with pytest.raises(ServerError, match="busy"):
        colour.ask(embedder_at(provider(whole(body, 503)), FORMATS[name][0]), "a")


def test_too_few_vectors_are_no_reply(provider, embedder_at, colour):
    with pytest.raises(BadReplyError, match="it has 1 vectors for 2 texts"):
        colour.ask(embedder_at(provider(whole(openai_reply(["a"])))), ["a", "b"])


def test_a_model_that_is_not_there_is_a_clear_error(provider, embedder_at):
    server = provider(whole({"error": {"message": "no such model"}}, 404))
    with pytest.raises(NotFoundError, match=r"did you mean text-embedding-3-small"):
        embedder_at(server, "openai/text-embeding-3-small")("a")


def test_no_text_and_no_key_is_in_an_error(provider, embedder_at):
    with pytest.raises(ServerError) as raised:
        embedder_at(provider(whole({"error": {"message": "busy"}}, 503)))("do not tell")
    assert not [secret for secret in (KEY, "do not tell") if secret in str(raised.value) + repr(raised.value)]


# ---- what it is


def test_it_is_one_of_the_kinds_of_model():
    assert "text_embedder" in mf.Model.model_types()
    providers = mf.Model.providers()
    assert {"openai", "mistral", "google", "cohere", "ollama-native"} <= set(providers["text_embedder"])
    assert not {"anthropic", "amazon-bedrock"} & {*providers["text_embedder"], *providers["text_completion"]}
    assert {"anthropic", "amazon-bedrock"} <= set(providers["chat_completion"])
    embedder = mf.Model.text_embedder(OPENAI, api_key=KEY, dimensions=256)
    assert isinstance(embedder, mf.TextEmbedder)
    assert embedder.instance_type() == {"model_type": "text_embedder"}
    assert embedder.get_model_info() == {"model_id": "text-embedding-3-small", "provider": "openai"}
    assert repr(embedder) == "TextEmbedder(openai/text-embedding-3-small, dimensions=256)"


OPTIONS = {
    "dimensions": 256,
    "user": "u1",
    "check": "off",
    "changes": "refuse",
    "max_concurrency": 2,
    "batch_size": 7,
    "max_retries": 5,
}


@pytest.mark.parametrize(
    "options", [{}, {**OPTIONS, "enable_cache": True, "cache_size": 3}], ids=["plain", "with everything"]
)
def test_it_comes_back_from_json_a_pickle_and_a_copy(provider, monkeypatch, options):
    server = provider(as_openai)
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    embedder = mf.Model.text_embedder(OPENAI, **options)
    state = json.loads(json.dumps(embedder.serialize()))
    assert state["model_type"] == "text_embedder"
    assert "sk-environment" not in json.dumps(state)
    for twin in (mf.Model.from_serialized(**state), pickle.loads(pickle.dumps(embedder)), copy.deepcopy(embedder)):
        with twin:
            assert twin.serialize() == embedder.serialize()
            assert twin([str(number) for number in range(20)], use_cache=False if options else None).dimensions == 3
    sent = [request.body for request in server.requests]
    assert len(sent) == (9 if options else 3)
    assert {body.get("dimensions") for body in sent} == {options.get("dimensions")}


def test_a_chat_model_does_not_bring_embedders_along():
    code = """
        import sys, msgflux_like as mf
        mf.Model.chat_completion("openai/gpt-4o", api_key="sk-x")
        print([name for name in sys.modules if "embed" in name])
        mf.Model.text_embedder("openai/text-embedding-3-small", api_key="sk-x")
        late = ("msgflux_like.dialects.gemini.embeddings", "msgflux_like.cache")
        print([name for name in sys.modules if name in late])
    """
    assert in_a_new_process(code) == "[]\n[]\n"


# ---- the embedded model


def test_the_embedded_model_makes_vectors_beside_its_chats(local_server, colour):
    embedder = mf.Model.text_embedder("local/smollm2")
    texts = ["The capital of France is Paris.", "Paris is France's capital.", "I like fried eggs with bacon."]
    response = colour.ask(embedder, texts)
    capital, also, eggs = response.vectors
    assert response.dimensions == 576
    assert response.metadata.usage.total_tokens > 10
    assert _likeness(capital, also) > _likeness(capital, eggs) + 0.1
    assert colour.ask(embedder, texts[2]).consume() == pytest.approx(eggs, abs=1e-6)
    chat = mf.Model.chat_completion("local/smollm2", max_tokens=12, temperature=0)
    assert "Paris" in chat("What is the capital of France?").text


def test_a_text_longer_than_the_embedded_models_context_is_a_clear_error(local_server):
    with pytest.raises(mf.errors.ContextLengthError, match=r"exceeds the available context size \(4096 tokens\)"):
        mf.Model.text_embedder("local/smollm2")("word " * 5000)


def _likeness(one: list[float], two: list[float]) -> float:
    """The cosine of the angle between two vectors of length 1."""
    return sum(a * b for a, b in zip(one, two, strict=True))
