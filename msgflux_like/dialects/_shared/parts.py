"""Media parts, `data:` URLs, and the JSON text of tool arguments."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from msgflux_like.errors import InvalidMessagesError, UnsupportedError

_any = msgspec.json.Decoder()

_encoder = msgspec.json.Encoder()


def json_object(text: str, place: str) -> dict[str, Any]:
    """Return tool arguments as an object; blank text is `{}`.

    Raises:
        InvalidMessagesError: If `text` is not a JSON object; the message names `place`.
    """
    try:
        value: Any = _any.decode(text) if text.strip() else {}
    except msgspec.DecodeError:
        value = None
    if not isinstance(value, dict):
        raise InvalidMessagesError(f"{place}.arguments is not a JSON object, which this dialect demands: give one")
    return cast("dict[str, Any]", value)


def json_text(value: Any) -> str:
    """Return `value` as compact JSON text."""
    return _encoder.encode(value).decode()


def data_url(url: str) -> tuple[str, str] | None:
    """Return the media type (without its parameters) and the base64 text of a `data:` URL; None for any other URL."""
    if not url.startswith("data:"):
        return None
    head, _, data = url[5:].partition(",")
    if not head.endswith(";base64"):
        from urllib.parse import unquote_to_bytes  # noqa: PLC0415  rarely needed, and slow to import

        data = b2a_base64(unquote_to_bytes(data), newline=False).decode()
    return head.partition(";")[0] or "text/plain", data


def base64_text(data: str) -> str:
    """Return the text that base64 `data` holds; bytes that are not UTF-8 are replaced."""
    return a2b_base64(data).decode(errors="replace")


def unsupported_part(
    part: Mapping[str, Any], place: str, dialect: str, remedy: str = "leave it out, or ask a model of another dialect"
) -> UnsupportedError:
    """Return the error for a part of a message that the dialect cannot express; it names the place and the type."""
    return UnsupportedError(f"{place} is of type {part.get('type')!r}, which {dialect} has no way to take: {remedy}")
