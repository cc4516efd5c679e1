"""Documented fields of Mistral's chat format, each with a mark, for the marker tests.

Sources: https://docs.mistral.ai/api/#tag/chat, https://docs.mistral.ai/capabilities/citations/.
"""

from __future__ import annotations

from typing import Any, Final

from tests.dialects.fields import openai_chat
from tests.dialects.fields.openai_chat import MARK, Both, Json


def _content(*parts: Json) -> Both:
    message = {"role": "assistant", "content": [{"type": "text", "text": "Hello."}, *parts]}
    head = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m"}
    whole = {**head, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    chunk = {**head, "choices": [{"index": 0, "delta": message, "finish_reason": None}]}
    return whole, [chunk, {**head, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]}]


_OF_OPENAI: Final = (
    "id",
    "model",
    "choice.finish_reason",
    "message.content",
    "call.id",
    "call.name",
    "call.arguments",
)

REPLY: Final[dict[str, Both]] = {
    **{name: openai_chat.REPLY[name] for name in _OF_OPENAI},
    "content.text": _content({"type": "text", "text": MARK}),
    "content.thinking": _content({"type": "thinking", "thinking": [{"type": "text", "text": MARK}]}),
    "content.thinking.signature": _content({"type": "thinking", "thinking": [], "signature": MARK}),
    "content.reference": _content({"type": "reference", "reference_ids": [MARK]}),
    "content.tool_reference.url": _content({"type": "tool_reference", "tool": "web_search", "url": f"https://{MARK}"}),
    "content.tool_reference.title": _content({"type": "tool_reference", "tool": "web_search", "title": MARK}),
    "content.tool_reference.description": _content({"type": "tool_reference", "tool": "w", "description": MARK}),
    "content.image_url": _content({"type": "image_url", "image_url": {"url": f"https://{MARK}"}}),
}


def _user(*parts: Any) -> Json:
    return {"messages": [{"role": "user", "content": list(parts)}]}


REQUEST: Final[dict[str, Json]] = {
    **openai_chat.REQUEST,
    "part.file.name": _user({"type": "file", "file": {"file_url": "https://e.com/a.pdf", "filename": MARK}}),
    "part.document_url": _user({"type": "document_url", "document_url": f"https://{MARK}"}),
}
