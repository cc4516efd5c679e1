"""The command-line program `foundry`: find, start and stop the service, and download a model.

Versions up to 0.8 have the subcommand `foundry service status`; versions from 0.10 on have `foundry server status`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from typing import Any

import msgspec

from msgflux_like.errors import APIConnectionError, APITimeoutError, NotInstalledError
from msgflux_like.local.foundry.models import NAME

NO_COMMAND = (
    "there is no `foundry` on PATH: install Foundry Local (`winget install Microsoft.FoundryLocal`, or "
    "`brew install microsoft/foundrylocal/foundrylocal`), or set FOUNDRY_LOCAL_BASE_URL to where a service runs"
)

_STATUS_S = 30.0
_PAUSE_S = 0.2
_SHOWN_CHARACTERS = 300

# Matches inside "... is running on http://localhost:5273/openai/status"; the text around it varies by version.
_RUNNING = re.compile(r"\brunning (?:on|at)\s+(https?://[^\s/\x1b]+)", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://[^\s/]+", re.IGNORECASE)


class Command:
    """The program `foundry` on PATH.

    Raises:
        NotInstalledError: `foundry` is not on PATH.
    """

    def __init__(self) -> None:
        path = shutil.which("foundry")
        if path is None:
            raise NotInstalledError(NO_COMMAND)
        self._path = path
        self._subcommand = "service"  # "server" from version 0.10 on
        self._last_status = ""

    def find(self, timeout_s: float = _STATUS_S) -> str | None:
        """Return the origin of the running service, such as `http://localhost:5273`; None if it is not running."""
        output = self._run("service", "status", timeout_s=timeout_s)
        self._last_status = output or self._last_status  # for the error: the deadline may cut the last one off
        if (running := _RUNNING.search(output)) is not None:
            return connectable_origin(running[1])
        if "not running" in output.lower() or not output:
            return None
        json_output = self._run("server", "status", "-o", "json", timeout_s=timeout_s)
        status = _trailing_object(json_output)
        if status is None:
            return None
        self._subcommand, self._last_status = "server", json_output
        urls: Any = status.get("webUrls") or [""]
        origin = _ORIGIN.match(str(urls[0])) if status.get("running", True) else None
        return connectable_origin(origin[0]) if origin else None

    def start(self, timeout_s: float) -> tuple[str, bool]:
        """Return the origin of the service, and whether this call started it.

        `foundry service start` may run for as long as the service does, so the process is not waited for: the status
        is polled instead.

        Raises:
            APITimeoutError: The status does not report a running service within `timeout_s` seconds.
        """
        deadline = time.monotonic() + timeout_s
        origin = self.find(min(_STATUS_S, timeout_s))
        if origin is not None:
            return origin, False
        nothing = subprocess.DEVNULL
        starting = subprocess.Popen(  # noqa: S603  constant arguments
            [self._path, self._subcommand, "start"],
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            start_new_session=True,
        )
        try:
            while (left := deadline - time.monotonic()) > 0:
                if (origin := self.find(min(_STATUS_S, left))) is not None:
                    return origin, True
                time.sleep(min(_PAUSE_S, max(deadline - time.monotonic(), 0)))
        finally:
            if starting.poll() is None:
                starting.returncode = 0  # the process may outlive this one; without this, Popen would warn
        raise APITimeoutError(
            f"Foundry Local did not start within {timeout_s} s: "
            f"`foundry {self._subcommand} status` says {self._status_excerpt()}",
            phase="connect",
            provider=NAME,
        )

    def stop(self) -> None:
        """Stop the service, even if another program started it."""
        self._run(self._subcommand, "stop", timeout_s=_STATUS_S)

    def download(self, name: str, timeout_s: float) -> None:
        """Download a model into the cache.

        Raises:
            APIConnectionError: The program failed; the message quotes its output.
        """
        self._run("model", "download", name, timeout_s=timeout_s, check=True)

    def _run(self, *arguments: str, timeout_s: float, check: bool = False) -> str:
        """Run the program and return its output; "" if it does not end in time."""
        # Output goes to a file: a pipe would stay open as long as any process that the program starts.
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(  # noqa: S603  no shell: a name stays one argument
                [self._path, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
            try:
                status = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                status = None
            output.seek(0)
            text = output.read().decode(errors="replace")
        if check and status != 0:
            excerpt = text.strip()[-_SHOWN_CHARACTERS:] or "nothing"
            raise APIConnectionError(f"`foundry {' '.join(arguments)}` failed, saying: {excerpt}", provider=NAME)
        return text if status is not None else ""

    def _status_excerpt(self) -> str:
        text = " ".join(self._last_status.split())
        return repr(text[:_SHOWN_CHARACTERS]) if text else "nothing"


def connectable_origin(origin: str) -> str:
    """Strip trailing punctuation from an origin, and replace the wildcard address 0.0.0.0 with loopback."""
    return origin.rstrip(".,;!").replace("//0.0.0.0", "//127.0.0.1")


def _trailing_object(output: str) -> dict[str, Any] | None:
    """Return the JSON object that the output ends with, after any lines of text; None if there is none."""
    try:
        return msgspec.json.decode(output[output.index("{") :], type=dict[str, Any])
    except (ValueError, msgspec.DecodeError):
        return None
