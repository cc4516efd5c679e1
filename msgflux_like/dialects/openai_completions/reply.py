"""Replies in OpenAI's text completions format, whole or streamed.

Source: https://platform.openai.com/docs/api-reference/completions.

A stream is a sequence of server-sent events that have the shape of a whole reply, each with a piece of the text. The
finish reason comes with the last piece, then the token usage if it was asked for, and `[DONE]` is the end mark. Only
the first choice is read: no parameter of this library asks for more.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from msgflux_like.dialects._shared.failures import failure_from
from msgflux_like.dialects._shared.stream_decoder import SseDecoder
from msgflux_like.dialects.openai_chat.reply import FINISH_REASONS
from msgflux_like.events import Event, Finished, Started, TextDelta, TokenUsage


class _Choice(Struct, gc=False):
    text: str | None = None
    finish_reason: str | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class _Reply(Struct, gc=False):
    """A whole reply, or one chunk of a stream."""

    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Reply)


def decode(body: bytes) -> list[Event]:
    """Return the events of a whole reply; see `Dialect.decode`."""
    events: list[Event] = []
    reply = _decoder.decode(body)
    if not reply.choices and not reply.error:
        raise msgspec.ValidationError("it has no `choices`, or none in them")
    _Reader().read_reply(reply, events)
    return events


def decoder() -> SseDecoder:
    """Return a decoder for one streamed reply; see `Dialect.decoder`."""
    return SseDecoder(_Reader().read, decode)


class _Reader:
    """Reader of the chunks of one reply."""

    __slots__ = ("_started",)

    def __init__(self) -> None:
        self._started = False

    def read(self, data: bytes, events: list[Event]) -> bool:
        """Append the events in the data of one server-sent event; return True for the end mark."""
        if data == b"[DONE]":
            return True
        if data:
            self.read_reply(_decoder.decode(data), events)
        return False

    def read_reply(self, reply: _Reply, events: list[Event]) -> None:
        """Append the events of a whole reply or of one chunk."""
        if not self._started and (reply.id or reply.model):
            self._started = True
            events.append(Started(reply.id or "", reply.model or ""))
        choice = reply.choices[0] if reply.choices else None
        if choice is not None and choice.text:
            events.append(TextDelta(choice.text))
        if (usage := reply.usage) is not None:
            events.append(TokenUsage(usage.prompt_tokens, usage.completion_tokens, total=usage.total_tokens))
        if reply.error:
            events.append(failure_from({"error": reply.error}))
        elif choice is not None and choice.finish_reason:
            events.append(Finished(FINISH_REASONS.get(choice.finish_reason, "unknown"), choice.finish_reason))
