"""Events delivered to a stream consumer: chunks in OpenAI's format, and one final event."""

from __future__ import annotations

import time
from typing import Any

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
from msgflux_like.response.openai_objects import ChatCompletionChunk, CompletionChunk


class StreamData(Struct, frozen=True):
    """The next chunk of a stream.

    Attributes:
        data: Chunk of a chat completion or of a text completion.
    """

    data: ChatCompletionChunk | CompletionChunk


class StreamError(Struct, frozen=True):
    """The final event of a stream that failed.

    Attributes:
        error: The exception; `error.partial` of an `APIError` is the answer so far.
    """

    error: Exception


class StreamFinish(Struct, frozen=True):
    """The final event of a complete stream."""


Pushed = StreamData | StreamError | StreamFinish


class ChunkMaker:
    """Converter of the events of one chat answer to chunks.

    Args:
        model: Model name for the chunks, until the reply names one.
    """

    def __init__(self, model: str) -> None:
        self._id = ""
        self._model = model
        self._created = int(time.time())
        self._begun = False
        self._index_of: dict[int, int] = {}  # index of each tool call, by key
        self._named: set[tuple[int, str]] = set()

    def chunk(self, event: Event) -> ChatCompletionChunk | None:
        """Return a chunk with the content of the event, in one choice; None if chunks cannot represent it."""
        finish: FinishReason | None = None
        delta: dict[str, Any] = {}
        match event:
            case TextDelta(text):
                delta["content"] = text
            case ReasoningDelta(text):
                delta["reasoning_content"] = text
            case RefusalDelta(text):
                delta["refusal"] = text
            case ToolCallDelta():
                delta["tool_calls"] = [self._call(event)]
            case Finished("unknown", ""):  # the stream gave no reason
                return None
            case Finished(reason):
                finish = "tool_calls" if reason == "stop" and self._index_of else reason
            case Started(id_, model):
                self._id, self._model = self._id or id_, model or self._model
                return None
            case _:
                return None
        if not self._begun:
            self._begun = True
            delta = {"role": "assistant", **delta}
        return self.made([{"index": 0, "delta": delta, "finish_reason": finish}])

    def made(self, choices: list[dict[str, Any]], **more: Any) -> ChatCompletionChunk:
        """Return a chunk of this answer with the given choices and further fields."""
        return ChatCompletionChunk(
            {
                "id": self._id,
                "object": "chat.completion.chunk",
                "created": self._created,
                "model": self._model,
                "choices": choices,
                **more,
            }
        )

    def _call(self, piece: ToolCallDelta) -> dict[str, Any]:
        """Return one piece of a call. Some hosts repeat id and name on every piece; a chunk has them once."""
        index = self._index_of.setdefault(piece.key, len(self._index_of))
        call: dict[str, Any] = {"index": index}
        if piece.id and self._first(index, "id"):
            call["id"] = piece.id
        if self._first(index, "type"):
            call["type"] = "function"
        named = {"name": piece.name} if piece.name and self._first(index, "name") else {}
        return {**call, "function": {**named, "arguments": piece.arguments}}

    def _first(self, index: int, field: str) -> bool:
        known = (index, field) in self._named
        self._named.add((index, field))
        return not known


class TextChunkMaker:
    """Converter of the events of a text completion to chunks, whose content is `choices[0].text`.

    Args:
        model: Model name for the chunks, until the reply names one.
    """

    def __init__(self, model: str) -> None:
        self._id = ""
        self._model = model
        self._created = int(time.time())

    def chunk(self, event: Event) -> CompletionChunk | None:
        """Return a chunk with the content of the event; None if chunks cannot represent it."""
        text, finish = "", None
        match event:
            case TextDelta(text):
                pass
            case Finished("unknown", ""):  # the stream gave no reason
                return None
            case Finished(finish):
                pass
            case Started(id_, model):
                self._id, self._model = self._id or id_, model or self._model
                return None
            case _:
                return None
        choice = {"index": 0, "text": text, "finish_reason": finish}
        return CompletionChunk(
            {
                "id": self._id,
                "object": "text_completion",
                "created": self._created,
                "model": self._model,
                "choices": [choice],
            }
        )
