"""Ollama's own chat format, one JSON object a line."""

from msgflux_like.dialects.ollama_chat.request import AUTH, HEADERS, STATE, decode, decoder, encode, refusal

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
