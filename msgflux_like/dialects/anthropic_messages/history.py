"""Tool use in an earlier part of a conversation: calls whose results are missing, which the API rejects.

Source: https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgflux_like._json import as_list
from msgflux_like.request import Change

NO_RESULT: Final = "There is no result: the call was not completed."
"""Result that is sent for a call of which the conversation holds none."""

Block = dict[str, Any]


def complete_tool_use(turns: list[Block], changes: list[Change]) -> None:
    """Add an error as the result of each call without one, and drop uses of server tools that cannot be resumed.

    A server tool without a result can be resumed only if the conversation ends there, or goes on with tool results.
    """
    for index, turn in enumerate(turns):
        if turn["role"] != "assistant":
            continue
        calls = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
        servers = [block for block in turn["content"] if str(block["type"]).endswith("_tool_use")]
        following: Sequence[Block] = turns[index + 1]["content"] if index + 1 < len(turns) else ()
        if calls and following:
            _add_missing_results(calls, turns[index + 1], changes)
        if servers:
            _drop_unfinished(turn, servers, following, turns[index:], changes)
    if not all(turn["content"] for turn in turns):
        _remove_empty(turns)


def _remove_empty(turns: list[Block]) -> None:
    """Remove the turns of which nothing is left, and join the turns of the user around them."""
    kept: list[Block] = []
    for turn in turns:
        if turn["content"] and kept and kept[-1]["role"] == turn["role"]:
            kept[-1]["content"] += turn["content"]
        elif turn["content"]:
            kept.append(turn)
    turns[:] = kept


def _add_missing_results(calls: Sequence[str], turn: Block, changes: list[Change]) -> None:
    results = [block["tool_use_id"] for block in turn["content"] if block["type"] == "tool_result"]
    missing = [call for call in calls if call not in results]
    turn["content"][len(results) : len(results)] = [
        {"type": "tool_result", "tool_use_id": call, "content": NO_RESULT, "is_error": True} for call in missing
    ]
    changes.extend(
        Change("emulated", "messages", f"an error was sent as the result of the call {call}, which has none")
        for call in missing
    )


def _drop_unfinished(
    turn: Block, uses: list[Block], following: Sequence[Block], rest: Sequence[Block], changes: list[Change]
) -> None:
    """Drop the uses of server tools whose input was cut, or whose results are missing where they are required."""
    resumes = all(block["type"] == "tool_result" for block in following)
    finished = {block.get("tool_use_id") for each in rest for block in as_list(each["content"])}
    dropped = [
        use
        for use in uses
        if not isinstance(use.get("input", {}), Mapping) or not (resumes or use.get("id") in finished)
    ]
    if dropped:
        turn["content"] = [block for block in turn["content"] if not any(block is use for use in dropped)]
        changes.append(Change("dropped", "messages", "a use of a server tool without a result, which the API rejects"))
