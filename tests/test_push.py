"""Streams that are pushed: to a callback, to a handler with state; every ending, both colours."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

import msgflux_like as mf
from msgflux_like import Timeouts, errors
from tests.provider import DONE, USAGE, chat_stream, delta, sse, stream, whole

PATIENCE_S = 20.0
BROKEN = sse({"error": {"message": "it broke", "code": 500}})


def pushed(colour, model, take, during=None, **call):
    """Call the model with `take` as the callback, and wait for the end; `during(response)` runs in between."""
    if colour.name == "sync":
        response = model("hi", stream=True, stream_to=take, **call)
        if during:
            during(response)
        try:
            assert response.wait(PATIENCE_S)
        except errors.APIError as error:
            assert error is response.error
        return response

    async def main():
        async def atake(event):
            take(event)

        response = await model.acall("hi", stream=True, stream_to=atake, **call)
        if during:
            during(response)
        try:
            assert await response.await_done(PATIENCE_S)
        except errors.APIError as error:
            assert error is response.error
        return response

    return asyncio.run(main())


def contents(events):
    return [event.data.choices[0].delta.content for event in events if isinstance(event, mf.StreamData)]


def endless(*texts):
    gate = threading.Event()
    return stream(*map(delta, texts or ("0 ", "1 ", "2 ")), gate, delta("never"), DONE), gate


# ---- what is told


def test_each_piece_is_told_and_then_the_end(colour, provider, model_of):
    events = []
    response = pushed(colour, model_of(provider(chat_stream("One", ", two"))), events.append)
    assert contents(events) == ["One", ", two", None]
    assert [type(event).__name__ for event in events] == ["StreamData"] * 3 + ["StreamFinish"]
    assert response.text == "One, two"
    assert response.done


def test_a_piece_is_a_chunk_as_openai_gives_it(colour, provider, model_of):
    events = []
    pushed(colour, model_of(provider(chat_stream("a", "b"))), events.append)
    first, second, last = (event.data for event in events[:3])
    assert (first.id, first.model, first.object) == ("chatcmpl-1", "m", "chat.completion.chunk")
    assert isinstance(first.created, int)
    assert [chunk.choices[0].delta.role for chunk in (first, second, last)] == ["assistant", None, None]
    assert [chunk.choices[0].finish_reason for chunk in (first, second, last)] == [None, None, "stop"]
    assert first.choices[0].index == 0


def test_every_chunk_has_a_choice_and_the_usage_is_in_the_metadata(colour, provider, model_of):
    events = []
    response = pushed(colour, model_of(provider(chat_stream("a"))), events.append)
    assert all(len(event.data.choices) == 1 for event in events[:-1])
    assert response.metadata.usage.total_tokens == 5


def test_tool_calls_are_told_with_id_and_name_once(colour, provider, model_of):
    def piece(arguments):
        return delta(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": arguments}}])

    events = []
    server = provider(stream(piece('{"x"'), piece(":1}"), delta(finish="stop"), DONE))
    tools = [{"type": "function", "function": {"name": "f"}}]
    response = pushed(colour, model_of(server), events.append, tool_schemas=tools)
    told = [event.data.choices[0].delta.tool_calls[0] for event in events[:2]]
    assert [(call.index, call.id, call.function.name, call.function.arguments) for call in told] == [
        (0, "c", "f", '{"x"'),
        (0, None, None, ":1}"),
    ]
    assert events[2].data.choices[0].finish_reason == "tool_calls"
    assert response.response_type == "tool_call"


def test_reasoning_and_refusals_are_told_beside_the_text(colour, provider, model_of):
    events = []
    server = provider(stream(delta(reasoning_content="Hm"), delta(refusal="No"), delta(finish="stop"), DONE))
    pushed(colour, model_of(server), events.append)
    assert events[0].data.choices[0].delta.reasoning_content == "Hm"
    assert events[1].data.choices[0].delta.refusal == "No"


@pytest.mark.parametrize("ending", [(BROKEN,), ()], ids=["an error event", "a clean cut"])
def test_a_failure_is_one_last_event(colour, provider, model_of, ending):
    events = []
    response = pushed(colour, model_of(provider(stream(delta("one"), *ending))), events.append)
    assert contents(events) == ["one"]
    assert isinstance(events[-1], mf.StreamError)
    assert events[-1].error is response.error
    assert events[-1].error.partial.text == "one"
    assert len(events) == 2
    assert not response.done


def test_the_end_is_told_once_when_there_is_no_end_mark(colour, provider, model_of):
    events = []
    pushed(colour, model_of(provider(stream(delta("a"), delta(finish="stop")))), events.append)
    assert [type(event).__name__ for event in events] == ["StreamData", "StreamData", "StreamFinish"]


def test_events_come_one_at_a_time_and_in_order(colour, provider, model_of):
    texts = [f"{n} " for n in range(500)]
    events, inside = [], threading.Lock()

    def take(event):
        assert inside.acquire(blocking=False)
        events.append(event)
        inside.release()

    pushed(colour, model_of(provider(chat_stream(*texts))), take)
    assert contents(events)[:-1] == texts


FAILURES = {
    "a wrong key": (whole({"error": {"message": "no"}}, status=401), errors.AuthenticationError),
    "an unknown model": (whole({"error": {"message": "no"}}, status=404), errors.NotFoundError),
    "a rate limit": (whole({"error": {"message": "slow down"}}, status=429), errors.RateLimitError),
    "a bad reply": (whole(b"[1, 2"), errors.APIError),
    "a page": (whole(b"<html>", content_type="text/html"), errors.BadReplyError),
    "an empty stream": (stream(), errors.TruncatedStreamError),
    "a failure in the first event": (stream(BROKEN), errors.APIError),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_failure_before_the_first_piece_is_one_event_and_is_raised_by_wait_and_result(
    colour, provider, model_of, what
):
    reply, kind = FAILURES[what]
    events = []
    response = pushed(colour, model_of(provider(reply)), events.append)
    assert isinstance(response.error, kind)
    assert events == [mf.StreamError(response.error)]
    assert not response.done
    for read in (response.result, lambda: asyncio.run(response.aresult()), lambda: asyncio.run(response.await_done())):
        if colour.name == "sync":
            with pytest.raises(kind) as caught:
                read()
            assert caught.value is response.error


def test_a_refused_connection_is_one_event(colour, model_of):
    events = []
    response = pushed(colour, model_of("http://127.0.0.1:9/v1"), events.append)
    assert isinstance(response.error, errors.APIConnectionError)
    assert events == [mf.StreamError(response.error)]


@pytest.mark.parametrize("replies", [1, 2])
def test_a_gateway_without_an_answer_is_one_event(colour, provider, model_of, replies):
    events = []
    models = [model_of(provider(whole({"error": {"message": "no"}}, status=401))) for _ in range(replies)]
    gateway = mf.ModelGateway(models)

    async def main():
        response = await gateway.acall("hi", stream=True, stream_to=events.append)
        with pytest.raises(errors.GatewayError) as caught:
            await response.await_done(PATIENCE_S)
        with pytest.raises(errors.GatewayError):
            await response.aresult()
        return response, caught.value

    if colour.name == "async":
        response, error = asyncio.run(main())
    else:
        response = gateway("hi", stream=True, stream_to=events.append)
        with pytest.raises(errors.GatewayError) as caught:
            response.wait(PATIENCE_S)
        with pytest.raises(errors.GatewayError):
            response.result()
        error = caught.value
    assert events == [mf.StreamError(error)]
    assert response.error is error


def test_wrong_arguments_are_raised_and_nothing_is_told(colour, provider, model_of):
    events = []
    with pytest.raises(TypeError):
        pushed(colour, model_of(provider(chat_stream("a"))), events.append, temprature=1)
    assert events == []


def test_the_call_returns_before_the_stream_ends(colour, provider, model_of):
    gate = threading.Event()
    server = provider(stream(delta("a"), gate, delta("b"), delta(finish="stop"), DONE))
    events = []

    def during(response):
        assert not response.done
        if colour.name == "sync":
            assert not response.wait(0)
        gate.set()

    assert pushed(colour, model_of(server), events.append, during).text == "ab"


def test_an_empty_answer_is_an_end(colour, provider, model_of):
    events = []
    response = pushed(colour, model_of(provider(stream(delta(finish="stop"), DONE))), events.append)
    assert contents(events) == [None]
    assert isinstance(events[-1], mf.StreamFinish)
    assert response.text == ""


def test_a_long_answer_and_characters_cut_in_their_bytes_arrive_whole(colour, provider, model_of):
    words = [f"wörd{n} 🙂 " for n in range(20_000)]
    wire = b"".join(sse(('{"choices":[{"delta":{"content":"' + word + '"}}]}').encode()) for word in words)
    pieces = [wire[at : at + 4099] for at in range(0, len(wire), 4099)]
    events = []
    response = pushed(colour, model_of(provider(stream(*pieces, delta(finish="stop"), DONE))), events.append)
    assert contents(events)[:-1] == words
    assert response.text == "".join(words)


def test_time_limits_hold(colour, provider, model_of):
    events = []
    reply, _ = endless()
    model = model_of(provider(reply), timeout=Timeouts(between_events_s=0.05))
    response = pushed(colour, model, events.append)
    assert isinstance(events[-1].error, errors.APITimeoutError)
    assert response.text == "0 1 2 "


def test_the_whole_text_may_be_read_from_elsewhere_meanwhile(colour, provider, model_of):
    events = []
    gate = threading.Event()
    model = model_of(provider(stream(delta("a"), gate, delta("b"), delta(finish="stop"), DONE)))
    if colour.name == "sync":
        response = model("hi", stream=True, stream_to=events.append)
        gate.set()
        assert list(response.consume()) == ["a", "b"]
        assert response.result().text == "ab"
    else:

        async def main():
            response = await model.acall("hi", stream=True, stream_to=events.append)
            gate.set()
            assert [piece async for piece in response.consume()] == ["a", "b"]
            assert (await response.aresult()).text == "ab"

        asyncio.run(main())
    assert contents(events) == ["a", "b", None]


def test_a_program_ends_after_its_streams(provider):
    """Nobody waits in it; the last word is heard all the same."""
    gate = threading.Event()
    server = provider(stream(delta("a"), gate.set, delta("b"), delta(finish="stop"), DONE))
    program = (
        "import sys, msgflux_like as mf\n"
        "model = mf.Model.chat_completion('openai/m', api_key='x', base_url=sys.argv[1])\n"
        "model('hi', stream=True, stream_to=lambda event: print(type(event).__name__))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, server.base_url],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["StreamData", "StreamData", "StreamData", "StreamFinish"]
    assert not done.stderr


# ---- callbacks that fail, are slow, or have had enough


def test_an_exception_in_a_callback_ends_it_and_is_raised_by_waiting(colour, provider, model_of):
    reply, _ = endless()
    server = provider(reply)
    events = []

    def take(event):
        events.append(event)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        pushed(colour, model_of(server), take)
    assert len(events) == 1
    assert server.hung_up.wait(PATIENCE_S)


def test_a_slow_callback_holds_the_reading(provider, model_of):
    """The text grows only as far as what was handed over: nobody reads ahead of a callback."""
    entered, gate = threading.Event(), threading.Event()
    second = threading.Event()
    events = []

    def take(event):
        events.append(event)
        entered.set()
        assert gate.wait(PATIENCE_S)

    model = model_of(provider(stream(delta("a"), second, delta("b"), delta(finish="stop"), DONE)))
    response = model("hi", stream=True, stream_to=take)
    assert entered.wait(PATIENCE_S)
    second.set()
    assert (response.text, len(events)) == ("a", 1)
    gate.set()
    assert response.wait(PATIENCE_S)
    assert response.text == "ab"


def test_nothing_is_told_after_cancel_has_returned(colour, provider, model_of):
    reply, gate = endless()
    server = provider(reply)
    events, third = [], threading.Event()

    def take(event):
        events.append(event)
        if len(events) == 3:
            third.set()

    if colour.name == "sync":

        def during(response):
            assert third.wait(PATIENCE_S)
            response.cancel()
            response.cancel()

        pushed(colour, model_of(server), take, during)
    else:

        async def main():
            response = await model_of(server).acall("hi", stream=True, stream_to=take)
            await asyncio.to_thread(third.wait, PATIENCE_S)
            response.cancel()
            assert await response.await_done(PATIENCE_S)

        asyncio.run(main())
    assert server.hung_up.wait(PATIENCE_S)
    gate.set()
    assert contents(events) == ["0 ", "1 ", "2 "]


def test_cancel_waits_for_the_callback_that_is_running(provider, model_of):
    reply, _ = endless()
    entered, gate, returned = threading.Event(), threading.Event(), []

    def take(event):
        entered.set()
        assert gate.wait(PATIENCE_S)
        returned.append(event)

    response = model_of(provider(reply))("hi", stream=True, stream_to=take)
    assert entered.wait(PATIENCE_S)
    cancelling = threading.Thread(target=response.cancel)
    cancelling.start()
    gate.set()
    cancelling.join(PATIENCE_S)
    assert len(returned) == 1
    assert response.wait(PATIENCE_S)
    assert len(returned) == 1


def test_a_callback_may_cancel(colour, provider, model_of):
    reply, _ = endless()
    server = provider(reply)
    events, known, responses = [], threading.Event(), []

    if colour.name == "sync":

        def take(event):
            events.append(event)
            assert known.wait(PATIENCE_S)
            responses[0].cancel()

        def during(response):
            responses.append(response)
            known.set()

        pushed(colour, model_of(server), take, during)
    else:

        async def main():
            async def take(event):
                events.append(event)
                responses[0].cancel()

            responses.append(await model_of(server).acall("hi", stream=True, stream_to=take))
            assert await responses[0].await_done(PATIENCE_S)

        asyncio.run(main())
    assert contents(events) == ["0 "]
    assert server.hung_up.wait(PATIENCE_S)


def test_a_callback_cannot_wait_for_its_own_stream(provider, model_of):
    responses, known = [], threading.Event()

    def take(_):
        assert known.wait(PATIENCE_S)
        responses[0].wait()

    responses.append(model_of(provider(chat_stream("a")))("hi", stream=True, stream_to=take))
    known.set()
    with pytest.raises(errors.StreamClosedError, match="cannot wait"):
        responses[0].wait(PATIENCE_S)


def test_an_async_callable_is_awaited_one_event_after_the_other(provider, model_of):
    log = []

    async def take(event):
        log.append("in")
        await asyncio.sleep(0)
        log.append("out")

    async def main():
        response = await model_of(provider(chat_stream("a", "b"))).acall("hi", stream=True, stream_to=take)
        assert await response.await_done()

    asyncio.run(main())
    assert log == ["in", "out"] * 4


def test_a_stream_of_a_direct_call_is_awaited_in_an_event_loop(provider, model_of):
    gate = threading.Event()
    model = model_of(provider(stream(delta("a"), gate, delta(finish="stop"), DONE)))

    async def main():
        response = model("hi", stream=True, stream_to=lambda _: None)
        assert not await response.await_done(0)
        asyncio.get_running_loop().call_soon(gate.set)  # were the loop blocked, this would never run
        assert await response.await_done()
        assert response.text == "a"

    asyncio.run(main())


def test_the_end_of_the_event_loop_ends_its_streams(provider, model_of):
    reply, _ = endless()
    server = provider(reply)
    model = model_of(server)

    async def main():
        await model.acall("hi", stream=True, stream_to=lambda _: None)

    asyncio.run(main())
    assert server.hung_up.wait(PATIENCE_S)


# ---- what is refused before anything is sent


def test_a_whole_answer_is_not_pushed(colour, provider, model_of):
    server = provider(chat_stream("a"))
    with pytest.raises(ValueError, match="stream_to needs stream=True"):
        colour.ask(model_of(server), "hi", stream_to=print)
    assert not server.requests


def test_what_cannot_be_told_is_refused(colour, provider, model_of):
    server = provider(chat_stream("a"))
    with pytest.raises(errors.InvalidRequestError, match=r"callable or a handler, not 3 \(int\)"):
        colour.ask(model_of(server), "hi", stream=True, stream_to=3)
    assert not server.requests


def test_an_async_function_needs_acall(provider, model_of):
    async def take(_):
        raise AssertionError

    server = provider(chat_stream("a"))
    with pytest.raises(errors.InvalidRequestError, match="use acall"):
        model_of(server)("hi", stream=True, stream_to=take)
    assert not server.requests


def test_a_handler_of_the_other_colour_is_refused(provider, model_of):
    model = model_of(provider(chat_stream("a")))
    handler = mf.StreamHandler.start()

    async def main():
        with pytest.raises(errors.InvalidRequestError, match="AsyncStreamHandler"):
            await model.acall("hi", stream=True, stream_to=handler)
        with pytest.raises(errors.InvalidRequestError, match="acall"):
            model("hi", stream=True, stream_to=mf.AsyncStreamHandler.start())

    asyncio.run(main())


def test_stream_to_is_not_sent(colour, provider, model_of):
    server = provider(chat_stream("a"))
    pushed(colour, model_of(server), lambda _: None)
    assert "stream_to" not in server.requests[0].body


def test_nobody_waits_for_a_stream_that_is_not_pushed(provider, model_of):
    response = model_of(provider(chat_stream("a")))("hi", stream=True)
    with pytest.raises(errors.StreamClosedError, match="stream_to"):
        response.wait()
    assert response.result().text == "a"


# ---- handlers with state


class Collect(mf.StreamHandler):
    def handle_data(self, data, state):
        return {**state, "text": state["text"] + (data.choices[0].delta.content or ""), "on": threading.get_ident()}

    def handle_error(self, error, state):
        return {**state, "error": error, "same": state.get("on") in (None, threading.get_ident())}

    def handle_finish(self, state):
        return {**state, "finished": True, "same": state["on"] == threading.get_ident()}


class ACollect(mf.AsyncStreamHandler):
    async def handle_data(self, data, state):
        await asyncio.sleep(0)
        return {**state, "text": state["text"] + (data.choices[0].delta.content or "")}

    async def handle_error(self, error, state):
        return {**state, "error": error}

    async def handle_finish(self, state):
        return {**state, "finished": True}


def handled(colour, model):
    """The state of a collecting handler at the end, and the response."""
    if colour.name == "sync":
        handler = Collect.start({"text": ""})
        assert handler.is_alive()
        response = model("hi", stream=True, stream_to=handler)
        assert handler.join(PATIENCE_S)
        with suppress(errors.StreamFailedError):
            assert response.wait(PATIENCE_S)
        assert not handler.is_alive()
        return handler.get_state(), response

    async def main():
        handler = ACollect.start({"text": ""})
        assert handler.is_alive()
        response = await model.acall("hi", stream=True, stream_to=handler)
        assert await handler.join(PATIENCE_S)
        with suppress(errors.StreamFailedError):
            assert await response.await_done(PATIENCE_S)
        assert not handler.is_alive()
        return await handler.get_state(), response

    return asyncio.run(main())


def test_a_handler_keeps_a_state_on_one_thread_of_its_own(colour, provider, model_of):
    texts = [f"{n} " for n in range(300)]  # more than its mailbox holds
    state, response = handled(colour, model_of(provider(chat_stream(*texts))))
    assert state["text"] == response.text == "".join(texts)
    assert state["finished"]
    if colour.name == "sync":
        assert state["same"]
        assert state["on"] != threading.get_ident()


def test_a_handler_is_told_a_failure(colour, provider, model_of):
    state, _ = handled(colour, model_of(provider(stream(delta("one"), BROKEN))))
    assert state["text"] == "one"
    assert isinstance(state["error"], errors.StreamFailedError)
    assert "finished" not in state


def test_a_handler_ends_with_a_call_that_fails(provider, model_of):
    handler = Collect.start({"text": ""})
    model = model_of(provider(whole({"error": {"message": "no"}}, status=500)))
    response = model("hi", stream=True, stream_to=handler)
    assert handler.join(PATIENCE_S)
    assert handler.get_state()["error"] is response.error
    with pytest.raises(errors.ServerError):
        response.wait(PATIENCE_S)


def test_none_leaves_the_state_as_it_is(provider, model_of):
    handler = mf.StreamHandler.start("as it was")
    model_of(provider(chat_stream("a")))("hi", stream=True, stream_to=handler)
    assert handler.join(PATIENCE_S)
    assert handler.get_state() == "as it was"


def test_the_state_is_that_after_all_that_was_delivered(provider, model_of):
    begun, gate, server_gate = threading.Event(), threading.Event(), threading.Event()

    class Slow(mf.StreamHandler):
        def handle_data(self, data, state):
            begun.set()
            assert gate.wait(PATIENCE_S)
            return state + (data.choices[0].delta.content or "")

    handler = Slow.start("")
    model = model_of(provider(stream(delta("a"), server_gate, delta(finish="stop"), DONE)))
    response = model("hi", stream=True, stream_to=handler)
    assert begun.wait(PATIENCE_S)
    threading.Timer(0, gate.set).start()
    assert handler.get_state() == "a"
    assert not handler.join(0)
    server_gate.set()
    assert response.wait(PATIENCE_S)


def test_an_exception_in_a_handler_is_raised_by_whoever_waits(colour, provider, model_of):
    reply, _ = endless()
    server = provider(reply)
    model = model_of(server)

    if colour.name == "sync":

        class Bad(mf.StreamHandler):
            def handle_data(self, data, state):
                raise KeyError("mine")

        handler = Bad.start()
        response = model("hi", stream=True, stream_to=handler)
        for wait in (response.wait, handler.join):
            with pytest.raises(KeyError, match="mine"):
                wait(PATIENCE_S)
    else:

        class ABad(mf.AsyncStreamHandler):
            async def handle_data(self, data, state):
                raise KeyError("mine")

        async def main():
            handler = ABad.start()
            response = await model.acall("hi", stream=True, stream_to=handler)
            for wait in (response.await_done, handler.join):
                with pytest.raises(KeyError, match="mine"):
                    await wait(PATIENCE_S)

        asyncio.run(main())
    assert server.hung_up.wait(PATIENCE_S)


@pytest.mark.parametrize("colour_", ["sync", "async"])
def test_a_slow_handler_holds_the_reading_at_a_full_mailbox(provider, model_of, colour_):
    """Of 1000 pieces in 1000 writes, a handler that is stuck in its first has the next few waiting, and no more."""
    count = 1000
    gate = threading.Event()
    seen = []
    model = model_of(provider(chat_stream(*["x"] * count)))

    class Stuck(mf.StreamHandler):
        def handle_data(self, data, state):
            assert gate.wait(PATIENCE_S)
            seen.append(len(self._mail))

    class AStuck(mf.AsyncStreamHandler):
        async def handle_data(self, data, state):
            await asyncio.to_thread(gate.wait, PATIENCE_S)
            seen.append(self._mail.qsize())

    if colour_ == "sync":
        handler = Stuck.start()
        response = model("hi", stream=True, stream_to=handler)
        gate.set()
        assert response.wait(PATIENCE_S)
    else:

        async def main():
            response = await model.acall("hi", stream=True, stream_to=AStuck.start())
            gate.set()
            assert await response.await_done(PATIENCE_S)

        asyncio.run(main())
    assert len(seen) == count + 1
    assert max(seen) <= 64


def test_cancelling_ends_a_handler_that_is_behind(colour, provider, model_of):
    """Its full mailbox is dropped, and the reader that waits for room in it is let go."""
    gate, full = threading.Event(), threading.Event()
    seen = []
    model = model_of(provider(stream(*[delta("x")] * 200, full.set, threading.Event())))

    if colour.name == "sync":

        class Stuck(mf.StreamHandler):
            def handle_data(self, data, state):
                seen.append(1)
                assert gate.wait(PATIENCE_S)

        handler = Stuck.start()
        response = model("hi", stream=True, stream_to=handler)
        assert full.wait(PATIENCE_S)
        cancelling = threading.Thread(target=response.cancel)
        cancelling.start()
        gate.set()
        cancelling.join(PATIENCE_S)
        told = len(seen)
        assert response.wait(PATIENCE_S)
        assert handler.join(PATIENCE_S)
        assert len(seen) == told <= 200
    else:

        class AStuck(mf.AsyncStreamHandler):
            async def handle_data(self, data, state):
                seen.append(1)
                await asyncio.Event().wait()

        async def main():
            handler = AStuck.start()
            response = await model.acall("hi", stream=True, stream_to=handler)
            await asyncio.to_thread(full.wait, PATIENCE_S)
            response.cancel()
            assert await response.await_done(PATIENCE_S)
            assert await handler.join(PATIENCE_S)
            assert len(seen) == 1

        asyncio.run(main())


def test_a_handler_may_cancel_its_stream(colour, provider, model_of):
    model = model_of(provider(stream(*[delta("x")] * 200, threading.Event())))
    seen, responses, known = [], [], threading.Event()

    if colour.name == "sync":

        class Enough(mf.StreamHandler):
            def handle_data(self, data, state):
                seen.append(1)
                assert known.wait(PATIENCE_S)
                responses[0].cancel()

        handler = Enough.start()
        responses.append(model("hi", stream=True, stream_to=handler))
        known.set()
        assert handler.join(PATIENCE_S)
        assert responses[0].wait(PATIENCE_S)
    else:

        class AEnough(mf.AsyncStreamHandler):
            async def handle_data(self, data, state):
                seen.append(1)
                responses[0].cancel()

        async def main():
            handler = AEnough.start()
            responses.append(await model.acall("hi", stream=True, stream_to=handler))
            assert await handler.join(PATIENCE_S)
            assert await responses[0].await_done(PATIENCE_S)

        asyncio.run(main())
    assert seen == [1]


def test_a_handler_has_one_stream(provider, model_of):
    server = provider(chat_stream("a"))
    model = model_of(server)
    handler = mf.StreamHandler.start()
    model("hi", stream=True, stream_to=handler)
    assert handler.join(PATIENCE_S)
    with pytest.raises(errors.StreamClosedError, match="start another"):
        model("hi", stream=True, stream_to=handler)
    assert len(server.requests) == 1


# ---- events, pulled


def test_events_come_as_they_are_sent(colour, provider, model_of):
    gate = threading.Event()
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    rest = (delta(reasoning_content="r"), delta(tool_calls=[call]), delta(finish="stop"), USAGE, DONE)
    reply = stream(delta("a"), gate, *rest)
    model = model_of(provider(reply))
    seen = []

    def took(event):
        seen.append(type(event).__name__)
        if seen[-1] == "TextDelta":
            gate.set()  # the rest is sent only now

    if colour.name == "sync":
        response = model("hi", stream=True)
        for event in response.events():
            took(event)
        assert [type(event).__name__ for event in response.events()] == seen
    else:

        async def main():
            async for event in (await model.acall("hi", stream=True)).events():
                took(event)

        asyncio.run(main())
    assert [name for name in seen if name not in ("Started", "Replied")] == [
        "TextDelta",
        "ReasoningDelta",
        "ToolCallDelta",
        "Finished",
        "TokenUsage",
    ]


def test_events_that_were_read_before_are_told_all_the_same(provider, model_of):
    response = model_of(provider(chat_stream("a", "b")))("hi", stream=True)
    assert list(response.consume()) == ["a", "b"]
    names = [type(event).__name__ for event in response.events()]
    assert names == ["Started", "TextDelta", "TextDelta", "TokenUsage", "Finished"]
    assert [type(event).__name__ for event in response.result().events()] == names


def test_leaving_the_events_closes_the_connection(provider, model_of):
    reply, _ = endless()
    server = provider(reply)
    for _ in model_of(server)("hi", stream=True).events():
        break
    assert server.hung_up.wait(PATIENCE_S)
