"""What each format sends for texts, and what it reads in a reply: values and bytes, no network."""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_like.dialects._shared import embeddings
from msgflux_like.dialects._shared.embeddings import Reply
from msgflux_like.dialects.cohere_v2 import embeddings as cohere
from msgflux_like.dialects.gemini import embeddings as gemini
from msgflux_like.dialects.mistral import embeddings as mistral
from msgflux_like.dialects.ollama_chat import embeddings as ollama
from msgflux_like.dialects.openai_chat import embeddings as openai
from msgflux_like.errors import UnsupportedError
from msgflux_like.events import Failed, TokenUsage
from msgflux_like.request import ChatRequest, Quirks

FORMATS = {"openai": openai, "mistral": mistral, "gemini": gemini, "cohere": cohere, "ollama": ollama}


def encoded(form: Any, *texts: str, quirks: Quirks | None = None, extra_body: Any = None, **parameters: Any) -> Any:
    return form.encode(ChatRequest("m", (), parameters, extra_body=extra_body or {}), texts, quirks or Quirks())


def in_base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def replies(vectors: list[list[float]]) -> dict[str, bytes]:
    """A reply with these vectors, and nothing else, in each format."""
    items = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
    said = {
        "openai": {"object": "list", "data": items},
        "mistral": {"object": "list", "data": items},
        "gemini": {"embeddings": [{"values": vector} for vector in vectors]},
        "cohere": {"embeddings": {"float": vectors}},
        "ollama": {"embeddings": vectors},
    }
    return {name: json.dumps(body).encode() for name, body in said.items()}


# ---- what goes out


def test_openai_is_told_the_dimensions_and_the_user():
    made = encoded(openai, "a", "b", dimensions=256, user="u1")
    assert made.path == "/embeddings"
    assert made.body == {"model": "m", "input": ["a", "b"], "dimensions": 256, "user": "u1"}


def test_openai_is_asked_for_base64_where_the_provider_is_known_to_have_it():
    able = Quirks(embeddings_base64=True)
    assert encoded(openai, "a", quirks=able).body["encoding_format"] == "base64"
    assert "encoding_format" not in encoded(openai, "a", quirks=able, extra_body={"encoding_format": "float"}).body


def test_mistral_has_its_own_name_for_the_dimensions():
    made = encoded(mistral, "a", dimensions=512)
    assert (made.path, made.body) == ("/embeddings", {"model": "m", "input": ["a"], "output_dimension": 512})


def test_gemini_gets_a_request_for_each_text():
    made = encoded(gemini, "a", "b", dimensions=768, input_type="query")
    assert made.path == "/models/m:batchEmbedContents"
    assert made.body == {
        "requests": [
            {
                "model": "models/m",
                "content": {"parts": [{"text": text}]},
                "outputDimensionality": 768,
                "taskType": "RETRIEVAL_QUERY",
            }
            for text in ("a", "b")
        ]
    }


def test_cohere_is_told_what_the_vectors_are_for():
    made = encoded(cohere, "a", dimensions=1024, input_type="query")
    assert made.path == "/embed"
    assert made.body == {
        "model": "m",
        "texts": ["a"],
        "embedding_types": ["float"],
        "output_dimension": 1024,
        "input_type": "search_query",
        "truncate": "NONE",
    }
    assert made.changes == ()


def test_cohere_demands_a_purpose_and_the_default_is_recorded():
    made = encoded(cohere, "a")
    assert made.body["input_type"] == "search_document"
    assert [(change.kind, change.field) for change in made.changes] == [("defaulted", "input_type")]


def test_a_purpose_or_a_cut_in_the_providers_own_words_is_left_alone():
    own = {"input_type": "image", "truncate": "END"}
    made = encoded(cohere, "a", extra_body=own)
    assert (own.keys() & made.body.keys(), made.changes) == (set(), ())
    assert "truncate" not in encoded(ollama, "a", extra_body={"truncate": True}).body


def test_ollama_must_not_cut_texts_without_a_word():
    made = encoded(ollama, "a", dimensions=64)
    assert (made.path, made.body) == (
        "/api/embed",
        {"model": "m", "input": ["a"], "dimensions": 64, "truncate": False},
    )


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        ("openai", "input_type", "query"),
        ("mistral", "input_type", "query"),
        ("mistral", "user", "u1"),
        ("gemini", "user", "u1"),
        ("cohere", "user", "u1"),
        ("ollama", "user", "u1"),
        ("ollama", "input_type", "document"),
    ],
)
def test_a_parameter_without_a_word_for_it_is_refused(name, parameter, value):
    with pytest.raises(
        UnsupportedError, match=rf"(?i)^{parameter}: {name}'s format .* give the provider's own"
    ) as raised:
        encoded(FORMATS[name], "a", **{parameter: value})
    assert "extra_body" in str(raised.value)


def test_a_purpose_without_a_word_for_it_is_refused():
    with pytest.raises(
        UnsupportedError, match=r"input_type: Cohere's format .* cannot express 'similarity', only query"
    ):
        encoded(cohere, "a", input_type="similarity")


def test_what_a_provider_answers_with_an_error_is_refused():
    with pytest.raises(UnsupportedError, match="user: OpenAI's format"):
        encoded(openai, "a", quirks=Quirks(refuses=("user",)), user="u1")


def test_the_dialect_of_a_provider_tells_its_format():
    assert embeddings.load("groq", "openai_responses") is openai
    with pytest.raises(UnsupportedError, match=r"^anthropic speaks anthropic_messages, which has no embeddings: take "):
        embeddings.load("anthropic", "anthropic_messages")


# ---- what comes back


@pytest.mark.parametrize("name", FORMATS)
def test_the_vectors_come_in_the_order_of_the_texts(name):
    vectors = [[0.25, -1.0], [3.0, 1e-9], [0.0, 2]]
    assert FORMATS[name].decode(replies(vectors)[name]).vectors == vectors


def test_openais_items_may_come_in_any_order():
    items = [{"index": 1, "embedding": [1.0]}, {"index": 2, "embedding": [2.0]}, {"index": 0, "embedding": [0.5]}]
    assert openai.decode(json.dumps({"data": items}).encode()).vectors == [[0.5], [1.0], [2.0]]


def test_items_without_a_place_stay_where_they_are():
    items = [{"embedding": [1.0]}, {"embedding": [2.0]}]
    assert openai.decode(json.dumps({"data": items}).encode()).vectors == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("name", "more", "usage"),
    [
        ("openai", {"usage": {"prompt_tokens": 8, "total_tokens": 8}}, TokenUsage(8, 0, total=8)),
        ("openai", {"usage": {"total_tokens": 8}}, TokenUsage(8, 0, total=8)),
        ("openai", {"usage": {"prompt_tokens": 8, "cost": 0.5}}, TokenUsage(8, 0, total=8, cost=0.5)),
        ("openai", {"usage": None}, None),
        (
            "mistral",
            {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}},
            TokenUsage(0, 0, total=0),
        ),
        ("gemini", {"usageMetadata": {"promptTokenCount": 3}}, TokenUsage(3, 0, total=3)),
        ("gemini", {}, None),
        ("cohere", {"meta": {"billed_units": {"input_tokens": 4.0}}}, TokenUsage(4, 0, total=4)),
        ("cohere", {"meta": None}, None),
        ("ollama", {"prompt_eval_count": 5}, TokenUsage(5, 0, total=5)),
    ],
)
def test_usage_is_what_the_provider_reports(name, more, usage):
    body = {**json.loads(replies([[1.0]])[name]), **more}
    assert FORMATS[name].decode(json.dumps(body).encode()).usage == usage


def test_a_vector_that_is_null_makes_it_no_reply():
    with pytest.raises(msgspec.DecodeError):
        openai.decode(b'{"data": [{"embedding": null, "index": 0}]}')


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("body", [b"{}", b"[]", b"", b"<html>", b'{"data": 5, "embeddings": 5}'])
def test_what_is_no_reply_is_none(name, body):
    with pytest.raises(msgspec.DecodeError):
        FORMATS[name].decode(body)


@pytest.mark.parametrize("name", ["openai", "mistral", "gemini", "ollama"])
def test_a_failure_may_come_with_a_status_of_success(name):
    said = FORMATS[name].decode(b'{"error": {"message": "busy", "type": "server_error"}}')
    assert isinstance(said, Failed)
    assert (said.message, said.type) == ("busy", "server_error")


@pytest.mark.parametrize("name", FORMATS)
def test_a_reply_with_another_number_of_vectors_is_none(name):
    reply = Reply(FORMATS[name], 3)
    with pytest.raises(msgspec.ValidationError, match="2 vectors for 3 texts"):
        reply.decode(replies([[1.0], [2.0]])[name])


@pytest.mark.parametrize(("vectors", "lengths"), [([[1.0], [1.0, 2.0]], "1 and 2"), ([[], []], "0")])
def test_vectors_of_several_lengths_or_of_none_are_no_reply(vectors, lengths):
    with pytest.raises(msgspec.ValidationError, match=f"vectors of {lengths} numbers"):
        Reply(openai, 2).decode(replies(vectors)["openai"])


# ---- base64

floats = st.floats(width=32, allow_nan=False)


@given(st.lists(floats, max_size=40))
def test_base64_and_numbers_are_the_same_vector(vector):
    as_text = json.dumps({"data": [{"embedding": in_base64(vector), "index": 0}]}).encode()
    [read] = openai.decode(as_text).vectors
    assert read == vector
    assert list(map(math.copysign, [1.0] * len(vector), read)) == [math.copysign(1.0, each) for each in vector]
    if all(map(math.isfinite, vector)):
        as_numbers = json.dumps({"data": [{"embedding": vector, "index": 0}]}).encode()
        assert openai.decode(as_numbers).vectors == [read]


@given(st.text(max_size=30))
def test_text_that_is_no_vector_is_an_error_or_one_of_whole_floats(text):
    try:
        read = openai.floats_of(text)
    except msgspec.ValidationError:
        return
    assert len(base64.b64decode(text)) == 4 * len(read)


@pytest.mark.parametrize("text", ["AAAA", "AAAAA", "AAAAAA=", "no base64 at all!"])
def test_base64_that_is_cut_is_no_vector(text):
    with pytest.raises(msgspec.ValidationError, match="no base64 text of 32-bit floats"):
        openai.floats_of(text)
