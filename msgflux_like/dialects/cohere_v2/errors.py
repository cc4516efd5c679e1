"""Errors of Cohere's API, whose code is `error_type`.

Source: https://docs.cohere.com/reference/errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.failures import failure_from, failure_in
from msgflux_like.events import Failed

# Error types to the codes that other providers use.
_CODES: Final[Mapping[str, str]] = {"TOO_MANY_TOKENS": "context_length_exceeded"}

# Finish reasons that are failures, and the HTTP status that such a failure has elsewhere.
_FAILED_FINISH: Final[Mapping[str, int]] = {"ERROR": 500, "TIMEOUT": 504}


def refusal(body: bytes) -> Failed:
    """Return the failure that the body of a reply with an error status describes."""
    failed = failure_in(body)
    try:
        error_type = str(as_mapping(msgspec.json.decode(body)).get("error_type") or "")
    except msgspec.DecodeError:
        return failed
    return _with_type(failed, error_type) if error_type else failed


def failure_in_reply(error: str | None, error_type: str | None, reason: str) -> Failed | None:
    """Return the failure that ends a reply with status 200; None if neither error nor finish reason is one."""
    status = _FAILED_FINISH.get(reason)
    if not error and status is None:
        return None
    failed = failure_from(error or f"the provider ended the answer with {reason}")
    if error_type or status is None:
        return _with_type(failed, error_type or "")
    return Failed(failed.message, failed.type, failed.code or reason, status)


def _with_type(failed: Failed, error_type: str) -> Failed:
    return Failed(failed.message, failed.type, _CODES.get(error_type, error_type), failed.status)
