"""Foundry Local, Microsoft's service for models on this machine.

    from msgflux_like import foundry_local

    with foundry_local.start_model("qwen2.5-1.5b") as manager:
        manager.endpoint  # "http://localhost:5273/v1"

models.py     model records, and the rules that resolve an alias or an id to one of them
interface.py  the service's HTTP interface, in both of its generations
command.py    the program `foundry`: find, start and stop the service
manager.py    `FoundryLocalManager` and `start_model`
serving.py    resolution of a model path such as "foundry-local/phi-4" to a base URL and a model id
"""

from msgflux_like.local.foundry.manager import FoundryLocalManager, start_model
from msgflux_like.local.foundry.models import Device, ModelInfo
from msgflux_like.local.foundry.serving import missing, restore, serve

__all__ = ["Device", "FoundryLocalManager", "ModelInfo", "missing", "restore", "serve", "start_model"]
