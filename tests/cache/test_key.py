"""What makes two requests the same: all that goes on the wire, who asks, and how the answer is read. Nothing else."""

from __future__ import annotations

import sqlite3
from dataclasses import make_dataclass
from typing import Annotated, Any

import httpx
import httpx2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

import msgflux_like as mf
from msgflux_like._wire.secrets import Secret, TokenSource
from msgflux_like._wire.sigv4 import Credentials, SigV4
from msgflux_like.cache.key import request_key
from msgflux_like.request import HttpRequest
from tests.provider import chat, whole

SALT = bytes(range(32))
HTTP = HttpRequest(
    url="https://api.openai.com/v1/chat/completions",
    headers={"accept": "application/json", "anthropic-beta": "a", "x-own": "1"},
    body=b'{"model":"gpt-4o","messages":[]}',
    auth=("authorization", "Bearer "),
    key=Secret("sk-secret"),
)
OTHER: dict[str, Any] = {
    "url": "https://api.openai.com/v1/chat/completion",
    "headers": {**HTTP.headers, "anthropic-beta": "b"},
    "body": HTTP.body + b" ",
    "auth": ("api-key", ""),
    "key": Secret("sk-secreu"),
    "stream": True,
    "signer": None,
    "method": "GET",
}


class Signs:
    blocks = False

    def __init__(self, account: str | None = None) -> None:
        if account is not None:
            self.account = account

    def sign(self, http, now_s):
        return {}


def key(http: HttpRequest = HTTP, facts: Any = None, salt: bytes = SALT, account: str | None = None) -> bytes:
    return request_key(http, facts or {"dialect": "openai_chat"}, salt, account)


def changed(**fields: Any) -> HttpRequest:
    return msgspec.structs.replace(HTTP, **fields)


# ---- the request


@pytest.mark.parametrize("field", HttpRequest.__struct_fields__)
def test_every_field_of_a_request_is_in_the_key(field):
    """A field that is added one day fails here until it has another value in `OTHER`."""
    other = changed(key=None, signer=Signs("AKIA1")) if field == "signer" else changed(**{field: OTHER[field]})
    assert key(other) != key()


@settings(max_examples=300)
@given(st.binary(max_size=200), st.data())
def test_every_byte_of_the_body_is_in_the_key(body, data):
    at = data.draw(st.integers(0, len(body)))
    flipped = body[:at] + bytes([data.draw(st.integers(0, 255))]) + body[at + 1 :]
    same = flipped == body
    assert (key(changed(body=body)) == key(changed(body=flipped))) is same


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4), st.data())
def test_headers_and_facts_may_come_in_any_order(fields, data):
    shuffled = dict(data.draw(st.permutations(list(fields.items()))))
    assert key(changed(headers=fields), fields or None) == key(changed(headers=shuffled), shuffled or None)


@given(
    st.lists(st.text("ab", max_size=3), min_size=4, max_size=4),
    st.lists(st.text("ab", max_size=3), min_size=4, max_size=4),
)
def test_no_two_requests_run_into_each_other(one, two):
    """The parts are told apart, wherever the border between them is."""

    def made(parts: list[str]) -> bytes:
        url, name, value, body = parts
        return key(changed(url=url, headers={name: value}, body=body.encode()), {"f": "x"})

    assert (made(one) == made(two)) is (one == two)


# ---- who asks


def test_accounts_are_told_apart_and_may_be_named_instead():
    assert key(changed(key=Secret("sk-other"))) != key()
    assert key(changed(key=None)) != key()
    named = key(account="team")
    assert named == key(changed(key=Secret("sk-other")), account="team")
    assert named != key(account="teams")


def test_a_signers_account_is_who_asks():
    def signed(signer: Any) -> bytes:
        return key(changed(key=None, signer=signer))

    assert signed(Signs("AKIA1")) == signed(Signs("AKIA1"))
    assert signed(Signs("AKIA1")) != signed(Signs("AKIA2"))
    nameless = Signs()
    assert signed(nameless) == signed(nameless)
    assert signed(nameless) != signed(Signs())


def test_who_signs_for_aws_is_known_by_the_id_of_its_key():
    def signed(name: str, secret: str) -> bytes:
        return key(changed(key=None, signer=SigV4(lambda: Credentials(name, Secret(secret)), "us-east-1", "bedrock")))

    assert signed("AKIA1", "a") == signed("AKIA1", "b") != signed("AKIA2", "a")


def test_functions_that_give_tokens_are_of_one_account_only_where_they_are_one():
    source = TokenSource(lambda: "sk-token", "openai")
    assert key(changed(key=source)) == key(changed(key=source))
    assert key(changed(key=source)) != key(changed(key=TokenSource(lambda: "sk-token", "openai")))


def test_the_salt_of_the_store_is_in_the_key():
    assert key(salt=bytes(32)) != key()


def test_no_secret_and_no_prompt_is_in_a_store(provider, model_of, tmp_path):
    path = tmp_path / "c.sqlite"
    server = provider(whole(chat("the answer")))
    model = model_of(server, cache=path, api_key="sk-very-secret", extra_headers={"x-token": "hush-hush"})
    model("the question", system_prompt="the rules")
    model._response_cache.close()
    stored = path.read_bytes()
    assert b"the answer" in stored
    assert not [each for each in (b"sk-very-secret", b"hush-hush", b"the question", b"the rules") if each in stored]
    with sqlite3.connect(path) as db:
        assert len(db.execute("SELECT key FROM entries_1").fetchone()[0]) == 32
    db.close()


# ---- calls of a model


class Event(Struct):
    name: str


def other_event(*fields: Any) -> Any:
    made = msgspec.defstruct("Event", fields)
    made.__module__, made.__qualname__ = Event.__module__, Event.__qualname__
    return made


def moved(kind: type) -> type:
    kind.__module__ = "somewhere"
    return kind


WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
BASE: dict[str, Any] = {
    "messages": MESSAGES,
    "temperature": 0.5,
    "max_tokens": 10,
    "top_p": 0.5,
    "stop": ["a"],
    "seed": 0,
    "user": "me",
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "logprobs": True,
    "top_logprobs": 2,
    "tool_schemas": [WEATHER],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "extra_body": {"metadata": {"a": "b"}},
    "extra_headers": {"x-own": "1"},
    "check": "off",
}
FLIPS: list[dict[str, Any]] = [
    {"messages": [*MESSAGES, {"role": "user", "content": "more"}]},
    {"messages": [MESSAGES[0], {"role": "user", "content": "Hellp"}]},
    {"messages": [MESSAGES[0], {"role": "assistant", "content": "Hello"}]},
    {"messages": [MESSAGES[1], MESSAGES[0]]},
    {"messages": [MESSAGES[0], {"role": "user", "content": [{"type": "text", "text": "Hello"}]}]},
    {"system_prompt": "Be brief."},
    {"temperature": 0.0},
    {"temperature": 1},
    {"max_tokens": 11},
    {"top_p": 0.4},
    {"stop": ["b"]},
    {"stop": "a"},
    {"seed": 1},
    {"user": ""},
    {"presence_penalty": 0},
    {"frequency_penalty": 0},
    {"top_logprobs": 0},
    {"tool_schemas": [{**WEATHER, "function": {**WEATHER["function"], "description": "now"}}]},
    {"tool_schemas": [WEATHER, {"type": "function", "function": {"name": "b", "parameters": {"type": "object"}}}]},
    {"tool_choice": "required"},
    {"tool_choice": "get_weather"},
    {"parallel_tool_calls": False},
    {"extra_body": {"metadata": {"a": "c"}}},
    {"extra_body": {"metadata": {"a": "b"}, "service_tier": "flex"}},
    {"extra_headers": {"x-own": "2"}},
    {"extra_headers": {"x-other": "1"}},
    {"stream": True},
    {"reasoning_effort": "low"},
    {"generation_schema": Event},
    {"generation_schema": Event, "validation": "lax"},
    {"generation_schema": Event, "output_mode": "tool"},
    {"generation_schema": Event, "output_mode": "prompted"},
    {"generation_schema": list[Event]},
    {"generation_schema": other_event(("title", str))},
    {"generation_schema": other_event(("name", int))},
    {"generation_schema": other_event(("name", str, "x"))},
    {"generation_schema": other_event(("name", Annotated[str, msgspec.Meta(description="who")]))},
    {"generation_schema": msgspec.defstruct("Event", [("name", str)], module="elsewhere")},
    {"generation_schema": moved(make_dataclass("Event", [("name", str)]))},
    {"generation_schema": {"title": "Event", "type": "object", "properties": {"name": {"type": "string"}}}},
    {"generation_schema": {"title": "Event", "type": "object", "properties": {"name": {"type": "number"}}}},
    {"typed_parser": "typed_xml"},
    {"typed_parser": "typed_xml", "generation_schema": Event},
]


def cache_key(model: mf.ChatCompletion, call: dict[str, Any]) -> str:
    found = model.plan(**call).cache_key
    assert found
    return found


def test_whatever_is_changed_in_a_call_makes_another_entry():
    cache = mf.ResponseCache()
    model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret", cache=cache)
    keys = [cache_key(model, {**BASE, **flip}) for flip in ({}, *FLIPS)]
    assert len(set(keys)) == len(keys)
    others = [
        mf.Model.chat_completion(path, **{"api_key": "sk-secret", "cache": cache, **options})
        for path, options in (
            ("openai/gpt-4o-mini", {}),
            ("vllm/gpt-4o", {}),
            ("openai/gpt-4o", {"api_key": "sk-other"}),
            ("openai/gpt-4o", {"base_url": "https://gateway.example/v1"}),
            ("openai/gpt-4o", {"extra_headers": {"openai-organization": "org"}}),
            ("openai/gpt-4o", {"extra_body": {"store": False}}),
            ("openai/gpt-4o", {"cache": mf.ResponseCache()}),
        )
    ]
    keys += [cache_key(other, BASE) for other in others]
    assert len(set(keys)) == len(keys)


def test_what_a_client_of_ones_own_adds_is_in_the_key():
    """Its headers and its query go out, too; what its `auth` or its hooks do cannot be known."""
    added: list[dict[str, Any]] = [
        {},
        {"headers": {"openai-organization": "one"}},
        {"headers": {"openai-organization": "two"}},
        {"params": {"api-version": "1"}},
        {"auth": ("me", "hush")},
        {"auth": ("me", "hush")},
        {"event_hooks": {"request": [print]}},
        {"event_hooks": {"request": [print]}},
    ]
    clients = [kind(**options) for options in added for kind in (httpx2.Client, httpx.Client)]
    # the two libraries name themselves in a header
    keys = [cache_key(with_client(client), BASE) for client in clients]
    assert len(set(keys)) == len(keys)
    clients[0].cookies.set("set-by", "the provider")
    assert [cache_key(with_client(client), BASE) for client in clients] == keys
    like = httpx2.Client(headers={"OpenAI-Organization": "one"})
    assert cache_key(with_client(like), BASE) == keys[2]
    like.headers["openai-organization"] = "two"
    assert cache_key(with_client(like), BASE) == keys[4]
    assert keys[0] not in (cache_key(with_client(None), BASE), *keys[1:])
    for client in (*clients, like):
        client.close()


def with_client(client: Any) -> mf.ChatCompletion:
    return mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret", cache=CACHE, http_client=client)


def test_a_dialect_and_a_beginning_are_in_the_key():
    cache = mf.ResponseCache()
    plain = {"messages": "Hello"}
    keys = [
        cache_key(mf.Model.chat_completion("openai/gpt-4o", api_key="k", cache=cache, dialect=dialect), plain)
        for dialect in (None, "openai_responses", "anthropic_messages")
    ]
    claude = mf.Model.chat_completion("anthropic/claude-3-5-sonnet-20241022", api_key="k", cache=cache)
    keys += [cache_key(claude, {**plain, **more}) for more in ({}, {"prefilling": "{"}, {"prefilling": "["})]
    assert len(set(keys)) == len(keys)


@settings(max_examples=60, deadline=None)
@given(st.permutations(list(BASE)))
def test_the_order_of_the_arguments_is_no_difference(names):
    model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret", cache=CACHE)
    assert cache_key(model, {name: BASE[name] for name in names}) == cache_key(model, BASE)


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(["temperature", "top_p", "seed", "stop", "max_tokens"])))
def test_it_is_no_difference_whether_a_parameter_is_the_models_or_the_calls(own):
    model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret", cache=CACHE, **{n: BASE[n] for n in own})
    everywhere = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret", cache=CACHE)
    assert cache_key(model, {name: value for name, value in BASE.items() if name not in own}) == cache_key(
        everywhere, BASE
    )


def test_fields_and_headers_of_ones_own_may_come_in_any_order():
    model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret", cache=CACHE)
    one = {"extra_body": {"a": 1, "b": 2}, "extra_headers": {"x-a": "1", "x-b": "2"}}
    two = {"extra_body": {"b": 2, "a": 1}, "extra_headers": {"X-B": "2", "X-A": "1"}}
    assert cache_key(model, {"messages": "hi", **one}) == cache_key(model, {"messages": "hi", **two})


def test_what_does_not_change_the_answer_is_not_in_the_key():
    model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret", cache=CACHE)
    other = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret", cache=CACHE, max_retries=0, timeout=5)
    assert cache_key(model, {"messages": "hi"}) == cache_key(other, {"messages": "hi", "check": "warn", "timeout": 9})


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=40), st.data())
def test_every_character_of_a_message_is_in_the_key(text, data):
    model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret", cache=CACHE)
    at = data.draw(st.integers(0, len(text) - 1))
    other = text[:at] + data.draw(st.characters(exclude_categories=["Cs"])) + text[at + 1 :]
    text, other = (each.encode(errors="replace").decode() for each in (text, other))
    assert (cache_key(model, {"messages": text}) == cache_key(model, {"messages": other})) is (text == other)


def test_the_order_of_a_schemas_properties_is_a_difference():
    """It is the order in which a model writes them."""
    model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret", cache=CACHE)
    fields = [("why", {"type": "string"}), ("what", {"type": "string"})]
    keys = {
        cache_key(model, {"messages": "hi", "generation_schema": {"type": "object", "properties": dict(each)}})
        for each in (fields, fields[::-1])
    }
    assert len(keys) == 2


def test_what_of_a_type_the_provider_never_sees_is_a_difference_too():
    model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret", cache=CACHE)
    plans = [
        model.plan("hi", generation_schema={"type": "object", "properties": {"n": {"type": "string", **own}}})
        for own in ({}, {"x-own": 1})
    ]
    assert plans[0].body == plans[1].body
    assert plans[0].cache_key != plans[1].cache_key


CACHE = mf.ResponseCache()
