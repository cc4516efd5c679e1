"""Both generations of Foundry Local on loopback, and its program, with what the real ones say."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.provider import DONE, Reply, Request, sse, stream, whole

HAIKU = ["Cherry", " blossoms", " fall,\n", "Gentle", " spring", " breeze.\n"]

STATUS = "🟢 Model management service is running on {root}/openai/status\n"
NOT_RUNNING = (
    "🔴 Model management service is not running!\n"
    "To start the service, run the following command: foundry service start\n"
)
BROKEN = (
    "Exception: Request to local service failed. Uri:{root}/openai/status\n"
    "An error occurred while sending the request.\nPlease check service status with 'foundry service status'.\n"
)


def entry(name: str, alias: str, device: str, execution_provider: str, **more: Any) -> dict[str, Any]:
    """One model of `/foundry/list`."""
    return {
        "name": name,
        "displayName": name.rpartition(":")[0],
        "modelType": "ONNX",
        "providerType": "AzureFoundry",
        "uri": f"azureml://registries/azureml/models/{name.rpartition(':')[0]}/versions/{name.rpartition(':')[2]}",
        "version": name.rpartition(":")[2],
        "promptTemplate": {"prompt": "<|im_start|>user\n{Content}<|im_end|>"},
        "publisher": "Microsoft",
        "task": "chat-completion",
        "runtime": {"deviceType": device, "executionProvider": f"{execution_provider}ExecutionProvider"},
        "fileSizeMb": 1822,
        "alias": alias,
        "supportsToolCalling": True,
        "license": "apache-2.0",
        "licenseDescription": "...",
        "maxOutputTokens": 2048,
        "parentModelUri": "azureml://registries/azureml/models/parent/versions/1",
        **more,
    }


CATALOGUE = [
    entry("qwen2.5-1.5b-instruct-qnn-npu:2", "qwen2.5-1.5b", "NPU", "QNN"),
    entry("qwen2.5-1.5b-instruct-generic-gpu:3", "qwen2.5-1.5b", "GPU", "WebGpu"),
    entry("qwen2.5-1.5b-instruct-generic-gpu:10", "qwen2.5-1.5b", "GPU", "WebGpu"),
    entry("qwen2.5-1.5b-instruct-generic-cpu:4", "qwen2.5-1.5b", "CPU", "CPU"),
    entry("Phi-4-mini-instruct-generic-cpu:5", "phi-4-mini", "CPU", "CPU", promptTemplate=None, somethingNew=1),
    entry("Phi-4-generic-cpu:1", "phi-4", "CPU", "CPU"),
    entry("deepseek-r1-distill-qwen-7b-generic-cpu:3", "deepseek-r1-7b", "CPU", "CPU"),
]
ALIAS_OF = {each["name"]: each["alias"] for each in CATALOGUE}
IDS = list(ALIAS_OF)
OF_ALIAS = {
    "qwen2.5-1.5b": "qwen2.5-1.5b-instruct-generic-cpu:4",
    "phi-4-mini": "Phi-4-mini-instruct-generic-cpu:5",
    "phi-4": "Phi-4-generic-cpu:1",
    "deepseek-r1-7b": "deepseek-r1-distill-qwen-7b-generic-cpu:3",
}


@dataclass
class Service:
    """A service of either generation; it answers a `Provider`'s requests."""

    cached: list[str] = field(default_factory=lambda: ["qwen2.5-1.5b-instruct-generic-cpu:4"])
    loaded: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        self.seen.append(request.path)
        self.bodies.append(request.body)
        return self.answer(unquote(urlsplit(request.path).path), request.body)

    def answer(self, path: str, body: Any) -> Reply:
        raise NotImplementedError

    def asked(self, beginning: str) -> list[str]:
        return [path for path in self.seen if path.startswith(beginning)]


class ApiV0(Service):
    """Up to 0.8. Its chunks have `delta` and `message`, no finish reason, and fields in CamelCase."""

    outcome = b'{"success": true, "errorMessage": null}'

    def answer(self, path: str, body: Any) -> Reply:
        told = {
            "/openai/status": {"Endpoints": ["http://localhost:5273"], "ModelDirPath": "/models"},
            "/foundry/list": CATALOGUE,
            "/openai/models": self.cached,
            "/openai/loadedmodels": self.loaded or None,
        }
        if path in told:
            return whole(told[path])
        return self.chat(body) if path == "/v1/chat/completions" else self.told(path, body)

    def told(self, path: str, body: Any) -> Reply:
        name = path.rpartition("/")[2]
        if path == "/openai/download":
            self.cached.append(body["model"]["Name"])
            progress = (
                b"Total 10.00% Downloading model.onnx.data\r\nTotal 100.00% Downloading model.onnx.data\n"
                b"[DONE] All Completed!\n"
            )
            return whole(progress + self.outcome, content_type="text/plain")
        if path.startswith("/openai/load/"):
            if name not in self.cached:
                return whole(f"No OpenAIService provider found for modelName: {name}".encode(), 400)
            self.loaded.append(name)
            return whole(b"")
        if path.startswith("/openai/unload/"):
            self.loaded.remove(name)
            return whole(b"")
        return whole(b"", 404)

    def chat(self, body: Any) -> Reply:
        if body["model"] not in self.loaded:
            return whole({"error": {"message": f"No OpenAIService provider found for modelName: {body['model']}"}}, 400)
        if body.get("stream"):
            return stream(*(sse(self.said(body["model"], text, True)) for text in HAIKU), DONE)
        return whole(self.said(body["model"], "".join(HAIKU), False))

    def said(self, model: str, text: str, streamed: bool) -> dict[str, Any]:
        said = {"role": "assistant", "content": text, "tool_calls": []}
        ended = {} if streamed else {"finish_reason": "stop"}
        return {
            "model": model,
            "choices": [{"delta": said, "message": said, "index": 0, **ended}],
            "created": 1762612476,
            "CreatedAt": "2025-11-08T14:34:36+00:00",
            "id": "chat.id.1",
            "IsDelta": False,
            "Successful": True,
            "HttpStatusCode": 0,
            "object": "chat.completion.chunk" if streamed else "chat.completion",
        }


@dataclass
class ApiV1(Service):
    """From 1.0 on, as 2.2.1 answers; with `parents`, as the service of the 0.10 CLI does."""

    parents: bool = False
    aliases: dict[str, str] = field(default_factory=lambda: dict(OF_ALIAS))

    def answer(self, path: str, body: Any) -> Reply:
        name = path.rpartition("/")[2]
        if path == "/status":
            return whole({"endpoints": ["http://127.0.0.1:5273"], "modelCachePath": "/models", "pid": 27136})
        if path == "/v1/models":
            return whole({"data": [self.listed(each) for each in IDS], "object": "list"})
        if path == "/models/loaded":
            return whole(self.loaded)
        if path.startswith(("/models/load/", "/models/unload/")):
            return self.told(path.split("/")[2], name)
        if path == "/v1/chat/completions":
            return self.chat(body)
        text = f"server=oatpp/1.3.0\ncode=404\nmessage=No mapping for HTTP-method: 'GET', URL: '{path}'"
        return whole(text.encode(), 404, content_type="text/plain")

    def listed(self, model: str) -> dict[str, Any]:
        parent = {"parent": ALIAS_OF[model]} if self.parents else {}
        return {"created": 1735689600, "id": model, "object": "model", "owned_by": "Microsoft", **parent}

    def told(self, verb: str, alias: str) -> Reply:
        model = self.aliases.get(alias)
        if model is None:
            return refused(404, f"Model not found: No model matching '{alias}'")
        if verb == "unload":
            self.loaded.remove(model)
            return whole({"status": "unloaded"})
        if model not in self.cached:
            return refused(400, "Model not cached: Model must be downloaded before loading")
        if model not in self.loaded:
            self.loaded.append(model)
        return whole({"status": "loaded"})

    def chat(self, body: Any) -> Reply:
        model = body["model"]
        if model not in IDS:
            return refused(404, f"Model not found: No model matching '{model}'")
        if model not in self.loaded:
            return refused(400, f"Model not loaded: Model '{model}' must be loaded before inference")
        if not body.get("stream"):
            choice = {"finish_reason": "stop", "index": 0, "message": {"content": "".join(HAIKU), "role": "assistant"}}
            return whole({"choices": [choice], "id": "chatcmpl-1", "model": model, "usage": USAGE})
        if body.get("max_tokens", 1) < 0:
            said = "search_options.cc:55 max_output_tokens must be >= 1"
            return stream(sse({"error": {"code": None, "message": said, "type": "invalid_request_error"}}))
        chunks = [{"delta": {"content": text}, "finish_reason": None, "index": 0} for text in ["", *HAIKU]]
        chunks.append({"delta": {}, "finish_reason": "stop", "index": 0})
        usage = sse({"choices": [], "id": "chatcmpl-1", "usage": USAGE})
        return stream(*(sse({"choices": [each], "id": "chatcmpl-1", "model": model}) for each in chunks), usage, DONE)


USAGE = {"completion_tokens": 12, "prompt_tokens": 21, "total_tokens": 33}


def refused(status: int, message: str) -> Reply:
    error = {"code": None, "message": message, "param": None, "type": "invalid_request_error"}
    return whole({"error": error}, status)


PROGRAM = """#!{python} -SE
import json, pathlib, sys
here = pathlib.Path(__file__).parent
words = " ".join(sys.argv[1:])
with open(here / "asked", "a", encoding="utf-8") as asked:
    asked.write(json.dumps(sys.argv[1:]) + "\\n")
if words.endswith(" start"):
    (here / "started").touch()
replies = json.loads((here / "replies.json").read_text(encoding="utf-8"))
said = replies.get(words + ", started") if (here / "started").exists() else None
said = replies.get(words) if said is None else said
if said is None:
    sys.exit(f"Unrecognized command or argument {{words!r}}.")
if said == "never ends":
    import signal
    signal.alarm(20)
    signal.pause()
sys.stdout.buffer.write(said.encode())
if words.startswith("model download"):
    sys.exit(0 if "downloaded" in said else 1)
"""


class Program:
    """The program `foundry`, in a folder of its own that is all of PATH. It says what it is told to say."""

    def __init__(self, folder: Path, **replies: str) -> None:
        self._folder = folder
        folder.mkdir()
        program = folder / "foundry"
        program.write_text(PROGRAM.format(python=sys.executable), encoding="utf-8")
        program.chmod(0o755)
        self.says(**replies)

    def says(self, **replies: str) -> None:
        """`service_status="..."` for `foundry service status`; `..._started` for after a start."""
        words = {name.replace("_started", ", started").replace("_", " "): said for name, said in replies.items()}
        words |= {name.replace("json", "-o json"): said for name, said in words.items()}
        (self._folder / "replies.json").write_text(json.dumps(words), encoding="utf-8")

    @property
    def asked(self) -> list[list[str]]:
        path = self._folder / "asked"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
