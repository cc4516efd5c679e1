"""Replies in OpenAI's text completions format, whole or streamed.

Source: https://platform.openai.com/docs/api-reference/completions.

A stream is a sequence of server-sent events that have the shape of a whole reply, each with a piece of the text. The
finish reason comes with the last piece, then the token usage if it was asked for, and `[DONE]` is the end mark.
Everything around the text is as in chat completions; see `openai_chat.reply`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from msgflux_like.dialects._shared.stream_decoder import SseDecoder
from msgflux_like.dialects.openai_chat.reply import Choice, ChoiceLogprobs, Reader, Reply
from msgflux_like.events import Event, Logprobs, TextDelta, TokenLogprob


def decode(body: bytes) -> list[Event]:
    """Return the events of a whole reply; see `Dialect.decode`."""
    return _Reader(streamed=False).read_whole(body)


def decoder() -> SseDecoder:
    """Return a decoder for one streamed reply; see `Dialect.decoder`."""
    reader = _Reader(streamed=True)
    return SseDecoder(reader.read, decode, reader.on_end)


class _Reader(Reader):
    """Reader of chat completions whose choices hold a text instead of a message."""

    __slots__ = ()

    def on_choice(self, choice: Choice, reply: Reply, events: list[Event]) -> None:
        if choice.text:
            self.answering = True
            events.append(TextDelta(choice.text))
        elif choice.text is None:
            self.on_missing("text", choice, reply)
        if choice.logprobs is not None:
            self.on_logprobs(choice.logprobs, events)

    def on_logprobs(self, found: ChoiceLogprobs, events: list[Event]) -> None:
        if found.content:  # of newer servers, in the form of chat completions
            super().on_logprobs(found, events)
        elif tokens := tuple(_tokens(found)):
            events.append(Logprobs(tokens))


def _tokens(found: ChoiceLogprobs) -> Iterator[TokenLogprob]:
    """Yield the tokens; the first one of an echoed prompt has no probability."""
    for token, logprob, top in zip_longest(found.tokens or (), found.token_logprobs or (), found.top_logprobs or ()):
        if token is not None and logprob is not None:
            others = tuple(TokenLogprob(other, value) for other, value in (top or {}).items())
            yield TokenLogprob(token, logprob, None, others)
