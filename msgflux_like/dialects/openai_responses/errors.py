"""Failures of the Responses format: of requests, of `error` events, and of responses that did not succeed.

Source: https://platform.openai.com/docs/api-reference/responses/object (`error.code`, `status`) and
https://platform.openai.com/docs/guides/background.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import structs

from msgflux_like.dialects._shared.failures import failure_from, failure_in
from msgflux_like.events import Failed

__all__ = ["PENDING", "failure_of", "pending", "refusal"]

PENDING: Final = frozenset({"queued", "in_progress"})
"""Statuses of a background response that has no answer yet."""

# Codes of a failed response, whose HTTP status is 200, to the status that such a failure has elsewhere.
_STATUS: Final[Mapping[str, int]] = {
    "server_error": 500,
    "rate_limit_exceeded": 429,
    "vector_store_timeout": 504,
    "failed_to_download_image": 400,
    "invalid_prompt": 400,
    "invalid_image": 400,
    "invalid_image_format": 400,
    "invalid_base64_image": 400,
    "invalid_image_url": 400,
    "invalid_image_mode": 400,
    "image_too_large": 400,
    "image_too_small": 400,
    "image_parse_error": 400,
    "image_file_too_large": 400,
    "image_file_not_found": 400,
    "image_content_policy_violation": 400,
    "unsupported_image_media_type": 400,
    "empty_image_file": 400,
}

refusal = failure_in


def failure_of(error: Any, status: str = "") -> Failed:
    """Return the failure of an `error` object; `status` is that of the response, for one that has no error object."""
    if not error:
        words = f"the response ended with the status {status!r}, and the provider gave no reason"
        return Failed(words, code=status)
    failed = failure_from({"error": error})
    if failed.status is None and (known := _STATUS.get(failed.code) or _STATUS.get(failed.type)):
        return structs.replace(failed, status=known)
    return failed


def pending(status: str, id_: str) -> Failed:
    """Return the failure for a background response: it has an id, and no answer yet."""
    return Failed(
        f"the provider answered with the status {status!r} and no answer yet. Leave `background` out of extra_body, "
        f"stream the answer, or retrieve the response {id_ or 'by its id'} from the provider later",
        code=status,
        status=400,
    )
