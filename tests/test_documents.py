"""Every Python block of the README and of the documents runs, against a provider on loopback."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

import msgflux_like as mf
from msgflux_like.providers import resolve
from tests.foundry.services import ApiV1 as FoundryService
from tests.provider import chat, chat_stream, whole

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "msgflux_like"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUNS = re.compile(r"^```py(?:thon)?\n(.*?)^```", re.MULTILINE | re.DOTALL)  # `py`: not for type checkers


REPLIES = {
    "/v1/completions": {"choices": [{"index": 0, "text": " a time", "finish_reason": "stop"}]},
    "/v1/models": {"data": [{"id": "gpt-4o"}]},
}


def vectors(request):
    texts = request.body["input"] if isinstance(request.body["input"], list) else [request.body["input"]]
    vector = [0.5] * request.body.get("dimensions", 1536)
    data = [{"index": at, "embedding": vector} for at in range(len(texts))]
    return whole({"data": data, "usage": {"prompt_tokens": len(texts), "total_tokens": len(texts)}})


OBJECTS = {
    "population": '{"name":"Paris","population":2102650}',
    "participants": '{"name":"science fair","date":"Friday","participants":["Alice","Bob"]}',
}
"""Answers to a schema, by a property that it has."""


def answer(request):
    if request.path == "/v1/embeddings":
        return vectors(request)
    if request.path in REPLIES:
        return whole(REPLIES[request.path])
    schema = json.dumps(request.body.get("response_format"))
    text = next((text for name, text in OBJECTS.items() if f'"{name}"' in schema), None)
    if request.body.get("stream"):
        return chat_stream("One", " two") if text is None else chat_stream(text[:30], text[30:])
    if request.body.get("tools"):
        call = {
            "id": "c1",
            "type": "function",
            "function": {"name": "get_weather", "arguments": '{"location":"Paris"}'},
        }
        return whole(chat(None, finish="tool_calls", tool_calls=[call]))
    return whole(chat("Hello" if text is None else text))


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
    for number, block in enumerate(RUNS.findall(page.read_text(encoding="utf-8")), 1):
        exec(compile(block, f"{page.name}, block {number}", "exec", dont_inherit=True), space)


def test_the_links_between_the_documents_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def anchors(page):
    """The anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_links_to_a_section_lead_to_one():
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        for target, section in re.findall(r"\]\(([^)#:]+)#([^)]+)\)", page.read_text(encoding="utf-8")):
            assert section in anchors(page.parent / target), f"{page.name} links to {target}#{section}"


SEARCHED = [
    *("exponential backoff", "rate limit", "retry-after", "connection pool", "single flight", "idempotent", "proxies"),
    *("prompt caching", "structured output", "tool loop", "fallback", "routing", "embeddings", "cost", "token counts"),
    *("environment variable", "log probabilities", "context window", "opentelemetry", "openai-compatible"),
]


@pytest.mark.parametrize("term", SEARCHED)
def test_a_term_that_people_search_for_is_in_a_document(term):
    assert any(term in page.read_text(encoding="utf-8").lower() for page in PAGES)


def test_every_path_in_the_contributing_guide_exists():
    """A name in angle brackets stands for any name."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:msgflux_like|providers|profiles|tests|docs|benchmarks)/[^`\s]*)`", text))
    assert len(named) > 50
    missing = {path for path in named if not any(ROOT.glob(re.sub(r"<\w+>", "*", path).rstrip("/")))}
    assert missing == set()


def test_every_constant_in_the_contributing_guide_exists():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(_?[A-Z]+_[A-Z_]+)`", text))
    code = "".join(file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py"))
    assert {"FINISH_REASONS", "_RETRYABLE_STATUSES"} <= named
    assert {name for name in named if not re.search(rf"^{name}\b", code, re.MULTILINE)} == set()


# Phrases that no native technical writer uses, and beginnings of docstrings that leave out the verb or the subject.
PHRASES = [
    *(
        "is none any more",
        "none that can be",
        "be it there",
        "for those who",
        "those that are",
        "whose turn",
        "whom to",
    ),
    *("what goes out", "what came of", "twice is once", "no word for", "has no words", "in the words of"),
    *("of one's own", "async twin", "the twin of", "thought of", "told of", "answers of a type", "answer of a type"),
]
BEGINNINGS = ["See", "As", "The same", "Those", "It", "What", "Whom", "Which", "Whose", "Where", "Who", "Whether"]


def phrases_in(text):
    """The phrases that a text has, wherever its lines break."""
    flat = re.sub(r"\s+", " ", text).lower()
    return [phrase for phrase in PHRASES if phrase in flat]


def beginnings_in(text):
    return re.findall(rf'"""((?:{"|".join(BEGINNINGS)})\b[^\n]*)', text)


@pytest.mark.parametrize(
    "page",
    [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs" / "decisions").glob("*.md"))],
    ids=lambda page: page.name,
)
def test_a_page_is_in_plain_english(page):
    assert phrases_in(page.read_text(encoding="utf-8")) == []


ROOMS = sorted({file.relative_to(PACKAGE).parts[0] for file in PACKAGE.rglob("*.py")})


@pytest.mark.parametrize("room", ROOMS)
def test_the_package_is_in_plain_english(room):
    found = {}
    for file in [PACKAGE / room] if room.endswith(".py") else sorted((PACKAGE / room).rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if odd := [*phrases_in(text), *beginnings_in(text)]:
            found[str(file.relative_to(ROOT))] = odd
    assert found == {}


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
