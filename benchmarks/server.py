"""A server that always gives the same reply, whole or streamed, and costs its clients nothing to wait for."""

from __future__ import annotations

import socket
import threading

CHUNKS = 200
_HEADERS = b"".join(b"x-header-%d: some value %d\r\n" % (n, n) for n in range(14))
_HEAD = b"HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\n" + _HEADERS
_BODY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1763600971,"model":"gpt-4o-2024-08-06","choices":'
    b'[{"index":0,"message":{"role":"assistant","content":"Hello! How can I help you today? Ask me anything.",'
    b'"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":19,'
    b'"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
    b'"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,'
    b'"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_1"}'
)
_EVENT = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1763600971,"model":"gpt-4o-2024-08-06",'
    b'"service_tier":"default","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":"word%d "},'
    b'"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"abcdefgh"}\n\n'
)
_LAST = (
    b'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29}}\n\n'
)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_STREAM = b"".join(
    [*(_chunk(_EVENT % n) for n in range(CHUNKS)), _chunk(_LAST), _chunk(b"data: [DONE]\n\n"), b"0\r\n\r\n"]
)
_WHOLE_REPLY = _HEAD + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY
_STREAMED_REPLY = _HEAD + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + _STREAM


def _serve(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    held = b""
    while True:
        while b"\r\n\r\n" not in held:
            data = connection.recv(65536)
            if not data:
                return
            held += data
        head, _, body = held.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            body += connection.recv(65536)
        held = body[length:]
        connection.sendall(_STREAMED_REPLY if b'"stream":true' in body[:length] else _WHOLE_REPLY)


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
