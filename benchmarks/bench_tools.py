"""What a streamed tool call of 20 argument pieces costs over httpx2 and msgspec by hand: CPU time, interleaved rounds.

python benchmarks/bench_tools.py
"""

# ruff: noqa: SLF001  the server of the other benchmarks is given another stream

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
PIECES, TIMES, ROUNDS = 20, 150, 7
MESSAGES = [{"role": "user", "content": "What is the weather?"}]
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
_HEAD = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1763600971,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"delta":{"tool_calls":['  # noqa: E501
_TAIL = b']},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"abcdefgh"}\n\n'


class Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct):
    index: int
    id: str | None = None
    function: Function | None = None


class Delta(msgspec.Struct):
    content: str | None = None
    tool_calls: list[Call] | None = None


class Choice(msgspec.Struct):
    delta: Delta
    finish_reason: str | None = None


class Reply(msgspec.Struct):
    choices: list[Choice] = []


def serve() -> None:
    """The server of the other benchmarks, with a stream of its own."""
    import server

    first = b'{"index":0,"id":"call_1","type":"function","function":{"name":"get_weather","arguments":""}}'
    texts = [b"{", *(b'%s\\"k%d\\":%d' % (b"," if n else b"", n, n) for n in range(PIECES - 2)), b"}"]
    pieces = [first, *(b'{"index":0,"function":{"arguments":"%b"}}' % text for text in texts)]
    last = b'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\n'
    events = [*(_HEAD + piece + _TAIL for piece in pieces), last, b"data: [DONE]\n\n"]
    body = b"".join(server._chunk(event) for event in events) + b"0\r\n\r\n"
    head = b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    server._STREAMED_REPLY = server._HEAD + head + body
    server.main()


def raw(base_url: str) -> Any:
    """The least that a careful program would write: typed decoding, pieces joined once."""
    import httpx2

    client = httpx2.Client()
    decode, encode = msgspec.json.Decoder(Reply).decode, msgspec.json.encode

    def once() -> dict[str, Any]:
        body = encode({"model": "m", "messages": MESSAGES, "tools": TOOLS, "stream": True})
        arguments: list[str] = []
        held = b""
        headers = {"authorization": "Bearer sk-x", "content-type": "application/json"}
        with client.stream("POST", base_url + "/chat/completions", content=body, headers=headers) as response:
            for data in response.iter_bytes():
                *events, held = (held + data).split(b"\n\n")
                for event in events:
                    if event != b"data: [DONE]":
                        for call in decode(event[6:]).choices[0].delta.tool_calls or ():
                            arguments.append(call.function.arguments)
        return msgspec.json.decode("".join(arguments))

    return once


def own(base_url: str) -> Any:
    import msgflux_like as mf

    model = mf.Model.chat_completion("openai/m", base_url=base_url, api_key="sk-x")
    return lambda: model(MESSAGES, stream=True, tool_schemas=TOOLS).consume().get_calls()[0].arguments


def work(who: str, port: str) -> None:
    once = {"raw": raw, "own": own}[who](f"http://127.0.0.1:{port}/v1")
    assert len(once()) == PIECES - 2
    begun = time.process_time()
    for _ in range(TIMES):
        once()
    print(time.process_time() - begun)


def main() -> None:
    def run(*arguments: str) -> float:
        done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
        return float(done.stdout)

    serving = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        port = serving.stdout.readline().strip()
        rounds = [(run("raw", port), run("own", port)) for _ in range(ROUNDS)]
    finally:
        serving.kill()
    ratio = statistics.median(mine / by_hand for by_hand, mine in rounds)
    by_hand, mine = (min(each) / TIMES * 1e6 for each in zip(*rounds, strict=True))
    print(f"a tool call of {PIECES} pieces: {ratio:.2f} times ({mine:.0f} us, by hand {by_hand:.0f} us of CPU)")


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    elif sys.argv[1] == "serve":
        serve()
    else:
        work(*sys.argv[1:])
