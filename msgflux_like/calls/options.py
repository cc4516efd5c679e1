"""Types of the keyword arguments of models and of calls, for editors and type checkers.

`calls.arguments` has the meaning and the range of each; None always means "not given".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from msgflux_like._http.deadline import Timeouts
from msgflux_like._wire.secrets import ApiKey
from msgflux_like.request import OutputMode, ToolChoice

if TYPE_CHECKING:
    import os

    from msgflux_like.cache import ResponseCache
    from msgflux_like.catalog.model_profile import ModelProfile
    from msgflux_like.streaming.handler import AsyncStreamHandler, StreamHandler

Check = Literal["error", "warn", "off"]
"""Reaction to a request that the model cannot take according to the catalogue."""

OnChange = Literal["record", "refuse"]
"""Reaction to a request that cannot be sent exactly as asked."""

InputType = Literal["query", "document", "classification", "clustering", "similarity"]
"""Purpose of the vectors of an embedder."""


class SamplingParameters(TypedDict, total=False):
    """Parameters of generation, for a model or for one call. Zeros are sent."""

    temperature: float | None
    max_tokens: int | None
    top_p: float | None
    top_k: int | None
    stop: str | Sequence[str] | None
    presence_penalty: float | None
    frequency_penalty: float | None
    seed: int | None
    user: str | None
    logprobs: bool | None
    top_logprobs: int | None
    parallel_tool_calls: bool | None
    reasoning_effort: str | None
    reasoning_budget: int | None


class EmbeddingParameters(TypedDict, total=False):
    """Parameters of embeddings, for an embedder or for one call."""

    dimensions: int | None
    input_type: InputType | None
    user: str | None


class RequestOptions(TypedDict, total=False):
    """How requests are sent, for a model of any kind or for one call."""

    api_key: ApiKey | None
    base_url: str | None
    timeout: float | Timeouts | None
    max_retries: int | None
    extra_body: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None
    check: Check | None
    changes: OnChange | None


class ConnectionOptions(RequestOptions, total=False):
    """Options that models of every kind take when they are made."""

    dialect: str | None
    base_model: str | None
    model_profile: ModelProfile | None
    http_client: Any
    enable_cache: bool | None
    cache_size: int | None
    cache: ResponseCache | str | os.PathLike[str] | Mapping[str, Any] | bool | None


class ModelOptions(ConnectionOptions, SamplingParameters, total=False):
    """Options of `Model.chat_completion` and `Model.text_completion`."""

    output_mode: OutputMode | None


class UntypedCallOptions(RequestOptions, SamplingParameters, total=False):
    """Options of one call of a chat model, beside the messages, `stream` and `generation_schema`."""

    system_prompt: str | None
    prefilling: str | None
    tool_schemas: Sequence[Mapping[str, Any] | Callable[..., Any]] | None
    tool_choice: ToolChoice | None
    stream_to: Callable[..., Any] | StreamHandler | AsyncStreamHandler | None
    typed_parser: str | None
    output_mode: OutputMode | None
    validation: Literal["strict", "lax"] | None
    output_retries: int | None
    use_cache: bool | None


class CallOptions(UntypedCallOptions, total=False):
    """Options of one call of a chat model, beside the messages and `stream`."""

    generation_schema: Any


class EmbedderOptions(ConnectionOptions, EmbeddingParameters, total=False):
    """Options of `Model.text_embedder`."""

    max_concurrency: int | None
    batch_size: int | None


class EmbeddingCallOptions(RequestOptions, EmbeddingParameters, total=False):
    """Options of one call of an embedder, beside the texts."""

    max_concurrency: int | None
    batch_size: int | None
    use_cache: bool | None
