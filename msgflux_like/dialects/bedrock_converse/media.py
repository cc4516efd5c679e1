"""Images, documents, videos and sounds as Amazon Bedrock's Converse takes them: by format, and as bytes or in S3.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.notes import note_detail
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
# Formats whose media type, or ending, is another word.
_FORMAT: Final[Mapping[str, str]] = {
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
_NOT_OF_A_NAME: Final = re.compile(r"[^A-Za-z0-9 ()\[\]-]+")
_BLANKS: Final = re.compile(r" {2,}")
_MAX_NAME: Final = 200

Block = dict[str, Any]


def media(part: Mapping[str, Any], place: str, changes: list[Change]) -> Block:
    """The block of a part that is no text; UnsupportedError for what Converse has no block for."""
    match part["type"]:
        case "image_url":
            note_detail(part, place, changes)
            return _block("image", part["image_url"]["url"], f"{place}.image_url.url")
        case "video_url":
            return _block("video", part["video_url"]["url"], f"{place}.video_url.url")
        case "input_audio":
            sound = as_mapping(part["input_audio"])
            source = {"bytes": str(sound.get("data") or "")}
            kind = _checked("audio", str(sound.get("format") or ""), f"{place}.input_audio")
            return {"audio": {"format": kind, "source": source}}
        case "file":
            return _file(as_mapping(part["file"]), f"{place}.file", changes)
        case _:
            raise unsupported_part(part, place, "Amazon Bedrock's Converse")


def _block(kind: str, url: str, place: str) -> Block:
    """A block of that kind, from a data URL or a place in S3."""
    if (data := data_url(url)) is not None:
        return {kind: {"format": _checked(kind, data[0], place), "source": {"bytes": data[1]}}}
    if url.startswith("s3://"):
        ending = url.rpartition(".")[2].lower()
        return {kind: {"format": _checked(kind, ending, place), "source": {"s3Location": {"uri": url}}}}
    raise UnsupportedError(
        f"{place} is a link, which Amazon Bedrock does not follow: "
        f"give the bytes, a pathlib.Path, a data: URL or an s3:// address"
    )


def _checked(kind: str, said: str, place: str) -> str:
    """The format's name, from a media type or an ending."""
    found = _FORMAT.get(said) or said.rpartition("/")[2]
    found = _FORMAT.get(found, found)
    if found not in FORMATS[kind]:
        known = ", ".join(sorted(FORMATS[kind]))
        raise UnsupportedError(f"{place} is of the {kind} format {said!r}: Amazon Bedrock's Converse takes {known}")
    return found


def _file(file: Mapping[str, Any], place: str, changes: list[Change]) -> Block:
    """A document; an image or a video that came as a file is one here."""
    if file.get("file_id"):
        raise UnsupportedError(f"{place}.file_id: Amazon Bedrock holds no files; give the bytes, or an s3:// address")
    url = str(file.get("file_data") or file.get("file_url") or "")
    kind = url.removeprefix("data:").partition("/")[0] if url.startswith("data:") else ""
    if kind in ("image", "video"):
        if file.get("filename"):
            changes.append(Change("dropped", f"{place}.filename", "only documents have names here"))
        return _block(kind, url, place)
    block = _block("document", url, place)
    block["document"]["name"] = _name(str(file.get("filename") or ""), place, changes)
    return block


def _name(filename: str, place: str, changes: list[Change]) -> str:
    """A name that the API takes, without the ending: the format is said beside it."""
    stem, dot, ending = filename.rpartition(".")
    stem = stem if dot and ending.lower() in FORMATS["document"] else filename
    name = _BLANKS.sub(" ", _NOT_OF_A_NAME.sub("-", stem)).strip()[:_MAX_NAME] or "document"
    if not filename:
        changes.append(Change("defaulted", f"{place}.filename", "the API demands a name for a document"))
    elif name != filename:
        changes.append(
            Change("renamed", f"{place}.filename", "names hold letters, digits, single blanks and -()[] only")
        )
    return name


def tell_apart(turns: list[Block], changes: list[Change]) -> None:
    """Number the documents whose name an earlier one has: the API refuses two of one name."""
    seen: set[str] = set()
    for document in _documents([block for turn in turns for block in turn["content"]]):
        name, number = document["name"], 2
        while name in seen:
            ending = f" ({number})"
            name, number = document["name"][: _MAX_NAME - len(ending)] + ending, number + 1
        if name != document["name"]:
            changes.append(Change("renamed", "messages", "a second document of one name was numbered"))
            document["name"] = name
        seen.add(name)


def _documents(blocks: list[Block]) -> list[Block]:
    """The documents among these blocks and in the results of tools, in their order."""
    found: list[Block] = []
    for block in blocks:
        if "document" in block:
            found.append(block["document"])
        elif "toolResult" in block:
            found += _documents(block["toolResult"]["content"])
    return found
