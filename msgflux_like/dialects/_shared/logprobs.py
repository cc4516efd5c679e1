"""Log probabilities of tokens, in OpenAI's form, which Ollama and others have as well.

Source: https://platform.openai.com/docs/api-reference/chat/object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct, ValidationError

from msgflux_like.dialects._shared.lenient import convert
from msgflux_like.events import Logprobs, TokenLogprob

_MAX_BYTE = 255


class TokenEntry(Struct, gc=False):
    """A token and its probability; alternatives have the same form."""

    token: str | None = None
    logprob: float | None = None
    bytes: list[int] | None = None
    top_logprobs: list[TokenEntry] | None = None


def logprobs(tokens: Sequence[Any]) -> Logprobs:
    """Return the event for OpenAI's list of tokens, given as plain values; what is no token is left out."""
    return logprobs_from(list(_entries(tokens)))


def logprobs_from(entries: Sequence[TokenEntry]) -> Logprobs:
    """Return the event for a list of tokens; a token without a probability is left out."""
    return Logprobs(tuple(_tokens(entries)))


def unreadable(entries: Sequence[TokenEntry], place: str, note: Callable[[str, str], None]) -> None:
    """Note the tokens that `logprobs_from` leaves out."""
    for index, entry in enumerate(entries):
        if entry.token is None or entry.logprob is None:
            note(f"{place}[{index}]", "was left out: it has no token with a probability")


def _entries(tokens: Sequence[Any]) -> Iterator[TokenEntry]:
    for token in tokens:
        try:
            yield convert(token, TokenEntry, "", _ignore)
        except ValidationError:
            continue


def _ignore(_path: str, _reason: str) -> None:
    return


def _tokens(entries: Sequence[TokenEntry]) -> Iterator[TokenLogprob]:
    for entry in entries:
        if entry.token is not None and entry.logprob is not None:
            top = tuple(_tokens(entry.top_logprobs)) if entry.top_logprobs else ()
            yield TokenLogprob(entry.token, entry.logprob, _utf8(entry.bytes), top)


def _utf8(values: list[int] | None) -> bytes | None:
    if values is None or any(not 0 <= value <= _MAX_BYTE for value in values):
        return None
    return bytes(values)
