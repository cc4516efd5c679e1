"""Build the HTTP request of an encoded call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgflux_like._json import to_json
from msgflux_like.errors import InvalidRequestError
from msgflux_like.request import ChatRequest, Encoded, Endpoint, HttpRequest

_ACCEPT = {True: "text/event-stream", False: "application/json"}


def to_http(encoded: Encoded, request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
    """Return the HTTP request of an encoded call.

    `extra_body` adds fields to the body and to the objects in it. It never replaces one: that is an
    InvalidRequestError.
    """
    body = encoded.body
    if request.extra_body:
        if clash := sorted(_clashes(body, request.extra_body)):
            raise InvalidRequestError(
                f"extra_body sets {', '.join(clash)}, which the call sets as well: give each field in one place only"
            )
        body = _merged(body, request.extra_body)
    headers = {
        "accept": _ACCEPT[request.stream],
        "content-type": "application/json",
        **endpoint.headers,
        **encoded.headers,
    }
    if request.extra_headers:
        headers |= {name.lower(): value for name, value in request.extra_headers.items()}
    url = endpoint.base_url + encoded.path
    if endpoint.query:
        url += ("&" if "?" in url else "?") + endpoint.query
    return HttpRequest(
        url=url,
        headers=headers,
        body=to_json(body),
        auth=endpoint.auth,
        key=endpoint.key,
        stream=request.stream,
        signer=endpoint.signer,
    )


def _clashes(body: Mapping[str, Any], extra: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Yield the names of the fields that both have."""
    for name in body.keys() & extra.keys():
        if isinstance(body[name], Mapping) and isinstance(extra[name], Mapping):
            yield from _clashes(body[name], extra[name], f"{place}{name}.")
        else:
            yield f"{place}{name}"


def _merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of both, which have none in common."""
    added = sorted(extra.items(), key=lambda field: str(field[0]))  # independent of the caller's order
    return {**body, **{name: _merged(body[name], item) if name in body else item for name, item in added}}
