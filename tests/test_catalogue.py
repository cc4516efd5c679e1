"""Naming a model: its provider's row, the URL and the key that belong to it, and what is said when one is missing."""

from __future__ import annotations

import os

import pytest

import msgflux_like as mf
from msgflux_like import dialects
from msgflux_like._paths import data_folder
from msgflux_like.errors import InvalidRequestError, MissingKeyError, UnknownModelError, UnknownProviderError
from msgflux_like.providers import config
from tests.provider import chat, whole

ROWS = sorted(data_folder("providers").glob("*.toml"))
REPLY_OF_ANTHROPIC = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    """The environment of the machine says nothing."""
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_BASE_URL")):
            monkeypatch.delenv(name)


# ---- naming a model


@pytest.mark.parametrize(
    ("path", "provider_name", "model_id"),
    [
        ("openai/gpt-4o", "openai", "gpt-4o"),
        ("openrouter/openai/gpt-4o", "openrouter", "openai/gpt-4o"),
        ("openrouter/meta-llama/llama-3.3-70b:free", "openrouter", "meta-llama/llama-3.3-70b:free"),
        ("ollama/hf.co/bartowski/Llama-3.2-1B-GGUF", "ollama", "hf.co/bartowski/Llama-3.2-1B-GGUF"),
        ("openai//x", "openai", "/x"),
    ],
)
def test_a_path_is_split_at_its_first_slash(path, provider_name, model_id):
    model = mf.Model.chat_completion(path, api_key="sk-secret")
    assert (model.provider, model.model_id) == (provider_name, model_id)


def test_the_model_id_is_sent_as_it_was_written(provider, model_of):
    server = provider(whole(chat()))
    model_of(server, "openrouter/openai/gpt-4o")("hi")
    assert server.requests[0].body["model"] == "openai/gpt-4o"
    assert server.requests[0].path == "/v1/chat/completions"


@pytest.mark.parametrize("path", ["", "gpt-4o", "/gpt-4o", "openai/", "/", " ", "openai/ gpt-4o", "openai/gpt-4o\n"])
def test_a_path_that_names_no_model_is_refused_with_the_form(path):
    with pytest.raises(UnknownModelError) as raised:
        mf.Model.chat_completion(path)
    assert str(raised.value).startswith(f"{path!r} does not name a model: write provider/model")


def test_a_path_of_a_provider_alone_is_called_a_provider():
    with pytest.raises(UnknownModelError) as raised:
        mf.Model.chat_completion("openai")
    assert str(raised.value) == (
        "'openai' does not name a model: write provider/model ('openai' is the name of a provider)"
    )


@pytest.mark.parametrize("path", [None, 5, b"openai/gpt-4o", ["openai", "gpt-4o"]])
def test_a_path_that_is_not_a_string_is_refused_with_its_type(path):
    with pytest.raises(ValueError, match="a model path must be a string") as raised:
        mf.Model.chat_completion(path)
    assert str(raised.value) == f"a model path must be a string such as 'openai/gpt-4o'; got {type(path).__name__}"


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("opnai", "openai"), ("OpenAI", "openai"), ("antropic", "anthropic"), ("olama", "ollama"), ("vlm", "vllm")],
)
def test_a_mistyped_provider_is_answered_with_the_near_name(typo, meant):
    with pytest.raises(UnknownProviderError) as raised:
        mf.Model.chat_completion(f"{typo}/gpt-4o")
    beginning = f"Provider `{typo}` not registered for type `chat_completion`: did you mean "
    assert str(raised.value).startswith(beginning)
    assert meant in str(raised.value).removeprefix(beginning).removesuffix("?").split(" or ")


@pytest.mark.parametrize("name", ["xyzzyxyzzy", "..", ".", "openai.toml", "*"])
def test_a_name_of_no_provider_is_refused_and_never_read_as_a_file(name):
    with pytest.raises(ValueError, match=r"^Provider `") as raised:
        mf.Model.chat_completion(f"{name}/openai")
    assert str(raised.value).startswith(f"Provider `{name}` not registered for type `chat_completion`")


def test_the_providers_are_listed_by_kind():
    providers = mf.Model.providers()
    assert mf.Model.model_types() == list(providers)
    assert {"chat_completion", "text_completion"} <= set(providers)
    assert {"openai", "openai-responses", "anthropic", "groq", "openrouter", "ollama", "vllm", "local"} <= set(
        providers["chat_completion"]
    )
    assert all(names == sorted(names) for names in providers.values())


def test_the_list_of_providers_is_the_callers_own():
    mf.Model.providers()["chat_completion"].clear()
    assert "openai" in mf.Model.providers()["chat_completion"]


# ---- rows


OF_THE_USERS = "${OPENAI_COMPATIBLE_BASE_URL}"


@pytest.mark.parametrize("file", ROWS, ids=lambda file: file.stem)
def test_every_shipped_row_is_valid(file):
    row = config.read_row(file)
    assert row.name == file.stem
    assert row.dialect in dialects.names()
    assert row.docs.startswith("https://")
    assert row.base_url.startswith(("https://", "http://localhost")) or row.embedded or row.base_url == OF_THE_USERS
    assert row.api_key_env or not row.key_required
    assert all(name == name.upper() for name in (*row.api_key_env, *row.base_url_env))
    assert dialects.load(row.dialect).AUTH


@pytest.mark.parametrize(
    ("toml", "refusal"),
    [
        ('name = "x', "x.toml is not a provider row: "),
        ("", "x.toml is not a provider row: Object missing required field `name`"),
        (
            'name = "x"\ndialect = "openai_chat"\nbaseurl = "https://x"',
            "x.toml is not a provider row: Object contains unknown field `baseurl`",
        ),
        (
            'name = "x"\ndialect = "openai_chat"\napi_key_env = "X"',
            "x.toml is not a provider row: Expected `array`, got `str` - at `$.api_key_env`",
        ),
        ('name = "x"\ndialect = "openai"', "x.toml: unknown dialect 'openai': "),
    ],
    ids=["no TOML", "empty", "unknown field", "wrong type", "unknown dialect"],
)
def test_an_invalid_row_is_refused_with_its_file_and_field(tmp_path, toml, refusal):
    (tmp_path / "x.toml").write_text(toml)
    with pytest.raises(InvalidRequestError) as raised:
        config.read_row(tmp_path / "x.toml")
    assert str(raised.value).startswith(refusal)


# ---- the key


def test_a_missing_key_is_named_by_its_variable():
    with pytest.raises(MissingKeyError) as raised:
        mf.Model.chat_completion("openai/a-model-of-mine")
    assert str(raised.value) == "openai needs a key: set OPENAI_API_KEY in the environment, or pass api_key="
    assert isinstance(raised.value, ValueError)


def test_a_self_hosted_server_needs_no_key(provider, monkeypatch):
    server = provider(whole(chat()))
    monkeypatch.setenv("VLLM_BASE_URL", server.base_url)
    with mf.Model.chat_completion("vllm/m") as model:
        model("hi")
    assert "authorization" not in server.requests[0].headers


def test_key_and_url_are_those_of_the_environment_when_the_model_is_made(colour, provider, monkeypatch):
    first, second = provider(whole(chat("first"))), provider(whole(chat("second")))
    models = []
    for server, key in ((first, "sk-1"), (second, "sk-2")):
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", key)
        models.append(mf.Model.chat_completion("openai/gpt-4o"))
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert [colour.ask(model, "hi").consume() for model in models] == ["first", "second"]
    assert [server.requests[0].headers["authorization"] for server in (first, second)] == ["Bearer sk-1", "Bearer sk-2"]
    for model in models:
        model.close()


def test_arguments_beat_the_environment(provider, monkeypatch):
    server, other = provider(whole(chat())), provider(whole(chat()))
    monkeypatch.setenv("OPENAI_BASE_URL", other.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    with mf.Model.chat_completion("openai/gpt-4o", base_url=server.base_url + "/", api_key="sk-argument") as model:
        model("hi")
    assert server.requests[0].headers["authorization"] == "Bearer sk-argument"
    assert server.requests[0].path == "/v1/chat/completions"
    assert other.requests == []


def test_an_empty_variable_is_not_set(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(MissingKeyError):
        mf.Model.chat_completion("openai/gpt-4o")


def test_a_key_goes_to_its_own_provider_alone(colour, provider, monkeypatch):
    servers = {
        "openai": provider(whole(chat())),
        "anthropic": provider(whole(REPLY_OF_ANTHROPIC)),
        "vllm": provider(whole(chat())),
        "groq": provider(whole(chat())),
    }
    for name, server in servers.items():
        monkeypatch.setenv(f"{name.upper()}_BASE_URL", server.base_url)
        if name != "vllm":
            monkeypatch.setenv(f"{name.upper()}_API_KEY", f"sk-{name}")
    for name in servers:
        with mf.Model.chat_completion(f"{name}/m") as model:
            colour.ask(model, "hi")
    sent = {name: server.requests[0].headers for name, server in servers.items()}
    assert {name: headers.get("authorization") for name, headers in sent.items()} == {
        "openai": "Bearer sk-openai",
        "anthropic": None,
        "vllm": None,
        "groq": "Bearer sk-groq",
    }
    assert {name: headers.get("x-api-key") for name, headers in sent.items()} == {
        "openai": None,
        "anthropic": "sk-anthropic",
        "vllm": None,
        "groq": None,
    }


def test_another_providers_key_is_no_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    with pytest.raises(MissingKeyError, match=r"^groq needs a key: set GROQ_API_KEY in the environment"):
        mf.Model.chat_completion("groq/llama-3.3-70b-versatile")


UNSENDABLE_KEY = "the key for openai is empty, or has characters that a header must not have (a line end?)"


@pytest.mark.parametrize("key", ["sk-secret\n", "sk-secret\r\nX-Other: 1", "sk-sécret", "\t", "   "])
@pytest.mark.parametrize("where", ["argument", "environment"])
def test_a_key_that_no_header_may_hold_is_refused_and_not_shown(monkeypatch, key, where):
    if where == "environment":
        monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(InvalidRequestError) as raised:
        mf.Model.chat_completion("openai/gpt-4o", api_key=key if where == "argument" else None)
    assert str(raised.value) == UNSENDABLE_KEY


def test_a_key_that_no_environment_could_hold_is_refused_too():
    with pytest.raises(InvalidRequestError) as raised:
        mf.Model.chat_completion("openai/gpt-4o", api_key="sk-\0secret")
    assert str(raised.value) == UNSENDABLE_KEY


@pytest.mark.parametrize("key", [5, b"sk-secret", ("AKIA", "secret")])
def test_a_key_that_is_not_a_string_is_refused(key):
    with pytest.raises(InvalidRequestError) as raised:
        mf.Model.chat_completion("openai/gpt-4o", api_key=key)
    assert str(raised.value).endswith(f", not {type(key).__name__}")
    assert "secret" not in str(raised.value)


def test_spaces_around_a_key_are_stripped(provider, model_of):
    server = provider(whole(chat()))
    model_of(server, api_key="  sk-secret ")("hi")
    assert server.requests[0].headers["authorization"] == "Bearer sk-secret"


def test_the_key_is_never_shown_by_a_model(provider, model_of):
    server = provider(whole(chat()))
    model = model_of(server, api_key="sk-secret", temperature=0)
    response = model("hi")
    shown = [repr(model), str(model), repr(model.get_model_info()), repr(model.serialize()), repr(response)]
    assert all("sk-secret" not in text for text in shown)
    assert b"sk-secret" not in server.requests[0].raw
    assert shown[0] == "ChatCompletion(openai/gpt-4o, temperature=0)"


# ---- the URL


@pytest.mark.parametrize(
    "url",
    [
        "https://gateway.example/v1",
        "http://localhost:8000/v1",
        "http://LOCALHOST/v1",
        "http://127.0.0.1/v1",
        "http://127.8.9.10:80/v1",
        "http://[::1]:8000/v1",
        "http://models.localhost/v1",
    ],
)
def test_a_key_may_go_over_tls_and_to_this_machine(url):
    assert mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret", base_url=url).model_id == "gpt-4o"


@pytest.mark.parametrize(
    "url",
    [
        "http://gateway.example/v1",
        "http://10.0.0.1/v1",
        "http://localhost.example/v1",
        "http://127.example.com/v1",
        "http://127.0.0.1.example.com/v1",
        "http://[::2]/v1",
    ],
)
@pytest.mark.parametrize("where", ["argument", "environment"])
def test_a_key_never_goes_over_plain_http_to_another_machine(monkeypatch, url, where):
    if where == "environment":
        monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(InvalidRequestError) as raised:
        mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret", base_url=url if where == "argument" else None)
    assert str(raised.value) == (
        "base_url for openai is plain http, which would expose the key on the network: use https, or a loopback address"
    )


def test_plain_http_is_fine_where_there_is_no_key():
    assert mf.Model.chat_completion("vllm/m", base_url="http://gpu-box.lan:8000/v1").provider == "vllm"


@pytest.mark.parametrize(
    "url",
    [
        "gateway.example/v1",
        "ftp://gateway.example/v1",
        "https://",
        "https:///v1",
        "https://gate way.example/v1",
        "https://gateway.example/v1\r\nX-Other: 1",
        "https://gäteway.example/v1",
        "https://gateway.example:port/v1",
        "https://gateway.example:99999/v1",
        "http://[::1/v1",
        "http://127.0.0.1@example.com/v1",
        "https://user:password@gateway.example/v1",
        "https://gateway.example/v1?key=x",
        "https://gateway.example/v1#there",
    ],
)
def test_an_invalid_url_is_refused_when_the_model_is_made(url):
    with pytest.raises(InvalidRequestError) as raised:
        mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret", base_url=url)
    assert str(raised.value) == (
        "base_url for openai must be an http or https URL without spaces, user or query, such as 'https://host/v1'"
    )


# ---- another dialect


def test_a_provider_can_be_used_with_another_dialect(provider, model_of):
    server = provider(whole(REPLY_OF_ANTHROPIC))
    model = model_of(server, "vllm/m", dialect="anthropic_messages")
    assert model("hi").consume() == "Hi"
    assert server.requests[0].path == "/v1/messages"
    assert server.requests[0].headers["x-api-key"] == "sk-secret"


def test_a_mistyped_dialect_is_answered_with_the_near_name():
    with pytest.raises(InvalidRequestError) as raised:
        mf.Model.chat_completion("vllm/m", dialect="openai-chat")
    assert str(raised.value) == "unknown dialect 'openai-chat': did you mean openai_chat?"
