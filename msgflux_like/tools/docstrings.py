"""Descriptions of a function and its parameters from a docstring in the style of Google, numpy or reST."""

from __future__ import annotations

import re
from collections.abc import Iterator

_GOOGLE = re.compile(r"(?:Args|Arguments|Parameters|Params):\s*$")
_GOOGLE_END = re.compile(r"[A-Z][A-Za-z ]*:\s*$")
_GOOGLE_ITEM = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)")
_NUMPY_ITEM = re.compile(r"(\w+)\s*(?::.*)?$")
_REST_ITEM = re.compile(r":(?:param|parameter|arg|argument)\s+(?:[^:]*\s)?(\w+):\s*(.*)")
_OTHER = ("Returns:", "Return:", "Raises:", "Yields:", "Example:", "Examples:", "Note:", "Notes:")
_UNDERLINE = re.compile(r"-{3,}\s*$")


def read_docstring(text: str) -> tuple[str, dict[str, str]]:
    r"""Return the description of the function and the descriptions of its parameters.

    Args:
        text: Docstring without common indentation, as `inspect.getdoc` returns it.

    Example:
        >>> read_docstring("Add two numbers.\n\n:param a: First one.")
        ('Add two numbers.', {'a': 'First one.'})
    """
    summary: list[str] = []
    described: dict[str, list[str]] = {}
    for kind, line, name in _classified_lines(text.splitlines()):
        if kind == "summary":
            summary.append(line)
        elif kind == "item":
            described[name] = [line] if line else []
        elif name and line:
            described[name].append(line)
    return "\n".join(summary).strip(), {name: " ".join(lines) for name, lines in described.items()}


def _classified_lines(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield each line as `summary`, as the first line of an `item`, or as `more` of it; skip other sections."""
    section, name, depth = "summary", "", -1
    for number, line in enumerate(lines):
        bare = line.strip()
        indent = len(line) - len(line.lstrip())
        underlined = number + 1 < len(lines) and bool(_UNDERLINE.match(lines[number + 1].strip()))
        if not indent and (heading := _heading(bare, section, underlined=underlined)):
            section, name, depth = heading, "", -1
        elif (depth in (-1, indent)) and (item := _item(bare, section)):
            section, depth = ("rest" if section == "summary" else section), indent
            name = item[0]
            yield "item", item[1], name
        elif section == "summary":
            yield "summary", line, ""
        elif not _UNDERLINE.match(bare):
            yield "more", bare, name


def _heading(line: str, section: str, *, underlined: bool) -> str | None:
    """Return the section that begins with this line, None if none does."""
    if underlined:
        return "numpy" if line in ("Parameters", "Other Parameters") else "other"
    if _GOOGLE.match(line):
        return "google"
    if _GOOGLE_END.match(line) and (section != "summary" or line in _OTHER):
        return "other"
    if line.startswith((":return", ":raise", ":rtype", ":type")):
        return "other"
    return None


def _item(line: str, section: str) -> tuple[str, str] | None:
    """Return name and first words if the line begins the description of a parameter."""
    if found := _REST_ITEM.match(line):
        return found[1], found[2]
    if section == "numpy" and (found := _NUMPY_ITEM.match(line)):
        return found[1], ""
    if section == "google" and (found := _GOOGLE_ITEM.match(line)):
        return found[1], found[2]
    return None
