"""Replies in OpenAI's chat completions format, whole or streamed, as some hundred and fifty providers send them.

Source: https://platform.openai.com/docs/api-reference/chat and
https://platform.openai.com/docs/api-reference/chat-streaming.

How a stream is built:

    data: {"id", "model", "choices": [{"delta": {...}}]}   a piece of the reply
    data: {"choices": [{"delta": {}, "finish_reason"}]}    why the reply ends
    data: {"choices": [], "usage": {...}}                  token counts, if they were asked for
    data: [DONE]                                           nothing follows

A whole reply has the shape of one chunk with `message` instead of `delta`, and goes through the same functions.

- Only the first choice is read: no parameter of this library asks for more.
- Text, reasoning, refusal and tool call arguments are reported piece by piece. A tool call's pieces belong together by
  their `index`; `Reader._on_tool_call` has the rules for hosts that omit or repeat it.
- `reasoning_details` (OpenRouter) have to be sent back whole and in order. They are collected, and reported as provider
  state before the finish reason, or at the end mark.
- The finish reason and the token usage may come in either order, and either of them completes the reply.
- An error may come in any chunk, and ends the stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    Started,
    TextDelta,
    TokenUsage,
    ToolCallDelta,
)

CALL_EXTRA: Final = "tool_call.extra_content"
"""The kind of provider state that is a field of a call, not of its message."""

FINISH_REASONS: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "eos": "stop",  # together
    "length": "length",
    "model_length": "length",  # mistral
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
}


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: Any = None  # JSON text; some hosts send an object


class _ToolCall(Struct, gc=False):
    index: int | None = None  # absent in whole replies, and from some hosts
    id: str | None = None
    function: _Function | None = None
    custom: Any = None  # {"name", "input"} of a custom tool
    extra_content: Any = None  # Google's signature


class _Message(Struct, gc=False):
    content: Any = None  # text, parts (Databricks), or an object (Cloudflare with a schema)
    reasoning_content: str | None = None
    reasoning: Any = None
    reasoning_details: list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    annotations: list[Any] | None = None
    images: list[Any] | None = None
    audio: Any = None
    extra_content: Any = None


class _Choice(Struct, gc=False):
    index: int | None = 0
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class _Details(Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    prompt_token_details: _Details | None = None  # Writer's spelling
    completion_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek
    cached_tokens: int | None = None  # Moonshot, Together
    num_cached_tokens: int | None = None  # Mistral
    cache_read_input_tokens: int | None = None  # Databricks
    cost: Any = None  # OpenRouter: US dollars; Perplexity: a table with total_cost
    cost_in_usd_ticks: int | None = None  # xAI: 10^10 to the dollar


class _Groq(Struct, gc=False):
    usage: _Usage | None = None


class Reply(Struct, gc=False):
    """A whole reply, or one chunk of a stream."""

    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    status_code: Any = None  # Groq's, beside an error in a stream
    citations: list[Any] | None = None
    search_results: list[Any] | None = None
    x_groq: _Groq | None = None


_decoder = msgspec.json.Decoder(Reply)
_TEXT_FIELDS: Final = {"text", "summary"}


def decode(body: bytes) -> list[Event]:
    """Return the events of a whole reply; see `Dialect.decode`."""
    return Reader(streamed=False).read_whole(body)


def decoder() -> SseDecoder:
    """Return a decoder for one streamed reply; see `Dialect.decoder`."""
    return SseDecoder(Reader(streamed=True).read, decode)


class Reader:
    """Reader of the chunks of one reply."""

    __slots__ = ("_details", "_ids", "_key_of_index", "_sources_reported", "_started", "_streamed")

    def __init__(self, *, streamed: bool) -> None:
        self._streamed = streamed
        self._started = False
        self._sources_reported = 0
        self._details: list[Any] = []  # collected until the reply ends; the pieces of one detail share its index
        self._ids: list[str] = []  # ids of the calls so far; the key of a call is its place here
        self._key_of_index: dict[int, int] = {}

    def read_whole(self, body: bytes) -> list[Event]:
        """Return the events of a whole reply."""
        reply = _decoder.decode(body)
        if not reply.choices and not reply.error:
            raise msgspec.ValidationError("it has no `choices`, or none in them")
        events: list[Event] = []
        self.read_reply(reply, events)
        if self._details:
            events.extend(self._reasoning_details())
        return events

    def read(self, data: bytes, events: list[Event]) -> bool:
        """Append the events in the data of one server-sent event; return True for the end mark."""
        if data == b"[DONE]":
            events.extend(self._reasoning_details())
            return True
        if data:
            self.read_reply(_decoder.decode(data), events)
        return False

    def read_reply(self, reply: Reply, events: list[Event]) -> None:
        """Append the events of a whole reply or of one chunk."""
        if not self._started and (reply.id or reply.model):
            self._started = True
            events.append(Started(reply.id or "", reply.model or ""))
        choice = reply.choices[0] if reply.choices else None
        if choice is not None:
            # Perplexity sends a cumulative message beside each delta, and an empty delta beside a whole message.
            message = (choice.delta or choice.message) if self._streamed else (choice.message or choice.delta)
            if message is not None:
                self._on_message(message, events)
            if choice.logprobs:
                events.extend(_logprobs_from(choice.logprobs))
        if reply.citations:
            events.extend(self._on_sources(reply.citations, reply.search_results or []))
        if (usage := reply.usage or (reply.x_groq.usage if reply.x_groq else None)) is not None:
            events.append(_usage_from(usage))
        if reply.error:
            events.append(failure_from({"error": reply.error, "status_code": reply.status_code}))
        elif choice is not None and choice.finish_reason:
            if self._details:
                events.extend(self._reasoning_details())
            events.append(Finished(FINISH_REASONS.get(choice.finish_reason, "unknown"), choice.finish_reason))

    def _on_message(self, message: _Message, events: list[Event]) -> None:
        if reasoning := message.reasoning_content or message.reasoning or _reasoning_text(message.reasoning_details):
            events.append(ReasoningDelta(reasoning if isinstance(reasoning, str) else json_text(reasoning)))
        content = message.content
        if type(content) is str:
            if content:
                events.append(TextDelta(content))
        elif content:
            events.extend(self.on_content_parts(content))
        if message.refusal:
            events.append(RefusalDelta(message.refusal))
        for call in message.tool_calls or ():
            events.extend(self._on_tool_call(call))
        if message.reasoning_details:
            self._details += message.reasoning_details
        if message.annotations or message.images or message.audio or message.extra_content:
            events.extend(_on_attachments(message))

    def _reasoning_details(self) -> Iterator[Event]:
        """Report the collected `reasoning_details`, whole and in their order, as provider state."""
        details, self._details = self._details, []
        for detail in _joined_details(details) if self._streamed else details:
            yield ProviderState("reasoning_details", detail)

    def on_content_parts(self, content: Any) -> Iterator[Event]:
        """Report content that is not a string; a subclass may know more kinds of parts."""
        return _content_parts(content)

    def _on_tool_call(self, call: _ToolCall) -> Iterator[Event]:
        """Report a piece of a tool call.

        A new call starts with a new index, or with another id that comes with a name: some hosts repeat id and name on
        every piece, some send two calls under one index, some omit the index.
        """
        function = call.function or _Function()
        if call.custom is not None:
            function = _Function(call.custom.get("name"), call.custom.get("input"))
        name, id_ = function.name or "", call.id or ""
        key = self._key_of_index.get(call.index or 0)
        if call.index is None:
            starts = bool(name) and (not id_ or id_ not in self._ids)
        else:
            starts = key is None or bool(id_ and name and id_ != self._ids[key] and self._ids[key])
        if (starts or key is None) and not (name or id_ or function.arguments):
            return  # Snowflake sends a list of one empty call with every answer
        if starts or key is None:
            key = len(self._ids)
            self._ids.append(id_)
            self._key_of_index[call.index or 0] = key
        elif not self._ids[key]:
            self._ids[key] = id_
        if call.extra_content is not None:
            yield ProviderState(CALL_EXTRA, call.extra_content)
        arguments = function.arguments
        text = arguments if isinstance(arguments, str) else "" if arguments is None else json_text(arguments)
        yield ToolCallDelta(key, id_, name, text)

    def _on_sources(self, urls: list[Any], results: list[Any]) -> Iterator[Event]:
        """Report the new ones among all sources, which Perplexity repeats with every chunk."""
        titles = {str(result.get("url")): str(result.get("title") or "") for result in results}
        for url in urls[self._sources_reported :]:
            yield Citation(str(url), titles.get(str(url), ""), raw=url)
        self._sources_reported = len(urls)


def _content_parts(content: Any) -> Iterator[Event]:
    """Report content that is not a string: parts (Databricks, Mistral), or an object (Cloudflare with a schema)."""
    if not isinstance(content, list):
        yield TextDelta(json_text(content))
        return
    for item in as_list(content):
        if isinstance(item, str):
            yield TextDelta(item)
            continue
        part = as_mapping(item)
        kind = part.get("type")
        if kind in ("text", "output_text"):
            yield TextDelta(part.get("text") or "")
        elif kind in ("thinking", "reasoning"):
            inner = part.get(kind) or part.get("summary") or part.get("text") or ""
            pieces = as_list(inner) or [{"text": inner}]
            yield from (ReasoningDelta(text) for piece in pieces if (text := as_mapping(piece).get("text")))
        elif kind == "refusal":
            yield RefusalDelta(part.get("refusal") or "")


def _on_attachments(message: _Message) -> Iterator[Event]:
    for note in message.annotations or ():
        fields = as_mapping(note)
        source = as_mapping(fields.get(fields.get("type") or "")) or fields
        yield Citation(str(source.get("url") or ""), str(source.get("title") or ""), raw=note)
    for image in message.images or ():
        url = str(as_mapping(as_mapping(image).get("image_url")).get("url") or "")
        head, _, data = url.partition(";base64,")
        inline = head.startswith("data:")
        yield Media("image", data, "" if inline else url, head.removeprefix("data:") if inline else "")
    audio = as_mapping(message.audio)
    if audio.get("data"):
        yield Media("audio", str(audio["data"]))
    if audio.get("transcript"):
        yield TextDelta(str(audio["transcript"]))
    if message.extra_content is not None:
        yield ProviderState("extra_content", message.extra_content)


def _joined_details(details: list[Any]) -> list[Any]:
    """Join the pieces of one text or summary, which share type and index in OpenRouter's streams."""
    found: list[dict[str, Any]] = []
    known: dict[tuple[Any, Any], dict[str, Any]] = {}
    for detail in details:
        piece = as_mapping(detail)
        key = (piece.get("type"), piece.get("index"))
        joined = known.get(key)
        if joined is None or key[1] is None or not (piece.keys() & _TEXT_FIELDS or "signature" in piece):
            joined = known[key] = {}
            found.append(joined)
        for name, value in piece.items():
            is_text = name in _TEXT_FIELDS and isinstance(value, str) and isinstance(joined.get(name), str)
            if is_text:
                joined[name] += value
            elif value is not None or name not in joined:
                joined[name] = value
    return found


def _logprobs_from(given: Any) -> Iterator[Event]:
    if tokens := as_list(as_mapping(given).get("content")):
        yield logprobs(tokens)


def _reasoning_text(details: list[Any] | None) -> str:
    """Return the readable text of OpenRouter's `reasoning_details`, for chunks without `reasoning`."""
    if not details:
        return ""
    return "".join(str(detail.get("text") or detail.get("summary") or "") for detail in details)


def _usage_from(usage: _Usage) -> TokenUsage:
    """Return the token counts. Providers name the cache in seven ways; xAI excludes reasoning from the completion."""
    prompt = usage.prompt_tokens_details or usage.prompt_token_details or _Details()
    reasoning = usage.completion_tokens_details.reasoning_tokens if usage.completion_tokens_details else None
    cached = next(
        (
            count
            for count in (
                prompt.cached_tokens,
                usage.prompt_cache_hit_tokens,
                usage.cached_tokens,
                usage.num_cached_tokens,
                usage.cache_read_input_tokens,
            )
            if count is not None
        ),
        None,
    )
    output = usage.completion_tokens
    if reasoning and output is not None and usage.total_tokens == (usage.prompt_tokens or 0) + output + reasoning:
        output += reasoning
    cost = as_mapping(usage.cost).get("total_cost", usage.cost)
    if usage.cost_in_usd_ticks is not None:
        cost = usage.cost_in_usd_ticks / 1e10
    return TokenUsage(
        input=usage.prompt_tokens,
        output=output,
        cached_input=cached,
        cache_write=prompt.cache_write_tokens,
        reasoning=reasoning,
        total=usage.total_tokens,
        cost=float(cost) if isinstance(cost, (int, float)) else None,
    )
