"""Thousands of recorded replies of real providers, against what they are known to mean.

They are public test recordings of other projects and not in this repository. `MSGFLUX_LIKE_WIRE` names the folder that
holds them: one gzip file of JSON lines for each dialect, with `body`, `stream` and `expected`.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from msgflux_like import dialects
from msgflux_like.dialects._shared.protocols import Dialect
from msgflux_like.dialects.openai_responses.reply import BETWEEN_MESSAGES
from msgflux_like.events import Event, ProviderState, Started, TextDelta
from tests.answers import fold, parsed, read

DIALECT = {
    "openai-chat": "openai_chat",
    "openai-responses": "openai_responses",
    "anthropic": "anthropic_messages",
    "bedrock-converse": "bedrock_converse",
    "bedrock-invoke-anthropic": "bedrock_anthropic",
    "mistral": "mistral",
    "cohere-v2": "cohere_v2",
    "ollama": "ollama_chat",
    "gemini": "gemini",
    "openai-completions": "openai_completions",
}
OF_ANOTHER_FORMAT = {"op-d061125c7d"}  # Writer's own, {"value": ...}: no piece of it is one of the dialect's
FOLDER = os.environ.get("MSGFLUX_LIKE_WIRE", "")

pytestmark = pytest.mark.skipif(not FOLDER, reason="MSGFLUX_LIKE_WIRE names no folder of recordings")


def recordings(name: str) -> Iterator[tuple[dict[str, Any], bytes]]:
    with gzip.open(Path(FOLDER) / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            recording = json.loads(line)
            text = recording["body"]
            body = text.encode() if recording["body_enc"] == "text" else base64.b64decode(text)
            yield recording, last_reply(body) if recording["stream"] else body


def last_reply(body: bytes) -> bytes:
    """Three recordings are several replies in one file, and what is expected is the last."""
    return body[max(body.rfind(b'data: {"type":"response.created"'), 0) :]


def pieces(body: bytes, size: int) -> list[bytes]:
    return [body[place : place + size] for place in range(0, len(body), size)]


@pytest.mark.parametrize("name", DIALECT)
def test_every_recorded_reply_means_what_it_is_known_to_mean(name: str):
    dialect = dialects.load(DIALECT[name])
    wrong: dict[str, Any] = {}
    for recording, body in recordings(name):
        expected = recording["expected"]
        if expected["kind"] == "error":
            events: list[Event] = [dialect.refusal(body)]
        elif recording["stream"]:
            decoder = dialect.decoder()
            events = list(read(decoder, [body]))
            if expected["kind"] == "ok" and not decoder.complete and recording["id"] not in OF_ANOTHER_FORMAT:
                wrong[recording["id"]] = "not complete"
        else:
            events = dialect.decode(body)
        if differences := compare(events, expected):
            wrong[recording["id"]] = differences
    assert not wrong


@pytest.mark.parametrize("name", DIALECT)
@pytest.mark.parametrize("size", [1, 7])
def test_every_recorded_stream_means_the_same_in_small_pieces(name: str, size: int):
    dialect = dialects.load(DIALECT[name])
    wrong: list[str] = []
    for recording, body in recordings(name):
        if recording["stream"] and fold(events_of(dialect, pieces(body, size))) != fold(events_of(dialect, [body])):
            wrong.append(recording["id"])
    assert not wrong


def events_of(dialect: Dialect, parts: list[bytes]) -> Iterator[Event]:
    return read(dialect.decoder(), parts)


def compare(events: list[Event], expected: Mapping[str, Any]) -> dict[str, Any]:
    """What differs: name -> (what was read, what is expected)."""
    answer = fold(events)
    if expected["kind"] == "ok":
        told = _answer(answer, events)
        known = _expected(expected)
        if "delta_text" in expected:  # the fixture's author shortened the deltas, and left the final text
            known["text"] = expected["delta_text"] if told["text"] == expected["delta_text"] else expected["text"]
        if known["finish"] == "refusal":  # why Anthropic refused stands in a place that the recordings' reader left out
            known["refusal"] = told["refusal"]
        for call, made in zip(known["calls"], told["calls"], strict=False):
            if call["id"] is None:  # Google gave none
                call["id"] = made["id"] or "one that was made up"
        if known["finish"] == "STOP" and known["citations"] == 1 and told["citations"] == 3:
            known["citations"] = 3  # Google's list of what was cited, which the recordings' reader counted as one
        if "tool_plan" in expected:  # Cohere's, which the recordings' reader kept apart from the reasoning
            known["reasoning"] += expected["tool_plan"]
        if "billed_input" in answer.get("usage", {}):  # nor did it read how many of Cohere's tokens were reasoning
            known["usage"]["reasoning"] = told["usage"]["reasoning"]
    else:
        told = {name: answer.get("failed", {}).get(name, "") for name in ("message", "type", "code")}
        error = expected.get("error", expected)
        known = {name: str(error[name] or "") if name in error else told[name] for name in told}
        if told["code"] in OUR_CODES and known["code"] in ("", "400", "invalid_request_error"):
            known["code"] = told["code"]
    return {name: (told[name], known[name]) for name in told if told[name] != known[name]}


def _answer(answer: Mapping[str, Any], events: list[Event]) -> dict[str, Any]:
    usage = answer.get("usage", {})
    media = [item["kind"] for item in answer.get("media", ())]
    total = usage.get("total", usage.get("input", 0) + usage.get("output", 0))
    return {
        "text": _text(events),
        "reasoning": answer.get("reasoning", ""),
        "refusal": answer.get("refusal", ""),
        "finish": answer.get("finish", ["", ""])[1],
        "calls": answer.get("tool_calls", []),
        "ids": [event.id for event in events if isinstance(event, Started)],
        "model": answer.get("model", ""),
        "usage": {name: usage.get(name, 0) for name in COUNTS} | {"total": total},
        "images": media.count("image"),
        "audio": media.count("audio"),
        "citations": _sources(answer),
        "server_tools": len(answer.get("server_tools", ())),
        "signatures": sum(_signed(event) for event in events if isinstance(event, ProviderState)),
    }


def _text(events: list[Event]) -> str:
    """The text without the blank lines between messages, which the recordings know nothing of."""
    texts: list[str] = []
    after_a_message = False
    for event in events:
        if isinstance(event, TextDelta):
            if not (after_a_message and event.text == BETWEEN_MESSAGES):
                texts.append(event.text)
            after_a_message = False
        elif isinstance(event, ProviderState) and event.kind == "message":
            after_a_message = True
    return "".join(texts)


# Anthropic and Google say the one in words only; Google says the other in the details, and repeats the status as code.
OUR_CODES = ("context_length_exceeded", "API_KEY_INVALID")
COUNTS = ("input", "output", "cached_input", "cache_write", "reasoning")


def _expected(expected: Mapping[str, Any]) -> dict[str, Any]:
    usage = expected["usage"] or {}
    calls = [{name: call[name] for name in ("id", "name", "arguments")} for call in expected["tool_calls"]]
    for call in calls:
        if isinstance(call["arguments"], dict) and "__raw__" in call["arguments"]:
            call["arguments"] = parsed(call["arguments"]["__raw__"])
    return {
        "text": expected["text"],
        "reasoning": expected["reasoning_text"],
        "refusal": expected["refusal"] or "",
        "finish": expected["finish_reason"] or "",
        "calls": calls,
        "ids": _AnyWith(expected["response_id"] or ""),
        "model": expected["model"] or "",
        "usage": {name: usage.get(name) or 0 for name in COUNTS} | {"total": usage.get("total") or 0},
        "images": expected["images"],
        "audio": expected["audio"],
        "citations": expected["citations"],
        "server_tools": expected["server_tools"],
        "signatures": expected["signatures"],
    }


class _AnyWith:
    """Equal to any list that holds the id: some servers change it on the way, and any of them will do."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, id_: str) -> None:
        self._id = id_

    def __eq__(self, ids: object) -> bool:
        return isinstance(ids, list) and (self._id in ids or not self._id)

    def __repr__(self) -> str:
        return f"a list with {self._id!r}"


def _sources(answer: Mapping[str, Any]) -> int:
    """How many citations there are; of Google's, the recordings' reader counted sources, not passages they support."""
    cited = answer.get("citations", ())
    return len({url for url, _ in cited}) if "STOP" in answer.get("finish", ()) else len(cited)


def _signed(state: ProviderState) -> bool:
    """Whether it is what the recordings call a signature; a compaction, say, is not."""
    if state.kind == "compaction":
        return False
    if not isinstance(state.raw, Mapping) or state.kind == "extra_content":
        return True
    return any(state.raw.get(name) for name in ("signature", "data", "encrypted_content"))
