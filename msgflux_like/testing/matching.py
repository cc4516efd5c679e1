"""Which recorded request one is, and in what it differs from the one that is nearest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast
from urllib.parse import SplitResult, urlsplit

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from msgflux_like._json import as_list, as_mapping
from msgflux_like._wire.urls import is_loopback
from msgflux_like.testing.cassette_format import Request

_SHOWN = 5
_ABSENT: Final[Any] = object()
_FIELD: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]{0,39}")

_encoder: Final = msgspec.json.Encoder(order="sorted")


def key_of(request: Request) -> bytes:
    """Requests with the same key are equal: method, URL and body, whatever the order of the body's fields.

    The port of a loopback address does not count: servers of one's own take another one each time.
    """
    return _encoder.encode(replace(request, url=_place(request.url), headers={}))


def _place(url: str) -> str:
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or ""):
        return url
    return SplitResult(parts.scheme, "loopback", parts.path, parts.query, "").geturl()


def nearest(asked: Request, recorded: Sequence[Request]) -> tuple[int | None, tuple[str, ...]]:
    """Number, from 1, of the recorded request that differs least, and the differences."""
    found = [tuple(differences(asked, each)) for each in recorded]
    if not found:
        return None, ()
    number = min(range(len(found)), key=lambda index: len(found[index]))
    return number + 1, found[number]


def told(differences: Sequence[str]) -> str:
    """The first few, as a text."""
    more = len(differences) - _SHOWN
    return "; ".join(differences[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def differences(asked: Request, recorded: Request) -> Iterator[str]:
    """Where the two differ: a JSON path, what is there, and what was recorded there. No text of theirs."""
    if asked.method != recorded.method or _place(asked.url) != _place(recorded.url):
        yield f"{asked.method} {asked.url} (recorded: {recorded.method} {recorded.url})"
    if asked.json is UNSET or recorded.json is UNSET:
        if (asked.json, asked.text, asked.base64) != (recorded.json, recorded.text, recorded.base64):
            yield f"the body (is {_body(asked)}; recorded: {_body(recorded)})"
    else:
        yield from _between(asked.json, recorded.json, "$")


def _body(request: Request) -> str:
    return "JSON" if request.json is not UNSET else "a text" if request.text is not UNSET else "binary"


def _between(asked: Any, recorded: Any, path: str) -> Iterator[str]:
    same = type(asked) is type(recorded) and asked == recorded
    if isinstance(asked, dict) and isinstance(recorded, dict):
        one, two = as_mapping(asked), as_mapping(recorded)
        for name in sorted({*one, *two}):
            yield from _between(one.get(name, _ABSENT), two.get(name, _ABSENT), f"{path}.{_name(name)}")
    elif isinstance(asked, list) and isinstance(recorded, list):
        items, others = as_list(cast("Any", asked)), as_list(cast("Any", recorded))
        for index in range(max(len(items), len(others))):
            one = items[index] if index < len(items) else _ABSENT
            two = others[index] if index < len(others) else _ABSENT
            yield from _between(one, two, f"{path}[{index}]")
    elif not same:
        yield f"{path} ({_form(asked, path)}; recorded: {_form(recorded, path)})"


def _name(name: str) -> str:
    """A field's name; what does not look like one may be anything, a part of a prompt too."""
    return name if _FIELD.fullmatch(name) else "*"


def _form(value: Any, path: str) -> str:
    """What is there, in short. Shown is the model, and what is neither a text nor inside of something."""
    if value is _ABSENT:
        return "nothing"
    if isinstance(value, str):
        return repr(value) if path == "$.model" else f"a text of {len(value)} characters"
    if isinstance(value, list):
        return f"a list of {len(as_list(cast('Any', value)))}"
    if isinstance(value, dict):
        return f"an object with {len(as_mapping(cast('Any', value)))} fields"
    if value is None or path.count(".") + path.count("[") == 1:
        return msgspec.json.encode(value).decode()
    return "a boolean" if isinstance(value, bool) else "a number"
