"""Documented fields of Anthropic's Messages format, each with a mark, for the marker tests.

Sources: https://docs.anthropic.com/en/api/messages, https://docs.anthropic.com/en/api/messages-streaming,
https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview and https://docs.claude.com/en/docs/build-with-claude.
"""

from __future__ import annotations

from typing import Any, Final

MARK: Final = "MARK9"
NUMBER: Final = 99173

Json = dict[str, Any]
_HELLO: Final[Json] = {"type": "text", "text": "Hello."}


def _reply(*blocks: Json, **top: Any) -> Json:
    usage = {"input_tokens": 8, "output_tokens": 7}
    found = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "content": list(blocks or (_HELLO,))}
    return {**found, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage, **top}


def _events(
    *blocks: tuple[Json, list[Json]], start: Json | None = None, end: Json | None = None, **last: Any
) -> list[Json]:
    found: list[Json] = [{"type": "message_start", "message": {**_reply(), "content": [], **(start or {})}}]
    for index, (block, deltas) in enumerate(blocks or ((_HELLO, []),)):
        found.append({"type": "content_block_start", "index": index, "content_block": block})
        found += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        found.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": "end_turn", "stop_sequence": None, **(end or {})}
    found.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}, **last})
    return [*found, {"type": "message_stop"}]


def _block(block: Json, *deltas: Json, start: Json | None = None) -> tuple[Json, list[Json]]:
    """A block before a text, whole and as its start and pieces."""
    return _reply(block, _HELLO), _events((start or block, list(deltas)), (_HELLO, []))


def _citation(**fields: Any) -> tuple[Json, list[Json]]:
    text = {"type": "text", "text": "Paris", "citations": [fields]}
    pieces = [{"type": "citations_delta", "citation": fields}, {"type": "text_delta", "text": "Paris"}]
    return _reply(text), _events(({"type": "text", "text": "", "citations": []}, pieces))


def _top(**fields: Any) -> tuple[Json, list[Json]]:
    return _reply(**fields), _events(start=fields)


def _end(**fields: Any) -> tuple[Json, list[Json]]:
    return _reply(**fields), _events(end=fields)


_CALL: Final[Json] = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
_SERVER: Final[Json] = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": MARK}}

REPLY: Final[dict[str, tuple[Json, list[Json] | None]]] = {
    # the reply
    "id": _top(id=MARK),
    "model": _top(model=MARK),
    "container": _end(container={"id": MARK, "expires_at": "2026-01-01T00:00:00Z"}),
    "context_management": (
        _reply(context_management={"applied_edits": [{"type": MARK}]}),
        _events(context_management={"applied_edits": [{"type": MARK}]}),
    ),
    "stop_reason": _end(stop_reason=MARK),
    "stop_sequence": _end(stop_reason="stop_sequence", stop_sequence=MARK),
    "stop_details.explanation": _end(stop_reason="refusal", stop_details={"type": "refusal", "explanation": MARK}),
    "stop_details.category": _end(stop_reason="refusal", stop_details={"type": "refusal", "category": MARK}),
    "service_tier": _top(service_tier=MARK),
    "usage.service_tier": _top(usage={"input_tokens": 8, "output_tokens": 7, "service_tier": MARK}),
    "usage.inference_geo": _top(usage={"input_tokens": 8, "output_tokens": 7, "inference_geo": MARK}),
    # blocks
    "text": _block({"type": "text", "text": MARK}),
    "thinking": _block(
        {"type": "thinking", "thinking": MARK, "signature": "s"},
        {"type": "thinking_delta", "thinking": MARK},
        {"type": "signature_delta", "signature": "s"},
        start={"type": "thinking", "thinking": "", "signature": ""},
    ),
    "thinking.signature": _block(
        {"type": "thinking", "thinking": "Hm.", "signature": MARK},
        {"type": "thinking_delta", "thinking": "Hm."},
        {"type": "signature_delta", "signature": MARK},
        start={"type": "thinking", "thinking": "", "signature": ""},
    ),
    "redacted_thinking.data": _block({"type": "redacted_thinking", "data": MARK}),
    "tool_use.id": _block({**_CALL, "id": MARK}),
    "tool_use.name": _block({**_CALL, "name": MARK}),
    "tool_use.input": _block(
        {**_CALL, "input": {"x": MARK}},
        {"type": "input_json_delta", "partial_json": '{"x": "MA'},
        {"type": "input_json_delta", "partial_json": 'RK9"}'},
        start=_CALL,
    ),
    "tool_use.caller": _block({**_CALL, "caller": {"type": "code_execution_20250825", "tool_id": MARK}}),
    "server_tool_use": _block(
        _SERVER, {"type": "input_json_delta", "partial_json": f'{{"query": "{MARK}"}}'}, start={**_SERVER, "input": {}}
    ),
    "web_search_tool_result": _block(
        {
            "type": "web_search_tool_result",
            "tool_use_id": "s",
            "content": [{"type": "web_search_result", "url": "https://e.com", "title": "t", "encrypted_content": MARK}],
        }
    ),
    **{
        f"{kind}_tool_result": _block({"type": f"{kind}_tool_result", "tool_use_id": "s", "content": {"type": MARK}})
        for kind in ("web_fetch", "code_execution", "bash_code_execution", "text_editor_code_execution", "tool_search")
    },
    "mcp_tool_use.server_name": _block(
        {"type": "mcp_tool_use", "id": "s", "name": "n", "server_name": MARK, "input": {}}
    ),
    "mcp_tool_result": _block(
        {"type": "mcp_tool_result", "tool_use_id": "s", "is_error": False, "content": [{"type": "text", "text": MARK}]}
    ),
    "container_upload.file_id": _block({"type": "container_upload", "file_id": MARK}),
    "compaction.content": _block(
        {"type": "compaction", "content": MARK},
        {"type": "compaction_delta", "content": MARK},
        start={"type": "compaction", "content": None},
    ),
    "a kind of the future": _block({"type": "hologram", "depth": MARK}),
    # citations
    "citation.cited_text": _citation(type="char_location", cited_text=MARK, document_index=0),
    "citation.document_title": _citation(type="char_location", cited_text="c", document_title=MARK),
    "citation.file_id": _citation(type="page_location", cited_text="c", file_id=MARK),
    "citation.url": _citation(type="web_search_result_location", cited_text="c", url=f"https://{MARK}"),
    "citation.title": _citation(type="web_search_result_location", cited_text="c", title=MARK),
    "citation.encrypted_index": _citation(type="web_search_result_location", cited_text="c", encrypted_index=MARK),
    "citation.source": _citation(type="search_result_location", cited_text="c", source=MARK),
}


def _user(*parts: Json) -> list[Json]:
    return [{"role": "user", "content": list(parts)}]


def _file(beside: Json | None = None, **fields: Any) -> Json:
    file = {"file_data": "data:text/plain;base64,QUJD", **fields}
    return {"messages": _user({"type": "file", "file": file, **(beside or {})})}


def _image(beside: Json | None = None, **fields: Any) -> Json:
    image = {"url": "data:image/png;base64,iVBORw0KGgo=", **fields}
    return {"messages": _user({"type": "image_url", "image_url": image, **(beside or {})})}


def _tool(beside: Json | None = None, **fields: Any) -> Json:
    function: Json = {"name": "f", "parameters": {"type": "object", "properties": {}}, **fields}
    return {"messages": "q", "tool_schemas": [{"type": "function", "function": function, **(beside or {})}]}


def _history(call: Json | None = None, function: Json | None = None, result: Json | None = None) -> Json:
    made = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}", **(function or {})}}
    calls = {"role": "assistant", "content": None, "tool_calls": [{**made, **(call or {})}]}
    return {
        "messages": ["q", calls, {"role": "tool", "tool_call_id": "c", "content": "22", **(result or {})}],
        "tool_schemas": _tool()["tool_schemas"],
    }


def _answer(**fields: Any) -> Json:
    return {"messages": ["q", {"role": "assistant", "content": "a", **fields}, "more"]}


_CACHE: Final = {"type": "ephemeral", "ttl": MARK}
_TOOL_VALUES: Final[dict[str, Any]] = {
    "cache_control": _CACHE,
    "input_examples": [{"x": MARK}],
    "allowed_callers": [MARK],
    "defer_loading": MARK,
    "eager_input_streaming": MARK,
    "strict": MARK,
    "unheard_of": MARK,
}

REQUEST: Final[dict[str, Json]] = {
    # a message
    "message.name": {"messages": [{"role": "user", "content": "q", "name": MARK}]},
    "message.cache_control": {"messages": [{"role": "user", "content": "q", "cache_control": _CACHE}]},
    "message.unheard_of": {"messages": [{"role": "user", "content": "q", "unheard_of": MARK}]},
    "message.is_error": {"messages": [{"role": "user", "content": "q", "is_error": MARK}]},
    "system.cache_control": {"messages": [{"role": "system", "content": "s", "cache_control": _CACHE}, "q"]},
    "answer.cache_control": _answer(cache_control=_CACHE),
    "answer.name": _answer(name=MARK),
    "answer.refusal": _answer(refusal=MARK),
    "answer.audio": _answer(audio={"id": MARK}),
    "answer.images": _answer(images=[{"type": "image_url", "image_url": {"url": f"https://e.com/{MARK}.png"}}]),
    "answer.reasoning_content": _answer(reasoning_content=MARK),
    # a part
    "text.cache_control": {"messages": _user({"type": "text", "text": "x", "cache_control": _CACHE})},
    "text.citations": {"messages": _user({"type": "text", "text": "x", "citations": [{"cited_text": MARK}]})},
    "text.unheard_of": {"messages": _user({"type": "text", "text": "x", "unheard_of": MARK})},
    "image.detail": _image(detail=MARK),
    "image.format": _image(format=MARK),
    "image.media_resolution": _image(media_resolution=MARK),
    "image, beside.cache_control": _image({"cache_control": _CACHE}),
    "image, beside.title": _image({"title": MARK}),
    **{
        f"file.{name}": _file(None, **{name: MARK})
        for name in ("filename", "title", "context", "mime_type", "unheard_of")
    },
    "file.citations": _file(citations={"enabled": MARK}),
    "file, beside.citations": _file({"citations": {"enabled": MARK}}),
    "file, beside.title": _file({"title": MARK}),
    "file, beside.context": _file({"context": MARK}),
    "file, beside.cache_control": _file({"cache_control": _CACHE}),
    "file, beside.unheard_of": _file({"unheard_of": MARK}),
    "file of an image.filename": _file(file_data="data:image/png;base64,iVBORw0KGgo=", filename=MARK),
    "file of an image.context": _file({"context": MARK}, file_data="data:image/png;base64,iVBORw0KGgo="),
    # calls and results
    "call.cache_control": _history({"cache_control": _CACHE}),
    "call.caller": _history({"caller": {"type": "code_execution_20250825", "tool_id": MARK}}),
    "call.unheard_of": _history({"unheard_of": MARK}),
    "call.function.unheard_of": _history(function={"unheard_of": MARK}),
    "result.cache_control": _history(result={"cache_control": _CACHE}),
    "result.is_error": _history(result={"is_error": MARK}),
    "result.name": _history(result={"name": MARK}),
    "result.part.cache_control": _history(
        result={"content": [{"type": "text", "text": "22", "cache_control": _CACHE}]}
    ),
    # tools
    **{f"tool.{name}": _tool({name: value}) for name, value in _TOOL_VALUES.items()},
    **{f"tool.function.{name}": _tool(None, **{name: value}) for name, value in _TOOL_VALUES.items()},
    "tool.function.description": _tool(description=MARK),
}
