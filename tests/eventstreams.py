"""Writes AWS event streams: from headers and payloads, and from the lines of a `reply.frames`."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Mapping
from struct import pack


def message(headers: Mapping[str, str], payload: bytes = b"") -> bytes:
    """One message, all of its headers texts."""
    block = b"".join(header(name, value) for name, value in headers.items())
    return framed(block, payload)


def header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return pack(">B", len(key)) + key + pack(">BH", 7, len(text)) + text


def framed(block: bytes, payload: bytes) -> bytes:
    """The same with headers that are bytes already."""
    lengths = pack(">II", 16 + len(block) + len(payload), len(block))
    body = lengths + pack(">I", zlib.crc32(lengths)) + block + payload
    return body + pack(">I", zlib.crc32(body))


def event(kind: str, payload: bytes) -> bytes:
    """An event of the Bedrock runtime. A `chunk` carries its payload in base64."""
    if kind == "chunk":
        payload = b'{"bytes":"' + b64encode(payload) + b'","p":"abcd"}'
    return message({":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, payload)


def exception(kind: str, text: str) -> bytes:
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return message(headers, json.dumps({"message": text}).encode())


def frames(lines: str) -> bytes:
    """A stream of lines such as `messageStop {"stopReason": "end_turn"}`; `!` begins those with exceptions."""
    wire: list[bytes] = []
    for line in lines.splitlines():
        kind, _, payload = line.partition(" ")
        if kind.startswith("!"):
            wire.append(exception(kind[1:], json.loads(payload)["message"]))
        elif kind:
            wire.append(event(kind, payload.encode()))
    return b"".join(wire)
