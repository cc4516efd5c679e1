"""Amazon Bedrock's Converse API: one format for the models of all makers on Bedrock."""

from msgflux_like.dialects._shared.bedrock import AUTH, refusal
from msgflux_like.dialects.bedrock_converse.reply import decode, decoder
from msgflux_like.dialects.bedrock_converse.request import HEADERS, STATE, encode

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
