"""Encoding of bytes and files as data URLs; the media type comes from the first bytes, else from the file's name."""

from __future__ import annotations

import base64
from pathlib import Path

from msgflux_like.errors import InvalidMessagesError

# First bytes -> media type. In RIFF files the bytes after the size decide, in MP4 files those after `ftyp`.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_AUDIO_FORMATS = {
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
}


def url(source: str | bytes | Path) -> str:
    """Return a URL unchanged, bytes and files as a data URL."""
    if not isinstance(source, str):
        return data_url(source)
    if "://" in source or source.startswith("data:"):
        return source
    raise InvalidMessagesError(
        "a media source that is a str must be a URL (https://, data:): give a local file as a pathlib.Path"
    )


def data_url(source: bytes | Path) -> str:
    """Return `data:<media type>;base64,<data>` of bytes or of a file, which is read."""
    content = _read(source)
    return f"data:{media_type(content, source)};base64,{base64.b64encode(content).decode()}"


def audio(source: str | bytes | Path) -> tuple[str, str]:
    """Return the base64 text and the format ("wav", "mp3", ...) of an audio source."""
    if isinstance(source, str):
        head, comma, data = source.partition(";base64,")
        if not comma or not head.startswith("data:"):
            raise InvalidMessagesError(
                "audio must be bytes, a pathlib.Path or a base64 data URL: chat formats do not support links"
            )
        kind = head.removeprefix("data:")
    else:
        content = _read(source)
        kind, data = media_type(content, source), base64.b64encode(content).decode()
    return data, _AUDIO_FORMATS.get(kind, kind.rpartition("/")[2])


def media_type(content: bytes, source: bytes | Path = b"") -> str:
    """Return the media type of `content`, `application/octet-stream` if unknown."""
    if content[:4] == b"RIFF":
        return _RIFF.get(content[8:12], "application/octet-stream")
    if content[4:8] == b"ftyp":
        return "audio/mp4" if content[8:11] == b"M4A" else "video/mp4"
    found = next((kind for start, kind in _SIGNATURES if content.startswith(start)), None)
    if found is None and isinstance(source, Path):
        import mimetypes  # noqa: PLC0415  reads the system's tables

        found = mimetypes.guess_type(source.name)[0]
    return found or "application/octet-stream"


def _read(source: bytes | Path) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except (OSError, ValueError) as error:  # a file name with a null byte is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise InvalidMessagesError(f"the file {source.name!r} cannot be read: {reason}") from None
