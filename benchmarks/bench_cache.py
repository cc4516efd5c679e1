"""What a hit costs, from the messages to the answer: CPU time of the fastest and of the median round, and of its parts.

python benchmarks/bench_cache.py
"""

# ruff: noqa: SLF001  the parts are private

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

import msgflux_like as mf
from msgflux_like.cache import answers, engine_of
from msgflux_like.cache.entry import Entry, seal, unseal

HERE = Path(__file__).parent
SMALL = [{"role": "user", "content": "Hello!"}]
LARGE = [{"role": ("user", "assistant")[n % 2], "content": "x" * 1050} for n in range(1001)]
ROUNDS = 40


def us(once: Callable[[], object], times: int) -> tuple[float, float]:
    """CPU of one, the least and the median of the rounds."""
    once()
    rounds = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(times):
            once()
        rounds.append((time.process_time() - begun) / times * 1e6)
    return min(rounds), statistics.median(rounds)


def row(name: str, once: Callable[[], object], times: int = 500) -> None:
    least, median = us(once, times)
    print(f"| {name} | {least:,.1f} | {median:,.1f} |", flush=True)


def measure(base_url: str, folder: Path) -> None:
    def model(**options: object) -> mf.ChatCompletion:
        made = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-x", base_url=base_url, check="off", **options)
        assert made(SMALL).consume() == made(SMALL).consume()
        return made

    memory, file = model(enable_cache=True), model(cache=folder / "c.sqlite")
    print("| a hit, 20,000 times in 40 rounds | us, fastest round | median round |")
    print("|---|---|---|")
    row("in memory", lambda: memory(SMALL).consume())
    row("in memory, 1.1 MB of messages", lambda: memory(LARGE).consume(), 10)
    row("in an SQLite file", lambda: file(SMALL).consume())
    print("\n| a part of it | us, fastest round | median round |")
    print("|---|---|---|")
    place = memory._prepare(SMALL, stream=False).place
    row("the request, prepared", lambda: memory._prepare(SMALL, stream=False, use_cache=False))
    row("its key", lambda: engine_of(memory._response_cache).key(place._http, place._facts))
    value = engine_of(memory._response_cache).get(place.find_key(), answers.KIND)
    events = answers.unpack(value)
    row(f"{len(events)} events out of {len(value)} bytes", lambda: answers.unpack(value))
    entry = Entry(answers.KIND, 0.0, "openai", "gpt-4o", value)
    sealed = seal(bytes(32), entry)
    row("an entry, opened and summed up", lambda: unseal(bytes(32), sealed))
    row("an entry, opened alone", lambda: unseal(bytes(32), sealed, trusted=True))
    tuples = msgspec.msgpack.encode([(type(each).__name__, *msgspec.structs.astuple(each)) for each in events])
    kinds = {type(each).__name__: type(each) for each in events}
    decode = msgspec.msgpack.Decoder(list[list[object]]).decode
    row("tried: events as tuples, unchecked", lambda: [kinds[name](*fields) for name, *fields in decode(tuples)])
    file.close()


def main() -> None:
    server = subprocess.Popen(
        [sys.executable, str(HERE / "server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            measure(f"http://127.0.0.1:{server.stdout.readline().strip()}/v1", Path(folder))
    finally:
        server.kill()
        server.communicate()


if __name__ == "__main__":
    main()
