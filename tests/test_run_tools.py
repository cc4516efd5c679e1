"""The tool loop: what is run, what the model is told, and when it ends."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from decimal import Decimal
from typing import Any

import pytest

import msgflux_like as mf
from msgflux_like.errors import InvalidRequestError, MaxRoundsError
from tests.provider import chat, whole

PATIENCE_S = 20.0


def call(id_: str, name: str, arguments: Any) -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": text}}


def calls(*each: dict[str, Any], text: str | None = None) -> Any:
    return whole(chat(text, finish="tool_calls", tool_calls=list(each)))


def run(colour: Any, model: Any, messages: Any, tools: Any, **more: Any) -> mf.ToolRun:
    if colour.name == "sync":
        return mf.run_tools(model, messages, tools, **more)
    return asyncio.run(mf.arun_tools(model, messages, tools, **more))


def told(server: Any) -> list[str]:
    """The results in the last request."""
    return [message["content"] for message in server.requests[-1].body["messages"] if message["role"] == "tool"]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def test_the_model_asks_is_told_and_answers(colour, provider, model_of):
    server = provider(calls(call("c1", "add", {"a": 1, "b": 2}), text="Let me see."), whole(chat("It is 3.")))
    found = run(colour, model_of(server), "What is 1 + 2?", [add])
    assert found.text == found.response.consume() == "It is 3."
    assert found.rounds == 2
    assert found.messages == [
        {"role": "user", "content": "What is 1 + 2?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [call("c1", "add", {"a": 1, "b": 2})]},
        {"role": "tool", "tool_call_id": "c1", "content": "3"},
        {"role": "assistant", "content": "It is 3."},
    ]
    assert server.requests[0].body["tools"] == [mf.function_schema(add)]
    assert server.requests[1].body["messages"] == found.messages[:3]


def test_an_answer_without_calls_is_one_round(colour, provider, model_of):
    found = run(colour, model_of(provider(whole(chat("No need.")))), "hi", [add], temperature=0)
    assert (found.rounds, found.text) == (1, "No need.")


def test_usage_and_cost_are_summed(colour, provider, model_of):
    server = provider(calls(call("c1", "add", {"a": 1, "b": 2})), whole(chat("3")))
    found = run(colour, model_of(server), "hi", [add])
    assert found.usage == {"completion_tokens": 18, "prompt_tokens": 38, "total_tokens": 56}
    assert found.usage.total_tokens == 56
    assert isinstance(found.cost, Decimal)
    assert found.cost == 2 * found.response.cost


def test_a_cost_that_is_not_known_makes_the_sum_unknown(colour, provider, model_of):
    silent = chat("3")
    del silent["usage"]
    server = provider(calls(call("c1", "add", {"a": 1, "b": 2})), whole(silent))
    found = run(colour, model_of(server), "hi", [add])
    assert found.cost is None
    assert found.usage.total_tokens is None


def test_what_the_caller_gave_is_not_changed(colour, provider, model_of):
    messages = [{"role": "user", "content": "hi"}]
    options = {"tool_choice": "required"}
    server = provider(calls(call("c1", "add", {"a": 1, "b": 2})), whole(chat("3")))
    run(colour, model_of(server), messages, [add], **options)
    assert messages == [{"role": "user", "content": "hi"}]
    assert options == {"tool_choice": "required"}


def test_a_choice_that_forces_a_call_is_for_the_first_round(colour, provider, model_of):
    server = provider(calls(call("c1", "add", {"a": 1, "b": 2})), whole(chat("3")))
    run(colour, model_of(server), "hi", [add], tool_choice="required", system_prompt="Be brief.")
    assert [request.body.get("tool_choice") for request in server.requests] == ["required", None]
    assert all(request.body["messages"][0]["content"] == "Be brief." for request in server.requests)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"a": 1}, "Error: ValidationError: Object missing required field `b`"),
        ("{", "Error: ToolCallError: the arguments of call 'c1' to 'add' are not JSON"),
        ("[1]", "Error: ToolCallError: the arguments of call 'c1' to 'add' are a JSON list"),
    ],
)
def test_arguments_that_do_not_fit_are_told(colour, provider, model_of, arguments, said):
    server = provider(calls(call("c1", "add", arguments)), whole(chat("Sorry.")))
    found = run(colour, model_of(server), "hi", [add])
    assert told(server)[0].startswith(said)
    sent = server.requests[-1].body["messages"][1]["tool_calls"][0]["function"]["arguments"]
    assert isinstance(json.loads(sent), dict), "broken history is refused by some providers"
    assert found.text == "Sorry."


def test_a_tool_that_raises_is_told_and_the_others_count(colour, provider, model_of):
    def fail() -> None:
        raise KeyError("no such city")

    server = provider(calls(call("c1", "fail", {}), call("c2", "add", {"a": 1, "b": 2})), whole(chat("ok")))
    run(colour, model_of(server), "hi", [fail, add])
    assert told(server) == ["Error: KeyError: 'no such city'", "3"]


def test_a_name_that_was_not_offered_is_never_run(colour, provider, model_of):
    server = provider(calls(call("c1", "exec", {"code": "1"}), call("c2", "__class__", {})), whole(chat("ok")))
    run(colour, model_of(server), "hi", [add])
    assert told(server) == [
        "Error: ToolCallError: there is no tool 'exec'; the tools are add",
        "Error: ToolCallError: there is no tool '__class__'; the tools are add",
    ]


@pytest.mark.parametrize(
    ("result", "text"),
    [("a text", "a text"), (None, "null"), ({"a": [1]}, '{"a":[1]}'), (Decimal("1.5"), '"1.5"')],
)
def test_a_result_is_a_text_or_json(colour, provider, model_of, result, text):
    def tool() -> Any:
        return result

    server = provider(calls(call("c1", "tool", {})), whole(chat("ok")))
    run(colour, model_of(server), "hi", [tool])
    assert told(server) == [text]


def test_a_result_that_json_cannot_hold_is_told(colour, provider, model_of):
    def tool() -> Any:
        return object()

    server = provider(calls(call("c1", "tool", {})), whole(chat("ok")))
    run(colour, model_of(server), "hi", [tool])
    assert told(server) == ["Error: InvalidRequestError: the result is of type object, which JSON cannot hold"]


def test_calls_of_one_answer_run_at_once(colour, provider, model_of):
    """Each waits for the others: were they run one after the other, none would end."""
    all_here = threading.Barrier(3)

    def meet(n: int) -> int:
        all_here.wait(PATIENCE_S)
        return n

    server = provider(calls(*(call(f"c{n}", "meet", {"n": n}) for n in range(3))), whole(chat("ok")))
    run(colour, model_of(server), "hi", [meet])
    assert told(server) == ["0", "1", "2"]


def test_async_tools_run_at_once_in_the_event_loop_and_beside_threads(provider, model_of):
    came: list[int] = []

    async def main() -> None:
        everybody = asyncio.Event()
        loop = asyncio.get_running_loop()

        async def meet(n: int) -> int:
            assert asyncio.get_running_loop() is loop
            came.append(n)
            if len(came) == 2:
                everybody.set()
            await everybody.wait()
            return n

        def blocking() -> str:
            asyncio.run_coroutine_threadsafe(everybody.wait(), loop).result(PATIENCE_S)
            return "blocked nobody"

        server = provider(
            calls(call("c0", "blocking", {}), call("c1", "meet", {"n": 1}), call("c2", "meet", {"n": 2})),
            whole(chat("ok")),
        )
        await mf.arun_tools(model_of(server), "hi", [meet, blocking])
        assert told(server) == ["blocked nobody", "1", "2"]

    asyncio.run(main())


def test_an_async_tool_that_raises_is_told(provider, model_of):
    async def fail() -> None:
        raise OSError("down")

    server = provider(calls(call("c1", "fail", {})), whole(chat("ok")))
    asyncio.run(mf.arun_tools(model_of(server), "hi", [fail]))
    assert told(server) == ["Error: OSError: down"]


def test_tools_see_the_context_of_the_caller(colour, provider, model_of):
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user")

    def who() -> str:
        return user.get()

    server = provider(calls(call("c1", "who", {}), call("c2", "who", {})), whole(chat("ok")))
    token = user.set("ada")
    try:
        run(colour, model_of(server), "hi", [who])
    finally:
        user.reset(token)
    assert told(server) == ["ada", "ada"]


def test_the_rounds_run_out(colour, provider, model_of):
    ran = []

    def again() -> str:
        ran.append(1)
        return "once more"

    server = provider(calls(call("c1", "again", {})))
    with pytest.raises(MaxRoundsError, match="after 3 rounds") as caught:
        run(colour, model_of(server), "hi", [again], max_rounds=3)
    assert len(server.requests) == 3
    assert len(ran) == 2, "nothing is run whose result nobody would be told"
    assert [message["role"] for message in caught.value.messages] == ["user", *["assistant", "tool"] * 2]
    assert caught.value.run.rounds == 3
    assert caught.value.run.response.tool_calls.get_calls()[0].name == "again"


def test_what_a_tool_must_not_stop_goes_through(provider, model_of):
    def leave() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mf.run_tools(model_of(provider(calls(call("c1", "leave", {})))), "hi", [leave])


async def later() -> str:
    return ""


@pytest.mark.parametrize(
    ("tools", "options", "why"),
    [
        ([], {}, "at least one"),
        ([{"type": "function", "function": {"name": "f"}}], {}, "no schemas"),
        ([add], {"stream": True}, "whole answers"),
        ([add], {"max_rounds": 0}, "at least 1"),
        ([add, add], {}, "two tools called 'add'"),
        ([lambda x: x], {}, "needs an annotation"),
    ],
)
def test_what_is_wrong_is_found_before_anything_is_sent(*, colour, provider, model_of, tools, options, why):
    server = provider(whole(chat()))
    with pytest.raises(InvalidRequestError, match=why):
        run(colour, model_of(server), "hi", tools, **options)
    assert not server.requests


def test_async_tools_need_the_async_twin(provider, model_of):
    server = provider(whole(chat()))
    with pytest.raises(InvalidRequestError, match="'later' is async"):
        mf.run_tools(model_of(server), "hi", [later])
    assert not server.requests


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_whole_loop_on_a_real_model(local_server, asynchronous):
    seen = []

    def get_weather(city: str) -> str:
        """Get the weather of a city.

        Args:
            city: Name of the city.
        """
        seen.append(city)
        return f"It is sunny in {city}."

    model = mf.Model.chat_completion("local/smollm2", temperature=0, max_tokens=96)
    question = "What is the weather in Paris?"
    if asynchronous:
        found = asyncio.run(mf.arun_tools(model, question, [get_weather], tool_choice="required"))
    else:
        found = mf.run_tools(model, question, [get_weather], tool_choice="required")
    assert seen
    assert all(isinstance(city, str) for city in seen)
    assert [message["role"] for message in found.messages][:3] == ["user", "assistant", "tool"]
    assert found.text
    assert found.usage.total_tokens > 0
