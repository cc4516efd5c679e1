"""`doctor`: what is there, what is set, and what stands in the way; it never fails and never shows a key."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from msgflux_like import __version__


@pytest.fixture
def doctor(command):
    """What `doctor ...` prints: facts by label, and rows by provider, with spaces made single."""

    def run(*words):
        status, output, errors = command("doctor", *words)
        assert (status, errors) == (0, "")
        head, _, rows = output.partition("\n\n")
        width = head.index(__version__)
        facts: dict[str, str] = {}
        for line in head.splitlines():
            label = line[:width].strip() or list(facts)[-1]
            facts[label] = " ".join(filter(None, (facts.get(label), line[width:])))
        return facts, {line.split()[0]: " ".join(line.split()[1:]) for line in rows.splitlines()[1:]}

    return run


def test_it_tells_versions_and_extras(doctor):
    facts, _ = doctor()
    assert facts["msgflux-like"] == __version__
    assert {"Python", "xllamacpp", "local model", "toktok-rs", "profiles"} <= facts.keys()


def test_what_is_not_installed_is_told_with_what_it_is_good_for(doctor, monkeypatch):
    def none(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr("msgflux_like.cli.doctor.version", none)
    facts, _ = doctor()
    for package, extra in (("redis", "redis"), ("botocore", "aws"), ("google-auth", "vertex"), ("xllamacpp", "local")):
        assert facts[package].startswith("not installed; it ")
        assert facts[package].endswith(f'pip install "msgflux-like[{extra}]"')


def test_it_tells_profiles_and_folders(doctor, own_folders):
    facts, _ = doctor()
    assert facts["profiles"].startswith("of 20")
    assert "days old, shipped with the package" in facts["profiles"]
    assert facts["cache"] == str(own_folders / "cache")
    assert facts["config"] == str(own_folders / "config")


def test_a_folder_that_is_not_there_yet_is_told(doctor, monkeypatch, tmp_path):
    monkeypatch.setenv("MSGFLUX_LIKE_CACHE_DIR", str(tmp_path / "later"))
    assert doctor()[0]["cache"] == f"{tmp_path / 'later'} (not there yet)"
    assert not (tmp_path / "later").exists()


def test_the_rows_that_somebody_wrote_and_the_providers_with_a_key_are_examined(doctor, monkeypatch, write_row):
    assert {"openai", "anthropic", "local", "ollama"} <= doctor()[1].keys()
    assert "deepseek" not in doctor()[1]
    assert "zai" not in doctor()[1]
    monkeypatch.setenv("ZHIPU_API_KEY", "sesame")
    write_row("mine", 'name = "mine"\ndialect = "openai_chat"\nbase_url = "https://x.example/v1"')
    rows = doctor()[1]
    assert rows["zai"].startswith("catalogue openai_chat ZHIPU_API_KEY set https://api.z.ai/")
    assert rows["mine"] == "your row openai_chat api_key= only https://x.example/v1"


def test_providers_can_be_named(doctor):
    assert list(doctor("groq", "xai")[1]) == ["groq", "xai"]


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "GROQ_API_KEY", "ZHIPU_API_KEY"])
@pytest.mark.parametrize("key", ["sk-open-sesame", "sk-open sesame\n", "  "])
def test_no_part_of_a_key_is_shown(command, monkeypatch, variable, key):
    monkeypatch.setenv(variable, key)
    _, output, errors = command("doctor")
    assert f"{variable} set" in output
    assert "sesame" not in output + errors


def test_a_url_of_the_environment_is_shown_without_what_is_secret_in_it(doctor, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://user:sesame@gateway.example/v1?key=sesame#sesame")
    row = doctor("openai")[1]["openai"]
    assert row == (
        "built-in row openai_chat OPENAI_API_KEY not set https://gateway.example/v1 OPENAI_BASE_URL "
        "base_url for openai must be an http or https URL without spaces, user or query, such as 'https://host/v1'"
    )


def test_what_stands_in_the_way_is_told_for_each_provider(doctor, monkeypatch, write_row):
    write_row("broken", "name = 3")
    write_row("bytes", b"\xff")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gateway.example/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sesame")
    monkeypatch.setenv("GROQ_API_KEY", "sesame\n\n")
    rows = doctor("openai", "groq", "azure", "sap-ai-core", "opnai", "broken", "bytes")[1]
    assert "base_url for openai is plain http, which would expose the key" in rows["openai"]
    assert "the key for groq is empty, or has characters" in rows["groq"]
    assert "the base URL of azure needs AZURE_RESOURCE_NAME" in rows["azure"]
    assert "SAP AI Core has a proprietary protocol" in rows["sap-ai-core"]
    assert "did you mean openai" in rows["opnai"] or "did you mean opper or openai" in rows["opnai"]
    assert "broken.toml is not a provider row" in rows["broken"]
    assert "bytes.toml is not a provider row" in rows["bytes"]


def test_broken_rows_are_named_though_nobody_asked_for_them(doctor, write_row):
    write_row("good", 'name = "good"\ndialect = "openai_chat"')
    write_row("broken", "name = 3")
    facts, _ = doctor("groq")
    assert facts["your rows"] == "broken, good"
    assert facts["broken row"].startswith("broken.toml is not a provider row")


def test_the_embedded_model_is_a_provider_that_may_lack_its_model(doctor, monkeypatch, tmp_path):
    monkeypatch.setenv("MSGFLUX_LIKE_GGUF", str(tmp_path / "none.gguf"))
    facts, rows = doctor("local")
    assert facts["local model"] == f"no model file at {tmp_path}/none.gguf (from MSGFLUX_LIKE_GGUF)"
    assert rows["local"].startswith("built-in row openai_chat none needed in this process no model file at")


def test_foundry_local_is_told_of_by_its_program_or_by_its_url(doctor, monkeypatch, tmp_path):
    monkeypatch.delenv("FOUNDRY_LOCAL_BASE_URL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "reported by `foundry`" in doctor("foundry-local")[1]["foundry-local"]
    assert "there is no `foundry` on PATH" in doctor("foundry-local")[1]["foundry-local"]
    monkeypatch.setenv("FOUNDRY_LOCAL_BASE_URL", "http://localhost:5273")
    row = doctor("foundry-local")[1]["foundry-local"]
    assert "http://localhost:5273" in row
    assert "PATH" not in row


def test_fetched_profiles_that_are_broken_are_told(doctor, own_folders):
    (own_folders / "cache" / "profiles").mkdir()
    (own_folders / "cache" / "profiles" / "current.json").write_text("{")
    facts, _ = doctor("groq")
    assert "shipped with the package" in facts["profiles"]
    assert facts["problem"].startswith("current.json of the fetched profiles cannot be read")
