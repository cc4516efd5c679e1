"""One call shape for every chat model.

>>> import msgflux_like as mf
>>> mf.ChatBlock.user("Hello")
{'role': 'user', 'content': 'Hello'}

Names are imported when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msgflux_like import errors
    from msgflux_like.dotted import dotdict
    from msgflux_like.messages import ChatBlock, ChatML
    from msgflux_like.models import Model
    from msgflux_like.models.chat_completion import ChatCompletion
    from msgflux_like.pricing import Estimate, count_tokens, estimate_cost
    from msgflux_like.response import ModelResponse
    from msgflux_like.stream import ModelStreamResponse
    from msgflux_like.tools import ToolCall, ToolCallAggregator
    from msgflux_like.transport import Timeouts

__version__ = "0.1.0"

__all__ = [
    "ChatBlock",
    "ChatCompletion",
    "ChatML",
    "Estimate",
    "Model",
    "ModelResponse",
    "ModelStreamResponse",
    "Timeouts",
    "ToolCall",
    "ToolCallAggregator",
    "count_tokens",
    "dotdict",
    "errors",
    "estimate_cost",
]

_HOMES = {
    "ChatBlock": "messages",
    "ChatCompletion": "models.chat_completion",
    "ChatML": "messages",
    "Estimate": "pricing",
    "Model": "models",
    "ModelResponse": "response",
    "ModelStreamResponse": "stream",
    "Timeouts": "transport",
    "ToolCall": "tools",
    "ToolCallAggregator": "tools",
    "count_tokens": "pricing",
    "dotdict": "dotted",
    "estimate_cost": "pricing",
}
_MODULES = ("errors",)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"msgflux_like.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'msgflux_like' has no attribute {name!r}")
    value = getattr(import_module(f"msgflux_like.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
