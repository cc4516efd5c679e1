"""A fake model answers what a test says, by way of all that a real one does."""

from __future__ import annotations

import copy
import doctest
import pickle
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pydantic
import pytest

import msgflux_like as mf
from msgflux_like import errors
from msgflux_like.errors import InvalidRequestError, OutOfAnswersError, OutputParsingError
from msgflux_like.events import TokenUsage
from msgflux_like.testing import FakeAnswer, FakeModel, answers, fake_model, fake_provider, tool_call


class City(msgspec.Struct):
    name: str
    tags: dict[str, int] = {}
    size: float | None = None


@dataclass
class Town:
    name: str


class Village(pydantic.BaseModel):
    name: str


def get_weather(city: str) -> str:
    """The weather."""
    return f"sunny in {city}"


@pytest.mark.parametrize("module", [answers, fake_model, fake_provider], ids=lambda module: module.__name__)
def test_the_examples_run(module):
    assert doctest.testmod(module).failed == 0


# ---- it is a model


def test_it_is_a_chat_completion_in_every_way():
    model = FakeModel()
    assert isinstance(model, mf.ChatCompletion)
    assert model.get_model_info() == {"model_id": "gpt-4o", "provider": "openai"}
    assert model.profile is not None
    assert model("hi").consume() == "Hello"


def test_one_answer_is_given_again_and_again_and_a_list_is_used_up(colour):
    always, twice = FakeModel("Hello"), FakeModel(["one", "two"])
    assert [colour.ask(always, "hi").text for _ in range(3)] == ["Hello"] * 3
    assert [colour.ask(twice, "hi").text for _ in range(2)] == ["one", "two"]
    with pytest.raises(OutOfAnswersError, match="gave 2 answers"):
        colour.ask(twice, "hi")


def test_the_checks_are_real():
    model = FakeModel(path="openai/gpt-4o")
    with pytest.raises(errors.UnknownParameterError):
        model("hi", temprature=0)
    with pytest.raises(errors.InvalidMessagesError):
        model([])
    with pytest.raises(errors.CapabilityError):
        FakeModel(path="openai/gpt-3.5-turbo")("hi", tool_schemas=[get_weather], max_tokens=10**9)


def test_what_it_was_sent_is_there():
    model = FakeModel(temperature=0)
    model("hi", system_prompt="Be brief.")
    model("ho", stream=True).result()
    assert model.requests[0].messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]
    assert [request.body["temperature"] for request in model.requests] == [0, 0]
    assert [request.stream for request in model.requests] == [False, True]


def test_it_listens_to_no_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = FakeModel(max_tokens=5)
    model("hi")
    assert model.requests[0].url == "https://api.openai.com/v1/chat/completions"
    assert model.requests[0].body["max_completion_tokens"] == 5


def test_it_stands_for_a_model_of_any_provider():
    model = FakeModel("Bonjour", path="anthropic/claude-haiku-4-5")
    response = model("hi")
    assert response.text == "Bonjour"
    assert response.metadata.provider == "anthropic"
    assert response.cost is not None
    assert FakeModel(path="local/smollm2")("hi").text == "Hello"


def test_its_client_and_its_dialect_are_its_own():
    with pytest.raises(InvalidRequestError, match="has dialect and http_client already"):
        FakeModel(dialect="anthropic_messages", http_client=object())


def test_a_copy_shares_its_answers_and_a_state_has_none():
    model = FakeModel(["one", "two"])
    assert [copy.copy(model)("hi").text, model("hi").text] == ["one", "two"]
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(model)
    with pytest.raises(InvalidRequestError, match="make another fake model"):
        FakeModel.from_serialized("openai", model.serialize()["state"], api_key="sk-x")


# ---- texts


def test_a_text_is_streamed_word_by_word(colour):
    pieces, response = colour.pieces(FakeModel("Hello wide  world\n"), "hi")
    assert pieces == ["Hello", " wide", "  world", "\n"]
    assert response.text == "Hello wide  world\n"
    assert response.metadata.finish_reason == "stop"


def test_a_list_of_texts_is_the_pieces_of_a_stream(colour):
    model = FakeModel([["Hel", "lo"], ["Hel", "lo"]])
    assert colour.pieces(model, "hi")[0] == ["Hel", "lo"]
    assert colour.ask(model, "hi").text == "Hello"


def test_a_function_is_given_the_messages_and_gives_any_answer(colour):
    model = FakeModel(lambda messages: messages[-1]["content"].upper())
    assert colour.ask(model, "hi").text == "HI"
    mixed = FakeModel([lambda _: {"name": "Rome"}, "text"])
    assert colour.ask(mixed, "hi", generation_schema=City).parsed == City("Rome")
    assert colour.ask(mixed, "hi").text == "text"


def test_streams_are_pushed_to_a_callback():
    told: list[Any] = []
    assert FakeModel("a b")("hi", stream=True, stream_to=told.append).wait(20.0)
    assert [type(event).__name__ for event in told] == ["StreamData"] * 3 + ["StreamFinish"]


# ---- answers of a type


@pytest.mark.parametrize("output_mode", ["native", "tool", "prompted"])
@pytest.mark.parametrize(
    ("kind", "answer", "parsed"),
    [
        (City, {"name": "Paris"}, City("Paris")),
        (City, City("Paris", {"a": 1}, 2.5), City("Paris", {"a": 1}, 2.5)),
        (City, {"name": "Paris", "tags": {"a": 1}}, City("Paris", {"a": 1})),
        (Town, Town("Ulm"), Town("Ulm")),
        (Village, Village(name="Au"), Village(name="Au")),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (list[int], [1, 2], [1, 2]),
    ],
)
def test_an_answer_of_a_type_is_written_as_the_model_was_asked_to(colour, output_mode, kind, answer, parsed):
    model = FakeModel([answer, answer], output_mode=output_mode)
    assert colour.ask(model, "hi", generation_schema=kind).parsed == parsed
    assert colour.pieces(model, "hi", generation_schema=kind)[1].result().parsed == parsed


@pytest.mark.parametrize("output_mode", ["native", "tool", "prompted"])
def test_a_wrong_answer_is_asked_for_again(colour, output_mode):
    model = FakeModel([{"nam": 1}, {"name": "Paris"}], output_mode=output_mode)
    assert colour.ask(model, "hi", generation_schema=City, output_retries=1).parsed == City("Paris")
    assert len(model.requests) == 2
    with pytest.raises(OutputParsingError):
        colour.ask(FakeModel({"name": 1}, output_mode=output_mode), "hi", generation_schema=City)


def test_what_has_no_json_is_an_error():
    with pytest.raises(InvalidRequestError, match="type object cannot be written as JSON"):
        FakeModel([object()])("hi")


# ---- tools


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_tool_calls_come_as_calls(colour, streamed):
    calls = [tool_call("get_weather", city="Paris"), tool_call("get_weather", city="Rome")]
    model = FakeModel([calls])
    call = {"messages": "hi", "tool_schemas": [get_weather]}
    response = colour.pieces(model, **call)[1].result() if streamed else colour.ask(model, **call)
    assert response.response_type == "tool_call"
    assert [each.arguments for each in response.consume().get_calls()] == [{"city": "Paris"}, {"city": "Rome"}]
    assert len({each.id for each in response.consume().get_calls()}) == 2
    assert response.metadata.finish_reason == "tool_calls"


def test_a_tool_loop_runs_to_its_end():
    model = FakeModel([tool_call("get_weather", city="Paris"), lambda messages: messages[-1]["content"]])
    run = mf.run_tools(model, "The weather?", [get_weather])
    assert run.text == "sunny in Paris"
    assert run.cost is not None


def test_calls_that_another_model_made_are_an_answer():
    calls = FakeModel([tool_call("f", x=1)])("hi").consume()
    assert FakeModel([calls])("hi").consume().get_calls()[0].arguments == {"x": 1}


# ---- errors


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "error",
    [
        errors.AuthenticationError("no"),
        errors.NotFoundError("no such model"),
        errors.BadRequestError("refused", code="odd", status=422),
        errors.ContextLengthError("too long"),
        errors.ContentFilterError("filtered"),
        errors.RateLimitError("slower", retry_after_s=7),
        errors.ServerError("broken", status=503),
        errors.APIConnectionError("nobody there"),
        errors.APITimeoutError("too late", phase="first_event"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_api_error_comes_as_a_provider_would_send_it(colour, error, stream):
    with pytest.raises(errors.APIError) as raised:
        colour.ask(FakeModel([error]), "hi", stream=stream)
    found = raised.value
    assert type(found) is type(error)
    assert found.message == error.message
    assert (found.provider, found.model) == ("openai", "gpt-4o")
    assert found.retry_after_s == error.retry_after_s
    assert error.status in (None, found.status)


def test_an_api_error_is_retried_like_a_real_one(colour):
    model = FakeModel([errors.RateLimitError("slower", retry_after_s=0), "Hello"], max_retries=1)
    assert colour.ask(model, "hi").metadata.attempts == 2


def test_any_other_exception_is_raised_as_it_is(colour):
    error = ZeroDivisionError("mine")
    with pytest.raises(ZeroDivisionError) as raised:
        colour.ask(FakeModel([error], max_retries=3), "hi")
    assert raised.value is error


@pytest.mark.parametrize(
    "error",
    [
        errors.StreamFailedError("it broke"),
        errors.TruncatedStreamError("cut"),
        errors.APIConnectionError("gone"),
        errors.APITimeoutError("too late", phase="between_events"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_stream_fails_after_its_pieces(colour, error):
    with pytest.raises(type(error)) as raised:
        colour.pieces(FakeModel([FakeAnswer(pieces=["One", " two"], error=error)]), "hi")
    assert raised.value.partial.text == "One two"


def test_a_stream_that_has_begun_cannot_be_refused():
    with pytest.raises(InvalidRequestError, match="cannot end with RateLimitError"):
        FakeModel(FakeAnswer(text="One", error=errors.RateLimitError("slower")))("hi", stream=True)


# ---- what else there is


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_answer_has_all_that_answers_have(colour, streamed):
    usage = TokenUsage(input=1000, output=500, cached_input=400, reasoning=100)
    answer = FakeAnswer(text="Paris", reasoning="I know it.", usage=usage, finish_reason="length")
    model = FakeModel(answer)
    response = colour.pieces(model, "hi")[1].result() if streamed else colour.ask(model, "hi")
    assert (response.text, response.reasoning) == ("Paris", "I know it.")
    assert response.metadata.finish_reason == "length"
    assert response.usage == TokenUsage(input=1000, output=500, cached_input=400, reasoning=100, total=1500)
    assert response.cost == model.profile.cost.breakdown(1000, 500, 400).total


def test_a_refusal_is_one(colour):
    response = colour.ask(FakeModel(FakeAnswer(refusal="I will not.")), "hi")
    assert (response.text, response.refusal) == ("", "I will not.")


def test_usage_is_estimated_or_not_reported_at_all():
    assert FakeModel("Hello wide world")("hi").usage == TokenUsage(input=8, output=4, total=12)
    assert FakeModel("Hello")("hi").cost > Decimal(0)
    silent = FakeModel(FakeAnswer(text="Hello", usage=TokenUsage()))
    assert silent("hi").usage is None
    assert silent("hi", stream=True).result().usage is None
