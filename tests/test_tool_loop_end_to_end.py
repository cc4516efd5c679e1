"""The whole tool loop on the real local model, in each dialect, whole and streamed."""

from __future__ import annotations

import asyncio

import pytest

import msgflux_like as mf

PATHS = {
    "openai_chat": "local/smollm2",
    "openai_responses": "openai-responses/smollm2",
    "anthropic": "anthropic/smollm2",
}
TOOL = {
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
# One call is enough for a model this small, and it has none of the parameter that says so in every dialect.
CALL = {"tool_schemas": [TOOL], "tool_choice": "required", "temperature": 0, "max_tokens": 60}


@pytest.fixture(params=PATHS)
def model(request, local_server):
    options = {} if request.param == "openai_chat" else {"base_url": local_server, "api_key": "none"}
    with mf.Model.chat_completion(PATHS[request.param], parallel_tool_calls=False, **options) as model:
        yield model


def answered(calls, model, messages):
    """The rest of the loop: results in, conversation on, answer out."""
    for call in calls.get_calls():
        assert call["function"]["name"] == "get_weather"
        calls.insert_results(call["id"], f"22 degrees in {call['function']['arguments']['city']}")
    return [*messages, *calls.get_messages()]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_loop_closes(model, stream):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    calls = model(messages, stream=stream, **CALL).consume()
    messages = answered(calls, model, messages)
    response = model(messages, stream=stream, temperature=0, max_tokens=40)
    text = "".join(response.consume()) if stream else response.consume()
    assert text.strip()
    assert response.metadata.usage.completion_tokens > 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_loop_closes_in_an_event_loop(model, stream):
    async def main():
        messages = [{"role": "user", "content": "What is the weather in Paris?"}]
        response = await model.acall(messages, stream=stream, **CALL)
        whole = await response.aresult() if stream else response
        messages = answered(whole.consume(), model, messages)
        response = await model.acall(messages, stream=stream, temperature=0, max_tokens=40)
        return "".join([piece async for piece in response.consume()]) if stream else response.consume()

    assert asyncio.run(main()).strip()
