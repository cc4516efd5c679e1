"""The examples of Bud's page on chat completions, as they are written there but for the name that is imported."""

from __future__ import annotations

import json
import textwrap

import pytest

from tests.provider import DONE, chat, delta, stream, whole

BASIC = """
from msgflux_like import BudClient

client = BudClient(api_key="your-api-key")

response = client.chat.completions.create(
    model="gpt-4",
    messages=[
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Hello!"}
    ]
)

print(response.choices[0].message.content)
"""

STREAMING = """
stream = client.chat.completions.create(
    model="gpt-4",
    messages=[{"role": "user", "content": "Count to 10"}],
    stream=True
)

for chunk in stream:
    if chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="", flush=True)
print()  # Newline at end
"""

TOOLS = """
tools = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the current weather for a location",
            "parameters": {
                "type": "object",
                "properties": {
                    "location": {
                        "type": "string",
                        "description": "City name"
                    },
                    "unit": {
                        "type": "string",
                        "enum": ["celsius", "fahrenheit"]
                    }
                },
                "required": ["location"]
            }
        }
    }
]
"""

TOOL_FLOW = """
import json

# Initial request
response = client.chat.completions.create(
    model="gpt-4",
    messages=[{"role": "user", "content": "What's the weather in London?"}],
    tools=tools
)

message = response.choices[0].message

if message.tool_calls:
    # Process tool calls
    tool_results = []
    for tool_call in message.tool_calls:
        func_name = tool_call["function"]["name"]
        func_args = json.loads(tool_call["function"]["arguments"])

        # Execute the function (your implementation)
        result = get_weather(**func_args)

        tool_results.append({
            "role": "tool",
            "tool_call_id": tool_call["id"],
            "content": json.dumps(result)
        })

    # Continue conversation with tool results
    response = client.chat.completions.create(
        model="gpt-4",
        messages=[
            {"role": "user", "content": "What's the weather in London?"},
            message.model_dump(),  # Assistant's tool call
            *tool_results          # Tool results
        ],
        tools=tools
    )

    print(response.choices[0].message.content)
"""

MULTI_TURN = """
messages = [
    {"role": "system", "content": "You are a helpful math tutor."}
]

while True:
    user_input = input("You: ")
    if user_input.lower() == "quit":
        break

    messages.append({"role": "user", "content": user_input})

    response = client.chat.completions.create(
        model="gpt-4",
        messages=messages
    )

    assistant_message = response.choices[0].message.content
    print(f"Assistant: {assistant_message}")

    messages.append({"role": "assistant", "content": assistant_message})
"""

JSON_MODE = """
response = client.chat.completions.create(
    model="gpt-4",
    messages=[
        {
            "role": "system",
            "content": "You are a JSON generator. Always respond with valid JSON."
        },
        {
            "role": "user",
            "content": "Generate a user profile with name, age, and email."
        }
    ],
    temperature=0.0
)

import json
data = json.loads(response.choices[0].message.content)
"""

ALL_OPTIONS = """
response = client.chat.completions.create(
    model="gpt-4",
    messages=[
        {"role": "system", "content": "You are a creative writer."},
        {"role": "user", "content": "Write a haiku about programming."}
    ],
    temperature=0.8,
    top_p=0.95,
    max_tokens=100,
    stop=["\\n\\n"],
    presence_penalty=0.5,
    frequency_penalty=0.5,
    user="user-123"
)
"""

CALL = {
    "id": "call_abc123",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"location": "London"}'},
}


@pytest.fixture
def page(provider, monkeypatch):
    """Runs snippets one after the other, against a gateway that gives these replies; their names, and the gateway."""

    def run(snippets, *replies, **names):
        server = provider(*replies)
        monkeypatch.setenv("BUD_BASE_URL", server.base_url.removesuffix("/v1"))
        space = {"__name__": "__main__", **names}
        for number, snippet in enumerate((BASIC, *snippets)):
            exec(compile(textwrap.dedent(snippet), f"snippet {number}", "exec", dont_inherit=True), space)
        return space, server

    return run


def test_basic_usage(page, capsys):
    _, server = page([], whole(chat("Hello! How can I help?")))
    assert capsys.readouterr().out == "Hello! How can I help?\n"
    request = server.requests[0]
    assert (request.path, request.headers["authorization"]) == ("/v1/chat/completions", "Bearer your-api-key")
    assert request.body == {
        "model": "gpt-4",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Hello!"},
        ],
    }


def test_streaming(page, capsys):
    chunks = [delta(str(number), role="assistant") for number in range(1, 11)]
    usage = b'data: {"choices": [], "usage": {"total_tokens": 20}}\n\n'
    page([STREAMING], whole(chat("")), stream(*chunks, delta(finish="stop"), usage, DONE))
    assert capsys.readouterr().out == "\n12345678910\n"


def test_the_tool_calling_example(page, capsys):
    asked = []

    def get_weather(location, unit="celsius"):
        asked.append((location, unit))
        return {"temperature": 20, "condition": "sunny"}

    replies = (whole(chat("")), whole(chat(None, "tool_calls", tool_calls=[CALL])), whole(chat("20 and sunny.")))
    space, server = page([TOOLS, TOOL_FLOW], *replies, get_weather=get_weather)
    assert asked == [("London", "celsius")]
    assert capsys.readouterr().out == "\n20 and sunny.\n"
    first, second = server.requests[1:]
    assert first.body["tools"] == second.body["tools"] == space["tools"]
    assert second.body["messages"] == [
        {"role": "user", "content": "What's the weather in London?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_abc123", "content": '{"temperature": 20, "condition": "sunny"}'},
    ]


@pytest.mark.parametrize(
    "choice", ["auto", "required", "none", {"type": "function", "function": {"name": "get_weather"}}]
)
def test_tool_choice_options(page, choice):
    ask = "client.chat.completions.create(model='gpt-4', messages=messages, tools=tools, tool_choice=choice)"
    messages = [{"role": "user", "content": "x"}]
    _, server = page([TOOLS, ask], whole(chat("")), messages=messages, choice=choice)
    assert server.requests[1].body["tool_choice"] == choice


def test_the_messages_of_a_tool_call_are_taken_as_the_page_shows_them(page):
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_abc123", "content": '{"temperature": 20, "condition": "sunny"}'},
    ]
    ask = "client.chat.completions.create(model='gpt-4', messages=messages)"
    _, server = page([ask], whole(chat("")), messages=messages)
    assert server.requests[1].body["messages"] == messages


def test_multi_turn_conversation(page, capsys):
    said = iter(("What is 2+2?", "And 3+3?", "Quit"))
    replies = (whole(chat("Hi")), whole(chat("4")), whole(chat("6")))
    _, server = page([MULTI_TURN], *replies, input=lambda _: next(said))
    assert capsys.readouterr().out == "Hi\nAssistant: 4\nAssistant: 6\n"
    assert [message["content"] for message in server.requests[2].body["messages"][1:]] == [
        "What is 2+2?",
        "4",
        "And 3+3?",
    ]


def test_json_mode(page):
    profile = {"name": "Ann", "age": 30, "email": "ann@example.com"}
    space, server = page([JSON_MODE], whole(chat("")), whole(chat(json.dumps(profile))))
    assert space["data"] == profile
    assert server.requests[1].body["temperature"] == 0.0


def test_with_all_options(page):
    _, server = page([ALL_OPTIONS], whole(chat("")))
    body = server.requests[1].body
    del body["messages"], body["model"]
    assert body == {
        "temperature": 0.8,
        "top_p": 0.95,
        "max_tokens": 100,
        "stop": ["\n\n"],
        "presence_penalty": 0.5,
        "frequency_penalty": 0.5,
        "user": "user-123",
    }


def test_the_objects_of_the_page_have_the_fields_it_lists(page):
    full = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
    space, _ = page([], whole(full))
    answer = space["response"]
    assert (answer.id, answer.object, answer.created, answer.model) == ("chatcmpl-1", "chat.completion", 1, "gpt-4")
    assert answer.system_fingerprint is None
    (choice,) = answer.choices
    assert (choice.index, choice.finish_reason) == (0, "stop")
    message = choice.message
    assert (message.role, message.content, message.name, message.tool_call_id, message.tool_calls) == (
        "assistant",
        "Hi",
        None,
        None,
        None,
    )
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (1, 2, 3)
