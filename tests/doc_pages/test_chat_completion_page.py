"""The examples of the chat completion page, as they are written there but for the name that is imported."""

# ruff: noqa: T201  the page prints

from __future__ import annotations

import ast
import asyncio
import threading

import httpx
import pytest

from tests.provider import DONE, Reply, chat, chat_stream, delta, stream, whole

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get current weather for a location.",
            "parameters": {
                "type": "object",
                "properties": {
                    "location": {"type": "string", "description": "City and country, e.g. Paris, France"},
                    "unit": {
                        "type": "string",
                        "enum": ["celsius", "fahrenheit"],
                        "description": "Temperature unit",
                    },
                },
                "required": ["location"],
                "additionalProperties": False,
            },
        },
    }
]
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"location": "Paris, France", "unit": "celsius"}'},
}


@pytest.fixture
def openai(provider, monkeypatch):
    """Makes a provider that the environment calls OpenAI."""

    def start(*replies):
        server = provider(*replies)
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        return server

    return start


@pytest.fixture
def anthropic(provider, monkeypatch):
    """Makes a provider that the environment calls Anthropic, and that goes on with this text."""

    def start(text: str):
        server = provider(
            whole(
                {
                    "id": "msg_1",
                    "type": "message",
                    "role": "assistant",
                    "model": "claude-3-5-sonnet-20241022",
                    "content": [{"type": "text", "text": text}],
                    "stop_reason": "end_turn",
                    "usage": {"input_tokens": 20, "output_tokens": 30},
                }
            )
        )
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.base_url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
        return server

    return start


@pytest.fixture
def model(openai):
    """What the page calls `model` where it does not make one."""
    import msgflux_like as mf

    server = openai(whole(chat("Hello!")))
    with mf.Model.chat_completion("openai/gpt-4o") as made:
        made.server = server
        yield made


def messages_of(server, request: int = -1) -> list:
    return server.requests[request].body["messages"]


# ---- Overview


def test_quick_start(openai, capsys):
    server = openai(whole(chat("Hello! How can I help you today?")), whole(chat("AI is ...")))

    import msgflux_like as mf

    # Create model
    model = mf.Model.chat_completion("openai/gpt-4o")

    # Simple completion
    response = model(messages=[{"role": "user", "content": "Hello!"}])
    print(response.consume())  # "Hello! How can I help you today?"

    # With system prompt
    response = model(
        messages=[{"role": "user", "content": "What is AI?"}], system_prompt="You are a helpful assistant."
    )
    print(response.consume())

    assert capsys.readouterr().out == "Hello! How can I help you today?\nAI is ...\n"
    assert messages_of(server) == [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "What is AI?"},
    ]


# ---- Model Initialization


def test_basic_parameters(openai):
    server = openai(whole(chat()))

    import msgflux_like as mf

    model = mf.Model.chat_completion(
        "openai/gpt-4o",
        temperature=0.7,  # Randomness (0-2)
        max_tokens=1000,  # Maximum output tokens
        top_p=0.9,  # Nucleus sampling
    )

    model("hi")
    body = server.requests[0].body
    assert (body["temperature"], body["max_tokens"], body["top_p"]) == (0.7, 1000, 0.9)


def test_model_information(model, capsys):
    # Get model metadata
    print(model.get_model_info())
    # {'model_id': 'gpt-4o', 'provider': 'openai'}

    print(model.instance_type())
    # {'model_type': 'chat_completion'}

    # Serialize model state
    state = model.serialize()
    print(state)

    info, kind, printed = capsys.readouterr().out.splitlines()
    assert info == "{'model_id': 'gpt-4o', 'provider': 'openai'}"
    assert kind == "{'model_type': 'chat_completion'}"
    state = ast.literal_eval(printed)
    assert {**state, "state": ...} == {
        "msgflux_type": "model",
        "provider": "openai",
        "model_type": "chat_completion",
        "state": ...,
    }


# ---- Message Formats


def test_simple_string(model):
    response = model(messages="What is Python?", system_prompt="You are a programming expert.")

    assert response.consume() == "Hello!"
    assert messages_of(model.server) == [
        {"role": "system", "content": "You are a programming expert."},
        {"role": "user", "content": "What is Python?"},
    ]


def test_chatml_format(model):
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Hi! How can I help?"},
        {"role": "user", "content": "Tell me a joke."},
    ]

    response = model(messages=messages)

    assert response.consume() == "Hello!"
    assert messages_of(model.server) == messages


def test_chat_block_format(model):
    import msgflux_like as mf

    # Text only
    messages = [mf.ChatBlock.user("What's in this image?")]

    model(messages=messages)
    assert messages_of(model.server) == [{"role": "user", "content": "What's in this image?"}]

    # With images
    messages = [mf.ChatBlock.user("Describe this image", media=mf.ChatBlock.image("https://example.com/image.jpg"))]

    model(messages=messages)
    assert messages_of(model.server)[0]["content"] == [
        {"type": "text", "text": "Describe this image"},
        {"type": "image_url", "image_url": {"url": "https://example.com/image.jpg"}},
    ]

    # Multiple media
    messages = [
        mf.ChatBlock.user(
            "Compare these images",
            media=[
                mf.ChatBlock.image("https://example.com/image1.jpg"),
                mf.ChatBlock.image("https://example.com/image2.jpg"),
            ],
        )
    ]

    response = model(messages=messages)

    assert response.consume() == "Hello!"
    assert messages_of(model.server)[0]["content"] == [
        {"type": "text", "text": "Compare these images"},
        {"type": "image_url", "image_url": {"url": "https://example.com/image1.jpg"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/image2.jpg"}},
    ]


# ---- Streaming


async def test_basic_streaming(openai, capsys):
    openai(chat_stream("1, ", "2, ", "3"))

    import msgflux_like as mf

    model = mf.Model.chat_completion("openai/gpt-4o")

    response = model(messages=[{"role": "user", "content": "Count to 10"}], stream=True)

    # Consume stream
    async for chunk in response.consume():
        print(chunk, end="", flush=True)

    assert capsys.readouterr().out == "1, 2, 3"


def app_of_the_page():
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse

    import msgflux_like as mf

    app = FastAPI()
    model = mf.Model.chat_completion("openai/gpt-4o")

    @app.get("/chat")
    async def chat(query: str):
        response = model(messages=[{"role": "user", "content": query}], stream=True)

        return StreamingResponse(response.consume(), media_type="text/plain")

    return app


async def test_streaming_with_fastapi(openai):
    server = openai(chat_stream("The sun", " is a star."))
    transport = httpx.ASGITransport(app_of_the_page())
    async with httpx.AsyncClient(transport=transport, base_url="http://app", trust_env=False) as client:
        reply = await client.get("/chat", params={"query": "What is the sun?"})
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.text == "The sun is a star."
    assert messages_of(server) == [{"role": "user", "content": "What is the sun?"}]


async def test_fastapi_sends_a_piece_on_before_the_next_one_came(openai):
    gate = threading.Event()
    openai(stream(delta("The sun"), gate, delta(" is a star."), delta(finish="stop"), DONE))
    requests, sent = [{"type": "http.request"}], []

    async def receive():
        return requests.pop() if requests else await asyncio.Event().wait()  # the client stays to the end

    async def send(message):
        if message["type"] == "http.response.body" and message["body"]:
            sent.append(message["body"])
            gate.set()  # only now does the provider go on

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/chat",
        "raw_path": b"/chat",
        "query_string": b"query=hi",
        "headers": [],
    }
    await app_of_the_page()(scope, receive, send)
    assert sent == [b"The sun", b" is a star."]


# ---- Async Support


def test_async_support(openai, capsys):
    openai(lambda request: whole(chat(request.body["messages"][0]["content"].replace("What is", "About"))))

    import asyncio

    import msgflux_like as mf

    model = mf.Model.chat_completion("openai/gpt-4o")

    async def get_completion(prompt):
        response = await model.acall(messages=[{"role": "user", "content": prompt}])
        return response.consume()

    # Run multiple completions concurrently
    async def main():
        results = await asyncio.gather(
            get_completion("What is AI?"), get_completion("What is ML?"), get_completion("What is DL?")
        )
        for result in results:
            print(result)

    asyncio.run(main())

    assert capsys.readouterr().out == "About AI?\nAbout ML?\nAbout DL?\n"


# ---- Multimodal Inputs


def test_image_understanding(openai, capsys):
    server = openai(whole(chat("A cat.")))

    import msgflux_like as mf

    model = mf.Model.chat_completion("openai/gpt-4o")

    messages = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What's in this image?"},
                {"type": "image_url", "image_url": {"url": "https://example.com/image.jpg"}},
            ],
        }
    ]

    response = model(messages=messages)
    print(response.consume())

    assert capsys.readouterr().out == "A cat.\n"
    assert messages_of(server) == messages


def test_using_chat_block_helper(openai, capsys):
    server = openai(whole(chat("A cat.")))

    import msgflux_like as mf

    model = mf.Model.chat_completion("openai/gpt-4o")

    messages = [mf.ChatBlock.user("Describe this image", media=mf.ChatBlock.image("https://example.com/image.jpg"))]

    response = model(messages=messages)
    print(response.consume())

    assert capsys.readouterr().out == "A cat.\n"
    assert messages_of(server) == messages


def test_base64_images(openai, tmp_path, monkeypatch):
    server = openai(whole(chat("A cat.")))
    photo = b"\xff\xd8\xff\xe0" + bytes(range(256))
    (tmp_path / "image.jpg").write_bytes(photo)
    monkeypatch.chdir(tmp_path)

    import base64

    import msgflux_like as mf

    # Read and encode image
    with open("image.jpg", "rb") as f:  # noqa: PTH123  as it is written on the page
        image_data = base64.b64encode(f.read()).decode()

    messages = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What's in this image?"},
                {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{image_data}"}},
            ],
        }
    ]

    model = mf.Model.chat_completion("openai/gpt-4o")
    response = model(messages=messages)

    assert response.consume() == "A cat."
    url = messages_of(server)[0]["content"][1]["image_url"]["url"]
    assert url == "data:image/jpeg;base64," + base64.b64encode(photo).decode()


# ---- Tool Calling


def test_defining_tools(openai, capsys):
    server = openai(whole(chat(None, "tool_calls", tool_calls=[CALL])))
    tools = TOOLS

    import msgflux_like as mf

    model = mf.Model.chat_completion("openai/gpt-4o")

    response = model(messages=[{"role": "user", "content": "What's the weather in Paris?"}], tool_schemas=tools)

    # Get tool calls
    tool_call_agg = response.consume()
    calls = tool_call_agg.get_calls()

    for call in calls:
        print(f"Tool: {call['function']['name']}")
        print(f"Arguments: {call['function']['arguments']}")

    assert capsys.readouterr().out == (
        "Tool: get_weather\nArguments: {'location': 'Paris, France', 'unit': 'celsius'}\n"
    )
    assert server.requests[0].body["tools"] == tools


def test_tool_choice(openai):
    server = openai(whole(chat(None, "tool_calls", tool_calls=[CALL])))
    tools = TOOLS

    import msgflux_like as mf

    model = mf.Model.chat_completion("openai/gpt-4o")

    # Auto - model decides
    response = model(
        messages=[{"role": "user", "content": "What's the weather?"}],
        tool_schemas=tools,
        tool_choice="auto",  # Default
    )
    assert response.response_type == "tool_call"

    # Required - must call at least one tool
    response = model(
        messages=[{"role": "user", "content": "What's the weather?"}], tool_schemas=tools, tool_choice="required"
    )
    assert response.response_type == "tool_call"

    # Specific function - must call this exact function
    response = model(
        messages=[{"role": "user", "content": "Paris weather"}], tool_schemas=tools, tool_choice="get_weather"
    )
    assert response.response_type == "tool_call"

    assert [request.body["tool_choice"] for request in server.requests] == [
        "auto",
        "required",
        {"type": "function", "function": {"name": "get_weather"}},
    ]


def answer_with_a_tool(request) -> Reply:
    """A call to the tool, and once its result is there an answer that says it."""
    last = request.body["messages"][-1]
    return whole(chat(last["content"]) if last["role"] == "tool" else chat(None, "tool_calls", tool_calls=[CALL]))


def test_tool_call_flow(openai, capsys):
    server = openai(answer_with_a_tool)

    import msgflux_like as mf

    def get_weather(location, unit="celsius"):
        """Simulate weather API call."""
        return f"The weather in {location} is 22°{unit[0].upper()}"

    tools = [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": "Get weather for a location.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "location": {"type": "string"},
                        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                    },
                    "required": ["location"],
                },
            },
        }
    ]

    model = mf.Model.chat_completion("openai/gpt-4o")

    # Initial request
    messages = [{"role": "user", "content": "What's the weather in Paris?"}]

    response = model(messages=messages, tool_schemas=tools)
    tool_call_agg = response.consume()

    # Execute tool calls
    tool_functions = {"get_weather": get_weather}
    calls = tool_call_agg.get_calls()

    for call in calls:
        func_name = call["function"]["name"]
        func_args = call["function"]["arguments"]

        # Execute function
        result = tool_functions[func_name](**func_args)

        # Add result to aggregator
        tool_call_agg.insert_results(call["id"], result)

    # Get messages with tool results
    tool_messages = tool_call_agg.get_messages()
    messages.extend(tool_messages)

    # Final response with tool results
    final_response = model(messages=messages)
    print(final_response.consume())

    assert capsys.readouterr().out == "The weather in Paris, France is 22°C\n"
    assert messages_of(server) == [
        {"role": "user", "content": "What's the weather in Paris?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "The weather in Paris, France is 22°C"},
    ]


def test_streaming_with_tools(openai, capsys):
    head = {**CALL, "index": 0, "function": {"name": "get_weather", "arguments": ""}}
    pieces = [
        delta(tool_calls=[{"index": 0, "function": {"arguments": piece}}]) for piece in ('{"location":', ' "Tokyo"}')
    ]
    openai(stream(delta(tool_calls=[head]), *pieces, delta(finish="tool_calls"), DONE))
    tools = TOOLS

    import msgflux_like as mf

    model = mf.Model.chat_completion("openai/gpt-4o")

    response = model(
        messages=[{"role": "user", "content": "What's the weather in Tokyo?"}], tool_schemas=tools, stream=True
    )

    # Tool calls are aggregated during streaming
    tool_call_agg = response.consume()

    # After stream completes, get calls
    calls = tool_call_agg.get_calls()
    print(calls)

    assert "Tokyo" in capsys.readouterr().out
    assert calls == [
        {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": {"location": "Tokyo"}}}
    ]


# ---- Prefilling


def test_basic_prefilling(anthropic, capsys):
    server = anthropic("\nFirst, calculate 30 × 3 = 90.")  # noqa: RUF001  as it is written on the page

    import msgflux_like as mf

    model = mf.Model.chat_completion("anthropic/claude-3-5-sonnet-20241022")

    response = model(
        messages=[{"role": "user", "content": "What is 30 * 3 + 33?"}], prefilling="Let's think step by step:"
    )

    print(response.consume())

    expected = "Let's think step by step:\nFirst, calculate 30 × 3 = 90.\n"  # noqa: RUF001  as above
    assert capsys.readouterr().out == expected
    last = messages_of(server)[-1]
    assert last["role"] == "assistant"
    assert last["content"] in ("Let's think step by step:", [{"type": "text", "text": "Let's think step by step:"}])


def test_prefilling_for_format_control(anthropic, capsys):
    anthropic('"colors": ["red", "blue", "green"]}')

    import msgflux_like as mf

    model = mf.Model.chat_completion("anthropic/claude-3-5-sonnet-20241022")

    # Force JSON output
    response = model(messages=[{"role": "user", "content": "List 3 colors"}], prefilling="{")

    print(response.consume())
    # {"colors": ["red", "blue", "green"]}

    assert capsys.readouterr().out == '{"colors": ["red", "blue", "green"]}\n'


# ---- Best Practices


def test_check_model_profiles_before_use(openai):
    server = openai(whole(chat("It is sunny.")))
    messages, tools = [{"role": "user", "content": "What's the weather?"}], TOOLS

    import msgflux_like as mf
    from msgflux_like.models.profiles import get_model_profile

    # Good - Verify capabilities before use
    profile = get_model_profile("gpt-4o", provider_id="openai")
    if profile and profile.capabilities.tool_call:
        model = mf.Model.chat_completion("openai/gpt-4o")
        response = model(messages=messages, tool_schemas=tools)

    assert response.consume() == "It is sunny."
    assert server.requests[0].body["tools"] == tools


def test_reuse_model_instances(openai):
    openai(lambda request: whole(chat(request.body["messages"][0]["content"].upper())))
    queries, results = ["a", "b"], []

    import msgflux_like as mf

    # Good - Create once, use many times
    model = mf.Model.chat_completion("openai/gpt-4o")

    for query in queries:
        response = model(messages=[{"role": "user", "content": query}])
        results.append(response.consume())

    # Bad - Creating new instance each time
    for query in queries:
        model = mf.Model.chat_completion("openai/gpt-4o")
        response = model(messages=[{"role": "user", "content": query}])

    assert results == ["A", "B"]
    assert response.consume() == "B"


def test_use_async_for_concurrent_requests(openai):
    openai(lambda request: whole(chat(request.body["messages"][0]["content"].upper())))

    import asyncio

    import msgflux_like as mf

    async def process_queries(queries):
        model = mf.Model.chat_completion("openai/gpt-4o")

        tasks = [model.acall(messages=[{"role": "user", "content": q}]) for q in queries]

        responses = await asyncio.gather(*tasks)
        return [r.consume() for r in responses]

    assert asyncio.run(process_queries(["a", "b", "c"])) == ["A", "B", "C"]


# ---- Response Metadata


def test_response_metadata(openai, capsys):
    openai(whole(chat()))

    import msgflux_like as mf

    model = mf.Model.chat_completion("openai/gpt-4o")

    response = model(messages=[{"role": "user", "content": "Hello"}])

    # Access metadata
    print(response.metadata)
    # {
    #     'usage': {
    #         'completion_tokens': 9,
    #         'prompt_tokens': 19,
    #         'total_tokens': 28
    #     }
    # }

    # Calculate cost using profile
    from msgflux_like.models.profiles import get_model_profile

    profile = get_model_profile("gpt-4o", provider_id="openai")
    if profile:
        usage = response.metadata.usage
        cost = profile.cost.calculate(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens)
        print(f"Request cost: ${cost:.4f}")

    printed, said = capsys.readouterr().out.splitlines()
    assert ast.literal_eval(printed)["usage"] == {"completion_tokens": 9, "prompt_tokens": 19, "total_tokens": 28}
    assert said == "Request cost: $0.0001"
    assert (usage.prompt_tokens, usage.completion_tokens, usage["total_tokens"]) == (19, 9, 28)
    assert cost == pytest.approx(float(response.cost))


# ---- Error Handling


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (whole(chat("Hello!")), ""),
        (whole({"error": "Slow down."}, 429, x_should_retry="false"), "Slow down. (openai/gpt-4o, HTTP 429)"),
        (whole({"error": "Wrong."}, 400), "Wrong. (openai/gpt-4o, HTTP 400)"),
    ],
    ids=["nothing", "429", "400"],
)
def test_error_handling(openai, capsys, reply, said):
    openai(reply)

    import msgflux_like as mf

    model = mf.Model.chat_completion("openai/gpt-4o")

    try:
        response = model(messages=[{"role": "user", "content": "Hello"}])
        result = response.consume()
    except ImportError:
        print("Provider not installed")
    except ValueError as e:
        print(f"Invalid parameters: {e}")
    except Exception as e:  # noqa: BLE001  as it is written on the page
        print(f"API error: {e}")
    else:
        assert result == "Hello!"

    assert capsys.readouterr().out == (f"API error: {said}\n" if said else "")


@pytest.mark.parametrize("wrong", [{"temperature": 9}, {"messages": []}, {"tool_choice": "get_weather"}])
def test_error_handling_of_wrong_parameters(openai, capsys, wrong):
    server = openai(whole(chat("Hello!")))

    import msgflux_like as mf

    model = mf.Model.chat_completion("openai/gpt-4o")

    try:
        model(**{"messages": [{"role": "user", "content": "Hello"}], **wrong})
    except ImportError:
        print("Provider not installed")
    except ValueError as e:
        print(f"Invalid parameters: {e}")
    except Exception as e:  # noqa: BLE001  as it is written on the page
        print(f"API error: {e}")

    assert capsys.readouterr().out.startswith("Invalid parameters: ")
    assert server.requests == []


def test_error_handling_of_what_is_not_installed(capsys, monkeypatch):
    """Of the providers, only Foundry Local needs a program of its own."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("FOUNDRY_LOCAL_BASE_URL", raising=False)

    import msgflux_like as mf

    try:
        mf.Model.chat_completion("foundry-local/qwen2.5-1.5b")("Hello")
    except ImportError:
        print("Provider not installed")

    assert capsys.readouterr().out == "Provider not installed\n"


# ---- See Also


def test_text_embeddings(openai):
    """The page that is named there shows it so."""
    vector = [0.5] * 1536
    openai(whole({"data": [{"index": 0, "embedding": vector}], "usage": {"prompt_tokens": 1, "total_tokens": 1}}))

    import msgflux_like as mf

    embedding = mf.Model.text_embedder("openai/text-embedding-3-small")("Hello").consume()
    assert embedding == vector
