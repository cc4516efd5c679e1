"""A provider on loopback that answers what a test tells it to, byte for byte, and remembers what it was sent."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self

PATIENCE_S = 20.0  # for a gate that a broken test never opens


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes
    connection: int


@dataclass
class Reply:
    """`pieces` are sent one by one; a `threading.Event` among them is waited for, a callable is called."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Iterable[Any] = ()
    framing: str = "chunked"  # "chunked", "length", "close" (no length: the end of the connection is the end)
    cut: bool = False  # close the connection without the end of the body
    reset: bool = False  # and do it with a reset


def whole(body: Any, status: int = 200, **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Reply(status, headers, [raw], framing="length")


def stream(*pieces: Any, **more: Any) -> Reply:
    return Reply(200, {"content-type": "text/event-stream"}, pieces, **more)


def chat(text: str = "Hello", finish: str = "stop", **message: Any) -> dict[str, Any]:
    """A whole reply of the chat dialect."""
    return {
        "id": "chatcmpl-1",
        "model": "gpt-4o-2024-08-06",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
        ],
        "usage": {"prompt_tokens": 19, "completion_tokens": 9, "total_tokens": 28},
    }


def sse(data: Any) -> bytes:
    return b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"


def delta(text: str | None = None, finish: str | None = None, **more: Any) -> bytes:
    """A streamed chunk of the chat dialect."""
    content = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": {**content, **more}, "finish_reason": finish}
    return sse({"id": "chatcmpl-1", "model": "m", "choices": [choice]})


USAGE = sse({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}})
DONE = sse(b"[DONE]")


def chat_stream(*texts: str) -> Reply:
    return stream(*(delta(text) for text in texts), delta(finish="stop"), USAGE, DONE)


class Provider:
    """Answers each request with the next of `replies`, or with what a function makes of it; the last one repeats."""

    def __init__(self, *replies: Reply | Callable[[Request], Reply], tls: ssl.SSLContext | None = None) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []
        self.hung_up = threading.Event()  # a client closed its connection while it was being answered
        self.connections = 0
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        self.base_url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/v1"
        self._tls = tls
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        with self._lock:
            for each in (self._listener, *self._sockets):
                _shut(each)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                number = self.connections
                self._sockets.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection, number), daemon=True)
                self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        if self._tls is not None:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:
                return  # the client does not trust us
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                with connection.makefile("rb") as source:
                    while (request := _read(source, number)) is not None:
                        if not self._answer(connection, request):
                            return
            except OSError:
                self.hung_up.set()

    def _answer(self, connection: socket.socket, request: Request) -> bool:
        with self._lock:
            self.requests.append(request)
            reply = self.replies[0] if len(self.replies) == 1 else self.replies.pop(0)
        if callable(reply):
            reply = reply(request)
        head = f"HTTP/1.1 {reply.status} X\r\n"
        headers = dict(reply.headers)
        pieces = reply.pieces
        if reply.framing == "length":
            pieces = [b"".join(pieces)]
            headers["content-length"] = str(len(pieces[0]))
        elif reply.framing == "chunked":
            headers["transfer-encoding"] = "chunked"
        else:
            headers["connection"] = "close"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(head.encode() + b"\r\n")
        for piece in pieces:
            self._send(connection, piece, reply)
        if reply.reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        if reply.cut or reply.reset or reply.framing == "close":
            return False
        if reply.framing == "chunked":
            connection.sendall(b"0\r\n\r\n")
        return True

    def _send(self, connection: socket.socket, piece: Any, reply: Reply) -> None:
        if isinstance(piece, threading.Event):
            self._wait(connection, piece)
        elif callable(piece):
            piece()
        elif piece:
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if reply.framing == "chunked" else piece)

    def _wait(self, connection: socket.socket, gate: threading.Event) -> None:
        """Wait for the gate, or for the client to go away."""
        connection.settimeout(0.02)
        try:
            for _ in range(int(PATIENCE_S / 0.02)):
                if gate.is_set():
                    return
                try:
                    if connection.recv(1, socket.MSG_PEEK) == b"":
                        raise ConnectionResetError("the client hung up")
                except TimeoutError:
                    continue
            raise AssertionError("the gate was never opened")
        finally:
            connection.settimeout(None)


def _read(source: Any, number: int) -> Request | None:
    line = source.readline()
    if not line:
        return None
    headers = {}
    while (header := source.readline().strip()) != b"":
        name, _, value = header.decode().partition(":")
        headers[name.lower()] = value.strip()
    raw = source.read(int(headers.get("content-length", 0)))
    body = json.loads(raw) if headers.get("content-type", "").startswith("application/json") and raw else None
    return Request(line.split()[1].decode(), headers, body, raw, number)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # gone already
