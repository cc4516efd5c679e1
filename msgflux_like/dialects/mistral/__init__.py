"""Mistral's chat completions: OpenAI's format with fields, parts and rules of its own."""

from msgflux_like.dialects.mistral.errors import refusal
from msgflux_like.dialects.mistral.reply import decode, decoder
from msgflux_like.dialects.mistral.request import AUTH, HEADERS, STATE, encode

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
