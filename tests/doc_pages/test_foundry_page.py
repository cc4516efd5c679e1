"""The example of the Foundry Local page: start a model, show the endpoint, stream a haiku, stop the service."""

# ruff: noqa: T201  the page prints

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass

import pytest

import msgflux_like as mf
from msgflux_like import errors, foundry_local
from msgflux_like._wire.sse import Parser
from msgflux_like.local.foundry import serving
from tests.foundry.services import NOT_RUNNING, STATUS, ApiV0, ApiV1, Program

HAIKU = "Cherry blossoms fall,\nGentle spring breeze carries dreams,\nPeace in nature's song."
LINES = HAIKU.splitlines(keepends=True)


@pytest.fixture(params=[ApiV0, ApiV1])
def page(request, provider, tmp_path, monkeypatch):
    """A machine with Foundry Local, of either generation, whose service does not run yet."""
    monkeypatch.delenv("FOUNDRY_LOCAL_BASE_URL", raising=False)
    monkeypatch.setattr("tests.foundry.services.HAIKU", LINES)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    serving.forget()
    root = provider(request.param()).base_url.removesuffix("/v1")
    program = Program(
        tmp_path / "bin",
        service_status=NOT_RUNNING,
        service_start="",
        service_stop="",
        service_status_started=STATUS.format(root=root),
    )
    yield root, program
    serving.forget()


def test_streaming_a_haiku(page, capsys):
    root, program = page
    alias = "qwen2.5-1.5b"
    with foundry_local.start_model(alias) as manager:
        model_info = manager.get_model_info(alias)
        print(f"Using Foundry Local endpoint at {manager.endpoint}/chat/completions")
        model = mf.Model.chat_completion(f"foundry-local/{model_info.id}", base_url=manager.endpoint)
        for piece in model("Write me a haiku", stream=True).consume():
            print(piece, end="", flush=True)
        model.close()
    said = capsys.readouterr().out
    assert said == f"Using Foundry Local endpoint at {root}/v1/chat/completions\n{HAIKU}"
    assert program.asked[-1] == ["service", "stop"]


@dataclass
class Chunk:
    """The page's own reading of a chunk."""

    content: str
    finish_reason: str | None

    @classmethod
    def of(cls, data: bytes) -> Chunk | None:
        choices = json.loads(data)["choices"]
        if not choices:
            return None
        return cls(choices[0]["delta"].get("content") or "", choices[0].get("finish_reason"))


def test_direct_use_of_the_interface(page, capsys):
    """The page's way: HTTP and server-sent events by hand, with the manager for the endpoint and the id alone."""
    alias = "qwen2.5-1.5b"
    manager = foundry_local.start_model(alias)
    try:
        completion = {
            "model": manager.get_model_info(alias).id,
            "messages": [{"role": "user", "content": "Write me a haiku"}],
            "stream": True,
        }
        headers = {"content-type": "application/json", "authorization": f"Bearer {manager.api_key}"}
        url = f"{manager.endpoint}/chat/completions"
        request = urllib.request.Request(url, json.dumps(completion).encode(), headers)
        parser = Parser()
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as reply:
            for event in parser.feed(reply.read()):
                if event != b"[DONE]" and (chunk := Chunk.of(event)):
                    print(chunk.content, end="")
    finally:
        manager.stop_service()
    assert capsys.readouterr().out == HAIKU


def test_a_model_that_is_not_in_the_catalogue(page):
    with pytest.raises(LookupError, match="no model 'qwen9'"):
        foundry_local.start_model("qwen9")


def test_foundry_local_must_be_on_the_path(monkeypatch, tmp_path):
    monkeypatch.delenv("FOUNDRY_LOCAL_BASE_URL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.NotInstalledError, match="`foundry` on PATH"):
        foundry_local.start_model("qwen2.5-1.5b")
