"""The same bytes, read by the openai package and by this client: every field of every object is the same."""

from __future__ import annotations

import base64
import gzip
import json
import os
from pathlib import Path
from typing import Any

import openai
import pytest

import msgflux_like as mf
from msgflux_like.response import openai_objects
from tests.client.sameness import differences
from tests.provider import DONE, Reply, chat, delta, sse, whole

FOLDER = os.environ.get("MSGFLUX_LIKE_WIRE", "")
NO_FORMAT_OF_OPENAI = {"op-d061125c7d"}  # chunks of another form, which the openai package passes on

CALL = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":'}}
CITED = {"start_index": 0, "end_index": 1, "title": "T", "url": "https://example.com", "rank": 1}
SOURCE = {"type": "url_citation", "url_citation": CITED}
WHOLE = {
    "text": {**chat("Hi"), "object": "chat.completion", "created": 1, "service_tier": "default"},
    "calls": chat(None, "tool_calls", tool_calls=[CALL], refusal=None, annotations=[SOURCE]),
    "unknown words": chat("Hi", "eos_token", role="critic", vendor={"list": [{"deep": {"er": [1, None]}}]}),
    "nothing known": {"choices": [{"weird": [{"a": 1}]}], "zzz": {"b": None}},
    "logprobs": {
        **chat("Hi"),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi"},
                "logprobs": {"content": [{"token": "Hi", "logprob": -0.1, "bytes": [72], "top_logprobs": []}]},
                "finish_reason": "stop",
            }
        ],
    },
}
STREAMED = {
    "text": [delta("Hi", role="assistant"), delta(" you"), delta(finish="stop"), DONE],
    "calls": [
        delta(role="assistant", content=None, tool_calls=[CALL]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": "1}"}}], reasoning_content="hm"),
        delta(finish="tool_calls", vendor={"deep": [{"er": 1}]}),
        sse({"id": "1", "choices": [], "usage": {"total_tokens": 1, "new": {"x": 2}}, "obfuscation": "abc"}),
        DONE,
    ],
    "choices side by side": [
        sse({"choices": [{"index": index, "delta": {"role": "assistant", "content": str(index)}}]}) for index in (0, 1)
    ]
    + [delta(finish="stop"), DONE],
}


class Both:
    """Asks both clients, each of which gets the same bytes."""

    def __init__(self, provider: Any) -> None:
        self.reply: Reply = whole({})
        server = provider(lambda _: self.reply)
        options = {"api_key": "sk-secret", "base_url": server.base_url, "max_retries": 0}
        self.clients = (openai.OpenAI(**options), mf.Client(**options))

    def ask(self, path: str, **words: Any) -> list[str]:
        """The differences between what they give."""
        theirs, ours = [self._given(client, path, words) for client in self.clients]
        if words.get("stream"):
            told_once(theirs)
        if len(theirs) != len(ours):
            return [f"{len(theirs)} chunks, and {len(ours)}"]
        return [found for one, other in zip(theirs, ours, strict=True) for found in differences(one, other)]

    def _given(self, client: Any, path: str, words: dict[str, Any]) -> list[Any]:
        for name in path.split("."):
            client = getattr(client, name)
        given = client(**words)
        return list(given) if words.get("stream") else [given]


def told_once(chunks: list[Any]) -> None:
    """What this client does on purpose: a role is told on the first chunk of a choice alone."""
    begun = set()
    for chunk in chunks:
        for choice in getattr(chunk, "choices", None) or ():
            fields = getattr(getattr(choice, "delta", None), "model_fields_set", set())
            if "role" in fields:
                if choice.index in begun:
                    choice.delta.role = None
                    fields.discard("role")
                begun.add(choice.index)


@pytest.fixture
def both(provider):
    made = Both(provider)
    yield made
    for client in made.clients:
        client.close()


CHAT = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
ALL = {"stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_answer_is_the_same(both, name):
    both.reply = whole(WHOLE[name])
    assert both.ask("chat.completions.create", **CHAT) == []


@pytest.mark.parametrize("name", STREAMED)
def test_a_streamed_answer_is_the_same(both, name):
    both.reply = Reply(200, {"content-type": "text/event-stream"}, STREAMED[name])
    assert both.ask("chat.completions.create", **CHAT, **ALL) == []


def test_a_difference_would_be_seen():
    from openai.types.chat import ChatCompletion

    theirs = ChatCompletion.construct(id="1", usage=None)
    assert list(differences(theirs, mf.client.ChatCompletionReply({"id": "2", "usage": None})))
    assert list(differences(theirs, mf.client.ChatCompletionReply({"id": "1"})))
    assert list(differences(theirs, mf.client.ChatCompletionReply({"id": "1", "usage": None}))) == []


def test_every_field_that_the_package_knows_is_known_here():
    from openai import types as their
    from openai.types import chat as their_chat
    from openai.types import completion_choice, completion_usage
    from openai.types.chat import chat_completion, chat_completion_chunk, chat_completion_token_logprob

    pairs = {
        openai_objects.ChatCompletionReply: their_chat.ChatCompletion,
        openai_objects.ChatCompletionChoice: chat_completion.Choice,
        openai_objects.ChatMessage: their_chat.ChatCompletionMessage,
        openai_objects.ChatLogprobs: chat_completion.ChoiceLogprobs,
        openai_objects.ChatTokenLogprob: chat_completion_token_logprob.ChatCompletionTokenLogprob,
        openai_objects.Usage: their.CompletionUsage,
        openai_objects.PromptTokens: completion_usage.PromptTokensDetails,
        openai_objects.CompletionTokens: completion_usage.CompletionTokensDetails,
        openai_objects.ChatCompletionChunk: their_chat.ChatCompletionChunk,
        openai_objects.ChatCompletionChunkChoice: chat_completion_chunk.Choice,
        openai_objects.ChatCompletionDelta: chat_completion_chunk.ChoiceDelta,
        openai_objects.ChatToolCall: chat_completion_chunk.ChoiceDeltaToolCall,
        openai_objects.ChatFunction: chat_completion_chunk.ChoiceDeltaToolCallFunction,
        openai_objects.Completion: their.Completion,
        openai_objects.CompletionChoice: their.CompletionChoice,
        openai_objects.TextLogprobs: completion_choice.Logprobs,
        openai_objects.Embedding: their.Embedding,
        openai_objects.EmbeddingReply: their.CreateEmbeddingResponse,
        openai_objects.ModelInfo: their.Model,
    }
    unknown = {ours.__name__: set(theirs.model_fields) - ours._known for ours, theirs in pairs.items()}
    assert not any(unknown.values()), unknown


def test_texts_vectors_and_models_are_the_same(both):
    text = {"index": 0, "text": "Hi", "finish_reason": "stop", "logprobs": None}
    both.reply = whole({"id": "1", "object": "text_completion", "created": 1, "model": "m", "choices": [text]})
    assert both.ask("completions.create", model="m", prompt="x") == []
    both.reply = Reply(200, {"content-type": "text/event-stream"}, [sse({"choices": [text]}), DONE])
    assert both.ask("completions.create", model="m", prompt="x", stream=True) == []
    vector = {"object": "embedding", "index": 0, "embedding": [0.25, -1.0]}
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    both.reply = whole({"object": "list", "data": [vector], "model": "m", "usage": usage})
    assert both.ask("embeddings.create", model="m", input="x", encoding_format="float") == []
    info = {"id": "m", "object": "model", "created": 1, "owned_by": "us", "context": 5}
    both.reply = whole(info)
    assert both.ask("models.retrieve", model="m") == []
    both.reply = whole({"object": "list", "data": [info]})
    theirs, ours = (client.models.list() for client in both.clients)
    assert list(differences(list(theirs), list(ours))) == []
    assert list(differences(theirs.data, ours.data)) == []


@pytest.mark.skipif(not FOLDER, reason="MSGFLUX_LIKE_WIRE names no folder of recordings")
@pytest.mark.parametrize(
    ("name", "path", "asked"),
    [("openai-chat", "chat.completions.create", CHAT), ("openai-completions", "completions.create", None)],
)
def test_every_recorded_answer_is_the_same(both, name, path, asked):
    wrong: dict[str, Any] = {}
    compared = 0
    with gzip.open(Path(FOLDER) / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for recording in map(json.loads, lines):
            if recording["status"] != 200 or recording["id"] in NO_FORMAT_OF_OPENAI:
                continue
            text = recording["body"]
            body = text.encode() if recording["body_enc"] == "text" else base64.b64decode(text)
            kind = "text/event-stream" if recording["stream"] else "application/json"
            both.reply = Reply(200, {"content-type": kind}, [body], framing="length")
            more = ALL if recording["stream"] else {}
            if found := both.ask(path, **(asked or {"model": "m", "prompt": "x"}), **more):
                wrong[recording["id"]] = found[:3]
            compared += 1
    assert wrong == {}
    assert compared > 60
