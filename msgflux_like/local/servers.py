"""Dispatch from the `embedded` field of a provider's row to the local server that it names.

"llama" is the embedded model of `msgflux_like.local.llama`, "foundry" is Foundry Local.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any, Literal

from msgflux_like._http.steps import Do, Step
from msgflux_like.errors import APIError, MsgfluxError

Kind = Literal["llama", "foundry"]

LOCATIONS: Mapping[Kind, str] = {"llama": "in this process", "foundry": "reported by `foundry`"}
"""Descriptions of where each server runs, for people, shown before its URL is known."""


def serve(kind: Kind, model_id: str, base_url: str) -> tuple[str, str]:
    """Return the base URL of the server and the id of the model there; start and load what is needed.

    The first call blocks for as long as loading a model takes.

    Args:
        kind: Which server.
        model_id: Model of the path, an id or an alias.
        base_url: Base URL that the caller gave; "" if none.
    """
    if kind == "foundry":
        from msgflux_like.local import foundry  # noqa: PLC0415  brings subprocess along

        return foundry.serve(model_id, base_url)
    if base_url:
        return base_url, model_id
    from msgflux_like.local import llama  # noqa: PLC0415  brings subprocess along

    return llama.serve(model_id), model_id


def retry_after_restart(
    kind: Kind, model_id: str, base_url: str, steps: Generator[Step, Any, None], once_more: Generator[Step, Any, None]
) -> Generator[Step, Any, None]:
    """Run `steps`; if they fail because a model was unloaded, load it and run `once_more`."""
    try:
        yield from steps
    except APIError as error:
        if kind == "llama":
            raise
        from msgflux_like.local import foundry  # noqa: PLC0415  imported already

        restore = partial(foundry.restore, model_id, base_url, error)
        if not (yield Do(restore, blocks=True)):
            raise
        yield from once_more


def missing(kind: Kind) -> str:
    """Return what is not installed, and how to install it; "" if nothing is missing."""
    if kind == "foundry":
        from msgflux_like.local import foundry  # noqa: PLC0415  brings subprocess along

        return foundry.missing()
    from msgflux_like.local import llama  # noqa: PLC0415  brings subprocess along

    try:
        llama.find_gguf()
    except MsgfluxError as error:
        return str(error)
    return "" if find_spec("xllamacpp") else llama.NO_ENGINE
