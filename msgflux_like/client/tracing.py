"""OpenTelemetry: trace headers on requests while a span is active, and a span for each call where spans are on.

OpenTelemetry is imported only if the program itself has imported it, or turned spans on.
Sources: https://www.w3.org/TR/trace-context/, https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Generic, Literal, TypeVar
from urllib.parse import urlsplit

from msgflux_like._json import as_list, as_mapping, to_json
from msgflux_like.client.reply_readers import ReplyReader
from msgflux_like.errors import APIError, NotInstalledError
from msgflux_like.events import Event
from msgflux_like.request import Change, HttpRequest
from msgflux_like.response.openai_objects import ApiObject, Usage

W = TypeVar("W", bound=ApiObject)
C = TypeVar("C", bound=ApiObject)

Operation = Literal["chat", "text_completion", "embeddings"]

# Attribute of the span for each field of the body.
_REQUEST_ATTRIBUTES: Final[Mapping[str, str]] = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "seed": "gen_ai.request.seed",
    "n": "gen_ai.request.choice.count",
}


def check_installed() -> None:
    """Raise NotInstalledError if OpenTelemetry is not installed."""
    from importlib.util import find_spec  # noqa: PLC0415  optional dependency

    if find_spec("opentelemetry") is None:
        raise NotInstalledError("spans need OpenTelemetry: pip install opentelemetry-api")


def trace_headers(span: Span | None = None) -> dict[str, str]:
    """Return `traceparent` and `tracestate` of a span, of the active span if None; no headers if there is none."""
    if span is None and "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415  imported already
        TraceContextTextMapPropagator,
    )

    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers, context=span.context() if span else None)
    return headers


class Span:
    """Client span of one call, with `gen_ai.*` attributes; prompts and answers are recorded only with content on."""

    def __init__(self, operation: Operation, provider: str, model: str, *, with_content: bool) -> None:
        from opentelemetry import trace  # noqa: PLC0415  optional dependency

        self._trace = trace
        self._with_content = with_content
        self._started_s = time.monotonic()
        self._chunks = 0
        self._texts: list[str] = []
        self._span = trace.get_tracer("msgflux_like").start_span(
            f"{operation} {model}",
            kind=trace.SpanKind.CLIENT,
            attributes={
                "gen_ai.operation.name": operation,
                "gen_ai.provider.name": provider,
                "gen_ai.request.model": model,
            },
        )

    def context(self) -> Any:
        """Return the context in which this span is the active one."""
        return self._trace.set_span_in_context(self._span)

    def record_request(self, http: HttpRequest, given: Mapping[str, Any]) -> None:
        """Record the parameters of the request and the address of the server."""
        url = urlsplit(http.url)
        attributes: dict[str, Any] = {
            name: given[key] for key, name in _REQUEST_ATTRIBUTES.items() if given.get(key) is not None
        }
        attributes["server.address"] = url.hostname or ""
        if url.port is not None:
            attributes["server.port"] = url.port
        if stop := given.get("stop"):
            attributes["gen_ai.request.stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
        if self._with_content:
            content = given.get("messages", given.get("prompt", given.get("input")))
            attributes["gen_ai.input.messages"] = to_json(content).decode()
        self._span.set_attributes(attributes)

    def record_chunks(self, chunks: Sequence[ApiObject]) -> None:
        """Record chunks that were received, and the time to the first one."""
        if chunks and not self._chunks:
            self._span.set_attribute("bud.inference.ttft_ms", (time.monotonic() - self._started_s) * 1000)
        self._chunks += len(chunks)
        for chunk in chunks:
            self._record(chunk)

    def _record(self, reply: ApiObject) -> None:
        """Record the ids, the finish reasons and, with content on, the text of a reply or a chunk."""
        found = {"gen_ai.response.id": reply.get("id"), "gen_ai.response.model": reply.get("model")}
        self._span.set_attributes({name: value for name, value in found.items() if isinstance(value, str) and value})
        choices = [as_mapping(choice) for choice in as_list(reply.get("choices"))]
        if reasons := [reason for choice in choices if (reason := choice.get("finish_reason"))]:
            self._span.set_attribute("gen_ai.response.finish_reasons", reasons)
        if self._with_content:
            for choice in choices:
                message = as_mapping(choice.get("delta") or choice.get("message"))
                self._texts.append(message.get("content") or choice.get("text") or "")

    def record_reply(self, reply: ApiObject, usage: Usage | None) -> None:
        """Record a whole reply, and end the span."""
        self._record(reply)
        self.record_usage(usage)

    def record_usage(self, usage: Usage | None) -> None:
        """Record the tokens, and end the span."""
        counts = as_mapping(usage)
        attributes = {
            "gen_ai.usage.input_tokens": counts.get("prompt_tokens"),
            "gen_ai.usage.output_tokens": counts.get("completion_tokens"),
        }
        self._span.set_attributes({name: count for name, count in attributes.items() if isinstance(count, int)})
        self.end()

    def record_error(self, error: APIError) -> None:
        """Record the class or status of an error, and end the span. Its message is left out: it may quote a prompt."""
        self._span.set_attribute("error.type", str(error.status or type(error).__name__))
        self._span.set_status(self._trace.StatusCode.ERROR, type(error).__name__)
        self.end()

    def end(self) -> None:
        """End the span. Idempotent."""
        if not self._span.is_recording():
            return
        if self._chunks:
            self._span.set_attribute("bud.inference.chunks", self._chunks)
        if text := "".join(self._texts):
            self._span.set_attribute("gen_ai.output.messages", text)
        self._span.end()


class TracedReader(Generic[W, C]):
    """Reader that reports the objects it makes to a span."""

    def __init__(self, inner: ReplyReader[W, C], span: Span) -> None:
        self._inner = inner
        self._span = span
        self.changes: tuple[Change, ...] = inner.changes

    @property
    def usage(self) -> Usage | None:
        """Tokens of the answer, None until the provider reported them."""
        return self._inner.usage

    def take(self, batch: Iterable[Event]) -> list[C]:
        """Return the chunks of these events."""
        chunks = self._inner.take(batch)
        self._span.record_chunks(chunks)
        return chunks

    def end(self) -> list[C]:
        """Return the chunks that follow from the end of the stream."""
        chunks = self._inner.end()
        self._span.record_chunks(chunks)
        self._span.record_usage(self.usage)
        return chunks

    def read_whole(self, events: Iterable[Event]) -> W:
        """Return the object of a reply that was not streamed."""
        reply = self._inner.read_whole(events)
        self._span.record_reply(reply, self.usage)
        return reply
