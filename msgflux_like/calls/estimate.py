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
from msgflux_like.calls.arguments import check_argument
from msgflux_like.catalog.cost import ModelCost
from msgflux_like.catalog.profiles import ModelProfile, get_model_profile
from msgflux_like.errors import UnknownModelError
from msgflux_like.messages.normalize import normalize
from msgflux_like.request import ChatRequest
from msgflux_like.tools.schemas import check_tools


class Estimate(Struct, frozen=True):
    """Bounds of the cost of a call.

    Attributes:
        low: US dollars for the input alone.
        high: US dollars with the longest answer.
        input_tokens: Tokens of the input.
        max_output_tokens: Tokens of the longest answer.
        exact: Whether `input_tokens` was counted; False if it was estimated.
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
_TOKENS_PER_MESSAGE = 4  # the role and the delimiters
_TOKENS_PER_ANSWER = 3  # the tokens that begin the answer
_TOKENS_PER_IMAGE = 1100  # about a megapixel at the large labs; each has a rule of its own


def estimate_cost(
    model: str | ModelProfile,
    messages: Any,
    *,
    max_tokens: int | None = None,
    system_prompt: str | None = None,
    tool_schemas: Any = None,
) -> Estimate:
    """Estimate what a call would cost before it is sent.

    Args:
        model: Path such as "openai/gpt-4o", or a profile.
        messages: Anything a chat model accepts.
        max_tokens: Upper bound of the output, in tokens, at least 1; the model's own limit if not given.
        system_prompt: As for a call.
        tool_schemas: As for a call.

    Returns:
        Low and high bounds in US dollars, and whether the tokens were counted or estimated.

    Raises:
        UnknownModelError: If the catalogue has no such model, or no price for it; the message suggests similar names.
        InvalidRequestError: If an argument has the wrong type or is out of range.

    Example:
        >>> estimate_cost("openai/gpt-4o", "Hello!", max_tokens=100).high < 0.01
        True
    """
    max_tokens = check_argument("max_tokens", max_tokens)
    profile = _profile_of(model)
    if profile.cost is None:
        raise UnknownModelError(f"no price is known for {profile.provider_id}/{profile.id}")
    counted = count_tokens(messages, profile, system_prompt=system_prompt, tool_schemas=tool_schemas)
    return _estimate(profile, profile.cost, counted, max_tokens)


def _profile_of(model: str | ModelProfile) -> ModelProfile:
    """Return the profile of a path. UnknownModelError where the catalogue has none."""
    if isinstance(model, ModelProfile):
        return model
    from msgflux_like.providers import resolve  # noqa: PLC0415  it imports what this module needs, and more

    provider, model_id = resolve.split_path(model)
    profile = get_model_profile(model_id, provider)
    if profile is None:
        raise UnknownModelError(resolve.explain_unknown_model(provider, model_id) or f"no model {model} is known")
    return profile


def estimate_of(request: ChatRequest, profile: ModelProfile | None) -> Estimate | None:
    """Estimate what a complete request would cost; None where no price is known."""
    if profile is None or profile.cost is None:
        return None
    counted = count_tokens(request.messages, profile, tool_schemas=request.tools)
    return _estimate(profile, profile.cost, counted, request.parameters.get("max_tokens"))


def _estimate(profile: ModelProfile, cost: ModelCost, counted: tuple[int, bool], max_tokens: int | None) -> Estimate:
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
    messages: Any,
    model: str | ModelProfile | None = None,
    *,
    system_prompt: str | None = None,
    tool_schemas: Any = None,
) -> tuple[int, bool]:
    """Count the tokens of a conversation, or estimate their number from its bytes.

    Counting needs the extra `tokens`, and a model of OpenAI, whose vocabularies it has.

    Args:
        messages: Anything a chat model accepts.
        model: Path such as "openai/gpt-4o", or a profile; an unknown model if not given.
        system_prompt: As for a call.
        tool_schemas: As for a call.

    Returns:
        The number of tokens, and whether they were counted (True) or estimated (False).

    Raises:
        UnknownModelError: If the catalogue has no such model; the message suggests similar names.
        InvalidRequestError: If an argument has the wrong type.

    Example:
        >>> count_tokens("Hello!", "anthropic/claude-sonnet-4-5")
        (9, False)
    """
    if model is not None:
        model = _profile_of(model)
    tool_schemas = check_tools(check_argument("tool_schemas", tool_schemas), None)
    name = (model.canonical_model_id or model.id).rpartition("/")[2] if model else ""
    tokens, exact = _TOKENS_PER_ANSWER, True
    for message in normalize(messages, system_prompt):
        tokens += _TOKENS_PER_MESSAGE
        for text, media in _texts_of(message):
            count, counted = _count(text, name)
            tokens += count + media * _TOKENS_PER_IMAGE
            exact = exact and counted and not media
    if tool_schemas:
        tokens += _count(to_json(tool_schemas).decode(), name)[0]
        exact = False  # each provider renders schemas in its own way
    return tokens, exact


def _texts_of(message: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return the texts of a message, each with the number of images, sounds or files in its place."""
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
    """Return the function of the extra `tokens` that counts, None without the extra."""
    try:
        toktok: Any = import_module("toktok")
    except ImportError:
        return None
    return toktok.batch_count
