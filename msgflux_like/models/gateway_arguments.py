"""What a gateway is given, checked: models, keys, weights, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, cast

from msgflux_like import errors
from msgflux_like.errors import InvalidRequestError
from msgflux_like.models import Model
from msgflux_like.models.chat_completion import ChatCompletion

Order = Literal["given", "price", "context", "weight"]
_ORDERS: Final = ("given", "price", "context", "weight")


def checked_order(order: Any) -> Order:
    """One of the words for it."""
    if order not in _ORDERS:
        raise InvalidRequestError(f"order must be one of {', '.join(_ORDERS)}, not {order!r}")
    return order


def models_of(given: Any, keys: Mapping[str, Sequence[str]]) -> list[ChatCompletion]:
    """The model, or one for each key of its provider."""
    if not isinstance(given, (str, ChatCompletion)):
        raise InvalidRequestError(f"models must be chat models or their paths, not {type(given).__name__}")
    provider = given.partition("/")[0] if isinstance(given, str) else given.provider
    if not keys.get(provider):
        return [Model.chat_completion(given) if isinstance(given, str) else given]
    if not isinstance(given, str):
        raise InvalidRequestError(f"keys has some for {provider}: give its models by their paths")
    return [Model.chat_completion(given, api_key=key) for key in keys[provider]]


def checked_keys(keys: Mapping[str, Any] | None) -> Mapping[str, Sequence[str]]:
    """Lists of keys, by provider; the error shows none."""
    for provider, given in (keys or {}).items():
        if not isinstance(given, (list, tuple)) or not given:
            raise InvalidRequestError(f"keys[{provider!r}] must be a list of keys, not {_kind(given)}")
    return keys or {}


def _kind(value: Any) -> str:
    return type(value).__name__


def checked_weights(weights: Any, models: int, order: Order) -> list[float]:
    """A weight for each of that many models; the same for all where none are given."""
    if weights is None:
        return [1.0] * models
    if order != "weight":
        raise InvalidRequestError(f'weights need order="weight", not {order!r}')
    given = cast("Sequence[Any]", weights if isinstance(weights, (list, tuple)) else ())
    if len(given) != models or not all(isinstance(weight, (int, float)) and weight > 0 for weight in given):
        raise InvalidRequestError(f"weights must be {models} numbers above 0, one for each model")
    return list(given)


def checked_errors(on: Any) -> tuple[type[Exception], ...]:
    """Classes of errors; one alone is taken for a tuple of it."""
    given = cast("Sequence[Any]", on if isinstance(on, (list, tuple)) else (on,))
    if not all(isinstance(error, type) and issubclass(error, Exception) for error in given):
        raise InvalidRequestError("on must be classes of errors, such as (mf.errors.APIError,)")
    return tuple(given)


def name_of(error: type[Exception]) -> str:
    """Its name in a state. TypeError for one that is not of this library."""
    if getattr(errors, error.__name__, None) is not error:
        raise TypeError(f"on has {error.__name__}, which is not of msgflux_like.errors: make the gateway anew")
    return error.__name__


def error_of(name: Any) -> type[Exception]:
    """The error of that name, of this library alone: a state may come from anywhere."""
    found = getattr(errors, name, None) if isinstance(name, str) else None
    if not (isinstance(found, type) and issubclass(found, errors.MsgfluxError)):
        raise InvalidRequestError(f"on: there is no error {name!r}")
    return found
