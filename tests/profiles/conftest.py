from __future__ import annotations

import socket

import pytest

from msgflux_like.catalog import profiles


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)


@pytest.fixture(autouse=True)
def own_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    """The user's cache folder, empty; what was read of another one is forgotten before and after."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MSGFLUX_LIKE_CACHE_DIR", str(folder))
    monkeypatch.delenv("MSGFLUX_LIKE_PROFILES_URL", raising=False)
    profiles.reload_profiles()
    yield folder
    profiles.reload_profiles()
