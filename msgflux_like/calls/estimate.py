"""Estimate what a call may cost before it is sent, and count its tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from importlib import import_module
from typing import Any

from msgspec import Struct

from msgflux_like._json import to_json
from msgflux_like.catalog.cost import ModelCost
from msgflux_like.catalog.profiles import ModelProfile, get_model_profile
from msgflux_like.errors import UnknownModelError
from msgflux_like.messages.normalize import normalize
from msgflux_like.request import ChatRequest


class Estimate(Struct, frozen=True):
    """What a call may cost.

    Attributes:
        low: US dollars for the input alone.
        high: US dollars with the longest answer.
        input_tokens: Tokens of the input.
        max_output_tokens: Tokens of the longest answer.
        exact: Whether `input_tokens` was counted, not estimated.
    """

    low: Decimal
    high: Decimal
    input_tokens: int
    max_output_tokens: int
    exact: bool


# Bytes of UTF-8 text for a token, by the beginnings of the models' names; measured on English prose and code.
_BYTES_PER_TOKEN: Mapping[str, float] = {"claude": 3.5, "gemini": 4.2, "gpt": 4.1, "o1": 4.1, "o3": 4.1, "o4": 4.1}
_DEFAULT_BYTES_PER_TOKEN = 4.0
# Vocabularies, by the same. Source: https://github.com/openai/tiktoken (model.py).
_ENCODINGS = (
    ("gpt-oss", "o200k_harmony"),
    *((name, "o200k_base") for name in ("gpt-4o", "chatgpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "o1", "o3", "o4")),
    *((name, "cl100k_base") for name in ("gpt-4", "gpt-3.5")),
)
_TOKENS_PER_MESSAGE = 4  # its role and the marks around it
_TOKENS_PER_ANSWER = 3  # the mark that it begins
_TOKENS_PER_IMAGE = 1100  # about a megapixel at the large labs; each has a rule of its own


def estimate_cost(
    model: str,
    messages: Any,
    *,
    max_tokens: int | None = None,
    system_prompt: str | None = None,
    tool_schemas: Any = None,
) -> Estimate:
    """What a call may cost, offline, before it is made.

    Args:
        model: `provider/model`.
        messages: As a model's call takes them.
        max_tokens: Longest answer; else what the model can write at most.
        system_prompt: As a call takes it.
        tool_schemas: As a call takes them.

    Raises:
        UnknownModelError: The model or its price is not in the catalogue.

    Example:
        >>> estimate_cost("openai/gpt-4o", "Hello!", max_tokens=100).high < 0.01
        True
    """
    from msgflux_like.providers import resolve  # noqa: PLC0415  it imports what this module needs, and more

    provider, model_id = resolve.split_path(model)
    profile = get_model_profile(model_id, provider)
    if profile is None or profile.cost is None:
        reason = resolve.explain_unknown_model(provider, model_id) if profile is None else ""
        raise UnknownModelError(reason or f"no price is known for {model}")
    counted = count_tokens(messages, profile, system_prompt=system_prompt, tool_schemas=tool_schemas)
    return _estimated(profile, profile.cost, counted, max_tokens)


def estimate_of(request: ChatRequest, profile: ModelProfile | None) -> Estimate | None:
    """The same for a request that is complete; None where no price is known."""
    if profile is None or profile.cost is None:
        return None
    counted = count_tokens(request.messages, profile, tool_schemas=request.tools)
    return _estimated(profile, profile.cost, counted, request.parameters.get("max_tokens"))


def _estimated(profile: ModelProfile, cost: ModelCost, counted: tuple[int, bool], max_tokens: int | None) -> Estimate:
    tokens, exact = counted
    longest = max_tokens if max_tokens is not None else profile.limits.output or 0
    return Estimate(
        low=cost.breakdown(tokens, 0).total,
        high=cost.breakdown(tokens, longest).total,
        input_tokens=tokens,
        max_output_tokens=longest,
        exact=exact,
    )


def count_tokens(
    messages: Any, model: ModelProfile | None = None, *, system_prompt: str | None = None, tool_schemas: Any = None
) -> tuple[int, bool]:
    """Tokens of a conversation, and whether they were counted (True) or estimated from its bytes (False).

    Counting needs the extra `tokens` and a family whose vocabulary it has: OpenAI's.
    """
    name = (model.canonical_model_id or model.id).rpartition("/")[2] if model else ""
    tokens, exact = _TOKENS_PER_ANSWER, True
    for message in normalize(messages, system_prompt):
        tokens += _TOKENS_PER_MESSAGE
        for text, media in _texts(message):
            count, counted = _count(text, name)
            tokens += count + media * _TOKENS_PER_IMAGE
            exact = exact and counted and not media
    if tool_schemas:
        tokens += _count(to_json(tool_schemas).decode(), name)[0]
        exact = False  # providers write schemas in words of their own
    return tokens, exact


def _texts(message: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The texts of a message, each with the number of pictures, sounds or files that stand in its place."""
    content = message.get("content")
    if content is None or isinstance(content, str):
        found = [(content or "", 0)]
    else:
        found = [(str(part.get("text") or ""), int(part.get("type") != "text")) for part in content]
    calls = message.get("tool_calls")
    return [*found, (to_json(calls).decode(), 0)] if calls else found


def _count(text: str, name: str) -> tuple[int, bool]:
    encoding = next((encoding for beginning, encoding in _ENCODINGS if name.startswith(beginning)), None)
    if encoding is not None and (count := _tokenizer()) is not None:
        return count([text], encoding)[0], True
    rate = next((rate for start, rate in _BYTES_PER_TOKEN.items() if name.startswith(start)), _DEFAULT_BYTES_PER_TOKEN)
    return math.ceil(len(text.encode()) / rate), False


@cache
def _tokenizer() -> Callable[[list[str], str], list[int]] | None:
    """The counter of the extra `tokens`, None without it."""
    try:
        toktok: Any = import_module("toktok")
    except ImportError:
        return None
    return toktok.batch_count
