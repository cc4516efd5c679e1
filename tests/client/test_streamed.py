"""A streamed answer: its chunks, its end, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading

import pytest

import msgflux_like as mf
from msgflux_like import errors
from msgflux_like.client import raw
from tests.client.conftest import USER
from tests.provider import DONE, USAGE, chat, chat_stream, delta, sse, stream, whole

WIRE = b"".join(
    (
        delta("One", role="assistant"),
        b": a comment\n\n",
        delta(" tw\u00f6", role="assistant"),
        delta(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}], role="assistant"),
        delta(tool_calls=[{"index": 0, "function": {"arguments": "}"}}]),
        delta(finish="tool_calls"),
        USAGE,
        DONE,
    )
)


def texts(chunks):
    return [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]


def opened(server, **words):
    client = mf.Client("sk-secret", base_url=server.base_url, max_retries=0)
    return client.chat.completions.create(model="m", messages=USER, stream=True, **words)


def test_the_chunks_come_as_they_were_sent(provider, streamed):
    server = provider(chat_stream("One", " two"))
    chunks, read = streamed(server)
    assert texts(chunks) == ["One", " two"]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, "stop"]
    assert (chunks[0].id, chunks[0].model, chunks[0].choices[0].index) == ("chatcmpl-1", "m", 0)
    assert all(isinstance(chunk, mf.ChatCompletionChunk) for chunk in chunks)
    assert server.requests[0].body["stream"] is True
    assert read.usage.total_tokens == 5


def test_the_role_is_told_once(provider, streamed):
    chunks, _ = streamed(provider(stream(WIRE)))
    assert [chunk.choices[0].delta.role for chunk in chunks] == ["assistant", None, None, None, None]


def test_every_chunk_has_a_choice_though_the_usage_is_asked_for_and_known(provider, streamed):
    chunks, read = streamed(provider(stream(sse({"choices": [], "prompt_filter_results": []}), WIRE)))
    assert all(chunk.choices for chunk in chunks)
    assert read.usage == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def test_who_asks_for_a_chunk_with_the_usage_gets_it(provider, streamed):
    server = provider(stream(WIRE))
    chunks, _ = streamed(server, stream_options={"include_usage": True})
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == 5


def test_what_the_caller_says_of_the_stream_counts(provider, streamed):
    server = provider(stream(delta("x"), delta(finish="stop"), DONE))
    _, read = streamed(server, stream_options={"include_usage": False})
    assert server.requests[0].body["stream_options"] == {"include_usage": False}
    assert read.usage is None


def test_usage_beside_the_last_choice_is_found_as_well(provider, streamed):
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"usage": {"total_tokens": 4}}}
    chunks, read = streamed(provider(stream(delta("x"), sse(last), DONE)))
    assert len(chunks) == 2
    assert read.usage.total_tokens == 4


def test_it_does_not_matter_where_the_network_cuts():
    expected = [event.json for event in _told([WIRE])]
    for cut in range(1, len(WIRE)):
        assert [event.json for event in _told([WIRE[:cut], WIRE[cut:]])] == expected


def _told(pieces):
    from msgflux_like.dialects import load

    decoder = raw.RawDialect(load("openai_chat"), "choices").decoder()
    events = list(itertools.chain.from_iterable(map(decoder.feed, pieces))) + decoder.close()
    assert decoder.complete
    return [event for event in events if isinstance(event, raw.RawReply)]


def test_a_server_that_does_not_stream_gives_one_chunk(provider, streamed):
    chunks, read = streamed(provider(whole(chat("Hello"))))
    assert texts(chunks) == ["Hello"]
    assert chunks[0].choices[0].finish_reason == "stop"
    assert read.usage.total_tokens == 28


def test_an_error_event_raises_after_the_chunks_before_it(provider, colour):
    server = provider(stream(delta("1, "), delta("2, "), sse({"error": {"message": "broken", "code": "x"}})))
    client = colour.Client("sk-secret", base_url=server.base_url, max_retries=0)
    seen = []

    def read():
        with client, client.chat.completions.create(model="m", messages=USER, stream=True) as chunks:
            for chunk in chunks:
                seen.append(chunk)

    async def aread():
        async with client, await client.chat.completions.create(model="m", messages=USER, stream=True) as chunks:
            async for chunk in chunks:
                seen.append(chunk)

    with pytest.raises(errors.StreamFailedError, match="broken") as raised:
        asyncio.run(aread()) if colour.name == "async" else read()
    assert texts(seen) == ["1, ", "2, "]
    assert raised.value.code == "x"


def test_an_error_before_the_first_chunk_is_raised_by_the_call(provider):
    with pytest.raises(errors.BadRequestError, match="no such thing"):
        opened(provider(stream(sse({"error": {"message": "no such thing", "type": "invalid_request_error"}}))))


def test_a_stream_that_breaks_off_is_an_error(provider, streamed):
    with pytest.raises(errors.TruncatedStreamError):
        streamed(provider(stream(delta("half"))))
    with pytest.raises(errors.APIConnectionError):
        streamed(provider(stream(delta("half"), cut=True)))


@pytest.mark.parametrize("data", [b"[1]", b"{", b'"x"'])
def test_a_chunk_that_is_none_is_an_error(provider, streamed, data):
    with pytest.raises(errors.BadReplyError):
        streamed(provider(stream(delta("x"), sse(data))))


def test_a_stream_without_end_is_bounded(provider, streamed, monkeypatch):
    monkeypatch.setattr(raw, "MAX_CHUNKS", 3)
    with pytest.raises(errors.BadReplyError, match="more than 3 chunks"):
        streamed(provider(chat_stream("a", "b", "c", "d")))


def test_a_stream_is_read_once_and_closes_itself(provider):
    read = opened(provider(chat_stream("a", "b")))
    assert texts(read) == ["a", "b"]
    assert repr(read) == "Stream(closed)"
    assert list(read) == []
    read.close()
    read.close()


def test_a_closed_stream_gives_nothing(provider):
    with opened(provider(chat_stream("a", "b"))) as read:
        assert next(read).choices[0].delta.content == "a"
    assert list(read) == []
    with pytest.raises(StopIteration):
        next(read)


def test_next_and_a_loop_share_one_stream(provider):
    read = opened(provider(chat_stream("a", "b")))
    assert next(read).choices[0].delta.content == "a"
    assert texts(read) == ["b"]


def test_leaving_the_loop_closes_the_connection(provider):
    server = provider(stream(delta("a"), threading.Event()))
    for _ in opened(server):
        break
    assert server.hung_up.wait(10)


def test_a_stream_that_is_dropped_is_closed(provider):
    server = provider(stream(delta("a"), threading.Event()))
    read = opened(server)
    del read
    gc.collect()
    assert server.hung_up.wait(10)


def test_leaving_an_async_loop_closes_the_connection(provider):
    server = provider(stream(delta("a"), threading.Event()))

    async def read():
        client = mf.AsyncClient("sk-secret", base_url=server.base_url)
        async with await client.chat.completions.create(model="m", messages=USER, stream=True) as chunks:
            async for _ in chunks:
                break
            return chunks

    chunks = asyncio.run(read())
    assert server.hung_up.wait(10)
    assert repr(chunks) == "AsyncStream(closed)"


def test_closing_ends_a_loop_that_waits_in_another_thread(provider):
    server = provider(stream(delta("a"), threading.Event()))
    read = opened(server)
    began, seen = threading.Event(), []

    def loop():
        for chunk in read:
            seen.append(chunk)
            began.set()

    thread = threading.Thread(target=loop)
    thread.start()
    assert began.wait(10)
    read.close()
    thread.join(10)
    assert not thread.is_alive()
    assert texts(seen) == ["a"]


def test_a_chunk_is_handed_out_before_the_next_one_is_sent(provider):
    gate = threading.Event()
    server = provider(stream(delta("a"), gate, delta("b"), delta(finish="stop"), DONE))
    read = opened(server)
    assert next(read).choices[0].delta.content == "a"
    gate.set()
    assert texts(read) == ["b"]


def test_async_streams_are_read_side_by_side(provider):
    first, second = threading.Event(), threading.Event()
    server = provider(
        lambda request: stream(
            delta(request.body["messages"][0]["content"]),
            first if request.body["messages"][0]["content"] == "1" else second,
            delta(finish="stop"),
        )
    )

    async def run():
        async with mf.AsyncClient("sk-secret", base_url=server.base_url) as client:
            one, two = [
                await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": text}], stream=True
                )
                for text in ("1", "2")
            ]
            heads = [await anext(one), await anext(two)]
            second.set()
            rest = [chunk async for chunk in two]
            first.set()
            return texts(heads), len(rest), len([chunk async for chunk in one])

    assert asyncio.run(run()) == (["1", "2"], 1, 1)


def test_cancelling_a_task_that_reads_closes_the_connection(provider):
    server = provider(stream(delta("a"), threading.Event()))

    async def run():
        client = mf.AsyncClient("sk-secret", base_url=server.base_url)
        read = await client.chat.completions.create(model="m", messages=USER, stream=True)
        assert (await anext(read)).choices[0].delta.content == "a"
        waiting = asyncio.ensure_future(anext(read))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return repr(read)

    assert asyncio.run(run()) == "AsyncStream(closed)"
    assert server.hung_up.wait(10)


def test_an_async_stream_that_nobody_reads_is_closed_with_its_loop(provider):
    server = provider(stream(delta("a"), threading.Event()))

    async def run():
        client = mf.AsyncClient("sk-secret", base_url=server.base_url)
        await client.chat.completions.create(model="m", messages=USER, stream=True)

    asyncio.run(run())
    assert server.hung_up.wait(10)


def test_an_async_stream_can_be_closed_without_waiting(provider):
    server = provider(stream(delta("a"), threading.Event()))

    async def run():
        client = mf.AsyncClient("sk-secret", base_url=server.base_url)
        read = await client.chat.completions.create(model="m", messages=USER, stream=True)
        read.abort()
        await read.close()
        await read.aclose()
        return [chunk async for chunk in read]

    assert asyncio.run(run()) == []
    assert server.hung_up.wait(10)


def test_a_request_that_takes_too_long_ends(provider, asked, streamed):
    server = provider(stream(threading.Event()))
    with pytest.raises(errors.APITimeoutError):
        asked(server, timeout=0.05)
    gate = stream(delta("a"), threading.Event())
    with pytest.raises(errors.APITimeoutError):
        streamed(provider(gate), client={"timeout": mf.Timeouts(between_events_s=0.05)})
