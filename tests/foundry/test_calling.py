"""`Model.chat_completion("foundry-local/...")`: the alias becomes an id, the model is loaded, the answer is read."""

from __future__ import annotations

import asyncio
import threading

import pytest

import msgflux_like as mf
from msgflux_like import errors
from tests.foundry.services import HAIKU, IDS, NOT_RUNNING, STATUS, ApiV0, ApiV1
from tests.provider import DONE, delta, sse, stream, whole

CPU = "qwen2.5-1.5b-instruct-generic-cpu:4"
TEXT = "".join(HAIKU)
BOTH = pytest.mark.parametrize("kind", [ApiV0, ApiV1])


@pytest.fixture
def ready(service, model_of):
    """A service of a generation, and a model of it, known by its URL."""

    def make(answers, name="qwen2.5-1.5b", **options):
        return model_of(service(answers), f"foundry-local/{name}", **{"api_key": None, **options})

    return make


def requested(answers):
    return [body["model"] for path, body in zip(answers.seen, answers.bodies, strict=True) if "chat" in path]


@BOTH
@pytest.mark.parametrize("name", ["qwen2.5-1.5b", CPU, CPU.removesuffix(":4")])
def test_the_request_names_the_id(kind, name, ready, colour):
    answers = kind()
    model = ready(answers, name)
    response = colour.ask(model, "Write me a haiku")
    assert response.consume() == TEXT
    assert requested(answers) == [CPU]
    assert model.get_model_info() == {"model_id": name, "provider": "foundry-local"}


@BOTH
def test_a_stream_gives_the_text_exactly_once(kind, ready, colour):
    pieces, response = colour.pieces(ready(kind()), "Write me a haiku")
    assert pieces == HAIKU
    assert response.text == TEXT
    assert response.metadata.finish_reason == ("stop" if kind is ApiV1 else "unknown")


@BOTH
def test_a_resolved_model_is_not_looked_up_again(kind, ready):
    answers = kind()
    model = ready(answers)
    model("Hi")
    before = len(answers.seen)
    model("Hi")
    assert list(model("Hi", stream=True).consume()) == HAIKU
    assert answers.seen[before:] == ["/v1/chat/completions"] * 2


@BOTH
def test_no_key_is_sent(kind, ready, provider, model_of, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    server = provider(kind())
    model_of(server, "foundry-local/qwen2.5-1.5b", api_key=None)("Hi")
    assert all("authorization" not in request.headers for request in server.requests)


def test_usage_is_reported_where_the_service_reports_it(ready, colour):
    response = colour.ask(ready(ApiV1()), "Hi")
    assert (response.metadata.usage.prompt_tokens, response.metadata.usage.completion_tokens) == (21, 12)
    _, response = colour.pieces(ready(ApiV1()), "Hi")
    assert response.metadata.usage.total_tokens == 33


def test_an_older_answer_without_usage_is_an_answer(ready, colour):
    response = colour.ask(ready(ApiV0()), "Hi")
    assert response.consume() == TEXT
    assert response.metadata.usage.prompt_tokens is None


# ---- finding the service


@BOTH
def test_the_service_is_found_by_the_environment_variable(kind, service, monkeypatch):
    monkeypatch.setenv("FOUNDRY_LOCAL_BASE_URL", service(kind()))
    monkeypatch.setenv("PATH", "")
    with mf.Model.chat_completion("foundry-local/qwen2.5-1.5b") as model:
        assert model("Hi").consume() == TEXT


def test_the_service_is_found_by_the_program_which_runs_once(program, service):
    asked = program(service_status=STATUS.format(root=service(ApiV0())))
    for _ in range(2):
        with mf.Model.chat_completion("foundry-local/qwen2.5-1.5b") as model:
            assert model("Hi").consume() == TEXT
    assert asked.asked == [["service", "status"]]


def test_a_stopped_service_is_started_and_keeps_running(program, service):
    asked = program(
        service_status=NOT_RUNNING,
        service_start="never ends",
        service_status_started=STATUS.format(root=service(ApiV0())),
    )
    with mf.Model.chat_completion("foundry-local/qwen2.5-1.5b") as model:
        assert model("Hi").consume() == TEXT
    assert ["service", "stop"] not in asked.asked


def test_creating_a_model_contacts_nothing(program):
    asked = program()
    mf.Model.chat_completion("foundry-local/qwen2.5-1.5b").close()
    assert asked.asked == []


def test_without_service_and_program_a_call_says_what_to_install(monkeypatch, tmp_path, colour):
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        mf.Model.chat_completion("foundry-local/qwen2.5-1.5b") as model,
        pytest.raises(errors.NotInstalledError, match="there is no `foundry` on PATH"),
    ):
        colour.ask(model, "Hi")


@BOTH
def test_an_unknown_alias_is_a_lookup_error_before_any_inference(kind, ready, colour):
    answers = kind()
    with pytest.raises(LookupError, match="Foundry Local has no model 'qwen9'"):
        colour.ask(ready(answers, "qwen9"), "Hi")
    assert requested(answers) == []


@BOTH
def test_a_call_downloads_nothing(kind, ready, colour):
    answers = kind()
    with pytest.raises(errors.BadRequestError, match="'phi-4' is not downloaded"):
        colour.ask(ready(answers, "phi-4"), "Hi")
    assert answers.asked("/openai/download") == []


def test_a_service_that_has_moved_is_found_by_the_next_call(program, provider):
    old = provider(ApiV0())
    asked = program(service_status=STATUS.format(root=old.base_url.removesuffix("/v1")))
    with mf.Model.chat_completion("foundry-local/qwen2.5-1.5b", max_retries=0) as model:
        model("Hi")
        old.close()
        with pytest.raises(errors.APIConnectionError):
            model("Hi")
        asked.says(service_status=STATUS.format(root=provider(ApiV0()).base_url.removesuffix("/v1")))
        assert model("Hi").consume() == TEXT


@BOTH
def test_a_call_may_name_another_service(kind, service, ready, colour):
    here, there = kind(), kind()
    model = ready(here)
    elsewhere = service(there)
    assert colour.ask(model, "Hi", base_url=elsewhere).consume() == TEXT
    there.loaded.clear()
    assert colour.ask(model, "Hi", base_url=elsewhere).consume() == TEXT
    assert (requested(here), requested(there)) == ([], [CPU] * 3)


# ---- a model that was let go of


@BOTH
def test_a_model_that_is_not_loaded_any_more_is_loaded_once(kind, ready, colour):
    answers = kind()
    model = ready(answers)
    colour.ask(model, "Hi")
    answers.loaded.clear()
    assert colour.ask(model, "Hi").consume() == TEXT
    answers.loaded.clear()
    assert colour.pieces(model, "Hi")[0] == HAIKU
    answers.loaded.clear()
    assert requested(answers) == [CPU] * 5


@BOTH
def test_a_pushed_stream_also_loads_an_unloaded_model(kind, ready):
    answers = kind()
    model = ready(answers)
    model("Hi")
    answers.loaded.clear()
    told = []
    response = model("Hi", stream=True, stream_to=told.append)
    response.wait(20)
    assert response.text == TEXT
    assert isinstance(told[-1], mf.StreamFinish)


def test_a_model_that_stays_unloaded_is_an_error_that_says_so(provider, model_of, colour):
    answers = ApiV1()
    error = {"message": f"Model not loaded: Model '{CPU}' must be loaded before inference", "type": "x"}
    server = provider(lambda r: whole({"error": error}, 400) if "chat" in r.path else answers(r))
    with pytest.raises(errors.BadRequestError, match=r"Model not loaded: Model 'qwen2.5-1.5b-instruct-generic-cpu:4'"):
        colour.ask(model_of(server, "foundry-local/qwen2.5-1.5b"), "Hi")
    assert sum("chat" in request.path for request in server.requests) == 2


def test_another_refusal_is_not_asked_again(provider, model_of, colour):
    answers = ApiV1()
    server = provider(lambda r: whole({"error": "no"}, 400) if "chat" in r.path else answers(r))
    with pytest.raises(errors.BadRequestError):
        colour.ask(model_of(server, "foundry-local/qwen2.5-1.5b"), "Hi")
    assert sum("chat" in request.path for request in server.requests) == 1


# ---- what the services answer


def replying(provider, model_of, *replies):
    """A model whose service answers its calls with these."""
    answers, left = ApiV0(), list(replies)
    server = provider(lambda r: left.pop(0) if "chat" in r.path else answers(r))
    return model_of(server, "foundry-local/qwen2.5-1.5b")


def test_a_stream_cut_anywhere_is_the_same(provider, model_of):
    answers = ApiV0()
    wire = b"".join(sse(answers.said(CPU, text, True)) for text in HAIKU[:2]) + DONE
    model = replying(provider, model_of, *(stream(wire[:cut], wire[cut:]) for cut in range(1, len(wire), 7)))
    for _ in range(1, len(wire), 7):
        assert list(model("Hi", stream=True).consume()) == ["Cherry", " blossoms"]


def test_chunks_whose_index_counts_up_and_whose_ids_differ_are_one_answer(provider, model_of, colour):
    """As the services before 0.7 send them, with the text in `delta` and `message`."""
    chunks = []
    for number, text in enumerate(HAIKU):
        said = {"role": "assistant", "content": text, "name": None, "function_call": None, "tool_calls": []}
        choice = {"delta": said, "message": said, "index": number, "finish_reason": None, "logprobs": None}
        chunks.append(
            sse({"model": None, "choices": [choice], "usage": None, "id": f"chat.id.{number}", "error": None})
        )
    model = replying(provider, model_of, stream(*chunks, DONE))
    pieces, response = colour.pieces(model, "Hi")
    assert (pieces, response.text) == (HAIKU, TEXT)
    assert response.response_type == "text_generation"


def test_a_whole_answer_in_the_delta_field_is_read(provider, model_of, colour):
    choice = {"delta": {"role": "assistant", "content": "Hello", "tool_calls": []}, "index": 0, "finish_reason": "stop"}
    model = replying(provider, model_of, whole({"choices": [choice], "IsDelta": False, "Successful": True}))
    assert colour.ask(model, "Hi").consume() == "Hello"


def test_a_refused_stream_is_an_error_though_its_status_is_200(ready, colour):
    with pytest.raises(errors.BadRequestError, match="max_output_tokens must be >= 1"):
        colour.pieces(ready(ApiV1(), extra_body={"max_tokens": -5}), "Hi")


def test_an_error_in_the_middle_of_a_stream_keeps_the_text_so_far(provider, model_of, colour):
    broken = sse({"error": {"code": None, "message": "out of memory", "param": None, "type": "server_error"}})
    model = replying(provider, model_of, stream(delta("Cherry"), broken))
    with pytest.raises(errors.StreamFailedError, match="out of memory") as raised:
        colour.pieces(model, "Hi")
    assert raised.value.partial.text == "Cherry"


def test_a_stream_without_end_mark_and_finish_reason_is_not_complete(provider, model_of, colour):
    answers = ApiV0()
    model = replying(provider, model_of, stream(sse(answers.said(CPU, "Cherry", True))))
    with pytest.raises(errors.TruncatedStreamError):
        colour.pieces(model, "Hi")


def test_a_request_that_never_answers_ends_by_timeout(provider, model_of, colour):
    never = threading.Event()
    model = replying(provider, model_of, stream(never))
    with pytest.raises(errors.APITimeoutError):
        colour.pieces(model, "Hi", timeout=0.2)


@BOTH
def test_a_model_that_is_gone_is_looked_up_anew_by_the_next_call(kind, provider, model_of):
    answers = kind()
    gone = [whole({"error": {"message": "Model not found: No model matching"}}, 404)]
    server = provider(lambda r: gone.pop() if "chat" in r.path and gone else answers(r))
    model = model_of(server, "foundry-local/qwen2.5-1.5b")
    with pytest.raises(errors.NotFoundError):
        model("Hi")
    before = len(answers.seen)
    assert model("Hi").consume() == TEXT
    assert len(answers.seen) > before + 1


# ---- several at once


@BOTH
def test_many_first_calls_at_once_load_it_once(kind, ready):
    answers = kind()
    model = ready(answers)
    texts = []
    threads = [threading.Thread(target=lambda: texts.append(model("Hi").consume())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert texts == [TEXT] * 8
    assert len(answers.asked("/models/load/") + answers.asked("/openai/load/")) == 1


async def test_loading_does_not_block_the_event_loop(provider, model_of):
    answers, loading, loaded = ApiV1(), asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slowly(request):
        if request.path.startswith("/models/load/"):
            loop.call_soon_threadsafe(loading.set)
            assert loaded.wait(20)
        return answers(request)

    model = model_of(provider(slowly), "foundry-local/qwen2.5-1.5b")
    calls = [asyncio.create_task(model.acall("Hi")) for _ in range(2)]
    await asyncio.wait_for(loading.wait(), 20)
    loaded.set()
    assert [(await call).consume() for call in calls] == [TEXT] * 2
    answers.loaded.clear()
    loading.clear()
    loaded.clear()
    again = asyncio.create_task(model.acall("Hi"))
    await asyncio.wait_for(loading.wait(), 20)
    loaded.set()
    assert (await again).consume() == TEXT


# ---- how it is told of


def test_foundry_local_is_a_provider_with_a_row():
    assert "foundry-local" in mf.Model.providers()["chat_completion"]


def test_a_plan_starts_nothing(program):
    asked = program()
    with mf.Model.chat_completion("foundry-local/qwen2.5-1.5b") as model:
        assert model.plan("Hi").body["model"] == "qwen2.5-1.5b"
    assert asked.asked == []


def test_a_stored_model_is_restored(service, monkeypatch):
    monkeypatch.setenv("FOUNDRY_LOCAL_BASE_URL", service(ApiV1(cached=list(IDS))))
    state = mf.Model.chat_completion("foundry-local/phi-4", temperature=0).serialize()
    with mf.Model.from_serialized(**state) as model:
        assert model("Hi").consume() == TEXT
