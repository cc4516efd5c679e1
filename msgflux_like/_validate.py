"""Check the type and the range of one argument of a public call, and suggest similar names for an unknown one.

Every error names the argument, what it must be, and the type that was given; never a string's contents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from math import inf
from numbers import Integral, Real
from typing import Any, cast

from msgflux_like.errors import InvalidRequestError

_NUMBERS: tuple[type[Any], ...] = (int, float, Real, Decimal)


def refusal(name: str, expected: str, value: object, *, is_secret: bool = False) -> InvalidRequestError:
    """Return the error about an argument of the wrong type. It shows numbers, unless they are secret."""
    kind = type(value).__name__
    given = f"{value!r} ({kind})" if isinstance(value, (bool, int, float)) and not is_secret else kind
    return InvalidRequestError(f"{name} must be {expected}, not {given}")


def require(name: str, value: Any, expected: str, *, is_right: bool, is_secret: bool = False) -> Any:
    """Return the value, if it is right."""
    if not is_right:
        raise refusal(name, expected, value, is_secret=is_secret)
    return value


def check_number(
    name: str, value: Any, expected: str, *, low: float = -inf, high: float = inf, above: float = -inf
) -> float:
    """Return the number, as a plain int or float. Other libraries' real numbers and Decimal are accepted."""
    if not isinstance(value, _NUMBERS) or isinstance(value, bool):
        raise refusal(name, expected, value)
    number: float = value if type(value) in (int, float) else _plain(value)
    if not (low <= number <= high and above < number < inf):  # no comparison holds for a NaN
        raise InvalidRequestError(f"{name} must be {expected}, not {number!r}")
    return number


def _plain(value: Any) -> float:
    return int(value) if isinstance(value, Integral) else float(value)


def check_integer(name: str, value: Any, expected: str, *, low: float = -inf, high: float = inf) -> int:
    """Return the whole number, as a plain int. Other libraries' integers are accepted; floats and bools are not."""
    if isinstance(value, bool) or not isinstance(value, (int, Integral)):
        raise refusal(name, expected, value)
    number = int(value)
    if not low <= number <= high:
        raise InvalidRequestError(f"{name} must be {expected}, not {number!r}")
    return number


def check_seconds(name: str, value: Any) -> float:
    """Return a duration in seconds: finite, and more than 0."""
    return check_number(name, value, "a number of seconds above 0", above=0)


def check_count(name: str, value: Any, low: int = 0) -> int:
    """Return a whole number of at least `low`."""
    return check_integer(name, value, f"a whole number of at least {low}", low=low)


def check_instance(name: str, value: Any, kinds: type | tuple[type, ...], expected: str) -> Any:
    """Return the value, if it is an instance of one of the types."""
    return require(name, value, expected, is_right=isinstance(value, kinds))


def check_string(name: str, value: Any) -> str:
    """Return the string."""
    return check_instance(name, value, str, "a string")


def check_boolean(name: str, value: Any) -> bool:
    """Return the bool. A 0 or a 1 is refused."""
    return check_instance(name, value, bool, "True or False")


def check_callable(name: str, value: Any, expected: str = "a function") -> Callable[..., Any]:
    """Return the function, or another object that can be called."""
    return require(name, value, expected, is_right=callable(value))


def check_mapping(name: str, value: Any, expected: str = "a dict") -> Mapping[str, Any]:
    """Return the mapping, if all of its keys are strings."""
    if not isinstance(value, Mapping):
        raise refusal(name, expected, value)
    mapping = cast("Mapping[Any, Any]", value)
    if (key := next((key for key in mapping if not isinstance(key, str)), None)) is not None:
        raise refusal(f"each key of {name}", "a string", key)
    return mapping


def one_of(words: tuple[str, ...]) -> str:
    """Return the words as an alternative: `"a", "b" or "c"`."""
    *some, last = (f'"{word}"' for word in words)
    return f"{', '.join(some)} or {last}" if some else last


def check_choice(name: str, value: Any, words: tuple[str, ...]) -> str:
    """Return the word, if it is one of `words`."""
    if not isinstance(value, str):
        raise refusal(name, one_of(words), value)
    if value not in words:
        shown = value if len(value) <= 30 else f"{value[:27]}..."
        raise InvalidRequestError(f"{name} must be {one_of(words)}, not {shown!r}")
    return value


def similar_names(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return at most `limit` of the `known` names that are similar to `name`, whatever their case."""
    from difflib import get_close_matches  # noqa: PLC0415  needed only for an error

    originals = {each.lower(): each for each in known}
    return [originals[each] for each in get_close_matches(name.lower(), originals, n=limit, cutoff=0.6)]


def did_you_mean(name: str, known: tuple[str, ...] | list[str]) -> str:
    """Return `: did you mean ...?`, or the list of all names where none is similar and the list is short."""
    if close := similar_names(name, known):
        return f": did you mean {' or '.join(close)}?"
    return f"; there are {', '.join(known)}" if len(known) <= 30 else ""
