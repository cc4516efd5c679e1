"""What a model says of itself, and how it comes back from JSON, a pickle or a copy without its key."""

from __future__ import annotations

import copy
import json
import pickle

import httpx2
import pytest

import msgflux_like as mf
from msgflux_like.errors import InvalidRequestError, MissingKeyError, UnknownProviderError
from tests.provider import chat, whole

PARAMETERS = {"temperature": 0, "max_tokens": 100, "top_p": 0.9, "stop": ["\n"], "seed": 7, "user": ""}
OPTIONS = {
    **PARAMETERS,
    "max_retries": 5,
    "timeout": mf.Timeouts(connect_s=1.0, first_event_s=None, between_events_s=3.0, total_s=4.0),
    "extra_body": {"metadata": {"a": [1]}},
}


@pytest.fixture
def openai(provider, monkeypatch):
    """A provider that the environment calls OpenAI."""
    server = provider(whole(chat()))
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    return server


def answers_the_same(server, model: mf.ChatCompletion, other: mf.ChatCompletion) -> bool:
    """Whether both send the same request, and the key of the environment with it."""
    with model, other:
        for each in (model, other):
            assert each("Hello").consume() == "Hello"
    first, second = server.requests[-2:]
    assert second.headers["authorization"] == "Bearer sk-environment"
    return (first.path, first.body, first.headers) == (second.path, second.body, second.headers)


# ---- what it is


def test_a_model_says_what_it_is():
    model = mf.Model.chat_completion("openrouter/openai/gpt-4o", api_key="sk-secret")
    assert model.get_model_info() == {"model_id": "openai/gpt-4o", "provider": "openrouter"}
    assert model.get_model_info().model_id == "openai/gpt-4o"
    assert model.instance_type() == {"model_type": "chat_completion"}
    assert str(model.instance_type()) == "{'model_type': 'chat_completion'}"


def test_the_state_has_four_fields():
    state = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret").serialize()
    assert list(state) == ["msgflux_type", "provider", "model_type", "state"]
    assert (state["msgflux_type"], state["provider"], state["model_type"]) == ("model", "openai", "chat_completion")
    assert state["state"]["model_id"] == "gpt-4o"


# ---- through JSON and back


@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["plain", "with everything"])
def test_a_model_comes_back_from_json(openai, options):
    model = mf.Model.chat_completion("openai/gpt-4o", **options)
    state = json.loads(json.dumps(model.serialize()))
    restored = mf.Model.from_serialized(**state)
    assert restored.serialize() == model.serialize()
    assert answers_the_same(openai, model, restored)


def test_a_model_comes_back_from_the_three_parts_of_its_state(openai):
    model = mf.Model.chat_completion("openai/gpt-4o", temperature=0)
    state = model.serialize()
    restored = mf.Model.from_serialized(state["provider"], state["model_type"], state["state"])
    assert answers_the_same(openai, model, restored)


def test_the_dialect_comes_back_too(openai):
    model = mf.Model.chat_completion("openai/gpt-4o", dialect="openai_responses")
    restored = mf.Model.from_serialized(**model.serialize())
    with restored, pytest.raises(mf.errors.APIError):
        restored("Hello")  # the server answers in the chat dialect
    assert openai.requests[0].path == "/v1/responses"


def test_what_is_done_to_the_state_does_not_change_the_model(openai):
    model = mf.Model.chat_completion("openai/gpt-4o", stop=["END"], extra_body={"metadata": {"a": "b"}})
    state = model.serialize()["state"]
    state["parameters"]["stop"].append("more")
    state["extra_body"]["metadata"]["a"] = "changed"
    with model:
        model("hi")
    assert openai.requests[0].body["stop"] == ["END"]
    assert openai.requests[0].body["metadata"] == {"a": "b"}


def test_no_secret_is_in_the_state(provider):
    server = provider(whole(chat()))
    model = mf.Model.chat_completion(
        "openai/gpt-4o", api_key="sk-secret", base_url=server.base_url, extra_headers={"X-Token": "hush"}
    )
    with model:
        model("Do not repeat this")
        stored = json.dumps(model.serialize())
    assert not [secret for secret in ("sk-secret", "hush", "X-Token", "repeat") if secret in stored]


# ---- what is refused


def test_state_of_an_unknown_provider_is_refused_with_near_names():
    with pytest.raises(UnknownProviderError, match=r"^Provider `opnai` not registered .* openai"):
        mf.Model.from_serialized("opnai", "chat_completion", {"model_id": "gpt-4o"})


def test_state_of_an_unknown_kind_is_refused():
    with pytest.raises(InvalidRequestError) as raised:
        mf.Model.from_serialized("openai", "chat_completions", {"model_id": "gpt-4o"})
    known = ", ".join(mf.Model.model_types())
    assert str(raised.value) == f"there is no model type 'chat_completions'; there are {known}"
    with pytest.raises(InvalidRequestError) as raised:
        mf.Model.from_serialized("openai", "chat_completion", {"model_id": "gpt-4o"}, "agent")
    assert str(raised.value) == "msgflux_type is 'agent': this is not a serialized model"


def test_state_with_fields_that_nobody_knows_is_refused():
    with pytest.raises(InvalidRequestError) as raised:
        mf.Model.from_serialized("openai", "chat_completion", {"model_id": "gpt-4o", "api_key": "sk-x", "a": 1})
    assert str(raised.value) == "state has unknown fields: a, api_key"


@pytest.mark.parametrize("state", [{}, {"model_id": None}, {"model_id": 5}])
def test_state_without_a_model_is_refused(state):
    with pytest.raises(InvalidRequestError) as raised:
        mf.Model.from_serialized("openai", "chat_completion", state, api_key="sk-secret")
    assert str(raised.value) == "state has no model_id: this is not the state of a model"


def test_parameters_of_the_state_are_checked_like_any_others():
    with pytest.raises(InvalidRequestError, match="temperature must be a number from 0 to 2"):
        mf.Model.from_serialized("vllm", "chat_completion", {"model_id": "m", "parameters": {"temperature": 9}})


# ---- state from elsewhere and the key of the environment


@pytest.mark.parametrize("name", ["openai", "vllm"], ids=["needs a key", "may have a key"])
def test_state_that_names_a_place_gets_no_key_of_the_environment(provider, monkeypatch, name):
    """Whoever writes the state could name a place of their own."""
    elsewhere = provider(whole(chat()))
    monkeypatch.setenv(f"{name.upper()}_API_KEY", "sk-environment")
    state = {"model_id": "m", "base_url": elsewhere.base_url}
    with pytest.raises(MissingKeyError) as raised:
        mf.Model.from_serialized(name, "chat_completion", state)
    assert str(raised.value) == (
        f"the stored base_url is not {name}'s own: pass api_key= to say which key may go there"
    )
    with mf.Model.from_serialized(name, "chat_completion", state, api_key="sk-given") as model:
        model("hi")
    assert [request.headers["authorization"] for request in elsewhere.requests] == ["Bearer sk-given"]


def test_state_that_names_a_place_needs_no_key_where_there_is_none(provider, monkeypatch):
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    elsewhere = provider(whole(chat()))
    state = {"model_id": "m", "base_url": elsewhere.base_url}
    with mf.Model.from_serialized("vllm", "chat_completion", state) as model:
        model("hi")
    assert "authorization" not in elsewhere.requests[0].headers


def test_state_that_names_the_providers_own_place_gets_its_key(openai):
    state = {"model_id": "gpt-4o", "base_url": openai.base_url}
    with mf.Model.from_serialized("openai", "chat_completion", state) as model:
        model("hi")
    assert openai.requests[0].headers["authorization"] == "Bearer sk-environment"


@pytest.mark.parametrize(
    "url",
    ["https://api.openai.com.example/v1", "https://api.openai.com@example.com/v1", "https://api.openai.com:444/v1"],
)
def test_a_place_that_looks_like_the_providers_own_is_another(monkeypatch, url):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    with pytest.raises(MissingKeyError):
        mf.Model.from_serialized("openai", "chat_completion", {"model_id": "gpt-4o", "base_url": url})


@pytest.mark.parametrize("smuggled", ["base_url", "api_key", "cache", "extra_headers", "http_client", "dialect"])
@pytest.mark.parametrize("kind", ["chat_completion", "text_completion", "text_embedder"])
def test_what_is_no_parameter_is_refused_among_the_parameters(monkeypatch, kind, smuggled):
    """Else a state could say there what it must not say in its own place: where the environment's key goes to."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    state = {"model_id": "m", "parameters": {smuggled: "https://elsewhere.example/v1"}}
    with pytest.raises(InvalidRequestError, match=f"state has {smuggled} among its parameters"):
        mf.Model.from_serialized("openai", kind, state)


# ---- copies and pickles


def test_a_copy_answers_the_same_and_has_connections_of_its_own(openai):
    model = mf.Model.chat_completion("openai/gpt-4o", **OPTIONS)
    for twin in (copy.deepcopy(model), copy.copy(model)):
        assert answers_the_same(openai, model, twin)
    assert openai.connections == 4


def test_a_copy_keeps_a_key_that_was_given(provider, model_of):
    server = provider(whole(chat()))
    model = model_of(server, api_key="sk-given", extra_headers={"X-Own": "1"})
    for twin in (copy.deepcopy(model), copy.copy(model)):
        with twin:
            twin("hi")
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer sk-given"] * 2
    assert [request.headers["x-own"] for request in server.requests] == ["1"] * 2


def test_a_pickle_answers_the_same_and_holds_no_key(openai):
    model = mf.Model.chat_completion("openai/gpt-4o", **OPTIONS)
    pickled = pickle.dumps(model)
    assert b"sk-environment" not in pickled
    assert answers_the_same(openai, model, pickle.loads(pickled))


def test_a_pickle_of_a_model_with_a_place_of_its_own_takes_its_key_from_the_environment(provider, monkeypatch):
    server = provider(whole(chat()))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    model = mf.Model.chat_completion("openai/gpt-4o", base_url=server.base_url)
    assert answers_the_same(server, model, pickle.loads(pickle.dumps(model)))


@pytest.mark.parametrize(
    "given",
    [{"api_key": "sk-given"}, {"extra_headers": {"X-Token": "hush"}}, {"http_client": httpx2.Client()}],
    ids=lambda given: next(iter(given)),
)
def test_what_a_pickle_must_not_hold_is_a_clear_error(openai, given):
    assert openai.requests == []
    model = mf.Model.chat_completion("openai/gpt-4o", **given)
    with pytest.raises(TypeError) as raised:
        pickle.dumps(model)
    assert str(raised.value) == (
        "a model that was given a key, headers or an http_client cannot be pickled: "
        "put the key into the environment, or make the model anew where it is needed"
    )
