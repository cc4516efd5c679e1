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
    from msgflux_like import dsl, errors, generation
    from msgflux_like.call_plan import CallPlan
    from msgflux_like.dotted import dotdict
    from msgflux_like.functions import function_schema
    from msgflux_like.messages import ChatBlock, ChatML
    from msgflux_like.models import Model, register_model
    from msgflux_like.models.chat_completion import ChatCompletion
    from msgflux_like.pricing import Estimate, count_tokens, estimate_cost
    from msgflux_like.push import ChatCompletionChunk, StreamData, StreamError, StreamFinish
    from msgflux_like.response import ModelResponse
    from msgflux_like.stream import ModelStreamResponse
    from msgflux_like.tool_loop import ToolRun, arun_tools, run_tools
    from msgflux_like.tools import ToolCall, ToolCallAggregator
    from msgflux_like.transport import Timeouts
    from msgflux_like.transport.handlers import AsyncStreamHandler, StreamHandler

__version__ = "0.1.0"

__all__ = [
    "AsyncStreamHandler",
    "CallPlan",
    "ChatBlock",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatML",
    "Estimate",
    "Model",
    "ModelResponse",
    "ModelStreamResponse",
    "StreamData",
    "StreamError",
    "StreamFinish",
    "StreamHandler",
    "Timeouts",
    "ToolCall",
    "ToolCallAggregator",
    "ToolRun",
    "arun_tools",
    "count_tokens",
    "dotdict",
    "dsl",
    "errors",
    "estimate_cost",
    "function_schema",
    "generation",
    "register_model",
    "run_tools",
]

_HOMES = {
    "AsyncStreamHandler": "transport.handlers",
    "CallPlan": "call_plan",
    "ChatBlock": "messages",
    "ChatCompletion": "models.chat_completion",
    "ChatCompletionChunk": "push",
    "ChatML": "messages",
    "Estimate": "pricing",
    "Model": "models",
    "ModelResponse": "response",
    "ModelStreamResponse": "stream",
    "StreamData": "push",
    "StreamError": "push",
    "StreamFinish": "push",
    "StreamHandler": "transport.handlers",
    "Timeouts": "transport",
    "ToolCall": "tools",
    "ToolCallAggregator": "tools",
    "ToolRun": "tool_loop",
    "arun_tools": "tool_loop",
    "count_tokens": "pricing",
    "dotdict": "dotted",
    "estimate_cost": "pricing",
    "function_schema": "functions",
    "register_model": "models",
    "run_tools": "tool_loop",
}
_MODULES = ("dsl", "errors", "generation")


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
