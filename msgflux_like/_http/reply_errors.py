"""Which exception a failure becomes: by the provider's code, by its error type, then by the HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import structs

from msgflux_like._http.retry import retry_after_s, should_retry
from msgflux_like._http.steps import Head, WireError
from msgflux_like.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ContentFilterError,
    ContextLengthError,
    NotFoundError,
    RateLimitError,
    RedirectError,
    ServerError,
    StreamFailedError,
)
from msgflux_like.events import Failed

_SHOWN_BODY_CHARS = 4096
_REQUEST_ID = (b"x-request-id", b"request-id", b"x-amzn-requestid", b"apim-request-id", b"cf-ray")

_CLASS_OF_STATUS: Mapping[int, type[APIError]] = {
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    429: RateLimitError,
}
_CLASS_OF_CODE: Mapping[str, type[APIError]] = {
    "API_KEY_INVALID": AuthenticationError,  # Google, with status 400
    "model_not_found": NotFoundError,  # OpenAI's /responses, with status 400
    "insufficient_quota": RateLimitError,  # OpenAI's /responses, with status 400
    "context_length_exceeded": ContextLengthError,
    "exceed_context_size_error": ContextLengthError,  # llama.cpp
    "content_filter": ContentFilterError,
    "content_policy_violation": ContentFilterError,
    "data_inspection_failed": ContentFilterError,  # Alibaba
    "ServiceQuotaExceededException": RateLimitError,  # Amazon, with status 400
    "ModelErrorException": ServerError,  # Amazon, with status 424
    "ModelTimeoutException": ServerError,  # Amazon, with status 408
}
# A failure inside a reply of status 200 has no status; its type implies one.
_STATUS_OF_TYPE: Mapping[str, int] = {
    "overloaded_error": 529,
    "api_error": 500,
    "server_error": 500,
    "internal_server_error": 500,  # Mistral
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
}
_RETRYABLE_STATUSES = (408, 409, 424, 429)  # and all from 500 on; 424 is a model that failed, at Amazon
_NOT_RETRYABLE_CODES = {"insufficient_quota", "billing_hard_limit_reached"}  # sent with status 429


def request_id(head: Head) -> str | None:
    """Return the provider's id of the request, or None."""
    return next((value for name in _REQUEST_ID if (value := head.get(name))), None)


def wire_failure(failure: WireError, facts: Mapping[str, Any]) -> APIError:
    """Return the error for a connection that failed or a time limit that was exceeded.

    Args:
        failure: What the driver threw in.
        facts: Keyword arguments of the error, such as `provider` and `model`.
    """
    if failure.phase is None:
        return APIConnectionError(str(failure), **facts)
    # After the total time no time is left for another attempt.
    retry = False if failure.phase == "total" else None
    return APITimeoutError(str(failure), phase=failure.phase, should_retry=retry, **facts)


def refusal_error(refusal: Failed, head: Head, body: bytes, facts: Mapping[str, Any]) -> APIError:
    """Return the error for a reply whose status is not 2xx.

    Args:
        refusal: What the dialect read in the body.
        head: Status and headers of the reply.
        body: The body, or its beginning.
        facts: Keyword arguments of the error.
    """
    if not refusal.type and (named := head.get(b"x-amzn-errortype")):
        refusal = structs.replace(refusal, type=named.partition(":")[0])  # a URL follows the colon
    facts = {
        **facts,
        "retry_after_s": retry_after_s(head),
        "should_retry": should_retry(head),
        "body": shown_body(body),
    }
    if head.status < 400:
        return RedirectError("the provider answered with a redirect, which is not followed: check base_url", **facts)
    return _error(refusal, head.status, facts)


def shown_body(body: bytes) -> str:
    """Return the beginning of a reply's body, for `APIError.body`."""
    return body[:_SHOWN_BODY_CHARS].decode(errors="replace")


def reported_error(failed: Failed, *, delivered: bool, facts: Mapping[str, Any]) -> APIError:
    """Return the error for a failure that the provider reported inside a reply of status 200.

    Args:
        failed: The report.
        delivered: Whether the caller has a part of the answer already.
        facts: Keyword arguments of the error.
    """
    if delivered:
        return StreamFailedError(failed.message, code=failed.code or None, type=failed.type or None, **facts)
    return _error(failed, failed.status or _STATUS_OF_TYPE.get(failed.type or failed.code, 200), facts)


def _error(failed: Failed, status: int, facts: Mapping[str, Any]) -> APIError:
    kind = _CLASS_OF_CODE.get(failed.code) or _CLASS_OF_CODE.get(failed.type) or _CLASS_OF_STATUS.get(status)
    if kind is None:
        kind = ServerError if status >= 500 or status < 400 else BadRequestError
    error = kind(failed.message, code=failed.code or None, type=failed.type or None, **facts)
    if error.retry_after_s is None:
        error.retry_after_s = failed.retry_after_s
    if error.should_retry is None:
        error.should_retry = _is_retryable(failed, status)
    return error


def _is_retryable(failed: Failed, status: int) -> bool | None:
    """Return whether a retry may help; None where neither status nor code says anything."""
    if status < 400 and not (failed.code or failed.type):
        return None
    if failed.code in _NOT_RETRYABLE_CODES or failed.type in _NOT_RETRYABLE_CODES:
        return False
    return status in _RETRYABLE_STATUSES or status >= 500
