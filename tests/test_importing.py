"""Importing the package: what it brings along, what it does not do, and the names it has then."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

import msgflux_like as mf

HEAVY = (
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "ssl",
    "socket",
    "asyncio",
    "lxml",
    "jinja2",
    "cachetools",
    "anyio",
)


def in_a_new_process(code: str) -> str:
    """What the code prints, in an interpreter that has imported nothing of ours."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_importing_it_brings_few_modules_and_no_heavy_one():
    modules = json.loads(
        in_a_new_process(
            """
            import msgflux_like, sys, json
            print(json.dumps(sorted(sys.modules)))
            """
        )
    )
    assert "msgflux_like" in modules
    assert len(modules) < 110
    assert [name for name in HEAVY if name in modules] == []


def test_importing_it_opens_nothing_starts_nothing_and_changes_nothing():
    seen = in_a_new_process(
        """
        import os, sys, threading
        events = []
        watched = ("socket.", "subprocess.", "os.system", "os.fork", "os.exec", "os.posix_spawn", "urllib.")
        sys.addaudithook(lambda event, _: event.startswith(watched) and events.append(event))
        environment, hooks = dict(os.environ), (sys.excepthook, sys.displayhook, list(sys.meta_path), list(sys.path))
        import msgflux_like
        assert dict(os.environ) == environment
        assert (sys.excepthook, sys.displayhook, list(sys.meta_path), list(sys.path)) == hooks
        print(events, threading.active_count())
        """
    )
    assert seen == "[] 1\n"


def test_using_every_name_and_making_a_model_opens_no_socket_and_starts_no_thread():
    seen = in_a_new_process(
        """
        import asyncio, sys, threading
        policy = type(asyncio.get_event_loop_policy())
        events = []
        sys.addaudithook(lambda event, _: event.startswith("socket.") and events.append(event))
        import msgflux_like as mf
        for name in mf.__all__:
            getattr(mf, name)
        model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret")
        model.serialize(), mf.ChatBlock.user("hi"), mf.Model.providers()
        assert type(asyncio.get_event_loop_policy()) is policy
        print(events, threading.active_count())
        """
    )
    assert seen == "[] 1\n"


@pytest.mark.parametrize("name", mf.__all__)
def test_a_name_is_there_whichever_is_asked_for_first(name):
    """A module of the package must not hide a name that is spelled like it."""
    kinds = in_a_new_process(
        f"""
        import msgflux_like as mf
        first = mf.{name}
        mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret")
        assert mf.{name} is first
        print(type(first).__name__, getattr(first, "__name__", ""))
        """
    ).split()
    after = in_a_new_process(
        f"""
        import msgflux_like as mf
        mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret")
        print(type(mf.{name}).__name__, getattr(mf.{name}, "__name__", ""))
        """
    ).split()
    assert kinds == after
    assert kinds[-1].removeprefix("msgflux_like.") == name


def test_all_names_are_listed():
    assert set(mf.__all__) <= set(dir(mf))
    assert len(set(mf.__all__)) == len(mf.__all__)
    assert dir(mf) == sorted(dir(mf))


def test_a_star_import_gives_all_names():
    listed = in_a_new_process(
        """
        from msgflux_like import *
        import msgflux_like
        print(all(name in globals() for name in msgflux_like.__all__))
        """
    )
    assert listed == "True\n"


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError) as raised:
        _ = mf.Modle
    assert str(raised.value) == "module 'msgflux_like' has no attribute 'Modle'"
    assert not hasattr(mf, "_private")


def test_help_of_the_command_line_brings_no_http_client():
    modules = json.loads(
        in_a_new_process(
            """
            import contextlib, io, json, sys
            from msgflux_like.cli import main
            with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
                main(["--help"])
            print(json.dumps(sorted(sys.modules)))
            """
        )
    )
    assert [name for name in HEAVY if name in modules] == []
