"""An embedder: texts go out, and a vector for each of them comes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Final, NamedTuple, TypedDict, Unpack, cast, overload

from msgflux_like._concurrency.threads import gather_all, run_in_threads, to_thread
from msgflux_like._http.deadline import Timeouts
from msgflux_like._http.drivers import AsyncDriver, Driver
from msgflux_like._http.retry import Retries
from msgflux_like._wire.secrets import TokenFunction
from msgflux_like.calls import capabilities
from msgflux_like.calls.arguments import (
    OF_EMBEDDINGS,
    change_error,
    check_changes,
    check_check,
    check_headers,
    check_parameters,
    check_retries,
    in_order,
)
from msgflux_like.calls.estimate import count_tokens
from msgflux_like.calls.provider_model import ProviderModel, checked_timeouts, split_options
from msgflux_like.dialects._shared import embeddings
from msgflux_like.dialects._shared.embeddings import Reply
from msgflux_like.errors import APIError, CapabilityError, InvalidRequestError, NotFoundError, UnsupportedError
from msgflux_like.events import Event
from msgflux_like.models.embedding_batches import EmbeddingJob, VectorCache
from msgflux_like.providers import config
from msgflux_like.request import ChatRequest, Check, ConnectionOptions, Endpoint, HttpRequest, OnChange, to_http
from msgflux_like.response.embeddings import EmbeddingResponse
from msgflux_like.response.metadata import CallMetadata


class EmbeddingParameters(TypedDict, total=False):
    """Parameters of embeddings, for a model or for one call. None means "not given".

    Keys:
        dimensions: How many numbers a vector is to have, at least 1, for the models that let one choose.
        input_type: What the vectors are for: "query" or "document" of a search, "classification", "clustering",
            "similarity"; for the formats that have words for it.
        user: Your own id of the end user.
    """

    dimensions: int | None
    input_type: str | None
    user: str | None


class EmbedderOptions(ConnectionOptions, EmbeddingParameters, total=False):
    """What an embedder takes beside what only it knows; see `models.base.Served`, and `EmbeddingParameters`."""


class EmbeddingOptions(EmbeddingParameters, total=False):
    """What a call takes beside the texts; see `TextEmbedder.__call__`."""

    api_key: str | TokenFunction | None
    base_url: str | None
    timeout: Any
    max_retries: int | None
    extra_body: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None
    check: Check | None
    changes: OnChange | None
    use_cache: bool | None
    max_concurrency: int | None
    batch_size: int | None


_OWN: Final = ("check", "changes", "max_concurrency", "batch_size")
_MODEL_KEYWORDS: Final = (*ConnectionOptions.__annotations__, *_OWN)
_CALL_KEYWORDS: Final = tuple(EmbeddingOptions.__annotations__)
_MAX_CONCURRENCY: Final = 4


class _Prepared(NamedTuple):
    """A call, ready to be sent."""

    texts: list[str]
    alone: bool  # a text was given, and no list
    work: EmbeddingJob
    request: ChatRequest
    endpoint: Endpoint
    base_url: str | None
    again: Retries
    timeouts: Timeouts
    call_metadata: CallMetadata
    batch_size: int
    max_concurrency: int
    kept: VectorCache | None


class TextEmbedder(ProviderModel):
    """One embedding model of one provider. Stateless, and safe to call from any mix of threads and event loops.

    Args:
        path: `provider/model`, split at the first slash.
        check: What to do when the catalogue says that a text is too long: "error" raises a CapabilityError, "warn"
            sends it and says so in `response.warnings`, "off" does not look.
        changes: What to do about a request that cannot be sent exactly as asked: "record" sends what can be sent and
            lists the rest in `response.changes`, "refuse" raises a ChangeError that lists it.
        max_concurrency: Most requests of one call at once, at least 1; beyond 32 a synchronous call does not go.
        batch_size: Most texts of one request, where a server takes fewer than its format does.
        options: See `ConnectionOptions` (key, base URL, time limits, cache, ...) and `EmbeddingParameters`.

    Raises:
        UnknownProviderError: With near names.
        MissingKeyError: With the names of the variables.
        UnsupportedError: The provider has no embeddings.
        UnknownParameterError: A TypeError, with near names.

    Example:
        >>> import msgflux_like as mf
        >>> embedder = mf.Model.text_embedder("openai/text-embedding-3-small", api_key="sk-...", dimensions=256)
        >>> embedder.instance_type()
        {'model_type': 'text_embedder'}
    """

    model_type = "text_embedder"
    STORED = _OWN

    def __init__(
        self,
        path: str,
        *,
        check: Check = "error",
        changes: OnChange = "record",
        max_concurrency: int = _MAX_CONCURRENCY,
        batch_size: int | None = None,
        **options: Unpack[EmbedderOptions],
    ) -> None:
        served, parameters = split_options(options)
        super().__init__(path, check_parameters(parameters, _MODEL_KEYWORDS, OF_EMBEDDINGS), **served)
        self._format = embeddings.load(self.provider, self._row.dialect)
        self._check: Check = check_check(check)
        self._refuses_changes = check_changes(changes) == "refuse"
        self._max_concurrency = _check_count("max_concurrency", max_concurrency)
        self._batch_size = None if batch_size is None else _check_count("batch_size", batch_size)

    @classmethod
    def spoken(cls, row: config.Provider) -> config.Provider:
        """The row, if there is a format of embeddings for it; else UnsupportedError."""
        embeddings.load(row.name, row.dialect)
        if row.dialect == "gemini" and row.tokens == "google":
            raise UnsupportedError(
                f"{row.name} has another format of embeddings than Google AI: use google/gemini-embedding-001"
            )
        return row

    # ---- calling

    @overload
    def __call__(self, texts: str, **call: Unpack[EmbeddingOptions]) -> EmbeddingResponse[list[float]]: ...  # pyright: ignore[reportOverlappingOverload]  a text is one of letters, too
    @overload
    def __call__(
        self, texts: Iterable[str], **call: Unpack[EmbeddingOptions]
    ) -> EmbeddingResponse[list[list[float]]]: ...
    def __call__(self, texts: str | Iterable[str], **call: Unpack[EmbeddingOptions]) -> EmbeddingResponse[Any]:
        """The vector of a text, or those of several, in their order.

        More texts than the provider takes at once go out in several requests, up to `max_concurrency` of them at a
        time; equal ones are asked for once. One request that fails fails the call; vectors that came before are in the
        cache, if there is one.

        Args:
            texts: A text, or any number of them; none may be empty.
            api_key: Another key than the model's, for this call.
            base_url: Another place than the model's, for this call.
            timeout: As for the model, for this call; the limits are those of each request.
            max_retries: As for the model, for this call.
            extra_body: As for the model, added to it.
            extra_headers: As for the model, added to them.
            check: As for the model, for this call.
            changes: As for the model, for this call.
            use_cache: False neither looks into the model's cache nor keeps the vectors there.
            max_concurrency: As for the model, for this call.
            batch_size: As for the model, for this call.
            **call: The above, and `EmbeddingParameters`, which beat the model's.

        Raises:
            InvalidRequestError: A ValueError: the call is wrong, nothing was sent.
            UnknownParameterError: A TypeError, with near names.
            APIError: The provider, or the way to it, failed.
        """
        prepared = self._prepare(texts, **call)
        if prepared.kept is not None:
            self._look_up(prepared, prepared.kept)
        lanes = self._lanes(prepared)
        run_in_threads([partial(self._send, prepared)] * lanes)
        return _response(prepared)

    @overload
    async def acall(self, texts: str, **call: Unpack[EmbeddingOptions]) -> EmbeddingResponse[list[float]]: ...
    @overload
    async def acall(
        self, texts: Iterable[str], **call: Unpack[EmbeddingOptions]
    ) -> EmbeddingResponse[list[list[float]]]: ...
    async def acall(self, texts: str | Iterable[str], **call: Unpack[EmbeddingOptions]) -> EmbeddingResponse[Any]:
        """The async twin of calling the model: same arguments, same results, no thread."""
        if self._row.embedded:
            await to_thread(partial(self._served, call.get("base_url")))  # it may have to be started; then it is known
        prepared = self._prepare(texts, **call)
        if (kept := prepared.kept) is not None:
            look_up = partial(self._look_up, prepared, kept)
            await to_thread(look_up) if kept.blocks else look_up()
        lanes = self._lanes(prepared)
        await gather_all([self._asend(prepared) for _ in range(lanes)])
        return _response(prepared)

    def _send(self, prepared: _Prepared) -> None:
        """Send one batch after the other, until there are none left."""
        work = prepared.work
        while (batch := work.next()) is not None:
            events: list[Event] = []
            try:
                for read in self._drive(Driver, prepared, batch):
                    events += read
            except APIError as error:
                return work.failed(batch, self._hinted(error))
            except BaseException:
                work.stop()
                raise
            vectors = work.came(batch, events)
            if prepared.kept is not None:
                prepared.kept.keep(vectors)
        return None

    async def _asend(self, prepared: _Prepared) -> None:
        """The async twin of `_send`."""
        work = prepared.work
        while (batch := work.next()) is not None:
            events: list[Event] = []
            try:
                async for read in self._drive(AsyncDriver, prepared, batch):
                    events += read
            except APIError as error:
                return work.failed(batch, self._hinted(error))
            except BaseException:
                work.stop()
                raise
            vectors = work.came(batch, events)
            if (kept := prepared.kept) is not None:
                keep = partial(kept.keep, vectors)
                await to_thread(keep) if kept.blocks else keep()
        return None

    def _drive(self, kind: type[Any], prepared: _Prepared, batch: list[int]) -> Any:
        http = self._http(prepared.work.texts(batch), prepared.request, prepared.endpoint)
        steps = self._exchange(http, prepared.again, prepared.base_url, Reply(self._format, len(batch)))
        return kind(steps, self._transport, prepared.timeouts)

    def _hinted(self, error: APIError) -> APIError:
        return self._explained(error) if isinstance(error, NotFoundError) else error

    def _http(self, texts: Sequence[str], request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
        return to_http(self._format.encode(request, texts, endpoint.quirks), request, endpoint)

    # ---- preparing

    def _prepare(
        self,
        texts: Any,
        *,
        api_key: str | TokenFunction | None = None,
        base_url: str | None = None,
        timeout: float | Timeouts | None = None,
        max_retries: int | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        check: Check | None = None,
        changes: OnChange | None = None,
        use_cache: bool | None = None,
        max_concurrency: int | None = None,
        batch_size: int | None = None,
        **given: Any,
    ) -> _Prepared:
        """Check and encode: all that can be wrong is found here, before anything is sent."""
        listed = checked_texts(texts)
        parameters = self._parameters
        if given:
            checked = check_parameters(given, _CALL_KEYWORDS, OF_EMBEDDINGS)
            parameters = in_order({**parameters, **checked}, OF_EMBEDDINGS)
        endpoint, model_id = self._served(base_url)
        if api_key is not None or base_url is not None:
            endpoint = self._elsewhere(endpoint, api_key, base_url)
        request = ChatRequest(
            model_id,
            (),
            parameters,
            extra_body={**self._extra_body, **(extra_body or {})},
            extra_headers={**self._extra_headers, **check_headers(extra_headers)},
        )
        changed = self._format.encode(request, listed[:1], endpoint.quirks).changes
        refuses = self._refuses_changes if changes is None else check_changes(changes) == "refuse"
        if changed and refuses:
            raise change_error(changed)
        again = self._retries if max_retries is None else Retries(check_retries(max_retries))
        warnings = self._against_profile(listed, self._check if check is None else check_check(check))
        size = self._batch_size if batch_size is None else _check_count("batch_size", batch_size)
        return _Prepared(
            listed,
            isinstance(texts, str),
            EmbeddingJob(listed),
            request,
            endpoint,
            base_url,
            Retries(0) if refuses else again,  # another request than the one that was asked for
            self._timeouts if timeout is None else checked_timeouts(timeout),
            CallMetadata(self.provider, self.model_id, self.profile, changed, warnings),
            min(size or self._format.MOST_TEXTS, self._format.MOST_TEXTS),
            self._max_concurrency if max_concurrency is None else _check_count("max_concurrency", max_concurrency),
            self._kept(use_cache),
        )

    def _lanes(self, prepared: _Prepared) -> int:
        """How many requests there are to be at once, for all that is not known yet."""
        most = self._format.MOST_TOKENS
        tokens = [count_tokens(text, self.profile)[0] for text in prepared.texts] if most else []
        return min(prepared.work.plan(tokens, prepared.batch_size, most), prepared.max_concurrency)

    def _kept(self, use_cache: bool | None) -> VectorCache | None:
        if use_cache not in (None, True, False) or (use_cache and self._response_cache is None):
            raise InvalidRequestError("use_cache is True or False, and True only for a model with a cache")
        if self._response_cache is None or use_cache is False:
            return None
        return VectorCache(self._response_cache, self.provider, self.model_id)

    def _look_up(self, prepared: _Prepared, kept: VectorCache) -> None:
        facts = self._facts()
        requests = {
            place: self._http([prepared.texts[place]], prepared.request, prepared.endpoint)
            for place in prepared.work.different
        }
        if self._row.embedded:
            from msgflux_like.calls import cache_policy  # noqa: PLC0415  for servers on this machine

            seen = {place: cache_policy.server_facts(http, self._row.embedded) for place, http in requests.items()}
            requests = {place: http for place, (http, _) in seen.items()}
            facts |= seen[0][1]
        prepared.work.found(kept.find(requests, facts))

    def _against_profile(self, texts: list[str], check: Check) -> tuple[str, ...]:
        """CapabilityError for a text that is longer than the model takes, or the warnings for the response."""
        if self._abilities is None or check == "off":
            return ()
        sizes = [len(text.encode()) for text in texts]
        longest = max(range(len(texts)), key=sizes.__getitem__)
        request = ChatRequest(self.model_id, ({"role": "user", "content": texts[longest]},))
        found = self._abilities.problems(request, sizes[longest])
        if found and check == "error":
            raise CapabilityError(
                f"{self.provider}/{self.model_id} cannot take texts[{longest}]: {found[0]}. Split the text "
                f'(check="warn" sends it all the same)',
                problems=tuple(found),
            )
        return (*self._abilities.warnings, *(f"texts[{longest}]: {problem}" for problem in found))

    @cached_property
    def _abilities(self) -> capabilities.CapabilityCheck | None:
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
    vectors = prepared.work.done()
    requests = prepared.work.requests
    call_metadata = prepared.call_metadata if requests.batches else prepared.call_metadata._replace(cached=True)
    data: Any = vectors[0] if prepared.alone else vectors
    return EmbeddingResponse(data, vectors, requests, call_metadata)


def checked_texts(texts: Any) -> list[str]:
    """A text, or several, as a list. InvalidRequestError names the place of what cannot be embedded."""
    if isinstance(texts, str):
        return [_checked_text(texts, "texts")]
    if not isinstance(texts, Iterable) or isinstance(texts, (bytes, bytearray, Mapping)):
        raise InvalidRequestError(f"texts must be a text or a list of texts, not {type(texts).__name__}")  # pyright: ignore[reportUnknownArgumentType]  from outside
    listed = [_checked_text(text, f"texts[{place}]") for place, text in enumerate(cast("Iterable[Any]", texts))]
    if not listed:
        raise InvalidRequestError("texts is empty: give a text, or a list of at least one")
    return listed


def _checked_text(text: Any, place: str) -> str:
    if not isinstance(text, str):
        raise InvalidRequestError(f"{place} must be a text, not {type(text).__name__}")
    if not text:
        raise InvalidRequestError(f"{place} is empty: an empty text has no vector")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequestError(f"{place} holds half a surrogate pair, which JSON cannot hold") from None
    return text


def _check_count(name: str, count: Any) -> int:
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise InvalidRequestError(f"{name} must be a whole number of at least 1, not {count!r}")
    return count
