"""Encode the events of a chat answer as bytes, and decode them to new events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Final, get_args

import msgspec

from msgflux_like.events import Event, Failed, ProviderFields, Replied, Started, TokenUsage

_KINDS: Final[tuple[type[Any], ...]] = tuple(kind for kind in get_args(Event) if kind is not Failed)
_NAMES: Final[Sequence[str]] = [kind.__name__ for kind in _KINDS]
_NUMBER: Final = {kind: number for number, kind in enumerate(_KINDS)}

# Events are grouped by kind, so that each is decoded to its own type; `order` holds their kinds in the original order.
_Packed: Any = msgspec.defstruct(
    "_Packed", [("order", bytes), *((kind.__name__, tuple[kind, ...], ()) for kind in _KINDS)], omit_defaults=True
)

# Derived from the fields of all events: when one of them changes, entries of older versions are not read.
_FORM: Final = repr([1, *((kind.__name__, sorted(kind.__annotations__.items())) for kind in _KINDS)])
KIND: Final = f"chat/{hashlib.sha256(_FORM.encode()).hexdigest()[:8]}"
"""The `Entry.kind` of chat answers in this format."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Packed).decode


def pack(events: Sequence[Event], /) -> bytes | None:
    """Return the events as bytes; None when a provider's value in them cannot be serialized.

    The reply itself is not stored, but its other fields are.
    """
    stored: list[Event] = []
    for event in events:
        if type(event) is Replied and event.raw is not None:
            stored.append(Replied(event.request_id, event.attempts, cost=event.cost))
            if fields := event.raw.provider_fields():
                stored.append(ProviderFields(fields))
        else:
            stored.append(event)
    packed: dict[str, Any] = {"order": bytes([_NUMBER[type(event)] for event in stored])}
    for event in stored:
        packed.setdefault(type(event).__name__, []).append(event)
    try:
        return _encode(packed)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


def unpack(value: bytes, /) -> list[Event]:
    """Return new events.

    Raises:
        msgspec.DecodeError: The value does not hold events.
    """
    packed = _decode(value)
    of_kind: dict[int, Iterator[Event]] = {}
    events: list[Event] = []
    order: bytes = packed.order
    for number in order:
        if number not in of_kind:
            of_kind[number] = iter(getattr(packed, _NAMES[number]))
        events.append(next(of_kind[number]))
    return events


def pieces(events: Sequence[Event]) -> list[list[Event]]:
    """Return the batches in which a stream yields the events: the first piece with all before it, then one by one."""
    first = next((at for at, event in enumerate(events) if not isinstance(event, _PREFACE)), len(events) - 1) + 1
    return [list(events[:first]), *([event] for event in events[first:])]


_PREFACE: Final = (Replied, Started, TokenUsage, ProviderFields)
