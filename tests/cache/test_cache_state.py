"""A model's cache in its state: how it is made, never what is in it."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

import msgflux_like as mf
from msgflux_like.errors import InvalidRequestError
from tests.cache.test_stores import Own
from tests.provider import chat, whole


@pytest.fixture
def openai(provider, monkeypatch):
    """A provider that the environment calls OpenAI."""
    server = provider(whole(chat()))
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    return server


def made(**options) -> mf.ChatCompletion:
    return mf.Model.chat_completion("openai/gpt-4o", **options)


def test_a_model_without_a_cache_says_nothing_of_one(openai):
    assert "cache" not in made().serialize()["state"]
    assert made(enable_cache=False, cache_size=5)._response_cache is None
    assert made(cache_size=5)._response_cache is None
    assert made(cache=mf.ResponseCache(), enable_cache=False)._response_cache is None


@pytest.mark.parametrize("how", ["json", "pickle"])
@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({"enable_cache": True}, {"maxsize": 128}),
        ({"enable_cache": True, "cache_size": 5}, {"maxsize": 5}),
        ({"enable_cache": True, "cache_size": 0}, {"maxsize": 0}),
        ({"cache": mf.ResponseCache(ttl_s=60, account="team")}, {"ttl_s": 60, "account": "team"}),
        ({"cache": "answers.sqlite", "cache_size": 7}, {"maxsize": 7, "store": "answers.sqlite"}),
        ({"cache": "redis://me:hush@127.0.0.1:1/0"}, {"store": "redis://me@127.0.0.1:1/0"}),
    ],
    ids=["on", "sized", "empty", "shared", "file", "server"],
)
@pytest.mark.usefixtures("openai")
def test_the_settings_come_back_and_the_answers_do_not(options, settings, how, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = made(**options)
    state = model.serialize()
    assert state["state"]["cache"] == settings
    assert "hush" not in json.dumps(state)
    if how == "json":
        restored = mf.Model.from_serialized(**json.loads(json.dumps(state)), cache=state["state"]["cache"])
    else:
        assert b"hush" not in pickle.dumps(model)
        restored = pickle.loads(pickle.dumps(model))
    assert restored.serialize() == state
    assert restored._response_cache is not model._response_cache
    assert restored._response_cache.settings() == settings
    assert list(tmp_path.iterdir()) == []


def test_a_restored_model_finds_the_answers_that_lie_in_a_file(openai, tmp_path):
    with made(cache=tmp_path / "c.sqlite") as model:
        model("hi")
        restored = pickle.loads(pickle.dumps(model))
    with restored:
        assert restored("hi").metadata.cached
    for each in (model, restored):
        each._response_cache.close()


def test_a_copy_shares_the_cache(openai):
    model = made(enable_cache=True)
    model("hi")
    for twin in (copy.copy(model), copy.deepcopy(model)):
        with twin:
            assert twin("hi").metadata.cached
    model.close()
    assert len(openai.requests) == 1


def test_a_cache_can_be_pickled_and_copied(tmp_path):
    cache = mf.ResponseCache(maxsize=3, ttl_s=5, store=tmp_path / "c.sqlite")
    assert pickle.loads(pickle.dumps(cache)).settings() == cache.settings()
    assert copy.copy(cache) is cache
    assert copy.deepcopy(cache) is cache


def test_a_store_of_ones_own_cannot_be_described(openai):
    model = made(cache=mf.ResponseCache(store=Own()))
    with pytest.raises(InvalidRequestError, match="a Store of your own cannot be described"):
        model.serialize()


def test_state_that_names_a_cache_is_checked(openai):
    state = {"model_id": "gpt-4o", "cache": {"maxsize": -1}}
    with pytest.raises(InvalidRequestError, match="maxsize must be a whole number"):
        mf.Model.from_serialized("openai", "chat_completion", state)
    with pytest.raises(InvalidRequestError, match="cache has unknown fields: path"):
        mf.Model.from_serialized("openai", "chat_completion", {**state, "cache": {"path": "x"}})


ELSEWHERE = [
    "redis://127.0.0.1:1/0",
    "redis://me:hush@127.0.0.1:1/0",
    "answers.sqlite",
    "/tmp/answers.sqlite",
    "{own}/../answers.sqlite",
    "{own}-not/answers.sqlite",
    "{own}/link/answers.sqlite",
]


@pytest.fixture
def own_folder(openai, tmp_path, monkeypatch):
    """The library's own folder, with a link in it that leads out of it."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    monkeypatch.setenv("MSGFLUX_LIKE_CACHE_DIR", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def state_of(cache, **more) -> dict:
    state = {"model_id": "gpt-4o", "cache": cache, **more}
    return {"provider": "openai", "model_type": "chat_completion", "state": state}


@pytest.mark.parametrize("store", ELSEWHERE)
def test_a_place_of_the_states_own_choosing_is_not_used_unless_it_is_said_again(own_folder, store, monkeypatch):
    """It would write there, read answers of whoever made it, or give a server the password of the environment."""
    monkeypatch.setenv("MSGFLUX_LIKE_REDIS_PASSWORD", "hush")
    store = store.format(own=own_folder)
    for cache in (store, {"store": store, "account": "team"}):
        with pytest.raises(InvalidRequestError, match=r"stores its cached answers at .*: pass cache=") as raised:
            mf.Model.from_serialized(**state_of(cache))
        assert "hush" not in str(raised.value)
        assert mf.Model.from_serialized(**state_of(cache), cache=False)._response_cache is None
        own = mf.ResponseCache()
        assert mf.Model.from_serialized(**state_of(cache), cache=own)._response_cache is own
        said = mf.Model.from_serialized(**state_of(cache), cache=cache)._response_cache
        assert said.location == store.replace(":hush", "")
    assert list(own_folder.iterdir()) == [own_folder / "link"]


def test_the_librarys_own_folder_needs_no_word(openai, own_folder):
    with made(cache=True) as model:
        model("hi")
        state = json.loads(json.dumps(model.serialize()))
    assert state["state"]["cache"] == {"store": True}  # wherever that folder is
    for cache in (True, {"store": True}, str(own_folder / "responses.sqlite"), {"store": f"{own_folder}/deep/c.db"}):
        with mf.Model.from_serialized(**state_of(cache)) as restored:
            assert restored("hi").metadata.cached is ("deep" not in restored._response_cache.location)
    assert len(openai.requests) == 2


def test_a_state_that_says_no_place_needs_no_word(own_folder):
    for cache in (None, False, {"maxsize": 3}, {"store": None}):
        restored = mf.Model.from_serialized(**state_of(cache))._response_cache
        assert restored is None or restored.location == ""


def test_a_gateway_passes_on_where_its_models_keep_answers(own_folder):
    gateway = mf.ModelGateway([made(cache="answers.sqlite"), made()])
    state = json.loads(json.dumps(gateway.serialize()))
    with pytest.raises(InvalidRequestError, match=r"the state stores its cached answers at answers\.sqlite"):
        mf.ModelGateway.from_serialized(state)
    shared = mf.ResponseCache()
    restored = mf.ModelGateway.from_serialized(state, cache=shared)
    caches = [group[0].model._response_cache for group in restored._groups]
    assert caches == [shared, None]  # the second has had none
    assert list(own_folder.iterdir()) == [own_folder / "link"]


def test_completions_of_text_are_cached_too(provider, monkeypatch):
    reply = {"id": "c", "model": "m", "choices": [{"index": 0, "text": " upon", "finish_reason": "stop"}]}
    server = provider(whole(reply))
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    with mf.Model.text_completion("openai/gpt-3.5-turbo-instruct", enable_cache=True) as model:
        assert [model("Once").consume(), model("Once").consume()] == [" upon"] * 2
    assert len(server.requests) == 1
