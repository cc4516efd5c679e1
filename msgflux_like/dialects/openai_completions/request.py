"""Requests in OpenAI's text completions format: one prompt, whose continuation is the answer.

Source: https://platform.openai.com/docs/api-reference/completions. There are no roles, no parts and no tools.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgflux_like.dialects._shared.notes import note_unknown
from msgflux_like.dialects._shared.parameters import refuse_parameters
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.request import Change, ChatRequest, Encoded, Quirks

AUTH: Final = ("authorization", "Bearer ")
HEADERS: Final[Mapping[str, str]] = {}
STATE: Final = ("openai_completions", ())


_UNSUPPORTED: Final = frozenset({"parallel_tool_calls", "reasoning_effort", "reasoning_budget"})
_MESSAGE_FIELDS: Final = frozenset({"role", "content"})


def encode(request: ChatRequest, quirks: Quirks) -> Encoded:
    """Return the request for one prompt; see `Dialect.encode`."""
    refuse_parameters(request, _UNSUPPORTED, quirks, "the completions format")
    if request.tools or request.answer_schema is not None or request.prefill:
        raise UnsupportedError(
            "tool_schemas, prefilling and a schema that the provider holds the answer to need a chat model: "
            "the completions format cannot express them"
        )
    changes: list[Change] = []
    parameters = dict(request.parameters)
    if parameters.pop("logprobs", None):  # here a number of alternatives, which may be 0
        parameters["logprobs"] = parameters.get("top_logprobs") or 0
    parameters.pop("top_logprobs", None)
    body: dict[str, Any] = {"model": request.model, "prompt": _prompt(request, changes), **parameters}
    if request.stream:
        body["stream"] = True
        if quirks.stream_usage:
            body["stream_options"] = {"include_usage": True}
    return Encoded("/completions", body, changes=tuple(changes))


def _prompt(request: ChatRequest, changes: list[Change]) -> str:
    """Return the text of the only user message, behind the texts of system messages.

    Raises:
        InvalidMessagesError: If there is any other message, or content that is not a string.
    """
    texts: list[str] = []
    last = len(request.messages) - 1
    for index, message in enumerate(request.messages):
        place, content = request.place(index), message.get("content")
        note_unknown(message, _MESSAGE_FIELDS, place, changes)
        if message["role"] not in (("user",) if index == last else ("system", "developer")):
            raise InvalidMessagesError(f"{place} makes it a conversation: a text completion takes one prompt")
        if not isinstance(content, str):
            raise InvalidMessagesError(f"{place}.content must be a text, not {type(content).__name__}: give one prompt")
        texts.append(content)
    if len(texts) > 1:
        changes.append(Change("merged", "messages", "system texts stand before the prompt: there are no roles"))
    return "\n\n".join(texts)
