"""Encoding of bytes and files as data URLs; the media type comes from the first bytes and the name together.

The first bytes name one kind or several: those of a container, such as MP4 or ZIP, whose content the name tells. A name
is believed where it says one of these kinds, where the first bytes say nothing or too little to be sure of, and where
it says that a text is a text: that may begin with "BM" as a bitmap does, or with "ID3".

Sources: https://mimesniff.spec.whatwg.org, https://www.iana.org/assignments/media-types.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final

from msgflux_like.errors import InvalidMessagesError

UNKNOWN: Final = "application/octet-stream"

_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN = "application/vnd.oasis.opendocument"
_DOCX = f"{_OFFICE}.wordprocessingml.document"
_XLSX = f"{_OFFICE}.spreadsheetml.sheet"
_PPTX = f"{_OFFICE}.presentationml.presentation"

# Media types by the extension of a name.
_BY_NAME: Final = {
    # images
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "heic": "image/heic",
    "heif": "image/heif",
    "avif": "image/avif",
    "ico": "image/x-icon",
    "svg": "image/svg+xml",
    # sounds
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "m4a": "audio/mp4",
    "aif": "audio/aiff",
    "aiff": "audio/aiff",
    "wma": "audio/x-ms-wma",
    "weba": "audio/webm",
    "amr": "audio/amr",
    "mid": "audio/midi",
    # videos
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "qt": "video/quicktime",
    "webm": "video/webm",
    "mkv": "video/x-matroska",
    "avi": "video/x-msvideo",
    "wmv": "video/x-ms-wmv",
    "flv": "video/x-flv",
    "mpg": "video/mpeg",
    "mpeg": "video/mpeg",
    "3gp": "video/3gpp",
    "ogv": "video/ogg",
    # documents
    "pdf": "application/pdf",
    "docx": _DOCX,
    "xlsx": _XLSX,
    "pptx": _PPTX,
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
    "odt": f"{_OPEN}.text",
    "ods": f"{_OPEN}.spreadsheet",
    "odp": f"{_OPEN}.presentation",
    "epub": "application/epub+zip",
    "rtf": "application/rtf",
    "zip": "application/zip",
    "gz": "application/gzip",
    # texts
    "txt": "text/plain",
    "md": "text/markdown",
    "markdown": "text/markdown",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "html": "text/html",
    "htm": "text/html",
    "css": "text/css",
    "xml": "text/xml",
    "js": "text/javascript",
    "py": "text/x-python",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "json": "application/json",
    "jsonl": "application/jsonl",
}

_IN_ZIP: Final = (_DOCX, _XLSX, _PPTX, f"{_OPEN}.text", f"{_OPEN}.spreadsheet", f"{_OPEN}.presentation")
_ASF: Final = ("video/x-ms-wmv", "audio/x-ms-wma")

_TEXTS: Final = frozenset({"application/json", "application/jsonl", "application/yaml", "image/svg+xml"})
_PRINTABLE: Final = bytes([*range(7, 14), 27, *range(32, 256)])  # no control characters

# First bytes -> the kinds that have them, the likeliest first.
_SIGNATURES: Final[tuple[tuple[bytes, tuple[str, ...]], ...]] = (
    (b"\xff\xd8\xff", ("image/jpeg",)),
    (b"\x89PNG\r\n\x1a\n", ("image/png",)),
    (b"GIF87a", ("image/gif",)),
    (b"GIF89a", ("image/gif",)),
    (b"II*\x00", ("image/tiff",)),
    (b"MM\x00*", ("image/tiff",)),
    (b"%PDF-", ("application/pdf",)),
    (b"{\\rtf", ("application/rtf", "text/rtf")),
    (b"ID3", ("audio/mpeg", "audio/aac")),
    (b"fLaC", ("audio/flac",)),
    (b"OggS", ("audio/ogg", "video/ogg")),
    (b"\x1aE\xdf\xa3", ("video/webm", "audio/webm", "video/x-matroska")),
    (b"#!AMR", ("audio/amr",)),
    (b"MThd", ("audio/midi",)),
    (b"FLV\x01", ("video/x-flv",)),
    (b"\x00\x00\x01\xba", ("video/mpeg",)),
    (b"\x00\x00\x01\xb3", ("video/mpeg",)),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _ASF),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", tuple(_BY_NAME[name] for name in ("doc", "xls", "ppt"))),
    (b"\x1f\x8b\x08", ("application/gzip",)),
)
# In RIFF and IFF files the bytes after the size decide.
_RIFF: Final = {
    b"WEBP": ("image/webp",),
    b"WAVE": ("audio/wav",),
    b"AVI ": ("video/x-msvideo",),
    b"AIFF": ("audio/aiff",),
    b"AIFC": ("audio/aiff",),
}
# In these containers a word near the beginning decides.
_CODECS: Final = {
    b"OggS": ((b"theora", ("video/ogg",)),),
    b"\x1aE\xdf\xa3": ((b"matroska", ("video/x-matroska",)),),
}
# In MP4 files the brand after `ftyp` decides, where it is not a general one.
_MP4: Final = ("video/mp4", "audio/mp4", "video/quicktime", "video/3gpp", "image/heic", "image/heif", "image/avif")
_BRANDS: Final = {
    b"M4A ": ("audio/mp4",),
    b"M4B ": ("audio/mp4",),
    b"qt  ": ("video/quicktime",),
    b"heic": ("image/heic", "image/heif"),
    b"hevc": ("image/heic", "image/heif"),
    b"heix": ("image/heic", "image/heif"),
    b"mif1": ("image/heif", "image/heic", "image/avif"),
    b"msf1": ("image/heif", "image/heic"),
    b"avif": ("image/avif",),
    b"avis": ("image/avif",),
    b"3gp4": ("video/3gpp",),
    b"3gp5": ("video/3gpp",),
    b"3gp6": ("video/3gpp",),
}
_AUDIO_FORMATS: Final = {
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
    """Return the media type of `content`, `application/octet-stream` if unknown.

    Args:
        content: The content of the source, or its first 512 bytes.
        source: The source; a path has a name.

    Example:
        >>> media_type(b"BMW is a maker of cars.", Path("notes.txt"))
        'text/plain'
    """
    named = _by_name(source) if isinstance(source, Path) else None
    if named is not None and _is_text_of(named, content):
        return named
    kinds = _by_content(content)
    if kinds:
        return named if named in kinds else kinds[0]
    return named or _by_weak_signature(content) or UNKNOWN


def _by_name(path: Path) -> str | None:
    if (found := _BY_NAME.get(path.suffix[1:].lower())) is not None:
        return found
    import mimetypes  # noqa: PLC0415  reads the system's tables

    found = mimetypes.guess_type(path.name)[0]
    return None if found == UNKNOWN else found


def _is_text_of(kind: str, content: bytes) -> bool:
    """Return whether a name says that a file is a text, and it is one; a PDF or RTF file begins as a text."""
    is_text = kind.startswith("text/") or kind in _TEXTS
    return is_text and not content.startswith((b"%PDF-", b"{\\rtf")) and not content[:512].translate(None, _PRINTABLE)


def _by_content(content: bytes) -> tuple[str, ...]:
    """Return the kinds that begin as the content does, the likeliest first; nothing if that is not sure."""
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12], _MP4)
    if content[:4] in (b"RIFF", b"FORM"):
        return _RIFF.get(content[8:12], ())
    if content[:4] == b"PK\x03\x04":
        return _in_zip(content)
    found = next((kinds for start, kinds in _SIGNATURES if content.startswith(start)), ())
    return next((kinds for word, kinds in _CODECS.get(content[:4], ()) if word in content[:512]), found)


def _in_zip(content: bytes) -> tuple[str, ...]:
    """Return the kinds of documents that are ZIP files: the names of their first files tell which."""
    if content[30:38] == b"mimetype":  # EPUB and OpenDocument say their media type first
        said = content[38:128].partition(b"PK")[0].decode("ascii", "replace")
        return (said,) if said in {*_IN_ZIP, "application/epub+zip"} else _IN_ZIP
    folders = ((b"word/", _DOCX), (b"xl/", _XLSX), (b"ppt/", _PPTX))
    beginning = content[:4096]
    found = tuple(kind for folder, kind in folders if folder in beginning)
    return found or ("application/zip", *_IN_ZIP, "application/epub+zip")


def _by_weak_signature(content: bytes) -> str | None:
    """Return the kind of content whose first bits mean little: bitmaps, and the frames of MPEG audio."""
    if content[:2] == b"BM" and content[6:10] in (b"", bytes(4)):
        return "image/bmp"
    if len(content) < 2 or content[0] != 0xFF or content[1] & 0xE0 != 0xE0:
        return None
    version, layer = content[1] >> 3 & 3, content[1] >> 1 & 3  # of MPEG 2.5, 2 and 1; III, II, I, or none: AAC
    if layer == 0 and content[1] & 0xF0 == 0xF0:
        return "audio/aac"
    # Layer I is not recognized: it begins as UTF-16 does.
    return "audio/mpeg" if layer in (1, 2) and version != 1 else None


def _read(source: bytes | Path) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except (OSError, ValueError) as error:  # a file name with a null byte is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise InvalidMessagesError(f"the file {source.name!r} cannot be read: {reason}") from None
