"""Documented fields of Cohere's chat format, version 2, each with a mark that must be found again."""

from __future__ import annotations

from typing import Any, Final

MARK: Final = "MARK9"
USAGE: Final = {
    "billed_units": {"input_tokens": 1, "output_tokens": 1},
    "tokens": {"input_tokens": 2, "output_tokens": 1},
}

Reply = tuple[dict[str, Any], list[dict[str, Any]]]


def _reply(message: dict[str, Any], *events: dict[str, Any], finish: str = "COMPLETE", **top: Any) -> Reply:
    """A whole reply, and a stream of these events between its first one and its last."""
    whole = {"id": "c1", "finish_reason": finish, "message": {"role": "assistant", **message}, "usage": USAGE, **top}
    start = {"type": "message-start", "id": whole["id"], "delta": {"message": {"role": "assistant", "content": []}}}
    end = {"type": "message-end", "delta": {"finish_reason": finish, "usage": whole["usage"]}}
    return whole, [start, *events, end]


def _content(part: dict[str, Any], **top: Any) -> Reply:
    delta = {"message": {"content": part}}
    return _reply({"content": [part]}, {"type": "content-start", "index": 0, "delta": delta}, **top)


def _source(**document: Any) -> Reply:
    return _citation(sources=[{"type": "document", "id": "d", "document": document}])


def _citation(**fields: Any) -> Reply:
    part = {"type": "text", "text": "It is Paris."}
    citation = {
        "start": 6,
        "end": 11,
        "text": "Paris",
        "sources": [],
        "type": "TEXT_CONTENT",
        "content_index": 0,
        **fields,
    }
    return _reply(
        {"content": [part], "citations": [citation]},
        {"type": "content-start", "index": 0, "delta": {"message": {"content": part}}},
        {"type": "citation-start", "index": 0, "delta": {"message": {"citations": citation}}},
    )


def _call(**fields: Any) -> Reply:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}, **fields}
    return _reply(
        {"tool_calls": [call]},
        {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": call}}},
        finish="TOOL_CALL",
    )


_WEIGHED: Final = {"text": MARK, "token_ids": [7], "logprobs": [-0.1]}

# https://docs.cohere.com/reference/chat and https://docs.cohere.com/v2/docs/streaming
REPLY: Final[dict[str, tuple[dict[str, Any], list[dict[str, Any]] | None]]] = {
    "id": _content({"type": "text", "text": "Hi"}, id=MARK),
    "text": _content({"type": "text", "text": MARK}),
    "thinking": _content({"type": "thinking", "thinking": MARK}),
    "tool_plan": _reply({"tool_plan": MARK}, {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": MARK}}}),
    "tool_calls.id": _call(id=MARK),
    "tool_calls.name": _call(function={"name": MARK, "arguments": "{}"}),
    "tool_calls.arguments": _call(function={"name": "f", "arguments": f'{{"a": "{MARK}"}}'}),
    "citations.text": _citation(text=MARK),
    "citations.type": _citation(type=MARK),
    "citations.sources.id": _citation(sources=[{"type": "document", "id": MARK, "document": {"text": "t"}}]),
    "citations.sources.document.title": _citation(
        sources=[{"type": "document", "id": "d", "document": {"title": MARK}}]
    ),
    "citations.sources.document.url": _source(url=MARK),
    "citations.sources.tool_output": _citation(
        sources=[{"type": "tool", "id": "d", "tool_output": {"temperature": MARK}}]
    ),
    "citations.second_source": _citation(
        sources=[{"type": "document", "id": "a", "document": {}}, {"type": "document", "id": MARK, "document": {}}]
    ),
    "finish_reason": _reply({"content": [{"type": "text", "text": "Hi"}]}, finish=MARK),
    "usage.billed_units": _content(
        {"type": "text", "text": "Hi"},
        usage={**USAGE, "billed_units": {"search_units": MARK}},
    ),
    "logprobs": (
        _content({"type": "text", "text": "Hi"}, logprobs=[_WEIGHED])[0],
        _reply(
            {},
            {
                "type": "content-delta",
                "index": 0,
                "delta": {"message": {"content": {"text": "Hi"}}},
                "logprobs": _WEIGHED,
            },
        )[1],
    ),
    "of_tomorrow": (_content({"type": "text", "text": "Hi"}, of_tomorrow=MARK)[0], None),
}

_USER: Final = {"role": "user", "content": "q"}
_CALL: Final = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_RESULT: Final = {"role": "tool", "tool_call_id": "c1", "content": "r"}


def _part(**part: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [part]}]}


def _tool(beside: dict[str, Any], **function: Any) -> dict[str, Any]:
    made = {"name": "f", "parameters": {"type": "object", "properties": {}}, **function}
    return {"messages": [_USER], "tool_schemas": [{"type": "function", "function": made, **beside}]}


def _called(call: dict[str, Any], result: dict[str, Any] | None = None, **function: Any) -> dict[str, Any]:
    made = {**_CALL, "function": {**_CALL["function"], **function}, **call}
    answer = {"role": "assistant", "content": None, "tool_calls": [made]}
    return {"messages": [_USER, answer, {**_RESULT, **(result or {})}]}


# https://docs.cohere.com/reference/chat
REQUEST: Final[dict[str, dict[str, Any]]] = {
    "message.content": {"messages": [{"role": "user", "content": MARK}]},
    "message.name": {"messages": [{**_USER, "name": MARK}]},
    "message.of_tomorrow": {"messages": [{**_USER, "of_tomorrow": MARK}]},
    "answer.refusal": {"messages": [_USER, {"role": "assistant", "content": None, "refusal": MARK}, _USER]},
    "answer.audio": {"messages": [_USER, {"role": "assistant", "content": "a", "audio": {"id": MARK}}, _USER]},
    "answer.of_tomorrow": {"messages": [_USER, {"role": "assistant", "content": "a", "of_tomorrow": MARK}, _USER]},
    "text.cache_control": _part(type="text", text="t", cache_control={"type": MARK}),
    "image_url.detail": _part(type="image_url", image_url={"url": "https://example.org/a.png", "detail": MARK}),
    "image_url.format": _part(type="image_url", image_url={"url": "https://example.org/a.png", "format": MARK}),
    "image_url.beside": _part(type="image_url", image_url={"url": "https://example.org/a.png"}, cache_control=MARK),
    "file.filename": _part(type="file", file={"file_id": "f", "filename": MARK}),
    "tool.defer_loading": _tool({"defer_loading": MARK}),
    "tool.cache_control": _tool({"cache_control": {"type": MARK}}),
    "function.description": _tool({}, description=MARK),
    "function.input_examples": _tool({}, input_examples=[{"a": MARK}]),
    "call.cache_control": _called({"cache_control": {"type": MARK}}),
    "call.arguments": _called({}, arguments=f'{{"a": "{MARK}"}}'),
    "call.function.of_tomorrow": _called({}, of_tomorrow=MARK),
    "result.name": _called({}, {"name": MARK}),
    "result.document.data": _called(
        {}, {"content": [{"type": "document", "document": {"id": "d", "data": {"celsius": MARK}}}]}
    ),
    "result.document.id": _called({}, {"content": [{"type": "document", "document": {"id": MARK, "data": {}}}]}),
    "result.part.cache_control": _called({}, {"content": [{"type": "text", "text": "r", "cache_control": MARK}]}),
    "extra_body.documents": {"messages": [_USER], "extra_body": {"documents": [{"id": MARK, "data": {}}]}},
    "extra_body.citation_options": {"messages": [_USER], "extra_body": {"citation_options": {"mode": MARK}}},
}
