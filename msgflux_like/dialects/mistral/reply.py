"""Replies in Mistral's chat format, whole or streamed.

Source: https://docs.mistral.ai/api/#tag/chat.

A stream is built as OpenAI's chat completions are (see `openai_chat.reply`), with these differences:

- Content may be a list of parts: text, thinking, references (reported as citations, and sent back at their place).
- Thinking has to be sent back whole, and arrives in many parts. They are joined into one that grows until a text, a
  tool call or the finish reason follows, or until a new part comes after its signature; then it is reported as
  provider state, before what follows it.
- A failure may come as an event without choices: `{"object": "error", ...}` or `{"detail": ...}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, Final

import msgspec
from msgspec import Struct

from msgflux_like._json import as_list, as_mapping
from msgflux_like.dialects._shared import lenient
from msgflux_like.dialects._shared.stream_decoder import SseDecoder
from msgflux_like.dialects.mistral.errors import failure_in_event
from msgflux_like.dialects.openai_chat.reply import Reader, Reply
from msgflux_like.events import Citation, Event, Finished, ProviderState, TextDelta, ToolCallDelta

Fields = dict[str, Any]

_AFTER_THINKING: Final = (TextDelta, ToolCallDelta, Finished)


class _Reference(Struct, gc=False):
    """A source: numbers of documents of the request, or a page that a tool found."""

    url: str | None = None
    title: str | None = None
    description: str | None = None


def decode(body: bytes) -> list[Event]:
    """Return the events of a whole reply; see `Dialect.decode`."""
    try:
        return _Reader(streamed=False).read_whole(body)
    except msgspec.ValidationError:
        if (failed := failure_in_event(body)) is not None:
            return [failed]
        raise


def decoder() -> SseDecoder:
    """Return a decoder for one streamed reply; see `Dialect.decoder`."""
    reader = _Reader(streamed=True)
    return SseDecoder(reader.read, decode, reader.on_end)


class _Reader(Reader):
    """Reader of OpenAI's format that also joins the parts of a thinking."""

    __slots__ = ("_thinking",)

    def __init__(self, *, streamed: bool) -> None:
        super().__init__(streamed=streamed)
        self._thinking: Fields | None = None  # joined so far

    def read(self, data: bytes, events: list[Event]) -> bool:
        before = len(events)
        ended = super().read(data, events)
        silent = not ended and data and len(events) == before and b'"choices"' not in data and data[:1] == b"{"
        if silent and (failed := failure_in_event(data)) is not None:
            events.append(failed)
        return ended

    def read_reply(self, reply: Reply, events: list[Event]) -> None:
        fresh: list[Event] = []
        super().read_reply(reply, fresh)
        for event in fresh:
            if type(event) is ProviderState and event.kind == "thinking":
                events.extend(self._on_thinking(event.raw))
                continue
            if type(event) in _AFTER_THINKING:
                events.extend(self._on_thinking_end())
            events.append(event)

    def on_content_part(self, item: Any, place: str) -> Iterator[Event]:
        part = as_mapping(item)
        kind = part.get("type")
        if kind in ("reference", "tool_reference"):
            yield self._citation_from(item, place)
            yield ProviderState("reference", item)
        elif kind == "thinking":
            yield from super().on_content_part(item, place)
            yield ProviderState("thinking", part)
        else:
            yield from super().on_content_part(item, place)

    def _citation_from(self, item: Any, place: str) -> Citation:
        source = lenient.convert(item, _Reference, place, self.warn)
        return Citation(source.url or "", source.title or "", item, source.description or "")

    def _on_thinking(self, part: Mapping[str, Any]) -> Iterator[Event]:
        """Add a part to the thinking so far. A signed one is complete, and a further part starts anew."""
        if self._thinking is not None and self._thinking.get("signature") and part.get("thinking"):
            yield from self._on_thinking_end()
        joined = self._thinking or {**part, "thinking": []}
        self._thinking = {**joined, **part, "thinking": joined["thinking"]}
        joined["thinking"] += as_list(part.get("thinking"))

    def _on_thinking_end(self) -> Iterator[Event]:
        """Report the thinking so far, before what follows it."""
        if (part := self._thinking) is None:
            return
        self._thinking = None
        pieces: list[Any] = []
        for kind, run in groupby(part["thinking"], key=lambda piece: as_mapping(piece).get("type")):
            if kind == "text":
                texts = (piece.get("text") for piece in run)
                pieces.append({"type": "text", "text": "".join(text for text in texts if isinstance(text, str))})
            else:
                pieces.extend(run)
        yield ProviderState("thinking", {**part, "thinking": pieces})
