"""A service in this process: what the SDK is told, with a stand-in for it that serves from loopback."""

from __future__ import annotations

import sys

import pytest

from msgflux_like import errors
from msgflux_like.local.foundry import FoundryLocalManager
from tests.foundry.services import OF_ALIAS, ApiV1

SDK = """
import os

class Configuration:
    class WebService:
        def __init__(self, urls): self.urls = urls
    def __init__(self, **settings): self.settings = settings

class Model:
    def __init__(self, alias, id): self.alias, self.id = alias, id
    def download(self): said.append(f"download {self.alias}")

class Catalog:
    def get_cached_models(self): return [Model("phi-4", "Phi-4-generic-cpu:1")]
    def get_model(self, alias): return Model(alias, "?") if alias == "phi-4" else None
    def get_model_variant(self, id): return None

class FoundryLocalManager:
    instance = None
    catalog = Catalog()
    urls = None
    @staticmethod
    def initialize(configuration):
        FoundryLocalManager.instance = FoundryLocalManager()
        web = configuration.settings.pop("web").urls
        said.append(f"initialize {web} {sorted(configuration.settings.items())}")
    def start_web_service(self):
        if os.environ["SDK_URL"] == "none": raise RuntimeError("no port")
        self.urls = [os.environ["SDK_URL"]]
        said.append("start")
    def stop_web_service(self): said.append("stop")
    def close(self): said.append("close")

said = []
"""


@pytest.fixture
def sdk(tmp_path, monkeypatch):
    """Imports the stand-in, whose service is at that URL; gives what it was told."""

    def install(url: str) -> list[str]:
        monkeypatch.setenv("SDK_URL", url)
        (tmp_path / "foundry_local_sdk.py").write_text(SDK, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "foundry_local_sdk", raising=False)
        import foundry_local_sdk

        return foundry_local_sdk.said

    yield install
    sys.modules.pop("foundry_local_sdk", None)


TOLD = "initialize http://127.0.0.1:0 [('app_name', 'msgflux-like'), ('disable_nonessential_telemetry', True)"


def test_a_service_in_the_process_serves_until_its_block_ends(sdk, service):
    root = service(ApiV1(cached=list(OF_ALIAS.values())))
    said = sdk(root)
    with FoundryLocalManager.in_process(model_cache_dir="/models") as manager:
        assert manager.endpoint == f"{root}/v1"
        assert [each.device for each in manager.list_cached_models()] == ["CPU"]
        assert manager.load_model("phi-4").id == "Phi-4-generic-cpu:1"
        assert said == [f"{TOLD}, ('model_cache_dir', '/models')]", "start"]
    manager.close()
    assert said[2:] == ["stop", "close"]


def test_a_model_that_is_missing_is_downloaded_by_the_sdk(sdk, service):
    said = sdk(service(ApiV1(cached=[])))
    with FoundryLocalManager.in_process() as manager:
        manager.download_model("phi-4")
        assert said[-1] == "download phi-4"
        with pytest.raises(LookupError, match="no model 'qwen9'"):
            manager.download_model("qwen9")


def test_a_service_that_cannot_start_leaves_nothing_behind(sdk):
    said = sdk("none")
    with pytest.raises(RuntimeError, match="no port"):
        FoundryLocalManager.in_process()
    assert said[-1] == "close"


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "foundry_local_sdk", None)
    with pytest.raises(errors.NotInstalledError, match=r'pip install "msgflux-like\[foundry\]"'):
        FoundryLocalManager.in_process()
