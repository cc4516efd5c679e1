"""What is measured: the same work with httpx2 and msgspec by hand, and with this library. Run as a process of its own.

python benchmarks/workloads.py WHO WHAT TIMES PORT, where WHO is raw or own, and WHAT call, acall, stream or astream.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import msgspec

MESSAGES = [{"role": "user", "content": "Hello!"}]


class Message(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None


class Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class Reply(msgspec.Struct):
    id: str = ""
    model: str = ""
    choices: list[Choice] = []
    usage: Usage | None = None


class Raw:
    """The least that a careful program would write: typed decoding, no framework."""

    def __init__(self, base_url: str) -> None:
        import httpx2

        self.decode = msgspec.json.Decoder(Reply).decode
        self.encode = msgspec.json.Encoder().encode
        self.url = base_url + "/chat/completions"
        self.headers = {"authorization": "Bearer sk-x", "content-type": "application/json"}
        self.client = httpx2.Client
        self.async_client = httpx2.AsyncClient

    def body(self, stream: bool = False) -> bytes:
        return self.encode({"model": "m", "messages": MESSAGES, **({"stream": True} if stream else {})})

    def pieces(self, held: bytes, data: bytes, out: list[str]) -> bytes:
        *events, held = (held + data).split(b"\n\n")
        for event in events:
            if event != b"data: [DONE]":
                reply = self.decode(event[6:])
                if reply.choices and reply.choices[0].delta.content:
                    out.append(reply.choices[0].delta.content)
        return held

    def call(self, times: int) -> None:
        with self.client() as client:
            for _ in range(times):
                reply = self.decode(client.post(self.url, content=self.body(), headers=self.headers).content)
                assert reply.choices[0].message.content

    def stream(self, times: int) -> None:
        with self.client() as client:
            for _ in range(times):
                out: list[str] = []
                held = b""
                with client.stream("POST", self.url, content=self.body(True), headers=self.headers) as response:
                    for data in response.iter_bytes():
                        held = self.pieces(held, data, out)

    async def acall(self, times: int) -> None:
        async with self.async_client() as client:
            for _ in range(times):
                response = await client.post(self.url, content=self.body(), headers=self.headers)
                assert self.decode(response.content).choices[0].message.content

    async def astream(self, times: int) -> None:
        async with self.async_client() as client:
            for _ in range(times):
                out: list[str] = []
                held = b""
                async with client.stream("POST", self.url, content=self.body(True), headers=self.headers) as response:
                    async for data in response.aiter_bytes():
                        held = self.pieces(held, data, out)


class Own:
    def __init__(self, base_url: str) -> None:
        import msgflux_like as mf

        self.model = mf.Model.chat_completion("openai/m", base_url=base_url, api_key="sk-x")

    def call(self, times: int) -> None:
        for _ in range(times):
            assert self.model(MESSAGES).consume()

    def stream(self, times: int) -> None:
        for _ in range(times):
            out = []
            for piece in self.model(MESSAGES, stream=True).consume():
                out.append(piece)

    async def acall(self, times: int) -> None:
        for _ in range(times):
            assert (await self.model.acall(MESSAGES)).consume()

    async def astream(self, times: int) -> None:
        for _ in range(times):
            out = []
            async for piece in (await self.model.acall(MESSAGES, stream=True)).consume():
                out.append(piece)


def main() -> None:
    who, what, times, port = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    work: Any = getattr({"raw": Raw, "own": Own}[who](f"http://127.0.0.1:{port}/v1"), what)

    def run(count: int) -> None:
        result = work(count)
        if result is not None:
            asyncio.run(result)

    run(2)  # imports, connection
    begun = time.process_time()
    run(times)
    print(time.process_time() - begun)


if __name__ == "__main__":
    main()
