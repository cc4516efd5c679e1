"""Models on this machine: the embedded model (llama.cpp) and Foundry Local.

llama.py    the server of the embedded model, one for each process
foundry/    Foundry Local, Microsoft's service for local models
servers.py  dispatch from a provider's row to one of these

    from msgflux_like.local import LocalServer

    with LocalServer() as server:
        server.base_url  # "http://127.0.0.1:<port>/v1"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msgflux_like.local.llama import LocalServer, find_gguf, serve, setup

__all__ = ["LocalServer", "find_gguf", "serve", "setup"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from msgflux_like.local import llama  # noqa: PLC0415  imports subprocess, which only starting a server needs

    return getattr(llama, name)
