"""Write docs/parameter-reference.md: the table of arguments, and the dialects that send each.

python -m tests.parameters_page
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from msgflux_like import dialects
from msgflux_like.calls.arguments import ARGUMENTS, Argument
from msgflux_like.dialects._shared import embeddings
from msgflux_like.errors import MsgfluxError
from msgflux_like.request import ChatRequest, Quirks

PAGE: Final = Path(__file__).parents[1] / "docs" / "parameter-reference.md"
_CHAT: Final = (
    "openai_chat",
    "openai_completions",
    "openai_responses",
    "anthropic_messages",
    "bedrock_anthropic",
    "vertex_anthropic",
    "bedrock_converse",
    "gemini",
    "mistral",
    "cohere_v2",
    "ollama_chat",
)
_EMBEDDERS: Final = {
    "openai_chat": "openai",
    "gemini": "google",
    "mistral": "mistral",
    "cohere_v2": "cohere",
    "ollama_chat": "ollama",
}
_VALUES: Final = {
    "temperature": 0.5,
    "max_tokens": 5000,
    "top_p": 0.5,
    "top_k": 5,
    "stop": ["END"],
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "seed": 5,
    "user": "ada",
    "logprobs": True,
    "top_logprobs": 2,
    "parallel_tool_calls": False,
    "reasoning_effort": "low",
    "reasoning_budget": 2000,
    "dimensions": 256,
    "input_type": "query",
}
_TOOL: Final = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
_HEAD: Final = """# Parameter reference

<!-- Generated from msgflux_like/calls/arguments.py by `python -m tests.parameters_page`. -->

Every argument, with its type and range. `None` means "not given"; zeros are sent. A call takes what it is not given
from its model. A wrong type, a value out of range and an unknown name are errors before anything is sent.

"""
_COLUMNS: Final = ("name", "type", "range", "unit", "default")


def page() -> str:
    """Return the page."""
    sampling = [each for each in ARGUMENTS if each.is_sampling]
    options = [each for each in ARGUMENTS if not each.is_sampling]
    chat = [(each, _taken(each, _CHAT, _chat_sends)) for each in sampling if "call" in each.takers]
    embedding = [
        (each, _taken(each, tuple(_EMBEDDERS), _embedder_sends)) for each in sampling if "embedder" in each.takers
    ]
    return "\n".join(
        (
            _HEAD + "## Generation\n\nFor `Model.chat_completion`, `Model.text_completion` and their calls.\n",
            _table("dialects", chat),
            "## Embeddings\n\nFor `Model.text_embedder` and its calls.\n",
            _table("dialects", embedding),
            "## Requests, calls and gateways\n\nCalls of gateways take those of calls but `api_key` and `base_url`.\n",
            _table("given to", [(each, ", ".join(each.takers)) for each in options]),
        )
    )


def _table(column: str, rows: Iterable[tuple[Argument, str]]) -> str:
    names = (*_COLUMNS, column, "meaning")
    lines = [_row(names), _row("---" for _ in names)]
    for each, last in rows:
        lines.append(_row((f"`{each.name}`", each.type, each.range, each.unit, each.default, last, each.meaning)))
    return "\n".join(lines) + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _taken(argument: Argument, names: tuple[str, ...], sends: Callable[[str, str], bool]) -> str:
    """Return the names of the dialects that send the parameter."""
    taking = [name for name in names if sends(name, argument.name)]
    if len(taking) == len(names):
        return "all"
    if len(taking) > len(names) // 2:
        return f"all but {', '.join(name for name in names if name not in taking)}"
    return ", ".join(taking)


def _chat_sends(name: str, parameter: str) -> bool:
    needed = {"logprobs": True} if parameter == "top_logprobs" else {}
    needed |= {"max_tokens": 5000} if parameter == "reasoning_budget" else {}
    tools = (_TOOL,) if parameter == "parallel_tool_calls" else ()
    dialect = dialects.load(name)

    def body(parameters: dict[str, object]) -> object:
        request = ChatRequest("m", ({"role": "user", "content": "Hello"},), parameters, tools)
        return dialect.encode(request, Quirks()).body

    try:
        return body({**needed, parameter: _VALUES[parameter]}) != body(needed)
    except MsgfluxError:
        return False


def _embedder_sends(name: str, parameter: str) -> bool:
    form = embeddings.load(_EMBEDDERS[name], name)

    def body(parameters: dict[str, object]) -> object:
        return form.encode(ChatRequest("m", (), parameters), ["Hello"], Quirks()).body

    try:
        return body({parameter: _VALUES[parameter]}) != body({})
    except MsgfluxError:
        return False


if __name__ == "__main__":
    PAGE.write_text(page())
