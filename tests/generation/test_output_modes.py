"""How a type of answer is asked for in each dialect, and what is made of the replies, whole and streamed."""

from __future__ import annotations

import asyncio
import json

import pytest
from msgspec import Struct

import msgflux_like as mf
from msgflux_like.errors import CapabilityError, InvalidRequestError, OutputParsingError, UnsupportedSchemaError
from tests.provider import DONE, USAGE, chat, chat_stream, delta, sse, stream, whole
from tests.test_preflight import listings_without_tools


class Event(Struct):
    """Something that takes place."""

    name: str
    participants: list[str]
    prices: dict[str, int] = {}


class Node(Struct):
    value: int
    children: list[Node]


EVENT = Event("fair", ["Alice", "Bob"], {"tea": 3})
PLAIN = {"name": "fair", "participants": ["Alice", "Bob"], "prices": {"tea": 3}}
LOWERED = json.dumps({"name": "fair", "participants": ["Alice", "Bob"], "prices": [{"key": "tea", "value": 3}]})
TEXT = json.dumps(PLAIN)
TOOL = {"type": "function", "function": {"name": "search", "parameters": {"type": "object", "properties": {}}}}


def chat_call(arguments, name="Event"):
    call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return whole(chat(None, finish="tool_calls", tool_calls=[call]))


def pieces(text, size=7):
    return [text[at : at + size] for at in range(0, len(text), size)]


def chat_call_stream(arguments, name="Event"):
    head = {"index": 0, "id": "c1", "function": {"name": name, "arguments": ""}}
    rest = [{"index": 0, "function": {"arguments": piece}} for piece in pieces(arguments)]
    return stream(*(delta(tool_calls=[call]) for call in [head, *rest]), delta(finish="tool_calls"), USAGE, DONE)


def responses(*items, status="completed"):
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    return {"id": "r1", "model": "gpt-4o", "status": status, "output": list(items), "usage": usage}


def responses_text(text):
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def responses_call(arguments, name="Event"):
    return {"type": "function_call", "id": "f1", "call_id": "c1", "name": name, "arguments": arguments}


def responses_stream(text):
    item = responses_text(text)
    events = [{"type": "response.created", "response": responses(status="in_progress")}]
    events += [{"type": "response.output_item.added", "output_index": 0, "item": {**item, "id": "m1", "content": []}}]
    where = {"item_id": "m1", "output_index": 0, "content_index": 0}
    events += [{"type": "response.output_text.delta", "delta": piece, **where} for piece in pieces(text)]
    return stream(*map(sse, events), sse({"type": "response.completed", "response": responses(item)}))


def responses_call_stream(arguments):
    item = responses_call(arguments)
    events = [{"type": "response.created", "response": responses(status="in_progress")}]
    events += [{"type": "response.output_item.added", "output_index": 0, "item": {**item, "arguments": ""}}]
    where = {"item_id": "f1", "output_index": 0}
    events += [
        {"type": "response.function_call_arguments.delta", "delta": piece, **where} for piece in pieces(arguments)
    ]
    events += [{"type": "response.output_item.done", "output_index": 0, "item": item}]
    return stream(*map(sse, events), sse({"type": "response.completed", "response": responses(item)}))


def message(*blocks, stop="end_turn"):
    usage = {"input_tokens": 3, "output_tokens": 2}
    head = {"id": "m1", "type": "message", "role": "assistant", "model": "claude"}
    return {**head, "content": list(blocks), "stop_reason": stop, "usage": usage}


def message_stream(block, deltas, stop="end_turn"):
    return stream(
        sse({"type": "message_start", "message": message(stop=None)}),
        sse({"type": "content_block_start", "index": 0, "content_block": block}),
        *(sse({"type": "content_block_delta", "index": 0, "delta": each}) for each in deltas),
        sse({"type": "content_block_stop", "index": 0}),
        sse({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 2}}),
        sse({"type": "message_stop"}),
    )


def text_message_stream(text):
    return message_stream({"type": "text", "text": ""}, [{"type": "text_delta", "text": each} for each in pieces(text)])


def use_stream(text):
    block = {"type": "tool_use", "id": "t1", "name": "Event", "input": {}}
    deltas = [{"type": "input_json_delta", "partial_json": each} for each in pieces(text)]
    return message_stream(block, deltas, stop="tool_use")


CHAT, RESPONSES, ANTHROPIC = "openai/gpt-4o", "openai-responses/gpt-4o", "anthropic/claude-sonnet-4-5"
CASES = {
    "chat native": (CHAT, "native", whole(chat(LOWERED)), chat_stream(*pieces(LOWERED))),
    "chat tool": (CHAT, "tool", chat_call(TEXT), chat_call_stream(TEXT)),
    "chat prompted": (CHAT, "prompted", whole(chat(TEXT)), chat_stream(*pieces(TEXT))),
    "responses native": (RESPONSES, "native", whole(responses(responses_text(LOWERED))), responses_stream(LOWERED)),
    "responses tool": (RESPONSES, "tool", whole(responses(responses_call(TEXT))), responses_call_stream(TEXT)),
    "anthropic native": (
        ANTHROPIC, "native", whole(message({"type": "text", "text": LOWERED})), text_message_stream(LOWERED),
    ),
    "anthropic tool": (
        ANTHROPIC, "tool",
        whole(message({"type": "tool_use", "id": "t1", "name": "Event", "input": PLAIN}, stop="tool_use")),
        use_stream(TEXT),
    ),
    "anthropic prompted": (
        ANTHROPIC, "prompted", whole(message({"type": "text", "text": TEXT})), text_message_stream(TEXT),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("path", "output_mode", "reply", "_"), CASES.values(), ids=list(CASES))
def test_a_whole_answer_of_the_type(path, output_mode, reply, _, provider, model_of, colour):  # noqa: PLR0917  a case
    server = provider(reply)
    response = colour.ask(model_of(server, path), "What is on?", generation_schema=Event, output_mode=output_mode)
    assert response.parsed == EVENT
    assert response.consume() == PLAIN
    assert response.consume().prices.tea == 3
    assert (response.response_type, response.output_mode, response.attempts) == ("structured", output_mode, 1)
    assert response.metadata.finish_reason == "stop"
    assert not any(change.kind == "recovered" for change in response.changes)
    assert asked(server.requests[0].body) == output_mode


@pytest.mark.parametrize(("path", "output_mode", "_", "reply"), CASES.values(), ids=list(CASES))
def test_a_streamed_answer_of_the_type(path, output_mode, _, reply, provider, model_of, colour):  # noqa: PLR0917  a case
    texts, response = colour.pieces(
        model_of(provider(reply), path), "What is on?", generation_schema=Event, output_mode=output_mode
    )
    assert json.loads("".join(texts)) in (PLAIN, json.loads(LOWERED))
    assert len(texts) > 5
    result = response.result()
    assert result.parsed == EVENT
    assert response.response_type == result.response_type == "structured"
    assert response.output_mode == output_mode


@pytest.mark.parametrize(("path", "output_mode", "_", "reply"), CASES.values(), ids=list(CASES))
def test_partial_values_grow_and_are_never_wrong(path, output_mode, _, reply, provider, model_of):
    model = model_of(provider(reply), path)
    response = model("What is on?", generation_schema=Event, output_mode=output_mode, stream=True)
    partials = list(response.partial())
    assert partials[-1] == PLAIN
    assert {"name": "fair", "participants": ["Alice"]} in partials
    assert all(list(part) == list(PLAIN)[: len(part)] for part in partials)
    assert response.result().parsed == EVENT

    async def read():
        opened = await model.acall("What is on?", generation_schema=Event, output_mode=output_mode, stream=True)
        seen = [part async for part in opened.partial()]
        return seen, (await opened.aresult()).parsed

    assert asyncio.run(read()) == (partials, EVENT)


def asked(body):
    """How the request asks for the type."""
    native = body.get("response_format") or body.get("text") or body.get("output_config")
    if native:
        assert "tools" not in body
        return "native"
    return "tool" if body.get("tools") else "prompted"


def test_the_words_of_each_dialect(provider, model_of):
    bodies = {}
    for name, (path, output_mode, reply, _) in CASES.items():
        server = provider(reply)
        model_of(server, path)("What?", system_prompt="Be brief.", generation_schema=Event, output_mode=output_mode)
        bodies[name] = server.requests[0].body
    wanted = bodies["chat native"]["response_format"]
    assert wanted["type"] == "json_schema"
    assert (wanted["json_schema"]["name"], wanted["json_schema"]["strict"]) == ("Event", True)
    assert wanted["json_schema"]["description"] == "Something that takes place."
    schema = wanted["json_schema"]["schema"]
    assert (schema["additionalProperties"], schema["required"]) == (False, ["name", "participants", "prices"])
    assert bodies["responses native"]["text"]["format"]["schema"] == schema
    assert bodies["responses native"]["text"]["format"]["strict"] is True
    assert bodies["anthropic native"]["output_config"]["format"]["type"] == "json_schema"
    assert bodies["chat tool"]["tool_choice"] == {"type": "function", "function": {"name": "Event"}}
    assert bodies["chat tool"]["parallel_tool_calls"] is False
    assert bodies["responses tool"]["tool_choice"] == {"type": "function", "name": "Event"}
    assert bodies["anthropic tool"]["tool_choice"] == {
        "type": "tool", "name": "Event", "disable_parallel_tool_use": True,
    }  # fmt: skip
    said = bodies["chat prompted"]["messages"][0]
    assert said["role"] == "system"
    assert said["content"].startswith("Be brief.\n\nAnswer with one JSON object")
    assert '"participants"' in said["content"]


@pytest.mark.parametrize(
    ("path", "kind", "output_mode"),
    [
        ("openai/gpt-4o", Event, "native"),
        ("openai/gpt-4o", Node, "native"),
        ("openai/gpt-3.5-turbo", Event, "prompted"),
        ("openai/gpt-4", Event, "tool"),
        ("openai/not-in-the-catalogue", Event, "prompted"),
        ("anthropic/claude-sonnet-4-5", Event, "native"),
        ("anthropic/claude-sonnet-4-5", Node, "tool"),  # Anthropic's strict mode knows no recursion
        ("ollama/anything", Event, "native"),
    ],
)
def test_the_surest_way_is_chosen(path, kind, output_mode, provider, model_of):
    server = provider(whole({}, status=400))
    with pytest.raises(mf.errors.BadRequestError):
        model_of(server, path)("What?", generation_schema=kind)
    assert asked(server.requests[0].body) == output_mode


def test_the_way_can_be_given_to_the_model_and_is_part_of_its_state(provider, model_of):
    model = model_of(provider(chat_call(TEXT)), output_mode="tool")
    assert model("What?", generation_schema=Event).output_mode == "tool"
    assert model.serialize()["state"]["output_mode"] == "tool"
    assert mf.Model.from_serialized(**model.serialize(), api_key="x").serialize() == model.serialize()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"generation_schema": Event, "prefilling": "{"}, "prefilling"),
        ({"generation_schema": Event, "output_mode": "guided"}, "output_mode"),
        ({"generation_schema": Event, "validation": "none"}, "validation"),
        ({"generation_schema": complex}, "complex"),
        ({"generation_schema": "Event"}, "must be a type"),
        ({"output_mode": "tool"}, "need a generation_schema"),
        ({"output_retries": 1}, "output_retries needs"),
        ({"generation_schema": Event, "output_retries": 1, "stream": True}, "stream"),
        ({"generation_schema": Event, "output_retries": -1}, "at least 0"),
        ({"typed_parser": "yaml"}, "typed_xml"),
        ({"typed_parser": "typed_xml", "output_mode": "native"}, "prompted"),
        (
            {
                "generation_schema": Event,
                "output_mode": "tool",
                "tool_schemas": [{**TOOL, "function": {"name": "Event"}}],
            },
            "the same name",
        ),
    ],
)
def test_what_cannot_be_is_found_before_anything_is_sent(call, words, provider, model_of):
    server = provider(whole(chat()))
    with pytest.raises(ValueError, match=words):
        model_of(server)("What?", **call)
    assert not server.requests


def test_a_type_the_dialect_cannot_hold_is_refused_where_that_way_was_asked_for(model_of, provider):
    with pytest.raises(UnsupportedSchemaError, match=r"children\[\]"):
        model_of(provider(), "anthropic/claude-sonnet-4-5")("What?", generation_schema=Node, output_mode="native")


def test_tools_go_together_with_a_type_and_a_call_comes_first(provider, model_of, colour):
    model = model_of(
        provider(chat_call("{}", "search"), whole(chat(LOWERED)), chat_call("{}", "search"), chat_call(TEXT))
    )
    for output_mode in ("native", "tool"):
        first = colour.ask(model, "What?", generation_schema=Event, tool_schemas=[TOOL], output_mode=output_mode)
        assert first.response_type == "tool_call"
        assert first.consume().get_calls()[0].name == "search"
        assert first.parsed is None
        second = colour.ask(model, "What?", generation_schema=Event, tool_schemas=[TOOL], output_mode=output_mode)
        assert second.parsed == EVENT


@pytest.mark.parametrize(
    ("path", "beside", "alone"),
    [
        ("google/gemini-2.5-flash", "tool", "native"),
        ("google/gemini-3.1-pro-preview", "native", "native"),
        ("cohere/command-a-03-2025", "tool", "native"),
        ("openai/gpt-4o", "native", "native"),
    ],
)
def test_where_a_schema_does_not_go_with_tools_a_tool_is_the_answer(path, beside, alone, monkeypatch):
    add = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
    schema = {"type": "object", "title": "Sum", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
    model = mf.Model.chat_completion(path, api_key="sk-x")
    body = model.plan("2 + 3?", generation_schema=schema, tool_schemas=[add]).body
    assert ("Sum" in json.dumps(body["tools"])) is (beside == "tool")
    assert ("tools" not in model.plan("2 + 3?", generation_schema=schema).body) is (alone == "native")


def test_with_tools_one_of_them_or_the_answer_is_required(provider, model_of):
    server = provider(chat_call(TEXT))
    model_of(server)("What?", generation_schema=Event, tool_schemas=[TOOL], output_mode="tool")
    body = server.requests[0].body
    assert [tool["function"]["name"] for tool in body["tools"]] == ["search", "Event"]
    assert body["tool_choice"] == "required"
    assert "parallel_tool_calls" not in body


def test_of_two_answers_in_one_reply_the_first_counts_and_that_is_told(provider, model_of):
    calls = [
        {"id": each, "type": "function", "function": {"name": "Event", "arguments": text}}
        for each, text in (("c1", TEXT), ("c2", "{}"))
    ]
    response = model_of(provider(whole(chat("Well: ", finish="tool_calls", tool_calls=calls))))(
        "What?", generation_schema=Event, output_mode="tool"
    )
    assert response.parsed == EVENT
    assert [change.kind for change in response.changes] == ["dropped"]
    assert response.text == "Well: " + TEXT


def test_messages_that_can_be_read_once_are_asked_again_all_the_same(provider, model_of, colour):
    server = provider(whole(chat("sorry")), whole(chat(LOWERED)))
    messages = (text for text in ["What is on?"])
    assert colour.ask(model_of(server), messages, generation_schema=Event, output_retries=1).parsed == EVENT
    assert server.requests[1].body["messages"][0] == {"role": "user", "content": "What is on?"}


def test_a_wrong_answer_is_asked_for_again_with_what_was_wrong(provider, model_of, colour):
    server = provider(whole(chat('{"name": 3}')), whole(chat("sorry")), whole(chat(LOWERED)))
    response = colour.ask(model_of(server), "What is on?", generation_schema=Event, output_retries=2)
    assert response.parsed == EVENT
    assert response.attempts == 3
    assert response.usage.input == response.metadata.usage.prompt_tokens == 57
    assert response.usage.total == 84
    assert response.cost is not None
    said = server.requests[2].body["messages"]
    assert [each["role"] for each in said] == ["user", "assistant", "user", "assistant", "user"]
    assert said[1]["content"] == '{"name": 3}'
    assert "Expected `str`, got `int`" in said[2]["content"]


def test_the_last_attempt_raises_with_the_usage_of_all(provider, model_of, colour):
    server = provider(whole(chat("sorry")))
    with pytest.raises(OutputParsingError) as caught:
        colour.ask(model_of(server), "What is on?", generation_schema=Event, output_retries=1)
    assert len(server.requests) == 2
    assert caught.value.raw_text == "sorry"
    assert caught.value.response.usage.total == 56
    assert caught.value.response.attempts == 2


def test_without_retries_one_answer_is_asked_for(provider, model_of, colour):
    server = provider(whole(chat("sorry")))
    with pytest.raises(OutputParsingError) as caught:
        colour.ask(model_of(server), "What is on?", generation_schema=Event)
    assert len(server.requests) == 1
    assert caught.value.response.text == "sorry"


def test_an_answer_that_was_cut_says_so(provider, model_of):
    model = model_of(
        provider(
            whole(chat(LOWERED[:30], finish="length")), stream(delta(LOWERED[:30]), delta(finish="length"), USAGE, DONE)
        )
    )
    with pytest.raises(OutputParsingError, match="cut by max_tokens") as caught:
        model("What?", generation_schema=Event)
    assert (caught.value.finish_reason, caught.value.raw_text) == ("length", LOWERED[:30])
    streamed = model("What?", generation_schema=Event, stream=True)
    assert list(streamed.partial())[-1] == {"name": "fair"}
    with pytest.raises(OutputParsingError, match="cut by max_tokens"):
        streamed.result()


def test_a_refusal_is_an_error_that_holds_it(provider, model_of):
    with pytest.raises(OutputParsingError, match="the model refused: I will not") as caught:
        model_of(provider(whole(chat(None, refusal="I will not"))))("What?", generation_schema=Event, output_retries=2)
    assert caught.value.response.refusal == "I will not"


def test_a_fence_is_passed_over_and_that_is_told(provider, model_of):
    response = model_of(provider(whole(chat(f"```json\n{TEXT}\n```"))))(
        "What?", generation_schema=Event, output_mode="prompted"
    )
    assert response.parsed == EVENT
    assert [change.kind for change in response.changes] == ["recovered"]


def test_leaving_the_partial_values_closes_the_stream(provider, model_of):
    import threading

    gate = threading.Event()
    server = provider(stream(*map(delta, pieces(LOWERED)), gate))
    response = model_of(server)("What?", generation_schema=Event, stream=True)
    for _ in response.partial():
        break
    assert server.hung_up.wait(5)
    assert "closed" in repr(response)


def test_a_plain_answer_has_no_value(provider, model_of):
    response = model_of(provider(whole(chat())))("Hi")
    assert (response.parsed, response.output_mode, response.response_type) == (None, None, "text_generation")


def test_a_tool_for_a_model_that_calls_none_is_refused(provider, model_of):
    path = next(path for path, agree in listings_without_tools() if agree)
    with pytest.raises(CapabilityError):
        model_of(provider(), path)("What?", generation_schema=Event, output_mode="tool")


XML = (
    "<event dtype='dict'><name>fair</name><participants dtype='list'><item>Alice</item><item>Bob</item></participants>"
    "<prices dtype='dict'><tea dtype='int'>3</tea></prices></event>"
)


def test_typed_xml_gives_a_dict_and_with_a_type_the_checked_value(provider, model_of, colour):
    server = provider(whole(chat(XML)))
    model = model_of(server)
    response = colour.ask(model, "What?", typed_parser="typed_xml")
    assert response.consume() == PLAIN
    assert response.consume().prices.tea == 3
    typed = colour.ask(model, "What?", typed_parser="typed_xml", generation_schema=Event, system_prompt="Be brief.")
    assert typed.parsed == EVENT
    said = server.requests[1].body["messages"][0]["content"]
    assert said.startswith("Be brief.")
    assert "participants" in said
    assert asked(server.requests[1].body) == "prompted"


def test_typed_xml_that_is_none_is_an_error_like_others(provider, model_of):
    model = model_of(provider(whole(chat("no")), whole(chat("<event><name>x</name></event>"))))
    for call in ({}, {"generation_schema": Event}):
        with pytest.raises(OutputParsingError) as caught:
            model("What?", typed_parser="typed_xml", **call)
        assert caught.value.response is not None


def test_typed_xml_streams(provider, model_of):
    response = model_of(provider(chat_stream(*pieces(XML))))("What?", typed_parser="typed_xml", stream=True)
    partials = list(response.partial())
    assert partials[-1] == PLAIN
    assert len(partials) > 2
    assert response.result().consume() == PLAIN


def test_the_planning_types(provider, model_of):
    plan = mf.generation.plan
    assert mf.generation.reasoning is plan
    assert plan.ChainOfThought is plan.ChainOfThoughts
    assert plan.ChainOfThoughts.__struct_fields__ == ("reasoning", "final_answer")
    assert plan.SelfConsistency.__struct_fields__ == ("paths", "final_answer")
    assert plan.ReAct.__struct_fields__ == ("thought", "actions", "final_answer")
    answers = {
        plan.ChainOfThoughts: {"reasoning": "25 * 4 = 100", "final_answer": "117"},
        plan.SelfConsistency: {"paths": [{"reasoning": "r", "answer": "117"}], "final_answer": "125"},
        plan.ReAct: {"thought": "t", "actions": [{"name": "search", "arguments": {}}], "final_answer": None},
    }
    for kind, plain in answers.items():
        for path in (CHAT, RESPONSES, ANTHROPIC):
            for output_mode in ("native", "tool"):
                server = provider(whole({}, status=400))
                with pytest.raises(mf.errors.BadRequestError):
                    model_of(server, path)("What?", generation_schema=kind, output_mode=output_mode)
                assert asked(server.requests[0].body) == output_mode
        response = model_of(provider(whole(chat(json.dumps(plain)))))(
            "?", generation_schema=kind, output_mode="prompted"
        )
        assert response.consume() == plain
    assert plan.SelfConsistency([plan.Path("", "A"), plan.Path("", "b"), plan.Path("", " a ")], "b").vote() == "A"
    assert plan.SelfConsistency([plan.Path("", "a"), plan.Path("", "b")], "b").vote() == "b"
    assert plan.SelfConsistency([], "b").vote() == "b"


def test_actions_can_be_held_to_the_tools(provider, model_of):
    plan = mf.generation.plan
    tool = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Now.",
            "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
        },
    }
    acting = plan.ReAct.with_tools([tool, TOOL])
    written = {
        "thought": "t",
        "actions": [{"name": "get_weather", "arguments": {"place": "Paris"}}],
        "final_answer": None,
    }
    server = provider(whole(chat(json.dumps(written))))
    response = model_of(server)("?", generation_schema=acting)
    assert isinstance(response.parsed, plan.ReAct)
    assert response.parsed.actions == [plan.Action("get_weather", {"place": "Paris"})]
    schema = server.requests[0].body["response_format"]["json_schema"]["schema"]
    first, second = schema["properties"]["actions"]["items"]["anyOf"]
    assert first["properties"]["name"]["enum"] == ["get_weather"]
    assert first["properties"]["arguments"]["required"] == ["place"]
    assert second["properties"]["name"]["enum"] == ["search"]
    with pytest.raises(InvalidRequestError):
        plan.ReAct.with_tools([])
