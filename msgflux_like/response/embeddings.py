"""The answer of an embedder: vectors, their usage and cost, and facts about the requests."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import Generic, Literal, TypeVar

from msgflux_like._attrdict import dotdict
from msgflux_like.catalog.pricing import CostDetails
from msgflux_like.request import Change
from msgflux_like.response.accumulator import ResponseAccumulator
from msgflux_like.response.metadata import CallMetadata, build_cost_details, build_metadata

V = TypeVar("V", list[float], list[list[float]])


class Requests(ResponseAccumulator):
    """Facts about the requests of one embedding call, summed over its batches.

    Attributes:
        batches: Requests that were answered.
        from_cache: Texts whose vectors came from a cache.
    """

    def __init__(self) -> None:
        super().__init__()
        self.attempts = 0
        self.batches = 0
        self.from_cache = 0

    def join(self, batch: ResponseAccumulator) -> None:
        """Add the facts of one batch: counts are summed, ids are those of the first batch."""
        if not self.batches:
            self.usage, self.stated_cost = batch.usage, batch.stated_cost
        else:
            self.usage = self.usage + batch.usage if self.usage and batch.usage else None
            costs = (self.stated_cost, batch.stated_cost)
            self.stated_cost = None if None in costs else sum((cost or Decimal(0) for cost in costs), Decimal(0))
        self.id, self.model = self.id or batch.id, self.model or batch.model
        self.request_id = self.request_id or batch.request_id
        self.attempts += batch.attempts
        self.batches += 1


class EmbeddingResponse(Generic[V]):
    """The vectors of one embedding call; the lists belong to the caller and may be changed.

    Attributes:
        vectors: One vector per text, in the order of the texts.
        usage: Token counts of all requests together, None if one of them reported none.
        changes: Parts of the request that were not sent exactly as given.
        warnings: Warnings of the catalogue about the request or the model.
    """

    response_type: Literal["text_embedding"] = "text_embedding"

    def __init__(self, data: V, vectors: list[list[float]], requests: Requests, call_metadata: CallMetadata) -> None:
        self._data: V = data
        self._requests = requests
        self._call_metadata = call_metadata
        self.vectors = vectors
        self.usage = requests.usage
        self.changes = _changes(requests, call_metadata)
        self.warnings = call_metadata.warnings

    @property
    def data(self) -> V:
        """One vector if one text was given, a list of vectors if a list of texts was given."""
        return self._data

    def consume(self) -> V:
        """Return `data`. Can be called repeatedly; every call returns the same value."""
        return self._data

    @property
    def dimensions(self) -> int:
        """Length of the vectors."""
        return len(self.vectors[0])

    @cached_property
    def metadata(self) -> dotdict:
        """Usage and ids, as a dict whose keys are attributes too.

        Fields:
            usage: `prompt_tokens` and `total_tokens`; None if not reported.
            provider, model, id, request_id: Who answered, and the provider's ids; None if not reported.
            requests: Batches that were answered.
            attempts: Requests sent, retries included.
            cached: Whether nothing was sent.
            cached_texts: Texts whose vectors came from a cache; absent if none did.
        """
        facts = build_metadata(self._requests, self._call_metadata)
        for name in ("finish_reason", "finish_reason_raw"):
            del facts[name]
        del facts["usage"]["completion_tokens"]
        facts["requests"] = self._requests.batches
        if self._requests.from_cache:
            facts["cached_texts"] = self._requests.from_cache
        return facts

    @property
    def cost(self) -> Decimal | None:
        """Exact cost in US dollars; None if it is not known, and then `cost_details.reason` states why."""
        return self.cost_details.usd

    @cached_property
    def cost_details(self) -> CostDetails:
        """Cost by kind of token, and whether it was stated by the provider or computed from the catalogue's prices."""
        return build_cost_details(self._requests, self._call_metadata)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self._call_metadata.provider}/{self._call_metadata.model}, "
            f"{len(self.vectors)} vectors of {self.dimensions} numbers)"
        )


def _changes(requests: Requests, call_metadata: CallMetadata) -> tuple[Change, ...]:
    retried = requests.attempts - requests.batches
    if not retried:
        return call_metadata.changes
    return (
        *call_metadata.changes,
        Change("retried", "request", f"{retried} more requests were sent: as many had failed"),
    )
