"""Tool calls of an answer, their results, and the messages that send both back to the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec

from msgflux_like.errors import ToolCallError

_any = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()
_NOT_GIVEN: Any = object()


class ToolCall(Mapping[str, Any]):
    """One tool call, with attributes and as the mapping `{"id", "type", "function": {"name", "arguments"}}`.

    Args:
        id: Id that the result of the call refers to.
        name: Name of the tool.
        raw_arguments: Arguments as the model wrote them, normally a JSON object; "" for none.

    Attributes:
        id: Id that the result of the call refers to.
        name: Name of the tool.
        raw_arguments: Arguments as the model wrote them.

    Example:
        >>> call = ToolCall("call_1", "get_weather", '{"city": "Paris"}')
        >>> call.arguments
        {'city': 'Paris'}
        >>> call["function"]["name"]
        'get_weather'
    """

    __slots__ = ("_arguments", "id", "name", "raw_arguments")

    def __init__(self, id: str, name: str, raw_arguments: str) -> None:  # noqa: A002  the field's name on the wire
        self.id = id
        self.name = name
        self.raw_arguments = raw_arguments
        self._arguments: dict[str, Any] | None = None  # parsed on first use

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments as a dict, `{}` if there are none.

        Raises:
            ToolCallError: If the model did not write a JSON object.
        """
        if self._arguments is None:
            self._arguments = self._parsed()
        return self._arguments

    @property
    def is_valid(self) -> bool:
        """True if `arguments` is a JSON object, so that reading it does not raise."""
        try:
            return self.arguments is not None  # pyright: ignore[reportUnnecessaryComparison]  the access may raise
        except ToolCallError:
            return False

    def _parsed(self) -> dict[str, Any]:
        try:
            value: Any = _any.decode(self.raw_arguments) if self.raw_arguments.strip() else {}
        except msgspec.DecodeError as error:
            raise self._broken(f"are not JSON ({error})") from None
        if not isinstance(value, dict):
            raise self._broken(f"are a JSON {type(value).__name__}, not an object")
        return cast("dict[str, Any]", value)

    def _broken(self, why: str) -> ToolCallError:
        return ToolCallError(
            f"the arguments of call {self.id!r} to {self.name!r} {why}",
            call_id=self.id,
            name=self.name,
            raw_arguments=self.raw_arguments,
        )

    def __getitem__(self, key: str) -> Any:
        if key == "function":
            return {"name": self.name, "arguments": self.arguments}
        if key == "id":
            return self.id
        if key == "type":
            return "function"
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(("id", "type", "function"))

    def __len__(self) -> int:
        return 3

    def __repr__(self) -> str:
        return f"ToolCall(id={self.id!r}, name={self.name!r}, raw_arguments={self.raw_arguments!r})"


class ToolCallAggregator:
    """The tool calls of one answer, in the model's order, and the results that the caller inserts.

    Args:
        calls: The tool calls.
        text: Text of the same answer.
        reasoning: Reasoning of the same answer, None if not reported.
        provider_state: Opaque state that the provider expects back with the calls.
        refusal: The model's refusal in the same answer, None if it did not refuse.

    Attributes:
        text: Text of the same answer.
        reasoning: Reasoning of the same answer, None if not reported.

    Example:
        >>> calls = ToolCallAggregator([ToolCall("call_1", "get_weather", '{"city": "Paris"}')])
        >>> calls.insert_results("call_1", {"celsius": 21})
        >>> calls.get_messages()[1]
        {'role': 'tool', 'tool_call_id': 'call_1', 'content': '{"celsius":21}'}
    """

    def __init__(
        self,
        calls: Iterable[ToolCall] = (),
        text: str = "",
        reasoning: str | None = None,
        provider_state: Sequence[Mapping[str, Any]] = (),
        refusal: str | None = None,
    ) -> None:
        self._calls = list(calls)
        self._provider_state = provider_state
        self._refusal = refusal
        self._results: dict[str, str] = {}
        self.text = text
        self.reasoning = reasoning

    def get_calls(self) -> list[ToolCall]:
        """Return the calls, including those with invalid arguments (`ToolCall.is_valid`)."""
        return list(self._calls)

    def insert_results(self, call_id: str | Mapping[str, Any], result: Any = _NOT_GIVEN) -> None:
        """Insert the result of one call, `(id, result)`, or of several, `({id: result, ...})`.

        Args:
            call_id: Id of the call, or a mapping from ids to results.
            result: Result of the call. A string is sent unchanged, any other value as JSON (None as `null`).

        Raises:
            KeyError: If no call has this id.
            TypeError: If the result is missing or cannot be encoded as JSON.
        """
        if isinstance(call_id, Mapping):
            for each, value in call_id.items():
                self.insert_results(each, value)
            return
        if result is _NOT_GIVEN:
            raise TypeError("insert_results needs an id and a result, or a mapping from ids to results")
        if all(call.id != call_id for call in self._calls):
            raise KeyError(f"no call has the id {call_id!r}; the ids are {[call.id for call in self._calls]}")
        self._results[call_id] = result if isinstance(result, str) else _result_text(result, call_id)

    def get_messages(self) -> list[dict[str, Any]]:
        """Return the messages to append to the conversation: the assistant message, and one tool message per call.

        Returns:
            The messages, in the order of the calls.

        Raises:
            ToolCallError: If a call has no result; the message names the calls. Providers reject such a conversation.
        """
        if missing := [call for call in self._calls if call.id not in self._results]:
            names = ", ".join(f"{call.name} ({call.id})" for call in missing)
            raise ToolCallError(f"no result for {names}: give one with insert_results", call_id=missing[0].id)
        return [
            self._assistant_message(),
            *({"role": "tool", "tool_call_id": call.id, "content": self._results[call.id]} for call in self._calls),
        ]

    def _assistant_message(self) -> dict[str, Any]:
        """Return the answer as a message, the arguments as JSON text."""
        calls = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.raw_arguments or "{}"},
            }
            for call in self._calls
        ]
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None if calls else self.text}
        if calls:
            message["tool_calls"] = calls
        if self._refusal:
            message["refusal"] = self._refusal
        if self._provider_state:
            message["provider_state"] = [dict(state) for state in self._provider_state]
        return message

    def __len__(self) -> int:
        return len(self._calls)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"ToolCallAggregator({self._calls!r})"


def _result_text(result: Any, call_id: str) -> str:
    try:
        return _encoder.encode(result).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise TypeError(
            f"the result for {call_id!r} is of type {type(result).__name__}, which is not JSON: insert a string"
        ) from None
