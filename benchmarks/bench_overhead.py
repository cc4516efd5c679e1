"""What a call and a streamed chunk cost over httpx2 and msgspec by hand: instructions (callgrind) and CPU time.

    python benchmarks/bench_overhead.py            # CPU time, interleaved rounds; and instructions where valgrind is

Instructions are counted for two numbers of repetitions and subtracted, so that starting up does not count.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from server import CHUNKS  # noqa: E402

WORKLOADS = {"call": (500, 1), "acall": (500, 1), "stream": (15, CHUNKS), "astream": (15, CHUNKS)}
ROUNDS = 5


def command(who: str, what: str, times: int, port: str) -> list[str]:
    return [sys.executable, str(HERE / "workloads.py"), who, what, str(times), port]


def cpu_s(who: str, what: str, times: int, port: str) -> float:
    done = subprocess.run(command(who, what, times, port), capture_output=True, text=True, check=True)
    return float(done.stdout)


def instructions(who: str, what: str, times: int, port: str) -> int:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    done = subprocess.run(
        [*valgrind, *command(who, what, times, port)], capture_output=True, text=True, check=True, env=environment
    )
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def measure(port: str) -> None:
    counted = shutil.which("valgrind") is not None
    print("| one | CPU own/raw | CPU us raw | CPU us own | instr. own/raw | k instr. raw | k instr. own |")
    print("|---|---|---|---|---|---|---|")
    for what, (times, per) in WORKLOADS.items():
        rounds = [(cpu_s("raw", what, times, port), cpu_s("own", what, times, port)) for _ in range(ROUNDS)]
        ratio = statistics.median(own / raw for raw, own in rounds)
        raw_us, own_us = (min(values) / times / per * 1e6 for values in zip(*rounds, strict=True))
        row = f"| {what}{' chunk' if per > 1 else ''} | {ratio:.2f} | {raw_us:.1f} | {own_us:.1f} "
        if counted:
            few, many = (1, 6) if per > 1 else (10, 60)
            raw_i, own_i = (
                (instructions(who, what, many, port) - instructions(who, what, few, port)) / (many - few) / per
                for who in ("raw", "own")
            )
            row += f"| {own_i / raw_i:.2f} | {raw_i / 1000:.0f} | {own_i / 1000:.0f} |"
        print(row if counted else row + "| - | - | - |", flush=True)


def main() -> None:
    server = subprocess.Popen(
        [sys.executable, str(HERE / "server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        measure(server.stdout.readline().strip())
    finally:
        server.kill()


if __name__ == "__main__":
    main()
