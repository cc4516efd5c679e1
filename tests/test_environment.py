"""Variables of providers' own SDKs mean here what they mean there, and a base URL may name a host or an API."""

from __future__ import annotations

import os

import pytest

import msgflux_like as mf
from msgflux_like.errors import InvalidRequestError
from msgflux_like.providers import environment, resolve
from msgflux_like.providers.environment import VARIABLES, ollama_url, with_path
from tests.variables_page import PAGE, page

HOST = "https://proxy.example.com"
AZURE = "https://res.openai.azure.com"


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch, tmp_path):
    names = {each.name for each in VARIABLES}
    for name in list(os.environ):
        if name in names or name.endswith(("_BASE_URL", "_API_KEY", "_RESOURCE_NAME")) or name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MSGFLUX_LIKE_CONFIG_DIR", str(tmp_path))
    resolve.forget_rows()


def url(path, stream=False, **options):
    return mf.Model.chat_completion(path, **{"api_key": "k", **options}).plan("q", max_tokens=9, stream=stream).url


HOSTS = {
    "ANTHROPIC_BASE_URL": ("anthropic/claude-sonnet-4-5", "/v1/messages"),
    "GROQ_BASE_URL": ("groq/llama-3.3-70b-versatile", "/openai/v1/chat/completions"),
    "CEREBRAS_BASE_URL": ("cerebras/gpt-oss-120b", "/v1/chat/completions"),
    "GOOGLE_GEMINI_BASE_URL": ("google/gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:generateContent"),
    "CO_API_URL": ("cohere/command-a-03-2025", "/v2/chat"),
    "AZURE_OPENAI_ENDPOINT": ("azure/gpt-4o", "/openai/v1/chat/completions"),
}


@pytest.mark.parametrize("end", ["", "/"])
@pytest.mark.parametrize("name", HOSTS)
def test_a_variable_that_names_a_host_is_completed(name, end, monkeypatch):
    path, operation = HOSTS[name]
    monkeypatch.setenv(name, HOST + end)
    assert url(path) == HOST + operation
    assert url(path, base_url="https://other.example.com") == f"https://other.example.com{operation}"


@pytest.mark.parametrize("name", HOSTS)
def test_the_version_may_be_there_already(name, monkeypatch):
    path, operation = HOSTS[name]
    variable = next(each for each in VARIABLES if each.name == name)
    monkeypatch.setenv(name, HOST + variable.path)
    assert url(path) == HOST + operation
    assert url(path, base_url=f"{HOST}/a{variable.path}/") == f"{HOST}/a{operation}"
    assert url(path, base_url=f"{HOST}/v1").startswith(f"{HOST}/v1/")


@pytest.mark.parametrize("path", ["anthropic/claude-sonnet-4-5", "google/gemini-2.5-flash", "cohere/command-a-03-2025"])
def test_an_address_with_a_path_is_completed_where_the_api_always_has_a_version(path):
    version = {"anthropic": "v1", "google": "v1beta", "cohere": "v2"}[path.partition("/")[0]]
    assert url(path, base_url=f"{HOST}/v1/acct/gw/x").startswith(f"{HOST}/v1/acct/gw/x/{version}/")


def test_an_address_of_openais_format_is_used_as_it_is():
    assert url("openai/gpt-4o", base_url=f"{HOST}/gw") == f"{HOST}/gw/chat/completions"
    assert (
        url("deepseek/deepseek-chat", base_url="https://api.deepseek.com")
        == "https://api.deepseek.com/chat/completions"
    )
    assert url("groq/x", base_url=f"{HOST}/v1/acct/gw/groq") == f"{HOST}/v1/acct/gw/groq/chat/completions"


@pytest.mark.parametrize("path", ["openai/gpt-4o", "openai-compatible/x", "mistral/mistral-small-latest"])
def test_the_address_of_the_operation_is_understood(path):
    assert url(path, base_url=f"{HOST}/v1/chat/completions") == f"{HOST}/v1/chat/completions"


# ---- keys and tokens


@pytest.mark.parametrize("variable", [each for each in VARIABLES if each.holds == "key"], ids=lambda each: each.name)
def test_a_key_of_the_sdk_is_the_key_of_its_providers(variable, monkeypatch):
    monkeypatch.setenv(variable.name, "a-key")
    for name in variable.providers:
        if name not in resolve.provider_names():
            continue
        assert variable.name in resolve.find_provider(name, "x").api_key_env
        options = {"base_url": "https://bedrock-runtime.us-east-1.amazonaws.com" if "bedrock" in name else f"{HOST}/v1"}
        model = mf.Model.chat_completion(f"{name}/x", **options)
        assert model._endpoint.key is not None


@pytest.mark.parametrize(
    ("name", "path", "other"),
    [
        ("ANTHROPIC_AUTH_TOKEN", "anthropic/claude-sonnet-4-5", "x-api-key"),
        ("AZURE_OPENAI_AD_TOKEN", "azure/gpt-4o", "api-key"),
    ],
)
def test_a_token_is_sent_as_a_bearer_token_and_a_key_comes_first(name, path, other, monkeypatch):
    options = {"base_url": f"{HOST}/v1"}
    monkeypatch.setenv(name, "a-token")
    headers = mf.Model.chat_completion(path, **options).plan("q", max_tokens=9).headers
    assert headers["authorization"] == "Bearer ***"
    assert other not in headers
    for given in ({"api_key": "k"}, {}):
        if not given:
            monkeypatch.setenv(
                {"anthropic": "ANTHROPIC_API_KEY", "azure": "AZURE_API_KEY"}[path.partition("/")[0]], "k"
            )
        headers = mf.Model.chat_completion(path, **options, **given).plan("q", max_tokens=9).headers
        assert other in headers
        assert "authorization" not in headers


# ---- Azure


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (AZURE, f"{AZURE}/openai/v1/chat/completions"),
        (f"{AZURE}/", f"{AZURE}/openai/v1/chat/completions"),
        (f"{AZURE}/openai", f"{AZURE}/openai/chat/completions"),
        (f"{AZURE}/openai/v1", f"{AZURE}/openai/v1/chat/completions"),
        *(
            (
                f"{AZURE}/openai/deployments/d{operation}?api-version=2024-10-21",
                f"{AZURE}/openai/deployments/d/chat/completions?api-version=2024-10-21",
            )
            for operation in ("", "/chat/completions")
        ),
    ],
)
def test_an_azure_address_as_the_portal_shows_it(given, expected):
    assert url("azure/gpt-4o", base_url=given) == expected


def test_a_version_of_azures_api_asks_for_a_deployment(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", f"{AZURE}/")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    deployment = f"{AZURE}/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"
    assert mf.Model.chat_completion("azure/my-gpt").plan("q").url == deployment
    assert url("azure/my-gpt", dialect="openai_responses") == f"{AZURE}/openai/responses?api-version=2024-10-21"


# ---- Ollama

OLLAMA = {
    "0.0.0.0:11434": "http://localhost:11434",
    "0.0.0.0": "http://localhost:11434",
    ":8080": "http://localhost:8080",
    "gpu-box": "http://gpu-box:11434",
    "127.0.0.1:9": "http://127.0.0.1:9",
    "http://127.0.0.1:9/": "http://127.0.0.1:9",
    "http://gpu-box": "http://gpu-box:80",
    "https://gpu-box": "https://gpu-box:443",
    "https://gpu-box:8443/ollama": "https://gpu-box:8443/ollama",
    "[::1]:9": "http://[::1]:9",
    "::1": "http://[::1]:11434",
    "[::]:9": "http://localhost:9",
    '"gpu-box:9"': "http://gpu-box:9",
}


@pytest.mark.parametrize("value", OLLAMA)
def test_ollamas_host_has_its_usual_forms(value, monkeypatch):
    assert ollama_url(value) == OLLAMA[value]
    monkeypatch.setenv("OLLAMA_HOST", value)
    for provider, operation in (("ollama", "/v1/chat/completions"), ("ollama-native", "/api/chat")):
        model = mf.Model.chat_completion(f"{provider}/llama3.2")
        assert model.plan("q").url == OLLAMA[value] + operation


def test_a_key_never_goes_to_a_plain_host_of_the_network(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "gpu-box")
    monkeypatch.setenv("OLLAMA_API_KEY", "k")
    with pytest.raises(InvalidRequestError, match="plain http"):
        mf.Model.chat_completion("ollama/llama3.2")


# ---- AWS

KEYS = {"api_key": ("AKIAIOSFODNN7EXAMPLE", "not-a-secret")}
NOVA = "amazon-bedrock/amazon.nova-lite-v1:0"


@pytest.fixture
def configured(tmp_path, monkeypatch):
    (tmp_path / ".aws").mkdir()
    text = "[default]\nregion = eu-west-1\n[profile prod]\nregion = us-west-2\n"
    (tmp_path / ".aws" / "config").write_text(text)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({}, "eu-west-1"),
        ({"AWS_PROFILE": "prod"}, "us-west-2"),
        ({"AWS_PROFILE": "prod", "AWS_DEFAULT_REGION": "ap-south-1"}, "ap-south-1"),
        ({"AWS_REGION": "sa-east-1", "AWS_DEFAULT_REGION": "ap-south-1"}, "sa-east-1"),
    ],
)
def test_the_region_is_that_of_the_environment_or_of_the_configuration_file(variables, region, configured):
    for name, value in variables.items():
        configured.setenv(name, value)
    assert f".{region}." in url(NOVA, **KEYS)


def test_a_configuration_file_of_another_place_is_read(tmp_path, configured):
    (tmp_path / "mine").write_text("[default]\nregion = ca-central-1\n")
    configured.setenv("AWS_CONFIG_FILE", str(tmp_path / "mine"))
    assert ".ca-central-1." in url(NOVA, **KEYS)
    (tmp_path / "mine").write_text("not a file of this kind")
    with pytest.raises(mf.errors.MissingKeyError, match="AWS_REGION"):
        url(NOVA, **KEYS)


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL"])
def test_an_endpoint_of_aws_is_asked_for_bedrocks_runtime_alone(name, configured):
    configured.setenv(name, "https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com")
    assert url(NOVA, **KEYS).startswith("https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com/model/")
    mantle = resolve.find_provider("amazon-bedrock", "openai.gpt-oss-120b")
    assert (name in mantle.base_url_env) is ("bedrock-runtime" in mantle.base_url)


# ---- the table


def test_a_row_of_the_users_own_is_not_changed(tmp_path):
    (tmp_path / "providers").mkdir()
    text = f'name = "groq"\ndialect = "openai_chat"\nbase_url = "{HOST}/v1"\napi_key_env = ["MINE"]\n'
    (tmp_path / "providers" / "groq.toml").write_text(text)
    resolve.forget_rows()
    row = resolve.find_provider("groq", "x")
    assert (row.api_key_env, row.base_url_env, row.token_env) == (("MINE",), (), ())
    resolve.forget_rows()


def test_an_own_variable_comes_before_that_of_the_sdk(monkeypatch):
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "https://sdk.example.com")
    monkeypatch.setenv("GOOGLE_BASE_URL", f"{HOST}/v1beta")
    assert url("google/gemini-2.5-flash").startswith(HOST)


def test_paths_are_not_repeated():
    assert with_path(f"{HOST}/openai/", "/openai/v1") == f"{HOST}/openai/v1"
    assert with_path(f"{HOST}/v1beta", "/v1") == f"{HOST}/v1beta"
    assert with_path("", "/v1") == ""


def test_every_variable_has_a_source_and_a_known_provider():
    known = set(resolve.provider_names())
    for each in environment.VARIABLES:
        assert each.source.startswith("https://")
        assert known & set(each.providers), each.name
        assert (each.holds == "host") is bool(each.path) or each.name == "OLLAMA_HOST"


def test_the_table_of_the_documents_is_up_to_date():
    assert PAGE.read_text() == page(), "run: python -m tests.variables_page"
