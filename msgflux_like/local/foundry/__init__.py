"""Foundry Local, Microsoft's service for models on this machine: found, started, and told which model to load.

    from msgflux_like import foundry_local

    with foundry_local.start_model("qwen2.5-1.5b") as manager:
        manager.endpoint  # "http://localhost:5273/v1"

models.py     what is known of a model, and which one a name means
interface.py  the service's HTTP interface, in both of its generations
command.py    the program `foundry`: where the service runs, starting and stopping it
manager.py    `FoundryLocalManager` and `start_model`
serving.py    what `Model.chat_completion("foundry-local/...")` asks for before it calls
"""

from msgflux_like.local.foundry.manager import FoundryLocalManager, start_model
from msgflux_like.local.foundry.models import Device, ModelInfo
from msgflux_like.local.foundry.serving import missing, restore, serve

__all__ = ["Device", "FoundryLocalManager", "ModelInfo", "missing", "restore", "serve", "start_model"]
