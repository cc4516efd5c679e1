"""Streams: pulled from threads and event loops, left early, cut, delayed, and whole at their end."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from msgflux_like import Timeouts
from msgflux_like.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    RateLimitError,
    StreamClosedError,
    StreamFailedError,
    TruncatedStreamError,
)
from tests.provider import DONE, USAGE, chat, chat_stream, delta, sse, stream, whole

PATIENCE_S = 20.0


def test_the_pieces_are_the_answer(colour, provider, model_of):
    model = model_of(provider(chat_stream("One", ", two", ", three")))
    pieces, response = colour.pieces(model, "Count to 3")
    assert pieces == ["One", ", two", ", three"]
    assert response.text == "One, two, three"
    assert response.done
    assert response.metadata.usage == {"completion_tokens": 2, "prompt_tokens": 3, "total_tokens": 5}
    assert response.metadata.finish_reason == "stop"


def test_usage_is_asked_for(colour, provider, model_of):
    server = provider(chat_stream("a"))
    colour.pieces(model_of(server), "hi")
    assert server.requests[0].body["stream"] is True
    assert server.requests[0].body["stream_options"] == {"include_usage": True}


def test_a_piece_is_handed_out_while_the_next_has_not_been_sent(colour, provider, model_of):
    gates = [threading.Event() for _ in range(3)]
    texts = ["one ", "two ", "three "]
    server = provider(
        stream(
            *(step for text, gate in zip(texts, gates, strict=True) for step in (delta(text), gate)),
            delta(finish="stop"),
            DONE,
        )
    )
    model = model_of(server)
    seen = []

    def took(piece):
        seen.append(piece)
        gates[len(seen) - 1].set()  # the server sends the next one only now

    if colour.name == "sync":
        for piece in model("hi", stream=True).consume():
            took(piece)
    else:

        async def read():
            async for piece in (await model.acall("hi", stream=True)).consume():
                took(piece)

        asyncio.run(read())
    assert seen == texts


def test_a_stream_of_a_direct_call_is_read_in_an_event_loop_without_blocking_it(provider, model_of):
    gate = threading.Event()
    model = model_of(provider(stream(delta("one"), gate, delta(" two"), delta(finish="stop"), DONE)))

    async def read():
        response = model("hi", stream=True)
        pieces = []
        async for piece in response.consume():
            pieces.append(piece)
            # Were the loop blocked by the read that is waiting now, this would never run.
            asyncio.get_running_loop().call_later(0, gate.set)
        return pieces

    assert asyncio.run(read()) == ["one", " two"]


def test_a_stream_of_acall_cannot_be_read_with_a_plain_loop(provider, model_of):
    model = model_of(provider(chat_stream("a", "b")))

    async def read():
        response = await model.acall("hi", stream=True)
        with pytest.raises(StreamClosedError, match="async for"):
            list(response.consume())
        await response.aclose()

    asyncio.run(read())


def test_a_stream_of_acall_belongs_to_its_event_loop(provider, model_of):
    gate = threading.Event()
    model = model_of(provider(stream(delta("a"), gate, delta(finish="stop"), DONE)))

    async def begin():
        return await model.acall("hi", stream=True)

    async def read(response):
        return [piece async for piece in response.consume()]

    response = asyncio.run(begin())
    with pytest.raises(StreamClosedError, match="another event loop"):
        asyncio.run(read(response))
    gate.set()


def test_an_error_status_is_raised_by_the_call(colour, provider, model_of):
    server = provider(whole({"error": {"message": "slow down", "code": "rate_limited"}}, status=429, x_request_id="r1"))
    with pytest.raises(RateLimitError, match="slow down") as caught:
        colour.ask(model_of(server), "hi", stream=True)
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (429, "rate_limited", "r1")


def test_an_error_before_the_first_piece_is_raised_by_the_call(colour, provider, model_of):
    server = provider(stream(sse({"id": "1", "choices": []}), sse({"error": {"message": "overloaded"}})))
    with pytest.raises(APIError, match="overloaded"):
        colour.ask(model_of(server), "hi", stream=True)


def test_an_error_before_the_first_piece_is_tried_again(colour, provider, model_of):
    server = provider(
        stream(sse({"id": "1", "choices": []}), sse({"error": {"message": "x", "type": "overloaded_error"}})),
        chat_stream("fine"),
    )
    pieces, response = colour.pieces(model_of(server, max_retries=1), "hi")
    assert pieces == ["fine"]
    assert response.metadata.attempts == 2


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        ((sse({"error": {"message": "it broke", "code": 500}}),), StreamFailedError),
        ((), TruncatedStreamError),
    ],
    ids=["an error event", "a clean end"],
)
def test_what_ends_a_stream_too_early_is_raised_after_the_pieces(colour, provider, model_of, ending, kind):
    server = provider(stream(delta("one"), delta(" two"), *ending))
    model = model_of(server, max_retries=3)
    seen = []
    with pytest.raises(kind) as caught:
        if colour.name == "sync":
            for piece in model("hi", stream=True).consume():
                seen.append(piece)
        else:

            async def read():
                async for piece in (await model.acall("hi", stream=True)).consume():
                    seen.append(piece)

            asyncio.run(read())
    assert seen == ["one", " two"]
    assert caught.value.partial.text == "one two"
    assert caught.value.partial.metadata.finish_reason is None
    assert len(server.requests) == 1, "a stream is never begun again once a piece was handed out"


@pytest.mark.parametrize("how", ["cut", "reset"])
def test_a_broken_connection_is_an_error_with_the_partial_answer(colour, provider, model_of, how):
    gate = threading.Event()
    server = provider(stream(delta("one"), gate, delta(" two"), **{how: True}))
    model = model_of(server)

    def read_sync():
        for _ in model("hi", stream=True).consume():
            gate.set()

    async def read_async():
        async for _ in (await model.acall("hi", stream=True)).consume():
            gate.set()

    with pytest.raises(APIConnectionError) as caught:
        read_sync() if colour.name == "sync" else asyncio.run(read_async())
    assert caught.value.partial.text.startswith("one")


@pytest.mark.parametrize(
    "evidence",
    [(delta(finish="stop"),), (USAGE,), (DONE,)],
    ids=["a finish reason", "a usage report", "the end mark"],
)
def test_any_one_sign_of_completeness_is_enough(colour, provider, model_of, evidence):
    pieces, response = colour.pieces(model_of(provider(stream(delta("all of it"), *evidence))), "hi")
    assert pieces == ["all of it"]
    assert response.done


def test_an_empty_stream_is_an_error(colour, provider, model_of):
    with pytest.raises(TruncatedStreamError):
        colour.ask(model_of(provider(stream())), "hi", stream=True)


def test_an_empty_answer_is_an_empty_text(colour, provider, model_of):
    pieces, response = colour.pieces(model_of(provider(stream(delta(finish="stop"), DONE))), "hi")
    assert pieces == []
    assert response.text == ""


def test_a_whole_reply_to_a_request_for_a_stream_is_the_answer(colour, provider, model_of):
    pieces, response = colour.pieces(model_of(provider(whole(chat("all at once")))), "hi")
    assert pieces == ["all at once"]
    assert response.metadata.usage.total_tokens == 28


def test_text_and_tool_calls_in_one_piece_lose_neither(colour, provider, model_of):
    calls = [
        {"index": n, "id": f"c{n}", "type": "function", "function": {"name": name, "arguments": '{"x":1}'}}
        for n, name in enumerate(("f", "g"))
    ]
    server = provider(stream(delta("Let me see.", tool_calls=calls), delta(finish="tool_calls"), USAGE, DONE))
    model = model_of(server)
    tools = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]
    pieces, response = colour.pieces(model, "hi", tool_schemas=tools)
    assert pieces == ["Let me see."]
    aggregator = response.consume() if colour.name == "sync" else asyncio.run(response.aresult()).consume()
    assert [(call.id, call.name, call.arguments) for call in aggregator.get_calls()] == [
        ("c0", "f", {"x": 1}),
        ("c1", "g", {"x": 1}),
    ]
    assert response.metadata.usage.total_tokens == 5


def test_tool_calls_of_a_stream_are_there_at_once(provider, model_of):
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    model = model_of(provider(stream(delta(tool_calls=[call]), delta(finish="tool_calls"), DONE)))
    response = model("hi", tool_schemas=[{"type": "function", "function": {"name": "f"}}], stream=True)
    aggregator = response.consume()
    assert [each["function"]["name"] for each in aggregator.get_calls()] == ["f"]
    aggregator.insert_results("c", "done")
    assert aggregator.get_messages()[1] == {"role": "tool", "tool_call_id": "c", "content": "done"}


def test_reasoning_is_a_stream_of_its_own(provider, model_of):
    model = model_of(
        provider(stream(delta(reasoning_content="Hm"), delta("Yes", reasoning_content="."), delta(finish="stop"), DONE))
    )
    response = model("hi", stream=True)
    assert list(response.consume_reasoning()) == ["Hm", "."]
    assert list(response.consume()) == ["Yes"]
    assert (response.text, response.reasoning) == ("Yes", "Hm.")


def test_two_tasks_may_read_one_stream(provider, model_of):
    gate = threading.Event()
    model = model_of(
        provider(
            stream(
                delta("a", reasoning_content="x"), gate, delta("b", reasoning_content="y"), delta(finish="stop"), DONE
            )
        )
    )

    async def main():
        response = await model.acall("hi", stream=True)

        async def read(consumer):
            return [piece async for piece in consumer]

        tasks = [asyncio.create_task(read(each)) for each in (response.consume(), response.consume_reasoning())]
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == [["a", "b"], ["x", "y"]]


def test_a_finished_stream_can_be_read_again(provider, model_of):
    response = model_of(provider(chat_stream("a", "b")))("hi", stream=True)
    assert list(response.consume()) == list(response.consume()) == ["a", "b"]
    assert response.result() is response.result()
    assert response.result().consume() == "ab"


# ---- leaving early


def endless():
    gate = threading.Event()
    return stream(*(delta(f"{n} ") for n in range(3)), gate, delta("never"), DONE), gate


def test_leaving_the_loop_closes_the_connection(colour, provider, model_of):
    reply, _ = endless()
    server = provider(reply)
    model = model_of(server)

    def leave():
        for _ in model("hi", stream=True).consume():
            break

    async def aleave():
        async for _ in (await model.acall("hi", stream=True)).consume():
            break
        await asyncio.to_thread(server.hung_up.wait, PATIENCE_S)  # while the loop runs, not because it ends

    leave() if colour.name == "sync" else asyncio.run(aleave())
    assert server.hung_up.wait(PATIENCE_S)


def test_an_exception_in_the_loop_closes_the_connection(provider, model_of):
    reply, _ = endless()
    server = provider(reply)
    model = model_of(server)

    def fail():
        for _ in model("hi", stream=True).consume():
            raise KeyError("mine")

    with pytest.raises(KeyError):
        fail()
    assert server.hung_up.wait(PATIENCE_S)


@pytest.mark.parametrize("ending", ["close", "cancel", "with", "drop"])
def test_a_stream_that_nobody_reads_to_its_end_is_closed(provider, model_of, ending):
    reply, _ = endless()
    server = provider(reply)
    response = model_of(server)("hi", stream=True)
    if ending == "with":
        with response:
            pass
    elif ending == "drop":
        del response
        gc.collect()
    else:
        getattr(response, ending)()
        getattr(response, ending)()
        with pytest.raises(StreamClosedError, match="closed before its end"):
            list(response.consume())
    assert server.hung_up.wait(PATIENCE_S)


@pytest.mark.parametrize("ending", ["aclose", "async with", "drop"])
def test_a_stream_of_acall_that_nobody_reads_to_its_end_is_closed(provider, model_of, ending):
    reply, _ = endless()
    server = provider(reply)
    model = model_of(server)

    async def begin():
        response = await model.acall("hi", stream=True)
        if ending == "async with":
            async with response:
                pass
        elif ending == "aclose":
            await response.aclose()
            await response.aclose()
        else:
            del response
            gc.collect()
        assert await asyncio.to_thread(server.hung_up.wait, PATIENCE_S)

    asyncio.run(begin())


def test_cancelling_the_reading_task_closes_the_connection(colour, provider, model_of):
    reply, _ = endless()
    server = provider(reply)
    model = model_of(server)

    async def main():
        begun = asyncio.Event()

        async def read():
            response = model("hi", stream=True) if colour.name == "sync" else await model.acall("hi", stream=True)
            async for piece in response.consume():
                if piece == "2 ":
                    begun.set()

        task = asyncio.create_task(read())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.hung_up.wait, PATIENCE_S)

    asyncio.run(main())


def test_cancelling_a_whole_call_closes_the_connection(provider, model_of):
    gate = threading.Event()
    reply = whole(chat())
    reply.pieces, reply.framing = [b" ", gate], "chunked"
    server = provider(reply)
    model = model_of(server)

    async def main():
        task = asyncio.create_task(model.acall("hi"))
        while not server.requests:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.hung_up.wait, PATIENCE_S)

    asyncio.run(main())


def test_close_from_another_thread_ends_a_read_that_is_waiting(provider, model_of):
    reply, _ = endless()
    server = provider(reply)
    response = model_of(server)("hi", stream=True)
    seen, failure = [], []

    def read():
        try:
            for piece in response.consume():
                seen.append(piece)
                if piece == "2 ":
                    reading.set()
        except StreamClosedError as error:
            failure.append(error)

    reading = threading.Event()
    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(PATIENCE_S)
    response.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert (seen, len(failure)) == (["0 ", "1 ", "2 "], 1)
    assert server.hung_up.wait(PATIENCE_S)


# ---- time


def test_a_pause_that_is_too_long_ends_the_stream(colour, provider, model_of):
    reply, _ = endless()
    model = model_of(provider(reply), timeout=Timeouts(between_events_s=0.05))
    with pytest.raises(APITimeoutError, match=r"paused for more than 0\.05 s") as caught:
        colour.pieces(model, "hi")
    assert caught.value.phase == "between_events"
    assert caught.value.partial.text == "0 1 2 "


def test_keepalive_comments_do_not_count_as_pieces(colour, provider, model_of):
    gate = threading.Event()
    model = model_of(
        provider(stream(*[b": keepalive\n\n"] * 3, gate)), timeout=Timeouts(first_event_s=0.05), max_retries=0
    )
    with pytest.raises(APITimeoutError, match="no part of the answer arrived within") as caught:
        colour.ask(model, "hi", stream=True)
    assert caught.value.phase == "first_event"


def test_a_slow_reader_is_not_a_slow_provider(colour, provider, model_of):
    """The time between two pieces is counted only while someone waits for the next one."""
    model = model_of(provider(chat_stream("a", "b", "c")), timeout=Timeouts(between_events_s=0.2))

    def read():
        for _ in model("hi", stream=True).consume():
            threading.Event().wait(0.25)

    async def aread():
        async for _ in (await model.acall("hi", stream=True)).consume():
            await asyncio.to_thread(threading.Event().wait, 0.25)

    read() if colour.name == "sync" else asyncio.run(aread())


def test_the_total_time_ends_a_stream_that_dribbles(colour, provider, model_of):
    done = threading.Event()

    def dribble():
        n = 0
        while not done.is_set():
            n += 1
            yield delta(f"{n} ")
            done.wait(0.01)

    reply = stream()
    reply.pieces = dribble()
    model = model_of(provider(reply), timeout=0.2)
    try:
        with pytest.raises(APITimeoutError, match=r"longer than 0\.2 s in all") as caught:
            colour.pieces(model, "hi")
    finally:
        done.set()
    assert caught.value.phase == "total"
    assert caught.value.partial.text.startswith("1 2 ")


def test_a_connection_is_used_again_after_a_stream_was_read_to_its_end(provider, model_of):
    server = provider(chat_stream("a"))
    model = model_of(server)
    for _ in range(3):
        list(model("hi", stream=True).consume())
    assert server.connections == 1


def test_the_end_of_the_body_is_not_waited_for(colour, provider, model_of):
    """After the end mark a server may keep the connection open without ending the body."""
    gate = threading.Event()
    server = provider(stream(delta("all"), delta(finish="stop"), DONE, gate))
    pieces, _ = colour.pieces(model_of(server, timeout=Timeouts(between_events_s=PATIENCE_S)), "hi")
    assert pieces == ["all"]
    gate.set()


def test_two_hundred_streams_in_one_event_loop_all_make_progress(provider, model_of):
    """Each stream goes on only when all have begun: were any of them to wait its turn, none would end."""
    count = 200
    begun, gate = [], threading.Event()
    lock = threading.Lock()

    def arrived():
        with lock:
            begun.append(1)
            if len(begun) == count:
                gate.set()

    model = model_of(provider(lambda _: stream(delta("a"), arrived, gate, delta("b"), delta(finish="stop"), DONE)))

    async def one():
        return [piece async for piece in (await model.acall("hi", stream=True)).consume()]

    async def main():
        return await asyncio.gather(*(one() for _ in range(count)))

    assert asyncio.run(main()) == [["a", "b"]] * count


@pytest.mark.parametrize("reader", ["threads", "one event loop"])
def test_fifty_streams_of_direct_calls_all_make_progress(provider, model_of, reader):
    count = 50
    begun, gate = [], threading.Event()
    lock = threading.Lock()

    def arrived():
        with lock:
            begun.append(1)
            if len(begun) == count:
                gate.set()

    model = model_of(provider(lambda _: stream(delta("a"), arrived, gate, delta("b"), delta(finish="stop"), DONE)))
    results = []

    if reader == "threads":

        def read():
            results.append(list(model("hi", stream=True).consume()))

        threads = [threading.Thread(target=read) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
    else:

        async def aread(response):
            results.append([piece async for piece in response.consume()])

        async def main():
            await asyncio.gather(*(aread(model("hi", stream=True)) for _ in range(count)))

        asyncio.run(main())
    assert results == [["a", "b"]] * count
