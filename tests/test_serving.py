"""A stream passed on by a web application: FastAPI on a real uvicorn, whose event loop stays free."""

from __future__ import annotations

import socket
import threading

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from tests.provider import DONE, delta, stream

PATIENCE_S = 20.0


class Server(uvicorn.Server):
    """Runs in a thread; `ready` is set when it accepts connections."""

    def __init__(self, app):
        super().__init__(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none"))
        self.ready = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.run, args=([self.socket],))

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.ready.set()

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(PATIENCE_S)
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def __exit__(self, *_):
        self.should_exit = True
        self.thread.join(PATIENCE_S)
        self.socket.close()


@pytest.mark.parametrize("call", ["direct", "acall"])
def test_the_event_loop_serves_others_while_a_stream_waits(provider, model_of, call):
    """The provider sends its second piece only after another request was served by the same event loop."""
    gate = threading.Event()
    model = model_of(provider(stream(delta("one"), gate, delta(" two"), delta(finish="stop"), DONE)))
    app = FastAPI()

    @app.get("/story")
    async def story():
        response = model("hi", stream=True) if call == "direct" else await model.acall("hi", stream=True)
        return StreamingResponse(response.consume(), media_type="text/plain")

    @app.get("/other")
    async def other():
        gate.set()
        return "served"

    with Server(app) as url, httpx.stream("GET", f"{url}/story", timeout=PATIENCE_S) as reply:
        pieces = reply.iter_text()
        seen = [next(pieces)]
        assert httpx.get(f"{url}/other", timeout=PATIENCE_S).json() == "served"
        seen.extend(pieces)
    assert seen[0] == "one"
    assert "".join(seen) == "one two"


@pytest.mark.parametrize("call", ["direct", "acall"])
def test_a_reader_who_leaves_ends_the_providers_stream(provider, model_of, call):
    server = provider(stream(delta("one"), threading.Event()))
    model = model_of(server)
    app = FastAPI()

    @app.get("/story")
    async def story():
        response = model("hi", stream=True) if call == "direct" else await model.acall("hi", stream=True)
        return StreamingResponse(response.consume(), media_type="text/plain")

    with Server(app) as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        with client.stream("GET", "/story") as reply:
            assert next(reply.iter_text()) == "one"
        assert server.hung_up.wait(PATIENCE_S)
