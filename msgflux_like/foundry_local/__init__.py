"""Public interface to Foundry Local, Microsoft's service for models on this machine: find it, start it, load models.

    from msgflux_like import foundry_local

    with foundry_local.start_model("qwen2.5-1.5b") as manager:
        manager.endpoint  # "http://localhost:5273/v1"

The code is in `msgflux_like.local.foundry`.
"""

from __future__ import annotations

from msgflux_like.local.foundry import Device, FoundryLocalManager, ModelInfo, start_model

__all__ = ["Device", "FoundryLocalManager", "ModelInfo", "start_model"]
