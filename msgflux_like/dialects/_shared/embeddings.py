"""The protocol of a wire format of embeddings, `Format`, and the loading of the format that a provider speaks.

A format is pure, as a dialect is: texts and bytes in, bytes and vectors out. It is the module `embeddings` in a
dialect's folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final, Protocol, cast

import msgspec
from msgspec import Struct

from msgflux_like.dialects._shared.protocols import Decoder
from msgflux_like.errors import UnsupportedError
from msgflux_like.events import Event, Failed, Started, TokenUsage
from msgflux_like.request import ChatRequest, Encoded, Quirks


class Embedded(Struct, frozen=True):
    """The content of one reply: a vector for each text of its request, in the order of the texts."""

    vectors: list[list[float]]
    usage: TokenUsage | None = None
    id: str = ""
    model: str = ""


class Format(Protocol):
    """The three functions of a format, and the limits of one request.

    Attributes:
        MOST_TEXTS: Most texts in one request.
        MOST_TOKENS: Most tokens of all texts together, None if no limit is documented.
    """

    MOST_TEXTS: int
    MOST_TOKENS: int | None

    def encode(self, request: ChatRequest, texts: Sequence[str], quirks: Quirks) -> Encoded:
        """Return the request for these texts. `request` has no messages, only the model and the parameters.

        Raises:
            UnsupportedError: If the format does not support a parameter.
        """
        ...

    def decode(self, body: bytes) -> Embedded | Failed:
        """Return the vectors in a reply, or the failure in it.

        Raises:
            msgspec.DecodeError: If the body holds neither.
        """
        ...

    def refusal(self, body: bytes) -> Failed:
        """Return the failure in the body of a reply with an error status."""
        ...


# By the dialect that a provider's chat models speak.
_FORMATS: Final[Mapping[str, str]] = {
    "openai_chat": "openai_chat",
    "openai_responses": "openai_chat",
    "openai_completions": "openai_chat",
    "mistral": "mistral",
    "gemini": "gemini",
    "cohere_v2": "cohere_v2",
    "ollama_chat": "ollama_chat",
}


def load(provider: str, dialect: str) -> Format:
    """Return the embedding format of a provider that speaks this dialect.

    Raises:
        UnsupportedError: If the dialect has no embedding format.
    """
    if dialect not in _FORMATS:
        raise UnsupportedError(
            f"{provider} speaks {dialect}, which has no embeddings: "
            f"take a model of another provider, such as openai/text-embedding-3-small"
        )
    return cast("Format", import_module(f"msgflux_like.dialects.{_FORMATS[dialect]}.embeddings"))


class Vectors(Struct, frozen=True):
    """The event that holds the vectors of a reply, as many as there were texts."""

    vectors: list[list[float]]


class Reply:
    """The `Dialect` of one embedding exchange: it decodes the reply to a request with `texts` texts."""

    AUTH: tuple[str, str] = ("", "")
    HEADERS: Mapping[str, str] = {}
    STATE: tuple[str, tuple[str, ...]] = ("embeddings", ())

    def __init__(self, form: Format, texts: int) -> None:
        self.refusal = form.refusal
        self._decode = form.decode
        self._texts = texts

    def encode(self, request: ChatRequest, quirks: Quirks) -> Encoded:  # noqa: ARG002  signature of Dialect.encode
        """Raise AssertionError: the request is encoded by a `Format` before the exchange."""
        raise AssertionError("texts are encoded by a format")

    def decoder(self) -> Decoder:
        """Raise AssertionError: embeddings are not streamed."""
        raise AssertionError("embeddings are not streamed")

    def decode(self, body: bytes) -> list[Event]:
        """Return the events of a reply.

        Raises:
            msgspec.DecodeError: If the body is not a reply of this format, has another number of vectors than texts,
                or vectors of different lengths.
        """
        reply = self._decode(body)
        if isinstance(reply, Failed):
            return [reply]
        if len(reply.vectors) != self._texts:
            raise msgspec.ValidationError(f"it has {len(reply.vectors)} vectors for {self._texts} texts")
        lengths = {len(vector) for vector in reply.vectors}
        if len(lengths) > 1 or 0 in lengths:
            raise msgspec.ValidationError(f"it has vectors of {' and '.join(map(str, sorted(lengths)))} numbers")
        events: list[object] = [Started(reply.id, reply.model), reply.usage, Vectors(reply.vectors)]
        return cast("list[Event]", [event for event in events if event is not None])  # the exchange passes on any event


def embedding_usage(tokens: float | None, total: int | None = None, cost: float | None = None) -> TokenUsage | None:
    """Return the usage of an embedding request, which generates no tokens; None if the provider reported nothing."""
    read = total if tokens is None else int(tokens)
    if read is None and cost is None:
        return None
    return TokenUsage(input=read, output=None if read is None else 0, total=read if total is None else total, cost=cost)
