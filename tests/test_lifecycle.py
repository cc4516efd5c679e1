"""One model from any mix of threads, event loops and processes, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import ssl
import subprocess
import sys
import textwrap
import threading
import warnings

import httpx
import httpx2
import pytest
import trustme

import msgflux_like as mf
from msgflux_like import Timeouts
from msgflux_like.errors import APIConnectionError, APITimeoutError, InvalidRequestError
from tests.provider import Provider, chat, chat_stream, delta, stream, whole

PATIENCE_S = 20.0


def test_one_model_serves_threads_and_event_loops_at_once(provider, model_of):
    server = provider(lambda request: whole(chat(request.body["messages"][0]["content"])))
    model = model_of(server)
    results: dict[str, str] = {}

    def sync(n):
        results[f"s{n}"] = model(f"s{n}").consume()

    def loop(n):
        async def main():
            names = [f"a{n}-{m}" for m in range(5)]
            answers = await asyncio.gather(*(model.acall(name) for name in names))
            results.update({name: answer.consume() for name, answer in zip(names, answers, strict=True)})
            results[f"m{n}"] = model(f"m{n}").consume()

        asyncio.run(main())

    threads = [threading.Thread(target=target, args=(n,)) for n in range(8) for target in (sync, loop)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(results) == 8 * 7
    assert all(name == answer for name, answer in results.items())


def test_forty_calls_at_once_all_answer_right(provider, model_of):
    server = provider(lambda request: whole(chat(request.body["messages"][0]["content"].upper())))
    model = model_of(server)

    async def main():
        return [r.consume() for r in await asyncio.gather(*(model.acall(f"q{n}") for n in range(40)))]

    assert asyncio.run(main()) == [f"Q{n}" for n in range(40)]


def test_calls_at_once_are_under_way_at_once(provider, model_of):
    """None is answered before all have arrived."""
    barrier = threading.Barrier(3)
    model = model_of(provider(lambda _: (barrier.wait(PATIENCE_S), whole(chat()))[1]))

    async def main():
        return await asyncio.gather(*(model.acall("hi") for _ in range(3)))

    assert len(asyncio.run(main())) == 3


def test_acall_starts_no_thread(provider, model_of):
    model = model_of(provider(whole(chat()), chat_stream("a")))

    async def main():
        before = threading.active_count()
        await model.acall("hi")
        response = await model.acall("hi", stream=True)
        assert "".join([piece async for piece in response.consume()]) == "a"
        return threading.active_count() - before

    # The provider of the test answers each connection with a thread of its own, and there was one connection.
    assert asyncio.run(main()) <= 1


def test_a_second_event_loop_works_after_the_first_was_closed(provider, model_of):
    model = model_of(provider(whole(chat("again"))))
    assert [asyncio.run(model.acall("hi")).consume() for _ in range(3)] == ["again"] * 3


def test_connections_are_used_again(colour, provider, model_of):
    server = provider(whole(chat()))
    model = model_of(server)

    async def twice():
        await model.acall("hi")
        await model.acall("hi")

    if colour.name == "sync":
        model("hi")
        model("hi")
    else:
        asyncio.run(twice())
    assert server.connections == 1


def test_a_connection_the_server_closed_is_not_used_again(provider, model_of):
    reply = whole(chat())
    reply.framing = "close"
    server = provider(reply)
    model = model_of(server)
    assert [model("hi").consume() for _ in range(3)] == ["Hello"] * 3
    assert server.connections == 3


def test_closing_twice_is_closing_once_and_a_later_call_works(provider, model_of):
    server = provider(whole(chat()))
    model = model_of(server)
    model("hi")
    model.close()
    model.close()
    assert model("hi").consume() == "Hello"
    assert server.connections == 2
    with model as same:
        assert same is model


def test_closing_in_an_event_loop_closes_its_connections(provider, model_of):
    server = provider(whole(chat()))
    model = model_of(server)

    async def main():
        async with model:
            await model.acall("hi")
        await model.aclose()
        await model.acall("hi")

    asyncio.run(main())
    assert server.connections == 2


def test_nothing_is_left_when_models_are_dropped(provider, model_of):
    """Every unclosed socket, transport or loop would be a ResourceWarning, which is an error here."""
    server = provider(lambda request: chat_stream("a", "b") if request.body.get("stream") else whole(chat()))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(3):
            model = model_of(server)
            model("hi")
            list(model("hi", stream=True).consume())
            next(iter(model("hi", stream=True).consume()))

            async def main(model=model):
                await asyncio.gather(*(model.acall("hi") for _ in range(3)))
                async for _ in (await model.acall("hi", stream=True)).consume():
                    break

            asyncio.run(main())
            asyncio.run(main())
            del model, main
            gc.collect()
    assert [str(warning.message) for warning in caught] == []


def test_tls_is_used_and_checked(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    source = """
        import asyncio
        import msgflux_like as mf

        model = mf.Model.chat_completion("openai/gpt-4o", max_retries=0)
        print(model("hi").consume(), *model("hi", stream=True).consume())

        async def main():
            print((await model.acall("hi")).consume())
            print(*[piece async for piece in (await model.acall("hi", stream=True)).consume()])

        asyncio.run(main())
        """
    with Provider(lambda r: chat_stream("a", "b") if r.body.get("stream") else whole(chat()), tls=context) as server:
        environment = {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": server.base_url}
        trusting = run(source, **environment, SSL_CERT_FILE=str(tmp_path / "ca.pem"))
        assert (trusting.stderr, trusting.stdout) == ("", "Hello a b\nHello\na b\n")
        answered = len(server.requests)
        (tmp_path / "other.pem").write_bytes(trustme.CA().cert_pem.bytes())
        doubting = run(source, **environment, SSL_CERT_FILE=str(tmp_path / "other.pem"))
        assert "APIConnectionError: the connection failed" in doubting.stderr
        assert "certificate verify failed" in doubting.stderr
        assert len(server.requests) == answered, "nothing is sent to a server that is not trusted"


def test_a_model_that_is_dropped_inside_its_event_loop_leaves_nothing(provider, model_of):
    """Its connections are closed by the loop: while it runs, or when it ends a moment later."""
    server = provider(whole(chat()))

    async def main(after):
        model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-x", base_url=server.base_url)
        await asyncio.gather(*(model.acall("hi") for _ in range(4)))
        del model
        for _ in range(after):
            await asyncio.sleep(0)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        for after in (0, 1, 2, 3, 5, 50):
            asyncio.run(main(after))
            gc.collect()
    assert [str(warning.message) for warning in caught] == []


def run(source: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", *options, "-c", textwrap.dedent(source)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 3,
        check=False,
    )


def test_a_process_ends_by_itself_and_leaves_nothing(provider):
    server = provider(lambda request: chat_stream("a", "b") if request.body.get("stream") else whole(chat()))
    result = run(
        """
        import asyncio
        import msgflux_like as mf

        model = mf.Model.chat_completion("openai/gpt-4o")
        print(model("hi").consume())
        stream = model("hi", stream=True)
        print(next(iter(stream.consume())))
        kept = model("hi", stream=True)

        async def main():
            print((await model.acall("hi")).consume())
            response = await model.acall("hi", stream=True)
            async for piece in response.consume():
                print(piece)
            async for piece in model("hi", stream=True).consume():
                print(piece)
            left = await model.acall("hi", stream=True)

        asyncio.run(main())
        asyncio.run(main())
        """,
        OPENAI_API_KEY="sk-x",
        OPENAI_BASE_URL=server.base_url,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.split() == ["Hello", "a", *["Hello", "a", "b", "a", "b"] * 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_does_not_share_connections(provider):
    """The answers of parent and child must not be mixed up, and both go on."""
    server = provider(lambda request: whole(chat(request.body["messages"][0]["content"])))
    result = run(
        """
        import os
        import msgflux_like as mf

        model = mf.Model.chat_completion("openai/gpt-4o")
        assert model("before").consume() == "before"
        child = os.fork()
        name = "child" if child == 0 else "parent"
        for n in range(20):
            assert model(f"{name} {n}").consume() == f"{name} {n}"
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print("ok")
        """,
        "-W",
        "ignore:This process:DeprecationWarning",
        OPENAI_API_KEY="sk-x",
        OPENAI_BASE_URL=server.base_url,
    )
    assert (result.stdout, result.stderr) == ("ok\n", "")
    by_connection: dict[int, set[str]] = {}
    for request in server.requests[1:]:
        by_connection.setdefault(request.connection, set()).add(request.body["messages"][0]["content"].split()[0])
    assert sorted(map(sorted, by_connection.values())) == [["child"], ["parent"]]


# ---- failures of the way there


def closed_port() -> str:
    with Provider(whole(chat())) as gone:
        return gone.base_url


def test_a_provider_that_is_not_there_is_a_connection_error(colour, model_of):
    with pytest.raises(APIConnectionError, match="the connection failed") as caught:
        colour.ask(model_of(closed_port()), "hi")
    assert caught.value.status is None


def test_a_connection_that_is_closed_without_a_reply_is_tried_again(colour, provider, model_of):
    server = provider(lambda _: next(replies))
    replies = iter([stream(reset=True, framing="close"), whole(chat("second"))])
    response = colour.ask(model_of(server, max_retries=1), "hi")
    assert response.consume() == "second"
    assert response.metadata.attempts == 2


def test_a_reply_that_does_not_begin_in_time_is_a_timeout(colour, provider, model_of):
    gate = threading.Event()
    server = provider(stream(gate))
    with pytest.raises(APITimeoutError) as caught:
        colour.ask(model_of(server, timeout=Timeouts(first_event_s=0.05)), "hi")
    assert caught.value.phase == "first_event"
    with pytest.raises(APITimeoutError, match=r"longer than 0\.05 s in all"):
        colour.ask(model_of(server), "hi", timeout=0.05)


def test_a_timeout_before_the_first_piece_is_tried_again(colour, provider, model_of):
    gate = threading.Event()
    server = provider(stream(gate), whole(chat("second")))
    model = model_of(server, timeout=Timeouts(first_event_s=0.1), max_retries=1)
    assert colour.ask(model, "hi").consume() == "second"


def test_a_wait_that_the_total_time_has_no_room_for_is_not_begun(colour, provider, model_of):
    server = provider(whole({"error": {"message": "later"}}, status=503, retry_after="60"))
    with pytest.raises(Exception, match="later"):
        colour.ask(model_of(server, max_retries=5, timeout=5), "hi")
    assert len(server.requests) == 1


# ---- clients and proxies of the user's own


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_a_client_of_the_users_own_is_used_and_not_closed(colour, provider, model_of, library):
    server = provider(lambda request: chat_stream("a", "b") if request.body.get("stream") else whole(chat()))

    async def main():
        async with library.AsyncClient(headers={"x-mine": "yes"}) as client:
            model = model_of(server, http_client=client)
            assert (await model.acall("hi")).consume() == "Hello"
            response = await model.acall("hi", stream=True)
            assert [piece async for piece in response.consume()] == ["a", "b"]
            await model.aclose()
            assert not client.is_closed

    if colour.name == "async":
        asyncio.run(main())
    else:
        with library.Client(headers={"x-mine": "yes"}) as client:
            model = model_of(server, http_client=client)
            assert model("hi").consume() == "Hello"
            assert list(model("hi", stream=True).consume()) == ["a", "b"]
            model.close()
            assert not client.is_closed
    assert {request.headers["x-mine"] for request in server.requests} == {"yes"}
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer sk-secret"}


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_the_failures_of_a_users_client_are_ours(colour, provider, model_of, library):
    gate = threading.Event()
    cut = provider(stream(delta("one"), cut=True))
    slow = provider(stream(gate))
    gone = closed_port()

    def cases(client):
        yield gone, {}, APIConnectionError
        yield slow, {"timeout": Timeouts(first_event_s=0.05)}, APITimeoutError
        yield cut, {}, APIConnectionError

    async def main():
        async with library.AsyncClient() as client:
            for server, options, kind in cases(client):
                with pytest.raises(kind):
                    response = await model_of(server, http_client=client, **options).acall("hi", stream=True)
                    await response.aresult()

    if colour.name == "async":
        asyncio.run(main())
        return
    with library.Client() as client:
        for server, options, kind in cases(client):
            with pytest.raises(kind):
                model_of(server, http_client=client, **options)("hi", stream=True).result()


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_a_mocked_client_answers_though_its_reply_was_read_already(colour, model_of, library):
    def answer(request):
        return library.Response(200, json=chat("mocked"), headers={"content-encoding": "identity"})

    transport = library.MockTransport(answer)

    async def main():
        async with library.AsyncClient(transport=transport) as client:
            return (await model_of("https://example.com/v1", http_client=client).acall("hi")).consume()

    if colour.name == "async":
        assert asyncio.run(main()) == "mocked"
        return
    with library.Client(transport=transport) as client:
        model = model_of("https://example.com/v1", http_client=client)
        assert model("hi").consume() == "mocked"
        assert model("hi", stream=True).result().consume() == "mocked"


def test_a_client_of_the_other_colour_is_refused(provider, model_of):
    server = provider(whole(chat()))
    with httpx2.Client() as client, pytest.raises(InvalidRequestError, match="give an AsyncClient"):
        asyncio.run(model_of(server, http_client=client).acall("hi"))

    async def main():
        async with httpx2.AsyncClient() as client:
            with pytest.raises(InvalidRequestError, match="use acall"):
                model_of(server, http_client=client)("hi")

    asyncio.run(main())
    assert server.requests == []


def test_a_proxy_of_the_environment_is_used(colour, provider, model_of, monkeypatch):
    proxy = provider(whole(chat("through the proxy")))
    monkeypatch.setenv("HTTP_PROXY", f"http://user:pa%20ss@127.0.0.1:{proxy.port}")
    monkeypatch.setenv("NO_PROXY", "")
    model = model_of("http://127.0.0.1:9/v1")
    assert colour.ask(model, "hi").consume() == "through the proxy"
    request = proxy.requests[0]
    assert request.path == "http://127.0.0.1:9/v1/chat/completions"
    assert request.headers["proxy-authorization"] == "Basic dXNlcjpwYSBzcw=="


def test_a_host_that_the_environment_excepts_is_reached_directly(colour, provider, model_of, monkeypatch):
    proxy, server = provider(whole(chat("proxy"))), provider(whole(chat("direct")))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert colour.ask(model_of(server), "hi").consume() == "direct"
