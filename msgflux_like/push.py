"""What a stream tells the one it is pushed to: chunks in OpenAI's form, and one word at its end."""

from __future__ import annotations

import time
from typing import Literal

from msgspec import Struct

from msgflux_like.events import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
)


class ChunkFunction(Struct, frozen=True):
    """The function of a call: its name on the call's first chunk, and a piece of the arguments' JSON text."""

    name: str | None = None
    arguments: str = ""


class ChunkToolCall(Struct, frozen=True):
    """A piece of the answer's call number `index`, counted from 0; `id` on its first chunk."""

    index: int
    id: str | None = None
    type: Literal["function"] = "function"
    function: ChunkFunction = ChunkFunction()


class ChunkDelta(Struct, frozen=True):
    """What is new: at most one of the fields beside `role`, which is on the first chunk."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: tuple[ChunkToolCall, ...] | None = None


class ChunkChoice(Struct, frozen=True):
    """The only choice of a chunk."""

    index: int
    delta: ChunkDelta
    finish_reason: FinishReason | None = None


class ChatCompletionChunk(Struct, frozen=True):
    """A piece of an answer, from any provider, as OpenAI's clients give it.

    Attributes:
        id: The provider's id of the answer, "" when it gave none.
        model: The model that answers.
        choices: Always one.
        created: Unix time, in seconds, of the first chunk.
        object: "chat.completion.chunk".
    """

    id: str
    model: str
    choices: tuple[ChunkChoice, ...]
    created: int
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"


class StreamData(Struct, frozen=True):
    """The next piece."""

    data: ChatCompletionChunk


class StreamError(Struct, frozen=True):
    """The last word of a stream that failed: what would have been raised, with the `partial` answer."""

    error: Exception


class StreamFinish(Struct, frozen=True):
    """The last word of a stream that came whole."""


Pushed = StreamData | StreamError | StreamFinish


class ChunkMaker:
    """Makes chunks of the events of one answer, one by one."""

    def __init__(self, model: str) -> None:
        self._id = ""
        self._model = model
        self._created = int(time.time())
        self._role: Literal["assistant"] | None = "assistant"
        self._index_of: dict[int, int] = {}  # of the calls, by their key
        self._named: set[tuple[int, str]] = set()

    def chunk(self, event: Event) -> ChatCompletionChunk | None:
        """The chunk that says this, if a chunk can."""
        finish: FinishReason | None = None
        match event:
            case TextDelta(text):
                delta = ChunkDelta(self._role, content=text)
            case ReasoningDelta(text):
                delta = ChunkDelta(self._role, reasoning_content=text)
            case RefusalDelta(text):
                delta = ChunkDelta(self._role, refusal=text)
            case ToolCallDelta():
                delta = ChunkDelta(self._role, tool_calls=(self._call(event),))
            case Finished(reason):
                delta = ChunkDelta(self._role)
                finish = "tool_calls" if reason == "stop" and self._index_of else reason
            case Started(id_, model):
                self._id, self._model = self._id or id_, model or self._model
                return None
            case _:
                return None
        self._role = None
        return ChatCompletionChunk(self._id, self._model, (ChunkChoice(0, delta, finish),), self._created)

    def _call(self, piece: ToolCallDelta) -> ChunkToolCall:
        """Some hosts repeat id and name on every piece; here each comes once."""
        index = self._index_of.setdefault(piece.key, len(self._index_of))
        id_ = piece.id if piece.id and self._first(index, "id") else None
        name = piece.name if piece.name and self._first(index, "name") else None
        return ChunkToolCall(index, id_, function=ChunkFunction(name, piece.arguments))

    def _first(self, index: int, field: str) -> bool:
        known = (index, field) in self._named
        self._named.add((index, field))
        return not known
