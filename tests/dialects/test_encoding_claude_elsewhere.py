"""What a call becomes for Claude inside Amazon Bedrock's invoke and on Vertex AI."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from msgflux_like.dialects import anthropic_messages, bedrock_anthropic, vertex_anthropic
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.messages.normalize import normalize
from msgflux_like.request import ChatRequest, Quirks
from tests.conversations import conversations, unhurried

HELLO = {"role": "user", "content": "Hello"}
CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
QUIRKS = Quirks(prefill=("claude",), prefill_refused=("claude-opus-4-6",))


def request(*messages: dict[str, Any], model: str = CLAUDE, **fields: Any) -> ChatRequest:
    return ChatRequest(model, normalize(messages or (HELLO,)), {"max_tokens": 9}, **fields)


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        (False, "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/invoke"),
        (True, "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/invoke-with-response-stream"),
    ],
)
def test_bedrock_names_the_model_and_the_stream_in_the_path(stream: bool, path: str):
    found = bedrock_anthropic.encode(request(stream=stream), QUIRKS)
    assert found.path == path
    assert found.body == {
        "anthropic_version": "bedrock-2023-05-31",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        "max_tokens": 9,
    }
    assert found.headers == ({"accept": "application/vnd.amazon.eventstream"} if stream else {})


@pytest.mark.parametrize(
    ("stream", "path", "more"),
    [
        (False, "/claude-sonnet-4-5@20250929:rawPredict", {}),
        (True, "/claude-sonnet-4-5@20250929:streamRawPredict", {"stream": True}),
    ],
)
def test_vertex_names_the_model_in_the_path(stream: bool, path: str, more: dict[str, Any]):
    found = vertex_anthropic.encode(request(model="claude-sonnet-4-5@20250929", stream=stream), QUIRKS)
    assert found.path == path
    assert found.body == {
        "anthropic_version": "vertex-2023-10-16",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        "max_tokens": 9,
        **more,
    }


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
        {"type": "file", "file": {"file_url": "https://example.com/a.pdf"}},
        {"type": "file", "file": {"file_id": "file_1"}},
    ],
)
@pytest.mark.parametrize("dialect", [bedrock_anthropic, vertex_anthropic])
def test_links_and_stored_files_are_refused_outside_of_anthropic(part: dict[str, Any], dialect: Any):
    with pytest.raises(UnsupportedError, match="pass the bytes"):
        dialect.encode(request({"role": "user", "content": [part]}), QUIRKS)
    result = {"role": "tool", "tool_call_id": "a", "content": [part]}
    with pytest.raises(UnsupportedError, match="pass the bytes"):
        dialect.encode(request(HELLO, result), QUIRKS)


def test_prefills_are_known_by_claudes_own_name():
    assert bedrock_anthropic.encode(request(prefill="Once"), QUIRKS).prefill == "Once"
    with pytest.raises(UnsupportedError, match="prefilling"):
        bedrock_anthropic.encode(request(prefill="Once", model="eu.anthropic.claude-opus-4-6-v1"), QUIRKS)


@unhurried
@given(conversations)
def test_all_else_is_as_anthropic_has_it(conversation: list[dict[str, Any]]):
    try:
        asked = request(*conversation, model="claude-3")
        own = anthropic_messages.encode(asked, QUIRKS)
    except (UnsupportedError, InvalidMessagesError):
        return
    del own.body["model"]
    for dialect, version in ((vertex_anthropic, "vertex-2023-10-16"), (bedrock_anthropic, "bedrock-2023-05-31")):
        try:
            elsewhere = dialect.encode(asked, QUIRKS)
        except UnsupportedError:
            return
        assert elsewhere.body == {"anthropic_version": version, **own.body}
        assert elsewhere.changes == own.changes
