"""Replies as they came over the wire, and what they mean. The folders of `tests/wire` are the list.

`reply.json` came whole, `reply.sse` as a stream (`reply.frames` as one in binary, here written as lines),
`refusal.json` with an error status; `answer.json` is what they mean, and where a folder has both replies they mean the
same.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from msgflux_like import dialects
from msgflux_like.dialects._shared.protocols import Dialect
from tests.answers import fold, streamed, whole
from tests.eventstreams import frames

WIRE = Path(__file__).parents[1] / "wire"
FOLDERS = sorted(folder for folder in WIRE.glob("*/*") if folder.is_dir())
NEEDED = {"text": "reply.json", "stream": "reply.sse", "tool_call": "reply.json", "error": "refusal.json"}
WITHOUT_TOOLS = {"openai_completions"}  # there are none in the format


STREAMS = ("reply.sse", "reply.frames")


def having(*names: str) -> pytest.MarkDecorator:
    folders = [folder for folder in FOLDERS if any((folder / name).exists() for name in names)]
    return pytest.mark.parametrize("case", folders, ids=lambda folder: f"{folder.parent.name}/{folder.name}")


def dialect_of(case: Path) -> Dialect:
    return dialects.load(case.parent.name)


def stream_of(case: Path) -> bytes:
    if (case / "reply.sse").exists():
        return (case / "reply.sse").read_bytes()
    return frames((case / "reply.frames").read_text(encoding="utf-8"))


def answer_of(case: Path) -> dict[str, Any]:
    answer = json.loads((case / "answer.json").read_text(encoding="utf-8"))
    answer.pop("about", None)  # a sentence for the reader
    return answer


@having("reply.json")
def test_a_whole_reply_means_its_answer(case: Path):
    assert whole(dialect_of(case), (case / "reply.json").read_bytes()) == answer_of(case)


@having(*STREAMS)
def test_a_streamed_reply_means_its_answer(case: Path):
    assert streamed(dialect_of(case), [stream_of(case)]) == answer_of(case)


@having(*STREAMS)
def test_it_does_not_matter_where_the_network_cuts(case: Path):
    dialect, wire, expected = dialect_of(case), stream_of(case), answer_of(case)
    assert streamed(dialect, [wire[place : place + 1] for place in range(len(wire))]) == expected
    for cut in range(1, len(wire)):
        assert streamed(dialect, [wire[:cut], wire[cut:]]) == expected, f"cut at byte {cut}"


@having(*STREAMS)
def test_a_stream_that_ends_early_says_nothing_else_than_the_whole_one(case: Path):
    dialect, wire, expected = dialect_of(case), stream_of(case), answer_of(case)
    whole_text = expected.get("text", "")
    for end in range(0, len(wire), 7):
        try:
            got = streamed(dialect, [wire[:end]])
        except msgspec.DecodeError:  # the last event, cut in its middle: it is none
            continue
        assert whole_text.startswith(got.get("text", ""))
        assert "complete" in got or "finish" in got or "usage" in got


@having("refusal.json")
def test_a_refusal_means_its_failure(case: Path):
    assert fold([dialect_of(case).refusal((case / "refusal.json").read_bytes())]) == answer_of(case)


@pytest.mark.parametrize("name", dialects.names())
def test_a_dialect_shows_a_text_a_stream_a_call_and_an_error(name: str):
    needed = {case: file for case, file in NEEDED.items() if case != "tool_call" or name not in WITHOUT_TOOLS}
    files = {case: STREAMS if file in STREAMS else (file,) for case, file in needed.items()}
    missing = [case for case in files if not any((WIRE / name / case / file).exists() for file in files[case])]
    assert not missing, f"tests/wire/{name} lacks {', '.join(missing)}"


def test_a_folder_without_a_dialect_is_a_mistake():
    assert {folder.parent.name for folder in FOLDERS} <= set(dialects.names())


@pytest.mark.parametrize("name", dialects.names())
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b'{"id":'])
def test_what_is_no_reply_is_refused(name: str, body: bytes):
    with pytest.raises(msgspec.DecodeError):
        dialects.load(name).decode(body)


@pytest.mark.parametrize("name", dialects.names())
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b'{"id":', b"null", b'{"error":null}', b"\xff\xfe"])
def test_any_refusal_has_a_message(name: str, body: bytes):
    assert dialects.load(name).refusal(body).message


@pytest.mark.parametrize("name", dialects.names())
def test_nothing_follows_the_end(name: str):
    wire = stream_of(WIRE / name / "stream")
    assert streamed(dialects.load(name), [wire + wire]) == answer_of(WIRE / name / "stream")


@pytest.mark.parametrize("name", dialects.names())
def test_an_empty_body_is_no_answer(name: str):
    assert streamed(dialects.load(name), [b"", b"\n\n"]) == {"complete": False}


@pytest.mark.parametrize(
    ("name", "other"), [("openai_responses", "openai_chat"), ("anthropic_messages", "openai_responses")]
)
def test_a_reply_of_another_dialect_is_no_empty_answer(name: str, other: str):
    with pytest.raises(msgspec.DecodeError):
        dialects.load(name).decode((WIRE / other / "text" / "reply.json").read_bytes())
