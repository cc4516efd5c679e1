"""Anthropic's Messages format in Amazon Bedrock's InvokeModel API: every feature of Claude's own API."""

from msgflux_like.dialects._shared.bedrock import AUTH, refusal
from msgflux_like.dialects.bedrock_anthropic.reply import decode, decoder
from msgflux_like.dialects.bedrock_anthropic.request import HEADERS, STATE, encode

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
