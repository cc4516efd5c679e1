"""What a reply in OpenAI's Responses format says, whole or streamed.

Source: https://platform.openai.com/docs/api-reference/responses-streaming.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from msgflux_like._json import as_list, as_mapping
from msgflux_like.dialects._shared.failures import failure_from
from msgflux_like.dialects._shared.logprobs import logprobs
from msgflux_like.dialects._shared.parts import json_text
from msgflux_like.dialects._shared.stream_decoder import SseDecoder
from msgflux_like.events import (
    Citation,
    Event,
    Finished,
    FinishReason,
    Media,
    ProviderState,
    ReasoningDelta,
    RefusalDelta,
    ServerTool,
    Started,
    TextDelta,
    TokenUsage,
    ToolCallDelta,
)

# The status, or the reason of an incomplete one. A completed reply with calls in it ends with `tool_calls`.
FINISH: Final[Mapping[str, FinishReason]] = {
    "completed": "stop",
    "complete": "stop",  # xAI and Azure, now and then
    "max_output_tokens": "length",
    "content_filter": "content_filter",
    "cancelled": "error",
}


class _InputDetails(Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(Struct, gc=False):
    reasoning_tokens: int | None = None


class _Usage(Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None
    cost: float | None = None  # OpenRouter: US dollars
    cost_in_usd_ticks: int | None = None  # xAI: 10^10 to the dollar


class _Incomplete(Struct, gc=False):
    reason: str | None = None


class Response(Struct, gc=False):
    """A whole reply, or the response object inside a stream event."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[Any] | None = None  # items of more than twenty kinds
    usage: _Usage | None = None
    incomplete_details: _Incomplete | None = None
    error: Any = None


class _Event(Struct, gc=False):
    """One event of a stream, of any kind; the JSON names its type, and not every server sends the `event:` line."""

    type: str = ""
    delta: Any = None
    output_index: int | None = None  # llama.cpp leaves it out
    item_id: str | None = None
    item: Any = None
    annotation: Any = None
    logprobs: list[Any] | None = None
    response: Response | None = None
    error: Any = None
    message: Any = None  # of an `error` event, which has its fields at the top or in `error`
    code: Any = None


class _Item(Struct, gc=False):
    """What has been said of one output item, so that its repetitions add what is missing and nothing twice."""

    key: int
    kind: str = ""
    id: str = ""
    said: dict[str, list[str]] = {}  # by channel; parts are not told apart, because some servers miscount them
    cited: int = 0
    weighed: int = 0  # the tokens whose probabilities were told
    named: bool = False  # a call's id and name
    closed: bool = False  # what has no pieces: server tools, images, encrypted reasoning


_response_decoder = msgspec.json.Decoder(Response)
_event_decoder = msgspec.json.Decoder(_Event)

# What a delta adds to, and the kind of item it can only be of.
_CHANNEL: Final[Mapping[str, tuple[str, str]]] = {
    "response.output_text.delta": ("text", "message"),
    "response.refusal.delta": ("refusal", "message"),
    "response.reasoning_text.delta": ("reasoning", "reasoning"),
    "response.reasoning_summary_text.delta": ("summary", "reasoning"),
    "response.function_call_arguments.delta": ("arguments", "function_call"),
    "response.custom_tool_call_input.delta": ("arguments", "custom_tool_call"),
}
_EVENT: Final[Mapping[str, Callable[[str], Event]]] = {
    "text": TextDelta,
    "refusal": RefusalDelta,
    "reasoning": ReasoningDelta,
    "summary": ReasoningDelta,
}
_WHOLE: Final = {"response.completed", "response.incomplete"}
_LAST: Final = {*_WHOLE, "response.failed"}
_CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}


def decode(body: bytes) -> list[Event]:
    """See `Dialect`."""
    response = _response_decoder.decode(body)
    if response.output is None and response.status is None and not response.error:
        raise msgspec.ValidationError("it has neither `output` nor `status`")
    return list(Reader().end(response))


def decoder() -> SseDecoder:
    """See `Dialect`."""
    return SseDecoder(Reader().read, decode)


class Reader:
    """Reads the events of one reply. Deltas come first, then the same in whole parts, whole items and a whole response.

    Any of them may be missing, and an item's id may change on the way (Azure, GitHub Copilot), so each repetition
    is compared with what was said under its `output_index`.
    """

    __slots__ = ("_called", "_items", "_last")

    def __init__(self) -> None:
        self._items: dict[int | str, _Item] = {}
        self._last: int | str = ""
        self._called = False

    def read(self, data: bytes, events: list[Event]) -> bool:
        """One event's data; True for the last one."""
        if data == b"[DONE]":
            return True
        if not data.strip():
            return False
        event = _event_decoder.decode(data)
        known = _CHANNEL.get(event.type)
        if known is None:
            events.extend(self._other(event))
        elif event.delta and isinstance(event.delta, str):
            channel, kind = known
            item = self._item(event, kind)
            events.append(self._said(item, channel, event.delta))
            if event.logprobs:
                item.weighed += len(event.logprobs)
                events.append(logprobs(event.logprobs))
        return event.type in _WHOLE

    def _other(self, event: _Event) -> Iterator[Event]:
        match event.type:
            case "response.output_item.added":
                item = self._item(event)
                if item.kind in _CALLS:
                    yield self._call(item, event.item)
            case "response.output_item.done":
                yield from self._rest(self._item(event), as_mapping(event.item))
            case "response.output_text.annotation.added":
                self._item(event).cited += 1
                yield _citation(event.annotation)
            case "response.created" if event.response is not None:
                yield Started(event.response.id or "", event.response.model or "")
            case _ if event.type in _LAST and event.response is not None:
                yield from self.end(event.response, event.type.removeprefix("response."))
            case _ if event.type == "error" or (not event.type and event.error):
                yield failure_from({"error": event.error or {"message": event.message, "code": event.code}})
            case _:
                pass

    def end(self, response: Response, status: str = "") -> Iterator[Event]:
        """The response as it is in the end: all there is of a whole reply, and what a stream has left to say."""
        yield Started(response.id or "", response.model or "")
        for item, raw in self._pairs([as_mapping(raw) for raw in response.output or ()]):
            yield from self._rest(item, raw)
        if response.usage is not None:
            yield _tokens(response.usage)
        raw_reason = (response.incomplete_details and response.incomplete_details.reason) or response.status or status
        if response.error or raw_reason == "failed":
            yield failure_from({"error": response.error or {}})
        else:
            reason: FinishReason = FINISH.get(raw_reason, "unknown")
            yield Finished("tool_calls" if reason == "stop" and self._called else reason, raw_reason)

    def _item(self, event: _Event, kind: str = "") -> _Item:
        """The item an event speaks of: by its place in the output, else by its id, else the one begun last."""
        raw = as_mapping(event.item)
        place = event.output_index
        if place is None:
            place = event.item_id or str(raw.get("id") or "") or self._last
        item = self._items.get(place)
        if item is None:
            item = self._items[place] = _Item(len(self._items), kind, event.item_id or "")
            self._last = place
        if raw:
            item.kind = str(raw.get("type") or "") or item.kind
            item.id = str(raw.get("id") or "") or item.id
        return item

    def _pairs(self, raws: list[Mapping[str, Any]]) -> list[tuple[_Item, Mapping[str, Any]]]:
        """Each item of the final output with the one of the stream: by id, else in order among those of its kind.

        Not by place: servers leave items out of the final output that had a place in the stream.
        """
        open_items = list(self._items.values())
        pairs: dict[int, _Item] = {}
        for same in (_same_id, _same_kind):
            for place, raw in enumerate(raws):
                if place not in pairs and (item := next((item for item in open_items if same(item, raw)), None)):
                    pairs[place] = item
                    open_items.remove(item)
        for place in range(len(raws)):
            if place not in pairs:
                pairs[place] = self._items[f"final {place}"] = _Item(len(self._items))
        return [(pairs[place], raw) for place, raw in enumerate(raws)]

    def _rest(self, item: _Item, raw: Mapping[str, Any]) -> Iterator[Event]:
        """What a whole item says beyond what was said of it."""
        kind = raw.get("type")
        if kind == "message":
            yield from self._message(item, raw)
        elif kind == "reasoning":
            yield from self._missing(item, "summary", _joined(raw.get("summary"), "text"))
            yield from self._missing(item, "reasoning", _joined(raw.get("content"), "text"))
            if raw.get("encrypted_content") and not item.closed:
                item.closed = True
                yield ProviderState("reasoning", raw)
        elif kind in _CALLS:
            if not item.named:
                yield self._call(item, raw)
            written = raw.get(_CALLS[kind]) or ""
            yield from self._missing(item, "arguments", written if isinstance(written, str) else json_text(written))
        elif not item.closed:
            item.closed = True
            if kind == "image_generation_call" and raw.get("result"):
                yield Media("image", str(raw["result"]), media_type=f"image/{raw.get('output_format') or 'png'}")
            yield ServerTool(str(kind or ""), raw)

    def _message(self, item: _Item, raw: Mapping[str, Any]) -> Iterator[Event]:
        parts = raw.get("content")
        yield from self._missing(item, "text", _joined(parts, "text"))
        yield from self._missing(item, "refusal", _joined(parts, "refusal"))
        notes = [note for part in as_list(parts) for note in as_list(as_mapping(part).get("annotations"))]
        yield from (_citation(note) for note in notes[item.cited :])
        item.cited = max(item.cited, len(notes))
        tokens = [token for part in as_list(parts) for token in as_list(as_mapping(part).get("logprobs"))]
        if tokens[item.weighed :]:
            yield logprobs(tokens[item.weighed :])
            item.weighed = len(tokens)

    def _call(self, item: _Item, raw: Mapping[str, Any]) -> Event:
        item.named = self._called = True
        return ToolCallDelta(item.key, str(raw.get("call_id") or raw.get("id") or ""), str(raw.get("name") or ""))

    def _said(self, item: _Item, channel: str, text: str) -> Event:
        item.said.setdefault(channel, []).append(text)
        make = _EVENT.get(channel)
        return make(text) if make is not None else ToolCallDelta(item.key, arguments=text)

    def _missing(self, item: _Item, channel: str, whole: str) -> Iterator[Event]:
        """The end of `whole` that was not streamed. One that was streamed differently stays as it was streamed."""
        said = "".join(item.said.get(channel, ()))
        if len(whole) > len(said) and whole.startswith(said):
            yield self._said(item, channel, whole[len(said) :])


def _same_id(item: _Item, raw: Mapping[str, Any]) -> bool:
    return bool(item.id) and item.id == raw.get("id")


def _same_kind(item: _Item, raw: Mapping[str, Any]) -> bool:
    return item.kind == raw.get("type")


def _joined(parts: Any, field: str) -> str:
    return "".join(str(as_mapping(part).get(field) or "") for part in as_list(parts))


def _citation(note: Any) -> Citation:
    source = as_mapping(note)
    return Citation(str(source.get("url") or ""), str(source.get("title") or source.get("filename") or ""), raw=note)


def _tokens(usage: _Usage) -> TokenUsage:
    given = usage.input_tokens_details or _InputDetails()
    cost = usage.cost if usage.cost_in_usd_ticks is None else usage.cost_in_usd_ticks / 1e10
    return TokenUsage(
        input=usage.input_tokens,
        output=usage.output_tokens,
        cached_input=given.cached_tokens,
        cache_write=given.cache_write_tokens,
        reasoning=usage.output_tokens_details.reasoning_tokens if usage.output_tokens_details else None,
        total=usage.total_tokens,
        cost=cost,
    )
