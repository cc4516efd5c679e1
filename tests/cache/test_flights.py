"""Equal calls at once: one is sent, from whatever threads and event loops they come, and nobody waits in vain."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

import msgflux_like as mf
from msgflux_like._concurrency.single_flight import Role, SingleFlight, await_outcome
from msgflux_like._http.deadline import Deadline
from msgflux_like.errors import APITimeoutError, BadRequestError, OutputParsingError
from tests.provider import chat, chat_stream, stream, whole

PATIENCE_S = 20.0


class Gate:
    """A reply that waits until it is let through; `waiting` calls are known to wait for it."""

    def __init__(self, reply) -> None:
        self.arrived = threading.Event()
        self.through = threading.Event()
        self._reply = reply

    def __call__(self, _request):
        self.arrived.set()
        assert self.through.wait(PATIENCE_S)
        return self._reply


class Watched(SingleFlight):
    """Opens a gate when so many calls wait."""

    def __init__(self) -> None:
        super().__init__()
        self.expected = 0
        self.all_wait = threading.Event()
        self._seen = 0
        self._count = threading.Lock()

    def join(self, key, loop, *, may_wait):
        turn = super().join(key, loop, may_wait=may_wait)
        if not isinstance(turn, Role):
            with self._count:
                self._seen += 1
                if self._seen == self.expected:
                    self.all_wait.set()
        return turn

    def wait_for(self, number: int) -> None:
        with self._count:
            self.expected = number
            if self._seen >= number:
                self.all_wait.set()
        assert self.all_wait.wait(PATIENCE_S)


@pytest.fixture
def watched(provider, model_of, cache_in):
    """A model whose provider waits, the cache's flights, and the gate."""

    def make(reply, *more, **options):
        gate = Gate(reply)
        server = provider(gate, *more) if more else provider(gate)
        cache = cache_in()
        cache._engine.flights = Watched()
        model = model_of(server, cache=cache, **options)
        return model, server, gate, cache._engine.flights

    return make


def in_loops(count: int, pool: ThreadPoolExecutor, call):
    """`count` tasks of one event loop of its own."""

    async def main():
        return await asyncio.gather(*(call() for _ in range(count)), return_exceptions=True)

    return pool.submit(lambda: asyncio.run(main()))


def test_fifty_threads_and_fifty_tasks_of_two_loops_send_one_request(watched):
    model, server, gate, flights = watched(whole(chat("one")))
    with ThreadPoolExecutor(60) as pool:
        threads = [pool.submit(model, "hi") for _ in range(50)]
        loops = [in_loops(25, pool, lambda: model.acall("hi")) for _ in range(2)]
        flights.wait_for(99)
        gate.through.set()
        responses = [each.result() for each in threads] + [one for each in loops for one in each.result()]
    assert [response.consume() for response in responses] == ["one"] * 100
    assert len(server.requests) == 1
    assert sum(not response.metadata.cached for response in responses) == 1
    assert sum(response.cost for response in responses) == next(r.cost for r in responses if r.cost)
    info = model._response_cache.cache_info()
    assert (info.hits, info.misses) == (99, 1)
    assert len({id(response._answer) for response in responses}) == 100


def test_a_failure_is_everybodys_each_with_an_error_of_its_own(watched):
    model, server, gate, flights = watched(whole({"error": {"message": "no"}}, status=400))
    with ThreadPoolExecutor(10) as pool:
        threads = [pool.submit(model, "hi") for _ in range(4)]
        tasks = in_loops(4, pool, lambda: model.acall("hi"))
        flights.wait_for(7)
        gate.through.set()
        errors = [each.exception() for each in threads] + tasks.result()
    assert [type(error) for error in errors] == [BadRequestError] * 8
    assert {str(error) for error in errors} == {str(errors[0])}
    assert len({id(error) for error in errors}) == 8
    assert len(server.requests) == 1
    assert model._response_cache.cache_info().currsize == 0


def test_an_answer_that_cannot_be_read_is_one_for_each(watched):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    model, server, gate, flights = watched(whole(chat("no json")))
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(model, "hi", generation_schema=schema) for _ in range(4)]
        flights.wait_for(3)
        gate.through.set()
        errors = [each.exception() for each in calls]
    assert [type(error) for error in errors] == [OutputParsingError] * 4
    assert len({id(error.response) for error in errors}) == 4
    assert len(server.requests) == 1


@pytest.mark.parametrize("waits", ["thread", "task"])
def test_one_that_is_cancelled_while_it_sends_hands_over(watched, waits):
    model, server, gate, flights = watched(whole(chat("first")), whole(chat("second")))

    async def main(pool):
        leader = asyncio.ensure_future(model.acall("hi"))
        await asyncio.to_thread(gate.arrived.wait, PATIENCE_S)
        if waits == "thread":
            others = [asyncio.wrap_future(pool.submit(model, "hi")) for _ in range(3)]
        else:
            others = [asyncio.ensure_future(model.acall("hi")) for _ in range(3)]
        await asyncio.to_thread(flights.wait_for, 3)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        found = [(await other).consume() for other in others]
        gate.through.set()
        return found

    with ThreadPoolExecutor(4) as pool:
        assert asyncio.run(main(pool)) == ["second"] * 3
    assert len(server.requests) == 2


def test_one_that_is_cancelled_while_it_waits_is_no_trouble_for_others(watched):
    model, server, gate, flights = watched(whole(chat("one")))

    async def main():
        leader = asyncio.ensure_future(model.acall("hi"))
        await asyncio.to_thread(gate.arrived.wait, PATIENCE_S)  # else another may be the first where stores block
        others = [asyncio.ensure_future(model.acall("hi")) for _ in range(3)]
        await asyncio.to_thread(flights.wait_for, 3)
        others[1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await others[1]
        gate.through.set()
        return [(await each).consume() for each in (leader, others[0], others[2])]

    assert asyncio.run(main()) == ["one"] * 3
    assert len(server.requests) == 1


def test_all_that_wait_and_the_first_may_be_cancelled(watched):
    model, server, gate, flights = watched(whole(chat("one")), whole(chat("two")))

    async def main():
        calls = [asyncio.ensure_future(model.acall("hi")) for _ in range(4)]
        await asyncio.to_thread(flights.wait_for, 3)
        await asyncio.to_thread(gate.arrived.wait, PATIENCE_S)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        gate.through.set()
        return [call.cancelled() for call in calls]

    assert asyncio.run(main()) == [True] * 4
    assert flights._calls() == {}
    assert model("hi").consume() == "two"
    assert len(server.requests) == 2


def test_each_has_a_time_limit_of_its_own(watched):
    model, server, gate, _flights = watched(whole(chat("one")))
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(model, "hi")
        assert gate.arrived.wait(PATIENCE_S)
        with pytest.raises(APITimeoutError) as raised:
            model("hi", timeout=0.05)
        assert raised.value.phase == "total"
        with pytest.raises(APITimeoutError) as raised:
            asyncio.run(model.acall("hi", timeout=mf.Timeouts(first_event_s=0.05)))
        assert raised.value.phase == "first_event"
        assert (raised.value.provider, raised.value.model) == ("openai", "gpt-4o")
        gate.through.set()
        assert leader.result().consume() == "one"
    assert len(server.requests) == 1


def test_one_whose_own_time_is_over_hands_over(model_of, cache_in):
    """Its client says that the time is over when the other call waits."""
    cache, gate = cache_in(), Gate(None)
    cache._engine.flights = Watched()

    def reply(request):
        if not gate.arrived.is_set():
            gate(request)
            raise httpx2.ReadTimeout("")
        return httpx2.Response(200, json=chat("second"))

    with httpx2.Client(transport=httpx2.MockTransport(reply)) as client, ThreadPoolExecutor(2) as pool:
        model = model_of("http://127.0.0.1:1/v1", cache=cache, http_client=client)
        leader = pool.submit(model, "hi")
        assert gate.arrived.wait(PATIENCE_S)
        other = pool.submit(model, "hi")
        cache._engine.flights.wait_for(1)
        gate.through.set()
        assert isinstance(leader.exception(), APITimeoutError)
        assert other.result().consume() == "second"


def test_a_direct_call_inside_of_the_loop_that_it_would_wait_for_sends_for_itself(watched):
    model, server, gate, _flights = watched(whole(chat("late")), whole(chat("now")))

    async def main():
        leader = asyncio.ensure_future(model.acall("hi"))
        await asyncio.to_thread(gate.arrived.wait, PATIENCE_S)
        direct = model("hi").consume()
        gate.through.set()
        return direct, (await leader).consume()

    assert asyncio.run(main()) == ("now", "late")
    assert len(server.requests) == 2


def test_different_calls_do_not_wait_for_each_other(provider, model_of, cache_in):
    both = threading.Barrier(2, timeout=PATIENCE_S)

    def reply(request):
        both.wait()
        return whole(chat(request.body["messages"][0]["content"]))

    model = model_of(provider(reply), cache=cache_in())
    with ThreadPoolExecutor(2) as pool:
        assert [r.consume() for r in pool.map(model, ["a", "b"])] == ["a", "b"]


def test_streams_do_not_wait_for_each_other(provider, model_of, cache_in):
    both = threading.Barrier(2, timeout=PATIENCE_S)
    model = model_of(provider(lambda _: stream(both.wait, *chat_stream("a", "b").pieces)), cache=cache_in())
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: list(model("hi", stream=True).consume()), range(2)))
    assert found == [["a", "b"]] * 2
    assert model._response_cache.cache_info().misses == 2
    assert list(model("hi", stream=True).consume()) == ["a", "b"]
    assert model._response_cache.cache_info().hits == 1


def test_calls_past_the_cache_and_without_room_do_not_wait(provider, model_of):
    both = threading.Barrier(2, timeout=PATIENCE_S)

    def reply(_):
        both.wait()
        return whole(chat())

    server = provider(reply)
    for options, call in (
        ({"enable_cache": True}, {"use_cache": False}),
        ({"cache_size": 0, "enable_cache": True}, {}),
    ):
        model = model_of(server, **options)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _, model=model, call=call: model("hi", **call), range(2)))
    assert len(server.requests) == 4


# ---- the table itself


def test_a_place_that_was_left_is_passed_over():
    flights = SingleFlight()
    assert flights.join(b"k", None, may_wait=True) is Role.LEADER
    first, second = (flights.join(b"k", None, may_wait=True) for _ in range(2))
    flights.cancel(b"k", first)
    flights.promote(b"k")
    assert second.future.result(0) is Role.LEADER
    flights.cancel(b"k", second)  # it had its turn, and gave it back
    assert flights.join(b"k", None, may_wait=True) is Role.LEADER


def test_a_place_in_a_loop_that_is_closed_is_passed_over():
    flights = SingleFlight()
    loop = asyncio.new_event_loop()
    flights.join(b"k", None, may_wait=True)
    gone, here = flights.join(b"k", loop, may_wait=True), flights.join(b"k", None, may_wait=True)
    loop.close()
    flights.promote(b"k")
    assert not gone.future.done()
    assert here.future.result(0) is Role.LEADER


def test_a_loop_that_is_closed_in_flight_does_not_hold_up_those_that_come_after(watched):
    model, server, gate, flights = watched(whole(chat("lost")), whole(chat("second")))
    loop = asyncio.new_event_loop()
    task = loop.create_task(model.acall("hi"))
    loop.run_until_complete(asyncio.to_thread(gate.arrived.wait, PATIENCE_S))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(model, "hi", timeout=PATIENCE_S)
        flights.wait_for(1)
        loop.close()  # as nobody should: the task is still there
        assert model("hi", timeout=PATIENCE_S).consume() == "second"
        assert waiting.result().consume() == "second"
    gate.through.set()
    assert flights._calls() == {}
    assert len(server.requests) == 2
    task._log_destroy_pending = False


def test_nothing_is_left_of_a_flight(watched):
    model, _, gate, flights = watched(whole(chat("one")))
    gate.through.set()
    for n in range(20):
        model(str(n))
        asyncio.run(model.acall(str(n)))
    gc.collect()
    assert flights._calls() == {}


def test_a_turn_that_comes_in_the_moment_of_being_cancelled_is_handed_on():
    flights = SingleFlight()

    async def main():
        assert flights.join(b"k", None, may_wait=True) is Role.LEADER
        waiting = asyncio.ensure_future(await_outcome(flights, b"k", Deadline(mf.Timeouts())))
        await asyncio.sleep(0)
        flights.promote(b"k")  # the task learns of it in the loop's next round
        waiting.cancel()
        await asyncio.wait([waiting])
        return waiting.cancelled()

    assert asyncio.run(main())
    assert flights.join(b"k", None, may_wait=True) is Role.LEADER
