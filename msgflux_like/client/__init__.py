"""The client in OpenAI's call shape, with OpenAI's objects, over every dialect.

clients.py        `Client` and `AsyncClient`
bud.py            `BudClient` and `AsyncBudClient`, and the credentials of Bud's gateway
resources.py      resources of a client: `chat.completions`, `completions`, `embeddings`, `models`
openai_params.py  OpenAI's parameters: their types, their checks, and their translation
call_maker.py     builder of a client's calls
client_model.py   one model of a client
account.py        connection settings of one provider account
calls.py          one call, run from a thread or from an event loop
streams.py        `Stream` and `AsyncStream`
reply_readers.py  events to OpenAI's objects
raw.py            replies that are OpenAI's objects already
tracing.py        trace headers, and spans
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
    ChatLogprobs,
    ChatMessage,
    ChatTokenLogprob,
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
    "ChatLogprobs",
    "ChatMessage",
    "ChatTokenLogprob",
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
