"""Embedders: texts in, a vector for each of them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Final, NamedTuple, Unpack, cast, overload

from msgflux_like._concurrency.threads import gather_all, run_in_threads, to_thread
from msgflux_like._http.deadline import Timeouts
from msgflux_like._http.drivers import AsyncDriver, Driver
from msgflux_like._http.retry import Retries
from msgflux_like.calls import capabilities
from msgflux_like.calls.arguments import (
    EMBEDDER,
    EMBEDDING_CALL,
    change_error,
    check_arguments,
    check_use_cache,
    sampling_of,
)
from msgflux_like.calls.estimate import count_tokens
from msgflux_like.calls.http_request import to_http
from msgflux_like.calls.options import Check, EmbedderOptions, EmbeddingCallOptions
from msgflux_like.calls.provider_model import ProviderModel, split_options
from msgflux_like.dialects._shared import embeddings
from msgflux_like.dialects._shared.embeddings import Reply
from msgflux_like.errors import APIError, CapabilityError, InvalidRequestError, NotFoundError, UnsupportedError
from msgflux_like.events import Event
from msgflux_like.models.embedding_job import EmbeddingJob, VectorCache
from msgflux_like.providers import config
from msgflux_like.request import ChatRequest, Endpoint, HttpRequest
from msgflux_like.response.embeddings import EmbeddingResponse
from msgflux_like.response.metadata import CallMetadata

_MAX_CONCURRENCY: Final = 4


class _Prepared(NamedTuple):
    """A call that is ready to be sent.

    Attributes:
        texts: The texts.
        is_single: Whether one string was given, and no list.
        job: The batches and the vectors that have arrived.
        request: What all requests have in common.
        endpoint: Where they go.
        base_url: The base URL of this call, None for the model's.
        retries: When a request is repeated.
        timeouts: Time limits of each request.
        call_metadata: Facts of the call, for the response.
        batch_size: Maximum number of texts in one request.
        max_concurrency: Maximum number of concurrent requests.
        cache: The cache of vectors, None without one.
    """

    texts: list[str]
    is_single: bool
    job: EmbeddingJob
    request: ChatRequest
    endpoint: Endpoint
    base_url: str | None
    retries: Retries
    timeouts: Timeouts
    call_metadata: CallMetadata
    batch_size: int
    max_concurrency: int
    cache: VectorCache | None


class TextEmbedder(ProviderModel):
    """An embedding model of one provider. Stateless, and safe to call from any mix of threads and event loops.

    Args:
        path: `provider/model`, split at the first slash.
        **options: `EmbedderOptions`; `Model.text_embedder` lists them.

    Raises:
        UnknownProviderError: If no such provider exists; the message suggests similar names.
        MissingKeyError: If the provider needs a key and none is set; the message names the variables.
        UnsupportedError: If the provider has no embeddings.
        InvalidRequestError: If an option has the wrong type or is out of range.
        UnknownParameterError: If there is no option of that name; the message suggests the one that was meant.

    Example:
        >>> import msgflux_like as mf
        >>> embedder = mf.Model.text_embedder("openai/text-embedding-3-small", api_key="sk-...", dimensions=256)
        >>> embedder.instance_type()
        {'model_type': 'text_embedder'}
    """

    model_type = "text_embedder"
    _STORED = ("check", "changes", "max_concurrency", "batch_size")

    def __init__(self, path: str, **options: Unpack[EmbedderOptions]) -> None:
        checked = check_arguments(options, EMBEDDER)
        connection, parameters = split_options(checked)
        super().__init__(path, parameters, **connection)
        self._format = embeddings.load(self.provider, self._row.dialect)
        self._max_concurrency: int = checked.get("max_concurrency", _MAX_CONCURRENCY)
        self._batch_size: int | None = checked.get("batch_size")

    @classmethod
    def _row_of(cls, row: config.Provider) -> config.Provider:
        """Return the row, if there is a format of embeddings for it. UnsupportedError where there is none."""
        embeddings.load(row.name, row.dialect)
        if row.dialect == "gemini" and row.tokens == "google":
            raise UnsupportedError(
                f"{row.name} has another format of embeddings than Google AI: use google/gemini-embedding-001"
            )
        return row

    # ---- calling

    @overload
    def __call__(self, texts: str, **call: Unpack[EmbeddingCallOptions]) -> EmbeddingResponse[list[float]]: ...  # pyright: ignore[reportOverlappingOverload]  a string is an iterable of strings, too
    @overload
    def __call__(
        self, texts: Iterable[str], **call: Unpack[EmbeddingCallOptions]
    ) -> EmbeddingResponse[list[list[float]]]: ...
    def __call__(self, texts: str | Iterable[str], **call: Unpack[EmbeddingCallOptions]) -> EmbeddingResponse[Any]:
        """Return the vector of a text, or the vectors of several texts, in their order.

        More texts than the provider accepts at once are sent in several requests, up to `max_concurrency` of them
        concurrently; equal texts are sent once. One request that fails fails the call; vectors that arrived before are
        in the cache, if there is one.

        Args:
            texts: A string, or any number of them; none may be empty.
            use_cache (bool): False bypasses the model's cache, for reading and for writing.
            api_key, base_url, timeout (seconds, of each request), max_retries, check, changes, max_concurrency,
                batch_size: Replace those of the model for this call.
            extra_body, extra_headers: Added to those of the model.
            dimensions, input_type, user: Replace those of the model for this call; `Model.text_embedder` describes
                them.

        Returns:
            The vectors, as `data`: a list of numbers for a string, a list of such lists otherwise.

        Raises:
            InvalidRequestError: A ValueError: the call is wrong, nothing was sent.
            UnknownParameterError: A TypeError: there is no argument of that name.
            APIError: The provider returned an error, or could not be reached.
        """
        prepared = self._prepare(texts, **call)
        if prepared.cache is not None:
            self._look_up(prepared, prepared.cache)
        run_in_threads([partial(self._send, prepared)] * self._plan_batches(prepared))
        return _response(prepared)

    @overload
    async def acall(self, texts: str, **call: Unpack[EmbeddingCallOptions]) -> EmbeddingResponse[list[float]]: ...
    @overload
    async def acall(
        self, texts: Iterable[str], **call: Unpack[EmbeddingCallOptions]
    ) -> EmbeddingResponse[list[list[float]]]: ...
    async def acall(self, texts: str | Iterable[str], **call: Unpack[EmbeddingCallOptions]) -> EmbeddingResponse[Any]:
        """Async counterpart of calling the model: same arguments, same results, no thread."""
        if self._row.embedded:
            await to_thread(partial(self._serve, call.get("base_url")))  # starting a server blocks
        prepared = self._prepare(texts, **call)
        if (cache := prepared.cache) is not None:
            look_up = partial(self._look_up, prepared, cache)
            await to_thread(look_up) if cache.blocks else look_up()
        await gather_all([self._asend(prepared) for _ in range(self._plan_batches(prepared))])
        return _response(prepared)

    def _send(self, prepared: _Prepared) -> None:
        """Send one batch after the other, until none is left."""
        job = prepared.job
        while (batch := job.next()) is not None:
            events: list[Event] = []
            try:
                for read in self._driver(Driver, prepared, batch):
                    events += read
            except APIError as error:
                return job.on_failure(batch, self._hinted(error))
            except BaseException:
                job.cancel()
                raise
            vectors = job.on_result(batch, events)
            if prepared.cache is not None:
                prepared.cache.store(vectors)
        return None

    async def _asend(self, prepared: _Prepared) -> None:
        """Async counterpart of `_send`."""
        job = prepared.job
        while (batch := job.next()) is not None:
            events: list[Event] = []
            try:
                async for read in self._driver(AsyncDriver, prepared, batch):
                    events += read
            except APIError as error:
                return job.on_failure(batch, self._hinted(error))
            except BaseException:
                job.cancel()
                raise
            vectors = job.on_result(batch, events)
            if (cache := prepared.cache) is not None:
                store = partial(cache.store, vectors)
                await to_thread(store) if cache.blocks else store()
        return None

    def _driver(self, kind: type[Any], prepared: _Prepared, batch: list[int]) -> Any:
        http = self._http(prepared.job.texts(batch), prepared.request, prepared.endpoint)
        steps = self._exchange(http, prepared.retries, prepared.base_url, Reply(self._format, len(batch)))
        return kind(steps, self._transport, prepared.timeouts)

    def _hinted(self, error: APIError) -> APIError:
        return self._explained(error) if isinstance(error, NotFoundError) else error

    def _http(self, texts: Sequence[str], request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
        return to_http(self._format.encode(request, texts, endpoint.quirks), request, endpoint)

    # ---- building the call

    def _prepare(self, texts: Any, **call: Unpack[EmbeddingCallOptions]) -> _Prepared:
        """Check the arguments and encode the first text. Nothing is sent."""
        options = cast("EmbeddingCallOptions", check_arguments(call, EMBEDDING_CALL))
        listed = checked_texts(texts)
        base_url, api_key = options.get("base_url"), options.get("api_key")
        endpoint, model_id = self._serve(base_url)
        if api_key is not None or base_url is not None:
            endpoint = self._redirected(endpoint, api_key, base_url)
        request = ChatRequest(
            model_id,
            (),
            sampling_of({**self._parameters, **options}),
            extra_body={**self._extra_body, **(options.get("extra_body") or {})},
            extra_headers={**self._extra_headers, **(options.get("extra_headers") or {})},
        )
        changes = self._format.encode(request, listed[:1], endpoint.quirks).changes
        refuses = options["changes"] == "refuse" if "changes" in options else self._refuses_changes
        if changes and refuses:
            raise change_error(changes)
        warnings = self._check_capabilities(listed, options.get("check") or self._check)
        max_retries = 0 if refuses else options.get("max_retries")  # a retry may send another request than asked for
        return _Prepared(
            listed,
            isinstance(texts, str),
            EmbeddingJob(listed),
            request,
            endpoint,
            base_url,
            self._retries if max_retries is None else Retries(max_retries),
            cast("Timeouts", options.get("timeout", self._timeouts)),
            CallMetadata(self.provider, self.model_id, self.profile, changes, warnings),
            min(options.get("batch_size") or self._batch_size or self._format.MOST_TEXTS, self._format.MOST_TEXTS),
            options.get("max_concurrency") or self._max_concurrency,
            self._vector_cache(options.get("use_cache")),
        )

    def _plan_batches(self, prepared: _Prepared) -> int:
        """Divide the texts that have no vector yet into batches, and return how many are sent concurrently."""
        max_tokens = self._format.MOST_TOKENS
        tokens = [count_tokens(text, self.profile)[0] for text in prepared.texts] if max_tokens else []
        return min(prepared.job.plan(tokens, prepared.batch_size, max_tokens), prepared.max_concurrency)

    def _vector_cache(self, use_cache: bool | None) -> VectorCache | None:
        cache = self._response_cache
        if not check_use_cache(use_cache, has_cache=cache is not None) or cache is None:
            return None
        return VectorCache(cache, self.provider, self.model_id)

    def _look_up(self, prepared: _Prepared, cache: VectorCache) -> None:
        """Add the vectors that the cache has."""
        facts = self._cache_facts()
        requests = {
            index: self._http([prepared.texts[index]], prepared.request, prepared.endpoint)
            for index in prepared.job.unique
        }
        if self._row.embedded:
            from msgflux_like.calls import cache_policy  # noqa: PLC0415  only for servers on this machine

            on_server = {index: cache_policy.server_facts(http, self._row.embedded) for index, http in requests.items()}
            requests = {index: http for index, (http, _) in on_server.items()}
            facts |= on_server[0][1]
        prepared.job.add_cached(cache.find(requests, facts))

    def _check_capabilities(self, texts: list[str], check: Check) -> tuple[str, ...]:
        """Return the warnings for the response. CapabilityError for a text that is longer than the model accepts."""
        if self._capabilities is None or check == "off":
            return ()
        sizes = [len(text.encode()) for text in texts]
        longest = max(range(len(texts)), key=sizes.__getitem__)
        request = ChatRequest(self.model_id, ({"role": "user", "content": texts[longest]},))
        found = self._capabilities.problems(request, sizes[longest]).confirmed
        if found and check == "error":
            raise CapabilityError(
                f"{self.provider}/{self.model_id} cannot take texts[{longest}]: {found[0]}. Split the text "
                f'(check="warn" sends it all the same)',
                problems=tuple(found),
            )
        return (*self._capabilities.warnings, *(f"texts[{longest}]: {problem}" for problem in found))

    @cached_property
    def _capabilities(self) -> capabilities.CapabilityCheck | None:
        return capabilities.CapabilityCheck(self.profile) if self.profile else None

    def _state(self) -> dict[str, Any]:
        state = super()._state()
        if self._check != "error":
            state["check"] = self._check
        if self._refuses_changes:
            state["changes"] = "refuse"
        if self._max_concurrency != _MAX_CONCURRENCY:
            state["max_concurrency"] = self._max_concurrency
        if self._batch_size is not None:
            state["batch_size"] = self._batch_size
        return state


def _response(prepared: _Prepared) -> EmbeddingResponse[Any]:
    vectors = prepared.job.result()
    requests = prepared.job.requests
    call_metadata = prepared.call_metadata if requests.batches else prepared.call_metadata._replace(cached=True)
    data: Any = vectors[0] if prepared.is_single else vectors
    return EmbeddingResponse(data, vectors, requests, call_metadata)


def checked_texts(texts: Any) -> list[str]:
    """Return one text or several as a list. InvalidRequestError names the place of a text that cannot be embedded."""
    if isinstance(texts, str):
        return [_checked_text(texts, "texts")]
    if not isinstance(texts, Iterable) or isinstance(texts, (bytes, bytearray, Mapping)):
        raise InvalidRequestError(f"texts must be a string or a list of strings, not {type(texts).__name__}")  # pyright: ignore[reportUnknownArgumentType]  from outside
    listed = [_checked_text(text, f"texts[{place}]") for place, text in enumerate(cast("Iterable[Any]", texts))]
    if not listed:
        raise InvalidRequestError("texts is empty: give a string, or a list of at least one")
    return listed


def _checked_text(text: Any, place: str) -> str:
    if not isinstance(text, str):
        raise InvalidRequestError(f"{place} must be a string, not {type(text).__name__}")
    if not text:
        raise InvalidRequestError(f"{place} is empty: an empty string has no vector")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequestError(f"{place} holds half a surrogate pair, which JSON cannot hold") from None
    return text
