"""Resolution of "foundry-local/<name>" to a base URL and a model id; the model is loaded if necessary."""

from __future__ import annotations

import os
import shutil

from msgflux_like._concurrency.processes import fork_safe_lock
from msgflux_like.errors import APIConnectionError, APIError, BadRequestError, NotFoundError
from msgflux_like.local.foundry.command import NO_COMMAND
from msgflux_like.local.foundry.manager import FoundryLocalManager

_served: dict[tuple[str, str], tuple[str, str]] = {}
_lock = fork_safe_lock()  # one load at a time: `ApiV1` finds the id of an alias by comparing the loaded models

# Prefixes of the error messages of `ApiV1` and of `ApiV0`; neither sends an error code.
_NOT_LOADED = ("model not loaded", "no openaiservice provider found")


def serve(name: str, base_url: str = "") -> tuple[str, str]:
    """Return the base URL, ending in `/v1`, and the id of a model; the first call loads it.

    The service is found, and started if it is not running. Models have gigabytes, so one that is not downloaded is an
    error. Results are remembered for the life of the process; `restore` and `forget` drop them.

    Args:
        name: Alias or id of the model.
        base_url: Base URL of the service; default: FOUNDRY_LOCAL_BASE_URL, else the address that `foundry` reports.

    Raises:
        NotInstalledError: `foundry` is not on PATH, and neither `base_url` nor FOUNDRY_LOCAL_BASE_URL is given.
        UnknownModelError: There is no such model.
        APIError: The service cannot be reached or does not load the model.
    """
    key = name, base_url or os.environ.get("FOUNDRY_LOCAL_BASE_URL", "")
    if (known := _served.get(key)) is not None:
        return known
    with _lock:
        if (known := _served.get(key)) is None:
            manager = FoundryLocalManager(base_url or None)
            manager.start_service()
            model = manager.load_model(name)
            known = _served[key] = manager.endpoint, model.id
    return known


def restore(name: str, base_url: str, error: APIError) -> bool:
    """Load a model again if a request failed because it was unloaded; return whether the request should be repeated.

    After a connection error or a 404, the remembered address is dropped, so that the next call resolves it again: the
    service may have moved to another port or updated the model.
    """
    unloaded = isinstance(error, BadRequestError) and error.message.lower().startswith(_NOT_LOADED)
    if not unloaded and not isinstance(error, (APIConnectionError, NotFoundError)):
        return False
    _served.pop((name, base_url or os.environ.get("FOUNDRY_LOCAL_BASE_URL", "")), None)
    if unloaded:
        serve(name, base_url)
    return unloaded


def forget() -> None:
    """Drop all remembered addresses and ids, so that the next call resolves them again."""
    _served.clear()


def missing() -> str:
    """Return why a call cannot succeed, as far as that is known without starting anything; "" for no reason."""
    return "" if os.environ.get("FOUNDRY_LOCAL_BASE_URL") or shutil.which("foundry") else NO_COMMAND
