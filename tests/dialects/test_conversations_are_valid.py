"""Hundreds of conversations in every dialect: by the providers' own types each is valid, and nothing in it is lost.

What a dialect has no words for is refused before it is sent. `MAY_REFUSE` is the whole list: a refusal more, or one
less, is a failure here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any, Final

import msgspec
import pytest

from msgflux_like.calls.plan import CallPlan
from msgflux_like.errors import InvalidMessagesError, InvalidRequestError, UnsupportedError
from msgflux_like.request import Change
from tests.dialects import official_types, read_back
from tests.dialects.builders import Conversation, tool
from tests.dialects.conversations import all_of_them
from tests.dialects.read_back import Piece, Placed
from tests.dialects.targets import SIGNED, TARGETS, messages_for, model

CONVERSATIONS: Final = all_of_them()

_CLAUDES: Final = ("anthropic", "vertex", "invoke", "converse")
_BEDROCK: Final = ("invoke", "converse", "nova")
_GEMINI: Final = ("gemini 2", "gemini 3")

# What no words can say in a dialect, by what of a conversation it is.
MAY_REFUSE: Final[Mapping[str, tuple[str, ...]]] = {
    # parts
    "image link": ("ollama", "vertex", *_BEDROCK),
    "image of assistant": tuple(name for name in TARGETS if name not in _GEMINI),
    "image of system": tuple(name for name in TARGETS if name != "responses"),
    "image in result": ("cohere",),
    "image file": ("cohere",),
    "audio": ("responses", "anthropic", "vertex", "invoke", "cohere", "ollama"),
    "video": ("openai", "responses", "anthropic", "vertex", "invoke", "mistral", "cohere", "ollama"),
    "video link": ("converse", "nova"),
    "pdf": ("cohere", "ollama"),
    "pdf in result": ("cohere", "ollama"),
    "text file": ("cohere", "ollama"),
    "zip": (*_CLAUDES, "nova", "cohere", "ollama"),
    "file id": ("cohere", "ollama", "vertex", *_BEDROCK),
    "file link": ("openai", "cohere", "ollama", "vertex", *_BEDROCK),
    "unknown part": tuple(TARGETS),
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


@cache
def answers(name: str) -> tuple[CallPlan | InvalidRequestError, ...]:
    """What goes out, or why nothing does, for each of the conversations."""
    found: list[CallPlan | InvalidRequestError] = []
    for conversation in CONVERSATIONS:
        try:
            found.append(planned(name, conversation))
        except (UnsupportedError, InvalidMessagesError) as error:
            found.append(error)
    return tuple(found)


def sent(name: str) -> Iterator[tuple[Conversation, CallPlan]]:
    """The conversations that the target takes, and what goes out."""
    for conversation, answer in zip(CONVERSATIONS, answers(name), strict=True):
        if isinstance(answer, CallPlan):
            yield conversation, answer


def test_there_are_hundreds_of_them_and_they_are_the_same_in_every_run():
    names = [conversation.name for conversation in CONVERSATIONS]
    assert len(names) == len(set(names)) > 500
    assert repr(all_of_them()[-120:]) == repr(CONVERSATIONS[-120:])


# --------------------------------------------------------------------------------------------------- by their own types

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


def _need_sdk(dialect: str) -> None:
    package = _PACKAGE[dialect]
    pytest.importorskip(package, reason=f"{package} is not installed: `make sdks` has it", exc_type=ImportError)


@pytest.mark.filterwarnings("default")  # the SDKs' own
@pytest.mark.parametrize("name", TARGETS)
def test_what_is_sent_is_valid_by_the_types_of_the_providers_sdk(name: str):
    dialect = TARGETS[name].dialect
    _need_sdk(dialect)
    wrong: dict[str, str] = {}
    for conversation, plan in sent(name):
        try:
            official_types.check(dialect, plan)
        except (ValueError, AssertionError) as error:
            wrong[conversation.name] = str(error)[:2000]
    assert not wrong


def test_reasoning_details_go_to_openai_only_where_it_gave_them():
    """The one thing that the check leaves out of what is sent."""
    there = {each.name for each, plan in sent("openai") if "reasoning_details" in json.dumps(plan.body)}
    answered = {each.name for each, _ in sent("openai") if any(turn["role"] == "assistant" for turn in each.messages)}
    assert there == answered & {each.name for each in CONVERSATIONS if each.state == "own"}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", TARGETS)
def test_the_types_would_say_what_is_wrong(name: str):
    """A field too many at any depth, and a value of another type."""
    dialect = TARGETS[name].dialect
    _need_sdk(dialect)
    plan = model(name).plan("Hello", tool_schemas=[tool()], temperature=0.5)
    official_types.check(dialect, plan)
    (turns,) = {"messages", "input", "contents"} & plan.body.keys()
    top = {**plan.body, "of_nobody": 1}
    turn = {**plan.body, turns: [{**plan.body[turns][0], "of_nobody": 1}]}
    number = {**plan.body, turns: [{**plan.body[turns][0], "role": 1}]}
    for body in (top, turn, number):
        with pytest.raises((ValueError, AssertionError)):
            official_types.check(dialect, msgspec.structs.replace(plan, body=body))


# ------------------------------------------------------------------------------------------------------------- refusals

_PLACE: Final = re.compile(r"messages?\b|prefilling|[a-z]+_[a-z_]+|temperature|seed|stop|user|logprobs")
_REMEDY: Final = re.compile(r"\b([Gg]ive|given|[Aa]dd|[Pp]ass|[Ll]eave it out|Ask|takes|must be|Read|[Uu]se)\b")


@pytest.mark.parametrize("name", TARGETS)
def test_a_conversation_is_refused_for_what_the_dialect_has_no_words_for_alone(name: str):
    reasons = {trap for trap, names in MAY_REFUSE.items() if name in names}
    refused: dict[str, frozenset[str]] = {}
    for conversation, answer in zip(CONVERSATIONS, answers(name), strict=True):
        if isinstance(answer, InvalidRequestError):
            refused[conversation.name] = conversation.traps
            assert _PLACE.search(str(answer)), answer
            assert _REMEDY.search(str(answer)), answer
    expected = {each.name: each.traps for each in CONVERSATIONS if each.traps & reasons}
    assert refused == expected


def test_every_reason_to_refuse_is_one_that_a_conversation_has():
    assert MAY_REFUSE.keys() <= {trap for conversation in CONVERSATIONS for trap in conversation.traps}


# ------------------------------------------------------------------------------------------------------ nothing is lost


def said(name: str, conversation: Conversation) -> list[Placed]:
    """What the call says, in the dialect's order."""
    dialect = TARGETS[name].dialect
    own = read_back.of_messages(conversation.messages)
    if prompt := conversation.call.get("system_prompt"):
        own.insert(0, Placed(("system", prompt)))
    if (prefill := conversation.call.get("prefilling")) is not None:
        own.append(Placed(("assistant", prefill), len(conversation.messages)))
    return read_back.in_the_order_of(dialect, own)


def kept(own: list[Placed], changes: tuple[Change, ...]) -> list[Placed]:
    """The pieces of the conversation without those that a change says were dropped, and trimmed where one says so."""
    gone = {_PART.sub("", change.field) for change in changes if change.kind == "dropped"}
    found = [_without_blanks(each) if f"messages[{each.index}]" in gone else each for each in own]
    if any(change.kind == "trimmed" for change in changes) and found and found[-1].piece[0] == "assistant":
        role, words = found[-1].piece
        found[-1] = Placed((role, words.rstrip()), found[-1].index)
    return found


_PART: Final = re.compile(r"\.content\[\d+\]$")


def _without_blanks(placed: Placed) -> Placed:
    """A blank text says nothing, and is all that may be dropped."""
    *kind, value = placed.piece
    blank = kind[0] != "media" and isinstance(value, str) and not value.strip()
    return placed._replace(piece=(*kind, "")) if blank else placed


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
        own = kept(said(name, conversation), plan.changes)
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


@pytest.mark.parametrize("name", [name for name in TARGETS if TARGETS[name].dialect in read_back.IN_TURNS])
def test_turns_alternate_and_the_results_of_calls_come_first_in_theirs(name: str):
    wrong = {each.name: found for each, plan in sent(name) if (found := read_back.wrong_turns(plan.body))}
    assert not wrong


# The characters of an id, and whether it may be there only once.
_ID_RULES: Final[Mapping[str, tuple[re.Pattern[str], bool]]] = {
    "anthropic_messages": (re.compile(r"[a-zA-Z0-9_-]+"), True),
    "vertex_anthropic": (re.compile(r"[a-zA-Z0-9_-]+"), True),
    "bedrock_anthropic": (re.compile(r"[a-zA-Z0-9_-]+"), True),
    "bedrock_converse": (re.compile(r"[a-zA-Z0-9_.:-]{1,64}"), True),
    "mistral": (re.compile(r"[a-zA-Z0-9]{9}"), False),
}


@pytest.mark.parametrize("name", TARGETS)
def test_ids_are_as_the_dialect_takes_them_and_a_change_tells_of_each_new_one(name: str):
    dialect = TARGETS[name].dialect
    taken, once = _ID_RULES.get(dialect, (re.compile(".+", re.DOTALL), False))
    for conversation, plan in sent(name):
        if any(change.kind == "emulated" and change.field == "messages" for change in plan.changes):
            continue  # there are no calls
        ids = read_back.ids_of(dialect, plan.body)
        assert all(map(taken.fullmatch, ids)), conversation.name
        assert not once or len(ids) == len(set(ids)), conversation.name
        given = [
            (f"messages[{index}].tool_calls[{number}].id", call["id"])
            for index, message in enumerate(conversation.messages)
            for number, call in enumerate(message.get("tool_calls", ()))
        ]
        renamed = {place for (place, old), new in zip(given, ids, strict=True) if old != new}
        told = {change.field for change in plan.changes if change.kind == "renamed" and change.field.endswith("].id")}
        assert told == renamed, conversation.name


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

_TOGETHER: Final = {
    "generation_schema": ("output_mode",),
    "output_mode": ("generation_schema",),
    "logprobs": ("top_logprobs",),
}
"""Arguments that are nothing without another one."""

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
            if argument == "parallel_tool_calls" and conversation.call.get("tool_choice") == "none":
                continue
            gone = (argument, *_TOGETHER.get(argument, ()))
            without = {other: each for other, each in conversation.call.items() if other not in gone}
            if _is_the_same(name, conversation._replace(call=without), plan) and not _is_noted(argument, plan):
                silent.add((conversation.name, argument, repr(value)))
    assert not silent


def _is_the_same(name: str, other: Conversation, plan: CallPlan) -> bool:
    """Whether the other conversation would go out as the plan says; one that is refused would not."""
    try:
        found = planned(name, other)
    except InvalidRequestError:
        return False
    return (found.body, found.url) == (plan.body, plan.url)


def _is_noted(what: str, plan: CallPlan) -> bool:
    return any(what in change.field for change in plan.changes)


@pytest.mark.parametrize("name", TARGETS)
def test_every_tool_is_offered_with_its_schema_or_a_change_says_why_not(name: str):
    for conversation, plan in sent(name):
        body = json.dumps(plan.body)
        changed = {change.field for change in plan.changes if change.kind == "emulated"}
        for offered in conversation.call.get("tool_schemas", ()):
            if callable(offered) or changed & {"tool_choice", "messages"}:
                continue
            function = offered["function"]
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
            bare = conversation._replace(messages=messages, call=call)
            if _is_the_same(name, bare, plan) and not _is_noted(f".{mark}", plan):
                silent.add((conversation.name, mark))
    assert not silent


def _without(value: Any, mark: str) -> Any:
    """The value without the marks. The name of a function is none, nor that of a tool, which the call says as well."""
    if isinstance(value, (list, tuple)):
        return type(value)(_without(each, mark) for each in value)
    if not isinstance(value, dict):
        return value
    own = mark == "name" and ("role" not in value or value["role"] == "tool")
    return {key: _without(each, mark) for key, each in value.items() if key != mark or own or each is False}


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
