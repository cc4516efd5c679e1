"""What a model is, as plain JSON, and a model made of it: for saving, copying and pickling."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from msgflux_like._http.connections import Transport
from msgflux_like._http.deadline import Timeouts
from msgflux_like._http.retry import Retries
from msgflux_like._wire.secrets import ApiKey
from msgflux_like.errors import InvalidRequestError, MissingKeyError
from msgflux_like.providers import config, resolve
from msgflux_like.request import ConnectionOptions

if TYPE_CHECKING:
    from msgflux_like.cache import ResponseCache

_STORED = ("base_url", "dialect", "max_retries", "timeout", "extra_body", "cache")


class Serializable:
    """The part of a model that is its state. What it was given is checked by the model itself."""

    model_type: ClassVar[str]
    STORED: ClassVar[tuple[str, ...]] = ()
    """What this kind of model adds to the state, under the names of its arguments."""

    provider: str
    model_id: str
    _row: config.Provider
    _given: dict[str, Any]
    _parameters: Mapping[str, Any]
    _retries: Retries
    _timeouts: Timeouts
    _extra_body: dict[str, Any]
    _extra_headers: Mapping[str, str]
    _transport: Transport
    _response_cache: ResponseCache | None

    def serialize(self) -> dict[str, Any]:
        """All that `Model.from_serialized` needs, as plain JSON. No key, extra header or cached answer is in it."""
        return {
            "msgflux_type": "model",
            "provider": self.provider,
            "model_type": self.model_type,
            "state": copy.deepcopy(self._state()),
        }

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = {"model_id": self.model_id, "parameters": dict(self._parameters)}
        state |= {name: self._given[name] for name in ("base_url", "dialect") if self._given[name] is not None}
        state["max_retries"] = self._retries.max_retries
        if self._timeouts != Timeouts():
            state["timeout"] = {name: getattr(self._timeouts, name) for name in Timeouts.__struct_fields__}
        if self._extra_body != self._row.extra_body:
            state["extra_body"] = self._extra_body
        if self._response_cache is not None:
            state["cache"] = self._response_cache.settings()
        return state

    @classmethod
    def from_serialized(
        cls, provider: str, state: Mapping[str, Any], *, api_key: ApiKey | None = None, cache: Any = None
    ) -> Self:
        """The model that `serialize` described. The key is read from the environment, or given.

        State that comes from elsewhere must not be able to choose where a key goes, or what is written to. A stored
        `base_url` gets the environment's key only if it is on the provider's own host (MissingKeyError). A stored
        cache on a server, or in a file outside of the library's own folder, is used only if `cache` names it
        (InvalidRequestError); what is given here, as to the model itself, is taken instead of what is stored.
        """
        if unknown := sorted(set(state) - {*_STORED, *cls.STORED, "model_id", "parameters"}):
            raise InvalidRequestError(f"state has unknown fields: {', '.join(map(str, unknown))}")
        if not isinstance(state.get("model_id"), str):
            raise InvalidRequestError("state has no model_id: this is not the state of a model")
        if extra := sorted(set(state.get("parameters", {})) & set(ConnectionOptions.__annotations__)):
            raise InvalidRequestError(f"state has {', '.join(extra)} among its parameters")
        row = resolve.find_provider(provider, state["model_id"], cls.model_type)
        elsewhere = "base_url" in state and not config.is_home(row, state["base_url"])
        if elsewhere and api_key is None and (row.key_required or config.key_is_set(row)):
            raise MissingKeyError(
                f"the stored base_url is not {provider}'s own: pass api_key= to say which key may go there"
            )
        if cache is not None:
            state = {**state, "cache": cache}
        elif "cache" in state:
            from msgflux_like.cache import check_stored  # noqa: PLC0415  for those who want one

            check_stored(state["cache"])
        return cls._of_state(provider, state, api_key)

    @classmethod
    def _of_state(cls, provider: str, state: Mapping[str, Any], api_key: ApiKey | None = None) -> Self:
        options = {name: state[name] for name in (*_STORED, *cls.STORED) if name in state}
        if "timeout" in options:
            options["timeout"] = Timeouts(**options["timeout"])
        make: Any = cls  # whose arguments these are
        return make(f"{provider}/{state['model_id']}", api_key=api_key, **options, **state.get("parameters", {}))

    def __reduce__(self) -> tuple[Any, ...]:
        if self._given["api_key"] or self._given["http_client"] or self._extra_headers:
            raise TypeError(
                "a model that was given a key, headers or an http_client cannot be pickled: "
                "put the key into the environment, or make the model anew where it is needed"
            )
        # Not `from_serialized`: a pickle is trusted, one from elsewhere could do worse than to name a base_url.
        return self._of_state, (self.provider, self.serialize()["state"])

    def __copy__(self) -> Self:
        return self.__deepcopy__({})

    def __deepcopy__(self, _memo: Any) -> Self:
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._transport = Transport(self._given["http_client"])
        return twin
