"""Plain Python functions as tools: schemas from signatures and docstrings, arguments decoded to annotated types."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, cast, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

import msgspec

from msgflux_like.errors import InvalidRequestError
from msgflux_like.tools.docstrings import read_docstring

Function = Callable[..., Any]

_VARIADIC = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


class Tool(NamedTuple):
    """Description of a function as a tool. It has no reference to the function, so that a cache keeps none alive.

    Attributes:
        name: Name offered to the model.
        schema: Tool schema in OpenAI's format.
        arguments: Struct to which the arguments are decoded.
        positional: Positional-only parameters.
    """

    name: str
    schema: dict[str, Any]
    arguments: type[msgspec.Struct]
    positional: tuple[str, ...]


def function_schema(function: Function) -> dict[str, Any]:
    """Return the tool schema of a function in OpenAI's format. It is computed once per function.

    Args:
        function: Function, bound method, or callable with a `__name__`; sync or async. Every parameter needs an
            annotation. A parameter is described by `Annotated[..., "text"]`, by
            `Annotated[..., msgspec.Meta(description=...)]`, or by the docstring (Google, numpy or reST style).

    Returns:
        `{"type": "function", "function": {"name", "description", "parameters"}}`. Do not change it: it is shared.

    Raises:
        InvalidRequestError: If an annotation is missing or not representable in JSON, or if the function has `*args` or
            `**kwargs`; the message names the function and the parameter.

    Example:
        >>> def add(a: int, b: int = 1) -> int:
        ...     "Add two numbers."
        ...     return a + b
        >>> function_schema(add)["function"]["description"]
        'Add two numbers.'
        >>> function_schema(add)["function"]["parameters"]["required"]
        ['a']
    """
    return describe(function).schema


def describe(function: Function) -> Tool:
    """Return the description of a function as a tool, computed once per function."""
    known = _known_methods if inspect.ismethod(function) else _known
    key = getattr(function, "__func__", function)
    try:
        tool = known.get(key)
    except TypeError:  # not hashable or not weakly referenceable
        return _describe(function)
    if tool is None:
        tool = known[key] = _describe(function)
    return tool


_known: WeakKeyDictionary[Function, Tool] = WeakKeyDictionary()
_known_methods: WeakKeyDictionary[Function, Tool] = WeakKeyDictionary()  # by underlying function


def bind(function: Function, arguments: Mapping[str, Any]) -> Callable[[], Any]:
    """Return a call of `function` with the arguments of the model, decoded to the annotated types.

    Arguments that fit strictly are used unchanged; otherwise conversions such as `"3"` to 3 are tried.

    Raises:
        msgspec.ValidationError: If the arguments do not fit the annotations.
    """
    tool = describe(function)
    try:
        values = msgspec.convert(arguments, tool.arguments, str_keys=True)
    except msgspec.ValidationError as error:
        try:
            values = msgspec.convert(arguments, tool.arguments, str_keys=True, strict=False)
        except msgspec.ValidationError:
            raise error from None
    named = {name: getattr(values, name) for name in tool.arguments.__struct_fields__}
    positional = [named.pop(name) for name in tool.positional]
    return lambda: function(*positional, **named)


def _describe(function: Function) -> Tool:
    name = getattr(function, "__name__", None)
    if inspect.isclass(function) or not isinstance(name, str):
        raise InvalidRequestError(f"{function!r} cannot be a tool: use a function, or a callable that has a __name__")
    text, described = read_docstring(inspect.getdoc(function) or "")
    parameters = _parameters(function, name)
    fields = [_field(each, hint, described.get(each.name), name) for each, hint in parameters]
    arguments = msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True, module=__name__)
    summary = {"name": name, "description": text, "parameters": _object_schema(arguments)}
    return Tool(
        name,
        {"type": "function", "function": {key: value for key, value in summary.items() if value}},
        arguments,
        tuple(each.name for each, _ in parameters if each.kind is inspect.Parameter.POSITIONAL_ONLY),
    )


def _parameters(function: Function, name: str) -> list[tuple[inspect.Parameter, Any]]:
    """Return the parameters with their resolved annotations."""
    parameters = list(inspect.signature(function).parameters.values())
    for each in parameters:
        if stars := _VARIADIC.get(each.kind):
            raise InvalidRequestError(f"{name}: {stars}{each.name} has no schema: name each parameter")
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
    """Return the names that the function closes over, which annotations may use."""
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    cells = getattr(function, "__closure__", None) or ()
    return {name: cell.cell_contents for name, cell in zip(names, cells, strict=True)}


def _field(parameter: inspect.Parameter, hint: Any, description: str | None, function: str) -> tuple[str, Any, Any]:
    hint = _with_description(hint, description)
    try:
        msgspec.json.schema(hint)
    except (TypeError, RecursionError):
        place = f"{function}: the parameter {parameter.name!r}"
        raise InvalidRequestError(f"{place} is of a type that JSON cannot represent: {parameter.annotation}") from None
    default = parameter.default
    if default is inspect.Parameter.empty:
        return parameter.name, hint, msgspec.NODEFAULT
    if default is None or isinstance(default, (str, int, float, bool, enum.Enum)):
        return parameter.name, hint, default
    return parameter.name, hint, msgspec.field(default_factory=lambda: default)


def _with_description(hint: Any, description: str | None) -> Any:
    """Return `hint` with its description as `msgspec.Meta`; an annotation takes precedence over the docstring."""
    bare, notes = hint, ()
    if get_origin(hint) is Annotated:
        bare, *notes = get_args(hint)
    texts = [note for note in notes if isinstance(note, str)]
    metas = [note for note in notes if isinstance(note, msgspec.Meta)]
    if any(meta.description for meta in metas):
        description = None
    elif texts:
        description = texts[0]
    if description:
        metas.append(msgspec.Meta(description=description))
    for meta in metas:
        bare = Annotated[bare, meta]
    return bare


def _object_schema(arguments: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the struct's schema as one object, with referenced types in `$defs`."""
    (root,), others = msgspec.json.schema_components([arguments], ref_template="#/$defs/{name}")
    schema = cast("dict[str, Any]", others.pop(root["$ref"].rpartition("/")[2]))
    schema.pop("title", None)
    if others:
        schema["$defs"] = others
    return schema
