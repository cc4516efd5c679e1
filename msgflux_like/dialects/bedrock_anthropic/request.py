"""Requests in Anthropic's Messages format for Amazon Bedrock's InvokeModel API.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html. The body
is Anthropic's own without the model, which the path names, and with the beta headers as a field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from msgflux_like.dialects._shared.bedrock import EVENT_STREAM, beta_names, claude, path
from msgflux_like.dialects._shared.claude import refuse_sources
from msgflux_like.dialects.anthropic_messages import request as anthropic_messages
from msgflux_like.request import Change, ChatRequest, Encoded, Quirks

HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = anthropic_messages.STATE

_VERSION: Final = "bedrock-2023-05-31"
_BETA_HEADER: Final = "anthropic-beta"


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """Return the request as Anthropic's dialect encodes it, in the form that InvokeModel takes.

    Raises the errors of `anthropic_messages.encode`, and UnsupportedError for a link or a file_id.
    """
    encoded = anthropic_messages.encode(
        replace(request, model=claude(request.known_as) or request.model, base_model=""), quirks
    )
    body: dict[str, Any] = {"anthropic_version": _VERSION, **encoded.body}
    del body["model"]
    body.pop("stream", None)
    refuse_sources(body["messages"], "Amazon Bedrock")
    changes = list(encoded.changes)
    if body.pop("container", None) is not None:
        changes.append(Change("dropped", "messages", "the container of an earlier answer: Bedrock runs no code"))
    headers = dict(encoded.headers)
    if betas := beta_names(headers.pop(_BETA_HEADER, ""), request.extra_headers):
        body["anthropic_beta"] = betas
    if request.stream:
        headers |= EVENT_STREAM
    action = "invoke-with-response-stream" if request.stream else "invoke"
    return Encoded(path(request.model, action), body, headers, tuple(changes), encoded.prefill)
