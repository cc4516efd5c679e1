"""Errors of the Gemini API: the common fields, and what Google puts into the details.

Source: https://cloud.google.com/apis/design/errors#error_details.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from msgflux_like._json import as_list, as_mapping
from msgflux_like.dialects._shared.failures import failure_from, failure_in
from msgflux_like.events import Failed

_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_decoder = msgspec.json.Decoder()


def refusal(body: bytes) -> Failed:
    """Return the failure that the body of a reply with an error status describes."""
    failed = failure_in(body)
    try:
        reply = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return failed
    return _with_details(failed, reply[0] if isinstance(reply, list) and reply else reply)


def failure_in_reply(error: Any) -> Failed:
    """Return the failure that the `error` field of a reply with status 200 describes."""
    reply = {"error": error}
    return _with_details(failure_from(reply), reply)


def _with_details(failed: Failed, reply: Any) -> Failed:
    """Return the failure with the reason as its code, because `code` repeats the status, and with the retry delay."""
    code, retry_after_s = failed.code, None
    for detail in as_list(as_mapping(as_mapping(reply).get("error")).get("details")):
        fields = as_mapping(detail)
        code = str(fields.get("reason") or code)
        delay = str(fields.get("retryDelay") or "").removesuffix("s")
        retry_after_s = float(delay) if _SECONDS.fullmatch(delay) else retry_after_s
    return msgspec.structs.replace(failed, code=code, retry_after_s=retry_after_s)
