"""OpenAI's chat completions format, and what some hundred and fifty providers make of it."""

from msgflux_like.dialects.openai_chat.request import AUTH, HEADERS, STATE, decode, decoder, encode, refusal

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
