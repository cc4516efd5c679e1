"""What an embedder answers: vectors, what they cost, and how they came."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import Generic, Literal, TypeVar

from msgflux_like._attrdict import dotdict
from msgflux_like.catalog.pricing import CostDetails
from msgflux_like.request import Change
from msgflux_like.response.response import CallMetadata, ResponseAccumulator, cost_details_of, metadata_of

V = TypeVar("V", list[float], list[list[float]])


class Requests(ResponseAccumulator):
    """What is known of the requests of one call, beside their vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.attempts = 0
        self.batches = 0
        self.from_cache = 0  # texts

    def join(self, batch: ResponseAccumulator) -> None:
        """Count one more: usage is added up, the first of them gives the names."""
        if not self.batches:
            self.usage = batch.usage
        else:
            self.usage = self.usage + batch.usage if self.usage and batch.usage else None
        self.id, self.model = self.id or batch.id, self.model or batch.model
        self.request_id = self.request_id or batch.request_id
        self.attempts += batch.attempts
        self.batches += 1


class EmbeddingResponse(Generic[V]):
    """The vectors of one call, the caller's own to change.

    Attributes:
        vectors: One for each text, in the order of the texts.
        usage: Tokens of all requests together, None when one of them did not report them.
        changes: What was not sent exactly as asked.
        warnings: What the catalogue says against the request or the model.
    """

    response_type: Literal["text_embedding"] = "text_embedding"

    def __init__(self, data: V, vectors: list[list[float]], requests: Requests, call_metadata: CallMetadata) -> None:
        self._data: V = data
        self._requests = requests
        self._about = call_metadata
        self.vectors = vectors
        self.usage = requests.usage
        self.changes = _changes(requests, call_metadata)
        self.warnings = call_metadata.warnings

    @property
    def data(self) -> V:
        """One vector for a text, a list of vectors for a list of texts."""
        return self._data

    def consume(self) -> V:
        """The same as `data`. Every time the same."""
        return self._data

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return len(self.vectors[0])

    @cached_property
    def metadata(self) -> dotdict:
        """Usage and ids, as a dict that is read by attribute too.

        `usage` has `prompt_tokens` and `total_tokens`, None where the provider reported nothing. `requests` counts the
        batches, `attempts` what was sent for them. `cached` is True where nothing was sent;
        `cached_texts` is there where a cache had some of them.
        """
        facts = metadata_of(self._requests, self._about)
        for name in ("finish_reason", "finish_reason_raw"):
            del facts[name]
        del facts["usage"]["completion_tokens"]
        facts["requests"] = self._requests.batches
        if self._requests.from_cache:
            facts["cached_texts"] = self._requests.from_cache
        return facts

    @property
    def cost(self) -> Decimal | None:
        """US dollars, exact; None when it is not known, and then `cost_details.reason` says why."""
        return self.cost_details.usd

    @cached_property
    def cost_details(self) -> CostDetails:
        """Whether the provider stated the cost or it follows from the catalogue's prices; see `CostDetails`."""
        return cost_details_of(self._requests, self._about)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self._about.provider}/{self._about.model}, "
            f"{len(self.vectors)} vectors of {self.dimensions} numbers)"
        )


def _changes(requests: Requests, call_metadata: CallMetadata) -> tuple[Change, ...]:
    again = requests.attempts - requests.batches
    if not again:
        return call_metadata.changes
    return (
        *call_metadata.changes,
        Change("retried", "request", f"{again} more requests were sent: as many had failed"),
    )
