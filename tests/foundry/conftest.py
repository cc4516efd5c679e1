from __future__ import annotations

import os

import pytest

from msgflux_like.local.foundry import serving
from tests.foundry.services import Program


@pytest.fixture(autouse=True)
def nothing_is_known(monkeypatch):
    """No service in the environment, no proxy, and none remembered from another test."""
    monkeypatch.delenv("FOUNDRY_LOCAL_BASE_URL", raising=False)
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    serving.forget()


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a program `foundry` on PATH that says what the test tells it to."""

    def make(**replies: str) -> Program:
        made = Program(tmp_path / "bin", **replies)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        return made

    return make


@pytest.fixture
def service(provider):
    """Starts a service of either generation; gives its origin."""

    def start(answers) -> str:
        return provider(answers).base_url.removesuffix("/v1")

    return start
