"""Cohere's chat format, version 2."""

from msgflux_like.dialects.cohere_v2.errors import refusal
from msgflux_like.dialects.cohere_v2.reply import decode, decoder
from msgflux_like.dialects.cohere_v2.request import AUTH, HEADERS, STATE, encode

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
