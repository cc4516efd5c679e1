"""Mapping from failures to exceptions: by the provider's code, by its error type, then by the HTTP status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from msgspec import structs

from msgflux_like._http.retry import retry_after_s, should_retry
from msgflux_like._http.steps import Head, WireError
from msgflux_like.dialects._shared.failures import cause_of, names_cause
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
_REQUEST_ID = (
    b"x-request-id",
    b"request-id",
    b"x-amzn-requestid",
    b"x-amzn-request-id",
    b"apim-request-id",
    b"x-ms-request-id",
    b"x-litellm-call-id",
    b"x-portkey-trace-id",
    b"helicone-id",
    b"x-generation-id",
    b"x-goog-request-id",
    b"x-fireworks-request-id",
    b"x-together-request-id",
    b"x-groq-request-id",
    b"x-mistral-request-id",
    b"mistral-correlation-id",
    b"x-vercel-id",
    b"x-trace-id",
    b"x-correlation-id",
    b"x-envoy-request-id",
    b"x-cloud-trace-context",
    b"cf-ray",
)
_REQUEST_ID_NAMES = frozenset(_REQUEST_ID)
"""Names of the request's id; where a gateway and its host both send one, the first of this list counts."""

# Source: https://docs.litellm.ai/docs/proxy/response_headers, read 2026-11-28.
_COST = b"x-litellm-response-cost"
_DOLLARS = re.compile(r"\d{1,9}(\.\d{1,40})?(e-\d{1,2})?", re.ASCII)

# What the dialects add to base_url.
_ENDPOINT = re.compile(
    r"/(chat/completions|completions|responses|messages|chat|embeddings|embed)$|/models/[^/]+:\w+$|/model/.+$"
)

_CLASS_OF_STATUS: Mapping[int, type[APIError]] = {
    401: AuthenticationError,
    402: RateLimitError,  # payment required: the account has no money left
    403: AuthenticationError,
    404: NotFoundError,
    429: RateLimitError,
}
_CLASS_OF_CODE: Mapping[str, type[APIError]] = {
    "API_KEY_INVALID": AuthenticationError,  # Google, with status 400
    "model_not_found": NotFoundError,  # OpenAI's /responses, with status 400
    "insufficient_quota": RateLimitError,  # OpenAI's /responses, with status 400
    "insufficient_user_quota": RateLimitError,  # one-api
    "invalid_api_key": AuthenticationError,
    "rate_limit_exceeded": RateLimitError,  # Groq, with status 413
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
_NOT_RETRYABLE_CODES = {"insufficient_quota", "billing_hard_limit_reached", "insufficient_user_quota"}
_NEVER_RETRIED = (AuthenticationError, NotFoundError, ContextLengthError, ContentFilterError)
_STATUSES_OF_GATEWAYS = (200, 400)


def request_id(head: Head) -> str | None:
    """Return the provider's id of the request, or None."""
    if not (found := _REQUEST_ID_NAMES & head.headers.keys()):
        return None
    return next((value for name in _REQUEST_ID if name in found and (value := head.get(name))), None)


def stated_cost(head: Head, *, streamed: bool) -> Decimal | None:
    """Return the price of the request in US dollars that the headers state, or None.

    The headers of a stream come before its price is known: a zero there says nothing.
    """
    if _COST not in head.headers or not _DOLLARS.fullmatch(text := head.get(_COST)):
        return None
    cost = Decimal(text)
    return None if streamed and not cost else cost


def where_asked(url: str) -> str:
    """Return, for an error, where a request went and what base_url is expected to be; never the query or a password."""
    parts = urlsplit(url)
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if (endpoint := _ENDPOINT.search(place)) is None:
        return f"the request went to {place}"
    return f"the request went to {place}: base_url is expected to be the URL of the API without {endpoint[0]!r}"


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
    if status in _STATUSES_OF_GATEWAYS or status >= 500:
        status = failed.status or status  # the cause's: a gateway answers with 502 where its host answered with 400
    cause = cause_of(failed)
    kind = _CLASS_OF_CODE.get(failed.code) or _CLASS_OF_CODE.get(failed.type)
    if kind is None and (status not in _CLASS_OF_STATUS or cause in _NOT_RETRYABLE_CODES):
        kind = _CLASS_OF_CODE.get(cause)
    if kind is None:
        kind = _CLASS_OF_STATUS.get(status) or (ServerError if status >= 500 or status < 400 else BadRequestError)
    code = failed.code if names_cause(failed.code) else cause or failed.code
    error = kind(failed.message, code=code or None, type=failed.type or None, **facts)
    if error.retry_after_s is None:
        error.retry_after_s = failed.retry_after_s
    if error.should_retry is None:
        error.should_retry = _is_retryable(kind, {failed.code, failed.type, cause}, status)
    return error


def _is_retryable(kind: type[APIError], codes: set[str], status: int) -> bool | None:
    """Return whether a retry may help; None where neither status nor code says anything."""
    if codes & _NOT_RETRYABLE_CODES or kind in _NEVER_RETRIED or status == 402:
        return False
    if status < 400 and not any(codes):
        return None
    return kind is RateLimitError or status in _RETRYABLE_STATUSES or status >= 500
