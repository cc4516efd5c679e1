"""When a request is sent again, and after how long: the exchange, played by hand, without a network or a clock."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_like import dialects
from msgflux_like._http.exchange import exchange
from msgflux_like._http.retry import Retries
from msgflux_like._http.steps import DRAIN, READ, Head, Send, Wait, WireError
from msgflux_like.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    BadReplyError,
    BadRequestError,
    RateLimitError,
    ServerError,
    StreamFailedError,
    TruncatedStreamError,
)
from msgflux_like.events import Replied, TextDelta
from msgflux_like.request import HttpRequest
from tests.provider import DONE, chat, chat_stream, delta, sse, whole

NOW = 1_700_000_000.0
OK = Head(200)
ANSWER = [OK, json.dumps(chat("Hello")).encode(), None]
STREAM = [OK, delta("Hello"), delta(finish="stop"), DONE]
BROKEN = WireError("the connection failed: it broke")


class ReplayedReply(NamedTuple):
    """What an exchange asked for, and how it ended."""

    steps: list[Any]
    error: APIError | None

    @property
    def requests(self) -> int:
        return sum(isinstance(step, Send) for step in self.steps)

    @property
    def waits(self) -> list[float]:
        return [step.seconds for step in self.steps if isinstance(step, Wait)]

    @property
    def events(self) -> list[Any]:
        return [event for step in self.steps if isinstance(step, list) for event in step]


def play(
    *outcomes: Any, max_retries: int = 2, streamed: bool = False, waiting: WireError | None = None
) -> ReplayedReply:
    """Answer each `Send` and each `READ` with the next of `outcomes`, and each `Wait` with `waiting`."""
    http = HttpRequest("https://api.example/v1/chat/completions", {}, b"{}", stream=streamed)
    steps = exchange(http, dialects.load("openai_chat"), "openai", "gpt-4o", Retries(max_retries))
    left, asked = list(outcomes), []
    try:
        step = next(steps)
        while True:
            asked.append(step)
            outcome = left.pop(0) if step is READ or isinstance(step, Send) else None
            if isinstance(step, Wait):
                outcome = waiting
            step = steps.throw(outcome) if isinstance(outcome, WireError) else steps.send(outcome)
    except StopIteration:
        error = None
    except APIError as raised:
        error = raised
    assert left == [], "it did not ask for all of it"
    return ReplayedReply(asked, error)


def refusal(status: int, body: Any = None, **headers: str) -> list[Any]:
    """The outcomes of one refused request."""
    fields = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return [Head(status, fields, received_at=NOW), json.dumps(body or {}).encode(), None]


def first_wait(**headers: str) -> float | None:
    """Seconds waited after a 429 with those headers, None for giving up."""
    outcomes = refusal(429, **headers)
    fields = outcomes[0].headers
    http = HttpRequest("https://api.example/v1/chat/completions", {}, b"{}")
    steps = exchange(http, dialects.load("openai_chat"), "openai", "gpt-4o", Retries(1))
    assert isinstance(next(steps), Send)
    assert steps.send(Head(429, fields, received_at=NOW)) is READ
    assert steps.send(b"{}") is READ
    try:
        return steps.send(None).seconds
    except RateLimitError:
        return None


# ---- what is tried again


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_a_refusal_that_may_pass_is_tried_again(status):
    played = play(*refusal(status), *ANSWER)
    assert (played.requests, len(played.waits), played.error) == (2, 1, None)
    assert played.events[0] == Replied("", attempts=2)
    assert TextDelta("Hello") in played.events


@pytest.mark.parametrize("status", [301, 307, 400, 401, 402, 403, 404, 405, 413, 415, 422, 431])
def test_a_refusal_for_good_is_not(status):
    played = play(*refusal(status))
    assert (played.requests, played.waits) == (1, [])
    assert played.error.status == status


@pytest.mark.parametrize(
    "failure",
    [BROKEN, WireError("no connection within 10 s", "connect"), WireError("nothing came", "first_event")],
    ids=["broken", "connect", "first event"],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_way_that_fails_before_the_answer_is_tried_again(failure, streamed):
    answer = STREAM if streamed else ANSWER
    for begun in ([failure], [OK, failure], [OK, b" ", failure]):
        played = play(*begun, *answer, streamed=streamed)
        assert (played.requests, played.error) == (2, None)


def test_a_way_that_goes_on_failing_is_an_error_of_its_kind():
    for failure, kind in (
        (BROKEN, APIConnectionError),
        (WireError("nothing came", "first_event"), APITimeoutError),
    ):
        played = play(failure, failure, failure)
        assert type(played.error) is kind
        assert str(played.error) == f"{failure} (openai/gpt-4o)"
        assert played.requests == 3


def test_a_call_that_is_out_of_time_is_not_tried_again():
    played = play(WireError("the call took longer than 5 s in all", "total"))
    assert (played.requests, played.waits) == (1, [])
    assert played.error.phase == "total"


@pytest.mark.parametrize(
    "reply",
    [
        [OK, b"{", None],
        [OK, b"", None],
        [Head(204)],
        [Head(200, {b"content-type": b"text/html"})],
        [Head(200, {b"content-encoding": b"br"})],
    ],
    ids=["no JSON", "nothing", "204", "web page", "compression"],
)
def test_a_reply_that_is_none_is_not_tried_again(reply):
    played = play(*reply)
    assert type(played.error) is BadReplyError
    assert played.requests == 1


def test_the_providers_word_on_trying_again_beats_the_status():
    assert play(*refusal(400, x_should_retry="true"), *ANSWER).requests == 2
    assert play(*refusal(503, x_should_retry="false")).requests == 1
    assert play(*refusal(503, x_should_retry="perhaps"), *ANSWER).requests == 2


@pytest.mark.parametrize("code", ["insufficient_quota", "billing_hard_limit_reached"])
def test_a_quota_that_is_used_up_is_not_waited_for(code):
    played = play(*refusal(429, {"error": {"message": "Pay first.", "code": code}}, retry_after="1"))
    assert type(played.error) is RateLimitError
    assert played.requests == 1


def test_an_error_inside_a_success_is_tried_again_as_its_status_would_be():
    def inside(**error: str) -> list[Any]:
        return [OK, json.dumps({"error": error}).encode(), None]

    assert play(*inside(type="overloaded_error"), *ANSWER).requests == 2
    assert play(*inside(type="invalid_request_error")).requests == 1
    assert play(*inside(type="insufficient_quota")).requests == 1


# ---- a stream


def test_nothing_is_tried_again_after_a_piece_was_handed_out():
    broken = sse({"error": {"message": "Busy.", "type": "overloaded_error"}})
    for ending, kind in (
        ([BROKEN], APIConnectionError),
        ([WireError("the stream paused", "between_events")], APITimeoutError),
        ([broken], StreamFailedError),
        ([None], TruncatedStreamError),
        ([b"data: {\n\n"], BadReplyError),
    ):
        played = play(OK, delta("Hel"), *ending, streamed=True, max_retries=5)
        assert type(played.error) is kind
        assert (played.requests, played.waits) == (1, [])
        assert TextDelta("Hel") in played.events


def test_what_comes_before_the_first_piece_is_no_piece():
    role = delta("", role="assistant")
    busy = sse({"error": {"message": "Busy.", "type": "overloaded_error"}})
    played = play(OK, b": wait\n\n", role, busy, OK, role, None, *STREAM, streamed=True)
    assert (played.requests, played.error) == (3, None)
    assert [event for event in played.events if isinstance(event, (TextDelta, Replied))] == [
        Replied("", attempts=3),
        TextDelta("Hello"),
    ]


def test_a_tool_call_and_reasoning_are_pieces_too():
    for piece in (
        delta(reasoning_content="Hm."),
        delta(tool_calls=[{"index": 0, "id": "call_1", "function": {"name": "now", "arguments": ""}}]),
        delta(refusal="No."),
    ):
        assert play(OK, piece, BROKEN, streamed=True).requests == 1


def test_the_end_of_a_stream_is_read_only_where_something_may_follow():
    assert play(*STREAM, streamed=True).steps[-1] is DRAIN
    assert play(*STREAM[:-1], None, streamed=True).steps[-1] is READ


# ---- how often


@pytest.mark.parametrize("max_retries", [0, 1, 2, 5])
def test_there_are_as_many_further_requests_as_asked_for(max_retries):
    played = play(*refusal(503) * (max_retries + 1), max_retries=max_retries)
    assert type(played.error) is ServerError
    assert played.requests == max_retries + 1
    assert len(played.waits) == max_retries


@pytest.mark.parametrize("max_retries", [0, 1, 3])
def test_a_loopback_provider_counts_the_same(colour, provider, model_of, max_retries):
    server = provider(whole({}, 503, retry_after="0"))
    model = model_of(server, max_retries=max_retries)
    with pytest.raises(ServerError):
        colour.ask(model, "hi")
    assert len(server.requests) == max_retries + 1
    with pytest.raises(ServerError):
        colour.ask(model, "hi", max_retries=1)
    assert len(server.requests) == max_retries + 3


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_answer_after_failures_is_the_answer(colour, provider, model_of, streamed):
    answer = chat_stream("Hello") if streamed else whole(chat("Hello"))
    server = provider(whole({}, 429, retry_after="0"), whole({}, 500, retry_after_ms="0"), answer)
    response = colour.ask(model_of(server, max_retries=2), "hi", stream=streamed)
    assert response.text == "Hello"
    assert response.metadata.attempts == 3
    assert len({request.raw for request in server.requests}) == 1


def test_the_last_refusal_is_the_one_that_is_raised():
    played = play(*refusal(503), *refusal(429), *refusal(500, {"error": "The third."}))
    assert played.error.message == "The third."


# ---- how long


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "2"}, 2.0),
        ({"retry_after": "0"}, 0.0),
        ({"retry_after": "0.25"}, 0.25),
        ({"retry_after": " 3 "}, 3.0),
        ({"retry_after": "120"}, 120.0),
        ({"retry_after_ms": "1500"}, 1.5),
        ({"retry_after_ms": "0"}, 0.0),
        ({"retry_after_ms": "250", "retry_after": "9"}, 0.25),
        ({"retry_after_ms": "soon", "retry_after": "9"}, 9.0),
        ({"retry_after": formatdate(NOW + 10, usegmt=True)}, 10.0),
        ({"retry_after": formatdate(NOW - 10, usegmt=True)}, 0.0),
    ],
)
def test_the_provider_is_waited_for_as_long_as_it_asks(headers, seconds):
    assert first_wait(**headers) == seconds


@pytest.mark.parametrize("headers", [{"retry_after": "121"}, {"retry_after_ms": "9999999"}])
def test_a_provider_that_asks_for_too_long_is_not_waited_for(headers):
    assert first_wait(**headers) is None


def test_an_error_says_how_long_the_provider_wants_it_even_where_nobody_waits():
    assert play(*refusal(429, retry_after="3600")).error.retry_after_s == 3600.0
    assert play(*refusal(400, retry_after="2")).error.retry_after_s == 2.0


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "-1",
        "1e3",
        "nan",
        "inf",
        "1.2.3",
        "²",
        "Mon, 99 Foo 2024",
        "Mon, 01 Jan 99999 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
    ],
)
def test_nonsense_is_no_word_of_the_provider(value):
    assert 0.375 <= first_wait(retry_after=value) <= 0.5
    assert 0.375 <= first_wait(retry_after_ms=value) <= 0.5


dates = st.from_regex(r"\A[A-Z][a-z]{2}, \d{1,25} (Jan|Feb) \d{1,25} \d{1,25}:\d\d:\d\d [+-]?\d{0,25}\Z")


@given(st.sampled_from(["retry_after", "retry_after_ms"]), st.text(max_size=20) | dates)
def test_whatever_a_provider_writes_there_the_wait_is_a_number_in_bounds(name, value):
    seconds = first_wait(**{name: value})
    assert seconds is None or 0 <= seconds <= 120


def test_without_a_word_the_waits_double_up_to_eight_seconds():
    error = ServerError("no")
    unhurried = [Retries(9).wait_s(attempt, error, jitter=lambda: 0.0) for attempt in range(7)]
    assert unhurried == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_up_to_a_quarter_of_a_wait_is_left_out_so_that_not_all_come_back_together():
    assert Retries(1).wait_s(0, ServerError("no"), jitter=lambda: 1.0) == 0.375
    waits = {play(*refusal(503), *ANSWER).waits[0] for _ in range(20)}
    assert len(waits) > 1
    assert all(0.375 <= wait <= 0.5 for wait in waits)


def test_a_request_that_is_wrong_is_given_up_at_once():
    assert Retries(9).wait_s(0, BadRequestError("no")) is None
    assert Retries(9).wait_s(0, BadRequestError("no", should_retry=True), jitter=lambda: 0.0) == 0.5
    assert Retries(9).wait_s(9, ServerError("no")) is None


def test_a_wait_that_there_is_no_time_for_ends_with_the_failure_that_made_it_wait():
    played = play(*refusal(503, {"error": "Busy."}), waiting=WireError("no time left", "total"))
    assert type(played.error) is ServerError
    assert played.error.message == "Busy."
    assert played.error.__cause__ is None
    assert played.requests == 1
