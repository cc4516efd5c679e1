"""Documented fields of Google's Gemini format, each with a mark, for the marker tests.

Sources: https://ai.google.dev/api/generate-content, https://ai.google.dev/api/caching#Content,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference.
"""

from __future__ import annotations

from typing import Any, Final

MARK: Final = "MARK9"
NUMBER: Final = 99173

Json = dict[str, Any]


def _reply(*parts: Json, candidate: Json | None = None, usage: Json | None = None, **top: Any) -> Json:
    content = {"role": "model", "parts": list(parts or ({"text": "Hello."},))}
    counts = {"promptTokenCount": 8, "candidatesTokenCount": 7, "totalTokenCount": 15}
    return {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0, **(candidate or {})}],
        "usageMetadata": {**counts, **(usage or {})},
        "modelVersion": "m",
        "responseId": "r",
        **top,
    }


def _both(reply: Json) -> tuple[Json, list[Json]]:
    """Return a reply, whole and as a stream that begins with another text."""
    first = {"candidates": [{"content": {"role": "model", "parts": [{"text": "A. "}]}, "index": 0}], "responseId": "r"}
    return reply, [first, reply]


def _part(**part: Any) -> tuple[Json, list[Json]]:
    return _both(_reply({"text": "Hello."}, part))


def _candidate(**fields: Any) -> tuple[Json, list[Json]]:
    return _both(_reply(candidate=fields))


def _grounding(**fields: Any) -> tuple[Json, list[Json]]:
    return _candidate(groundingMetadata=fields)


_RATING: Final = {"category": "HARM_CATEGORY_HARASSMENT", "probability": MARK}

REPLY: Final[dict[str, tuple[Json, list[Json] | None]]] = {
    # the reply
    "modelVersion": _both({**_reply(), "modelVersion": MARK}),
    "responseId": (_reply(responseId=MARK), [_reply(responseId=MARK)]),
    "createTime": _both(_reply(createTime=MARK)),
    "modelStatus": _both(_reply(modelStatus={"modelStage": MARK})),
    "promptFeedback.safetyRatings": _both(_reply(promptFeedback={"safetyRatings": [_RATING]})),
    "promptFeedback.blockReason": (
        {"promptFeedback": {"blockReason": MARK}},
        [{"promptFeedback": {"blockReason": MARK}}],
    ),
    "promptFeedback.blockReasonMessage": (
        {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": MARK}},
        [{"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": MARK}}],
    ),
    "usageMetadata.trafficType": _both(_reply(usage={"trafficType": MARK})),
    "usageMetadata.serviceTier": _both(_reply(usage={"serviceTier": MARK})),
    "usageMetadata.promptTokensDetails": _both(_reply(usage={"promptTokensDetails": [{"modality": MARK}]})),
    # the candidate
    "finishReason": _candidate(finishReason=MARK),
    "finishMessage": _candidate(finishMessage=MARK),
    "safetyRatings": _candidate(safetyRatings=[_RATING]),
    "avgLogprobs": _candidate(avgLogprobs=MARK),
    "logprobsResult": _candidate(logprobsResult={"chosenCandidates": [{"token": MARK, "logProbability": -1}]}),
    "logprobsResult.topCandidates": _candidate(
        logprobsResult={
            "chosenCandidates": [{"token": "a"}],
            "topCandidates": [{"candidates": [{"token": MARK, "logProbability": -1}]}],
        }
    ),
    "citationMetadata.uri": _candidate(citationMetadata={"citations": [{"uri": MARK}]}),
    "citationMetadata.title": _candidate(citationMetadata={"citations": [{"title": MARK}]}),
    "citationMetadata.license": _candidate(citationMetadata={"citations": [{"uri": "u", "license": MARK}]}),
    "citationMetadata.citationSources": _candidate(citationMetadata={"citationSources": [{"uri": MARK}]}),
    "groundingMetadata.webSearchQueries": _grounding(webSearchQueries=[MARK]),
    "groundingMetadata.searchEntryPoint": _grounding(searchEntryPoint={"renderedContent": MARK}),
    "groundingMetadata.retrievalMetadata": _grounding(retrievalMetadata={"x": MARK}),
    "groundingMetadata.googleMapsWidgetContextToken": _grounding(googleMapsWidgetContextToken=MARK),
    "groundingMetadata.web.uri": _grounding(groundingChunks=[{"web": {"uri": MARK}}]),
    "groundingMetadata.web.domain": _grounding(groundingChunks=[{"web": {"uri": "u", "domain": MARK}}]),
    "groundingMetadata.retrievedContext": _grounding(groundingChunks=[{"retrievedContext": {"text": MARK}}]),
    "groundingMetadata.maps": _grounding(groundingChunks=[{"maps": {"placeId": MARK}}]),
    "groundingMetadata.image": _grounding(groundingChunks=[{"image": {"sourceUri": MARK}}]),
    "groundingMetadata.segment": _grounding(
        groundingChunks=[{"web": {"uri": "u"}}],
        groundingSupports=[{"segment": {"endIndex": 3, "text": MARK}, "groundingChunkIndices": [0]}],
    ),
    "urlContextMetadata": _candidate(urlContextMetadata={"urlMetadata": [{"retrievedUrl": MARK}]}),
    "groundingAttributions": _candidate(groundingAttributions=[{"sourceId": {"x": MARK}}]),
    # the parts
    "text": _part(text=MARK),
    "thought": _part(text=MARK, thought=True),
    "thoughtSignature": _part(text="", thoughtSignature=MARK),
    "signature of a text": _part(text="x", thoughtSignature=MARK),
    "signature of a thought": _part(text="x", thought=True, thoughtSignature=MARK),
    "functionCall.id": _part(functionCall={"id": MARK, "name": "f", "args": {}}),
    "functionCall.name": _part(functionCall={"name": MARK, "args": {}}),
    "functionCall.args": _part(functionCall={"name": "f", "args": {"x": MARK}}),
    "a further field of a call": _part(functionCall={"name": "f", "args": {}, "further": MARK}),
    "signature of a call": _part(functionCall={"name": "f", "args": {}}, thoughtSignature=MARK),
    "metadata of a call": _part(functionCall={"name": "f", "args": {}}, partMetadata={"x": MARK}),
    "inlineData image": _part(inlineData={"mimeType": "image/png", "data": MARK}),
    "inlineData audio": _part(inlineData={"mimeType": "audio/wav", "data": MARK}),
    "inlineData other": _part(inlineData={"mimeType": "text/csv", "data": MARK}),
    "inlineData among the thoughts": _part(inlineData={"mimeType": "image/png", "data": MARK}, thought=True),
    "fileData": _part(fileData={"mimeType": "image/png", "fileUri": MARK}),
    "executableCode": _part(executableCode={"language": "PYTHON", "code": MARK}),
    "codeExecutionResult": _part(codeExecutionResult={"outcome": "OUTCOME_OK", "output": MARK}),
    "toolCall": _part(toolCall={"toolType": "GOOGLE_SEARCH", "args": {"x": MARK}}),
    "toolResponse": _part(toolResponse={"toolType": "GOOGLE_SEARCH", "response": {"x": MARK}}),
    "functionResponse": _part(functionResponse={"name": "f", "response": {"x": MARK}}),
    "videoMetadata": _part(fileData={"fileUri": "u", "mimeType": "video/mp4"}, videoMetadata={"startOffset": MARK}),
    "mediaResolution": _part(inlineData={"mimeType": "image/png", "data": "AA=="}, mediaResolution={"level": MARK}),
    "partMetadata": _part(text="x", partMetadata={"x": MARK}),
    "a part of an unknown kind": _part(hologram={"x": MARK}),
}
"""Whole replies and streams with the mark at one documented field each."""


def _user(*parts: Json) -> list[Any]:
    return [{"role": "user", "content": list(parts)}]


def _image(beside: Json | None = None, **fields: Any) -> dict[str, Any]:
    part = {"type": "image_url", "image_url": {"url": "https://e.example/a.png", **fields}, **(beside or {})}
    return {"messages": _user(part)}


def _video(**fields: Any) -> dict[str, Any]:
    return {"messages": _user({"type": "video_url", "video_url": {"url": "https://e.example/a.mp4", **fields}})}


def _file(**fields: Any) -> dict[str, Any]:
    return {"messages": _user({"type": "file", "file": {"file_url": "https://e.example/a.pdf", **fields}})}


def _audio(**fields: Any) -> dict[str, Any]:
    return {"messages": _user({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav", **fields}})}


def _tool(beside: Json | None = None, **fields: Any) -> dict[str, Any]:
    function = {"name": "f", "parameters": {"type": "object", "properties": {}}, **fields}
    return {"messages": "q", "tool_schemas": [{"type": "function", "function": function, **(beside or {})}]}


def _conversation(call: Json | None = None, function: Json | None = None, **result: Any) -> dict[str, Any]:
    inner = {"name": "f", "arguments": "{}", **(function or {})}
    answer = {"role": "assistant", "content": None}
    answer["tool_calls"] = [{"id": "c1", "type": "function", "function": inner, **(call or {})}]
    return {"messages": ["q", answer, {"role": "tool", "tool_call_id": "c1", "content": "22", **result}]}


_EXAMPLES: Final = [{"x": MARK}]

REQUEST: Final[dict[str, dict[str, Any]]] = {
    # a message
    "message.name": {"messages": [{"role": "user", "content": "q", "name": MARK}]},
    "message.cache_control": {"messages": [{"role": "user", "content": "q", "cache_control": {"type": MARK}}]},
    "system.cache_control": {"messages": [{"role": "system", "content": "s", "cache_control": {"type": MARK}}, "q"]},
    "answer.refusal": {"messages": ["q", {"role": "assistant", "content": None, "refusal": MARK}, "q"]},
    "answer.audio": {"messages": ["q", {"role": "assistant", "content": "a", "audio": {"id": MARK}}, "q"]},
    "answer.images": {
        "messages": [
            "q",
            {
                "role": "assistant",
                "content": "a",
                "images": [{"type": "image_url", "image_url": {"url": f"https://e.example/{MARK}.png"}}],
            },
            "q",
        ]
    },
    "answer.reasoning_content": {"messages": ["q", {"role": "assistant", "content": "a", "reasoning_content": MARK}]},
    # a part
    "text.cache_control": {"messages": _user({"type": "text", "text": "x", "cache_control": {"type": MARK}})},
    "text.citations": {"messages": _user({"type": "text", "text": "x", "citations": {"x": MARK}})},
    "image.detail": _image(detail=MARK),
    "image.media_resolution": _image(media_resolution=MARK),
    "image.mediaResolution": _image(mediaResolution={"level": MARK}),
    "image.mime_type": _image(mime_type=MARK),
    "image.format": _image(format=MARK),
    "image.title": _image(title=MARK),
    "image, beside.cache_control": _image({"cache_control": {"type": MARK}}),
    "image, beside.media_resolution": _image({"media_resolution": MARK}),
    "video.fps": _video(fps=NUMBER),
    "video.start_offset": _video(start_offset=f"{NUMBER}s"),
    "video.start_offset as a number": _video(start_offset=NUMBER),
    "video.endOffset": _video(endOffset=f"{NUMBER}s"),
    "video.video_metadata": _video(video_metadata={"startOffset": MARK}),
    "video.title": _video(title=MARK),
    "audio.mime_type": _audio(mime_type=MARK),
    "audio.format": _audio(format=MARK),
    "audio.title": _audio(title=MARK),
    "file.filename": _file(filename=MARK),
    "file.mime_type": _file(mime_type=MARK),
    "file.title": _file(title=MARK),
    "file.citations": _file(citations={"x": MARK}),
    "file.file_data beside a URL": _file(file_data=f"data:application/pdf;base64,{MARK}"),
    "file.file_id": {"messages": _user({"type": "file", "file": {"file_id": MARK}})},
    # a tool and its function
    "tool.cache_control": _tool({"cache_control": {"type": MARK}}),
    "tool.defer_loading": _tool({"defer_loading": MARK}),
    "function.description": _tool(description=MARK),
    "function.behavior": _tool(behavior=MARK),
    "function.response": _tool(response={"description": MARK}),
    "function.input_examples": _tool(input_examples=_EXAMPLES),
    "function.cache_control": _tool(cache_control={"type": MARK}),
    "function.strict": _tool(strict=True),
    # a call and its result
    "call.cache_control": _conversation({"cache_control": {"type": MARK}}),
    "call.function.further": _conversation(function={"further": MARK}),
    "result.name": _conversation(name=MARK),
    "result.cache_control": _conversation(cache_control={"type": MARK}),
    "result.is_error": _conversation(is_error=MARK),
}
"""Calls with the mark at one level each; `function.strict` is marked by its name."""
