"""Plans of calls: what would be sent, and what it may cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from msgflux_like.calls.estimate import Estimate
from msgflux_like.request import Change, HttpRequest

_HIDDEN = "***"
# Headers without secrets; a header that a user adds may hold one under any name.
SHOWN_HEADERS = frozenset({"accept", "content-type", "user-agent", "anthropic-version", "anthropic-beta"})


class CallPlan(Struct, frozen=True):
    """A call that was built and not sent.

    Attributes:
        url: URL of the request; only its path for an embedded model that has not been started.
        headers: Headers, with `***` for the key and for everything else that may be secret.
        body: Body of the request.
        changes: Differences between the request and what was asked for.
        warnings: Problems that the catalogue has with the request.
        cost: Bounds of the cost, None where no price is known.
        cache_key: Key of the answer in the cache, None without a cache.

    Example:
        >>> import msgflux_like as mf
        >>> mf.Model.chat_completion("openai/gpt-4o", api_key="sk-...").plan("Hello")
        CallPlan(POST https://api.openai.com/v1/chat/completions, 0 changes)
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
    """Return the plan of a prepared call."""
    headers = {name: value if name in SHOWN_HEADERS else _HIDDEN for name, value in http.headers.items()}
    if http.key is not None:
        name, prefix = http.auth
        headers[name] = prefix + _HIDDEN
    if http.signer is not None:
        headers["authorization"] = _HIDDEN
    body = msgspec.json.decode(http.body)
    return CallPlan(http.url, headers, body, changes, warnings, cost, cache_key)
