"""Ollama's own chat format, one JSON object a line."""

from msgflux_like.dialects._shared.failures import failure_in as refusal
from msgflux_like.dialects.ollama_chat.reply import decode, decoder
from msgflux_like.dialects.ollama_chat.request import AUTH, HEADERS, STATE, encode

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
