"""Replies in OpenAI's formats and those close to them: what is evidence of their end, and what may be wrong in them."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from msgflux_like import dialects, errors
from msgflux_like.events import TextDelta
from msgflux_like.models import Model
from msgflux_like.testing import FakeProvider, FakeReply
from tests.dialects.fields import mistral, ollama_chat, openai_chat, openai_completions

PATHS = {
    "openai_chat": "openai-compatible/m",
    "openai_completions": "openai-compatible/m",
    "mistral": "mistral/mistral-large-latest",
    "ollama_chat": "ollama-native/m",
}
CORPUS = {
    "openai_chat": "openai-chat",
    "openai_completions": "openai-completions",
    "mistral": "mistral",
    "ollama_chat": "ollama",
}
TABLES = {
    "openai_chat": openai_chat,
    "openai_completions": openai_completions,
    "mistral": mistral,
    "ollama_chat": ollama_chat,
}
WIRE = Path(__file__).parents[1] / "wire"
FOLDER = os.environ.get("MSGFLUX_LIKE_WIRE", "")


def model(dialect: str, *replies: Any, **options: Any) -> Any:
    made = [each if isinstance(each, FakeReply) else FakeReply.whole(each) for each in replies]
    kind = Model.text_completion if dialect == "openai_completions" else Model.chat_completion
    base_url = {} if dialect == "mistral" else {"base_url": "http://127.0.0.1:9/v1"}
    options = {"api_key": "k", "max_retries": 0, "check": "off", **base_url, **options}
    check = options.pop("check")
    return _Checked(kind(PATHS[dialect], http_client=FakeProvider(made), **options), check)


class _Checked:
    """A model whose calls are not checked against the catalogue."""

    def __init__(self, inner: Any, check: str) -> None:
        self._inner = inner
        self._check = check

    def __call__(self, messages: Any = "q", **call: Any) -> Any:
        return self._inner(messages, check=self._check, **call)

    def plan(self, messages: Any, **call: Any) -> Any:
        return self._inner.plan(messages, check=self._check, **call)


def stream_of(dialect: str, chunks: list[Any], *, done: bool = True) -> FakeReply:
    if dialect == "ollama_chat":
        return FakeReply(
            200, {"content-type": "application/x-ndjson"}, tuple(json.dumps(c).encode() + b"\n" for c in chunks)
        )
    pieces = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    return FakeReply.streamed(*pieces, *([b"data: [DONE]\n\n"] if done else []))


# -------------------------------------------------------------------------------------------- evidence of an end


def cases(dialect: str) -> Iterator[bytes]:
    for file in sorted((WIRE / dialect).glob("*/reply.sse")):
        yield file.read_bytes()
    if FOLDER:
        with gzip.open(Path(FOLDER) / f"{CORPUS[dialect]}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for line in lines:
                recording = json.loads(line)
                if recording["stream"] and recording["expected"]["kind"] == "ok" and recording["body_enc"] == "text":
                    yield recording["body"].encode()


def answer(dialect: str, body: bytes) -> tuple[Any, ...] | None:
    """The answer in a stream, None where the stream is an error."""
    kind = "application/x-ndjson" if dialect == "ollama_chat" else "text/event-stream"
    try:
        found = model(dialect, FakeReply(200, {"content-type": kind}, (body,)))(stream=True).result()
    except errors.APIError:
        return None
    calls = [(call.name, call.raw_arguments) for call in found.tool_calls.get_calls()]
    return found.text, found.reasoning, found.refusal, calls


@pytest.mark.parametrize("dialect", PATHS)
def test_a_stream_cut_anywhere_is_a_whole_answer_or_an_error(dialect: str):
    wrong = []
    for body in cases(dialect):
        whole = answer(dialect, body)
        for place in range(20):
            cut = body[: len(body) * place // 20]
            if (found := answer(dialect, cut)) is not None and found != whole:
                wrong.append((cut[-200:], found, whole))
    assert not wrong


def chunk(content: str, finish: str | None = None, index: int = 0, **top: Any) -> Any:
    choice = {"index": index, "delta": {"content": content}, "text": content, "finish_reason": finish}
    return {"id": "c", "model": "m", "choices": [choice], **top}


USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
OPENAI = [name for name in PATHS if name != "ollama_chat"]


@pytest.mark.parametrize("dialect", OPENAI)
def test_usage_in_every_chunk_shows_no_end(dialect: str):
    reply = stream_of(dialect, [chunk("Transfer", usage=USAGE), chunk(" 100", usage=USAGE)], done=False)
    with pytest.raises(errors.TruncatedStreamError):
        model(dialect, reply)(stream=True).result()


@pytest.mark.parametrize("dialect", OPENAI)
@pytest.mark.parametrize("end", [b"data: [DONE]\n\n", b"data: [DONE] \n\n", b"data:  [DONE]\n\n", b"usage"])
def test_an_end_mark_without_a_finish_reason_is_an_unknown_end_and_is_not_cached(dialect: str, end: bytes):
    chunks = [json.dumps(chunk("Hel")).encode(), json.dumps(chunk("lo")).encode()]
    last = b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\n" if end == b"usage" else end
    reply = FakeReply.streamed(*(b"data: " + each + b"\n\n" for each in chunks), last)
    asked = model(dialect, reply, reply, enable_cache=True)
    for _ in range(2):
        response = asked(stream=True).result()
        assert (response.text, response.metadata.finish_reason, response.cached) == ("Hello", "unknown", False)
        assert any("finish_reason" in warning for warning in response.warnings)


@pytest.mark.parametrize("dialect", OPENAI)
def test_an_end_mark_or_usage_without_content_is_no_answer(dialect: str):
    for chunks in ([], [{"choices": [], "usage": USAGE}]):
        with pytest.raises(errors.APIError):
            model(dialect, stream_of(dialect, chunks))(stream=True).result()


# ----------------------------------------------------------------------------------------- odd shapes of a reply

ODD = (None, False, True, 0, 3, -1, 1.5, 2**70, "", "x", [], [None], ["x"], [[1]], {}, {"x": 1}, {"type": ["x"]})
DECISIVE = {
    "choices",
    "message",
    "delta",
    "content",
    "text",
    "tool_calls",
    "function_call",
    "function",
    "custom",
    "name",
}
DECISIVE |= {
    "arguments",
    "images",
    "audio",
    "data",
    "transcript",
    "done",
    "response",
    "error",
    "finish_reason",
    "index",
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each field in a reply."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def with_value(reply: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = deepcopy(reply)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


@pytest.mark.parametrize("dialect", PATHS)
def test_a_field_of_a_wrong_shape_costs_no_text_unless_it_holds_the_answer(dialect: str):
    lost = []
    for name, (whole, chunks) in TABLES[dialect].REPLY.items():
        expected = text_in(dialect, [whole], streamed=False)
        for path in places(whole):
            for odd in ODD:
                text = text_in(dialect, [with_value(whole, path, odd)], streamed=False)
                if text != expected and not decides(path):
                    lost.append((name, path, odd, text))
        for path in places((chunks or [whole])[0]):
            for odd in ODD:
                text_in(dialect, [with_value((chunks or [whole])[0], path, odd)], streamed=True)
    assert not lost


def decides(path: tuple[Any, ...]) -> bool:
    """Whether the field holds a part of the answer, or says which part it is."""
    return path[-1] in DECISIVE or isinstance(path[-1], int) or (path[-1] == "type" and "content" in path)


def text_in(dialect: str, replies: list[Any], *, streamed: bool) -> str | None:
    """The text of a reply, None if it cannot be read; any other exception than that of the format is a mistake."""
    read = dialects.load(dialect)
    try:
        if not streamed:
            events = read.decode(json.dumps(replies[0]).encode())
        else:
            decoder = read.decoder()
            pieces = stream_of(dialect, replies).pieces
            events = [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()
    except msgspec.DecodeError:
        return None
    return "".join(event.text for event in events if isinstance(event, TextDelta))
