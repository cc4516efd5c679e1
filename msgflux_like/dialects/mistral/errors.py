"""Failures in Mistral's format: an object with a message, or a list of what the API's schema refuses."""

from __future__ import annotations

import msgspec

from msgflux_like._json import as_list, as_mapping
from msgflux_like.dialects._shared.failures import failure_in
from msgflux_like.events import Failed

_any = msgspec.json.Decoder()


def refusal(body: bytes) -> Failed:
    """Return the failure in the body of an error reply; see `Dialect.refusal`.

    A list of schema violations becomes one sentence, without the values that it repeats.
    """
    failed = failure_in(body)
    try:
        reply = as_mapping(_any.decode(body))
    except msgspec.DecodeError:
        return failed
    found = as_list(reply.get("detail") or as_mapping(reply.get("message")).get("detail"))
    if not found:
        return failed
    problems = [f"{'.'.join(map(str, as_list(each.get('loc'))))}: {each.get('msg')}" for each in map(as_mapping, found)]
    return Failed("; ".join(problems), failed.type, failed.code, failed.status)


def failure_in_event(data: bytes) -> Failed | None:
    """Return the failure if it is all that a reply or event holds: `{"object": "error", ...}` or `{"detail": ...}`."""
    reply = as_mapping(_any.decode(data))
    return refusal(data) if reply.get("object") == "error" or "detail" in reply else None
