"""Which model a name means, and listing, downloading, loading and unloading, with both generations of the service."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_like import errors
from msgflux_like.local import foundry
from msgflux_like.local.foundry import FoundryLocalManager
from msgflux_like.local.foundry.models import ModelInfo, find, read_catalogue
from tests.foundry.services import CATALOGUE, IDS, NOT_RUNNING, STATUS, ApiV0, ApiV1
from tests.provider import whole

CPU = "qwen2.5-1.5b-instruct-generic-cpu:4"
MODELS = [ModelInfo(id=each["name"], alias=each["alias"], device=each["runtime"]["deviceType"]) for each in CATALOGUE]


# ---- names


@pytest.mark.parametrize(
    ("name", "device", "cached", "meant"),
    [
        ("qwen2.5-1.5b-instruct-generic-gpu:3", None, [], "qwen2.5-1.5b-instruct-generic-gpu:3"),
        ("QWEN2.5-1.5B-Instruct-Generic-GPU:3", None, [], "qwen2.5-1.5b-instruct-generic-gpu:3"),
        ("phi-4-mini-instruct-generic-cpu:5", None, [], "Phi-4-mini-instruct-generic-cpu:5"),
        ("qwen2.5-1.5b-instruct-generic-gpu", None, [], "qwen2.5-1.5b-instruct-generic-gpu:10"),
        ("qwen2.5-1.5b-instruct-generic-gpu", None, ["qwen2.5-1.5b-instruct-generic-gpu:3"], IDS[2]),
        ("qwen2.5-1.5b", None, [], "qwen2.5-1.5b-instruct-qnn-npu:2"),
        ("Qwen2.5-1.5B", None, [], "qwen2.5-1.5b-instruct-qnn-npu:2"),
        ("qwen2.5-1.5b", "CPU", [], CPU),
        ("qwen2.5-1.5b", "GPU", [], "qwen2.5-1.5b-instruct-generic-gpu:3"),
        ("qwen2.5-1.5b", None, [CPU], CPU),
        ("qwen2.5-1.5b", None, ["qwen2.5-1.5b-instruct-generic-cpu"], CPU),
        ("qwen2.5-1.5b", "GPU", [CPU], "qwen2.5-1.5b-instruct-generic-gpu:3"),
        ("phi-4", None, [], "Phi-4-generic-cpu:1"),
        ("phi-4", "NPU", [], None),
        ("qwen2.5-1.5b-instruct-generic-gpu:3", "CPU", [], None),
        ("qwen2.5", None, [], None),
    ],
)
def test_a_name_means(name, device, cached, meant):
    found = find(name, MODELS, device, cached)
    assert (found and found.id) == meant


@given(
    st.sampled_from([*IDS, *(each["alias"] for each in CATALOGUE)]),
    st.sampled_from([None, "CPU", "GPU", "NPU"]),
    st.lists(st.sampled_from(IDS)),
)
def test_what_is_found_is_always_of_that_name_and_for_that_device(name, device, cached):
    found = find(name.swapcase(), MODELS, device, cached)
    if found is not None:
        assert name in (found.id, found.alias)
        assert device in (None, found.device)
    else:
        assert all(device != each.device for each in MODELS if name in (each.id, each.alias))


def test_a_catalogue_is_read_whatever_is_left_out_or_added():
    first = read_catalogue(b'[{"name": "x-generic-cpu:1"}, {"name": "y", "alias": null, "runtime": {}, "new": [1]}]')
    assert [(each.id, each.alias, each.device) for each in first] == [("x-generic-cpu:1", "", "CPU"), ("y", "", "")]


# ---- the first generation


@pytest.fixture
def first(service):
    answers = ApiV0()
    return answers, FoundryLocalManager(service(answers))


def test_first_the_lists(first):
    answers, manager = first
    answers.loaded.append(CPU)
    answers.cached.append("own-model:1")
    assert [each.id for each in manager.list_catalog_models()] == IDS
    assert [each.id for each in manager.list_cached_models()] == [CPU, "own-model:1"]
    [loaded] = manager.list_loaded_models()
    assert (loaded.id, loaded.alias, loaded.device) == (CPU, "qwen2.5-1.5b", "CPU")
    assert (loaded.file_size_mb, loaded.license, loaded.max_output_tokens) == (1822, "apache-2.0", 2048)


def test_first_nothing_loaded_is_null(first):
    assert first[1].list_loaded_models() == []


def test_first_loading_names_the_id_and_a_time_to_live(first):
    answers, manager = first
    assert manager.load_model("qwen2.5-1.5b", ttl=60).id == CPU
    assert answers.asked("/openai/load/") == [f"/openai/load/{CPU}?ttl=60"]


def test_first_a_generic_build_runs_on_cuda_where_the_machine_has_it(first, monkeypatch):
    answers, manager = first
    answers.cached = ["qwen2.5-1.5b-instruct-generic-gpu:3"]
    manager.load_model("qwen2.5-1.5b")
    cuda = {**CATALOGUE[0], "name": "x-cuda-gpu:1", "runtime": {"executionProvider": "CUDAExecutionProvider"}}
    monkeypatch.setattr("tests.foundry.services.CATALOGUE", [*CATALOGUE, cuda])
    manager.load_model("qwen2.5-1.5b")
    path = "/openai/load/qwen2.5-1.5b-instruct-generic-gpu:3?ttl=600"
    assert answers.asked("/openai/load/") == [path, f"{path}&ep=cuda"]


def test_first_a_model_that_is_not_downloaded_is_not_loaded(first):
    answers, manager = first
    with pytest.raises(
        errors.BadRequestError, match=r"'phi-4' is not downloaded: foundry_local.start_model\('phi-4'\)"
    ):
        manager.load_model("phi-4")
    assert answers.asked("/openai/load/") == []


def test_first_a_download_says_what_the_catalogue_said(first):
    answers, manager = first
    manager.download_model("phi-4-mini")
    assert answers.bodies[-1] == {
        "model": {
            "Name": "Phi-4-mini-instruct-generic-cpu:5",
            "Uri": "azureml://registries/azureml/models/Phi-4-mini-instruct-generic-cpu/versions/5",
            "Publisher": "Microsoft",
            "ProviderType": "AzureFoundryLocal",
            "PromptTemplate": None,
        },
        "IgnorePipeReport": True,
    }


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (b'{"success": false,\n "errorMessage": "no space left"}', "no space left"),
        (b'{"success": false}', "it does not say why"),
        (b"", "it does not say why"),
        (b'{"success": tr', "it does not say why"),
    ],
)
def test_first_a_download_that_fails_says_why(first, outcome, reason):
    answers, manager = first
    answers.outcome = outcome
    with pytest.raises(errors.ServerError, match=f"the download failed: {reason}"):
        manager.download_model("phi-4")


def test_first_unloading(first):
    answers, manager = first
    manager.load_model(CPU)
    manager.unload_model("qwen2.5-1.5b-instruct-generic-cpu")
    assert answers.loaded == []


@pytest.mark.parametrize("method", ["get_model_info", "load_model", "download_model", "unload_model"])
def test_first_an_unknown_model_is_a_lookup_error_with_near_names(first, method):
    with pytest.raises(
        LookupError, match=r"Foundry Local has no model 'qwen2.5-1.5': did you mean qwen2.5-1.5b\?"
    ) as e:
        getattr(first[1], method)("qwen2.5-1.5")
    assert isinstance(e.value, errors.UnknownModelError)


def test_first_without_a_network_what_is_downloaded_still_loads(provider):
    answers = ApiV0()
    server = provider(lambda request: whole([]) if request.path == "/foundry/list" else answers(request))
    manager = FoundryLocalManager(server.base_url)
    assert manager.load_model(CPU).id == CPU


# ---- the second generation


@pytest.fixture
def second(service):
    answers = ApiV1()
    return answers, FoundryLocalManager(service(answers))


def test_second_loading_by_alias_shows_the_id(second):
    answers, manager = second
    model = manager.load_model("qwen2.5-1.5b")
    assert (model.id, model.alias, model.device) == (CPU, "qwen2.5-1.5b", "CPU")
    assert answers.asked("/models/load/") == ["/models/load/qwen2.5-1.5b"]
    assert manager.get_model_info("qwen2.5-1.5b") == model
    assert manager.list_loaded_models() == [model]


def test_second_an_alias_is_unknown_before_it_is_loaded(second):
    with pytest.raises(LookupError, match=r"what an alias stands for is known once it is loaded"):
        second[1].get_model_info("qwen2.5-1.5b")


@pytest.mark.parametrize("name", [CPU, CPU.upper(), CPU.removesuffix(":4")])
def test_second_an_id_is_loaded_by_the_alias_it_begins_with(second, name):
    answers, manager = second
    assert manager.load_model(name).id == CPU
    assert answers.asked("/models/load/")[-1] == "/models/load/qwen2.5-1.5b"
    before = len(answers.seen)
    manager.load_model(CPU)
    assert answers.seen[before:] == ["/v1/models", "/models/loaded"]


def test_second_an_id_whose_alias_is_another_word_asks_for_the_alias(second):
    answers, manager = second
    with pytest.raises(errors.UnsupportedError, match="loads by alias, and does not tell that of 'deepseek-r1-distill"):
        manager.load_model("deepseek-r1-distill-qwen-7b-generic-cpu:3")
    assert answers.loaded == []


def test_second_a_service_that_tells_the_alias_is_asked_by_it(service):
    answers = ApiV1(parents=True, cached=list(IDS))
    manager = FoundryLocalManager(service(answers))
    assert manager.get_model_info("deepseek-r1-7b").id == IDS[-1]
    assert manager.load_model(IDS[-1]).alias == "deepseek-r1-7b"
    assert answers.asked("/models/load/") == [f"/models/load/{IDS[-1]}", "/models/load/deepseek-r1-7b"]


@pytest.mark.parametrize(
    ("loaded", "alias", "reloads"),
    [
        ([], "phi-4", False),
        (["phi-4-mini"], "phi-4", False),
        (["phi-4"], "phi-4", False),
        (["deepseek-r1-7b", "phi-4"], "phi-4", False),
        (["phi-4", "phi-4-mini"], "phi-4", True),
        (["phi-4", "deepseek-r1-7b"], "deepseek-r1-7b", True),
        (["phi-4", "phi-4-mini", "deepseek-r1-7b"], "phi-4-mini", False),
    ],
)
def test_second_an_alias_is_told_from_others_that_are_loaded(service, loaded, alias, reloads):
    answers = ApiV1(cached=list(IDS))
    answers.loaded = [answers.aliases[each] for each in loaded]
    assert FoundryLocalManager(service(answers)).load_model(alias).id == answers.aliases[alias]
    assert bool(answers.asked("/models/unload/")) == reloads


def test_second_another_build_than_the_one_it_picks_is_refused(second):
    _, manager = second
    with pytest.raises(errors.UnsupportedError, match=r"cannot be asked for 'qwen2.5-1.5b-instruct-qnn-npu:2'"):
        manager.load_model("qwen2.5-1.5b-instruct-qnn-npu:2")
    with pytest.raises(errors.UnsupportedError, match="cannot be asked for 'a build for NPU'"):
        manager.load_model("qwen2.5-1.5b", "NPU")


def test_second_a_time_to_live_is_refused(second):
    with pytest.raises(errors.UnsupportedError, match="cannot be told a ttl"):
        second[1].load_model("qwen2.5-1.5b", ttl=60)


def test_second_an_unknown_model_is_a_lookup_error(second):
    for method in (second[1].load_model, second[1].unload_model):
        with pytest.raises(LookupError, match="Foundry Local has no model 'qwen9'"):
            method("qwen9")


def test_second_it_does_not_tell_what_is_downloaded(second):
    with pytest.raises(errors.UnsupportedError, match="foundry cache list"):
        second[1].list_cached_models()


def test_second_it_cannot_be_asked_to_download(second):
    with pytest.raises(errors.UnsupportedError, match="foundry model download phi-4"):
        second[1].download_model("phi-4")


@pytest.mark.parametrize("name", [CPU, "qwen2.5-1.5b"])
def test_second_unloading(second, name):
    answers, manager = second
    manager.load_model("qwen2.5-1.5b")
    manager.unload_model(name)
    assert answers.loaded == []


# ---- start_model


def test_start_model_starts_downloads_and_loads(program, service):
    answers = ApiV0()
    root = service(answers)
    asked = program(
        service_status=NOT_RUNNING, service_start="", service_stop="", service_status_started=STATUS.format(root=root)
    )
    with foundry.start_model("phi-4") as manager:
        assert manager.get_model_info("phi-4").id == "Phi-4-generic-cpu:1"
        assert answers.loaded == ["Phi-4-generic-cpu:1"]
        assert manager.endpoint == f"{root}/v1"
    assert answers.asked("/openai/download") == ["/openai/download"]
    assert asked.asked[-1] == ["service", "stop"]


def test_start_model_prefers_the_build_that_is_there(program, service):
    answers = ApiV0()
    program(service_status=STATUS.format(root=service(answers)))
    foundry.start_model("qwen2.5-1.5b")
    assert answers.loaded == [CPU]
    assert answers.asked("/openai/download") == []


def test_start_model_for_a_device(program, service):
    answers = ApiV0()
    program(service_status=STATUS.format(root=service(answers)))
    foundry.start_model("qwen2.5-1.5b", device="gpu")
    assert answers.loaded == ["qwen2.5-1.5b-instruct-generic-gpu:3"]


def test_start_model_downloads_by_the_program_where_the_service_cannot(program, provider):
    def answers(request):
        if ["model", "download", "phi-4"] in asked.asked:
            second.cached = list(IDS)
        return second(request)

    second = ApiV1()
    root = provider(answers).base_url.removesuffix("/v1")
    asked = program(
        server_status_json=f'{{"running": true, "webUrls": ["{root}"]}}', **{"model_download_phi-4": "downloaded"}
    )
    assert foundry.start_model("phi-4").get_model_info("phi-4").id == "Phi-4-generic-cpu:1"
    assert asked.asked[-1] == ["model", "download", "phi-4"]


def test_a_download_by_the_program_that_fails_says_what_the_program_said(program, service):
    program(
        server_status_json=f'{{"running": true, "webUrls": ["{service(ApiV1())}"]}}',
        **{"model_download_phi-4": "no space left"},
    )
    with pytest.raises(errors.APIConnectionError, match="`foundry model download phi-4` failed, saying: no space left"):
        foundry.start_model("phi-4")


# ---- what answers there


@pytest.mark.parametrize(
    "reply", [whole(b"<html>", 200), whole(b"", 404), whole({}, 200), whole([], 200), whole(b"", 401)]
)
def test_what_is_no_foundry_local_is_not_taken_for_one(provider, reply):
    with pytest.raises(errors.BadReplyError, match="is not Foundry Local"):
        FoundryLocalManager(provider(reply).base_url).list_loaded_models()


def test_a_service_that_fails_is_an_error_of_the_service(provider):
    with pytest.raises(errors.ServerError, match=r"boom .foundry-local, HTTP 500"):
        FoundryLocalManager(provider(whole(b"boom", 500)).base_url).list_loaded_models()


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"no json"])
@pytest.mark.parametrize("kind", [ApiV0, ApiV1])
def test_lists_that_are_none_are_bad_replies(provider, kind, body):
    answers = kind()
    status = ("/status", "/openai/status")
    server = provider(lambda request: answers(request) if request.path in status else whole(body))
    with pytest.raises(errors.BadReplyError, match="the list of models cannot be read"):
        FoundryLocalManager(server.base_url).list_loaded_models()


def test_a_service_that_is_not_there_is_named(service, provider):
    gone = provider(whole({}))
    gone.close()
    with pytest.raises(errors.APIConnectionError, match="foundry-local"):
        FoundryLocalManager(gone.base_url).list_catalog_models()
