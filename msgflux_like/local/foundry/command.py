"""The program `foundry`: where the service runs, starting and stopping it, downloading a model.

Up to 0.8 it says `foundry service status`, from 0.10 on `foundry server status`.
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
_SHOWN = 300

# "... is running on http://localhost:5273/openai/status": whatever stands before and after it.
_RUNNING = re.compile(r"\brunning (?:on|at)\s+(https?://[^\s/\x1b]+)", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://[^\s/]+", re.IGNORECASE)


class Command:
    """The program `foundry` of this machine. Raises NotInstalledError when there is none on PATH."""

    def __init__(self) -> None:
        path = shutil.which("foundry")
        if path is None:
            raise NotInstalledError(NO_COMMAND)
        self._path = path
        self._noun = "service"
        self._said = ""

    def find(self, timeout_s: float = _STATUS_S) -> str | None:
        """Where the service runs, like `http://localhost:5273`, or None when it does not."""
        said = self._run("service", "status", timeout_s=timeout_s)
        self._said = said or self._said  # for the error: the last one may be cut off by the deadline
        if (running := _RUNNING.search(said)) is not None:
            return reachable(running[1])
        if "not running" in said.lower() or not said:
            return None
        newer = self._run("server", "status", "-o", "json", timeout_s=timeout_s)
        status = _object_in(newer)
        if status is None:
            return None
        self._noun, self._said = "server", newer
        urls: Any = status.get("webUrls") or [""]
        origin = _ORIGIN.match(str(urls[0])) if status.get("running", True) else None
        return reachable(origin[0]) if origin else None

    def start(self, timeout_s: float) -> tuple[str, bool]:
        """Where the service runs, and whether it was started for that.

        `foundry service start` may go on for as long as the service does, so it is not waited for: what counts is
        what the status says. APITimeoutError when it does not say so in time.
        """
        deadline = time.monotonic() + timeout_s
        origin = self.find(min(_STATUS_S, timeout_s))
        if origin is not None:
            return origin, False
        nothing = subprocess.DEVNULL
        starting = subprocess.Popen(  # noqa: S603  our own words
            [self._path, self._noun, "start"], stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
        )
        try:
            while (left := deadline - time.monotonic()) > 0:
                if (origin := self.find(min(_STATUS_S, left))) is not None:
                    return origin, True
                time.sleep(min(_PAUSE_S, max(deadline - time.monotonic(), 0)))
        finally:
            if starting.poll() is None:
                starting.returncode = 0  # it may go on; without this Popen would warn that it does
        raise APITimeoutError(
            f"Foundry Local did not start within {timeout_s} s: `foundry {self._noun} status` says {self._shown()}",
            phase="connect",
            provider=NAME,
        )

    def stop(self) -> None:
        """Stop the service, whoever started it."""
        self._run(self._noun, "stop", timeout_s=_STATUS_S)

    def download(self, name: str, timeout_s: float) -> None:
        """Fetch a model into the cache; APIConnectionError with what the program said when it failed."""
        self._run("model", "download", name, timeout_s=timeout_s, must_work=True)

    def _run(self, *words: str, timeout_s: float, must_work: bool = False) -> str:
        """What the program says to these words, "" when it says nothing in time."""
        # Into a file: a pipe would stay open as long as any process that the program starts.
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(  # noqa: S603  no shell: a name cannot be more than a word
                [self._path, *words], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
            try:
                status = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                status = None
            output.seek(0)
            said = output.read().decode(errors="replace")
        if must_work and status != 0:
            said = said.strip()[-_SHOWN:] or "nothing"
            raise APIConnectionError(f"`foundry {' '.join(words)}` failed, saying: {said}", provider=NAME)
        return said if status is not None else ""

    def _shown(self) -> str:
        return repr(" ".join(self._said.split())[:_SHOWN]) if self._said.strip() else "nothing"


def reachable(origin: str) -> str:
    """The origin without what may end a sentence; the address for "all of this machine" as one to connect to."""
    return origin.rstrip(".,;!").replace("//0.0.0.0", "//127.0.0.1")


def _object_in(said: str) -> dict[str, Any] | None:
    """The JSON object that the output ends with; lines may stand before it."""
    try:
        return msgspec.json.decode(said[said.index("{") :], type=dict[str, Any])
    except (ValueError, msgspec.DecodeError):
        return None
