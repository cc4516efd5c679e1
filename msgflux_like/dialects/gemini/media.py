"""Images, videos, audio and files as Gemini takes them: inline, or by the URI of a file.

A part has fields beside the media: how a video is sampled, and the resolution of an image. They can be given beside the
URL or beside the type, in the spelling of Google's API or of its Python library.

Source: https://ai.google.dev/api/caching#Part, https://ai.google.dev/gemini-api/docs/files,
https://ai.google.dev/gemini-api/docs/video-understanding and https://ai.google.dev/gemini-api/docs/media-resolution.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.notes import note_detail, note_unknown
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


_MIME_TYPE_FIELDS: Final = ("mime_type", "mimeType")
_VIDEO_FIELDS: Final[Mapping[str, str]] = {
    "fps": "fps",
    "start_offset": "startOffset",
    "startOffset": "startOffset",
    "end_offset": "endOffset",
    "endOffset": "endOffset",
}
_PART_FIELDS: Final[Mapping[str, str]] = {
    "media_resolution": "mediaResolution",
    "mediaResolution": "mediaResolution",
    "video_metadata": "videoMetadata",
    "videoMetadata": "videoMetadata",
}
_SENT: Final = frozenset({*_MIME_TYPE_FIELDS, *_VIDEO_FIELDS, *_PART_FIELDS})
_LEVELS: Final = frozenset({"low", "medium", "high", "ultra_high"})
# The field of a part that holds the media, and the fields inside it that say where they are.
_PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "image_url": ("url",),
    "video_url": ("url",),
    "input_audio": ("data",),
    "file": ("file_id", "file_url", "file_data"),
}

Part = dict[str, Any]


def media_part(part: Mapping[str, Any], place: str, changes: list[Change]) -> Part:
    """Return a part with media; raise UnsupportedError for a file that has neither an id, a URL nor data."""
    kind: str = part["type"]
    media = as_mapping(part[kind])
    given = {**part, **media} if len(part) > 2 else media
    media_type = next((str(given[name]) for name in _MIME_TYPE_FIELDS if given.get(name)), None)
    if len(part) > 2:
        note_unknown(part, _SENT | {"type", kind}, place, changes, "a part")
    used = next((name for name in _PLACES[kind] if media.get(name) is not None), "")
    known = {used, "format"} if kind == "input_audio" else {used}
    if kind == "image_url":
        note_detail(part, place, changes)
        known.add("detail")
    note_unknown(media, _SENT | known, f"{place}.{kind}", changes, "a media part")
    sent = _content(kind, used, media, media_type, place)
    return sent if media.keys() <= known and media is given else {**sent, **_fields(given)}


def _content(kind: str, used: str, media: Mapping[str, Any], media_type: str | None, place: str) -> Part:
    """Return the media of a part: inline, or a reference."""
    if kind == "input_audio":
        given = media_type or f"audio/{media.get('format') or 'wav'}"
        return {"inlineData": {"mimeType": given, "data": media.get("data") or ""}}
    source = str(media.get(used) or "")
    if used == "file_id":
        # Google's own library gives the whole URI as the name of a file.
        uri = source if "://" in source else _FILES + quote(source.removeprefix("files/"))
        return {"fileData": {"fileUri": uri, "mimeType": media_type} if media_type else {"fileUri": uri}}
    if kind != "file" or used == "file_url":
        return _from_url(source, media_type)
    if (data := data_url(source)) is not None:
        return {"inlineData": {"mimeType": media_type or data[0], "data": data[1]}}
    if source and media_type:
        return {"inlineData": {"mimeType": media_type, "data": source}}
    raise UnsupportedError(
        f"{place}.file.file_data is not a data URL: the Gemini format takes a data URL, a file_url or a file_id"
    )


def _from_url(url: str, media_type: str | None) -> Part:
    """Return an image or a video: inline for a data URL, else a reference.

    Some URLs do not show their media type. YouTube videos and stored files need none.
    """
    if (data := data_url(url)) is not None:
        return {"inlineData": {"mimeType": media_type or data[0], "data": data[1]}}
    media_type = media_type or _MEDIA_TYPES.get(re.split(r"[?#]", url, maxsplit=1)[0].rpartition(".")[2].lower())
    return {"fileData": {"fileUri": url, "mimeType": media_type} if media_type else {"fileUri": url}}


def _fields(given: Mapping[str, Any]) -> Part:
    """Return the fields beside the media: `videoMetadata` and `mediaResolution`."""
    fields = {wire: given[name] for name, wire in _PART_FIELDS.items() if given.get(name) is not None}
    video = {wire: _seconds(given[name]) for name, wire in _VIDEO_FIELDS.items() if given.get(name) is not None}
    if "fps" in video:
        video["fps"] = given["fps"]
    if video:
        fields["videoMetadata"] = {**as_mapping(fields.get("videoMetadata")), **video}
    if isinstance(level := fields.get("mediaResolution"), str):
        fields["mediaResolution"] = {"level": f"MEDIA_RESOLUTION_{level.upper()}" if level in _LEVELS else level}
    return fields


def _seconds(value: Any) -> Any:
    """Return a duration as Google writes it, such as "1.5s", for a number of seconds."""
    return f"{value}s" if isinstance(value, (int, float)) and not isinstance(value, bool) else value
