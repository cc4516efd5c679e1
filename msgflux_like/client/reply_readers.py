"""Readers of replies: from events to OpenAI's objects, for whole and for streamed replies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar, cast

from msgflux_like._json import as_list
from msgflux_like.client.raw import RawReply, usage_in
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


class ReplyReader(Protocol[W_co, C]):
    """Reader of one reply."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """Record of what was not sent exactly as asked."""
        ...

    @property
    def usage(self) -> Usage | None:
        """Tokens of the answer, None until the provider reported them."""
        ...

    def take(self, batch: Iterable[Event]) -> list[C]:
        """Return the chunks of these events."""
        ...

    def end(self) -> list[C]:
        """Return the chunks that follow from the end of the stream."""
        ...

    def read_whole(self, events: Iterable[Event]) -> W_co:
        """Return the object of a reply that was not streamed."""
        ...


class RawReader(Generic[W, C]):
    """Reader of a reply in OpenAI's own format, which is passed on unchanged.

    In a stream, chunks without a choice are left out unless they were asked for.
    """

    def __init__(self, whole: type[W], chunk: type[C], *, with_usage: bool = False) -> None:
        self.changes: tuple[Change, ...] = ()
        self.usage: Usage | None = None
        self._whole = whole
        self._chunk = chunk
        self._with_usage = with_usage

    def take(self, batch: Iterable[Event]) -> list[C]:
        """Return the chunks of these events."""
        chunks: list[C] = []
        for reply in _raw_replies(batch):
            self._record_usage(reply)
            if reply.get("choices") or self._with_usage:
                chunks.append(self._chunk(reply))
        return chunks

    def end(self) -> list[C]:
        """Return the chunks that follow from the end of the stream: none."""
        return []

    def read_whole(self, events: Iterable[Event]) -> W:
        """Return the object of a reply that was not streamed."""
        (reply,) = _raw_replies(events)
        self._record_usage(reply)
        return self._whole(reply)

    def _record_usage(self, reply: dict[str, Any]) -> None:
        if (usage := usage_in(reply)) is not None:
            self.usage = Usage(usage)


class RawChatReader(RawReader[ChatCompletionReply, ChatCompletionChunk]):
    """Reader of a chat completion in OpenAI's own format. In a stream, only the first chunk of a choice has `role`."""

    def __init__(self, changes: tuple[Change, ...] = (), *, with_usage: bool = False) -> None:
        super().__init__(ChatCompletionReply, ChatCompletionChunk, with_usage=with_usage)
        self.changes = changes
        self._started: set[str] = set()  # indexes of the choices whose role was passed on

    def take(self, batch: Iterable[Event]) -> list[ChatCompletionChunk]:
        """Return the chunks of these events."""
        chunks = super().take(batch)
        for chunk in chunks:
            for choice in as_list(chunk.get("choices")):
                if isinstance(choice, ChatCompletionChunkChoice):
                    self._normalize(choice)
        return chunks

    def _normalize(self, choice: ChatCompletionChunkChoice) -> None:
        if "delta" not in choice and isinstance(choice.get("message"), dict):  # from a server that does not stream
            choice["delta"] = ChatCompletionDelta(choice.pop("message"))
        delta = choice.get("delta")
        if isinstance(delta, ChatCompletionDelta) and "role" in delta:
            index = str(choice.get("index"))
            if index in self._started:
                del delta["role"]
            self._started.add(index)


def _raw_replies(batch: Iterable[Event]) -> Iterable[dict[str, Any]]:
    for event in cast("Iterable[Any]", batch):
        if type(event) is RawReply:
            yield event.json


class EventReader:
    """Reader of a reply in another dialect, which is converted to OpenAI's objects."""

    def __init__(
        self,
        answer: ResponseAccumulator,
        call_metadata: CallMetadata,
        *,
        with_usage: bool = False,
        restore: Callable[[str], str] = str,
    ) -> None:
        self.changes = call_metadata.changes
        self._answer = answer
        self._call_metadata = call_metadata
        self._with_usage = with_usage
        self._restore = restore
        self._maker = ChunkMaker(call_metadata.model)

    def take(self, batch: Iterable[Event]) -> list[ChatCompletionChunk]:
        """Return the chunks of these events."""
        chunks: list[ChatCompletionChunk] = []
        for event in batch:
            for converted in self._convert(event):
                if (chunk := self._maker.chunk(converted)) is not None:
                    chunks.append(chunk)
                    if type(converted) is Finished and (state := self._provider_state()):
                        chunk.choices[0].delta["provider_state"] = state
        return chunks

    def _provider_state(self) -> list[dict[str, Any]]:
        return self._answer.provider_state(self._call_metadata.family, self._call_metadata.reasoning_field)

    @property
    def usage(self) -> Usage | None:
        """Tokens of the answer, None until the provider reported them."""
        return usage_of(self._answer, self._call_metadata)

    def end(self) -> list[ChatCompletionChunk]:
        """Return a chunk with the usage, if it was asked for."""
        usage = self.usage if self._with_usage else None
        return [] if usage is None else [self._maker.made([], usage=usage)]

    def _convert(self, event: Event) -> list[Event]:
        """Return the event; where the answer is the call of a forced tool, the event of the answer's text."""
        answer = self._answer
        before = len(answer.text)
        answer.add((event,))
        if type(event) is ToolCallDelta and event.key not in answer.calls:
            return [TextDelta(piece) for piece in answer.text[before:]]
        if type(event) is Finished and event.reason == "tool_calls" and not answer.calls:
            return [Finished("stop", event.raw)]  # the call is the answer
        return [event]

    def read_whole(self, events: Iterable[Event]) -> ChatCompletionReply:
        """Return the object of a reply that was not streamed."""
        self._answer.add(events)
        reply = completion_of(self._answer, self._call_metadata)
        message = reply.choices[0].message
        if message.content:
            message["content"] = self._restore(message.content)
        return reply


def usage_of(answer: ResponseAccumulator, call_metadata: CallMetadata) -> Usage | None:
    """Return the tokens in OpenAI's form, None where the provider reported none."""
    if answer.usage is None:
        return None
    counts = build_metadata(answer, call_metadata)["usage"]
    usage = {name: counts[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    prompt = {name: counts[name] for name in ("cached_tokens", "cache_write_tokens") if name in counts}
    completion = {name: counts[name] for name in ("reasoning_tokens",) if name in counts}
    details = {"prompt_tokens_details": prompt, "completion_tokens_details": completion}
    return Usage({**usage, **{name: counts for name, counts in details.items() if counts}})


def completion_of(answer: ResponseAccumulator, call_metadata: CallMetadata) -> ChatCompletionReply:
    """Return the whole answer in OpenAI's form. Its message can be sent back to any model."""
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
        reason = "stop"  # the call is the answer
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
    span = {"start_index": source.start, "end_index": source.end}
    quoted = {"content": source.text} if source.text else {}
    fields = {name: value for name, value in span.items() if value is not None}
    return {"type": "url_citation", "url_citation": {"url": source.url, "title": source.title, **quoted, **fields}}


def _image(image: Media) -> dict[str, Any]:
    url = image.url or f"data:{image.media_type or 'image/png'};base64,{image.data}"
    return {"type": "image_url", "image_url": {"url": url}}
