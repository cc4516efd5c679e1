"""OpenTelemetry: trace headers on requests while a span is active, and spans of one's own for those who ask.

Nothing is imported before the program itself has imported OpenTelemetry, or asks for spans.
Sources: https://www.w3.org/TR/trace-context/, https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Generic, Literal, TypeVar
from urllib.parse import urlsplit

from msgflux_like._json import as_list, as_mapping, to_json
from msgflux_like.client.reading import Reading
from msgflux_like.errors import APIError, NotInstalledError
from msgflux_like.events import Event
from msgflux_like.request import Change, HttpRequest
from msgflux_like.response.openai_objects import ApiObject, Usage

W = TypeVar("W", bound=ApiObject)
C = TypeVar("C", bound=ApiObject)

Operation = Literal["chat", "text_completion", "embeddings"]

# What of the body is told, and how it is called there.
_ASKED: Final[Mapping[str, str]] = {
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
    """NotInstalledError where there is no OpenTelemetry."""
    from importlib.util import find_spec  # noqa: PLC0415  for those who want spans

    if find_spec("opentelemetry") is None:
        raise NotInstalledError("spans need OpenTelemetry: pip install opentelemetry-api")


def trace_headers(span: Span | None = None) -> dict[str, str]:
    """`traceparent`, and `tracestate` where there is one, of that span, else of the active one; none without."""
    if span is None and "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415  in memory already
        TraceContextTextMapPropagator,
    )

    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers, context=span.context() if span else None)
    return headers


class Span:
    """The span of one call: a client's, with gen_ai.* attributes; what was said is told only when asked for."""

    def __init__(self, operation: Operation, provider: str, model: str, *, with_content: bool) -> None:
        from opentelemetry import trace  # noqa: PLC0415  for those who want spans

        self._trace = trace
        self._with_content = with_content
        self._began_s = time.monotonic()
        self._chunks = 0
        self._pieces: list[str] = []
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
        """The context in which this span is the active one."""
        return self._trace.set_span_in_context(self._span)

    def asked(self, http: HttpRequest, given: Mapping[str, Any]) -> None:
        """What was asked for, and where."""
        place = urlsplit(http.url)
        attributes: dict[str, Any] = {name: given[key] for key, name in _ASKED.items() if given.get(key) is not None}
        attributes["server.address"] = place.hostname or ""
        if place.port is not None:
            attributes["server.port"] = place.port
        if stop := given.get("stop"):
            attributes["gen_ai.request.stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
        if self._with_content:
            said = given.get("messages", given.get("prompt", given.get("input")))
            attributes["gen_ai.input.messages"] = to_json(said).decode()
        self._span.set_attributes(attributes)

    def streamed(self, chunks: Sequence[ApiObject]) -> None:
        """These came."""
        if chunks and not self._chunks:
            self._span.set_attribute("bud.inference.ttft_ms", (time.monotonic() - self._began_s) * 1000)
        self._chunks += len(chunks)
        for chunk in chunks:
            self._look(chunk)

    def _look(self, reply: ApiObject) -> None:
        named = {"gen_ai.response.id": reply.get("id"), "gen_ai.response.model": reply.get("model")}
        self._span.set_attributes({name: value for name, value in named.items() if isinstance(value, str) and value})
        choices = [as_mapping(choice) for choice in as_list(reply.get("choices"))]
        if reasons := [reason for choice in choices if (reason := choice.get("finish_reason"))]:
            self._span.set_attribute("gen_ai.response.finish_reasons", reasons)
        if self._with_content:
            for choice in choices:
                said = as_mapping(choice.get("delta") or choice.get("message"))
                self._pieces.append(said.get("content") or choice.get("text") or "")

    def answered(self, reply: ApiObject, usage: Usage | None) -> None:
        """The whole of it came."""
        self._look(reply)
        self.finished(usage)

    def finished(self, usage: Usage | None) -> None:
        """There is no more to come."""
        counts = as_mapping(usage)
        told = {
            "gen_ai.usage.input_tokens": counts.get("prompt_tokens"),
            "gen_ai.usage.output_tokens": counts.get("completion_tokens"),
        }
        self._span.set_attributes({name: count for name, count in told.items() if isinstance(count, int)})
        self.end()

    def failed(self, error: APIError) -> None:
        """It came to this instead. The error's text is not told: a provider may quote what was said."""
        self._span.set_attribute("error.type", str(error.status or type(error).__name__))
        self._span.set_status(self._trace.StatusCode.ERROR, type(error).__name__)
        self.end()

    def end(self) -> None:
        """Nothing more is told; twice is once."""
        if not self._span.is_recording():
            return
        if self._chunks:
            self._span.set_attribute("bud.inference.chunks", self._chunks)
        if text := "".join(self._pieces):
            self._span.set_attribute("gen_ai.output.messages", text)
        self._span.end()


class Traced(Generic[W, C]):
    """A reading whose span hears of what it made."""

    def __init__(self, inner: Reading[W, C], span: Span) -> None:
        self._inner = inner
        self._span = span
        self.changes: tuple[Change, ...] = inner.changes

    @property
    def usage(self) -> Usage | None:  # noqa: D102  see `Reading`
        return self._inner.usage

    def take(self, batch: Iterable[Event]) -> list[C]:
        """See `Reading`."""
        chunks = self._inner.take(batch)
        self._span.streamed(chunks)
        return chunks

    def end(self) -> list[C]:
        """See `Reading`."""
        chunks = self._inner.end()
        self._span.streamed(chunks)
        self._span.finished(self.usage)
        return chunks

    def whole(self, events: Iterable[Event]) -> W:
        """See `Reading`."""
        reply = self._inner.whole(events)
        self._span.answered(reply, self.usage)
        return reply
