"""Each documented field of a reply is on the response, whole and streamed: on a typed field or in `provider_fields`."""

from __future__ import annotations

from typing import Final

import pytest

from msgflux_like.events import Citation, TextDelta
from tests.dialects.marks import REPLY_ROWS, SPEAKERS, is_reachable, places

ONLY_RAW: Final[dict[tuple[str, str], str]] = {}
"""Fields that are in `response.raw` alone, by dialect and row, with the reason."""

whole_and_streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@whole_and_streamed
@pytest.mark.parametrize(("speaker", "row"), REPLY_ROWS)
def test_a_field_of_a_reply_is_on_the_response(speaker: str, row: str, stream: bool):
    if stream and SPEAKERS[speaker].fields.REPLY[row][1] is None:
        pytest.skip("the field is not streamed")
    assert is_reachable(speaker, row, stream=stream)
    only_raw = (SPEAKERS[speaker].dialect, row) in ONLY_RAW
    assert is_reachable(speaker, row, stream=stream, raw=False) is not only_raw


def test_the_walker_finds_marks_at_every_depth_and_nothing_else():
    found = places({"a": [{"MARK9": 1}, b"MARK9", 99173, None, TextDelta("x")], "b": Citation("https://MARK9", "")})
    assert list(found) == ["response.a[0].MARK9", "response.a[1]", "response.a[2]", "response.b.url"]
