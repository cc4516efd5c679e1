"""What events mean, as plain values that a JSON file can hold: what is empty or not said is left out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from msgflux_like.dialects._shared.protocols import Decoder, Dialect
from msgflux_like.events import (
    Citation,
    Event,
    Failed,
    Finished,
    Logprobs,
    Media,
    ProviderState,
    ReasoningDelta,
    RefusalDelta,
    ServerTool,
    Started,
    TextDelta,
    TokenLogprob,
    TokenUsage,
    ToolCallDelta,
)


def fold(events: Iterable[Event]) -> dict[str, Any]:  # noqa: C901, PLR0912  one branch for each kind of event
    """The answer that the events tell."""
    answer: dict[str, Any] = {"id": "", "model": "", "text": "", "reasoning": "", "refusal": ""}
    lists: dict[str, list[Any]] = {"citations": [], "media": [], "server_tools": [], "state": [], "logprobs": []}
    calls: dict[int, dict[str, str]] = {}
    for event in events:
        match event:
            case TextDelta(text):
                answer["text"] += text
            case ReasoningDelta(text):
                answer["reasoning"] += text
            case RefusalDelta(text):
                answer["refusal"] += text
            case ToolCallDelta(key, id_, name, arguments):
                call = calls.setdefault(key, {"id": "", "name": "", "arguments": ""})
                call["id"] = call["id"] or id_
                call["name"] = call["name"] or name
                call["arguments"] += arguments
            case Started(id_, model):
                answer["id"] = answer["id"] or id_
                answer["model"] = answer["model"] or model
            case TokenUsage():
                answer["usage"] = _given(event)
            case Finished(reason, raw):
                answer["finish"] = [reason, raw]
            case Failed():
                answer["failed"] = _given(event)
            case Citation(url, title):
                lists["citations"].append([url, title])
            case Media():
                lists["media"].append(_given(event))
            case ServerTool(kind):
                lists["server_tools"].append(kind)
            case Logprobs(tokens):
                lists["logprobs"] += [_weighed(token) for token in tokens]
            case ProviderState(kind):
                lists["state"].append(kind)
    answer["tool_calls"] = [{**call, "arguments": parsed(call["arguments"])} for call in calls.values()]
    return {name: value for name, value in (answer | lists).items() if value}


def whole(dialect: Dialect, body: bytes) -> dict[str, Any]:
    """The answer in a reply that came whole."""
    return fold(dialect.decode(body))


def streamed(dialect: Dialect, pieces: Iterable[bytes]) -> dict[str, Any]:
    """The answer in a reply that came in these pieces; `complete` is there, and false, where it broke off."""
    decoder = dialect.decoder()
    answer = fold(read(decoder, pieces))
    return answer if decoder.complete else {**answer, "complete": False}


def read(decoder: Decoder, pieces: Iterable[bytes]) -> Iterator[Event]:
    """The events of the pieces and of the body's end, read as the library reads: nothing after the end."""
    for piece in pieces:
        yield from decoder.feed(piece)
        if decoder.ended:
            return
    yield from decoder.close()


def parsed(arguments: str) -> Any:
    """Tool arguments as the object they write; the text itself where it is no JSON."""
    try:
        return json.loads(arguments) if arguments.strip() else {}
    except ValueError:
        return arguments


def _weighed(token: TokenLogprob) -> list[Any]:
    utf8 = None if token.utf8 is None else token.utf8.decode()
    return [token.token, token.logprob, utf8, [_weighed(other) for other in token.top]]


def _given(event: Any) -> dict[str, Any]:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return {name: value for name, value in fields.items() if value is not None and value != ""}
