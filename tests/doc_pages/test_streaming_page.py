"""The examples of the streaming page: a callback, a client with state, a chat interface, and pieces of text."""

# ruff: noqa: T201  the page prints

from __future__ import annotations

import pytest

import msgflux_like as mf
from tests.provider import chat_stream, delta, sse, stream

PATIENCE_S = 20.0


@pytest.fixture
def model(provider, model_of):
    return model_of(provider(chat_stream("Once", " upon", " a time")))


@pytest.fixture
def instruct(provider):
    """A text completion model, as the page's first example has it."""
    pieces = [sse({"choices": [{"index": 0, "text": text}]}) for text in ("Once", " upon", " a time")]
    server = provider(stream(*pieces, sse(b"[DONE]")))
    return mf.Model.text_completion("openai/gpt-3.5-turbo-instruct", api_key="sk-x", base_url=server.base_url)


def test_streaming_with_a_callback(instruct, capsys):
    def callback(event):
        match event:
            case mf.StreamFinish():
                print("Stream finished")
            case mf.StreamData(data):
                print(f"Received data: {data.choices[0].text!r}")
            case mf.StreamError(error):
                print(f"Error: {error!r}")

    response = instruct("Tell me a story about a robot", stream=True, stream_to=callback)
    response.wait(PATIENCE_S)
    assert capsys.readouterr().out.splitlines() == [
        "Received data: 'Once'",
        "Received data: ' upon'",
        "Received data: ' a time'",
        "Stream finished",
    ]


def test_a_callback_is_told_an_error(provider, model_of, capsys):
    def callback(event):
        if isinstance(event, mf.StreamError):
            print(f"Error: {event.error.message}")

    model = model_of(provider(stream(delta("Once"), sse({"error": {"message": "overloaded"}}))))
    response = model("Tell me a story", stream=True, stream_to=callback)
    with pytest.raises(mf.errors.StreamFailedError):
        response.wait(PATIENCE_S)
    assert capsys.readouterr().out == "Error: overloaded\n"


class MyStreamingClient(mf.StreamHandler):
    def handle_data(self, data, state):
        print(f"Received data: {data.choices[0].delta.content!r}")
        return state + 1

    def handle_error(self, error, state):
        print(f"Error: {error!r}")

    def handle_finish(self, state):
        print("Stream finished")


def test_streaming_with_a_client_of_its_own(model, capsys):
    client = MyStreamingClient.start(0)
    model([{"role": "user", "content": "Hi"}], stream=True, stream_to=client)
    assert client.join(PATIENCE_S)
    assert client.get_state() == 4
    assert capsys.readouterr().out.splitlines()[-1] == "Stream finished"


class ChatInterface(mf.StreamHandler):
    @classmethod
    def start_chat(cls, model, initial_prompt):
        chat = cls.start({"buffer": "", "complete_message": ""})
        model([mf.ChatBlock.user(initial_prompt)], stream=True, stream_to=chat)
        return chat

    def handle_data(self, data, state):
        content = data.choices[0].delta.content or ""
        print(content, end="")
        return {
            "buffer": state["buffer"] + content,
            "complete_message": state["complete_message"] + content,
        }

    def handle_error(self, error, state):
        print(f"\nError: {error!r}")

    def handle_finish(self, state):
        print("\n\nChat response complete.")

    def get_complete_message(self):
        return self.get_state()["complete_message"]


def test_a_chat_interface(model, capsys):
    chat = ChatInterface.start_chat(model, "Tell me about quantum computing")
    assert chat.join(PATIENCE_S)
    assert chat.get_complete_message() == "Once upon a time"
    assert capsys.readouterr().out == "Once upon a time\n\nChat response complete.\n"


def test_the_streamed_data_of_text_completions_are_text_fragments(instruct):
    fragments = []

    def callback(event):
        if isinstance(event, mf.StreamData):
            fragments.append(event.data.choices[0].text)

    instruct("Tell me a story", stream=True, stream_to=callback).wait(PATIENCE_S)
    assert fragments == ["Once", " upon", " a time"]


def test_the_streamed_data_of_chats_are_deltas(model):
    fragments = []

    def callback(event):
        if isinstance(event, mf.StreamData) and event.data.choices[0].delta.content:
            fragments.append(event.data.choices[0].delta.content)

    response = model("Tell me a story", stream=True, stream_to=callback)
    response.wait(PATIENCE_S)
    assert fragments == ["Once", " upon", " a time"]
    assert response.text == "".join(fragments)
