"""Anthropic's Messages format on Google's Vertex AI: Claude, named by the path."""

from msgflux_like.dialects.vertex_anthropic.request import AUTH, HEADERS, STATE, decode, decoder, encode, refusal

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
