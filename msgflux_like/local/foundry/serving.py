"""What `Model.chat_completion("foundry-local/...")` asks for before it calls: where the model is, and its id there."""

from __future__ import annotations

import os
import shutil

from msgflux_like._concurrency.processes import fork_safe_lock
from msgflux_like.errors import APIConnectionError, APIError, BadRequestError, NotFoundError
from msgflux_like.local.foundry.command import NO_COMMAND
from msgflux_like.local.foundry.manager import FoundryLocalManager

_served: dict[tuple[str, str], tuple[str, str]] = {}
_lock = fork_safe_lock()  # one loads at a time: what an alias stands for is seen in what comes to the loaded ones

# The second generation's words, and the first one's. Neither sends a code.
_NOT_LOADED = ("model not loaded", "no openaiservice provider found")


def serve(name: str, base_url: str = "") -> tuple[str, str]:
    """Base URL, ending in `/v1`, and id of the model that an alias or an id means; loaded when it is asked for first.

    The service is found, and started if it does not run; a model that is not downloaded is an error, for it has
    gigabytes. What was found is remembered, so that asking again costs nothing.

    Raises:
        NotInstalledError: No `foundry` is on PATH, and neither `base_url` nor FOUNDRY_LOCAL_BASE_URL is given.
        UnknownModelError: A LookupError: there is no such model.
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
    """After a request that failed: load a model that is not loaded any more. Whether that was it, and may help.

    What is not there is forgotten, too: by the next call the service may be at another port, or have a newer version.
    """
    unloaded = isinstance(error, BadRequestError) and error.message.lower().startswith(_NOT_LOADED)
    if not unloaded and not isinstance(error, (APIConnectionError, NotFoundError)):
        return False
    _served.pop((name, base_url or os.environ.get("FOUNDRY_LOCAL_BASE_URL", "")), None)
    if unloaded:
        serve(name, base_url)
    return unloaded


def forget() -> None:
    """Look anew at the next call: services were moved, or models unloaded, behind our back."""
    _served.clear()


def missing() -> str:
    """What stands in the way of a call, as far as can be seen without starting anything; "" for nothing."""
    return "" if os.environ.get("FOUNDRY_LOCAL_BASE_URL") or shutil.which("foundry") else NO_COMMAND
