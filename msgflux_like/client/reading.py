"""Events to OpenAI's objects, for whole and for streamed replies: as they came, or made of what other dialects say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar, cast

from msgflux_like._json import as_list
from msgflux_like.client.raw import Said, usage_in
from msgflux_like.events import Citation, Event, Finished, Media, TextDelta, ToolCallDelta
from msgflux_like.request import Change
from msgflux_like.response.accumulator import ResponseAccumulator
from msgflux_like.response.metadata import CallMetadata, build_metadata
from msgflux_like.response.openai_objects import (
    ApiObject,
    ChatCompletionChunk,
    ChatCompletionChunkChoice,
    ChatCompletionDelta,
    ChatCompletionReply,
    Usage,
)
from msgflux_like.response.response import ModelResponse
from msgflux_like.streaming.chunks import ChunkMaker

W_co = TypeVar("W_co", covariant=True)
W = TypeVar("W", bound=ApiObject)
C = TypeVar("C", bound=ApiObject)


class Reading(Protocol[W_co, C]):
    """What is made of one reply."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """What was not sent exactly as asked."""
        ...

    @property
    def usage(self) -> Usage | None:
        """The tokens, once they were told."""
        ...

    def take(self, batch: Iterable[Event]) -> list[C]:
        """The chunks in these events."""
        ...

    def end(self) -> list[C]:
        """The chunks that only the end of the stream makes."""
        ...

    def whole(self, events: Iterable[Event]) -> W_co:
        """The object of a reply that was not streamed."""
        ...


class RawReading(Generic[W, C]):
    """A reply in OpenAI's own format, which is left as it is.

    Of a stream, chunks without a choice are kept back unless they were asked for.
    """

    def __init__(self, whole: type[W], chunk: type[C], *, with_usage: bool = False) -> None:
        self.changes: tuple[Change, ...] = ()
        self.usage: Usage | None = None
        self._whole = whole
        self._chunk = chunk
        self._with_usage = with_usage

    def take(self, batch: Iterable[Event]) -> list[C]:
        """See `Reading`."""
        chunks: list[C] = []
        for said in _said(batch):
            self._look(said)
            if said.get("choices") or self._with_usage:
                chunks.append(self._chunk(said))
        return chunks

    def end(self) -> list[C]:
        """See `Reading`."""
        return []

    def whole(self, events: Iterable[Event]) -> W:
        """See `Reading`."""
        (said,) = _said(events)
        self._look(said)
        return self._whole(said)

    def _look(self, said: dict[str, Any]) -> None:
        if (usage := usage_in(said)) is not None:
            self.usage = Usage(usage)


class RawChatReading(RawReading[ChatCompletionReply, ChatCompletionChunk]):
    """The same of a chat completion. In a stream, `role` stays on the first chunk of each choice alone."""

    def __init__(self, changes: tuple[Change, ...] = (), *, with_usage: bool = False) -> None:
        super().__init__(ChatCompletionReply, ChatCompletionChunk, with_usage=with_usage)
        self.changes = changes
        self._begun: set[Any] = set()  # the choices whose role was told

    def take(self, batch: Iterable[Event]) -> list[ChatCompletionChunk]:
        """See `Reading`."""
        chunks = super().take(batch)
        for chunk in chunks:
            for choice in as_list(chunk.get("choices")):
                self._tidy(choice)
        return chunks

    def _tidy(self, choice: ChatCompletionChunkChoice) -> None:
        if "delta" not in choice and "message" in choice:  # a server that does not stream
            choice["delta"] = ChatCompletionDelta(choice.pop("message"))
        delta = choice.get("delta")
        if isinstance(delta, ChatCompletionDelta) and "role" in delta:
            if choice.index in self._begun:
                del delta["role"]
            self._begun.add(choice.index)


def _said(batch: Iterable[Event]) -> Iterable[dict[str, Any]]:
    for event in cast("Iterable[Any]", batch):
        if type(event) is Said:
            yield event.json


class EventReading:
    """A reply in another dialect, told as OpenAI would."""

    def __init__(
        self,
        answer: ResponseAccumulator,
        call_metadata: CallMetadata,
        *,
        with_usage: bool = False,
        restored: Callable[[str], str] = str,
    ) -> None:
        self.changes = call_metadata.changes
        self._answer = answer
        self._about = call_metadata
        self._with_usage = with_usage
        self._restored = restored
        self._maker = ChunkMaker(call_metadata.model)

    def take(self, batch: Iterable[Event]) -> list[ChatCompletionChunk]:
        """See `Reading`."""
        chunks: list[ChatCompletionChunk] = []
        for event in batch:
            for told in self._told(event):
                if (chunk := self._maker.chunk(told)) is not None:
                    chunks.append(chunk)
                    if type(told) is Finished and (state := self._answer.provider_state(self._about)):
                        chunk.choices[0].delta["provider_state"] = state
        return chunks

    @property
    def usage(self) -> Usage | None:
        """See `Reading`."""
        return usage_of(self._answer, self._about)

    def end(self) -> list[ChatCompletionChunk]:
        """See `Reading`. The usage, where it was asked for, comes on a chunk of its own."""
        usage = self.usage if self._with_usage else None
        return [] if usage is None else [self._maker.made([], usage=usage)]

    def _told(self, event: Event) -> list[Event]:
        """The event; for an answer that a tool was forced for, what it says of the answer."""
        answer = self._answer
        before = len(answer.text)
        answer.add((event,))
        if type(event) is ToolCallDelta and event.key not in answer.calls:
            return [TextDelta(piece) for piece in answer.text[before:]]
        if type(event) is Finished and event.reason == "tool_calls" and not answer.calls:
            return [Finished("stop", event.raw)]  # the call was the answer
        return [event]

    def whole(self, events: Iterable[Event]) -> ChatCompletionReply:
        """See `Reading`."""
        self._answer.add(events)
        reply = completion_of(self._answer, self._about)
        message = reply.choices[0].message
        if message.content:
            message["content"] = self._restored(message.content)
        return reply


def usage_of(answer: ResponseAccumulator, call_metadata: CallMetadata) -> Usage | None:
    """The tokens in OpenAI's words, None where the provider told none."""
    if answer.usage is None:
        return None
    counts = build_metadata(answer, call_metadata)["usage"]
    usage = {name: counts[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    prompt = {name: counts[name] for name in ("cached_tokens", "cache_write_tokens") if name in counts}
    completion = {name: counts[name] for name in ("reasoning_tokens",) if name in counts}
    details = {"prompt_tokens_details": prompt, "completion_tokens_details": completion}
    return Usage({**usage, **{name: counts for name, counts in details.items() if counts}})


def completion_of(answer: ResponseAccumulator, call_metadata: CallMetadata) -> ChatCompletionReply:
    """The whole answer, as OpenAI would have given it. Its message can be sent back to any model."""
    facts = build_metadata(answer, call_metadata)
    response = ModelResponse(answer, call_metadata)
    message: dict[str, Any] = dict(response.message)
    more = {
        "refusal": response.refusal,
        "reasoning_content": response.reasoning,
        "annotations": [_annotation(each) for each in answer.citations],
        "images": [_image(each) for each in answer.media if each.kind == "image"],
        "audio": next(({"data": each.data} for each in answer.media if each.kind == "audio"), None),
    }
    message |= {name: value for name, value in more.items() if value}
    reason = facts["finish_reason"]
    if reason == "tool_calls" and not answer.calls:
        reason = "stop"  # the call was the answer
    return ChatCompletionReply(
        {
            "id": facts["id"] or "",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": facts["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": usage_of(answer, call_metadata),
        }
    )


def _annotation(source: Citation) -> dict[str, Any]:
    return {"type": "url_citation", "url_citation": {"url": source.url, "title": source.title}}


def _image(image: Media) -> dict[str, Any]:
    url = image.url or f"data:{image.media_type or 'image/png'};base64,{image.data}"
    return {"type": "image_url", "image_url": {"url": url}}
