"""Random conversations, in the form that `messages.normalize` gives, for property tests."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault

text = st.text(max_size=20)
ids = st.from_regex(r"call_[A-Za-z0-9_-]{1,12}", fullmatch=True)
names = st.sampled_from(["get_weather", "search", "now"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
arguments = st.dictionaries(st.text(max_size=5), json_values, max_size=2)
images = st.sampled_from(
    ["https://example.org/cat.png", "data:image/png;base64,iVBORw0KGgo=", "data:image/svg+xml,%3Csvg/%3E"]
)
files = st.sampled_from(
    [
        {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"},
        {"file_data": "data:text/plain,hello"},
        {"file_id": "file_1"},
        {"file_url": "https://example.org/a.pdf", "filename": "a.pdf"},
        {"file_data": "data:application/zip;base64,UEs="},
    ]
)
text_parts = st.builds(lambda value: {"type": "text", "text": value}, text)
image_parts = st.builds(lambda url: {"type": "image_url", "image_url": {"url": url}}, images)
file_parts = st.builds(lambda file: {"type": "file", "file": file}, files)
other_parts = st.sampled_from(
    [
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}},
        {"type": "hologram", "hologram": 1},
    ]
)
user_content = text | st.lists(text_parts | image_parts | file_parts | other_parts, min_size=1, max_size=4)
calls = st.lists(
    st.tuples(ids, names, arguments | arguments.map(json.dumps) | st.sampled_from(["", None])),
    max_size=3,
    unique_by=lambda call: call[0],
)


@st.composite
def turns(draw: st.DrawFn) -> list[dict[str, Any]]:
    """What the user says, what the model answers, and the results of the calls it made."""
    found: list[dict[str, Any]] = []
    if draw(st.booleans()):
        found.append({"role": draw(st.sampled_from(["system", "developer"])), "content": draw(text)})
    if draw(st.booleans()):
        found.append({"role": "user", "content": draw(user_content)})
    made = draw(calls)
    answer: dict[str, Any] = {
        "role": "assistant",
        "content": draw(st.none() | text | st.lists(text_parts, min_size=1, max_size=3)),
    }
    if made:
        answer["tool_calls"] = [
            {"id": id_, "type": "function", "function": {"name": name, "arguments": given}} for id_, name, given in made
        ]
    found.append(answer)
    found += [
        {
            "role": "tool",
            "tool_call_id": id_,
            "content": draw(text | st.lists(text_parts | image_parts, min_size=1, max_size=2)),
        }
        for id_, _, _ in made
    ]
    if draw(st.booleans()):
        found.append({"role": "user", "content": draw(text), "x-own": 1})
    return found


conversations = st.lists(turns(), min_size=1, max_size=3).map(
    lambda parts: [message for part in parts for message in part]
)
