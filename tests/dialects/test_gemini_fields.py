"""What Google says beside an answer, and what a caller may say beside a text: nothing is lost without a word."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

import msgflux_like as mf
from msgflux_like.dialects import gemini as dialect
from msgflux_like.errors import APIError, InvalidRequestError, StreamFailedError, TruncatedStreamError
from msgflux_like.events import (
    Citation,
    Event,
    Failed,
    Finished,
    ProviderState,
    TokenUsage,
    ToolCallDelta,
    Warned,
)
from msgflux_like.testing import FakeProvider, FakeReply

Json = dict[str, Any]
TEXT = {"text": "Hello."}


def reply(*parts: Json, finish: str | None = "STOP", **candidate: Any) -> Json:
    made = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **candidate}
    return {"candidates": [{**made, **({"finishReason": finish} if finish else {})}], "responseId": "r"}


def decoded(value: Json) -> list[Event]:
    return dialect.decode(json.dumps(value).encode())


def streamed(*values: Json, end: bytes = b"") -> FakeReply:
    return FakeReply.streamed(*(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values), end)


def model(*replies: Any, name: str = "gemini-2.5-flash") -> Any:
    provider = FakeProvider([each if isinstance(each, FakeReply) else FakeReply.whole(each) for each in replies])
    return mf.Model.chat_completion(f"google/{name}", api_key="k", max_retries=0, http_client=provider)


def of(kind: type[Any], value: Json) -> list[Any]:
    return [event for event in decoded(value) if isinstance(event, kind)]


# -------------------------------------------------------------------------------------------------------- its parts

CODE = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
OUTPUT = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}
PICTURE = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
CALL = {"functionCall": {"id": "c", "name": "f", "args": {"x": 1}}}

ORDERS: dict[str, list[Json]] = {
    "code between texts": [{"text": "Let me see. "}, CODE, OUTPUT, {"text": "It is 1."}],
    "signed code": [{"text": "See. "}, {**CODE, "thoughtSignature": "s1"}, OUTPUT, {"text": "1."}],
    "a signed text behind another": [{"text": "One. "}, {"text": "Two.", "thoughtSignature": "s1"}],
    "a picture between texts": [{"text": "Here: "}, {**PICTURE, "thoughtSignature": "s1"}, {"text": "Fine?"}],
    "a call behind code": [{"text": "See."}, CODE, OUTPUT, {**CALL, "thoughtSignature": "s1"}],
    "code between calls": [CALL, CODE, {"functionCall": {**CALL["functionCall"], "id": "d"}}],
    "code alone": [CODE, OUTPUT],
    "a sound": [{"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}}],
    "a file": [{"text": "Saved."}, {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/a.mp4"}}],
    "a search of the server": [
        {"toolCall": {"id": "t", "toolType": "GOOGLE_SEARCH", "args": {"q": "x"}}, "thoughtSignature": "s1"},
        {"toolResponse": {"id": "t", "toolType": "GOOGLE_SEARCH", "response": {}}},
        {"text": "Found."},
    ],
    "an unknown kind": [{"text": "A. "}, {"hologram": {"x": [1]}, "partMetadata": {"y": 2}}, {"text": "B."}],
    "a draft": [{**PICTURE, "thought": True}, {"text": "Done."}, PICTURE],
    "fields beside a text": [{"text": "A. "}, {"text": "B.", "partMetadata": {"x": 1}}],
    "fields beside a call": [{"functionCall": {**CALL["functionCall"], "further": 1}, "partMetadata": {"x": 1}}],
    "a video with its sampling": [{"fileData": {"fileUri": "u", "mimeType": "video/mp4"}, "videoMetadata": {"fps": 2}}],
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ORDERS)
def test_every_part_goes_back_at_its_place(name: str, stream: bool):
    parts = ORDERS[name]
    pieces = [reply(part, finish=None) for part in parts]
    answer = streamed(*pieces, reply()) if stream else reply(*parts)
    chat = model(answer)
    response = chat("q", stream=True).result() if stream else chat("q")
    message = json.loads(json.dumps(response.message))
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "1"} for call in message.get("tool_calls", ())]
    plan = chat.plan(["q", message, *results, "go on"], changes="refuse")
    assert plan.body["contents"][1] == {"role": "model", "parts": parts}


def test_a_conversation_with_searches_and_code_goes_three_turns():
    search = reply(
        {"text": "It is 21 °C. "},
        {"text": "", "thoughtSignature": "s1"},
        groundingMetadata={
            "webSearchQueries": ["weather"],
            "groundingChunks": [{"web": {"uri": "https://w.example", "title": "W"}}],
            "groundingSupports": [{"segment": {"endIndex": 14}, "groundingChunkIndices": [0]}],
        },
    )
    code = reply({**CODE, "thoughtSignature": "s2"}, OUTPUT, {"text": "That is 69.8 °F."})
    mixed = reply({"text": "I note it. "}, {**CALL, "thoughtSignature": "s3"})
    chat = model(search, code, mixed, reply(TEXT), name="gemini-3-pro-preview")
    own = {"tools": [{"googleSearch": {}}, {"codeExecution": {}}]}
    conversation: list[Any] = []
    for question in ("Weather?", "In Fahrenheit?", "Note it."):
        conversation.append(question)
        response = chat(conversation, extra_body=own)
        conversation.append(response.message)
    conversation.append({"role": "tool", "tool_call_id": "c", "content": "noted"})
    body = chat.plan(conversation, extra_body=own, changes="refuse").body
    turns = [turn["parts"] for turn in body["contents"] if turn["role"] == "model"]
    assert turns[0] == [{"text": "It is 21 °C. "}, {"text": "", "thoughtSignature": "s1"}]
    assert turns[1] == code["candidates"][0]["content"]["parts"]
    assert turns[2] == mixed["candidates"][0]["content"]["parts"]
    assert body["tools"] == own["tools"]


def test_state_that_no_answer_has_is_dropped_and_that_is_noted():
    entries = [("part", 0, "text"), ("thought_signature", 0, {}), ("fields", 1, 7), ("from_the_future", 1, {})]
    family = {"family": "gemini:gemini"}
    state = [{**family, "kind": kind, "after": after, "raw": raw} for kind, after, raw in entries]
    far = {**family, "kind": "part", "after": 2**31, "raw": CODE}
    plan = model().plan(["q", {"role": "assistant", "content": "A.", "provider_state": [*state, far]}, "go on"])
    assert plan.body["contents"][1]["parts"] == [{"text": "A."}, CODE]
    assert [change.field for change in plan.changes] == ["messages[1].provider_state"] * 4


# ----------------------------------------------------------------------------------------------------------- sources


def cited(text: str, *supports: Json, chunks: int = 1, **more: Any) -> list[Citation]:
    grounding = {
        "groundingChunks": [{"web": {"uri": f"https://{index}.example"}} for index in range(chunks)],
        "groundingSupports": list(supports),
    }
    return of(Citation, reply({"text": text}, groundingMetadata=grounding, **more))


def supports(start: int | None, end: int | None, *indices: int, **segment: Any) -> Json:
    given = {"startIndex": start, "endIndex": end, **segment}
    return {
        "segment": {name: value for name, value in given.items() if value is not None},
        "groundingChunkIndices": list(indices),
    }


@pytest.mark.parametrize("text", ["Paris is big.", "Zürich ist groß.", "東京 is big.", "🗼🗼 is big."])
def test_a_passage_is_counted_in_characters(text: str):
    words = text[2:-1]
    start, end = len(text[:2].encode()), len(text[:-1].encode())
    (citation,) = cited(text, supports(start, end, 0))
    assert citation.start is not None
    assert text[citation.start : citation.end] == words


def test_two_passages_of_one_source_and_two_sources_of_one_passage_are_each_a_citation():
    found = cited("Big. Old. New.", supports(None, 4, 0), supports(5, 9, 0, 1), chunks=3)
    assert [(each.url, each.start, each.end) for each in found] == [
        ("https://0.example", 0, 4),
        ("https://0.example", 5, 9),
        ("https://1.example", 5, 9),
        ("https://2.example", None, None),
    ]


def test_a_passage_of_a_later_part_is_counted_from_that_part():
    parts = [{"text": "Hm.", "thought": True}, {"text": "Ünd. "}, {"text": "Big."}]
    grounding = {"groundingChunks": [{"web": {"uri": "u"}}], "groundingSupports": [supports(0, 4, 0, partIndex=2)]}
    (citation,) = of(Citation, reply(*parts, groundingMetadata=grounding))
    assert (citation.start, citation.end) == (5, 9)


def test_a_passage_is_where_its_words_are():
    (citation,) = cited("Über big.", supports(5, 8, 0, text="big"))
    assert (citation.start, citation.end) == (5, 8)


@pytest.mark.parametrize(
    ("start", "end", "more"),
    [(-1, 3, {}), (0, 10**30, {}), (9, 3, {}), (3, None, {}), (0, 3, {"text": "other"}), (0, 3, {"partIndex": 10**20})],
)
def test_a_passage_that_is_not_there_has_no_span(start: int, end: int | None, more: Json):
    (citation,) = cited("Paris.", supports(start, end, 0, **more))
    expected = (0, 3) if "partIndex" in more else (None, None)
    assert (citation.start, citation.end) == expected


def test_a_retrieved_passage_is_quoted_and_passages_of_one_document_differ():
    chunks = [{"retrievedContext": {"uri": "gs://d", "title": "D", "text": words}} for words in ("One.", "Two.")]
    found = of(Citation, reply(TEXT, groundingMetadata={"groundingChunks": chunks}))
    assert [(each.url, each.text) for each in found] == [("gs://d", "One."), ("gs://d", "Two.")]


def test_a_source_that_the_model_knows_by_heart_has_its_span():
    entries = [{"startIndex": 3, "endIndex": 8, "uri": "u", "license": "mit"}, {"title": "Book"}, {}]
    found = of(Citation, reply({"text": "Ü 12345"}, citationMetadata={"citations": entries}))
    assert [(each.url, each.title, each.start, each.end) for each in found] == [
        ("u", "", 2, 7),
        ("", "Book", None, None),
    ]


def test_passages_of_a_stream_are_counted_over_all_of_its_pieces():
    grounding = {"groundingChunks": [{"web": {"uri": "u"}}], "groundingSupports": [supports(4, 8, 0)]}
    response = model(
        streamed(reply({"text": "Ü. "}, finish=None), reply({"text": "Big."}, groundingMetadata=grounding))
    )("q", stream=True)
    (citation,) = response.result().citations
    assert response.result().text[citation.start : citation.end] == "Big."


# ---------------------------------------------------------------------------------------------------------- failures

FAILURES = (
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
)
FILTERS = (
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MODEL_ARMOR",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
)
EMPTY_ENDS = ("OTHER", "NO_IMAGE", "IMAGE_OTHER", "FINISH_REASON_UNSPECIFIED", "FROM_THE_FUTURE")


@pytest.mark.parametrize("reason", FAILURES)
def test_a_failure_is_an_error_with_the_words_of_the_provider_and_the_answer_so_far(reason: str):
    failed = reply(TEXT, finish=reason, finishMessage="Why it failed")
    with pytest.raises(APIError, match="Why it failed") as caught:
        model(failed)("q")
    assert caught.value.code == reason
    assert reason in str(caught.value.body)
    assert caught.value.partial.text == "Hello."
    response = model(streamed(reply(TEXT, finish=None), reply(finish=reason, finishMessage="Why it failed")))(
        "q", stream=True
    )
    with pytest.raises(StreamFailedError, match="Why it failed"):
        list(response.consume())


@pytest.mark.parametrize("reason", [*FAILURES, *EMPTY_ENDS])
def test_a_failure_without_words_is_no_silent_empty_answer(reason: str):
    with pytest.raises(APIError, match=reason):
        model(reply(finish=reason))("q")


@pytest.mark.parametrize("reason", FILTERS)
def test_a_filtered_answer_says_so_and_why(reason: str):
    response = model(reply(TEXT, finish=reason, finishMessage="Why"))("q")
    assert (response.metadata.finish_reason, response.text) == ("content_filter", "Hello.")
    assert response.metadata.finish_message == "Why"


@pytest.mark.parametrize("reason", EMPTY_ENDS)
def test_an_answer_that_ends_for_an_unknown_reason_is_still_an_answer(reason: str):
    response = model(reply(TEXT, finish=reason, finishMessage="Why"))("q")
    assert (response.text, response.metadata.finish_reason) == ("Hello.", "unknown")
    assert response.metadata.finish_message == "Why"


@pytest.mark.parametrize("value", [reply(), {"candidates": [{"finishReason": "STOP"}]}])
def test_an_empty_answer_is_warned_of(value: Json):
    assert [warned.field for warned in of(Warned, value)] == ["candidates[0].content"]


def test_an_error_behind_a_part_of_the_answer_comes_last():
    value = {**reply(TEXT, finish=None), "error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}
    assert [type(event).__name__ for event in decoded(value)] == ["Started", "TextDelta", "Failed"]


@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n", b"data: [DONE] \n\n"])
def test_a_stream_without_a_finish_reason_was_cut(end: bytes):
    cut = streamed({**reply(TEXT, finish=None), "usageMetadata": {"promptTokenCount": 3}}, end=end)
    with pytest.raises(TruncatedStreamError):
        list(model(cut)("q", stream=True).consume())
    assert list(model(streamed(reply(TEXT), end=end))("q", stream=True).consume()) == ["Hello."]


def test_a_whole_reply_without_a_finish_reason_is_warned_of():
    events = decoded(reply(TEXT, finish=None))
    assert Finished("unknown") in events
    assert [event.field for event in events if isinstance(event, Warned)] == ["candidates[0].finishReason"]


# ------------------------------------------------------------------------------------------ candidates, calls, sums


def test_a_further_candidate_is_warned_of_once():
    other = {"index": 1, "content": {"parts": [{"text": "OTHER"}]}}
    response = model(
        streamed({"candidates": [other]}, reply(TEXT, finish=None), {"candidates": [other]}, reply(finish="STOP"))
    )("q", stream=True)
    assert response.result().text == "Hello."
    assert [each for each in response.result().warnings if each.startswith("candidates[1]")]
    assert len(response.result().warnings) == 1
    whole = reply(TEXT)
    whole["candidates"].append(other)
    assert [warned.field for warned in of(Warned, whole)] == ["candidates[1]"]


def test_calls_with_one_id_are_two_calls_with_two_ids():
    found = of(ToolCallDelta, reply(CALL, CALL))
    ids = [delta.id for delta in found if delta.id]
    assert len(set(ids)) == 2
    assert ids[0] == "c"


def test_a_call_without_a_name_is_noted():
    assert [warned.field for warned in of(Warned, reply(TEXT, {"functionCall": {"args": {}}}))] == [
        "candidates[0].content.parts[1].functionCall"
    ]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"candidatesTokenCount": 18, "thoughtsTokenCount": 58}, TokenUsage(None, 76, reasoning=58)),
        ({"promptTokenCount": 3}, TokenUsage(3, 0)),
        ({"totalTokenCount": 9}, TokenUsage(None, 0, total=9)),
        ({"promptTokenCount": "3", "candidatesTokenCount": 4}, TokenUsage(None, 4)),
    ],
)
def test_a_partial_count_is_a_count(counts: Json, expected: TokenUsage):
    assert of(TokenUsage, {**reply(TEXT), "usageMetadata": counts}) == [expected]


# ------------------------------------------------------------------------------------------------------- odd replies

WRONG: list[Any] = [0, 1.5, True, "x", [], [1], {"a": 1}, None, 10**30]
BESIDE = [
    ("modelVersion",),
    ("responseId",),
    ("promptFeedback",),
    ("usageMetadata",),
    ("usageMetadata", "promptTokenCount"),
    *(
        ("candidates", 0, name)
        for name in (
            "index",
            "finishMessage",
            "citationMetadata",
            "groundingMetadata",
            "urlContextMetadata",
            "logprobsResult",
            "safetyRatings",
        )
    ),
    ("candidates", 0, "groundingMetadata", "groundingChunks"),
    ("candidates", 0, "groundingMetadata", "groundingChunks", 0),
    ("candidates", 0, "groundingMetadata", "groundingChunks", 0, "web"),
    ("candidates", 0, "groundingMetadata", "groundingSupports"),
    ("candidates", 0, "groundingMetadata", "groundingSupports", 0, "segment"),
    ("candidates", 0, "groundingMetadata", "groundingSupports", 0, "groundingChunkIndices"),
    ("candidates", 0, "logprobsResult", "chosenCandidates"),
    ("candidates", 0, "logprobsResult", "topCandidates"),
    ("candidates", 0, "content", "role"),
    ("candidates", 0, "content", "parts", 0, "thoughtSignature"),
    ("candidates", 0, "content", "parts", 0, "partMetadata"),
]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    inner = value[path[0]] if isinstance(value, list) else value.get(path[0], {})
    made = list(value) if isinstance(value, list) else dict(value)
    made[path[0]] = replaced(inner, path[1:], new)
    return made


@pytest.mark.parametrize("path", BESIDE, ids=lambda path: ".".join(map(str, path)))
def test_a_field_beside_the_answer_of_any_type_costs_no_answer(path: tuple[Any, ...]):
    full = reply(
        {**TEXT, "thoughtSignature": "s"},
        groundingMetadata={"groundingChunks": [{"web": {"uri": "u"}}], "groundingSupports": [supports(0, 3, 0)]},
        logprobsResult={"chosenCandidates": [{"token": "a"}], "topCandidates": [{"candidates": []}]},
    )
    for wrong in WRONG:
        if path[-1] == "index" and wrong not in (0, None, [], "x", {"a": 1}, [1]):
            continue  # the index of another candidate
        value = replaced({**full, "usageMetadata": {"promptTokenCount": 3}}, path, wrong)
        response = model(value)("q")
        assert response.text == "Hello.", (path, wrong)


def test_a_wrong_type_inside_the_answer_is_no_reply():
    for path in (("text",), ("functionCall",), ("inlineData",)):
        for wrong in (7, [1], "x"):
            if path == ("text",) and wrong == "x":
                continue
            with pytest.raises(msgspec.DecodeError):
                decoded(replaced(reply(TEXT), ("candidates", 0, "content", "parts", 0, *path), wrong))


def test_a_path_of_arguments_is_not_followed_without_end():
    piece = {"jsonPath": "$" + ".a" * 5000, "stringValue": "x"}
    with pytest.raises(msgspec.DecodeError):
        decoded(reply({"functionCall": {"name": "f", "partialArgs": [piece]}}))


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"error": {"message": "\xff"}}', b"\xff"])
def test_a_refusal_that_cannot_be_read_is_a_failure_all_the_same(body: bytes):
    assert isinstance(dialect.refusal(body), Failed)


def test_a_signature_goes_with_its_text_only():
    states = of(ProviderState, reply({"text": "A. "}, {"text": "B.", "thoughtSignature": "s"}))
    assert [state.kind for state in states] == ["thought_signature"]


# ----------------------------------------------------------------------------------------------------------- requests


def part_sent(part: Json) -> Json:
    return model().plan([{"role": "user", "content": [part]}], changes="refuse").body["contents"][0]["parts"][0]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"fps": 2}, {"videoMetadata": {"fps": 2}}),
        ({"start_offset": 1.5, "end_offset": "9s"}, {"videoMetadata": {"startOffset": "1.5s", "endOffset": "9s"}}),
        ({"video_metadata": {"fps": 1}, "end_offset": 3}, {"videoMetadata": {"fps": 1, "endOffset": "3s"}}),
        ({"media_resolution": "low"}, {"mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}}),
        ({"media_resolution": "MEDIA_RESOLUTION_HIGH"}, {"mediaResolution": {"level": "MEDIA_RESOLUTION_HIGH"}}),
    ],
)
def test_the_sampling_of_a_video_is_sent_from_either_place(given: Json, sent: Json):
    url = {"url": "gs://b/a.mp4"}
    expected = {"fileData": {"fileUri": "gs://b/a.mp4", "mimeType": "video/mp4"}, **sent}
    assert part_sent({"type": "video_url", "video_url": {**url, **given}}) == expected
    assert part_sent({"type": "video_url", "video_url": url, **given}) == expected


@pytest.mark.parametrize(
    ("file", "sent"),
    [
        (
            {"file_url": "https://e.example/x", "mime_type": "application/pdf"},
            {"fileData": {"fileUri": "https://e.example/x", "mimeType": "application/pdf"}},
        ),
        ({"file_id": "gs://b/a"}, {"fileData": {"fileUri": "gs://b/a"}}),
        ({"file_data": "UEs=", "mime_type": "text/csv"}, {"inlineData": {"mimeType": "text/csv", "data": "UEs="}}),
        (
            {"file_data": "data:text/plain;base64,UEs=", "mime_type": "text/csv"},
            {"inlineData": {"mimeType": "text/csv", "data": "UEs="}},
        ),
    ],
)
def test_the_media_type_that_is_given_is_sent(file: Json, sent: Json):
    assert part_sent({"type": "file", "file": file}) == sent


def test_an_empty_question_beside_a_system_prompt_is_sent():
    plan = model().plan("", system_prompt="Tell three jokes.", changes="refuse")
    assert plan.body["contents"] == [{"role": "user", "parts": [{"text": ""}]}]
    with pytest.raises(InvalidRequestError, match="every message is empty"):
        model().plan("")


def test_the_refusal_and_the_images_of_another_model_are_sent():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    answer = {"role": "assistant", "content": "A.", "refusal": "No.", "images": [image]}
    plan = model().plan(["q", answer, "go on"])
    assert plan.body["contents"][1]["parts"] == [{"text": "A."}, {"text": "No."}, PICTURE]
    assert [change.field for change in plan.changes] == ["messages[1].refusal"]


def test_the_images_of_an_own_answer_are_sent_once():
    chat = model(reply(TEXT, PICTURE))
    message = chat("q").message
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    plan = chat.plan(["q", {**message, "images": [image]}, "go on"])
    assert plan.body["contents"][1]["parts"] == [TEXT, PICTURE]
