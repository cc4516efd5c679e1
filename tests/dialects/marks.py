"""Marked fields: the models of each dialect that they are tried with, and where a mark is found again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from decimal import Decimal
from functools import cache
from types import ModuleType
from typing import Any, Final, Literal, NamedTuple

import pytest

import msgflux_like as mf
from msgflux_like.errors import InvalidRequestError, ToolCallError
from msgflux_like.response.tool_calls import ToolCall
from msgflux_like.testing import FakeProvider, FakeReply
from tests.dialects.fields import (
    anthropic_messages,
    bedrock_converse,
    cohere_v2,
    gemini,
    mistral,
    ollama_chat,
    openai_chat,
    openai_completions,
    openai_responses,
)
from tests.eventstreams import event
from tests.fake_servers.recorded_replies import DONE, sse

Json = dict[str, Any]
Outcome = Literal["sent", "noted", "refused"]
MARKS: Final = ("MARK9", "99173")


class Speaker(NamedTuple):
    """A model, the dialect that it is spoken to in, and the table of the dialect's fields."""

    path: str
    dialect: str
    fields: ModuleType


_CLAUDE: Final = "amazon-bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0"

SPEAKERS: Final[Mapping[str, Speaker]] = {
    "OpenAI": Speaker("openai/gpt-4.1", "openai_chat", openai_chat),
    "another host": Speaker("openai-compatible/m", "openai_chat", openai_chat),
    "completions": Speaker("openai-compatible/m", "openai_completions", openai_completions),
    "Responses": Speaker("openai-responses/gpt-5.2", "openai_responses", openai_responses),
    "Anthropic": Speaker("anthropic/claude-sonnet-4-5", "anthropic_messages", anthropic_messages),
    "Vertex AI": Speaker("google-vertex-anthropic/claude-sonnet-4-5@20250929", "vertex_anthropic", anthropic_messages),
    "Bedrock's invoke": Speaker(_CLAUDE, "bedrock_anthropic", anthropic_messages),
    "Converse, Claude": Speaker(_CLAUDE, "bedrock_converse", bedrock_converse),
    "Converse, Nova": Speaker("amazon-bedrock/us.amazon.nova-2-lite-v1:0", "bedrock_converse", bedrock_converse),
    "Gemini 2": Speaker("google/gemini-2.5-flash", "gemini", gemini),
    "Gemini 3": Speaker("google/gemini-3.1-pro-preview", "gemini", gemini),
    "Mistral": Speaker("mistral/mistral-large-latest", "mistral", mistral),
    "Cohere": Speaker("cohere/command-a-reasoning-08-2025", "cohere_v2", cohere_v2),
    "Ollama": Speaker("ollama-native/qwen3", "ollama_chat", ollama_chat),
}

REPLY_ROWS: Final = [(name, row) for name, speaker in SPEAKERS.items() for row in speaker.fields.REPLY]
REQUEST_ROWS: Final = [(name, row) for name, speaker in SPEAKERS.items() for row in speaker.fields.REQUEST]

_VARIABLES: Final = {
    "AWS_REGION": "us-east-1",
    "GOOGLE_VERTEX_PROJECT": "p",
    "GOOGLE_VERTEX_LOCATION": "us-east5",
    "GOOGLE_VERTEX_ENDPOINT": "us-east5-aiplatform.googleapis.com",
}


def model(speaker: str, reply: FakeReply | None = None) -> Any:
    """Return a model of the dialect that is answered with the reply."""
    path, dialect, _ = SPEAKERS[speaker]
    kind = mf.Model.text_completion if dialect == "openai_completions" else mf.Model.chat_completion
    options: Json = {"base_url": "http://127.0.0.1:9/v1"} if path.startswith("openai-compatible/") else {}
    if dialect != "openai_completions":
        options["dialect"] = dialect
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _VARIABLES.items():
            patch.setenv(name, value)
        return kind(path, api_key="sk-x", max_retries=0, http_client=FakeProvider(reply), **options)


# ----------------------------------------------------------------------------------------------------------- replies


def answer(speaker: str, row: str, *, stream: bool) -> Any:
    """Return the response to the marked reply."""
    _, dialect, fields = SPEAKERS[speaker]
    whole, events = fields.REPLY[row]
    if not stream:
        return model(speaker, FakeReply.whole(whole))("q", check="off")
    return model(speaker, framed(dialect, events))("q", check="off", stream=True).result()


def framed(dialect: str, events: Sequence[Json]) -> FakeReply:
    """Return a stream of the events, in the framing of the dialect."""
    match dialect:
        case "ollama_chat":
            lines = tuple(json.dumps(each).encode() + b"\n" for each in events)
            return FakeReply(200, {"content-type": "application/x-ndjson"}, lines)
        case "bedrock_converse":
            pieces = tuple(event(kind, json.dumps(value).encode()) for each in events for kind, value in each.items())
            return FakeReply(200, {"content-type": "application/vnd.amazon.eventstream"}, pieces)
        case "bedrock_anthropic":
            pieces = tuple(event("chunk", json.dumps(each).encode()) for each in events)
            return FakeReply(200, {"content-type": "application/vnd.amazon.eventstream"}, pieces)
        case "openai_chat" | "openai_completions" | "mistral":
            return FakeReply.streamed(*sse(events), DONE)
        case _:
            return FakeReply.streamed(*sse(events))


def places(value: Any, *, without: frozenset[str] = frozenset(), at: str = "response") -> Iterator[str]:
    """Yield the paths of the marks that the public attributes of a value lead to.

    Args:
        value: Value to be walked through.
        without: Names of attributes of the value itself that are left out.
        at: Path of the value.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str | int | float | Decimal):
        if any(mark in str(value) for mark in MARKS):
            yield at
        return
    for each, path in _inside(value, without, at):
        yield from places(each, at=path)


def _inside(value: Any, without: frozenset[str], at: str) -> Iterator[tuple[Any, str]]:
    if isinstance(value, Mapping) and not isinstance(value, ToolCall):  # a mapping of its arguments, if they are JSON
        for key, each in value.items():
            yield from ((key, f"{at}.{key}"), (each, f"{at}.{key}"))
    elif isinstance(value, list | tuple):
        yield from ((each, f"{at}[{index}]") for index, each in enumerate(value))
    else:
        yield from ((each, f"{at}.{name}") for name, each in _attributes(value, without))


_CALLED: Final = ("events", "get_calls")
"""Methods without arguments that return what is in a response."""


def _attributes(value: Any, without: frozenset[str]) -> Iterator[tuple[str, Any]]:
    for name in dir(value):
        if name.startswith("_") or name in without:
            continue
        try:
            found = getattr(value, name)
        except ToolCallError:
            continue  # arguments that are not JSON; `raw_arguments` has them
        if not callable(found):
            yield name, found
        elif name in _CALLED:
            yield name, found()


@cache
def is_reachable(speaker: str, row: str, *, stream: bool, raw: bool = True) -> bool:
    """Return whether the mark is on the response; `raw=False` leaves `response.raw` out."""
    response = answer(speaker, row, stream=stream)
    return any(places(response, without=frozenset() if raw else frozenset({"raw"})))


# ---------------------------------------------------------------------------------------------------------- requests


def planned(speaker: str, row: str, **options: Any) -> Any:
    """Return the plan of the marked call."""
    call = deepcopy(SPEAKERS[speaker].fields.REQUEST[row])
    messages = call.pop("messages")
    if SPEAKERS[speaker].dialect == "openai_completions":
        call.pop("tool_schemas", None)
    return model(speaker).plan(messages, check="off", **call, **options)


def is_sent(plan: Any, speaker: str, row: str) -> bool:
    """Return whether the body has the mark; a row that is marked by its name alone, the name."""
    body = json.dumps(plan.body)
    if mark_keys(speaker, row):
        return any(mark in body for mark in MARKS)
    return f'"{row.rpartition(".")[2]}"' in body


_STRUCTURE: Final = frozenset(
    (
        *("messages", "content", "tool_calls", "tool_schemas", "function", "type", "text", "url"),
        *("image_url", "video_url", "input_audio", "file"),
    )
)
"""Names on the way to a field that do not say which field it is."""


@cache
def mark_keys(speaker: str, row: str) -> frozenset[str]:
    """Return the names of the fields that lead to the mark; empty for a row that is marked by its name."""
    call = SPEAKERS[speaker].fields.REQUEST[row]
    return frozenset(
        name for path in places(call, at="") for name in re.findall(r"[a-zA-Z_]+", path.replace(MARKS[0], ""))
    )


def is_noted(changes: Sequence[Any], speaker: str, row: str) -> bool:
    """Return whether the field of a change is the marked one, or holds it."""
    names = mark_keys(speaker, row) or {row.rpartition(".")[2]}
    changed = {name for each in changes for name in re.findall(r"[a-zA-Z_]+", each.field)}
    return bool((names - _STRUCTURE) & changed)


@cache
def outcome(speaker: str, row: str) -> Outcome | None:
    """Return what becomes of the marked field; None if it is lost without a word."""
    try:
        plan = planned(speaker, row)
    except InvalidRequestError:
        return "refused"
    if is_sent(plan, speaker, row):
        return "sent"
    return "noted" if is_noted(plan.changes, speaker, row) else None
