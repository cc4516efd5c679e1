"""OpenAI's chat completions format, and what some hundred and fifty providers make of it.

Source: https://platform.openai.com/docs/api-reference/chat. Where providers differ from it in what they answer, the
decoder takes all of them; where they differ in what they accept, `Quirks` says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from msgflux_like._json import as_list, as_mapping
from msgflux_like.dialects._shared.failures import failure_from, failure_in
from msgflux_like.dialects._shared.logprobs import logprobs
from msgflux_like.dialects._shared.parameters import offered_tools, prefill_text, refuse_parameters
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
from msgflux_like.request import AnswerSchema, Change, ChatRequest, Encoded, Quirks

AUTH: Final = ("authorization", "Bearer ")
HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = ("openai_chat", ())
CALL_EXTRA: Final = "tool_call.extra_content"
"""The kind of state that is a field of a call, not of its message."""

FINISH: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "eos": "stop",  # together
    "length": "length",
    "model_length": "length",  # mistral
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
}

refusal = failure_in


# ---------------------------------------------------------------------------------------------------------- request


_RENAMED: Final = frozenset({"max_tokens", "reasoning_effort", "reasoning_budget"})


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """See `Dialect`. Messages and tools go out as they are: the form is theirs. OpenAI itself takes less of it."""
    if not request.parameters.keys().isdisjoint(quirks.refuses):
        refuse_parameters(request, frozenset(), quirks, "this provider")
    changes: list[Change] = []
    messages = _messages(request, quirks, changes)
    prefill = prefill_text(request, quirks) if request.prefill else ""
    if prefill:
        messages.append({"role": "assistant", "content": prefill})
    body: dict[str, Any] = {"model": request.model, "messages": messages, **request.parameters}
    if not _RENAMED.isdisjoint(body):
        _rename(body, request, quirks, changes)
    if request.tools:
        tools, choice = offered_tools(request, quirks, changes)
        body["tools"] = list(tools)
        if quirks.strict_messages and any(len(tool) > 2 for tool in tools):
            from msgflux_like.dialects.openai_chat.messages import strict_tools  # noqa: PLC0415  few tools have marks

            body["tools"] = strict_tools(tools, changes)
        if choice is not None:
            named = isinstance(choice, str) and choice not in ("auto", "required", "none")
            body["tool_choice"] = {"type": "function", "function": {"name": choice}} if named else choice
    if request.answer_schema is not None:
        body["response_format"] = _response_format(request.answer_schema)
    if request.stream:
        body["stream"] = True
        if quirks.stream_usage:
            body["stream_options"] = {"include_usage": True}
    repeated = quirks.prefill_repeated and not request.stream
    return Encoded("/chat/completions", body, changes=tuple(changes), prefill="" if repeated else prefill)


def _messages(request: ChatRequest, quirks: Quirks, changes: list[Change]) -> list[Any]:
    """The messages as they are; others where one holds what this host does not take, or what it wants back."""
    for message in request.messages:
        more = quirks.strict_messages and (type(message.get("content")) is not str or len(message) > 2)
        if more or "provider_state" in message:
            from msgflux_like.dialects.openai_chat.messages import adapted  # noqa: PLC0415  most messages are a text

            return adapted(request, quirks, changes)
    return list(request.messages)


def _response_format(answer_schema: AnswerSchema) -> dict[str, Any]:
    described = {"description": answer_schema.description} if answer_schema.description else {}
    schema = {"name": answer_schema.name, "schema": answer_schema.schema, "strict": True, **described}
    return {"type": "json_schema", "json_schema": schema}


def _rename(body: dict[str, Any], request: ChatRequest, quirks: Quirks, changes: list[Change]) -> None:
    """Put the parameters that the provider calls otherwise under its own names."""
    if "max_tokens" in body and quirks.max_tokens_field != "max_tokens":
        body[quirks.max_tokens_field] = body.pop("max_tokens")
    if "reasoning_effort" in body or "reasoning_budget" in body:
        from msgflux_like.dialects.openai_chat.reasoning import told  # noqa: PLC0415  for those who steer it

        effort, budget = body.pop("reasoning_effort", None), body.pop("reasoning_budget", None)
        body |= told(request, effort, budget, quirks.reasoning_form, changes)


# ------------------------------------------------------------------------------------------------------------ reply


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
    """A whole reply, or a streamed chunk of one."""

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
_GROWING: Final = {"text", "summary"}


def decode(body: bytes) -> list[Event]:
    """See `Dialect`."""
    return Reader(streamed=False).whole(body)


def decoder() -> SseDecoder:
    """See `Dialect`."""
    return SseDecoder(Reader(streamed=True).read, decode)


class Reader:
    """Reads the chunks of one reply; knows which pieces of tool calls belong together."""

    __slots__ = ("_begun", "_cited", "_details", "_ids", "_key_of_index", "_streamed")

    def __init__(self, *, streamed: bool) -> None:
        self._streamed = streamed
        self._begun = False
        self._cited = 0
        self._details: list[Any] = []  # of a stream, until it ends: the pieces of one have its index
        self._ids: list[str] = []  # of the calls so far; a call's place here is its key
        self._key_of_index: dict[int, int] = {}

    def whole(self, body: bytes) -> list[Event]:
        """A reply that came in one piece."""
        reply = _decoder.decode(body)
        if not reply.choices and not reply.error:
            raise msgspec.ValidationError("it has no `choices`, or none in them")
        events: list[Event] = []
        self.take(reply, events)
        if self._details:
            events.extend(self._collected())
        return events

    def read(self, data: bytes, events: list[Event]) -> bool:
        """One event's data; True for the end mark."""
        if data == b"[DONE]":
            events.extend(self._collected())
            return True
        if data:
            self.take(_decoder.decode(data), events)
        return False

    def take(self, reply: Reply, events: list[Event]) -> None:
        """A whole reply and a streamed chunk have the same shape: one says `message` where the other says `delta`.

        Only the first choice is read: no parameter of ours asks for more.
        """
        if not self._begun and (reply.id or reply.model):
            self._begun = True
            events.append(Started(reply.id or "", reply.model or ""))
        choice = reply.choices[0] if reply.choices else None
        if choice is not None:
            # Perplexity sends a cumulative message beside each delta, and an empty delta beside a whole message.
            message = (choice.delta or choice.message) if self._streamed else (choice.message or choice.delta)
            if message is not None:
                self._said(message, events)
            if choice.logprobs:
                events.extend(_weighed(choice.logprobs))
        if reply.citations:
            events.extend(self._sources(reply.citations, reply.search_results or []))
        if (usage := reply.usage or (reply.x_groq.usage if reply.x_groq else None)) is not None:
            events.append(_tokens(usage))
        if reply.error:
            events.append(failure_from({"error": reply.error, "status_code": reply.status_code}))
        elif choice is not None and choice.finish_reason:
            if self._details:
                events.extend(self._collected())
            events.append(Finished(FINISH.get(choice.finish_reason, "unknown"), choice.finish_reason))

    def _said(self, message: _Message, events: list[Event]) -> None:
        if reasoning := message.reasoning_content or message.reasoning or _thoughts(message.reasoning_details):
            events.append(ReasoningDelta(reasoning if isinstance(reasoning, str) else json_text(reasoning)))
        content = message.content
        if type(content) is str:
            if content:
                events.append(TextDelta(content))
        elif content:
            events.extend(self.parts(content))
        if message.refusal:
            events.append(RefusalDelta(message.refusal))
        for call in message.tool_calls or ():
            events.extend(self._called(call))
        if message.reasoning_details:
            self._details += message.reasoning_details
        if message.annotations or message.images or message.audio or message.extra_content:
            events.extend(_attachments(message))

    def _collected(self) -> Iterator[Event]:
        """The `reasoning_details`, which go back whole and in their order, as they came."""
        details, self._details = self._details, []
        for detail in _merged(details) if self._streamed else details:
            yield ProviderState("reasoning_details", detail)

    def parts(self, content: Any) -> Iterator[Event]:
        """Content that is no text."""
        return _parts(content)

    def _called(self, call: _ToolCall) -> Iterator[Event]:
        """A piece of a call. A new call begins with a new index, or with another id that comes with a name.

        Some hosts repeat id and name on every piece, some send two calls under one index, some leave the index out.
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

    def _sources(self, urls: list[Any], results: list[Any]) -> Iterator[Event]:
        """Perplexity's list of all sources, which comes with every chunk."""
        titles = {str(result.get("url")): str(result.get("title") or "") for result in results}
        for url in urls[self._cited :]:
            yield Citation(str(url), titles.get(str(url), ""), raw=url)
        self._cited = len(urls)


def _parts(content: Any) -> Iterator[Event]:
    """Content that is no text: parts (Databricks, Mistral), or an object (Cloudflare with a schema)."""
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


def _attachments(message: _Message) -> Iterator[Event]:
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


def _merged(details: list[Any]) -> list[Any]:
    """Pieces of one text or summary (same type, same index) as one, as OpenRouter's streams want to be read."""
    found: list[dict[str, Any]] = []
    known: dict[tuple[Any, Any], dict[str, Any]] = {}
    for detail in details:
        piece = as_mapping(detail)
        key = (piece.get("type"), piece.get("index"))
        whole = known.get(key)
        if whole is None or key[1] is None or not (piece.keys() & _GROWING or "signature" in piece):
            whole = known[key] = {}
            found.append(whole)
        for name, value in piece.items():
            grows = name in _GROWING and isinstance(value, str) and isinstance(whole.get(name), str)
            if grows:
                whole[name] += value
            elif value is not None or name not in whole:
                whole[name] = value
    return found


def _weighed(given: Any) -> Iterator[Event]:
    if tokens := as_list(as_mapping(given).get("content")):
        yield logprobs(tokens)


def _thoughts(details: list[Any] | None) -> str:
    """The readable part of OpenRouter's `reasoning_details`, where `reasoning` itself is empty."""
    if not details:
        return ""
    return "".join(str(detail.get("text") or detail.get("summary") or "") for detail in details)


def _tokens(usage: _Usage) -> TokenUsage:
    """Providers name the cache in seven ways. xAI counts reasoning beside the completion instead of inside."""
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
