"""The client in OpenAI's shape: its calls, its objects, over every dialect.

clients.py     `Client` and `AsyncClient`
bud.py         `BudClient` and `AsyncBudClient`: Bud's ways to say who is asking
resources.py   what hangs on a client: `chat.completions` and the others
call_maker.py  what all clients do but waiting
served.py      one model of a client: OpenAI's words to a request
words.py       OpenAI's parameters, checked, and in the words of `ChatCompletionReply`
account.py     which provider a client speaks to, with which key, and its connections
calls.py       a call, run from a thread or from an event loop
streams.py     `Stream` and `AsyncStream`
reading.py     events to OpenAI's objects
raw.py         replies that are OpenAI's objects already
tracing.py     trace headers, and spans
"""

from msgflux_like.client.bud import AsyncBudClient, BudClient
from msgflux_like.client.clients import AsyncClient, Client
from msgflux_like.client.streams import AsyncStream, Stream
from msgflux_like.response.openai_objects import (
    ApiObject,
    ChatCompletionChoice,
    ChatCompletionChunk,
    ChatCompletionChunkChoice,
    ChatCompletionDelta,
    ChatCompletionReply,
    ChatFunction,
    ChatMessage,
    ChatToolCall,
    Completion,
    CompletionChoice,
    CompletionChunk,
    Embedding,
    EmbeddingReply,
    ModelInfo,
    ModelList,
    Usage,
)

__all__ = [
    "ApiObject",
    "AsyncBudClient",
    "AsyncClient",
    "AsyncStream",
    "BudClient",
    "ChatCompletionChoice",
    "ChatCompletionChunk",
    "ChatCompletionChunkChoice",
    "ChatCompletionDelta",
    "ChatCompletionReply",
    "ChatFunction",
    "ChatMessage",
    "ChatToolCall",
    "Client",
    "Completion",
    "CompletionChoice",
    "CompletionChunk",
    "Embedding",
    "EmbeddingReply",
    "ModelInfo",
    "ModelList",
    "Stream",
    "Usage",
]
