"""Every public name has a complete docstring: parameters or fields, result, exceptions, and an example that runs."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import textwrap
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import msgspec
import pytest

import msgflux_like as mf
from msgflux_like.client import ApiObject

MODULES = ["errors", "events", "testing", "client", "client.resources", "models.profiles"]
RESOURCES = "msgflux_like.client.resources"
RETURNED = {"AsyncStream", "ModelResponse", "ModelStreamResponse", "Stream"}
"""Classes that users receive and never create: their constructors are not documented."""

RETURNS = re.compile(r"\A[^\n]*([Rr]eturn|Yield|Iterate|Create|sync counterpart)|^Returns:", re.MULTILINE)


class Public(NamedTuple):
    name: str
    value: Any


def names_of(module: ModuleType) -> list[str]:
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    return getattr(module, "__all__", own)


def is_ours(value: Any) -> bool:
    return callable(value) and str(getattr(value, "__module__", "")).startswith("msgflux_like")


def public_objects() -> list[Public]:
    """Functions and classes by their first public name."""
    found = [Public(f"mf.{name}", getattr(mf, name)) for name in mf.__all__]
    for path in MODULES:
        module = import_module(f"msgflux_like.{path}")
        found += [Public(f"mf.{path}.{name}", getattr(module, name)) for name in names_of(module) if name[0] != "_"]
    first: dict[int, Public] = {}
    for each in found:
        if is_ours(each.value) and not each.name.rpartition(".")[2].startswith("_"):
            first.setdefault(id(each.value), each)
    return list(first.values())


def methods_of(public: Public) -> list[Public]:
    """The public methods that a class defines itself."""
    found: list[Public] = []
    for name, value in vars(public.value).items():
        inner = getattr(value, "__func__", value)
        if not name.startswith("_") and inspect.isfunction(inner) and inner.__name__ == name:
            found.append(Public(f"{public.name}.{name}", inner))
    return found


def section(doc: str, title: str) -> str:
    match = re.search(rf"^{title}:\n((?:[ \t]+.*\n|\n)*)", doc + "\n", re.MULTILINE)
    return textwrap.dedent(match[1]) if match else ""


def entries(doc: str, *titles: str) -> set[str]:
    """The names that the sections describe: `name: ...`, `name (type): ...`, `one, two: ...`."""
    lines = [line for title in titles for line in section(doc, title).splitlines() if line and line[0] != " "]
    heads = [re.sub(r"\(.*?\)", "", line).partition(":")[0] for line in lines]
    return {name.strip(" *`") for head in heads for name in head.split(",")}


def parameters_of(function: Any) -> set[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return set()
    return {each.name for each in parameters if each.name not in ("self", "cls") and not each.name.startswith("_")}


def is_data(kind: Any) -> bool:
    """Whether a class is only fields: a Struct, a named tuple, an object of OpenAI's format."""
    return issubclass(kind, (msgspec.Struct, tuple)) or (issubclass(kind, ApiObject) and kind is not ApiObject)


def fields_of(kind: Any) -> set[str]:
    """The fields that a class of data declares itself."""
    return {name for name in inspect.get_annotations(kind) if not name.startswith("_")}


def undescribed(function: Any, doc: str) -> set[str]:
    """The parameters that neither a section nor a sentence names."""
    if "sync counterpart" in doc:
        return set()
    described = entries(doc, "Args", "Attributes") | set(re.findall(r"`\*{0,2}(\w+)`", doc.partition("Args:")[0]))
    return parameters_of(function) - described


def raises(function: Any) -> bool:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(tree))


def missing_in_function(function: Any, *, example: bool) -> list[str]:
    doc = inspect.getdoc(function) or ""
    if not doc:
        return ["docstring"]
    found = [f"Args: {name}" for name in sorted(undescribed(function, doc))]
    if inspect.get_annotations(function).get("return", "None") not in ("None", None) and not RETURNS.search(doc):
        found.append("Returns")
    if raises(function) and not re.search(r"[Rr]aise|counterpart", doc):
        found.append("Raises")
    return [*found, "Example"] if example and ">>> " not in doc else found


def missing_in_class(public: Public) -> list[str]:
    kind, doc = public.value, inspect.getdoc(public.value) or ""
    if not vars(kind).get("__doc__"):
        return ["docstring"]
    if issubclass(kind, Exception):
        own = parameters_of(vars(kind)["__init__"]) - {"message"} if "__init__" in vars(kind) else set[str]()
        inherited = {name for base in kind.__mro__[1:] for name in entries(inspect.getdoc(base) or "", "Attributes")}
        return [f"Attributes: {name}" for name in sorted(own - entries(doc, "Args", "Attributes") - inherited)]
    if hasattr(kind, "__total__"):  # a TypedDict of keywords, which are documented where they are passed
        return []
    if is_data(kind):
        return [f"Attributes: {name}" for name in sorted(fields_of(kind) - entries(doc, "Args", "Attributes"))]
    arguments = [] if public.name.rpartition(".")[2] in RETURNED else sorted(undescribed(kind, doc))
    return [*(f"Args: {name}" for name in arguments), *(["Example"] if ">>> " not in doc else [])]


def missing_in(public: Public) -> list[str]:
    if not inspect.isclass(public.value):
        return missing_in_function(public.value, example="counterpart" not in (public.value.__doc__ or ""))
    is_resource = public.value.__module__ == RESOURCES  # `client.models`: its methods have the examples
    found = [] if is_resource else missing_in_class(public)
    for method in methods_of(public):
        example = is_resource and "counterpart" not in (method.value.__doc__ or "")
        found += [f"{method.value.__name__}: {each}" for each in missing_in_function(method.value, example=example)]
    return found


PUBLIC = public_objects()


def test_the_public_objects_are_found():
    names = {each.name for each in PUBLIC}
    assert {"mf.Model", "mf.errors.APIError", "mf.events.TextDelta", "mf.testing.FakeModel"} <= names
    assert {"mf.client.Embedding", "mf.models.profiles.get_model_profile"} <= names
    assert len(names) > 130


def test_what_a_docstring_leaves_out_is_found():
    def half(given: int, forgotten: int) -> int:
        """Convert a number.

        Args:
            given: A number.
        """
        if forgotten:
            raise ValueError(given)
        return given

    assert missing_in_function(half, example=True) == ["Args: forgotten", "Returns", "Raises", "Example"]


@pytest.mark.parametrize("public", [pytest.param(each, id=each.name) for each in PUBLIC])
def test_the_docstring_of_a_public_name_is_complete(public):
    assert missing_in(public) == []


DOCUMENTED = sorted({each.value.__module__ for each in PUBLIC})


@pytest.mark.parametrize("module", DOCUMENTED)
def test_the_examples_of_a_module_with_public_names_run(module):
    assert doctest.testmod(import_module(module)).failed == 0
