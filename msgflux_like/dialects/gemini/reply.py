"""Replies in Google's Gemini format, whole or streamed.

Source: https://ai.google.dev/api/generate-content.

A stream is a sequence of objects of the same shape as a whole reply. They come as server-sent events, or as the items
of a JSON array. Each object holds the next parts of the answer; token counts are repeated and grow. There is no end
mark: the object with the finish reason is the last with content, and a usage report may follow it.

- Text and thoughts are reported piece by piece. A tool call comes in one part, except that Vertex AI can stream its
  arguments as pieces with JSON paths; they are reported when the call is complete. If the reply ends inside a call, its
  arguments are left as incomplete JSON, so that nobody runs it.
- A thought signature belongs to its part and has to be sent back at the same place. It is reported before its part;
  parts that have to be sent back whole (images, server tools, signed thoughts) are reported as `PART`.
- Calls without an id get one. It is derived from the reply, so the same bytes give the same ids.
- Sources are repeated in a stream; each is reported once.
- Token counts are reported once, with the finish reason, and again if they come after it.
- Only the first candidate is read, because no parameter asks for more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from zlib import crc32

import msgspec
from msgspec import Struct

from msgflux_like._json import as_list, as_mapping
from msgflux_like._wire.json_array import JsonArray
from msgflux_like._wire.sse import Parser
from msgflux_like.dialects._shared.parts import json_text
from msgflux_like.dialects._shared.stream_decoder import StreamDecoder
from msgflux_like.dialects.gemini.arguments import ArgumentPiece, insert_piece
from msgflux_like.dialects.gemini.errors import failure_in_reply
from msgflux_like.events import (
    Citation,
    Event,
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

# Source: https://ai.google.dev/api/generate-content#FinishReason, and the additional ones of Vertex AI.
FINISH_REASONS: Final[Mapping[str, FinishReason]] = {
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

SIGNATURE: Final = "thought_signature"
"""Kind of provider state: the signature of the text or the `PART` that follows."""

CALL_SIGNATURE: Final = "call_signature"
"""Kind of provider state: the signature of the tool call that follows."""

PART: Final = "part"
"""Kind of provider state: a part to send back as it came."""


class _Struct(Struct, gc=False, rename="camel"):
    """Base of the wire structs, whose names are camelCase on the wire."""


class _Call(_Struct):
    id: str | None = None
    name: str | None = None  # absent in all but the first part of a streamed call
    args: dict[str, Any] | None = None
    partial_args: list[ArgumentPiece] | None = None
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
    parts: list[_Part] | None = None  # absent if all tokens went into thinking


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
    candidates_token_count: int | None = None  # absent if 0
    thoughts_token_count: int | None = None  # beside the candidates
    total_token_count: int | None = None


class _Reply(_Struct):
    """A whole reply, or one object of a stream."""

    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


_NO_CANDIDATE: Final = _Candidate()
_decoder = msgspec.json.Decoder(_Reply)


def decode(body: bytes) -> list[Event]:
    """Return the events of a whole reply; raise msgspec.DecodeError if the body is not a reply."""
    return _Reader().read_whole(body)


def decoder() -> StreamDecoder[bytes]:
    """Return a decoder for one streamed reply."""
    return StreamDecoder(_ObjectParser, _Reader().read, decode)


class _Reader:
    """Reader of one reply; the head of this file explains the rules."""

    __slots__ = (
        "_call_count",
        "_cited_urls",
        "_finished",
        "_has_text",
        "_id_seed",
        "_open_arguments",
        "_started",
        "_usage",
    )

    def __init__(self) -> None:
        self._started = False
        self._has_text = False
        self._call_count = 0
        self._open_arguments: dict[str, Any] | None = None  # of the call that is still being streamed
        self._id_seed = ""  # for the ids of calls without one
        self._cited_urls: set[str] = set()
        self._usage: _Usage | None = None
        self._finished = False

    def read_whole(self, body: bytes) -> list[Event]:
        """Return the events of a whole reply."""
        reply = _decoder.decode(body)
        if not reply.candidates and reply.prompt_feedback is None and not reply.error:
            raise msgspec.ValidationError("it has no `candidates`")
        events: list[Event] = []
        self._on_object(reply, body, events)
        if not self._finished and self._usage is not None:
            events.append(_usage_from(self._usage))
        return events

    def read(self, data: bytes, events: list[Event]) -> bool:
        """Append the events of one object; return True if it is past the end of the reply."""
        if not data.strip():
            return False
        return data == b"[DONE]" or self._on_object(_decoder.decode(data), data, events)

    def _on_object(self, reply: _Reply, data: bytes, events: list[Event]) -> bool:
        if reply.error:
            events.append(failure_in_reply(reply.error))
            return False
        candidate = _first_candidate(reply.candidates or ())
        parts = candidate.content.parts if candidate.content is not None else None
        if self._finished and parts and not candidate.finish_reason:
            return True
        if not self._started:
            self._started = True
            self._id_seed = reply.response_id or f"{crc32(data):08x}"
            events.append(Started(reply.response_id or "", reply.model_version or ""))
        if parts:
            self._on_parts(parts, events)
        if candidate.logprobs_result is not None:
            events.extend(_logprobs_from(as_mapping(candidate.logprobs_result)))
        if candidate.grounding_metadata or candidate.citation_metadata or candidate.url_context_metadata:
            events.extend(self._on_sources(candidate))
        usage = reply.usage_metadata
        if usage is not None and (usage.prompt_token_count is not None or usage.total_token_count is not None):
            self._usage = usage
        if candidate.finish_reason or reply.prompt_feedback is not None:
            events.extend(self._on_finish(candidate, reply.prompt_feedback or _Feedback()))
        elif self._finished and self._usage is not None:
            events.append(_usage_from(self._usage))
        return False

    def _on_parts(self, parts: list[_Part], events: list[Event]) -> None:
        for part in parts:
            if part.text and not part.thought and not part.thought_signature:  # most parts of a stream
                self._has_text = True
                events.append(TextDelta(part.text))
            else:
                events.extend(self._on_part(part))

    def _on_part(self, part: _Part) -> Iterator[Event]:
        """Report a part of any kind, with the state that has to be sent back before it."""
        if part.function_call is not None:
            if part.thought_signature:
                yield ProviderState(CALL_SIGNATURE, part.thought_signature)
            yield from self._on_call(part.function_call)
            return
        if part.thought_signature:
            yield ProviderState(SIGNATURE, part.thought_signature)
        if part.thought:
            yield from self._on_thought(part)
        elif part.inline_data is not None:
            yield from _media_events(part.inline_data)
        elif (named := _server_tool_part(part)) is not None:
            yield ServerTool(*named)
            yield ProviderState(PART, dict([named]))
        elif part.thought_signature and (self._has_text or not part.text):
            yield ProviderState(PART, {"text": ""})  # the text was reported without the signature
        if part.text and not part.thought:
            self._has_text = True
            yield TextDelta(part.text)

    def _on_thought(self, part: _Part) -> Iterator[Event]:
        """Report a thought. Images among the thoughts are drafts of the final one, and are left out."""
        if part.text:
            yield ReasoningDelta(part.text)
        if part.thought_signature:
            yield ProviderState(PART, {"text": part.text or "", "thought": True})

    def _on_call(self, call: _Call) -> Iterator[Event]:
        """Report a call, or add a piece to the call that is being streamed."""
        if call.name:
            yield from self._on_call_end()
            self._open_arguments = dict(call.args or {})
            id_ = call.id or f"call_{self._id_seed}_{self._call_count}"
            self._call_count += 1
            yield ToolCallDelta(self._call_count - 1, id_, call.name)
        if self._open_arguments is not None:
            for piece in call.partial_args or ():
                insert_piece(self._open_arguments, piece)
            if not call.will_continue:
                yield from self._on_call_end()

    def _on_call_end(self, *, cut: bool = False) -> Iterator[Event]:
        """Report the arguments of the open call; incomplete JSON if the reply was cut inside them."""
        if self._open_arguments is not None:
            text = json_text(self._open_arguments)
            yield ToolCallDelta(self._call_count - 1, arguments=text[:-1] if cut else text)
            self._open_arguments = None

    def _on_sources(self, candidate: _Candidate) -> Iterator[Event]:
        for url, title, raw in _sources_in(candidate):
            if url not in self._cited_urls:
                self._cited_urls.add(url)
                yield Citation(url, title, raw)

    def _on_finish(self, candidate: _Candidate, feedback: _Feedback) -> Iterator[Event]:
        raw = candidate.finish_reason or feedback.block_reason
        if not raw:
            return  # feedback on a prompt that was not blocked
        reason: FinishReason = FINISH_REASONS.get(raw, "unknown") if candidate.finish_reason else "content_filter"
        yield from self._on_call_end(cut=reason != "stop")
        if reason == "content_filter" and (message := candidate.finish_message or feedback.block_reason_message):
            yield RefusalDelta(message)
        if self._usage is not None:
            yield _usage_from(self._usage)
        self._finished = True
        yield Finished("tool_calls" if reason == "stop" and self._call_count else reason, raw)


def _first_candidate(candidates: Sequence[_Candidate]) -> _Candidate:
    if candidates and not candidates[0].index:
        return candidates[0]
    return next((candidate for candidate in candidates if not candidate.index), _NO_CANDIDATE)


def _media_events(blob: _Blob) -> Iterator[Event]:
    """Report an image, audio or a file. A model that made an image needs it back to continue from it."""
    kind = blob.mime_type.partition("/")[0]
    raw = {"mimeType": blob.mime_type, "data": blob.data}
    if kind == "image":
        yield Media("image", blob.data, media_type=blob.mime_type)
        yield ProviderState(PART, {"inlineData": raw})
    elif kind == "audio":
        yield Media("audio", blob.data, media_type=blob.mime_type)
    else:
        yield ServerTool("inlineData", raw)  # a file written by code that the server ran


def _server_tool_part(part: _Part) -> tuple[str, Any] | None:
    """Return the name and value of a server tool's field, if the part has one."""
    fields = {
        "executableCode": part.executable_code,
        "codeExecutionResult": part.code_execution_result,
        "toolCall": part.tool_call,
        "toolResponse": part.tool_response,
    }
    return next((field for field in fields.items() if field[1] is not None), None)


def _sources_in(candidate: _Candidate) -> Iterator[tuple[str, str, Any]]:
    """Yield URL, title and raw fields of each source, from the three places that hold sources."""
    grounding = as_mapping(candidate.grounding_metadata)
    for index, chunk in enumerate(as_list(grounding.get("groundingChunks"))):
        source = as_mapping(next(iter(as_mapping(chunk).values()), None))  # `web`, `retrievedContext` or `maps`
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


def _logprobs_from(result: Mapping[str, Any]) -> Iterator[Event]:
    """Report the chosen tokens, each with the most likely ones at its position: two lists of the same length."""
    chosen, tops = as_list(result.get("chosenCandidates")), as_list(result.get("topCandidates"))
    if chosen:
        likeliest = [as_list(as_mapping(top).get("candidates")) for top in tops] + [[]] * (len(chosen) - len(tops))
        yield Logprobs(tuple(_logprob_from(token, top) for token, top in zip(chosen, likeliest, strict=False)))


def _logprob_from(token: Any, top: Sequence[Any] = ()) -> TokenLogprob:
    fields = as_mapping(token)
    alternatives = tuple(_logprob_from(other) for other in top)
    return TokenLogprob(str(fields.get("token") or ""), float(fields.get("logProbability") or 0.0), top=alternatives)


def _usage_from(usage: _Usage) -> TokenUsage:
    return TokenUsage(
        input=(usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
        output=(usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
        cached_input=usage.cached_content_token_count,
        reasoning=usage.thoughts_token_count,
        total=usage.total_token_count,
    )


class _ObjectParser:
    """Parser of a stream's objects: the data of server-sent events, or the items of a JSON array.

    Servers that ignore `alt=sse` send an array, and some errors come in one.
    """

    __slots__ = ("_parser",)

    def __init__(self) -> None:
        self._parser: Parser | JsonArray | None = None  # chosen by the first byte

    def feed(self, data: bytes) -> list[bytes]:
        """Return the objects that these bytes complete."""
        if self._parser is None:
            self._parser = JsonArray() if data.lstrip()[:1] == b"[" else Parser()
        return self._parser.feed(data)

    def close(self) -> list[bytes]:
        """Return the objects that the end of the body completes."""
        return self._parser.close() if self._parser is not None else []
