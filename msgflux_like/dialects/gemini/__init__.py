"""Google's Gemini format, as Google AI and Vertex AI serve it."""

from msgflux_like.dialects.gemini.errors import refusal
from msgflux_like.dialects.gemini.reply import decode, decoder
from msgflux_like.dialects.gemini.request import AUTH, HEADERS, STATE, encode

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
