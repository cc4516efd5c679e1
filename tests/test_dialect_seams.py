"""Where a wish meets a dialect that cannot say it, or a model that cannot do it: told in so many words, never lost."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

import msgflux_like as mf
from msgflux_like import errors
from msgflux_like.testing import FakeProvider, FakeReply
from tests.fake_servers import SPEAKERS, Said
from tests.provider import chat

NOVA = "amazon-bedrock/us.amazon.nova-2-lite-v1:0"
CLAUDES = ("anthropic_messages", "bedrock_anthropic", "bedrock_converse", "vertex_anthropic")


def get_weather(city: str) -> str:
    """How warm it is in a city."""
    return f"22 C in {city}"


class City(Struct):
    name: str


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "GOOGLE_VERTEX_LOCATION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.setenv("GOOGLE_VERTEX_PROJECT", "project")


def plan_of(path: str, **call: Any) -> Any:
    """What would be sent to a model, by its path or by the name of a dialect."""
    speaker = SPEAKERS.get(path)
    options = dict(speaker.options) if speaker else {}
    model = mf.Model.chat_completion(speaker.path if speaker else path, api_key="sk-x", **options)
    return model.plan(call.pop("messages", "Hi"), **call)


def noted(plan: Any) -> list[tuple[str, str]]:
    return [(change.kind, change.field) for change in plan.changes if change.field != "max_tokens"]


# ---- one call at a time


@pytest.mark.parametrize("name", SPEAKERS)
def test_one_call_at_a_time_is_said_or_refused(name):
    if name in ("gemini", "cohere_v2", "ollama_chat"):
        with pytest.raises(errors.UnsupportedError, match="parallel_tool_calls"):
            plan_of(name, tool_schemas=[get_weather], parallel_tool_calls=False)
        return
    plan = plan_of(name, tool_schemas=[get_weather], parallel_tool_calls=False)
    field = '"disable_parallel_tool_use": true' if name in CLAUDES else '"parallel_tool_calls": false'
    assert field.replace('"', "'").replace("true", "True").replace("false", "False") in str(plan.body)
    assert noted(plan) == []


def test_what_the_library_asks_for_by_itself_is_no_change_of_what_was_asked():
    plan = plan_of(NOVA, generation_schema=City, output_mode="tool", changes="refuse")
    assert plan.body["toolConfig"]["toolChoice"] == {"tool": {"name": "City"}}
    asked = plan_of(NOVA, tool_schemas=[get_weather], tool_choice="get_weather", parallel_tool_calls=False)
    assert noted(asked) == [("dropped", "parallel_tool_calls")]


# ---- the beginning of an answer


@pytest.mark.parametrize("name", [*CLAUDES, "openrouter", "mistral"])
def test_an_answer_is_gone_on_from(name):
    said = Said(text=("Once", " upon")) if name == "mistral" else Said(text=(" upon",))
    speaker = SPEAKERS[name]
    provider = FakeProvider(speaker.reply(said))
    model = mf.Model.chat_completion(speaker.path, api_key="sk-x", http_client=provider, **speaker.options)
    for stream in (False, True):
        response = model("Tell me a tale", prefilling="Once", stream=stream)
        assert "".join(response.consume()) == "Once upon"
    last = provider.requests[0].body["messages"][-1]
    assert last["role"] == "assistant"
    assert last["content"] in ("Once", [{"text": "Once"}], [{"type": "text", "text": "Once"}])


@pytest.mark.parametrize("path", ["openai_chat", "openai_responses", "gemini", "cohere_v2", "ollama_chat", NOVA])
def test_where_no_answer_is_gone_on_from_the_model_is_named(path):
    model_id = SPEAKERS[path].path.partition("/")[2] if path in SPEAKERS else path.partition("/")[2]
    with pytest.raises(errors.UnsupportedError, match=f"prefilling: {model_id} does not"):
        plan_of(path, prefilling="Once")


# ---- how much to reason

OFF: dict[str, dict[str, Any]] = {
    "openai_chat": {"reasoning_effort": "none"},
    "openrouter": {"reasoning": {"enabled": False}},
    "openai_responses": {"reasoning": {"effort": "none"}},
    "anthropic_messages": {"thinking": {"type": "disabled"}},
    "bedrock_anthropic": {"thinking": {"type": "disabled"}},
    "vertex_anthropic": {"thinking": {"type": "disabled"}},
    "bedrock_converse": {"additionalModelRequestFields": {"thinking": {"type": "disabled"}}},
    NOVA: {"additionalModelRequestFields": {"reasoningConfig": {"type": "disabled"}}},
    "gemini": {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}},
    "mistral": {"reasoning_effort": "none"},
    "cohere_v2": {"thinking": {"type": "disabled"}},
    "ollama_chat": {"think": False},
}


@pytest.mark.parametrize("call", [{"reasoning_effort": "none"}, {"reasoning_budget": 0}], ids=["none", "0"])
@pytest.mark.parametrize("path", OFF)
def test_no_reasoning_is_said_in_each_of_them(path, call):
    plan = plan_of(path, **call)
    assert OFF[path].items() <= plan.body.items()
    assert noted(plan) == []


@pytest.mark.parametrize("path", OFF)
def test_a_number_of_tokens_is_sent_or_the_nearest_word_or_it_is_refused(path):
    if path == "ollama_chat":
        with pytest.raises(errors.UnsupportedError, match="reasoning_budget"):
            plan_of(path, reasoning_budget=2000)
        return
    plan = plan_of(path, reasoning_budget=2000)
    sent = "2000" in str(plan.body)
    assert noted(plan) == ([] if sent else [("emulated", "reasoning_budget")])


@pytest.mark.parametrize("name", CLAUDES)
def test_claude_cannot_be_made_to_call_while_it_thinks(name):
    for call in ({"reasoning_effort": "low"}, {"reasoning_budget": 2000}):
        with pytest.raises(errors.UnsupportedError, match="reasoning_effort="):
            plan_of(name, tool_schemas=[get_weather], tool_choice="get_weather", **call)
        assert plan_of(name, tool_schemas=[get_weather], tool_choice="auto", **call).body


@pytest.mark.parametrize("name", ["anthropic_messages", "bedrock_anthropic", "vertex_anthropic"])
def test_the_limit_that_anthropic_demands_leaves_room_for_an_answer(name):
    assert plan_of(name, reasoning_budget=2000).body["max_tokens"] == 64_000
    unknown = plan_of("anthropic/claude-unheard-of", reasoning_budget=20_000)
    assert unknown.body["max_tokens"] == 20_000 + 4096
    assert [change.field for change in unknown.changes] == ["max_tokens"]


# ---- reasoning that is kept as text

TEXT = {"family": "text", "kind": "reasoning", "after": 0, "raw": "I must look."}
TOLD = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello", "provider_state": [TEXT]},
    {"role": "user", "content": "So?"},
]


@pytest.mark.parametrize("name", SPEAKERS)
def test_reasoning_that_a_model_does_not_want_back_is_dropped_and_recorded(name):
    plan = plan_of(name, messages=TOLD)
    assert "I must look." not in str(plan.body)
    assert noted(plan) == [("dropped", "messages[1].provider_state")]


def test_one_that_wants_it_is_given_it_whoever_thought_it():
    plan = plan_of("deepseek/deepseek-v4-pro", messages=TOLD)
    assert plan.body["messages"][1]["reasoning_content"] == "I must look."
    assert plan.changes == ()


def test_it_is_kept_only_where_it_can_go_back():
    """The catalogue names a field of OpenAI's format; the same model may be spoken to in another."""
    for dialect, kept in (("openai_chat", True), ("anthropic_messages", False)):
        speaker = SPEAKERS["openai_chat" if kept else dialect]
        provider = FakeProvider(speaker.reply(Said(thought=("I must look.",), text=("22 C.",))))
        model = mf.Model.chat_completion(
            "deepseek/deepseek-v4-pro", api_key="sk-x", dialect=dialect, http_client=provider
        )
        families = {entry["family"] for entry in model("Hi").message.get("provider_state", ())}
        assert ("text" in families) is kept


# ---- what went wrong


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 1048565 tokens. However, you requested 1250025 tokens.",
        "This endpoint's maximum context length is 200000 tokens. However, you requested about 2500021 tokens.",
        "prompt too long; exceeded max context length by 1119046 tokens",
        "The total length of all messages is too long.",
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        "invalid params, context window exceeds limit",
        "the input length exceeds the context length",
        "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]",
    ],
)
def test_a_conversation_that_is_too_long_is_known_by_what_hosts_say_of_it(message):
    said = {"error": {"message": message, "type": "invalid_request_error", "code": None}}
    with pytest.raises(errors.ContextLengthError):
        asked(FakeReply.whole(said, 400))
    with pytest.raises(errors.RateLimitError):
        asked(FakeReply.whole({"error": {"message": "Too many tokens a minute for this model."}}, 429))


@pytest.mark.parametrize(
    ("status", "said", "kind", "again"),
    [
        (400, {"message": "No such model.", "code": "model_not_found"}, errors.NotFoundError, False),
        (400, {"message": "No money left.", "code": "insufficient_quota"}, errors.RateLimitError, False),
        (424, {"message": "The model failed."}, errors.BadRequestError, True),
        (200, {"message": "It failed."}, errors.ServerError, True),
        (200, {"message": "It failed.", "type": "internal_server_error"}, errors.ServerError, True),
        (200, {"message": "No.", "code": "invalid_prompt"}, errors.ServerError, False),
    ],
)
def test_what_a_status_does_not_say_the_code_does(status, said, kind, again):
    with pytest.raises(errors.APIError) as raised:
        asked(FakeReply.whole({"error": said}, status))
    assert (type(raised.value), raised.value.retryable) == (kind, again)


def asked(reply: FakeReply) -> Any:
    model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-x", max_retries=0, http_client=FakeProvider(reply))
    return model("Hi")


def test_a_reason_that_nobody_knows_is_unknown_in_its_own_words():
    reply = asked(FakeReply.whole(chat(finish="tired")))
    assert (reply.metadata.finish_reason, reply.metadata.finish_reason_raw) == ("unknown", "tired")


# ---- an answer of a type from a model that thinks


@pytest.mark.parametrize("call", [{"reasoning_effort": "low"}, {"reasoning_budget": 2000}], ids=["word", "number"])
def test_the_way_to_ask_for_a_type_is_one_that_goes_with_reasoning(call):
    """There, nothing holds an answer to a schema, and Claude cannot be made to call a tool while it thinks."""
    assert plan_of("vertex_anthropic", generation_schema=City).body["tool_choice"]["type"] == "tool"
    thinking = plan_of("vertex_anthropic", generation_schema=City, **call)
    assert thinking.body["thinking"]["type"] == "enabled"
    assert "tools" not in thinking.body
    assert "JSON schema" in thinking.body["system"]
    off = {"reasoning_effort": "none"}
    assert plan_of("vertex_anthropic", generation_schema=City, **off).body["tool_choice"]["type"] == "tool"


def test_a_model_that_thinks_by_default_is_asked_so_as_well():
    model = mf.Model.chat_completion(SPEAKERS["vertex_anthropic"].path, api_key="sk-x", reasoning_budget=2000)
    assert "tools" not in model.plan("Hi", generation_schema=City).body
    assert "tools" in model.plan("Hi", generation_schema=City, reasoning_budget=0).body
    with pytest.raises(errors.UnsupportedError, match='output_mode="prompted"'):
        model.plan("Hi", generation_schema=City, output_mode="tool")
