"""What fails at the provider or on the way to it: which error it is, what the error says, and what it never holds."""

from __future__ import annotations

import asyncio
import gzip
import json
import pickle
import socket
import threading
import traceback
import zlib
from collections.abc import Iterator
from contextlib import nullcontext

import httpx
import httpx2
import pytest

import msgflux_like as mf
from msgflux_like import Timeouts, errors
from msgflux_like._http import exchange
from msgflux_like.errors import (
    APIError,
    APITimeoutError,
    AuthenticationError,
    BadReplyError,
    BadRequestError,
    ContentFilterError,
    ContextLengthError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    RedirectError,
    ServerError,
    StreamFailedError,
)
from tests.provider import DONE, Reply, chat, delta, sse, stream, whole

KEY = "sk-secret-of-mine"
PROMPT = "a question that nobody else may read"


@pytest.fixture
def reply_to(colour, provider, model_of):
    """The response to a call that gets this reply."""
    return lambda reply: colour.ask(model_of(provider(reply)), PROMPT)


@pytest.fixture
def refused(colour, provider, model_of):
    """The error of a call that gets these replies."""

    def ask(*replies: Reply, streamed: bool = False) -> APIError:
        with pytest.raises(APIError) as raised:
            colour.ask(model_of(provider(*replies)), PROMPT, stream=streamed)
        return raised.value

    return ask


def compressed(body: bytes, encoding: str = "gzip", status: int = 200) -> Reply:
    return Reply(status, {"content-type": "application/json", "content-encoding": encoding}, [body])


# ---- the provider refuses


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (402, RateLimitError),
        (403, AuthenticationError),
        (404, NotFoundError),
        (408, BadRequestError),
        (409, BadRequestError),
        (413, BadRequestError),
        (418, BadRequestError),
        (422, BadRequestError),
        (429, RateLimitError),
        (500, ServerError),
        (502, ServerError),
        (503, ServerError),
        (529, ServerError),
    ],
)
def test_a_status_is_an_error_of_its_kind_with_all_that_the_provider_said(refused, status, kind, streamed):
    said = {"error": {"message": "The model sleeps.", "type": "nap", "code": "asleep", "param": None}}
    error = refused(whole(said, status, x_request_id="req_1"), streamed=streamed)
    assert type(error) is kind
    said_of_it = f"The model sleeps. (openai/gpt-4o, HTTP {status}, code asleep, request req_1)"
    assert str(error).removesuffix(f"; {error.hint}") == said_of_it
    assert bool(error.hint) == (status == 404)
    assert (error.provider, error.model, error.status) == ("openai", "gpt-4o", status)
    assert (error.message, error.type, error.code) == ("The model sleeps.", "nap", "asleep")
    assert (error.request_id, error.retry_after_s) == ("req_1", None)
    assert json.loads(error.body) == said
    assert error.partial is None


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"error": {"message": "Over there.", "code": 404}}, "Over there.", "404"),
        ({"error": "Not today."}, "Not today.", None),
        ({"message": "At the top.", "code": "top"}, "At the top.", "top"),
        ({"detail": "Not authenticated"}, "Not authenticated", None),
        ({"detail": [{"loc": ["body", "x"], "msg": "field required"}]}, "body.x: field required", None),
        ([{"error": {"message": "In a list.", "code": 5}}], "In a list.", "5"),
        (b"upstream  connect\n error", "upstream connect error", None),
        (b"<html><h1>502 Bad Gateway</h1></html>", "<html><h1>502 Bad Gateway</h1></html>", None),
        (b"", "the provider gave no reason", None),
        (b"{}", "the provider gave no reason", None),
        (b"null", "the provider gave no reason", None),
        (b"\xff\xfe", "\ufffd\ufffd", None),
    ],
)
def test_the_providers_own_words_are_found_wherever_it_puts_them(provider, model_of, body, message, code):
    with pytest.raises(APIError) as raised:
        model_of(provider(whole(body, 502)))("hi")
    assert (raised.value.message, raised.value.code) == (message, code)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("context_length_exceeded", ContextLengthError),
        ("content_filter", ContentFilterError),
        ("content_policy_violation", ContentFilterError),
        ("data_inspection_failed", ContentFilterError),
        ("something_else", BadRequestError),
    ],
)
@pytest.mark.parametrize("field", ["code", "type"])
def test_a_code_tells_more_than_the_status(refused, code, kind, field):
    error = refused(whole({"error": {"message": "No.", field: code}}, 400))
    assert type(error) is kind
    assert isinstance(error, BadRequestError)


@pytest.mark.parametrize(
    "header", ["x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "cf-ray", "X-Request-ID"]
)
def test_the_id_of_the_request_is_found_under_its_many_names(provider, model_of, header):
    answer = json.dumps(chat()).encode()
    model = model_of(provider(Reply(500, {header: "req_1"}, [b"{}"]), Reply(200, {header: "req_2"}, [answer])))
    with pytest.raises(ServerError) as raised:
        model("hi")
    assert raised.value.request_id == "req_1"
    assert model("hi").metadata.request_id == "req_2"


def test_what_the_provider_asks_to_wait_is_in_the_error(refused):
    error = refused(whole({}, 429, retry_after="7"))
    assert error.retry_after_s == 7.0


def test_a_long_refusal_is_kept_in_part(refused):
    error = refused(Reply(400, {"content-type": "text/plain"}, [b"x" * 1000] * 200))
    assert error.body == "x" * 4096
    assert error.message == "x" * 500


def test_a_refusal_that_breaks_off_is_the_refusal(refused):
    error = refused(Reply(403, {}, [b"you may n"], cut=True))
    assert type(error) is AuthenticationError
    assert error.message == "you may n"


def test_what_is_wrong_here_is_a_value_error_and_what_is_wrong_there_is_not():
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.MsgfluxError):
            assert not (issubclass(kind, APIError) and issubclass(kind, (ValueError, TypeError, OSError)))
            assert not (issubclass(kind, InvalidRequestError) and issubclass(kind, APIError))
    assert issubclass(InvalidRequestError, ValueError)
    assert issubclass(errors.UnknownParameterError, TypeError)
    assert issubclass(errors.NotInstalledError, ImportError)


# ---- replies that are none


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_key_stays_here(refused, provider, status, streamed):
    other = provider(whole(chat()))
    error = refused(Reply(status, {"location": f"{other.base_url}/chat/completions"}), streamed=streamed)
    assert type(error) is RedirectError
    assert str(error) == (
        f"the provider answered with a redirect, which is not followed: check base_url (openai/gpt-4o, HTTP {status})"
    )
    assert (other.requests, other.connections) == ([], 0)


@pytest.mark.parametrize("client", [httpx.Client, httpx2.Client], ids=["httpx", "httpx2"])
def test_a_users_client_that_follows_redirects_does_not_follow_this_one(provider, model_of, client):
    other = provider(whole(chat()))
    server = provider(Reply(307, {"location": f"{other.base_url}/chat/completions"}))
    with client(follow_redirects=True) as own, pytest.raises(RedirectError):
        model_of(server, http_client=own)("hi")
    assert other.requests == []


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(204, {}, framing="length"), "the provider answered without a body (HTTP 204)"),
        (
            Reply(200, {"content-type": "text/html; charset=utf-8"}, [b"<html>Welcome</html>"]),
            "the provider answered with a web page: is base_url right?",
        ),
    ],
    ids=["204", "web page"],
)
def test_a_success_that_is_no_answer_is_an_error(refused, reply, message, streamed):
    error = refused(reply, streamed=streamed)
    assert type(error) is BadReplyError
    assert error.message.startswith(message)


@pytest.mark.parametrize("body", [b"", b"{", b'{"choices": [{"mess', b"Hello!", b"\xff", b"[1, 2]", b'{"choices": 5}'])
def test_a_whole_reply_that_cannot_be_read_is_an_error(refused, body):
    error = refused(whole(body))
    assert type(error) is BadReplyError
    assert error.message.startswith("the reply cannot be read: ")
    assert error.status == 200


@pytest.mark.parametrize("body", [{}, {"status": "ok"}, {"id": "x", "model": "m"}])
def test_json_that_holds_no_answer_is_an_error_and_no_empty_answer(refused, body):
    assert isinstance(refused(whole(body)), BadReplyError)


@pytest.mark.parametrize("data", [b"{", b"Hello!", b"[1]", b'{"choices": 5}'])
def test_an_event_that_cannot_be_read_is_an_error(refused, data):
    error = refused(stream(sse(data), DONE), streamed=True)
    assert type(error) is BadReplyError
    assert error.message.startswith("the reply cannot be read: ")


# ---- an error inside a success


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"message": "Slow down.", "type": "rate_limit_error"}, RateLimitError),
        ({"message": "Slow down.", "code": 429}, RateLimitError),
        ({"message": "Too busy.", "type": "overloaded_error"}, ServerError),
        ({"message": "Out of order.", "code": 503}, ServerError),
        ({"message": "Who are you?", "type": "authentication_error"}, AuthenticationError),
        ({"message": "No such model.", "type": "not_found_error"}, NotFoundError),
        ({"message": "Wrong.", "type": "invalid_request_error"}, BadRequestError),
        ({"message": "Too long.", "code": "context_length_exceeded"}, ContextLengthError),
        ({"message": "Something."}, ServerError),
        ("Something.", ServerError),
    ],
)
def test_an_error_inside_a_success_is_the_error_it_says(refused, said, kind, streamed):
    reply = stream(sse({"error": said})) if streamed else whole({"error": said})
    error = refused(reply, streamed=streamed)
    assert type(error) is kind
    assert error.status == 200
    assert error.message == (said if isinstance(said, str) else said["message"])


def test_an_error_after_the_first_piece_carries_the_answer_so_far(colour, provider, model_of):
    server = provider(stream(delta("The sun"), delta(" is"), sse({"error": {"message": "Gone.", "code": "gone"}})))
    with pytest.raises(StreamFailedError) as raised:
        colour.pieces(model_of(server, max_retries=5), "hi")
    assert raised.value.partial.text == "The sun is"
    assert raised.value.code == "gone"
    assert len(server.requests) == 1


def test_reading_on_after_an_error_raises_it_again(provider, model_of):
    response = model_of(provider(stream(delta("The sun"), sse({"error": {"message": "Gone."}}))))("hi", stream=True)
    for read in (lambda: list(response.consume()), response.result, response.consume().get_calls):
        with pytest.raises(StreamFailedError, match=r"^Gone\."):
            read()
    assert response.text == "The sun"


# ---- compressed replies


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("GZIP", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)],
)
def test_a_reply_may_be_compressed_although_nobody_asked(reply_to, encoding, compress):
    body = compress(json.dumps(chat("The sun. " * 500)).encode())
    assert reply_to(compressed(body, encoding)).consume() == "The sun. " * 500


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_refusal_may_be_compressed_too(refused, encoding, compress):
    assert refused(compressed(compress(b'{"error": "No."}'), encoding, 400)).message == "No."


def test_a_stream_may_be_compressed_and_cut_anywhere(colour, provider, model_of):
    wire = gzip.compress(delta("The ") + delta("sun.") + delta(finish="stop") + DONE)
    server = provider(Reply(200, {"content-encoding": "gzip"}, [wire[at : at + 7] for at in range(0, len(wire), 7)]))
    pieces, _ = colour.pieces(model_of(server), "hi")
    assert pieces == ["The ", "sun."]


@pytest.mark.parametrize(
    ("encoding", "body", "message"),
    [
        ("br", b"whatever", "the reply cannot be read: it is compressed with 'br', which was not asked for"),
        ("gzip", b"no gzip", "the reply cannot be read: Error -3 while decompressing data: incorrect header check"),
        ("gzip", gzip.compress(b'{"choices": []}')[:-12], "the reply cannot be read: "),
    ],
    ids=["unknown", "broken", "cut"],
)
def test_a_compression_that_cannot_be_undone_is_an_error(refused, encoding, body, message):
    error = refused(compressed(body, encoding))
    assert type(error) is BadReplyError
    assert error.message.startswith(message)


def test_a_body_beyond_the_limit_is_an_error(refused, monkeypatch):
    monkeypatch.setattr(exchange, "MAX_BODY_BYTES", 1000)
    error = refused(Reply(200, {}, [b" " * 100] * 20))
    assert type(error) is BadReplyError
    assert error.message == "the reply cannot be read: it is longer than 1000 bytes"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_small_body_that_inflates_beyond_the_limit_is_an_error(refused, monkeypatch, streamed):
    monkeypatch.setattr(exchange, "MAX_BODY_BYTES", 1000)
    bomb = gzip.compress(b": nothing\n" * 100_000)
    error = refused(compressed(bomb), streamed=streamed)
    assert type(error) is BadReplyError
    assert error.message == "the reply cannot be read: it decompresses to more than 1000 bytes"


def test_a_refusal_that_inflates_beyond_the_limit_is_the_refusal(refused, monkeypatch):
    monkeypatch.setattr(exchange, "MAX_BODY_BYTES", 1000)
    error = refused(compressed(gzip.compress(b"x" * 1_000_000), status=401))
    assert type(error) is AuthenticationError


# ---- what an error holds


def every_kind() -> Iterator[errors.MsgfluxError]:
    """One error of each class."""
    for kind in vars(errors).values():
        if not isinstance(kind, type) or not issubclass(kind, errors.MsgfluxError):
            continue
        if issubclass(kind, APITimeoutError):
            yield kind("slow", phase="total", provider="openai", model="m", status=200)
        elif issubclass(kind, APIError):
            yield kind("no", provider="openai", model="m", status=418, code="c", request_id="r", retry_after_s=1.5)
        elif issubclass(kind, errors.ToolCallError):
            yield kind("broken", call_id="call_1", name="now", raw_arguments="{")
        elif issubclass(kind, errors.CapabilityError):
            yield kind("cannot", problems=("a",), alternatives=("b",))
        else:
            yield kind("no")


@pytest.mark.parametrize("error", list(every_kind()), ids=lambda error: type(error).__name__)
def test_an_error_comes_back_from_a_pickle(error):
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert twin.__dict__ == error.__dict__


def no_server() -> str:
    """The base URL of a server that is gone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


FAILURES = {
    "a status": whole({"error": {"message": "No."}}, 401),
    "a server error": whole({}, 500),
    "a redirect": Reply(307, {"location": "http://127.0.0.1/"}),
    "a web page": Reply(200, {"content-type": "text/html"}, [b"<html>"]),
    "no JSON": whole(b"{"),
    "an error inside": whole({"error": {"message": "No."}}),
    "a bad compression": compressed(b"no gzip"),
    "no connection": None,
    "no reply": Reply(pieces=[threading.Event()]),
    "a cut body": Reply(200, {"content-type": "application/json"}, [b'{"cho'], cut=True),
    "a reset": Reply(200, {}, [b'{"cho'], reset=True),
    "a cut stream": stream(delta("The sun"), cut=True),
    "an error in a stream": stream(delta("The sun"), sse({"error": {"message": "No."}})),
    "a stream that stops": stream(delta("The sun")),
}


@pytest.fixture
def failed(colour, provider, model_of):
    """The error of a call that is sent through a client of that library, or through none."""

    def fail(reply, path, library, *, streamed: bool) -> APIError:
        server = no_server() if reply is None else provider(reply)
        options = {"api_key": KEY, "timeout": Timeouts(first_event_s=0.1)}

        def sync():
            with library.Client(trust_env=False) if library else nullcontext() as own:
                model_of(server, path, http_client=own, **options)(PROMPT, stream=streamed).result()

        async def main():
            async with library.AsyncClient(trust_env=False) if library else nullcontext() as own:
                response = await model_of(server, path, http_client=own, **options).acall(PROMPT, stream=streamed)
                await response.aresult()

        with pytest.raises(APIError) as raised:
            sync() if colour.name == "sync" else asyncio.run(main())
        return raised.value

    return fail


@pytest.mark.parametrize("library", [None, httpx, httpx2], ids=["own connections", "httpx", "httpx2"])
@pytest.mark.parametrize("path", ["openai/gpt-4o", "anthropic/claude-3-5-haiku-latest"])
@pytest.mark.parametrize("failure", FAILURES)
def test_no_error_holds_the_key_or_the_prompt(failed, failure, path, library):
    error = failed(FAILURES[failure], path, library, streamed="stream" in failure)
    shown = [str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error))]
    assert not [text for text in shown if KEY in text or PROMPT in text]
    assert not _holds(pickle.dumps(error), KEY, PROMPT)
    assert [place for place, text in _locals_of(error) if KEY in text] == []


def _holds(pickled: bytes, *secrets: str) -> bool:
    return any(secret.encode() in pickled for secret in secrets)


def _locals_of(error: BaseException) -> Iterator[tuple[str, str]]:
    """Place and repr of all that the frames of an error, and of those behind it, know; those of the tests apart."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        waiting += [behind for behind in (each.__cause__, each.__context__) if behind is not None]
        for frame, line in traceback.walk_tb(each.__traceback__):
            if "/tests/" in frame.f_code.co_filename:
                continue
            for name, value in frame.f_locals.items():
                inner = getattr(value, "__dict__", {}) if not isinstance(value, mf.ChatCompletion) else {}
                names = [each for each in getattr(type(value), "__slots__", ()) if each != "_value"]  # a Secret's own
                slots = [getattr(value, each, None) for each in names]
                yield f"{frame.f_code.co_qualname}:{line} {name}", f"{value!r} {inner!r} {slots!r}"
