"""A reply as it came: its headers and bytes, read again only when somebody asks for them.

While a reply is read, its pieces are kept by reference; a body is bounded by the limits of the exchange. Nothing is
decoded before `value` or `provider_fields` is called: a reply whose raw form nobody asks for costs nothing more.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from msgflux_like._wire import event_stream, sse
from msgflux_like._wire.rate_limits import RateLimits, rate_limits_from

_decode = msgspec.json.Decoder().decode

_HIDDEN: Final = frozenset({"set-cookie", "set-cookie2"})
"""Headers that may hold a secret of a session."""

# Objects of a reply that hold the fields of others; the one of choice index 0 where there are several.
_ENVELOPES: Final = ("response", "message", "delta", "choices", "candidates", "output", "metadata", "chunk")

# Fields that are on the response by other names, or that only structure a reply, in the spelling of all dialects.
_READ_ELSEWHERE: Final = frozenset(
    {
        "id",
        "object",
        "type",
        "model",
        "modelVersion",
        "responseId",
        "role",
        "index",
        "content",
        "content_block",
        "contentBlockIndex",
        "contentBlock",
        "parts",
        "text",
        "thinking",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "refusal",
        "tool_calls",
        "tool_call",
        "function_call",
        "tool_plan",
        "audio",
        "images",
        "annotations",
        "output_index",
        "finish_reason",
        "finishReason",
        "done",
        "done_reason",
        "item",
        "item_id",
        "content_index",
        "sequence_number",
        "output_text",
        "error",
        "status",
        "error_message",
        "start",
        "stop",
        "partial_json",
        "signature",
        "citation",
        "reasoningContent",
        "toolUse",
        "toolResult",
        "p",
        *_ENVELOPES,
    }
)

# Fields that are text of the answer in one dialect, and objects that repeat the settings of the call in another.
_SETTINGS: Final = ("reasoning", "text")


class RawReply:
    """The headers and the body of one reply.

    Attributes:
        status: HTTP status.
        pieces: Pieces of the body, decompressed. Whoever reads the reply appends them.
    """

    __slots__ = ("_headers", "_received_at", "pieces", "status")

    def __init__(self, status: int, headers: Mapping[bytes, bytes], received_at: float) -> None:
        self.status = status
        self._headers = headers
        self._received_at = received_at
        self.pieces: list[bytes] = []

    @property
    def headers(self) -> dict[str, str]:
        """Headers by their names in lower case, without cookies."""
        texts = {name.decode("latin-1"): value.decode("latin-1") for name, value in self._headers.items()}
        return {name: value for name, value in texts.items() if name not in _HIDDEN}

    @property
    def rate_limits(self) -> RateLimits | None:
        """Rate limits of the account, None where the provider reports none."""
        return rate_limits_from(self.headers, self._received_at)

    @property
    def body(self) -> bytes:
        """The body, decompressed, as far as it was read."""
        return b"".join(self.pieces)

    def value(self) -> Any:
        """Return the reply as plain Python values.

        Returns:
            The JSON value of a whole reply, or a list of the JSON values of a stream's events; events that are not
            JSON are strings. None before the body.
        """
        body = self.body
        if not body:
            return None
        if body.lstrip()[:1] in (b"{", b"[", b'"'):
            return _whole(body)
        return [_json_or_text(data) for data in self._events(body)]

    def provider_fields(self) -> dict[str, Any]:
        """Return the other fields of the reply, by the names of the provider.

        Fields of the choice and of the message are on the same level as those of the reply. The last value that is not
        null counts.
        """
        fields: dict[str, Any] = {}
        value = self.value()
        for each in cast("list[Any]", value) if isinstance(value, list) else [value]:
            _collect(each, fields)
        return fields

    def _events(self, body: bytes) -> Iterator[bytes]:
        """Yield the data of a stream's events. A stream that is cut or damaged is read up to there."""
        if body[:1] != b"\0":  # an AWS event stream begins with the length of its first message
            events = sse.Parser()
            yield from (*events.feed(body), *events.close())
            return
        messages = event_stream.Parser()
        try:
            for piece in self.pieces:
                for message in messages.feed(piece):
                    yield message.payload
        except msgspec.DecodeError:
            return


def _whole(body: bytes) -> Any:
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if body.lstrip()[:1] == b"[":
            return _cut_array(body.decode(errors="replace"))
        return [_json_or_text(line) for line in body.splitlines() if line.strip()]  # JSON lines, or not JSON at all


def _cut_array(text: str) -> list[Any]:
    """Return the whole items of a JSON array that was cut, and the rest as a string."""
    from json import JSONDecoder  # noqa: PLC0415  only for streams that are JSON arrays and not at their end

    read = JSONDecoder().raw_decode
    items: list[Any] = []
    at = text.index("[") + 1
    while rest := text[at:].lstrip(" \t\r\n,"):
        at = len(text) - len(rest)
        try:
            item, at = read(text, at)
        except (ValueError, RecursionError):
            return [*items, rest]
        items.append(item)
    return items


def _json_or_text(data: bytes) -> Any:
    try:
        value = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return data.decode(errors="replace")
    if not isinstance(value, dict):
        return value
    event = cast("dict[str, Any]", value)
    if isinstance(event.get("bytes"), str):
        try:  # Bedrock's invoke puts each event of the model's own format into base64
            return _decode(a2b_base64(event["bytes"]))
        except (Base64Error, ValueError, RecursionError):  # of the decoder, too
            return event
    return event


def _collect(value: Any, fields: dict[str, Any]) -> None:
    """Add the fields of a reply, a chunk or an event, and those of the objects inside it that are envelopes."""
    if not isinstance(value, dict):
        return
    reply = cast("dict[str, Any]", value)
    fields.update({name: each for name, each in reply.items() if name not in _READ_ELSEWHERE and each is not None})
    fields.update({name: reply[name] for name in _SETTINGS if isinstance(reply.get(name), dict)})
    usage = reply.get("usage")
    if isinstance(usage, dict):  # the counts are read elsewhere; words beside them, such as the service tier, are not
        words = cast("dict[str, Any]", usage).items()
        fields.update({name: each for name, each in words if isinstance(each, str)})
    for name in _ENVELOPES:
        inner = reply.get(name)
        if isinstance(inner, list):  # the items of a list `output` are read one by one
            inner = _first_choice(cast("list[Any]", inner)) if name in ("choices", "candidates") else None
        _collect(inner, fields)


def _first_choice(choices: list[Any]) -> Any:
    """Return the choice of index 0; hosts that send one choice may leave its index out."""
    for choice in choices:
        if isinstance(choice, dict) and cast("dict[str, Any]", choice).get("index", 0) == 0:
            return cast("Any", choice)
    return None
