"""What checking an answer costs: decoding 100 kB against msgspec alone, and reading it in 2,000 pieces.

python benchmarks/bench_structured.py
"""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
from msgspec import Struct

from msgflux_like.structured.json_schema.decoding import read
from msgflux_like.structured.json_schema.limits import ANY, NATIVE
from msgflux_like.structured.json_schema.partial import PartialJson
from msgflux_like.structured.json_schema.schema import target_of


class Person(Struct):
    name: str
    age: int
    email: str | None
    tags: list[str]


class Directory(Struct):
    people: list[Person]


class Loose(Struct):
    name: str
    age: int = 0
    notes: dict[str, str] = {}


class LooseDirectory(Struct):
    people: list[Loose]


def best_ms(work: Any, rounds: int = 30) -> float:
    times: list[float] = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times) * 1000


def main() -> None:
    people = [{"name": f"Person {n}", "age": n, "email": None, "tags": ["one", 'two \\ "three"']} for n in range(1230)]
    text = json.dumps({"people": people})
    print(f"{len(text)} characters")
    alone = msgspec.json.Decoder(Directory).decode
    target = target_of(Directory)
    lowered = target.lowered(NATIVE["openai_chat"])
    ours, theirs = best_ms(lambda: read(text, target, lowered, "stop")), best_ms(lambda: alone(text))
    print(f"decode: {ours:.2f} ms, msgspec alone {theirs:.2f} ms: {ours / theirs - 1:+.0%}")

    loose = [{"name": f"Person {n}", "age": n, "notes": {"a": "b", "c": "d"}} for n in range(1230)]
    target = target_of(LooseDirectory)
    lowered = target.lowered(NATIVE["openai_chat"])
    written = json.dumps(lowered.lower({"people": loose}))
    ours = best_ms(lambda: read(written, target, lowered, "stop"))
    plain = json.dumps({"people": loose})
    theirs = best_ms(lambda: msgspec.json.decode(plain, type=LooseDirectory))
    print(f"decode, dicts and defaults restored: {ours:.2f} ms, msgspec without them {theirs:.2f} ms")
    print(f"consume: {best_ms(lambda: target.plain(read(plain, target, target.lowered(ANY), 'stop')[0])):.2f} ms")

    size = -(-len(text) // 2000)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]

    def grow() -> None:
        parser = PartialJson()
        for piece in pieces:
            parser.feed(piece)

    def shown() -> None:
        parser = PartialJson()
        for piece in pieces:
            if parser.feed(piece):
                parser.snapshot()

    print(f"partial, {len(pieces)} pieces: {best_ms(grow):.1f} ms; with a snapshot for each {best_ms(shown):.1f} ms")

    def made() -> None:
        target_of.__globals__["_target_of_type"].cache_clear()
        target_of(Directory).lowered(NATIVE["openai_chat"])

    print(f"schema of a type: {best_ms(made):.2f} ms once, {best_ms(lambda: target_of(Directory)) * 1000:.1f} us after")


if __name__ == "__main__":
    main()
