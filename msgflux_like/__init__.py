"""One call shape for every chat model.

>>> import msgflux_like as mf
>>> mf.ChatBlock.user("Hello")
{'role': 'user', 'content': 'Hello'}

Names are imported when they are first used, so that importing the package is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msgflux_like import client, dsl, errors, events, foundry_local, generation, local, models, testing
    from msgflux_like._attrdict import dotdict
    from msgflux_like._http.deadline import Timeouts
    from msgflux_like.cache import ResponseCache
    from msgflux_like.calls.estimate import Estimate, count_tokens, estimate_cost
    from msgflux_like.calls.options import CallOptions, EmbedderOptions, EmbeddingCallOptions, ModelOptions
    from msgflux_like.calls.plan import CallPlan
    from msgflux_like.client import AsyncBudClient, AsyncClient, AsyncStream, BudClient, Client, Stream
    from msgflux_like.messages.chat_block import ChatBlock
    from msgflux_like.messages.chatml import ChatML
    from msgflux_like.models import Model, register_model
    from msgflux_like.models.chat_completion import ChatCompletion
    from msgflux_like.models.gateway import ModelGateway
    from msgflux_like.models.state_files import load, save
    from msgflux_like.models.text_completion import TextCompletion
    from msgflux_like.models.text_embedder import TextEmbedder
    from msgflux_like.response.openai_objects import (
        ChatCompletionChoice,
        ChatCompletionChunk,
        ChatCompletionChunkChoice,
        ChatCompletionDelta,
        ChatMessage,
        Completion,
        CompletionChunk,
        Usage,
    )
    from msgflux_like.response.response import ModelResponse
    from msgflux_like.response.stream import ModelStreamResponse
    from msgflux_like.response.tool_calls import ToolCall, ToolCallAggregator
    from msgflux_like.streaming.chunks import StreamData, StreamError, StreamFinish
    from msgflux_like.streaming.handler import AsyncStreamHandler, StreamHandler
    from msgflux_like.tools.function_schema import function_schema
    from msgflux_like.tools.loop import ToolRun, arun_tools, run_tools

__version__ = "0.1.0"

__all__ = [
    "AsyncBudClient",
    "AsyncClient",
    "AsyncStream",
    "AsyncStreamHandler",
    "BudClient",
    "CallOptions",
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
    "EmbedderOptions",
    "EmbeddingCallOptions",
    "Estimate",
    "Model",
    "ModelGateway",
    "ModelOptions",
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
    "events",
    "foundry_local",
    "function_schema",
    "generation",
    "load",
    "local",
    "models",
    "register_model",
    "run_tools",
    "save",
    "testing",
]

_HOMES = {
    "AsyncBudClient": "client",
    "AsyncClient": "client",
    "AsyncStream": "client",
    "AsyncStreamHandler": "streaming.handler",
    "BudClient": "client",
    "CallOptions": "calls.options",
    "CallPlan": "calls.plan",
    "ChatBlock": "messages.chat_block",
    "ChatCompletion": "models.chat_completion",
    "ChatCompletionChoice": "response.openai_objects",
    "ChatCompletionChunk": "response.openai_objects",
    "ChatCompletionChunkChoice": "response.openai_objects",
    "ChatCompletionDelta": "response.openai_objects",
    "ChatML": "messages.chatml",
    "ChatMessage": "response.openai_objects",
    "Client": "client",
    "Completion": "response.openai_objects",
    "CompletionChunk": "response.openai_objects",
    "EmbedderOptions": "calls.options",
    "EmbeddingCallOptions": "calls.options",
    "Estimate": "calls.estimate",
    "Model": "models",
    "ModelGateway": "models.gateway",
    "ModelOptions": "calls.options",
    "ModelResponse": "response.response",
    "ModelStreamResponse": "response.stream",
    "ResponseCache": "cache",
    "Stream": "client",
    "StreamData": "streaming.chunks",
    "StreamError": "streaming.chunks",
    "StreamFinish": "streaming.chunks",
    "StreamHandler": "streaming.handler",
    "TextCompletion": "models.text_completion",
    "TextEmbedder": "models.text_embedder",
    "Timeouts": "_http.deadline",
    "ToolCall": "response.tool_calls",
    "ToolCallAggregator": "response.tool_calls",
    "ToolRun": "tools.loop",
    "Usage": "response.openai_objects",
    "arun_tools": "tools.loop",
    "count_tokens": "calls.estimate",
    "dotdict": "_attrdict",
    "estimate_cost": "calls.estimate",
    "function_schema": "tools.function_schema",
    "load": "models.state_files",
    "register_model": "models",
    "run_tools": "tools.loop",
    "save": "models.state_files",
}
_MODULES = ("client", "dsl", "errors", "events", "foundry_local", "generation", "local", "models", "testing")


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
