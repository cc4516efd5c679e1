"""Scripted answers, as the bytes of OpenAI's chat completions format, whole and streamed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from msgflux_like._json import to_json
from msgflux_like.calls.estimate import count_tokens
from msgflux_like.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ContentFilterError,
    ContextLengthError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    ServerError,
    StreamFailedError,
    TruncatedStreamError,
)
from msgflux_like.events import TokenUsage
from msgflux_like.response.tool_calls import ToolCall, ToolCallAggregator
from msgflux_like.testing.fake_provider import FakeReply
from msgflux_like.testing.replayed import Breaks

_calls = count(1)

# Status and code of the reply that raises each class.
_ERROR_REPLIES: Final[Mapping[type[APIError], tuple[int, str]]] = {
    AuthenticationError: (401, "invalid_api_key"),
    NotFoundError: (404, "model_not_found"),
    BadRequestError: (400, ""),
    ContextLengthError: (400, "context_length_exceeded"),
    ContentFilterError: (400, "content_filter"),
    RateLimitError: (429, "rate_limit_exceeded"),
    ServerError: (500, ""),
}


class FakeAnswer(Struct, frozen=True, kw_only=True):
    """Scripted answer of a `FakeModel`, with every field that an answer can have.

    Args:
        text: Text of the answer; a stream has a chunk for each word.
        pieces: Text of the answer as the chunks of a stream, instead of `text`.
        tool_calls: Tool calls; see `tool_call`.
        reasoning: Reasoning before the answer.
        refusal: Refusal of the model.
        usage: Tokens; estimated from the texts if None, not reported if it is `TokenUsage()`.
        finish_reason: Finish reason of the wire format; "tool_calls" or "stop" if not given.
        error: Error that the call ends with. A stream has its chunks first.

    Example:
        >>> from msgflux_like.testing import FakeAnswer, FakeModel
        >>> model = FakeModel(FakeAnswer(text="Paris", finish_reason="length"))
        >>> model("What is the capital of France?").metadata.finish_reason
        'length'
    """

    text: str = ""
    pieces: Sequence[str] = ()
    tool_calls: Sequence[ToolCall] = ()
    reasoning: str = ""
    refusal: str = ""
    usage: TokenUsage | None = None
    finish_reason: str = ""
    error: Exception | None = None


def tool_call(name: str, /, **arguments: Any) -> ToolCall:
    """Return a tool call, for the answers of a `FakeModel`. Each has another id.

    Args:
        name: Name of the tool.
        **arguments: Arguments of the call; anything that can be written as JSON.

    Returns:
        The call.

    Raises:
        InvalidRequestError: If an argument cannot be written as JSON.

    Example:
        >>> tool_call("get_weather", city="Paris").arguments
        {'city': 'Paris'}
    """
    return ToolCall(f"call_fake_{next(_calls)}", name, to_json(arguments, "the arguments").decode())


def to_answer(given: Any) -> FakeAnswer | None:
    """Convert what a test passed as an answer; None for a value that is to be written as JSON."""
    found: FakeAnswer | None = None
    match given:
        case FakeAnswer():
            found = given
        case str():
            found = FakeAnswer(text=given)
        case Exception():
            found = FakeAnswer(error=given)
        case ToolCall():
            found = FakeAnswer(tool_calls=(given,))
        case ToolCallAggregator():
            found = FakeAnswer(text=given.text, reasoning=given.reasoning or "", tool_calls=given.get_calls())
        case list() | tuple() if given:
            found = _from_list(cast("Sequence[Any]", given))
        case _:
            pass
    return found


def _from_list(given: Sequence[Any]) -> FakeAnswer | None:
    if all(isinstance(each, ToolCall) for each in given):
        return FakeAnswer(tool_calls=given)
    if all(isinstance(each, str) for each in given):
        return FakeAnswer(pieces=given)
    return None


def to_json_value(given: Any) -> Any:
    """Convert a dict, Struct, dataclass or pydantic model to JSON types. Raises InvalidRequestError for others."""
    if hasattr(given, "model_dump"):
        return given.model_dump(mode="json")
    try:
        return msgspec.to_builtins(given, str_keys=True)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(
            f"an answer of type {type(given).__name__} cannot be written as JSON: {error}"
        ) from None


def to_reply(answer: FakeAnswer, body: Mapping[str, Any], number: int) -> FakeReply | Breaks | Exception:
    """Return the reply of a provider that gives this answer to a request with this body."""
    id_ = f"chatcmpl-fake-{number}"
    if answer.error is not None and not (body.get("stream") and _text(answer)):
        return _failure(answer.error)
    if not body.get("stream"):
        return FakeReply.whole(_completion(answer, body, id_), headers={"x-request-id": f"req-fake-{number}"})
    chunks = [_event({"id": id_, "model": body.get("model"), **chunk}) for chunk in _chunks(answer, body)]
    if answer.error is not None:
        return _failing_stream(chunks, answer.error)
    return FakeReply.streamed(*chunks, b"data: [DONE]\n\n")


# ------------------------------------------------------------------------------------------------------------ bytes


def _text(answer: FakeAnswer) -> str:
    return "".join(answer.pieces) or answer.text


def _completion(answer: FakeAnswer, body: Mapping[str, Any], id_: str) -> dict[str, Any]:
    calls = [_call(call) for call in answer.tool_calls]
    fields = {"reasoning_content": answer.reasoning, "refusal": answer.refusal, "tool_calls": calls}
    message = {"role": "assistant", "content": _text(answer) or None, **_non_empty(fields)}
    choice = {"index": 0, "message": message, "finish_reason": _finish(answer)}
    return {"id": id_, "model": body.get("model"), "choices": [choice], **_non_empty({"usage": _usage(answer, body)})}


def _chunks(answer: FakeAnswer, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield _delta({"role": "assistant"})
    for field, text in (("reasoning_content", answer.reasoning), ("refusal", answer.refusal)):
        yield from (_delta({field: piece}) for piece in _words(text))
    yield from (_delta({"content": piece}) for piece in answer.pieces or _words(answer.text))
    for index, call in enumerate(answer.tool_calls):
        whole = _call(call)
        start = {**whole, "index": index, "function": {"name": call.name, "arguments": ""}}
        yield _delta({"tool_calls": [start]})
        yield _delta({"tool_calls": [{"index": index, "function": {"arguments": call.raw_arguments}}]})
    if answer.error is None:
        yield _delta({}, _finish(answer))
        if usage := _usage(answer, body):
            yield {"choices": [], "usage": usage}


def _delta(delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def _event(chunk: Mapping[str, Any]) -> bytes:
    return b"data: " + to_json(chunk) + b"\n\n"


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.raw_arguments}}


def _finish(answer: FakeAnswer) -> str:
    return answer.finish_reason or ("tool_calls" if answer.tool_calls else "stop")


def _non_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _usage(answer: FakeAnswer, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tokens in the wire format; empty if they are not reported."""
    usage = answer.usage if answer.usage is not None else _estimated(answer, body)
    total = usage.total
    if total is None and usage.input is not None and usage.output is not None:
        total = usage.input + usage.output
    prompt = {"cached_tokens": usage.cached_input, "cache_write_tokens": usage.cache_write}
    fields = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": total,
        "cost": usage.cost,
        "prompt_tokens_details": _known(prompt) or None,
        "completion_tokens_details": _known({"reasoning_tokens": usage.reasoning}) or None,
    }
    return _known(fields)


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _estimated(answer: FakeAnswer, body: Mapping[str, Any]) -> TokenUsage:
    """Estimate the tokens from the bytes of the texts, so that they are equal on every machine."""
    texts = answer.reasoning + _text(answer) + answer.refusal
    texts += "".join(call.name + call.raw_arguments for call in answer.tool_calls)
    prompt_tokens, _ = count_tokens(body["messages"], tool_schemas=body.get("tools"))
    return TokenUsage(input=prompt_tokens, output=_tokens(texts) - _tokens(""))


def _tokens(text: str) -> int:
    return count_tokens([{"role": "assistant", "content": text}])[0]


# ----------------------------------------------------------------------------------------------------------- errors


def _failure(error: Exception) -> FakeReply | Breaks | Exception:
    """Return the reply or the broken connection that raises the error; else the error, which is raised as it is."""
    if isinstance(error, (APIConnectionError, APITimeoutError)):
        return _breaks(error)
    if not isinstance(error, APIError) or type(error) not in _ERROR_REPLIES:
        return error
    status, code = _ERROR_REPLIES[type(error)]
    headers = {} if error.retry_after_s is None else {"retry-after-ms": str(error.retry_after_s * 1000)}
    if error.should_retry is not None:
        headers["x-should-retry"] = str(error.should_retry).lower()
    fields = {"message": error.message, "type": error.type, "code": error.code or code or None}
    return FakeReply.whole({"error": fields}, error.status or status, headers)


def _failing_stream(chunks: list[bytes], error: Exception) -> FakeReply | Exception:
    """Return a stream that ends with the error."""
    if isinstance(error, (APIConnectionError, APITimeoutError)):
        return FakeReply.streamed(*chunks, breaks=_breaks(error))
    if isinstance(error, TruncatedStreamError):
        return FakeReply.streamed(*chunks)
    if isinstance(error, StreamFailedError):
        fields = {"message": error.message, "type": error.type, "code": error.code}
        return FakeReply.streamed(*chunks, _event({"error": fields}))
    raise InvalidRequestError(
        f"a stream that has begun cannot end with {type(error).__name__}: use StreamFailedError, TruncatedStreamError, "
        f"an APIConnectionError or an APITimeoutError"
    )


def _breaks(error: APIConnectionError | APITimeoutError) -> Breaks:
    return Breaks(error.message, error.phase if isinstance(error, APITimeoutError) else None)
