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
- Items without pieces (encrypted reasoning, images, server tools, types that are not known here) are reported once,
  when they are whole, as state that goes back at its place in the next request.
- The texts of two messages are separated by a blank line. What a message or a call has beside its content (`phase`,
  `namespace`, being a custom call) is state too: that of a message follows its text, that of a call has its `call_id`.
- A completed reply that has calls ends with the finish reason `tool_calls`. Only the final response shows that a stream
  is whole; `[DONE]` does not, because gateways send it after an upstream that broke off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Struct, ValidationError

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared import lenient
from msgflux_like.dialects._shared.call_ids import UniqueIds
from msgflux_like.dialects._shared.logprobs import logprobs
from msgflux_like.dialects._shared.parts import json_text
from msgflux_like.dialects._shared.stream_decoder import SseDecoder
from msgflux_like.dialects.openai_responses.errors import PENDING, failure_of, pending
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
    Warned,
)

# The status, or the reason of an incomplete one. A completed reply with calls in it ends with `tool_calls`.
FINISH_REASONS: Final[Mapping[str, FinishReason]] = {
    "completed": "stop",
    "complete": "stop",  # xAI and Azure, now and then
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}
_FAILURES: Final = frozenset({"failed", "cancelled"})

BETWEEN_MESSAGES: Final = "\n\n"
"""Separator of the texts of two messages of one answer; requests take it out again."""

CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
"""Types of items that are calls, and the field of each that holds its arguments."""

MARKS: Final[Mapping[str, tuple[str, ...]]] = {
    "message": ("phase",),
    "function_call": ("namespace", "caller", "async"),
    "custom_tool_call": ("namespace", "caller", "async"),
}
"""Fields beside the content of a message or a call that have to go back with it."""


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

    STRICT: ClassVar[frozenset[str]] = frozenset({"output"})

    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[Any] | None = None  # items of more than twenty kinds, which go back as they are
    usage: _Usage | None = None
    incomplete_details: _Incomplete | None = None
    error: Any = None


class _Event(Struct, gc=False):
    """One event of a stream, of any kind; the JSON names its type, and not every server sends the `event:` line."""

    STRICT: ClassVar[frozenset[str]] = frozenset({"type", "response"})

    type: str = ""
    delta: Any = None  # a string in the events that are read
    output_index: int | None = None  # llama.cpp leaves it out
    item_id: str | None = None
    content_index: int | None = None
    item: Any = None  # an item of any kind
    annotation: Any = None
    logprobs: list[Any] | None = None
    response: Response | None = None
    error: Any = None
    message: Any = None  # of an `error` event, which has its fields at the top or in `error`
    code: Any = None


class _Part(Struct, gc=False):
    """A part of a message or of reasoning."""

    STRICT: ClassVar[frozenset[str]] = frozenset({"text", "refusal"})

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None


class _Message(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"content"})

    content: list[_Part] | None = None


class _Reasoning(Struct, gc=False):
    summary: list[_Part] | None = None
    content: list[_Part] | None = None
    encrypted_content: str | None = None


class _Call(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"name"})

    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: Any = None  # JSON text; an object at some hosts
    input: Any = None  # text of a custom call


class _Image(Struct, gc=False):
    result: str | None = None
    output_format: str | None = None


class _Annotation(Struct, gc=False):
    """A citation: `url_citation`, `file_citation`, `container_file_citation` or `file_path`."""

    url: str | None = None
    title: str | None = None
    filename: str | None = None
    quote: str | None = None
    content: str | None = None  # OpenRouter: the passage of the page
    start_index: int | None = None
    end_index: int | None = None


class _Item(Struct, gc=False):
    """The content of one output item that was reported so far."""

    key: int
    kind: str = ""
    id: str = ""
    call_id: str = ""
    reported: dict[str, list[str]] = {}  # by channel; parts are not told apart, because some servers miscount them
    citations: int = 0
    logprobs_reported: int = 0  # number of tokens whose log probabilities were reported
    is_named: bool = False  # whether the id and name of a call were reported
    done: bool = False  # whether an item without pieces was reported: server tools, images, encrypted reasoning
    is_closed: bool = False  # whether the stream said that the item is whole
    is_marked: bool = False  # whether what it has beside its content was reported
    follows_call: bool = False  # whether a call came before its text
    marks: dict[str, Any] = {}  # what it has beside its content
    text_start: int = 0  # characters of the answer's text before its own
    part_starts: dict[int, int] = {}  # by index of the part: characters of its text before that part


_response_decoder = msgspec.json.Decoder(Response)
_event_decoder = msgspec.json.Decoder(_Event)
_decode_event = _event_decoder.decode

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
_LAST: Final = {*_WHOLE, "response.failed", "response.cancelled"}


def decode(body: bytes) -> list[Event]:
    """Return the events of a whole reply; see `Dialect.decode`."""
    warnings: list[Event] = []
    response = lenient.decode(_response_decoder, body, partial(_warn, warnings))
    if response.output is None and response.status not in PENDING | _FAILURES and not response.error:
        raise ValidationError("it has no `output`")
    reader = Reader()
    if response.status in PENDING and not response.error:
        events = [*reader.on_output(response), pending(response.status or "", response.id or "")]
    else:
        events = list(reader.on_response(response))
    return [*warnings, *events] if warnings else events


def decoder() -> SseDecoder:
    """Return a decoder for one streamed reply; see `Dialect.decoder`."""
    return SseDecoder(Reader().read, decode)


class Reader:
    """Reader of the events of one reply."""

    __slots__ = ("_call_ids", "_has_calls", "_items", "_last_place", "_text_item")

    def __init__(self) -> None:
        self._items: dict[int | str | None, _Item] = {}
        self._last_place: int | str = ""
        self._call_ids = UniqueIds()
        self._has_calls = False
        self._text_item: _Item | None = None  # the message whose text came last

    def read(self, data: bytes, events: list[Event]) -> bool:
        """Append the events in the data of one server-sent event; return True for the last one."""
        if not data.strip() or data == b"[DONE]":
            return False
        try:
            event = _decode_event(data)
        except ValidationError:
            event = lenient.decode(_event_decoder, data, partial(_warn, events))
        known = _CHANNEL.get(event.type)
        if known is None:
            events.extend(self._on_other_event(event))
        elif event.delta and isinstance(event.delta, str):
            channel, kind = known
            item = self._items.get(event.output_index) or self._item_of(event, kind)
            if item is not self._text_item and channel == "text":
                events.extend(self._on_message_start(item))
            events.append(self._on_piece(item, channel, event.delta))
            if event.logprobs:
                item.logprobs_reported += len(event.logprobs)
                events.append(_logprobs_from(event.logprobs))
        return event.type in _WHOLE

    def _on_other_event(self, event: _Event) -> Iterator[Event]:
        match event.type:
            case "response.output_item.added":
                item = self._added_item(event)
                if item.kind in CALLS:
                    yield from self._on_tool_call(item, as_mapping(event.item), "item")
            case "response.output_item.done":
                item = self._item_of(event)
                item.is_closed = True
                yield from self._on_whole_item(item, as_mapping(event.item), "item")
            case "response.content_part.added":
                item = self._item_of(event, "message")
                item.part_starts[event.content_index or 0] = _length(item)
            case "response.output_text.annotation.added":
                item = self._item_of(event, "message")
                item.citations += 1
                yield _citation_from(event.annotation, item, event.content_index or 0)
            case "response.created" if event.response is not None:
                yield Started(event.response.id or "", event.response.model or "")
            case _ if event.type in _LAST:
                yield from self.on_response(event.response or Response(), event.type.removeprefix("response."))
            case _ if event.type == "error" or (not event.type and event.error):
                yield failure_of(event.error or {"message": event.message, "code": event.code})
            case _:
                pass

    def on_response(self, response: Response, status: str = "") -> Iterator[Event]:
        """Report the final response: all of a whole reply, or what a stream has not reported yet.

        Args:
            response: The response object.
            status: Status that the event names, for hosts whose response object has none or an earlier one.
        """
        yield from self.on_output(response)
        own = response.status if response.status not in PENDING else ""
        ending = own or status
        if response.error or ending in _FAILURES or status == "failed":
            yield failure_of(response.error, ending)
            return
        raw_reason = (response.incomplete_details and response.incomplete_details.reason) or ending
        reason: FinishReason = FINISH_REASONS.get(raw_reason, "unknown")
        yield Finished("tool_calls" if reason == "stop" and self._has_calls else reason, raw_reason)

    def on_output(self, response: Response) -> Iterator[Event]:
        """Report the output and the token usage of a response, as far as they were not reported yet."""
        yield Started(response.id or "", response.model or "")
        for place, (item, raw) in enumerate(self._matched_items([as_mapping(raw) for raw in response.output or ()])):
            yield from self._on_whole_item(item, raw, f"output[{place}]")
        if response.usage is not None:
            yield _usage_from(response.usage)

    def _added_item(self, event: _Event) -> _Item:
        """Return the item that starts: a new one also where a server counts its items wrongly or uses an id again."""
        raw = as_mapping(event.item)
        place = event.output_index if event.output_index is not None else _string(raw.get("id"))
        former = self._items.get(place)
        if former is not None and (former.is_closed or former.kind not in ("", raw.get("type"))):
            self._items[f"former {former.key}"] = self._items.pop(place)
        return self._item_of(event)

    def _item_of(self, event: _Event, kind: str = "") -> _Item:
        """Return the item of an event: by its `output_index`, else by its id, else the item that started last."""
        raw = as_mapping(event.item)
        place = event.output_index
        if place is None:
            place = event.item_id or _string(raw.get("id")) or self._last_place
        item = self._items.get(place)
        if item is None:
            item = self._items[place] = _Item(len(self._items), kind, event.item_id or "")
            self._last_place = place
        if raw:
            item.kind = _string(raw.get("type")) or item.kind
            item.id = _string(raw.get("id")) or item.id
            _take_marks(item, raw)
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

    def _on_whole_item(self, item: _Item, raw: Mapping[str, Any], place: str) -> Iterator[Event]:
        """Report what a whole item holds and was not reported yet; `place` is its path in the reply."""
        kind = _string(raw.get("type")) or ("message" if raw.get("role") == "assistant" else "")
        item.kind = item.kind or kind
        _take_marks(item, raw)
        if kind == "message":
            yield from self._on_whole_message(item, raw, place)
        elif kind == "reasoning":
            yield from self._on_whole_reasoning(item, raw, place)
        elif kind in CALLS:
            yield from self._on_tool_call(item, raw, place)
            written = raw.get(CALLS[kind])
            text = written if isinstance(written, str) else json_text(written) if written else ""
            yield from self._on_missing(item, "arguments", text, place)
        elif not kind:
            yield Warned(place, "is not an item with a type, and was left out")
        elif not item.done:
            item.done = True
            if kind == "image_generation_call":
                yield from _image_from(raw, place)
            yield ServerTool(kind, raw)
            yield ProviderState(kind, raw)

    def _on_whole_message(self, item: _Item, raw: Mapping[str, Any], place: str) -> Iterator[Event]:
        if isinstance(raw.get("content"), str):
            raw = {"content": [{"text": raw["content"]}]}
        warnings: list[Event] = []
        parts = lenient.convert(raw, _Message, place, partial(_warn, warnings)).content or ()
        yield from warnings
        text = "".join(part.text or "" for part in parts)
        if text and item is not self._text_item and not item.reported.get("text"):
            yield from self._on_message_start(item)
        yield from self._on_missing(item, "text", text, place)
        yield from self._on_missing(item, "refusal", "".join(part.refusal or "" for part in parts), place)
        yield from self._on_notes(item, parts)
        yield from self._on_message_end(item)
        for index, part in enumerate(parts):
            if part.text is None and part.refusal is None:
                yield Warned(
                    f"{place}.content[{index}]", f"is of type {part.type!r}, which is not text: see response.raw"
                )

    def _on_notes(self, item: _Item, parts: Sequence[_Part]) -> Iterator[Event]:
        """Report citations and log probabilities that were not streamed."""
        start = seen = 0
        for index, part in enumerate(parts):
            item.part_starts[index] = start
            start += len(part.text or "")
            for note in part.annotations or ():
                seen += 1
                if seen > item.citations:
                    yield _citation_from(note, item, index)
        item.citations = max(item.citations, seen)
        tokens = [token for part in parts for token in part.logprobs or ()]
        if tokens[item.logprobs_reported :]:
            yield _logprobs_from(tokens[item.logprobs_reported :])
            item.logprobs_reported = len(tokens)

    def _on_message_start(self, item: _Item) -> Iterator[Event]:
        """Set the text of a message apart from that of the message before."""
        former, self._text_item = self._text_item, item
        item.follows_call = self._has_calls
        if former is not None:
            item.text_start = former.text_start + _length(former) + len(BETWEEN_MESSAGES)
            yield from self._on_message_end(former, another_follows=True)
            yield TextDelta(BETWEEN_MESSAGES)

    def _on_message_end(self, item: _Item, *, another_follows: bool = False) -> Iterator[Event]:
        """Report where a message ends, and what it has beside its text, if the next request needs to know."""
        is_last = item is self._text_item or another_follows
        if is_last and not item.is_marked and (item.marks or item.follows_call or another_follows):
            item.is_marked = True
            yield ProviderState("message", {"type": "message", **({"id": item.id} if item.id else {}), **item.marks})

    def _on_whole_reasoning(self, item: _Item, raw: Mapping[str, Any], place: str) -> Iterator[Event]:
        """Report reasoning. It goes back if it is encrypted or in plain text; a summary alone is for people."""
        warnings: list[Event] = []
        reasoning = lenient.convert(raw, _Reasoning, place, partial(_warn, warnings))
        yield from warnings
        text = "".join(part.text or "" for part in reasoning.content or ())
        summary = "".join(part.text or "" for part in reasoning.summary or ())
        yield from self._on_missing(item, "summary", summary, place)
        yield from self._on_missing(item, "reasoning", text, place)
        if (reasoning.encrypted_content or text) and not item.done:
            item.done = True
            yield ProviderState("reasoning", raw)

    def _on_tool_call(self, item: _Item, raw: Mapping[str, Any], place: str) -> Iterator[Event]:
        """Report the id and the name of a call, and what it has beside its arguments."""
        if not item.is_named:
            warnings: list[Event] = []
            call = lenient.convert(raw, _Call, place, partial(_warn, warnings))
            yield from warnings
            item.is_named = self._has_calls = True
            item.call_id = self._call_ids.of(call.call_id or call.id or f"call_{item.key}")
            yield ToolCallDelta(item.key, item.call_id, call.name or "")
        if not item.is_marked and (item.marks or item.kind == "custom_tool_call"):
            item.is_marked = True
            yield ProviderState(item.kind, {"type": item.kind, "call_id": item.call_id, **item.marks})

    def _on_piece(self, item: _Item, channel: str, text: str) -> Event:
        item.reported.setdefault(channel, []).append(text)
        make = _EVENT.get(channel)
        return make(text) if make is not None else ToolCallDelta(item.key, arguments=text)

    def _on_missing(self, item: _Item, channel: str, whole: str, place: str) -> Iterator[Event]:
        """Report the end of `whole` that was not streamed; a warning if the stream differs from it."""
        reported = "".join(item.reported.get(channel, ()))
        if whole == reported or not whole:
            return
        if whole.startswith(reported):
            yield self._on_piece(item, channel, whole[len(reported) :])
        elif not reported.startswith(whole):
            yield Warned(place, f"its {channel} differs from what was streamed, which was kept")


def _same_id(item: _Item, raw: Mapping[str, Any]) -> bool:
    return bool(item.id) and item.id == raw.get("id")


def _same_kind(item: _Item, raw: Mapping[str, Any]) -> bool:
    return item.kind == raw.get("type")


def _length(item: _Item) -> int:
    """Return the number of characters of the item's text so far."""
    return sum(map(len, item.reported.get("text", ())))


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _take_marks(item: _Item, raw: Mapping[str, Any]) -> None:
    for name in MARKS.get(item.kind, ()):
        if raw.get(name) is not None:
            item.marks[name] = raw[name]


def _warn(events: list[Event], path: str, detail: str) -> None:
    events.append(Warned(path, detail))


def _logprobs_from(tokens: list[Any]) -> Event:
    try:
        return logprobs(tokens)
    except (TypeError, ValueError, OverflowError):
        return Warned("logprobs", "are not log probabilities of tokens, and were left out")


def _image_from(raw: Mapping[str, Any], place: str) -> Iterator[Event]:
    events: list[Event] = []
    image = lenient.convert(raw, _Image, place, partial(_warn, events))
    yield from events
    if image.result:
        yield Media("image", image.result, media_type=f"image/{image.output_format or 'png'}")


def _citation_from(raw: Any, item: _Item, part: int) -> Event:
    """Return a citation; its span is counted in the part of its message, and reported in the answer's whole text."""
    events: list[Event] = []
    fields = as_mapping(raw)
    source = as_mapping(fields.get("url_citation")) or fields  # nested as in chat completions at some hosts
    if not source:
        return Warned("annotations", "an annotation is not an object, and was left out")
    note = lenient.convert(source, _Annotation, "annotations", partial(_warn, events))
    start = item.text_start + item.part_starts.get(part, 0)
    return Citation(
        url=note.url or "",
        title=note.title or note.filename or "",
        raw=raw,
        text=note.quote or note.content or "",
        start=None if note.start_index is None else start + note.start_index,
        end=None if note.end_index is None else start + note.end_index,
    )


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
