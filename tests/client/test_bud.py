"""`BudClient`: where it calls, how it says who is asking, and what it does not send."""

from __future__ import annotations

import threading

import pytest

import msgflux_like as mf
from msgflux_like import errors
from msgflux_like.client.bud import LoginTokens
from tests.client.conftest import USER
from tests.provider import chat, chat_stream, whole

VARIABLES = (
    "BUD_API_KEY",
    "BUD_BASE_URL",
    "BUD_API_URL",
    "BUD_EMAIL",
    "BUD_PASSWORD",
    "BUD_DAPR_TOKEN",
    "BUD_USER_ID",
)
LOGIN, RENEWAL = "/auth/login", "/auth/refresh-token"


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def ask(colour, client, **words):
    return colour.call(client, "chat.completions.create", model="gpt-4", messages=USER, **words)


def host(server):
    return server.base_url.removesuffix("/v1")


# ---------------------------------------------------------------------------------------------------- where, and who


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/"])
@pytest.mark.parametrize("given", ["BUD_BASE_URL", "BUD_API_URL", "base_url"])
def test_the_gateway_is_named_with_or_without_v1(provider, colour, monkeypatch, end, given):
    server = provider(whole(chat()))
    monkeypatch.setenv("BUD_API_KEY", "bud-key")
    if given != "base_url":
        monkeypatch.setenv(given, host(server) + end)
    ask(colour, colour.BudClient(**({"base_url": host(server) + end} if given == "base_url" else {})))
    assert server.requests[0].path == "/v1/chat/completions"
    assert server.requests[0].headers["authorization"] == "Bearer bud-key"


def test_a_model_of_bud_finds_it_as_well(provider, monkeypatch):
    server = provider(whole(chat("Hi")))
    monkeypatch.setenv("BUD_BASE_URL", host(server))
    assert mf.Model.chat_completion("bud/gpt-4", api_key="k")("Hello").text == "Hi"
    assert server.requests[0].path == "/v1/chat/completions"


def test_without_a_word_it_is_buds_own_gateway():
    client = mf.BudClient(api_key="k")
    _, endpoint = client._account.endpoint()
    assert endpoint.base_url == "https://gateway.bud.studio/v1"
    assert repr(client) == "BudClient(provider='bud')"
    assert isinstance(client, mf.Client)


def test_nobody_is_told_how_to_be_somebody(colour):
    with pytest.raises(ValueError, match=r"api_key= or set BUD_API_KEY.*BUD_EMAIL and BUD_PASSWORD.*BUD_DAPR_TOKEN"):
        colour.BudClient()
    with pytest.raises(errors.MissingKeyError):
        colour.BudClient(api_key="")


def test_email_and_password_go_together(colour):
    with pytest.raises(ValueError, match="give both"):
        colour.BudClient(email="a@example.com")


def test_what_is_given_counts_before_the_environment_and_a_key_before_all(provider, colour, monkeypatch):
    server = provider(whole(chat()))
    monkeypatch.setenv("BUD_BASE_URL", host(server))
    monkeypatch.setenv("BUD_DAPR_TOKEN", "dapr-env")
    ask(colour, colour.BudClient())
    monkeypatch.setenv("BUD_API_KEY", "key-env")
    ask(colour, colour.BudClient())
    ask(colour, colour.BudClient(dapr_token="dapr"))
    ask(colour, colour.BudClient("key", dapr_token="dapr"))
    heads = [request.headers for request in server.requests]
    assert [head.get("authorization") for head in heads] == [None, "Bearer key-env", None, "Bearer key"]
    assert [head.get("dapr-api-token") for head in heads] == ["dapr-env", None, "dapr", None]


def test_a_dapr_sidecar_is_told_in_whose_name_it_asks(provider, colour, monkeypatch):
    server = provider(whole(chat()))
    monkeypatch.setenv("BUD_USER_ID", "user-env")
    for user in ({}, {"user_id": "user-1"}):
        ask(colour, colour.BudClient(dapr_token="dapr", base_url=host(server), **user))
    assert [request.headers["x-user-id"] for request in server.requests] == ["user-env", "user-1"]


def test_a_key_is_not_sent_in_the_clear():
    for given in ({"api_key": "k"}, {"email": "a@example.com", "password": "p"}, {"dapr_token": "d"}):
        with pytest.raises(ValueError, match="plain http"):
            mf.BudClient(base_url="http://gateway.example.com", **given)


# ------------------------------------------------------------------------------------------------ email and password


class Gateway:
    """Gives tokens t1, t2, ... that last ten minutes; `now` is the time for both sides."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.given = 0
        self.refused: set[str] = set()
        self.replies: dict[str, object] = {}

    def __call__(self, request):
        if request.path in self.replies:
            return self.replies[request.path]
        if request.path in (LOGIN, RENEWAL):
            self.given += 1
            token = {"access_token": f"t{self.given}", "refresh_token": f"r{self.given}", "expires_in": 600}
            return whole({"token": token} if request.path == LOGIN else token)
        if request.headers["authorization"].removeprefix("Bearer ") in self.refused:
            return whole({"detail": "token ended"}, status=401)
        return chat_stream("Hi") if request.body.get("stream") else whole(chat("Hi"))


@pytest.fixture
def gateway():
    return Gateway()


@pytest.fixture
def bud(provider, colour, gateway):
    """The server of the gateway, and a client that logs in there."""
    server = provider(gateway)
    client = colour.BudClient(
        email="a@example.com", password="pa\u00dfword", base_url=host(server), now=lambda: gateway.now, max_retries=0
    )
    return server, client


def told(server):
    """Which calls came, and with which token."""
    return [(request.path, request.headers.get("authorization")) for request in server.requests]


CHAT = "/v1/chat/completions"


def test_it_logs_in_when_it_first_asks(bud, colour):
    server, client = bud
    assert not server.requests
    for _ in range(2):
        ask(colour, client)
    assert told(server) == [(LOGIN, None), (CHAT, "Bearer t1"), (CHAT, "Bearer t1")]
    assert server.requests[0].body == {"email": "a@example.com", "password": "pa\u00dfword"}


def test_a_token_is_renewed_a_minute_before_its_end(bud, colour, gateway):
    server, client = bud
    ask(colour, client)
    gateway.now += 539.9
    ask(colour, client)
    gateway.now += 0.1
    ask(colour, client)
    assert told(server)[2:] == [(CHAT, "Bearer t1"), (RENEWAL, None), (CHAT, "Bearer t2")]
    assert server.requests[3].body == {"refresh_token": "r1"}


def test_who_cannot_renew_logs_in_again(bud, colour, gateway):
    server, client = bud
    ask(colour, client)
    gateway.now += 600
    gateway.replies[RENEWAL] = whole({"detail": "too old"}, status=401)
    ask(colour, client)
    assert [path for path, _ in told(server)[2:]] == [RENEWAL, LOGIN, CHAT]


def test_what_was_too_old_to_renew_with_is_not_tried_again(bud, colour, gateway):
    server, client = bud
    ask(colour, client)
    gateway.now += 600
    gateway.replies = {RENEWAL: whole({"detail": "too old"}, status=401), LOGIN: whole({"access_token": "t"})}
    ask(colour, client)
    gateway.now += 3600
    ask(colour, client)
    assert [path for path, _ in told(server)[2:]] == [RENEWAL, LOGIN, CHAT, LOGIN, CHAT]


@pytest.mark.parametrize("stream", [True, False])
def test_a_token_that_is_refused_is_renewed_once(bud, colour, gateway, stream):
    server, client = bud
    gateway.refused = {"t1"}
    ask(colour, client, stream=stream)
    assert told(server) == [(LOGIN, None), (CHAT, "Bearer t1"), (RENEWAL, None), (CHAT, "Bearer t2")]
    gateway.refused = {"t2", "t3", "t4"}
    with pytest.raises(errors.AuthenticationError, match="token ended"):
        ask(colour, client, stream=stream)
    assert [path for path, _ in told(server)[4:]] == [CHAT, RENEWAL, CHAT]


def test_a_login_that_is_refused_says_why_and_shows_no_password(bud, colour, gateway):
    server, client = bud
    gateway.replies[LOGIN] = whole({"detail": "wrong password"}, status=401)
    with pytest.raises(errors.AuthenticationError, match="wrong password") as raised:
        ask(colour, client)
    assert "pa\u00df" not in str(raised.value)
    assert [path for path, _ in told(server)] == [LOGIN]


@pytest.mark.parametrize("said", [{}, {"token": None}, {"access_token": 5}, {"token": {"access_token": ""}}])
def test_a_login_without_a_token_is_an_error_of_the_api(bud, colour, gateway, said):
    gateway.replies[LOGIN] = whole(said)
    with pytest.raises(errors.BadReplyError, match="the reply to the login has no access_token"):
        ask(colour, bud[1])


def test_a_token_that_does_not_tell_lasts_an_hour(bud, colour, gateway):
    server, client = bud
    gateway.replies[LOGIN] = whole({"access_token": "t"})
    ask(colour, client)
    gateway.now += 3539
    ask(colour, client)
    gateway.now += 1
    ask(colour, client)
    assert [path for path, _ in told(server)] == [LOGIN, CHAT, CHAT, LOGIN, CHAT]


def test_many_threads_log_in_once(provider, gateway):
    server = provider(gateway)
    tokens = LoginTokens("a@example.com", "p", host(server), now=lambda: gateway.now)
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(tokens())) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert seen == ["t1"] * 10
    assert len(server.requests) == 1


def test_nothing_shows_a_password_or_a_token(bud, colour):
    _, client = bud
    ask(colour, client)
    key = client._account.api_key
    shown = f"{client!r} {key!r} {client._account!r}"
    assert "t1" not in shown
    assert "pa\u00df" not in shown


# ------------------------------------------------------------------------------------------------------------ limits


def refused(colour, messages):
    with pytest.raises(errors.InvalidMessagesError) as raised:
        colour.call(colour.BudClient("k"), "chat.completions.create", model="gpt-4", messages=messages)
    return str(raised.value)


def test_more_than_a_thousand_messages_are_not_sent(provider, colour):
    server = provider(whole(chat()))
    client = colour.BudClient("k", base_url=server.base_url)
    colour.call(client, "chat.completions.create", model="gpt-4", messages=USER * 1000)
    assert refused(colour, USER * 1001) == (
        "messages has 1001 messages, and 1000 may be sent at once: leave out the oldest, or raise max_messages"
    )


@pytest.mark.parametrize("parts", [True, False])
def test_more_than_a_million_characters_are_not_sent(provider, colour, parts):
    def message(count):
        if not parts:
            return {"role": "user", "content": "x" * count}
        picture = {"type": "image_url", "image_url": {"url": "https://example.com/" + "y" * 2_000_000}}
        texts = [{"type": "text", "text": "x" * 500_000}, {"type": "text", "text": "x" * (count - 500_000)}]
        return {"role": "user", "content": [*texts, picture]}

    server = provider(whole(chat()))
    client = colour.BudClient("k", base_url=server.base_url)
    colour.call(client, "chat.completions.create", model="gpt-4", messages=[message(1_000_000)])
    said = refused(colour, [*USER, message(1_000_001)])
    assert said == (
        "messages[1].content has 1000001 characters, and 1000000 may be sent: shorten it, or raise max_message_chars"
    )


def test_an_answer_may_be_longer(provider, colour):
    server = provider(whole(chat("x" * 1_500_000)))
    assert len(ask(colour, colour.BudClient("k", base_url=server.base_url)).choices[0].message.content) == 1_500_000


def test_a_request_that_the_gateway_cannot_check_is_an_error_of_the_api(provider, colour):
    wrong = [{"loc": ["body", "temperature"], "msg": "too warm", "type": "value_error"}]
    server = provider(whole({"detail": wrong}, status=422))
    with pytest.raises(errors.BadRequestError, match="too warm") as raised:
        ask(colour, colour.BudClient("k", base_url=server.base_url))
    assert raised.value.status == 422
    assert not isinstance(raised.value, ValueError)
    assert len(server.requests) == 1
