"""Recorded replies with changed fields, changed bytes and cut ends: an answer or an APIError, and never anything else.

The recordings of `tests/wire` are always used, and a sample of the folder that `MSGFLUX_LIKE_WIRE` names.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from msgflux_like import dialects
from msgflux_like._http.exchange import exchange
from msgflux_like._http.retry import Retries
from msgflux_like._http.steps import READ, Head, Send, Wait
from msgflux_like.errors import APIError
from msgflux_like.events import Event
from msgflux_like.request import HttpRequest
from tests.answers import fold
from tests.dialects.test_corpus import DIALECT, FOLDER, recordings

WIRE = Path(__file__).parents[1] / "wire"
ODD: tuple[Any, ...] = (None, True, 0, -1, 10**400, 1.5e300, "", "x", [], [None], {}, {"x": [1]}, [[[[]]]])
CUTS = 20
SAMPLE = 6  # recordings of each dialect and kind from the outer folder


def samples() -> Iterator[tuple[str, bool, bytes]]:
    """Yield dialect, whether it is a stream, and body."""
    for folder in sorted(WIRE.glob("*/*")):
        for path in sorted(folder.iterdir()):
            if path.name in ("reply.json", "reply.sse", "reply.frames"):
                yield folder.parent.name, path.suffix != ".json", path.read_bytes()
    for name in DIALECT if FOLDER else ():
        ok = [(r["stream"], body) for r, body in recordings(name) if r["expected"]["kind"] == "ok"]
        for streamed in (False, True):
            several = [body for is_stream, body in ok if is_stream is streamed and len(body) < 50_000]
            for body in random.Random(name).sample(several, min(SAMPLE, len(several))):
                yield DIALECT[name], streamed, body


SAMPLES = list(samples())


def outcome(dialect: str, body: bytes, *, streamed: bool) -> list[Event] | APIError:
    """Run an exchange whose reply has this body."""
    http = HttpRequest("https://x.example/v1", {}, b"{}", stream=streamed)
    steps = exchange(http, dialects.load(dialect), "p", "m", Retries(0))
    events: list[Event] = []
    pieces = iter([body])
    answer: Any = None
    try:
        while True:
            step = steps.send(answer)
            answer = None
            if isinstance(step, Send):
                answer = Head(200, {}, 0.0)
            elif step is READ:
                answer = next(pieces, None)
            elif isinstance(step, list):
                events += step
            else:
                assert not isinstance(step, Wait)
    except StopIteration:
        return events
    except APIError as error:
        return error


def changed(value: Any, chance: random.Random) -> Any:
    """Return a JSON value in which one place has another type."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        name = chance.choice(list(value))
        return {**value, name: changed(value[name], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        return [*value[:at], changed(value[at], chance), *value[at + 1 :]]
    return chance.choice(ODD)


def variants(body: bytes, chance: random.Random) -> Iterator[bytes]:
    lines = body.split(b"\n")
    for _ in range(8):
        at = chance.randrange(len(lines))
        head, brace, rest = lines[at].partition(b"{")
        try:
            found = json.loads(brace + rest)
        except ValueError:
            continue
        new = json.dumps(changed(found, chance)).encode()
        yield b"\n".join([*lines[:at], head + new, *lines[at + 1 :]])
    for _ in range(4):
        at = chance.randrange(len(body))
        yield body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]
    yield body[: len(body) // 2] + b"[" * 20_000
    yield b'{"a":' * 20_000


@pytest.mark.parametrize("dialect", sorted({name for name, _, _ in SAMPLES}))
def test_a_damaged_reply_is_an_answer_or_an_api_error(dialect: str):
    chance = random.Random(dialect)
    tried = 0
    for name, streamed, body in SAMPLES:
        if name == dialect:
            for variant in variants(body, chance):
                outcome(dialect, variant, streamed=streamed)
                tried += 1
    assert tried


@pytest.mark.parametrize("dialect", sorted({name for name, streamed, _ in SAMPLES if streamed}))
def test_a_stream_that_is_cut_is_whole_or_an_error(dialect: str):
    stumps: list[Any] = []
    for name, streamed, body in SAMPLES:
        if name != dialect or not streamed:
            continue
        whole = outcome(dialect, body, streamed=True)
        if isinstance(whole, APIError):
            continue
        text = fold(whole).get("text"), fold(whole).get("tool_calls")
        for n in range(1, CUTS):
            cut = outcome(dialect, body[: len(body) * n // CUTS], streamed=True)
            if not isinstance(cut, APIError) and (fold(cut).get("text"), fold(cut).get("tool_calls")) != text:
                stumps.append((body[:80], n))
    assert not stumps
