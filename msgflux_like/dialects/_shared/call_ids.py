"""Ids of tool calls: those of a conversation as a format accepts them, and ids for calls that have none.

A format may restrict the characters and the length of an id, and demand that each is used once. A call and its result
must have the same id after such a change.
"""

from __future__ import annotations

import re
from typing import Final

from msgflux_like.errors import InvalidMessagesError
from msgflux_like.request import Change, ChatRequest

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class CallIds:
    """The ids of one conversation's calls as they are sent, the same for a call and its result.

    Args:
        refused: Matches one character that the format refuses; it is replaced with "_".
        longest: Most characters of an id; None for no limit.
        rule: Both rules in words, for the recorded changes.
        changes: Receives a `Change` for each id that is sent otherwise than given.
    """

    def __init__(self, refused: re.Pattern[str], longest: int | None, rule: str, changes: list[Change]) -> None:
        self._refused = refused
        self._longest = longest
        self._rule = rule
        self._changes = changes
        self._current: dict[str, str] = {}  # given id -> id sent for the last call that had it
        self._used: set[str] = set()

    def of_call(self, id_: str, place: str) -> str:
        """Return the id to send for a new call, unused so far: some providers restart counting in each answer."""
        base = sent = self._accepted(id_)
        number = 1
        while sent in self._used:
            number += 1
            sent = self._accepted(f"{base}_{number}")
        self._used.add(sent)
        self._current[id_] = sent
        return self._recorded(id_, sent, place)

    def of_result(self, id_: str, place: str) -> str:
        """Return the id that was sent for the last call with this id."""
        return self._recorded(id_, self._current.get(id_) or self._accepted(id_), place)

    def _accepted(self, id_: str) -> str:
        """Return the id as the format accepts it. A long id keeps its end, which differs more than its beginning."""
        accepted = self._refused.sub("_", id_)
        return accepted if self._longest is None else accepted[-self._longest :]

    def _recorded(self, id_: str, sent: str, place: str) -> str:
        if sent != id_:
            self._changes.append(Change("renamed", place, self._rule))
        return sent


class UniqueIds:
    """Ids of the calls of one answer: a repeated id is made unique, so that each result reaches its call."""

    __slots__ = ("_used",)

    def __init__(self) -> None:
        self._used: set[str] = set()

    def of(self, id_: str) -> str:
        """Return the id of a new call; "" stays "", for a call without an id."""
        unique, number = id_, 1
        while unique in self._used:
            number += 1
            unique = f"{id_}_{number}"
        if id_:
            self._used.add(unique)
        return unique


def check_answered(request: ChatRequest) -> None:
    """Check that no call that the conversation went on from is without a result, which most APIs refuse.

    Raises:
        InvalidMessagesError: If another message follows a call, and no result of it.
    """
    results: set[str] = set()
    goes_on = False
    for index, message in reversed(list(enumerate(request.messages))):
        if message["role"] == "tool":
            results.add(message["tool_call_id"])
            continue
        for at, call in enumerate(message.get("tool_calls") or ()):
            if goes_on and call["id"] not in results:
                raise InvalidMessagesError(
                    f"{request.place(index)}.tool_calls[{at}] has no result, and the API refuses an open call. "
                    f"Add a tool message with its id as tool_call_id, or leave the call out"
                )
        goes_on = True


def derived_call_id(call: str) -> str:
    """Return an id for a call that came without one, the same for the same text."""
    return f"call_{_digest(call, 12).hex()}"


def derived_short_id(id_: str, length: int) -> str:
    """Return `length` letters and digits that depend on the id alone."""
    number = int.from_bytes(_digest(id_, 8))
    return "".join(_BASE62[number // 62**place % 62] for place in range(length))


def _digest(text: str, size: int) -> bytes:
    from hashlib import blake2b  # noqa: PLC0415  rarely needed, and slow to import

    return blake2b(text.encode(), digest_size=size).digest()
