"""OpenAI's text completions format: a prompt, and its continuation."""

from msgflux_like.dialects._shared.failures import failure_in as refusal
from msgflux_like.dialects.openai_completions.reply import decode, decoder
from msgflux_like.dialects.openai_completions.request import AUTH, HEADERS, STATE, encode

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
