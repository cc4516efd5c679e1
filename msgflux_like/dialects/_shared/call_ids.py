"""The ids of a conversation's calls, in a format that takes few characters in them, and none of them twice."""

from __future__ import annotations

import re

from msgflux_like.request import Change


class CallIds:
    """The ids as they are sent, the same for a call and its result.

    `refused` matches a character that the format does not take, `longest` is the most characters that it takes, and
    `rule` says both, for the changes that are recorded.
    """

    def __init__(self, refused: re.Pattern[str], longest: int | None, rule: str, changes: list[Change]) -> None:
        self._refused = refused
        self._longest = longest
        self._rule = rule
        self._changes = changes
        self._sent: dict[str, str] = {}  # of each id, what it is for now
        self._used: set[str] = set()

    def of_call(self, id_: str, place: str) -> str:
        """The id of a new call. Some providers begin anew to count in every answer."""
        base = sent = self._taken(id_)
        number = 1
        while sent in self._used:
            number += 1
            sent = self._taken(f"{base}_{number}")
        self._used.add(sent)
        self._sent[id_] = sent
        return self._noted(id_, sent, place)

    def of_result(self, id_: str, place: str) -> str:
        """The id of the last call that had this one."""
        return self._noted(id_, self._sent.get(id_) or self._taken(id_), place)

    def _taken(self, id_: str) -> str:
        """The end of a long id, which tells more than its beginning."""
        taken = self._refused.sub("_", id_)
        return taken if self._longest is None else taken[-self._longest :]

    def _noted(self, id_: str, sent: str, place: str) -> str:
        if sent != id_:
            self._changes.append(Change("renamed", place, self._rule))
        return sent
