"""Requests in Anthropic's Messages format on Google's Vertex AI, where the path names the model.

Source: https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from msgflux_like.dialects._shared.claude import refuse_sources
from msgflux_like.dialects.anthropic_messages import request as anthropic_messages
from msgflux_like.request import ChatRequest, Encoded, Quirks

AUTH: Final = ("authorization", "Bearer ")
HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = anthropic_messages.STATE

_VERSION: Final = "vertex-2023-10-16"


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """Return the request as Anthropic's dialect encodes it, for a base URL that ends in `/publishers/anthropic/models`.

    Raises the errors of `anthropic_messages.encode`, and UnsupportedError for a link or a file_id.
    """
    encoded = anthropic_messages.encode(request, quirks)
    body: dict[str, Any] = {"anthropic_version": _VERSION, **encoded.body}
    del body["model"]
    refuse_sources(body["messages"], "Google's Vertex AI")
    action = "streamRawPredict" if request.stream else "rawPredict"
    path = f"/{quote(request.model, safe='@')}:{action}"
    return Encoded(path, body, encoded.headers, encoded.changes, encoded.prefill)
