"""Hundreds of conversations in every dialect: by the providers' own types each is valid, and nothing in it is lost.

What a dialect has no words for is refused before it is sent. `MAY_REFUSE` is the whole list: a refusal more, or one
less, is a failure here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

import pytest

from msgflux_like.call_plan import CallPlan
from msgflux_like.errors import InvalidMessagesError, InvalidRequestError, UnsupportedError
from msgflux_like.request import Change
from tests.dialects import official_types, read_back
from tests.dialects.conversations import Conversation, all_of_them
from tests.dialects.read_back import Piece, Placed
from tests.dialects.targets import SIGNED, TARGETS, messages_for, model

CONVERSATIONS: Final = all_of_them()

_CLAUDES: Final = ("anthropic", "vertex", "invoke", "converse")
_BEDROCK: Final = ("invoke", "converse", "nova")
_GEMINI: Final = ("gemini 2", "gemini 3")
_NOT_OPENAI: Final = tuple(name for name in TARGETS if name != "openai")

# What no words can say in a dialect, by what of a conversation it is.
MAY_REFUSE: Final[Mapping[str, tuple[str, ...]]] = {
    # parts
    "image link": ("ollama", *_BEDROCK),
    "image of assistant": tuple(name for name in _NOT_OPENAI if name not in _GEMINI),
    "image of system": tuple(name for name in _NOT_OPENAI if name != "responses"),
    "image in result": ("cohere",),
    "image file": ("cohere",),
    "audio": ("responses", "anthropic", "vertex", "invoke", "cohere", "ollama"),
    "video": ("responses", "anthropic", "vertex", "invoke", "mistral", "cohere", "ollama"),
    "video link": ("converse", "nova"),
    "pdf": ("cohere", "ollama"),
    "pdf in result": ("cohere", "ollama"),
    "text file": ("cohere", "ollama"),
    "zip": (*_CLAUDES, "nova", "cohere", "ollama"),
    "file id": ("cohere", "ollama", *_BEDROCK),
    "file link": ("cohere", "ollama", *_BEDROCK),
    "unknown part": _NOT_OPENAI,
    # turns
    "system alone": (*_CLAUDES, "nova", *_GEMINI, "mistral"),
    "last system": ("mistral",),
    "last answer": ("mistral",),
    "last call": ("mistral",),
    "prefill": ("openai", "responses", "nova", *_GEMINI, "cohere", "ollama"),
    # calls
    "arguments are no object": (*_CLAUDES, "nova", *_GEMINI, "ollama"),
    "no such call": _GEMINI,
    "forced choice": ("ollama",),
    "parallel_tool_calls": (*_GEMINI, "cohere", "ollama"),
    "one call of any tool": ("nova",),
    # parameters
    "temperature=1.5": (*_CLAUDES, "nova"),
    "top_p=0.0": ("cohere",),
    "top_p=1.0": ("cohere",),
    "top_k": ("openai", "responses"),
    "stop": ("responses",),
    "presence_penalty": ("responses", *_CLAUDES, "nova"),
    "presence_penalty=-1.0": ("cohere",),
    "frequency_penalty": ("responses", *_CLAUDES, "nova"),
    "frequency_penalty=-1.0": ("cohere",),
    "seed": ("responses", *_CLAUDES, "nova"),
    "user": ("converse", "nova", *_GEMINI, "mistral", "cohere", "ollama"),
    "logprobs": (*_CLAUDES, "nova"),
    "top_logprobs": ("cohere",),
    "reasoning_budget=2048": ("openai", "mistral", "ollama"),
}


def planned(name: str, conversation: Conversation, **more: Any) -> CallPlan:
    return model(name).plan(messages_for(name, conversation), **{**conversation.call, **more})


def sent(name: str) -> Iterator[tuple[Conversation, CallPlan]]:
    """The conversations that the target takes, and what goes out."""
    for conversation in CONVERSATIONS:
        try:
            yield conversation, planned(name, conversation)
        except InvalidRequestError:
            continue


def test_there_are_hundreds_of_them_and_they_are_the_same_in_every_run():
    names = [conversation.name for conversation in CONVERSATIONS]
    assert len(names) == len(set(names)) > 500
    assert repr(all_of_them()[-120:]) == repr(CONVERSATIONS[-120:])


# ---------------------------------------------------------------------------------------------------- by their own types

_PACKAGE: Final = {
    "openai_chat": "openai",
    "openai_responses": "openai",
    "anthropic_messages": "anthropic",
    "vertex_anthropic": "anthropic",
    "bedrock_anthropic": "anthropic",
    "bedrock_converse": "botocore",
    "gemini": "google.genai",
    "mistral": "mistralai.client",
    "cohere_v2": "cohere",
    "ollama_chat": "ollama",
}


@pytest.mark.filterwarnings("default")  # the SDKs' own
@pytest.mark.parametrize("name", TARGETS)
def test_what_is_sent_is_valid_by_the_types_of_the_providers_sdk(name: str):
    dialect = TARGETS[name].dialect
    pytest.importorskip(_PACKAGE[dialect], reason=f"{_PACKAGE[dialect]} is not installed: make sdks", exc_type=ImportError)
    wrong: dict[str, str] = {}
    for conversation, plan in sent(name):
        try:
            official_types.check(dialect, plan)
        except (ValueError, AssertionError) as error:
            wrong[conversation.name] = str(error)[:2000]
    assert not wrong


# -------------------------------------------------------------------------------------------------------------- refusals

_PLACE: Final = re.compile(r"messages|system_prompt|prefilling|[a-z]+_[a-z_]+|temperature|seed|stop|user|logprobs")
_REMEDY: Final = re.compile(r"(?i)\b(give|leave|use|ask|read|takes|takes?|has|answers)\b")


@pytest.mark.parametrize("name", TARGETS)
def test_a_conversation_is_refused_for_what_the_dialect_has_no_words_for_alone(name: str):
    reasons = {trap for trap, names in MAY_REFUSE.items() if name in names}
    refused: dict[str, frozenset[str]] = {}
    for conversation in CONVERSATIONS:
        try:
            planned(name, conversation)
        except (UnsupportedError, InvalidMessagesError) as error:
            refused[conversation.name] = conversation.traps
            assert _PLACE.match(str(error)), error
            assert _REMEDY.search(str(error)), error
    expected = {each.name: each.traps for each in CONVERSATIONS if each.traps & reasons}
    assert refused == expected


def test_every_reason_to_refuse_is_one_that_a_conversation_has():
    assert MAY_REFUSE.keys() <= {trap for conversation in CONVERSATIONS for trap in conversation.traps}


# ------------------------------------------------------------------------------------------------------- nothing is lost


def said(name: str, conversation: Conversation) -> list[Placed]:
    """What the call says, in the dialect's order."""
    dialect = TARGETS[name].dialect
    own = read_back.of_messages(conversation.messages)
    if prompt := conversation.call.get("system_prompt"):
        own.insert(0, Placed(("system", prompt)))
    if (prefill := conversation.call.get("prefilling")) is not None:
        own.append(Placed(("assistant", prefill), len(conversation.messages)))
    return read_back.in_the_order_of(dialect, own)


def kept(own: list[Placed], changes: tuple[Change, ...], count: int) -> list[Placed]:
    """The pieces of the conversation without those that a change says were dropped, and trimmed where one says so."""
    gone = [change.field for change in changes if change.kind == "dropped"]
    whole = {index for index in range(count) if f"messages[{index}]" in gone}
    found = [
        each
        for each in own
        if each.index not in whole and not (_is_blank(each.piece) and f"messages[{each.index}].content" in str(gone))
    ]
    if any(change.kind == "trimmed" for change in changes) and found and found[-1].piece[0] == "assistant":
        role, words = found[-1].piece
        found[-1] = Placed((role, words.rstrip()), found[-1].index)
    return found


def _is_blank(piece: Piece) -> bool:
    return isinstance(piece[-1], str) and not piece[-1].strip()


def by_kind(pieces: list[Piece]) -> dict[str, list[Any]]:
    """The pieces of each kind in their order, texts run together."""
    found: dict[str, list[Any]] = {}
    for kind, *rest in pieces:
        found.setdefault(kind, []).append(rest)
    return {
        kind: ["".join(rest[0] for rest in rests)] if kind in ("system", "user", "assistant") else rests
        for kind, rests in found.items()
    }


@pytest.mark.parametrize("name", TARGETS)
def test_texts_calls_results_and_media_are_all_there_and_in_order(name: str):
    lost: dict[str, Any] = {}
    for conversation, plan in sent(name):
        own = kept(said(name, conversation), plan.changes, len(conversation.messages))
        expected = read_back.pieces(own)
        found = read_back.pieces(read_back.of_body(TARGETS[name].dialect, plan.body))
        if "generation_schema" in conversation.call:  # which may be asked for in a system text
            expected, found = ([each for each in all_ if each[0] != "system"] for all_ in (expected, found))
        if any(change.kind == "emulated" and change.field == "messages" for change in plan.changes):
            lost |= _not_in_the_words(conversation, expected, plan)
        elif any(change.kind in ("merged", "moved") for change in plan.changes):
            if by_kind(found) != by_kind(expected):
                lost[conversation.name] = by_kind(expected), by_kind(found)
        elif found != expected:
            lost[conversation.name] = expected, found
    assert not lost


def _not_in_the_words(conversation: Conversation, expected: list[Piece], plan: CallPlan) -> dict[str, Any]:
    """What of the calls and results is not in the texts that stand for them."""
    body = json.dumps(plan.body, ensure_ascii=False)
    missing = [piece for piece in expected if not all(word in body for word in _words(piece))]
    return {conversation.name: missing} if missing else {}


def _words(piece: Piece) -> list[str]:
    return [json.dumps(each, ensure_ascii=False).strip('"') for each in piece[1:] if isinstance(each, str)]


@pytest.mark.parametrize("name", TARGETS)
def test_ids_are_of_one_call_each_and_a_changed_one_is_recorded(name: str):
    for conversation, plan in sent(name):
        if TARGETS[name].dialect in ("gemini", *read_back.SYSTEM_APART):
            pass
        given = [call["id"] for each in conversation.messages for call in each.get("tool_calls") or ()]
        body = json.dumps(plan.body, ensure_ascii=False)
        renamed = any(change.kind == "renamed" and change.field.endswith(".id") for change in plan.changes)
        textual = any(change.kind == "emulated" and change.field == "messages" for change in plan.changes)
        if not renamed and not textual:
            assert all(json.dumps(id_, ensure_ascii=False) in body for id_ in given), conversation.name


@pytest.mark.parametrize("name", TARGETS)
def test_state_goes_back_to_whom_it_belongs_and_to_nobody_else(name: str):
    for conversation, plan in sent(name):
        there = any(mark in json.dumps(plan.body) for mark in SIGNED)
        dropped = any(change.field.endswith(".provider_state") for change in plan.changes)
        match conversation.state:
            case "own":
                assert there or dropped, conversation.name
            case "foreign":
                assert dropped or not any(message["role"] == "assistant" for message in conversation.messages)
                assert not there, conversation.name
            case _:
                assert not there, conversation.name


# --------------------------------------------------------------------------------------------- what stands beside them

_WHAT_HAPPENS_ANYWAY: Final = {
    ("parallel_tool_calls", "True"),
    ("tool_choice", "'auto'"),
    ("stream", "False"),
    ("reasoning_effort", "'none'"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_every_argument_of_a_call_changes_what_is_sent_or_a_change_says_why_not(name: str):
    silent: set[tuple[str, str, str]] = set()
    for conversation, plan in sent(name):
        for argument, value in conversation.call.items():
            if value is None or (argument, repr(value)) in _WHAT_HAPPENS_ANYWAY or argument == "tool_schemas":
                continue
            without = {other: each for other, each in conversation.call.items() if other != argument}
            if argument == "logprobs":
                without.pop("top_logprobs", None)
            other = planned(name, conversation._replace(call=without))
            same = (other.body, other.url) == (plan.body, plan.url)
            if same and not any(argument in change.field for change in plan.changes):
                silent.add((conversation.name, argument, repr(value)))
    assert not silent


@pytest.mark.parametrize("name", TARGETS)
def test_every_tool_is_offered_with_its_schema_or_a_change_says_why_not(name: str):
    for conversation, plan in sent(name):
        body = json.dumps(plan.body)
        changed = {change.field for change in plan.changes if change.kind == "emulated"}
        for tool in conversation.call.get("tool_schemas", ()):
            if callable(tool) or "tool_choice" in changed:
                continue
            function = tool["function"]
            for words in (function["name"], function.get("parameters")):
                assert words is None or json.dumps(words) in body, (conversation.name, words)


_MARKS: Final = ("name", "cache_control", "detail", "strict", "filename")


@pytest.mark.parametrize("name", TARGETS)
def test_every_mark_changes_what_is_sent_or_a_change_says_why_not(name: str):
    silent: set[tuple[str, str]] = set()
    for conversation, plan in sent(name):
        for mark in _MARKS:
            messages, call = _without((conversation.messages, conversation.call), mark)
            if (messages, call) == (conversation.messages, conversation.call):
                continue
            other = planned(name, conversation._replace(messages=messages, call=call))
            same = other.body == plan.body
            if same and not any(change.field.endswith(mark) for change in plan.changes):
                silent.add((conversation.name, mark))
    assert not silent


def _without(value: Any, mark: str) -> Any:
    """The value without the marks. A function's own name is none, nor what says nothing."""
    if isinstance(value, (list, tuple)):
        return type(value)(_without(each, mark) for each in value)
    if not isinstance(value, dict):
        return value
    is_function = mark == "name" and ("arguments" in value or "parameters" in value or "description" in value)
    return {
        key: _without(each, mark)
        for key, each in value.items()
        if key != mark or each is False or is_function or value == {"name": each} or value.get("type") == "object"
    }


@pytest.mark.parametrize("name", TARGETS)
def test_the_callers_messages_are_not_changed_and_the_same_call_is_the_same_bytes(name: str):
    for conversation in CONVERSATIONS:
        messages = messages_for(name, conversation)
        before = deepcopy(messages)
        try:
            plans = [model(name).plan(messages, **conversation.call) for _ in range(2)]
        except InvalidRequestError:
            plans = []
        assert messages == before
        assert not plans or json.dumps(plans[0].body) == json.dumps(plans[1].body)
        assert not plans or plans[0].changes == plans[1].changes
