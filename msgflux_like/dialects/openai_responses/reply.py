"""Replies in OpenAI's Responses format, whole or streamed.

Source: https://platform.openai.com/docs/api-reference/responses-streaming.

How a stream is built:

    response.created                    id and model of the reply
    response.output_item.added          item `output_index` starts: message, reasoning, call, or a server tool
    response.<channel>.delta            a piece of that item: text, refusal, reasoning, summary, arguments
    response.output_text.annotation.added  a citation of that item
    response.output_item.done           that item, whole
    response.completed, .incomplete     the whole response again, with the token usage; nothing follows
    response.failed, error              the failure

A whole reply is the response object of the last event, and is read as a stream of that event alone.

- The same content arrives up to three times: as deltas, as a whole item, and in the whole response, and servers omit
  any of them. Each repetition is compared with what was reported of the item, and only what is missing is reported.
- An item is known by its `output_index`, because its id may change within a stream (Azure, GitHub Copilot). The items
  of the final response are matched by id, then in order among those of one type: they may be fewer than in the stream.
- Items without pieces (encrypted reasoning, images, server tools) are reported once, when they are whole.
- A completed reply that has calls ends with the finish reason `tool_calls`.
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
FINISH_REASONS: Final[Mapping[str, FinishReason]] = {
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
    """The content of one output item that was reported so far."""

    key: int
    kind: str = ""
    id: str = ""
    reported: dict[str, list[str]] = {}  # by channel; parts are not told apart, because some servers miscount them
    citations: int = 0
    logprobs_reported: int = 0  # number of tokens whose log probabilities were reported
    is_named: bool = False  # whether the id and name of a call were reported
    done: bool = False  # whether an item without pieces was reported: server tools, images, encrypted reasoning


_response_decoder = msgspec.json.Decoder(Response)
_event_decoder = msgspec.json.Decoder(_Event)

# The channel that a delta adds to, and the type of its item.
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
    """Return the events of a whole reply; see `Dialect.decode`."""
    response = _response_decoder.decode(body)
    if response.output is None and response.status is None and not response.error:
        raise msgspec.ValidationError("it has neither `output` nor `status`")
    return list(Reader().on_response(response))


def decoder() -> SseDecoder:
    """Return a decoder for one streamed reply; see `Dialect.decoder`."""
    return SseDecoder(Reader().read, decode)


class Reader:
    """Reader of the events of one reply."""

    __slots__ = ("_has_calls", "_items", "_last_place")

    def __init__(self) -> None:
        self._items: dict[int | str, _Item] = {}
        self._last_place: int | str = ""
        self._has_calls = False

    def read(self, data: bytes, events: list[Event]) -> bool:
        """Append the events in the data of one server-sent event; return True for the last one."""
        if data == b"[DONE]":
            return True
        if not data.strip():
            return False
        event = _event_decoder.decode(data)
        known = _CHANNEL.get(event.type)
        if known is None:
            events.extend(self._on_other_event(event))
        elif event.delta and isinstance(event.delta, str):
            channel, kind = known
            item = self._item_of(event, kind)
            events.append(self._on_piece(item, channel, event.delta))
            if event.logprobs:
                item.logprobs_reported += len(event.logprobs)
                events.append(logprobs(event.logprobs))
        return event.type in _WHOLE

    def _on_other_event(self, event: _Event) -> Iterator[Event]:
        match event.type:
            case "response.output_item.added":
                item = self._item_of(event)
                if item.kind in _CALLS:
                    yield self._on_tool_call(item, event.item)
            case "response.output_item.done":
                yield from self._on_whole_item(self._item_of(event), as_mapping(event.item))
            case "response.output_text.annotation.added":
                self._item_of(event).citations += 1
                yield _citation_from(event.annotation)
            case "response.created" if event.response is not None:
                yield Started(event.response.id or "", event.response.model or "")
            case _ if event.type in _LAST and event.response is not None:
                yield from self.on_response(event.response, event.type.removeprefix("response."))
            case _ if event.type == "error" or (not event.type and event.error):
                yield failure_from({"error": event.error or {"message": event.message, "code": event.code}})
            case _:
                pass

    def on_response(self, response: Response, status: str = "") -> Iterator[Event]:
        """Report the final response: all of a whole reply, or what a stream has not reported yet."""
        yield Started(response.id or "", response.model or "")
        for item, raw in self._matched_items([as_mapping(raw) for raw in response.output or ()]):
            yield from self._on_whole_item(item, raw)
        if response.usage is not None:
            yield _usage_from(response.usage)
        raw_reason = (response.incomplete_details and response.incomplete_details.reason) or response.status or status
        if response.error or raw_reason == "failed":
            yield failure_from({"error": response.error or {}})
        else:
            reason: FinishReason = FINISH_REASONS.get(raw_reason, "unknown")
            yield Finished("tool_calls" if reason == "stop" and self._has_calls else reason, raw_reason)

    def _item_of(self, event: _Event, kind: str = "") -> _Item:
        """Return the item of an event: by its `output_index`, else by its id, else the item that started last."""
        raw = as_mapping(event.item)
        place = event.output_index
        if place is None:
            place = event.item_id or str(raw.get("id") or "") or self._last_place
        item = self._items.get(place)
        if item is None:
            item = self._items[place] = _Item(len(self._items), kind, event.item_id or "")
            self._last_place = place
        if raw:
            item.kind = str(raw.get("type") or "") or item.kind
            item.id = str(raw.get("id") or "") or item.id
        return item

    def _matched_items(self, raws: list[Mapping[str, Any]]) -> list[tuple[_Item, Mapping[str, Any]]]:
        """Return each final item with its item of the stream: by id, else in order among those of its type.

        The index does not tell, because servers omit items of the stream from the final output.
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

    def _on_whole_item(self, item: _Item, raw: Mapping[str, Any]) -> Iterator[Event]:
        """Report what a whole item holds and was not reported yet."""
        kind = raw.get("type")
        if kind == "message":
            yield from self._on_whole_message(item, raw)
        elif kind == "reasoning":
            yield from self._on_missing(item, "summary", _joined(raw.get("summary"), "text"))
            yield from self._on_missing(item, "reasoning", _joined(raw.get("content"), "text"))
            if raw.get("encrypted_content") and not item.done:
                item.done = True
                yield ProviderState("reasoning", raw)
        elif kind in _CALLS:
            if not item.is_named:
                yield self._on_tool_call(item, raw)
            written = raw.get(_CALLS[kind]) or ""
            yield from self._on_missing(item, "arguments", written if isinstance(written, str) else json_text(written))
        elif not item.done:
            item.done = True
            if kind == "image_generation_call" and raw.get("result"):
                yield Media("image", str(raw["result"]), media_type=f"image/{raw.get('output_format') or 'png'}")
            yield ServerTool(str(kind or ""), raw)

    def _on_whole_message(self, item: _Item, raw: Mapping[str, Any]) -> Iterator[Event]:
        parts = raw.get("content")
        yield from self._on_missing(item, "text", _joined(parts, "text"))
        yield from self._on_missing(item, "refusal", _joined(parts, "refusal"))
        notes = [note for part in as_list(parts) for note in as_list(as_mapping(part).get("annotations"))]
        yield from (_citation_from(note) for note in notes[item.citations :])
        item.citations = max(item.citations, len(notes))
        tokens = [token for part in as_list(parts) for token in as_list(as_mapping(part).get("logprobs"))]
        if tokens[item.logprobs_reported :]:
            yield logprobs(tokens[item.logprobs_reported :])
            item.logprobs_reported = len(tokens)

    def _on_tool_call(self, item: _Item, raw: Mapping[str, Any]) -> Event:
        item.is_named = self._has_calls = True
        return ToolCallDelta(item.key, str(raw.get("call_id") or raw.get("id") or ""), str(raw.get("name") or ""))

    def _on_piece(self, item: _Item, channel: str, text: str) -> Event:
        item.reported.setdefault(channel, []).append(text)
        make = _EVENT.get(channel)
        return make(text) if make is not None else ToolCallDelta(item.key, arguments=text)

    def _on_missing(self, item: _Item, channel: str, whole: str) -> Iterator[Event]:
        """Report the end of `whole` that was not streamed; nothing if the stream differs from it."""
        reported = "".join(item.reported.get(channel, ()))
        if len(whole) > len(reported) and whole.startswith(reported):
            yield self._on_piece(item, channel, whole[len(reported) :])


def _same_id(item: _Item, raw: Mapping[str, Any]) -> bool:
    return bool(item.id) and item.id == raw.get("id")


def _same_kind(item: _Item, raw: Mapping[str, Any]) -> bool:
    return item.kind == raw.get("type")


def _joined(parts: Any, field: str) -> str:
    return "".join(str(as_mapping(part).get(field) or "") for part in as_list(parts))


def _citation_from(note: Any) -> Citation:
    source = as_mapping(note)
    return Citation(str(source.get("url") or ""), str(source.get("title") or source.get("filename") or ""), raw=note)


def _usage_from(usage: _Usage) -> TokenUsage:
    input_details = usage.input_tokens_details or _InputDetails()
    cost = usage.cost if usage.cost_in_usd_ticks is None else usage.cost_in_usd_ticks / 1e10
    return TokenUsage(
        input=usage.input_tokens,
        output=usage.output_tokens,
        cached_input=input_details.cached_tokens,
        cache_write=input_details.cache_write_tokens,
        reasoning=usage.output_tokens_details.reasoning_tokens if usage.output_tokens_details else None,
        total=usage.total_tokens,
        cost=cost,
    )
