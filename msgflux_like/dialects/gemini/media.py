"""Images, videos, audio and files as Gemini takes them: inline, or by the URI of a file.

Source: https://ai.google.dev/api/caching#Blob and https://ai.google.dev/gemini-api/docs/files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.parts import data_url
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import Change

_FILES: Final = "https://generativelanguage.googleapis.com/v1beta/files/"
# Media types that the models accept, by the extension of a URL. Source: https://ai.google.dev/gemini-api/docs.
_MEDIA_TYPES: Final[Mapping[str, str]] = {
    "jpg": "image/jpeg",
    "txt": "text/plain",
    "md": "text/markdown",
    "mov": "video/quicktime",
    "avi": "video/x-msvideo",
    "flv": "video/x-flv",
    "3gp": "video/3gpp",
    **{extension: f"image/{extension}" for extension in ("jpeg", "png", "webp", "heic", "heif", "gif", "bmp")},
    **{extension: f"audio/{extension}" for extension in ("wav", "mp3", "aiff", "aac", "ogg", "flac", "m4a")},
    **{extension: f"video/{extension}" for extension in ("mp4", "mpeg", "mpg", "webm", "wmv")},
    **{extension: f"text/{extension}" for extension in ("html", "css", "csv", "xml", "rtf")},
    **{extension: f"application/{extension}" for extension in ("pdf", "json")},
}


def media_part(url: str) -> dict[str, Any]:
    """Return the part of an image or a video: inline for a data URL, else a reference.

    Some URLs do not show their media type. YouTube videos and stored files need none.
    """
    if (data := data_url(url)) is not None:
        return {"inlineData": {"mimeType": data[0], "data": data[1]}}
    media_type = _MEDIA_TYPES.get(re.split(r"[?#]", url, maxsplit=1)[0].rpartition(".")[2].lower())
    return {"fileData": {"fileUri": url, "mimeType": media_type} if media_type else {"fileUri": url}}


def audio_part(audio: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a recording, given as `format` and base64 `data`."""
    return {"inlineData": {"mimeType": f"audio/{audio.get('format') or 'wav'}", "data": audio.get("data") or ""}}


def file_part(part: Mapping[str, Any], place: str, changes: list[Change]) -> dict[str, Any]:
    """Return the part of a file; raise UnsupportedError if it has neither an id, a URL nor data."""
    file = as_mapping(part["file"])
    if file.get("filename"):
        changes.append(Change("dropped", f"{place}.file.filename", "files have no name in this format"))
    if file.get("file_id"):
        return {"fileData": {"fileUri": _FILES + quote(str(file["file_id"]).removeprefix("files/"))}}
    if url := file.get("file_url"):
        return media_part(str(url))
    if (data := data_url(str(file.get("file_data") or ""))) is None:
        raise UnsupportedError(
            f"{place}.file.file_data is not a data URL: the Gemini format takes a data URL, a file_url or a file_id"
        )
    return {"inlineData": {"mimeType": data[0], "data": data[1]}}
