"""The wire formats of embeddings, one file each, and what such a format is.

A format is pure, as a dialect is: texts and bytes in, bytes and vectors out. Its module has the members of `Format`.
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
    """One reply: a vector for each text of its request, in the order of the texts."""

    vectors: list[list[float]]
    usage: TokenUsage | None = None
    id: str = ""
    model: str = ""


class Format(Protocol):
    """The three functions, and how much goes into one request.

    Attributes:
        MOST_TEXTS: Most texts of one request.
        MOST_TOKENS: Most tokens of all of them together, None where nothing is said.
    """

    MOST_TEXTS: int
    MOST_TOKENS: int | None

    def encode(self, request: ChatRequest, texts: Sequence[str], quirks: Quirks) -> Encoded:
        """The texts in the format's words; UnsupportedError for a parameter that it has no words for.

        The request has no messages: it says which model, with which parameters.
        """
        ...

    def decode(self, body: bytes) -> Embedded | Failed:
        """A reply, or the failure in it. Raises msgspec.DecodeError when it is neither."""
        ...

    def refusal(self, body: bytes) -> Failed:
        """What the provider said in the body of a reply with an error status."""
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
    """The format of a provider that speaks that dialect; UnsupportedError where there is none."""
    if dialect not in _FORMATS:
        raise UnsupportedError(
            f"{provider} speaks {dialect}, which has no embeddings: "
            f"take a model of another provider, such as openai/text-embedding-3-small"
        )
    return cast("Format", import_module(f"msgflux_like.dialects.{_FORMATS[dialect]}.embeddings"))


class Vectors(Struct, frozen=True):
    """What an exchange tells of a reply: its vectors, as many as there were texts."""

    vectors: list[list[float]]


class Reply:
    """A dialect for one exchange: reads the reply to a request with that many texts."""

    AUTH: tuple[str, str] = ("", "")
    HEADERS: Mapping[str, str] = {}
    STATE: tuple[str, tuple[str, ...]] = ("embeddings", ())

    def __init__(self, form: Format, texts: int) -> None:
        self.refusal = form.refusal
        self._decode = form.decode
        self._texts = texts

    def encode(self, request: ChatRequest, quirks: Quirks) -> Encoded:  # noqa: ARG002  those of a dialect
        """See `Dialect`; a request is made before."""
        raise AssertionError("texts are encoded by a format")

    def decoder(self) -> Decoder:
        """See `Dialect`."""
        raise AssertionError("embeddings are not streamed")

    def decode(self, body: bytes) -> list[Event]:
        """See `Dialect`. A reply with too few vectors, or with vectors of several lengths, is none."""
        said = self._decode(body)
        if isinstance(said, Failed):
            return [said]
        if len(said.vectors) != self._texts:
            raise msgspec.ValidationError(f"it has {len(said.vectors)} vectors for {self._texts} texts")
        lengths = {len(vector) for vector in said.vectors}
        if len(lengths) > 1 or 0 in lengths:
            raise msgspec.ValidationError(f"it has vectors of {' and '.join(map(str, sorted(lengths)))} numbers")
        told: list[object] = [Started(said.id, said.model), said.usage, Vectors(said.vectors)]
        return cast("list[Event]", [event for event in told if event is not None])  # whatever a dialect tells


def spent(tokens: float | None, total: int | None = None, cost: float | None = None) -> TokenUsage | None:
    """The usage of a request that nothing was generated for; None where nothing was reported."""
    read = total if tokens is None else int(tokens)
    if read is None and cost is None:
        return None
    return TokenUsage(input=read, output=None if read is None else 0, total=read if total is None else total, cost=cost)
