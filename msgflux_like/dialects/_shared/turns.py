"""Alternating turns: a conversation as system texts and turns of user and assistant, for dialects that require it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgflux_like.dialects._shared.notes import note_unknown
from msgflux_like.request import Change, ChatRequest, Message

OF_A_MESSAGE: Final = frozenset({"role", "content", "tool_calls", "tool_call_id", "provider_state"})
"""The fields of a message that a turn can hold."""

Block = dict[str, Any]


def in_turns(
    request: ChatRequest,
    blocks_of: Callable[[Message, str], list[Block]],
    append: Callable[[list[Block], list[Block], str], None],
    changes: list[Change],
    known: frozenset[str] = OF_A_MESSAGE,
) -> tuple[list[Block], list[Block]]:
    """Return the system texts and the turns; consecutive messages of one role are one turn.

    Args:
        request: The request whose messages are arranged.
        blocks_of: Returns the content blocks of a message, given the message and its place for errors.
        append: Adds the blocks of a further message to the content of a turn, given its place for errors.
        changes: Receives what was done to the messages.
        known: The fields of a message that `blocks_of` sends or notes itself.
    """
    system: list[Block] = []
    turns: list[Block] = []
    for index, message in enumerate(request.messages):
        place = request.place(index)
        note_unknown(message, known, place, changes)
        blocks = blocks_of(message, place)
        if message["role"] in ("system", "developer"):
            if turns and blocks:
                changes.append(Change("moved", place, "system texts stand before the conversation here"))
            system += blocks
            continue
        if not blocks:
            changes.append(Change("dropped", place, "it is empty, which the API refuses"))
            continue
        role = "assistant" if message["role"] == "assistant" else "user"
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": blocks})
        else:
            append(turns[-1]["content"], blocks, place)
    return system, turns
