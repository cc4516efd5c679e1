"""Check the arguments of a gateway: models, keys, weights, error classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, cast

from msgflux_like import errors
from msgflux_like._validate import check_number, require
from msgflux_like.errors import InvalidRequestError
from msgflux_like.models import Model
from msgflux_like.models.chat_completion import ChatCompletion

Order = Literal["given", "price", "context", "weight"]


def checked_models(models: Any) -> list[Any]:
    """Return the models as a list. One model, or one path, is a list of it."""
    given: Any = [models] if isinstance(models, (str, ChatCompletion)) else models
    is_list = isinstance(given, Iterable) and not isinstance(given, (bytes, Mapping))
    listed = list(require("models", given, "a list of chat models or of their paths", is_right=is_list))
    if not listed:
        raise InvalidRequestError("models is empty: give at least one model")
    return listed


def models_of(given: Any, keys: Mapping[str, Sequence[str]]) -> list[ChatCompletion]:
    """Return the model, or a model for each key of its provider."""
    if not isinstance(given, (str, ChatCompletion)):
        raise InvalidRequestError(f"models must be chat models or their paths, not {type(given).__name__}")
    provider = given.partition("/")[0] if isinstance(given, str) else given.provider
    if not keys.get(provider):
        return [Model.chat_completion(given) if isinstance(given, str) else given]
    if not isinstance(given, str):
        raise InvalidRequestError(f"keys has some for {provider}: give its models by their paths")
    return [Model.chat_completion(given, api_key=key) for key in keys[provider]]


def checked_keys(keys: Mapping[str, Any] | None) -> Mapping[str, Sequence[str]]:
    """Return lists of keys, by provider. The error shows no key."""
    for provider, given in (keys or {}).items():
        is_list = isinstance(given, (list, tuple)) and len(cast("Sequence[Any]", given)) > 0
        require(f"keys[{provider!r}]", given, "a list of at least one key", is_right=is_list, is_secret=True)
    return keys or {}


def checked_weights(weights: Any, models: int, order: Order) -> list[float]:
    """Return a weight for each model; equal ones where none are given."""
    if weights is None:
        return [1.0] * models
    if order != "weight":
        raise InvalidRequestError(f'weights need order="weight", not {order!r}')
    given = cast("Sequence[Any]", weights if isinstance(weights, (list, tuple)) else ())
    if len(given) != models:
        raise InvalidRequestError(f"weights must be {models} numbers above 0, one for each model")
    expected = "a number above 0"
    return [check_number(f"weights[{index}]", each, expected, above=0) for index, each in enumerate(given)]


def checked_errors(on: Any) -> tuple[type[Exception], ...]:
    """Return the error classes as a tuple. One class is a tuple of it."""
    given = cast("Sequence[Any]", on if isinstance(on, (list, tuple)) else (on,))
    if not all(isinstance(error, type) and issubclass(error, Exception) for error in given):
        raise InvalidRequestError("on must be error classes, such as (mf.errors.APIError,)")
    return tuple(given)


def name_of(error: type[Exception]) -> str:
    """Return the name of an error class in a state. TypeError for a class that is not of this library."""
    if getattr(errors, error.__name__, None) is not error:
        raise TypeError(f"on has {error.__name__}, which is not of msgflux_like.errors: make the gateway anew")
    return error.__name__


def error_of(name: Any) -> type[Exception]:
    """Return the error class of that name. Only classes of this library: a state may come from an untrusted place."""
    found = getattr(errors, name, None) if isinstance(name, str) else None
    if not (isinstance(found, type) and issubclass(found, errors.MsgfluxError)):
        raise InvalidRequestError(f"on: there is no error {name!r}")
    return found
