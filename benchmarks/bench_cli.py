"""What commands cost: CPU time of whole fresh processes, user and system together, the best of several.

python benchmarks/bench_cli.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from resource import RUSAGE_CHILDREN, getrusage

PROCESSES = 9

COMMANDS = (
    "--help",
    "models --tools --input image --max-output-price 5 --sort price",
    "models",
    "models --json",
    "models show openai/gpt-4o",
    "providers",
    "cost --tokens 1M/200k -m openai/gpt-4o -m anthropic/claude-opus-4-5",
    "doctor",
    "profiles info",
)


def spent_s() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_ms(*command: str) -> float:
    best = float("inf")
    for _ in range(PROCESSES):
        before = spent_s()
        subprocess.run([sys.executable, *command], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        best = min(best, spent_s() - before)
    return best * 1000


def main() -> None:
    os.environ["PYTHONDONTWRITEBYTECODE"] = ""  # compiled modules are kept, as they are after an installation
    print(f"{cpu_ms('-c', 'pass'):8.0f} ms  python -c pass")
    for command in COMMANDS:
        print(f"{cpu_ms('-m', 'msgflux_like', *command.split()):8.0f} ms  msgflux-like {command}")


if __name__ == "__main__":
    main()
