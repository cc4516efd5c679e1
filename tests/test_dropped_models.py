"""A model that is dropped while its event loop goes on, or just before it ends, leaves nothing open."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

PROGRAM = textwrap.dedent(
    """
    import asyncio, gc
    import msgflux_like as mf
    from tests.provider import Provider, chat, whole

    async def use(server, calls):
        model = mf.Model.chat_completion("openai/gpt-4o", base_url=server.base_url, api_key="sk-secret")
        await asyncio.gather(*(model.acall("hi") for _ in range(calls)))

    async def main(server, calls, steps):
        others = [asyncio.create_task(asyncio.Event().wait()) for _ in range(calls % 2)]
        await use(server, calls)
        for _ in range(steps):
            await asyncio.sleep(0)
        return others

    with Provider(whole(chat())) as server:
        for calls in (1, 2, 5):
            for steps in STEPS:
                asyncio.run(main(server, calls, steps))
                gc.collect()
    print("done")
    """
)


@pytest.mark.parametrize("steps", [range(4), range(4, 8), range(8, 12), [30]], ids=str)
def test_a_loop_that_ends_some_steps_after_its_model_was_dropped_leaves_nothing(steps):
    command = [sys.executable, "-W", "error", "-c", PROGRAM.replace("STEPS", repr(list(steps)))]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


def test_a_loop_that_goes_on_closes_the_connections_of_a_dropped_model(provider):
    import asyncio

    import msgflux_like as mf
    from tests.provider import chat, whole

    server = provider(whole(chat()))

    async def main():
        model = mf.Model.chat_completion("openai/gpt-4o", base_url=server.base_url, api_key="sk-secret")
        await asyncio.gather(*(model.acall("hi") for _ in range(3)))
        del model
        # The provider sees each connection end, and its threads with it, while this loop still runs.
        await asyncio.to_thread(lambda: [thread.join(20.0) for thread in server._threads[1:]])
        return [thread.is_alive() for thread in server._threads[1:]]

    assert asyncio.run(main()) == [False] * server.connections
