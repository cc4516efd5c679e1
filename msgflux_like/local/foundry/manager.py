"""A Foundry Local service in Python's hands."""

from __future__ import annotations

import os
from typing import Any, Self

from msgflux_like._concurrency.threads import to_thread
from msgflux_like._context import ClosesOnExit
from msgflux_like._wire.urls import split_http_url
from msgflux_like.errors import APIConnectionError, BadRequestError, InvalidRequestError, NotInstalledError
from msgflux_like.local.foundry.command import Command
from msgflux_like.local.foundry.interface import LOAD_S, Download, Interface, probe
from msgflux_like.local.foundry.models import NAME, ModelInfo, checked_device, checked_name, of_id, unknown

START_S = 60.0
DOWNLOAD_S = 7200.0

NO_SDK = 'a service in this process needs the SDK: run `pip install "msgflux-like[foundry]"`'


class FoundryLocalManager(ClosesOnExit):
    """Finds, starts and stops the service, and says which models are to be downloaded, loaded and unloaded.

    At the end of a `with` block the service is stopped if this manager has started it; else others may be using it.

    Args:
        base_url: Where a service runs; else `FOUNDRY_LOCAL_BASE_URL`. With either, the program `foundry` is left
            alone. Without, it is asked where the service runs, when that is first needed.

    Raises:
        NotInstalledError: No URL is given, and no `foundry` is on PATH.
        InvalidRequestError: The URL is none.

    Example:
        >>> from msgflux_like.local.foundry import FoundryLocalManager
        >>> FoundryLocalManager("http://localhost:5273").endpoint
        'http://localhost:5273/v1'
    """

    api_key = NAME
    """The service asks for none; this is for clients that insist on one."""

    def __init__(self, base_url: str | None = None) -> None:
        given = base_url or os.environ.get("FOUNDRY_LOCAL_BASE_URL")
        self._root = origin_of(given) if given else ""
        self._command = None if given else Command()
        self._sdk: Any = None
        self._started = False
        self._found: Interface | None = None

    @classmethod
    def in_process(cls, **settings: Any) -> Self:
        """A service in this process, of Microsoft's SDK: no program `foundry` is needed.

        There can be one in a process. It listens on a free port of loopback, keeps models in a folder of its own, and
        asks Microsoft for its catalogue. Telemetry is switched off as far as the SDK lets it be.

        Args:
            settings: For `foundry_local_sdk.Configuration`, such as `model_cache_dir`.

        Raises:
            NotInstalledError: The extra `foundry` is missing.
        """
        try:
            import foundry_local_sdk as sdk  # noqa: PLC0415  # pyright: ignore[reportMissingImports]  an extra, 200 MB
        except ImportError:
            raise NotInstalledError(NO_SDK) from None
        kind: Any = sdk  # not installed where types are checked
        settings = {"app_name": "msgflux-like", "disable_nonessential_telemetry": True, **settings}
        web = kind.Configuration.WebService(urls="http://127.0.0.1:0")
        kind.FoundryLocalManager.initialize(kind.Configuration(web=web, **settings))
        running = kind.FoundryLocalManager.instance
        try:
            running.start_web_service()
            manager = cls(running.urls[0])
        except BaseException:
            running.close()
            raise
        manager._sdk, manager._started = running, True
        return manager

    @property
    def endpoint(self) -> str:
        """Where chat completions and the like begin: `http://localhost:5273/v1`. APIConnectionError: not running."""
        return f"{self._origin()}/v1"

    # ---- the service

    def start_service(self, timeout: float = START_S) -> None:
        """Start it, if it does not run; APITimeoutError when it is not there in `timeout` seconds."""
        if self._command is not None and not self._root:
            self._root, started = self._command.start(timeout)
            self._started = self._started or started

    def stop_service(self) -> None:
        """Stop it, whoever started it; InvalidRequestError where only its URL is known."""
        if self._sdk is not None:
            self._sdk.stop_web_service()
            self._sdk.close()
            self._sdk = None
        elif self._command is not None:
            self._command.stop()
            self._root = ""
        else:
            raise InvalidRequestError("a service of which only the URL is known cannot be stopped from here")
        self._started, self._found = False, None

    def close(self) -> None:
        """Stop the service if this manager has started it; twice is once."""
        if self._started:
            self.stop_service()

    async def aclose(self) -> None:
        """The async twin of `close`."""
        await to_thread(self.close)

    # ---- models

    def list_catalog_models(self) -> list[ModelInfo]:
        """All models there are for this machine, the best build of each first; their aliases where they are told."""
        return self._interface().catalogue()

    def list_cached_models(self) -> list[ModelInfo]:
        """Those that are downloaded; UnsupportedError for a service from 1.0 on, which does not tell."""
        if self._sdk is not None:
            return [of_id(each.id, each.alias) for each in self._sdk.catalog.get_cached_models()]
        return self._interface().cached()

    def list_loaded_models(self) -> list[ModelInfo]:
        """Those in memory."""
        return self._interface().loaded()

    def get_model_info(self, alias_or_id: str, device: str | None = None) -> ModelInfo:
        """The model that a name means.

        An exact id, else an id without its version (the highest), else an alias: a build that is downloaded, else the
        first in the service's own order, among those for `device` ("CPU", "GPU" or "NPU").

        Raises:
            UnknownModelError: A LookupError: there is none. A service from 1.0 on may know the alias once it is loaded.
        """
        name, device = checked_name(alias_or_id), checked_device(device)
        return self._interface().info(name, device)

    def download_model(self, alias_or_id: str, device: str | None = None, *, timeout: float = DOWNLOAD_S) -> None:
        """Fetch a model, gigabytes, in at most `timeout` seconds.

        Raises:
            UnknownModelError: A LookupError: there is no such model.
            UnsupportedError: The service cannot be asked to, and only its URL is known.
            APIError: It failed; the message says why.
        """
        name, device = checked_name(alias_or_id), checked_device(device)
        self._interface().download(name, device, timeout)

    def load_model(
        self,
        alias_or_id: str,
        device: str | None = None,
        *,
        download: bool = False,
        ttl: int | None = None,
        timeout: float = LOAD_S,
    ) -> ModelInfo:
        """Load a model into memory; one that is there already is loaded.

        Args:
            alias_or_id: As for `get_model_info`.
            device: As for `get_model_info`.
            download: Fetch it first, if it is not there.
            ttl: Seconds without a request after which a service up to 0.8 lets go of it, 600 if not given; later ones
                cannot be told.
            timeout: Seconds to wait for it.

        Raises:
            UnknownModelError: A LookupError: there is no such model.
            BadRequestError: It is not downloaded.
            UnsupportedError: The service picks another build than the id or the device that was asked for.
        """
        name, device = checked_name(alias_or_id), checked_device(device)
        model = self._interface().load(name, device, ttl, timeout)
        if model is None and download:
            self.download_model(name, device)
            model = self._interface().load(name, device, ttl, timeout)
        if model is None:
            raise BadRequestError(
                f"{alias_or_id!r} is not downloaded: foundry_local.start_model({alias_or_id!r}) does it", provider=NAME
            )
        return model

    def unload_model(self, alias_or_id: str) -> None:
        """Let go of a model's memory."""
        name = checked_name(alias_or_id)
        self._interface().unload(name)

    def _interface(self) -> Interface:
        if self._found is None:
            self._found = probe(self._origin(), self._downloader())
        return self._found

    def _downloader(self) -> Download | None:
        if self._sdk is not None:
            return self._download_here
        return self._command.download if self._command is not None else None

    def _download_here(self, name: str, _timeout_s: float) -> None:
        model = self._sdk.catalog.get_model(name) or self._sdk.catalog.get_model_variant(name)
        if model is None:
            raise unknown(name, self.list_catalog_models(), None)
        model.download()

    def _origin(self) -> str:
        if not self._root and self._command is not None:
            self._root = self._command.find() or ""
        if not self._root:
            raise APIConnectionError("Foundry Local does not run: start_service() starts it", provider=NAME)
        return self._root

    def __repr__(self) -> str:
        return f"FoundryLocalManager({self._root or 'not found yet'})"


def start_model(alias_or_id: str, *, device: str | None = None, timeout: float = LOAD_S) -> FoundryLocalManager:
    """Have a model ready: start the service if it does not run, download the model if it is not there, load it.

    Args:
        alias_or_id: As for `FoundryLocalManager.get_model_info`.
        device: "CPU", "GPU" or "NPU"; else the best build for this machine.
        timeout: Seconds for loading the model; a download may take longer.

    Returns:
        The manager, to be used in a `with` block or as it is.

    Raises:
        NotInstalledError: No `foundry` is on PATH, and FOUNDRY_LOCAL_BASE_URL is not set.
        APITimeoutError: The service did not start, or the model did not load, in time.
        UnknownModelError: A LookupError: there is no such model.
    """
    manager = FoundryLocalManager()
    try:
        manager.start_service()
        manager.load_model(alias_or_id, device, download=True, timeout=timeout)
    except BaseException:
        manager.close()
        raise
    return manager


def origin_of(url: str) -> str:
    """The origin of a base URL, with or without `/v1` behind it; InvalidRequestError for what is no URL."""
    parts = split_http_url(url.strip())
    if parts is None or "@" in parts.netloc or parts.query:
        raise InvalidRequestError("base_url for foundry-local must be an http or https URL, like http://localhost:5273")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/v1')}"
