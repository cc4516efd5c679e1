"""`msgflux-like cache`: what is kept, told, printed and forgotten."""

from __future__ import annotations

import json

import pytest

import msgflux_like as mf
from tests.provider import chat, whole


@pytest.fixture
def kept(provider, own_folders):
    """Two answers in the cache of the cache folder; what was asked and with which key must not be seen."""
    server = provider(lambda request: whole(chat(f"re: {len(request.raw)}")))
    for name in ("gpt-4o", "gpt-4o-mini"):
        model = mf.Model.chat_completion(
            f"openai/{name}", api_key="sk-secret", base_url=server.base_url, cache=True, extra_headers={"x-t": "hush"}
        )
        with model:
            model("the question")
        model._response_cache.close()
    return own_folders / "cache" / "responses.sqlite"


def test_what_is_kept_is_told(command, kept):
    status, out, err = command("cache", "stats")
    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    assert (status, err) == (0, "")
    assert [line[0] for line in lines[:4]] == ["cache", "answers", "oldest", "newest"]
    assert lines[0][1] == str(kept)
    assert lines[1][1].startswith("2 (")
    assert "openai/gpt-4o 1" in out
    assert "openai/gpt-4o-mini 1" in out


def test_answers_are_printed_as_json_without_secrets(command, kept):
    status, out, err = command("cache", "export", "--path", str(kept))
    entries = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (0, "")
    assert [(entry["provider"], entry["model"]) for entry in entries] == [
        ("openai", "gpt-4o"),
        ("openai", "gpt-4o-mini"),
    ]
    texts = [event["text"] for entry in entries for event in entry["events"] if event["event"] == "TextDelta"]
    assert all(text.startswith("re: ") for text in texts)
    assert len(texts) == 2
    assert not [each for each in ("sk-secret", "hush", "question") if each in out]


def test_answers_are_forgotten(command, kept):
    assert command("cache", "clear") == (0, f"{kept}: 2 answers forgotten\n", "")
    assert command("cache", "export") == (0, "", "")
    assert command("cache", "stats")[1].splitlines()[1] == "answers  0 (0 bytes)"


@pytest.mark.parametrize("action", ["stats", "clear", "export"])
def test_where_no_cache_is_none_is_made(command, own_folders, action):
    path = own_folders / "cache" / "responses.sqlite"
    said = f"there is no cache at {path}\n"
    assert command("cache", action) == ((0, "", said) if action == "export" else (0, said, ""))
    assert not path.exists()


@pytest.mark.parametrize("action", ["stats", "clear", "export"])
def test_a_file_that_is_no_cache_is_an_error(command, tmp_path, action):
    (tmp_path / "notes.txt").write_text("buy milk")
    status, out, err = command("cache", action, "--path", str(tmp_path / "notes.txt"))
    assert (status, out) == (1, "")
    assert (
        err == f"msgflux-like: cache: {tmp_path}/notes.txt is not an SQLite file and was left alone: use another path\n"
    )
    assert (tmp_path / "notes.txt").read_text() == "buy milk"


def test_a_server_that_is_down_is_an_error(command):
    status, out, err = command("cache", "stats", "--path", "redis://:hush@127.0.0.1:1/0")
    assert (status, out) == (1, "")
    assert err == "msgflux-like: redis://127.0.0.1:1/0: ConnectionError\n"
