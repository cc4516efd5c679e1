"""One call of an embedder under way: which texts are asked for together, and what has come of them."""

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
    """The vectors of a cache, each under the request that would ask for its text alone."""

    KIND: Final = "vector/1"

    def __init__(self, cache: ResponseCache, provider: str, model: str) -> None:
        self._cache = cache
        self._names = (provider, model)
        self.blocks = cache.blocks

    def find(self, requests: Mapping[int, HttpRequest], facts: dict[str, str]) -> dict[int, list[float]]:
        """Those that are there, by the places of their texts."""
        self._keys = {place: self._cache.key(http, facts) for place, http in requests.items()}
        found: dict[int, list[float]] = {}
        for place, key in self._keys.items():
            value = None if key is None else self._cache.get(key, self.KIND)
            if value is None:
                self._cache.count_miss()
            else:
                found[place] = _numbers(value)
        return found

    def keep(self, vectors: dict[int, list[float]]) -> None:
        """Keep what came, by the places of the texts."""
        if not self._cache.keeps:
            return
        for place, vector in vectors.items():
            if (key := self._keys[place]) is not None:
                self._cache.put(key, self.KIND, _packed(vector), *self._names)


def _packed(vector: list[float]) -> bytes:
    numbers = array("d", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _numbers(value: bytes) -> list[float]:
    numbers = array("d")
    numbers.frombytes(value)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


class EmbeddingJob:
    """The texts of one call and their vectors, shared by all who send requests for it.

    Attributes:
        different: The places of the texts that are asked for: of equal ones, the first.
        vectors: Those that are there, by the places of their texts.
        requests: What is known of the requests so far.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        places: dict[str, int] = {}
        self._first = [places.setdefault(text, place) for place, text in enumerate(texts)]
        self.different = list(places.values())
        self.vectors: dict[int, list[float]] = {}
        self.requests = Requests()
        self._texts = texts
        self._waiting: deque[list[int]] = deque()
        self._answers: dict[int, ResponseAccumulator] = {}
        self._failures: dict[int, APIError] = {}

    def found(self, vectors: dict[int, list[float]]) -> None:
        """What a cache had."""
        self.vectors |= vectors
        self.requests.from_cache = sum(place in vectors for place in self._first)

    def plan(self, tokens: Sequence[int], most_texts: int, most_tokens: int | None) -> int:
        """Cut what is missing into batches; how many there are."""
        missing = (place for place in self.different if place not in self.vectors)
        self._waiting.extend(batches(missing, tokens, most_texts, most_tokens))
        return len(self._waiting)

    def next(self) -> list[int] | None:
        """The places of the next batch; None when there is none, or after a failure."""
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def stop(self) -> None:
        """Give out no more."""
        self._waiting.clear()

    def texts(self, batch: list[int]) -> list[str]:
        """The texts at those places."""
        return [self._texts[place] for place in batch]

    def came(self, batch: list[int], events: list[Event]) -> dict[int, list[float]]:
        """Take the answer to a batch; its vectors by the places of their texts."""
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

    def failed(self, batch: list[int], error: APIError) -> None:
        """One batch failed, and the call with it."""
        self.stop()
        if len(batch) < len(self.different):
            where = f"it was about texts[{batch[0]}] to texts[{batch[-1]}]"
            error.hint = f"{error.hint}; {where}" if error.hint else where
        self._failures[batch[0]] = error

    def done(self) -> list[list[float]]:
        """All vectors, in the order of the texts; or the failure of the first batch that failed is raised."""
        if self._failures:
            raise self._failures[min(self._failures)]
        for place in sorted(self._answers):
            self.requests.join(self._answers[place])
        if not self._answers:
            self.requests.usage = TokenUsage(input=0, output=0, total=0)  # nothing was sent
        vectors = self.vectors
        return [vectors[first] if first == place else vectors[first].copy() for place, first in enumerate(self._first)]
