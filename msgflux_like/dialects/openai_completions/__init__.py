"""OpenAI's text completions format: one prompt, and the text that goes on from it."""

from msgflux_like.dialects.openai_completions.request import AUTH, HEADERS, STATE, decode, decoder, encode, refusal

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
