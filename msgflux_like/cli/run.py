"""`msgflux-like run`: send a prompt to a model and stream its answer."""

from __future__ import annotations

import argparse

from msgflux_like._json import to_json
from msgflux_like.calls.options import CallOptions
from msgflux_like.cli.output import UsageError, echo, echo_error, write
from msgflux_like.cli.prompt import prompt_from_arguments
from msgflux_like.cli.schema import schema_of
from msgflux_like.models import Model
from msgflux_like.response.stream import ModelStreamResponse


def run(options: argparse.Namespace) -> int:
    """Print the answer to one prompt, or with `--dry-run` the request."""
    prompt = prompt_from_arguments(options.prompt)
    if not prompt:
        raise UsageError("pass a prompt, or pipe one in")
    call = _call(options)
    typed = bool(options.schema or options.xml)
    streams = not (options.no_stream or typed)
    with Model.chat_completion(options.model, cache=options.cache) as model:
        if options.dry_run:
            from msgflux_like.cli.plan import echo_plan  # noqa: PLC0415  needed for --dry-run only

            echo_plan(model.plan(prompt, stream=streams, **call))
            return 0
        response = model(prompt, stream=streams, **call)
        if isinstance(response, ModelStreamResponse):
            for piece in response.consume():
                write(piece)
            echo("")
        else:
            echo(to_json(response.consume()).decode() if typed else response.consume())
    if options.usage:
        usage = response.metadata.usage
        kept = ", from the cache" if response.cached else ""
        echo_error(f"{usage.prompt_tokens} tokens in, {usage.completion_tokens} out{kept}")
    return 0


def _call(options: argparse.Namespace) -> CallOptions:
    call: CallOptions = {
        "system_prompt": options.system,
        "temperature": options.temperature,
        "max_tokens": options.max_tokens,
        "reasoning_effort": options.reasoning_effort,
    }
    if options.schema:
        call["generation_schema"] = schema_of(options.schema)
    if options.xml:
        call["typed_parser"] = "typed_xml"
    return call
