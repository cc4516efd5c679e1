"""One call of an embedder: its batches, the vectors that have arrived, and the cache of vectors."""

from __future__ import annotations

import sys
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgflux_like.dialects._shared.embedding_batches import batches
from msgflux_like.dialects._shared.embeddings import Vectors
from msgflux_like.errors import APIError
from msgflux_like.events import Event, TokenUsage
from msgflux_like.request import HttpRequest
from msgflux_like.response.accumulator import ResponseAccumulator
from msgflux_like.response.embeddings import Requests

if TYPE_CHECKING:
    from msgflux_like.cache import ResponseCache


class VectorCache:
    """A cache of vectors. The key of each is the request for its text alone."""

    KIND: Final = "vector/1"

    def __init__(self, cache: ResponseCache, provider: str, model: str) -> None:
        from msgflux_like.cache import engine_of  # noqa: PLC0415  imported already by whoever made the cache

        self._cache = engine_of(cache)
        self._names = (provider, model)
        self.blocks = self._cache.blocks

    def find(self, requests: Mapping[int, HttpRequest], facts: dict[str, str]) -> dict[int, list[float]]:
        """Return the cached vectors, by the indices of their texts."""
        self._keys = {index: self._cache.key(http, facts) for index, http in requests.items()}
        found: dict[int, list[float]] = {}
        for index, key in self._keys.items():
            value = None if key is None else self._cache.get(key, self.KIND)
            if value is None:
                self._cache.count_miss()
            else:
                found[index] = _unpack(value)
        return found

    def store(self, vectors: dict[int, list[float]]) -> None:
        """Store vectors, by the indices of their texts."""
        if not self._cache.has_room:
            return
        for index, vector in vectors.items():
            if (key := self._keys[index]) is not None:
                self._cache.put(key, self.KIND, _pack(vector), *self._names)


def _pack(vector: list[float]) -> bytes:
    numbers = array("d", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _unpack(value: bytes) -> list[float]:
    numbers = array("d")
    numbers.frombytes(value)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


class EmbeddingJob:
    """The texts of one call and their vectors, shared by the threads or tasks that send its requests.

    Attributes:
        unique: Indices of the texts that are asked for: of equal texts, the first.
        vectors: The vectors that have arrived, by the indices of their texts.
        requests: Facts of the requests so far.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        first_of: dict[str, int] = {}
        self._first = [first_of.setdefault(text, index) for index, text in enumerate(texts)]
        self.unique = list(first_of.values())
        self.vectors: dict[int, list[float]] = {}
        self.requests = Requests()
        self._texts = texts
        self._waiting: deque[list[int]] = deque()
        self._answers: dict[int, ResponseAccumulator] = {}
        self._failures: dict[int, APIError] = {}

    def add_cached(self, vectors: dict[int, list[float]]) -> None:
        """Add vectors of a cache."""
        self.vectors |= vectors
        self.requests.from_cache = sum(index in vectors for index in self._first)

    def plan(self, tokens: Sequence[int], max_texts: int, max_tokens: int | None) -> int:
        """Divide the texts without a vector into batches, and return the number of batches."""
        missing = (index for index in self.unique if index not in self.vectors)
        self._waiting.extend(batches(missing, tokens, max_texts, max_tokens))
        return len(self._waiting)

    def next(self) -> list[int] | None:
        """Return the indices of the next batch; None when there is none, or after a failure."""
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def cancel(self) -> None:
        """Discard the batches that have not been sent."""
        self._waiting.clear()

    def texts(self, batch: list[int]) -> list[str]:
        """Return the texts of a batch."""
        return [self._texts[index] for index in batch]

    def on_result(self, batch: list[int], events: list[Event]) -> dict[int, list[float]]:
        """Add the reply to a batch, and return its vectors by the indices of their texts."""
        answer = ResponseAccumulator()
        vectors: dict[int, list[float]] = {}
        for event in events:
            if isinstance(event, Vectors):
                vectors = dict(zip(batch, event.vectors, strict=True))
            else:
                answer.add([event])
        self.vectors.update(vectors)
        self._answers[batch[0]] = answer
        return vectors

    def on_failure(self, batch: list[int], error: APIError) -> None:
        """Record that a batch failed, and the call with it."""
        self.cancel()
        if len(batch) < len(self.unique):
            where = f"it was about texts[{batch[0]}] to texts[{batch[-1]}]"
            error.hint = f"{error.hint}; {where}" if error.hint else where
        self._failures[batch[0]] = error

    def result(self) -> list[list[float]]:
        """Return all vectors in the order of the texts. Raises the error of the first batch that failed."""
        if self._failures:
            raise self._failures[min(self._failures)]
        for index in sorted(self._answers):
            self.requests.join(self._answers[index])
        if not self._answers:
            self.requests.usage = TokenUsage(input=0, output=0, total=0)  # nothing was sent
        vectors = self.vectors
        return [vectors[first] if first == index else vectors[first].copy() for index, first in enumerate(self._first)]
