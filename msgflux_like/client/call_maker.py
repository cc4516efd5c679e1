"""What all clients do but waiting: calls, ready to be sent, each with the trace it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal
from urllib.parse import quote

from msgspec.structs import replace

from msgflux_like._concurrency.threads import to_thread
from msgflux_like._http.deadline import Timeouts
from msgflux_like._http.exchange import Retries, exchange
from msgflux_like.calls.arguments import check_headers, check_retries, check_timeout, timeout_from_environment
from msgflux_like.calls.http_request import to_http
from msgflux_like.client.account import Account
from msgflux_like.client.calls import Call
from msgflux_like.client.client_model import ClientModel
from msgflux_like.client.openai_params import (
    ChatParams,
    EmbeddingParams,
    TextParams,
    checked_messages,
    split_extra_body,
    validate_kwargs,
    with_usage,
)
from msgflux_like.client.raw import Holds, Raw
from msgflux_like.client.reading import RawReading
from msgflux_like.client.tracing import Operation, Span, check_installed, trace_headers
from msgflux_like.dialects import load
from msgflux_like.errors import InvalidRequestError, UnsupportedError
from msgflux_like.providers.resolve import split_path
from msgflux_like.request import ChatRequest, Encoded
from msgflux_like.response.openai_objects import (
    ChatCompletionChunk,
    ChatCompletionReply,
    Completion,
    CompletionChunk,
    EmbeddingReply,
    ModelInfo,
    ModelList,
)

_MOST_MODELS = 256  # kept at once; a model costs no connection
_LISTED = ("openai_chat", "openai_responses", "anthropic_messages")  # dialects whose lists of models are alike


class CallMaker:
    """Makes the calls of one client, and keeps its models. See `Client`."""

    def __init__(
        self,
        account: Account,
        *,
        max_messages: int | None = None,
        max_message_chars: int | None = None,
        spans: bool | Literal["content"] = False,
        timeout: float | Timeouts | None = None,
        max_retries: int | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
    ) -> None:
        self._account = account
        options = {
            "timeout": timeout,
            "max_retries": max_retries,
            "extra_headers": extra_headers,
            "extra_body": extra_body,
        }
        self._options = {name: value for name, value in options.items() if value is not None}
        self._max_messages = max_messages
        self._max_message_chars = max_message_chars
        self._spans = spans
        self._models: dict[str, ClientModel] = {}
        self._headers = check_headers(extra_headers)
        self._retries = Retries() if max_retries is None else Retries(check_retries(max_retries))
        self._timeouts = Timeouts(total_s=timeout_from_environment()) if timeout is None else check_timeout(timeout)
        if spans:
            check_installed()

    def _model(self, name: Any) -> ClientModel:
        """The model of that name, made when it is first asked for."""
        path = self._account.path(name)
        found = self._models.get(path) if isinstance(path, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]  callers are untyped
        if found is None:
            found = ClientModel(path, self._account, **self._options)
            if len(self._models) >= _MOST_MODELS:
                self._models.clear()
            self._models[path] = found
        return found

    async def ready(self, name: Any) -> None:
        """Start a model of this machine without blocking the event loop."""
        model = self._model(name)
        if model.is_local:
            await to_thread(model.whereabouts)

    def chat(
        self, model: str, messages: Any, *, stream: bool, words: Mapping[str, Any]
    ) -> Call[ChatCompletionReply, ChatCompletionChunk]:
        """A chat completion."""
        given = validate_kwargs(words, ChatParams)
        checked = checked_messages(messages, self._max_messages, self._max_message_chars)
        served = self._model(model)
        call = served.chat(checked, given, stream=stream)
        return self._traced(call, served, "chat", {**given, "messages": checked})

    def text(
        self, model: str, prompt: Any, *, stream: bool, words: Mapping[str, Any]
    ) -> Call[Completion, CompletionChunk]:
        """A text completion."""
        given = validate_kwargs(words, TextParams)
        body, how = split_extra_body({"prompt": prompt, **given})
        reads = RawReading(Completion, CompletionChunk, with_usage=with_usage(given))
        served = self._model(model)
        call = served.post("/completions", body, how, holds="choices", reads=reads, stream=stream)
        return self._traced(call, served, "text_completion", {**given, "prompt": prompt})

    def embedding(self, model: str, texts: Any, words: Mapping[str, Any]) -> Call[EmbeddingReply, Any]:
        """Vectors."""
        given = validate_kwargs(words, EmbeddingParams)
        body, how = split_extra_body({"input": texts, **given})
        reads = RawReading(EmbeddingReply, EmbeddingReply)
        served = self._model(model)
        call = served.post("/embeddings", body, how, holds="data", reads=reads)
        return self._traced(call, served, "embeddings", {**given, "input": texts})

    def models(self) -> Call[ModelList, Any]:
        """The list of models."""
        return self._get(self._account, "/models", "data", RawReading(ModelList, ModelList), "")

    def model(self, name: str) -> Call[ModelInfo, Any]:
        """One model of it."""
        if not isinstance(name, str) or not name:  # pyright: ignore[reportUnnecessaryIsInstance]  callers are untyped
            raise InvalidRequestError("models.retrieve needs the id of a model")
        asked = self._account
        if asked.provider is None:
            provider, name = split_path(name)
            asked = replace(asked, provider=provider)
        path = f"/models/{quote(name, safe='/:@')}"
        return self._get(asked, path, "id", RawReading(ModelInfo, ModelInfo), name)

    def _get(self, asked: Account, path: str, holds: Holds, reads: RawReading[Any, Any], model: str) -> Call[Any, Any]:
        row, endpoint = asked.endpoint(model)
        if row.dialect not in _LISTED or row.embedded:
            raise UnsupportedError(
                f"{row.name} lists its models in a form of its own; msgflux_like.catalog.profiles knows them, too"
            )
        request = ChatRequest(model, (), extra_headers=self._headers)
        http = to_http(Encoded(path, {}), request, endpoint)
        return Call(
            http=replace(http, method="GET", body=b"", headers={**trace_headers(), **http.headers}),
            exchange=partial(
                exchange, dialect=Raw(load(row.dialect), holds), provider=row.name, model=model, retries=self._retries
            ),
            timeouts=self._timeouts,
            transport=asked.transport(endpoint.base_url),
            reads=reads,
            renewed=asked.renewed,
        )

    def _traced(
        self, call: Call[Any, Any], model: ClientModel, operation: Operation, given: Mapping[str, Any]
    ) -> Call[Any, Any]:
        """The call, with the trace it belongs to."""
        span = None
        if self._spans:
            span = Span(operation, model.provider, model.model_id, with_content=self._spans == "content")
            span.asked(call.http, given)
        headers = trace_headers(span)
        if span is None and not headers:
            return call
        return replace(call, http=replace(call.http, headers={**headers, **call.http.headers}), span=span)
