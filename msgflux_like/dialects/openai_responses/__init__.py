"""OpenAI's Responses format, as OpenAI, Azure, xAI, DeepSeek, OpenRouter, LM Studio and llama.cpp speak it."""

from msgflux_like.dialects.openai_responses.request import AUTH, HEADERS, STATE, decode, decoder, encode, refusal

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
