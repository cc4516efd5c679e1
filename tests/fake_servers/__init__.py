"""What providers say, in the bytes of each dialect: one answer, as each of them would give it."""

from __future__ import annotations

from tests.fake_servers.anthropic import ANTHROPIC, BEDROCK_ANTHROPIC, CONVERSE, VERTEX_ANTHROPIC
from tests.fake_servers.openai import MISTRAL, OPENAI, OPENROUTER, RESPONSES
from tests.fake_servers.others import COHERE, GEMINI, OLLAMA
from tests.fake_servers.recorded_replies import THOUGHT, WAIT, Refusal, Said, Speaker

__all__ = ["SPEAKERS", "THOUGHT", "WAIT", "Refusal", "Said", "Speaker"]

SPEAKERS = {
    "openai_chat": OPENAI,
    "openrouter": OPENROUTER,
    "openai_responses": RESPONSES,
    "anthropic_messages": ANTHROPIC,
    "gemini": GEMINI,
    "bedrock_converse": CONVERSE,
    "bedrock_anthropic": BEDROCK_ANTHROPIC,
    "vertex_anthropic": VERTEX_ANTHROPIC,
    "mistral": MISTRAL,
    "cohere_v2": COHERE,
    "ollama_chat": OLLAMA,
}
