"""An answer of a given type: how it is asked for, what is made of what came, and what is asked again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, Literal, cast

import msgspec
from msgspec import Struct

from msgflux_like._attrdict import dotdict
from msgflux_like._http.drivers import AsyncDriver, Driver
from msgflux_like.errors import InvalidRequestError, MsgfluxError, OutputParsingError
from msgflux_like.events import Event, TokenUsage, ToolCallDelta
from msgflux_like.messages.normalize import normalize
from msgflux_like.request import AnswerSchema, Change, OutputMode, ToolChoice
from msgflux_like.response.accumulator import ResponseAccumulator
from msgflux_like.response.metadata import CallMetadata, build_metadata
from msgflux_like.response.response import ModelResponse, ResponseType
from msgflux_like.response.stream import ModelStreamResponse, StreamConsumer
from msgflux_like.structured.json_schema.decoding import failure, read
from msgflux_like.structured.json_schema.lowering import Lowered
from msgflux_like.structured.json_schema.partial import PartialJson
from msgflux_like.structured.json_schema.record import Record
from msgflux_like.structured.json_schema.schema import Target, as_records
from msgflux_like.structured.json_schema.types import RestoreError

Validation = Literal["strict", "lax"]

_PROMPT: Final = (
    "Answer with one JSON object and nothing else: no words before or after it, no code fence. "
    "It must keep to this JSON schema:\n"
)
_AGAIN: Final = "That was not right: {problem}. Answer once more, in full, in the form that was asked for."


class OutputSpec(Struct, frozen=True):
    """What an answer is to be, and how it is asked for.

    Attributes:
        output_mode: By the provider, by a forced tool, or by the prompt.
        target: The type; None for what a parser gives.
        lowered: Its schema as it goes out.
        parser: The typed parser that reads the answer instead of JSON.
        strict: Whether "5" is no number.
    """

    output_mode: OutputMode
    target: Target | None = None
    lowered: Lowered | None = None
    parser: Any = None
    strict: bool = True

    # ---- asking

    def prompt(self, system_prompt: str | None) -> str | None:
        """The system prompt, with what must be said in it."""
        if self.output_mode != "prompted" or self.target is None or self.lowered is None:
            return system_prompt
        if self.parser is None:
            said = _PROMPT + msgspec.json.encode(self.lowered.schema).decode()
        else:
            from jinja2 import Template  # noqa: PLC0415  for those who want it

            said = Template(self.parser.template).render(instructions=self.parser.instructions_for(self.target.schema))
        return f"{system_prompt}\n\n{said.strip()}" if system_prompt else said.strip()

    def schema(self) -> AnswerSchema | None:
        """What the provider is to hold the answer to."""
        if self.output_mode != "native" or self.target is None or self.lowered is None:
            return None
        return AnswerSchema(self.target.name, self.lowered.schema, self.target.description)

    def changes(self) -> tuple[Change, ...]:
        """What of the type cannot be asked for in its own words."""
        if self.lowered is None or not (self.lowered.alters or self.lowered.wrapped):
            return ()
        detail = "it goes out in words that the model is held to, and the answer is read back as the type"
        return (Change("lowered", "generation_schema", detail),)

    def tools(
        self, tools: tuple[Mapping[str, Any], ...], choice: ToolChoice | None
    ) -> tuple[tuple[Mapping[str, Any], ...], ToolChoice | None]:
        """The tools, with the one whose arguments are the answer; it must be called, or another of them."""
        if self.output_mode != "tool" or self.target is None or self.lowered is None:
            return tools, choice
        function = {
            "name": self.target.name,
            "description": self.target.description or "Give the answer.",
            "parameters": self.lowered.schema,
        }
        if any(tool["function"]["name"] == self.target.name for tool in tools):
            raise InvalidRequestError(f"a tool and the generation_schema are both called {self.target.name!r}")
        forced = ({"type": "function", "function": function},)
        if not tools or choice == "none":
            return forced, self.target.name
        return (*tools, *forced), "required" if choice in (None, "auto") else choice

    # ---- reading

    def answer(self, prefill: str) -> ResponseAccumulator:
        """What the events of the reply are collected in."""
        if self.output_mode == "tool" and self.target is not None:
            return ToolResponseAccumulator(prefill, self.target.name)
        return ResponseAccumulator(prefill)

    def read(self, answer: ResponseAccumulator) -> tuple[Any, tuple[Change, ...]]:
        """The value in a whole answer, and what had to be done to find it. Raises OutputParsingError."""
        reason = _finish_reason(answer)
        text = "".join(answer.text)
        if not text.strip() and answer.refusal:
            raise OutputParsingError(f"the model refused: {''.join(answer.refusal)}", finish_reason=reason)
        if self.parser is not None:
            return self._parsed(text, reason)
        if self.target is None or self.lowered is None:
            raise AssertionError("neither a type nor a parser")
        if isinstance(answer, ToolResponseAccumulator) and answer.pieces:
            text = "".join(answer.pieces)
        return read(text, self.target, self.lowered, reason, strict=self.strict)

    def _parsed(self, text: str, reason: str | None) -> tuple[Any, tuple[Change, ...]]:
        """By the parser, and then by the type; a value that is a text may be of any."""
        try:
            if self.target is None:
                value, notes = _reported(self.parser, "decode", text)
                return as_records(value), notes
            value, notes = _reported(self.parser, "decode_as", text, self.target.schema)
            return self.target.convert(value, strict=self.strict), notes
        except (MsgfluxError, ValueError) as error:
            raise failure(text, error, reason) from None

    def plain(self, value: Any) -> Any:
        """What `consume` gives for the value."""
        return self.target.plain(value) if self.target is not None else value


def _reported(parser: Any, method: str, *arguments: Any) -> tuple[Any, tuple[Change, ...]]:
    """The parser's value, with its report where it gives one."""
    if (reporting := getattr(parser, f"{method}_with_report", None)) is None:
        return getattr(parser, method)(*arguments), ()
    decoded = reporting(*arguments)
    kept = decoded.notes if decoded.recovered else ()
    return decoded.value, tuple(Change("recovered", "text", note) for note in kept)


def _finish_reason(answer: ResponseAccumulator) -> str | None:
    reason = answer.finished.reason if answer.finished else None
    return "stop" if reason == "tool_calls" and not answer.calls else reason


class ToolResponseAccumulator(ResponseAccumulator):
    """An answer whose content is what a tool is called with: the arguments become its text.

    Attributes:
        pieces: The arguments so far, without what the model said before.
        dropped: How many further answers the same reply held.
    """

    __slots__ = ("_key", "_name", "_others", "pieces")

    def __init__(self, prefill: str, name: str) -> None:
        super().__init__(prefill)
        self.pieces: list[str] = []
        self._name = name
        self._key: int | None = None  # of the call that is the answer
        self._others: set[int] = set()

    @property
    def dropped(self) -> int:  # noqa: D102  see Attributes
        return len(self._others)

    def _add(self, event: Event) -> None:
        if type(event) is not ToolCallDelta or event.key not in (self._key, *self._others):
            super()._add(event)
            if type(event) is ToolCallDelta:
                self._look(event.key)
        elif event.key == self._key:
            self._said(event.arguments)

    def _look(self, key: int) -> None:
        """Whether the call is the answer, once its name has come."""
        _, names, arguments = self.calls[key]
        if not names or names[0] != self._name:
            return
        del self.calls[key]
        if self._key is None:
            self._key = key
            self._said("".join(arguments))
        else:
            self._others.add(key)

    def _said(self, piece: str) -> None:
        if piece:
            self.text.append(piece)
            self.pieces.append(piece)


class StructuredResponse(ModelResponse):
    """An answer of the type that was asked for, or the tool calls that the model makes before it.

    Attributes:
        parsed: The value, of the type itself; None when the model calls tools.
        output_mode: How it was asked for: "native", "tool" or "prompted".
        attempts: How many answers were asked for: more than 1 when the first were not of the type.
    """

    def __init__(
        self, answer: ResponseAccumulator, call_metadata: CallMetadata, output_spec: OutputSpec, *, check: bool = True
    ) -> None:
        super().__init__(answer, call_metadata)
        self._output_spec = output_spec
        self.output_mode = output_spec.output_mode
        self.attempts = 1
        self.parsed: Any = None
        if isinstance(answer, ToolResponseAccumulator) and answer.dropped:
            self.changes += (Change("dropped", "tool_calls", f"{answer.dropped} further answers: the first counts"),)
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
        """A value of the type, or tool calls."""
        return "tool_call" if self._answer.calls else "structured"

    @property
    def data(self) -> Any:
        """The value as dicts, lists and scalars, or the tool calls."""
        return self.tool_calls if self._answer.calls else self._plain

    @cached_property
    def _plain(self) -> Any:
        return self._output_spec.plain(self.parsed)

    @cached_property
    def metadata(self) -> dotdict:
        """See `ModelResponse.metadata`."""
        facts = build_metadata(self._answer, self._call_metadata)
        if facts["finish_reason"] == "tool_calls" and not self._answer.calls:
            facts["finish_reason"] = "stop"  # the call was the answer
        return facts

    def count(self, earlier: Sequence[ModelResponse]) -> None:
        """Add what the attempts before this one took."""
        self.attempts = len(earlier) + 1
        if any(response.cached for response in (*earlier, self)):
            self._sum_up((*earlier, self))
        usages = [response.usage for response in (*earlier, self)]
        total = usages[0] or TokenUsage()
        for usage in usages[1:]:
            total += usage or TokenUsage()
        self.usage = self._answer.usage = total

    def _sum_up(self, attempts: Sequence[ModelResponse]) -> None:
        """What the attempts cost, some of which came from a cache."""
        from msgflux_like.catalog.pricing import CostDetails  # noqa: PLC0415  for those who use one

        details = [response.cost_details for response in attempts]
        saved = [response.saved for response in attempts]
        reason = next((each.reason for each in details if each.usd is None), None)
        total = None if reason else sum((each.usd or Decimal(0) for each in details), Decimal(0))
        self.cost_details = CostDetails(total, "cache" if not total else "catalogue", reason=reason)
        self.saved = None if None in saved else sum((each or Decimal(0) for each in saved), Decimal(0))


class StructuredStream(ModelStreamResponse):
    """An answer of a given type that is still coming. Its text is the JSON (or the XML), as the model writes it.

    Attributes:
        output_mode: How it was asked for: "native", "tool" or "prompted".
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
        """A value of the type, or tool calls."""
        return "tool_call" if self._answer.calls else "structured"

    def partial(self) -> Partials:
        """The value so far, each time that more of it is closed, for `for` or `async for`. Each is a copy.

        What is in it is final: a text or a number is there when it is complete, lists and dicts grow. Names are
        those of the wire. The last one is not checked; `result().parsed` is.
        """
        return Partials(self, self._answer, self._output_spec)

    def _final(self) -> ModelResponse:
        if self._result is None:
            self._result = StructuredResponse(self._answer, self._call_metadata, self._output_spec)
        return self._result

    def _whole(self) -> ModelResponse:
        return StructuredResponse(self._answer, self._call_metadata, self._output_spec, check=False)


class Partials:
    """The values of a stream, as they grow."""

    def __init__(self, stream: StructuredStream, answer: ResponseAccumulator, output_spec: OutputSpec) -> None:
        pieces = answer.pieces if isinstance(answer, ToolResponseAccumulator) else answer.text
        self._pieces = StreamConsumer(stream, pieces)
        self._output_spec = output_spec

    def __iter__(self) -> Iterator[Any]:
        reader = _PartialReader(self._output_spec)
        for piece in self._pieces:
            if reader.feed(piece):
                yield reader.value()

    async def __aiter__(self) -> AsyncIterator[Any]:
        reader = _PartialReader(self._output_spec)
        pieces = aiter(self._pieces)
        async with aclosing(pieces):  # pyright: ignore[reportArgumentType]  it is a generator
            async for piece in pieces:
                if reader.feed(piece):
                    yield reader.value()


class _PartialReader:
    """What can be said of the value so far."""

    def __init__(self, output_spec: OutputSpec) -> None:
        self._lowered = output_spec.lowered
        self._json = PartialJson(Record) if output_spec.parser is None else None
        begin: Any = getattr(output_spec.parser, "partial", None)
        self._xml: Any = begin() if begin else None
        self._last: Any = None

    def feed(self, piece: str) -> bool:
        """Whether there is more than before."""
        if self._json is not None:
            if not self._json.feed(piece):
                return False
            value = self._json.snapshot()
            if (
                self._lowered is not None and not self._lowered.alters
            ):  # the closed parts of all values are the same ones
                self._last = self._lowered.restore(value, partial=True)
                return self._last is not None
            value = self._restored(value)
        elif self._xml is not None:
            value = self._xml.feed(piece)
        else:
            return False
        if value is None or (self._last is not None and value == self._last):
            return False
        self._last = as_records(value)
        return True

    def _restored(self, value: Any) -> Any:
        if self._lowered is None:
            return value
        try:
            return self._lowered.restore(value, partial=True)
        except RestoreError:
            return self._last  # the end will say what is wrong

    def value(self) -> Any:
        """A copy of the last one."""
        return self._last


class OutputRetries:
    """The attempts at one answer: what to ask next, and what all of them took together."""

    def __init__(self, messages: Any, output_retries: Any) -> None:
        if not isinstance(output_retries, int) or isinstance(output_retries, bool) or output_retries < 0:
            raise InvalidRequestError(f"output_retries must be a whole number of at least 0, not {output_retries!r}")
        self.messages: Any = list(cast("Iterator[Any]", messages)) if isinstance(messages, Iterator) else messages
        self._left = output_retries
        self._earlier: list[ModelResponse] = []

    def failed(self, error: OutputParsingError) -> None:
        """Make the messages to ask with next; raises the error when there is no attempt left."""
        response: StructuredResponse = error.response
        if not self._left or response.refusal:
            response.count(self._earlier)
            raise error
        self._left -= 1
        self._earlier.append(response)
        self.messages = [
            *normalize(self.messages, None),
            {"role": "assistant", "content": error.raw_text or "(nothing)"},
            {"role": "user", "content": _AGAIN.format(problem=error.message)},
        ]

    def answered(self, response: ModelResponse) -> ModelResponse:
        """The response, with what the attempts before it took."""
        if self._earlier and isinstance(response, StructuredResponse):
            response.count(self._earlier)
        return response
