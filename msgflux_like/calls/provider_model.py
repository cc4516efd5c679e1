"""What models of every kind have: a provider's row, an endpoint with its key, connections, and when to try again."""

from __future__ import annotations

import copy
from collections.abc import Generator, Mapping
from functools import cached_property
from typing import Any

from msgspec import structs

from msgflux_like import dialects
from msgflux_like._attrdict import dotdict
from msgflux_like._concurrency.threads import to_thread
from msgflux_like._context import ClosesOnExit
from msgflux_like._http.connections import Transport
from msgflux_like._http.deadline import Timeouts
from msgflux_like._http.exchange import exchange
from msgflux_like._http.retry import Retries
from msgflux_like._http.steps import Step
from msgflux_like._wire.secrets import ApiKey
from msgflux_like.calls.arguments import check_headers, check_retries, check_seconds, timeout_of_environment
from msgflux_like.calls.state import Serializable
from msgflux_like.catalog.profiles import ModelProfile, get_model_profile
from msgflux_like.errors import MissingKeyError, NotFoundError
from msgflux_like.providers import config, resolve
from msgflux_like.request import ConnectionOptions, Endpoint, HttpRequest


class ProviderModel(Serializable, ClosesOnExit):
    """A model of one provider. Stateless, and safe to call from any mix of threads and event loops.

    Args:
        path: `provider/model`, split at the first slash.
        api_key: The key, or a function (sync or async) that gives a token and is asked before every request; for
            amazon-bedrock also a tuple of access key id, secret access key and, if any, session token. Else the
            provider's environment variable, read now.
        base_url: Another place that speaks the provider's dialect; else `<PROVIDER>_BASE_URL`, else the provider's own.
        dialect: Another wire dialect than the provider's, such as "openai_responses".
        timeout: Seconds for a whole call, or `Timeouts`; else `MSGFLUX_LIKE_TIMEOUT`, else 10 s to connect and
            600 s for each piece of the answer.
        max_retries: Further requests after one that failed in a way that may pass; 0 for one request only.
        http_client: An `httpx2` or `httpx` Client or AsyncClient to send with; it is not closed here.
        extra_body: Fields in the provider's own words, for every request.
        extra_headers: Headers for every request.
        enable_cache: Whether equal requests are answered once and then from a cache; True where `cache` is given.
        cache_size: Most answers of a cache of the model's own, 128 when not given.
        cache: Where answers are kept: a `ResponseCache`, which several models may share; a path, True or a redis:// URL
            as `ResponseCache` takes them for `store`.
        parameters: What else every request says, checked by the kind of model.

    Raises:
        UnknownProviderError: With near names.
        MissingKeyError: With the names of the variables.
    """

    def __init__(
        self,
        path: str,
        parameters: Mapping[str, Any],
        *,
        api_key: ApiKey | None = None,
        base_url: str | None = None,
        dialect: str | None = None,
        timeout: float | Timeouts | None = None,
        max_retries: int = 2,
        http_client: Any = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        enable_cache: bool | None = None,
        cache_size: int | None = None,
        cache: Any = None,
    ) -> None:
        self.provider, self.model_id = resolve.split_path(path)
        row = resolve.find_provider(self.provider, self.model_id, self.model_type)
        self._row = self.spoken(row if dialect is None else config.with_dialect(row, dialect))
        self._given = {
            "api_key": api_key is not None,
            "base_url": base_url,
            "dialect": dialect,
            "http_client": http_client,
        }
        self._dialect = dialects.load(self._row.dialect)
        self._parameters = parameters
        try:
            self._endpoint = config.endpoint(self._row, base_url=base_url, api_key=api_key)
        except MissingKeyError as error:
            raise resolve.explain_missing_key(error, self.profile) from None
        self._timeouts = Timeouts(total_s=timeout_of_environment()) if timeout is None else checked_timeouts(timeout)
        self._retries = Retries(check_retries(max_retries))
        self._extra_body = copy.deepcopy({**self._row.extra_body, **(extra_body or {})})
        self._extra_headers = dict(check_headers(extra_headers))
        self._transport = Transport(http_client)
        self._response_cache = None
        if enable_cache or cache is not None or cache_size is not None:
            from msgflux_like.cache import cache_of  # noqa: PLC0415  for those who want one

            self._response_cache = cache_of(cache, cache_size, enable_cache)
        self._closes_cache = self._response_cache is not cache

    @classmethod
    def spoken(cls, row: config.Provider) -> config.Provider:
        """The row, in the dialect that this kind of model speaks there."""
        return row

    def _served(self, base_url: str | None = None) -> tuple[Endpoint, str]:
        """Where requests go, and what the model is called there; the first call finds or starts the server."""
        if not self._row.embedded:
            return self._endpoint, self.model_id
        from msgflux_like.local import servers  # noqa: PLC0415  for models on this machine

        place = base_url or self._endpoint.base_url
        place, model_id = servers.serve(self._row.embedded, self.model_id, place)
        return structs.replace(self._endpoint, base_url=place), model_id

    def _exchange(
        self, http: HttpRequest, again: Retries, base_url: str | None, dialect: dialects.Dialect | None = None
    ) -> Generator[Step, Any, None]:
        """The exchange; once more where a server on this machine had let go of the model, and has it back."""
        dialect = dialect or self._dialect
        steps = exchange(http, dialect, self.provider, self.model_id, again)
        if not self._row.embedded:
            return steps
        from msgflux_like.local import servers  # noqa: PLC0415  for models on this machine

        once_more = exchange(http, dialect, self.provider, self.model_id, again)
        place = base_url or self._endpoint.base_url
        return servers.retry_after_restart(self._row.embedded, self.model_id, place, steps, once_more)

    def _facts(self) -> dict[str, Any]:
        """What tells answers apart beside the request, for a cache."""
        facts: dict[str, Any] = {"dialect": self._row.dialect}
        client = self._given["http_client"]
        if client is not None and not hasattr(client, "aopen"):  # what only comes between adds nothing
            from msgflux_like.cache.key import client_facts  # noqa: PLC0415  imported already

            facts["client"] = client_facts(client)
        return facts

    def _elsewhere(self, endpoint: Endpoint, api_key: ApiKey | None, base_url: str | None) -> Endpoint:
        """The endpoint of one call that names another key, another place, or both."""
        place = (endpoint.base_url if self._row.embedded else "") or base_url or endpoint.base_url
        if api_key is None:
            return config.moved(self._row, endpoint, place)
        return config.endpoint(self._row, base_url=place or None, api_key=api_key)

    def _explained(self, error: NotFoundError) -> NotFoundError:
        error.hint = resolve.explain_unknown_model(self.provider, self.model_id)
        return error

    @cached_property
    def profile(self) -> ModelProfile | None:
        """What the catalogue says of this model; None when it does not know it."""
        return get_model_profile(self.model_id, self.provider.removesuffix("-responses"))

    # ---- information

    def get_model_info(self) -> dotdict:
        """`{'model_id': ..., 'provider': ...}`."""
        return dotdict(model_id=self.model_id, provider=self.provider)

    def instance_type(self) -> dotdict:
        """`{'model_type': ...}`, such as `chat_completion`."""
        return dotdict(model_type=self.model_type)

    def __repr__(self) -> str:
        parameters = "".join(f", {name}={value!r}" for name, value in self._parameters.items() if name != "stop")
        return f"{type(self).__name__}({self.provider}/{self.model_id}{parameters})"

    # ---- ending

    def close(self) -> None:
        """Close the idle connections. Twice is once, and a later call opens new ones."""
        self._transport.close()
        if self._response_cache is not None and self._closes_cache:
            self._response_cache.close()

    async def aclose(self) -> None:
        """The async twin of `close`."""
        await self._transport.aclose()
        if self._response_cache is not None and self._closes_cache:
            await to_thread(self._response_cache.close)


def split_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a model of any kind takes, and what only this kind does."""
    served = {name: value for name, value in options.items() if name in ConnectionOptions.__annotations__}
    return served, {name: value for name, value in options.items() if name not in served}


def checked_timeouts(given: Any) -> Timeouts:
    """`Timeouts`, or the seconds of a whole call as such."""
    if isinstance(given, Timeouts):
        for name in Timeouts.__struct_fields__:
            if (seconds := getattr(given, name)) is not None:
                check_seconds(f"timeout.{name}", seconds)
        return given
    return Timeouts(total_s=check_seconds("timeout", given))
