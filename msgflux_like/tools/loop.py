"""The tool loop: call the model, run the tools it calls, send the results, until it answers. Uses public API only."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from msgflux_like._attrdict import dotdict
from msgflux_like._concurrency.loops import is_async
from msgflux_like._concurrency.threads import gather_all, run_in_threads, to_thread
from msgflux_like._json import to_json
from msgflux_like._validate import check_callable, check_count, require
from msgflux_like.errors import InvalidRequestError, MaxRoundsError, ToolCallError
from msgflux_like.messages.normalize import normalize
from msgflux_like.response.tool_calls import ToolCall, ToolCallAggregator
from msgflux_like.tools import function_schema

_PAUSES: Final = frozenset({"pause_turn"})
"""The provider's words for an answer in which a tool of its own still runs: it goes on when it is sent back.

Source: https://docs.claude.com/en/api/handling-stop-reasons.
"""

Steps = Generator["dict[str, Any] | list[_Execution]", Any, None]


class ToolRun:
    """Result of a tool loop, returned by `run_tools`.

    Args:
        messages: Messages to begin with, in any form that a call takes.

    Attributes:
        messages: Whole conversation: the given messages, every answer and every tool result. It can be continued.
        responses: Answers of the model, in order.
        response: Last answer of the model, None before the first.
        rounds: Number of calls of the model.

    Example:
        >>> from msgflux_like.testing import FakeModel, tool_call
        >>> def celsius(city: str) -> int:
        ...     "Current temperature."
        ...     return 21
        >>> model = FakeModel([tool_call("celsius", city="Paris"), "It is 21 degrees."])
        >>> run = run_tools(model, "How warm is it in Paris?", [celsius])
        >>> [message["role"] for message in run.messages]
        ['user', 'assistant', 'tool', 'assistant']
        >>> run.response.text
        'It is 21 degrees.'
    """

    def __init__(self, messages: Any) -> None:
        self.messages: list[Any] = list(normalize(messages))
        self.responses: list[Any] = []

    @property
    def response(self) -> Any:  # noqa: D102  see Attributes
        return self.responses[-1] if self.responses else None

    @property
    def rounds(self) -> int:  # noqa: D102  see Attributes
        return len(self.responses)

    @property
    def text(self) -> str:
        """Text of the last answer, "" before the first."""
        return self.response.text if self.responses else ""

    @property
    def usage(self) -> dotdict:
        """Sum of `metadata.usage` over all answers; a count is None if one answer does not report it."""
        usages: list[Any] = [response.metadata.usage for response in self.responses]
        names = dict.fromkeys(name for usage in usages for name in usage)
        return dotdict({name: _sum(usage.get(name) for usage in usages) for name in names})

    @property
    def cost(self) -> Decimal | None:
        """Exact cost of all answers in US dollars; None if the cost of one is not known."""
        return _sum((response.cost for response in self.responses), Decimal(0))

    def __repr__(self) -> str:
        return f"ToolRun({self.rounds} rounds, {len(self.messages)} messages)"


def run_tools(
    model: Callable[..., Any],
    messages: Any,
    tools: Iterable[function_schema.Function],
    *,
    max_rounds: int = 8,
    **call: Any,
) -> ToolRun:
    """Call a model, run the functions it calls, send it the results, and repeat until it answers.

    Functions that are called in one answer run concurrently in threads. An exception of a tool, arguments that do not
    fit, and an unknown tool name do not end the run: the model receives `Error: <type>: <message>`, so exceptions of
    tools must not contain secrets. An answer that pauses while a tool of the provider runs is sent back to go on. A
    `tool_choice` that forces a call applies to the first round only. Tools are not run if no round is left to send
    their results.

    Args:
        model: Chat model.
        messages: Messages, in any form that the model takes.
        tools: Functions; `function_schema` documents what they need.
        max_rounds: Upper bound of calls of the model, at least 1; 8 by default.
        **call: Arguments of every call of the model; not `stream`, `stream_to` or `tool_schemas`.

    Returns:
        The answers, and the whole conversation with usage and cost.

    Raises:
        InvalidRequestError: If a function cannot be a tool, or is async (use `arun_tools`).
        MaxRoundsError: If the model calls tools in the last round; `error.run` is the run so far.

    Example:
        >>> from msgflux_like.testing import FakeModel, tool_call
        >>> def celsius(city: str) -> int:
        ...     "Current temperature."
        ...     return 21
        >>> model = FakeModel([tool_call("celsius", city="Paris"), "It is 21 degrees."])
        >>> run = run_tools(model, "How warm is it in Paris?", [celsius])
        >>> run.text, run.rounds
        ('It is 21 degrees.', 2)
    """
    tools = _checked_tools(tools)
    if named := next((function_schema.describe(each).name for each in tools if is_async(each)), None):
        raise InvalidRequestError(f"the tool {named!r} is async: run it with `await arun_tools(...)`")
    check_callable("model", model, "a chat model")
    run = ToolRun(messages)
    steps, outcome = _steps(run, tools, max_rounds, call), None
    while (step := _next(steps, outcome)) is not None:
        outcome = (
            model(run.messages, **step) if isinstance(step, dict) else run_in_threads([each.result for each in step])
        )
    return run


async def arun_tools(
    model: Any, messages: Any, tools: Iterable[function_schema.Function], *, max_rounds: int = 8, **call: Any
) -> ToolRun:
    """Async counterpart of `run_tools`: async functions run in the event loop, others in threads, all concurrently."""
    check_callable("model", model, "a chat model")
    run = ToolRun(messages)
    steps, outcome = _steps(run, _checked_tools(tools), max_rounds, call), None
    while (step := _next(steps, outcome)) is not None:
        if isinstance(step, dict):
            outcome = await model.acall(run.messages, **step)
        else:
            outcome = await gather_all([each.aresult() for each in step])
    return run


class _Execution(NamedTuple):
    """One tool call and the function it names; None if no tool has that name."""

    call: ToolCall
    function: function_schema.Function | None
    names: Iterable[str]

    def result(self) -> str:
        """Run the function; return its result, or its error, as the text for the model."""
        try:
            return _text(self._start())
        except Exception as error:  # noqa: BLE001  the model receives every error
            return f"Error: {type(error).__name__}: {error}"

    async def aresult(self) -> str:
        """Async counterpart of `result`."""
        if self.function is None or not is_async(self.function):
            return await to_thread(self.result)
        try:
            return _text(await self._start())
        except Exception as error:  # noqa: BLE001  the model receives every error
            return f"Error: {type(error).__name__}: {error}"

    def _start(self) -> Any:
        if self.function is None:
            raise ToolCallError(f"there is no tool {self.call.name!r}; the tools are {', '.join(self.names)}")
        return function_schema.bind(self.function, self.call.arguments)()


def _steps(run: ToolRun, tools: list[function_schema.Function], max_rounds: int, call: dict[str, Any]) -> Steps:
    """Yield, in turn, the arguments of a call of the model and the tool calls to run; `send` the outcome of each."""
    if taken := sorted({"stream", "stream_to", "tool_schemas"} & call.keys()):
        raise InvalidRequestError(f"run_tools reads whole answers and offers `tools`: leave {' and '.join(taken)} out")
    check_count("max_rounds", max_rounds, 1)
    offered = _by_name(tools)
    call = {**call, "tool_schemas": tools}
    for left in reversed(range(max_rounds)):
        response = yield call
        run.responses.append(response)
        is_paused = response.metadata.finish_reason_raw in _PAUSES
        if response.response_type != "tool_call":
            run.messages.append(_answer(response))
            if not is_paused:
                return
        if not left:
            raise MaxRoundsError(f"the model still calls tools after {max_rounds} rounds", run=run)
        if response.response_type != "tool_call":
            continue
        calls = response.tool_calls.get_calls()
        texts = yield [_Execution(each, offered.get(each.name), offered) for each in calls]
        run.messages.extend(_messages(response.tool_calls, texts))
        if call.get("tool_choice") not in ("auto", "none"):
            call.pop("tool_choice", None)


def _next(steps: Steps, outcome: Any) -> dict[str, Any] | list[_Execution] | None:
    try:
        return steps.send(outcome)
    except StopIteration:
        return None


def _checked_tools(tools: Any) -> list[function_schema.Function]:
    is_list = isinstance(tools, Iterable) and not isinstance(tools, (str, bytes, Mapping))
    return list(require("tools", tools, "a list of functions", is_right=is_list))


def _by_name(tools: list[Any]) -> dict[str, function_schema.Function]:
    if not tools or not all(map(callable, tools)):
        raise InvalidRequestError("tools must be functions, at least one, and no schemas")
    return {function_schema.describe(function).name: function for function in tools}


def _messages(calls: ToolCallAggregator, texts: list[str]) -> list[dict[str, Any]]:
    """Return the answer and the results as messages. Invalid arguments become `{}`: some providers reject them."""
    each_call = calls.get_calls()
    answer = calls._assistant_message()  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  without the results
    for call, sent in zip(each_call, answer["tool_calls"], strict=True):
        if not call.is_valid:
            sent["function"]["arguments"] = "{}"
    results = zip(each_call, texts, strict=True)
    return [answer, *({"role": "tool", "tool_call_id": call.id, "content": text} for call, text in results)]


def _answer(response: Any) -> dict[str, Any]:
    """Return the last answer as a message, without a call of the answer tool of `generation_schema`."""
    kept = {name: value for name, value in response.message.items() if name in ("refusal", "provider_state")}
    return {"role": "assistant", "content": response.text, **kept}


def _text(result: Any) -> str:
    return result if isinstance(result, str) else to_json(result, "the result").decode()


def _sum(values: Iterable[Any], start: Any = 0) -> Any:
    found = list(values)
    return None if None in found else sum(found, start)
