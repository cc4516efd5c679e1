"""Base of models of every kind: the provider's row, an endpoint with its key, connections, retries and the cache."""

from __future__ import annotations

import copy
from collections.abc import Generator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack

from msgspec import structs

from msgflux_like import dialects
from msgflux_like._attrdict import dotdict
from msgflux_like._concurrency.threads import to_thread
from msgflux_like._context import ClosesOnExit
from msgflux_like._http.connections import Transport
from msgflux_like._http.deadline import Timeouts
from msgflux_like._http.exchange import exchange
from msgflux_like._http.interception import Interceptor
from msgflux_like._http.retry import Retries
from msgflux_like._http.steps import Step
from msgflux_like._wire.secrets import ApiKey
from msgflux_like.calls.arguments import check_timeout, sampling_of, timeout_from_environment
from msgflux_like.calls.base_model import ModelFacts, facts_of
from msgflux_like.calls.options import Check, ConnectionOptions
from msgflux_like.calls.state import Serializable
from msgflux_like.catalog.profiles import ModelProfile
from msgflux_like.errors import MissingKeyError, NotFoundError
from msgflux_like.providers import config, resolve
from msgflux_like.request import Endpoint, HttpRequest

if TYPE_CHECKING:
    from msgflux_like.cache import ResponseCache


class ProviderModel(Serializable, ClosesOnExit):
    """A model of one provider. Stateless, and safe to call from any mix of threads and event loops.

    Args:
        path: `provider/model`, split at the first slash.
        parameters: Parameters of every request, as the subclass has checked them.
        options: `ConnectionOptions`, as the subclass has checked them.

    Raises:
        UnknownProviderError: If no such provider exists; the message suggests similar names.
        MissingKeyError: If the provider needs a key and none is set; the message names the variables.
    """

    def __init__(self, path: str, parameters: Mapping[str, Any], **options: Unpack[ConnectionOptions]) -> None:
        self.provider, self.model_id = resolve.split_path(path)
        self._base_model: str | None = options.get("base_model")
        self._model_profile: ModelProfile | None = options.get("model_profile")
        row = resolve.find_provider(self.provider, self._facts.model_id, self.model_type)
        dialect, client = options.get("dialect"), options.get("http_client")
        base_url, api_key = options.get("base_url"), options.get("api_key")
        self._row = self._row_of(row if dialect is None else config.with_dialect(row, dialect))
        self._given = {"api_key": api_key is not None, "base_url": base_url, "dialect": dialect, "http_client": client}
        self._dialect = dialects.load(self._row.dialect)
        self._parameters = parameters
        try:
            endpoint = config.endpoint(self._row, base_url=base_url, api_key=api_key, model=self.model_id)
        except MissingKeyError as error:
            raise resolve.explain_missing_key(error, self.profile) from None
        self._endpoint = self._with_model_quirks(endpoint)
        timeout = options.get("timeout")
        self._timeouts = Timeouts(total_s=timeout_from_environment()) if timeout is None else check_timeout(timeout)
        max_retries = options.get("max_retries")
        self._retries = Retries() if max_retries is None else Retries(max_retries)
        self._extra_body = copy.deepcopy({**self._row.extra_body, **(options.get("extra_body") or {})})
        self._extra_headers = dict(options.get("extra_headers") or {})
        self._check: Check = options.get("check") or "error"
        self._refuses_changes = options.get("changes") == "refuse"
        self._transport = Transport(client)
        self._response_cache = _cache_from(options)
        self._closes_cache = self._response_cache is not options.get("cache")

    @classmethod
    def _row_of(cls, row: config.Provider) -> config.Provider:
        """Return the row in the dialect that models of this kind use there. UnsupportedError where there is none."""
        return row

    def _serve(self, base_url: str | None = None) -> tuple[Endpoint, str]:
        """Return the endpoint and the model's name there. The first call finds or starts a server on this machine."""
        if not self._row.embedded:
            return self._endpoint, self.model_id
        from msgflux_like.local import servers  # noqa: PLC0415  only for models on this machine

        url, model_id = servers.serve(self._row.embedded, self.model_id, base_url or self._endpoint.base_url)
        return structs.replace(self._endpoint, base_url=url), model_id

    def _exchange(
        self, http: HttpRequest, again: Retries, base_url: str | None, dialect: dialects.Dialect | None = None
    ) -> Generator[Step, Any, None]:
        """Return the exchange. It runs once more where a server on this machine had unloaded the model."""
        dialect = dialect or self._dialect
        steps = exchange(http, dialect, self.provider, self.model_id, again)
        if not self._row.embedded:
            return steps
        from msgflux_like.local import servers  # noqa: PLC0415  only for models on this machine

        repeated = exchange(http, dialect, self.provider, self.model_id, again)
        url = base_url or self._endpoint.base_url
        return servers.retry_after_restart(self._row.embedded, self.model_id, url, steps, repeated)

    def _cache_facts(self) -> dict[str, Any]:
        """Return what distinguishes cached answers beside the request."""
        facts: dict[str, Any] = {"dialect": self._row.dialect}
        client = self._given["http_client"]
        if client is not None and not hasattr(client, "aopen"):  # an interceptor adds nothing to a request
            from msgflux_like.cache.key import client_facts  # noqa: PLC0415  imported already

            facts["client"] = client_facts(client)
        return facts

    def _redirected(self, endpoint: Endpoint, api_key: ApiKey | None, base_url: str | None) -> Endpoint:
        """Return the endpoint of one call that has another key, another base URL, or both."""
        url = (endpoint.base_url if self._row.embedded else "") or base_url or endpoint.base_url
        if api_key is None:
            return self._with_model_quirks(config.with_base_url(self._row, endpoint, url))
        return self._with_model_quirks(config.endpoint(self._row, base_url=url or None, api_key=api_key))

    def _with_model_quirks(self, endpoint: Endpoint) -> Endpoint:
        """Return the endpoint with what the model demands at every host."""
        field = self._facts.rules.max_tokens_field
        if not field or field == endpoint.quirks.max_tokens_field:
            return endpoint
        return structs.replace(endpoint, quirks=structs.replace(endpoint.quirks, max_tokens_field=field))

    def _explained(self, error: NotFoundError) -> NotFoundError:
        """Return the error, with similar models of the provider as its hint."""
        error.hint = resolve.explain_unknown_model(self.provider, self.model_id)
        return error

    @cached_property
    def _facts(self) -> ModelFacts:
        return facts_of(self.provider, self.model_id, self._base_model, self._model_profile)

    @cached_property
    def profile(self) -> ModelProfile | None:
        """The catalogue's entry of the model, or of the model that it is another name of; None where there is none."""
        return self._facts.profile

    # ---- information

    def get_model_info(self) -> dotdict:
        """Return `{'model_id': ..., 'provider': ...}`."""
        return dotdict(model_id=self.model_id, provider=self.provider)

    def instance_type(self) -> dotdict:
        """Return `{'model_type': ...}`, such as `chat_completion`."""
        return dotdict(model_type=self.model_type)

    def __repr__(self) -> str:
        parameters = "".join(f", {name}={value!r}" for name, value in self._parameters.items() if name != "stop")
        return f"{type(self).__name__}({self.provider}/{self.model_id}{parameters})"

    # ---- ending

    @property
    def cache(self) -> ResponseCache | None:
        """The cache of the model's answers; None without one.

        Example:
            >>> from msgflux_like.testing import FakeModel
            >>> FakeModel("Paris.", enable_cache=True).cache.cache_info()["hits"]
            0
        """
        return self._response_cache

    @property
    def interceptor(self) -> Interceptor | None:
        """Stands between the model and the network, for a recording or a fake; None for none."""
        return self._transport.interceptor

    @interceptor.setter
    def interceptor(self, interceptor: Interceptor | None) -> None:
        self._transport.interceptor = interceptor

    def close(self) -> None:
        """Close the idle connections. Idempotent; a later call opens new ones."""
        self._transport.close()
        if self._response_cache is not None and self._closes_cache:
            self._response_cache.close()

    async def aclose(self) -> None:
        """Async counterpart of `close`."""
        await self._transport.aclose()
        if self._response_cache is not None and self._closes_cache:
            await to_thread(self._response_cache.close)


def _cache_from(options: ConnectionOptions) -> ResponseCache | None:
    enabled, cache, size = options.get("enable_cache"), options.get("cache"), options.get("cache_size")
    if not enabled and cache is None and size is None:
        return None
    from msgflux_like.cache import cache_of  # noqa: PLC0415  only for models with a cache

    return cache_of(cache, size, enabled)


def split_options(options: Mapping[str, Any]) -> tuple[ConnectionOptions, dict[str, Any]]:
    """Return the options of models of every kind, and the parameters of requests."""
    connection: Any = {name: value for name, value in options.items() if name in ConnectionOptions.__annotations__}
    return connection, sampling_of(options)
