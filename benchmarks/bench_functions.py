"""How many of our own functions a call passes before the request is sent, and which.

python benchmarks/bench_functions.py
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import msgflux_like as mf
from msgflux_like._http.connections import Transport
from msgflux_like._http.steps import Head


class Sent(Exception):  # noqa: N818
    """Raised where the request would leave."""


def main() -> None:
    model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-x", temperature=0)
    seen: list[str] = []

    def watch(frame: Any, event: str, _: Any) -> None:
        if event == "call" and "/msgflux_like/" in frame.f_code.co_filename:
            seen.append(f"{frame.f_code.co_filename.rpartition('/msgflux_like/')[2]}:{frame.f_code.co_qualname}")

    def opened(*_: Any) -> Head:
        sys.setprofile(None)
        raise Sent

    Transport.open = opened  # the seam: what comes after it is the HTTP client's
    for round_ in range(2):  # the first call fills caches
        seen.clear()
        sys.setprofile(watch)
        with contextlib.suppress(Sent):
            model([{"role": "user", "content": "Hello!"}])
        if round_:
            files = {name.partition(":")[0] for name in seen}
            print(f"{len(seen)} own functions in {len(files)} files before the send:")
            print("\n".join(f"  {name}" for name in seen))


if __name__ == "__main__":
    main()
