"""Amazon Bedrock from the call to the bytes: signed, whole and streamed, refused, and tried again."""

from __future__ import annotations

import os
import re
import sys
from base64 import b64encode
from calendar import timegm
from pathlib import Path
from time import strptime
from typing import Any

import httpx
import pytest

import msgflux_like as mf
from msgflux_like import errors
from msgflux_like.cli import provider_status
from msgflux_like.providers import resolve
from msgflux_like.request import HttpRequest
from tests.eventstreams import frames
from tests.provider import Reply, Request, chat, whole
from tests.test_sigv4 import KEYS, theirs

CLAUDE = "amazon-bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0"
ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Paris."}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
}
EVENTS = """
messageStart {"role":"assistant"}
contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"Par"}}
contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"is."}}
contentBlockStop {"contentBlockIndex":0}
messageStop {"stopReason":"end_turn"}
metadata {"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5}}
"""


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    for name, value in zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), KEYS, strict=True):
        monkeypatch.setenv(name, value)
    return KEYS


def frames_of(lines: str) -> Reply:
    return Reply(200, {"content-type": "application/vnd.amazon.eventstream"}, [frames(lines)])


def refused(status: int, type_: str, message: str, **headers: str) -> Reply:
    uri = f"{type_}:http://internal.amazon.com/coral/com.amazon.bedrock/"
    return whole({"message": message}, status, x_amzn_errortype=uri, **headers)


def assert_signed(request: Request, server: Any, keys: tuple[str, ...], service: str = "bedrock") -> None:
    """That the signature is the one that botocore makes of what arrived."""
    signed = re.search(r"SignedHeaders=([^,]+)", request.headers["authorization"])
    assert signed is not None
    headers = {name: request.headers[name] for name in signed[1].split(";") if name not in ("host", "x-amz-date")}
    url = server.base_url.removesuffix("/v1") + request.path
    now_s = timegm(strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ"))
    again = theirs(HttpRequest(url, headers, request.raw), keys, "eu-central-1", service, now_s)
    assert request.headers["authorization"] == again["authorization"]


def test_a_whole_answer_comes_to_a_signed_request(provider: Any, model_of: Any, colour: Any, keys: Any):
    server = provider(whole(ANSWER))
    response = colour.ask(model_of(server, CLAUDE, api_key=None), "Capital of France?")
    assert response.consume() == "Paris."
    assert response.metadata.usage.total_tokens == 5
    (request,) = server.requests
    assert request.path == "/v1/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse"
    assert_signed(request, server, keys)


def test_a_streamed_answer_comes_to_a_signed_request(provider: Any, model_of: Any, colour: Any, keys: Any):
    server = provider(frames_of(EVENTS))
    pieces, response = colour.pieces(model_of(server, CLAUDE, api_key=None), "Capital of France?")
    assert pieces == ["Par", "is."]
    assert response.metadata.usage.total_tokens == 5
    (request,) = server.requests
    assert request.headers["accept"] == "application/vnd.amazon.eventstream"
    assert_signed(request, server, keys)


def test_a_clients_own_way_to_send_does_not_break_the_signature(provider: Any, model_of: Any, keys: Any):
    server = provider(whole(ANSWER))
    with httpx.Client() as client:
        assert model_of(server, CLAUDE, api_key=None, http_client=client)("Hi").consume() == "Paris."
    assert_signed(server.requests[0], server, keys)


def test_a_pair_of_keys_and_a_sessions_token_may_be_given(provider: Any, model_of: Any):
    server = provider(whole(ANSWER))
    model = model_of(server, CLAUDE, api_key=(*KEYS, "session"))
    assert model("Hi").consume() == "Paris."
    assert_signed(server.requests[0], server, (*KEYS, "session"))
    assert KEYS[1] not in repr(model) + str(model.serialize()) + str(vars(model))


def test_a_bedrock_key_is_sent_as_it_is(provider: Any, model_of: Any, monkeypatch: pytest.MonkeyPatch, keys: Any):
    server = provider(whole(ANSWER))
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "from-the-environment")
    for given, sent in ((None, "from-the-environment"), ("given", "given"), (lambda: "asked", "asked")):
        model_of(server, CLAUDE, api_key=given)("Hi").consume()
        assert server.requests[-1].headers["authorization"] == f"Bearer {sent}"


def test_models_behind_the_other_endpoint_are_signed_for_it(model_of: Any, keys: Any):
    model = mf.Model.chat_completion("amazon-bedrock/openai.gpt-5.4")
    assert model._endpoint.base_url == "https://bedrock-mantle.eu-central-1.api.aws/openai/v1"
    assert repr(model._endpoint.signer) == "SigV4(bedrock-mantle in eu-central-1)"
    model.close()


def test_a_request_that_is_tried_again_is_signed_anew(provider: Any, model_of: Any, colour: Any, tmp_path: Path):
    script = tmp_path / "keys.py"
    script.write_text(
        "import datetime, json, pathlib, sys\n"
        "count = pathlib.Path(sys.argv[0]).with_suffix('.count')\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        "soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'k{number}', 'SecretAccessKey': 's', 'SessionToken': 't',"
        " 'Expiration': soon.isoformat()}))\n"
    )
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(f"[default]\ncredential_process = {sys.executable} {script}\n")
    server = provider(refused(429, "ThrottlingException", "Too many requests", retry_after="0"), whole(ANSWER))
    model = model_of(server, CLAUDE, api_key=None, max_retries=1)
    assert colour.ask(model, "Hi").consume() == "Paris."
    used = [re.search(r"Credential=(k\d+)/", request.headers["authorization"]) for request in server.requests]
    assert len({found[1] for found in used if found}) == 2
    for request, found in zip(server.requests, used, strict=True):
        assert found is not None
        assert_signed(request, server, (found[1], "s", "t"))


@pytest.mark.parametrize(
    ("status", "type_", "message", "kind"),
    [
        (400, "ValidationException", "The provided model identifier is invalid.", errors.NotFoundError),
        (400, "ValidationException", "Input is too long for requested model.", errors.ContextLengthError),
        (400, "ServiceQuotaExceededException", "Your quota is used up.", errors.RateLimitError),
        (403, "UnrecognizedClientException", "The security token is invalid.", errors.AuthenticationError),
        (404, "ResourceNotFoundException", "No such model.", errors.NotFoundError),
        (424, "ModelErrorException", "The model failed.", errors.ServerError),
        (429, "ThrottlingException", "Too many requests", errors.RateLimitError),
        (503, "ServiceUnavailableException", "Try later.", errors.ServerError),
    ],
)
def test_a_refusal_is_of_the_kind_that_its_header_names(
    *, provider: Any, model_of: Any, keys: Any, status: int, type_: str, message: str, kind: type[errors.APIError]
):
    model = model_of(provider(refused(status, type_, message)), CLAUDE, api_key=None)
    with pytest.raises(kind) as raised:
        model("Hi")
    assert (type(raised.value), raised.value.type, raised.value.status) == (kind, type_, status)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("throttlingException", errors.RateLimitError),
        ("validationException", errors.BadRequestError),
        ("modelStreamErrorException", errors.ServerError),
        ("internalServerException", errors.ServerError),
    ],
)
def test_an_exception_before_the_first_piece_is_raised_by_the_call(
    provider: Any, model_of: Any, keys: Any, type_: str, kind: type[errors.APIError]
):
    lines = f'messageStart {{"role":"assistant"}}\n!{type_} {{"message":"No."}}'
    model = model_of(provider(frames_of(lines)), CLAUDE, api_key=None)
    with pytest.raises(kind) as raised:
        model("Hi", stream=True)
    assert type(raised.value) is kind
    assert raised.value.type == type_[0].upper() + type_[1:]
    assert raised.value.retryable is (kind is not errors.BadRequestError)


def test_an_exception_in_the_middle_is_raised_after_what_came_before(provider: Any, model_of: Any, keys: Any):
    lines = "\n".join(EVENTS.splitlines()[:3]) + '\n!modelStreamErrorException {"message":"No."}'
    response = model_of(provider(frames_of(lines)), CLAUDE, api_key=None)("Hi", stream=True)
    pieces = iter(response.consume())
    assert next(pieces) == "Par"
    with pytest.raises(errors.StreamFailedError, match=r"No\.") as raised:
        list(pieces)
    assert raised.value.type == "ModelStreamErrorException"


def test_a_stream_that_breaks_off_or_is_garbled_is_no_answer(provider: Any, model_of: Any, keys: Any):
    wire = frames(EVENTS)
    garbled = wire[:200] + bytes([wire[200] ^ 1]) + wire[201:]
    head = {"content-type": "application/vnd.amazon.eventstream"}
    for pieces, kind in (([wire[:300]], errors.TruncatedStreamError), ([garbled], errors.BadReplyError)):
        model = model_of(provider(Reply(200, head, pieces)), CLAUDE, api_key=None)
        with pytest.raises(kind):
            list(model("Hi", stream=True).consume())


def test_reasoning_and_calls_make_the_round(provider: Any, model_of: Any, keys: Any):
    signature = b64encode(b"signed").decode()
    thought = {"reasoningText": {"text": "Look it up.", "signature": signature}}
    use = {"toolUseId": "tooluse_1", "name": "get_weather", "input": {"city": "Paris"}}
    first = {**ANSWER, "stopReason": "tool_use"}
    first["output"] = {"message": {"role": "assistant", "content": [{"reasoningContent": thought}, {"toolUse": use}]}}
    server = provider(whole(first), whole(ANSWER))
    model = model_of(server, CLAUDE, api_key=None)

    def get_weather(city: str) -> str:
        """The weather."""
        return f"{city} is sunny"

    calls = model("Weather in Paris?", tool_schemas=[get_weather]).consume()
    calls.insert_results("tooluse_1", "sunny")
    messages = [{"role": "user", "content": "Weather in Paris?"}, *calls.get_messages()]
    assert model(messages, tool_schemas=[get_weather]).consume() == "Paris."
    sent = server.requests[1].body["messages"]
    assert sent[1]["content"] == [{"reasoningContent": thought}, {"toolUse": use}]
    assert sent[2]["content"] == [{"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": "sunny"}]}}]


def test_claude_can_be_spoken_to_in_its_own_format(provider: Any, model_of: Any, keys: Any):
    answer = {
        "id": "msg_1",
        "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": "Paris."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    server = provider(whole(answer))
    model = model_of(server, CLAUDE, api_key=None, dialect="bedrock_anthropic")
    assert model("Hi").consume() == "Paris."
    assert server.requests[0].path.endswith("/invoke")
    assert server.requests[0].body["anthropic_version"] == "bedrock-2023-05-31"
    assert_signed(server.requests[0], server, keys)


def test_without_credentials_no_model_is_made():
    with pytest.raises(errors.MissingKeyError, match=r"AWS_BEARER_TOKEN_BEDROCK.*AWS_ACCESS_KEY_ID"):
        mf.Model.chat_completion(CLAUDE)


def test_without_a_region_no_model_is_made(monkeypatch: pytest.MonkeyPatch, keys: Any):
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(errors.MissingKeyError, match="AWS_REGION or AWS_DEFAULT_REGION"):
        mf.Model.chat_completion(CLAUDE)


def test_the_secret_half_of_a_pair_is_never_a_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    with pytest.raises(errors.MissingKeyError) as raised:
        mf.Model.chat_completion(CLAUDE)
    assert "hush" not in str(raised.value)


def test_the_command_line_says_that_there_are_credentials(monkeypatch: pytest.MonkeyPatch, keys: Any):
    row = resolve.find_provider("amazon-bedrock", CLAUDE.partition("/")[2])
    assert provider_status.key_words(row) == "AWS credentials found"
    assert provider_status.problem(row) == ""
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert provider_status.key_words(row) == "AWS_BEARER_TOKEN_BEDROCK not set, no AWS credentials found"


def test_other_providers_sign_nothing(provider: Any, model_of: Any, keys: Any):
    server = provider(whole(chat()))
    model_of(server)("Hi").consume()
    assert server.requests[0].headers["authorization"] == "Bearer sk-secret"
    assert "x-amz-date" not in server.requests[0].headers
