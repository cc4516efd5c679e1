"""The model factory. What it makes lies in the modules beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, overload

from msgflux_like.errors import InvalidRequestError

if TYPE_CHECKING:
    from msgflux_like._wire.secrets import ApiKey
    from msgflux_like.models.chat_completion import ChatCompletion
    from msgflux_like.models.text_completion import TextCompletion
    from msgflux_like.models.text_embedder import TextEmbedder

# The class of each kind, in the module of its name.
_TYPES = {"chat_completion": "ChatCompletion", "text_completion": "TextCompletion", "text_embedder": "TextEmbedder"}
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
        return _made("chat_completion", path, options)

    @staticmethod
    def text_completion(path: str, /, **options: Any) -> TextCompletion:
        """A model that goes on from a prompt; for the options see `TextCompletion`."""
        return _made("text_completion", path, options)

    @staticmethod
    def text_embedder(path: str, /, **options: Any) -> TextEmbedder:
        """A model that makes vectors of texts; for the options see `TextEmbedder`."""
        return _made("text_embedder", path, options)

    @staticmethod
    def model_types() -> list[str]:
        """The kinds of model there are."""
        return list(_TYPES)

    @staticmethod
    def providers() -> dict[str, list[str]]:
        """The providers of each kind, by name: those that speak a format which has it."""
        from msgflux_like.providers import resolve  # noqa: PLC0415

        return {
            kind: sorted(
                {
                    *(name for name in resolve.provider_names() if _has(kind, name)),
                    *(name for known, name in _registered if known == kind),
                }
            )
            for kind in _TYPES
        }

    @staticmethod
    def from_serialized(
        provider: str,
        model_type: str,
        state: Mapping[str, Any],
        msgflux_type: str = "model",
        *,
        api_key: ApiKey | None = None,
        cache: Any = None,
    ) -> Any:
        """The model that `model.serialize()` described: `Model.from_serialized(**state)`.

        The key is not part of the state: it is read from the environment, or given here. A cache that the state names
        on a server or in a file must be named again, by `cache` as the model takes it; False is none.
        """
        if msgflux_type != "model":
            raise InvalidRequestError(f"msgflux_type is {msgflux_type!r}: this is not a serialized model")
        if model_type not in _TYPES:
            raise InvalidRequestError(f"there is no model type {model_type!r}; there are {', '.join(_TYPES)}")
        kind: Any = _registered.get((model_type, provider)) or _class(model_type)
        if not hasattr(kind, "from_serialized"):
            raise InvalidRequestError(f"{kind.__name__} has no from_serialized: a model of it is made anew")
        return kind.from_serialized(provider, state, api_key=api_key, **({} if cache is None else {"cache": cache}))


def _class(kind: str) -> Any:
    """The class of that kind of model, imported when it is first needed."""
    return getattr(import_module(f"msgflux_like.models.{kind}"), _TYPES[kind])


def _has(kind: str, provider: str) -> bool:
    if kind == "chat_completion":
        return True
    from msgflux_like.providers import resolve  # noqa: PLC0415

    try:
        _class(kind).spoken(resolve.find_row(provider, ""))
    except InvalidRequestError:
        return False
    return True


def _made(kind: str, path: str, options: dict[str, Any]) -> Any:
    registered = _registered.get((kind, str(path).partition("/")[0]))
    return (registered or _class(kind))(path, **options)
