"""Google's Gemini format, as Google AI and Vertex AI speak it."""

from msgflux_like.dialects.gemini.request import AUTH, HEADERS, STATE, decode, decoder, encode, refusal

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
