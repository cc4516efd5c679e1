"""The conversations of our tests through other libraries, and how many of their requests the providers' types take.

    python -m venv /tmp/peers && /tmp/peers/bin/pip install litellm boto3
    python benchmarks/conversations_in_other_libraries.py /tmp/peers/bin/python

This environment needs `pip install --group test --group sdks`. The library runs in its own, calls a server on loopback
that refuses everything, and what arrives there is checked: what a library sends, not what it might be made to send.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

ROOT = Path(__file__).parents[1]
DIALECTS = {
    "anthropic": "anthropic_messages",
    "gemini": "gemini",
    "bedrock": "bedrock_converse",
}
OURS = {"anthropic": "anthropic", "gemini": "gemini 2", "bedrock": "converse"}


class Seen(BaseHTTPRequestHandler):
    """Keeps the request and refuses it, so that no library waits for an answer."""

    kept: list[tuple[str, dict[str, str], bytes]] = []  # noqa: RUF012  there is one server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        self.kept.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        said = b'{"error":{"message":"seen","type":"invalid_request_error","code":400},"message":"seen"}'
        self.send_response(400)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: Any) -> None:
        pass


# --------------------------------------------------------------------------------------------------- in its environment


def _litellm(target: str, base_url: str, call: dict[str, Any]) -> None:
    import litellm

    litellm.suppress_debug_info = True
    models = {
        "anthropic": ("anthropic/claude-sonnet-4-5", {"api_base": base_url}),
        "gemini": ("gemini/gemini-2.5-flash", {"api_base": base_url}),
        "bedrock": (
            "bedrock/converse/us.anthropic.claude-haiku-4-5-20251001-v1:0",
            {"aws_bedrock_runtime_endpoint": base_url, "aws_region_name": "us-east-1"},
        ),
    }
    model, where = models[target]
    litellm.completion(model=model, api_key="sk-x", max_retries=0, num_retries=0, timeout=20, **where, **call)


LIBRARIES = {"litellm": _litellm}


def inside(library: str, target: str, base_url: str) -> None:
    """One line of JSON for each line read: what the library raised; its requests go to the server meanwhile."""
    import logging
    import os

    logging.disable(logging.CRITICAL)
    os.environ |= {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries print
    for line in sys.stdin:
        raised = ""
        try:
            LIBRARIES[library](target, base_url, json.loads(line))
        except Exception as error:  # noqa: BLE001  whatever it is, it is counted
            raised = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        print(json.dumps(raised), file=answers, flush=True)


# ----------------------------------------------------------------------------------------------------- in this one


def conversations() -> Iterator[tuple[Any, dict[str, Any]]]:
    """Those that OpenAI's own form can say, with nothing behind a link, which some libraries would fetch."""
    from msgflux_like.messages.normalize import normalize
    from tests.dialects.conversations import all_of_them

    for each in all_of_them():
        call = {name: value for name, value in each.call.items() if value is not None}
        tools = call.pop("tool_schemas", [])
        ours = {"generation_schema", "output_mode", "prefilling", "reasoning_budget", "top_k"} & call.keys()
        odd = {"unknown part", "image link", "video link", "file link", "file id", "arguments are no object"}
        if each.state or ours or each.traps & odd or any(callable(tool) for tool in tools):
            continue
        call["messages"] = list(normalize(each.messages, call.pop("system_prompt", None)))
        if tools:
            call["tools"] = tools
        if (choice := call.get("tool_choice")) and choice not in ("auto", "required", "none"):
            call["tool_choice"] = {"type": "function", "function": {"name": choice}}
        call.pop("stream", None)
        yield each, call


def verdict(target: str, seen: tuple[str, dict[str, str], bytes], messages: list[Any]) -> tuple[str, str]:
    """What is to be said of a request, and why."""
    from msgflux_like.calls.plan import CallPlan
    from tests.dialects import official_types, read_back

    path, headers, body = seen
    fields = json.loads(body)
    if target == "gemini":  # both spellings are taken
        fields = {re.sub("_(.)", lambda found: found[1].upper(), name): value for name, value in fields.items()}
    plan = CallPlan(path, headers, fields)
    try:
        official_types.check(DIALECTS[target], plan)
    except Exception as error:  # noqa: BLE001  an SDK's own
        return "not valid", " ".join(repr(error).split())[:300]
    if target == "gemini":  # calls may have no ids there: which result is whose cannot be read back
        return "valid", ""
    given = [each.piece for each in read_back.of_messages(messages)]
    sent = [each.piece for each in read_back.of_body(DIALECTS[target], plan.body)]
    if _of(sent, "call") != _of(given, "call") or _of(sent, "result") != _of(given, "result"):
        return "valid, calls or results are others", f"{_of(given, 'call', 'result')} -> {_of(sent, 'call', 'result')}"
    return "valid", ""


def _of(pieces: list[Any], *kinds: str) -> list[Any]:
    """Blank results say nothing, however they are written."""
    found = [piece for piece in pieces if piece[0] in kinds]
    return [(*piece[:-1], piece[-1].strip()) if isinstance(piece[-1], str) else piece for piece in found]


def run(python: str, library: str, target: str, base_url: str, verbose: bool) -> Counter[str]:
    """How many of the conversations end in which way."""
    counts: Counter[str] = Counter()
    process = subprocess.Popen(
        [python, __file__, python, "--inside", library, target, base_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        for conversation, call in conversations():
            Seen.kept.clear()
            process.stdin.write(json.dumps(call) + "\n")
            process.stdin.flush()
            raised = json.loads(process.stdout.readline())
            if Seen.kept:
                outcome, why = verdict(target, Seen.kept[0], call["messages"])
            else:
                outcome, why = "refused", raised
            counts[outcome] += 1
            if verbose and why:
                print(f"    {conversation.name}: {outcome}: {why}", file=sys.stderr)
        process.stdin.close()
    return counts


def run_ours(target: str, verbose: bool) -> Counter[str]:
    """The same for this library, by its plans."""
    from msgflux_like.errors import InvalidRequestError
    from tests.dialects.targets import model

    counts: Counter[str] = Counter()
    for conversation, call in conversations():
        try:
            plan = model(OURS[target]).plan(conversation.messages, **conversation.call)
        except InvalidRequestError as error:
            outcome, why = "refused", str(error)
        else:
            seen = (plan.url, dict(plan.headers), json.dumps(plan.body).encode())
            outcome, why = verdict(target, seen, call["messages"])
        counts[outcome] += 1
        if verbose and why:
            print(f"    {conversation.name}: {outcome}: {why}", file=sys.stderr)
    return counts


def version(python: str, library: str) -> str:
    asked = f"from importlib.metadata import version; print(version({library!r}))"
    return subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", help="of the environment that has the libraries")
    parser.add_argument("--library", choices=LIBRARIES, default="litellm")
    parser.add_argument("--target", choices=DIALECTS, action="append", help="one or more; all when not given")
    parser.add_argument("--verbose", action="store_true", help="every request that is not valid, and why")
    parser.add_argument("--inside", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        inside(*given.inside)
        return
    sys.path.insert(0, str(ROOT))
    warnings.simplefilter("ignore")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Seen)
    Thread(target=server.serve_forever, daemon=True).start()
    base_url = f"http://127.0.0.1:{server.server_port}"
    name = f"{given.library} {version(given.python, given.library)}"
    for target in given.target or DIALECTS:
        theirs = run(given.python, given.library, target, base_url, given.verbose)
        for who, counts in ((name, theirs), ("msgflux_like", run_ours(target, given.verbose))):
            print(f"{target:10} {who:20} of {sum(counts.values())}: {dict(counts.most_common())}", flush=True)
    server.shutdown()


if __name__ == "__main__":
    main()
