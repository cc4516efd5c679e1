"""From `provider/model` to a place that can be called, for everything the catalogue lists."""

from __future__ import annotations

import re

import msgspec
import pytest

import msgflux_like as mf
from msgflux_like import dialects
from msgflux_like._paths import data_folder
from msgflux_like.catalog.profiles import get_model_profile, get_provider_profile, provider_ids
from msgflux_like.errors import (
    InvalidRequestError,
    MissingKeyError,
    UnknownModelError,
    UnknownProviderError,
    UnsupportedError,
)
from msgflux_like.providers import config, derive, resolve
from tests.provider import chat, whole

KEY = re.compile(r"_(API_KEY|KEY|APIKEY|TOKEN|PAT|TOKEN_BEDROCK)$")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch, tmp_path):
    import os

    for name in list(os.environ):
        if KEY.search(name) or name.endswith("_BASE_URL"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MSGFLUX_LIKE_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("MSGFLUX_LIKE_CACHE_DIR", str(tmp_path / "cache"))
    resolve.forget_rows()
    yield
    resolve.forget_rows()


@pytest.mark.parametrize("name", provider_ids())
def test_every_model_of_the_catalogue_resolves_or_says_why_not(name):
    provider = get_provider_profile(name)
    for model in provider.models:
        try:
            row = resolve.find_provider(name, model)
        except UnsupportedError as error:
            assert re.match(rf"{re.escape(name)} is not supported: \w", str(error))
            continue
        assert row.dialect in dialects.names()
        variables = dict.fromkeys(config.template_variables(row.base_url), "x")
        url, missing = config.fill_template(row.base_url, variables)
        assert missing == []
        assert re.fullmatch(r"https://[\w.-]+(/[\w./-]*)?|http://(localhost|127\.0\.0\.1):\d+/v1|x/\w+(/v1)?", url)
        assert row.api_key_env or not row.key_required or row.tokens  # a token that Google's tools give
        assert all(KEY.search(variable) for variable in row.api_key_env)


def test_a_model_that_the_catalogue_lists_elsewhere_is_asked_there_whoever_wrote_the_row():
    found = []
    for file in sorted(data_folder("providers").glob("*.toml")):
        written, provider = config.read_row(file), get_provider_profile(file.stem)
        for model in provider.models if provider else ():
            profile = get_model_profile(model, file.stem)
            override = profile.provider_override
            if override is None or not (override.npm or override.api):
                continue
            row, listed = resolve.find_row(file.stem, model), derive.derive(provider, profile)
            assert (row.dialect, row.base_url, row.quirks) == (listed.dialect, listed.base_url, listed.quirks)
            assert row.api_key_env == written.api_key_env
            found.append(f"{file.stem}/{model}")
    assert "cohere/north-mini-code-1-0" in found


def test_a_users_row_overrides_the_catalogue_for_every_model(tmp_path):
    rows = tmp_path / "config" / "providers"
    rows.mkdir(parents=True)
    (rows / "cohere.toml").write_text(
        'name = "cohere"\ndialect = "cohere_v2"\nbase_url = "https://proxy.example.com"\n'
    )
    resolve.forget_rows()
    assert resolve.find_row("cohere", "north-mini-code-1-0").base_url == "https://proxy.example.com"


def test_how_many_resolve_is_in_the_documents():
    reached = total = 0
    for name in provider_ids():
        for model in get_provider_profile(name).models:
            total += 1
            try:
                resolve.find_provider(name, model)
            except UnsupportedError:
                continue
            reached += 1
    text = (config.Path(__file__).parents[1] / "docs" / "providers.md").read_text(encoding="utf-8")
    assert f"{reached:,} of {total:,} models" in text
    assert reached / total >= 0.99


def test_a_shipped_row_overrides_the_catalogue():
    assert resolve.find_provider("openai", "gpt-4o").dialect == "openai_chat"
    assert get_provider_profile("openai").npm == "@ai-sdk/openai"  # which the catalogue would take for responses


def test_some_models_of_a_written_row_have_another_dialect():
    assert resolve.find_provider("openai", "gpt-5-pro").dialect == "openai_responses"


def test_the_adapter_of_one_model_beats_that_of_its_provider():
    claude = next(model for model in get_provider_profile("opencode").models if model.startswith("claude"))
    row = resolve.find_provider("opencode", claude)
    assert (row.dialect, row.base_url) == ("anthropic_messages", "https://opencode.ai/zen/v1")


def test_a_provider_is_known_by_its_other_names():
    assert resolve.find_provider("together", "x").api_key_env == ("TOGETHER_API_KEY",)


def test_a_derived_provider_answers(colour, provider, monkeypatch):
    server = provider(whole(chat()))
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-deep")
    monkeypatch.setenv("DEEPSEEK_BASE_URL", server.base_url)
    with mf.Model.chat_completion("deepseek/deepseek-chat") as model:
        assert colour.ask(model, "hi").consume() == "Hello"
    assert server.requests[0].headers["authorization"] == "Bearer sk-deep"


def test_a_key_goes_into_the_header_that_the_adapter_names(provider):
    server = provider(whole(chat()))
    with mf.Model.chat_completion("azure/gpt-4o", api_key="az", base_url=server.base_url) as model:
        model("hi", max_tokens=5)
    assert server.requests[0].headers["api-key"] == "az"
    assert "authorization" not in server.requests[0].headers
    assert server.requests[0].body["max_completion_tokens"] == 5


def test_variables_in_a_url_are_filled_in(monkeypatch):
    monkeypatch.setenv("AZURE_API_KEY", "k")
    monkeypatch.setenv("AZURE_RESOURCE_NAME", "mine")
    with mf.Model.chat_completion("azure/gpt-4o") as model:
        assert model._endpoint.base_url == "https://mine.openai.azure.com/openai/v1"


# ---- rows of one's own

ROW = """
name = "mine"
dialect = "openai_chat"
base_url = "http://127.0.0.1:9/v1"
key_required = false
"""


def own_row(tmp_path, name, text):
    folder = tmp_path / "config" / "providers"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    resolve.forget_rows()


def test_a_row_in_the_users_folder_is_a_provider(tmp_path):
    own_row(tmp_path, "mine", ROW)
    assert resolve.find_provider("mine", "x").base_url == "http://127.0.0.1:9/v1"
    assert "mine" in mf.Model.providers()["chat_completion"]


def test_a_users_row_overrides_a_shipped_row(tmp_path):
    own_row(tmp_path, "groq", ROW.replace('"mine"', '"groq"'))
    assert resolve.find_provider("groq", "x").base_url == "http://127.0.0.1:9/v1"


def test_a_broken_row_is_an_error_only_for_its_own_provider(tmp_path):
    own_row(tmp_path, "broken", "dialect = 3")
    assert resolve.find_provider("openai", "gpt-4o").name == "openai"
    with pytest.raises(InvalidRequestError, match=r"^broken\.toml is not a provider row: Expected `str`, got `int`"):
        resolve.find_provider("broken", "x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("openai_chat", "morse"), "mine.toml: unknown dialect 'morse'"),
        (("base_url", "base_uri"), "mine.toml is not a provider row: Object contains unknown field `base_uri`"),
    ],
)
def test_an_invalid_field_of_a_row_is_named(tmp_path, change, message):
    own_row(tmp_path, "mine", ROW.replace(*change))
    with pytest.raises(InvalidRequestError, match=f"^{re.escape(message)}"):
        resolve.find_provider("mine", "x")


class Point:
    """As importlib.metadata gives it."""

    group, dist = resolve.ENTRY_POINTS, None

    def __init__(self, name, load):
        self.name, self.load = name, load


def test_an_installed_package_may_bring_a_provider(monkeypatch):
    row = config.Provider(name="theirs", dialect="openai_chat", base_url="https://theirs.example/v1")

    def broken():
        raise RuntimeError("their module does not even import")

    points = [Point("theirs", lambda: row), Point("bad", broken)]
    monkeypatch.setattr(
        "importlib.metadata.entry_points",
        lambda group, name=None: [point for point in points if name in (None, point.name)],
    )
    resolve.forget_rows()
    assert resolve.find_provider("theirs", "x") is row
    assert resolve.find_provider("openai", "gpt-4o").name == "openai"
    with pytest.raises(InvalidRequestError, match=r"^the provider 'bad' of the installed package \? cannot be loaded"):
        resolve.find_provider("bad", "x")


def test_a_class_may_be_the_models_of_a_provider(monkeypatch):
    monkeypatch.setattr("msgflux_like.models._registered", {})

    @mf.register_model
    class Mine:
        model_type, provider = "chat_completion", "mine-alone"

        def __init__(self, path, **options):
            self.path, self.options = path, options

    made = mf.Model.chat_completion("mine-alone/x", temperature=0)
    assert (type(made), made.path, made.options) == (Mine, "mine-alone/x", {"temperature": 0})
    assert "mine-alone" in mf.Model.providers()["chat_completion"]
    with pytest.raises(InvalidRequestError, match="the provider 'mine-alone' is there already"):
        mf.register_model(Mine)
    assert mf.register_model(override=True)(Mine) is Mine
    with pytest.raises(InvalidRequestError, match="Mine has no from_serialized"):
        mf.Model.from_serialized("mine-alone", "chat_completion", {"model_id": "x"})


def test_a_class_of_ones_own_comes_back_from_its_state(monkeypatch):
    monkeypatch.setattr("msgflux_like.models._registered", {})
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")

    @mf.register_model(override=True)
    class Loud(mf.ChatCompletion):
        provider = "openai"

    made = mf.Model.chat_completion("openai/gpt-4o", temperature=0)
    restored = mf.Model.from_serialized(**made.serialize())
    assert type(made) is type(restored) is Loud
    assert restored.serialize() == made.serialize()


@pytest.mark.parametrize("missing", ["model_type", "provider"])
def test_a_class_without_a_name_or_a_kind_is_refused(missing):
    members = {"model_type": "chat_completion", "provider": "mine-alone", missing: None}
    with pytest.raises(InvalidRequestError, match=r"^Mine needs a model_type"):
        mf.register_model(type("Mine", (), members))


# ---- what was probably meant


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gpt-4o", "'gpt-4o' does not name a model: write provider/model: did you mean openai/gpt-4o?"),
        ("openai", "'openai' does not name a model: write provider/model ('openai' is the name of a provider)"),
        ("openai/", "'openai/' does not name a model: write provider/model, such as 'openai/gpt-4o'"),
        ("", "'' does not name a model: write provider/model, such as 'openai/gpt-4o'"),
        (None, "a model path must be a string such as 'openai/gpt-4o'; got NoneType"),
    ],
)
def test_a_path_without_a_model_is_refused_with_a_suggestion(path, message):
    with pytest.raises(UnknownModelError) as caught:
        mf.Model.chat_completion(path)
    assert str(caught.value) == message


def test_a_mistyped_model_without_its_provider_is_answered_with_full_paths():
    with pytest.raises(UnknownModelError, match=r": did you mean openai/gpt-4o or "):
        mf.Model.chat_completion("gpt4o")


def test_a_mistyped_provider_is_answered_with_similar_names():
    with pytest.raises(UnknownProviderError) as caught:
        mf.Model.chat_completion("opnai/gpt-4o")
    assert str(caught.value) == "Provider `opnai` not registered for type `chat_completion`: did you mean openai?"


@pytest.mark.parametrize("kind", ["text_completion", "text_embedder"])
def test_the_error_names_the_kind_of_model_that_was_asked_for(kind):
    message = f"^Provider `opnai` not registered for type `{kind}`: did you mean openai"
    with pytest.raises(UnknownProviderError, match=message):
        getattr(mf.Model, kind)("opnai/x")
    with pytest.raises(UnknownProviderError, match=message):
        mf.Model.from_serialized("opnai", kind, {"model_id": "x"})


def test_a_missing_key_names_the_variable_and_who_else_serves_the_model(monkeypatch):
    with pytest.raises(MissingKeyError) as caught:
        mf.Model.chat_completion("groq/llama-3.3-70b-versatile")
    assert str(caught.value) == "groq needs a key: set GROQ_API_KEY in the environment, or pass api_key="
    with pytest.raises(MissingKeyError, match=r"or pass api_key=; the same model is also offered by abacus/gpt-4o, "):
        mf.Model.chat_completion("openai/gpt-4o")
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-secret")
    with pytest.raises(MissingKeyError) as caught:
        mf.Model.chat_completion("openai/gpt-4o")
    assert str(caught.value) == (
        "openai needs a key: set OPENAI_API_KEY in the environment, or pass api_key="
        "; the same model is available from openrouter/openai/gpt-4o"
    )


def test_a_template_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.setenv("AZURE_API_KEY", "k")
    with pytest.raises(MissingKeyError) as caught:
        mf.Model.chat_completion("azure/gpt-4o")
    assert str(caught.value).startswith(
        "the base URL of azure needs AZURE_RESOURCE_NAME: set it in the environment, or pass base_url="
    )


def test_a_plain_http_url_does_not_get_a_key():
    with pytest.raises(InvalidRequestError) as caught:
        mf.Model.chat_completion("openai/gpt-4o", api_key="sk-x", base_url="http://example.com/v1")
    assert str(caught.value) == (
        "base_url for openai is plain http, which would expose the key on the network: use https, or a loopback address"
    )


def test_a_dialect_that_is_not_built_in_is_named_with_others_that_serve_the_model(monkeypatch):
    monkeypatch.setattr(derive, "_ADAPTERS", {**derive._ADAPTERS, "@ai-sdk/deepinfra": derive.Adapter("semaphore")})
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-secret")
    with pytest.raises(UnsupportedError) as caught:
        mf.Model.chat_completion("deepinfra/tencent/Hy3")
    assert str(caught.value) == (
        "deepinfra is not supported: the wire dialect semaphore is not implemented"
        "; the same model is available from openrouter/tencent/hy3"
    )


def test_unsupported_providers_are_documented_with_their_reasons():
    reasons = set()
    for name in provider_ids():
        for model in get_provider_profile(name).models:
            try:
                resolve.find_row(name, model)
            except UnsupportedError as error:
                reasons.add(str(error).partition(" is not supported: "))
    text = (config.Path(__file__).parents[1] / "docs" / "providers.md").read_text(encoding="utf-8")
    for provider, _, reason in sorted(reasons):
        count = len(get_provider_profile(provider).models)
        assert f"| `{provider}` | {count} | {reason} |" in text


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("openai/gpt-4p", "no model 'gpt-4p' is known at openai: did you mean gpt-4"),
        ("anthropic/claude-3-5-sonnet-20241022", "anthropic/claude-3-5-sonnet-20241022 left the catalogue after 20"),
        ("groq/claude-opus-4-5", "no model 'claude-opus-4-5' is known at groq: it is at anthropic/claude-opus-4-5"),
    ],
)
def test_a_model_the_provider_does_not_know_is_explained(colour, provider, model_of, path, hint):
    server = provider(whole({"error": {"message": "The model does not exist", "code": "model_not_found"}}, status=404))
    with pytest.raises(mf.errors.NotFoundError, match="The model does not exist") as caught:
        colour.ask(model_of(server, path), "hi")
    assert caught.value.hint.startswith(hint)
    assert caught.value.hint in str(caught.value)


def test_an_unknown_model_is_never_stopped(colour, provider, model_of):
    server = provider(whole(chat()))
    model = model_of(server, "openai/ft:no-such-model:mine:2026")
    assert model.profile is None
    assert colour.ask(model, "hi", temperature=2, max_tokens=10**9).consume() == "Hello"


def test_rows_are_plain_data():
    row = resolve.find_provider("groq", "x")
    assert msgspec.convert(msgspec.to_builtins(row), config.Provider) == row
    assert get_model_profile("no-such-model", "groq") is None
