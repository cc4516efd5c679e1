"""Where the service runs: from its URL, from the program `foundry`, after a start that is not waited for."""

from __future__ import annotations

import pytest

from msgflux_like import errors
from msgflux_like.local import foundry
from msgflux_like.local.foundry import FoundryLocalManager
from tests.foundry.services import BROKEN, NOT_RUNNING, STATUS, ApiV0

ROOT = "http://localhost:5273"


@pytest.mark.parametrize(
    ("said", "endpoint"),
    [
        (STATUS.format(root=ROOT), "http://localhost:5273/v1"),
        (STATUS.format(root=ROOT).rstrip(), "http://localhost:5273/v1"),
        ("Model management service is running on http://127.0.0.1:64646/openai/status", "http://127.0.0.1:64646/v1"),
        ("🟢 Service is already running on http://127.0.0.1:58338/.\r\n", "http://127.0.0.1:58338/v1"),
        ("Service is running at http://localhost:5272", "http://localhost:5272/v1"),
        ("x is running on http://localhost:5272.", "http://localhost:5272/v1"),
        ("x is running on https://Some-PC:443/openai/status\n\nmore", "https://Some-PC:443/v1"),
        ("x is running on http://[::1]:5273/openai/status", "http://[::1]:5273/v1"),
        ("x is running on http://0.0.0.0:5273/openai/status", "http://127.0.0.1:5273/v1"),
        ("\x1b[32mis running on http://localhost:5273\x1b[0m\n", "http://localhost:5273/v1"),
    ],
)
def test_the_port_is_read_from_the_status_in_any_surrounding_text(program, said, endpoint):
    asked = program(service_status=said)
    assert FoundryLocalManager().endpoint == endpoint
    assert asked.asked == [["service", "status"]]


@pytest.mark.parametrize(
    ("said", "endpoint"),
    [
        ('{"running": true, "webUrls": ["http://127.0.0.1:50084"], "pid": 7}', "http://127.0.0.1:50084/v1"),
        ('Connecting...\n{"running": true, "webUrls": ["http://127.0.0.1:50084/"]}\n', "http://127.0.0.1:50084/v1"),
        ('{"running": true, "webUrls": []}', None),
        ('{"running": false, "webUrls": ["http://127.0.0.1:50084"]}', None),
        ('{"running": true, "webUrls": null}', None),
        ("{no json", None),
        ("no json", None),
    ],
)
def test_the_program_from_0_10_on_reports_its_status_as_json(program, said, endpoint):
    program(server_status_json=said)
    if endpoint is not None:
        assert FoundryLocalManager().endpoint == endpoint
    else:
        with pytest.raises(errors.APIConnectionError, match="is not running"):
            _ = FoundryLocalManager().endpoint


@pytest.mark.parametrize("said", [NOT_RUNNING, BROKEN.format(root=ROOT), ""])
def test_a_service_that_does_not_run_has_no_endpoint(program, said):
    program(service_status=said)
    with pytest.raises(errors.APIConnectionError, match="Foundry Local is not running: start_service"):
        _ = FoundryLocalManager().endpoint


@pytest.mark.parametrize("start", ["", "never ends"])
def test_the_start_command_is_not_waited_for(program, start):
    asked = program(service_status=NOT_RUNNING, service_start=start, service_status_started=STATUS.format(root=ROOT))
    manager = FoundryLocalManager()
    manager.start_service()
    assert manager.endpoint == "http://localhost:5273/v1"
    assert asked.asked.count(["service", "start"]) == 1


def test_the_newer_program_is_told_to_start_its_server(program):
    asked = program(
        server_status_json='{"running": false, "webUrls": []}',
        server_start="",
        server_status_json_started='{"running": true, "webUrls": ["http://127.0.0.1:50084"]}',
    )
    manager = FoundryLocalManager()
    manager.start_service()
    assert manager.endpoint == "http://127.0.0.1:50084/v1"
    assert ["server", "start"] in asked.asked
    assert ["service", "start"] not in asked.asked


def test_a_service_that_runs_is_not_started(program):
    asked = program(service_status=STATUS.format(root=ROOT))
    with FoundryLocalManager() as manager:
        manager.start_service()
    assert asked.asked == [["service", "status"]]


def test_a_failed_start_ends_at_its_deadline(program):
    program(service_status=NOT_RUNNING, service_start="never ends")
    with pytest.raises(errors.APITimeoutError) as raised:
        FoundryLocalManager().start_service(2)
    assert "did not start within 2 s" in str(raised.value)
    assert "`foundry service status` says '🔴 Model management service is not running!" in str(raised.value)


def test_a_hanging_status_command_ends_at_the_deadline(program):
    program(service_status="never ends", service_start="")
    with pytest.raises(errors.APITimeoutError, match="says nothing"):
        FoundryLocalManager().start_service(0.5)


def test_a_missing_program_is_named_with_path_in_the_error(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.NotInstalledError, match=r"there is no `foundry` on PATH.*FOUNDRY_LOCAL_BASE_URL"):
        foundry.start_model("qwen2.5-1.5b")


@pytest.mark.parametrize("base_url", ["{root}", "{root}/", "{root}/v1", "{root}/v1/"])
@pytest.mark.parametrize("by_environment", [True, False])
def test_the_program_is_not_run_if_a_url_is_given(monkeypatch, tmp_path, service, base_url, by_environment):
    monkeypatch.setenv("PATH", str(tmp_path))
    root = service(ApiV0())
    url = base_url.format(root=root)
    if by_environment:
        monkeypatch.setenv("FOUNDRY_LOCAL_BASE_URL", url)
    with FoundryLocalManager(None if by_environment else url) as manager:
        manager.start_service()
        assert manager.endpoint == f"{root}/v1"
        assert manager.load_model("qwen2.5-1.5b", "CPU").id == "qwen2.5-1.5b-instruct-generic-cpu:4"


@pytest.mark.parametrize(
    "url",
    ["localhost:5273", "ftp://h", "http://", "http://u:p@h", "http://h:x", "http://h/?a=b", "nonsense", "http://["],
)
def test_an_invalid_url_is_refused(url):
    with pytest.raises(errors.InvalidRequestError, match="base_url for foundry-local must be"):
        FoundryLocalManager(url)


# ---- stopping


def test_a_with_block_stops_the_service_it_started(program):
    asked = program(
        service_status=NOT_RUNNING, service_start="", service_stop="", service_status_started=STATUS.format(root=ROOT)
    )
    with FoundryLocalManager() as manager:
        manager.start_service()
    manager.close()
    assert asked.asked.count(["service", "stop"]) == 1


def test_a_service_that_ran_before_is_stopped_only_explicitly(program):
    asked = program(service_status=STATUS.format(root=ROOT), service_stop="")
    with FoundryLocalManager() as manager:
        manager.start_service()
    assert ["service", "stop"] not in asked.asked
    manager.stop_service()
    assert asked.asked[-1] == ["service", "stop"]


async def test_an_async_with_block_stops_the_service_it_started(program):
    asked = program(
        service_status=NOT_RUNNING, service_start="", service_stop="", service_status_started=STATUS.format(root=ROOT)
    )
    async with FoundryLocalManager() as manager:
        manager.start_service()
    assert asked.asked[-1] == ["service", "stop"]


def test_a_service_known_by_its_url_cannot_be_stopped():
    manager = FoundryLocalManager(ROOT)
    with pytest.raises(errors.InvalidRequestError, match="cannot be stopped from here"):
        manager.stop_service()


def test_a_service_started_for_an_unknown_model_is_stopped(program, service):
    root = service(ApiV0())
    asked = program(
        service_status=NOT_RUNNING, service_start="", service_stop="", service_status_started=STATUS.format(root=root)
    )
    with pytest.raises(LookupError, match="'qwen9'"):
        foundry.start_model("qwen9")
    assert asked.asked[-1] == ["service", "stop"]


# ---- no shell


@pytest.mark.parametrize("name", ["a b", "x;touch y", "$(x)", "-o", "--help", "../x", "a/b", "", "a\n", None, 3])
def test_an_invalid_name_reaches_neither_the_program_nor_the_service(program, name):
    asked = program(service_status=STATUS.format(root=ROOT))
    manager = FoundryLocalManager()
    for method in (manager.load_model, manager.download_model, manager.unload_model, manager.get_model_info):
        with pytest.raises(errors.InvalidRequestError, match="is not a model name"):
            method(name)
    assert asked.asked == []


def test_an_unknown_device_is_refused():
    with pytest.raises(errors.InvalidRequestError, match=r"device must be one of CPU, GPU, NPU.*got 'TPU'"):
        FoundryLocalManager(ROOT).get_model_info("qwen2.5-1.5b", "TPU")
