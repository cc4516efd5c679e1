"""Images, documents, videos and audio as Amazon Bedrock's Converse takes them: a format, and bytes or an S3 address.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.notes import note_detail, note_marks, note_unknown
from msgflux_like.dialects._shared.parts import data_url, unsupported_part
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import Change

FORMATS: Final[Mapping[str, frozenset[str]]] = {
    "image": frozenset({"png", "jpeg", "gif", "webp"}),
    "document": frozenset({"pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"}),
    "video": frozenset({"mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"}),
    "audio": frozenset(
        {"mp3", "wav", "flac", "ogg", "opus", "aac", "x-aac", "m4a", "mp4", "mpeg", "mpga", "pcm", "webm"}
    ),
}
# Media types and filename extensions that differ from the name of the format.
_FORMAT_ALIASES: Final[Mapping[str, str]] = {
    "jpg": "jpeg",
    "text/plain": "txt",
    "text/markdown": "md",
    "htm": "html",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
    "video/x-flv": "flv",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
    "3gp": "three_gp",
}
_DOCUMENT_FIELDS: Final = ("citations", "context")
_FILE_FIELDS: Final = frozenset({"file_id", "file_data", "file_url", "filename", *_DOCUMENT_FIELDS})
_INVALID_NAME_CHARACTERS: Final = re.compile(r"[^A-Za-z0-9 ()\[\]-]+")
_SPACES: Final = re.compile(r" {2,}")
_MAX_NAME_LENGTH: Final = 200

Block = dict[str, Any]


def media_block(part: Mapping[str, Any], place: str, changes: list[Change]) -> Block:
    """Return the block of a part that is not text; raise UnsupportedError if Converse has no block for it."""
    note_marks(part, place, changes, "cache_control", *(_DOCUMENT_FIELDS if part["type"] == "file" else ()))
    match part["type"]:
        case "image_url":
            note_detail(part, place, changes)
            note_unknown(part["image_url"], frozenset({"url", "detail"}), f"{place}.image_url", changes, "an image")
            return _block("image", part["image_url"]["url"], f"{place}.image_url.url")
        case "video_url":
            note_unknown(part["video_url"], frozenset({"url"}), f"{place}.video_url", changes, "a video")
            return _block("video", part["video_url"]["url"], f"{place}.video_url.url")
        case "input_audio":
            audio = as_mapping(part["input_audio"])
            note_unknown(audio, frozenset({"data", "format"}), f"{place}.input_audio", changes, "a sound")
            source = {"bytes": str(audio.get("data") or "")}
            format_ = _format_of("audio", str(audio.get("format") or ""), f"{place}.input_audio")
            return {"audio": {"format": format_, "source": source}}
        case "file":
            return _file(part, f"{place}.file", changes)
        case _:
            raise unsupported_part(part, place, "Amazon Bedrock's Converse")


def _block(kind: str, url: str, place: str) -> Block:
    """Return a block of that kind from a data URL or an S3 address."""
    if (data := data_url(url)) is not None:
        return {kind: {"format": _format_of(kind, data[0], place), "source": {"bytes": data[1]}}}
    if url.startswith("s3://"):
        extension = url.rpartition(".")[2].lower()
        return {kind: {"format": _format_of(kind, extension, place), "source": {"s3Location": {"uri": url}}}}
    raise UnsupportedError(
        f"{place} is a link, which Amazon Bedrock does not take: "
        f"pass the bytes, a pathlib.Path, a data: URL or an s3:// address"
    )


def _format_of(kind: str, type_: str, place: str) -> str:
    """Return the name of the format for a media type or a filename extension."""
    found = _FORMAT_ALIASES.get(type_) or type_.rpartition("/")[2]
    found = _FORMAT_ALIASES.get(found, found)
    if found not in FORMATS[kind]:
        known = ", ".join(sorted(FORMATS[kind]))
        raise UnsupportedError(f"{place} has the {kind} format {type_!r}: Amazon Bedrock's Converse takes {known}")
    return found


def _file(part: Mapping[str, Any], place: str, changes: list[Change]) -> Block:
    """Return a document block, or an image or video block for a file of that kind."""
    file = as_mapping(part["file"])
    if file.get("file_id"):
        raise UnsupportedError(f"{place}.file_id: Amazon Bedrock stores no files. Pass the bytes or an s3:// address")
    url = str(file.get("file_data") or file.get("file_url") or "")
    fields = {name: value for name in _DOCUMENT_FIELDS if (value := file.get(name, part.get(name))) is not None}
    kind = url.removeprefix("data:").partition("/")[0] if url.startswith("data:") else ""
    if kind in ("image", "video"):
        changes.extend(
            Change("dropped", f"{place}.{name}", "only document blocks have such a field")
            for name in (*(["filename"] if file.get("filename") else ()), *fields)
        )
        note_unknown(file, _FILE_FIELDS, place, changes, "a file")
        return _block(kind, url, place)
    note_unknown(file, _FILE_FIELDS, place, changes, "a file")
    block = _block("document", url, place)
    block["document"]["name"] = _document_name(str(file.get("filename") or ""), place, changes)
    block["document"] |= fields
    return block


def _document_name(filename: str, place: str, changes: list[Change]) -> str:
    """Return a name that the API accepts, without the extension, which is the format."""
    stem, dot, extension = filename.rpartition(".")
    stem = stem if dot and extension.lower() in FORMATS["document"] else filename
    name = _SPACES.sub(" ", _INVALID_NAME_CHARACTERS.sub("-", stem)).strip()[:_MAX_NAME_LENGTH] or "document"
    if not filename:
        changes.append(Change("defaulted", f"{place}.filename", "the API requires a name for a document"))
    elif name != filename:
        changes.append(
            Change("renamed", f"{place}.filename", "names consist of letters, digits, single spaces and -()[]")
        )
    return name


def number_duplicate_names(turns: list[Block], changes: list[Change]) -> None:
    """Number the documents whose name is taken by an earlier one: the API rejects equal names."""
    seen: set[str] = set()
    for document in _documents_in([block for turn in turns for block in turn["content"]]):
        name, number = document["name"], 2
        while name in seen:
            suffix = f" ({number})"
            name, number = document["name"][: _MAX_NAME_LENGTH - len(suffix)] + suffix, number + 1
        if name != document["name"]:
            changes.append(Change("renamed", "messages", "a document with the name of an earlier one was numbered"))
            document["name"] = name
        seen.add(name)


def _documents_in(blocks: list[Block]) -> list[Block]:
    """Return the documents in these blocks and in tool results, in order."""
    found: list[Block] = []
    for block in map(as_mapping, blocks):
        if "document" in block:
            found.append(block["document"])
        elif "toolResult" in block:
            found += _documents_in(block["toolResult"]["content"])
    return found
