"""Parser of the option `--schema`: the type of an answer, as written on the command line."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path
from typing import Any, Literal

import msgspec

from msgflux_like.cli.output import UsageError

_NAMES: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool, "None": None, "Any": Any}
_FORMS = 'write file.py:Type, schema.json, or fields like "name: str, age: int, tags: list[str]"'


def schema_of(text: str) -> Any:
    """Return the type that `--schema` names: of a Python file, of a JSON schema in a file, or of fields."""
    file, colon, name = text.rpartition(":")
    if colon and file.endswith(".py"):
        return _type_in(Path(file), name)
    if text.endswith(".json"):
        return _json_schema(Path(text))
    return _fields(text)


def _type_in(file: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(file.stem, file) if file.is_file() else None
    if spec is None or spec.loader is None:
        raise UsageError(f"there is no Python file {file}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        raise UsageError(f"{file} has no {name!r}")
    return getattr(module, name)


def _json_schema(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{file} is not JSON: {error}") from None


def _fields(text: str) -> Any:
    """Return a struct of fields that are written like the parameters of a function."""
    try:
        [function] = ast.parse(f"def answer({text}): ...").body
        arguments = function.args.args if isinstance(function, ast.FunctionDef) else []
        fields = [(each.arg, str if each.annotation is None else _type(each.annotation)) for each in arguments]
    except (SyntaxError, ValueError):
        raise UsageError(f"{text!r} is not a type: {_FORMS}") from None
    if not fields:
        raise UsageError(f"{text!r} has no fields: {_FORMS}")
    return msgspec.defstruct("Answer", fields)


def _type(node: ast.expr) -> Any:
    """Return the type that an annotation names, without evaluating it; raise ValueError for an unsupported one."""
    match node:
        case ast.Name(id=name) if name in _NAMES:
            return _NAMES[name]
        case ast.Constant(value=None):
            return None
        case ast.Subscript(value=ast.Name(id="list"), slice=item):
            return list[_type(item)]
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[ast.Name(id="str"), item])):
            return dict[str, _type(item)]
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            values = choices.elts if isinstance(choices, ast.Tuple) else [choices]
            return Literal[tuple(ast.literal_eval(value) for value in values)]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _type(left) | _type(right)
        case _:
            raise ValueError
