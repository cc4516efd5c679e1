"""The command line: `msgflux-like run "prompt"` and what helps to use it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from msgflux_like import __version__
from msgflux_like.errors import MsgfluxError
from msgflux_like.request import CallOptions

DEFAULT_MODEL = "local/smollm2"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 for a failure, 2 for wrong arguments, 130 when interrupted."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except MsgfluxError as error:
        print(f"msgflux-like: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read us has enough
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="msgflux-like", description="One call shape for every chat model.")
    parser.add_argument("--version", action="version", version=f"msgflux-like {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="ask a model and print its answer as it comes")
    run.add_argument("prompt", nargs="*", help="what to ask; what is piped in comes after it")
    run.add_argument(
        "-m", "--model", default=DEFAULT_MODEL, help="provider/model (default: %(default)s, no key needed)"
    )
    run.add_argument("-s", "--system", help="a system prompt")
    run.add_argument("-t", "--temperature", type=float, help="0 to 2")
    run.add_argument("--max-tokens", type=int, help="most tokens to generate")
    run.add_argument("--no-stream", action="store_true", help="print the answer when it is whole")
    run.add_argument("-u", "--usage", action="store_true", help="print the token counts to standard error")
    run.set_defaults(command=_run)

    local = commands.add_parser("local", help="the embedded model")
    local_commands = local.add_subparsers(required=True, metavar="COMMAND")
    setup = local_commands.add_parser("setup", help="install the embedded model (98 MB)")
    setup.set_defaults(command=_local_setup)
    return parser


def _run(options: argparse.Namespace) -> int:
    from msgflux_like.models import Model  # noqa: PLC0415  `--help` needs none of it

    prompt = _prompt(options.prompt)
    if not prompt:
        print("msgflux-like run: give a prompt, or pipe one in", file=sys.stderr)
        return 2
    call: CallOptions = {
        "system_prompt": options.system,
        "temperature": options.temperature,
        "max_tokens": options.max_tokens,
    }
    with Model.chat_completion(options.model) as model:
        if options.no_stream:
            response = model(prompt, **call)
            print(_plain(response.consume()))
        else:
            response = model(prompt, stream=True, **call)
            for piece in response.consume():
                print(_plain(piece), end="", flush=True)
            print()
    if options.usage:
        usage = response.metadata.usage
        print(f"{usage.prompt_tokens} tokens in, {usage.completion_tokens} out", file=sys.stderr)
    return 0


def _prompt(words: Sequence[str]) -> str:
    """The words of the command line, and what is piped in."""
    piped = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read().strip()  # pyright: ignore[reportUnnecessaryComparison]  None under pythonw
    return "\n\n".join(filter(None, (" ".join(words).strip(), piped)))


def _plain(text: str) -> str:
    """Without control characters: what a model writes must not steer the terminal."""
    return "".join(character for character in text if character.isprintable() or character in "\n\t")


def _local_setup(_options: argparse.Namespace) -> int:
    from msgflux_like import local  # noqa: PLC0415

    local.setup()
    return 0
