"""What looking up, searching and reckoning cost: CPU time in fresh processes, the best of several.

python benchmarks/bench_profiles.py
"""

from __future__ import annotations

import subprocess
import sys

PROCESSES = 7

SNIPPETS = {
    "first get_model_profile('gpt-4o', 'openai')": "get_model_profile('gpt-4o', 'openai')",
    "first get_model_profile('gpt-4o')": "get_model_profile('gpt-4o')",
    "first of a retired model": "get_model_profile('claude-3-5-sonnet-20241022', 'anthropic')",
    "first of an unknown model": "get_model_profile('no-such-model')",
    "first search of all models": "search_profiles(tools=True, input_modalities='image', max_output_per_million=5)",
    "all_profiles()": "all_profiles()",
    "1,000 later get_model_profile": "[get_model_profile('gpt-4o', 'openai') for _ in range(1000)]",
    "1,000 calculate": (
        "cost = get_model_profile('gpt-4o', 'openai').cost\n[cost.calculate(1000, 500) for _ in range(1000)]"
    ),
}


def cpu_ms(snippet: str) -> float:
    timed = (
        "from time import process_time\n"
        "from msgflux_like.catalog.profiles import *\n"
        f"before = process_time()\n{snippet}\nprint((process_time() - before) * 1000)"
    )
    return min(
        float(subprocess.run([sys.executable, "-c", timed], check=True, capture_output=True, text=True).stdout)
        for _ in range(PROCESSES)
    )


def main() -> None:
    for name, snippet in SNIPPETS.items():
        print(f"{cpu_ms(snippet):8.2f} ms  {name}")


if __name__ == "__main__":
    main()
