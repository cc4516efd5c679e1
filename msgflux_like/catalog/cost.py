"""What a call costs: the catalogue's prices, applied to token counts."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Struct

Price = Annotated[float, Meta(ge=0)]
"""US dollars per million tokens."""

_T = TypeVar("_T")

# Sums and products of token counts and prices are exact in this, whatever context the caller has set.
_EXACT = Context(prec=100)


def _wire_name(name: str) -> str:
    return name.removesuffix("_per_million")


class PriceList(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, rename=_wire_name):
    """Prices in US dollars per million tokens, for one range of context sizes. None is unknown; 0 is free.

    Source: the `cost` table of https://models.dev.
    """

    input_per_million: Price
    output_per_million: Price
    cache_read_per_million: Price | None = None
    cache_write_per_million: Price | None = None
    reasoning_per_million: Price | None = None
    input_audio_per_million: Price | None = None
    output_audio_per_million: Price | None = None


class TierBound(Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a tier begins: with `type` "context", above `size` tokens of input."""

    type: str
    size: int


class CostTier(PriceList, frozen=True, kw_only=True, gc=False):
    """The prices of a whole request whose input is longer than the tier's bound."""

    tier: TierBound


class Buckets(Struct, Generic[_T], frozen=True, kw_only=True):
    """One value for each kind of token; no token is of two kinds.

    Attributes:
        input: Input that is none of the following.
        cache_read: Input read from the provider's cache.
        cache_write: Input written to the provider's cache.
        input_audio: Audio in the input, not from the cache.
        output: Output that is none of the following.
        reasoning: Reasoning.
        output_audio: Audio in the output.
    """

    input: _T
    cache_read: _T
    cache_write: _T
    input_audio: _T
    output: _T
    reasoning: _T
    output_audio: _T


class CostBreakdown(Buckets[Decimal], frozen=True, kw_only=True):
    """US dollars for each kind of token; the seven add up exactly to `total`.

    Attributes:
        total: US dollars, the sum of the seven.
        tokens: How many tokens of each kind were counted.
        per_million: The price used for each kind, after tier and fallback, in US dollars per million tokens.
        above_context_tokens: Bound of the context tier whose prices were used, None for the base prices.
    """

    total: Decimal
    tokens: Buckets[int]
    per_million: Buckets[Decimal]
    above_context_tokens: int | None = None


class ModelCost(PriceList, frozen=True, kw_only=True, gc=False):
    """The prices of one model at one provider, in US dollars per million tokens.

    A model whose prices are not known has no `ModelCost`: its profile's `cost` is None. A price of 0 is what the
    catalogue states: the model is free, or paid for by a subscription.

    Attributes:
        tiers: Prices of requests with a long context, where the provider has such.
        context_over_200k: The catalogue's older form of a single tier above 200,000 tokens; used when `tiers` is empty.
    """

    tiers: tuple[CostTier, ...] = ()
    context_over_200k: PriceList | None = None

    def calculate(
        self,
        input_tokens: int,
        output_tokens: int,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        reasoning_tokens: int = 0,
        *,
        input_audio_tokens: int = 0,
        output_audio_tokens: int = 0,
    ) -> float:
        """Price of one call in US dollars: the `total` of `breakdown`, which see for the counts and what raises.

        >>> ModelCost(input_per_million=2.5, output_per_million=10.0).calculate(1000, 500)
        0.0075
        """
        return float(
            self.breakdown(
                input_tokens,
                output_tokens,
                cached_tokens=cached_tokens,
                cache_write_tokens=cache_write_tokens,
                reasoning_tokens=reasoning_tokens,
                input_audio_tokens=input_audio_tokens,
                output_audio_tokens=output_audio_tokens,
            ).total
        )

    def breakdown(
        self,
        input_tokens: int,
        output_tokens: int,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        reasoning_tokens: int = 0,
        *,
        input_audio_tokens: int = 0,
        output_audio_tokens: int = 0,
    ) -> CostBreakdown:
        """Price of one call in US dollars, kind by kind, exact.

        `input_tokens` is the whole input: `cached_tokens`, `cache_write_tokens` and `input_audio_tokens` (audio
        that was not read from the cache) are parts of it, and each is billed at its own price instead of the input
        price. `output_tokens` is the whole output, with `reasoning_tokens` and `output_audio_tokens` likewise.

        A price the catalogue does not give is that of the whole: the input price for cache reads, cache writes and
        audio in, the output price for reasoning and audio out. With `input_tokens` above a tier's bound the tier's
        prices hold for the whole request; the base prices then count for nothing, not even where the tier is silent.

        Raises:
            ValueError: A count is negative or no whole number, or the parts exceed the whole; it names the count.

        >>> cost = ModelCost(input_per_million=2.5, output_per_million=10.0, cache_read_per_million=1.25)
        >>> spent = cost.breakdown(1000, 500, cached_tokens=800)
        >>> print(f"{spent.input:f} + {spent.cache_read:f} + {spent.output:f} = {spent.total:f}")
        0.0005000 + 0.00100000 + 0.0050000 = 0.00650000
        """
        tokens = Buckets(
            input=_rest(
                "input_tokens",
                input_tokens,
                cached_tokens=cached_tokens,
                cache_write_tokens=cache_write_tokens,
                input_audio_tokens=input_audio_tokens,
            ),
            cache_read=cached_tokens,
            cache_write=cache_write_tokens,
            input_audio=input_audio_tokens,
            output=_rest(
                "output_tokens",
                output_tokens,
                reasoning_tokens=reasoning_tokens,
                output_audio_tokens=output_audio_tokens,
            ),
            reasoning=reasoning_tokens,
            output_audio=output_audio_tokens,
        )
        prices, bound = self._prices_at(input_tokens)
        return _priced(tokens, _effective(prices), bound)

    def _prices_at(self, input_tokens: int) -> tuple[PriceList, int | None]:
        """The prices of a request with this much input, and the bound of the tier they come from."""
        bounds = [(tier.tier.size, tier) for tier in self.tiers if tier.tier.type == "context"]
        if not self.tiers and self.context_over_200k is not None:
            bounds = [(200_000, self.context_over_200k)]
        reached = [(size, prices) for size, prices in bounds if input_tokens > size]
        if not reached:
            return self, None
        size, prices = max(reached, key=lambda item: item[0])
        return prices, size


def _rest(whole: str, count: int, **parts: int) -> int:
    """What of `count` is in none of its parts; a ValueError names a count that cannot be."""
    for name, tokens in {whole: count, **parts}.items():
        if type(tokens) is not int or tokens < 0:
            raise ValueError(f"{name} must be a whole number of tokens, 0 or more; got {tokens!r}")
    rest = count - sum(parts.values())
    if rest < 0:
        stated = " + ".join(f"{name}={tokens}" for name, tokens in parts.items() if tokens)
        raise ValueError(f"{stated} is more than {whole}={count}, of which it is a part")
    return rest


def _effective(prices: PriceList) -> Buckets[Decimal]:
    """The price of each kind, with the whole's price where the catalogue gives none."""

    def price(own: float | None, whole: float) -> Decimal:
        # repr gives the digits the catalogue wrote: Decimal(0.1) itself would be 0.1000000000000000055...
        return Decimal(repr(whole if own is None else own))

    input_price, output_price = prices.input_per_million, prices.output_per_million
    return Buckets(
        input=price(None, input_price),
        cache_read=price(prices.cache_read_per_million, input_price),
        cache_write=price(prices.cache_write_per_million, input_price),
        input_audio=price(prices.input_audio_per_million, input_price),
        output=price(None, output_price),
        reasoning=price(prices.reasoning_per_million, output_price),
        output_audio=price(prices.output_audio_per_million, output_price),
    )


def _priced(tokens: Buckets[int], per_million: Buckets[Decimal], bound: int | None) -> CostBreakdown:
    dollars = {kind: _dollars(getattr(tokens, kind), getattr(per_million, kind)) for kind in Buckets.__struct_fields__}
    total = Decimal(0)
    for spent in dollars.values():
        total = _EXACT.add(total, spent)
    return CostBreakdown(**dollars, total=total, tokens=tokens, per_million=per_million, above_context_tokens=bound)


def _dollars(tokens: int, per_million: Decimal) -> Decimal:
    spent = _EXACT.scaleb(_EXACT.multiply(Decimal(tokens), per_million), -6)
    return spent or Decimal(0)  # not 0E-7
