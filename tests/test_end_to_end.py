"""Whole calls against the real embedded model, in each dialect that its server speaks."""

from __future__ import annotations

import json

import pytest

import msgflux_like as mf

QUESTION = "What is the capital of France?"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
ONE_CALL = {"tool_schemas": [WEATHER], "tool_choice": "required", "parallel_tool_calls": False}
PATHS = ["local/smollm2", "openai-responses/smollm2", "anthropic/smollm2"]


@pytest.fixture(params=PATHS, ids=lambda path: path.partition("/")[0])
def model(request, local_server):
    """The embedded model, spoken to in one of the dialects."""
    where = {} if request.param.startswith("local/") else {"base_url": local_server, "api_key": "none"}
    with mf.Model.chat_completion(request.param, temperature=0, max_tokens=30, **where) as made:
        yield made


def text_of(colour, model, *args, **named) -> tuple[str, str]:
    """The whole answer, and the same from the pieces of a stream."""
    pieces, response = colour.pieces(model, *args, **named)
    assert len(pieces) > 1
    assert response.text == "".join(pieces)
    return colour.ask(model, *args, **named).consume(), response.text


def test_whole_and_streamed_give_the_same_answer(colour, model):
    whole, streamed = text_of(colour, model, QUESTION)
    assert whole == streamed
    assert "Paris" in whole


def test_a_history_is_understood(colour, model):
    messages = [
        "My name is Ada.",
        {"role": "assistant", "content": "Nice to meet you, Ada."},
        "What is my name? Answer with the name alone.",
    ]
    assert "Ada" in colour.ask(model, messages).consume()


def test_a_system_prompt_is_heard(colour, model):
    whole, streamed = text_of(colour, model, "What is your name?", system_prompt="Your name is Zorg.")
    assert whole == streamed
    assert "Zorg" in whole
    assert "Zorg" not in colour.ask(model, "What is your name?").consume()


def test_parts_of_a_text_are_one_question(colour, model):
    parts = [{"type": "text", "text": "What is the capital"}, {"type": "text", "text": " of France?"}]
    assert "Paris" in colour.ask(model, [{"role": "user", "content": parts}]).consume()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_answer_that_is_too_long_ends_with_length(colour, model, streamed):
    call = {"messages": "Tell me a long story.", "max_tokens": 5}
    response = colour.pieces(model, **call)[1] if streamed else colour.ask(model, **call)
    # llama.cpp calls such a reply of the Responses format completed.
    assert response.metadata.finish_reason == ("stop" if model.provider == "openai-responses" else "length")
    assert response.metadata.usage.completion_tokens == 5
    assert response.text


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_counts_are_there(colour, model, streamed):
    response = colour.pieces(model, QUESTION)[1] if streamed else colour.ask(model, QUESTION)
    usage, metadata = response.metadata.usage, response.metadata
    assert 5 < usage.prompt_tokens < 100
    assert 1 < usage.completion_tokens <= 30
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert metadata.finish_reason == "stop"
    assert (metadata.provider, metadata.attempts) == (model.provider, 1)
    assert metadata.id


@pytest.mark.parametrize("path", ["local/smollm2", "anthropic/smollm2"])
def test_an_answer_ends_where_it_is_told_to_stop(colour, local_server, path):
    where = {} if path.startswith("local/") else {"base_url": local_server, "api_key": "none"}
    with mf.Model.chat_completion(path, temperature=0, max_tokens=30, **where) as model:
        whole, streamed = text_of(colour, model, QUESTION, stop=["Paris"])
        assert whole == streamed
        assert whole
        assert "Paris" not in whole
        assert colour.ask(model, QUESTION, stop="Paris").metadata.finish_reason == "stop"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_tool_is_called_as_its_schema_says(colour, model, streamed):
    call = {"messages": "What is the weather in Paris?", "max_tokens": 60, **ONE_CALL}
    response = colour.pieces(model, **call)[1].result() if streamed else colour.ask(model, **call)
    assert response.response_type == "tool_call"
    (found,) = response.consume().get_calls()
    assert found["function"] == {"name": "get_weather", "arguments": {"city": "Paris"}}
    assert found["id"]
    assert response.metadata.finish_reason == "tool_calls"


def test_the_result_of_a_tool_leads_to_an_answer(colour, model):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    calls = colour.ask(model, messages, max_tokens=60, **ONE_CALL).consume()
    for call in calls.get_calls():
        calls.insert_results(call.id, f"It is 22 degrees in {call.arguments['city']}.")
    messages.extend(calls.get_messages())
    before = json.dumps(messages)
    whole, streamed = text_of(colour, model, messages, max_tokens=60)
    assert whole == streamed
    assert "22" in whole
    assert json.dumps(messages) == before


def test_an_answer_goes_on_from_its_beginning(colour, local_server):
    assert local_server
    with mf.Model.chat_completion("local/smollm2", temperature=0, max_tokens=20) as model:
        whole, streamed = text_of(colour, model, QUESTION, prefilling="The capital of France is")
        assert whole == streamed == "The capital of France is Paris."


def test_a_stream_of_a_direct_call_is_read_in_an_event_loop(model):
    import asyncio

    async def read():
        return [piece async for piece in model(QUESTION, stream=True).consume()]

    pieces = asyncio.run(read())
    assert len(pieces) > 1
    assert "Paris" in "".join(pieces)


def test_a_model_comes_back_from_its_state_and_answers_the_same(local_server):
    assert local_server
    with mf.Model.chat_completion("local/smollm2", temperature=0, max_tokens=10) as model:
        state = json.loads(json.dumps(model.serialize()))
        with mf.Model.from_serialized(**state) as restored:
            assert restored(QUESTION).consume() == model(QUESTION).consume()


def test_a_conversation_that_is_too_long_is_an_error_of_its_own(colour, model):
    with pytest.raises(mf.errors.BadRequestError) as raised:
        colour.ask(model, "word " * 20_000)
    assert isinstance(raised.value, mf.errors.ContextLengthError)
    assert raised.value.status == 400
    assert "context" in str(raised.value)
