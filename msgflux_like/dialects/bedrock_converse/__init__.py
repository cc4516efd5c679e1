"""Amazon Bedrock's Converse, one format for the models of all makers there."""

from msgflux_like.dialects.bedrock_converse.request import AUTH, HEADERS, STATE, decode, decoder, encode, refusal

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
