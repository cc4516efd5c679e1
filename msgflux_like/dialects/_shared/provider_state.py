"""Provider state: signatures, encrypted reasoning and the like, which go back with the answer they came with.

An answer is a list of pieces: its text, if it has one, and then its calls. `after` in a state entry is the number of
pieces that come before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgflux_like.request import REASONING_TEXT, Change, ChatRequest


def own_state(
    message: Mapping[str, Any], request: ChatRequest, place: str, changes: list[Change]
) -> dict[int, list[tuple[str, Any]]]:
    """Return the state in a message that this model can read: kinds and values, by the number of pieces before them.

    State of another family is dropped and recorded, because only its own family can read it. So is reasoning in plain
    text if the model does not accept it.
    """
    found: dict[int, list[tuple[str, Any]]] = {}
    foreign: set[str] = set()
    unwanted = False
    for entry in message.get("provider_state") or ():
        if entry["family"] == request.family:
            found.setdefault(entry["after"], []).append((entry["kind"], entry["raw"]))
        elif entry["family"] != REASONING_TEXT:
            foreign.add(entry["family"])
        elif not request.reasoning_field:
            unwanted = True
    changes.extend(
        Change("dropped", f"{place}.provider_state", f"state of {family}, which this model cannot read")
        for family in sorted(foreign)
    )
    if unwanted:
        changes.append(Change("dropped", f"{place}.provider_state", "reasoning, which this model does not want back"))
    return found


def reasoning_text(message: Mapping[str, Any]) -> str:
    """Return the reasoning in plain text that an earlier answer came with, of any model; "" if there is none."""
    kept = message.get("provider_state") or ()
    return "".join(entry["raw"] for entry in kept if entry["family"] == REASONING_TEXT)


def with_state(
    pieces: Sequence[Sequence[Any]], state: Mapping[int, list[tuple[str, Any]]], place: str, changes: list[Change]
) -> list[Any]:
    """Return the pieces of an answer in one list, each behind the state of `own_state` that precedes it.

    Trailing state is dropped and recorded: the answer was truncated, or its content was removed since.
    """
    found: list[Any] = []
    for index, piece in enumerate(pieces):
        found += [raw for _, raw in state.get(index, ())]
        found += piece
    if any(after >= len(pieces) for after in state):
        changes.append(
            Change("dropped", f"{place}.provider_state", "the API rejects trailing provider state without content")
        )
    return found
