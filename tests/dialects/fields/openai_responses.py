"""Documented fields of OpenAI's Responses format, each with a mark that must be found again."""

from __future__ import annotations

from typing import Any, Final

MARK: Final = "MARK9"
USAGE: Final = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}


def _text(text: str = "Hi", **part: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], **part}


def _message(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    content = list(parts or (_text(),))
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content, **more}


def _reply(*items: dict[str, Any], **top: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A whole reply of these items, and the events of a stream that reports each of them."""
    whole = {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": list(items)}
    whole |= {"usage": USAGE, **top}
    started = {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}}
    done = [
        {"type": f"response.output_item.{when}", "output_index": index, "item": item}
        for index, item in enumerate(items)
        for when in ("added", "done")
    ]
    return whole, [started, *done, {"type": "response.completed", "response": whole}]


def _item(kind: str, **fields: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return _reply({"type": kind, "id": "item_1", **fields}, _message())


# https://platform.openai.com/docs/api-reference/responses/object
REPLY: Final[dict[str, tuple[dict[str, Any], list[dict[str, Any]] | None]]] = {
    "id": _reply(_message(), id=MARK),
    "model": _reply(_message(), model=MARK),
    "service_tier": _reply(_message(), service_tier=MARK),
    "metadata": _reply(_message(), metadata={"key": MARK}),
    "safety_identifier": _reply(_message(), safety_identifier=MARK),
    "prompt_cache_key": _reply(_message(), prompt_cache_key=MARK),
    "conversation": _reply(_message(), conversation={"id": MARK}),
    "previous_response_id": _reply(_message(), previous_response_id=MARK),
    "reasoning.effort": _reply(_message(), reasoning={"effort": MARK}),
    "text.verbosity": _reply(_message(), text={"verbosity": MARK}),
    "incomplete_details": _reply(_message(), status="incomplete", incomplete_details={"reason": MARK}),
    "text": _reply(_message(_text(MARK))),
    "refusal": _reply(_message({"type": "refusal", "refusal": MARK})),
    "phase": _reply(_message(phase=MARK)),
    "logprobs": _reply(_message(_text(logprobs=[{"token": MARK, "logprob": -0.1, "bytes": [72], "top_logprobs": []}]))),
    "top_logprobs": _reply(
        _message(_text(logprobs=[{"token": "H", "logprob": -0.1, "top_logprobs": [{"token": MARK, "logprob": -1}]}]))
    ),
    "url_citation.url": _reply(
        _message(_text(annotations=[{"type": "url_citation", "url": MARK, "start_index": 0, "end_index": 2}]))
    ),
    "url_citation.title": _reply(
        _message(_text(annotations=[{"type": "url_citation", "title": MARK, "start_index": 0, "end_index": 2}]))
    ),
    "file_citation.filename": _reply(
        _message(_text(annotations=[{"type": "file_citation", "file_id": "f", "filename": MARK, "index": 1}]))
    ),
    "file_citation.file_id": _reply(
        _message(_text(annotations=[{"type": "file_citation", "file_id": MARK, "index": 1}]))
    ),
    "container_file_citation.container_id": _reply(
        _message(_text(annotations=[{"type": "container_file_citation", "container_id": MARK, "file_id": "f"}]))
    ),
    "file_path.file_id": _reply(_message(_text(annotations=[{"type": "file_path", "file_id": MARK, "index": 1}]))),
    "reasoning.summary": _reply(
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": MARK}]}, _message()
    ),
    "reasoning.content": _reply(
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": MARK}]},
        _message(),
    ),
    "reasoning.encrypted_content": _reply(
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": MARK}, _message()
    ),
    "function_call.arguments": _item("function_call", call_id="c", name="f", arguments=f'{{"a": "{MARK}"}}'),
    "function_call.name": _item("function_call", call_id="c", name=MARK, arguments="{}"),
    "function_call.call_id": _item("function_call", call_id=MARK, name="f", arguments="{}"),
    "function_call.namespace": _item("function_call", call_id="c", name="f", arguments="{}", namespace=MARK),
    "function_call.caller": _item(
        "function_call", call_id="c", name="f", arguments="{}", caller={"type": "program", "caller_id": MARK}
    ),
    "custom_tool_call.input": _item("custom_tool_call", call_id="c", name="f", input=MARK),
    "web_search_call.action": _item("web_search_call", status="completed", action={"type": "search", "query": MARK}),
    "file_search_call.results": _item("file_search_call", queries=["q"], results=[{"file_id": "f", "text": MARK}]),
    "code_interpreter_call.code": _item("code_interpreter_call", code=MARK, container_id="k", outputs=None),
    "code_interpreter_call.outputs": _item(
        "code_interpreter_call", code="1", container_id="k", outputs=[{"type": "logs", "logs": MARK}]
    ),
    "code_interpreter_call.container_id": _item("code_interpreter_call", code="1", container_id=MARK),
    "image_generation_call.id": _reply(
        {"type": "image_generation_call", "id": MARK, "status": "completed", "result": "QUJD"}, _message()
    ),
    "image_generation_call.result": _item("image_generation_call", status="completed", result=MARK),
    "image_generation_call.revised_prompt": _item("image_generation_call", result="QUJD", revised_prompt=MARK),
    "computer_call.action": _item("computer_call", call_id="c", action={"type": "type", "text": MARK}),
    "computer_call.pending_safety_checks": _item("computer_call", call_id="c", pending_safety_checks=[{"id": MARK}]),
    "local_shell_call.action": _item("local_shell_call", call_id="c", action={"type": "exec", "command": [MARK]}),
    "shell_call.action": _item("shell_call", call_id="c", action={"commands": [MARK]}),
    "shell_call_output.output": _item("shell_call_output", call_id="c", output=[{"stdout": MARK}]),
    "apply_patch_call.operation": _item(
        "apply_patch_call", call_id="c", operation={"type": "delete_file", "path": MARK}
    ),
    "mcp_call.output": _item("mcp_call", name="n", server_label="s", arguments="{}", output=MARK),
    "mcp_call.error": _item("mcp_call", name="n", server_label="s", arguments="{}", error={"message": MARK}),
    "mcp_list_tools.tools": _item("mcp_list_tools", server_label="s", tools=[{"name": MARK, "input_schema": {}}]),
    "mcp_approval_request.arguments": _item("mcp_approval_request", name="n", server_label="s", arguments=MARK),
    "tool_search_call.arguments": _item("tool_search_call", call_id="c", arguments={"query": MARK}),
    "tool_search_output.tools": _item("tool_search_output", call_id="c", tools=[{"type": "function", "name": MARK}]),
    "compaction.encrypted_content": _item("compaction", encrypted_content=MARK),
    "an_item_of_tomorrow": _item("crystal_ball_call", vision=MARK),
}

_USER: Final = {"role": "user", "content": "q"}
_CALL: Final = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_RESULT: Final = {"role": "tool", "tool_call_id": "c1", "content": "r"}


def _part(**part: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [part]}]}


def _tool(beside: dict[str, Any], **function: Any) -> dict[str, Any]:
    made = {"name": "f", "parameters": {"type": "object", "properties": {}}, **function}
    return {"messages": [_USER], "tool_schemas": [{"type": "function", "function": made, **beside}]}


def _call(call: dict[str, Any], **function: Any) -> dict[str, Any]:
    made = {**_CALL, "function": {**_CALL["function"], **function}, **call}
    return {"messages": [_USER, {"role": "assistant", "content": None, "tool_calls": [made]}, _RESULT]}


# https://platform.openai.com/docs/api-reference/responses/create
REQUEST: Final[dict[str, dict[str, Any]]] = {
    "message.content": {"messages": [{"role": "user", "content": MARK}]},
    "message.name": {"messages": [{**_USER, "name": MARK}]},
    "message.cache_control": {"messages": [{**_USER, "cache_control": {"type": MARK}}]},
    "message.of_tomorrow": {"messages": [{**_USER, "of_tomorrow": MARK}]},
    "answer.refusal": {"messages": [_USER, {"role": "assistant", "content": None, "refusal": MARK}, _USER]},
    "answer.phase": {"messages": [_USER, {"role": "assistant", "content": "a", "phase": MARK}, _USER]},
    "answer.audio": {"messages": [_USER, {"role": "assistant", "content": "a", "audio": {"id": MARK}}, _USER]},
    "answer.images": {
        "messages": [
            _USER,
            {
                "role": "assistant",
                "content": "a",
                "images": [{"type": "image_url", "image_url": {"url": f"https://example.org/{MARK}.png"}}],
            },
            _USER,
        ]
    },
    "answer.of_tomorrow": {"messages": [_USER, {"role": "assistant", "content": "a", "of_tomorrow": MARK}, _USER]},
    "answer.part.refusal": {
        "messages": [_USER, {"role": "assistant", "content": [{"type": "refusal", "refusal": MARK}]}, _USER]
    },
    "text.cache_control": _part(type="text", text="t", cache_control={"type": MARK}),
    "text.prompt_cache_breakpoint": _part(type="text", text="t", prompt_cache_breakpoint={"mode": MARK}),
    "image_url.detail": _part(type="image_url", image_url={"url": "https://example.org/a.png", "detail": MARK}),
    "image_url.format": _part(type="image_url", image_url={"url": "https://example.org/a.png", "format": MARK}),
    "image_url.beside": _part(type="image_url", image_url={"url": "https://example.org/a.png"}, cache_control=MARK),
    "file.filename": _part(type="file", file={"file_id": "f", "filename": MARK}),
    "file.mime_type": _part(type="file", file={"file_id": "f", "mime_type": MARK}),
    "file.citations": _part(type="file", file={"file_id": "f", "citations": {"enabled": MARK}}),
    "tool.defer_loading": _tool({"defer_loading": MARK}),
    "tool.cache_control": _tool({"cache_control": {"type": MARK}}),
    "function.description": _tool({}, description=MARK),
    "function.strict": _tool({}, strict=99173),
    "function.input_examples": _tool({}, input_examples=[{"a": MARK}]),
    "function.cache_control": _tool({}, cache_control={"type": MARK}),
    "call.cache_control": _call({"cache_control": {"type": MARK}}),
    "call.index": _call({"index": 99173}),
    "call.extra_content": _call({"extra_content": {"google": MARK}}),
    "call.arguments": _call({}, arguments=f'{{"a": "{MARK}"}}'),
    "call.function.of_tomorrow": _call({}, of_tomorrow=MARK),
    "result.name": {"messages": [*_call({})["messages"][:2], {**_RESULT, "name": MARK}]},
    "result.is_error": {"messages": [*_call({})["messages"][:2], {**_RESULT, "is_error": MARK}]},
    "result.part.cache_control": {
        "messages": [
            *_call({})["messages"][:2],
            {**_RESULT, "content": [{"type": "text", "text": "r", "cache_control": {"type": MARK}}]},
        ]
    },
    "extra_body": {"messages": [_USER], "extra_body": {"service_tier": MARK}},
}
