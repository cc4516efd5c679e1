"""A recording is made of real traffic, and replayed with nobody at the other end: everything is as it was."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest

import msgflux_like as mf
from msgflux_like import Timeouts
from msgflux_like._http.deadline import Deadline
from msgflux_like._http.steps import Head, WireError
from msgflux_like.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    CassetteError,
    InvalidRequestError,
    RateLimitError,
)
from msgflux_like.request import HttpRequest
from msgflux_like.testing import Cassette
from msgflux_like.testing.replayed import ReplayedReply
from tests.provider import DONE, Reply, chat, chat_stream, delta, sse, stream, whole

WIRE = Path(__file__).parents[1] / "wire"
PATHS = {
    "openai_chat": "openai/gpt-4o",
    "openai_responses": "openai-responses/gpt-4o",
    "anthropic_messages": "anthropic/claude-haiku-4-5",
}
KEY = "sk-a-key-that-nobody-may-read"
PATIENCE_S = 20.0
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}


def wire(dialect: str, request: Any) -> Reply:
    """The recorded bytes of a provider: a text, or a call where there are tools; streams cut at odd places."""
    case = WIRE / dialect / ("tool_call" if request.body.get("tools") else "text")
    if not request.body.get("stream"):
        return whole((case / "reply.json").read_bytes())
    case = WIRE / dialect / ("tool_call_streamed" if request.body.get("tools") else "stream")
    body = (case / "reply.sse").read_bytes()
    return stream(*(body[start : start + 97] for start in range(0, len(body), 97)))


def said(response: Any) -> dict[str, Any]:
    """All that there is in a response."""
    response = response.result() if hasattr(response, "result") else response
    return {
        "events": response.events(),
        "metadata": response.metadata,
        "calls": [dict(call) for call in response.tool_calls.get_calls()],
        "cost": response.cost,
    }


def failed(error: APIError) -> dict[str, Any]:
    """All that there is in an error."""
    facts = {name: value for name, value in vars(error).items() if name != "partial"}
    return {"kind": type(error), "text": str(error), **facts, "partial": error.partial and error.partial.text}


@pytest.fixture
def twice(tmp_path, provider, model_of):
    """Records what `ask` does with a model, and does it again with the provider gone."""

    def run(ask: Any, *replies: Any, path: str = "openai/gpt-4o", **options: Any) -> tuple[Any, Any]:
        server = provider(*replies)
        model = model_of(server, path, **{"api_key": KEY, **options})
        file = tmp_path / "it.jsonl"
        with Cassette(file):
            live = ask(model)
        server.close()
        assert KEY.encode() not in file.read_bytes()
        with Cassette(file, "replay") as cassette:
            replayed = ask(model)
        assert cassette.unused == ()
        return live, replayed

    return run


# ---- everything is as it was


@pytest.mark.parametrize("tools", [None, [TOOL]], ids=["text", "call"])
@pytest.mark.parametrize("dialect", PATHS)
def test_a_whole_answer_comes_back_as_it_was(colour, twice, dialect, tools):
    live, replayed = twice(
        lambda model: said(colour.ask(model, "hi", tool_schemas=tools)),
        lambda request: wire(dialect, request),
        path=PATHS[dialect],
    )
    assert live == replayed
    assert bool(live["calls"]) is bool(tools)


@pytest.mark.parametrize("tools", [None, [TOOL]], ids=["text", "call"])
@pytest.mark.parametrize("dialect", PATHS)
def test_a_stream_comes_back_in_the_same_pieces(colour, twice, dialect, tools):
    def ask(model):
        pieces, response = colour.pieces(model, "hi", tool_schemas=tools)
        return pieces, said(response)

    live, replayed = twice(ask, lambda request: wire(dialect, request), path=PATHS[dialect])
    assert live == replayed
    assert len(live[0]) > 1 or tools


def test_the_reads_of_the_network_are_kept_one_by_one(twice, tmp_path):
    body = b"".join([delta("One"), delta("two", "stop"), DONE])
    cuts = [body[:5], body[5:90], body[90:]]
    twice(lambda model: list(model("hi", stream=True).consume()), stream(*cuts))
    lines = [json.loads(line) for line in (tmp_path / "it.jsonl").read_text("utf-8").splitlines()]
    assert [line["text"].encode() for line in lines if line["line"] == "piece"] == cuts


def test_a_stream_that_is_pushed_is_replayed(twice):
    def ask(model):
        told: list[Any] = []
        response = model("hi", stream=True, stream_to=told.append)
        assert response.wait(PATIENCE_S)
        return [type(event) for event in told], response.text

    live, replayed = twice(ask, chat_stream("One", " two"))
    assert live == replayed
    assert live[1] == "One two"


def test_an_answer_of_a_type_is_replayed_and_checked(colour, twice):
    def ask(model):
        return colour.ask(model, "Where?", generation_schema=dict[str, str]).parsed

    answer = {"value": [{"key": "city", "value": "Paris"}]}
    live, replayed = twice(ask, whole(chat(json.dumps(answer))))
    assert live == replayed == {"city": "Paris"}


def test_a_tool_loop_is_replayed_round_by_round(twice):
    def get_weather(city: str) -> str:
        return f"sunny in {city}"

    function = {"name": "get_weather", "arguments": '{"city":"Paris"}'}
    call = {"id": "c1", "type": "function", "function": function}
    live, replayed = twice(
        lambda model: mf.run_tools(model, "The weather?", [get_weather]).messages,
        whole(chat(None, "tool_calls", tool_calls=[call])),
        whole(chat("Sunny.")),
    )
    assert live == replayed
    assert live[-1]["content"] == "Sunny."


def test_a_retry_is_replayed_like_the_answer_after_it(colour, twice):
    live, replayed = twice(
        lambda model: said(colour.ask(model, "hi")),
        whole({"error": {"message": "slower"}}, 429, retry_after="0"),
        whole(chat()),
        max_retries=1,
    )
    assert live == replayed
    assert live["metadata"].attempts == 2


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (whole({"error": {"message": "no", "code": "bad"}}, 401, x_request_id="r1"), AuthenticationError),
        (whole({"error": {"message": "slower"}}, 429, retry_after="Sat, 21 Nov 2099 10:00:00 GMT"), RateLimitError),
        (stream(delta("One"), cut=True), APIConnectionError),
        (stream(delta("One"), sse({"error": {"message": "it broke"}})), APIError),
        (stream(delta("One")), APIError),
        (Reply(200, {}, [], reset=True), APIError),
    ],
    ids=["refused", "to be retried much later", "cut", "failed in the stream", "truncated", "reset"],
)
def test_an_error_is_replayed_as_it_was(colour, twice, reply, kind):
    def ask(model):
        with pytest.raises(kind) as raised:
            colour.pieces(model, "hi")
        return failed(raised.value)

    live, replayed = twice(ask, reply)
    assert live == replayed


def test_nobody_there_is_replayed_as_nobody_there(tmp_path, provider, model_of, colour):
    server = provider(whole(chat()))
    server.close()
    for mode in ("record", "replay"):
        with Cassette(tmp_path / "it.jsonl", mode):
            with pytest.raises(APIConnectionError) as raised:
                colour.ask(model_of(server), "hi")
            assert raised.value.status is None


def test_a_timeout_is_replayed_without_being_waited_for(colour, twice):
    def ask(model):
        with pytest.raises(APITimeoutError) as raised:
            colour.pieces(model, "hi", timeout=Timeouts(first_event_s=0.05))
        return failed(raised.value)

    live, replayed = twice(ask, stream(threading.Event()))
    assert live == replayed
    assert live["phase"] == "first_event"


def test_binary_and_broken_bytes_are_kept_too(colour, twice):
    live, replayed = twice(lambda model: _error_of(colour, model), Reply(200, {}, [b"\xff\xfe\x00", b"{"]))
    assert live == replayed


def _error_of(colour, model):
    with pytest.raises(APIError) as raised:
        colour.ask(model, "hi")
    return failed(raised.value)


# ---- whose requests


def test_models_made_before_and_inside_in_threads_and_loops_are_recorded(tmp_path, provider, model_of):
    server = provider(lambda request: whole(chat(request.body["messages"][0]["content"])))
    before = model_of(server)

    def everywhere():
        answers: list[str] = []
        thread = threading.Thread(target=lambda: answers.append(before("thread").text))
        thread.start()
        thread.join(PATIENCE_S)

        async def several():
            return [each.text for each in await asyncio.gather(before.acall("one"), model_of(server).acall("two"))]

        return answers + asyncio.run(several()) + [model_of(server)("inside").text]

    with Cassette(tmp_path / "it.jsonl"):
        live = everywhere()
    server.close()
    with Cassette(tmp_path / "it.jsonl"):
        assert everywhere() == live == ["thread", "one", "two", "inside"]


def test_outside_of_the_block_requests_go_to_the_network(tmp_path, provider, model_of):
    server = provider(whole(chat("live")))
    model = model_of(server)
    with Cassette(tmp_path / "it.jsonl"):
        model("hi")
    assert model("something else").text == "live"
    assert len(server.requests) == 2


def test_the_innermost_block_counts(tmp_path, provider, model_of):
    model = model_of(provider(whole(chat())))
    with Cassette(tmp_path / "outer.jsonl"), Cassette(tmp_path / "inner.jsonl"):
        model("hi")
    assert not (tmp_path / "outer.jsonl").exists()
    assert (tmp_path / "inner.jsonl").exists()


def test_one_model_is_attached_and_writes_at_once(colour, tmp_path, provider, model_of):
    server = provider(whole(chat("live")))
    model = Cassette(tmp_path / "it.jsonl").attach(model_of(server))
    colour.ask(model, "hi")
    colour.ask(model_of(server), "this one is not recorded")
    server.close()
    again = Cassette(tmp_path / "it.jsonl", "replay")
    assert colour.ask(again.attach(model_of(server)), "hi").text == "live"
    assert again.unused == ()


def test_a_cassette_is_an_http_client(colour, tmp_path, provider, model_of):
    server = provider(whole(chat("live")))
    colour.ask(model_of(server, http_client=Cassette(tmp_path / "it.jsonl")), "hi")
    server.close()
    assert colour.ask(model_of(server, http_client=Cassette(tmp_path / "it.jsonl", "replay")), "hi").text == "live"


def test_a_client_of_ones_own_sends_what_is_recorded(tmp_path, provider, model_of):
    server = provider(whole(chat("live")))
    with httpx2.Client(headers={"x-mine": "yes"}) as client:
        cassette = Cassette(tmp_path / "it.jsonl")
        assert model_of(server, http_client=cassette.client(client))("hi").text == "live"
        with cassette:
            assert model_of(server, http_client=client)("hello").text == "live"
    assert [request.headers["x-mine"] for request in server.requests] == ["yes", "yes"]
    server.close()
    with Cassette(tmp_path / "it.jsonl", "replay"):
        assert model_of(server)("hi").text == model_of(server)("hello").text == "live"


def test_an_async_client_of_ones_own_sends_what_is_recorded(tmp_path, provider, model_of):
    server = provider(whole(chat("live")))

    async def main(cassette):
        async with httpx2.AsyncClient() as client:
            return (await model_of(server, http_client=cassette.client(client)).acall("hi")).text

    assert asyncio.run(main(Cassette(tmp_path / "it.jsonl"))) == "live"
    server.close()
    assert asyncio.run(main(Cassette(tmp_path / "it.jsonl"))) == "live"


# ---- which request is which


def test_an_unknown_request_is_an_error_that_says_where_it_differs(colour, tmp_path, provider, model_of):
    model = model_of(provider(whole(chat())), max_retries=3)
    with Cassette(tmp_path / "it.jsonl"):
        colour.ask(model, "A secret question", temperature=0)
        colour.ask(model, "Another", tool_schemas=[TOOL], tool_choice="required")
    with Cassette(tmp_path / "it.jsonl"), pytest.raises(CassetteError) as raised:
        colour.ask(model, "A secret questioN", temperature=0.5)
    error = raised.value
    assert error.nearest == 1
    assert error.differences == (
        "$.messages[0].content (a text of 17 characters; recorded: a text of 17 characters)",
        "$.temperature (0.5; recorded: 0)",
    )
    assert "secret" not in str(error)
    assert not isinstance(error, APIError)


def test_the_order_of_fields_and_the_port_of_loopback_do_not_count(tmp_path, provider, model_of):
    one, two = provider(whole(chat("one"))), provider(whole(chat("two")))
    with Cassette(tmp_path / "it.jsonl"):
        model_of(one)("hi", extra_body={"a": 1, "b": {"c": 2, "d": 3}})
    with Cassette(tmp_path / "it.jsonl"):
        assert model_of(two)("hi", extra_body={"b": {"d": 3, "c": 2}, "a": 1}).text == "one"
    assert two.requests == []


def test_another_host_is_another_request(tmp_path, provider, model_of):
    with Cassette(tmp_path / "it.jsonl"):
        model_of(provider(whole(chat())))("hi")
    elsewhere = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-x", base_url="https://api.example/v1")
    with Cassette(tmp_path / "it.jsonl"), pytest.raises(CassetteError, match=r"https://api\.example/v1"):
        elsewhere("hi")


def test_equal_requests_are_answered_in_order_and_the_last_again_and_again(tmp_path, provider, model_of):
    model = model_of(provider(*(whole(chat(text)) for text in ("one", "two"))))
    with Cassette(tmp_path / "it.jsonl"):
        assert [model("hi").text for _ in range(2)] == ["one", "two"]
    with Cassette(tmp_path / "it.jsonl") as cassette:
        assert [model("hi").text for _ in range(4)] == ["one", "two", "two", "two"]
        assert cassette.unused == ()


def test_what_nobody_asked_for_is_unused(tmp_path, provider, model_of):
    model = model_of(provider(whole(chat())))
    with Cassette(tmp_path / "it.jsonl"):
        model("one"), model("two"), model("three")
    with Cassette(tmp_path / "it.jsonl") as cassette:
        model("two")
    assert cassette.unused == (1, 3)


def test_a_reply_that_was_left_early_is_not_read_further(tmp_path, provider, model_of):
    model = model_of(provider(stream(delta("One"), delta("two"), threading.Event())))
    with Cassette(tmp_path / "it.jsonl"), model("hi", stream=True) as response:
        assert next(iter(response.consume())) == "One"
    with Cassette(tmp_path / "it.jsonl"):
        with model("hi", stream=True) as response:
            assert next(iter(response.consume())) == "One"
        with pytest.raises(CassetteError, match="not read to its end when it was recorded"):
            list(model("hi", stream=True).consume())


def test_a_read_that_ends_because_it_was_cancelled_is_no_failure_of_the_connection(tmp_path):
    http, clock = HttpRequest("https://api.example/v1", {}, b"{}"), Deadline(Timeouts())
    waiting = ReplayedReply(Head(200), [], WireError("the connection was shut down"))
    reply = Cassette(tmp_path / "it.jsonl").open(http, clock, lambda *_: waiting)
    reply.abort()
    with pytest.raises(WireError):
        reply.read(clock)
    reply.close()
    assert '{"line":"end","how":"left"}' in (tmp_path / "it.jsonl").read_text("utf-8")


# ---- modes


def test_replay_needs_a_recording(tmp_path):
    with pytest.raises(CassetteError, match=r"there is no recording it\.jsonl"):
        Cassette(tmp_path / "it.jsonl", "replay")


def test_a_mode_that_is_none_is_an_error(tmp_path):
    with pytest.raises(InvalidRequestError, match="auto, replay, record, new"):
        Cassette(tmp_path / "it.jsonl", "once")


def test_record_begins_anew(tmp_path, provider, model_of):
    model = model_of(provider(*(whole(chat(text)) for text in ("old", "new"))))
    with Cassette(tmp_path / "it.jsonl"):
        model("hi")
    with Cassette(tmp_path / "it.jsonl", "record"):
        assert model("hi").text == "new"
    with Cassette(tmp_path / "it.jsonl"):
        assert model("hi").text == "new"


def test_new_replays_what_is_known_and_adds_what_is_not(tmp_path, provider, model_of):
    server = provider(*(whole(chat(text)) for text in ("one", "two")))
    model = model_of(server)
    with Cassette(tmp_path / "it.jsonl"):
        model("1")
    with Cassette(tmp_path / "it.jsonl", "new"):
        assert [model("1").text, model("2").text] == ["one", "two"]
    server.close()
    with Cassette(tmp_path / "it.jsonl"):
        assert [model("2").text, model("1").text] == ["two", "one"]


def test_a_block_that_ends_with_an_api_error_keeps_nothing_of_itself(tmp_path, provider, model_of):
    replies = [whole(chat()), whole(chat()), whole({"error": {"message": "no"}}, 401)]
    model = model_of(provider(*replies))
    cassette = Cassette(tmp_path / "it.jsonl")
    with cassette:
        model("kept")
    before = (tmp_path / "it.jsonl").read_bytes()
    with pytest.raises(AuthenticationError), cassette:
        model("lost"), model("refused")
    assert (tmp_path / "it.jsonl").read_bytes() == before


class MyError(Exception):
    pass


def test_an_api_error_counts_whatever_was_made_of_it(tmp_path, provider, model_of):
    model = model_of(provider(whole({"error": {"message": "no"}}, 401)))

    def wrapped():
        try:
            model("hi")
        except APIError as error:
            raise MyError from error

    async def grouped():
        async with asyncio.TaskGroup() as group:
            group.create_task(model.acall("hi"))

    with pytest.raises(MyError), Cassette(tmp_path / "it.jsonl"):
        wrapped()
    with pytest.raises(ExceptionGroup), Cassette(tmp_path / "it.jsonl"):
        asyncio.run(grouped())
    assert not (tmp_path / "it.jsonl").exists()


def test_a_fake_model_is_not_recorded(tmp_path):
    with pytest.raises(InvalidRequestError, match="nothing to record"):
        Cassette(tmp_path / "it.jsonl").attach(mf.testing.FakeModel())
    with Cassette(tmp_path / "it.jsonl"):
        assert mf.testing.FakeModel("Hello")("hi").text == "Hello"
    assert not (tmp_path / "it.jsonl").exists()


def test_a_block_that_ends_with_another_error_keeps_what_it_paid_for(tmp_path, provider, model_of):
    model = model_of(provider(whole(chat())))
    with pytest.raises(ZeroDivisionError), Cassette(tmp_path / "it.jsonl"):
        assert model("hi").text == 1 / 0
    with Cassette(tmp_path / "it.jsonl", "replay"):
        model("hi")


def test_what_was_never_sent_is_not_kept(tmp_path, provider, model_of):
    async def main():
        async with httpx2.AsyncClient() as client:
            model_of(provider(whole(chat())), http_client=client)("hi")

    with pytest.raises(InvalidRequestError, match="AsyncClient"), Cassette(tmp_path / "it.jsonl"):
        asyncio.run(main())
    assert not (tmp_path / "it.jsonl").exists()


def test_a_stream_that_outlives_its_block_is_written_whole_when_it_ends(tmp_path, provider, model_of):
    model = model_of(provider(chat_stream("One", " two")))
    with Cassette(tmp_path / "it.jsonl"):
        response = model("hi", stream=True)
    assert "".join(response.consume()) == "One two"
    with Cassette(tmp_path / "it.jsonl", "replay"):
        assert "".join(model("hi", stream=True).consume()) == "One two"


def test_a_file_that_was_cut_off_says_so(tmp_path, provider, model_of):
    file = tmp_path / "it.jsonl"
    with Cassette(file):
        model_of(provider(whole(chat())))("hi")
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(CassetteError, match=r"it\.jsonl was cut off in line"):
        Cassette(file)


# ---- what is not in the file


def test_keys_accounts_and_cookies_are_not_in_the_file(tmp_path, provider, model_of):
    secrets = {
        "x-api-key": "secret-one-1",
        "api-key": "secret-two-2",
        "x-goog-api-key": "secret-three",
        "cookie": "secret-four",
        "openai-organization": "secret-five",
        "x-amz-security-token": "secret-six6",
        "x-mine": "secret-seven",
    }
    echoed = whole(
        {"error": {"message": f"{KEY} is wrong, and so is secret-one-1"}},
        401,
        set_cookie="secret-eight",
        openai_organization="secret-nine",
        x_amz_id="secret-ten0",
        x_ratelimit_remaining_tokens="77",
        x_echo=KEY,
    )
    model = model_of(provider(echoed), api_key=KEY, extra_headers=secrets)
    with Cassette(tmp_path / "it.jsonl"), pytest.raises(AuthenticationError):
        model(f"My key is {KEY}")
    content = (tmp_path / "it.jsonl").read_text("utf-8")
    assert "secret" not in content
    assert KEY not in content
    assert '"x-ratelimit-remaining-tokens":"77"' in content
    with Cassette(tmp_path / "it.jsonl"), pytest.raises(AuthenticationError) as raised:
        model(f"My key is {KEY}")
    assert KEY not in raised.value.body


def test_a_key_that_the_network_cuts_in_two_is_not_in_the_file(tmp_path, provider, model_of):
    body = b"".join([delta(f"You are {KEY}!"), delta("", "stop"), DONE])
    middle = body.index(KEY.encode()) + 5
    with Cassette(tmp_path / "it.jsonl"):
        live = model_of(provider(stream(body[:middle], body[middle:])), api_key=KEY)("hi", stream=True).result().text
    assert KEY in live
    content = (tmp_path / "it.jsonl").read_text("utf-8")
    assert KEY[:5] not in content
    assert KEY[5:] not in content
    with Cassette(tmp_path / "it.jsonl", "replay"):
        text = model_of("http://127.0.0.1:1/v1", api_key=KEY)("hi", stream=True).result().text
    assert text == live.replace(KEY, "*" * len(KEY))


def test_a_token_that_a_function_gives_is_asked_for_only_when_something_is_sent(colour, tmp_path, provider, model_of):
    asked: list[str] = []

    def token() -> str:
        asked.append(KEY)
        return KEY

    server = provider(lambda request: whole(chat(request.headers["authorization"])))
    model = model_of(server, api_key=token)
    with Cassette(tmp_path / "it.jsonl"):
        assert colour.ask(model, "hi").text == f"Bearer {KEY}"
    assert KEY not in (tmp_path / "it.jsonl").read_text("utf-8")
    with Cassette(tmp_path / "it.jsonl"):
        assert colour.ask(model, "hi").text == "Bearer " + "*" * len(KEY)
    assert len(asked) == 1


def test_redact_decides_what_is_kept_and_compared(tmp_path, provider, model_of):
    def without_date(body):
        body["messages"][0]["content"] = body["messages"][0]["content"].split(" on ")[0]
        return body

    server = provider(whole(chat("Fine.")))
    with Cassette(tmp_path / "it.jsonl", redact=without_date):
        model_of(server)("How are you on Monday?")
    assert "Monday" in server.requests[0].body["messages"][0]["content"]
    assert "Monday" not in (tmp_path / "it.jsonl").read_text("utf-8")
    server.close()
    with Cassette(tmp_path / "it.jsonl", redact=without_date):
        assert model_of(server)("How are you on Tuesday?").text == "Fine."
