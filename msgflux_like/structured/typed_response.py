"""Answers with a value of the requested type, whole and streamed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any

from msgflux_like._http.drivers import AsyncDriver, Driver
from msgflux_like.errors import OutputParsingError
from msgflux_like.events import Event, TokenUsage
from msgflux_like.request import Change
from msgflux_like.response.accumulator import ResponseAccumulator
from msgflux_like.response.metadata import CallMetadata, ResponseMetadata, build_metadata
from msgflux_like.response.response import ModelResponse, ResponseType, T
from msgflux_like.response.stream import ModelStreamResponse, StreamConsumer
from msgflux_like.structured.output_spec import OutputSpec, ToolResponseAccumulator
from msgflux_like.structured.partial import Partials


class StructuredResponse(ModelResponse[T]):
    """A whole answer with a value of the requested type, or with tool calls that precede it.

    Attributes:
        parsed: Value of the requested type; None if the model calls tools.
        output_mode: How the type was requested: "native", "tool" or "prompted".
        attempts: Answers that were requested, more than 1 if the first ones were not of the type.

    Example:
        >>> from msgflux_like.testing import FakeModel
        >>> response = FakeModel({"city": "Paris"})("Where?", generation_schema=dict[str, str])
        >>> response.parsed, response.output_mode, response.attempts
        ({'city': 'Paris'}, 'native', 1)
    """

    def __init__(
        self, answer: ResponseAccumulator, call_metadata: CallMetadata, output_spec: OutputSpec, *, check: bool = True
    ) -> None:
        super().__init__(answer, call_metadata)
        self._output_spec = output_spec
        self.output_mode = output_spec.output_mode
        self.attempts = 1
        if isinstance(answer, ToolResponseAccumulator) and answer.dropped:
            self.changes += (
                Change("dropped", "tool_calls", f"{answer.dropped} further answers: the first one is used"),
            )
        if check and not answer.calls:
            self._check()

    def _check(self) -> None:
        try:
            self.parsed, changes = self._output_spec.read(self._answer)
        except OutputParsingError as error:
            error.response = self
            raise
        self.changes += changes

    @property
    def response_type(self) -> ResponseType:
        """Kind of the answer: "tool_call" if it has tool calls, else "structured"."""
        return "tool_call" if self._answer.calls else "structured"

    @property
    def data(self) -> Any:
        """The value as plain dicts, lists and scalars, or the tool calls."""
        return self.tool_calls if self._answer.calls else self._plain

    @cached_property
    def _plain(self) -> Any:
        return self._output_spec.plain(self.parsed)

    @cached_property
    def metadata(self) -> ResponseMetadata:
        """Usage, finish reason and ids, with the fields of `ModelResponse.metadata`."""
        facts = build_metadata(self._answer, self._call_metadata)
        if facts["finish_reason"] == "tool_calls" and not self._answer.calls:
            facts["finish_reason"] = "stop"  # the call contained the answer
        return facts

    def count(self, earlier: Sequence[ModelResponse]) -> None:
        """Add the usage and cost of the earlier attempts."""
        self.attempts = len(earlier) + 1
        if any(response.cached for response in (*earlier, self)):
            self._sum_up((*earlier, self))
        usages = [response.usage for response in (*earlier, self)]
        total = usages[0] or TokenUsage()
        for usage in usages[1:]:
            total += usage or TokenUsage()
        self.usage = self._answer.usage = total
        stated = [response._answer.stated_cost for response in (*earlier, self)]  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  a base class
        known = [cost for cost in stated if cost is not None]
        self._answer.stated_cost = sum(known, Decimal(0)) if len(known) == self.attempts else None

    def _sum_up(self, attempts: Sequence[ModelResponse]) -> None:
        """Sum the costs of attempts of which some came from a cache."""
        from msgflux_like.catalog.pricing import CostDetails  # noqa: PLC0415  only after retries with a cache

        details = [response.cost_details for response in attempts]
        saved = [response.saved for response in attempts]
        reason = next((each.reason for each in details if each.usd is None), None)
        total = None if reason else sum((each.usd or Decimal(0) for each in details), Decimal(0))
        self.cost_details = CostDetails(total, "cache" if not total else "catalogue", reason=reason)
        self.saved = None if None in saved else sum((each or Decimal(0) for each in saved), Decimal(0))


class StructuredStream(ModelStreamResponse[T]):
    """A streamed answer with a value of the requested type. Its text is JSON (or XML), as the model writes it.

    Attributes:
        output_mode: How the type was requested: "native", "tool" or "prompted".

    Example:
        >>> from msgflux_like.testing import FakeModel
        >>> response = FakeModel({"city": "Paris"})("Where?", generation_schema=dict[str, str], stream=True)
        >>> response.result().parsed
        {'city': 'Paris'}
    """

    def __init__(
        self,
        driver: Driver | AsyncDriver,
        first: list[Event],
        answer: ResponseAccumulator,
        call_metadata: CallMetadata,
        output_spec: OutputSpec,
    ) -> None:
        super().__init__(driver, first, answer, call_metadata)
        self._output_spec = output_spec
        self.output_mode = output_spec.output_mode

    @property
    def response_type(self) -> ResponseType:
        """Kind of the answer: "tool_call" once a tool call has begun, else "structured"."""
        return "tool_call" if self._answer.calls else "structured"

    def partial(self) -> Partials:
        """Return an iterator, for `for` or `async for`, over the value so far, each time a further part is complete.

        Strings and numbers appear when they are complete; lists and dicts grow. Field names are those of the JSON. Each
        value is a copy. Values are not validated, not even the last one; `result().parsed` is.

        Example:
            >>> from msgflux_like.testing import FakeModel
            >>> model = FakeModel({"city": "Paris", "country": "France"})
            >>> response = model("Where?", generation_schema=dict[str, str], stream=True)
            >>> list(response.partial())[-1]
            {'city': 'Paris', 'country': 'France'}
        """
        answer = self._answer
        pieces = answer.pieces if isinstance(answer, ToolResponseAccumulator) else answer.text
        return Partials(StreamConsumer(self, pieces), self._output_spec)

    def _final(self) -> ModelResponse[T]:
        if self._result is None:
            self._result = StructuredResponse(self._answer, self._call_metadata, self._output_spec)
        return self._result

    def _whole(self) -> ModelResponse[T]:
        return StructuredResponse(self._answer, self._call_metadata, self._output_spec, check=False)
