"""What a call and a streamed chunk cost through `mf.Client`, through the openai package, and through `mf.Model`.

python benchmarks/bench_client.py     # CPU time of this process; the server is another one
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import openai
from server import CHUNKS

import msgflux_like as mf

MESSAGES = [{"role": "user", "content": "Hello!"}]
ROUNDS = 9


def call(client: openai.OpenAI | mf.Client) -> None:
    reply = client.chat.completions.create(model="m", messages=MESSAGES)
    assert reply.choices[0].message.content


def stream(client: openai.OpenAI | mf.Client) -> None:
    chunks = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    assert sum(1 for chunk in chunks if chunk.choices[0].delta.content) == CHUNKS


def cpu_us(work: Callable[[], None], times: int) -> float:
    begun = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - begun) / times * 1e6


def measure(base_url: str) -> None:
    options = {"api_key": "sk-x", "base_url": base_url}
    theirs, ours = openai.OpenAI(**options), mf.Client(**options)
    model = mf.Model.chat_completion("openai-compatible/m", **options)
    rows = {
        "call": (100, 1, (lambda: call(theirs), lambda: call(ours), lambda: model(MESSAGES).consume())),
        "chunk": (
            10,
            CHUNKS,
            (lambda: stream(theirs), lambda: stream(ours), lambda: list(model(MESSAGES, stream=True).consume())),
        ),
    }
    print("| one | openai, us | mf.Client, us | mf.Model, us | mf.Client/openai |\n|---|---|---|---|---|")
    for name, (times, per, works) in rows.items():
        rounds = [[cpu_us(work, times) / per for work in works] for _ in range(ROUNDS)]
        best = [min(values) for values in zip(*rounds, strict=True)]
        ratio = statistics.median(own / other for other, own, _ in rounds)
        print(f"| {name} | {best[0]:.1f} | {best[1]:.1f} | {best[2]:.1f} | {ratio:.2f} |")


def main() -> None:
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "server.py")], stdout=subprocess.PIPE, text=True
    )
    try:
        measure(f"http://127.0.0.1:{server.stdout.readline().strip()}/v1")
    finally:
        server.kill()


if __name__ == "__main__":
    main()
