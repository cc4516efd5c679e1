"""Requests in Anthropic's Messages format for Amazon Bedrock's InvokeModel API.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html. The body
is Anthropic's own without the model, which the path names, and with the beta headers as a field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from msgflux_like._json import as_list, as_mapping
from msgflux_like.dialects._shared.bedrock import EVENT_STREAM, claude, path
from msgflux_like.dialects.anthropic_messages import request as anthropic_messages
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import ChatRequest, Encoded, Quirks

HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = anthropic_messages.STATE

_VERSION: Final = "bedrock-2023-05-31"
_BETA_HEADER: Final = "anthropic-beta"
_UNSUPPORTED_SOURCES: Final[Mapping[str, str]] = {"url": "a link", "file": "a file_id"}


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
    _check_sources(body["messages"])
    headers = dict(encoded.headers)
    if beta := headers.pop(_BETA_HEADER, None):
        body["anthropic_beta"] = beta.split(",")
    if request.stream:
        headers |= EVENT_STREAM
    action = "invoke-with-response-stream" if request.stream else "invoke"
    return Encoded(path(request.model, action), body, headers, encoded.changes, encoded.prefill)


def _check_sources(blocks: list[Any]) -> None:
    """Raise UnsupportedError for a link or a file stored at Anthropic, in these blocks or nested ones."""
    for block in blocks:
        if (kind := as_mapping(as_mapping(block).get("source")).get("type")) in _UNSUPPORTED_SOURCES:
            raise UnsupportedError(
                f"messages hold {_UNSUPPORTED_SOURCES[kind]} as the source of a block of type {block['type']!r}, which "
                f"Amazon Bedrock does not take: pass the bytes, a pathlib.Path or a data: URL"
            )
        _check_sources(as_list(as_mapping(block).get("content")))
