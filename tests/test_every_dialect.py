"""What a user does with a model, done with a model of every dialect: the same calls must mean the same everywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

import msgflux_like as mf
from msgflux_like import dialects, errors
from msgflux_like.testing import FakeProvider
from tests.fake_servers import SPEAKERS, THOUGHT, WAIT, Said, Speaker

QUESTION = "How warm is it in Paris?"
CALL = ("call00001", "get_weather", {"city": "Paris"})
TEXT = Said(text=("It is ", "22 C."))
CALLING = Said(calls=(CALL,))
THINKING = Said(thought=THOUGHT, calls=(CALL,))
PIXEL = "iVBORw0KGgo="


def get_weather(city: str) -> str:
    """How warm it is in a city."""
    return f"22 C in {city}"


class City(Struct):
    """A city."""

    name: str
    people: int | None = None


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the addresses of the clouds need."""
    for name in ("AWS_REGION", "GOOGLE_VERTEX_LOCATION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.setenv("GOOGLE_VERTEX_PROJECT", "project")


@pytest.fixture(params=SPEAKERS)
def speaker(request: pytest.FixtureRequest) -> Speaker:
    return SPEAKERS[request.param]


def made(speaker: Speaker, provider: FakeProvider, **options: Any) -> mf.ChatCompletion:
    given = {"api_key": "sk-secret", "max_retries": 0, **speaker.options, **options}
    return mf.Model.chat_completion(speaker.path, http_client=provider, **given)


def asked(colour: Any, speaker: Speaker, said: Any, question: Any = QUESTION, **call: Any) -> tuple[Any, FakeProvider]:
    """The answer of one call, and the provider that was asked."""
    provider = FakeProvider(speaker.reply(said) if isinstance(said, Said) else said)
    return colour.ask(made(speaker, provider), question, **call), provider


def answered(colour: Any, model: mf.ChatCompletion, question: Any, *, streamed: bool, **call: Any) -> mf.ModelResponse:
    """The whole answer, however it came."""
    if not streamed:
        return colour.ask(model, question, **call)
    _, response = colour.pieces(model, question, **call)
    return response.result() if colour.name == "sync" else asyncio.run(response.aresult())


def objects(value: Any) -> Iterator[Any]:
    """The value and all that is in it."""
    yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(each)


streamed_too = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def test_every_chat_dialect_is_here():
    spoken = {made(each, FakeProvider([]))._row.dialect for each in SPEAKERS.values()}
    assert spoken == set(dialects.names()) - {"openai_completions"}


# ----------------------------------------------------------------------------------------------------------- answers


@streamed_too
def test_a_text_with_its_usage_and_its_cost(colour, speaker, streamed):
    provider = FakeProvider(speaker.reply(TEXT))
    model = made(speaker, provider)
    response = answered(colour, model, QUESTION, streamed=streamed, system_prompt="Be short.")
    assert response.consume() == response.text == "It is 22 C."
    assert response.metadata.usage.prompt_tokens == 20
    assert response.metadata.usage.completion_tokens == 9
    assert response.metadata.usage.total_tokens == 29
    assert response.metadata.finish_reason == "stop"
    assert response.message == {"role": "assistant", "content": "It is 22 C."}
    assert (response.cost is None) is (model.profile is None)
    (request,) = provider.requests
    assert json.dumps(request.body).count("Be short.") == 1
    assert "sk-secret" not in repr(request)


def test_a_stream_comes_in_pieces(colour, speaker):
    pieces, response = colour.pieces(made(speaker, FakeProvider(speaker.reply(TEXT))), QUESTION)
    assert pieces == ["It is ", "22 C."]
    assert response.metadata.finish_reason == "stop"


@pytest.mark.parametrize(
    ("name", "reason"),
    [(name, "length") for name in SPEAKERS]
    + [(name, "content_filter") for name in SPEAKERS if name != "ollama_chat"],  # which filters nothing
)
@streamed_too
def test_why_an_answer_ended_is_told(colour, name, reason, streamed):
    speaker = SPEAKERS[name]
    model = made(speaker, FakeProvider(speaker.reply(Said(text=("It is",), finish=reason))))
    response = answered(colour, model, QUESTION, streamed=streamed)
    assert (response.text, response.metadata.finish_reason) == ("It is", reason)
    assert response.metadata.finish_reason_raw


@streamed_too
def test_reasoning_is_beside_the_text(colour, speaker, streamed):
    model = made(speaker, FakeProvider(speaker.reply(Said(thought=THOUGHT, text=("22 C.",)))))
    response = answered(colour, model, QUESTION, streamed=streamed)
    assert (response.reasoning, response.text) == ("I must look.", "22 C.")


def test_reasoning_is_a_stream_of_its_own(speaker):
    response = made(speaker, FakeProvider(speaker.reply(Said(thought=THOUGHT, text=("22 C.",)))))(QUESTION, stream=True)
    assert list(response.consume_reasoning()) == ["I must ", "look."]
    assert list(response.consume()) == ["22 C."]


# ------------------------------------------------------------------------------------------------------------- tools


@streamed_too
def test_a_tool_is_called_and_its_result_leads_to_an_answer(colour, speaker, streamed):
    provider = FakeProvider([speaker.reply(CALLING), speaker.reply(TEXT)])
    model = made(speaker, provider)
    messages = [{"role": "user", "content": QUESTION}]
    found = answered(colour, model, messages, streamed=streamed, tool_schemas=[get_weather])
    assert found.metadata.finish_reason == "tool_calls"
    aggregator = found.consume()
    (call,) = aggregator.get_calls()
    assert (call["function"]["name"], call["function"]["arguments"]) == ("get_weather", {"city": "Paris"})
    aggregator.insert_results(call["id"], get_weather(**call["function"]["arguments"]))
    messages.extend(aggregator.get_messages())
    assert {messages[1]["tool_calls"][0]["id"], messages[2]["tool_call_id"]} == {call["id"]}
    assert answered(colour, model, messages, streamed=streamed).consume() == "It is 22 C."
    body = json.dumps(provider.requests[1].body)
    assert "22 C in Paris" in body
    assert body.count(call["id"]) in (2, 3)  # Ollama and Gemini may have it once more


def test_the_tool_loop_runs(colour, speaker):
    provider = FakeProvider([speaker.reply(CALLING), speaker.reply(TEXT)])
    model = made(speaker, provider)
    if colour.name == "sync":
        run = mf.run_tools(model, QUESTION, [get_weather])
    else:
        run = asyncio.run(mf.arun_tools(model, QUESTION, [get_weather]))
    assert (run.text, run.rounds) == ("It is 22 C.", 2)
    assert (run.usage.total_tokens, run.cost is None) == (58, model.profile is None)
    assert "22 C in Paris" in json.dumps(provider.requests[1].body)


@streamed_too
def test_two_calls_are_two(colour, speaker, streamed):
    twice = Said(text=("Let me look.",), calls=(CALL, ("call00002", "get_weather", {"city": "Rome"})))
    model = made(speaker, FakeProvider(speaker.reply(twice)))
    response = answered(colour, model, QUESTION, streamed=streamed, tool_schemas=[get_weather])
    calls = response.tool_calls.get_calls()
    assert [call.arguments for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]
    assert len({call.id for call in calls}) == 2
    assert response.text == "Let me look."


def test_a_loop_of_two_rounds_whose_calls_have_one_id(speaker):
    """Some providers begin anew to count in every answer."""
    again = Said(thought=THOUGHT, text=("Once more.",), calls=(CALL,))
    provider = FakeProvider([speaker.reply(THINKING), speaker.reply(again), speaker.reply(TEXT)])
    run = mf.run_tools(made(speaker, provider), QUESTION, [get_weather])
    assert (run.text, run.rounds) == ("It is 22 C.", 3)
    assert json.dumps(provider.requests[2].body).count("22 C in Paris") == 2
    assert [change.field for change in run.response.changes if change.kind == "dropped"] == []


@streamed_too
def test_an_answer_that_got_no_further_than_its_thoughts_can_be_gone_on_from(colour, speaker, streamed):
    provider = FakeProvider([speaker.reply(Said(thought=THOUGHT, finish="length")), speaker.reply(TEXT)])
    model = made(speaker, provider)
    cut = answered(colour, model, QUESTION, streamed=streamed)
    assert (cut.text, cut.metadata.finish_reason) == ("", "length")
    assert answered(colour, model, [QUESTION, cut.message, "Go on"], streamed=streamed).text == "It is 22 C."


# --------------------------------------------------------------------------------------------------- reasoning's state


@streamed_too
def test_what_reasoning_left_goes_back_as_it_came_after_a_save_and_a_load(colour, speaker, streamed, tmp_path: Path):
    provider = FakeProvider([speaker.reply(THINKING), speaker.reply(TEXT)])
    model = made(speaker, provider)
    first = answered(colour, model, QUESTION, streamed=streamed, tool_schemas=[get_weather])
    first.tool_calls.insert_results({call.id: "22 C" for call in first.tool_calls.get_calls()})
    mf.save([{"role": "user", "content": QUESTION}, *first.tool_calls.get_messages()], tmp_path / "talk.json")
    mf.save(model, tmp_path / "model.json")
    loaded = mf.load(tmp_path / "model.json")
    again = mf.Model.from_serialized(**loaded, api_key="sk-secret")
    again._transport = model._transport  # a fake provider is nothing that could be saved
    second = answered(colour, again, mf.load(tmp_path / "talk.json"), streamed=streamed, tool_schemas=[get_weather])
    assert second.text == "It is 22 C."
    kept, sent = speaker.kept(THINKING), json.dumps(provider.requests[1].body)
    if kept is None:
        assert "I must look." not in sent
    else:
        assert json.dumps(kept).strip("{}") in sent
    assert "provider_state" not in sent
    assert [change for change in second.changes if change.kind == "dropped"] == []


@pytest.mark.parametrize("other", SPEAKERS)
def test_what_one_model_left_is_given_to_its_own_family_only(speaker, other):
    maker = SPEAKERS[other]
    first = made(maker, FakeProvider(maker.reply(THINKING)))(QUESTION, tool_schemas=[get_weather])
    first.tool_calls.insert_results({call.id: "22 C" for call in first.tool_calls.get_calls()})
    messages = [{"role": "user", "content": QUESTION}, *first.tool_calls.get_messages()]
    provider = FakeProvider(speaker.reply(TEXT))
    model = made(speaker, provider)
    response = model(messages, tool_schemas=[get_weather])
    dropped = [change.field for change in response.changes if change.field == "messages[1].provider_state"]
    families = {entry["family"] for entry in messages[1].get("provider_state", ())}
    assert dropped == ["messages[1].provider_state"] * len(families - {model._family})
    if dropped:
        assert "I must look." not in json.dumps(provider.requests[0].body)


# ------------------------------------------------------------------------------------------------- answers of a type


@pytest.mark.parametrize("output_mode", ["native", "tool", "prompted"])
@streamed_too
def test_an_answer_of_a_type(colour, speaker, output_mode, streamed):
    value = {"name": "Paris", "people": 2_100_000}
    said = Said(text=('{"name":"Paris",', '"people":2100000}'))
    if output_mode == "tool":
        said = Said(calls=(("call00001", "City", value),))
    provider = FakeProvider(speaker.reply(said))
    model = made(speaker, provider)
    if output_mode == "tool" and speaker is SPEAKERS["ollama_chat"]:
        with pytest.raises(errors.UnsupportedError, match="tool_choice"):
            model(QUESTION, generation_schema=City, output_mode=output_mode)
        return
    response = answered(colour, model, QUESTION, streamed=streamed, generation_schema=City, output_mode=output_mode)
    assert response.consume() == value
    assert response.parsed == City(**value)
    assert response.output_mode == output_mode
    assert '"people"' in json.dumps(provider.requests[0].body).replace('\\"', '"')


def test_the_surest_delivery_is_chosen(speaker):
    plan = made(speaker, FakeProvider([])).plan(QUESTION, generation_schema=City)
    assert "Answer with one JSON object" not in json.dumps(plan.body)


# ------------------------------------------------------------------------------------------------------------ errors

KINDS = {
    "key": errors.AuthenticationError,
    "model": errors.NotFoundError,
    "rate": errors.RateLimitError,
    "long": errors.ContextLengthError,
    "filter": errors.ContentFilterError,
}


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, each in SPEAKERS.items() for kind in each.refusals])
@streamed_too
def test_a_refusal_is_of_its_kind(colour, name, kind, streamed):
    speaker = SPEAKERS[name]
    refusal = speaker.refusals[kind]
    model = made(speaker, FakeProvider(refusal))
    with pytest.raises(KINDS[kind]) as raised:
        answered(colour, model, QUESTION, streamed=streamed)
    error = raised.value
    assert type(error) is KINDS[kind]
    assert (error.status, error.partial) == (refusal.status, None)
    assert error.retry_after_s == (float(WAIT["retry-after"]) if kind == "rate" else None)
    assert error.retryable is (kind == "rate")
    assert error.message not in ("", "the provider gave no reason")
    assert "sk-secret" not in str(error) + repr(error)


def test_a_stream_that_breaks_off_is_no_answer(colour, speaker):
    model = made(speaker, FakeProvider(speaker.cut(TEXT)))
    with pytest.raises(errors.TruncatedStreamError) as raised:
        colour.pieces(model, QUESTION)
    assert raised.value.partial.text == "It is 22 C."


def test_an_error_in_a_stream_comes_with_the_answer_so_far(colour, speaker):
    model = made(speaker, FakeProvider(speaker.failing(TEXT)))
    with pytest.raises(errors.StreamFailedError) as raised:
        colour.pieces(model, QUESTION)
    assert type(raised.value) is errors.StreamFailedError
    assert raised.value.partial.text == "It is 22 C."
    assert raised.value.message not in ("", "the provider gave no reason")


def test_an_error_before_the_first_piece_is_one_that_may_pass(colour, speaker):
    model = made(speaker, FakeProvider(speaker.failing(Said())))
    with pytest.raises(errors.ServerError) as raised:
        colour.pieces(model, QUESTION)
    assert raised.value.retryable
    assert raised.value.partial is None


# ------------------------------------------------------------------------------------------------- what is sent

LIMIT, HOT = {"max_tokens": 50}, {"temperature": 0}
# What each of them is told for `temperature=0, max_tokens=50` and the parameters beside it, where it lies.
SENT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "openai_chat": (
        {"seed": 0, "stop": "END", "presence_penalty": 0, "top_p": 0.5},
        {**HOT, "max_completion_tokens": 50, "seed": 0, "stop": "END", "presence_penalty": 0, "top_p": 0.5},
    ),
    "openrouter": (
        {"seed": 0, "stop": ["END"], "frequency_penalty": 0},
        {**HOT, **LIMIT, "seed": 0, "stop": ["END"], "frequency_penalty": 0},
    ),
    "openai_responses": ({"top_p": 0.5}, {**HOT, "max_output_tokens": 50, "top_p": 0.5}),
    "anthropic_messages": ({"stop": "END", "top_k": 3}, {**HOT, **LIMIT, "stop_sequences": ["END"], "top_k": 3}),
    "vertex_anthropic": ({"stop": ["END"]}, {**HOT, **LIMIT, "stop_sequences": ["END"]}),
    "bedrock_anthropic": ({"stop": "END"}, {**HOT, **LIMIT, "stop_sequences": ["END"]}),
    "bedrock_converse": ({"stop": "END"}, {**HOT, "maxTokens": 50, "stopSequences": ["END"]}),
    "gemini": (
        {"seed": 0, "stop": "END", "presence_penalty": 0},
        {**HOT, "maxOutputTokens": 50, "seed": 0, "stopSequences": ["END"], "presencePenalty": 0},
    ),
    "mistral": ({"seed": 0, "stop": "END"}, {**HOT, **LIMIT, "random_seed": 0, "stop": "END"}),
    "cohere_v2": (
        {"seed": 0, "stop": "END", "top_k": 0},
        {**HOT, **LIMIT, "seed": 0, "stop_sequences": ["END"], "k": 0},
    ),
    "ollama_chat": (
        {"seed": 0, "stop": "END", "top_k": 0},
        {**HOT, "num_predict": 50, "seed": 0, "stop": ["END"], "top_k": 0},
    ),
}


@pytest.mark.parametrize("name", SENT)
def test_parameters_are_sent_and_zeros_are_too(name):
    given, expected = SENT[name]
    plan = made(SPEAKERS[name], FakeProvider([])).plan(QUESTION, temperature=0, max_tokens=50, **given)
    assert any(isinstance(each, dict) and expected.items() <= each.items() for each in objects(plan.body))
    assert plan.changes == ()


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("openai_responses", {"stop": "END"}),
        ("openai_responses", {"seed": 0}),
        ("anthropic_messages", {"seed": 0}),
        ("bedrock_anthropic", {"presence_penalty": 0}),
        ("vertex_anthropic", {"logprobs": False}),
        ("bedrock_converse", {"seed": 0}),
        ("gemini", {"user": ""}),
        ("mistral", {"user": ""}),
        ("cohere_v2", {"user": ""}),
        ("ollama_chat", {"user": ""}),
        ("openai_chat", {"top_k": 0}),
    ],
)
def test_a_parameter_that_there_are_no_words_for_is_refused_by_its_name(name, given):
    with pytest.raises(errors.UnsupportedError, match=next(iter(given))):
        made(SPEAKERS[name], FakeProvider([])).plan(QUESTION, **given)


def test_an_image_is_sent(colour, speaker):
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}}
    message = {"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]}
    response, provider = asked(colour, speaker, TEXT, [message])
    body = json.dumps(provider.requests[0].body)
    assert body.count(PIXEL) == 1
    told = '"detail": "low"' in body
    dropped = [change.field for change in response.changes if change.kind == "dropped"]
    assert dropped == ([] if told else ["messages[0].content[1].image_url.detail"])


def test_a_change_can_be_refused(speaker):
    state = [{"family": "nobody:nothing", "kind": "k", "after": 0, "raw": "r"}]
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello", "provider_state": state},
        {"role": "user", "content": QUESTION},
    ]
    provider = FakeProvider([])
    model = made(speaker, provider)
    plan = model.plan(messages)
    assert plan.changes
    with pytest.raises(errors.ChangeError) as raised:
        model(messages, changes="refuse")
    assert raised.value.changes == plan.changes
    assert provider.requests == []


@streamed_too
def test_a_plan_is_what_goes_out(colour, speaker, streamed):
    call: dict[str, Any] = {"tool_schemas": [get_weather], "system_prompt": "Be short.", "temperature": 0}
    provider = FakeProvider(speaker.reply(TEXT))
    model = made(speaker, provider)
    plan = model.plan(QUESTION, stream=streamed, **call)
    response = answered(colour, model, QUESTION, streamed=streamed, **call)
    (request,) = provider.requests
    assert (plan.url, plan.body, plan.changes) == (request.url, request.body, response.changes)
    assert "sk-secret" not in str(plan.headers) + plan.url


@streamed_too
@pytest.mark.parametrize("said", [Said(thought=THOUGHT, text=("It is ", "22 C.")), THINKING], ids=["text", "call"])
def test_a_hit_of_the_cache_is_the_fresh_answer(colour, speaker, streamed, said):
    provider = FakeProvider([speaker.reply(said)])
    model = made(speaker, provider, enable_cache=True)
    fresh = answered(colour, model, QUESTION, streamed=streamed, tool_schemas=[get_weather])
    kept = answered(colour, model, QUESTION, streamed=streamed, tool_schemas=[get_weather])
    assert (fresh.cached, kept.cached) == (False, True)
    assert kept.message == fresh.message
    assert (kept.text, kept.reasoning, kept.usage) == (fresh.text, fresh.reasoning, fresh.usage)
    assert kept.metadata == {**fresh.metadata, "cached": True}
    assert kept.changes == fresh.changes
