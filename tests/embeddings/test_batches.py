"""Texts cut into batches: all of them, in their order, and no batch larger than it may be."""

from __future__ import annotations

from itertools import chain, pairwise

from hypothesis import given
from hypothesis import strategies as st

from msgflux_like.dialects._shared.embedding_batches import batches

sizes = st.lists(st.integers(0, 50), max_size=60)


@given(sizes, st.integers(1, 10), st.none() | st.integers(1, 100))
def test_no_text_is_lost_and_no_batch_is_too_large(tokens, most_texts, most_tokens):
    found = batches(range(len(tokens)), tokens, most_texts, most_tokens)
    assert list(chain.from_iterable(found)) == list(range(len(tokens)))
    for batch in found:
        assert 1 <= len(batch) <= most_texts
        if most_tokens is not None and len(batch) > 1:
            assert sum(tokens[place] for place in batch) <= most_tokens * 2 / 3


@given(sizes, st.integers(1, 10), st.none() | st.integers(1, 100))
def test_a_batch_ends_only_where_the_next_text_does_not_fit(tokens, most_texts, most_tokens):
    for one, two in pairwise(batches(range(len(tokens)), tokens, most_texts, most_tokens)):
        whole = len(one) == most_texts
        full = most_tokens is not None and sum(tokens[place] for place in [*one, two[0]]) > most_tokens * 2 / 3
        assert whole or full


def test_only_the_places_that_are_asked_for_are_in_them():
    assert batches([0, 2, 3, 7], [1] * 8, 2, None) == [[0, 2], [3, 7]]


def test_nothing_asked_for_is_no_batch():
    assert batches([], [], 10, 10) == []
