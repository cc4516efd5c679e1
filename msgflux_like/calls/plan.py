"""What a call would send, and what it may cost, without sending it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from msgflux_like.calls.estimate import Estimate
from msgflux_like.request import Change, HttpRequest

_HIDDEN = "***"
# The headers that hold no secret; what a user adds may hold one under any name.
SHOWN_HEADERS = frozenset({"accept", "content-type", "user-agent", "anthropic-version", "anthropic-beta"})


class CallPlan(Struct, frozen=True):
    """A call, ready to be sent, and not sent.

    Attributes:
        url: Where it would go; its path alone for an embedded model that has not been started.
        headers: With `***` for the key, and for whatever else may be secret.
        body: As it would go out.
        changes: What of it is not exactly as asked.
        warnings: What the catalogue says against it.
        cost: What it may cost, None where no price is known.
        cache_key: Under what the answer would be cached, None without a cache.
    """

    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    cost: Estimate | None = None
    cache_key: str | None = None

    def __repr__(self) -> str:
        return f"CallPlan(POST {self.url}, {len(self.changes)} changes)"


def plan_of(
    http: HttpRequest,
    changes: tuple[Change, ...],
    warnings: tuple[str, ...],
    cost: Estimate | None,
    cache_key: str | None = None,
) -> CallPlan:
    """The plan of a call that is ready."""
    headers = {name: value if name in SHOWN_HEADERS else _HIDDEN for name, value in http.headers.items()}
    if http.key is not None:
        name, prefix = http.auth
        headers[name] = prefix + _HIDDEN
    if http.signer is not None:
        headers["authorization"] = _HIDDEN
    body = msgspec.json.decode(http.body)
    return CallPlan(http.url, headers, body, changes, warnings, cost, cache_key)
