"""The server's own embeddings: of a chat model's file, and of a file that says how its vectors are pooled."""

from __future__ import annotations

import json
import struct
import urllib.request
from pathlib import Path

import pytest

from msgflux_like.local import llama

pytestmark = pytest.mark.usefixtures("local_server")

_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # of GGUF's types of one size
_ALIGNMENT = 32
_MEAN = 1


def with_pooling(file: Path, pooling: int, target: Path) -> Path:
    """The same model with `pooling_type` among what it says of itself; see the GGUF specification."""
    data = file.read_bytes()
    magic, version, tensors, values = struct.unpack_from("<4sIQQ", data)
    begin = end = struct.calcsize("<4sIQQ")
    for _ in range(values):
        end = _after_text(data, end)
        end = _after_value(data, end + 4, *struct.unpack_from("<I", data, end))
    for _ in range(tensors):
        end = _after_text(data, end)
        end += 4 + 8 * struct.unpack_from("<I", data, end)[0] + 4 + 8
    key = b"llama.pooling_type"
    added = struct.pack("<Q", len(key)) + key + struct.pack("<II", 4, pooling)
    head = struct.pack("<4sIQQ", magic, version, tensors, values + 1) + added + data[begin:end]
    target.write_bytes(head + bytes(-len(head) % _ALIGNMENT) + data[end + -end % _ALIGNMENT :])
    return target


def _after_text(data: bytes, at: int) -> int:
    return at + 8 + struct.unpack_from("<Q", data, at)[0]


def _after_value(data: bytes, at: int, kind: int) -> int:
    if kind == 8:
        return _after_text(data, at)
    if kind != 9:
        return at + _BYTES[kind]
    kind, count = struct.unpack_from("<IQ", data, at)
    at += 12
    for _ in range(count):
        at = _after_value(data, at, kind)
    return at


def vectors(base_url: str, *texts: str) -> list[list[float]]:
    body = json.dumps({"input": texts}).encode()
    request = urllib.request.Request(base_url + "/embeddings", body, {"content-type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as reply:
        return [item["embedding"] for item in json.load(reply)["data"]]


def test_the_pooling_that_a_file_asks_for_is_its_own(local_server, tmp_path):
    file = with_pooling(llama.find_gguf(), _MEAN, tmp_path / "pooled.gguf")
    long = "a text of more tokens than the engine reads at a time by itself " * 50
    with llama.LocalServer(file) as server:
        pooled, _ = vectors(server.base_url, "The capital of France is Paris.", long)
    [last] = vectors(local_server, "The capital of France is Paris.")
    likeness = sum(a * b for a, b in zip(pooled, last, strict=True))
    assert sum(a * a for a in pooled) == pytest.approx(1.0, abs=1e-4)
    assert likeness < 0.9  # the mean of all tokens' states is not the last one's
