"""Servers on this machine that a row names as `embedded`: how each is found or started, and brought back.

`llama` is the embedded model of `msgflux_like.local.llama`, `foundry` is Foundry Local.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any, Literal

from msgflux_like._http.steps import Do, Step
from msgflux_like.errors import APIError, MsgfluxError

Kind = Literal["llama", "foundry"]

PLACES: Mapping[Kind, str] = {"llama": "in this process", "foundry": "told by `foundry`"}
"""Where a server is before it has been asked for, in words."""


def serve(kind: Kind, model_id: str, base_url: str) -> tuple[str, str]:
    """Base URL, and id of the model there; what has to be started or loaded for that is. `base_url` may be empty.

    It may take as long as loading a model does, the first time.
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
    """An exchange, and the same once more where it failed for something that could be put right."""
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
    """What is not installed; "" for nothing."""
    if kind == "foundry":
        from msgflux_like.local import foundry  # noqa: PLC0415  brings subprocess along

        return foundry.missing()
    from msgflux_like.local import llama  # noqa: PLC0415  brings subprocess along

    try:
        llama.find_gguf()
    except MsgfluxError as error:
        return str(error)
    return "" if find_spec("xllamacpp") else llama.NO_ENGINE
