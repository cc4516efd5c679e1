"""A provider that answers with a test's own bytes, in any dialect, without a network."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

import msgflux_like as mf
from msgflux_like.errors import (
    APIConnectionError,
    APITimeoutError,
    InvalidRequestError,
    OutOfAnswersError,
    TruncatedStreamError,
)
from msgflux_like.testing import Breaks, FakeProvider, FakeReply
from tests.provider import DONE, chat, delta

WIRE = Path(__file__).parents[1] / "wire"
PATIENCE_S = 20.0
PATHS = {
    "openai_chat": "openai/gpt-4o",
    "openai_responses": "openai-responses/gpt-4o",
    "anthropic_messages": "anthropic/claude-haiku-4-5",
}


def model_at(provider: FakeProvider, path: str = "openai/gpt-4o", **options) -> mf.ChatCompletion:
    return mf.Model.chat_completion(path, api_key="sk-secret-123", http_client=provider, max_retries=0, **options)


@pytest.mark.parametrize("dialect", PATHS)
def test_it_speaks_every_dialect(colour, dialect):
    body = (WIRE / dialect / "text" / "reply.json").read_bytes()
    answer = (WIRE / dialect / "stream" / "reply.sse").read_bytes()
    provider = FakeProvider(
        [FakeReply.whole(body), FakeReply.streamed(*(answer[at : at + 50] for at in range(0, len(answer), 50)))]
    )
    model = model_at(provider, PATHS[dialect])
    assert colour.ask(model, "hi").text
    assert "".join(colour.pieces(model, "hi")[0])
    assert [request.stream for request in provider.requests] == [False, True]


def test_what_was_sent_is_there_without_the_key():
    provider = FakeProvider(FakeReply.whole(chat()))
    model_at(provider, extra_headers={"x-mine": "yes"})("hi", temperature=0)
    (request,) = provider.requests
    assert request.body == {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}
    assert request.messages == request.body["messages"]
    assert request.headers["x-mine"] == "yes"
    assert "sk-secret" not in repr(request)


def test_a_function_answers_what_it_sees(colour):
    provider = FakeProvider(lambda request: FakeReply.whole(chat(request.messages[0]["content"].upper())))
    assert colour.ask(model_at(provider), "hi").text == "HI"


def test_statuses_and_headers_are_those_of_a_reply(colour):
    refusal = FakeReply.whole({"error": {"message": "slower"}}, 429, {"retry-after": "7"})
    with pytest.raises(mf.errors.RateLimitError) as raised:
        colour.ask(model_at(FakeProvider(refusal)), "hi")
    assert raised.value.retry_after_s == 7


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Breaks(), APIConnectionError),
        (Breaks("too late", "first_event"), APITimeoutError),
        (FakeReply.streamed(delta("One"), breaks=Breaks()), APIConnectionError),
        (FakeReply.streamed(delta("One"), breaks=Breaks("too late", "between_events")), APITimeoutError),
        (FakeReply.streamed(delta("One")), TruncatedStreamError),
        (ZeroDivisionError("mine"), ZeroDivisionError),
    ],
)
def test_connections_fail_as_they_are_told(colour, reply, kind):
    with pytest.raises(kind):
        colour.pieces(model_at(FakeProvider(reply)), "hi")


def test_a_list_is_used_up(colour):
    provider = FakeProvider([FakeReply.whole(chat("one")), FakeReply.whole(chat("two"))])
    model = model_at(provider)
    assert [colour.ask(model, "hi").text for _ in range(2)] == ["one", "two"]
    with pytest.raises(OutOfAnswersError, match="2 answers"):
        colour.ask(model, "hi")


def test_what_is_no_reply_is_an_error():
    with pytest.raises(InvalidRequestError, match="not with str"):
        model_at(FakeProvider("Hello"))("hi")


def test_inside_of_its_block_it_answers_every_model_of_the_process():
    made_before = mf.Model.chat_completion("anthropic/claude-haiku-4-5", api_key="sk-x", dialect="openai_chat")
    answers = []
    with FakeProvider(FakeReply.whole(chat("fake"))) as provider:
        thread = threading.Thread(target=lambda: answers.append(made_before("hi").text))
        thread.start()
        thread.join(PATIENCE_S)
        answers.append(asyncio.run(mf.Model.chat_completion("openai/gpt-4o", api_key="sk-x").acall("hi")).text)
    assert answers == ["fake", "fake"]
    assert [request.url.split("/")[2] for request in provider.requests] == ["api.anthropic.com", "api.openai.com"]


def test_a_models_own_provider_comes_before_that_of_the_block():
    own = model_at(FakeProvider(FakeReply.whole(chat("own"))))
    with FakeProvider(FakeReply.whole(chat("block"))):
        assert own("hi").text == "own"


def test_a_stream_can_be_cut_anywhere():
    wire = b"".join([delta("Hé"), delta("llo"), delta(finish="stop"), DONE])
    for cut in range(1, len(wire)):
        model = model_at(FakeProvider(FakeReply.streamed(wire[:cut], wire[cut:])))
        assert model("hi", stream=True).result().text == "Héllo"
