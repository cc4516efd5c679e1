"""`msgflux-like run`: words in, an answer on standard output, and whatever went wrong in one line beside it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading

import pytest

from msgflux_like.cli import main
from tests.provider import DONE, Provider, chat, chat_stream, delta, sse, stream, whole

PATIENCE_S = 20.0


@pytest.fixture
def openai(provider, monkeypatch):
    """Makes a provider that the environment calls OpenAI."""

    def start(*replies) -> Provider:
        server = provider(*replies)
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        return server

    return start


@pytest.fixture
def run(monkeypatch, capsys):
    """Exit status, output and errors of `msgflux-like run -m openai/gpt-4o ...` with that standard input."""

    def call(*arguments: str, piped: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(piped))
        status = main(["run", "-m", "openai/gpt-4o", *arguments])
        return status, *capsys.readouterr()

    return call


def process(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "msgflux_like", "run", "-m", "openai/gpt-4o", *arguments]
    environment = {**os.environ, **environment}
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )


# ---- the answer


def test_a_prompt_is_answered_as_a_stream(openai, run):
    server = openai(chat_stream("The sun", " is\n", "a star."))
    assert run("What", "is", "the sun?") == (0, "The sun is\na star.\n", "")
    body = server.requests[0].body
    assert body["messages"] == [{"role": "user", "content": "What is the sun?"}]
    assert body["stream"] is True


def test_an_answer_may_be_waited_for_whole(openai, run):
    server = openai(whole(chat("The sun is a star.")))
    assert run("--no-stream", "What is the sun?") == (0, "The sun is a star.\n", "")
    assert "stream" not in server.requests[0].body


def test_what_is_piped_in_is_the_prompt_or_comes_after_it(openai, run):
    server = openai(chat_stream("ok"))
    run(piped="  a text\n")
    run("Summarize:", piped="a text\nof two lines\n")
    asked = [request.body["messages"][0]["content"] for request in server.requests]
    assert asked == ["a text", "Summarize:\n\na text\nof two lines"]


def test_a_system_prompt_and_parameters_are_sent(openai, run):
    server = openai(chat_stream("ok"))
    assert run("-s", "Be brief.", "-t", "0", "--max-tokens", "5", "hi")[0] == 0
    body = server.requests[0].body
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
    assert (body["temperature"], body["max_tokens"]) == (0, 5)


@pytest.mark.parametrize("how", [[], ["--no-stream"]])
def test_the_counts_are_told_beside_the_answer(openai, run, how):
    openai(whole(chat("ok")) if how else chat_stream("ok"))
    assert run(*how, "-u", "hi") == (0, "ok\n", "19 tokens in, 9 out\n" if how else "3 tokens in, 2 out\n")


def test_control_characters_do_not_reach_the_terminal(openai, run):
    openai(chat_stream("a\x1b[31m", "red\x07\r\n", "\x9b2J\x7f\0b\tc\u202e"), whole(chat("\x1b]0;title\x07x")))
    assert run("hi")[1] == "a[31mred\n2Jb\tc\n"
    assert run("--no-stream", "hi")[1] == "]0;titlex\n"


def test_spaces_and_letters_of_all_writings_reach_the_terminal(openai, run):
    text = "10\u202f000\u00a0€ 太陽\u3000月 👩\u200d🚀 नमस्\u200dते naïve"
    openai(chat_stream(text))
    assert run("hi")[1] == f"{text}\n"


def test_a_terminal_that_cannot_write_a_letter_gets_the_others(openai):
    openai(chat_stream("naïve 👩 text"))
    with process("hi", PYTHONIOENCODING="ascii") as running:
        output, errors = running.communicate(b"", PATIENCE_S)
    assert (running.returncode, output, errors) == (0, b"na?ve ? text\n", b"")


# ---- what goes wrong


def test_a_refusal_is_one_line_and_status_1(openai, run):
    openai(whole({"error": {"message": "Wrong\nkey.", "code": "no"}}, 401))
    assert run("hi") == (1, "", "msgflux-like: Wrong key. (openai/gpt-4o, HTTP 401, code no)\n")


def test_the_words_of_a_refusal_do_not_steer_the_terminal(openai, run):
    openai(whole({"error": {"message": "\x1b[2JAll is well.\x07"}}, 401))
    assert run("hi")[2] == "msgflux-like: [2JAll is well. (openai/gpt-4o, HTTP 401)\n"


def test_a_stream_that_fails_leaves_what_came_before(openai, run):
    openai(stream(delta("The sun"), sse({"error": {"message": "Gone."}})))
    status, output, errors = run("hi")
    assert (status, output.rstrip("\n")) == (1, "The sun")
    assert errors == "msgflux-like: Gone. (openai/gpt-4o, HTTP 200)\n"


def test_a_missing_key_is_named(run, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    status, output, errors = run("hi")
    assert (status, output) == (1, "")
    assert errors.startswith("msgflux-like: openai needs a key: set OPENAI_API_KEY in the environment")


def test_a_mistyped_provider_is_answered_with_the_near_name(run):
    status, _, errors = run("-m", "opnai/gpt-4o", "hi")
    assert status == 1
    assert "did you mean" in errors
    assert "openai" in errors


def test_a_value_out_of_range_is_said_before_anything_is_sent(openai, run):
    server = openai(chat_stream("ok"))
    assert run("-t", "9", "hi") == (1, "", "msgflux-like: temperature must be a number from 0 to 2, not 9.0\n")
    assert server.requests == []


@pytest.mark.parametrize("piped", ["", " \n"])
def test_no_prompt_is_a_wrong_use(openai, run, piped):
    server = openai(chat_stream("ok"))
    status, output, errors = run(piped=piped)
    assert (status, output) == (2, "")
    assert "pass a prompt, or pipe one in" in errors
    assert server.requests == []


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_what_is_piped_in_must_be_a_text(openai, errors):
    server = openai(chat_stream("ok"))
    with process(PYTHONIOENCODING=f"utf-8:{errors}") as running:
        output, complaint = running.communicate(b"\xff\xfe\0", PATIENCE_S)
    assert (running.returncode, output) == (2, b"")
    assert complaint == b"msgflux-like run: error: the piped input is not text\n"
    assert server.requests == []


def test_a_reader_that_has_enough_ends_it_without_a_word(openai):
    gate = threading.Event()
    openai(stream(delta("one"), gate, *[delta("two") for _ in range(100)], delta(finish="stop"), DONE))
    with process("hi") as running:
        running.stdin.close()
        assert running.stdout.read(3) == b"one"
        running.stdout.close()
        gate.set()
        assert running.wait(PATIENCE_S) == 0
        assert running.stderr.read() == b""


@pytest.fixture
def interruptible():
    """For a run in the background of a shell, whose children would ignore an interrupt as it does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_it_without_a_word(openai):
    openai(stream(delta("one"), threading.Event()))
    with process("hi") as running:
        running.stdin.close()
        assert running.stdout.read(3) == b"one"
        running.send_signal(signal.SIGINT)
        assert running.wait(PATIENCE_S) == 130
        assert running.stderr.read() == b""


def test_the_real_model_answers_when_none_is_named(local_server, monkeypatch, capsys):
    assert local_server
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["run", "-t", "0", "--max-tokens", "20", "What is the capital of France?"]) == 0
    assert "Paris" in capsys.readouterr().out
