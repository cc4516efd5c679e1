"""Anthropic's Messages format, also served by MiniMax, Kimi, Z.ai and llama.cpp."""

from msgflux_like.dialects._shared.failures import failure_in as refusal
from msgflux_like.dialects.anthropic_messages.reply import decode, decoder
from msgflux_like.dialects.anthropic_messages.request import AUTH, HEADERS, STATE, encode

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
