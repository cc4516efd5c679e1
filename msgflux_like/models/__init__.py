"""The model factory. What it makes lies in the modules beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from msgflux_like.errors import InvalidRequestError

if TYPE_CHECKING:
    from msgflux_like.models.chat_completion import ChatCompletion
    from msgflux_like.request import Ask

_TYPES = ("chat_completion",)
_registered: dict[tuple[str, str], Callable[..., Any]] = {}

T = TypeVar("T", bound=type[Any])


@overload
def register_model(cls: T) -> T: ...
@overload
def register_model(*, override: bool = False) -> Callable[[T], T]: ...
def register_model(cls: T | None = None, *, override: bool = False) -> T | Callable[[T], T]:
    """Make a class the models of a provider: a decorator, for what no provider row can say.

    The class has `model_type` and `provider`, and is called with the path and the options of
    `Model.chat_completion`. A name that is taken needs `override=True`.
    """

    def register(kind: T) -> T:
        model_type, provider = getattr(kind, "model_type", None), getattr(kind, "provider", None)
        if model_type not in _TYPES or not isinstance(provider, str) or not provider:
            raise InvalidRequestError(
                f"{kind.__name__} needs a model_type (one of {', '.join(_TYPES)}) and the name of a provider"
            )
        if not override and provider in Model.providers()[model_type]:
            raise InvalidRequestError(f"the provider {provider!r} is there already: register it with override=True")
        _registered[model_type, provider] = kind
        return kind

    return register if cls is None else register(cls)


class Model:
    """Makes models: `Model.chat_completion("openai/gpt-4o")`."""

    @staticmethod
    def chat_completion(path: str, /, **options: Any) -> ChatCompletion:
        """A chat model, named by `provider/model`; for the options see `ChatCompletion`."""
        registered = _registered.get(("chat_completion", str(path).partition("/")[0]))
        if registered is not None:
            return registered(path, **options)
        from msgflux_like.models.chat_completion import ChatCompletion  # noqa: PLC0415  importing costs nothing so

        return ChatCompletion(path, **options)

    @staticmethod
    def model_types() -> list[str]:
        """The kinds of model there are."""
        return list(_TYPES)

    @staticmethod
    def providers() -> dict[str, list[str]]:
        """The providers of each kind, by name."""
        from msgflux_like import resolve  # noqa: PLC0415

        names = {*resolve.provider_names(), *(provider for _, provider in _registered)}
        return {"chat_completion": sorted(names)}

    @staticmethod
    def from_serialized(
        provider: str,
        model_type: str,
        state: Mapping[str, Any],
        msgflux_type: str = "model",
        *,
        api_key: str | Ask | None = None,
    ) -> ChatCompletion:
        """The model that `model.serialize()` described: `Model.from_serialized(**state)`.

        The key is not part of the state: it is read from the environment, or given here.
        """
        from msgflux_like.models.chat_completion import ChatCompletion  # noqa: PLC0415

        if msgflux_type != "model":
            raise InvalidRequestError(f"msgflux_type is {msgflux_type!r}: this is not a serialized model")
        if model_type not in _TYPES:
            raise InvalidRequestError(f"there is no model type {model_type!r}; there are {', '.join(_TYPES)}")
        return ChatCompletion.from_serialized(provider, state, api_key=api_key)
