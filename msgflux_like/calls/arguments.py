"""Checks what a caller gives beside the messages, before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, cast

from msgspec import Struct

from msgflux_like._json import as_mapping
from msgflux_like._suggest import similar_names
from msgflux_like.errors import ChangeError, InvalidRequestError, UnknownParameterError
from msgflux_like.request import Change, Check, OnChange, OutputMode


class _Rule(Struct, frozen=True):
    kinds: tuple[type, ...]
    low: float | None = None
    high: float | None = None
    words: tuple[str, ...] = ()


_NUMBER = (int, float)
_RULES: Mapping[str, _Rule] = {
    "temperature": _Rule(_NUMBER, 0, 2),
    "max_tokens": _Rule((int,), 1),
    "top_p": _Rule(_NUMBER, 0, 1),
    "top_k": _Rule((int,), 0),
    "stop": _Rule((str, list, tuple)),
    "presence_penalty": _Rule(_NUMBER, -2, 2),
    "frequency_penalty": _Rule(_NUMBER, -2, 2),
    "seed": _Rule((int,)),
    "user": _Rule((str,)),
    "logprobs": _Rule((bool,)),
    "top_logprobs": _Rule((int,), 0, 20),
    "parallel_tool_calls": _Rule((bool,)),
    "reasoning_effort": _Rule((str,)),
    "reasoning_budget": _Rule((int,), 0),
}
OF_EMBEDDINGS: Mapping[str, _Rule] = {
    "dimensions": _Rule((int,), 1),
    "input_type": _Rule((str,), words=("query", "document", "classification", "clustering", "similarity")),
    "user": _Rule((str,)),
}
"""The parameters of embeddings, for `check_parameters` and `in_order`."""


def check_parameters(
    given: Mapping[str, Any], also: tuple[str, ...], rules: Mapping[str, _Rule] = _RULES
) -> dict[str, Any]:
    """Those that were given, checked. None is "not given", zeros and empty texts are values.

    `also` are the other keywords of the call, for the message about an unknown one (UnknownParameterError).
    """
    checked: dict[str, Any] = {}
    for name, value in given.items():
        rule = rules.get(name)
        if rule is None:
            raise _unknown(name, (*rules, *also))
        if value is None:
            continue
        if not isinstance(value, rule.kinds) or (isinstance(value, bool) and bool not in rule.kinds):
            kinds = " or ".join(kind.__name__ for kind in rule.kinds)
            raise InvalidRequestError(f"{name} must be {kinds}, not {type(value).__name__}")
        # Written so that a NaN, which no comparison holds for, is out of range.
        if (rule.low is not None and not value >= rule.low) or (rule.high is not None and not value <= rule.high):
            limits = f"at least {rule.low:g}" if rule.high is None else f"from {rule.low:g} to {rule.high:g}"
            raise InvalidRequestError(f"{name} must be {limits}, not {value!r}")
        if rule.words and value not in rule.words:
            raise InvalidRequestError(f"{name} must be one of {', '.join(rule.words)}, not {value!r}")
        checked[name] = _texts(name, cast("Sequence[Any]", value)) if isinstance(value, (list, tuple)) else value
    return in_order(checked, rules)


def in_order(parameters: Mapping[str, Any], rules: Mapping[str, _Rule] = _RULES) -> dict[str, Any]:
    """The same, whatever order they were given in: equal requests are equal byte for byte."""
    return {name: parameters[name] for name in rules if name in parameters}


def _texts(name: str, values: Sequence[Any]) -> list[str]:
    """A list of our own, so that the caller's may change later."""
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise InvalidRequestError(f"{name}[{index}] must be str, not {type(value).__name__}")
    return list(values)


def _unknown(name: str, known: tuple[str, ...]) -> UnknownParameterError:
    close = similar_names(name, known, limit=2)
    meant = f": did you mean {' or '.join(close)}?" if close else ""
    return UnknownParameterError(
        f"there is no parameter {name!r}{meant} (the provider's own fields go through extra_body=)"
    )


def check_headers(headers: Mapping[str, str] | None) -> Mapping[str, str]:
    """Headers that can go out: texts without line ends. The values are not shown in the error."""
    for name, value in as_mapping({} if headers is None else headers).items():
        if not isinstance(value, str) or not (name.isascii() and value.isascii()):
            raise InvalidRequestError(f"extra_headers[{name!r}] must be an ASCII text, not {type(value).__name__}")
        if not (name + value).isprintable():
            raise InvalidRequestError(f"extra_headers[{name!r}] holds a line end or another control character")
    return headers or {}


def check_retries(max_retries: Any) -> int:
    """Further requests after the first, 0 or more."""
    if not isinstance(max_retries, int) or isinstance(max_retries, bool) or max_retries < 0:
        raise InvalidRequestError(f"max_retries must be a whole number of at least 0, not {max_retries!r}")
    return max_retries


def check_seconds(name: str, seconds: Any) -> float:
    """A time limit in seconds, more than 0."""
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not seconds > 0:
        raise InvalidRequestError(f"{name} must be a number of seconds above 0, not {seconds!r}")
    return seconds


def timeout_of_environment() -> float | None:
    """`MSGFLUX_LIKE_TIMEOUT`, in seconds, if it is set."""
    text = os.environ.get("MSGFLUX_LIKE_TIMEOUT")
    if not text:
        return None
    try:
        return check_seconds("MSGFLUX_LIKE_TIMEOUT", float(text))
    except ValueError:
        raise InvalidRequestError("MSGFLUX_LIKE_TIMEOUT must be a number of seconds above 0") from None


def check_output_retries(call: Mapping[str, Any], *, stream: bool) -> None:
    """That there is something to ask again for."""
    if stream:
        raise InvalidRequestError(
            "output_retries does not go with stream=True: what was handed out cannot be asked for again"
        )
    if call.get("generation_schema") is None and call.get("typed_parser") is None:
        raise InvalidRequestError("output_retries needs a generation_schema or a typed_parser: else no answer is wrong")


def check_output_mode(output_mode: OutputMode | None) -> OutputMode | None:
    """One of the three ways, or none in particular."""
    if output_mode not in (None, "native", "tool", "prompted"):
        raise InvalidRequestError(f'output_mode must be "native", "tool" or "prompted", not {output_mode!r}')
    return output_mode


def check_check(check: Check) -> Check:
    """What to do about a request that the catalogue speaks against."""
    if check not in ("error", "warn", "off"):
        raise InvalidRequestError(f'check must be "error", "warn" or "off", not {check!r}')
    return check


def check_changes(changes: OnChange) -> OnChange:
    """What to do about a request that cannot be sent exactly as asked."""
    if changes not in ("record", "refuse"):
        raise InvalidRequestError(f'changes must be "record" or "refuse", not {changes!r}')
    return changes


def change_error(changes: tuple[Change, ...]) -> ChangeError:
    """What a call with `changes="refuse"` raises instead of sending something else."""
    listed = "; ".join(f"{change.field} {change.kind}: {change.detail}" for change in changes)
    return ChangeError(
        f'the request cannot be sent as asked: {listed} (changes="record" sends it all the same)', changes=changes
    )


def check_logprobs(parameters: Mapping[str, Any]) -> None:
    """That `top_logprobs` comes with what it needs."""
    if "top_logprobs" in parameters and not parameters.get("logprobs"):
        raise InvalidRequestError("top_logprobs needs logprobs=True")
