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
    from msgflux_like import client, dsl, errors, generation, testing
    from msgflux_like.cache import ResponseCache
    from msgflux_like.call_plan import CallPlan
    from msgflux_like.client import AsyncBudClient, AsyncClient, AsyncStream, BudClient, Client, Stream
    from msgflux_like.dotted import dotdict
    from msgflux_like.files import load, save
    from msgflux_like.functions import function_schema
    from msgflux_like.messages import ChatBlock, ChatML
    from msgflux_like.models import Model, register_model
    from msgflux_like.models.chat_completion import ChatCompletion
    from msgflux_like.models.gateway import ModelGateway
    from msgflux_like.models.text_completion import TextCompletion
    from msgflux_like.models.text_embedder import TextEmbedder
    from msgflux_like.pricing import Estimate, count_tokens, estimate_cost
    from msgflux_like.push import StreamData, StreamError, StreamFinish
    from msgflux_like.replies import (
        ChatCompletionChoice,
        ChatCompletionChunk,
        ChatCompletionChunkChoice,
        ChatCompletionDelta,
        ChatMessage,
        Completion,
        CompletionChunk,
        Usage,
    )
    from msgflux_like.response import ModelResponse
    from msgflux_like.stream import ModelStreamResponse
    from msgflux_like.tool_loop import ToolRun, arun_tools, run_tools
    from msgflux_like.tools import ToolCall, ToolCallAggregator
    from msgflux_like.transport import Timeouts
    from msgflux_like.transport.handlers import AsyncStreamHandler, StreamHandler

__version__ = "0.1.0"

__all__ = [
    "AsyncBudClient",
    "AsyncClient",
    "AsyncStream",
    "AsyncStreamHandler",
    "BudClient",
    "CallPlan",
    "ChatBlock",
    "ChatCompletion",
    "ChatCompletionChoice",
    "ChatCompletionChunk",
    "ChatCompletionChunkChoice",
    "ChatCompletionDelta",
    "ChatML",
    "ChatMessage",
    "Client",
    "Completion",
    "CompletionChunk",
    "Estimate",
    "Model",
    "ModelGateway",
    "ModelResponse",
    "ModelStreamResponse",
    "ResponseCache",
    "Stream",
    "StreamData",
    "StreamError",
    "StreamFinish",
    "StreamHandler",
    "TextCompletion",
    "TextEmbedder",
    "Timeouts",
    "ToolCall",
    "ToolCallAggregator",
    "ToolRun",
    "Usage",
    "arun_tools",
    "client",
    "count_tokens",
    "dotdict",
    "dsl",
    "errors",
    "estimate_cost",
    "function_schema",
    "generation",
    "load",
    "register_model",
    "run_tools",
    "save",
    "testing",
]

_HOMES = {
    "AsyncBudClient": "client",
    "AsyncClient": "client",
    "AsyncStream": "client",
    "AsyncStreamHandler": "transport.handlers",
    "BudClient": "client",
    "CallPlan": "call_plan",
    "ChatBlock": "messages",
    "ChatCompletion": "models.chat_completion",
    "ChatCompletionChoice": "replies",
    "ChatCompletionChunk": "replies",
    "ChatCompletionChunkChoice": "replies",
    "ChatCompletionDelta": "replies",
    "ChatML": "messages",
    "ChatMessage": "replies",
    "Client": "client",
    "Completion": "replies",
    "CompletionChunk": "replies",
    "Estimate": "pricing",
    "Model": "models",
    "ModelGateway": "models.gateway",
    "ModelResponse": "response",
    "ModelStreamResponse": "stream",
    "ResponseCache": "cache",
    "Stream": "client",
    "StreamData": "push",
    "StreamError": "push",
    "StreamFinish": "push",
    "StreamHandler": "transport.handlers",
    "TextCompletion": "models.text_completion",
    "TextEmbedder": "models.text_embedder",
    "Timeouts": "transport",
    "ToolCall": "tools",
    "ToolCallAggregator": "tools",
    "ToolRun": "tool_loop",
    "Usage": "replies",
    "arun_tools": "tool_loop",
    "count_tokens": "pricing",
    "dotdict": "dotted",
    "estimate_cost": "pricing",
    "function_schema": "functions",
    "load": "files",
    "register_model": "models",
    "run_tools": "tool_loop",
    "save": "files",
}
_MODULES = ("client", "dsl", "errors", "generation", "testing")


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
