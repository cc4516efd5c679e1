"""OpenAI's Responses format, as OpenAI, Azure, xAI, DeepSeek, OpenRouter, LM Studio and llama.cpp speak it."""

from msgflux_like.dialects.openai_responses.errors import refusal
from msgflux_like.dialects.openai_responses.reply import decode, decoder
from msgflux_like.dialects.openai_responses.request import AUTH, HEADERS, STATE, encode

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
