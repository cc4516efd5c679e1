"""A forked child starts threads, locks and connections of its own, whatever its parent used before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from msgflux_like._concurrency.processes import PerProcess, fork_safe_lock

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]

CALLS = {
    "a tool loop with sync tools": """
        def f(x: int) -> str:
            "F."
            return "r"
        def call():
            return asyncio.run(mf.arun_tools(FakeModel([tool_call("f", x=1), "done"]), "q", [f])).text
        """,
    "a sync stream under async for": """
        model = FakeModel("one two three")
        async def read():
            return "".join([piece async for piece in model("q", stream=True).consume()])
        def call():
            return asyncio.run(read())
        """,
    "an async call with an SQLite cache": """
        import tempfile
        model = FakeModel("hi", cache=tempfile.mkdtemp() + "/answers.sqlite")
        def call():
            return asyncio.run(model.acall(str(os.getpid()))).text
        """,
    "an async call with a token function that blocks": """
        from msgflux_like.testing import FakeProvider, FakeReply
        def call():
            reply = FakeReply(200, {"content-type": "application/json"}, (BODY,))
            model = mf.Model.chat_completion("openai/gpt-4o", api_key=lambda: "sk-x", http_client=FakeProvider([reply]))
            return asyncio.run(model.acall("hi")).text
        BODY = b'{"choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}'
        """,
}

FORK = """
assert call()
child = os.fork()
if child == 0:
    signal.alarm(20)
    os._exit(0 if call() else 1)
assert os.waitpid(child, 0)[1] == 0, "the child hung or failed"
assert call()
print("ok")
"""


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_needs_a_thread_works_in_a_forked_child(call):
    head = (
        "import asyncio, os, signal\nimport msgflux_like as mf\nfrom msgflux_like.testing import FakeModel, tool_call\n"
    )
    source = head + textwrap.dedent(call) + FORK
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("ok\n", "")


def in_child(check) -> bool:
    """Whether `check` returns True in a forked child, within 20 seconds."""
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        ok = False
        try:
            ok = check() is True
        finally:
            os._exit(0 if ok else 1)
    return os.waitpid(child, 0)[1] == 0


def test_each_process_makes_a_value_once():
    made: list[int] = []

    def make() -> int:
        made.append(os.getpid())
        return os.getpid()

    value = PerProcess(make)
    assert made == []
    assert [value(), value()] == [os.getpid()] * 2
    assert in_child(lambda: [value(), value()] == [os.getpid()] * 2 and len(made) == 2)
    assert len(made) == 1


def test_a_value_of_the_parent_is_not_finalized_in_the_child():
    closed_in: list[int] = []

    class Held:
        def __del__(self) -> None:
            closed_in.append(os.getpid())

    value = PerProcess(Held)
    value()
    assert in_child(lambda: isinstance(value(), Held) and closed_in == [])


def test_a_fork_waits_for_a_lock_that_another_thread_holds():
    lock, other = fork_safe_lock(), fork_safe_lock()
    held, go_on = threading.Event(), threading.Event()
    steps: list[str] = []

    def work() -> None:
        with lock:
            steps.append("begun")
            held.set()
            go_on.wait(20)
            with other:  # the fork must not hold this one while it waits for the first
                steps.append("ended")

    worker = threading.Thread(target=work)
    worker.start()
    assert held.wait(20)
    threading.Timer(0.1, go_on.set).start()
    assert in_child(lambda: steps == ["begun", "ended"] and lock.acquire(blocking=False))
    worker.join(20)
    assert lock.acquire(blocking=False)
    assert other.acquire(blocking=False)


def test_threads_may_fork_at_the_same_time():
    locks = [fork_safe_lock() for _ in range(20)]
    results: list[bool] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(in_child(lambda: all(lock.acquire(blocking=False) for lock in locks)))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == [True] * 8
    assert all(lock.acquire(blocking=False) for lock in locks)
