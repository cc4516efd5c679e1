"""Decoding of an answer to a value of its type: strictly, and if that fails, by searching the answer for JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from msgflux_like.errors import OutputParsingError
from msgflux_like.request import Change
from msgflux_like.structured.json_schema.lowering import Lowered
from msgflux_like.structured.json_schema.schema import Target

MAX_CHARS: Final = 16 * 1024 * 1024
MAX_DEPTH: Final = 200
_MOST_CANDIDATES: Final = 20

_any = msgspec.json.Decoder()
_FENCE: Final = re.compile(r"```[A-Za-z]*[ \t]*\r?\n(.*?)```", re.DOTALL)
_MARK: Final = re.compile(r'["\\{}\[\],]')
_QUOTE: Final = re.compile(r'["\\]')
_WRONG: Final = (ValueError, RecursionError)  # msgspec's errors and RestoreError are ValueErrors


def read(
    text: str, target: Target, lowered: Lowered, finish_reason: str | None, *, strict: bool = True
) -> tuple[Any, tuple[Change, ...]]:
    """Return the value and the changes that were needed to decode it; raise OutputParsingError if it cannot be decoded.

    An answer that was cut by the token limit is not searched: a complete object in it may be a part of another one.
    """
    try:
        _check_size(text)
        return _value(text, target, lowered, strict=strict), ()
    except _WRONG as error:
        first = error
    if finish_reason != "length" and len(text) <= MAX_CHARS:
        for candidate, what in _candidates(text):
            try:
                value = _value(candidate, target, lowered, strict=strict)
            except _WRONG:
                continue
            return value, (Change("recovered", "text", f"{what} around the JSON was passed over"),)
    raise failure(text, first, finish_reason)


def _check_size(text: str) -> None:
    if len(text) > MAX_CHARS:
        raise ValueError(f"it is longer than {MAX_CHARS} characters")


def _value(text: str, target: Target, lowered: Lowered, *, strict: bool) -> Any:
    if not lowered.alters:
        return target.decode(text, wrapped=lowered.wrapped, strict=strict)
    return target.convert(lowered.restore(_any.decode(text)), strict=strict)


def failure(text: str, error: Exception, finish_reason: str | None) -> OutputParsingError:
    """Return the error for an answer that does not match the type."""
    reason, _, path = str(error).partition(" - at `")
    if isinstance(error, RecursionError):
        reason = "it is nested too deeply"
    elif not text.strip():
        reason = "it is empty"
    cut = "it was cut by max_tokens: " if finish_reason == "length" else ""
    where = f" at {path.rstrip('`')}" if path else ""
    return OutputParsingError(
        f"the answer is not what generation_schema asks for: {cut}{reason}{where}",
        raw_text=text,
        finish_reason=finish_reason,
        path=path.rstrip("`"),
    )


# --------------------------------------------------------------------------------------------------------- recovery


def _candidates(text: str) -> Iterator[tuple[str, str]]:
    """Yield possible JSON texts and a description of what surrounds each; the most likely first, at most about 40."""
    repaired = without_trailing_commas(text)
    if repaired != text:
        yield repaired, "a trailing comma"
    places = [(fence.group(1), "a code fence") for fence in _FENCE.finditer(text)]
    places += [(found, "text") for found in _balanced(text)]
    for found, what in places[:_MOST_CANDIDATES]:
        yield found, what
        if (repaired := without_trailing_commas(found)) != found:
            yield repaired, f"{what} and a trailing comma"


def _balanced(text: str) -> Iterator[str]:
    """Yield the balanced parts of the text, each from an opening to its closing bracket; stop at an unclosed one."""
    at = 0
    for _ in range(_MOST_CANDIDATES):
        starts = [place for place in (text.find("{", at), text.find("[", at)) if place >= 0]
        if not starts:
            return
        end = _end(text, min(starts))
        if end is None:
            return
        yield text[min(starts) : end]
        at = end


def _end(text: str, start: int) -> int | None:
    """Return the position after the bracket that closes the one at `start`; None if unclosed or nested too deeply."""
    depth = 0
    at = start
    while (mark := _MARK.search(text, at)) is not None:
        at = mark.end()
        sign = mark.group()
        if sign == '"':
            if (closed := _end_of_string(text, at)) is None:
                return None
            at = closed
        elif sign in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                return None
        elif sign in "}]":
            depth -= 1
            if not depth:
                return at
    return None


def _end_of_string(text: str, at: int) -> int | None:
    while (mark := _QUOTE.search(text, at)) is not None:
        if mark.group() == '"':
            return mark.end()
        at = mark.end() + 1
    return None


def without_trailing_commas(text: str) -> str:
    """Remove the commas before closing brackets, except in strings."""
    kept: list[str] = []
    begin = at = 0
    while (mark := _MARK.search(text, at)) is not None:
        at = mark.end()
        if mark.group() == '"':
            closed = _end_of_string(text, at)
            if closed is None:
                break
            at = closed
        elif mark.group() == ",":
            rest = _SPACE.match(text, at)
            after = rest.end() if rest else at
            if text[after : after + 1] in ("}", "]"):
                kept.append(text[begin : mark.start()])
                begin = at
    kept.append(text[begin:])
    return "".join(kept)


_SPACE: Final = re.compile(r"\s*")
