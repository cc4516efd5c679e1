"""Every Python block of the README and of the documents runs, against a provider on loopback."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from msgflux_like import resolve
from tests.provider import chat, chat_stream, whole

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def answer(request):
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
    monkeypatch.setenv("MSGFLUX_LIKE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("MSGFLUX_LIKE_CACHE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    resolve.forget_rows()
    space = {"__name__": "__main__"}
    for number, block in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")), 1):
        exec(compile(block, f"{page.name}, block {number}", "exec", dont_inherit=True), space)


def test_the_links_between_the_documents_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
