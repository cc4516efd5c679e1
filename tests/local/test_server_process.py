"""One server for each process and its forks, silent, and gone when nobody is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from msgflux_like.local import llama

pytestmark = pytest.mark.usefixtures("local_server")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

# The server inherits standard error, so that reading it to its end waits for the server's end, too.
LIMIT_S = 25

ASK = """
import json, os, sys, urllib.request
from msgflux_like.local import llama
OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
def ask(url, **more):
    body = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "temperature": 0, **more}
    headers = {"content-type": "application/json"}
    return OPEN(urllib.request.Request(url + "/chat/completions", json.dumps(body).encode(), headers), timeout=20)
def say(url):
    with ask(url, max_tokens=20) as reply:
        print(json.load(reply)["choices"][0]["message"]["content"], flush=True)
"""


def run(program: str) -> tuple[int, str, str]:
    """Status and output of a program, once it and every server it started are gone."""
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", ASK + program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_server_is_silent_and_ends_with_its_process():
    assert run("say(llama.serve())") == (0, "The capital of France is Paris.\n", "")


def test_an_open_stream_does_not_hold_the_process_back():
    program = """
stream = ask(llama.serve(), stream=True, ignore_eos=True, max_tokens=4000)
print(stream.readline()[:5])
with llama.LocalServer() as server:
    other = ask(server.base_url, stream=True, ignore_eos=True, max_tokens=4000)
    print(other.readline()[:5])
other.close()
stream.close()
"""
    assert run(program) == (0, "b'data:'\nb'data:'\n", "")


def test_the_server_ends_when_its_process_is_killed():
    program = ASK + "print(llama.serve(), flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        process.kill()
        _, complaints = process.communicate(timeout=LIMIT_S)
    assert complaints == ""
    assert not answers(url)


@forks
def test_a_forked_child_uses_its_parents_server():
    program = """
url = llama.serve()
if (child := os.fork()) == 0:
    assert llama.serve() == url
    say(url)
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
say(url)
"""
    assert run(program) == (0, "The capital of France is Paris.\n" * 2, "")


@forks
def test_a_forked_child_keeps_the_server_when_its_parent_is_gone():
    program = """
url = llama.serve()
gone, parent = os.pipe()
if os.fork() == 0:
    os.close(parent)
    os.read(gone, 1)
    assert llama.serve() == url
    say(url)
    sys.exit()
"""
    assert run(program) == (0, "The capital of France is Paris.\n", "")


@forks
def test_a_forked_child_that_lets_go_does_not_stop_its_parents_server():
    program = """
with llama.LocalServer() as server:
    if (child := os.fork()) == 0:
        server.close()
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    say(server.base_url)
"""
    assert run(program) == (0, "The capital of France is Paris.\n", "")


@forks
def test_a_server_that_is_closed_stops_although_a_forked_child_knows_it():
    program = """
server = llama.LocalServer()
closed, tell = os.pipe()
if (child := os.fork()) == 0:
    os.read(closed, 1)
    print(server.running)
    sys.exit()
server.close()
os.write(tell, b".")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(program) == (0, "False\n", "")


def answers(base_url: str) -> bool:
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(base_url + "/models", timeout=5).close()
    except urllib.error.URLError:
        return False
    return True


def test_closing_is_idempotent():
    server = llama.LocalServer()
    assert server.running
    assert answers(server.base_url)
    server.close()
    server.close()
    assert not server.running
    assert not answers(server.base_url)


def test_threads_that_ask_together_get_one_server():
    program = """
from concurrent.futures import ThreadPoolExecutor
os.environ["MSGFLUX_LIKE_GGUF"] = str(llama.find_gguf())
names = ["smollm2", llama.find_gguf().stem]
with ThreadPoolExecutor(4) as pool:
    print(len(set(pool.map(llama.serve, names * 4))), len(llama._servers))
"""
    assert run(program) == (0, "1 1\n", "")


def test_a_server_that_died_is_started_again():
    program = f"""
import signal
first = llama.serve()
os.kill(llama._servers[llama.find_gguf()]._process.pid, {int(signal.SIGTERM)})
llama._servers[llama.find_gguf()]._process.wait()
second = llama.serve()
print(first != second)
say(second)
"""
    assert run(program) == (0, "True\nThe capital of France is Paris.\n", "")


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is another thing elsewhere")
def test_an_interrupt_at_the_terminal_does_not_stop_the_server():
    program = """
import signal
url = llama.serve()
os.kill(llama._servers[llama.find_gguf()]._process.pid, signal.SIGINT)
say(url)
"""
    assert run(program) == (0, "The capital of France is Paris.\n", "")
