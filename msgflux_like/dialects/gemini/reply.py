"""Replies in Google's Gemini format, whole or streamed.

Source: https://ai.google.dev/api/generate-content.

A stream is a sequence of objects of the same shape as a whole reply. They come as server-sent events, or as the items
of a JSON array. Each object holds the next parts of the answer; token counts are repeated and grow. There is no end
mark: the object with the finish reason is the last with content, and a usage report may follow it. Only a finish reason
(or the reason why the prompt was blocked) shows that the answer is whole.

- Text and thoughts are reported piece by piece. A tool call comes in one part, except that Vertex AI can stream its
  arguments as pieces with JSON paths; they are reported when the call is complete. If the reply ends inside a call, its
  arguments are left as incomplete JSON, so that nobody runs it.
- A thought signature belongs to its part and has to be sent back at the same place. It is reported before its part.
- A part that is neither text nor a call is reported as `PART`, whole, also if its kind is not known here. Fields beside
  a text or a call are reported as `FIELDS` before it.
- Calls without an id, or with the id of an earlier call, get one. It is derived from the reply, so the same bytes give
  the same ids.
- Each passage that a source supports is one citation; a source that supports none is one without a span. Sources are
  repeated in a stream; each is reported once.
- Token counts are reported once, with the finish reason, and again if they come after it.
- A finish reason that means a failure is an error with the provider's words, after the answer so far.
- Only the first candidate is the answer. The others are noted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, ClassVar, Final, Literal, NamedTuple
from zlib import crc32

import msgspec
from msgspec import Struct

from msgflux_like._json import as_list, as_mapping
from msgflux_like._wire.json_array import JsonArray
from msgflux_like._wire.sse import Parser
from msgflux_like.dialects._shared import lenient
from msgflux_like.dialects._shared.parts import json_text
from msgflux_like.dialects._shared.stream_decoder import StreamDecoder
from msgflux_like.dialects.gemini.arguments import ArgumentPiece, insert_piece
from msgflux_like.dialects.gemini.errors import failure_in_reply
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
    Warned,
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
    "LANGUAGE": "content_filter",
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

FIELDS: Final = "fields"
"""Kind of provider state: further fields of the text or the tool call that follows."""

_MARKS: Final = frozenset({"thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"})
"""Fields of a part that describe its content."""

_READ_FIELDS: Final = frozenset({"text", "thought", "thoughtSignature"})
_READ_CALL_FIELDS: Final = frozenset({"functionCall", "thoughtSignature", "text"})
_MEDIA_KINDS: Final[Mapping[str, Literal["image", "audio"]]] = {"image": "image", "audio": "audio"}
_FIELDS_OF_A_CALL: Final = frozenset({"id", "name", "args", "partialArgs", "willContinue"})


class _Struct(Struct, gc=False, rename="camel"):
    """Base of the wire structs, whose names are camelCase on the wire; `STRICT` has the fields of the answer."""

    STRICT: ClassVar[frozenset[str]] = frozenset()


class _Call(_Struct):
    STRICT: ClassVar[frozenset[str]] = frozenset({"name", "args", "partial_args"})

    id: str | None = None
    name: str | None = None  # absent in all but the first part of a streamed call
    args: dict[str, Any] | None = None
    partial_args: list[ArgumentPiece] | None = None
    will_continue: bool | None = None


class _Blob(_Struct):
    STRICT: ClassVar[frozenset[str]] = frozenset({"data"})

    mime_type: str | None = None
    data: str | None = None


class _File(_Struct):
    STRICT: ClassVar[frozenset[str]] = frozenset({"file_uri"})

    mime_type: str | None = None
    file_uri: str | None = None


class _Part(_Struct):
    STRICT: ClassVar[frozenset[str]] = frozenset({"text", "function_call", "inline_data", "file_data"})

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _Call | None = None
    inline_data: _Blob | None = None
    file_data: _File | None = None


class _Content(_Struct):
    STRICT: ClassVar[frozenset[str]] = frozenset({"parts"})

    parts: list[_Part] | None = None  # absent if all tokens went into thinking


class _Segment(_Struct):
    """A passage of the answer. The indexes are bytes of UTF-8, from the beginning of the part."""

    part_index: int | None = None
    start_index: int | None = None  # absent if 0
    end_index: int | None = None
    text: str | None = None


class _Support(_Struct):
    segment: _Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class _Source(_Struct):
    """The one value of a grounding chunk: `web`, `retrievedContext`, `maps` or `image`."""

    uri: str | None = None
    source_uri: str | None = None
    title: str | None = None
    text: str | None = None


class _Cited(_Struct):
    """One entry of `citationMetadata`."""

    uri: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class _Retrieved(_Struct):
    """One entry of `urlContextMetadata`."""

    retrieved_url: str | None = None
    url_retrieval_status: str | None = None


class _Grounding(_Struct):
    grounding_chunks: list[dict[str, Any]] | None = None
    grounding_supports: list[dict[str, Any]] | None = None


class _Citations(_Struct):
    citations: list[dict[str, Any]] | None = None
    citation_sources: list[dict[str, Any]] | None = None


class _UrlContext(_Struct):
    url_metadata: list[dict[str, Any]] | None = None


class _Token(_Struct):
    token: str | None = None
    log_probability: float | None = None


class _Alternatives(_Struct):
    candidates: list[_Token] | None = None


class _Logprobs(_Struct):
    """The chosen tokens, and the most likely ones at each position: two lists of the same length."""

    chosen_candidates: list[_Token] | None = None
    top_candidates: list[_Alternatives] | None = None


class _Candidate(_Struct):
    STRICT: ClassVar[frozenset[str]] = frozenset({"content"})

    index: int | None = None
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    citation_metadata: _Citations | None = None
    grounding_metadata: _Grounding | None = None
    url_context_metadata: _UrlContext | None = None
    logprobs_result: _Logprobs | None = None


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

    STRICT: ClassVar[frozenset[str]] = frozenset({"candidates"})

    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


# Nearly every object has only the fields above in its parts: it is read at once. Others are read again, with what their
# parts hold beside them.


class _ExactCall(_Call, forbid_unknown_fields=True):
    pass


class _ExactPart(_Part, forbid_unknown_fields=True):
    function_call: _ExactCall | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  read only


class _ExactContent(_Content):
    parts: list[_ExactPart] | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  read only


class _ExactCandidate(_Candidate):
    content: _ExactContent | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  read only


class _ExactReply(_Reply):
    candidates: list[_ExactCandidate] | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  read only


_NO_CANDIDATE: Final = _Candidate()
_NO_FEEDBACK: Final = _Feedback()
_NO_USAGE: Final = _Usage()
_decode_exact = msgspec.json.Decoder(_ExactReply).decode
_decoder = msgspec.json.Decoder(_Reply)
_decode_plain = msgspec.json.Decoder().decode


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
        "_call_ids",
        "_cited",
        "_finished",
        "_has_parts",
        "_id_seed",
        "_named",
        "_noted",
        "_notes",
        "_open_arguments",
        "_sources",
        "_started",
        "_text",
        "_usage",
    )

    def __init__(self) -> None:
        self._started = False
        self._named = False  # the version of the model is known
        self._text: list[str] = []
        self._has_parts = False  # other than text and calls
        self._call_count = 0
        self._call_ids: set[str] = set()
        self._open_arguments: dict[str, Any] | None = None  # of the call that is still being streamed
        self._id_seed = ""  # for the ids of calls without one
        self._cited: set[tuple[str, str, int | None, int | None]] = set()
        self._sources: dict[tuple[str, str], Citation] = {}  # without a span, by URL or title, and passage
        self._usage: _Usage | None = None
        self._finished = False
        self._notes: list[Event] = []  # of the object that is being read
        self._noted: set[str] = set()

    def read_whole(self, body: bytes) -> list[Event]:
        """Return the events of a whole reply."""
        reply = self._object(body)
        if not reply.candidates and not (reply.prompt_feedback or _NO_FEEDBACK).block_reason and not reply.error:
            raise msgspec.ValidationError("it has no `candidates`")
        events: list[Event] = []
        self._on_object(reply, body, events)
        if not self._finished and type(events[-1]) is not Failed:
            events.extend(self._on_sources_end())
            if self._usage is not None:
                events.append(_usage_from(self._usage))
            events.append(Warned("candidates[0].finishReason", "is missing: nothing says that the answer is whole"))
            events.append(Finished("unknown"))
        return events

    def read(self, data: bytes, events: list[Event]) -> bool:
        """Append the events of one object; return True if it is past the end of the reply.

        A gateway ends every stream with `[DONE]`, also one that was cut: it is no evidence of the end.
        """
        try:
            reply = _decode_exact(data)
        except msgspec.DecodeError:
            if data.strip() in (b"", b"[DONE]"):
                return False
            reply = lenient.decode(_decoder, data, self._note)
        return self._on_object(reply, data, events)

    def _object(self, data: bytes) -> _Reply:
        try:
            return _decode_exact(data)
        except msgspec.ValidationError:
            return lenient.decode(_decoder, data, self._note)

    def _note(self, field: str, detail: str) -> None:
        """Note a part of the reply that is not part of the answer; once in a stream."""
        if field not in self._noted:
            self._noted.add(field)
            self._notes.append(Warned(field, detail))

    def _on_names(self, reply: _Reply, data: bytes, events: list[Event]) -> None:
        """Report the names of the reply and the model; a later object may be the first that names the model."""
        model = reply.model_version or ""
        if not self._started:
            self._started = True
            self._id_seed = reply.response_id or f"{crc32(data):08x}"
            events.append(Started(reply.response_id or "", model))
        elif model:
            events.append(Started("", model))
        self._named = bool(model)

    def _on_object(self, reply: _Reply, data: bytes, events: list[Event]) -> bool:
        candidates = reply.candidates or ()
        if reply.error and not candidates:
            events.append(failure_in_reply(reply.error))
            return False
        position = 0 if len(candidates) == 1 and not candidates[0].index else self._choose(candidates)
        candidate = candidates[position] if position is not None else _NO_CANDIDATE
        parts = candidate.content.parts if candidate.content is not None else None
        if self._finished and parts and not candidate.finish_reason:
            events.append(Warned("candidates[0].content", "comes after the finish reason, and was not read"))
            return True
        if not self._named:
            self._on_names(reply, data, events)
        if parts:
            self._on_parts(parts, data, position or 0, events)
        if candidate.logprobs_result is not None:
            events.extend(_logprobs_from(candidate.logprobs_result))
        if candidate.grounding_metadata or candidate.citation_metadata or candidate.url_context_metadata:
            events.extend(self._on_sources(candidate, parts or ()))
        usage = reply.usage_metadata
        if usage is not None and (usage.prompt_token_count is not None or usage != _NO_USAGE):
            self._usage = usage
        if candidate.finish_reason or reply.error or reply.prompt_feedback is not None or self._finished:
            self._on_end(reply, candidate, events)
        if self._notes:
            self._flush_notes(events)
        return False

    def _on_end(self, reply: _Reply, candidate: _Candidate, events: list[Event]) -> None:
        """Report an error, a finish reason, or token counts that come after it."""
        if reply.error:
            events.append(failure_in_reply(reply.error))
        elif candidate.finish_reason or reply.prompt_feedback is not None:
            events.extend(self._on_finish(candidate, reply.prompt_feedback or _NO_FEEDBACK))
        elif self._finished and self._usage is not None:
            events.append(_usage_from(self._usage))

    def _flush_notes(self, events: list[Event]) -> None:
        """Report what was noted; a failure stays the last event."""
        last = [events.pop()] if events and type(events[-1]) is Failed else []
        events += [*self._notes, *last]
        self._notes.clear()

    def _choose(self, candidates: Sequence[_Candidate]) -> int | None:
        """Return the position of the candidate with index 0, and note the others."""
        chosen: int | None = None
        for position, candidate in enumerate(candidates):
            if chosen is None and not candidate.index:
                chosen = position
            else:
                self._note(f"candidates[{candidate.index or position}]", "is a further answer, which was not read")
        return chosen

    def _on_parts(self, parts: Sequence[_Part], data: bytes, position: int, events: list[Event]) -> None:
        is_exact = type(parts[0]) is _ExactPart
        raw: list[dict[str, Any]] = []
        for index, part in enumerate(parts):
            text = part.text
            if text and is_exact and not (part.thought or part.thought_signature or part.function_call):
                self._text.append(text)  # most parts of a stream
                events.append(TextDelta(text))
                continue
            if not is_exact or part.inline_data or part.file_data:
                raw = raw or _raw_parts(data, position)
            whole = raw[index] if raw else {}
            if part.function_call is not None:
                events.extend(self._on_call(part, part.function_call, whole, f"candidates[0].content.parts[{index}]"))
            else:
                events.extend(self._on_part(part, whole))

    def _on_part(self, part: _Part, raw: Mapping[str, Any]) -> Iterator[Event]:
        """Report a part that is no call, with the state that has to be sent back before it.

        Args:
            part: The part.
            raw: The part with all of its fields; empty if it has no others than a text and its marks.
        """
        if part.thought_signature:
            yield ProviderState(SIGNATURE, part.thought_signature)
        content = next((name for name in raw if name not in _MARKS and name != "text"), None)
        if part.thought and content is None:
            yield from _thought_events(part)
        elif part.text and not part.thought:
            if fields := {name: value for name, value in raw.items() if name not in _READ_FIELDS}:
                yield ProviderState(FIELDS, fields)
            self._text.append(part.text)
            yield TextDelta(part.text)
        elif content is not None:
            self._has_parts = True
            if not part.thought:  # images among the thoughts are drafts of the final one
                yield from _content_events(part, content, raw[content])
            yield ProviderState(PART, {name: raw[name] for name in raw if name != "thoughtSignature"})
        elif part.thought_signature:
            yield ProviderState(PART, {"text": ""})  # the text was reported without the signature

    def _on_call(self, part: _Part, call: _Call, raw: Mapping[str, Any], place: str) -> Iterator[Event]:
        """Report a call, or add a piece to the call that is being streamed."""
        if part.text and not part.thought:
            self._text.append(part.text)
            yield TextDelta(part.text)
        if call.name:
            yield from self._on_call_end()
            if part.thought_signature:
                yield ProviderState(CALL_SIGNATURE, part.thought_signature)
            if raw and (fields := _fields_beside_call(raw)):
                yield ProviderState(FIELDS, fields)
            self._open_arguments = dict(call.args or {})
            yield ToolCallDelta(self._call_count, self._call_id(call.id), call.name)
            self._call_count += 1
        elif self._open_arguments is None:
            self._note(f"{place}.functionCall", "has no name, and was left out")
        elif part.thought_signature:
            self._note(f"{place}.thoughtSignature", "comes after the beginning of its call, and was left out")
        if self._open_arguments is not None:
            for piece in call.partial_args or ():
                insert_piece(self._open_arguments, piece)
            if not call.will_continue:
                yield from self._on_call_end()

    def _call_id(self, given: str | None) -> str:
        """Return the id of a call, or a new one if it has none or that of another call."""
        id_ = given if given and given not in self._call_ids else f"call_{self._id_seed}_{self._call_count}"
        self._call_ids.add(id_)
        return id_

    def _on_call_end(self, *, cut: bool = False) -> Iterator[Event]:
        """Report the arguments of the open call; incomplete JSON if the reply was cut inside them."""
        if self._open_arguments is not None:
            text = json_text(self._open_arguments)
            yield ToolCallDelta(self._call_count - 1, arguments=text[:-1] if cut else text)
            self._open_arguments = None

    def _on_sources(self, candidate: _Candidate, parts: Sequence[_Part]) -> Iterator[Event]:
        """Report the passages that sources support; sources that support none follow at the end."""
        spans = _Spans("".join(self._text), parts)
        for citation in _citations_in(candidate, spans, self._note):
            key = (citation.url or citation.title, citation.text, citation.start, citation.end)
            if citation.end is None:
                self._sources.setdefault(key[:2], citation)
            elif key not in self._cited:
                self._cited.add(key)
                yield citation
        if self._finished:
            yield from self._on_sources_end()

    def _on_sources_end(self) -> Iterator[Event]:
        """Report each source that supports no passage, or whose passages are not known."""
        if not self._sources:
            return
        cited = {key[:2] for key in self._cited} | {(key[0], "") for key in self._cited}
        for key, citation in self._sources.items():
            if key not in cited:
                self._cited.add((*key, None, None))
                cited.add((key[0], ""))
                yield citation
        self._sources.clear()

    def _on_finish(self, candidate: _Candidate, feedback: _Feedback) -> Iterator[Event]:
        raw = candidate.finish_reason or feedback.block_reason
        if not raw:
            return  # feedback on a prompt that was not blocked
        reason: FinishReason = FINISH_REASONS.get(raw, "unknown") if candidate.finish_reason else "content_filter"
        message = candidate.finish_message or feedback.block_reason_message or ""
        is_empty = not (self._text or self._call_count or self._has_parts)
        yield from self._on_call_end(cut=reason != "stop")
        yield from self._on_sources_end()
        if reason == "content_filter" and message:
            yield RefusalDelta(message)
        if self._usage is not None:
            yield _usage_from(self._usage)
        if reason == "error" or (reason == "unknown" and is_empty):
            yield Failed(message or f"the model stopped with the finish reason {raw}", code=raw)
            return
        if reason == "stop" and is_empty and not self._finished:
            yield Warned("candidates[0].content", "is empty: the model gave no answer")
        self._finished = True
        yield Finished("tool_calls" if reason == "stop" and self._call_count else reason, raw, message)


# ------------------------------------------------------------------------------------------------------------- parts


def _raw_parts(data: bytes, position: int) -> list[dict[str, Any]]:
    """Return the parts of the candidate at a position as plain values, with the fields that no struct names."""
    given = as_list(as_mapping(_decode_plain(data)).get("candidates"))
    candidates = [as_mapping(each) for each in given if isinstance(each, dict)]
    parts = as_list(as_mapping(candidates[position].get("content")).get("parts"))
    return [part for part in parts if isinstance(part, dict)]


def _thought_events(part: _Part) -> Iterator[Event]:
    """Report a thought in words, which goes back only if it is signed."""
    if part.text:
        yield ReasoningDelta(part.text)
    if part.thought_signature:
        yield ProviderState(PART, {"text": part.text or "", "thought": True})


def _fields_beside_call(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a part and of its call that a tool call has no place for."""
    fields = {name: value for name, value in raw.items() if name not in _READ_CALL_FIELDS}
    call = {name: value for name, value in as_mapping(raw["functionCall"]).items() if name not in _FIELDS_OF_A_CALL}
    return {**fields, "functionCall": call} if call else fields


def _content_events(part: _Part, name: str, value: Any) -> Iterator[Event]:
    """Report an image or a sound as such, and anything else as activity of a tool that the provider runs."""
    media_type = url = data = ""
    if part.inline_data is not None:
        media_type, data = part.inline_data.mime_type or "", part.inline_data.data or ""
    elif part.file_data is not None:
        media_type, url = part.file_data.mime_type or "", part.file_data.file_uri or ""
    kind = _MEDIA_KINDS.get(media_type.partition("/")[0])
    if kind is not None:
        yield Media(kind, data, url, media_type)
    else:
        yield ServerTool(name, value)


# ----------------------------------------------------------------------------------------------------------- sources


class _Spans:
    """Positions in the answer's text: bytes of UTF-8 within a part, as Google counts, as characters of the whole text.

    A stream joins the parts of the text into one, so positions in it count from the beginning of the text.

    Args:
        text: The answer's text so far.
        parts: The parts of the object that names the positions.
    """

    __slots__ = ("_ends", "_part_starts", "_text")

    def __init__(self, text: str, parts: Sequence[_Part]) -> None:
        self._text = text
        # Bytes before each character and after the last; None where characters are bytes.
        self._ends = None if text.isascii() else [0, *accumulate(map(_utf8_length, text))]
        lengths = [0 if part.thought else len(part.text or "") for part in parts]
        starts = [0, *accumulate(lengths)]
        self._part_starts = starts if starts[-1] == len(text) else []  # of a whole reply

    def span(self, start: int | None, end: int | None, part: int | None = None, words: str | None = None) -> _Span:
        """Return the span in characters; no span if it does not lie in the text, or if other words are there."""
        first = self._part_starts[part] if part and 0 < part < len(self._part_starts) else 0
        shift = first if self._ends is None else self._ends[first]
        if end is None:
            return _NO_SPAN
        found = _Span(self._character(shift + (start or 0)), self._character(shift + end))
        is_inside = found.start is not None and found.end is not None and found.start < found.end
        if is_inside and (not words or self._text[found.start : found.end] == words):
            return found
        at = self._text.find(words) if words else -1
        return _NO_SPAN if at < 0 else _Span(at, at + len(words or ""))

    def _character(self, position: int) -> int | None:
        """Return the number of the character that begins at a byte, None if the text does not reach so far."""
        ends = self._ends
        if ends is None:
            return position if 0 <= position <= len(self._text) else None
        return bisect_left(ends, position) if 0 <= position <= ends[-1] else None


class _Span(NamedTuple):
    """A part of the answer's text, in characters."""

    start: int | None
    end: int | None


_NO_SPAN: Final = _Span(None, None)


def _utf8_length(character: str) -> int:
    return 1 if character < "\x80" else 2 if character < "\u0800" else 3 if character < "\U00010000" else 4


def _citations_in(candidate: _Candidate, spans: _Spans, note: Callable[[str, str], None]) -> Iterator[Citation]:
    """Yield each passage that a source supports, and each source that supports no passage."""
    if candidate.grounding_metadata is not None:
        yield from _grounding_in(candidate.grounding_metadata, spans, note)
    cited = candidate.citation_metadata or _Citations()
    for raw in cited.citations or cited.citation_sources or ():
        source = lenient.convert(raw, _Cited, "candidates[0].citationMetadata.citations", note)
        if source.uri or source.title:
            span = spans.span(source.start_index, source.end_index)
            yield Citation(source.uri or "", source.title or "", raw, start=span.start, end=span.end)
    for raw in (candidate.url_context_metadata or _UrlContext()).url_metadata or ():
        page = lenient.convert(raw, _Retrieved, "candidates[0].urlContextMetadata.urlMetadata", note)
        if page.url_retrieval_status in (None, "URL_RETRIEVAL_STATUS_SUCCESS") and page.retrieved_url:
            yield Citation(page.retrieved_url, "", raw)


def _grounding_in(grounding: _Grounding, spans: _Spans, note: Callable[[str, str], None]) -> Iterator[Citation]:
    place = "candidates[0].groundingMetadata"
    supports: dict[int, list[tuple[_Support, dict[str, Any]]]] = {}  # by the index of their chunk
    for raw in grounding.grounding_supports or ():
        support = lenient.convert(raw, _Support, f"{place}.groundingSupports", note)
        for index in support.grounding_chunk_indices or ():
            supports.setdefault(index, []).append((support, raw))
    for index, chunk in enumerate(grounding.grounding_chunks or ()):
        value = next(filter(as_mapping, chunk.values()), None)
        source = lenient.convert(as_mapping(value), _Source, f"{place}.groundingChunks[{index}]", note)
        url, title, text = source.uri or source.source_uri or "", source.title or "", source.text or ""
        for support, raw in supports.get(index, ()):
            segment = support.segment or _Segment()
            span = spans.span(segment.start_index, segment.end_index, segment.part_index, segment.text)
            yield Citation(url, title, {**chunk, "groundingSupports": [raw]}, text, span.start, span.end)
        if index not in supports:
            yield Citation(url, title, {**chunk, "groundingSupports": []}, text)


# ------------------------------------------------------------------------------------------------- numbers of an answer


def _logprobs_from(result: _Logprobs) -> Iterator[Event]:
    """Report the chosen tokens, each with the most likely ones at its position."""
    chosen, tops = result.chosen_candidates or [], result.top_candidates or []
    if chosen:
        likeliest = [top.candidates or [] for top in tops[: len(chosen)]]
        likeliest += [[] for _ in range(len(chosen) - len(likeliest))]
        yield Logprobs(tuple(_logprob_from(token, top) for token, top in zip(chosen, likeliest, strict=True)))


def _logprob_from(token: _Token, top: Sequence[_Token] = ()) -> TokenLogprob:
    alternatives = tuple(_logprob_from(other) for other in top)
    return TokenLogprob(token.token or "", token.log_probability or 0.0, top=alternatives)


def _usage_from(usage: _Usage) -> TokenUsage:
    given = usage.prompt_token_count, usage.tool_use_prompt_token_count
    return TokenUsage(
        input=None if given == (None, None) else (given[0] or 0) + (given[1] or 0),
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
