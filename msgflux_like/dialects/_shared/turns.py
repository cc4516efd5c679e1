"""A conversation as system texts and alternating turns, for the dialects that take it so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgflux_like.dialects._shared.common import note_unknown
from msgflux_like.request import Change, ChatRequest, Message

OF_A_MESSAGE: Final = frozenset({"role", "content", "tool_calls", "tool_call_id", "provider_state"})
"""The fields of a message that have a place in turns."""

Block = dict[str, Any]


def in_turns(
    request: ChatRequest,
    blocks_of: Callable[[Message, str], list[Block]],
    append: Callable[[list[Block], list[Block], str], None],
    changes: list[Change],
) -> tuple[list[Block], list[Block]]:
    """The system texts, and all else in turns: neighbours of one role are one turn.

    Args:
        request: Whose messages these are.
        blocks_of: A message as content blocks; its place is for errors.
        append: Adds blocks to the content of a turn that has begun.
        changes: What was done to the messages is added to it.
    """
    system: list[Block] = []
    turns: list[Block] = []
    for index, message in enumerate(request.messages):
        place = request.place(index)
        note_unknown(message, OF_A_MESSAGE, place, changes)
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
