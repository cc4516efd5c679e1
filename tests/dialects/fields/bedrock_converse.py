"""Documented fields of Amazon Bedrock's Converse API, each with a mark, for the marker tests.

An event of a stream is written as the API's reference has it: an object with the event's type as its only name.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html.
"""

from __future__ import annotations

from typing import Any, Final

from tests.dialects.fields import anthropic_messages

MARK: Final = "MARK9"

Json = dict[str, Any]
_HELLO: Final = {"text": "Hello."}
_USAGE: Final = {"inputTokens": 8, "outputTokens": 7, "totalTokens": 15}


def _reply(*blocks: Json, **top: Any) -> Json:
    message = {"role": "assistant", "content": list(blocks or (_HELLO,))}
    return {
        "output": {"message": message},
        "stopReason": "end_turn",
        "usage": _USAGE,
        "metrics": {"latencyMs": 1},
        **top,
    }


def _events(*deltas: Json, start: Json | None = None, stop: Json | None = None, **metadata: Any) -> list[Json]:
    found: list[Json] = [{"messageStart": {"role": "assistant"}}]
    if start is not None:
        found.append({"contentBlockStart": {"contentBlockIndex": 0, "start": start}})
    found += [{"contentBlockDelta": {"contentBlockIndex": 0, "delta": delta}} for delta in deltas]
    found += [
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"contentBlockDelta": {"contentBlockIndex": 1, "delta": _HELLO}},
        {"contentBlockStop": {"contentBlockIndex": 1}},
        {"messageStop": {"stopReason": "end_turn", **(stop or {})}},
        {"metadata": {"usage": _USAGE, "metrics": {"latencyMs": 1}, **metadata}},
    ]
    return found


def _metadata(**fields: Any) -> tuple[Json, list[Json]]:
    return _reply(**fields), _events(**fields)


def _citation(**fields: Any) -> tuple[Json, list[Json]]:
    cited = {"citationsContent": {"content": [{"text": "Paris"}], "citations": [fields]}}
    return _reply(cited), _events({"text": "Paris"}, {"citation": fields})


_CALL: Final = {"toolUseId": "t", "name": "f"}
_RESULT: Final = {"toolUseId": "s", "type": MARK, "content": [{"text": "r"}]}

REPLY: Final[dict[str, tuple[Json, list[Json] | None]]] = {
    # the reply
    "stopReason": (_reply(stopReason=MARK), _events(stop={"stopReason": MARK})),
    "additionalModelResponseFields": (
        _reply(additionalModelResponseFields={"x": MARK}),
        _events(stop={"additionalModelResponseFields": {"x": MARK}}),
    ),
    "metrics": _metadata(metrics={"latencyMs": 99173, "x": MARK}),
    "trace.guardrail": _metadata(trace={"guardrail": {"modelOutput": [MARK]}}),
    "trace.promptRouter": _metadata(trace={"promptRouter": {"invokedModelId": MARK}}),
    "performanceConfig.latency": _metadata(performanceConfig={"latency": MARK}),
    "serviceTier": _metadata(serviceTier={"type": MARK}),
    "usage.ofTheFuture": _metadata(usage={**_USAGE, "ofTheFuture": MARK}),
    "guardrail.actionReason": (
        _reply(stopReason="guardrail_intervened", trace={"guardrail": {"actionReason": MARK}}),
        _events(stop={"stopReason": "guardrail_intervened"}, trace={"guardrail": {"actionReason": MARK}}),
    ),
    # blocks
    "text": (_reply({"text": MARK}), _events({"text": MARK})),
    "reasoningText.text": (
        _reply({"reasoningContent": {"reasoningText": {"text": MARK, "signature": "s"}}}, _HELLO),
        _events({"reasoningContent": {"text": MARK}}, {"reasoningContent": {"signature": "s"}}),
    ),
    "reasoningText.signature": (
        _reply({"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": MARK}}}, _HELLO),
        _events({"reasoningContent": {"text": "Hm."}}, {"reasoningContent": {"signature": MARK}}),
    ),
    "reasoningContent.redactedContent": (
        _reply({"reasoningContent": {"redactedContent": MARK}}, _HELLO),
        _events({"reasoningContent": {"redactedContent": MARK}}),
    ),
    "toolUse.toolUseId": (
        _reply({"toolUse": {**_CALL, "toolUseId": MARK, "input": {}}}),
        _events({"toolUse": {"input": "{}"}}, start={"toolUse": {**_CALL, "toolUseId": MARK}}),
    ),
    "toolUse.name": (
        _reply({"toolUse": {**_CALL, "name": MARK, "input": {}}}),
        _events({"toolUse": {"input": "{}"}}, start={"toolUse": {**_CALL, "name": MARK}}),
    ),
    "toolUse.input": (
        _reply({"toolUse": {**_CALL, "input": {"x": MARK}}}),
        _events({"toolUse": {"input": '{"x": "MA'}}, {"toolUse": {"input": 'RK9"}'}}, start={"toolUse": _CALL}),
    ),
    "toolUse.type": (
        _reply({"toolUse": {**_CALL, "type": "server_tool_use", "input": {"q": MARK}}}, _HELLO),
        _events({"toolUse": {"input": '{"q": "MARK9"}'}}, start={"toolUse": {**_CALL, "type": "server_tool_use"}}),
    ),
    "toolResult.type": (
        _reply({"toolResult": _RESULT}, _HELLO),
        _events({"toolResult": [{"text": "r"}]}, start={"toolResult": {"toolUseId": "s", "type": MARK}}),
    ),
    "toolResult.content": (
        _reply({"toolResult": {"toolUseId": "s", "content": [{"text": MARK}]}}, _HELLO),
        _events({"toolResult": [{"text": MARK}]}, start={"toolResult": {"toolUseId": "s"}}),
    ),
    "image.format": (
        _reply({"image": {"format": MARK, "source": {"bytes": "QUJD"}}}, _HELLO),
        _events({"image": {"source": {"bytes": "QUJD"}}}, start={"image": {"format": MARK}}),
    ),
    "a kind of the future": (
        _reply({"hologram": {"depth": MARK}}, _HELLO),
        _events(start={"hologram": {"depth": MARK}}),
    ),
    # citations
    "citation.title": _citation(title=MARK),
    "citation.source": _citation(source=MARK),
    "citation.sourceContent": _citation(sourceContent=[{"text": MARK}]),
    "citation.location.web": _citation(location={"web": {"url": f"https://{MARK}"}}),
    "citation.location.web.domain": _citation(location={"web": {"url": "https://e.com", "domain": MARK}}),
}

REQUEST: Final[dict[str, Json]] = {
    **{name: call for name, call in anthropic_messages.REQUEST.items() if name != "result.is_error"},  # a `status`
    "video.fps": {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "video_url", "video_url": {"url": "data:video/mp4;base64,QUJD", "fps": MARK}}],
            }
        ]
    },
    "audio.title": {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav", "title": MARK}}],
            }
        ]
    },
}
