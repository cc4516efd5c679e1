"""The fixtures for pytest: a recording is made once, and the test passes without a network from then on."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import msgflux_like as mf
from tests.provider import chat, whole
from tests.test_importing import HEAVY, in_a_new_process

pytest_plugins = ["pytester"]
IMPORTED = (mf.ChatCompletion, mf.testing.Cassette, mf.testing.FakeModel)  # once: each inner run forgets its imports

TEST = """
    import os
    import pytest
    import msgflux_like as mf

    QUESTION = {question!r}

    def ask(question):
        return mf.Model.chat_completion("openai/gpt-4o", max_retries=0)(question).text

    def test_one(msgflux_cassette):
        assert ask(QUESTION) == "Paris"
"""


@pytest.fixture
def inner(pytester, provider, monkeypatch):
    """Runs pytest on a test that asks a provider, which is gone when the run is offline."""
    server = provider(whole(chat("Paris")))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-of-tests")
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # every plugin that is installed takes its time
    monkeypatch.delenv("CI", raising=False)

    def run(*args: str, test: str = TEST, question: str = "Where?", offline: bool = False) -> pytest.RunResult:
        if offline:
            server.close()
        pytester.makepyfile(test_it=test.replace("{question!r}", repr(question)))
        plugin = ("-p", "msgflux_like.testing.pytest_plugin", "-p", "no:cacheprovider")
        return pytester.runpytest_inprocess(*plugin, *args)

    run.server = server  # type: ignore[attr-defined]  beside the function, for the tests
    return run


def test_a_test_is_recorded_and_then_passes_offline(inner, pytester):
    inner().assert_outcomes(passed=1)
    file = pytester.path / "cassettes" / "test_it" / "test_one.jsonl"
    assert "Paris" in file.read_text("utf-8")
    assert "sk-a-key" not in file.read_text("utf-8")
    inner(offline=True).assert_outcomes(passed=1)
    assert len(inner.server.requests) == 1


def test_an_unknown_request_fails_and_says_where_it_differs(inner):
    inner().assert_outcomes(passed=1)
    result = inner(question="Where is it?", offline=True)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*CassetteError: test_one.jsonl does not have this request*messages*content*"])


def test_nothing_is_recorded_where_ci_is_set(inner, monkeypatch):
    monkeypatch.setenv("CI", "true")
    result = inner()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*there is no recording test_one.jsonl*"])
    inner("--msgflux-record=auto").assert_outcomes(passed=1)
    inner(offline=True).assert_outcomes(passed=1)


def test_what_is_new_is_added_and_everything_is_made_anew(inner):
    inner().assert_outcomes(passed=1)
    inner("--msgflux-record=new", question="And?").assert_outcomes(passed=1)
    inner("--msgflux-record=new").assert_outcomes(passed=1)
    assert len(inner.server.requests) == 2
    inner("--msgflux-record=record").assert_outcomes(passed=1)
    assert len(inner.server.requests) == 3
    inner("--msgflux-record=replay", question="And?").assert_outcomes(failed=1)


def test_a_test_that_fails_with_an_api_error_leaves_no_recording(inner, pytester):
    inner.server.replies[:] = [whole({"error": {"message": "no such key"}}, 401), whole(chat("Paris"))]
    inner().assert_outcomes(failed=1)
    assert not (pytester.path / "cassettes").exists()
    inner().assert_outcomes(passed=1)
    inner(offline=True).assert_outcomes(passed=1)


def test_a_test_that_fails_otherwise_keeps_what_it_paid_for(inner):
    inner.server.replies[:] = [whole(chat("Rome"))]
    inner().assert_outcomes(failed=1)
    inner().assert_outcomes(failed=1)
    assert len(inner.server.requests) == 1


def test_every_test_has_a_file_of_its_own(inner, pytester):
    test = """
        import pytest

        class TestIt:
            @pytest.mark.parametrize("name", ["a/b", "a:b", "plain", "é" * 200])
            def test_one(self, msgflux_cassette, name):
                msgflux_cassette.path.parent.mkdir(parents=True, exist_ok=True)
                msgflux_cassette.path.open("x").close()
    """
    inner(test=test).assert_outcomes(passed=4)
    names = {file.name for file in (pytester.path / "cassettes" / "test_it").iterdir()}
    assert "TestIt.test_one-plain.jsonl" in names
    assert len(names) == 4
    assert max(map(len, names)) < 130


def test_fake_models_are_made_and_closed(inner):
    test = """
        def test_one(fake_model):
            assert fake_model("Hello")("hi").text == "Hello"
            assert fake_model(["one", "two"], path="anthropic/claude-haiku-4-5")("hi").text == "one"
    """
    inner(test=test).assert_outcomes(passed=1)


def test_loading_the_plugin_brings_nothing_along():
    seen = in_a_new_process(
        f"""
        import sys, pytest
        before = set(sys.modules)
        import msgflux_like.testing.pytest_plugin
        brought = set(sys.modules) - before
        print(sorted(name for name in brought if name in {HEAVY!r}), len(brought) < 10)
        """
    )
    assert seen == "[] True\n"


def test_the_package_names_the_plugin_for_pytest():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    plugin = import_module(project["entry-points"]["pytest11"]["msgflux_like"])
    assert plugin.msgflux_cassette
    assert plugin.fake_model
