"""Anthropic's Messages format, as Anthropic and those who copy it (MiniMax, Kimi, Z.ai, llama.cpp) speak it."""

from msgflux_like.dialects.anthropic_messages.request import AUTH, HEADERS, STATE, decode, decoder, encode, refusal

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
