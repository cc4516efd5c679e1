from __future__ import annotations

import io
import os
from collections.abc import Callable

import pytest

from msgflux_like.catalog import profiles
from msgflux_like.cli import main
from msgflux_like.providers import resolve

SETTINGS = ("_KEY", "_TOKEN", "_PAT", "_BASE_URL", "_ENDPOINT", "_PROXY", "_proxy")


@pytest.fixture(autouse=True)
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    """A user without keys, rows and fetched profiles, in folders that are there and empty: `cache` and `config`."""
    for name in os.environ:
        if name.endswith(SETTINGS) or name.startswith("MSGFLUX_LIKE_"):
            monkeypatch.delenv(name)
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
    for name in ("cache", "config"):
        (folder / name).mkdir()
        monkeypatch.setenv(f"MSGFLUX_LIKE_{name.upper()}_DIR", str(folder / name))
    forget()
    yield folder
    forget()


def forget() -> None:
    profiles.reload_profiles()
    resolve.forget_rows()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs `msgflux-like ...` with that standard input; exit status, output and errors."""

    def run(*words: str, piped: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(piped))
        try:
            status = main(words)
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def write_row(own_folders):
    """Writes a row of the user's."""

    def write(name: str, content: str | bytes) -> None:
        folder = own_folders / "config" / "providers"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
        forget()

    return write
