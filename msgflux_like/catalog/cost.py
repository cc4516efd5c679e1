"""The price lists of models, and their application to token counts."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Struct

Price = Annotated[float, Meta(ge=0)]
"""US dollars per million tokens."""

_T = TypeVar("_T")

# Sums and products of token counts and prices are exact in this context, whatever context the caller has set.
_EXACT = Context(prec=100)


def _wire_name(name: str) -> str:
    return name.removesuffix("_per_million")


class PriceList(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, rename=_wire_name):
    """Prices in US dollars per million tokens, for one range of context sizes. None means unknown; 0 means free.

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
    """The lower bound of a tier: with `type` "context", the tier applies above `size` tokens of input."""

    type: str
    size: int


class CostTier(PriceList, frozen=True, kw_only=True, gc=False):
    """The prices of a request whose input is longer than the tier's bound; they apply to the whole request."""

    tier: TierBound


class Buckets(Struct, Generic[_T], frozen=True, kw_only=True):
    """One value for each kind of token; each token is of exactly one kind.

    Attributes:
        input: Input of no other kind.
        cache_read: Input read from the provider's cache.
        cache_write: Input written to the provider's cache.
        input_audio: Audio input that was not read from the cache.
        output: Output of no other kind.
        reasoning: Reasoning.
        output_audio: Audio output.
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
        total: Sum of the seven, in US dollars.
        tokens: Number of tokens of each kind.
        per_million: Price that was applied to each kind, in US dollars per million tokens.
        above_context_tokens: Bound of the tier whose prices were applied, in tokens; None for the base prices.
    """

    total: Decimal
    tokens: Buckets[int]
    per_million: Buckets[Decimal]
    above_context_tokens: int | None = None


class ModelCost(PriceList, frozen=True, kw_only=True, gc=False):
    """The prices of one model at one provider, in US dollars per million tokens.

    The profile of a model without known prices has no `ModelCost`; its `cost` is None. A price of 0 is stated by the
    catalogue: the model is free, or paid for by a subscription.

    Attributes:
        input_per_million: Price of input.
        output_per_million: Price of output.
        cache_read_per_million: Price of input read from the provider's cache; None: the price of input.
        cache_write_per_million: Price of input written to the provider's cache; None: the price of input.
        reasoning_per_million: Price of reasoning; None: the price of output.
        input_audio_per_million: Price of audio input; None: the price of input.
        output_audio_per_million: Price of audio output; None: the price of output.
        tiers: Prices of requests with a long context, if the provider has such prices.
        context_over_200k: Older form of a single tier above 200,000 tokens; applied if `tiers` is empty.

    Example:
        >>> ModelCost(input_per_million=2.5, output_per_million=10.0).calculate(1000, 500)
        0.0075
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
        """Return the price of one call, in US dollars.

        Args:
            input_tokens: Whole input, 0 or more.
            output_tokens: Whole output, 0 or more.
            cached_tokens: Part of the input that was read from the provider's cache; default: 0.
            cache_write_tokens: Part of the input that was written to the provider's cache; default: 0.
            reasoning_tokens: Part of the output that is reasoning; default: 0.
            input_audio_tokens: Part of the input that is audio and was not read from the cache; default: 0.
            output_audio_tokens: Part of the output that is audio; default: 0.

        Returns:
            The `total` of `breakdown`, rounded to a float.

        Raises:
            ValueError: A count is negative or not an int, or the parts exceed the whole; the message names the count.

        Example:
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
        """Return the exact price of one call for each kind of token, in US dollars.

        Each part of the input and of the output is billed at its own price instead of the price of the whole. If the
        catalogue gives no price for a part, the price of the whole applies. If `input_tokens` is above the bound of a
        tier, the prices of that tier apply to the whole request, and the base prices are not used at all.

        Args:
            input_tokens: Whole input, 0 or more.
            output_tokens: Whole output, 0 or more.
            cached_tokens: Part of the input that was read from the provider's cache; default: 0.
            cache_write_tokens: Part of the input that was written to the provider's cache; default: 0.
            reasoning_tokens: Part of the output that is reasoning; default: 0.
            input_audio_tokens: Part of the input that is audio and was not read from the cache; default: 0.
            output_audio_tokens: Part of the output that is audio; default: 0.

        Returns:
            The price of each kind, their total, and the counts and prices that they were calculated from.

        Raises:
            ValueError: A count is negative or not an int, or the parts exceed the whole; the message names the count.

        Example:
            >>> cost = ModelCost(input_per_million=2.5, output_per_million=10.0, cache_read_per_million=1.25)
            >>> spent = cost.breakdown(1000, 500, cached_tokens=800)
            >>> print(f"{spent.input:f} + {spent.cache_read:f} + {spent.output:f} = {spent.total:f}")
            0.0005000 + 0.00100000 + 0.0050000 = 0.00650000
        """
        tokens = Buckets(
            input=_remainder(
                "input_tokens",
                input_tokens,
                cached_tokens=cached_tokens,
                cache_write_tokens=cache_write_tokens,
                input_audio_tokens=input_audio_tokens,
            ),
            cache_read=cached_tokens,
            cache_write=cache_write_tokens,
            input_audio=input_audio_tokens,
            output=_remainder(
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
        """Return the prices of a request with that much input, and the bound of their tier, None for the base."""
        bounds = [(tier.tier.size, tier) for tier in self.tiers if tier.tier.type == "context"]
        if not self.tiers and self.context_over_200k is not None:
            bounds = [(200_000, self.context_over_200k)]
        reached = [(size, prices) for size, prices in bounds if input_tokens > size]
        if not reached:
            return self, None
        size, prices = max(reached, key=lambda item: item[0])
        return prices, size


def _remainder(whole: str, count: int, **parts: int) -> int:
    """Return how many of `count` tokens are in no part; raise ValueError that names an invalid count."""
    for name, tokens in {whole: count, **parts}.items():
        if type(tokens) is not int or tokens < 0:
            raise ValueError(f"{name} must be a whole number of tokens, 0 or more; got {tokens!r}")
    rest = count - sum(parts.values())
    if rest < 0:
        stated = " + ".join(f"{name}={tokens}" for name, tokens in parts.items() if tokens)
        raise ValueError(f"{stated} is more than {whole}={count}, which includes it")
    return rest


def _effective(prices: PriceList) -> Buckets[Decimal]:
    """Return the price of each kind; the price of the whole if the catalogue gives none."""

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
