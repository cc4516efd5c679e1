"""Parsers of argument values: sizes, prices, days and shares.

Each raises ArgumentTypeError for an invalid value; argparse adds the name of the option.
"""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from decimal import Decimal

_SIZE = re.compile(r"(\d[\d_]*(?:\.\d+)?)([kM]?)", re.ASCII | re.IGNORECASE)
_PRICE = re.compile(r"\d+(?:\.\d+)?|\.\d+", re.ASCII)
_DAY = re.compile(r"(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?)?", re.ASCII)
_FACTORS = {"": 1, "k": 1000, "m": 1_000_000}


def size(text: str) -> int:
    """Parse a number of tokens: "128000", "128_000", "200k" or "1.5M"; k is 1,000."""
    found = _SIZE.fullmatch(text)
    number = Decimal(found[1]) * _FACTORS[found[2].lower()] if found and len(text) <= 20 else None
    if number is None or number != int(number):
        raise ArgumentTypeError(f"{text!r} is not a number of tokens: write 128000, 200k or 1.5M")
    return int(number)


def at_least_one(text: str) -> int:
    """Parse a number of at least 1."""
    if not (number := size(text)):
        raise ArgumentTypeError("must be 1 or more")
    return number


def in_and_out(text: str) -> tuple[int, int | None]:
    """Parse input and output tokens from "1M/200k"; the latter is None for "1M"."""
    tokens_in, slash, tokens_out = text.partition("/")
    return size(tokens_in), size(tokens_out) if slash else None


def price(text: str) -> float:
    """Parse a price in US dollars, 0 or more."""
    if not _PRICE.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is not a price: write US dollars, 0 or more, such as 5 or 0.25")
    return float(text)


def share(text: str) -> Decimal | int:
    """Parse a share: a Decimal from 0 to 1 for "80%", an int for a number of tokens."""
    if not text.endswith("%"):
        return size(text)
    percent = text.removesuffix("%")
    if not _PRICE.fullmatch(percent) or Decimal(percent) > 100:
        raise ArgumentTypeError(f"{text!r} is not a share: write 0% to 100%, or a number of tokens")
    return Decimal(percent) / 100


def day(text: str) -> str:
    """Parse a date, month or year and return its last day, as an ISO string, which sorts by date."""
    found = _DAY.fullmatch(text)
    if found is None:
        raise ArgumentTypeError(f"{text!r} is not a date: write YYYY-MM-DD, YYYY-MM or YYYY")
    return f"{found[1]}-{found[2] or '12'}-{found[3] or '31'}"
