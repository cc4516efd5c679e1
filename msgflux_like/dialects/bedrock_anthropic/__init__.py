"""Anthropic's Messages format inside Amazon Bedrock's invoke: Claude with all that its own API has."""

from msgflux_like.dialects.bedrock_anthropic.request import AUTH, HEADERS, STATE, decode, decoder, encode, refusal

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
