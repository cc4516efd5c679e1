"""Batches of texts, none of them larger than a provider accepts in one request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_FILLED = 2 / 3  # tokens are estimated, and there may be more of them


def batches(places: Iterable[int], tokens: Sequence[int], most_texts: int, most_tokens: int | None) -> list[list[int]]:
    """Cut the places into batches, in their order. A text that is too long by itself is a batch alone.

    Args:
        places: Indexes of the texts to embed.
        tokens: Estimated tokens of every text; not used if `most_tokens` is None.
        most_texts: Most texts in one batch.
        most_tokens: Most tokens in one batch, None for no limit; two thirds of it are used.

    Returns:
        The indexes of each batch.

    Example:
        >>> batches([0, 1, 2, 3], [5, 5, 9, 1], 3, 20)
        [[0, 1], [2, 3]]
    """
    room = None if most_tokens is None else most_tokens * _FILLED
    found: list[list[int]] = []
    filled = 0
    for place in places:
        size = 0 if room is None else tokens[place]
        full = room is not None and filled + size > room
        if not found or full or len(found[-1]) == most_texts:
            found.append([])
            filled = 0
        found[-1].append(place)
        filled += size
    return found
