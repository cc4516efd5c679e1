"""`msgflux-like run`: ask a model, and print its answer as it comes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from msgflux_like.cli.output import UsageError, complain, say, write
from msgflux_like.cli.schema import schema_of
from msgflux_like.models import Model
from msgflux_like.models.chat_completion import ChatCompletion
from msgflux_like.request import CallOptions, to_json
from msgflux_like.response import ModelResponse


def run(options: argparse.Namespace) -> int:
    """One question, one answer."""
    prompt = words_and_pipe(options.prompt)
    if not prompt:
        raise UsageError("give a prompt, or pipe one in")
    call: CallOptions = {
        "system_prompt": options.system,
        "temperature": options.temperature,
        "max_tokens": options.max_tokens,
    }
    with Model.chat_completion(options.model) as model:
        if options.schema or options.xml:
            response = _structured(model, prompt, options, call)
        elif options.no_stream:
            response = model(prompt, **call)
            say(response.consume())
        else:
            response = model(prompt, stream=True, **call)
            for piece in response.consume():
                write(piece)
            say("")
    if options.usage:
        usage = response.metadata.usage
        complain(f"{usage.prompt_tokens} tokens in, {usage.completion_tokens} out")
    return 0


def _structured(model: ChatCompletion, prompt: str, options: argparse.Namespace, call: CallOptions) -> ModelResponse:
    """Ask for an answer of a type, and print it as one line of JSON."""
    if options.schema:
        call["generation_schema"] = schema_of(options.schema)
    if options.xml:
        call["typed_parser"] = "typed_xml"
    response = model(prompt, **call)
    say(to_json(response.consume()).decode())
    return response


def words_and_pipe(words: Sequence[str]) -> str:
    """The words of the command line, and what is piped in."""
    return "\n\n".join(filter(None, (" ".join(words).strip(), _piped())))


def _piped() -> str:
    if sys.stdin is None or sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison]  None under pythonw
        return ""
    try:
        piped = sys.stdin.read().strip()
        piped.encode()  # Python may have let half a character through
    except UnicodeError:
        raise UsageError("what is piped in is not text") from None
    return piped
