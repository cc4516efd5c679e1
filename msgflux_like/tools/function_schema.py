"""Plain Python functions as tools: a schema from signature and docstring, arguments as the annotations want them."""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple, cast, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

import msgspec

from msgflux_like.errors import InvalidRequestError

Function = Callable[..., Any]

_VARIADIC = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


class Tool(NamedTuple):
    """What is known of a function. It does not hold the function, so that a cache of these keeps none alive.

    Attributes:
        name: As it is offered to the model.
        schema: In OpenAI's form.
        arguments: The struct that its arguments are decoded to.
        positional: The parameters that can only be given by position.
    """

    name: str
    schema: dict[str, Any]
    arguments: type[msgspec.Struct]
    positional: tuple[str, ...]


def function_schema(function: Function) -> dict[str, Any]:
    """The OpenAI-style schema of a function, made once: its name, its docstring, its parameters.

    A parameter's description comes from `Annotated[..., "text"]`, `Annotated[..., msgspec.Meta(description=...)]`, or
    the docstring (Google's, numpy's or reST's way). Raises InvalidRequestError that names function and parameter
    where an annotation is missing or cannot come from JSON, and for `*args` and `**kwargs`.

    >>> def add(a: int, b: int = 1) -> int:
    ...     "Add two numbers."
    ...     return a + b
    >>> function_schema(add)["function"]["parameters"]["required"]
    ['a']
    """
    return describe(function).schema


def describe(function: Function) -> Tool:
    """What a function is as a tool, worked out once for each."""
    known = _known_methods if inspect.ismethod(function) else _known
    key = getattr(function, "__func__", function)
    try:
        tool = known.get(key)
    except TypeError:  # cannot be hashed or not weakly referred to
        return _described(function)
    if tool is None:
        tool = known[key] = _described(function)
    return tool


_known: WeakKeyDictionary[Function, Tool] = WeakKeyDictionary()
_known_methods: WeakKeyDictionary[Function, Tool] = WeakKeyDictionary()  # by the function, which `self` was bound to


def bind(function: Function, arguments: Mapping[str, Any]) -> Callable[[], Any]:
    """The call of `function` with the arguments the model gave, decoded to the annotated types.

    What is right as JSON is taken as it is; only else is `"3"` taken for 3. Raises msgspec.ValidationError.
    """
    tool = describe(function)
    try:
        values = msgspec.convert(arguments, tool.arguments, str_keys=True)
    except msgspec.ValidationError as error:
        try:
            values = msgspec.convert(arguments, tool.arguments, str_keys=True, strict=False)
        except msgspec.ValidationError:
            raise error from None
    given = {name: getattr(values, name) for name in tool.arguments.__struct_fields__}
    positional = [given.pop(name) for name in tool.positional]
    return lambda: function(*positional, **given)


def _described(function: Function) -> Tool:
    name = getattr(function, "__name__", None)
    if inspect.isclass(function) or not isinstance(name, str):
        raise InvalidRequestError(f"{function!r} cannot be a tool: give a function, or a callable that has a __name__")
    text, said = read_docstring(inspect.getdoc(function) or "")
    parameters = _parameters(function, name)
    fields = [_field(each, hint, said.get(each.name), name) for each, hint in parameters]
    arguments = msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True, module=__name__)
    summary = {"name": name, "description": text, "parameters": _object_schema(arguments)}
    return Tool(
        name,
        {"type": "function", "function": {key: value for key, value in summary.items() if value}},
        arguments,
        tuple(each.name for each, _ in parameters if each.kind is inspect.Parameter.POSITIONAL_ONLY),
    )


def _parameters(function: Function, name: str) -> list[tuple[inspect.Parameter, Any]]:
    """The parameters with their annotations as types."""
    parameters = list(inspect.signature(function).parameters.values())
    for each in parameters:
        if stars := _VARIADIC.get(each.kind):
            raise InvalidRequestError(f"{name}: {stars}{each.name} has no schema; name each parameter")
        if each.annotation is inspect.Parameter.empty:
            raise InvalidRequestError(f"{name}: the parameter {each.name!r} needs an annotation")
    hints = _hints(function, name) if parameters else {}
    return [(each, hints.get(each.name, each.annotation)) for each in parameters]


def _hints(function: Function, name: str) -> dict[str, Any]:
    target = inspect.unwrap(function if inspect.isroutine(function) else type(function).__call__)
    target = getattr(target, "__func__", target)
    try:
        return get_type_hints(target, localns=_closure(target), include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise InvalidRequestError(f"{name}: its annotations cannot be read: {error}") from None


def _closure(function: Any) -> dict[str, Any]:
    """Types that the surrounding function defined."""
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    cells = getattr(function, "__closure__", None) or ()
    return {name: cell.cell_contents for name, cell in zip(names, cells, strict=True)}


def _field(parameter: inspect.Parameter, hint: Any, said: str | None, function: str) -> tuple[str, Any, Any]:
    hint = _with_description(hint, said)
    try:
        msgspec.json.schema(hint)
    except (TypeError, RecursionError):
        place = f"{function}: the parameter {parameter.name!r}"
        raise InvalidRequestError(f"{place} is of a type that cannot come from JSON: {parameter.annotation}") from None
    default = parameter.default
    if default is inspect.Parameter.empty:
        return parameter.name, hint, msgspec.NODEFAULT
    if default is None or isinstance(default, (str, int, float, bool, enum.Enum)):
        return parameter.name, hint, default
    return parameter.name, hint, msgspec.field(default_factory=lambda: default)


def _with_description(hint: Any, said: str | None) -> Any:
    """`hint` with its description as msgspec wants it: what an annotation says beats the docstring."""
    bare, notes = hint, ()
    if get_origin(hint) is Annotated:
        bare, *notes = get_args(hint)
    texts = [note for note in notes if isinstance(note, str)]
    metas = [note for note in notes if isinstance(note, msgspec.Meta)]
    if any(meta.description for meta in metas):
        said = None
    elif texts:
        said = texts[0]
    if said:
        metas.append(msgspec.Meta(description=said))
    for meta in metas:
        bare = Annotated[bare, meta]
    return bare


def _object_schema(arguments: type[msgspec.Struct]) -> dict[str, Any]:
    """The struct's schema as one object, with the types it refers to in `$defs`."""
    (root,), others = msgspec.json.schema_components([arguments], ref_template="#/$defs/{name}")
    schema = cast("dict[str, Any]", others.pop(root["$ref"].rpartition("/")[2]))
    schema.pop("title", None)
    if others:
        schema["$defs"] = others
    return schema


# ---- docstrings

_GOOGLE = re.compile(r"(?:Args|Arguments|Parameters|Params):\s*$")
_GOOGLE_END = re.compile(r"[A-Z][A-Za-z ]*:\s*$")
_GOOGLE_ITEM = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)")
_NUMPY_ITEM = re.compile(r"(\w+)\s*(?::.*)?$")
_REST_ITEM = re.compile(r":(?:param|parameter|arg|argument)\s+(?:[^:]*\s)?(\w+):\s*(.*)")
_OTHER = ("Returns:", "Return:", "Raises:", "Yields:", "Example:", "Examples:", "Note:", "Notes:")
_UNDERLINE = re.compile(r"-{3,}\s*$")


def read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """The description and what is said of each parameter, in Google's, numpy's or reST's way.

    >>> read_docstring("Add. :param a: is not read here.")
    ('Add. :param a: is not read here.', {})
    """
    summary: list[str] = []
    said: dict[str, list[str]] = {}
    for kind, line, name in _sorted_lines(text.splitlines()):
        if kind == "summary":
            summary.append(line)
        elif kind == "item":
            said[name] = [line] if line else []
        elif name and line:
            said[name].append(line)
    return "\n".join(summary).strip(), {name: " ".join(lines) for name, lines in said.items()}


def _sorted_lines(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Each line as `summary`, the first line of an `item`, or `more` of it; what is in other sections is left out."""
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
    """The section that begins with this line, if one does."""
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
    """Name and first words, where the line begins what is said of a parameter."""
    if found := _REST_ITEM.match(line):
        return found[1], found[2]
    if section == "numpy" and (found := _NUMPY_ITEM.match(line)):
        return found[1], ""
    if section == "google" and (found := _GOOGLE_ITEM.match(line)):
        return found[1], found[2]
    return None
