"""The layout of the package: few modules at the root, few ranks, no circular imports, a short way to the send."""

from __future__ import annotations

import configparser
import sys
from pathlib import Path
from typing import Any

import pytest

import msgflux_like as mf
from msgflux_like.testing import FakeProvider, FakeReply

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "msgflux_like"
REPLY = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}


def cycles(imports: dict[str, set[str]]) -> list[set[str]]:
    """The groups of modules that import each other, directly or not; Tarjan's algorithm."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found: list[set[str]] = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        path.append(module)
        for imported in imports[module]:
            if imported not in number:
                visit(imported)
            if imported in path:
                lowest[module] = min(lowest[module], lowest[imported])
        if lowest[module] == number[module]:
            group = set(path[path.index(module) :])
            del path[path.index(module) :]
            found.extend([group] if len(group) > 1 else [])

    for module in imports:
        if module not in number:
            visit(module)
    return found


def test_a_cycle_is_found():
    imports = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set[str](), "e": {"a"}}
    assert cycles(imports) == [{"b", "c"}]


def test_no_modules_import_each_other():
    grimp = pytest.importorskip("grimp", reason="grimp comes with import-linter, which `make contracts` installs")
    graph = grimp.build_graph("msgflux_like", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 200
    assert cycles(imports) == []


def test_the_root_has_at_most_ten_modules():
    assert len(list(PACKAGE.glob("*.py"))) <= 10


def test_there_are_at_most_twelve_ranks_and_every_module_has_one():
    contracts = configparser.ConfigParser(comment_prefixes=("#", ";"))
    contracts.read(ROOT / ".importlinter", encoding="utf-8")
    ranks = [line.split(" : ") for line in contracts["importlinter:contract:layers"]["layers"].split("\n") if line]
    assert len(ranks) <= 12
    modules = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert {name.strip() for rank in ranks for name in rank} == modules - {"__init__"}


def test_a_plain_call_passes_few_of_our_functions_before_it_is_sent():
    model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-x", http_client=FakeProvider(FakeReply.whole(REPLY)))
    messages = [{"role": "user", "content": "Hello"}]
    assert model(messages).consume() == "Hi"  # the first call fills caches
    called: list[str] = []

    def watch(frame: Any, event: str, _: Any) -> None:
        if event == "call" and Path(frame.f_code.co_filename).is_relative_to(PACKAGE):
            called.append(frame.f_code.co_qualname)

    sys.setprofile(watch)
    try:
        model(messages)
    finally:
        sys.setprofile(None)
    before = called[: called.index("Transport.open")]
    assert 10 < len(before) <= 20, before
