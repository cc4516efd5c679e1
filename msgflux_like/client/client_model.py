"""One model of a client: what is asked of it in OpenAI's words, as calls ready to be sent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec

from msgflux_like._http.exchange import Retries, exchange
from msgflux_like._json import as_mapping
from msgflux_like.calls.arguments import check_headers, check_retries, check_timeout
from msgflux_like.calls.build import RequestBuilder
from msgflux_like.calls.http_request import to_http
from msgflux_like.client.account import Account
from msgflux_like.client.calls import Call
from msgflux_like.client.openai_params import to_options, with_usage
from msgflux_like.client.raw import Holds, Raw
from msgflux_like.client.reading import EventReading, RawChatReading, RawReading, Reading
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import Change, ChatRequest, Encoded, Endpoint, HttpRequest
from msgflux_like.response.openai_objects import ApiObject, ChatCompletionChunk, ChatCompletionReply
from msgflux_like.structured.typed_response import OutputSpec

W = TypeVar("W", bound=ApiObject)
C = TypeVar("C", bound=ApiObject)

RAW_DIALECT = "openai_chat"
"""Whose replies are OpenAI's objects as they are."""

_STRICTER = Change(
    "emulated", "response_format", "a stricter schema is sent: what may be left out comes as null in a stream"
)
_POSTED = (RAW_DIALECT, "openai_responses")  # dialects beside which the other calls are served


class ClientModel(RequestBuilder):
    """A chat model as far as it makes requests of calls; a client sends them, and reads the replies in its own way.

    What the catalogue says against a request does not stand in its way here.
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
        self._endpoint = account.placed(self._endpoint)
        self._transport = account.transport(self._endpoint.base_url)
        self._foreign = None if self._row.dialect == RAW_DIALECT else self._row.dialect
        if self._foreign is None:
            self._dialect = Raw(self._dialect, "choices")

    def whereabouts(self) -> tuple[Endpoint, str]:
        """Where requests go, and what the model is called there. A model on this machine is started: that may block."""
        return self._serve() if self._row.embedded else (self._endpoint, self.model_id)

    @property
    def is_local(self) -> bool:
        """Whether `whereabouts` may block."""
        return bool(self._row.embedded)

    def chat(
        self, messages: list[Mapping[str, Any]], given: Mapping[str, Any], *, stream: bool
    ) -> Call[ChatCompletionReply, ChatCompletionChunk]:
        """A chat completion."""
        words = to_options(given, self._foreign)
        prepared = self._prepare(messages, stream=stream, **words)
        reads: Reading[ChatCompletionReply, ChatCompletionChunk]
        if self._foreign is None:
            reads = RawChatReading(prepared.call_metadata.changes, with_usage=with_usage(given))
        else:
            call_metadata, output_spec = prepared.call_metadata, prepared.output_spec
            if stream and _is_altered(output_spec):
                call_metadata = call_metadata._replace(changes=(*call_metadata.changes, _STRICTER))
            reads = EventReading(
                prepared.answer, call_metadata, with_usage=with_usage(given), restored=partial(_restored, output_spec)
            )
        return self._call(prepared.http, reads, given)

    def post(
        self,
        path: str,
        body: dict[str, Any],
        how: Mapping[str, Any],
        *,
        holds: Holds,
        reads: RawReading[W, C],
        stream: bool = False,
    ) -> Call[W, C]:
        """Another of OpenAI's calls, which goes out and comes back as it is."""
        if self._row.dialect not in _POSTED:
            raise UnsupportedError(
                f"{self.provider} has no {path}: it speaks {self._row.dialect}. Name a provider in OpenAI's format"
            )
        endpoint, model_id = self.whereabouts()
        extra_headers = {**self._extra_headers, **check_headers(how.get("extra_headers"))}
        extra_body = {**self._extra_body, **as_mapping(how.get("extra_body"))}
        if stream:
            body["stream"] = True
            if endpoint.quirks.stream_usage:
                body.setdefault("stream_options", {"include_usage": True})
        request = ChatRequest(model_id, (), stream=stream, extra_body=extra_body, extra_headers=extra_headers)
        http = to_http(Encoded(path, {"model": model_id, **body}), request, endpoint)
        return self._call(http, reads, how, holds)

    def _call(
        self, http: HttpRequest, reads: Reading[W, C], how: Mapping[str, Any], holds: Holds | None = None
    ) -> Call[W, C]:
        timeout, retries = how.get("timeout"), how.get("max_retries")
        again = self._retries if retries is None else Retries(check_retries(retries))
        if holds is None:
            begun = partial(self._exchange, again=again, base_url=None)
        else:
            raw = Raw(self._dialect, holds)
            begun = partial(exchange, dialect=raw, provider=self.provider, model=self.model_id, retries=again)
        return Call(
            http=http,
            exchange=begun,
            timeouts=self._timeouts if timeout is None else check_timeout(timeout),
            transport=self._transport,
            reads=reads,
            renewed=self._account.renewed,
            explained=self._explained,
        )


def _is_altered(output_spec: OutputSpec | None) -> bool:
    """Whether what is written under the schema that goes out may not be of the caller's."""
    lowered = output_spec.lowered if output_spec is not None else None
    return lowered is not None and (lowered.alters or lowered.wrapped)


def _restored(output_spec: OutputSpec | None, text: str) -> str:
    """Of the text that a stricter schema led to, the text that the caller's schema describes."""
    if output_spec is None or output_spec.lowered is None or not _is_altered(output_spec):
        return text
    try:
        return msgspec.json.encode(output_spec.lowered.restore(msgspec.json.decode(text))).decode()
    except ValueError:  # what the model wrote is shown as it is
        return text
