"""One model of a client: OpenAI's parameters to calls that are ready to be sent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec

from msgflux_like._http.exchange import exchange
from msgflux_like._http.retry import Retries
from msgflux_like._json import as_mapping
from msgflux_like.calls.arguments import check_headers, check_retries, check_timeout
from msgflux_like.calls.build import RequestBuilder
from msgflux_like.calls.http_request import to_http
from msgflux_like.client.account import Account
from msgflux_like.client.calls import Call
from msgflux_like.client.openai_params import to_options, with_usage
from msgflux_like.client.raw import RawDialect, RequiredField
from msgflux_like.client.reply_readers import EventReader, RawChatReader, RawReader, ReplyReader
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import Change, ChatRequest, Encoded, Endpoint, HttpRequest
from msgflux_like.response.openai_objects import ApiObject, ChatCompletionChunk, ChatCompletionReply
from msgflux_like.structured.output_spec import OutputSpec

W = TypeVar("W", bound=ApiObject)
C = TypeVar("C", bound=ApiObject)

RAW_DIALECT = "openai_chat"
"""Dialect whose replies are OpenAI's objects as they are."""

_STRICTER = Change(
    "emulated",
    "response_format",
    "a stricter schema is sent: in a stream an optional field that is left out comes as null",
)
_POST_DIALECTS = (RAW_DIALECT, "openai_responses")  # whose providers may serve the other calls, too


class ClientModel(RequestBuilder):
    """Request builder of one chat model; the client sends the requests and reads the replies.

    A request is sent even if the catalogue lists that the model does not support it.
    """

    model_type = "chat_completion"

    def __init__(self, path: str, account: Account, **options: Any) -> None:
        super().__init__(
            path,
            api_key=account.api_key,
            base_url=account.base_url,
            http_client=account.http_client,
            check="off",
            **options,
        )
        self._account = account
        self._endpoint = account.configured(self._endpoint)
        self._transport = account.transport(self._endpoint.base_url)
        self._foreign = None if self._row.dialect == RAW_DIALECT else self._row.dialect
        if self._foreign is None:
            self._dialect = RawDialect(self._dialect, "choices")

    def resolve_endpoint(self) -> tuple[Endpoint, str]:
        """Return the endpoint and the model's id there. A local model is started, which may block."""
        return self._serve() if self._row.embedded else (self._endpoint, self.model_id)

    @property
    def is_local(self) -> bool:
        """True if `resolve_endpoint` may block."""
        return bool(self._row.embedded)

    def chat(
        self, messages: list[Mapping[str, Any]], given: Mapping[str, Any], *, stream: bool
    ) -> Call[ChatCompletionReply, ChatCompletionChunk]:
        """Build the call of a chat completion."""
        options = to_options(given, self._foreign)
        prepared = self._prepare(messages, stream=stream, **options)
        reader: ReplyReader[ChatCompletionReply, ChatCompletionChunk]
        if self._foreign is None:
            reader = RawChatReader(prepared.call_metadata.changes, with_usage=with_usage(given))
        else:
            call_metadata, output_spec = prepared.call_metadata, prepared.output_spec
            if stream and _is_altered(output_spec):
                call_metadata = call_metadata._replace(changes=(*call_metadata.changes, _STRICTER))
            reader = EventReader(
                prepared.answer, call_metadata, with_usage=with_usage(given), restore=partial(_restore, output_spec)
            )
        return self._call(prepared.http, reader, given)

    def post(
        self,
        path: str,
        body: dict[str, Any],
        call_params: Mapping[str, Any],
        *,
        required_field: RequiredField,
        reader: RawReader[W, C],
        stream: bool = False,
    ) -> Call[W, C]:
        """Build another call of OpenAI's, whose body and reply are passed on unchanged."""
        if self._row.dialect not in _POST_DIALECTS:
            raise UnsupportedError(
                f"{self.provider} has no {path}: its dialect is {self._row.dialect}. Use a provider in OpenAI's format"
            )
        endpoint, model_id = self.resolve_endpoint()
        extra_headers = {**self._extra_headers, **check_headers(call_params.get("extra_headers"))}
        extra_body = {**self._extra_body, **as_mapping(call_params.get("extra_body"))}
        if stream:
            body["stream"] = True
            if endpoint.quirks.stream_usage:
                body.setdefault("stream_options", {"include_usage": True})
        request = ChatRequest(model_id, (), stream=stream, extra_body=extra_body, extra_headers=extra_headers)
        http = to_http(Encoded(path, {"model": model_id, **body}), request, endpoint)
        return self._call(http, reader, call_params, required_field)

    def _call(
        self,
        http: HttpRequest,
        reader: ReplyReader[W, C],
        call_params: Mapping[str, Any],
        required_field: RequiredField | None = None,
    ) -> Call[W, C]:
        timeout, max_retries = call_params.get("timeout"), call_params.get("max_retries")
        retries = self._retries if max_retries is None else Retries(check_retries(max_retries))
        if required_field is None:
            start = partial(self._exchange, again=retries, base_url=None)
        else:
            raw = RawDialect(self._dialect, required_field)
            start = partial(exchange, dialect=raw, provider=self.provider, model=self.model_id, retries=retries)
        return Call(
            http=http,
            exchange=start,
            timeouts=self._timeouts if timeout is None else check_timeout(timeout),
            transport=self._transport,
            reader=reader,
            renew_token=self._account.renew_token,
            explain=self._explained,
        )


def _is_altered(output_spec: OutputSpec | None) -> bool:
    """Return whether an answer to the schema that is sent may differ from one to the caller's schema."""
    lowered = output_spec.lowered if output_spec is not None else None
    return lowered is not None and (lowered.alters or lowered.wrapped)


def _restore(output_spec: OutputSpec | None, text: str) -> str:
    """Convert an answer to the stricter schema that was sent into one to the caller's schema."""
    if output_spec is None or output_spec.lowered is None or not _is_altered(output_spec):
        return text
    try:
        return msgspec.json.encode(output_spec.lowered.restore(msgspec.json.decode(text))).decode()
    except ValueError:  # not JSON of that schema: the answer is returned unchanged
        return text
