"""`FoundryLocalManager` and `start_model`: control a Foundry Local service from Python."""

from __future__ import annotations

import os
from typing import Any, Self

from msgflux_like._concurrency.threads import to_thread
from msgflux_like._context import ClosesOnExit
from msgflux_like._wire.urls import split_http_url
from msgflux_like.errors import APIConnectionError, BadRequestError, InvalidRequestError, NotInstalledError
from msgflux_like.local.foundry.command import Command
from msgflux_like.local.foundry.interface import LOAD_S, Download, Interface, probe
from msgflux_like.local.foundry.models import (
    NAME,
    ModelInfo,
    checked_device,
    checked_name,
    model_from_id,
    unknown_model_error,
)

START_S = 60.0
DOWNLOAD_S = 7200.0

NO_SDK = 'a service in this process needs the SDK: run `pip install "msgflux-like[foundry]"`'


class FoundryLocalManager(ClosesOnExit):
    """Control of one Foundry Local service: find, start and stop it; download, load and unload models.

    A `with` block stops the service when it exits, but only if this manager started it: other programs may be using
    a service that was running before.

    Args:
        base_url: URL of a running service, with or without `/v1`; default: the variable `FOUNDRY_LOCAL_BASE_URL`.
            With either, the program `foundry` is not used. Without, `foundry` is asked for the URL when it is first
            needed.

    Raises:
        NotInstalledError: No URL is given, and `foundry` is not on PATH.
        InvalidRequestError: `base_url` is not an http or https URL.

    Example:
        >>> from msgflux_like.local.foundry import FoundryLocalManager
        >>> FoundryLocalManager("http://localhost:5273").endpoint
        'http://localhost:5273/v1'
    """

    api_key = NAME
    """Placeholder key for clients that require one; the service itself needs no key."""

    def __init__(self, base_url: str | None = None) -> None:
        given = base_url or os.environ.get("FOUNDRY_LOCAL_BASE_URL")
        self._root = origin_of(given) if given else ""
        self._command = None if given else Command()
        self._sdk: Any = None
        self._started = False
        self._found: Interface | None = None

    @classmethod
    def in_process(cls, **settings: Any) -> Self:
        """Start a service inside this process with Microsoft's SDK; the program `foundry` is not needed.

        A process can have one such service. It listens on a free loopback port, stores models in its own folder, and
        fetches its catalogue from Microsoft. Telemetry is disabled as far as the SDK allows.

        Args:
            settings: Options of `foundry_local_sdk.Configuration`, such as `model_cache_dir`.

        Returns:
            The manager of the service; closing it stops the service.

        Raises:
            NotInstalledError: The extra `foundry` is not installed.

        Example:
            >>> with FoundryLocalManager.in_process() as manager:  # doctest: +SKIP
            ...     manager.load_model("qwen2.5-1.5b", download=True)
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
        """Base URL of the OpenAI-compatible API, such as `http://localhost:5273/v1`.

        Raises:
            APIConnectionError: The service is not running.
        """
        return f"{self._origin()}/v1"

    # ---- the service

    def start_service(self, timeout_s: float = START_S) -> None:
        """Start the service if it is not running.

        Args:
            timeout_s: Seconds to wait for it; default: 60.

        Raises:
            APITimeoutError: The service is not running after `timeout_s` seconds.
        """
        if self._command is not None and not self._root:
            self._root, started = self._command.start(timeout_s)
            self._started = self._started or started

    def stop_service(self) -> None:
        """Stop the service, even if another program started it.

        Raises:
            InvalidRequestError: Only the URL of the service is known.
        """
        if self._sdk is not None:
            self._sdk.stop_web_service()
            self._sdk.close()
            self._sdk = None
        elif self._command is not None:
            self._command.stop()
            self._root = ""
        else:
            raise InvalidRequestError("a service that is known by its URL alone cannot be stopped from here")
        self._started, self._found = False, None

    def close(self) -> None:
        """Stop the service if this manager started it. Idempotent."""
        if self._started:
            self.stop_service()

    async def aclose(self) -> None:
        """Async counterpart of `close`."""
        await to_thread(self.close)

    # ---- models

    def list_catalog_models(self) -> list[ModelInfo]:
        """Return all models available for this machine, the best build of each first.

        Raises:
            APIError: The service cannot be reached, or its reply cannot be read.
        """
        return self._interface().catalogue()

    def list_cached_models(self) -> list[ModelInfo]:
        """Return the downloaded models.

        Raises:
            UnsupportedError: The service is of version 1.0 or later, which cannot list them.
            APIError: The service cannot be reached, or its reply cannot be read.
        """
        if self._sdk is not None:
            return [model_from_id(each.id, each.alias) for each in self._sdk.catalog.get_cached_models()]
        return self._interface().cached()

    def list_loaded_models(self) -> list[ModelInfo]:
        """Return the models that are loaded into memory.

        Raises:
            APIError: The service cannot be reached, or its reply cannot be read.
        """
        return self._interface().loaded()

    def get_model_info(self, alias_or_id: str, device: str | None = None) -> ModelInfo:
        """Return the model that a name refers to.

        Args:
            alias_or_id: An id; an id without its version, for the highest version; or an alias, for a downloaded
                build if there is one, else for the first build in the service's order.
            device: "CPU", "GPU" or "NPU", to consider builds for that device only; default: any.

        Returns:
            The record of the model.

        Raises:
            UnknownModelError: There is no such model; also a LookupError. Services from 1.0 on know an alias only
                after it was loaded.
            InvalidRequestError: `alias_or_id` or `device` is not valid.
        """
        name, device = checked_name(alias_or_id), checked_device(device)
        return self._interface().info(name, device)

    def download_model(self, alias_or_id: str, device: str | None = None, *, timeout_s: float = DOWNLOAD_S) -> None:
        """Download a model, which may take gigabytes.

        Args:
            alias_or_id: Model, as for `get_model_info`.
            device: Device, as for `get_model_info`.
            timeout_s: Most seconds to take; default: 7200.

        Raises:
            UnknownModelError: There is no such model; also a LookupError.
            UnsupportedError: The service cannot download models, and only its URL is known.
            APIError: The download failed; the message gives the reason.
        """
        name, device = checked_name(alias_or_id), checked_device(device)
        self._interface().download(name, device, timeout_s)

    def load_model(
        self,
        alias_or_id: str,
        device: str | None = None,
        *,
        download: bool = False,
        ttl_s: int | None = None,
        timeout_s: float = LOAD_S,
    ) -> ModelInfo:
        """Load a model into memory. Does nothing for a model that is loaded already.

        Args:
            alias_or_id: Model, as for `get_model_info`.
            device: Device, as for `get_model_info`.
            download: Whether to download the model first if necessary; default: False.
            ttl_s: Seconds without a request after which the service unloads the model; default: 600. Services from
                1.0 on do not support it.
            timeout_s: Most seconds to wait for loading; default: 600. A download is not counted.

        Returns:
            The record of the loaded model, with the id to send in requests.

        Raises:
            UnknownModelError: There is no such model; also a LookupError.
            BadRequestError: The model is not downloaded.
            UnsupportedError: The service loads another build than the given id or device, or does not support
                `ttl_s`.
            APIError: The service cannot be reached or does not load the model.
        """
        name, device = checked_name(alias_or_id), checked_device(device)
        model = self._interface().load(name, device, ttl_s, timeout_s)
        if model is None and download:
            self.download_model(name, device)
            model = self._interface().load(name, device, ttl_s, timeout_s)
        if model is None:
            raise BadRequestError(
                f"{alias_or_id!r} is not downloaded: foundry_local.start_model({alias_or_id!r}) downloads it",
                provider=NAME,
            )
        return model

    def unload_model(self, alias_or_id: str) -> None:
        """Unload a model from memory.

        Args:
            alias_or_id: Model, as for `get_model_info`.

        Raises:
            UnknownModelError: There is no such model; also a LookupError.
            APIError: The service cannot be reached.
        """
        name = checked_name(alias_or_id)
        self._interface().unload(name)

    def _interface(self) -> Interface:
        if self._found is None:
            self._found = probe(self._origin(), self._downloader())
        return self._found

    def _downloader(self) -> Download | None:
        if self._sdk is not None:
            return self._download_with_sdk
        return self._command.download if self._command is not None else None

    def _download_with_sdk(self, name: str, _timeout_s: float) -> None:
        model = self._sdk.catalog.get_model(name) or self._sdk.catalog.get_model_variant(name)
        if model is None:
            raise unknown_model_error(name, self.list_catalog_models(), None)
        model.download()

    def _origin(self) -> str:
        if not self._root and self._command is not None:
            self._root = self._command.find() or ""
        if not self._root:
            raise APIConnectionError("Foundry Local is not running: start_service() starts it", provider=NAME)
        return self._root

    def __repr__(self) -> str:
        return f"FoundryLocalManager({self._root or 'not found yet'})"


def start_model(alias_or_id: str, *, device: str | None = None, timeout_s: float = LOAD_S) -> FoundryLocalManager:
    """Make a model ready for use: start the service, download the model and load it, each only if necessary.

    Args:
        alias_or_id: Model, as for `FoundryLocalManager.get_model_info`.
        device: "CPU", "GPU" or "NPU"; default: the best build for this machine.
        timeout_s: Most seconds to wait for loading; default: 600. A download is not counted.

    Returns:
        The manager; use it in a `with` block to stop a service that this call started.

    Raises:
        NotInstalledError: `foundry` is not on PATH, and FOUNDRY_LOCAL_BASE_URL is not set.
        APITimeoutError: The service did not start, or the model did not load, in time.
        UnknownModelError: There is no such model; also a LookupError.

    Example:
        >>> with start_model("qwen2.5-1.5b") as manager:  # doctest: +SKIP
        ...     manager.endpoint
        'http://localhost:5273/v1'
    """
    manager = FoundryLocalManager()
    try:
        manager.start_service()
        manager.load_model(alias_or_id, device, download=True, timeout_s=timeout_s)
    except BaseException:
        manager.close()
        raise
    return manager


def origin_of(url: str) -> str:
    """Return a base URL without a trailing `/v1`; raise InvalidRequestError if it is not an http or https URL."""
    parts = split_http_url(url.strip())
    if parts is None or "@" in parts.netloc or parts.query:
        raise InvalidRequestError("base_url for foundry-local must be an http or https URL, like http://localhost:5273")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/v1')}"
