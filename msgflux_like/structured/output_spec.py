"""The requested output of a call: how its type is put into the request, and how a value is read from the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from msgflux_like._json import as_mapping
from msgflux_like.errors import InvalidRequestError, MsgfluxError, OutputParsingError
from msgflux_like.events import Event, ToolCallDelta
from msgflux_like.request import AnswerSchema, Change, OutputMode, ToolChoice
from msgflux_like.response.accumulator import ResponseAccumulator
from msgflux_like.structured.json_schema.decoding import failure, read
from msgflux_like.structured.json_schema.lowering import Lowered
from msgflux_like.structured.json_schema.schema import Target, as_records

Validation = Literal["strict", "lax"]

_PROMPT: Final = (
    "Answer with one JSON object and nothing else: no words before or after it, no code fence. "
    "It must keep to this JSON schema:\n"
)


class OutputSpec(Struct, frozen=True):
    """The requested type of an answer, and the way it is requested.

    Attributes:
        output_mode: "native" (the provider enforces a schema), "tool" (a forced tool call) or "prompted".
        target: The type; None if the value of a typed parser is returned unchanged.
        lowered: Schema of the type in the subset that the provider supports; None without a type.
        parser: Typed parser that reads the answer; None for JSON.
        strict: Whether values must have exactly the JSON type of the schema; if False, "5" is accepted as 5.
    """

    output_mode: OutputMode
    target: Target | None = None
    lowered: Lowered | None = None
    parser: Any = None
    strict: bool = True

    # ---- request

    def prompt(self, system_prompt: str | None) -> str | None:
        """Return the system prompt, followed by the format instructions in mode "prompted"."""
        if self.output_mode != "prompted" or self.target is None or self.lowered is None:
            return system_prompt
        if self.parser is None:
            instructions = _PROMPT + msgspec.json.encode(self.lowered.schema).decode()
        else:
            from jinja2 import Template  # noqa: PLC0415  only with a typed parser

            schema_instructions = self.parser.instructions_for(self.target.schema)
            instructions = Template(self.parser.template).render(instructions=schema_instructions)
        return f"{system_prompt}\n\n{instructions.strip()}" if system_prompt else instructions.strip()

    def schema(self) -> AnswerSchema | None:
        """Return the schema that the provider enforces, None in other modes."""
        if self.output_mode != "native" or self.target is None or self.lowered is None:
            return None
        return AnswerSchema(self.target.name, self.lowered.schema, self.target.description)

    def changes(self) -> tuple[Change, ...]:
        """Return a note if the schema that is sent differs from that of the type."""
        if self.lowered is None or not (self.lowered.alters or self.lowered.wrapped):
            return ()
        detail = "it goes out in words that the model is held to, and the answer is read back as the type"
        return (Change("lowered", "generation_schema", detail),)

    def tools(
        self, tools: tuple[Mapping[str, Any], ...], choice: ToolChoice | None
    ) -> tuple[tuple[Mapping[str, Any], ...], ToolChoice | None]:
        """Return tools and tool choice; in mode "tool" they force a call of the answer tool or of another tool."""
        if self.output_mode != "tool" or self.target is None or self.lowered is None:
            return tools, choice
        function = {
            "name": self.target.name,
            "description": self.target.description or "Give the answer.",
            "parameters": self.lowered.schema,
        }
        if any(as_mapping(tool.get("function")).get("name") == self.target.name for tool in tools):
            raise InvalidRequestError(
                f"a tool and the generation_schema have the same name {self.target.name!r}: rename one of them"
            )
        forced = ({"type": "function", "function": function},)
        if not tools or choice == "none":
            return forced, self.target.name
        return (*tools, *forced), "required" if choice in (None, "auto") else choice

    # ---- answer

    def answer(self, prefill: str) -> ResponseAccumulator:
        """Return the accumulator for the events of the reply."""
        if self.output_mode == "tool" and self.target is not None:
            return ToolResponseAccumulator(prefill, self.target.name)
        return ResponseAccumulator(prefill)

    def read(self, answer: ResponseAccumulator) -> tuple[Any, tuple[Change, ...]]:
        """Return the value of a whole answer and the repairs it needed; raise OutputParsingError if there is none."""
        reason = _finish_reason(answer)
        text = "".join(answer.text)
        if not text.strip() and answer.refusal:
            raise OutputParsingError(f"the model refused: {''.join(answer.refusal)}", finish_reason=reason)
        if self.parser is not None:
            return self._parsed(text, reason)
        if self.target is None or self.lowered is None:
            raise AssertionError("an OutputSpec needs a type or a parser")
        if isinstance(answer, ToolResponseAccumulator) and answer.pieces:
            text = "".join(answer.pieces)
        return read(text, self.target, self.lowered, reason, strict=self.strict)

    def _parsed(self, text: str, reason: str | None) -> tuple[Any, tuple[Change, ...]]:
        """Return the value of the typed parser, converted to the type if there is one."""
        try:
            if self.target is None:
                value, notes = _decode_with_report(self.parser, "decode", text)
                return as_records(value), notes
            value, notes = _decode_with_report(self.parser, "decode_as", text, self.target.schema)
            return self.target.convert(value, strict=self.strict), notes
        except (MsgfluxError, ValueError) as error:
            raise failure(text, error, reason) from None

    def plain(self, value: Any) -> Any:
        """Return the value as `consume` gives it: plain dicts, lists and scalars."""
        return self.target.plain(value) if self.target is not None else value


def _decode_with_report(parser: Any, method: str, *arguments: Any) -> tuple[Any, tuple[Change, ...]]:
    """Return the parser's value, and its report as changes if the parser makes one."""
    if (reporting := getattr(parser, f"{method}_with_report", None)) is None:
        return getattr(parser, method)(*arguments), ()
    decoded = reporting(*arguments)
    notes = decoded.notes if decoded.recovered else ()
    return decoded.value, tuple(Change("recovered", "text", note) for note in notes)


def _finish_reason(answer: ResponseAccumulator) -> str | None:
    reason = answer.finished.reason if answer.finished else None
    return "stop" if reason == "tool_calls" and not answer.calls else reason


class ToolResponseAccumulator(ResponseAccumulator):
    """An accumulator for mode "tool": the arguments of the answer tool become the text of the answer.

    Args:
        prefill: Beginning of the answer that the caller wrote.
        name: Name of the answer tool.

    Attributes:
        pieces: Pieces of the arguments, without text that the model wrote before the call.
        dropped: Further calls of the answer tool in the same reply, which are ignored.
    """

    __slots__ = ("_key", "_name", "_others", "pieces")

    def __init__(self, prefill: str, name: str) -> None:
        super().__init__(prefill)
        self.pieces: list[str] = []
        self._name = name
        self._key: int | None = None  # key of the call that is the answer
        self._others: set[int] = set()

    @property
    def dropped(self) -> int:  # noqa: D102  see Attributes
        return len(self._others)

    def _add(self, event: Event) -> None:
        if type(event) is not ToolCallDelta or event.key not in (self._key, *self._others):
            super()._add(event)
            if type(event) is ToolCallDelta:
                self._check_name(event.key)
        elif event.key == self._key:
            self._append(event.arguments)

    def _check_name(self, key: int) -> None:
        """Once the name of a call is known, take the call out if it is one of the answer tool."""
        _, names, arguments = self.calls[key]
        if not names or names[0] != self._name:
            return
        del self.calls[key]
        if self._key is None:
            self._key = key
            self._append("".join(arguments))
        else:
            self._others.add(key)

    def _append(self, piece: str) -> None:
        if piece:
            self.text.append(piece)
            self.pieces.append(piece)
