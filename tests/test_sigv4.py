"""Signatures, as botocore makes them, and the credentials that make them."""

from __future__ import annotations

import pickle
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as TheirCredentials
from hypothesis import given
from hypothesis import strategies as st

from msgflux_like._wire.secrets import Secret
from msgflux_like._wire.sigv4 import Credentials, SigV4, signed_headers
from msgflux_like.errors import InvalidRequestError, MissingKeyError
from msgflux_like.providers.credentials import aws
from msgflux_like.request import HttpRequest
from tests.conversations import unhurried

NOW_S = 1_795_262_400.0
HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"
KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")

printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
amz_headers = st.dictionaries(st.from_regex(r"x-amz-[a-z-]{1,12}", fullmatch=True), values, max_size=3)
queries = st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), values, max_size=3)


def http(url: str, body: bytes = b"{}", **headers: str) -> HttpRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpRequest(url, {"content-type": "application/json", **named}, body)


def theirs(request: HttpRequest, keys: tuple[str, ...], region: str, service: str, now_s: float) -> dict[str, str]:
    """What botocore adds to the same request at the same time."""
    signed = AWSRequest("POST", request.url, dict(request.headers), request.body)
    signed.context["timestamp"] = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    auth = SigV4Auth(TheirCredentials(*keys), service, region)
    auth._modify_request_before_signing(signed)
    text = auth.string_to_sign(signed, auth.canonical_request(signed))
    auth._inject_signature_to_request(signed, auth.signature(text, signed))
    return {name.lower(): value for name, value in signed.headers.items() if name not in request.headers}


def ours(request: HttpRequest, keys: tuple[str, ...], region: str, service: str, now_s: float) -> dict[str, str]:
    token = Secret(keys[2]) if len(keys) == 3 else None
    return signed_headers(request, Credentials(keys[0], Secret(keys[1]), token), region, service, now_s)


@unhurried
@given(
    model=printable,
    body=st.binary(max_size=100),
    headers=amz_headers,
    query=queries,
    keys=st.tuples(printable, printable) | st.tuples(printable, printable, printable),
    region=st.sampled_from(["us-east-1", "eu-central-2", "us-gov-west-1"]),
    service=st.sampled_from(["bedrock", "bedrock-mantle"]),
    now_s=st.floats(0, 4e9),
    port=st.sampled_from(["", ":443", ":8080"]),
)
def test_a_signature_is_the_one_that_botocore_makes(
    *, model: str, body: bytes, headers: Any, query: Any, keys: Any, region: str, service: str, now_s: float, port: str
):
    asked = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in query.items())
    url = f"{HOST}{port}/model/{quote(model, safe='')}/converse{'?' if asked else ''}{asked}"
    request = http(url, body, **headers)
    assert ours(request, keys, region, service, now_s) == theirs(request, keys, region, service, now_s)


@pytest.mark.parametrize(
    "model",
    [
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3",
        "a b~c+d%e",
    ],
)
def test_a_path_is_escaped_once_more_to_be_signed(model: str):
    request = http(f"{HOST}/model/{quote(model, safe='')}/converse-stream")
    assert ours(request, KEYS, "us-east-1", "bedrock", NOW_S) == theirs(request, KEYS, "us-east-1", "bedrock", NOW_S)


def test_headers_that_others_may_change_are_not_signed():
    plain = http(f"{HOST}/model/m/converse")
    more = http(f"{HOST}/model/m/converse", user_agent="x", accept="y", accept_encoding="z", x_own="1")
    assert ours(plain, KEYS, "r", "s", NOW_S) == ours(more, KEYS, "r", "s", NOW_S)


def test_another_second_is_another_signature():
    request = http(f"{HOST}/model/m/converse")
    signer = SigV4(lambda: Credentials(KEYS[0], Secret(KEYS[1])), "us-east-1", "bedrock")
    first, second = signer.sign(request, NOW_S), signer.sign(request, NOW_S + 1)
    assert first["x-amz-date"] == "20261121T120000Z"
    assert second["x-amz-date"] == "20261121T120001Z"
    assert first["authorization"] != second["authorization"]


def test_credentials_are_asked_for_at_every_request():
    given_keys = iter(["one", "two"])
    signer = SigV4(lambda: Credentials(next(given_keys), Secret("s")), "us-east-1", "bedrock")
    signed = [signer.sign(http(HOST), NOW_S)["authorization"] for _ in range(2)]
    assert ["Credential=one/" in signed[0], "Credential=two/" in signed[1]] == [True, True]


def test_no_repr_and_no_pickle_shows_a_secret():
    credentials = Credentials("AKID", Secret("hush"), Secret("hush too"))
    signer = SigV4(lambda: credentials, "us-east-1", "bedrock")
    assert "hush" not in repr(credentials) + repr(signer) + str(signer)
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(credentials)


# ---- where credentials come from


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment and a home without anything of AWS; botocore's own lookups end without the network."""
    for name in list(__import__("os").environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def access_key(signer: SigV4) -> str:
    return signer.sign(http(HOST), NOW_S)["authorization"].partition("Credential=")[2].partition("/")[0]


def test_the_environment_comes_first(nowhere: pytest.MonkeyPatch, tmp_path: Path):
    write(tmp_path / ".aws" / "credentials", "[default]\naws_access_key_id = filed\naws_secret_access_key = s\n")
    nowhere.setenv("AWS_ACCESS_KEY_ID", "named")
    nowhere.setenv("AWS_SECRET_ACCESS_KEY", "s")
    nowhere.setenv("AWS_SESSION_TOKEN", "t")
    signer = aws.signer("amazon-bedrock", HOST)
    assert access_key(signer) == "named"
    assert signer.sign(http(HOST), NOW_S)["x-amz-security-token"] == "t"


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(("profile", "found"), [(None, "one"), ("work", "two")])
def test_the_shared_file_has_a_part_for_each_profile(
    nowhere: pytest.MonkeyPatch, tmp_path: Path, profile: str | None, found: str
):
    write(
        tmp_path / ".aws" / "credentials",
        "# mine\n[default]\naws_access_key_id=one\naws_secret_access_key=s%s\n\n"
        "[work]\nAWS_ACCESS_KEY_ID = two\naws_secret_access_key = s\naws_session_token = t\n",
    )
    if profile:
        nowhere.setenv("AWS_PROFILE", profile)
    assert access_key(aws.signer("amazon-bedrock", HOST)) == found
    assert aws.has_static_credentials()


def test_the_shared_file_may_lie_elsewhere(nowhere: pytest.MonkeyPatch, tmp_path: Path):
    file = write(tmp_path / "own" / "keys", "[default]\naws_access_key_id=one\naws_secret_access_key=s\n")
    nowhere.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    assert access_key(aws.signer("amazon-bedrock", HOST)) == "one"


def test_a_file_that_is_none_is_named_and_not_shown(nowhere: pytest.MonkeyPatch, tmp_path: Path):
    file = write(tmp_path / ".aws" / "credentials", "aws_secret_access_key = hush\n")
    with pytest.raises(InvalidRequestError) as raised:
        aws.signer("amazon-bedrock", HOST)
    assert str(file) in str(raised.value)
    assert "hush" not in str(raised.value)
    assert not aws.has_static_credentials()


def test_what_botocore_knows_is_found_and_kept_fresh(nowhere: pytest.MonkeyPatch, tmp_path: Path):
    script = write(
        tmp_path / "own" / "keys.py",
        "import json, pathlib, sys\n"
        "count = pathlib.Path(sys.argv[0]).with_suffix('.count')\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'k{number}', 'SecretAccessKey': 's', 'SessionToken': 't',"
        " 'Expiration': '2001-01-01T00:00:00Z' if number == 1 else '2999-01-01T00:00:00Z'}))\n",
    )
    write(tmp_path / ".aws" / "config", f"[default]\ncredential_process = {sys.executable} {script}\n")
    signer = aws.signer("amazon-bedrock", HOST)
    assert signer.blocks
    signer.prepare()
    assert access_key(signer) == "k2"
    assert access_key(signer) == "k2"


def test_a_login_that_has_run_out_is_an_error_of_ours(nowhere: pytest.MonkeyPatch, tmp_path: Path):
    write(tmp_path / ".aws" / "config", f"[default]\ncredential_process = {sys.executable} -c 1/0\n")
    with pytest.raises(MissingKeyError, match=r"CredentialRetrievalError.*log in again"):
        aws.signer("amazon-bedrock", HOST)


def test_nothing_at_all_is_an_error_that_names_the_ways(nowhere: pytest.MonkeyPatch):
    with pytest.raises(MissingKeyError, match=r"AWS_BEARER_TOKEN_BEDROCK.*AWS_ACCESS_KEY_ID.*credentials.*api_key="):
        aws.signer("amazon-bedrock", HOST)
    assert not aws.has_static_credentials()


def test_without_botocore_the_error_names_the_extra(nowhere: pytest.MonkeyPatch):
    nowhere.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(MissingKeyError, match=r"msgflux-like\[aws\]"):
        aws.signer("amazon-bedrock", HOST)


@pytest.mark.parametrize("given_keys", [("id",), ("id", ""), ("id", 7), ("a", "b", "c", "d"), ()])
def test_a_tuple_that_is_no_pair_of_keys_is_refused(given_keys: tuple[Any, ...]):
    with pytest.raises(InvalidRequestError, match="access key id, secret access key"):
        aws.signer("amazon-bedrock", HOST, given_keys)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://bedrock-runtime.eu-west-3.amazonaws.com", "SigV4(bedrock in eu-west-3)"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "SigV4(bedrock in us-gov-west-1)"),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "SigV4(bedrock in cn-north-1)"),
        ("https://bedrock-mantle.us-east-2.api.aws/v1", "SigV4(bedrock-mantle in us-east-2)"),
        ("https://vpce-1.bedrock-runtime.us-west-2.vpce.amazonaws.com", "SigV4(bedrock in us-west-2)"),
        ("https://proxy.example.com/bedrock", "SigV4(bedrock in ap-south-1)"),
    ],
)
def test_the_host_tells_the_region_and_the_service(nowhere: pytest.MonkeyPatch, url: str, said: str):
    nowhere.setenv("AWS_REGION", "ap-south-1")
    assert repr(aws.signer("amazon-bedrock", url, KEYS)) == said


def test_a_host_without_a_region_needs_one(nowhere: pytest.MonkeyPatch):
    with pytest.raises(MissingKeyError, match="AWS_REGION or AWS_DEFAULT_REGION"):
        aws.signer("amazon-bedrock", "https://proxy.example.com", KEYS)
    nowhere.setenv("AWS_DEFAULT_REGION", "sa-east-1")
    assert aws.signer("amazon-bedrock", "https://proxy.example.com", KEYS).region == "sa-east-1"
