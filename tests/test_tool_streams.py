"""Tool calls from streams as hosts really send them, through calls of the model; nothing lost, nothing mixed up."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import msgflux_like as mf
from msgflux_like.errors import StreamFailedError, TruncatedStreamError
from tests.provider import DONE, USAGE, Provider, delta, sse, stream

TOOLS = [{"type": "function", "function": {"name": name}} for name in ("f", "g", "llm_version")]
NO: Any = object()


def piece(index: Any = NO, id_: Any = NO, name: Any = NO, arguments: Any = NO, **more: Any) -> dict[str, Any]:
    """A piece of a call, with only the fields that are given."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not NO}
    fields = {"index": index, "id": id_, "function": function or NO, **more}
    return {key: value for key, value in fields.items() if value is not NO}


def chunk(*pieces: dict[str, Any], text: str | None = None, finish: str | None = None) -> bytes:
    return delta(text, finish, tool_calls=list(pieces))


END = (delta(finish="tool_calls"), USAGE, DONE)


def whole_answer(colour: Any, model: mf.ChatCompletion) -> mf.ModelResponse:
    if colour.name == "sync":
        return model("hi", stream=True, tool_schemas=TOOLS).result()

    async def read() -> mf.ModelResponse:
        return await (await model.acall("hi", stream=True, tool_schemas=TOOLS)).aresult()

    return asyncio.run(read())


def calls_of(response: mf.ModelResponse) -> list[tuple[str, str, Any]]:
    return [(call.id, call.name, call.arguments) for call in response.tool_calls.get_calls()]


TWO = [("c0", "f", {"x": 1}), ("c1", "g", {"y": 2})]
ONE = TWO[:1]

MADE_UP = "an id that was made up"
TAPES: dict[str, tuple[tuple[bytes, ...], list[tuple[str, str, Any]]]] = {
    "two calls in one chunk": ((chunk(piece(0, "c0", "f", '{"x":1}'), piece(1, "c1", "g", '{"y":2}')), *END), TWO),
    "two whole calls under one index": (
        (chunk(piece(0, "c0", "f", '{"x":1}')), chunk(piece(0, "c1", "g", '{"y":2}')), *END),
        TWO,
    ),
    "two whole calls under one index in one chunk": (
        (chunk(piece(0, "c0", "f", '{"x":1}'), piece(0, "c1", "g", '{"y":2}')), *END),
        TWO,
    ),
    "id and name first, then fragments": (
        (chunk(piece(0, "c0", "f", "")), chunk(piece(0, arguments='{"x"')), chunk(piece(0, arguments=":1}")), *END),
        ONE,
    ),
    "one chunk for a call": ((chunk(piece(0, "c0", "f", '{"x":1}', type="function")), *END), ONE),
    "id and name null on later chunks": (
        (chunk(piece(0, "c0", "f", None)), chunk(piece(0, None, None, '{"x"')), chunk(piece(0, "", None, ":1}")), *END),
        ONE,
    ),
    "arguments missing first": ((chunk(piece(0, "c0", "f")), chunk(piece(0, arguments='{"x":1}')), *END), ONE),
    "id and name on every chunk": (
        (chunk(piece(0, "c0", "llm_version", '{"a"')), chunk(piece(0, "c0", "llm_version", ":[]}")), *END),
        [("c0", "llm_version", {"a": []})],
    ),
    "no index, whole calls": (
        (chunk(piece(NO, "c0", "f", '{"x":1}')), chunk(piece(NO, "c1", "g", '{"y":2}')), *END),
        TWO,
    ),
    "no index, fragments": (
        (
            chunk(piece(NO, "c0", "f", '{"x"')),
            chunk(piece(NO, arguments=":1}")),
            chunk(piece(NO, "c1", "g", '{"y":2}')),
            *END,
        ),
        TWO,
    ),
    "interleaved": (
        (
            chunk(piece(0, "c0", "f", "")),
            chunk(piece(1, "c1", "g", "")),
            chunk(piece(1, arguments='{"y"'), piece(0, arguments='{"x"')),
            chunk(piece(0, arguments=":1}"), piece(1, arguments=":2}")),
            *END,
        ),
        TWO,
    ),
    "a late id and a late name": (
        (chunk(piece(0, arguments='{"x"')), chunk(piece(0, "c0")), chunk(piece(0, NO, "f", ":1}")), *END),
        ONE,
    ),
    "arguments as an object": ((chunk(piece(0, "c0", "f", {"x": 1})), *END), ONE),
    "no arguments": (
        (chunk(piece(0, "c0", "f", "")), chunk(piece(1, "c1", "g")), *END),
        [("c0", "f", {}), ("c1", "g", {})],
    ),
    "no id": ((chunk(piece(0, NO, "f", '{"x":1}')), *END), [(MADE_UP, "f", {"x": 1})]),
    "an index that does not begin at 0": ((chunk(piece(1, "c0", "f", '{"x":1}')), *END), ONE),
    "an empty call": ((delta("Hi", tool_calls=[{}]), delta(finish=""), delta(finish="stop"), DONE), []),
    "tool calls that are null": ((delta("Hi", tool_calls=None), delta(finish="stop"), DONE), []),
    "a finish reason of stop": ((chunk(piece(0, "c0", "f", '{"x":1}')), delta(finish="stop"), DONE), ONE),
    "the finish reason on the call": ((chunk(piece(0, "c0", "f", '{"x":1}'), finish="tool_calls"), DONE), ONE),
    "no end mark": ((chunk(piece(0, "c0", "f", '{"x":1}')), delta(finish="tool_calls")), ONE),
    "usage with every chunk": (
        (chunk(piece(0, "c0", "f", '{"x"')), USAGE, chunk(piece(0, arguments=":1}")), USAGE, *END),
        ONE,
    ),
    "an opening chunk without choices": (
        (sse({"id": "", "object": "", "choices": []}), chunk(piece(0, "c0", "f", '{"x":1}')), *END),
        ONE,
    ),
    "a message beside the delta": (
        (
            sse(
                {
                    "choices": [
                        {
                            "delta": {"tool_calls": [piece(0, "c0", "f", '{"x":1}')]},
                            "message": {"tool_calls": [piece(0, "c0", "f", '{"x":1}')]},
                        }
                    ]
                }
            ),
            *END,
        ),
        ONE,
    ),
    "a custom tool": (
        (chunk({"index": 0, "id": "c0", "type": "custom", "custom": {"name": "f", "input": '{"x":1}'}}), *END),
        ONE,
    ),
    "line ends of two bytes and comments": (
        (
            b": PROCESSING\r\n\r\n",
            *(each.replace(b"\n\n", b"\r\n\r\n") for each in (chunk(piece(0, "c0", "f", '{"x":1}')), *END)),
        ),
        ONE,
    ),
}


@pytest.mark.parametrize("name", TAPES)
def test_calls_arrive_whole_whatever_the_host_does(colour, provider, model_of, name):
    wire, expected = TAPES[name]
    response = whole_answer(colour, model_of(provider(stream(*wire))))
    given = {id_ for id_, *_ in expected}
    assert [(id_ if id_ in given else MADE_UP, *rest) for id_, *rest in calls_of(response)] == expected
    assert response.response_type == ("tool_call" if expected else "text_generation")
    if expected:
        assert response.metadata.finish_reason == "tool_calls"


def test_text_and_two_calls_in_one_chunk_lose_nothing(colour, provider, model_of):
    both = chunk(piece(0, "c0", "f", '{"x":1}'), piece(1, "c1", "g", '{"y":2}'), text="Let me see.")
    response = whole_answer(colour, model_of(provider(stream(both, *END))))
    assert calls_of(response) == TWO
    assert response.text == response.tool_calls.text == "Let me see."
    assert response.metadata.usage.total_tokens == 5


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        ((sse({"error": {"message": "it broke"}}),), StreamFailedError),
        ((b'event: error\ndata: {"error": {"message": "it broke"}, "status_code": 500}\n\n',), StreamFailedError),
        ((b'error: {"message": "it broke", "code": 500}\n\n',), StreamFailedError),
        ((), TruncatedStreamError),
    ],
    ids=["an error chunk", "an error event", "an error field", "a clean cut"],
)
def test_a_call_that_is_cut_is_never_complete(colour, provider, model_of, ending, kind):
    model = model_of(provider(stream(chunk(piece(0, "c0", "f", '{"x"'), text="Let me"), *ending)))
    with pytest.raises(kind) as caught:
        whole_answer(colour, model)
    partial = caught.value.partial
    assert partial.text == "Let me"
    assert [call.raw_arguments for call in partial.tool_calls.get_calls()] == ['{"x"']
    assert not partial.tool_calls.get_calls()[0].is_valid


# ---- any cutting and interleaving


@st.composite
def tapes(draw: st.DrawFn) -> tuple[list[bytes], list[tuple[str, str, Any]]]:
    """Calls, each cut into pieces anywhere; the pieces of all in any order that keeps each call's own."""
    value = st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=8) | st.none(), max_size=3)
    arguments = draw(st.lists(value, min_size=1, max_size=4))
    expected = [(f"c{n}", f"tool_{n}", each) for n, each in enumerate(arguments)]
    repeats = draw(st.booleans())
    queues: list[list[dict[str, Any]]] = []
    for n, each in enumerate(arguments):
        text = json.dumps(each)
        cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
        parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        queues.append(
            [
                piece(n, f"c{n}", f"tool_{n}", part) if repeats or not at else piece(n, arguments=part)
                for at, part in enumerate(parts)
            ]
        )
    ordered = [queues[n].pop(0) for n in range(len(queues))] if draw(st.booleans()) else [queues[0].pop(0)]
    while any(queues):
        first = next(n for n, queue in enumerate(queues) if queue)
        begun = {each["index"] for each in ordered}
        ready = [n for n, queue in enumerate(queues) if queue and (n in begun or n == len(begun))] or [first]
        ordered.append(queues[draw(st.sampled_from(ready))].pop(0))
    wire: list[bytes] = []
    while ordered:
        size = draw(st.integers(1, 3))
        wire.append(chunk(*ordered[:size]))
        ordered = ordered[size:]
    body = b"".join([*wire, *END])
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=8)))
    return [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)], expected


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tapes())
def test_any_cutting_and_interleaving_gives_the_same_calls(tape: Any) -> None:
    wire, expected = tape
    with (
        Provider(stream(*wire)) as server,
        mf.Model.chat_completion("openai/gpt-4o", api_key="sk-x", base_url=server.base_url) as model,
    ):
        assert calls_of(model("hi", stream=True, tool_schemas=TOOLS).result()) == expected
