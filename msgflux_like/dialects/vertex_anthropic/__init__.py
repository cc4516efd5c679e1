"""Anthropic's Messages format on Google's Vertex AI. The replies are Anthropic's own."""

from msgflux_like.dialects._shared.failures import failure_in as refusal
from msgflux_like.dialects.anthropic_messages.reply import decode, decoder
from msgflux_like.dialects.vertex_anthropic.request import AUTH, HEADERS, STATE, encode

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
