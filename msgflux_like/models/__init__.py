"""The model factory. What it makes lies in the modules beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgflux_like.errors import InvalidRequestError

if TYPE_CHECKING:
    from msgflux_like.models.chat_completion import ChatCompletion

_TYPES = ("chat_completion",)


class Model:
    """Makes models: `Model.chat_completion("openai/gpt-4o")`."""

    @staticmethod
    def chat_completion(path: str, /, **options: Any) -> ChatCompletion:
        """A chat model, named by `provider/model`; for the options see `ChatCompletion`."""
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

        return {"chat_completion": list(resolve.provider_names())}

    @staticmethod
    def from_serialized(
        provider: str,
        model_type: str,
        state: Mapping[str, Any],
        msgflux_type: str = "model",
        *,
        api_key: str | None = None,
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
