"""The state of a model as plain JSON, for saving, copying and pickling, and models restored from it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from msgflux_like._http.connections import Transport
from msgflux_like._http.deadline import Timeouts
from msgflux_like._http.retry import Retries
from msgflux_like._validate import check_mapping
from msgflux_like._wire.secrets import ApiKey
from msgflux_like.calls.options import ConnectionOptions
from msgflux_like.errors import InvalidRequestError, MissingKeyError
from msgflux_like.providers import config, resolve

if TYPE_CHECKING:
    from msgflux_like.cache import ResponseCache
    from msgflux_like.catalog.profiles import ModelProfile

_STORED = ("base_url", "dialect", "base_model", "max_retries", "timeout", "extra_body", "cache")


class Serializable:
    """Base of models that can be serialized, copied and pickled."""

    model_type: ClassVar[str]
    _STORED: ClassVar[tuple[str, ...]] = ()
    """Arguments that models of this kind add to the state."""

    provider: str
    model_id: str
    _row: config.Provider
    _base_model: str | None
    _model_profile: ModelProfile | None
    _given: dict[str, Any]
    _parameters: Mapping[str, Any]
    _retries: Retries
    _timeouts: Timeouts
    _extra_body: dict[str, Any]
    _extra_headers: Mapping[str, str]
    _transport: Transport
    _response_cache: ResponseCache | None

    def serialize(self) -> dict[str, Any]:
        """Return the state for `Model.from_serialized`, as plain JSON, without keys, extra headers and cached answers.

        Example:
            >>> import msgflux_like as mf
            >>> mf.Model.chat_completion("openai/gpt-4o", api_key="sk-...", temperature=0).serialize()["state"]
            {'model_id': 'gpt-4o', 'parameters': {'temperature': 0}, 'max_retries': 2}
        """
        return {
            "msgflux_type": "model",
            "provider": self.provider,
            "model_type": self.model_type,
            "state": copy.deepcopy(self._state()),
        }

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = {"model_id": self.model_id, "parameters": dict(self._parameters)}
        state |= {name: self._given[name] for name in ("base_url", "dialect") if self._given[name] is not None}
        if (base_model := self._stored_base_model()) is not None:
            state["base_model"] = base_model
        state["max_retries"] = self._retries.max_retries
        if self._timeouts != Timeouts():
            state["timeout"] = {name: getattr(self._timeouts, name) for name in Timeouts.__struct_fields__}
        if self._extra_body != self._row.extra_body:
            state["extra_body"] = self._extra_body
        if self._response_cache is not None:
            state["cache"] = self._response_cache.settings()
        return state

    def _stored_base_model(self) -> str | None:
        """Return the model that the caller named as the one behind this name; None where none was named."""
        profile = self._model_profile
        return self._base_model if profile is None else f"{profile.provider_id}/{profile.id}"

    @classmethod
    def from_serialized(
        cls, provider: str, state: Mapping[str, Any], *, api_key: ApiKey | None = None, cache: Any = None
    ) -> Self:
        """Return the model that `serialize` described.

        State from an untrusted place must not choose where a key is sent or what is written to. So a stored `base_url`
        gets the key of the environment only if it is on the provider's own host, and a stored cache on a server, or in
        a file outside of the library's own folder, is used only if `cache` names it.

        Args:
            provider: Name of the provider.
            state: The `state` that `serialize` returned.
            api_key: The key; the provider's environment variable if not given.
            cache: Replaces the stored cache; False for none.

        Raises:
            InvalidRequestError: If this is not the state of a model, or it names a cache that must be given again.
            MissingKeyError: If there is no key, or the stored `base_url` needs one to be given.
        """
        check_mapping("state", state, "the state of a model, as serialize() returns it")
        if unknown := sorted(set(state) - {*_STORED, *cls._STORED, "model_id", "parameters"}):
            raise InvalidRequestError(f"state has unknown fields: {', '.join(map(str, unknown))}")
        if not isinstance(state.get("model_id"), str):
            raise InvalidRequestError("state has no model_id: this is not the state of a model")
        parameters = check_mapping("state.parameters", state.get("parameters", {}))
        if extra := sorted(set(parameters) & set(ConnectionOptions.__annotations__)):
            raise InvalidRequestError(f"state has {', '.join(extra)} among its parameters")
        row = resolve.find_provider(provider, state["model_id"], cls.model_type)
        elsewhere = "base_url" in state and not config.is_own_host(row, state["base_url"])
        if elsewhere and api_key is None and (row.key_required or config.key_is_set(row)):
            raise MissingKeyError(
                f"the stored base_url is not {provider}'s own: pass api_key= to say which key may go there"
            )
        if cache is not None:
            state = {**state, "cache": cache}
        elif "cache" in state:
            from msgflux_like.cache import check_stored  # noqa: PLC0415  only for models with a cache

            check_stored(state["cache"])
        return cls._of_state(provider, state, api_key)

    @classmethod
    def _of_state(cls, provider: str, state: Mapping[str, Any], api_key: ApiKey | None = None) -> Self:
        options = {name: state[name] for name in (*_STORED, *cls._STORED) if name in state}
        if "timeout" in options:
            options["timeout"] = Timeouts(**options["timeout"])
        make: Any = cls  # each kind of model has its own arguments
        return make(f"{provider}/{state['model_id']}", api_key=api_key, **options, **state.get("parameters", {}))

    def __reduce__(self) -> tuple[Any, ...]:
        if self._given["api_key"] or self._given["http_client"] or self._extra_headers:
            raise TypeError(
                "a model that was given a key, headers or an http_client cannot be pickled: "
                "put the key into the environment, or make the model anew where it is needed"
            )
        # Not `from_serialized`: a pickle has to be trusted anyway, since loading it runs code.
        return self._of_state, (self.provider, self.serialize()["state"])

    def __copy__(self) -> Self:
        return self.__deepcopy__({})

    def __deepcopy__(self, _memo: Any) -> Self:
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        copied._transport = Transport(self._given["http_client"])
        return copied
