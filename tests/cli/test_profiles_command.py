"""`profiles`: getting a newer catalogue, comparing two, and telling which one is in use."""

from __future__ import annotations

import pytest

from msgflux_like._paths import data_folder
from msgflux_like.catalog.profiles import get_model_profile, snapshot_info
from msgflux_like.catalog.snapshot import read_api
from msgflux_like.catalog.snapshot_reader import Snapshot
from tests.profiles.small_catalogues import api, model, provider
from tests.provider import Reply

SHIPPED = read_api(Snapshot(data_folder("profiles")))


def newer() -> bytes:
    """The shipped catalogue, with another name for GPT-4o and another address for OpenAI."""
    before, openai, after = SHIPPED.partition(b'"openai":{"id":"openai"')
    after = after.replace(b'"name":"GPT-4o"', b'"name":"GPT-4o, renamed"', 1)
    return before + openai + b',"api":"https://elsewhere.example/v1"' + after


def answer(body: bytes, status: int = 200, **headers: str) -> Reply:
    return Reply(status, headers, [body], framing="length")


@pytest.fixture
def server(provider, monkeypatch):
    """Serves these replies where profiles are fetched from."""

    def start(*replies):
        started = provider(*replies)
        monkeypatch.setenv("MSGFLUX_LIKE_PROFILES_URL", f"{started.base_url}/api.json")
        return started

    return start


def test_a_refresh_is_used_from_then_on_and_says_what_changed(command, server):
    started = server(answer(newer(), etag='"1"'), answer(b"", 304))
    status, output, errors = command("profiles", "refresh")
    assert (status, errors) == (0, "")
    lines = output.splitlines()
    assert lines[0].startswith(f"{started.base_url}/api.json: 8,337 models of 225 providers up to 2026-09-30, and ")
    assert lines[1:] == [
        "models: 0 new, 0 gone, 1 changed",
        '~ provider openai  api: not given -> "https://elsewhere.example/v1"',
    ]
    assert get_model_profile("gpt-4o", "openai").name == "GPT-4o, renamed"

    status, output, errors = command("profiles", "refresh")
    assert (status, output.splitlines()[1:], errors) == (0, ["nothing changed"], "")
    assert [request.headers.get("if-none-match") for request in started.requests] == [None, '"1"']
    assert {request.path for request in started.requests} == {"/v1/api.json"}

    status, output, _ = command("profiles", "info")
    assert (status, "fetched on" in output, started.base_url in output) == (0, True, True)


def test_the_address_can_be_given(command, server):
    started = server(answer(newer()))
    assert command("profiles", "refresh", "--url", f"{started.base_url}/other.json")[0] == 0
    assert started.requests[0].path == "/v1/other.json"


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (answer(b"<html>", 200), "sent is not used: the catalogue is not of the catalogue's form"),
        (answer(b"no", 500), "answered with status 500; the profiles stay as they are"),
        (answer(b"", 302, location="https://x.example/a?token=t"), "127.0.0.1 redirects to https://x.example/a, and "),
    ],
)
def test_a_refresh_that_fails_is_one_line_and_changes_nothing(command, server, reply, message):
    server(reply)
    status, output, errors = command("profiles", "refresh")
    assert (status, output, errors.count("\n")) == (1, "", 1)
    assert errors.startswith("msgflux-like: ")
    assert message in errors
    assert snapshot_info().refreshed is False


def test_an_address_that_anybody_on_the_way_can_change_is_refused(command):
    status, _, errors = command("profiles", "refresh", "--url", "http://models.example/api.json")
    assert (status, "fetched by https or from this machine" in errors) == (1, True)


def test_a_difference_is_a_line_for_each_thing_that_changed(command, tmp_path):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_bytes(api(provider("lab", model("a"), model("b")), provider("gone", model("x"))))
    new.write_bytes(
        api(
            provider("lab", model("a", cost={"input": 3, "output": 2}), model("c"), api="https://elsewhere.example"),
            provider("here", model("y")),
        )
    )
    status, output, errors = command("profiles", "diff", str(old), str(new))
    assert (status, errors) == (0, "")
    assert output.splitlines() == [
        "+ provider here",
        "- provider gone",
        '~ provider lab  api: "https://lab.example/v1" -> "https://elsewhere.example"',
        "+ here/y",
        "+ lab/c",
        "- gone/x",
        "- lab/b",
        "~ lab/a  cost.input: 1 -> 3",
    ]


def test_a_folder_can_be_compared_with_what_is_in_use(command):
    assert command("profiles", "diff", str(data_folder("profiles"))) == (0, "nothing changed\n", "")


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"lab": 3}'])
def test_what_is_no_catalogue_cannot_be_compared(command, tmp_path, content):
    (tmp_path / "old.json").write_bytes(content)
    status, output, errors = command("profiles", "diff", str(tmp_path / "old.json"))
    assert (status, output, errors.count("\n")) == (1, "", 1)
    assert "not of the catalogue's form" in errors


def test_a_file_or_folder_that_is_not_there_is_named(command, tmp_path):
    assert command("profiles", "diff", str(tmp_path / "no.json"))[2].endswith("no.json: No such file or directory\n")
    status, _, errors = command("profiles", "diff", str(tmp_path))
    assert (status, "_index.json.gz cannot be read" in errors) == (1, True)


def test_the_catalogue_in_use_is_told(command):
    status, output, _ = command("profiles", "info")
    assert status == 0
    assert "shipped with the package" in output
    assert snapshot_info().sha256 in output
    assert "8,337 of 225 providers" in output
