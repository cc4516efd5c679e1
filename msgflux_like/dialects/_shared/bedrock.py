"""Common parts of Amazon Bedrock's dialects: event streams, errors, and the names of models and paths.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from msgflux_like._json import as_mapping
from msgflux_like._wire.event_stream import Message, Parser
from msgflux_like.dialects._shared.failures import failure_from, failure_in
from msgflux_like.dialects._shared.stream_decoder import StreamDecoder
from msgflux_like.events import Event, Failed

AUTH: Final = ("authorization", "Bearer ")
"""Of a Bedrock API key. Without one, requests are signed."""

EVENT_STREAM: Final = {"accept": "application/vnd.amazon.eventstream"}
"""Headers of a request for a stream."""

Read = Callable[[str, bytes, list[Event]], bool]
"""Appends what an event of that type and payload says; True for the last one."""

# Inside a stream the type must tell what the status of a refusal would have been. A failure of the model, which has
# 424 then, may pass.
_STATUS: Final[Mapping[str, int]] = {
    "ThrottlingException": 429,
    "ModelNotReadyException": 429,
    "ModelStreamErrorException": 500,
    "ModelErrorException": 500,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
    "ModelTimeoutException": 504,
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ValidationException": 400,
}

_any = msgspec.json.Decoder()


def path(model: str, action: str) -> str:
    """Return the path of an action on a model, whose id may be an ARN with colons and slashes."""
    return f"/model/{quote(model, safe='')}/{action}"


def claude(model: str) -> str:
    """Return the model's name at Anthropic, such as `claude-sonnet-4-5-20250929-v1:0`; "" for other makers' models."""
    return model if model.startswith("claude-") else model.partition("anthropic.")[2]


def beta_names(own: str, extra_headers: Mapping[str, str]) -> list[str]:
    """Return the names in the header `anthropic-beta` of the dialect and of the caller: a field of the body here."""
    given = [value for name, value in extra_headers.items() if name.lower() == "anthropic-beta"]
    names = (name.strip() for value in (own, *given) for name in value.split(","))
    return list(dict.fromkeys(name for name in names if name))


def event_stream(read: Read, decode: Callable[[bytes], list[Event]]) -> StreamDecoder[Message]:
    """A decoder for a stream whose events a dialect reads; exceptions are read here."""

    def message(found: Message, events: list[Event]) -> bool:
        if found.headers.get(":message-type", "event") == "event":
            return read(found.headers.get(":event-type", ""), found.payload, events)
        events.append(_exception(found))
        return False

    return StreamDecoder(Parser, message, decode)


def refusal(body: bytes) -> Failed:
    """Return the failure in the body of a refusal; see `Dialect`. A header holds the error's type."""
    try:
        said: Any = _any.decode(body)
    except msgspec.DecodeError:
        return failure_in(body)
    if message := as_mapping(said).get("Message"):  # as the gateway in front spells it
        said = {"message": message}
    return failure_from(said)


def _exception(found: Message) -> Failed:
    """Return the failure in a message that is no event: an exception of the API, or an error of the stream."""
    headers = found.headers
    failed = refusal(found.payload or headers.get(":error-message", "").encode())
    kind = headers.get(":exception-type") or headers.get(":error-code") or failed.type
    kind = kind[:1].upper() + kind[1:]  # a stream writes them small, a refusal does not
    return replace(failed, type=kind, status=_STATUS.get(kind, 500))
