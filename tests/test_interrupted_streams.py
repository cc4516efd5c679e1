"""A reading that is interrupted leaves the answer unfinished: no reader and no cache takes a part for the whole."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading

import pytest

from msgflux_like.errors import MsgfluxError, StreamClosedError
from msgflux_like.testing import FakeModel
from tests.provider import DONE, delta, stream

WHOLE = "not really safe"


@pytest.fixture
def gated(provider, model_of):
    """A model whose stream stops in the middle until the gate opens."""
    gate = threading.Event()
    pieces = (delta("not "), delta("really "), gate, delta("safe"), delta(finish="stop"), DONE)
    server = provider(stream(*pieces), stream(*pieces))
    yield model_of(server, enable_cache=True), gate, server
    gate.set()


async def _timed_out(response):
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(response.aresult(), 0.2)


async def _cancelled(response):
    reading = asyncio.create_task(response.aresult())
    await asyncio.sleep(0.2)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def _left_loop(response):
    async for _ in response.consume():
        break
    await asyncio.sleep(0.1)


async def _raised_in_loop(response):
    pieces = aiter(response.consume())
    with pytest.raises(ZeroDivisionError):
        async for _ in pieces:
            raise ZeroDivisionError
    await pieces.aclose()


async def _closed(response):
    await response.aclose()


@pytest.mark.parametrize("interrupt", [_timed_out, _cancelled, _left_loop, _raised_in_loop, _closed])
@pytest.mark.parametrize("opened", ["call", "acall"])
def test_an_interrupted_answer_is_unfinished_for_everyone(gated, interrupt, opened):
    model, gate, server = gated

    async def run():
        response = await model.acall("q", stream=True) if opened == "acall" else model("q", stream=True)
        await interrupt(response)
        gate.set()
        assert not response.done
        for read in (response.aresult, response.aresult):
            with pytest.raises(StreamClosedError):
                await read()
        with pytest.raises(StreamClosedError):
            [piece async for piece in response.consume()]
        again = await model.acall("q", stream=True)
        return (await again.aresult()).text

    assert asyncio.run(run()) == WHOLE
    assert len(server.requests) == 2, "the interrupted answer was not kept in the cache"


def test_a_reader_that_waits_for_its_turn_may_be_cancelled_without_harm_to_the_others(gated):
    model, gate, _ = gated

    async def run():
        response = await model.acall("q", stream=True)
        first, second = (asyncio.create_task(response.aresult()) for _ in range(2))
        await asyncio.sleep(0.2)
        second.cancel()
        await asyncio.sleep(0.05)
        gate.set()
        return (await first).text

    assert asyncio.run(run()) == WHOLE


def test_a_reader_is_told_that_another_one_was_cancelled_in_the_middle_of_a_read(gated):
    model, gate, _ = gated

    async def run():
        response = await model.acall("q", stream=True)
        first, second = (asyncio.create_task(response.aresult()) for _ in range(2))
        await asyncio.sleep(0.2)
        first.cancel()
        gate.set()
        with pytest.raises(StreamClosedError):
            await second

    asyncio.run(run())


def test_the_next_piece_after_a_time_limit_is_an_error_and_not_the_end(gated):
    model, _, _ = gated

    async def run():
        pieces = (await model.acall("q", stream=True)).consume()
        for iterator in (pieces, aiter(pieces)):
            with pytest.raises((asyncio.TimeoutError, StreamClosedError)):
                while True:
                    await asyncio.wait_for(anext(iterator), 0.2)
            with pytest.raises(StreamClosedError):
                await anext(iterator)

    asyncio.run(run())


def test_an_exception_of_a_signal_handler_leaves_the_answer_unfinished(gated, monkeypatch):
    model, gate, _ = gated
    response = model("q", stream=True)
    take = response._take

    def interrupted(batch):
        take(batch)
        raise KeyboardInterrupt

    monkeypatch.setattr(response, "_take", interrupted)
    pieces = iter(response.consume())
    gate.set()
    with pytest.raises(KeyboardInterrupt):
        list(pieces)
    monkeypatch.undo()
    assert not response.done
    with pytest.raises(StreamClosedError):
        response.result()
    with pytest.raises(StreamClosedError):
        list(pieces)


def test_a_mistake_of_the_caller_is_all_that_is_printed(gated):
    _, gate, server = gated
    program = f"""
        import asyncio
        import msgflux_like as mf

        model = mf.Model.chat_completion("openai/gpt-4o", api_key="k", base_url={server.base_url!r}, max_retries=0)

        async def main():
            stream = await model.acall("q", stream=True)
            {{read}}
            raise ValueError("mine")

        try:
            asyncio.run(main())
        except ValueError as error:
            print(error)
    """
    for read in ("pass", "await anext(stream.consume())"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(program).replace("{read}", read)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.stdout.strip(), done.stderr) == ("mine", "")
    gate.set()


def test_a_stream_of_acall_has_only_an_async_iterator():
    """Django's StreamingHttpResponse asks for `iter` first, and for `aiter` after a TypeError."""

    async def run():
        response = await FakeModel([["a", "b"]]).acall("q", stream=True)
        for pieces in (response.consume(), response.events()):
            with pytest.raises(TypeError, match="acall"):
                iter(pieces)
        with pytest.raises(MsgfluxError):
            iter(response.consume())
        return [piece async for piece in response.consume()]

    assert asyncio.run(run()) == ["a", "b"]


def test_pieces_are_an_iterator_too():
    pieces = FakeModel([["a", "b", "c"]])("q", stream=True).consume()
    assert next(pieces) == "a"
    assert next(pieces) == "b"
    assert list(pieces) == ["a", "b", "c"]
    assert next(pieces) == "c"
    with pytest.raises(StopIteration):
        next(pieces)
