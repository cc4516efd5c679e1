"""Cohere's chat format, version 2."""

from msgflux_like.dialects.cohere_v2.request import AUTH, HEADERS, STATE, decode, decoder, encode, refusal

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
