"""OpenAI's text completions format: one prompt, and the text that goes on from it.

Source: https://platform.openai.com/docs/api-reference/completions. There are no roles, no parts and no tools.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from msgflux_like.dialects._shared.failures import failure_from, failure_in
from msgflux_like.dialects._shared.parameters import refuse_parameters
from msgflux_like.dialects._shared.stream_decoder import SseDecoder
from msgflux_like.dialects.openai_chat.request import FINISH
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.events import Event, Finished, Started, TextDelta, TokenUsage
from msgflux_like.request import Change, ChatRequest, Encoded, Quirks

AUTH: Final = ("authorization", "Bearer ")
HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = ("openai_completions", ())

refusal = failure_in

# ---------------------------------------------------------------------------------------------------------- request

_NO_WORDS: Final = frozenset(
    {"parallel_tool_calls", "reasoning_effort", "reasoning_budget", "logprobs", "top_logprobs"}
)


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """See `Dialect`."""
    refuse_parameters(request, _NO_WORDS, quirks, "the completions format")
    if request.tools or request.answer_schema is not None or request.prefill:
        raise UnsupportedError(
            "tool_schemas, prefilling and a schema that the provider holds the answer to need a chat model: "
            "the completions format has no words for them"
        )
    changes: list[Change] = []
    body: dict[str, Any] = {"model": request.model, "prompt": _prompt(request, changes), **request.parameters}
    if request.stream:
        body["stream"] = True
        if quirks.stream_usage:
            body["stream_options"] = {"include_usage": True}
    return Encoded("/completions", body, changes=tuple(changes))


def _prompt(request: ChatRequest, changes: list[Change]) -> str:
    """The text of the one user message, and before it that of system texts."""
    texts: list[str] = []
    last = len(request.messages) - 1
    for index, message in enumerate(request.messages):
        place, content = request.place(index), message.get("content")
        if message["role"] not in (("user",) if index == last else ("system", "developer")):
            raise InvalidMessagesError(f"{place} makes it a conversation: a text completion takes one prompt")
        if not isinstance(content, str):
            raise InvalidMessagesError(f"{place}.content must be a text, not {type(content).__name__}: give one prompt")
        texts.append(content)
    if len(texts) > 1:
        changes.append(Change("merged", "messages", "system texts stand before the prompt: there are no roles"))
    return "\n\n".join(texts)


# ------------------------------------------------------------------------------------------------------------ reply


class _Choice(Struct, gc=False):
    text: str | None = None
    finish_reason: str | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class _Reply(Struct, gc=False):
    """A whole reply or a chunk: they have the same shape."""

    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Reply)


def decode(body: bytes) -> list[Event]:
    """See `Dialect`."""
    events: list[Event] = []
    reply = _decoder.decode(body)
    if not reply.choices and not reply.error:
        raise msgspec.ValidationError("it has no `choices`, or none in them")
    _Reader().take(reply, events)
    return events


def decoder() -> SseDecoder:
    """See `Dialect`."""
    return SseDecoder(_Reader().read, decode)


class _Reader:
    """Reads the chunks of one reply. Only the first choice is read: no parameter of ours asks for more."""

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        self._begun = False

    def read(self, data: bytes, events: list[Event]) -> bool:
        """One event's data; True for the end mark."""
        if data == b"[DONE]":
            return True
        if data:
            self.take(_decoder.decode(data), events)
        return False

    def take(self, reply: _Reply, events: list[Event]) -> None:
        """What a whole reply or a chunk says."""
        if not self._begun and (reply.id or reply.model):
            self._begun = True
            events.append(Started(reply.id or "", reply.model or ""))
        choice = reply.choices[0] if reply.choices else None
        if choice is not None and choice.text:
            events.append(TextDelta(choice.text))
        if (usage := reply.usage) is not None:
            events.append(TokenUsage(usage.prompt_tokens, usage.completion_tokens, total=usage.total_tokens))
        if reply.error:
            events.append(failure_from({"error": reply.error}))
        elif choice is not None and choice.finish_reason:
            events.append(Finished(FINISH.get(choice.finish_reason, "unknown"), choice.finish_reason))
