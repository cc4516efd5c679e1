"""The command line `msgflux-like`: its parser, and the dispatch to one module for each command.

The module of a command is imported when the command runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from msgflux_like import __version__
from msgflux_like.cli import values
from msgflux_like.cli.output import UsageError, echo_error, plain
from msgflux_like.errors import MsgfluxError

DEFAULT_MODEL = "local/smollm2"

_MODALITIES = ("text", "image", "audio", "video", "pdf")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Arguments of the command line; default: those of the process.

    Returns:
        The exit status: 0, 1 for a failure, 2 for wrong arguments, 130 after an interrupt.
    """
    options = _parser().parse_args(_join_models_show(sys.argv[1:] if arguments is None else arguments))
    module, function = options.command
    try:
        status: int = getattr(import_module(f"msgflux_like.cli.{module}"), function)(options)
        sys.stdout.flush()  # inside the `try`: the reader may have closed the pipe
    except UsageError as error:
        echo_error(f"msgflux-like {options.name}: error: {error}")
        return 2
    except MsgfluxError as error:
        echo_error(f"msgflux-like: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader closed the pipe: discard the rest, also at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        echo_error(f"msgflux-like: {error.filename}: {error.strerror}" if error.filename else f"msgflux-like: {error}")
        return 1
    return status


def _join_models_show(words: Sequence[str]) -> list[str]:
    """Join `models show` into one argument: argparse would parse `show` as a search text of `models`."""
    return ["models show", *words[2:]] if list(words[:2]) == ["models", "show"] else list(words)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Print the error as one line without control characters, which the quoted arguments may contain, and exit."""
        self.exit(2, plain(f"{self.prog}: error: {message} (see {self.prog} --help)").replace("\n", " ") + "\n")


_Commands = argparse._SubParsersAction  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  it has no public name


def _command(
    commands: _Commands[_Parser], name: str, target: tuple[str, str], does: str, epilog: str | None = None
) -> argparse.ArgumentParser:
    """Add the parser of a command; `target` is the name of its module and of its function."""
    parser = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.", epilog=epilog)
    parser.set_defaults(command=target, name=parser.prog.partition(" ")[2])
    return parser


def _parser() -> _Parser:
    parser = _Parser(prog="msgflux-like", description="One call shape for every chat model.")
    parser.add_argument("--version", action="version", version=f"msgflux-like {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_models(commands)
    _add_providers(commands)
    _add_cost(commands)
    _add_doctor(commands)
    _add_profiles(commands)
    _add_cache(commands)
    _add_local(commands)
    return parser


def _add_run(commands: _Commands[_Parser]) -> None:
    run = _command(commands, "run", ("run", "run"), "ask a model and stream its answer")
    run.add_argument("prompt", nargs="*", help="the prompt; piped input is appended")
    run.add_argument(
        "-m", "--model", default=DEFAULT_MODEL, help="provider/model (default: %(default)s, no key needed)"
    )
    run.add_argument("-s", "--system", help="a system prompt")
    run.add_argument("-t", "--temperature", type=float, help="0 to 2")
    run.add_argument("--max-tokens", type=int, help="maximum number of tokens to generate")
    run.add_argument("--reasoning-effort", metavar="LEVEL", help="low, medium, high, or another level of the model")
    run.add_argument("--no-stream", action="store_true", help="print the answer when it is complete")
    run.add_argument("-u", "--usage", action="store_true", help="print the token counts to standard error")
    run.add_argument(
        "--schema",
        metavar="TYPE",
        help='print JSON of this type: file.py:Type, schema.json, or fields like "name: str, age: int"',
    )
    run.add_argument("--xml", action="store_true", help="ask for typed XML, for models that cannot produce JSON")
    run.add_argument("--cache", metavar="PATH", help="cache answers there: a file, a folder or a redis:// URL")
    run.add_argument(
        "--dry-run", action="store_true", help="print the request and its estimated cost, but send nothing"
    )


def _add_models(commands: _Commands[_Parser]) -> None:
    models = _command(
        commands,
        "models",
        ("models", "list_models"),
        "list the models of the catalogue that match all filters",
        epilog="`models show provider/model` prints all that is known about one.",
    )
    models.add_argument("text", nargs="*", help="words in provider/model, name or family")
    models.add_argument("--provider", action="append", metavar="P", help="of this provider; repeat for several")
    models.add_argument("--tools", action="store_true", default=None, help="supports tool calling")
    models.add_argument("--reasoning", action="store_true", default=None, help="reasons before it answers")
    models.add_argument("--structured-output", action="store_true", default=None, help="supports a JSON schema")
    models.add_argument("--input", action="append", choices=_MODALITIES, help="accepts this; repeat for more")
    models.add_argument("--output", action="append", choices=_MODALITIES, help="produces this; repeat for more")
    models.add_argument("--open-weights", action="store_true", default=None, help="has published weights")
    for kind in ("input", "output"):
        models.add_argument(
            f"--max-{kind}-price", type=values.price, metavar="N", help=f"maximum US dollars per million {kind} tokens"
        )
    models.add_argument(
        "--min-context", type=values.size, metavar="N", help="minimum context, such as 200k or 1M tokens"
    )
    models.add_argument("--released-after", type=values.day, metavar="DATE", help="YYYY-MM-DD, YYYY-MM or YYYY")
    models.add_argument("--status", choices=("alpha", "beta", "deprecated", "stable"))
    models.add_argument("--retired", action="store_true", help="include models that have left the catalogue")
    models.add_argument("--sort", choices=("name", "price", "context", "date"), default="name")
    models.add_argument("--limit", type=values.at_least_one, metavar="N", help="the first N models")
    models.add_argument("--json", action="store_true", help="print the catalogue's entries, one per line")

    show = _command(commands, "models show", ("show", "show"), "print all that is known about a model")
    show.add_argument("model", metavar="provider/model")
    show.add_argument("--json", action="store_true", help="print the catalogue's entry")


def _add_providers(commands: _Commands[_Parser]) -> None:
    providers = _command(
        commands, "providers", ("providers", "list_providers"), "list the providers and how each is reached"
    )
    providers.add_argument("text", nargs="?", default="", help="part of the name")
    providers.add_argument("--ready", action="store_true", help="only providers whose key is set or that need none")
    providers.add_argument("--json", action="store_true", help="print one object per line")


def _add_cost(commands: _Commands[_Parser]) -> None:
    cost = _command(
        commands, "cost", ("cost", "compare"), "compare the prices of models for a prompt, a file or token counts"
    )
    cost.add_argument("prompt", nargs="*", help="the prompt; piped input is appended")
    cost.add_argument("-m", "--model", action="append", required=True, help="provider/model; repeat for more")
    cost.add_argument("--file", metavar="F", help="a text file, appended to the prompt")
    cost.add_argument("--tokens", type=values.in_and_out, metavar="IN/OUT", help="instead of a prompt: 1M/200k, or 1M")
    cost.add_argument("--cached", type=values.share, metavar="80%", help="part of the input from the provider's cache")
    cost.add_argument("--max-tokens", type=values.size, metavar="N", help="maximum length of the answer, in tokens")
    cost.add_argument("--json", action="store_true", help="print one object per line")


def _add_doctor(commands: _Commands[_Parser]) -> None:
    doctor = _command(
        commands,
        "doctor",
        ("doctor", "examine"),
        "show what is installed, and how providers are reached",
    )
    doctor.add_argument("provider", nargs="*", help="(default: providers with a row or a key)")


def _add_profiles(commands: _Commands[_Parser]) -> None:
    profiles = commands.add_parser("profiles", help="the catalogue of models")
    actions = profiles.add_subparsers(required=True, metavar="COMMAND")
    refresh = _command(actions, "refresh", ("profiles", "refresh"), "fetch the newest catalogue and use it from now on")
    refresh.add_argument("--url", help="URL of an api.json (default: MSGFLUX_LIKE_PROFILES_URL, else models.dev)")
    diff = _command(actions, "diff", ("profiles", "diff"), "show what changed from one catalogue to another")
    diff.add_argument("old", help="an api.json, or a folder with a snapshot")
    diff.add_argument("new", nargs="?", help="(default: the one in use)")
    _command(actions, "info", ("profiles", "info"), "show which catalogue is in use")


def _add_cache(commands: _Commands[_Parser]) -> None:
    cache = commands.add_parser("cache", help="cached answers")
    actions = cache.add_subparsers(required=True, metavar="COMMAND")
    for name, does in (
        ("stats", "show the number, the models and the age of the cached answers"),
        ("clear", "delete all cached answers"),
        ("export", "print each answer as a line of JSON"),
    ):
        action = _command(actions, name, ("cache", name), does)
        action.add_argument(
            "--path",
            metavar="PATH",
            help="a file, a folder or a redis:// URL (default: responses.sqlite in the cache folder)",
        )


def _add_local(commands: _Commands[_Parser]) -> None:
    local = commands.add_parser("local", help="the embedded model")
    actions = local.add_subparsers(required=True, metavar="COMMAND")
    _command(actions, "setup", ("local", "setup"), "install the embedded model (98 MB)")
