"""What a Gemini reply says: whole, as server-sent events, or as a JSON array whose objects come one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from zlib import crc32

import msgspec
from msgspec import Struct

from msgflux_like._json import as_list, as_mapping
from msgflux_like._wire.json_array import JsonArray
from msgflux_like._wire.sse import Parser
from msgflux_like.dialects._shared.failures import failure_from, failure_in
from msgflux_like.dialects._shared.parts import json_text
from msgflux_like.dialects._shared.stream_decoder import StreamDecoder
from msgflux_like.dialects.gemini.arguments import Piece, put
from msgflux_like.events import (
    Citation,
    Event,
    Failed,
    Finished,
    FinishReason,
    Logprobs,
    Media,
    ProviderState,
    ReasoningDelta,
    RefusalDelta,
    ServerTool,
    Started,
    TextDelta,
    TokenLogprob,
    TokenUsage,
    ToolCallDelta,
)

# https://ai.google.dev/api/generate-content#FinishReason, and Vertex's own.
FINISH: Final[Mapping[str, FinishReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "MALFORMED_RESPONSE": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
}

# The kinds of `ProviderState` here. A signature belongs to what follows it: a part, a text, or (the other kind) a call.
SIGNATURE: Final = "thought_signature"
CALL_SIGNATURE: Final = "call_signature"
PART: Final = "part"


class _Struct(Struct, gc=False, rename="camel"):
    """Names are camelCase on the wire."""


class _Call(_Struct):
    id: str | None = None
    name: str | None = None  # absent in the further parts of a call that is streamed
    args: dict[str, Any] | None = None
    partial_args: list[Piece] | None = None
    will_continue: bool | None = None


class _Blob(_Struct):
    mime_type: str = ""
    data: str = ""


class _Part(_Struct):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _Call | None = None
    inline_data: _Blob | None = None
    executable_code: Any = None
    code_execution_result: Any = None
    tool_call: Any = None
    tool_response: Any = None


class _Content(_Struct):
    parts: list[_Part] | None = None  # absent where nothing was said, as when all tokens went into thinking


class _Candidate(_Struct):
    index: int | None = None
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    citation_metadata: Any = None
    grounding_metadata: Any = None
    url_context_metadata: Any = None
    logprobs_result: Any = None


class _Feedback(_Struct):
    block_reason: str | None = None
    block_reason_message: str | None = None


class _Usage(_Struct):
    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None  # beside the prompt
    cached_content_token_count: int | None = None  # inside the prompt
    candidates_token_count: int | None = None  # absent for none
    thoughts_token_count: int | None = None  # beside the candidates
    total_token_count: int | None = None


class _Reply(_Struct):
    """A whole reply, or one object of a stream: they have the same shape."""

    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


_NOTHING: Final = _Candidate()
_decoder = msgspec.json.Decoder(_Reply)
_any = msgspec.json.Decoder()


def decode(body: bytes) -> list[Event]:
    """See `Dialect`."""
    return _Reader().whole(body)


def decoder() -> StreamDecoder[bytes]:
    """See `Dialect`."""
    return StreamDecoder(_Objects, _Reader().read, decode)


def refusal(body: bytes) -> Failed:
    """See `Dialect`."""
    failed = failure_in(body)
    try:
        said = _any.decode(body)
    except msgspec.DecodeError:
        return failed
    return _detailed(failed, said[0] if isinstance(said, list) and said else said)


def _detailed(failed: Failed, said: Any) -> Failed:
    """With what stands in the details: a reason as code (the code itself repeats the status), and how long to wait."""
    code, retry_after_s = failed.code, None
    for detail in as_list(as_mapping(as_mapping(said).get("error")).get("details")):
        fields = as_mapping(detail)
        code = str(fields.get("reason") or code)
        delay = str(fields.get("retryDelay") or "").removesuffix("s")
        retry_after_s = float(delay) if delay.replace(".", "", 1).isdecimal() else retry_after_s
    return msgspec.structs.replace(failed, code=code, retry_after_s=retry_after_s)


class _Reader:
    """Reads the objects of one reply. Counts are told at its end: in a stream each object repeats them."""

    __slots__ = ("_begun", "_calls", "_cited", "_finished", "_open", "_said", "_seed", "_usage")

    def __init__(self) -> None:
        self._begun = False
        self._said = False  # a text
        self._calls = 0
        self._open: dict[str, Any] | None = None  # arguments of the call that goes on
        self._seed = ""  # of the ids that are made up
        self._cited: set[str] = set()
        self._usage: _Usage | None = None
        self._finished = False

    def whole(self, body: bytes) -> list[Event]:
        """A reply that came in one piece."""
        reply = _decoder.decode(body)
        if not reply.candidates and reply.prompt_feedback is None and not reply.error:
            raise msgspec.ValidationError("it has no `candidates`, or none in them")
        events: list[Event] = []
        self.take(reply, body, events)
        if not self._finished and self._usage is not None:
            events.append(_tokens(self._usage))
        return events

    def read(self, data: bytes, events: list[Event]) -> bool:
        """One object; True for what does not belong to the answer any more."""
        if not data.strip():
            return False
        return data == b"[DONE]" or self.take(_decoder.decode(data), data, events)

    def take(self, reply: _Reply, data: bytes, events: list[Event]) -> bool:
        """Only the first candidate is read: no parameter of ours asks for more."""
        if reply.error:
            said = {"error": reply.error}
            events.append(_detailed(failure_from(said), said))
            return False
        candidate = _first(reply.candidates or ())
        parts = candidate.content.parts if candidate.content is not None else None
        if self._finished and parts and not candidate.finish_reason:
            return True  # there is no end mark; but nothing goes on after a finish reason
        if not self._begun:
            self._begun = True
            self._seed = reply.response_id or f"{crc32(data):08x}"
            events.append(Started(reply.response_id or "", reply.model_version or ""))
        if parts:
            self._say(parts, events)
        if candidate.logprobs_result is not None:
            events.extend(_weighed(as_mapping(candidate.logprobs_result)))
        if candidate.grounding_metadata or candidate.citation_metadata or candidate.url_context_metadata:
            events.extend(self._sources(candidate))
        usage = reply.usage_metadata
        if usage is not None and (usage.prompt_token_count is not None or usage.total_token_count is not None):
            self._usage = usage
        if candidate.finish_reason or reply.prompt_feedback is not None:
            events.extend(self._ended(candidate, reply.prompt_feedback or _Feedback()))
        elif self._finished and self._usage is not None:
            events.append(_tokens(self._usage))
        return False

    def _say(self, parts: list[_Part], events: list[Event]) -> None:
        for part in parts:
            if part.text and not part.thought and not part.thought_signature:  # nearly all of a stream
                self._said = True
                events.append(TextDelta(part.text))
            else:
                events.extend(self._part(part))

    def _part(self, part: _Part) -> Iterator[Event]:
        """Any part. What the server has to be given back stands in front of it, or is it."""
        if part.function_call is not None:
            if part.thought_signature:
                yield ProviderState(CALL_SIGNATURE, part.thought_signature)
            yield from self._call(part.function_call)
            return
        if part.thought_signature:
            yield ProviderState(SIGNATURE, part.thought_signature)
        if part.thought:
            yield from self._thought(part)
        elif part.inline_data is not None:
            yield from _media(part.inline_data)
        elif (own := _server_part(part)) is not None:
            yield ServerTool(*own)
            yield ProviderState(PART, dict([own]))
        elif part.thought_signature and (self._said or not part.text):
            yield ProviderState(PART, {"text": ""})  # the text before it went out without the signature
        if part.text and not part.thought:
            self._said = True
            yield TextDelta(part.text)

    def _thought(self, part: _Part) -> Iterator[Event]:
        """Images among the thoughts are drafts of the one that is the answer."""
        if part.text:
            yield ReasoningDelta(part.text)
        if part.thought_signature:
            yield ProviderState(PART, {"text": part.text or "", "thought": True})

    def _call(self, call: _Call) -> Iterator[Event]:
        """A call, or a piece of one. One that goes on is told when its arguments are whole, since they come by path."""
        if call.name:
            yield from self._closed()
            self._open = dict(call.args or {})
            id_ = call.id or f"call_{self._seed}_{self._calls}"
            self._calls += 1
            yield ToolCallDelta(self._calls - 1, id_, call.name)
        if self._open is not None:
            for piece in call.partial_args or ():
                put(self._open, piece)
            if not call.will_continue:
                yield from self._closed()

    def _closed(self, *, cut: bool = False) -> Iterator[Event]:
        """The arguments, which must not look whole when the answer was cut in them."""
        if self._open is not None:
            written = json_text(self._open)
            yield ToolCallDelta(self._calls - 1, arguments=written[:-1] if cut else written)
            self._open = None

    def _sources(self, candidate: _Candidate) -> Iterator[Event]:
        """Each source once: the lists are repeated, in a stream and, now and then, within themselves."""
        for url, title, raw in _sources(candidate):
            if url not in self._cited:
                self._cited.add(url)
                yield Citation(url, title, raw)

    def _ended(self, candidate: _Candidate, feedback: _Feedback) -> Iterator[Event]:
        raw = candidate.finish_reason or feedback.block_reason
        if not raw:
            return  # feedback on a prompt that was not blocked
        reason: FinishReason = FINISH.get(raw, "unknown") if candidate.finish_reason else "content_filter"
        yield from self._closed(cut=reason != "stop")
        if reason == "content_filter" and (why := candidate.finish_message or feedback.block_reason_message):
            yield RefusalDelta(why)
        if self._usage is not None:
            yield _tokens(self._usage)
        self._finished = True
        yield Finished("tool_calls" if reason == "stop" and self._calls else reason, raw)


def _first(candidates: Sequence[_Candidate]) -> _Candidate:
    if candidates and not candidates[0].index:
        return candidates[0]
    return next((each for each in candidates if not each.index), _NOTHING)


def _media(blob: _Blob) -> Iterator[Event]:
    """An image or a sound; a model that made an image needs it back to go on from it."""
    kind = blob.mime_type.partition("/")[0]
    raw = {"mimeType": blob.mime_type, "data": blob.data}
    if kind == "image":
        yield Media("image", blob.data, media_type=blob.mime_type)
        yield ProviderState(PART, {"inlineData": raw})
    elif kind == "audio":
        yield Media("audio", blob.data, media_type=blob.mime_type)
    else:
        yield ServerTool("inlineData", raw)  # a file that its code wrote


def _server_part(part: _Part) -> tuple[str, Any] | None:
    """Name and value of what a tool of the server's own did."""
    named = {
        "executableCode": part.executable_code,
        "codeExecutionResult": part.code_execution_result,
        "toolCall": part.tool_call,
        "toolResponse": part.tool_response,
    }
    return next((each for each in named.items() if each[1] is not None), None)


def _sources(candidate: _Candidate) -> Iterator[tuple[str, str, Any]]:
    """URL, title and all else of every source, of the three ways to name some."""
    grounding = as_mapping(candidate.grounding_metadata)
    for index, chunk in enumerate(as_list(grounding.get("groundingChunks"))):
        source = as_mapping(next(iter(as_mapping(chunk).values()), None))  # of web, retrievedContext or maps
        supports = [
            support
            for support in as_list(grounding.get("groundingSupports"))
            if index in as_list(as_mapping(support).get("groundingChunkIndices"))
        ]
        url, title = str(source.get("uri") or ""), str(source.get("title") or "")
        yield url or title, title, {**as_mapping(chunk), "groundingSupports": supports}
    for source in map(as_mapping, as_list(as_mapping(candidate.citation_metadata).get("citations"))):
        if source.get("uri"):
            yield str(source["uri"]), str(source.get("title") or ""), source
    for source in map(as_mapping, as_list(as_mapping(candidate.url_context_metadata).get("urlMetadata"))):
        if source.get("urlRetrievalStatus") in (None, "URL_RETRIEVAL_STATUS_SUCCESS"):
            yield str(source.get("retrievedUrl") or ""), "", source


def _weighed(result: Mapping[str, Any]) -> Iterator[Event]:
    """The tokens that were chosen, each with the likeliest at its place: two lists of the same length."""
    chosen, tops = as_list(result.get("chosenCandidates")), as_list(result.get("topCandidates"))
    if chosen:
        others = [as_list(as_mapping(top).get("candidates")) for top in tops] + [[]] * (len(chosen) - len(tops))
        yield Logprobs(tuple(_token(each, top) for each, top in zip(chosen, others, strict=False)))


def _token(chosen: Any, top: Sequence[Any] = ()) -> TokenLogprob:
    fields = as_mapping(chosen)
    others = tuple(_token(other) for other in top)
    return TokenLogprob(str(fields.get("token") or ""), float(fields.get("logProbability") or 0.0), top=others)


def _tokens(usage: _Usage) -> TokenUsage:
    return TokenUsage(
        input=(usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
        output=(usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
        cached_input=usage.cached_content_token_count,
        reasoning=usage.thoughts_token_count,
        total=usage.total_token_count,
    )


class _Objects:
    """The objects of a stream: the data of server-sent events, or the items of a JSON array.

    A server that takes no notice of `alt=sse` sends the array, and errors come in one now and then.
    """

    __slots__ = ("_parser",)

    def __init__(self) -> None:
        self._parser: Parser | JsonArray | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The objects that these bytes complete."""
        if self._parser is None:
            self._parser = JsonArray() if data.lstrip()[:1] == b"[" else Parser()
        return self._parser.feed(data)

    def close(self) -> list[bytes]:
        """What was left over."""
        return self._parser.close() if self._parser is not None else []
