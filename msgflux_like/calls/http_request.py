"""Build the HTTP request of an encoded call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgflux_like._json import to_json
from msgflux_like.errors import InvalidRequestError
from msgflux_like.request import ChatRequest, Encoded, Endpoint, HttpRequest

_JOINED_LISTS = frozenset({"tools", "anthropic_beta"})
_LIST_HEADERS = frozenset({"anthropic-beta", "openai-beta"})
"""Sources: https://docs.claude.com/en/api/beta-headers, https://platform.openai.com/docs/api-reference."""
_ACCEPT = {True: "text/event-stream", False: "application/json"}


def to_http(encoded: Encoded, request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
    """Return the HTTP request of an encoded call.

    `extra_body` adds fields to the body and to the objects in it, and tools to its list of tools. It never replaces a
    field: that is an InvalidRequestError. Headers that hold a list are joined.
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
        _add_headers(headers, request.extra_headers)
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
        elif not _are_joined(name, body[name], extra[name]):
            yield f"{place}{name}"


def _merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of both, which have none in common."""
    added = sorted(extra.items(), key=lambda field: str(field[0]))  # independent of the caller's order
    return {**body, **{name: _joined(body[name], item) if name in body else item for name, item in added}}


def _are_joined(name: str, ours: Any, theirs: Any) -> bool:
    """Return whether a field is a list that the caller's is added to."""
    return name in _JOINED_LISTS and isinstance(ours, list) and isinstance(theirs, (list, tuple))


def _joined(ours: Any, theirs: Any) -> Any:
    return [*ours, *theirs] if isinstance(ours, list) else _merged(ours, theirs)


def _add_headers(headers: dict[str, str], extra: Mapping[str, str]) -> None:
    """Add the caller's headers, which replace those of the same name or, for those that hold a list, continue them."""
    for given, value in extra.items():
        name = given.lower()
        ours = headers.get(name) if name in _LIST_HEADERS else None
        items = [] if ours is None else [item.strip() for item in f"{ours},{value}".split(",")]
        headers[name] = ",".join(dict.fromkeys(filter(None, items))) if items else value
