"""Builder of a client's calls: everything but the waiting, with the trace that each call belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal
from urllib.parse import quote

from msgspec.structs import replace

from msgflux_like._concurrency.threads import to_thread
from msgflux_like._http.deadline import Timeouts
from msgflux_like._http.exchange import exchange
from msgflux_like._http.retry import Retries
from msgflux_like.calls.arguments import check_headers, check_retries, check_timeout, timeout_from_environment
from msgflux_like.calls.http_request import to_http
from msgflux_like.client.account import Account
from msgflux_like.client.calls import Call
from msgflux_like.client.client_model import ClientModel
from msgflux_like.client.openai_params import (
    ChatParams,
    EmbeddingParams,
    TextParams,
    check_messages,
    split_call_params,
    validate_kwargs,
    with_usage,
)
from msgflux_like.client.raw import RawDialect, RequiredField
from msgflux_like.client.reply_readers import RawReader
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

_MAX_MODELS = 256  # kept at once; a model costs no connection
_MODEL_LIST_DIALECTS = ("openai_chat", "openai_responses", "anthropic_messages")  # whose lists of models are alike


class CallMaker:
    """Builder of the calls of one client, and keeper of its models; see `Client` for the arguments."""

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
        self.timeouts = Timeouts(total_s=timeout_from_environment()) if timeout is None else check_timeout(timeout)
        if spans:
            check_installed()

    @property
    def max_retries(self) -> int:
        """Number of retries of a call that is given none."""
        return self._retries.max_retries

    def _model(self, name: Any) -> ClientModel:
        """Return the model of that name; it is made at its first use."""
        path = self._account.model_path(name)
        found = self._models.get(path) if isinstance(path, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]  callers are untyped
        if found is None:
            found = ClientModel(path, self._account, **self._options)
            if len(self._models) >= _MAX_MODELS:
                self._models.clear()
            self._models[path] = found
        return found

    async def start_local(self, name: Any) -> None:
        """Start a local model in a thread, so that the event loop is not blocked."""
        model = self._model(name)
        if model.is_local:
            await to_thread(model.resolve_endpoint)

    def chat(
        self, model: str, messages: Any, params: ChatParams, *, stream: bool
    ) -> Call[ChatCompletionReply, ChatCompletionChunk]:
        """Build the call of a chat completion."""
        given = validate_kwargs(params, ChatParams)
        checked = check_messages(messages, self._max_messages, self._max_message_chars)
        client_model = self._model(model)
        call = client_model.chat(checked, given, stream=stream)
        return self._traced(call, client_model, "chat", {**given, "messages": checked})

    def text(self, model: str, prompt: Any, params: TextParams, *, stream: bool) -> Call[Completion, CompletionChunk]:
        """Build the call of a text completion."""
        given = validate_kwargs(params, TextParams)
        body, call_params = split_call_params({"prompt": prompt, **given})
        reader = RawReader(Completion, CompletionChunk, with_usage=with_usage(given))
        client_model = self._model(model)
        call = client_model.post(
            "/completions", body, call_params, required_field="choices", reader=reader, stream=stream
        )
        return self._traced(call, client_model, "text_completion", {**given, "prompt": prompt})

    def embedding(self, model: str, texts: Any, params: EmbeddingParams) -> Call[EmbeddingReply, Any]:
        """Build the call of embeddings."""
        given = validate_kwargs(params, EmbeddingParams)
        body, call_params = split_call_params({"input": texts, **given})
        reader = RawReader(EmbeddingReply, EmbeddingReply)
        client_model = self._model(model)
        call = client_model.post("/embeddings", body, call_params, required_field="data", reader=reader)
        return self._traced(call, client_model, "embeddings", {**given, "input": texts})

    def models(self) -> Call[ModelList, Any]:
        """Build the call that lists the models."""
        return self._get(self._account, "/models", "data", RawReader(ModelList, ModelList), "")

    def model(self, name: str) -> Call[ModelInfo, Any]:
        """Build the call that describes one model."""
        if not isinstance(name, str) or not name:  # pyright: ignore[reportUnnecessaryIsInstance]  callers are untyped
            raise InvalidRequestError("models.retrieve needs the id of a model")
        account = self._account
        if account.provider is None:
            provider, name = split_path(name)
            account = replace(account, provider=provider)
        path = f"/models/{quote(name, safe='/:@')}"
        return self._get(account, path, "id", RawReader(ModelInfo, ModelInfo), name)

    def _get(
        self, account: Account, path: str, required_field: RequiredField, reader: RawReader[Any, Any], model: str
    ) -> Call[Any, Any]:
        row, endpoint = account.endpoint(model)
        if row.dialect not in _MODEL_LIST_DIALECTS or row.embedded:
            raise UnsupportedError(
                f"{row.name} lists its models in another format than OpenAI's: "
                "use search_profiles(provider=...) of msgflux_like.models.profiles"
            )
        request = ChatRequest(model, (), extra_headers=self._headers)
        http = to_http(Encoded(path, {}), request, endpoint)
        return Call(
            http=replace(http, method="GET", body=b"", headers={**trace_headers(), **http.headers}),
            exchange=partial(
                exchange,
                dialect=RawDialect(load(row.dialect), required_field),
                provider=row.name,
                model=model,
                retries=self._retries,
            ),
            timeouts=self.timeouts,
            transport=account.transport(endpoint.base_url),
            reader=reader,
            renew_token=account.renew_token,
        )

    def _traced(
        self, call: Call[Any, Any], model: ClientModel, operation: Operation, given: Mapping[str, Any]
    ) -> Call[Any, Any]:
        """Return the call with its trace headers, and with a span where spans are on."""
        span = None
        if self._spans:
            span = Span(operation, model.provider, model.model_id, with_content=self._spans == "content")
            span.record_request(call.http, given)
        headers = trace_headers(span)
        if span is None and not headers:
            return call
        return replace(call, http=replace(call.http, headers={**headers, **call.http.headers}), span=span)
