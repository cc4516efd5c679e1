"""A provider's own tools go out beside the caller's functions, and lists of the caller's are joined with ours."""

from __future__ import annotations

import pytest

import msgflux_like as mf
from msgflux_like.errors import InvalidRequestError
from msgflux_like.tools.schemas import check_tools

FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
OWN = (
    {"type": "web_search"},
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
    {"type": "file_search", "vector_store_ids": ["v"]},
    {"type": "mcp", "server_label": "s", "server_url": "https://example.com"},
    {"type": "custom", "name": "c"},
    {"googleSearch": {}},
    {"codeExecution": {}},
    {"url_context": {}},
)


@pytest.mark.parametrize("tool", OWN)
def test_a_tool_that_is_no_function_is_passed_on_as_it_is(tool):
    assert check_tools([tool, FUNCTION], None) == (tool, FUNCTION)


@pytest.mark.parametrize(
    "tool", [{}, {"type": ""}, {"type": "function"}, {"type": 5}, {"name": "f", "parameters": {}}, 5, "f"]
)
def test_what_is_neither_a_function_nor_a_providers_own_tool_is_refused(tool):
    with pytest.raises(InvalidRequestError, match=r"tool_schemas\[0\] must be"):
        check_tools([tool], None)


@pytest.mark.parametrize("choice", ["f", "web_search", "required"])
def test_a_choice_may_name_either(choice):
    assert check_tools([{"type": "web_search_20250305", "name": "web_search"}, FUNCTION], choice)


@pytest.mark.parametrize(
    ("path", "tool"),
    [
        ("openai/gpt-4o", {"type": "custom", "custom": {"name": "c"}}),
        ("openai-responses/gpt-5.2", {"type": "web_search"}),
        ("anthropic/claude-sonnet-4-5", {"type": "web_search_20250305", "name": "web_search"}),
        ("google/gemini-2.5-flash", {"googleSearch": {}}),
        ("mistral/mistral-large-latest", {"type": "web_search"}),
    ],
)
def test_tools_of_extra_body_join_those_of_the_call(path, tool):
    model = mf.Model.chat_completion(path, api_key="k")
    alone = model.plan("q", max_tokens=9, tool_schemas=[FUNCTION]).body["tools"]
    joined = model.plan("q", max_tokens=9, tool_schemas=[FUNCTION], extra_body={"tools": [tool]}).body["tools"]
    assert joined == [*alone, tool]
    assert model.plan("q", max_tokens=9, extra_body={"tools": [tool]}).body["tools"] == [tool]


def test_another_field_of_extra_body_is_still_never_replaced():
    model = mf.Model.chat_completion("openai/gpt-4o", api_key="k")
    with pytest.raises(InvalidRequestError, match="extra_body sets messages"):
        model.plan("q", extra_body={"messages": []})
    with pytest.raises(InvalidRequestError, match="extra_body sets tools"):
        model.plan("q", tool_schemas=[FUNCTION], extra_body={"tools": {}})


@pytest.mark.parametrize("name", ["anthropic-beta", "Anthropic-Beta"])
def test_a_header_that_holds_a_list_is_joined_with_the_callers(name):
    file = {"role": "user", "content": [{"type": "file", "file": {"file_id": "file_1"}}]}
    model = mf.Model.chat_completion(
        "anthropic/claude-sonnet-4-5", api_key="k", extra_headers={name: "context-1m-2025-08-07"}
    )
    plan = model.plan([file], max_tokens=9)
    assert plan.headers["anthropic-beta"] == "files-api-2025-04-14,context-1m-2025-08-07"
    again = model.plan([file], max_tokens=9, extra_headers={name: "files-api-2025-04-14, context-1m-2025-08-07"})
    assert again.headers["anthropic-beta"] == "files-api-2025-04-14,context-1m-2025-08-07"
    assert model.plan("q", max_tokens=9).headers["anthropic-beta"] == "context-1m-2025-08-07"
