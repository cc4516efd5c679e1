"""Many texts to few requests, none of them larger than a provider takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_FILLED = 2 / 3  # tokens are estimated, and there may be more of them


def batches(places: Iterable[int], tokens: Sequence[int], most_texts: int, most_tokens: int | None) -> list[list[int]]:
    """The places in their order, cut into batches. A text that is too long by itself goes alone.

    Args:
        places: Of the texts that are asked for.
        tokens: Of all texts, estimated; not looked at where any number of them is taken.
        most_texts: Of one batch.
        most_tokens: Of one batch, None for any number; two thirds of it are filled.

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
