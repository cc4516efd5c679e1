"""An answer, written down once, and what a provider makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from msgflux_like.testing import FakeReply, FakeRequest

SIGNATURE = "c2lnbmF0dXJlIDE="


class Said(Struct, frozen=True):
    """An answer: pieces of a thought, pieces of a text, and calls (id, name, arguments); `finish` is one of ours."""

    text: tuple[str, ...] = ()
    thought: tuple[str, ...] = ()
    calls: tuple[tuple[str, str, dict[str, Any]], ...] = ()
    finish: str = "stop"

    @property
    def reason(self) -> str:
        return "tool_calls" if self.calls else self.finish


class Refusal(Struct, frozen=True):
    """What a provider answers with an error status."""

    status: int
    body: Any
    headers: Mapping[str, str] = {}

    def __call__(self, _: FakeRequest | None = None) -> FakeReply:
        return FakeReply.whole(self.body, self.status, self.headers)


class Speaker(Struct, frozen=True, kw_only=True):
    """A dialect, as one of its providers speaks it.

    `streamed` gives the events of a stream, the last of them without the finish reason or the end left out; `kept`
    is what of the thought must be in the next request, as it came.
    """

    path: str
    whole: Callable[[Said], Any]
    streamed: Callable[[Said], list[bytes]]
    ends: int  # how many events at the end of a stream show that it is whole
    kept: Callable[[Said], Any]
    refusals: Mapping[str, Refusal]
    failed: bytes  # an event that ends a stream that has begun
    options: Mapping[str, Any] = {}

    def reply(self, said: Said) -> Callable[[FakeRequest], FakeReply]:
        """The answer, streamed where a stream is asked for."""

        def answer(request: FakeRequest) -> FakeReply:
            return FakeReply.streamed(*self.streamed(said)) if request.stream else FakeReply.whole(self.whole(said))

        return answer

    def cut(self, said: Said) -> FakeReply:
        """A stream that ends in the middle."""
        return FakeReply.streamed(*self.streamed(said)[: -self.ends])

    def failing(self, said: Said) -> FakeReply:
        """A stream that ends with an error."""
        return FakeReply.streamed(*self.streamed(said)[: -self.ends], self.failed)


def sse(events: Iterable[Any]) -> list[bytes]:
    return [b"data: " + json.dumps(each).encode() + b"\n\n" for each in events]


DONE = b"data: [DONE]\n\n"
THOUGHT = ("I must ", "look.")
WAIT = {"retry-after": "7"}
