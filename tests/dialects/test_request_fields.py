"""Each field of a call is sent, named in the changes, or refused before anything is sent; never lost in silence."""

from __future__ import annotations

import pytest

from msgflux_like import dialects
from msgflux_like.errors import InvalidRequestError
from tests.dialects.marks import REQUEST_ROWS, SPEAKERS, is_sent, outcome, planned
from tests.fields_page import PAGE, page


@pytest.mark.parametrize(("speaker", "row"), REQUEST_ROWS)
def test_a_field_of_a_call_is_sent_noted_or_refused(speaker: str, row: str):
    assert outcome(speaker, row) in ("sent", "noted", "refused")


@pytest.mark.parametrize(("speaker", "row"), REQUEST_ROWS)
def test_a_field_of_a_call_that_must_not_be_changed_is_sent_or_refused(speaker: str, row: str):
    try:
        plan = planned(speaker, row, changes="refuse")
    except InvalidRequestError:
        return
    assert is_sent(plan, speaker, row)


def test_the_page_of_counts_is_current():
    assert PAGE.read_text() == page(), "run: python -m tests.fields_page"


def test_every_dialect_is_tried():
    assert {speaker.dialect for speaker in SPEAKERS.values()} == set(dialects.names())
