"""OpenTelemetry: who is told what, and when."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import msgflux_like as mf
from msgflux_like import errors
from tests.client.conftest import USER
from tests.provider import chat, chat_stream, delta, sse, stream, whole

SECRET = [{"role": "user", "content": "my secret question"}]


@pytest.fixture(scope="module")
def exporter():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(exporter):
    """The spans that were written, by a function."""
    exporter.clear()
    return exporter.get_finished_spans


@pytest.fixture
def client_of(colour):
    def make(server, **options):
        return colour.Client("sk-secret", base_url=server.base_url, max_retries=0, **options)

    return make


def traceparent(span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def test_requests_carry_the_active_span(provider, colour, client_of, spans):
    server = provider(whole(chat()), whole({"data": []}), whole({"choices": [{"text": "x"}]}))
    with trace.get_tracer("a program").start_as_current_span("its span") as span:
        colour.call(client_of(server), "chat.completions.create", model="m", messages=USER)
        colour.call(client_of(server), "models.list")
        colour.call(client_of(server), "completions.create", model="m", prompt="x")
    assert [request.headers["traceparent"] for request in server.requests] == [traceparent(span)] * 3
    assert len(spans()) == 1  # no span of one's own was asked for


def test_without_a_span_there_is_no_header(provider, colour, client_of):
    server = provider(whole(chat()))
    colour.call(client_of(server), "chat.completions.create", model="m", messages=USER)
    assert "traceparent" not in server.requests[0].headers


def test_the_callers_own_header_counts(provider, colour, client_of, spans):
    server = provider(whole(chat()))
    with trace.get_tracer("a program").start_as_current_span("its span"):
        given = {"extra_headers": {"TraceParent": "mine"}}
        colour.call(client_of(server), "chat.completions.create", model="m", messages=USER, **given)
    assert server.requests[0].headers["traceparent"] == "mine"


def test_nothing_is_imported_before_the_program_did():
    code = """
        import sys
        import msgflux_like as mf
        from msgflux_like.client.tracing import trace_headers
        client = mf.Client("k", provider="openai")
        assert trace_headers() == {}
        print([name for name in sys.modules if name.startswith("opentelemetry")])
    """
    command = [sys.executable, "-c", "\n".join(line[8:] for line in code.splitlines())]
    assert subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout == "[]\n"


def test_a_span_tells_what_was_asked_and_what_came_of_it(provider, colour, client_of, spans):
    server = provider(whole(chat("my secret answer")))
    words = {"temperature": 0.0, "max_tokens": 5, "stop": "x", "seed": 3}
    with trace.get_tracer("a program").start_as_current_span("its span") as outer:
        client = client_of(server, spans=True)
        colour.call(client, "chat.completions.create", model="gpt-4o", messages=SECRET, **words)
    span, _ = spans()
    assert (span.name, span.kind) == ("chat gpt-4o", trace.SpanKind.CLIENT)
    assert span.parent.span_id == outer.get_span_context().span_id
    assert server.requests[0].headers["traceparent"] == traceparent(span)
    assert dict(span.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai-compatible",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.max_tokens": 5,
        "gen_ai.request.seed": 3,
        "gen_ai.request.stop_sequences": ("x",),
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 19,
        "gen_ai.usage.output_tokens": 9,
    }


def test_a_span_of_a_stream_ends_with_it(provider, colour, client_of, spans):
    client = client_of(provider(chat_stream("my ", "secret")), spans=True)
    chunks, _ = colour.chunks(client, model="m", messages=SECRET)
    (span,) = spans()
    assert span.attributes["bud.inference.chunks"] == len(chunks) == 3
    assert span.attributes["bud.inference.ttft_ms"] > 0
    assert span.attributes["gen_ai.usage.output_tokens"] == 2
    assert span.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert "secret" not in span.to_json()


def test_what_was_said_is_told_only_to_those_who_ask(provider, colour, client_of, spans):
    for reply, streamed in ((whole(chat("an answer")), False), (chat_stream("an ", "answer"), True)):
        client = client_of(provider(reply), spans="content")
        if streamed:
            colour.chunks(client, model="m", messages=SECRET)
        else:
            colour.call(client, "chat.completions.create", model="m", messages=SECRET)
    for span in spans():
        assert json.loads(span.attributes["gen_ai.input.messages"]) == SECRET
        assert span.attributes["gen_ai.output.messages"] == "an answer"


def test_texts_and_vectors_have_spans_too(provider, colour, client_of, spans):
    server = provider(whole({"choices": [{"text": "x", "finish_reason": "stop"}]}), whole({"data": []}))
    client = client_of(server, spans=True)
    colour.call(client, "completions.create", model="m", prompt="x")
    colour.call(client, "embeddings.create", model="m", input="x")
    assert [span.name for span in spans()] == ["text_completion m", "embeddings m"]


def test_a_failure_is_told_without_what_the_provider_quotes(provider, colour, client_of, spans):
    client = client_of(provider(whole({"error": "cannot read: my secret question"}, status=400)), spans=True)
    with pytest.raises(errors.BadRequestError):
        colour.call(client, "chat.completions.create", model="m", messages=SECRET)
    (span,) = spans()
    assert span.attributes["error.type"] == "400"
    assert span.status.status_code is trace.StatusCode.ERROR
    assert "secret" not in span.to_json()


def test_a_failure_after_the_renewal_of_a_token_is_told(provider, colour, spans):
    class Renewable:
        def __call__(self):
            return "t"

        def renew(self):
            return True

    server = provider(whole({"error": "ended"}, status=401))
    client = colour.Client(Renewable(), base_url=server.base_url, spans=True)
    with pytest.raises(errors.AuthenticationError):
        colour.call(client, "chat.completions.create", model="m", messages=USER)
    (span,) = spans()
    assert (span.attributes["error.type"], len(server.requests)) == ("401", 2)


def test_a_failure_in_the_middle_is_told(provider, colour, client_of, spans):
    client = client_of(provider(stream(delta("a"), sse({"error": {"message": "broken"}}))), spans=True)
    with pytest.raises(errors.StreamFailedError):
        colour.chunks(client, model="m", messages=USER)
    (span,) = spans()
    assert (span.attributes["error.type"], span.attributes["bud.inference.chunks"]) == ("200", 1)


def test_a_stream_that_is_left_ends_its_span(provider, spans):
    client = mf.Client("k", base_url=provider(chat_stream("a", "b")).base_url, spans=True)
    with client.chat.completions.create(model="m", messages=USER, stream=True) as chunks:
        next(chunks)
    (span,) = spans()
    assert "error.type" not in span.attributes


def test_a_call_that_cannot_be_made_begins_no_span(provider, colour, client_of, spans):
    client = client_of(provider(whole(chat())), spans=True)
    with pytest.raises(ValueError, match="temperature"):
        colour.call(client, "chat.completions.create", model="m", messages=USER, temperature=9)
    assert spans() == ()


def test_spans_need_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ImportError, match="pip install opentelemetry-api"):
        mf.Client("k", provider="openai", spans=True)
