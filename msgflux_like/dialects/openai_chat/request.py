"""Requests in OpenAI's chat completions format, as some hundred and fifty providers accept them.

Source: https://platform.openai.com/docs/api-reference/chat. Where providers differ in what they accept, `Quirks`
says so; where they differ in what they answer, the decoder reads all variants.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgflux_like._json import as_mapping
from msgflux_like.dialects._shared.notes import FUNCTION_FIELDS
from msgflux_like.dialects._shared.parameters import offered_tools, prefill_text, refuse_parameters
from msgflux_like.request import AnswerSchema, Change, ChatRequest, Encoded, Quirks

AUTH: Final = ("authorization", "Bearer ")
HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = ("openai_chat", ())

_RENAMED_PARAMETERS: Final = frozenset({"max_tokens", "reasoning_effort", "reasoning_budget"})


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """Return the request; see `Dialect.encode`.

    Messages and tools are sent as given, because they have this format already. OpenAI itself accepts only a part.
    """
    if not request.parameters.keys().isdisjoint(quirks.refuses):
        refuse_parameters(request, frozenset(), quirks, "this provider")
    changes: list[Change] = []
    messages = _messages(request, quirks, changes)
    prefill = prefill_text(request, quirks) if request.prefill else ""
    if prefill:
        messages.append({"role": "assistant", "content": prefill})
    body: dict[str, Any] = {"model": request.model, "messages": messages, **request.parameters}
    if not _RENAMED_PARAMETERS.isdisjoint(body):
        _rename_parameters(body, request, quirks, changes)
    if request.tools:
        _add_tools(body, request, quirks, changes)
    if request.answer_schema is not None:
        body["response_format"] = _response_format(request.answer_schema)
    if request.stream:
        body["stream"] = True
        if quirks.stream_usage:
            body["stream_options"] = {"include_usage": True}
    repeated = quirks.prefill_repeated and not request.stream
    return Encoded("/chat/completions", body, changes=tuple(changes), prefill="" if repeated else prefill)


def _add_tools(body: dict[str, Any], request: ChatRequest, quirks: Quirks, changes: list[Change]) -> None:
    """Add the tools and the tool choice to the body."""
    tools, choice = offered_tools(request, quirks, changes)
    body["tools"] = list(tools)
    if quirks.strict_messages and not all(map(_is_plain_tool, tools)):
        from msgflux_like.dialects.openai_chat.messages import strict_tools  # noqa: PLC0415  few tools have such fields

        body["tools"] = strict_tools(tools, changes)
    if choice is not None:
        named = isinstance(choice, str) and choice not in ("auto", "required", "none")
        body["tool_choice"] = {"type": "function", "function": {"name": choice}} if named else choice


def _is_plain_tool(tool: Mapping[str, Any]) -> bool:
    """Return whether the tool has only fields that OpenAI accepts, as nearly all tools have."""
    return len(tool) == 2 and as_mapping(tool.get("function")).keys() <= FUNCTION_FIELDS


def _messages(request: ChatRequest, quirks: Quirks, changes: list[Change]) -> list[Any]:
    """Return the messages as given, or adapted if one holds provider state or what a strict host may refuse."""
    for message in request.messages:
        may_be_refused = quirks.strict_messages and (type(message.get("content")) is not str or len(message) > 2)
        if may_be_refused or "provider_state" in message or (request.reasoning_field and message.get("tool_calls")):
            from msgflux_like.dialects.openai_chat.messages import adapted_messages  # noqa: PLC0415  most messages are a string

            return adapted_messages(request, quirks, changes)
    return list(request.messages)


def _response_format(answer_schema: AnswerSchema) -> dict[str, Any]:
    described = {"description": answer_schema.description} if answer_schema.description else {}
    schema = {"name": answer_schema.name, "schema": answer_schema.schema, "strict": True, **described}
    return {"type": "json_schema", "json_schema": schema}


def _rename_parameters(body: dict[str, Any], request: ChatRequest, quirks: Quirks, changes: list[Change]) -> None:
    """Put parameters under the names that the provider has for them."""
    if "max_tokens" in body and quirks.max_tokens_field != "max_tokens":
        body[quirks.max_tokens_field] = body.pop("max_tokens")
    if "reasoning_effort" in body or "reasoning_budget" in body:
        from msgflux_like.dialects.openai_chat.reasoning import reasoning_fields  # noqa: PLC0415  few calls set it

        effort, budget = body.pop("reasoning_effort", None), body.pop("reasoning_budget", None)
        body |= reasoning_fields(request, effort, budget, quirks.reasoning_form, changes)
