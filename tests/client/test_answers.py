"""A whole answer: what goes out, and the object that comes back."""

from __future__ import annotations

import copy
import inspect
import json
import pickle

import pytest

import msgflux_like as mf
from msgflux_like import client as raw
from msgflux_like import errors
from tests.provider import chat, whole

CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"location": "London"}'}}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}]
FULL = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4-0613",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [CALL]}, "finish_reason": "weary"}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "prompt_tokens_details": {"new": 7}},
    "system_fingerprint": "fp_1",
    "x_vendor": {"queue": [{"seconds": 0.5}]},
}


def test_create_takes_keywords_only():
    create = mf.BudClient(api_key="k").chat.completions.create
    kinds = {each.kind for each in inspect.signature(create).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}
    with pytest.raises(TypeError):
        create("gpt-4", [])


def test_every_parameter_of_the_page_goes_out_as_it_is_and_the_others_not_at_all(provider, asked):
    server = provider(whole(chat()))
    given = {
        "temperature": 0.0,
        "top_p": 0.95,
        "max_tokens": 100,
        "stop": ["\n\n"],
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "user": "user-123",
        "tools": TOOLS,
        "tool_choice": "required",
    }
    asked(server, stream=False, seed=None, **given)
    assert server.requests[0].body == {"model": "m", "messages": [{"role": "user", "content": "Hello"}], **given}
    assert server.requests[0].headers["authorization"] == "Bearer sk-secret"
    assert server.requests[0].path == "/v1/chat/completions"


def test_fields_of_openai_that_models_have_no_word_for_go_out_as_they_are(provider, asked):
    server = provider(whole(chat()))
    own = {"n": 2, "logit_bias": {"5": -100}, "response_format": {"type": "json_object"}, "verbosity": "low"}
    asked(server, extra_body={"min_p": 0.1}, **own)
    body = server.requests[0].body
    assert {name: body[name] for name in (*own, "min_p")} == {**own, "min_p": 0.1}


@pytest.mark.parametrize("choice", ["auto", "none", {"type": "function", "function": {"name": "get_weather"}}])
def test_each_form_of_tool_choice_is_sent(provider, asked, choice):
    server = provider(whole(chat()))
    asked(server, tools=TOOLS, tool_choice=choice)
    assert server.requests[0].body["tool_choice"] == choice


def test_tools_of_another_kind_than_functions_are_sent_as_they_are(provider, asked):
    server = provider(whole(chat()))
    tools = [{"type": "custom", "custom": {"name": "shell"}}, *TOOLS]
    choice = {"type": "custom", "custom": {"name": "shell"}}
    asked(server, tools=tools, tool_choice=choice)
    assert (server.requests[0].body["tools"], server.requests[0].body["tool_choice"]) == (tools, choice)


def test_the_answer_has_all_that_came_by_attribute_by_key_and_in_its_dump(provider, asked):
    answer = asked(provider(whole(FULL)))
    assert isinstance(answer, raw.ChatCompletionReply)
    assert (answer.id, answer.object, answer.created, answer.model) == (
        "chatcmpl-1",
        "chat.completion",
        1700000000,
        "gpt-4-0613",
    )
    assert answer.choices[0].finish_reason == "weary"
    assert answer.usage.total_tokens == answer["usage"]["total_tokens"] == 3
    assert answer.usage.prompt_tokens_details.new == 7
    assert answer.x_vendor.queue[0].seconds == 0.5
    assert answer.model_dump() == json.loads(answer.model_dump_json()) == FULL
    assert type(answer.model_dump()["choices"][0]) is dict


def test_a_call_is_read_by_key_and_by_attribute(provider, asked):
    call = asked(provider(whole(FULL))).choices[0].message.tool_calls[0]
    assert call["function"]["name"] == call.function.name == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"location": "London"}
    assert call.id == call["id"] == "call_1"


def test_what_a_provider_leaves_out_is_none_and_what_nobody_knows_is_an_attribute_error(provider, asked):
    answer = asked(provider(whole({"choices": [{"message": {"role": "critic", "content": "no"}}]})))
    assert answer.usage is None
    assert answer.system_fingerprint is None
    assert answer.choices[0].finish_reason is None
    assert answer.choices[0].message.role == "critic"
    assert answer.choices[0].message.tool_calls is None
    assert not hasattr(answer, "never_heard_of")
    with pytest.raises(AttributeError, match="there is no key 'never_heard_of'; the keys are choices"):
        _ = answer.never_heard_of


def test_a_dump_leaves_out_what_did_not_come_and_keeps_a_null_that_did(provider, asked):
    message = asked(provider(whole(FULL))).choices[0].message
    assert message.model_dump() == {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert message.model_dump(exclude_none=True) == {"role": "assistant", "tool_calls": [CALL]}
    assert message.model_dump(exclude_unset=False)["name"] is None
    assert message.model_dump_json(indent=1).startswith('{\n "role"')


def test_a_dump_is_the_callers_own(provider, asked):
    answer = asked(provider(whole(FULL)))
    answer.model_dump()["choices"][0]["message"]["tool_calls"].clear()
    assert answer.choices[0].message.tool_calls


def test_an_answer_can_be_copied_and_pickled(provider, asked):
    answer = asked(provider(whole(FULL)))
    for twin in (copy.deepcopy(answer), pickle.loads(pickle.dumps(answer))):
        assert twin == answer
        assert isinstance(twin.choices[0].message, raw.ChatMessage)


@pytest.mark.parametrize("dumped", [True, False], ids=["dumped", "as it is"])
def test_a_message_of_an_answer_can_be_sent_back(provider, asked, dumped):
    server = provider(whole(FULL), whole(chat()))
    message = asked(server).choices[0].message
    result = {"role": "tool", "tool_call_id": "call_1", "content": "{}"}
    asked(server, [{"role": "user", "content": "x"}, message.model_dump() if dumped else message, result], tools=TOOLS)
    assert server.requests[1].body["messages"][1:] == [
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        result,
    ]


def test_a_message_of_openais_own_package_can_be_sent(provider, asked):
    from openai.types.chat import ChatCompletionMessage

    server = provider(whole(chat()))
    asked(server, [{"role": "user", "content": "x"}, ChatCompletionMessage(role="assistant", content="y")])
    assert server.requests[0].body["messages"][1] == {"role": "assistant", "content": "y"}


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool"])
def test_every_role_is_taken(provider, asked, role):
    server = provider(whole(chat()))
    message = {"role": role, "content": "x", **({"tool_call_id": "1"} if role == "tool" else {})}
    asked(server, [message])
    assert server.requests[0].body["messages"] == [message]


@pytest.mark.parametrize("messages", ["Hello", {"role": "user", "content": "x"}, None, ({"a": 1} for _ in range(1))])
def test_messages_must_be_a_list(provider, asked, messages):
    server = provider(whole(chat()))
    with pytest.raises(ValueError, match=r"messages must be a list of messages here, not \w+: write \[\{"):
        asked(server, messages)
    assert not server.requests


def test_a_text_is_no_message(provider, asked):
    with pytest.raises(ValueError, match=r"messages\[1\] must be a message with role and content, not str"):
        asked(provider(whole(chat())), [{"role": "user", "content": "x"}, "y"])


def test_what_the_caller_gave_is_not_changed(provider, asked):
    messages = [{"role": "user", "content": "x"}]
    tools, extra = copy.deepcopy(TOOLS), {"min_p": 0.1}
    asked(provider(whole(chat())), messages, tools=tools, extra_body=extra, n=1)
    assert (messages, tools, extra) == ([{"role": "user", "content": "x"}], TOOLS, {"min_p": 0.1})


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ({"temprature": 1}, TypeError, "there is no parameter 'temprature': did you mean temperature"),
        ({"system_prompt": "x"}, TypeError, "there is no parameter 'system_prompt'"),
        ({"temperature": 3}, ValueError, "temperature must be a number from 0 to 2, not 3"),
        ({"tool_choice": "auto"}, ValueError, "tool_choice needs tools: no tool is given"),
        ({"tools": [*TOOLS, {"type": "function"}]}, ValueError, r"^tools\[1\] must be"),
        ({"tools": TOOLS * 2}, ValueError, "^tools has two tools called 'get_weather'"),
        ({"n": 2, "extra_body": {"n": 3}}, ValueError, "extra_body sets n"),
        ({"max_retries": -1}, ValueError, "max_retries must be"),
        ({"timeout": 0}, ValueError, "timeout must be"),
        ({"extra_headers": {"a": "b\n"}}, ValueError, "extra_headers"),
    ],
)
def test_what_is_wrong_is_found_before_anything_is_sent(provider, asked, words, kind, said):
    server = provider(whole(chat()))
    with pytest.raises(kind, match=said):
        asked(server, **words)
    assert not server.requests


@pytest.mark.parametrize("body", [{"object": "list"}, {"choices": []}, {"choices": None}, [], b"hello", b"\xff", b""])
def test_a_reply_that_is_no_completion_is_an_error_of_the_api(provider, asked, body):
    with pytest.raises(errors.BadReplyError, match="the reply cannot be read"):
        asked(provider(whole(body)))


def test_an_error_in_a_reply_of_status_200_is_raised(provider, asked):
    with pytest.raises(errors.RateLimitError, match="slow down"):
        asked(provider(whole({"error": {"message": "slow down", "type": "rate_limit_error"}})))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequestError),
        (401, errors.AuthenticationError),
        (404, errors.NotFoundError),
        (422, errors.BadRequestError),
        (429, errors.RateLimitError),
        (500, errors.ServerError),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_refusal_is_raised_by_the_call_itself_with_status_and_message(provider, asked, status, kind, stream):
    body = {"error": {"message": "because", "type": "some_error", "code": "some_code"}}
    server = provider(whole(body, status=status))
    with pytest.raises(kind) as raised:
        asked(server, stream=stream)
    error = raised.value
    assert (error.status, error.code, error.message) == (status, "some_code", "because")
    assert not isinstance(error, ValueError)
    assert "sk-secret" not in str(error)
    assert len(server.requests) == 1


def test_a_call_is_tried_again_as_often_as_it_is_told(provider, asked):
    busy = whole({"error": {"message": "busy"}}, status=503, retry_after="0")
    server = provider(busy, busy, whole(chat("at last")))
    assert asked(server, max_retries=2).choices[0].message.content == "at last"
    assert len(server.requests) == 3


def test_extra_headers_and_fields_of_client_and_call_are_sent_together(provider, asked):
    server = provider(whole(chat()))
    given = {"extra_headers": {"x-one": "1"}, "extra_body": {"one": 1}}
    asked(server, client=given, extra_headers={"x-two": "2"}, extra_body={"two": 2})
    request = server.requests[0]
    assert (request.headers["x-one"], request.headers["x-two"]) == ("1", "2")
    assert (request.body["one"], request.body["two"]) == (1, 2)
