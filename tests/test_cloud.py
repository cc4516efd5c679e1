"""Providers of the large clouds: their addresses, versions, keys and tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import msgflux_like as mf
from msgflux_like import errors
from msgflux_like.cli import provider_status
from msgflux_like.providers import cloud, resolve
from msgflux_like.providers.credentials import google
from tests.provider import chat, whole

KEY = "a-key-of-mine"
VARIABLES = (
    "GOOGLE_VERTEX_PROJECT",
    "GOOGLE_VERTEX_LOCATION",
    "GOOGLE_VERTEX_ENDPOINT",
    "GOOGLE_VERTEX_API_KEY",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_LOCATION",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AZURE_RESOURCE_NAME",
    "AZURE_API_KEY",
    "AZURE_BASE_URL",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
)
TOKEN = "ya29.of-the-moment"


@pytest.fixture(autouse=True)
def no_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture
def vertex(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "europe-west4")


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_RESOURCE_NAME", "my-resource")


class TestVertex:
    @pytest.mark.parametrize(
        ("location", "host"),
        [
            ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
            ("global", "aiplatform.googleapis.com"),
            ("eu", "aiplatform.eu.rep.googleapis.com"),
        ],
    )
    @pytest.mark.usefixtures("vertex")
    def test_each_location_has_its_host(self, monkeypatch, location, host):
        monkeypatch.setenv("GOOGLE_VERTEX_LOCATION", location)
        plan = mf.Model.chat_completion("google-vertex/gemini-2.5-flash", api_key=lambda: TOKEN).plan("Hello")
        where = f"projects/my-project/locations/{location}/publishers/google/models/gemini-2.5-flash"
        assert plan.url == f"https://{host}/v1beta1/{where}:generateContent"
        assert plan.headers["authorization"] == "Bearer ***"

    @pytest.mark.usefixtures("vertex")
    def test_a_key_goes_to_the_place_for_keys(self, monkeypatch):
        monkeypatch.setenv("GOOGLE_VERTEX_API_KEY", KEY)
        plan = mf.Model.chat_completion("google-vertex/gemini-2.5-flash").plan("Hello")
        place = "https://aiplatform.googleapis.com/v1/publishers/google/models/gemini-2.5-flash:generateContent"
        assert plan.url == place
        assert plan.headers["x-goog-api-key"] == "***"

    @pytest.mark.usefixtures("vertex")
    def test_claude_lies_with_another_publisher(self):
        plan = mf.Model.chat_completion("google-vertex/claude-sonnet-4-5@20250929", api_key=lambda: TOKEN).plan("Hello")
        assert plan.url.endswith("/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict")
        assert "model" not in plan.body
        assert plan.body["anthropic_version"] == "vertex-2023-10-16"

    @pytest.mark.usefixtures("vertex")
    def test_open_models_are_spoken_to_in_openais_format(self):
        model = mf.Model.chat_completion("google-vertex/openai/gpt-oss-120b-maas", api_key=lambda: TOKEN)
        where = "v1/projects/my-project/locations/europe-west4/endpoints/openapi/chat/completions"
        assert model.plan("Hello").url == f"https://europe-west4-aiplatform.googleapis.com/{where}"

    def test_an_address_without_its_parts_names_them(self):
        with pytest.raises(errors.MissingKeyError, match="GOOGLE_VERTEX_ENDPOINT and GOOGLE_VERTEX_PROJECT"):
            mf.Model.chat_completion("google-vertex/gemini-2.5-flash", api_key=lambda: TOKEN)

    @pytest.mark.usefixtures("vertex")
    def test_without_any_credentials_the_ways_are_named(self):
        with pytest.raises(
            errors.MissingKeyError, match=r"set GOOGLE_VERTEX_API_KEY .*gcloud auth application-default"
        ):
            mf.Model.chat_completion("google-vertex/gemini-2.5-flash")

    @pytest.mark.usefixtures("vertex")
    def test_without_googles_library_the_extra_is_named(self, monkeypatch):
        def missing(name: str) -> Any:
            raise ImportError(name)

        monkeypatch.setattr(google, "import_module", missing)
        with pytest.raises(errors.NotInstalledError, match=r'pip install "msgflux-like\[vertex\]"'):
            mf.Model.chat_completion("google-vertex/gemini-2.5-flash")


@pytest.fixture
def service_account(provider, tmp_path, monkeypatch) -> Iterator[Any]:
    """Google's own way to a token: a file with a private key, and a server that takes what it signs."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    server = provider(whole({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}))
    account = {
        "type": "service_account",
        "client_email": "robot@my-project.iam.gserviceaccount.com",
        "private_key": pem,
        "private_key_id": "1",
        "project_id": "my-project",
        "token_uri": f"http://127.0.0.1:{server.port}/token",
    }
    file = tmp_path / "account.json"
    file.write_text(json.dumps(account), encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    return server


@pytest.mark.usefixtures("vertex")
def test_a_service_account_gives_the_token(service_account, provider, colour):
    server = provider(whole(chat()))
    model = mf.Model.chat_completion("google-vertex/openai/gpt-oss-120b-maas", base_url=server.base_url)
    for _ in range(2):
        assert colour.ask(model, "Hello").text == "Hello"
    assert [request.headers["authorization"] for request in server.requests] == [f"Bearer {TOKEN}"] * 2
    assert len(service_account.requests) == 1  # it holds for an hour


class TestAzure:
    @pytest.mark.usefixtures("azure")
    def test_a_key_has_a_header_of_its_own(self):
        plan = mf.Model.chat_completion("azure/gpt-4o", api_key=KEY).plan("Hello", max_tokens=5)
        assert plan.url == "https://my-resource.openai.azure.com/openai/v1/chat/completions"
        assert plan.headers["api-key"] == "***"
        assert plan.body["max_completion_tokens"] == 5

    @pytest.mark.usefixtures("azure")
    def test_a_token_is_a_bearer_token(self):
        plan = mf.Model.chat_completion("azure/gpt-4o", api_key=lambda: TOKEN).plan("Hello")
        assert plan.headers["authorization"] == "Bearer ***"
        assert "api-key" not in plan.headers

    @pytest.mark.usefixtures("azure")
    def test_models_that_answer_on_responses_only_are_asked_there(self):
        plan = mf.Model.chat_completion("azure/gpt-5-pro", api_key=KEY).plan("Hello")
        assert plan.url == "https://my-resource.openai.azure.com/openai/v1/responses"

    @pytest.mark.usefixtures("azure")
    def test_claude_lies_on_another_host(self):
        plan = mf.Model.chat_completion("azure/claude-sonnet-4-5", api_key=KEY).plan("Hello")
        assert plan.url == "https://my-resource.services.ai.azure.com/anthropic/v1/messages"

    def test_a_deployment_is_a_base_url_with_a_version(self, provider, colour):
        server = provider(whole(chat()))
        root = f"http://127.0.0.1:{server.port}"
        base_url = f"{root}/openai/deployments/my-gpt?api-version=2024-10-21"
        model = mf.Model.chat_completion("azure/gpt-4o", api_key=KEY, base_url=base_url)
        assert colour.ask(model, "Hello").text == "Hello"
        [request] = server.requests
        assert request.path == "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"
        assert request.headers["api-key"] == KEY

    def test_another_query_is_refused(self):
        with pytest.raises(errors.InvalidRequestError, match="without spaces, user or query"):
            mf.Model.chat_completion("azure/gpt-4o", api_key=KEY, base_url="https://host.example/v1?key=secret")


@pytest.mark.parametrize(("name", "value"), [("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "eu-west-1")])
def test_a_region_is_known_by_either_name(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert cloud.cloud_environment()["AWS_REGION"] == value


def test_the_command_line_says_what_google_cloud_takes(monkeypatch):
    row = resolve.find_provider("google-vertex", "claude-sonnet-4-5@20250929")
    assert provider_status.key_words(row) == "GOOGLE_APPLICATION_CREDENTIALS not set"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/somewhere/account.json")
    assert provider_status.key_words(row) == "GOOGLE_APPLICATION_CREDENTIALS set"
