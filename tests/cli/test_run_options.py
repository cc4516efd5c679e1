"""`run --dry-run`, `--cache` and `--reasoning-effort`: looking before sending, asking once, and how much to reason."""

from __future__ import annotations

import json

import pytest

from tests.provider import chat, chat_stream, whole


@pytest.fixture
def openai(provider, monkeypatch):
    """Makes a provider that the environment calls OpenAI."""

    def start(*replies):
        server = provider(*replies)
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        return server

    return start


# ---- --dry-run


def test_a_dry_run_shows_the_request_and_its_price_and_sends_nothing(openai, command):
    server = openai(whole(chat("never")))
    status, out, err = command("run", "-m", "openai/gpt-4o", "--dry-run", "-s", "Be brief.", "--max-tokens", "9", "hi")
    card, _, body = out.partition("\n\n")
    facts = {line.split()[0]: line.split(maxsplit=1)[1] for line in card.splitlines() if not line.startswith(" ")}
    assert (status, err, server.requests) == (0, "", [])
    assert facts["POST"] == f"{server.base_url}/chat/completions"
    assert "authorization: Bearer ***" in card
    assert "up to 9 out" in facts["tokens"]
    assert facts["price"].endswith(" US dollars")
    sent = json.loads(body)
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
    assert (sent["max_tokens"], sent["stream"]) == (9, True)
    assert "sk-secret" not in out


def test_a_dry_run_is_of_the_very_request_that_would_go_out(openai, command):
    words = ("run", "-m", "openai/gpt-4o", "-t", "0", "--schema", "name: str", "Ada")
    server = openai(whole(chat('{"name": "Ada"}')))
    shown = command(*words, "--dry-run")[1].partition("\n\n")[2]
    assert command(*words)[0] == 0
    assert [json.loads(shown)] == [request.body for request in server.requests]


def test_a_dry_run_says_what_is_not_sent_as_asked(command, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    status, out, _ = command("run", "-m", "anthropic/claude-haiku-4-5", "--dry-run", "hi")
    assert status == 0
    assert "changes  max_tokens defaulted: " in out


def test_a_dry_run_fails_as_the_call_would(openai, command):
    server = openai(whole(chat("never")))
    status, out, err = command("run", "-m", "openai/gpt-4o", "--dry-run", "-t", "9", "hi")
    assert (status, out, err) == (1, "", "msgflux-like: temperature must be a number from 0 to 2, not 9.0\n")
    assert server.requests == []


def test_what_steers_terminals_is_escaped_in_a_dry_run(openai, command):
    openai(whole(chat("never")))
    _, out, _ = command("run", "-m", "openai/gpt-4o", "--dry-run", "a\x1b[2Jb\u202ec")
    assert out.isprintable() or set(filter(lambda each: not each.isprintable(), out)) == {"\n"}
    assert json.loads(out.partition("\n\n")[2])["messages"][0]["content"] == "a\x1b[2Jb\u202ec"


# ---- --cache


def test_what_was_asked_before_is_answered_from_the_cache(openai, command, tmp_path):
    server = openai(chat_stream("One", " two"))
    words = ("run", "-m", "openai/gpt-4o", "-u", "--cache", str(tmp_path / "answers.sqlite"), "Count.")
    assert command(*words) == (0, "One two\n", "3 tokens in, 2 out\n")
    assert command(*words) == (0, "One two\n", "3 tokens in, 2 out, from the cache\n")
    assert command(*words, "Again.")[0] == 0
    assert len(server.requests) == 2


def test_a_dry_run_tells_where_the_answer_would_be_kept(openai, command, tmp_path):
    openai(chat_stream("One"))
    words = ("run", "-m", "openai/gpt-4o", "--cache", str(tmp_path / "answers.sqlite"), "Count.")
    shown = command(*words, "--dry-run")[1]
    command(*words)
    kept = json.loads(command("cache", "export", "--path", str(tmp_path / "answers.sqlite"))[1])
    assert f"cache key  {kept['key']}\n" in shown


# ---- --reasoning-effort


def test_an_effort_is_sent(openai, command):
    server = openai(chat_stream("ok"))
    assert command("run", "-m", "openai/gpt-5", "--reasoning-effort", "low", "hi")[0] == 0
    assert server.requests[0].body["reasoning_effort"] == "low"


def test_an_effort_that_the_model_does_not_know_is_an_error_that_names_those_it_knows(openai, command):
    server = openai(chat_stream("never"))
    status, out, err = command("run", "-m", "openai/gpt-5", "--reasoning-effort", "extreme", "hi")
    assert (status, out, server.requests) == (1, "", [])
    assert "it supports minimal, low, medium, high" in err
