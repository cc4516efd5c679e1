"""OpenAI's chat completions format, and what some hundred and fifty providers make of it."""

from msgflux_like.dialects._shared.failures import failure_in as refusal
from msgflux_like.dialects.openai_chat.reply import decode, decoder
from msgflux_like.dialects.openai_chat.request import AUTH, HEADERS, STATE, encode

__all__ = ["AUTH", "HEADERS", "STATE", "decode", "decoder", "encode", "refusal"]
