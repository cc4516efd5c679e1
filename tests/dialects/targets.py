"""The models that stand for the dialects in the tests of all of them, each with its provider's own row."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

import msgflux_like as mf
from tests.dialects.builders import Conversation, Message


class Target(NamedTuple):
    """A model, and the dialect that it is spoken to in."""

    path: str
    dialect: str


_CLAUDE: Final = "amazon-bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0"

TARGETS: Final[Mapping[str, Target]] = {
    "openai": Target("openai/gpt-4.1", "openai_chat"),
    "responses": Target("openai-responses/gpt-5.2", "openai_responses"),
    "anthropic": Target("anthropic/claude-sonnet-4-5", "anthropic_messages"),
    "vertex": Target("google-vertex-anthropic/claude-sonnet-4-5@20250929", "vertex_anthropic"),
    "invoke": Target(_CLAUDE, "bedrock_anthropic"),
    "converse": Target(_CLAUDE, "bedrock_converse"),
    "nova": Target("amazon-bedrock/us.amazon.nova-2-lite-v1:0", "bedrock_converse"),
    "gemini 2": Target("google/gemini-2.5-flash", "gemini"),
    "gemini 3": Target("google/gemini-3.1-pro-preview", "gemini"),
    "mistral": Target("mistral/mistral-large-latest", "mistral"),
    "cohere": Target("cohere/command-a-reasoning-08-2025", "cohere_v2"),
    "ollama": Target("ollama-native/qwen3", "ollama_chat"),
}

_VARIABLES: Final = {
    "AWS_REGION": "us-east-1",
    "GOOGLE_VERTEX_PROJECT": "p",
    "GOOGLE_VERTEX_LOCATION": "us-east5",
    "GOOGLE_VERTEX_ENDPOINT": "us-east5-aiplatform.googleapis.com",
}

# What an answer of each form comes with, and wants back: its kind and value.
_OWN_STATE: Final[Mapping[str, tuple[str, Any]]] = {
    "openai_chat": ("reasoning_details", {"type": "reasoning.encrypted", "data": "SIGNED"}),
    "openai_responses": (
        "reasoning",
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "SIGNED"},
    ),
    "anthropic_messages": ("thinking", {"type": "thinking", "thinking": "Hm.", "signature": "SIGNED"}),
    "bedrock_converse": ("reasoningText", {"text": "Hm.", "signature": "SIGNED"}),
    "gemini": ("thought_signature", "U0lHTkVE"),
    "mistral": ("thinking", {"type": "thinking", "thinking": [{"type": "text", "text": "SIGNED"}]}),
    "cohere_v2": ("thinking", {"type": "thinking", "thinking": "SIGNED"}),
    "ollama_chat": ("thinking", {"thinking": "SIGNED"}),
}
_ALIKE: Final = {"vertex_anthropic": "anthropic_messages", "bedrock_anthropic": "anthropic_messages"}
SIGNED: Final = ("SIGNED", "U0lHTkVE")
"""What is in a body if the state is: the second is the first in base64."""


@cache
def model(name: str) -> mf.ChatCompletion:
    """The model of a target. It is never called, so nothing needs to be closed."""
    import os
    from unittest.mock import patch

    path, dialect = TARGETS[name]
    with patch.dict(os.environ, _VARIABLES):
        return mf.Model.chat_completion(path, api_key="sk-x", check="off", dialect=dialect)


def messages_for(name: str, conversation: Conversation) -> list[Message]:
    """The messages, with opaque state in front of what each answer says, where there is to be any."""
    if not conversation.state:
        return conversation.messages
    form = _ALIKE.get(TARGETS[name].dialect, TARGETS[name].dialect)
    kind, raw = _OWN_STATE[form]
    match conversation.state:
        case "own":
            entry = {"family": model(name)._family, "kind": kind, "after": 0, "raw": raw}
        case "foreign":
            entry = {"family": "another:one", "kind": kind, "after": 0, "raw": raw}
        case _:
            entry = {"family": "text", "kind": "text", "after": 0, "raw": "SIGNED"}
    return [
        {**message, "provider_state": [entry]} if message["role"] == "assistant" else message
        for message in conversation.messages
    ]
