"""`msgflux-like cost`: the prices of several models for a prompt or for token counts, the cheapest first."""

from __future__ import annotations

import argparse
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from msgflux_like.calls.estimate import count_tokens
from msgflux_like.catalog.profiles import ModelProfile
from msgflux_like.cli.lookup import find_model
from msgflux_like.cli.output import UsageError, echo, echo_json
from msgflux_like.cli.prompt import prompt_from_arguments
from msgflux_like.cli.tables import Column, dollar_range, table
from msgflux_like.errors import InvalidRequestError

_COLUMNS = (
    Column("model"),
    Column("US dollars", right=True),
    Column("tokens in", right=True),
    Column("basis"),
    Column("cached", right=True),
    Column("tokens out", right=True),
    Column("note"),
)


class Priced(Struct, frozen=True, kw_only=True):
    """The price of one model.

    Attributes:
        model: Path of the model, `provider/model`.
        low_usd: Price with the shortest answer, in US dollars; None if unknown.
        high_usd: Price with the longest answer, in US dollars; None if unknown.
        input_tokens: Length of the whole input, in tokens.
        basis: Source of `input_tokens`.
        cached_tokens: Part of the input that is read from the provider's cache, in tokens.
        output_tokens: Lengths of the shortest and of the longest answer, in tokens; None if unlimited.
        notes: Remarks on the price or the model.
    """

    model: str
    low_usd: Decimal | None = None
    high_usd: Decimal | None = None
    input_tokens: int
    basis: Literal["given", "counted", "estimated"]
    cached_tokens: int
    output_tokens: tuple[int, int | None]
    notes: tuple[str, ...]


def compare(options: argparse.Namespace) -> int:
    """Print a table, or JSON."""
    text = _text(options)
    profiles = [find_model(path) for path in options.model]
    found = sorted((_priced(profile, options, text) for profile in profiles), key=_order)
    if options.json:
        echo_json(map(msgspec.structs.asdict, found))
    else:
        echo(*table(_COLUMNS, map(_row, found)))
    return 0


def _text(options: argparse.Namespace) -> str:
    if options.tokens is not None:
        if options.prompt or options.file:
            raise UsageError("--tokens cannot be combined with a prompt or a file")
        if options.tokens[1] is not None and options.max_tokens is not None:
            raise UsageError("--tokens IN/OUT cannot be combined with --max-tokens")
        return ""
    parts = list(options.prompt)
    if options.file:
        parts = [" ".join(parts).strip(), _content(Path(options.file))]
    text = "\n\n".join(filter(None, parts)) if options.file else prompt_from_arguments(parts)
    if not text.strip():
        raise UsageError("pass a prompt, --file or --tokens, or pipe text in")
    return text


def _content(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidRequestError(f"{file} is not UTF-8 text") from None


def _priced(profile: ModelProfile, options: argparse.Namespace, text: str) -> Priced:
    if options.tokens is not None:
        tokens, given = options.tokens
        basis: Literal["given", "counted", "estimated"] = "given"
    else:
        (tokens, counted), given = count_tokens(text, profile), None
        basis = "counted" if counted else "estimated"
    shortest, longest = (0, _longest(profile, options.max_tokens)) if given is None else (given, given)
    priced = Priced(
        model=f"{profile.provider_id}/{profile.id}",
        input_tokens=tokens,
        basis=basis,
        cached_tokens=_cached(options.cached, tokens),
        output_tokens=(shortest, longest),
        notes=_notes(profile, tokens, given),
    )
    return _with_price(priced, profile)


def _longest(profile: ModelProfile, max_tokens: int | None) -> int | None:
    """Return the length of the longest answer: the smaller of `max_tokens` and the model's limit, if any."""
    known = [length for length in (max_tokens, profile.limits.output) if length is not None]
    return min(known, default=None)


def _cached(share: Decimal | int | None, tokens: int) -> int:
    if share is None:
        return 0
    cached = ceil(share * tokens) if isinstance(share, Decimal) else share
    if cached > tokens:
        raise UsageError(f"--cached {cached} is more than the {tokens} tokens of the input")
    return cached


def _with_price(priced: Priced, profile: ModelProfile) -> Priced:
    if profile.cost is None:
        return msgspec.structs.replace(priced, notes=("its price is not known", *priced.notes))
    shortest, longest = priced.output_tokens
    low = profile.cost.breakdown(priced.input_tokens, shortest, cached_tokens=priced.cached_tokens)
    high = None
    if longest is not None:
        high = profile.cost.breakdown(priced.input_tokens, longest, cached_tokens=priced.cached_tokens).total
    bound = low.above_context_tokens
    tier = (f"at its prices above {bound:,} tokens",) if bound is not None else ()
    return msgspec.structs.replace(priced, low_usd=low.total, high_usd=high, notes=(*tier, *priced.notes))


def _notes(profile: ModelProfile, tokens_in: int, tokens_out: int | None) -> tuple[str, ...]:
    takes, writes = profile.limits.input or profile.limits.context, profile.limits.output
    found = (
        (f"left the catalogue after {profile.retired_on}", profile.retired_on is not None),
        ("deprecated", profile.status == "deprecated"),
        (f"it takes {takes:,} tokens", takes is not None and tokens_in > takes),
        (f"it writes {writes:,} tokens", writes is not None and tokens_out is not None and tokens_out > writes),
    )
    return tuple(note for note, holds in found if holds)


def _order(priced: Priced) -> tuple[Any, ...]:
    """Return a sort key: by the price of the longest answer, then of the shortest, unknown prices last."""
    return (
        *((bound is None, bound or Decimal(0)) for bound in (priced.high_usd, priced.low_usd)),
        priced.model,
    )


def _row(priced: Priced) -> tuple[str, ...]:
    shortest, longest = priced.output_tokens
    return (
        priced.model,
        dollar_range(priced.low_usd, priced.high_usd),
        f"{priced.input_tokens:,}",
        priced.basis,
        f"{priced.cached_tokens:,}" if priced.cached_tokens else "",
        f"{longest:,}" if shortest == longest else f"0..{longest:,}" if longest is not None else "0..",
        "; ".join(priced.notes),
    )
