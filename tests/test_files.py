"""State in files: what was saved comes back, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

import msgflux_like as mf
from msgflux_like.errors import InvalidRequestError
from tests.provider import whole


def test_a_model_comes_back(tmp_path):
    file = tmp_path / "model.json"
    mf.save(mf.Model.chat_completion("openai/gpt-4o", api_key="sk-secret", temperature=0), file)
    assert "sk-secret" not in file.read_text(encoding="utf-8")
    restored = mf.Model.from_serialized(**mf.load(file), api_key="sk-other")
    assert restored.plan("Hello").body["temperature"] == 0


def test_messages_come_back(tmp_path):
    messages = [mf.ChatBlock.user("Grüße 🤖"), {"role": "assistant", "content": None, "tool_calls": []}]
    mf.save(messages, tmp_path / "messages.json")
    assert mf.load(tmp_path / "messages.json") == messages


def test_a_conversation_goes_on_where_it_was_saved(provider, model_of, tmp_path):
    """With what its provider wants back: a signature, as here, or encrypted reasoning."""
    thought = {"type": "thinking", "thinking": "Hm", "signature": "SIG"}
    answer = {"id": "m", "model": "c", "content": [thought, {"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}
    server = provider(whole({**answer, "usage": {"input_tokens": 1, "output_tokens": 2}}))
    model = model_of(server, "anthropic/claude-sonnet-4-5")
    history = mf.ChatML()
    history.add_user_message("Hello")
    history.extend_history([model(history).message])
    mf.save(history, tmp_path / "history.json")
    model([*mf.load(tmp_path / "history.json"), "And then?"])
    assert server.requests[1].body["messages"][1]["content"] == [thought, {"type": "text", "text": "Hi"}]


def test_a_dict_is_read_by_attribute_too(tmp_path):
    mf.save(mf.dotdict(usage={"tokens": 19}), str(tmp_path / "x.json"))
    assert mf.load(str(tmp_path / "x.json")).usage.tokens == 19


def test_what_json_cannot_hold_is_named_and_the_old_file_stays(tmp_path):
    file = tmp_path / "x.json"
    mf.save({"a": 1}, file)
    with pytest.raises(InvalidRequestError, match=r"obj\.a\[1\] is of type object, which JSON cannot hold"):
        mf.save({"a": [1, object()]}, file)
    assert mf.load(file) == {"a": 1}
    assert [each.name for each in Path(tmp_path).iterdir()] == ["x.json"]


def test_a_file_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "x.json").write_text('{"a": ', encoding="utf-8")
    with pytest.raises(InvalidRequestError, match=r"x\.json holds no JSON"):
        mf.load(tmp_path / "x.json")
