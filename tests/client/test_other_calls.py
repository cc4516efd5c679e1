"""Texts, vectors, lists of models; and the clients themselves."""

from __future__ import annotations

import copy
import pickle
import threading

import httpx
import pytest

import msgflux_like as mf
from msgflux_like import errors
from tests.client.conftest import USER
from tests.provider import DONE, chat, chat_stream, sse, stream, whole

TEXT = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m"}
USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}


def choice(text, finish=None):
    return {"index": 0, "text": text, "finish_reason": finish, "logprobs": None}


@pytest.fixture
def client_of(colour):
    def make(server, **options):
        return colour.Client("sk-secret", base_url=server.base_url, **{"max_retries": 0, **options})

    return make


def test_a_text_is_completed(provider, colour, client_of):
    server = provider(whole({**TEXT, "choices": [choice(" world", "stop")], "usage": USAGE}))
    words = {"max_tokens": 5, "temperature": 0, "echo": False, "logprobs": 2, "seed": None}
    reply = colour.call(client_of(server), "completions.create", model="m", prompt="Hello", **words)
    assert isinstance(reply, mf.Completion)
    assert (reply.choices[0].text, reply.usage.total_tokens) == (" world", 12)
    del words["seed"]
    assert server.requests[0].path == "/v1/completions"
    assert server.requests[0].body == {"model": "m", "prompt": "Hello", **words}


def test_a_text_is_streamed(provider, colour, client_of):
    chunks = [sse({**TEXT, "choices": [choice(text)]}) for text in (" wor", "ld")]
    end = [
        sse({**TEXT, "choices": [choice("", "length")]}),
        sse({**TEXT, "choices": [], "usage": USAGE}),
        DONE,
    ]
    server = provider(stream(*chunks, *end))
    pieces, read = colour.chunks(client_of(server), "completions.create", model="m", prompt=["Hello"])
    assert "".join(chunk.choices[0].text for chunk in pieces) == " world"
    assert all(isinstance(chunk, mf.CompletionChunk) for chunk in pieces)
    assert read.usage.total_tokens == 12
    assert server.requests[0].body["stream_options"] == {"include_usage": True}


def test_texts_become_vectors(provider, colour, client_of):
    vectors = [{"object": "embedding", "index": index, "embedding": [0.5, index]} for index in (0, 1)]
    server = provider(whole({"object": "list", "data": vectors, "model": "m", "usage": USAGE}))
    reply = colour.call(client_of(server), "embeddings.create", model="m", input=["a", "b"], dimensions=2)
    assert [each.embedding for each in reply.data] == [[0.5, 0], [0.5, 1]]
    assert server.requests[0].path == "/v1/embeddings"
    assert server.requests[0].body == {"model": "m", "input": ["a", "b"], "dimensions": 2}


def test_models_are_listed_and_found(provider, colour, client_of):
    models = [{"id": "m1", "object": "model", "owned_by": "us"}, {"id": "m2", "object": "model", "x": 1}]
    server = provider(whole({"object": "list", "data": models}), whole(models[1]))
    client = client_of(server, extra_headers={"x-team": "a"})
    listed = colour.call(client, "models.list")
    assert [model.id for model in listed] == ["m1", "m2"]
    assert listed.data[1].x == 1
    assert colour.call(client, "models.retrieve", "org/m 2?").id == "m2"
    assert [request.path for request in server.requests] == ["/v1/models", "/v1/models/org/m%202%3F"]
    for request in server.requests:
        assert request.raw == b""
        assert request.headers["authorization"] == "Bearer sk-secret"
        assert request.headers["x-team"] == "a"
        assert "content-length" not in request.headers


def test_an_empty_list_of_models_is_a_list(provider, colour, client_of):
    assert list(colour.call(client_of(provider(whole({"data": []}))), "models.list")) == []


def test_a_model_that_is_not_there_is_not_found(provider, colour, client_of):
    server = provider(whole({"error": {"message": "no such model"}}, status=404))
    with pytest.raises(errors.NotFoundError, match="no such model"):
        colour.call(client_of(server), "models.retrieve", "m")


def test_a_list_is_asked_for_again_when_the_server_was_busy(provider, colour, client_of):
    busy = whole({"error": "busy"}, status=503, retry_after="0")
    server = provider(busy, whole({"data": [{"id": "m"}]}))
    assert [model.id for model in colour.call(client_of(server, max_retries=1), "models.list")] == ["m"]


def test_anthropics_models_are_listed_too(provider, colour):
    server = provider(whole({"data": [{"type": "model", "id": "claude", "display_name": "C"}], "has_more": False}))
    client = colour.Client("sk-secret", provider="anthropic", base_url=server.base_url)
    assert [model.id for model in colour.call(client, "models.list")] == ["claude"]
    assert server.requests[0].headers["x-api-key"] == "sk-secret"


def test_google_lists_its_models_in_a_form_of_its_own(provider):
    with pytest.raises(errors.UnsupportedError, match="another format than OpenAI's"):
        mf.Client("sk-secret", provider="google").models.list()


def test_a_list_needs_a_provider():
    with pytest.raises(ValueError, match="the client has no provider"):
        mf.Client().models.list()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("completions.create", {"model": "m", "prompt": "x"}),
        ("embeddings.create", {"model": "m", "input": "x"}),
        ("models.list", {}),
        ("models.retrieve", {"model": "m"}),
    ],
)
def test_a_reply_that_is_something_else_is_an_error_of_the_api(provider, colour, client_of, path, words):
    with pytest.raises(errors.BadReplyError, match="the reply has no `"):
        colour.call(client_of(provider(whole({"object": "list", "models": []}))), path, **words)


@pytest.mark.parametrize("path", ["completions.create", "embeddings.create"])
def test_a_parameter_of_another_call_is_refused(provider, colour, client_of, path):
    key = "prompt" if path.startswith("completions") else "input"
    with pytest.raises(TypeError, match="tools"):
        colour.call(client_of(provider(whole({}))), path, model="m", tools=[], **{key: "x"})
    with pytest.raises(TypeError, match="there is no parameter 'top_k' here"):
        colour.call(client_of(provider(whole({}))), path, model="m", top_k=1, **{key: "x"})


# ------------------------------------------------------------------------------------------------------- the clients


def test_a_base_url_alone_gets_no_key_that_belongs_to_others(provider, colour, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    server = provider(whole(chat()))
    colour.call(colour.Client(base_url=server.base_url), "chat.completions.create", model="m", messages=USER)
    assert "authorization" not in server.requests[0].headers


def test_a_key_alone_is_nobodys_key():
    with pytest.raises(ValueError, match="api_key is the key of one provider"):
        mf.Client("sk-secret")


def test_a_missing_key_is_found_when_the_client_is_made(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(errors.MissingKeyError, match="OPENAI_API_KEY"):
        mf.Client(provider="openai")
    with pytest.raises(errors.UnknownProviderError, match="anthropic"):
        mf.Client("k", provider="antropic")


@pytest.mark.parametrize("wrong", [{"timeout": -1}, {"max_retries": 1.5}, {"extra_headers": {"a": "\n"}}])
def test_wrong_options_are_found_when_the_client_is_made(colour, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        colour.Client("k", provider="openai", **wrong)
    with pytest.raises(TypeError, match="colour"):
        colour.Client("k", provider="openai", colour=1)


def test_the_key_may_go_into_another_header(provider, colour):
    server = provider(whole(chat()))
    client = colour.Client("sk-secret", base_url=server.base_url, auth=("api-key", ""))
    colour.call(client, "chat.completions.create", model="m", messages=USER)
    assert server.requests[0].headers["api-key"] == "sk-secret"
    assert "authorization" not in server.requests[0].headers


def test_a_function_gives_the_token_of_each_request(provider, colour):
    server = provider(whole(chat()))
    tokens = iter(("one", "two"))
    client = colour.Client(lambda: next(tokens), base_url=server.base_url)
    for _ in range(2):
        colour.call(client, "chat.completions.create", model="m", messages=USER)
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer one", "Bearer two"]


class Renewable:
    """Gives a number, and another one each time that one was refused."""

    def __init__(self, *, can_renew: bool = True) -> None:
        self.number = 1
        self.can_renew = can_renew

    def __call__(self) -> str:
        return str(self.number)

    def renew(self) -> bool:
        self.number += 1
        return self.can_renew


@pytest.mark.parametrize("streamed", [True, False])
def test_a_token_that_is_refused_is_renewed_once(provider, colour, streamed):
    refused = whole({"error": "token ended"}, status=401)
    server = provider(refused, chat_stream("a") if streamed else whole(chat()), refused)
    client = colour.Client(Renewable(), base_url=server.base_url)
    words = {"model": "m", "messages": USER, "stream": streamed}
    colour.call(client, "chat.completions.create", **words)
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer 1", "Bearer 2"]
    with pytest.raises(errors.AuthenticationError, match="token ended"):
        colour.call(client, "chat.completions.create", **words)
    assert len(server.requests) == 4


def test_who_may_not_do_something_gets_no_other_token_for_it(provider, colour):
    server = provider(whole({"error": "not for you"}, status=403))
    with pytest.raises(errors.AuthenticationError, match="not for you"):
        client = colour.Client(Renewable(), base_url=server.base_url)
        colour.call(client, "chat.completions.create", model="m", messages=USER)
    assert len(server.requests) == 1


def test_what_the_catalogue_says_against_a_request_does_not_stand_in_its_way(provider, colour):
    server = provider(whole(chat()))
    client = colour.Client("sk-secret", provider="openai", base_url=server.base_url)
    words = {"model": "gpt-4o", "max_tokens": 1_000_000, "messages": USER}
    colour.call(client, "chat.completions.create", **words)
    assert server.requests[0].body["max_tokens"] == 1_000_000


def test_a_key_that_is_refused_is_not_tried_again(provider, colour, client_of):
    server = provider(whole({"error": "no"}, status=401))
    for client in (client_of(server), colour.Client(Renewable(can_renew=False), base_url=server.base_url)):
        with pytest.raises(errors.AuthenticationError):
            colour.call(client, "chat.completions.create", model="m", messages=USER)
    assert len(server.requests) == 2


def test_limits_can_be_given(provider, colour, client_of):
    client = client_of(provider(whole(chat())), max_messages=1, max_message_chars=4)
    colour.call(client, "chat.completions.create", model="m", messages=[{"role": "user", "content": "four"}])
    with pytest.raises(ValueError, match="messages has 2 messages, and 1 may be sent at once"):
        colour.call(client, "chat.completions.create", model="m", messages=USER * 2)


def test_all_models_of_one_place_share_its_connections(provider):
    server = provider(whole(chat()))
    with mf.Client("sk-secret", base_url=server.base_url) as client:
        for model in ("a", "b", "a"):
            client.chat.completions.create(model=model, messages=USER)
    assert server.connections == 1
    assert [request.body["model"] for request in server.requests] == ["a", "b", "a"]


def test_a_closed_client_opens_new_connections(provider, client_of):
    server = provider(whole(chat()))
    client = mf.Client("sk-secret", base_url=server.base_url)
    for _ in range(2):
        client.chat.completions.create(model="m", messages=USER)
        client.close()
        client.close()
    assert server.connections == 2


def test_a_client_is_used_from_many_threads(provider):
    server = provider(lambda request: whole(chat(request.body["messages"][0]["content"])))
    client = mf.Client("sk-secret", base_url=server.base_url)
    seen = {}

    def ask(number):
        messages = [{"role": "user", "content": str(number)}]
        reply = client.chat.completions.create(model=f"m{number % 3}", messages=messages)
        seen[number] = reply.choices[0].message.content

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    client.close()
    assert seen == {number: str(number) for number in range(20)}


def test_more_models_than_are_kept_do_no_harm(provider):
    server = provider(whole(chat()))
    with mf.Client("sk-secret", base_url=server.base_url) as client:
        for number in range(300):
            client.chat.completions.create(model=f"m{number}", messages=USER)
        assert len(client._calls._models) < 257


def test_a_users_own_http_client_sends(provider):
    server = provider(whole(chat("own")))
    with httpx.Client(headers={"x-own": "1"}) as own:
        client = mf.Client("sk-secret", base_url=server.base_url, http_client=own)
        assert client.chat.completions.create(model="m", messages=USER).choices[0].message.content == "own"
        server.replies = [whole({"data": []})]
        assert client.models.list().data == []
    assert [request.headers["x-own"] for request in server.requests] == ["1", "1"]
    assert server.requests[1].raw == b""


def test_a_client_shows_its_provider_and_no_key():
    assert repr(mf.Client("sk-secret", provider="openai")) == "Client(provider='openai')"
    assert repr(mf.AsyncClient()) == "AsyncClient()"
    client = mf.Client("sk-secret", provider="openai")
    client.models._calls._model("gpt-4o")
    assert "sk-secret" not in repr(client._account)
    assert "sk-secret" not in repr(vars(client._calls)["_models"])
    for twin in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="make another one where it is needed"):
            twin(client)
