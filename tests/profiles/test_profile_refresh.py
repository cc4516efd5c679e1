from __future__ import annotations

import shutil
import stat
from datetime import date

import pytest
from small_catalogues import api, model, provider

from msgflux_like._paths import data_folder
from msgflux_like.catalog import profiles
from msgflux_like.catalog.profiles import SnapshotError, get_model_profile, snapshot_info
from msgflux_like.catalog.snapshot import read_api
from msgflux_like.catalog.snapshot_reader import Snapshot
from msgflux_like.catalog.snapshot_refresh import refresh_profiles
from msgflux_like.errors import InvalidRequestError

DAY = date(2026, 11, 1)
SHIPPED = read_api(Snapshot(data_folder("profiles")))


def changed(old: bytes, new: bytes) -> bytes:
    """The shipped catalogue with the first `old` in OpenAI's entry replaced."""
    before, openai, after = SHIPPED.partition(b'"openai":{"id":"openai"')
    assert old in after
    return before + openai + after.replace(old, new, 1)


NEWER = changed(b'"name":"GPT-4o"', b'"name":"GPT-4o, renamed"')


class Server:
    """Answers as an HTTP server with entity tags does, and notes what it was asked."""

    def __init__(self, body=SHIPPED, status=200, etag='"1"'):
        self.body, self.status, self.etag = body, status, etag
        self.asked = []

    def __call__(self, url, headers):
        self.asked.append((url, dict(headers)))
        if self.status == 200 and headers.get("if-none-match") == self.etag:
            return 304, {}, b""
        return self.status, {"etag": self.etag}, self.body


@pytest.fixture(scope="session")
def fetched_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fetched") / "profiles"
    refresh_profiles(fetch=Server(NEWER), folder=folder, today=DAY)
    return folder


@pytest.fixture
def fetched(fetched_once, own_cache_folder):
    """The user's folder, after a refresh from `Server(NEWER)`."""
    return shutil.copytree(fetched_once, own_cache_folder / "profiles")


@pytest.fixture
def fetched_from(fetched):
    """Make the fetched snapshot that of a URL; return a server that answers "not modified": nothing is rewritten."""

    def server_of(url):
        current = fetched / "current.json"
        current.write_bytes(current.read_bytes().replace(b"https://models.dev/api.json", url.encode()))
        return Server(NEWER)

    return server_of


def test_a_refresh_is_used_at_once_and_says_what_changed(own_cache_folder):
    assert get_model_profile("gpt-4o", "openai").name == "GPT-4o"
    report = refresh_profiles(fetch=Server(NEWER), today=DAY)
    assert report.changed is True
    assert report.url == "https://models.dev/api.json"
    assert [change.path for change in report.diff.changed] == ["openai/gpt-4o"]
    assert report.diff.changed[0].fields[0].new == "GPT-4o, renamed"
    assert (report.providers, report.models) == (225, 8337)
    assert report.retired == sum(1 for _ in Snapshot(data_folder("profiles")).retired_models())
    assert get_model_profile("gpt-4o", "openai").name == "GPT-4o, renamed"
    assert get_model_profile("claude-3-5-sonnet-20241022", "anthropic").retired_on == date(2026, 6, 18)
    assert snapshot_info().refreshed is True
    assert snapshot_info().folder.startswith(str(own_cache_folder))


def test_a_model_that_left_since_is_retired_by_the_refresh():
    without = changed(b'"gpt-4o":{"id":"gpt-4o"', b'"gpt-4o-new":{"id":"gpt-4o-new"')
    report = refresh_profiles(fetch=Server(without), today=DAY)
    assert "openai/gpt-4o" in report.diff.removed
    assert get_model_profile("gpt-4o", "openai").retired_on == snapshot_info().newest_entry


@pytest.mark.usefixtures("fetched")
def test_the_tag_of_the_last_answer_is_sent_and_an_unchanged_catalogue_is_not_fetched():
    server = Server(NEWER)
    report = refresh_profiles(fetch=server, today=DAY)
    assert server.asked[0][1]["if-none-match"] == '"1"'
    assert (report.changed, bool(report.diff), report.models) == (False, False, 8337)
    assert get_model_profile("gpt-4o", "openai").name == "GPT-4o, renamed"


@pytest.mark.usefixtures("fetched")
def test_the_tag_is_not_sent_to_another_address():
    server = Server(NEWER)
    refresh_profiles(fetch=server, url="https://mirror.example/api.json", today=DAY)
    assert "if-none-match" not in server.asked[0][1]


def test_the_address_can_come_from_the_environment(monkeypatch, fetched_from):
    monkeypatch.setenv("MSGFLUX_LIKE_PROFILES_URL", "https://mirror.example/api.json")
    server = fetched_from("https://mirror.example/api.json")
    refresh_profiles(fetch=server, today=DAY)
    assert server.asked[0][0] == "https://mirror.example/api.json"


@pytest.mark.parametrize(
    "url",
    [
        "http://models.dev/api.json",
        "http://localhost:1@evil.example/",
        "http://localhost.evil.example",
        "file:///etc/passwd",
        "x",
    ],
)
def test_an_address_that_anybody_on_the_way_can_change_is_refused(url):
    server = Server()
    with pytest.raises(InvalidRequestError, match="must be https, or http on this machine"):
        refresh_profiles(fetch=server, url=url)
    assert server.asked == []


@pytest.mark.parametrize("url", ["http://localhost:8000/api.json", "http://127.0.0.1/a", "http://[::1]:5/a"])
def test_this_machine_needs_no_https(url, fetched_from):
    assert refresh_profiles(fetch=fetched_from(url), url=url, today=DAY).url == url


@pytest.mark.parametrize(
    ("server", "message"),
    [
        (Server(status=500), "https://models.dev/api.json answered with status 500; the profiles in use are unchanged"),
        (Server(b"<html>captive portal</html>"), "the reply of https://models.dev/api.json is not used: .*form"),
        (Server(SHIPPED[:-1000]), "does not have the form of the catalogue"),
        (Server(b" " * (64 * 1024 * 1024 + 1)), "the maximum is 67108864"),
        (Server(changed(b'"input":2.5', b'"input":-2.5')), "does not have the form of the catalogue.*>= 0"),
        (Server(api(provider("lab", model()))), "it lists 1 models, less than half of the 8337 in use"),
    ],
)
def test_a_bad_answer_is_refused_with_a_reason_and_what_was_in_use_stays(fetched, server, message):
    before = {path: path.read_bytes() for path in fetched.rglob("*") if path.is_file()}
    server.etag = '"2"'
    with pytest.raises(SnapshotError, match=message):
        refresh_profiles(fetch=server, today=DAY)
    assert {path: path.read_bytes() for path in fetched.rglob("*") if path.is_file()} == before
    assert get_model_profile("gpt-4o", "openai").name == "GPT-4o, renamed"


def test_what_the_fetcher_raises_is_passed_on():
    def fetch(url, _headers):
        raise TimeoutError(url)

    with pytest.raises(TimeoutError):
        refresh_profiles(fetch=fetch)
    assert snapshot_info().refreshed is False


def test_only_the_user_can_read_what_was_fetched(own_cache_folder):
    refresh_profiles(fetch=Server(NEWER), today=DAY)
    folder = own_cache_folder / "profiles"
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()] if path.is_dir()} == {0o700}


def test_the_snapshot_before_stays_for_processes_that_still_read_it_and_older_ones_go(fetched):
    kept = [{path.name for path in fetched.iterdir() if path.is_dir()}]
    for number in (2, 3):
        body = changed(b'"name":"GPT-4o"', b'"name":"GPT-4o %d"' % number)
        refresh_profiles(fetch=Server(body, etag=f'"{number}"'), today=DAY)
        kept.append({path.name for path in fetched.iterdir() if path.is_dir()})
    assert [len(names) for names in kept] == [1, 2, 2]
    assert len(kept[1] & kept[2]) == 1


@pytest.mark.parametrize("file", ["current.json", "_index.json.gz", "openai.json.gz"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"\x1f\x8b\x08 broken"])
def test_a_broken_file_is_noted_and_the_shipped_profiles_are_used(fetched, capsys, caplog, file, content):
    path = next(path for path in sorted(fetched.rglob(file)) if path.parent.name != "retired")
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    profiles.reload_profiles()
    for _ in range(3):
        assert get_model_profile("gpt-4o", "openai").name == "GPT-4o"
    if not (file == "current.json" and content is None):  # no such file: nothing was fetched, and that is no problem
        assert file in snapshot_info().problem
    assert snapshot_info().refreshed is False
    assert (capsys.readouterr(), caplog.records) == (("", ""), [])


def test_a_refresh_mends_a_broken_file_though_the_catalogue_did_not_change(fetched):
    server = Server(NEWER)
    next(fetched.glob("*/openai.json.gz")).write_bytes(b"broken")
    refresh_profiles(fetch=server, today=DAY)
    assert "if-none-match" not in server.asked[0][1]
    assert get_model_profile("gpt-4o", "openai").name == "GPT-4o, renamed"
    assert snapshot_info().problem is None


def test_a_refresh_from_before_the_packages_own_snapshot_is_not_used_until_it_is_confirmed():
    server = Server(NEWER)
    refresh_profiles(fetch=server, today=date(2026, 1, 1))
    assert get_model_profile("gpt-4o", "openai").name == "GPT-4o"
    refresh_profiles(fetch=server, today=DAY)
    assert get_model_profile("gpt-4o", "openai").name == "GPT-4o, renamed"


def test_another_folder_can_be_named_and_is_not_used_for_looking_up(tmp_path):
    refresh_profiles(fetch=Server(NEWER), folder=tmp_path / "elsewhere", today=DAY)
    assert (tmp_path / "elsewhere" / "current.json").exists()
    assert snapshot_info().refreshed is False


def test_looking_up_neither_fetches_nor_writes(own_cache_folder):
    get_model_profile("gpt-4o", "openai")
    profiles.search_profiles("gpt")
    assert list(own_cache_folder.iterdir()) == []
