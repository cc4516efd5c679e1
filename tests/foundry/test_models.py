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
def test_a_name_resolves_to_an_id_a_version_or_a_build_of_an_alias(name, device, cached, meant):
    found = find(name, MODELS, device, cached)
    assert (found and found.id) == meant


@given(
    st.sampled_from([*IDS, *(each["alias"] for each in CATALOGUE)]),
    st.sampled_from([None, "CPU", "GPU", "NPU"]),
    st.lists(st.sampled_from(IDS)),
)
def test_a_found_model_has_the_requested_name_and_device(name, device, cached):
    found = find(name.swapcase(), MODELS, device, cached)
    if found is not None:
        assert name in (found.id, found.alias)
        assert device in (None, found.device)
    else:
        assert all(device != each.device for each in MODELS if name in (each.id, each.alias))


def test_a_catalogue_with_missing_and_additional_fields_is_read():
    first = read_catalogue(b'[{"name": "x-generic-cpu:1"}, {"name": "y", "alias": null, "runtime": {}, "new": [1]}]')
    assert [(each.id, each.alias, each.device) for each in first] == [("x-generic-cpu:1", "", "CPU"), ("y", "", "")]


# ---- ApiV0: services up to 0.8


@pytest.fixture
def api_v0(service):
    answers = ApiV0()
    return answers, FoundryLocalManager(service(answers))


def test_api_v0_lists_available_downloaded_and_loaded_models(api_v0):
    answers, manager = api_v0
    answers.loaded.append(CPU)
    answers.cached.append("own-model:1")
    assert [each.id for each in manager.list_catalog_models()] == IDS
    assert [each.id for each in manager.list_cached_models()] == [CPU, "own-model:1"]
    [loaded] = manager.list_loaded_models()
    assert (loaded.id, loaded.alias, loaded.device) == (CPU, "qwen2.5-1.5b", "CPU")
    assert (loaded.file_size_mb, loaded.license, loaded.max_output_tokens) == (1822, "apache-2.0", 2048)


def test_api_v0_reports_no_loaded_models_as_null(api_v0):
    assert api_v0[1].list_loaded_models() == []


def test_api_v0_loads_by_id_with_a_time_to_live(api_v0):
    answers, manager = api_v0
    assert manager.load_model("qwen2.5-1.5b", ttl_s=60).id == CPU
    assert answers.asked("/openai/load/") == [f"/openai/load/{CPU}?ttl=60"]


def test_api_v0_runs_a_generic_build_on_cuda_if_the_machine_has_it(api_v0, monkeypatch):
    answers, manager = api_v0
    answers.cached = ["qwen2.5-1.5b-instruct-generic-gpu:3"]
    manager.load_model("qwen2.5-1.5b")
    cuda = {**CATALOGUE[0], "name": "x-cuda-gpu:1", "runtime": {"executionProvider": "CUDAExecutionProvider"}}
    monkeypatch.setattr("tests.foundry.services.CATALOGUE", [*CATALOGUE, cuda])
    manager.load_model("qwen2.5-1.5b")
    path = "/openai/load/qwen2.5-1.5b-instruct-generic-gpu:3?ttl=600"
    assert answers.asked("/openai/load/") == [path, f"{path}&ep=cuda"]


def test_api_v0_does_not_load_a_model_that_is_not_downloaded(api_v0):
    answers, manager = api_v0
    with pytest.raises(
        errors.BadRequestError, match=r"'phi-4' is not downloaded: foundry_local.start_model\('phi-4'\)"
    ):
        manager.load_model("phi-4")
    assert answers.asked("/openai/load/") == []


def test_api_v0_downloads_with_the_fields_of_the_catalogue(api_v0):
    answers, manager = api_v0
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
        (b'{"success": false}', "the service gives no reason"),
        (b"", "the service gives no reason"),
        (b'{"success": tr', "the service gives no reason"),
    ],
)
def test_api_v0_reports_why_a_download_failed(api_v0, outcome, reason):
    answers, manager = api_v0
    answers.outcome = outcome
    with pytest.raises(errors.ServerError, match=f"the download failed: {reason}"):
        manager.download_model("phi-4")


def test_api_v0_unloads_by_an_id_without_its_version(api_v0):
    answers, manager = api_v0
    manager.load_model(CPU)
    manager.unload_model("qwen2.5-1.5b-instruct-generic-cpu")
    assert answers.loaded == []


@pytest.mark.parametrize("method", ["get_model_info", "load_model", "download_model", "unload_model"])
def test_api_v0_raises_a_lookup_error_with_similar_names_for_an_unknown_model(api_v0, method):
    with pytest.raises(
        LookupError, match=r"Foundry Local has no model 'qwen2.5-1.5': did you mean qwen2.5-1.5b\?"
    ) as e:
        getattr(api_v0[1], method)("qwen2.5-1.5")
    assert isinstance(e.value, errors.UnknownModelError)


def test_api_v0_loads_downloaded_models_without_a_network(provider):
    answers = ApiV0()
    server = provider(lambda request: whole([]) if request.path == "/foundry/list" else answers(request))
    manager = FoundryLocalManager(server.base_url)
    assert manager.load_model(CPU).id == CPU


# ---- ApiV1: services from 1.0 on


@pytest.fixture
def api_v1(service):
    answers = ApiV1()
    return answers, FoundryLocalManager(service(answers))


def test_api_v1_learns_the_id_of_an_alias_by_loading_it(api_v1):
    answers, manager = api_v1
    model = manager.load_model("qwen2.5-1.5b")
    assert (model.id, model.alias, model.device) == (CPU, "qwen2.5-1.5b", "CPU")
    assert answers.asked("/models/load/") == ["/models/load/qwen2.5-1.5b"]
    assert manager.get_model_info("qwen2.5-1.5b") == model
    assert manager.list_loaded_models() == [model]


def test_api_v1_does_not_know_an_alias_before_it_is_loaded(api_v1):
    with pytest.raises(LookupError, match=r"the id of an alias is known once it is loaded"):
        api_v1[1].get_model_info("qwen2.5-1.5b")


@pytest.mark.parametrize("name", [CPU, CPU.upper(), CPU.removesuffix(":4")])
def test_api_v1_loads_an_id_by_the_alias_it_begins_with(api_v1, name):
    answers, manager = api_v1
    assert manager.load_model(name).id == CPU
    assert answers.asked("/models/load/")[-1] == "/models/load/qwen2.5-1.5b"
    before = len(answers.seen)
    manager.load_model(CPU)
    assert answers.seen[before:] == ["/v1/models", "/models/loaded"]


def test_api_v1_asks_for_the_alias_of_an_id_that_does_not_begin_with_it(api_v1):
    answers, manager = api_v1
    with pytest.raises(errors.UnsupportedError, match="the alias of 'deepseek-r1-distill"):
        manager.load_model("deepseek-r1-distill-qwen-7b-generic-cpu:3")
    assert answers.loaded == []


def test_api_v1_loads_by_the_alias_that_a_service_reports(service):
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
def test_api_v1_finds_the_id_of_an_alias_among_other_loaded_models(service, loaded, alias, reloads):
    answers = ApiV1(cached=list(IDS))
    answers.loaded = [answers.aliases[each] for each in loaded]
    assert FoundryLocalManager(service(answers)).load_model(alias).id == answers.aliases[alias]
    assert bool(answers.asked("/models/unload/")) == reloads


def test_api_v1_refuses_a_build_that_the_service_does_not_choose(api_v1):
    _, manager = api_v1
    with pytest.raises(errors.UnsupportedError, match=r"cannot be asked for 'qwen2.5-1.5b-instruct-qnn-npu:2'"):
        manager.load_model("qwen2.5-1.5b-instruct-qnn-npu:2")
    with pytest.raises(errors.UnsupportedError, match="cannot be asked for 'a build for NPU'"):
        manager.load_model("qwen2.5-1.5b", "NPU")


def test_api_v1_refuses_a_time_to_live(api_v1):
    with pytest.raises(errors.UnsupportedError, match="do not support ttl_s"):
        api_v1[1].load_model("qwen2.5-1.5b", ttl_s=60)


def test_api_v1_raises_a_lookup_error_for_an_unknown_model(api_v1):
    for method in (api_v1[1].load_model, api_v1[1].unload_model):
        with pytest.raises(LookupError, match="Foundry Local has no model 'qwen9'"):
            method("qwen9")


def test_api_v1_cannot_list_downloaded_models(api_v1):
    with pytest.raises(errors.UnsupportedError, match="foundry cache list"):
        api_v1[1].list_cached_models()


def test_api_v1_cannot_download(api_v1):
    with pytest.raises(errors.UnsupportedError, match="foundry model download phi-4"):
        api_v1[1].download_model("phi-4")


@pytest.mark.parametrize("name", [CPU, "qwen2.5-1.5b"])
def test_api_v1_unloads_by_alias_and_by_id(api_v1, name):
    answers, manager = api_v1
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


def test_start_model_prefers_a_downloaded_build(program, service):
    answers = ApiV0()
    program(service_status=STATUS.format(root=service(answers)))
    foundry.start_model("qwen2.5-1.5b")
    assert answers.loaded == [CPU]
    assert answers.asked("/openai/download") == []


def test_start_model_loads_the_build_for_the_given_device(program, service):
    answers = ApiV0()
    program(service_status=STATUS.format(root=service(answers)))
    foundry.start_model("qwen2.5-1.5b", device="gpu")
    assert answers.loaded == ["qwen2.5-1.5b-instruct-generic-gpu:3"]


def test_start_model_downloads_with_the_program_if_the_service_cannot(program, provider):
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


def test_a_failed_download_quotes_the_output_of_the_program(program, service):
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
def test_another_server_is_not_mistaken_for_foundry_local(provider, reply):
    with pytest.raises(errors.BadReplyError, match="is not Foundry Local"):
        FoundryLocalManager(provider(reply).base_url).list_loaded_models()


def test_a_service_that_fails_is_an_error_of_the_service(provider):
    with pytest.raises(errors.ServerError, match=r"boom .foundry-local, HTTP 500"):
        FoundryLocalManager(provider(whole(b"boom", 500)).base_url).list_loaded_models()


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"no json"])
@pytest.mark.parametrize("kind", [ApiV0, ApiV1])
def test_a_malformed_list_is_a_bad_reply(provider, kind, body):
    answers = kind()
    status = ("/status", "/openai/status")
    server = provider(lambda request: answers(request) if request.path in status else whole(body))
    with pytest.raises(errors.BadReplyError, match="the list of models cannot be read"):
        FoundryLocalManager(server.base_url).list_loaded_models()


def test_an_unreachable_service_is_named_in_the_error(service, provider):
    gone = provider(whole({}))
    gone.close()
    with pytest.raises(errors.APIConnectionError, match="foundry-local"):
        FoundryLocalManager(gone.base_url).list_catalog_models()
