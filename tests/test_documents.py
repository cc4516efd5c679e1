"""Every Python block of the README and of the documents runs, against a provider on loopback."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import msgflux_like as mf
from msgflux_like.providers import resolve
from tests.foundry.services import ApiV1 as FoundryService
from tests.provider import chat, chat_stream, whole

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


REPLIES = {
    "/v1/completions": {"choices": [{"index": 0, "text": " a time", "finish_reason": "stop"}]},
    "/v1/models": {"data": [{"id": "gpt-4o"}]},
}


def vectors(request):
    texts = request.body["input"] if isinstance(request.body["input"], list) else [request.body["input"]]
    vector = [0.5] * request.body.get("dimensions", 1536)
    data = [{"index": at, "embedding": vector} for at in range(len(texts))]
    return whole({"data": data, "usage": {"prompt_tokens": len(texts), "total_tokens": len(texts)}})


def answer(request):
    if request.path == "/v1/embeddings":
        return vectors(request)
    if request.path in REPLIES:
        return whole(REPLIES[request.path])
    if request.body.get("stream"):
        return chat_stream("One", " two")
    if request.body.get("tools"):
        call = {
            "id": "c1",
            "type": "function",
            "function": {"name": "get_weather", "arguments": '{"location":"Paris"}'},
        }
        return whole(chat(None, finish="tool_calls", tool_calls=[call]))
    return whole(chat())


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "profiles.md"], ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page, provider, monkeypatch, tmp_path, local_server):
    """One after the other, as a reader would; `profiles.md` has a test of its own, with a refresh to answer."""
    server = provider(answer)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-x")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.base_url)
    monkeypatch.setenv("FOUNDRY_LOCAL_BASE_URL", provider(FoundryService()).base_url)
    monkeypatch.setenv("MSGFLUX_LIKE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("MSGFLUX_LIKE_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("msgflux_like.models._registered", {})
    monkeypatch.chdir(tmp_path)
    resolve.forget_rows()
    space = {"__name__": "__main__"}
    for number, block in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")), 1):
        exec(compile(block, f"{page.name}, block {number}", "exec", dont_inherit=True), space)


def test_the_links_between_the_documents_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_public_name_is_in_a_document():
    words = set(re.findall(r"\w+", " ".join(page.read_text(encoding="utf-8") for page in PAGES)))
    assert set(mf.__all__) <= words


def test_every_document_is_linked_from_another_one():
    texts = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
    for name in texts.keys() - {"README.md"}:
        assert any(f"{name})" in text or f"{name}#" in text for other, text in texts.items() if other != name), name


def test_every_extra_that_is_named_can_be_installed():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    files = [*PAGES, *(ROOT / "msgflux_like").rglob("*.py")]
    named = set(re.findall(r"msgflux-like\[([\w,]+)\]", " ".join(file.read_text(encoding="utf-8") for file in files)))
    assert {"local", "tokens", "aws", "vertex", "redis", "foundry"} <= named
    assert named <= extras.keys()
