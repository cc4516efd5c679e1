"""What the providers' own SDKs say a request is: every body is checked by their types, and unknown fields are refused.

Each SDK is imported when its dialect is asked for: `pip install --group sdks` has them all.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import unquote

from msgflux_like.calls.plan import CallPlan

Body = dict[str, Any]
Check = Callable[[CallPlan], None]


def check(dialect: str, plan: CallPlan) -> None:
    """Raise an error of the SDK that says what of the body it would not take."""
    _CHECKS[dialect](plan)


@cache
def _validator(type_: Any) -> Any:
    """Of a type's schema without its leniencies: no unknown field, no text for a number, no list checked when read."""
    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator

    adapter = TypeAdapter(type_)
    adapter.rebuild(force=True)
    return SchemaValidator(_tightened(adapter.core_schema), _use_prebuilt=False)


def _tightened(schema: Any) -> Any:
    """The schema again. It is JSON-like, and a function or a class in it is passed on as it is."""
    if isinstance(schema, (list, tuple)):
        return type(schema)(_tightened(each) for each in schema)
    if not isinstance(schema, Mapping):
        return schema
    found = {name: _tightened(value) for name, value in schema.items()}
    match found.get("type"):
        case "typed-dict" | "model-fields":
            found["extra_behavior"] = "forbid"
            found.pop("extras_schema", None)
        case "generator":
            found["type"] = "list"
        case "union":
            # An enum that may grow is written as "one of these words, or anything".
            choices = found["choices"]
            if any(each.get("type") == "literal" for each in choices if isinstance(each, dict)):
                found["choices"] = [each for each in choices if each != {"type": "any"}]
    return found


def _validate(type_: Any, body: Any) -> None:
    _validator(type_).validate_json(json.dumps(body))


# ------------------------------------------------------------------------------------------------------------ OpenAI


def _openai_chat(plan: CallPlan) -> None:
    """What a host gave as `reasoning_details` goes back to it; OpenAI gives none, and its types have no such field."""
    from openai.types.chat.completion_create_params import (
        CompletionCreateParamsNonStreaming,
        CompletionCreateParamsStreaming,
    )

    messages = [
        {name: value for name, value in message.items() if name != "reasoning_details"}
        for message in plan.body["messages"]
    ]
    streamed = plan.body.get("stream")
    type_ = CompletionCreateParamsStreaming if streamed else CompletionCreateParamsNonStreaming
    _validate(type_, {**plan.body, "messages": messages})


def _openai_responses(plan: CallPlan) -> None:
    from openai.types.responses.response_create_params import (
        ResponseCreateParamsNonStreaming,
        ResponseCreateParamsStreaming,
    )

    streamed = plan.body.get("stream")
    _validate(ResponseCreateParamsStreaming if streamed else ResponseCreateParamsNonStreaming, plan.body)


# ----------------------------------------------------------------------------------------------------- Claude's hosts

_NO_LONGER_TYPED: Final = ("temperature", "top_p", "top_k")
"""The API takes them; the SDK has left them out since its version 2, for the models that do not."""


def _anthropic(plan: CallPlan) -> None:
    body = {name: value for name, value in plan.body.items() if name not in _NO_LONGER_TYPED}
    if "anthropic-beta" in plan.headers or "anthropic_beta" in body:
        from anthropic.types.beta.message_create_params import (
            MessageCreateParamsNonStreaming,
            MessageCreateParamsStreaming,
        )

        body.pop("anthropic_beta", None)
    else:
        from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
    _validate(MessageCreateParamsStreaming if body.get("stream") else MessageCreateParamsNonStreaming, body)


def _vertex_anthropic(plan: CallPlan) -> None:
    _anthropic_elsewhere(plan, "vertex-2023-10-16")


def _bedrock_anthropic(plan: CallPlan) -> None:
    _anthropic_elsewhere(plan, "bedrock-2023-05-31")


def _anthropic_elsewhere(plan: CallPlan, version: str) -> None:
    """The body is Anthropic's own but for the model, which the path names, and the version, else in a header."""
    assert plan.body["anthropic_version"] == version
    body = {name: value for name, value in plan.body.items() if name != "anthropic_version"}
    _anthropic(CallPlan(plan.url, plan.headers, {"model": plan.url.rpartition("/")[2], **body}))


# ------------------------------------------------------------------------------------------------------------ Google

# Where the SDK has one object for all that steers, the wire has these beside the generationConfig.
_BESIDE: Final = ("systemInstruction", "tools", "toolConfig", "safetySettings", "cachedContent", "labels")


def _gemini(plan: CallPlan) -> None:
    from google.genai import types

    assert plan.body.keys() <= {"contents", "generationConfig", *_BESIDE}
    config = {**plan.body.get("generationConfig", {}), **{name: plan.body[name] for name in _BESIDE & plan.body.keys()}}
    _validate(list[types.Content], plan.body["contents"])
    _validate(types.GenerateContentConfig, config)
    if (system := plan.body.get("systemInstruction")) is not None:  # the SDK's own type for it takes anything
        _validate(types.Content, system)
    for tool in plan.body.get("tools", ()):
        _validate(types.Tool, tool)


# ------------------------------------------------------------------------------------------------------------ Amazon


@cache
def _operation(name: str) -> Any:
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    description = Loader().load_service_model("bedrock-runtime", "service-2")
    return ServiceModel(description).operation_model(name).input_shape


def _bedrock_converse(plan: CallPlan) -> None:
    from botocore.validate import ParamValidator

    *_, model, action = plan.url.split("/")
    shape = _operation("ConverseStream" if action == "converse-stream" else "Converse")
    report = ParamValidator().validate({"modelId": unquote(model), **plan.body}, shape)
    if report.has_errors():
        raise ValueError(report.generate_report())


# ----------------------------------------------------------------------------------------------------------- Mistral


def _mistral(plan: CallPlan) -> None:
    from mistralai.client import models

    _validate(
        models.ChatCompletionStreamRequest if plan.body.get("stream") else models.ChatCompletionRequest, plan.body
    )


# ------------------------------------------------------------------------------------------------------------ Cohere


@cache
def _cohere_request() -> Any:
    """The SDK has no type of the whole request: the arguments of its `chat` are one."""
    from cohere.v2.client import V2Client
    from pydantic import create_model

    given = inspect.signature(V2Client.chat).parameters
    fields: dict[str, Any] = {
        name: (each.annotation, ... if each.default is each.empty else None)
        for name, each in given.items()
        if name not in ("self", "request_options")
    }
    return create_model("Request", stream=(bool, ...), **fields)


def _cohere(plan: CallPlan) -> None:
    _validate(_cohere_request(), plan.body)


# ------------------------------------------------------------------------------------------------------------ Ollama


def _ollama(plan: CallPlan) -> None:
    """The SDK wraps images, knows a schema's first level alone, and has no ids: those the server's own types have."""
    from ollama._types import ChatRequest, Message, Options

    body = dict(plan.body)
    options, tools = body.pop("options", {}), body.pop("tools", [])
    messages = body.pop("messages")
    _validate(ChatRequest, body)
    _validate(Options, options)
    for message in messages:
        own = {**message, "images": [{"value": image} for image in message.get("images", ())]}
        own.pop("tool_call_id", None)
        own["tool_calls"] = [{"function": call["function"]} for call in message.get("tool_calls", ())]
        _validate(Message, own)
    for tool in tools:
        assert tool["type"] == "function"
        assert isinstance(tool["function"]["name"], str)
        assert tool["function"].get("parameters", {"type": "object"})["type"] == "object"


_CHECKS: Final[Mapping[str, Check]] = {
    "openai_chat": _openai_chat,
    "openai_responses": _openai_responses,
    "anthropic_messages": _anthropic,
    "vertex_anthropic": _vertex_anthropic,
    "bedrock_anthropic": _bedrock_anthropic,
    "gemini": _gemini,
    "bedrock_converse": _bedrock_converse,
    "mistral": _mistral,
    "cohere_v2": _cohere,
    "ollama_chat": _ollama,
}
