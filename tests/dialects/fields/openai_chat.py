"""Documented fields of OpenAI's chat completions format, each with a mark, for the marker tests.

Sources: https://platform.openai.com/docs/api-reference/chat/object,
https://platform.openai.com/docs/api-reference/chat-streaming, https://openrouter.ai/docs/api-reference/overview,
https://docs.perplexity.ai/api-reference/chat-completions-post, https://console.groq.com/docs/api-reference,
https://api-docs.deepseek.com/api/create-chat-completion, https://docs.x.ai/docs/api-reference.
"""

from __future__ import annotations

from typing import Any, Final

MARK: Final = "MARK9"
NUMBER: Final = 99173

Json = dict[str, Any]
Both = tuple[Json, list[Json] | None]


def _chunk(delta: Json, finish: str | None = None, choice: Json | None = None, **top: Any) -> Json:
    made = {"index": 0, "delta": delta, "finish_reason": finish, **(choice or {})}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [made], **top}


def _both(message: Json | None = None, choice: Json | None = None, **top: Any) -> Both:
    """Return a reply with these fields, whole and as a stream whose second piece has them."""
    answer = {"role": "assistant", "content": "Hello.", **(message or {})}
    made = {"index": 0, "message": answer, "finish_reason": "stop", **(choice or {})}
    whole = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [made]}
    finish = (choice or {}).get("finish_reason", "stop")
    rest = {name: value for name, value in (choice or {}).items() if name != "finish_reason"}
    return {**whole, **top}, [_chunk({"role": "assistant"}), _chunk(answer, None, rest, **top), _chunk({}, finish)]


def _call(function: Json | None = None, **more: Any) -> Both:
    call = {"index": 0, "id": "c", "type": "function", "function": function or {"name": "f", "arguments": "{}"}, **more}
    return _both({"content": None, "tool_calls": [call]}, {"finish_reason": "tool_calls"})


_URL: Final = "https://e.com/a"
_TOKEN: Final = {"token": "Hello.", "logprob": -0.5, "bytes": [72], "top_logprobs": []}
_USAGE: Final = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}

REPLY: Final[dict[str, Both]] = {
    # the reply
    "id": (_both(id=MARK)[0], [_chunk({"content": "A"}, id=MARK), _chunk({}, "stop", id=MARK)]),
    "model": (_both(model=MARK)[0], [_chunk({"content": "A"}, model=MARK), _chunk({}, "stop", model=MARK)]),
    "service_tier": _both(service_tier=MARK),
    "system_fingerprint": _both(system_fingerprint=MARK),
    "provider": _both(provider=MARK),
    "citations": _both(citations=[f"https://{MARK}"]),
    "search_results.url": _both(search_results=[{"url": f"https://{MARK}", "title": "T"}]),
    "search_results.title": _both(search_results=[{"url": _URL, "title": MARK}]),
    "search_results.snippet": _both(citations=[_URL], search_results=[{"url": _URL, "snippet": MARK}]),
    "search_results.date": _both(citations=[_URL], search_results=[{"url": _URL, "date": MARK}]),
    "related_questions": _both(related_questions=[MARK]),
    "x_groq": _both(x_groq={"id": MARK}),
    "prompt_filter_results": _both(prompt_filter_results=[{"hate": {"severity": MARK}}]),
    "usage.of_its_own": _both(usage={**_USAGE, "search_context_size": MARK}),
    "usage.queue_time": _both(usage={**_USAGE, "queue_time": NUMBER}),
    # the choice
    "choice.finish_reason": _both(choice={"finish_reason": MARK}),
    "choice.native_finish_reason": _both(choice={"native_finish_reason": MARK}),
    "choice.stop_reason": _both(choice={"stop_reason": MARK}),
    "choice.content_filter_results": _both(choice={"content_filter_results": {"hate": {"severity": MARK}}}),
    "choice.logprobs.token": _both(choice={"logprobs": {"content": [{**_TOKEN, "token": MARK}]}}),
    "choice.logprobs.top": _both(
        choice={"logprobs": {"content": [{**_TOKEN, "top_logprobs": [_TOKEN | {"token": MARK}]}]}}
    ),
    "choice.logprobs.refusal": _both(choice={"logprobs": {"refusal": [{**_TOKEN, "token": MARK}]}}),
    # the message
    "message.content": _both({"content": MARK}),
    "message.refusal": _both({"content": None, "refusal": MARK}),
    "message.reasoning_content": _both({"reasoning_content": MARK}),
    "message.reasoning": _both({"reasoning": MARK}),
    "message.reasoning_details": _both({"reasoning_details": [{"type": "reasoning.encrypted", "data": MARK}]}),
    "message.executed_tools": _both({"executed_tools": [{"type": MARK}]}),
    "message.context": _both({"context": {"intent": MARK}}),
    "message.annotations.url": _both(
        {"annotations": [{"type": "url_citation", "url_citation": {"url": f"https://{MARK}", "title": "T"}}]}
    ),
    "message.annotations.title": _both(
        {"annotations": [{"type": "url_citation", "url_citation": {"url": _URL, "title": MARK}}]}
    ),
    "message.annotations.content": _both(
        {"annotations": [{"type": "url_citation", "url_citation": {"url": _URL, "content": MARK}}]}
    ),
    "message.annotations.start_index": _both(
        {"annotations": [{"type": "url_citation", "url_citation": {"url": _URL, "start_index": NUMBER}}]}
    ),
    "message.annotations.file": _both({"annotations": [{"type": "file", "file": {"hash": MARK, "name": "a.pdf"}}]}),
    "message.images": _both({"images": [{"type": "image_url", "image_url": {"url": f"https://{MARK}"}}]}),
    "message.audio.id": _both({"audio": {"id": MARK, "data": "QQ==", "transcript": "A"}}),
    "message.audio.data": _both({"audio": {"id": "a", "data": MARK}}),
    "message.audio.transcript": _both({"content": None, "audio": {"id": "a", "transcript": MARK}}),
    "message.audio.expires_at": _both({"audio": {"id": "a", "data": "QQ==", "expires_at": NUMBER}}),
    "message.extra_content": _both({"extra_content": {"google": {"thought_signature": MARK}}}),
    # a call
    "call.id": _call(id=MARK),
    "call.name": _call({"name": MARK, "arguments": "{}"}),
    "call.arguments": _call({"name": "f", "arguments": f'{{"a": "{MARK}"}}'}),
    "call.extra_content": _call(extra_content={"google": {"thought_signature": MARK}}),
    "call.type": _call(type=MARK),
    "function_call.name": _both({"content": None, "function_call": {"name": MARK, "arguments": "{}"}}),
    "function_call.arguments": _both(
        {"content": None, "function_call": {"name": "f", "arguments": f'{{"a":"{MARK}"}}'}}
    ),
}

_CALL: Final = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_RESULT: Final = {"role": "tool", "tool_call_id": "c", "content": "r"}
_F: Final = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def _user(*parts: Any, **message: Any) -> Json:
    return {"messages": [{"role": "user", "content": list(parts) if parts else "q", **message}]}


def _asked(call: Json, **result: Any) -> Json:
    answer = {"role": "assistant", "content": None, "tool_calls": [call]}
    return {"messages": ["q", answer, {**_RESULT, **result}]}


def _answered(**fields: Any) -> Json:
    return {"messages": ["q", {"role": "assistant", "content": "a", **fields}, "more"]}


_IMAGE: Final = {"url": "https://e.com/a.png"}

# Sources: https://platform.openai.com/docs/api-reference/chat/create, and for `cache_control`
# https://openrouter.ai/docs/features/prompt-caching.
REQUEST: Final[dict[str, Json]] = {
    "message.content": _user({"type": "text", "text": MARK}),
    "message.name": _user(name=MARK),
    "message.unknown": _user(unknown=MARK),
    "part.cache_control": _user({"type": "text", "text": "q", "cache_control": {"type": MARK}}),
    "part.image.detail": _user({"type": "image_url", "image_url": {**_IMAGE, "detail": MARK}}),
    "part.image.format": _user({"type": "image_url", "image_url": {**_IMAGE, "format": MARK}}),
    "part.image.beside": _user({"type": "image_url", "image_url": _IMAGE, "unknown": MARK}),
    "part.file.filename": _user({"type": "file", "file": {"file_id": "file_1", "filename": MARK}}),
    "part.file.mime_type": _user({"type": "file", "file": {"file_id": "file_1", "mime_type": MARK}}),
    "part.audio.unknown": _user(
        {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav", "unknown": MARK}}
    ),
    "answer.refusal": _answered(refusal=MARK),
    "answer.audio.id": _answered(audio={"id": MARK}),
    "answer.audio.data": _answered(audio={"id": "a", "data": MARK}),
    "answer.images": _answered(images=[{"type": "image_url", "image_url": {"url": MARK}}]),
    "answer.reasoning_content": _answered(reasoning_content=MARK),
    "answer.unknown": _answered(unknown=MARK),
    "call.id": {"messages": _asked({**_CALL, "id": MARK}, tool_call_id=MARK)["messages"]},
    "call.name": _asked({**_CALL, "function": {"name": MARK, "arguments": "{}"}}),
    "call.arguments": _asked({**_CALL, "function": {"name": "f", "arguments": f'{{"a":"{MARK}"}}'}}),
    "call.cache_control": _asked({**_CALL, "cache_control": {"type": MARK}}),
    "call.function.unknown": _asked({**_CALL, "function": {"name": "f", "arguments": "{}", "unknown": MARK}}),
    "result.content": _asked(_CALL, content=MARK),
    "result.name": _asked(_CALL, name=MARK),
    "result.part.unknown": _asked(_CALL, content=[{"type": "text", "text": "r", "unknown": MARK}]),
    "tool.beside": {"messages": "q", "tool_schemas": [{**_F, "defer_loading": MARK}]},
    "tool.function.description": {
        "messages": "q",
        "tool_schemas": [{**_F, "function": {**_F["function"], "description": MARK}}],
    },
    "tool.function.input_examples": {
        "messages": "q",
        "tool_schemas": [{**_F, "function": {**_F["function"], "input_examples": [{"a": MARK}]}}],
    },
    "tool.function.parameters": {
        "messages": "q",
        "tool_schemas": [{**_F, "function": {"name": "f", "parameters": {"type": "object", "description": MARK}}}],
    },
}
