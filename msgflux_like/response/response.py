"""A whole answer of a model, as the caller receives it."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal, cast

from msgflux_like.events import Event
from msgflux_like.request import OutputMode
from msgflux_like.response.accumulator import ResponseAccumulator
from msgflux_like.response.metadata import (
    CallMetadata,
    ResponseMetadata,
    RouteAttempt,
    build_cost_details,
    build_metadata,
    cost_saved,
    cost_with_route,
    list_changes,
    list_warnings,
)
from msgflux_like.response.tool_calls import ToolCallAggregator

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # type checkers know it; at run time it is not needed

    from msgflux_like._wire.rate_limits import RateLimits
    from msgflux_like.catalog.pricing import CostDetails

    T = TypeVar("T", default=Any)
else:
    from typing import TypeVar

    T = TypeVar("T")

ResponseType = Literal["text_generation", "structured", "tool_call"]


class ModelResponse(Generic[T]):
    """A whole answer of a model, returned by a call. Not created by user code.

    Attributes:
        text: Text of the answer, including a prefill; "" if there is none.
        reasoning: Reasoning of the model, None if it reported none.
        refusal: The model's refusal, None if it did not refuse.
        usage: Token counts in detail, None if the provider reported none.
        logprobs: Probability of each token of the text; empty if not requested or not reported.
        citations: Sources of the answer.
        media: Images and sounds in the answer.
        server_tools: Activity of tools that the provider ran itself.
        state: Opaque provider state of the reply.
        changes: Parts of the request that were not sent exactly as given.
        warnings: Warnings about the request, the model, or parts of the reply that could not be read.
        cached: Whether the answer came from a cache or was shared with an equal concurrent call.
        parsed: Value of the requested `generation_schema`; None if no type was requested or the model calls tools.
        output_mode: How the type was requested: "native", "tool" or "prompted"; None if no type was requested.
        attempts: Answers that were requested; more than 1 with `output_retries`.

    Example:
        >>> from msgflux_like.testing import FakeModel
        >>> response = FakeModel("Paris.")("What is the capital of France?")
        >>> response.consume()
        'Paris.'
        >>> response.metadata.finish_reason
        'stop'
    """

    parsed: T = cast("T", None)
    output_mode: OutputMode | None = None
    attempts = 1

    def __init__(self, answer: ResponseAccumulator, call_metadata: CallMetadata) -> None:
        self._answer = answer
        self._call_metadata = call_metadata
        self.changes = list_changes(answer, call_metadata)
        self.cached = call_metadata.cached
        self.warnings = list_warnings(answer, call_metadata) if answer.warnings else call_metadata.warnings
        self.text = "".join(answer.text)
        self.reasoning = "".join(answer.reasoning) or None
        self.refusal = "".join(answer.refusal) or None
        self.usage = answer.usage
        self.logprobs = answer.logprobs
        self.citations = answer.citations
        self.media = answer.media
        self.server_tools = answer.server_tools
        self.state = answer.state

    @cached_property
    def tool_calls(self) -> ToolCallAggregator:
        """Tool calls of the answer; empty if there are none."""
        known = self._call_metadata
        state = self._answer.provider_state(known.family, known.reasoning_field)
        return ToolCallAggregator(self._answer.tool_calls(), self.text, self.reasoning, state, self.refusal)

    @property
    def message(self) -> dict[str, Any]:
        """The answer as an assistant message to append to the conversation; plain JSON, so it can be saved and loaded.

        Beside text and calls it holds `refusal` if the model refused, and `provider_state` if the provider expects
        something back (signatures, encrypted reasoning, ids of sounds, images). Models of the same family are sent that
        state; for other models it is dropped and listed in `changes`.

        Example:
            >>> from msgflux_like.testing import FakeModel
            >>> FakeModel("Paris.")("What is the capital of France?").message
            {'role': 'assistant', 'content': 'Paris.'}
        """
        return self.tool_calls._assistant_message()  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  same room

    @property
    def response_type(self) -> ResponseType:
        """Kind of value that `consume()` returns: "tool_call" if the answer has tool calls, else "text_generation"."""
        return "tool_call" if self._answer.calls else "text_generation"

    @property
    def data(self) -> Any:
        """Content of the answer: a `ToolCallAggregator` if it has tool calls, else its text."""
        return self.tool_calls if self._answer.calls else self.text

    def consume(self) -> Any:
        """Return `data`. Can be called repeatedly; every call returns the same value.

        Returns:
            The text; a `ToolCallAggregator` if the model calls tools; or the value, as plain dicts, lists and scalars,
            for a call with `generation_schema`.
        """
        return self.data

    def events(self) -> tuple[Event, ...]:
        """Return the answer as the events that a stream would have given; `msgflux_like.events` has their types.

        Example:
            >>> from msgflux_like.testing import FakeModel
            >>> [event.text for event in FakeModel("Paris.")("Hi").events() if type(event).__name__ == "TextDelta"]
            ['Paris.']
        """
        return tuple(self._answer.events())

    @cached_property
    def metadata(self) -> ResponseMetadata:
        """Usage, finish reason and ids, as a dict whose keys are attributes too.

        Fields:
            usage: `completion_tokens`, `prompt_tokens`, `total_tokens`, including cached and reasoning tokens; None
                if not reported. `cached_tokens`, `cache_write_tokens` and `reasoning_tokens` if reported.
            finish_reason: "stop", "length", "tool_calls", "content_filter", "error" or "unknown"; None if not reported.
            finish_reason_raw: The provider's own word.
            finish_message: The provider's explanation of the end; absent if it gave none.
            provider, model, id, request_id: Who answered, and the provider's ids; None if not reported.
            attempts: Requests sent, 1 without a retry.
            cached: Whether the answer came from a cache.
            refusal: The model's refusal; absent if it did not refuse.
        """
        return build_metadata(self._answer, self._call_metadata)

    @property
    def cost(self) -> Decimal | None:
        """Exact cost in US dollars, including the known cost of a gateway's failed attempts.

        None if the cost is not known; `cost_details.reason` then states why.
        """
        return cost_with_route(self.cost_details, self._call_metadata)

    @cached_property
    def raw(self) -> Any:
        """The whole reply as the provider sent it: a JSON value, or a stream's list of them. Decoded on first access.

        None for an answer from a cache.
        """
        return self._answer.raw.value() if self._answer.raw is not None else None

    @cached_property
    def headers(self) -> dict[str, str]:
        """Headers of the reply by their names in lower case, without cookies; empty for an answer from a cache."""
        return self._answer.raw.headers if self._answer.raw is not None else {}

    @cached_property
    def rate_limits(self) -> RateLimits | None:
        """Rate limits of the account as the reply's headers report them; None if they report none.

        Example:
            >>> from msgflux_like.testing import FakeModel
            >>> FakeModel("Paris.")("What is the capital of France?").rate_limits is None
            True
        """
        return self._answer.raw.rate_limits if self._answer.raw is not None else None

    @property
    def provider_fields(self) -> dict[str, Any]:
        """Fields of the reply beside the answer, under the provider's own names.

        Examples: `service_tier`, `system_fingerprint`, `safetyRatings`, `groundingMetadata`, `trace` and `timings`.
        Fields of the choice and of the message stand beside those of the reply. Decoded on the first access.
        """
        return self._answer.provider_fields()

    @property
    def route(self) -> tuple[RouteAttempt, ...]:
        """The models that a gateway considered for this answer, in order; empty without a gateway."""
        return self._call_metadata.route

    def _set_route(self, route: tuple[RouteAttempt, ...]) -> None:
        """Record how a gateway reached this answer."""
        self._call_metadata = self._call_metadata._replace(route=route)

    @cached_property
    def saved(self) -> Decimal | None:
        """US dollars that a cached answer would have cost; 0 for an answer that was paid for, None if unknown."""
        return cost_saved(self._answer, self._call_metadata)

    @cached_property
    def cost_details(self) -> CostDetails:
        """Cost by kind of token, and whether it was stated by the provider or computed from the catalogue's prices."""
        return build_cost_details(self._answer, self._call_metadata)

    def __str__(self) -> str:
        """Return the answer, and below it who answered, the tokens and the cost."""
        usage, cost = self.metadata.usage, self.cost
        tokens = f"{usage.prompt_tokens} + {usage.completion_tokens} tokens" if self.usage else "tokens not reported"
        price = "cost unknown" if cost is None else f"{cost:f} US dollars"
        answer = self.data if self._answer.calls or not self.text else self.text
        return f"{answer}\n({self._call_metadata.provider}/{self.metadata.model}, {tokens}, {price})"

    def __repr__(self) -> str:
        reason = self._answer.finished.reason if self._answer.finished else None
        return (
            f"{type(self).__name__}({self._call_metadata.provider}/{self._call_metadata.model}, {self.response_type}, "
            f"{len(self.text)} characters, finish_reason={reason!r})"
        )
