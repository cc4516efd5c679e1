"""Tools: what is offered, what the model calls, the results it is given, and the messages that carry them back."""

from __future__ import annotations

import copy
import datetime as dt
import json
import pickle

import pytest

import msgflux_like as mf
from msgflux_like.errors import InvalidRequestError, ToolCallError
from tests.provider import DONE, Reply, chat, delta, stream, whole

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
NOW = {"type": "function", "function": {"name": "now"}}
PARIS = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
TIME = {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": ""}}
BROKEN = {"id": "call_3", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Par'}}


def calling(*calls, text: str | None = None) -> Reply:
    return whole(chat(text, "tool_calls", tool_calls=list(calls)))


def calling_stream(*calls, text: str | None = None) -> Reply:
    """The same in pieces: the id and the name first, the arguments in pieces of five characters."""
    pieces = [delta(text)] if text else []
    for index, call in enumerate(calls):
        function = call["function"]
        head = {"index": index, "id": call["id"], "type": "function", "function": {"name": function["name"]}}
        pieces.append(delta(tool_calls=[head]))
        pieces += [
            delta(tool_calls=[{"index": index, "function": {"arguments": function["arguments"][at : at + 5]}}])
            for at in range(0, len(function["arguments"]), 5)
        ]
    return stream(*pieces, delta(finish="tool_calls"), DONE)


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def answer_with(request, colour, provider, model_of):
    """The response to a call whose answer has these calls."""

    def ask(*calls, text: str | None = None) -> mf.ModelResponse:
        make = calling_stream if request.param else calling
        model = model_of(provider(make(*calls, text=text)))
        if not request.param:
            return colour.ask(model, "hi", tool_schemas=[WEATHER, NOW])
        _, response = colour.pieces(model, "hi", tool_schemas=[WEATHER, NOW])
        return response.result()

    return ask


# ---- the calls


def test_the_calls_are_the_answer(answer_with):
    response = answer_with(PARIS, TIME)
    assert response.response_type == "tool_call"
    calls = response.consume().get_calls()
    assert calls == [
        {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Paris"}}},
        {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": {}}},
    ]
    assert response.metadata.finish_reason == "tool_calls"


def test_a_call_is_read_by_key_and_by_attribute(answer_with):
    first, second = answer_with(PARIS, TIME).consume().get_calls()
    assert (first["id"], first["type"], first["function"]["name"]) == ("call_1", "function", "get_weather")
    assert first["function"]["arguments"] == {"city": "Paris"}
    assert (first.id, first.name, first.arguments) == ("call_1", "get_weather", {"city": "Paris"})
    assert first.raw_arguments == '{"city": "Paris"}'
    assert (second.arguments, second.raw_arguments) == ({}, "")
    assert list(first) == ["id", "type", "function"]
    assert dict(first) == {"id": "call_1", "type": "function", "function": first["function"]}
    with pytest.raises(KeyError):
        _ = first["name"]


def test_consuming_again_gives_the_same_calls_with_the_results_so_far(answer_with):
    response = answer_with(PARIS)
    response.consume().insert_results("call_1", "22 degrees")
    assert response.consume() is response.consume()
    assert response.consume().get_messages()[1]["content"] == "22 degrees"


def test_what_is_done_to_the_list_of_calls_does_not_change_the_answer(answer_with):
    calls = answer_with(PARIS, TIME).consume()
    calls.get_calls().clear()
    assert len(calls.get_calls()) == len(calls) == 2


def test_text_beside_the_calls_is_kept(answer_with):
    response = answer_with(PARIS, text="Let me look.")
    calls = response.consume()
    assert (calls.text, response.text) == ("Let me look.", "Let me look.")
    calls.insert_results("call_1", "22 degrees")
    assert calls.get_messages()[0]["content"] == "Let me look."


def test_an_answer_without_calls_is_a_text_although_tools_were_offered(answer_with):
    response = answer_with(text="I know it.")
    assert response.response_type == "text_generation"
    assert response.consume() == "I know it."
    assert response.tool_calls.get_calls() == []


def test_calls_that_end_with_stop_are_tool_calls_all_the_same(colour, provider, model_of):
    server = provider(whole(chat(None, "stop", tool_calls=[PARIS])))
    response = colour.ask(model_of(server), "hi", tool_schemas=[WEATHER])
    assert response.response_type == "tool_call"
    assert (response.metadata.finish_reason, response.metadata.finish_reason_raw) == ("tool_calls", "stop")


@pytest.mark.parametrize("arguments", ["", " ", "{}", None, {}])
def test_no_arguments_are_an_empty_object(provider, model_of, arguments):
    call = {**TIME, "function": {"name": "now", "arguments": arguments}}
    (found,) = model_of(provider(calling(call)))("hi", tool_schemas=[NOW]).consume().get_calls()
    assert found.arguments == {}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ('{"city": "Par', "are not JSON (Input data was truncated)"),
        ("city=Paris", "are not JSON (JSON is malformed: invalid character (byte 0))"),
        ("[1]", "are a JSON list, not an object"),
        ('"Paris"', "are a JSON str, not an object"),
        ("null", "are a JSON NoneType, not an object"),
    ],
)
def test_broken_arguments_are_an_error_of_that_call_alone(answer_with, arguments, why):
    broken = {**BROKEN, "function": {"name": "get_weather", "arguments": arguments}}
    calls = answer_with(PARIS, broken).consume()
    good, bad = calls.get_calls()
    assert (good.is_valid, good.arguments) == (True, {"city": "Paris"})
    assert not bad.is_valid
    for read in (lambda: bad.arguments, lambda: bad["function"], lambda: dict(bad)):
        with pytest.raises(ToolCallError) as raised:
            read()
        assert str(raised.value) == f"the arguments of call 'call_3' to 'get_weather' {why}"
        error = raised.value
        assert (error.call_id, error.name, error.raw_arguments) == ("call_3", "get_weather", arguments)
    calls.insert_results({"call_1": "22 degrees", "call_3": "error: the arguments are no JSON"})
    assert calls.get_messages()[0]["tool_calls"][1]["function"]["arguments"] == arguments


def test_a_call_and_its_results_can_be_copied_and_pickled(answer_with):
    calls = answer_with(PARIS, TIME, BROKEN).consume()
    calls.insert_results("call_1", "22 degrees")
    for read_before in (False, True):
        if read_before:
            assert calls.get_calls()[0].arguments == {"city": "Paris"}
        for twin in (copy.deepcopy(calls), pickle.loads(pickle.dumps(calls))):
            first, second, third = twin.get_calls()
            assert (first.arguments, second.arguments, third.is_valid) == ({"city": "Paris"}, {}, False)
            twin.insert_results({"call_2": "12:00", "call_3": ""})
            assert [message["content"] for message in twin.get_messages()[1:]] == ["22 degrees", "12:00", ""]
    with pytest.raises(ToolCallError):
        calls.get_messages()


# ---- the results


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ("22 degrees", "22 degrees"),
        ("", ""),
        (None, "null"),
        (22, "22"),
        (True, "true"),
        ({"city": "Paris", "°C": 22.5}, '{"city":"Paris","°C":22.5}'),
        ([1, None], "[1,null]"),
        ((1, 2), "[1,2]"),
        (dt.date(2024, 2, 29), '"2024-02-29"'),
        (b"bytes", '"Ynl0ZXM="'),
    ],
)
def test_a_result_is_a_text_or_becomes_json(answer_with, result, content):
    calls = answer_with(PARIS).consume()
    calls.insert_results("call_1", result)
    assert calls.get_messages()[1] == {"role": "tool", "tool_call_id": "call_1", "content": content}


@pytest.mark.parametrize("result", [object(), {"a": 1j}, lambda: 5], ids=["object", "complex", "function"])
def test_a_result_that_json_cannot_hold_is_refused_by_its_type(answer_with, result):
    calls = answer_with(PARIS).consume()
    with pytest.raises(TypeError) as raised:
        calls.insert_results("call_1", result)
    assert str(raised.value) == (
        f"the result for 'call_1' is of type {type(result).__name__}, which is not JSON: insert a string"
    )


def test_a_result_that_holds_itself_is_refused(answer_with):
    result = []
    result.append(result)
    with pytest.raises(TypeError, match="which is not JSON"):
        answer_with(PARIS).consume().insert_results("call_1", result)


def test_several_results_may_be_given_at_once_and_again(answer_with):
    calls = answer_with(PARIS, TIME).consume()
    calls.insert_results({"call_2": "12:00", "call_1": "rain"})
    calls.insert_results("call_1", "22 degrees")
    assert [message["content"] for message in calls.get_messages()[1:]] == ["22 degrees", "12:00"]


def test_a_result_for_no_call_is_refused_with_the_ids_there_are(answer_with):
    calls = answer_with(PARIS, TIME).consume()
    for give in (lambda: calls.insert_results("call_9", "x"), lambda: calls.insert_results({"call_9": "x"})):
        with pytest.raises(KeyError) as raised:
            give()
        assert raised.value.args == ("no call has the id 'call_9'; the ids are ['call_1', 'call_2']",)


def test_an_id_without_a_result_is_no_result(answer_with):
    with pytest.raises(TypeError, match="needs an id and a result, or a mapping from ids to results"):
        answer_with(PARIS).consume().insert_results("call_1")


def test_the_messages_are_one_of_all_calls_and_one_for_each_result(answer_with):
    calls = answer_with(PARIS, TIME).consume()
    calls.insert_results({"call_2": "12:00", "call_1": "22 degrees"})
    assert calls.get_messages() == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [PARIS, {**TIME, "function": {"name": "now", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "22 degrees"},
        {"role": "tool", "tool_call_id": "call_2", "content": "12:00"},
    ]


def test_calls_without_a_result_are_named(answer_with):
    calls = answer_with(PARIS, TIME, BROKEN).consume()
    calls.insert_results("call_2", "12:00")
    with pytest.raises(ToolCallError) as raised:
        calls.get_messages()
    assert str(raised.value) == (
        "no result for get_weather (call_1), get_weather (call_3): give one with insert_results"
    )
    assert raised.value.call_id == "call_1"


# ---- the whole flow


def get_weather(city: str) -> dict[str, object]:
    return {"city": city, "degrees": 22}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_question_a_call_its_result_and_the_answer(colour, provider, model_of, streamed):
    call = calling_stream(PARIS) if streamed else calling(PARIS)
    server = provider(call, whole(chat("It is 22 degrees in Paris.")))
    model, messages = model_of(server), [{"role": "user", "content": "What's the weather in Paris?"}]
    if streamed:
        _, response = colour.pieces(model, messages, tool_schemas=[WEATHER])
    else:
        response = colour.ask(model, messages, tool_schemas=[WEATHER])
    calls = response.consume()
    for each in calls.get_calls():
        calls.insert_results(each["id"], get_weather(**each["function"]["arguments"]))
    messages.extend(calls.get_messages())
    assert colour.ask(model, messages).consume() == "It is 22 degrees in Paris."
    first, second = (request.body for request in server.requests)
    assert first["tools"] == [WEATHER]
    assert "tools" not in second
    assert second["messages"] == [
        {"role": "user", "content": "What's the weather in Paris?"},
        {"role": "assistant", "content": None, "tool_calls": [PARIS]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"city":"Paris","degrees":22}'},
    ]


def test_calls_of_a_stream_that_nobody_iterates_are_there_at_once(provider, model_of):
    response = model_of(provider(calling_stream(PARIS, TIME)))("hi", tool_schemas=[WEATHER, NOW], stream=True)
    calls = response.consume()
    assert [call.name for call in calls.get_calls()] == ["get_weather", "now"]
    calls.insert_results("call_1", "22 degrees")
    calls.insert_results({"call_2": "12:00"})
    assert [message["role"] for message in calls.get_messages()] == ["assistant", "tool", "tool"]
    assert response.response_type == "tool_call"


def test_the_calls_of_get_calls_may_be_sent_back_as_they_are(provider, model_of):
    server = provider(calling(PARIS), whole(chat()))
    model = model_of(server)
    calls = model("hi", tool_schemas=[WEATHER]).consume().get_calls()
    model(["hi", {"role": "assistant", "tool_calls": calls}, mf.ChatBlock.tool("call_1", "22 degrees")])
    (sent,) = server.requests[1].body["messages"][1]["tool_calls"]
    assert json.loads(sent["function"].pop("arguments")) == {"city": "Paris"}
    assert sent == {"id": "call_1", "type": "function", "function": {"name": "get_weather"}}


# ---- what is offered


def test_tools_go_out_as_they_are(colour, provider, model_of):
    server = provider(whole(chat()))
    odd = {"type": "function", "function": {"name": "a-b_C9", "strict": True, "x-own": 1}, "x-own": [2]}
    colour.ask(model_of(server), "hi", tool_schemas=(WEATHER, odd))
    assert server.requests[0].body["tools"] == [WEATHER, odd]
    assert "tool_choice" not in server.requests[0].body


def test_tools_of_a_generator_go_out_too(provider, model_of):
    server = provider(whole(chat()))
    model_of(server)("hi", tool_schemas=(tool for tool in [WEATHER, NOW]), tool_choice="now")
    assert server.requests[0].body["tools"] == [WEATHER, NOW]


@pytest.mark.parametrize("schemas", [None, [], ()])
def test_no_tools_are_no_field(provider, model_of, schemas):
    server = provider(whole(chat()))
    model_of(server)("hi", tool_schemas=schemas)
    assert sorted(server.requests[0].body) == ["messages", "model"]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("required", "required"),
        ("none", "none"),
        ("now", {"type": "function", "function": {"name": "now"}}),
        ({"type": "allowed_tools", "x": 1}, {"type": "allowed_tools", "x": 1}),
    ],
    ids=["auto", "required", "none", "by name", "as a dict"],
)
def test_a_tool_is_chosen_by_a_word_its_name_or_a_dict(colour, provider, model_of, choice, sent):
    server = provider(whole(chat()))
    colour.ask(model_of(server), "hi", tool_schemas=[WEATHER, NOW], tool_choice=choice)
    assert server.requests[0].body["tool_choice"] == sent


@pytest.mark.parametrize(
    ("choice", "refusal"),
    [
        ("get_wether", "tool_choice must be one of auto, required, none, get_weather, now; not 'get_wether'"),
        ("", "tool_choice must be one of auto, required, none, get_weather, now; not ''"),
        (5, 'tool_choice must be "auto", "required", "none", the name of a tool, or a dict, not 5 (int)'),
        (["now"], 'tool_choice must be "auto", "required", "none", the name of a tool, or a dict, not list'),
        (True, 'tool_choice must be "auto", "required", "none", the name of a tool, or a dict, not True (bool)'),
    ],
)
def test_a_choice_of_no_tool_is_refused(provider, model_of, choice, refusal):
    server = provider(whole(chat()))
    with pytest.raises(InvalidRequestError) as raised:
        model_of(server)("hi", tool_schemas=[WEATHER, NOW], tool_choice=choice)
    assert str(raised.value) == refusal
    assert server.requests == []


@pytest.mark.parametrize("choice", ["auto", "none", "get_weather", {}])
@pytest.mark.parametrize("schemas", [None, []])
def test_a_choice_without_tools_is_refused(provider, model_of, choice, schemas):
    with pytest.raises(InvalidRequestError) as raised:
        model_of(provider(whole(chat())))("hi", tool_schemas=schemas, tool_choice=choice)
    assert str(raised.value) == "tool_choice needs tool_schemas: no tool is given"


FORM = '{"type": "function", "function": {"name": ..., ...}}'


@pytest.mark.parametrize(
    ("schemas", "refusal"),
    [
        ([WEATHER, WEATHER], "tool_schemas has two tools called 'get_weather'"),
        ([NOW, None], f"tool_schemas[1] must be {FORM}"),
        (["get_weather"], f"tool_schemas[0] must be {FORM}"),
        ([{"name": "now", "parameters": {}}], f"tool_schemas[0] must be {FORM}"),
        (WEATHER, "tool_schemas must be a list of functions or of tool schemas, not dict"),
        (
            [{"type": "function", "function": {"description": "?"}}],
            "tool_schemas[0].function.name must be 1 to 64 characters of A-Z a-z 0-9 _ -, not None",
        ),
        (
            [{"type": "function", "function": {"name": "get weather"}}],
            "tool_schemas[0].function.name must be 1 to 64 characters of A-Z a-z 0-9 _ -, not 'get weather'",
        ),
        (
            [{"type": "function", "function": {"name": "now\n"}}],
            "tool_schemas[0].function.name must be 1 to 64 characters of A-Z a-z 0-9 _ -, not 'now\\n'",
        ),
        (
            [{"type": "function", "function": {"name": "x" * 65}}],
            f"tool_schemas[0].function.name must be 1 to 64 characters of A-Z a-z 0-9 _ -, not '{'x' * 65}'",
        ),
        (
            [NOW, {"type": "function", "function": {"name": "a", "parameters": ["city"]}}],
            "tool_schemas[1].function.parameters must be a JSON schema of an object",
        ),
    ],
)
def test_a_schema_that_every_provider_would_refuse_is_refused_here(provider, model_of, schemas, refusal):
    server = provider(whole(chat()))
    with pytest.raises(InvalidRequestError) as raised:
        model_of(server)("hi", tool_schemas=schemas)
    assert str(raised.value) == refusal
    assert server.requests == []
