"""Replies in OpenAI's chat completions format, whole or streamed, as some hundred and fifty providers send them.

Source: https://platform.openai.com/docs/api-reference/chat and
https://platform.openai.com/docs/api-reference/chat-streaming.

How a stream is built:

    data: {"id", "model", "choices": [{"delta": {...}}]}   a piece of the reply
    data: {"choices": [{"delta": {}, "finish_reason"}]}    why the reply ends
    data: {"choices": [], "usage": {...}}                  token counts, if they were asked for
    data: [DONE]                                           nothing follows

A whole reply has the shape of one chunk with `message` instead of `delta`, and goes through the same functions.

- Only the choice with index 0 is read. Each other one is reported as a warning.
- Text, reasoning, refusal and tool call arguments are reported piece by piece. In a stream a tool call's pieces belong
  together by their `index`; `Reader._continued_call` has the rules for hosts that omit or repeat it. In a whole reply
  each entry of the list is a call. The older `function_call` is a call as well.
- What has to be sent back whole (`reasoning_details` of OpenRouter, the id of a sound, images, parsed files) is
  reported as provider state, before the finish reason or at the end mark.
- A stream is whole with its finish reason. The end mark, or a usage report in a chunk without choices at its end, shows
  the same only behind content: the finish reason is "unknown" then, with a warning. Several hosts report the usage in
  every chunk, and gateways send the end mark when their upstream died.
- An error may come in any chunk or choice, and ends the stream.
- Texts, calls and media decide the answer, and a reply where they have another shape is an error (`STRICT`). All other
  fields are read leniently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, cast

import msgspec
from msgspec import Struct

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared import lenient
from msgflux_like.dialects._shared.failures import failure_from
from msgflux_like.dialects._shared.logprobs import TokenEntry, logprobs_from, unreadable
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
    Warned,
)

CALL_EXTRA: Final = "tool_call.extra_content"
"""The kind of provider state that is a field of a call, not of its message."""

CALL_TYPE: Final = "tool_call.type"
"""The kind of provider state that is the type of a call that is not of type "function"."""

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

_MAX_WARNINGS: Final = 100  # of one reply
_MAX_COUNT: Final = 2**53  # tokens; a larger number is not a count


class _Function(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"name"})

    name: str | None = None
    arguments: Any = None  # JSON text; some hosts send an object


class _Custom(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"name"})

    name: str | None = None
    input: Any = None


class _ToolCall(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"function", "custom"})

    index: int | None = None  # absent in whole replies, and from some hosts
    id: str | None = None
    type: str | None = None
    function: _Function | None = None
    custom: _Custom | None = None  # of a custom tool
    extra_content: Any = None  # Google's signature


class _Audio(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"data", "transcript"})

    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: Any = None


class _Message(Struct, gc=False):
    STRICT: ClassVar[frozenset[str]] = frozenset({"tool_calls", "function_call", "images", "audio"})

    content: Any = None  # text, parts (Databricks), or an object (Cloudflare with a schema)
    reasoning_content: str | None = None
    reasoning: Any = None
    reasoning_details: list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None  # before there were tools
    annotations: list[Any] | None = None
    images: list[Any] | None = None
    audio: _Audio | None = None
    extra_content: Any = None


class ChoiceLogprobs(Struct, gc=False):
    """Probabilities of tokens, here and in the format of text completions, which has parallel lists."""

    content: list[TokenEntry] | None = None
    refusal: list[TokenEntry] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class Choice(Struct, gc=False):
    """One answer of a reply."""

    STRICT: ClassVar[frozenset[str]] = frozenset({"message", "delta", "text"})

    index: int | None = 0
    text: str | None = None  # in the format of text completions
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: str | None = None
    logprobs: ChoiceLogprobs | None = None
    error: Any = None  # OpenRouter: what the model's host reports


class _Details(Struct, gc=False):
    cached_tokens: int | float | None = None
    cache_write_tokens: int | float | None = None
    reasoning_tokens: int | float | None = None


class _CostTable(Struct, gc=False):
    total_cost: float | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: int | float | None = None
    completion_tokens: int | float | None = None
    total_tokens: int | float | None = None
    prompt_tokens_details: _Details | None = None
    prompt_token_details: _Details | None = None  # Writer's spelling
    completion_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: int | float | None = None  # DeepSeek
    cached_tokens: int | float | None = None  # Moonshot, Together
    num_cached_tokens: int | float | None = None  # Mistral
    cache_read_input_tokens: int | float | None = None  # Databricks
    cost: float | _CostTable | None = None  # OpenRouter: US dollars; Perplexity: a table
    cost_in_usd_ticks: float | None = None  # xAI: 10^10 to the dollar


class _Groq(Struct, gc=False):
    usage: _Usage | None = None


class _SearchResult(Struct, gc=False):
    """A source of Perplexity, https://docs.perplexity.ai/api-reference/chat-completions-post."""

    url: str | None = None
    title: str | None = None
    snippet: str | None = None


class _Source(Struct, gc=False):
    """The source in an annotation."""

    url: str | None = None
    title: str | None = None
    name: str | None = None  # of a file
    filename: str | None = None
    content: Any = None  # OpenRouter: the passage of the source
    start_index: int | None = None
    end_index: int | None = None


class _Link(Struct, gc=False):
    url: str | None = None


class _Image(Struct, gc=False):
    image_url: _Link | str | None = None
    url: str | None = None


class Reply(Struct, gc=False):
    """A whole reply, or one chunk of a stream."""

    STRICT: ClassVar[frozenset[str]] = frozenset({"choices"})

    id: str | None = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    status_code: Any = None  # Groq's, beside an error in a stream
    citations: list[Any] | None = None
    search_results: list[Any] | None = None
    x_groq: _Groq | None = None


_decoder = msgspec.json.Decoder(Reply)
_TEXT_FIELDS: Final = {"text", "summary"}
_OLDER_CALL: Final = -1  # an index that no call of `tool_calls` has
_NO_FUNCTION: Final = _Function()


def decode(body: bytes) -> list[Event]:
    """Return the events of a whole reply; see `Dialect.decode`."""
    return Reader(streamed=False).read_whole(body)


def decoder() -> SseDecoder:
    """Return a decoder for one streamed reply; see `Dialect.decoder`."""
    reader = Reader(streamed=True)
    return SseDecoder(reader.read, decode, reader.on_end)


class _Call:
    """A call of a stream, as far as it has come."""

    __slots__ = ("arguments", "id", "name", "repeats_name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.repeats_name = True  # whether each piece so far had the name

    def is_whole(self) -> bool:
        """Return whether the arguments are a JSON object, so that nothing can follow."""
        if not self.arguments or self.arguments[-1].rstrip()[-1:] != "}":
            return False
        try:
            msgspec.json.decode("".join(self.arguments))
        except msgspec.DecodeError:
            return False
        return True


class Reader:
    """Reader of the chunks of one reply."""

    __slots__ = (
        "_audio",
        "_calls",
        "_chunks",
        "_details",
        "_empty_reasoning",
        "_finished",
        "_key_of_index",
        "_last_id",
        "_pending",
        "_sources_reported",
        "_started",
        "_streamed",
        "_usage_is_last",
        "_warned",
        "answering",
    )

    def __init__(self, *, streamed: bool) -> None:
        self._streamed = streamed
        self._started = False
        self.answering = False  # whether there was content
        self._finished = False
        self._usage_is_last = False  # whether the last chunk was a usage report behind content
        self._empty_reasoning = False  # whether the reasoning is a field without text
        self._sources_reported = 0
        self._details: list[Any] = []  # collected until the reply ends; the pieces of one detail share its index
        self._audio: dict[str, Any] = {}  # what the next request refers to a sound by
        self._calls: list[_Call] = []  # the key of a call is its place here
        self._key_of_index: dict[int, int] = {}
        self._chunks = 0  # with a choice, so far
        self._last_id: str | None = None
        self._pending: list[Event] = []  # warnings about the chunk that is being read
        self._warned: set[tuple[str, str]] = set()

    def read_whole(self, body: bytes) -> list[Event]:
        """Return the events of a whole reply."""
        reply = self._decoded(body)
        if not reply.choices and not reply.error:
            raise msgspec.ValidationError("it has no `choices`, or none in them")
        events: list[Event] = []
        self.read_reply(reply, events)
        if not self._finished and not reply.error:
            self._on_state_end(events)
        return events

    def read(self, data: bytes, events: list[Event]) -> bool:
        """Append the events in the data of one server-sent event; return True for the end mark of an answer."""
        if data[:1] != b"{":
            mark = data.strip()
            if not mark:
                return False
            if mark == b"[DONE]":
                return self._on_end_mark(events)
        try:
            reply = _decoder.decode(data)
        except msgspec.ValidationError:
            reply = lenient.decode(_decoder, data, self.warn)
        self.read_reply(reply, events)
        return False

    def on_end(self, events: list[Event]) -> None:
        """Append the end of a stream whose body ended without a finish reason or an end mark."""
        if self._usage_is_last:
            self._on_unknown_end("a usage report", events)

    def _on_end_mark(self, events: list[Event]) -> bool:
        if not self._finished:
            if not self.answering:
                return False  # of a gateway whose upstream gave nothing: the answer is missing
            self._on_unknown_end("the end mark", events)
        elif self._details or self._audio:
            self._on_state_end(events)
        return True

    def _on_unknown_end(self, evidence: str, events: list[Event]) -> None:
        self._on_state_end(events)
        events.append(Warned("choices[0].finish_reason", f"is missing: {evidence} ended the stream"))
        events.append(Finished("unknown"))
        self._finished = True

    def _decoded(self, data: bytes) -> Reply:
        try:
            return _decoder.decode(data)
        except msgspec.ValidationError:
            return lenient.decode(_decoder, data, self.warn)

    def warn(self, field: str, detail: str) -> None:
        """Report, once, a part of the reply that was not read."""
        if (field, detail) not in self._warned and len(self._warned) < _MAX_WARNINGS:
            self._warned.add((field, detail))
            self._pending.append(Warned(field, detail))

    def read_reply(self, reply: Reply, events: list[Event]) -> None:
        """Append the events of a whole reply or of one chunk."""
        if not self._started and (reply.id or reply.model):
            self._started = True
            events.append(Started(reply.id or "", reply.model or ""))
        choices = reply.choices
        choice = None
        if choices:
            choice = choices[0]
            if choice.index or len(choices) > 1:
                choice = self._first_choice(choices, reply.id)
            self._usage_is_last = False
            self._chunks += 1
            self._last_id = reply.id
        if choice is not None:
            self.on_choice(choice, reply, events)
        if reply.citations or reply.search_results:
            events.extend(self._on_sources(reply.citations or [], reply.search_results or []))
        if reply.usage is not None or reply.x_groq is not None:
            self._on_usage(reply, events)
        if self._pending:
            events.extend(self._pending)
            self._pending.clear()
        if reply.error:
            events.append(failure_from({"error": reply.error, "status_code": reply.status_code}))
        elif choice is not None and (choice.finish_reason or choice.error):
            self._on_finish(choice, events)

    def _on_usage(self, reply: Reply, events: list[Event]) -> None:
        if (usage := reply.usage or (reply.x_groq.usage if reply.x_groq else None)) is not None:
            events.append(self._usage_from(usage))
            self._usage_is_last = not reply.choices and self.answering

    def _first_choice(self, choices: list[Choice], reply_id: str | None) -> Choice | None:
        """Return the choice of index 0; in a whole reply without one, the first of the list.

        Foundry Local's older service counts the index up, from chunk to chunk, and gives each chunk an id of its own.
        """
        first = next((choice for choice in choices if not choice.index), None)
        if first is None and not self._streamed:
            first = choices[0]
        if len(choices) == 1 and choices[0].index == self._chunks and reply_id != self._last_id:
            return choices[0]
        for place, choice in enumerate(choices):
            if choice is not first:
                self.warn(
                    f"choices[{choice.index or place}]", "is a further answer, and was not read: one answer is read"
                )
        return first

    def on_choice(self, choice: Choice, reply: Reply, events: list[Event]) -> None:  # noqa: C901  a branch each
        """Append the events of the choice that is read; a subclass may read another format."""
        # Perplexity sends a cumulative message beside each delta, and an empty delta beside a whole message.
        message = (choice.delta or choice.message) if self._streamed else (choice.message or choice.delta)
        if message is None:
            self.on_missing("message", choice, reply)
            return
        content = message.content
        if reasoning := message.reasoning_content or message.reasoning or _reasoning_text(message.reasoning_details):
            self._empty_reasoning = False
            self.answering = True
            events.append(ReasoningDelta(reasoning if isinstance(reasoning, str) else json_text(reasoning)))
        elif message.reasoning_content is not None and not self.answering:
            self._empty_reasoning = True
        if type(content) is str:
            if content:
                self.answering = True
                events.append(TextDelta(content))
        elif content:
            self.answering = True
            events.extend(self.on_content_parts(content))
        if message.refusal:
            self.answering = True
            events.append(RefusalDelta(message.refusal))
        if message.tool_calls or message.function_call is not None:
            self.answering = True
            self._on_calls(message, events)
        if message.reasoning_details:
            self._on_details(message.reasoning_details)
        if message.annotations or message.images or message.audio or message.extra_content:
            self.answering = True
            events.extend(self._on_attachments(message))
        if choice.logprobs is not None:
            self.on_logprobs(choice.logprobs, events)

    def on_missing(self, field: str, choice: Choice, reply: Reply) -> None:
        """Raise msgspec.ValidationError for a whole reply whose answer is missing and not withheld."""
        if not self._streamed and not (reply.error or choice.error) and choice.finish_reason != "content_filter":
            raise msgspec.ValidationError(f"choices[0] has no `{field}`")

    def _on_finish(self, choice: Choice, events: list[Event]) -> None:
        self._on_state_end(events)
        self._finished = True
        raw = choice.finish_reason or ""
        reason: FinishReason = FINISH_REASONS.get(raw, "unknown")
        if choice.error or reason == "error":
            error = choice.error or {"message": "the provider ended the answer with finish_reason 'error'"}
            failed = failure_from({"error": error})
            events.append(
                failed if failed.type or failed.code else msgspec.structs.replace(failed, type="server_error")
            )
            return
        if reason == "tool_calls" and not self._calls:
            events.append(Warned("choices[0].finish_reason", f"is {raw!r}, but the reply has no tool call"))
        events.append(Finished(reason, raw))

    def _on_details(self, details: list[Any]) -> None:
        for index, detail in enumerate(details):
            if isinstance(detail, dict):
                self._details.append(detail)
            else:
                self.warn(f"choices[0].message.reasoning_details[{index}]", "was left out: it is not an object")

    def _on_state_end(self, events: list[Event]) -> None:
        """Report, before the end of the answer, what was collected to be sent back with it."""
        if self._details:
            details = _joined_details(self._details) if self._streamed else self._details
            events.extend(ProviderState("reasoning_details", detail) for detail in details)
            self._details = []
        if self._audio:
            events.append(ProviderState("audio", self._audio))
            self._audio = {}
        if self._empty_reasoning and self._calls:
            self._empty_reasoning = False
            events.append(ReasoningDelta(""))  # DeepSeek and Moonshot want the empty field back with the calls

    def on_content_parts(self, content: Any) -> Iterator[Event]:
        """Report content that is not a string: parts (Databricks), or an object (Cloudflare with a schema)."""
        if not isinstance(content, list):
            yield TextDelta(json_text(content))
            return
        for index, item in enumerate(cast("list[Any]", content)):
            yield from self.on_content_part(item, f"content[{index}]")

    def on_content_part(self, item: Any, place: str) -> Iterator[Event]:
        """Report one part; a subclass may know more kinds."""
        if isinstance(item, str):
            yield TextDelta(item)
            return
        part = as_mapping(item)
        match part.get("type"):
            case "text" | "output_text" | None:
                if text := _string(part.get("text")):
                    yield TextDelta(text)
            case "thinking" | "reasoning" as kind:
                inner = part.get(kind) or part.get("summary") or part.get("text") or ""
                pieces = cast("list[Any]", inner) if isinstance(inner, list) else [{"text": inner}]
                for piece in pieces:
                    if text := _string(as_mapping(piece).get("text")):
                        yield ReasoningDelta(text)
            case "refusal":
                if text := _string(part.get("refusal")):
                    yield RefusalDelta(text)
            case "image_url":
                yield from self._on_image(item, place)
            case kind:
                self.warn(place, f"is a part of type {kind!r}, which was not read")

    def _on_calls(self, message: _Message, events: list[Event]) -> None:
        calls, older = message.tool_calls or (), message.function_call
        for call in calls:
            self._on_tool_call(call, events)
        if older is not None and not calls:
            self._on_tool_call(_ToolCall(index=_OLDER_CALL, function=older), events)
        elif older is not None and all(call.function != older for call in calls):  # some hosts repeat a call in both
            self.warn("choices[0].message.function_call", "was not read: there are tool_calls")

    def _on_tool_call(self, call: _ToolCall, events: list[Event]) -> None:
        """Report a whole call, or a piece of one in a stream."""
        function = call.function or _NO_FUNCTION
        if call.custom is not None:
            if function.name or function.arguments:
                self.warn("choices[0].message.tool_calls.custom", "was not read: the call has a function")
            else:
                function = _Function(call.custom.name, call.custom.input)
        name, id_, arguments = function.name or "", call.id or "", function.arguments
        text = arguments if type(arguments) is str else "" if arguments is None else json_text(arguments)
        key = self._continued_call(call.index, id_, name, text) if self._streamed else None
        if key is None:
            if not (name or id_ or text):
                return  # Snowflake sends a list of one empty call with every answer
            key = len(self._calls)
            self._calls.append(_Call())
            self._key_of_index[call.index or 0] = key
            kind = "custom" if call.function is None and call.custom is not None else call.type or "function"
            if kind != "function":
                events.append(ProviderState(CALL_TYPE, kind))
        current = self._calls[key]
        if text:
            current.arguments.append(text)
        if name:
            current.name = name
        else:
            current.repeats_name = False
        current.id = current.id or id_
        if call.extra_content is not None:
            events.append(ProviderState(CALL_EXTRA, call.extra_content))
        events.append(ToolCallDelta(key, id_, name, text))

    def _continued_call(self, index: int | None, id_: str, name: str, text: str) -> int | None:
        """Return the key of the call that this piece of a stream goes on with, None if it begins another call.

        Another call begins with another index, another id that comes with a name, or another name. Some hosts repeat
        id and name on every piece, some send several calls under one index, some omit the index or the id: a name
        that comes again begins another call if the call so far is whole, or had pieces without the name.
        """
        key = self._key_of_index.get(index or 0)
        if index is None and id_:
            key = next((at for at, call in enumerate(self._calls) if call.id == id_), key)
        if key is None or not name:
            return key
        call = self._calls[key]
        if id_ and call.id and id_ != call.id:
            return None
        if not call.name:
            return key
        begins = name != call.name or (not id_ and (index is None or not call.repeats_name))
        if begins or (text.lstrip()[:1] == "{" and call.is_whole()):
            return None
        return key

    def _on_sources(self, urls: list[Any], results: list[Any]) -> Iterator[Event]:
        """Report the new ones among all sources, which Perplexity repeats with every chunk."""
        if max(len(urls), len(results)) == self._sources_reported:
            return
        found: list[_SearchResult] = []
        for index, result in enumerate(results):
            try:
                found.append(lenient.convert(result, _SearchResult, f"search_results[{index}]", self.warn))
            except msgspec.ValidationError:
                self.warn(f"search_results[{index}]", "was left out: it is not an object")
                found.append(_SearchResult())
        sources = list(_sources(urls, results, found))
        yield from sources[self._sources_reported :]
        self._sources_reported = max(self._sources_reported, len(sources))

    def _on_attachments(self, message: _Message) -> Iterator[Event]:
        for index, note in enumerate(message.annotations or ()):
            yield from self._on_annotation(note, f"choices[0].message.annotations[{index}]")
        for index, image in enumerate(message.images or ()):
            yield from self._on_image(image, f"choices[0].message.images[{index}]")
        if (audio := message.audio) is not None:
            if audio.id:
                self._audio["id"] = audio.id
            if audio.expires_at is not None and (audio.id or self._audio):
                self._audio["expires_at"] = audio.expires_at
            if audio.data:
                yield Media("audio", audio.data)
            if audio.transcript:
                yield TextDelta(audio.transcript)
        if message.extra_content is not None:
            yield ProviderState("extra_content", message.extra_content)

    def _on_annotation(self, note: Any, place: str) -> Iterator[Event]:
        fields = as_mapping(note)
        kind = fields.get("type")
        inner = fields.get(kind) if isinstance(kind, str) else None
        try:
            source = lenient.convert(inner if isinstance(inner, dict) else note, _Source, place, self.warn)
        except msgspec.ValidationError:
            self.warn(place, "was left out: it is not an object")
            return
        title = source.title or source.filename or source.name or ""
        quoted = _string(source.content)
        yield Citation(source.url or "", title, note, quoted, source.start_index, source.end_index)
        if kind == "file":
            # OpenRouter parses a file anew, and bills it, unless this goes back: https://openrouter.ai/docs/features/multimodal/pdfs
            yield ProviderState("annotations", note)

    def _on_image(self, item: Any, place: str) -> Iterator[Event]:
        try:
            image = lenient.convert(item, _Image, place, self.warn)
        except msgspec.ValidationError:
            image = _Image(item) if isinstance(item, str) else _Image()
        link = image.image_url
        url = (link if isinstance(link, str) else link.url if link else None) or image.url
        if not url:
            self.warn(place, "was left out: the image has no URL")
            return
        head, _, data = url.partition(";base64,")
        inline = head.startswith("data:")
        yield Media("image", data, "" if inline else url, head.removeprefix("data:") if inline else "")
        yield ProviderState("images", item)

    def on_logprobs(self, found: ChoiceLogprobs, events: list[Event]) -> None:
        """Append the probabilities of the choice; a subclass may read another form."""
        if entries := found.content or found.refusal:
            unreadable(entries, "choices[0].logprobs.content", self.warn)
            event = logprobs_from(entries)
            if event.tokens:
                events.append(event)

    def _usage_from(self, usage: _Usage) -> TokenUsage:
        """Return the token counts. The cache has seven names; xAI excludes reasoning from the completion."""
        prompt = usage.prompt_tokens_details or usage.prompt_token_details or _NO_DETAILS
        details = usage.completion_tokens_details or _NO_DETAILS
        cached = prompt.cached_tokens
        if cached is None:
            cached = next((count for name in _CACHED if (count := getattr(usage, name)) is not None), None)
        into, output, total = (
            self._count("prompt_tokens", usage.prompt_tokens),
            self._count("completion_tokens", usage.completion_tokens),
            self._count("total_tokens", usage.total_tokens),
        )
        reasoning = self._count("reasoning_tokens", details.reasoning_tokens)
        if reasoning and output is not None and total == (into or 0) + output + reasoning:
            output += reasoning
        cost = usage.cost.total_cost if isinstance(usage.cost, _CostTable) else usage.cost
        if usage.cost_in_usd_ticks is not None:
            cost = usage.cost_in_usd_ticks / 1e10
        return TokenUsage(
            input=into,
            output=output,
            cached_input=self._count("cached_tokens", cached),
            cache_write=self._count("cache_write_tokens", prompt.cache_write_tokens),
            reasoning=reasoning,
            total=total,
            cost=cost,
        )

    def _count(self, name: str, count: float | None) -> int | None:
        """Return a whole number of tokens; image models count in fractions."""
        if count is None:
            return None
        if type(count) is int and 0 <= count <= _MAX_COUNT:
            return count
        if not 0 <= count <= _MAX_COUNT:
            self.warn(f"usage.{name}", "was left out: it is not a count")
            return None
        if count % 1:
            self.warn(f"usage.{name}", "is a fraction, and was rounded")
        return round(count)


_NO_DETAILS: Final = _Details()
_CACHED: Final = ("prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens", "cache_read_input_tokens")


def _string(value: Any) -> str:
    """Return a value that is a string; "" for any other."""
    return value if isinstance(value, str) else ""


def _sources(urls: list[Any], results: list[Any], found: list[_SearchResult]) -> Iterator[Citation]:
    """Return the sources in the order that the text counts them in, each with the search result of its URL."""
    left = list(range(len(found)))
    for url in urls:
        if not isinstance(url, str):
            source = as_mapping(url)
            yield Citation(_string(source.get("url")), _string(source.get("title")), raw=url)
        elif (at := next((at for at in left if found[at].url == url), None)) is None:
            yield Citation(url, raw=url)
        else:
            left.remove(at)
            yield _citation(found[at], results[at])
    yield from (_citation(found[at], results[at]) for at in left if found[at].url or not urls)


def _citation(result: _SearchResult, raw: Any) -> Citation:
    return Citation(result.url or "", result.title or "", raw, result.snippet or "")


def _joined_details(details: list[Any]) -> list[Any]:
    """Join the pieces of one text or summary, which share type and index in OpenRouter's streams."""
    found: list[dict[str, Any]] = []
    known: dict[tuple[str, int | None], dict[str, Any]] = {}
    for detail in details:
        piece = as_mapping(detail)
        index = piece.get("index")
        key = (_string(piece.get("type")), index if isinstance(index, int) else None)
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


def _reasoning_text(details: list[Any] | None) -> str:
    """Return the readable text of OpenRouter's `reasoning_details`, for chunks without `reasoning`."""
    if not details:
        return ""
    pieces = map(as_mapping, details)
    return "".join(_string(piece.get("text")) or _string(piece.get("summary")) for piece in pieces)
