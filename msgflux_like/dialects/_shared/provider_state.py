"""Provider state: signatures, encrypted reasoning and the like, which go back with the answer they came with.

An answer is a list of pieces: its text, if it has one, and then its calls. `after` in a state entry is the number of
pieces that come before it. An entry that came in the middle of the text also has `offset`, the number of characters of
the text before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgflux_like.request import REASONING_TEXT, Change, ChatRequest


class InsideText(NamedTuple):
    """State that came in the middle of the text of an answer, behind `offset` characters of it."""

    offset: int
    kind: str
    raw: Any


def own_state(
    message: Mapping[str, Any],
    request: ChatRequest,
    place: str,
    changes: list[Change],
    inside: list[InsideText] | None = None,
) -> dict[int, list[tuple[str, Any]]]:
    """Return the state in a message that this model can read: kinds and values, by the number of pieces before them.

    State of another family is dropped and recorded, because only its own family can read it. So is reasoning in plain
    text if the model does not accept it.

    Args:
        message: An assistant message.
        request: The request, for its model's family.
        place: Path of the message, for changes.
        changes: Receives what was dropped.
        inside: Receives the state that came in the middle of the text; without it that state follows the text.
    """
    found: dict[int, list[tuple[str, Any]]] = {}
    foreign: set[str] = set()
    unwanted = False
    for entry in message.get("provider_state") or ():
        if entry["family"] == request.family and inside is not None and entry.get("offset"):
            inside.append(InsideText(entry["offset"], entry["kind"], entry["raw"]))
        elif entry["family"] == request.family:
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


def split_text(text: str, inside: Sequence[InsideText]) -> list[str | InsideText]:
    """Return the text in segments, with the state of `own_state` that came between them at its place.

    A text that was shortened since has its last state at its end. Segments that are empty are left out.
    """
    found: list[str | InsideText] = []
    start = 0
    for state in sorted(inside, key=lambda each: each.offset):
        end = min(state.offset, len(text))
        if end > start:
            found.append(text[start:end])
            start = end
        found.append(state)
    if start < len(text):
        found.append(text[start:])
    return found


def reasoning_text(message: Mapping[str, Any]) -> str | None:
    """Return the reasoning in plain text that an earlier answer came with, of any model; None if there is none.

    An answer whose reasoning was an empty field has an empty text.
    """
    kept = message.get("provider_state") or ()
    texts = [entry["raw"] for entry in kept if entry["family"] == REASONING_TEXT]
    return "".join(text for text in texts if isinstance(text, str)) if texts else None


def with_state(
    pieces: Sequence[Sequence[Any]],
    state: Mapping[int, list[tuple[str, Any]]],
    place: str,
    changes: list[Change],
    may_end: frozenset[str] = frozenset(),
) -> list[Any]:
    """Return the pieces of an answer in one list, each behind the state of `own_state` that precedes it.

    Trailing state is dropped and recorded: the answer was truncated, or its content was removed since. State of the
    kinds `may_end` can end an answer, such as the tools that a provider runs itself.
    """
    while pieces and not pieces[-1]:  # a blank text that is not sent: what precedes it would end the answer
        pieces = pieces[:-1]
    found: list[Any] = []
    for index, piece in enumerate(pieces):
        found += [raw for _, raw in state.get(index, ())]
        found += piece
    trailing = [entry for after in sorted(state) if after >= len(pieces) for entry in state[after]]
    found += [raw for kind, raw in trailing if kind in may_end]
    if any(kind not in may_end for kind, _ in trailing):
        changes.append(
            Change("dropped", f"{place}.provider_state", "the API rejects trailing provider state without content")
        )
    return found
