"""The real service, where one runs: `REAL_FOUNDRY_URL` is its origin, `REAL_FOUNDRY_ALIAS` a model that it has.

The alias must be one that the id begins with, which most do.
"""

from __future__ import annotations

import os

import pytest

import msgflux_like as mf
from msgflux_like import errors
from msgflux_like.local.foundry import FoundryLocalManager, start_model

URL = os.environ.get("REAL_FOUNDRY_URL", "")
ALIAS = os.environ.get("REAL_FOUNDRY_ALIAS", "qwen2.5-1.5b")

pytestmark = pytest.mark.skipif(not URL, reason="REAL_FOUNDRY_URL is not set: no Foundry Local service to test against")


@pytest.fixture
def manager():
    with FoundryLocalManager(URL) as found:
        yield found


@pytest.fixture
def model():
    with mf.Model.chat_completion(f"foundry-local/{ALIAS}", base_url=URL, max_tokens=40, temperature=0) as made:
        yield made


def test_it_is_found_and_has_the_model(manager):
    assert manager.endpoint == f"{URL}/v1"
    assert any(each.id.lower().startswith(ALIAS) for each in manager.list_catalog_models())


def test_loading_by_alias_gives_the_id(manager):
    loaded = manager.load_model(ALIAS)
    assert loaded.id.lower().startswith(ALIAS)
    assert loaded.id != ALIAS
    assert loaded.device in ("CPU", "GPU", "NPU")
    assert loaded in manager.list_loaded_models()
    assert manager.get_model_info(ALIAS) == loaded
    assert manager.load_model(loaded.id).id == loaded.id


def test_unloading_and_loading_by_id(manager):
    loaded = manager.load_model(ALIAS)
    manager.unload_model(loaded.id)
    assert loaded.id not in {each.id for each in manager.list_loaded_models()}
    assert manager.load_model(loaded.id).id == loaded.id


def test_start_model(monkeypatch):
    monkeypatch.setenv("FOUNDRY_LOCAL_BASE_URL", URL)
    with start_model(ALIAS) as manager:
        assert manager.get_model_info(ALIAS).id in {each.id for each in manager.list_loaded_models()}


def test_a_whole_answer_has_text_and_usage(model, colour):
    response = colour.ask(model, "Write me a haiku")
    usage = response.metadata.usage
    assert response.consume().strip()
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert min(usage.prompt_tokens, usage.completion_tokens) > 0


def test_a_streamed_answer_comes_in_pieces_and_is_the_same(model, colour):
    pieces, response = colour.pieces(model, "Write me a haiku")
    assert len(pieces) > 1
    assert "".join(pieces) == response.text == colour.ask(model, "Write me a haiku").consume()
    assert response.metadata.usage.completion_tokens > 0


def test_the_id_works_as_well_as_the_alias(manager, colour):
    model_id = manager.load_model(ALIAS).id
    with mf.Model.chat_completion(f"foundry-local/{model_id}", base_url=f"{URL}/v1", max_tokens=40) as model:
        assert colour.ask(model, "Write me a haiku").consume().strip()


def test_a_model_that_was_unloaded_behind_our_back_is_loaded_again(manager, model, colour):
    colour.ask(model, "Hi")
    manager.unload_model(ALIAS)
    assert colour.ask(model, "Hi").consume().strip()
    manager.unload_model(ALIAS)
    assert "".join(colour.pieces(model, "Hi")[0]).strip()


def test_an_unknown_model_is_a_lookup_error(manager, colour):
    with pytest.raises(LookupError, match="no model 'no-such-model'"):
        manager.load_model("no-such-model")
    with (
        mf.Model.chat_completion("foundry-local/no-such-model", base_url=URL) as model,
        pytest.raises(LookupError, match="no model 'no-such-model'"),
    ):
        colour.ask(model, "Hi")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_bad_parameter_is_refused_in_a_stream_too(manager, colour, streamed):
    with (
        mf.Model.chat_completion(f"foundry-local/{ALIAS}", base_url=URL, extra_body={"max_tokens": -5}) as model,
        pytest.raises(errors.BadRequestError),
    ):
        (colour.pieces if streamed else colour.ask)(model, "Hi")
